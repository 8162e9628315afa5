"""Results beside each other: rates, their ratios to the first with intervals, means, scores.

A ratio is of figures of merit: above 1 is faster than the first. Its interval is over the processes
of both results; where it does not contain 1 the difference is called significant. That is said of
each workload alone: of many, some intervals miss 1 by chance (docs/benchmark_schema.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from binnet.benchmarks._result import BenchmarkResult, Measurement
from binnet.benchmarks._scores import (
    Scores,
    count_all_cores,
    is_same_work,
    measured_on,
    score,
)
from binnet.benchmarks._statistics import (
    NOTHING,
    Interval,
    find_ratio_coverage,
    mean_ratio,
    mean_ratio_interval,
    rate_interval,
    ratio_interval,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ratio:
    """A ratio to the first result."""

    value: float
    interval: Interval  # of 95 %; nan where there is a single process
    coverage: float = math.nan  # how often such an interval holds the truth; nan if not known

    @property
    def is_significant(self) -> bool | None:
        """Whether the interval leaves 1 out; None if there is none."""
        low, high = self.interval
        return None if math.isnan(low) else not low <= 1.0 <= high


@dataclass(frozen=True)
class Entry:
    """A workload in one of the results."""

    measurement: Measurement
    interval: Interval  # of its rate, 95 %
    ratio: Ratio | None  # None in the first, where that has not the same work, for wrong answers


@dataclass(frozen=True)
class Row:
    """A workload on so many threads, in all results that have it."""

    suite: str
    workload: str
    cores: str  # "1", "all", or another number of threads
    unit: str
    entries: Mapping[str, Entry]  # by label


@dataclass(frozen=True)
class Comparison:
    """Results beside each other."""

    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    means: Mapping[tuple[str, str, str], Ratio]  # by label, suite ("all": all of them), cores
    scores: Mapping[str, Scores]  # by label

    def count_agreeing(self, label: str) -> tuple[int, float, int]:
        """Return of how many ratios of a result the interval contains 1.

        Parameters
        ----------
        label : str
            Of a result, not the first.

        Returns
        -------
        int
            The number.
        float
            How many would if both results were of one machine, by so many processes.
        int
            How many there are; ratios without an interval are not counted.
        """
        ratios = [ratio for _, ratio in self.list_ratios(label) if ratio.is_significant is not None]
        agreeing = [ratio for ratio in ratios if not ratio.is_significant]
        return len(agreeing), math.fsum(ratio.coverage for ratio in ratios), len(ratios)

    def list_ratios(self, label: str) -> list[tuple[Row, Ratio]]:
        """Return the rows in which a result has a ratio to the first, with it.

        Parameters
        ----------
        label : str
            Of a result.

        Returns
        -------
        list of tuple
            Row and ratio.
        """
        found = ((row, row.entries.get(label)) for row in self.rows)
        return [(row, entry.ratio) for row, entry in found if entry and entry.ratio]

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for each workload, number of threads and result.

        Returns
        -------
        pandas.DataFrame
            Rates in units a second; what is not known is nan.
        """
        import pandas as pd

        return pd.DataFrame([_to_record(row, label) for row in self.rows for label in row.entries])


def compare(
    results: Mapping[str, BenchmarkResult], reference: BenchmarkResult | None = None
) -> Comparison:
    """Compare results with the first of them, and score each.

    Parameters
    ----------
    results : mapping of str to BenchmarkResult
        By label, two or more; ratios are to the first. Peers in them are left out.
    reference : BenchmarkResult, optional
        The machine whose score is 1000. Default: the one of the package.

    Returns
    -------
    Comparison
        Rates, ratios, means, scores. Where numbers of cores differ, "all" is beside "all".

    Raises
    ------
    ValueError
        If there are fewer than two results, or they have no work in common.
    """
    if len(results) < 2:
        raise ValueError(f"there must be two results or more to compare, got {len(results)}")
    tables = {label: _by_cores(result) for label, result in results.items()}
    first, *others = results
    rows = tuple(_make_rows(tables, first))
    if not any(entry.ratio for row in rows for entry in row.entries.values()):
        raise ValueError(
            f"{first} and {', '.join(others)} have no workload in common, in the same sizes on the "
            "same number of threads, with right answers; compare runs of the same suite and version"
        )
    return Comparison(
        labels=tuple(results),
        rows=rows,
        means=dict(_find_means(rows, first, others)),
        scores={label: score(result, reference) for label, result in results.items()},
    )


