"""A result as a page: everything is in it, nothing in a file can make it load or run anything."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmark_cases import make_measurement, make_result
from binnet._files import is_ours
from binnet.benchmarks import describe_host
from binnet.benchmarks._result import BenchmarkResult, Limits, Stability
from binnet.plotting import benchmark_report
from binnet.plotting.benchmark_report import make_report, save_report
from binnet.plotting.benchmark_report._html import element, table, to_page
from binnet.plotting.benchmark_report._machine import Machine, format_bytes

MARKUP = "<script>alert(1)</script>'\"><img src=http://x.org/a onerror=alert(2)>&amp;"
HOSTILE = f"{MARKUP}\x00\ud800"  # which no picture can show
VOID = {"meta", "img", "br", "link", "input", "hr"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div",
    "p", "h1", "h2", "h3", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "dl",
    "dt", "dd", "details", "summary", "figure", "figcaption", "img", "span", "i", "pre", "code",
    "br",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "id", "scope", "colspan", "src",
    "alt", "style", "aria-hidden", "aria-label", "role", "tabindex",
}  # fmt: skip


class Page(HTMLParser):
    """What a reader of HTML makes of a page; tags that are not closed are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.declarations: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def find(self, tag: str, name: str) -> list[str]:
        return [value or "" for one, key, value in self.attributes if (one, key) == (tag, name)]


PAGE = to_page("a page", "", element("p", "–"))


@pytest.fixture(scope="module")
def reference() -> BenchmarkResult:
    return make_result()


@pytest.fixture(scope="module")
def result() -> BenchmarkResult:
    work: dict[str, Any] = {"joules": None, "operation": "fma32", "operations": 4e6}
    return make_result(
        make_measurement(rate=2e6, **work), make_measurement(threads=2, rate=3e6, **work)
    )


@pytest.fixture(scope="module")
def page(result: BenchmarkResult, reference: BenchmarkResult) -> str:
    return make_report(result, reference=reference)


