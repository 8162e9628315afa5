"""What a page says of what was measured: scores, whether to trust them, limits, workloads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element

from binnet.benchmarks._comparison import Comparison, Ratio
from binnet.benchmarks._limits import find_level, find_limits, fraction_of_limit
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement
from binnet.benchmarks._scores import CORES, Cores, Score, Scores, format_score
from binnet.benchmarks._statistics import describe_intervals, rate_interval, summarize
from binnet.benchmarks._units import find_prefix, format_number, format_si
from binnet.plotting.benchmark_report._html import Child, bullets, element, section, table

_PEAKS = {
    "fma32": "float32 multiply-adds", "dot8": "products of bytes", "popcount": "and + popcount"
}  # fmt: skip
_UNKNOWN = "–"


def name_threads(threads: int) -> str:
    """Return "1 thread", "2 threads"."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def describe_scores(scores: Scores, *, unstable_ok: bool) -> Element:
    """Return the scores, or why there are none."""
    kind = "Quick score" if scores.is_quick else "Score"
    every = f"all cores ({name_threads(scores.threads)})" if scores.threads else "all cores"
    titles: dict[Cores, str] = {"one": f"{kind}, one core", "all": f"{kind}, {every}"}
    reason = _find_reason(scores, unstable_ok)
    if reason is not None:
        card = element("div", element("h3", kind), element("div", "none", class_="score none"),
                       element("p", reason), class_="card bad")  # fmt: skip
        return element("div", card, class_="cards", id_="scores")
    cards = [_describe_score(titles[cores], scores.total[cores], 0) for cores in CORES]
    cards.append(_describe_score("Parallel efficiency", scores.efficiency, 2))
    return element("div", *cards, class_="cards", id_="scores")


def _find_reason(scores: Scores, unstable_ok: bool) -> str | None:
    if scores.void:
        return f"Void: answers were wrong ({', '.join(scores.void)})."
    if scores.unstable and not unstable_ok:
        return "The machine was not stable; --unstable-ok shows scores all the same."
    return None


def _describe_score(title: str, score: Score, digits: int) -> Element:
    if score.value is None:
        return element("div", element("h3", title), element("div", "none", class_="score none"),
                       element("p", score.reason or "", class_="faint"), class_="card")  # fmt: skip
    low, high = score.interval
    interval = "no interval: a single process"
    if not math.isnan(low):
        interval = f"95 % interval {low:.{digits}f} to {high:.{digits}f}"
    return element(
        "div",
        element("h3", title),
        element("div", f"{score.value:.{digits}f}", class_="score"),
        element("p", interval, element("br"), f"workloads: {score.n_workloads}", class_="faint"),
        class_="card",
    )


def describe_suites(scores: Scores) -> Element:
    """Return the table of the scores of each suite."""
    rows = [
        [suite, *(format_score(found[c]) if c in found else _UNKNOWN for c in CORES)]
        for suite, found in scores.suites.items()
    ]
    return table(("suite", "one core", "all cores"), [("", rows)],
                 caption="Scores of each suite, with 95 % intervals")  # fmt: skip


def describe_trust(result: BenchmarkResult) -> Element:
    """Return whether the machine was quiet, and the division, with the reasons."""
    stable = result.stability.is_stable
    is_closed = result.division == "closed"
    cards = [
        _judge("good" if stable else "bad", "Stable" if stable else "Not stable",
               result.stability.reasons, "Nothing says that the machine was not quiet."),
        _judge("good" if is_closed else "note", f"{result.division} division".capitalize(),
               result.open_reasons,
               "Default environment, pinned versions, all workloads." if is_closed
               else "The file gives no reason."),
    ]  # fmt: skip
    failures = result.settings.get("failures")
    trouble = [_describe_failure(one) for one in failures] if isinstance(failures, list) else []
    if not result.is_complete:
        trouble.insert(0, "The run was stopped before its end.")
    if trouble:
        cards.append(_judge("bad", "Incomplete", trouble, ""))
    return element("div", *cards, class_="cards", id_="trust")


def _describe_failure(failure: Any) -> str:
    if not isinstance(failure, dict):
        return str(failure)
    who, threads = failure.get("workload"), failure.get("threads")
    return f"{who}, threads {threads}: {failure.get('reason')}"


def _judge(kind: str, title: str, reasons: Iterable[str], otherwise: str) -> Element:
    reasons = list(reasons)
    what = bullets(reasons) if reasons else element("p", otherwise)
    return element("div", element("h3", title), what, class_=f"card {kind}")


def describe_limits(result: BenchmarkResult) -> Element:
    """Return the section on what the machine can do at best."""
    numbers = dict.fromkeys(one.threads for one in (*result.limits_before, *result.limits_after))
    found = [one for threads in numbers if (one := find_limits(result, threads)) is not None]
    if not found:
        return section("Limits of the machine", element("p", "They were not measured."),
                       id_="limits")  # fmt: skip
    heads = ["limit", *(name_threads(one.threads) for one in found)]
    groups = [
        ("read bandwidth", list(_rows(found, "bandwidth", "B/s"))),
        ("arithmetic", list(_rows(found, "peaks", "op/s"))),
    ]
    made = table(heads, groups, caption="Measured in the same run; the larger of before and after",
                 numbers=range(1, len(heads)))  # fmt: skip
    note = "An operation is a product, an addition, an “and” or a count of one bit."
    return section("Limits of the machine", made, element("p", note, class_="faint"), id_="limits")


