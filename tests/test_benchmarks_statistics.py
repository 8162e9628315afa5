"""Medians, deviations and bootstrap intervals of measurements, where they are known otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark_cases import make_measurement
from binnet.benchmarks._statistics import (
    describe_intervals,
    find_coverage,
    find_ratio_coverage,
    mean_ratio,
    mean_ratio_interval,
    rate_interval,
    ratio_interval,
    summarize,
)


def make(*seconds: float, amount: float = 1.0, **changes):
    """Return a measurement with one value in each process."""
    return make_measurement(amount=amount, values=tuple((s,) for s in seconds), **changes)


def test_summary_by_hand():
    measurement = make_measurement(amount=12.0, values=((1.0, 2.0, 9.0), (3.0, 4.0, 5.0), (6.0,)))
    found = summarize(measurement)
    assert found.median == 4.0  # of 2, 4, 6
    assert found.deviation == 2.0  # median of |v - 4|: 3, 2, 5, 1, 0, 1, 2
    assert found.minimum == 1.0
    assert found.interval == pytest.approx((2.0, 6.0))
    assert (found.n_processes, found.n_values) == (3, 7)
    assert rate_interval(measurement) == pytest.approx((2.0, 6.0))
    assert measurement.rate == 3.0


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_few_processes_give_their_range(n):
    """So that the interval holds the median of all with 1 - 2^(1 - n), as the module says."""
    seconds = np.random.default_rng(n).lognormal(sigma=0.1, size=n)
    expected = 7.0 / seconds.max(), 7.0 / seconds.min()
    assert rate_interval(make(*seconds, amount=7.0)) == pytest.approx(expected)


def test_interval_between_percentiles_known_of_many_processes():
    """The percentiles of the median of a sample are, nearly, order statistics of binomial ranks."""
    seconds = np.sort(np.random.default_rng(1).lognormal(sigma=0.1, size=101))
    low, high = rate_interval(make(*seconds))
    # Ranks 50.5 +- 1.96 sqrt(101) / 2 of 101: 41 and 60; resampling has noise of a rank or two.
    assert 1 / seconds[62] <= low <= 1 / seconds[57]
    assert 1 / seconds[43] <= high <= 1 / seconds[38]


def test_intervals_are_the_same_every_time():
    measurement, other = make(1.0, 1.1, 0.9, 1.05, 1.2, 0.97), make(2.0, 2.1, 1.9)
    assert rate_interval(measurement) == rate_interval(measurement)
    assert ratio_interval(measurement, other) == ratio_interval(measurement, other)
    wide, narrow = rate_interval(measurement, 0.99), rate_interval(measurement, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_coverage(n):
    """Intervals hold the truth as often as the module and docs/benchmark_schema.md say."""
    rng = np.random.default_rng(n)
    rates = ratios = 0
    draws = 150
    for _ in range(draws):
        one, other = (make(*np.exp(0.03 * rng.standard_normal(n))) for _ in range(2))
        low, high = rate_interval(one)
        rates += low <= 1.0 <= high
        low, high = ratio_interval(one, other)
        ratios += low <= 1.0 <= high
    for found, expected in ((rates, find_coverage(n)), (ratios, find_ratio_coverage(one, other))):
        # Three standard errors of a frequency.
        assert found / draws == pytest.approx(
            expected, abs=3 * math.sqrt(expected * (1 - expected) / draws)
        )


def test_intervals_are_described_by_the_fewest_processes():
    three, six = make(1.0, 1.1, 1.2), make(*np.arange(1.0, 7.0))
    found = describe_intervals([three])
    assert found == describe_intervals([six, three])
    assert found == (
        "intervals: the range of 3 processes, which holds the true rate in about 75 % of runs"
    )
    assert describe_intervals([six]) == (
        "intervals: 95 % by bootstrap over 6 processes; "
        "they hold the true rate in about 93 % of runs"
    )
    assert describe_intervals([make(1.0)]) == "intervals: none of a single process"
    assert math.isnan(find_coverage(1))


def test_ratio_of_three_processes_to_three_by_hand():
    fast, slow = make(1.0, 1.1, 1.2), make(2.0, 2.2, 2.4, amount=3.0)
    # Seconds of the slow between 2.0 and 2.4, of the fast between 1.0 and 1.2; a third of the work.
    assert ratio_interval(fast, slow) == pytest.approx((2.0 / 1.2 / 3, 2.4 / 1.0 / 3))
    assert ratio_interval(slow, fast) == pytest.approx((3 * 1.0 / 2.4, 3 * 1.2 / 2.0))


def test_a_single_process_says_nothing():
    single, other = make_measurement(values=((1.0, 1.1, 1.2),)), make(1.0, 1.1, 1.2)
    assert np.isnan(rate_interval(single)).all()
    assert np.isnan(ratio_interval(single, other)).all()
    assert np.isnan(ratio_interval(other, single)).all()
    assert np.isnan(summarize(single).interval).all()


def test_processes_without_spread_have_a_point():
    assert rate_interval(make(0.5, 0.5, 0.5)) == (2.0, 2.0)
    assert ratio_interval(make(0.5, 0.5), make(0.25, 0.25)) == pytest.approx((0.5, 0.5))


def test_geometric_mean_by_hand():
    ours = [make(1.0, 1.0, 1.0, amount=2.0), make(1.0, 1.0, 1.0, amount=4.5)]
    theirs = [make(1.0, 1.0, 1.0), make(1.0, 1.0, 1.0)]
    assert mean_ratio(ours, theirs) == pytest.approx(3.0)
    assert mean_ratio_interval(ours, theirs) == pytest.approx((3.0, 3.0))


def test_mean_draws_a_process_for_all_workloads():
    """Processes that err in opposite ways on two workloads leave the mean without spread."""
    ups, downs = make(1.0, 1.1, 1.21), make(1.21, 1.1, 1.0)
    flat = make(1.0, 1.0, 1.0)
    together = mean_ratio_interval([ups, ups], [flat, flat])
    assert together == pytest.approx((1 / 1.21, 1.0))
    low, high = mean_ratio_interval([ups, downs], [flat, flat])
    assert high - low < 0.5 * (together[1] - together[0])


def test_workloads_that_were_stopped_count_with_the_processes_that_all_have():
    ours = [make(1.0, 1.1, 1.2), make(1.0, 1.1)]
    assert np.isfinite(mean_ratio_interval(ours, ours)).all()
    assert np.isnan(mean_ratio_interval([*ours, make(1.0)], [*ours, make(1.0, 2.0)])).all()


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_outside_its_range(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        rate_interval(make(1.0, 1.1), confidence)
