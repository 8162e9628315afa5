"""`binnet bench compare` and `binnet bench export` as users meet them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from benchmark_cases import make_measurement, make_result
from binnet.benchmarks import _scores
from binnet.benchmarks._files import save_result
from binnet.benchmarks._result import Stability
from binnet.cli import main

REFERENCE = make_result(
    make_measurement("a-x", 1, 1e6), make_measurement("a-x", 2, 1.6e6),
    make_measurement("b-x", 1, 2e3), make_measurement("b-x", 2, 3e3),
)  # fmt: skip


def make(factor: float, **changes):
    measurements = [
        make_measurement(m.workload, m.threads, factor * m.rate) for m in REFERENCE.measurements
    ]
    return make_result(*measurements, **changes)


@pytest.fixture(autouse=True)
def reference(monkeypatch):
    monkeypatch.setattr(_scores, "load_reference", lambda: REFERENCE)


@pytest.fixture
def files(tmp_path: Path, monkeypatch) -> Path:
    """Go to a folder with two results."""
    monkeypatch.chdir(tmp_path)
    save_result(make(1.0), "slow.json")
    save_result(make(2.0, division="open", is_complete=False), "fast.json")
    return tmp_path


def run(*arguments, code=0) -> str:
    result: Result = CliRunner().invoke(main, ["bench", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_two_files(files):
    output = run("compare", "slow.json", "fast.json")
    assert "slow: A CPU, binnet 0.1.0, closed division, 2026-01-02T03:04:05+00:00" in output
    assert "open division, 2026-01-02T03:04:05+00:00, stopped before the end" in output
    assert re.search(r"^workload +cores +unit +slow +fast +ratio +interval$", output, re.M)
    line = r"^a-x +all +flips/s +1\.60 M +3\.20 M +2\.000 +\[1\.903, 2\.102\] +\*$"
    assert re.search(line, output, re.M)
    assert re.search(r"^  mean of b +1 +2\.000 +\[1\.903, 2\.102\] +\*$", output, re.M)
    assert re.search(r"^mean of all suites +all +2\.000 ", output, re.M)
    assert "fast: 0 of 4 intervals contain 1 (of equal machines about 4 would)" in output
    assert "over the processes of both, which hold the true ratio in about 90 % of runs" in output
    assert re.search(r"^fast\n  score, one core +2000 \[1903, 2102\]", output, re.M)
    assert re.search(r"^slow\n  score, one core +1000 \[951, 1051\]", output, re.M)
    assert sorted(path.name for path in files.iterdir()) == ["fast.json", "slow.json"]


def test_the_farthest_ratio_is_named(files):
    measurements = [*make(1.0).measurements[:3], make_measurement("b-x", 2, 1e3)]
    save_result(make_result(*measurements), "other.json")
    output = run("compare", "slow.json", "other.json")
    assert "other: 3 of 4 intervals contain 1" in output
    assert "other: farthest from slow is b-x on all cores: 0.333 [0.317, 0.350] *" in output


def test_one_file_is_compared_with_the_reference(files):
    output = run("compare", "fast.json")
    assert re.search(r"^a-x +1 +flips/s +1\.00 M +2\.00 M +2\.000 ", output, re.M)
    assert re.search(r"^workload .* reference +fast ", output, re.M)
    assert "\nfast\n  score" in output
    assert "\nreference\n" not in output


def test_numbers_and_figure(files):
    output = run("compare", "slow.json", "fast.json", "--csv", "all.csv", "--output", "all.png")
    assert "figure: all.png" in output
    assert "numbers: all.csv" in output
    assert (files / "all.png").read_bytes().startswith(b"\x89PNG")
    frame = pd.read_csv("all.csv")
    assert frame[frame.label == "fast"].ratio.to_list() == pytest.approx([2.0] * 4)


def test_labels_that_are_the_same_are_told_apart(files):
    (files / "b").mkdir()
    save_result(make(4.0), "b/slow.json")
    output = run("compare", "slow.json", "b/slow.json", "slow.json")
    assert re.search(
        r"^workload .* slow\.json \(1\) +b/slow\.json .* slow\.json \(2\) ", output, re.M
    )
    assert "b/slow.json: 0 of 4 intervals contain 1" in output
    assert "slow.json (2): 4 of 4 intervals contain 1" in output
    save_result(make(3.0), "reference.json")
    output = run("compare", "reference.json")
    assert re.search(r"^workload .* reference +reference\.json ", output, re.M)
    assert "\nreference.json\n  score, one core                 3000" in output
    save_result(make(3.0), "reference")
    output = run("compare", "reference")
    assert re.search(r"^workload .* reference +reference \(2\) ", output, re.M)


def test_an_unstable_machine_has_no_score_unless_told(files):
    unstable = Stability(False, ("steal time of 4 %",))
    save_result(make(2.0, stability=unstable), "unstable.json")
    output = run("compare", "slow.json", "unstable.json")
    assert "  not stable: steal time of 4 %\n  no score: the machine was not stable (" in output
    assert output.count("score, one core") == 1
    output = run("compare", "slow.json", "unstable.json", "--unstable-ok")
    assert "  not stable: steal time of 4 %\n  scores of a machine that was not stable:" in output
    assert output.count("score, one core") == 2


def test_a_wrong_answer_is_marked_and_voids_the_score(files):
    wrong = make_measurement("a-x", 1, 9e9, verdict="wrong")
    save_result(make_result(wrong, *make(2.0).measurements[1:]), "wrong.json")
    output = run("compare", "slow.json", "wrong.json")
    assert re.search(r"^a-x +1 .* 9\.00 G \(wrong answer\) +-$", output, re.M)  # no ratio
    assert re.search(r"^  mean of a +all +2\.000 ", output, re.M)
    assert not re.search(r"^  mean of a +1 ", output, re.M)
    assert re.search(r"^mean of all suites +1 +2\.000 ", output, re.M)  # of b-x alone
    assert "\nwrong\n  no score: void, as answers were wrong: a-x\n" in output


def test_a_single_process_is_said_to_have_no_interval(files):
    once = [make_measurement("a-x", n, values=((1.0,),)) for n in (1, 2)]
    save_result(make_result(*once), "once.json")
    output = run("compare", "slow.json", "once.json")
    assert "once: no interval, as there is a single process" in output
    assert "hold the true ratio" not in output


@pytest.fixture
def no_reference(monkeypatch):
    def refuse():
        raise FileNotFoundError("this binnet has no result of a reference machine")

    monkeypatch.setattr(_scores, "load_reference", refuse)


def test_without_a_reference_two_files_are_compared_and_one_is_not(files, no_reference):
    output = run("compare", "slow.json", "fast.json")
    assert re.search(r"^a-x +all .* 2\.000 +\[1\.903, 2\.102\] +\*$", output, re.M)
    line = r"^fast\n  score, one core +none \(this binnet has no result of a reference machine\)$"
    assert re.search(line, output, re.M)
    assert re.search(r"^  parallel efficiency +0\.\d+ \[", output, re.M)
    output = run("compare", "slow.json", code=1)
    assert output == "Error: this binnet has no result of a reference machine\n"


def test_a_reference_of_other_sizes_gives_no_score_and_the_reason(files):
    larger = [
        make_measurement(m.workload, m.threads, m.rate, sizes={"n_neurons": 601})
        for m in make(1.0).measurements
    ]
    for name in ("one.json", "two.json"):
        save_result(make_result(*larger), name)
    output = run("compare", "one.json", "two.json")
    assert re.search(r"^a-x +1 .* 1\.000 ", output, re.M)
    reason = "incomplete: a-x, b-x in other sizes than the reference's"
    assert re.search(rf"^  score, one core +none \({reason}\)$", output, re.M)
    output = run("compare", "one.json", code=1)
    assert "reference and one have no workload in common, in the same sizes on the" in output


REFUSED = {
    "none.json": "there is no file none.json; binnet bench run --output FILE writes one",
    "text.json": "text.json is not JSON",
    "other.json": "other.json is JSON of another program, not a result of binnet bench",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", [["compare"], ["export", "--format", "csv", "--output", "o"]])
def test_what_is_no_result(files, name, command):
    (files / "text.json").write_text("text")
    (files / "other.json").write_text('{"a": 1}')
    output = run(command[0], name, *command[1:], code=1)
    assert output.startswith(f"Error: {REFUSED[name]}")
    assert len(output.splitlines()) == 1
    assert not (files / "o").exists()


def test_results_without_common_workloads(files):
    save_result(make_result(make_measurement("c-new")), "other.json")
    output = run("compare", "slow.json", "other.json", code=1)
    assert "slow and other have no workload in common" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "figure.txt"], "figure.txt must end in .png, .pdf or .svg"),
        (["--output", "no/figure.png"], "the folder no does not exist"),
        (["--csv", "no/all.csv"], "the folder no does not exist"),
        (["--csv", "mine.csv"], "mine.csv exists and has no mark"),
    ],
)
def test_files_that_cannot_be_written_are_refused_first(files, options, message):
    (files / "mine.csv").write_text("mine")
    # Before the result is read: that it is not there is not what is complained of.
    output = run("compare", "none.json", *options, code=2 if "--output" in options else 1)
    assert message in output
    assert (files / "mine.csv").read_text() == "mine"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_is_read_is_not_replaced(files, force):
    before = (files / "slow.json").read_bytes()
    (files / "link.json").symlink_to("slow.json")
    for name in ("slow.json", "link.json"):
        output = run("compare", "fast.json", "slow.json", "--csv", name, *force, code=2)
        assert f"{name} is read by this command; name another file" in output
        export = ["export", "slow.json", "--format", "csv", "--output", name]
        assert f"{name} is read by this command" in run(*export, *force, code=2)
    assert (files / "slow.json").read_bytes() == before


def test_force_replaces_a_file_of_others(files):
    (files / "mine.csv").write_text("mine")
    run("compare", "slow.json", "fast.json", "--csv", "mine.csv", "--force")
    assert len(pd.read_csv("mine.csv")) == 8


@pytest.mark.parametrize("form", ["csv", "parquet", "pytest-benchmark"])
def test_export(files, form):
    assert run("export", "slow.json", "--format", form, "--output", "out") == f"{form}: out\n"
    content = (files / "out").read_bytes()
    begin = {"csv": b"suite,workload,", "parquet": b"PAR1", "pytest-benchmark": b"{"}
    assert content.startswith(begin[form])


def test_export_names_its_formats(files):
    output = run("export", "slow.json", "--format", "xml", "--output", "out", code=2)
    assert "'pytest-benchmark', 'csv', 'parquet'" in output
