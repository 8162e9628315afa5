"""Belief propagation against exact counts, and solvers whose fixed points are checked exactly."""

from fractions import Fraction

import numpy as np
import pytest

from binnet import theory
from binnet.theory.message_passing import belief_propagation, count_unstable, solve


def test_symmetric_point_gives_the_expected_count():
    """With J_ij = +-1/sqrt(N) every row has the same norm, and the Bethe entropy is the annealed
    one."""
    n, rng = 50, np.random.default_rng(2)
    couplings = rng.choice([-1.0, 1.0], (n, n)) / np.sqrt(n)
    np.fill_diagonal(couplings, 0.0)
    result = belief_propagation(couplings, 0.5)
    assert result.converged
    assert result.entropy == pytest.approx(theory.log_expected_count(n, 0.5) / n, abs=1e-12)
    np.testing.assert_array_equal(result.magnetisations, 0.0)


@pytest.mark.parametrize(("j", "std"), [(0.5, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_bethe_entropy_against_exact_log_counts(j, std):
    n, exact, bethe = 20, [], []
    for k in range(20):
        rng = np.random.default_rng([k, 7])
        couplings, field = theory.random_couplings(n, rng), std * rng.standard_normal(n)
        states = theory.enumerate_fixed_points(couplings, j, field=field)
        result = belief_propagation(couplings, j, field=field)
        assert result.converged
        exact.append(np.log(len(states)))
        bethe.append(n * result.entropy)
    difference = np.subtract(exact, bethe)
    # corrections to the logarithm of the count are of order 1, i.e. 1/N per neuron
    assert np.max(np.abs(difference)) < 1.2
    assert abs(difference.mean()) < 0.35
    # without fields networks differ only by the norms of their rows
    assert np.corrcoef(exact, bethe)[0, 1] > (0.7 if std else 0.4)


def test_magnetisations_against_exact_averages():
    rng = np.random.default_rng([1, 7])
    couplings, field = theory.random_couplings(20, rng), rng.standard_normal(20)
    states = theory.enumerate_fixed_points(couplings, 1.0, field=field)
    result = belief_propagation(couplings, 1.0, field=field)
    np.testing.assert_allclose(result.magnetisations, states.mean(axis=0), atol=0.2)
    assert np.corrcoef(result.magnetisations, states.mean(axis=0))[0, 1] > 0.99


def test_entropy_of_a_large_network_with_fields_is_the_quenched_complexity():
    n, rng = 1500, np.random.default_rng(5)
    couplings, field = theory.random_couplings(n, rng, np.float32), 0.7 * rng.standard_normal(n)
    result = belief_propagation(couplings, 0.5, field=field, rtol=1e-5)
    assert result.converged
    # fluctuates with the sampled fields, about 1/sqrt(N)
    assert result.entropy == pytest.approx(
        theory.complexity(0.5, 0.0, 0.7), abs=4 * 0.4 / np.sqrt(n)
    )


def test_exact_check_decides_what_rounding_cannot():
    """The sum 0.1 + 0.2 - 0.3 rounds to 5.55e-17 in floating point; its exact value is half of
    that."""
    couplings = np.zeros((4, 4))
    couplings[0, 1:] = 0.1, 0.2, -0.3
    total = float(Fraction(0.1) + Fraction(0.2) - Fraction(0.3))
    for shift, unstable in ((0.0, 0), (-0.9 * total, 0), (-total, 1), (-1.1 * total, 1)):
        field = np.array([shift, 1.0, 1.0, 1.0])
        assert count_unstable(couplings, 0.0, np.ones(4), field=field) == unstable


@pytest.mark.parametrize("method", ["reinforced", "focusing"])
@pytest.mark.parametrize("j", [0.2, 0.4])
def test_solvers_find_true_fixed_points(method, j):
    couplings = theory.random_couplings(1000, np.random.default_rng(3), np.float32)
    result = solve(couplings, j, method=method)
    assert result.found
    state = result.state.astype(np.float64)
    assert np.all(state * (couplings.astype(np.float64) @ state) + j > 0)
    again = solve(couplings, j, method=method)
    assert np.array_equal(again.state, result.state)


def test_reinforced_bp_solves_networks_of_two_thousand():
    for k in range(2):
        couplings = theory.random_couplings(2000, np.random.default_rng([2000, k]), np.float32)
        assert solve(couplings, 0.3, method="reinforced").found


@pytest.mark.slow
@pytest.mark.parametrize("j", [0.2, 0.3, 0.4])
def test_reinforced_bp_solves_nine_of_ten_networks_of_two_thousand(j):
    found = 0
    for k in range(10):
        couplings = theory.random_couplings(2000, np.random.default_rng([2000, k]), np.float32)
        found += solve(couplings, j, method="reinforced").found
    assert found >= 9


def test_a_failed_search_says_so():
    couplings = theory.random_couplings(200, np.random.default_rng(0))
    result = solve(couplings, 0.0, rate=0.05, n_attempts=2)
    assert not result.found
    assert result.n_unstable == count_unstable(couplings, 0.0, result.state) > 0
    assert result.n_attempts == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "method must be one of reinforced, focusing, got 'magic'"),
        ({"rate": 0.0}, "rate"),
        ({"replicas": 0.5}, "replicas"),
        ({"self_coupling": -1.0}, "self_coupling"),
        ({"couplings": np.eye(3)}, r"zero diagonal, got 1 at \[0, 0\]; pass J_D"),
        ({"field": [0.1, 0.2]}, r"field must .* shape \(3,\), one per neuron, got shape \(2,\)"),
    ],
)
def test_impossible_requests_are_refused(options, words):
    arguments = {"couplings": np.zeros((3, 3)), "self_coupling": 0.5} | options
    with pytest.raises(ValueError, match=words):
        solve(**arguments)
    with pytest.raises(ValueError, match=r"state must be -1 or \+1, got 0 at"):
        count_unstable(np.zeros((3, 3)), 0.5, [1, 0, 1])
    with pytest.raises(ValueError, match=r"state must have shape .*3"):
        count_unstable(np.zeros((3, 3)), 0.5, [1, 1])
