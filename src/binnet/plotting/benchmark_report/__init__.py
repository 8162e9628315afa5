"""A result of `binnet bench` as one HTML page that needs nothing else: no network, no scripts.

Pictures lie in it, and it is readable on a phone, in the dark and on paper. Whatever a file holds
is shown as text: elements are made of trees that escape it (`_html`).
"""

from __future__ import annotations

import base64
import io
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from binnet._files import atomic_path
from binnet._provenance import get_version
from binnet.benchmarks._comparison import compare
from binnet.benchmarks._limits import find_limits
from binnet.benchmarks._result import BenchmarkResult
from binnet.benchmarks._scores import count_all_cores, load_reference, score
from binnet.plotting._style import default_settings
from binnet.plotting.benchmark_report._html import element, section, to_page
from binnet.plotting.benchmark_report._machine import (
    Machine,
    describe_machine,
    describe_reproduction,
    list_facts,
)
from binnet.plotting.benchmark_report._measured import (
    describe_comparison,
    describe_limits,
    describe_scores,
    describe_suites,
    describe_trust,
    describe_workloads,
    name_threads,
)
from binnet.plotting.benchmarks import draw_fractions, plot_roofline
from binnet.plotting.benchmarks_comparison import draw_comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["make_report", "save_report"]

_METHOD = (
    "Each workload is a piece of binnet's own work, of fixed size and seed, whose answer is "
    "compared with the one that is known; a wrong answer voids the score.",
    "A first process compiles the kernels and finds how many calls last a tenth of a second, which "
    "is what one value is the mean of.",
    "At least three further processes then go through all workloads; a rate is from the median "
    "over processes of their medians, and its interval from a bootstrap over processes.",
    "What the machine can do at best (reading from each cache and from memory, three kinds of "
    "arithmetic) is measured before and after, and whatever says that other work disturbed the run "
    "is named.",
    "The score is 1000 times the geometric mean of the rates over those of the reference machine.",
)


