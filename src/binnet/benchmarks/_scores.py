"""One number for a machine: 1000 times the geometric mean of its rates over the reference's.

A score is of one core or of all, of a suite or of all of them, and it is of complete work: where a
workload is missing, or has not been measured by three processes, there is none, and the reason is
said. A wrong answer voids everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from typing import Literal

from binnet.benchmarks._files import load_result
from binnet.benchmarks._plan import LEAST_PROCESSES
from binnet.benchmarks._result import BenchmarkResult, Measurement
from binnet.benchmarks._statistics import NOTHING, Interval, mean_ratio, mean_ratio_interval
from binnet.benchmarks.workloads import choose_workloads

#: Score of the reference machine.
REFERENCE_SCORE = 1000.0
Cores = Literal["one", "all"]
CORES: tuple[Cores, ...] = ("one", "all")


@dataclass(frozen=True)
class Score:
    """A score, or why there is none."""

    value: float | None
    interval: Interval = NOTHING  # of 95 %, over the processes of both; nan if not known
    n_workloads: int = 0  # whose mean it is
    missing: tuple[str, ...] = ()  # workloads that it would need, or need more processes of
    reason: str | None = None  # why `value` is None


@dataclass(frozen=True)
class Scores:
    """What a result is worth beside a reference."""

    total: Mapping[Cores, Score]
    suites: Mapping[str, Mapping[Cores, Score]]
    efficiency: Score  # geometric mean of rate(all) / (n rate(1)): 1 if all cores do their part
    threads: int | None  # of all cores; None where they were not measured
    void: tuple[str, ...] = ()  # workloads with wrong answers: no score is given
    other: tuple[str, ...] = ()  # workloads that the reference has not, or in other sizes
    is_quick: bool = False  # a score of the quick workloads alone
    unstable: tuple[str, ...] = field(default=())  # what says that the machine was not quiet


@cache
def load_reference() -> BenchmarkResult:
    """Return the result of the reference machine, which is part of the package.

    Returns
    -------
    BenchmarkResult
        Its score is 1000.

    Raises
    ------
    FileNotFoundError
        If the package was made without it.
    """
    stored = files("binnet.benchmarks") / "data" / "reference.json"
    if not stored.is_file():
        raise FileNotFoundError(
            "this binnet has no result of a reference machine, reference.json; install it anew"
        )
    with as_file(stored) as path:
        return load_result(path)


def count_all_cores(result: BenchmarkResult) -> int | None:
    """Return the threads that stand for all cores in a result, None if they were not measured.

    Parameters
    ----------
    result : BenchmarkResult
        Its settings say whether "all" was asked for, its provenance how many that are; where they
        do not, the most threads are all.

    Returns
    -------
    int or None
        Number of threads; 1 on a machine of one core.
    """
    most = max(measurement.threads for measurement in result.measurements)
    asked = result.settings.get("threads")
    if isinstance(asked, list | tuple) and asked:
        threads = result.provenance.get("threads")  # also of what was stopped before it ran on all
        return (threads if isinstance(threads, int) else most) if "all" in asked else None
    return most if most > 1 else None


def measured_on(
    result: BenchmarkResult, cores: Cores, implementation: str = "binnet"
) -> dict[str, Measurement]:
    """Return the measurements on one core or on all, by workload.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.
    cores : {"one", "all"}
        Which.
    implementation : str, default "binnet"
        Or a peer.

    Returns
    -------
    dict of str to Measurement
        Empty if they were not measured.
    """
    threads = 1 if cores == "one" else count_all_cores(result)
    return {
        m.workload: m
        for m in result.measurements
        if m.threads == threads and m.implementation == implementation
    }


def score(result: BenchmarkResult, reference: BenchmarkResult | None = None) -> Scores:
    """Return the scores of a result.

    Of the workloads that both have, in the same sizes. A suite has a score if no workload of the
    reference's is missing, a machine if none of any suite is. A quick run is held to the quick
    workloads.

    Parameters
    ----------
    result : BenchmarkResult
        What a run found.
    reference : BenchmarkResult, optional
        The machine whose score is 1000. Default: the one of the package.

    Returns
    -------
    Scores
        Each with its interval, or with the reason why there is none, as where the package has no
        reference.
    """
    if reference is None:
        try:
            reference = load_reference()
        except FileNotFoundError as error:
            return _score_without_reference(result, str(error))
    is_quick = result.settings.get("mode") == "quick"
    quick = {workload.name for workload in choose_workloads(is_quick=True)} if is_quick else None
    void = _find_void(result)
    whole: dict[Cores, Score] = {}
    suites: dict[str, dict[Cores, Score]] = {}
    for cores in CORES:
        ours, theirs = measured_on(result, cores), measured_on(reference, cores)
        if quick is not None:
            theirs = {name: m for name, m in theirs.items() if name in quick}
        whole[cores] = _score(ours, theirs, void)
        for suite in dict.fromkeys(m.suite for m in theirs.values()):
            part = {name: m for name, m in theirs.items() if m.suite == suite}
            if any(name in ours for name in part):
                suites.setdefault(suite, {})[cores] = _score(ours, part, void)
    known = {m.workload: m for m in reference.measurements}
    return Scores(
        total=whole,
        suites=suites,
        efficiency=_efficiency(result, void),
        threads=count_all_cores(result),
        void=void,
        other=tuple(dict.fromkeys(_find_other(result, known))),
        is_quick=is_quick,
        unstable=_find_unstable(result),
    )


def _score_without_reference(result: BenchmarkResult, reason: str) -> Scores:
    void = _find_void(result)
    return Scores(
        total={cores: Score(None, reason=reason) for cores in CORES},
        suites={},
        efficiency=_efficiency(result, void),
        threads=count_all_cores(result),
        void=void,
        is_quick=result.settings.get("mode") == "quick",
        unstable=_find_unstable(result),
    )


def _find_void(result: BenchmarkResult) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.workload for m in result.measurements if m.verdict == "wrong"))


def _find_unstable(result: BenchmarkResult) -> tuple[str, ...]:
    return () if result.stability.is_stable else result.stability.reasons or ("not stable",)


def is_same_work(one: Measurement, other: Measurement) -> bool:
    """Return whether two measurements are of the same workload, in the same sizes."""
    return (one.workload, one.unit, one.sizes) == (other.workload, other.unit, other.sizes)


def _find_other(result: BenchmarkResult, known: Mapping[str, Measurement]) -> Iterator[str]:
    for m in result.measurements:
        if m.workload not in known or not is_same_work(m, known[m.workload]):
            yield m.workload


def _score(
    ours: Mapping[str, Measurement], theirs: Mapping[str, Measurement], void: Sequence[str]
) -> Score:
    """Return the score of the workloads of `theirs`, which is part of the reference."""
    if void:
        return Score(None, reason=f"void: wrong answers of {', '.join(void)}")
    if not theirs:
        return Score(None, reason="the reference was not measured so")
    if not ours:
        return Score(None, missing=tuple(theirs), reason="not measured")
    missing = tuple(n for n, m in theirs.items() if n not in ours or not is_same_work(ours[n], m))
    if missing:
        other = tuple(name for name in missing if name in ours)
        absent = tuple(name for name in missing if name not in ours)
        reasons = [f"without {_shorten(absent)}"] if absent else []
        if other:
            reasons.append(f"{_shorten(other)} in other sizes than the reference's")
        return Score(None, missing=missing, reason=f"incomplete: {'; '.join(reasons)}")
    few = tuple(name for name in theirs if len(ours[name].values) < LEAST_PROCESSES)
    if few:
        reason = f"stopped before {LEAST_PROCESSES} processes had measured {_shorten(few)}"
        return Score(None, missing=few, reason=reason)
    pair = [ours[name] for name in theirs], list(theirs.values())
    low, high = mean_ratio_interval(*pair)
    return Score(
        REFERENCE_SCORE * mean_ratio(*pair),
        (REFERENCE_SCORE * low, REFERENCE_SCORE * high),
        len(theirs),
    )


def _efficiency(result: BenchmarkResult, void: Sequence[str]) -> Score:
    threads = count_all_cores(result)
    one, every = measured_on(result, "one"), measured_on(result, "all")
    names = [name for name in one if name in every]
    if void:
        return Score(None, reason=f"void: wrong answers of {', '.join(void)}")
    if threads is None or not names:
        return Score(None, reason="one core and all of them were not both measured")
    pair = [every[name] for name in names], [one[name] for name in names]
    low, high = mean_ratio_interval(*pair)
    return Score(mean_ratio(*pair) / threads, (low / threads, high / threads), len(names))


def _shorten(names: Sequence[str], most: int = 4) -> str:
    """Return the first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def format_scores(scores: Scores, *, unstable_ok: bool = False) -> list[str]:
    """Return the scores as lines of text.

    Parameters
    ----------
    scores : Scores
        From `score`.
    unstable_ok : bool, default False
        Whether scores of a machine that was not quiet are shown all the same, with a note. The
        reasons are `Scores.unstable`.

    Returns
    -------
    list of str
        A line each.
    """
    if scores.void:
        return [f"no score: void, as answers were wrong: {', '.join(scores.void)}"]
    lines = []
    if scores.unstable:
        if not unstable_ok:
            return ["no score: the machine was not stable (--unstable-ok shows it all the same)"]
        lines.append("scores of a machine that was not stable:")
    kind = "quick score" if scores.is_quick else "score"
    names: dict[Cores, str] = {"one": "one core", "all": "all cores"}
    if scores.threads is not None:
        names["all"] += f" ({scores.threads} thread{'s' if scores.threads > 1 else ''})"
    for cores in CORES:
        lines.append(f"{kind}, {names[cores]:<24} {format_score(scores.total[cores])}")
    lines.append(f"{'parallel efficiency':<{26 + len(kind)}} {format_score(scores.efficiency, 3)}")
    for suite, found in scores.suites.items():
        shown = ", ".join(f"{names[c]} {format_score(found[c])}" for c in found)
        lines.append(f"  {suite}: {shown}")
    if scores.other:
        lines.append(f"not in the reference, or in other sizes: {_shorten(scores.other)}")
    return lines


def format_score(found: Score, digits: int = 0) -> str:
    """Return a score with its interval, or the reason why there is none.

    Parameters
    ----------
    found : Score
        One of `Scores`.
    digits : int, default 0
        After the point.

    Returns
    -------
    str
        For example "1012 [995, 1030]".
    """
    if found.value is None:
        return f"none ({found.reason})"
    low, high = found.interval
    if math.isnan(low):
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
