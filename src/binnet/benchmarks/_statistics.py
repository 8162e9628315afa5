"""What a measurement says, and how surely: medians, deviations, bootstrap intervals over processes.

Values of one process are not independent: they share its memory's places and its moment. So
processes are what is drawn with replacement, each with the median of its values, and what is
estimated is the median over processes, as `Measurement.seconds` is. Intervals are percentiles of
the bootstrap: bias correction and acceleration (BCa) need a jackknife, which says nothing of a
median of few.

Few processes claim little. The interval lies within their range, and of five or fewer it is their
range, which holds the median of all processes that might have been with a probability of
1 - 2^(1 - n): 0.75 of 3, 0.88 of 4, 0.94 of 5; more have 0.92 to 0.94 (simulated). A ratio of two
results does better, as both spread: 3 processes against 3 hold the true one with 0.9, 4 against 4
with 0.93, more with 0.96; but the less, down to what a rate has, the calmer one of the two is. What
moves from one run to the next, but not between the processes of a run, is in no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._result import Measurement

Interval = tuple[float, float]
NOTHING: Interval = (math.nan, math.nan)
# How often intervals of 95 % hold the ratio of two results, by the processes of each: of 2 and 3 it
# is exact, 1 - 2 / (2n over n); of 4 simulated, as of 5 to 12, which have 0.96 to 0.97.
_COVERAGE = {2: 2 / 3, 3: 0.9, 4: 0.93}
_COVERAGE_OF_MORE = 0.96
# How often those of 6 processes or more hold a rate; of fewer it is exact (see the module).
_RATE_COVERAGE_OF_MORE = 0.93
_RANGE = 5  # processes at most whose interval is their range
_RESAMPLES = 4000
_SEED = 0


@dataclass(frozen=True)
class Summary:
    """Seconds of a call, as a measurement has them."""

    median: float  # over processes of their medians
    deviation: float  # median absolute deviation of all values from their median
    minimum: float  # of all values
    interval: Interval  # of the median; nan with one process
    n_processes: int
    n_values: int


def summarize(measurement: Measurement, confidence: float = 0.95) -> Summary:
    """Return the seconds of a call in few numbers.

    Parameters
    ----------
    measurement : Measurement
        One workload on so many threads.
    confidence : float, default 0.95
        Of the interval.

    Returns
    -------
    Summary
        Median, median absolute deviation (not scaled to a standard deviation), minimum, interval.
    """
    from scipy.stats import median_abs_deviation

    values = np.concatenate([np.asarray(process) for process in measurement.values])
    seconds = _medians([measurement])
    return Summary(
        median=measurement.seconds,
        deviation=float(median_abs_deviation(values)),
        minimum=float(values.min()),
        interval=_bootstrap(lambda k: _median(seconds, k)[..., 0], [seconds.shape[1]], confidence),
        n_processes=len(measurement.values),
        n_values=len(values),
    )


def rate_interval(measurement: Measurement, confidence: float = 0.95) -> Interval:
    """Return the bootstrap interval, over processes, of a figure of merit.

    Parameters
    ----------
    measurement : Measurement
        One workload on so many threads.
    confidence : float, default 0.95
        Of the interval; few processes hold less (see the module).

    Returns
    -------
    tuple of float
        Lower and upper end in units a second; nan for a single process, of which nothing is known.
    """
    seconds = _medians([measurement])

    def rate(k: NDArray[np.int_]) -> NDArray[np.float64]:
        rates: NDArray[np.float64] = measurement.amount / _median(seconds, k)[..., 0]
        return rates

    return _bootstrap(rate, [seconds.shape[1]], confidence)


def find_coverage(n_processes: int) -> float:
    """Return how often `rate_interval` at 95 % holds the truth, with so many processes.

    Parameters
    ----------
    n_processes : int
        Of the measurement.

    Returns
    -------
    float
        0.5 of two, 0.75 of three, 0.88 of four, 0.94 of five, 0.93 of more; nan of one.
    """
    if n_processes < 2:
        return math.nan
    return 1 - 2.0 ** (1 - n_processes) if n_processes <= _RANGE else _RATE_COVERAGE_OF_MORE


def describe_intervals(measurements: Iterable[Measurement]) -> str:
    """Return what the intervals of rates are, and how often they hold the truth.

    Parameters
    ----------
    measurements : iterable of Measurement
        Whose intervals are shown; those of the fewest processes are described.

    Returns
    -------
    str
        For example "intervals: the range of 3 processes, which holds the true rate in about
        75 % of runs".
    """
    n_processes = min((len(measurement.values) for measurement in measurements), default=0)
    if n_processes < 2:
        return "intervals: none of a single process"
    held = f"the true rate in about {100 * find_coverage(n_processes):.0f} % of runs"
    if n_processes <= _RANGE:
        return f"intervals: the range of {n_processes} processes, which holds {held}"
    return f"intervals: 95 % by bootstrap over {n_processes} processes; they hold {held}"


def ratio_interval(
    measurement: Measurement, base: Measurement, confidence: float = 0.95
) -> Interval:
    """Return the bootstrap interval of a ratio of figures of merit, over the processes of both.

    Parameters
    ----------
    measurement, base : Measurement
        Numerator and denominator.
    confidence : float, default 0.95
        Of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end; nan if one of them has a single process.
    """
    return mean_ratio_interval([measurement], [base], confidence)


def find_ratio_coverage(measurement: Measurement, base: Measurement) -> float:
    """Return how often `ratio_interval` at 95 % holds the truth, with as few processes.

    Parameters
    ----------
    measurement, base : Measurement
        Numerator and denominator.

    Returns
    -------
    float
        From 2/3 (two processes) to 0.96 (five or more); that of the fewer if they differ.
    """
    n_processes = min(len(measurement.values), len(base.values))
    return _COVERAGE.get(n_processes, _COVERAGE_OF_MORE)


def mean_ratio_interval(
    measurements: Sequence[Measurement], bases: Sequence[Measurement], confidence: float = 0.95
) -> Interval:
    """Return the bootstrap interval of the geometric mean of ratios of figures of merit.

    A process goes through all workloads, so a process that is drawn is drawn for all of them.

    Parameters
    ----------
    measurements, bases : sequence of Measurement
        Numerators and denominators, in the same order.
    confidence : float, default 0.95
        Of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end; nan if there is a measurement with a single process.
    """
    above, below = _medians(measurements), _medians(bases)
    work = _log_amounts(measurements) - _log_amounts(bases)

    def mean_ratio(j: NDArray[np.int_], k: NDArray[np.int_]) -> NDArray[np.float64]:
        logs = np.log(_median(below, k)) - np.log(_median(above, j))
        mean: NDArray[np.float64] = np.exp(np.mean(logs + work, axis=-1))
        return mean

    return _bootstrap(mean_ratio, [above.shape[1], below.shape[1]], confidence)


def mean_ratio(measurements: Sequence[Measurement], bases: Sequence[Measurement]) -> float:
    """Return the geometric mean of ratios of figures of merit.

    Parameters
    ----------
    measurements, bases : sequence of Measurement
        Numerators and denominators, in the same order.

    Returns
    -------
    float
        The mean.
    """
    from scipy.stats import gmean

    return float(gmean([m.rate / b.rate for m, b in zip(measurements, bases, strict=True)]))


def _medians(measurements: Sequence[Measurement]) -> NDArray[np.float64]:
    """Return the median seconds of each workload in each process that all of them have."""
    n_processes = min(len(measurement.values) for measurement in measurements)
    return np.array([[np.median(v) for v in m.values[:n_processes]] for m in measurements])


def _log_amounts(measurements: Sequence[Measurement]) -> NDArray[np.float64]:
    return np.log([measurement.amount for measurement in measurements])


def _median(seconds: NDArray[np.float64], drawn: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return medians over processes that were drawn, workloads on the last axis."""
    return np.moveaxis(np.median(seconds[:, drawn], axis=-1), 0, -1)


def _bootstrap(
    statistic: Callable[..., NDArray[np.float64]], n_processes: Sequence[int], confidence: float
) -> Interval:
    """Return the percentile interval of a statistic of the numbers of the processes drawn."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, for example 0.95, got {confidence}")
    if min(n_processes) < 2:
        return NOTHING
    from scipy.stats import bootstrap

    def of_drawn(*drawn: NDArray[Any], axis: int) -> NDArray[np.float64]:
        return statistic(*(np.moveaxis(numbers, axis, -1) for numbers in drawn))

    found = bootstrap(
        tuple(np.arange(n) for n in n_processes), of_drawn, n_resamples=_RESAMPLES,
        confidence_level=confidence, method="percentile", random_state=np.random.default_rng(_SEED),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)
