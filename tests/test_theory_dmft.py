"""The dynamical cavity against exact results and against simulated networks."""

import numpy as np
import pytest
from scipy import special

from binnet import theory


def simulate_flips(n, j, n_steps, n_replicas, rng, update_fraction=1.0):
    """Plain reference: flip fractions of one network from random starts, shape (n_steps,
    n_replicas)."""
    couplings = theory.random_couplings(n, rng, np.float32)
    state = rng.choice(np.array([-1, 1], dtype=np.float32), (n, n_replicas))
    flips = np.empty((n_steps, n_replicas))
    for t in range(n_steps):
        new = np.where(
            couplings @ state + np.float32(j) * state >= 0, np.float32(1), np.float32(-1)
        )
        if update_fraction < 1.0:
            new = np.where(rng.random(state.shape) < update_fraction, new, state)
        flips[t] = np.mean(new != state, axis=0)
        state = new
    return flips


@pytest.mark.parametrize("j", [0.0, 0.5, 1.2])
@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_first_flip_fraction_is_exact(j, fraction):
    result = theory.dynamical_cavity(
        j, 3, update_fraction=fraction, n_trajectories=500, n_batches=2, seed=1
    )
    assert result.flip_fraction[0] == pytest.approx(fraction * special.ndtr(-j), abs=1e-12)


def test_first_flip_fraction_with_fields():
    """With a static Gaussian field of deviation sigma the first field has variance 1 + sigma^2."""
    result = theory.dynamical_cavity(0.5, 2, field_std=1.5, n_trajectories=20_000, n_batches=4)
    expected = special.ndtr(-0.5 / np.sqrt(1 + 1.5**2))
    assert abs(result.flip_fraction[0] - expected) < 4 * result.flip_error[0] + 1e-3


def test_without_self_coupling_the_network_forgets_at_once():
    result = theory.dynamical_cavity(0.0, 6, n_trajectories=20_000)
    off_diagonal = result.correlation[~np.eye(7, dtype=bool)]
    assert np.max(np.abs(off_diagonal)) < 0.02
    np.testing.assert_allclose(result.flip_fraction, 0.5, atol=0.01)


def test_flip_fractions_are_those_of_the_correlations():
    result = theory.dynamical_cavity(0.5, 12, n_trajectories=8000)
    from_correlation = (1 - np.diagonal(result.correlation, 1)) / 2
    np.testing.assert_allclose(result.flip_fraction, from_correlation, atol=4e-3)
    np.testing.assert_allclose(result.correlation, result.correlation.T)
    assert result.correlation_error < 0.01


@pytest.mark.parametrize(("fraction", "steps"), [(1.0, 12), (0.4, 16)])
def test_flip_fractions_against_a_network_of_ten_thousand(fraction, steps):
    result = theory.dynamical_cavity(
        0.5, steps, update_fraction=fraction, n_trajectories=20_000, n_batches=6
    )
    flips = simulate_flips(10_000, 0.5, steps, 4, np.random.default_rng(11), fraction)
    # Replicas of one network: binomial noise, inflated since flips of a network are correlated.
    binomial = np.sqrt(result.flip_fraction / (10_000 * 4))
    error = np.hypot(3 * binomial, result.flip_error)
    assert np.all(np.abs(flips.mean(axis=1) - result.flip_fraction) < 4 * error)


def test_equal_seeds_give_equal_numbers_and_accuracy_is_reached():
    first, second = (theory.dynamical_cavity(0.4, 5, n_trajectories=500, seed=3) for _ in range(2))
    assert np.array_equal(first.correlation, second.correlation)
    precise = theory.dynamical_cavity(0.4, 5, n_trajectories=500, n_batches=4, rtol=3e-3, seed=3)
    assert np.max(precise.flip_error) <= 3e-3 * special.ndtr(-0.4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"self_coupling": -0.1, "n_steps": 3}, "self_coupling"),
        ({"self_coupling": 0.1, "n_steps": 0}, r"n_steps must be an integer in 1\.\.20000, got 0"),
        ({"self_coupling": 0.1, "n_steps": 3, "update_fraction": 0.0}, "update_fraction"),
        ({"self_coupling": 0.1, "n_steps": 3, "n_batches": 1}, "spread"),
        (
            {
                "self_coupling": 0.5,
                "n_steps": 3,
                "n_batches": 2,
                "n_trajectories": 10,
                "rtol": 1e-6,
            },
            "raise n_trajectories",
        ),
    ],
)
def test_impossible_requests_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        theory.dynamical_cavity(**options)


def test_more_than_there_is_memory_for_is_refused_before_the_work():
    with pytest.raises(MemoryError, match=r"9 steps of 1000000000000 traj.* 144,000 GB"):
        theory.dynamical_cavity(0.5, 9, n_trajectories=10**12)