def save_report(
    result: BenchmarkResult,
    path: str | os.PathLike[str],
    *,
    reference: BenchmarkResult | None = None,
    unstable_ok: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a result as a page.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.
    path : path-like
        File to write, .html.
    reference : BenchmarkResult, optional
        The machine whose score is 1000. Default: the one of the package.
    unstable_ok : bool, default False
        Whether scores of a machine that was not quiet are shown.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.

    Raises
    ------
    ValueError
        If the result is of `binnet bench peers`, which has neither scores nor limits.
    FileExistsError
        If there is a file that binnet did not write.
    OSError
        If the file cannot be written.
    """
    page = make_report(result, reference=reference, unstable_ok=unstable_ok)
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def make_report(
    result: BenchmarkResult,
    *,
    reference: BenchmarkResult | None = None,
    unstable_ok: bool = False,
) -> str:
    """Return a result as a page.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.
    reference : BenchmarkResult, optional
        The machine whose score is 1000. Default: the one of the package.
    unstable_ok : bool, default False
        Whether scores of a machine that was not quiet are shown.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    ValueError
        If the result is of `binnet bench peers`, which has neither scores nor limits.
    """
    if result.settings.get("mode") == "peers":
        raise ValueError(
            "the result is of binnet bench peers, which prints its table itself; the page is of a "
            "file of binnet bench run"
        )
    with suppress(FileNotFoundError):  # then there is no score, with the reason
        reference = reference or load_reference()
    machine = Machine(result.machine)
    scores = score(result, reference)
    style = (files(__package__) / "style.css").read_text(encoding="utf-8")
    shown = [describe_scores(scores, unstable_ok=unstable_ok), describe_trust(result)]
    if scores.suites and (unstable_ok or not scores.unstable) and not scores.void:
        shown.append(describe_suites(scores))
    return to_page(
        f"binnet bench: {machine.title}",
        style,
        _describe_run(result, machine),
        element(
            "main",
            *shown,
            describe_machine(machine),
            describe_limits(result),
            describe_workloads(result),
            *_draw_limits(result),
            _compare(result, reference),
            describe_reproduction(result, machine),
            section("Method", *(element("p", text) for text in _METHOD), id_="method"),
            list_facts(machine),
        ),
        element("footer", f"Made by binnet {get_version()} from a result of binnet bench."),
    )


def _describe_run(result: BenchmarkResult, machine: Machine) -> Element:
    settings = result.settings
    words = [
        f"suite {settings.get('suite', 'unknown')}",
        f"mode {settings.get('mode', 'unknown')}",
        f"binnet {result.provenance.get('binnet', 'unknown')}",
        str(result.provenance.get("started", "at an unknown time")),
    ]
    return element(
        "header",
        element("p", "binnet bench", class_="faint"),
        element("h1", machine.title),
        element("p", " · ".join(words), class_="faint"),
    )


def _draw_limits(result: BenchmarkResult) -> Iterator[Element]:
    """Yield pictures of what the workloads reach of the limits, on one core and on all."""
    numbers = dict.fromkeys(n for n in (1, count_all_cores(result)) if n is not None)
    kinds = {threads: _find_kinds(result, threads) for threads in numbers}
    rooflines = [
        _picture(
            partial(_draw_roofline, result, threads, kind),
            f"Roofline of {kind}, {name_threads(threads)}: operations a second over those for each "
            "byte; lines are the measured limits",
        )
        for kind in dict.fromkeys(itertools.chain(*kinds.values()))  # side by side
        for threads in numbers
        if kind in kinds[threads]
    ]
    if rooflines:
        yield element("div", *rooflines, class_="pictures")
    if any(find_limits(result, m.threads) for m in result.measurements):
        yield _picture(partial(draw_fractions, result), "Fractions of the limits that bind")


def _find_kinds(result: BenchmarkResult, threads: int) -> list[str]:
    """Return the kinds of arithmetic that have a peak, and workloads below it."""
    limits = find_limits(result, threads)
    done = {
        m.operation
        for m in result.measurements
        if m.threads == threads and m.operations > 0 and m.n_bytes > 0
    }
    return [kind for kind in limits.peaks if kind in done] if limits is not None else []


def _draw_roofline(result: BenchmarkResult, threads: int, kind: str) -> Figure:
    figure = plot_roofline(result, threads, kind).get_figure()
    assert figure is not None
    return figure  # type: ignore[return-value]


def _compare(result: BenchmarkResult, reference: BenchmarkResult | None) -> Element:
    """Return the section with ratios to the reference machine."""
    if reference is None:
        reason = "This binnet has no result of a reference machine."
        return section("Beside the reference", element("p", reason), id_="comparison")
    title = Machine(reference.machine).title
    labels = ("the reference", "this machine")
    try:
        comparison = compare(dict(zip(labels, (reference, result), strict=True)), reference)
    except ValueError as error:
        return section("Beside the reference", element("p", f"{error}."), id_="comparison")
    return section(
        "Beside the reference",
        element("p", f"The reference machine is {title}; its score is 1000."),
        _picture(partial(draw_comparison, comparison), "Rates over those of the reference"),
        *describe_comparison(comparison, labels[1]),
        id_="comparison",
    )


def _picture(draw: Callable[[], Figure], caption: str) -> Element:
    """Return a picture that lies in the page; where it fails, the reason: it must not cost it."""
    try:
        with default_settings():
            data = _to_svg(draw())
    except Exception as error:  # whatever names in a file do to matplotlib
        reason = str(error).partition("\n")[0] or type(error).__name__
        return element("p", f"{caption}: the picture could not be drawn: {reason}", class_="faint")
    source = f"data:image/svg+xml;base64,{base64.b64encode(data).decode()}"
    return element(
        "figure",
        element("img", src=source, alt=caption),
        element("figcaption", caption),
    )


def _to_svg(figure: Figure) -> bytes:
    import matplotlib

    buffer = io.BytesIO()
    # The same bytes each time; text as text, in a font of the reader's: shapes would be five times
    # as large.
    with matplotlib.rc_context({"svg.hashsalt": "binnet", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()