def make_plain(result: BenchmarkResult, **options: Any) -> str:
    """Return a page without the pictures, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_report, "_picture", lambda draw, caption: element("p", caption))
        return make_report(result, **options)


def read(result: BenchmarkResult, **options: Any) -> str:
    return Page(make_plain(result, **options)).text


def test_it_is_a_page_of_html(page: str) -> None:
    parsed = Page(page)
    assert parsed.declarations == ["DOCTYPE html"]
    assert parsed.find("html", "lang") == ["en"]
    assert "width=device-width, initial-scale=1" in parsed.find("meta", "content")
    assert parsed.tags["title"] == parsed.tags["h1"] == parsed.tags["main"] == 1
    assert set(parsed.tags) <= TAGS
    assert {name for _, name, _ in parsed.attributes} <= ATTRIBUTES
    names = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(set(names)) == len(names)
    assert all(parsed.find("img", "alt"))
    assert parsed.tags["img"] == len(parsed.find("img", "alt"))
    style = page.split("<style>")[1].split("</style>")[0]
    for condition in ("prefers-color-scheme: dark", "print", "max-width: 40rem"):
        assert f"({condition})" in style or f"@media {condition}" in style
    assert style.count("{") == style.count("}")


def test_nothing_is_loaded(page: str) -> None:
    parsed = Page(page)
    assert parsed.find("img", "src")
    assert all(
        source.startswith("data:image/svg+xml;base64,") for source in parsed.find("img", "src")
    )
    assert parsed.tags["script"] == parsed.tags["link"] == 0
    rest = re.sub(r"data:image[^\"]*", "", page)
    assert not re.search(r"https?:|//\w|url\(|@import|srcset|href", rest)
    (policy,) = (text for text in parsed.find("meta", "content") if "default-src" in text)
    assert policy.startswith("default-src 'none'")


def list_pictures(page: str) -> list[ElementTree.Element]:
    sources = [source.partition(",")[2] for source in Page(page).find("img", "src")]
    return [ElementTree.fromstring(base64.b64decode(source)) for source in sources]


def test_the_pictures_load_nothing_either(page: str) -> None:
    pictures = list_pictures(page)
    assert len(pictures) == 4  # two rooflines, fractions, comparison
    for picture in pictures:
        assert picture.tag.endswith("}svg")
        for part in picture.iter():
            assert not part.tag.endswith(("}script", "}foreignObject"))
            for name, value in part.attrib.items():
                assert not name.startswith("on")
                if name.endswith("href"):
                    assert value.startswith(("#", "data:image/png"))


def make_hostile(text: str) -> BenchmarkResult:
    """Return a result with markup wherever a file may hold text."""
    measurements = [
        make_measurement(text, n, suite=text, unit=text, level=text, operation=text,
                         sizes={text: 1}, checksum=text, probes={text: 1.0},
                         implementation=who, operations=1e6)
        for n in (1, 2) for who in ("binnet", text)
    ]  # fmt: skip
    limits = tuple(Limits(n, {text: 1e9}, {text: 1e9}, {}, {}, {text: text}) for n in (1, 2))
    facts: dict[str, Any] = dict.fromkeys(describe_host(), text)
    facts |= {
        "cpu": dict.fromkeys(("model", "vendor", "family", "model_number", "microcode"), text),
        "caches": [{"level": text, "kind": text, "bytes": text}, text],
        "cores": {"affinity": text, "quota": text, "physical": [text]},
        "packages": {"numba": text}, "environment": {text: text, "OMP_X": text},
        "blas": [{"name": text}], "unknown": {"cpu.stepping": text}, text: text,
    }  # fmt: skip
    return make_result(
        *measurements,
        limits_before=limits,
        limits_after=(),
        stability=Stability(False, (text,), {text: text}),
        division="open",
        open_reasons=(text,),
        machine=facts,
        energy={"available": False, "reason": text},
        provenance=dict.fromkeys(("binnet", "cpu", "started", "platform"), text),
        settings={"suite": text, "mode": text, "threads": [text, "all"],
                  "time_limit": text, "failures": [{"reason": text}, text]},
    )  # fmt: skip


@pytest.mark.parametrize(("text", "n_pictures"), [(MARKUP, 2), (HOSTILE, 0)])
def test_markup_in_a_file_stays_text(text: str, n_pictures: int) -> None:
    hostile = make_hostile(text)
    page = make_report(hostile, reference=hostile, unstable_ok=True)
    page.encode()  # also half characters
    assert "\0" not in page
    parsed = Page(page)
    assert set(parsed.tags) <= TAGS
    assert {name for _, name, _ in parsed.attributes} <= ATTRIBUTES
    assert all(source.startswith("data:") for source in parsed.find("img", "src"))
    assert all(re.fullmatch(r"--part: [\d.]+%", style) for style in parsed.find("i", "style"))
    assert parsed.text.count(MARKUP) > 30  # it is there to be read
    pictures = list_pictures(page)
    assert len(pictures) == n_pictures
    for picture in pictures:
        assert any(MARKUP in (part.text or "") for part in picture.iter())
        assert not any(part.tag.endswith(("}script", "}img")) for part in picture.iter())


def test_machines_of_any_shape(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    topics = list(describe_host())
    for machine in ({}, dict.fromkeys(topics, 3), {topic: [None] for topic in topics}):
        text = read(replace(result, machine=machine), reference=reference)
        assert "a CPU without a name" in text


def test_cores_that_a_run_may_not_use(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    for online, said in ((4, "4 threads, SMT: unknown; this run may use 2 of the threads"),
                         (2, "2 threads, SMT: unknown Caches")):  # fmt: skip
        machine = {"cores": {"online": online, "affinity": [0, 1]}}
        assert said in read(replace(result, machine=machine), reference=reference)


def test_scores_come_first(page: str) -> None:
    text = Page(page).text
    assert text.index("Score, one core 2000") < text.index("Score, all cores (2 threads) 1667")
    assert text.index("1667") < text.index("Parallel efficiency 0.75") < text.index("Stable")
    assert text.index("Closed division") < text.index("Machine") < text.index("Limits")
    for part in ("Workloads", "Beside the reference", "Do the same", "Method"):
        assert f" {part} " in text
    assert "95 % interval" in text  # of the score
    assert "intervals: the range of 3 processes, which holds the true rate in about 75 %" in text
    assert "relax: flips a second" in text
    assert "No energy: powercap is not readable" in text
    assert "relax-sync-l2 1 2.00 M" in text
    assert "L2 60.0 GB/s 90.0 GB/s" in text
    assert "float32 multiply-adds (FMA) 100 Gop/s 200 Gop/s" in text


def test_energy_is_shown_where_it_is_known(reference: BenchmarkResult) -> None:
    text = read(reference, reference=reference)
    assert "2.50 µJ" in text  # half a joule for 2e5 flips
    assert "No energy" not in text


def test_wrong_answers_void_it(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    first, *rest = result.measurements
    wrong = replace(result, measurements=(replace(first, verdict="wrong"), *rest))
    text = make_plain(wrong, reference=reference, unstable_ok=True)
    assert "Void: answers were wrong (relax-sync-l2)" in Page(text).text
    assert '<span class="wrong">wrong</span>' in text
    assert "2000" not in Page(text).text
    assert "Scores of each suite" not in text


def test_no_scores_of_a_machine_that_was_not_quiet(
    result: BenchmarkResult, reference: BenchmarkResult
) -> None:
    stability = Stability(False, ("another process took 43 % of core 1",))
    busy = replace(result, stability=stability)
    text = read(busy, reference=reference)
    assert "another process took 43 % of core 1" in text
    assert "The machine was not stable" in text
    assert "2000" not in text
    assert "Scores of each suite" not in text
    assert "2000" in read(busy, reference=reference, unstable_ok=True)


def test_what_is_incomplete_says_so(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    failures = [{"workload": "rtrl-32", "threads": 2, "reason": "it was killed"}]
    stopped = replace(
        result, is_complete=False, division="open", open_reasons=("it was stopped: wait",),
        settings={**result.settings, "failures": failures},
    )  # fmt: skip
    text = read(stopped, reference=reference)
    assert "The run was stopped before its end." in text
    assert "rtrl-32, threads 2: it was killed" in text
    assert "Open division it was stopped: wait" in text
    without = read(replace(stopped, open_reasons=()), reference=reference)
    assert "Open division The file gives no reason." in without  # one of schema 1


def test_a_reference_of_other_work(result: BenchmarkResult) -> None:
    other = make_result(make_measurement("other"))
    text = read(result, reference=other)
    assert "have no workload in common" in text
    assert "none incomplete: without other" in text


def test_a_package_without_a_reference(
    result: BenchmarkResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> BenchmarkResult:
        raise FileNotFoundError("reference.json is not there")

    for module in ("plotting.benchmark_report", "benchmarks._scores"):
        monkeypatch.setattr(f"binnet.{module}.load_reference", fail)
    text = read(result)
    assert "Score, one core none reference.json is not there" in text
    assert "This binnet has no result of a reference machine." in text
    assert "relax-sync-l2 1 2.00 M" in text


def test_pictures_have_names(page: str) -> None:
    names = Page(page).find("img", "alt")
    assert [name.partition(":")[0] for name in names] == [
        "Roofline of fma32, 1 thread", "Roofline of fma32, 2 threads",
        "Fractions of the limits that bind", "Rates over those of the reference",
    ]  # fmt: skip
    assert "could not be drawn" not in page


def test_a_run_that_was_stopped_in_its_first_process(
    result: BenchmarkResult, reference: BenchmarkResult
) -> None:
    few = [replace(m, values=m.values[:1]) for m in result.measurements]
    text = read(replace(result, measurements=tuple(few), is_complete=False), reference=reference)
    assert "relax-sync-l2 1 2.04 M – " in text  # a rate, and no interval
    assert "stopped before 3 processes had measured relax-sync-l2" in text


def test_data_lie_where_this_machine_has_room(reference: BenchmarkResult) -> None:
    limits = Limits(1, {"L1": 1e11, "L2": 6e10, "L3": 3e10}, {}, {}, {"L2": 2**19, "L3": 2**24})
    found = make_result(make_measurement(n_bytes=3e9), limits_before=(limits,), limits_after=())
    assert "% of L3 L3 exact" in read(found, reference=reference)


def test_small_fractions_are_not_nothing(reference: BenchmarkResult) -> None:
    small = make_measurement(rate=2e6, n_bytes=2.4e7)  # 2.4e8 bytes a second of 6e10
    assert "0.4 % of L2" in read(make_result(small), reference=reference)
    nothing = make_measurement(rate=2e6, n_bytes=0.0, operations=1e6)
    assert "% of L2" not in read(make_result(nothing), reference=reference)


def test_limits_that_were_not_measured(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    without = replace(result, limits_before=(), limits_after=())
    text = read(without, reference=reference)
    assert "They were not measured." in text
    assert "could not be drawn" not in text


def test_how_to_do_it_again_tells_no_folder(
    result: BenchmarkResult, reference: BenchmarkResult
) -> None:
    command = ["/home/ada/bin/binnet", "bench", "run", "--output", "/home/ada/x.json"]
    settings = {"suite": "rate", "mode": "quick", "threads": [1, 2], "time_limit": 90.0}
    again = replace(
        result, provenance={**result.provenance, "command": command}, settings=settings,
        machine={"packages": {"numba": "0.61.0"}, "environment": {"OMP_X": "1", "PYTHONPATH": "y"}},
    )  # fmt: skip
    text = read(again, reference=reference)
    assert "/home" not in text
    assert (
        "pip install binnet==0.1.0 numba==0.61.0 "
        "binnet bench run --suite rate --quick --threads 1,2 --time-limit 90"
    ) in text
    assert "Variables that change speed OMP_X=1 Date" in text
    assert "PYTHONPATH=y" not in text


def test_a_checkout_is_checked_out(result: BenchmarkResult, reference: BenchmarkResult) -> None:
    machine = {"binnet": {"from": "checkout", "commit": "c0ffee"}, "packages": {"numpy": "2.0.0"}}
    text = read(replace(result, machine=machine), reference=reference)
    assert "git checkout c0ffee pip install . numpy==2.0.0 binnet bench run" in text


def test_a_picture_that_fails_costs_nothing_else(
    result: BenchmarkResult, reference: BenchmarkResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(figure: object) -> bytes:
        raise ValueError("no ink\nsecond line")

    monkeypatch.setattr(benchmark_report, "_to_svg", fail)
    parsed = Page(make_report(result, reference=reference))
    assert ": the picture could not be drawn: no ink" in parsed.text
    assert "second line" not in parsed.text
    assert parsed.tags["img"] == 0


def test_the_same_result_is_the_same_page(
    page: str, result: BenchmarkResult, reference: BenchmarkResult
) -> None:
    assert make_report(result, reference=reference) == page


def test_the_page_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_report, "make_report", lambda *_, **options: PAGE)
    path, result = tmp_path / "a.html", make_result()
    save_report(result, path)
    assert path.read_bytes() == PAGE.encode()
    assert is_ours(path)
    save_report(result, path)
    path.write_text("<!DOCTYPE html>\n<p>mine")
    with pytest.raises(FileExistsError, match="no mark"):
        save_report(result, path)
    save_report(result, path, overwrite=True)
    assert path.read_bytes() == PAGE.encode()


def test_facts_have_reasons() -> None:
    facts = {"a": {"b": None, "c": True, "d": 3}, "unknown": {"a.b": "nobody asked"}}
    machine = Machine(facts)
    assert machine.say("a", "b") == "unknown (nobody asked)"
    assert machine.say("a", "e") == machine.say("a", "d", "f") == "unknown"
    assert machine.say("a", "c") == "yes"
    assert machine.say("a", "d", unit=" K") == "3 K"


def test_numbers() -> None:
    assert format_bytes(48 * 2**10) == "48 KB"
    assert format_bytes(24684096 * 1024) == "23.5 GB"
    assert format_bytes(100) == "100 bytes"


def test_tables_have_heads() -> None:
    made = table(("a", "b"), [("g", [["x", "1"]]), ("", [["y", "2"]])], caption="c", numbers=(1,))
    text = to_page("t", "", made)
    assert '<th scope="rowgroup" colspan="2">g</th>' in text
    assert '<th scope="row">x</th><td class="number">1</td>' in text
    with pytest.raises(ValueError, match="zip"):
        table(("a",), [("", [["x", "1"]])], caption="c")


def test_text_beside_elements() -> None:
    text = to_page("t", "", element("p", "a", element("br"), "b<", "c"))
    assert "<p>a<br>b&lt;c</p>" in text


def find_browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("needs Chromium to look at the page")


@pytest.mark.parametrize("width", [500, 1200])
def test_a_browser_shows_it(width: int, page: str, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", f"--window-size={width},3000",
         f"--screenshot={tmp_path / 'a.png'}", (tmp_path / "a.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
        env=os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr  # as where the policy refuses something
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    assert picture.shape == (3000, width, 3)
    page_colour = picture[0, 0]
    assert (picture[:, -3:] == page_colour).all()  # nothing is wider than the page
    assert (np.abs(picture - page_colour).max(axis=2) > 100).mean() > 0.005  # there is ink