def _rows(found: list[Limits], kind: str, unit: str) -> Iterator[list[Child]]:
    for name in dict.fromkeys(name for one in found for name in getattr(one, kind)):
        values = [getattr(one, kind).get(name) for one in found]
        shown = [_UNKNOWN if value is None else format_si(value, unit) for value in values]
        made_by = found[0].instructions.get(name) if kind == "peaks" else None
        yield [_PEAKS.get(name, name) + (f" ({made_by})" if made_by else ""), *shown]


def describe_workloads(result: BenchmarkResult) -> Element:
    """Return the section with what each workload reached."""
    has_energy = any(m.joules is not None for m in result.measurements)
    heads = ["workload", "threads", "rate", "interval", "MAD", "of its limit", "data in",
             "answer", "first call", *(["energy"] if has_energy else [])]  # fmt: skip
    limits = {m.threads: find_limits(result, m.threads) for m in result.measurements}
    groups: dict[tuple[str, str], list[list[Child]]] = {}
    for m in result.measurements:
        row = _describe(m, limits[m.threads])
        groups.setdefault((m.suite, m.unit), []).append(row[: len(heads)])
    caption = (
        "Rates are medians over processes; MAD is the median absolute deviation of a call's "
        "seconds; the first call compiles, or loads what was compiled; "
        + describe_intervals(result.measurements)
    )
    named = [(f"{suite}: {unit} a second", rows) for (suite, unit), rows in groups.items()]
    return section(
        "Workloads",
        table(heads, named, caption=caption, numbers=(1, 2, 3, 4, 8, 9)),
        _describe_energy(result, has_energy),
        id_="workloads",
    )


def _describe(m: Measurement, limits: Limits | None) -> list[Child]:
    summary = summarize(m)
    low, high = rate_interval(m)
    factor, prefix = find_prefix(m.rate)
    ends = _UNKNOWN
    if not math.isnan(low):
        ends = f"{format_number(low / factor)} to {format_number(high / factor)} {prefix}".rstrip()
    wrong = "wrong" if m.verdict == "wrong" else None
    name = m.workload if m.implementation == "binnet" else f"{m.workload}, {m.implementation}"
    return [
        name,
        str(m.threads),
        format_si(m.rate, ""),
        ends,
        f"{100 * summary.deviation / summary.median:.1f} %",
        _describe_fraction(m, limits),
        m.level if limits is None else find_level(m.level, limits),
        element("span", m.verdict, class_=wrong),
        format_si(m.cold_seconds, "s"),
        _UNKNOWN if m.joules is None else format_si(m.joules / m.amount, "J"),
    ]


def _describe_fraction(measurement: Measurement, limits: Limits | None) -> Child:
    found = None if limits is None else fraction_of_limit(measurement, limits)
    if found is None:
        return _UNKNOWN
    value, name = found
    part = f"--part: {100 * min(max(value, 0.0), 1.0):.1f}%"
    bar = element("i", style=part, aria_hidden="true")
    percent = f"{100 * value:.{0 if value >= 0.1 else 1}f}"
    return element("span", bar, f"{percent} % of {name}", class_="fraction")


def _describe_energy(result: BenchmarkResult, is_known: bool) -> Element:
    reason = result.energy.get("reason") or "no reason is given"
    text = "Energy is that of all packages, for each unit of what is counted."
    return element("p", text if is_known else f"No energy: {reason}.", class_="faint")


def describe_comparison(comparison: Comparison, label: str) -> Iterator[Element]:
    """Yield the tables of ratios to the reference machine."""
    cores = list(dict.fromkeys(row.cores for row in comparison.rows))
    names = {"1": "one core", "all": "all cores"}
    heads = ["workload", *(names.get(c, f"{c} threads") for c in cores)]
    ratios: dict[str, dict[str, dict[str, Ratio]]] = {}
    for row, ratio in comparison.list_ratios(label):
        ratios.setdefault(row.suite, {}).setdefault(row.workload, {})[row.cores] = ratio
    for (whose, suite, kind), mean in comparison.means.items():
        if whose == label:
            title = "all suites" if suite == "all" else suite
            ratios.setdefault(title, {}).setdefault("geometric mean", {})[kind] = mean
    groups = [
        (suite, [[name, *(_describe_ratio(found.get(c)) for c in cores)]
                 for name, found in rows.items()])
        for suite, rows in ratios.items()
    ]  # fmt: skip
    yield table(heads, groups, caption="Rates over those of the reference, with 95 % intervals "
                "over the processes of both", numbers=range(1, len(heads)))  # fmt: skip


def _describe_ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return _UNKNOWN
    low, high = ratio.interval
    interval = "" if math.isnan(low) else f" ({format_number(low)} to {format_number(high)})"
    return f"{format_number(ratio.value)}{interval}"
