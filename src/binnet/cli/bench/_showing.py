"""The text of a benchmark's result: table, limits, stability, scores, division."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from binnet.benchmarks._units import find_prefix, format_number, format_si
from binnet.cli.bench._tables import format_table

if TYPE_CHECKING:
    from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement

_HEADS = ("workload", "threads", "rate", "interval", "of limit", "answer")


def describe_result(result: BenchmarkResult, *, unstable_ok: bool = False) -> Iterator[str]:
    """Yield what a result says, in lines."""
    from binnet.benchmarks._limits import find_limits
    from binnet.benchmarks._scores import format_scores, score
    from binnet.benchmarks._statistics import describe_intervals

    yield ""
    rows = [_describe(one, find_limits(result, one.threads)) for one in result.measurements]
    yield from format_table(_HEADS, rows, right=(1,))
    yield describe_intervals(result.measurements)
    yield ""
    numbers = {one.threads: None for one in (*result.limits_before, *result.limits_after)}
    for one in (find_limits(result, threads) for threads in numbers):
        if one is not None:
            yield _describe_limits(one)
    if not result.is_complete:
        yield "stopped before the end: what was measured by then"
    if result.stability.is_stable:
        yield "stable: nothing says that the machine was not quiet"
    else:
        yield "not stable:"
        yield from (f"  {reason}" for reason in result.stability.reasons)
    yield from format_scores(score(result), unstable_ok=unstable_ok)
    reasons = "; ".join(result.open_reasons)
    yield f"division: {result.division}{reasons and f' ({reasons})'}"


def _describe(measurement: Measurement, limits: Limits | None) -> tuple[str, ...]:
    from binnet.benchmarks._limits import fraction_of_limit
    from binnet.benchmarks._statistics import rate_interval

    fraction = None if limits is None else fraction_of_limit(measurement, limits)
    factor, _ = find_prefix(measurement.rate)
    ends = [format_number(end / factor) for end in rate_interval(measurement)]
    return (
        measurement.workload,
        str(measurement.threads),
        format_si(measurement.rate, f"{measurement.unit}/s"),
        " to ".join(ends) if ends[0] != "unknown" else "one process",
        "" if fraction is None else f"{fraction.value:.1%} of {fraction.name}",
        measurement.verdict,
    )


def _describe_limits(limits: Limits) -> str:
    threads = f"{limits.threads} thread{'s' if limits.threads > 1 else ''}"
    reads = ", ".join(f"{name} {format_si(v, 'B/s')}" for name, v in limits.bandwidth.items())
    peaks = ", ".join(f"{name} {format_si(v, 'op/s')}" for name, v in limits.peaks.items())
    return f"limits, {threads}: read from {reads}; {peaks}"