def _by_cores(result: BenchmarkResult) -> dict[tuple[str, str], Measurement]:
    """Return measurements by workload and cores, those on all cores under "all"."""
    ours = [m for m in result.measurements if m.implementation == "binnet"]
    found = {(m.workload, str(m.threads)): m for m in ours}
    threads = count_all_cores(result)
    for name, m in measured_on(result, "all").items():
        if threads != 1:  # on a single core both are the same, and both are wanted
            del found[name, str(threads)]
        found[name, "all"] = m
    return found


def _make_rows(
    tables: Mapping[str, Mapping[tuple[str, str], Measurement]], first: str
) -> Iterator[Row]:
    keys = {key: m.suite for table in tables.values() for key, m in table.items()}
    suites, names = (list(dict.fromkeys(found)) for found in (keys.values(), (w for w, _ in keys)))
    order = sorted(keys, key=lambda key: (suites.index(keys[key]), names.index(key[0])))
    alone = all(t[key].threads == 1 for t in tables.values() for key in t if key[1] == "all")
    for workload, cores in order:
        if cores == "all" and alone:
            continue  # machines of one core: it is what they did on one
        present = {k: t[workload, cores] for k, t in tables.items() if (workload, cores) in t}
        base = present.get(first)
        some = next(iter(present.values()))
        entries = {
            label: _make_entry(m, None if label == first else base) for label, m in present.items()
        }
        yield Row(some.suite, workload, cores, some.unit, entries)


def _make_entry(measurement: Measurement, base: Measurement | None) -> Entry:
    ratio = None
    if base is not None and is_same_work(measurement, base) and _are_right(measurement, base):
        value = measurement.rate / base.rate
        coverage = find_ratio_coverage(measurement, base)
        ratio = Ratio(value, ratio_interval(measurement, base), coverage)
    return Entry(measurement, rate_interval(measurement), ratio)


def _are_right(*measurements: Measurement) -> bool:
    return all(measurement.verdict != "wrong" for measurement in measurements)


def _find_means(
    rows: Sequence[Row], first: str, others: Sequence[str]
) -> Iterator[tuple[tuple[str, str, str], Ratio]]:
    """Yield geometric means of ratios: of each suite, and of all."""
    suites = dict.fromkeys(row.suite for row in rows)
    all_cores = dict.fromkeys(row.cores for row in rows)
    for label in others:
        for suite in (*suites, "all"):
            for cores in all_cores:
                pairs = [
                    (row.entries[label].measurement, row.entries[first].measurement)
                    for row in rows
                    if row.cores == cores and suite in (row.suite, "all")
                    and label in row.entries and row.entries[label].ratio
                ]  # fmt: skip
                if pairs:
                    above, below = map(list, zip(*pairs, strict=True))
                    mean = mean_ratio(above, below)
                    yield (label, suite, cores), Ratio(mean, mean_ratio_interval(above, below))


def _to_record(row: Row, label: str) -> dict[str, Any]:
    entry = row.entries[label]
    ratio = entry.ratio or Ratio(math.nan, NOTHING)
    return {
        "suite": row.suite, "workload": row.workload, "cores": row.cores, "label": label,
        "threads": entry.measurement.threads, "unit": f"{row.unit}/s",
        "rate": entry.measurement.rate,
        "rate_low": entry.interval[0], "rate_high": entry.interval[1],
        "ratio": ratio.value, "ratio_low": ratio.interval[0], "ratio_high": ratio.interval[1],
        "significant": ratio.is_significant, "verdict": entry.measurement.verdict,
    }  # fmt: skip
