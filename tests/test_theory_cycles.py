"""2-cycles and the capacity of a row: brute force, exact values, integrals."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from binnet import theory
from binnet.theory.cycles import _log_lower


def count_cycles(n, self_coupling, draws, seed=0):
    """Mean number of 2-cycles by the neurons that alternate, and its standard error."""
    rng = np.random.default_rng(seed)
    states = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).T
    counts = np.zeros((draws, n + 1))
    for draw in counts:
        J = rng.normal(size=(n, n)) / np.sqrt(n)
        np.fill_diagonal(J, self_coupling)
        after = (1 << np.arange(n)) @ (J @ states >= 0)
        two = np.flatnonzero(after[after] == np.arange(2**n))
        alternate = (states[:, two] != states[:, after[two]]).sum(axis=0)
        draw += np.bincount(alternate, minlength=n + 1)
    counts[:, 1:] /= 2  # both states of a cycle were found
    return counts.mean(axis=0), counts.std(axis=0) / np.sqrt(draws), counts[:, 1:].sum(axis=1)


@pytest.mark.parametrize("self_coupling", [0.0, 0.2, 0.4, 0.7])
def test_mean_number_of_cycles_by_brute_force(self_coupling):
    mean, error, cycles = count_cycles(10, self_coupling, 600)
    expected = np.exp(theory.log_expected_cycles(10, self_coupling))
    assert abs(mean[0] - expected[0]) < 3.5 * error[0]
    several = expected * 600 > 10
    assert np.all(np.abs(mean - expected)[several] < 4 * error[several])
    assert abs(cycles.mean() - expected[1:].sum()) < 3.5 * cycles.std() / np.sqrt(600)


def test_cycle_complexity_is_the_limit_of_the_exact_number():
    n = 20000
    value, error = theory.log_expected_cycles(n, 0.5, return_error=True)
    q = 1 - 2 * np.arange(n + 1) / n
    inside = slice(200, -200)
    per_neuron = theory.cycle_complexity(q, 0.5)
    assert np.max(np.abs(value / n - per_neuron)[inside]) < 1e-3
    assert np.all(error[np.isfinite(value)] < 1e-7)
    assert value[1] == -np.inf  # the one neuron that alternates sees the same field twice


def test_cycles_at_full_overlap_are_fixed_points():
    j = np.array([0.0, 0.3, 2.0])
    value, error = theory.cycle_complexity(1.0, j, return_error=True)
    np.testing.assert_allclose(value, theory.complexity(j), atol=1e-14)
    assert np.all(error < 1e-13)
    assert theory.log_expected_cycles(30, 0.4)[0] == pytest.approx(
        theory.log_expected_count(30, 0.4), rel=1e-12
    )
    # Without self-coupling s -> -s for all is as likely as s -> s.
    assert theory.cycle_complexity(-1.0, 0.0) == pytest.approx(0.0, abs=1e-15)
    # The overlap at which cycles are most: they vanish there from a small J_D on.
    q = np.linspace(-1, 0.9, 200)
    assert theory.cycle_complexity(q, 0.1).max() < theory.complexity(0.1)


@pytest.mark.parametrize("x", [0.0, 0.4, 1.3, 4.0, 30.0])
@pytest.mark.parametrize("rho", [-0.95, -0.3, 0.0, 0.6, 0.999])
def test_lower_bivariate_tail(x, rho):
    value, error = _log_lower(x, rho)
    assert 0 <= error < 1e-9
    if rho == 0.0:
        assert value == pytest.approx(2 * special.log_ndtr(-x), rel=1e-13, abs=1e-13)
    if x < 1:
        exact = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-x, -x])
        assert value == pytest.approx(np.log(exact), rel=1e-5, abs=1e-6)
    if x == 0.0:
        assert value == pytest.approx(np.log(0.25 + np.arcsin(rho) / (2 * np.pi)), rel=1e-12)


@pytest.mark.parametrize("reach", [-40.0, -3.0, -0.5, 0.0, 0.5, 3.0, 8.0, 30.0])
def test_capacity_is_its_integral(reach):
    """reach = J_D - kappa; the integrand is shifted to keep it in range."""
    found = theory.capacity(max(reach, 0.0), max(-reach, 0.0))
    shift = 0.5 * max(reach, 0.0) ** 2

    def integrand(t):
        return np.exp(shift - 0.5 * (t + reach) ** 2) * t * t

    start = max(-reach - 40, 0.0)
    total = integrate.quad(integrand, start, start + 90, points=[max(-reach, 1e-3)])[0]
    assert found.load == pytest.approx(np.exp(shift) * np.sqrt(2 * np.pi) / total, rel=1e-9)
    assert found.exact == (reach <= 0)


def test_capacity_known_values_and_shapes():
    assert theory.capacity(0.0).load == pytest.approx(2.0, rel=1e-15)
    assert theory.capacity(0.7, 0.7).load == pytest.approx(2.0, rel=1e-15)
    assert theory.capacity(100.0).load == np.inf
    grid = theory.capacity([0.0, 0.5], [[0.0], [1.0], [2.0]])
    assert grid.load.shape == grid.exact.shape == (3, 2)
    assert not grid.exact[0, 1]
    assert np.all(np.diff(grid.load, axis=0) < 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.cycle_complexity(1.2, 0.5), "overlap must be .* got 1.2"),
        (lambda: theory.cycle_complexity(0.5, -0.1), "self_coupling must be .* got -0.1"),
        (lambda: theory.log_expected_cycles(1, 0.5), "n_neurons must be an integer >= 2"),
        (lambda: theory.capacity(-0.1), "self_coupling must be .* got -0.1"),
        (lambda: theory.capacity(0.1, np.nan), "margin must be a finite number, got nan"),
    ],
)
def test_wrong_requests_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
