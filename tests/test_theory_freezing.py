"""Where the dynamics freezes: extrapolated plateaus, and the slope with which they vanish."""

import numpy as np
import pytest

from binnet import theory
from binnet.theory._overshoot import overshoot_of_groups


def test_freezing_lies_between_a_living_and_a_frozen_network():
    result = theory.freezing_self_coupling(n_sweeps=100, n_trajectories=3000, n_batches=4)
    assert abs(result.self_coupling - 0.8145) < 3 * result.error
    assert 0.0 < result.error < 0.02
    assert np.all(np.diff(result.plateau) < 0)
    # the slope that the derivation gives is the one that a free line finds
    slope = -1 / np.polyfit(result.grid, np.sqrt(result.plateau), 1)[0]
    assert slope == pytest.approx(theory.plateau_slope(), rel=0.06)


def test_fields_lower_the_freezing_self_coupling():
    options = {"n_sweeps": 50, "n_trajectories": 6000, "n_batches": 4}
    weak, strong = (theory.freezing_self_coupling(field_std=b, **options) for b in (1.0, 4.0))
    assert abs(weak.self_coupling - 0.51) < 3 * weak.error + 0.01
    assert 0.1 < strong.self_coupling < 0.25
    assert strong.grid[-1] < strong.self_coupling  # the grid follows
    alive, frozen = (
        theory.dynamical_cavity(j, 80, field_std=1.0, n_batches=2).flip_fraction[-20:].mean()
        for j in (0.4, 0.7)
    )
    assert alive > 3e-3 > 3e-4 > frozen


@pytest.mark.slow
def test_freezing_threshold_does_not_depend_on_the_update_order():
    """Random subsets and groups, each with the slope of theirs."""
    options = {"n_sweeps": 120, "n_trajectories": 8000}
    found = [
        theory.freezing_self_coupling(**options),
        theory.freezing_self_coupling(update_fraction=0.5, **options),
        theory.freezing_self_coupling(n_groups=4, **options),
    ]
    for one in found:
        assert abs(one.self_coupling - 0.8145) < 3 * one.error
        assert one.error < 0.02


@pytest.mark.parametrize(("p", "n_groups"), [(1.0, 1), (0.3, 1), (1.0, 2), (1.0, 50)])
def test_slope_is_twice_the_overshoot_of_a_random_walk(p, n_groups):
    """Walks towards a far threshold, at the times of a neuron's updates.

    A drift takes them there; it adds less than its size to the overshoot.
    """
    rng = np.random.default_rng(3)
    drift, n, goal = 0.02, 8000, 6.0
    position, turn, overshoots = np.zeros(n), np.zeros(n), []
    while position.size:
        new = rng.integers(n_groups, size=position.size) / n_groups
        time = rng.geometric(p, position.size) * p + new - turn  # 1 in the mean
        position = position + drift * time + np.sqrt(time) * rng.standard_normal(position.size)
        there = position > goal
        overshoots.extend(position[there] - goal)
        position, turn = position[~there], new[~there]
    assert np.mean(overshoots) == pytest.approx(theory.plateau_slope(p, n_groups) / 2, abs=0.02)


def test_slopes_that_are_known():
    """2 |zeta(1/2)| / sqrt(2 pi), and the exponential ladder of single neurons, sqrt(2)."""
    assert theory.plateau_slope() == pytest.approx(2 * 1.4603545088 / np.sqrt(2 * np.pi), abs=1e-7)
    assert 2 * overshoot_of_groups(1) == pytest.approx(theory.plateau_slope(), abs=1e-4)
    assert theory.plateau_slope(1e-6) == pytest.approx(np.sqrt(2), abs=1e-4)
    with pytest.raises(ValueError, match="update_fraction"):
        theory.plateau_slope(0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"update_fraction": 0.0}, "update_fraction must be .* > 0 and <= 1, got 0; 1 is the sync"),
        ({"update_fraction": 1e-3}, "number of steps must be .*20000, got 300000; n_sweeps"),
        ({"n_groups": 100}, "number of steps must be .*20000, got 30000; n_sweeps"),
        ({"field_std": 20.0}, "too few for field_std = 20, where only .* take at least"),
        ({"grid": [0.5, 0.6]}, "at least five increasing"),
        ({"grid": [0.5, 0.6, 0.7, 0.7, 0.8]}, "at least five increasing"),
        ({"n_sweeps": 5}, "n_sweeps must be an integer >= 20, got 5"),
    ],
)
def test_impossible_freezing_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        theory.freezing_self_coupling(**options)


def test_plateaus_of_any_origin_are_extrapolated():
    grid = np.linspace(0.4, 0.6, 6)
    result = theory.freezing_from_plateaus(grid, 0.7 * (0.8 - grid) ** 2, np.full(6, 1e-4))
    assert abs(result.self_coupling - 0.8) < 3 * result.error + 1e-9
    assert 1e-4 < result.error < 0.02
    bent = 0.8 - 1.2 * np.sqrt(np.linspace(0.02, 0.05, 6)) + 0.3 * np.linspace(0.02, 0.05, 6)
    f = np.linspace(0.02, 0.05, 6)[::-1]
    known = theory.freezing_from_plateaus(bent[::-1], f, np.full(6, 1e-4), slope=1.2)
    assert known.self_coupling == pytest.approx(0.8, abs=1e-9)
    assert 1e-3 < known.error < 0.02  # what the bend changes is in the error
    with pytest.raises(ValueError, match="do not fall"):
        theory.freezing_from_plateaus(grid, np.full(6, 0.2), np.full(6, 1e-4))
    with pytest.raises(ValueError, match="further below freezing"):
        theory.freezing_from_plateaus(grid, np.zeros(6), np.full(6, 1e-4))
    with pytest.raises(ValueError, match="one shape"):
        theory.freezing_from_plateaus(grid, np.full(6, 0.2), 1e-4)


def test_freezing_spends_more_populations_for_the_accuracy_asked():
    options = {"n_sweeps": 40, "n_trajectories": 300, "n_batches": 2}
    quick = theory.freezing_self_coupling(**options)
    wide = theory.freezing_self_coupling(**options, rtol=0.1)
    assert wide.error <= 0.1 * wide.self_coupling
    assert quick.error != wide.error or quick.error <= 0.1 * quick.self_coupling
    with pytest.raises(ValueError, match="not reached: the error is"):
        theory.freezing_self_coupling(**options, rtol=1e-5)
