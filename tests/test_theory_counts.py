"""Closed forms and pairs: identities, limits, Monte Carlo and exact enumeration."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from binnet import theory


def test_complexity_limits_and_closed_form():
    assert theory.complexity(0.0) == 0.0
    assert theory.complexity(60.0) == pytest.approx(np.log(2.0), abs=1e-15)
    assert theory.complexity(1e-9) == pytest.approx(1e-9 * np.sqrt(2 / np.pi), rel=1e-8)
    j = np.linspace(0.0, 5.0, 11)
    np.testing.assert_allclose(theory.complexity(j), np.log(2 * special.ndtr(j)), atol=1e-15)


def test_complexity_margin_shifts_the_self_coupling_and_reaches_far_tails():
    assert theory.complexity(1.0, 0.4) == pytest.approx(theory.complexity(0.6), abs=1e-15)
    expected = np.log(2.0) + stats.norm.logcdf(-30.0)
    assert theory.complexity(0.0, 30.0) == pytest.approx(expected, rel=1e-14)


def test_complexity_broadcasts():
    value, error = theory.complexity(
        np.array([[0.1], [0.5]]), 0.0, np.array([0.0, 0.3, 2.0]), return_error=True
    )
    assert value.shape == error.shape == (2, 3)
    assert value[1, 1] == pytest.approx(theory.complexity(0.5, 0.0, 0.3), abs=1e-12)
    assert np.all(error < 1e-9)


@pytest.mark.parametrize(
    ("j", "kappa", "std"), [(0.5, 0.0, 0.7), (0.2, 0.1, 2.0), (1.5, 0.5, 10.0)]
)
def test_gaussian_field_formula_against_monte_carlo(j, kappa, std):
    z = np.random.default_rng(3).standard_normal(400_000)
    a = j - kappa
    sample = np.logaddexp(special.log_ndtr(a + std * z), special.log_ndtr(a - std * z))
    standard_error = sample.std() / np.sqrt(sample.size)
    value, error = theory.complexity(j, kappa, std, return_error=True)
    assert abs(value - sample.mean()) < 4 * standard_error
    assert error < 1e-9


def test_strong_fields_leave_what_lies_near_zero_field():
    """Only |sigma z| of order 1 counts, so Sigma sigma tends to phi(0) times an integral over x."""
    x = np.linspace(-12.0, 12.0, 4801)
    near = np.logaddexp(special.log_ndtr(0.5 + x), special.log_ndtr(0.5 - x))
    limit = np.sum(near) * (x[1] - x[0]) / np.sqrt(2 * np.pi)  # smooth and vanishing at both ends
    std = np.array([1e2, 1e4, 1e8])
    value, error = theory.complexity(0.5, 0.0, std, return_error=True)
    np.testing.assert_allclose(value * std, limit, rtol=1e-4)
    np.testing.assert_allclose(value[1:] * std[1:], limit, rtol=1e-7)
    assert np.all(error < 1e-12)


def test_vanishing_field_is_the_limit_of_weak_fields():
    assert theory.complexity(0.5, 0.0, 1e-5) == pytest.approx(theory.complexity(0.5), abs=1e-9)


@pytest.mark.parametrize("strength", [-1.2, 0.0, 0.3, 2.5])
def test_chain_of_two_modules_has_its_closed_form(strength):
    both = special.ndtr(strength) ** 2 + special.ndtr(-strength) ** 2
    value = theory.chain_complexity(0.0, strength, n_modules=2)
    assert 2 * value == pytest.approx(np.log(2 * both), abs=1e-14)


def test_chain_against_the_sum_over_all_configurations():
    j, left, right, kappa, length = 0.3, 0.7, -0.4, 0.1, 5
    spins = np.array(np.meshgrid(*[[-1, 1]] * length)).reshape(length, -1)
    field = np.full(spins.shape, j - kappa)
    field[1:] += left * spins[1:] * spins[:-1]
    field[:-1] += right * spins[:-1] * spins[1:]
    expected = np.log(special.ndtr(field).prod(axis=0).sum()) / length
    value = theory.chain_complexity(j, left, right, n_modules=length, margin=kappa)
    assert value == pytest.approx(expected, abs=1e-13)
    assert theory.chain_complexity(j, left, n_modules=1) == pytest.approx(theory.complexity(j))
    grid = theory.chain_complexity(
        np.array([0.1, j]), [[left], [0.0]], right, n_modules=5, margin=kappa
    )
    assert grid.shape == (2, 2)
    assert grid[0, 1] == pytest.approx(value, abs=1e-14)
    assert grid[1, 0] != pytest.approx(grid[0, 0])


def test_rounding_errors_are_estimated_for_every_closed_form():
    """The exact pair probability at x = 0, and sums over everything, give errors to compare."""
    rho = np.cos(np.pi * np.array([1e-8, 0.3, 0.999, 1 - 1e-6]))
    value, error = theory.log_bivariate_cdf(0.0, rho, return_error=True)
    exact = np.log(np.array([1 - 1e-8, 0.7, 0.001, 1e-6]) / 2)  # 1/4 + asin(rho)/(2 pi)
    # the correlation itself is rounded: what that shifts near -1 is not an error of the function
    given = np.abs(np.finfo(float).eps / (np.sin(np.arccos(rho)) * np.exp(exact) * 2 * np.pi))
    assert np.all(np.abs(value - exact) <= error + given)
    assert np.all((error > 0) & (error < 1e-8))
    for function in (theory.pair_entropy, theory.franz_parisi):
        value, error = function([[0.0], [0.3], [1.0]], [0.0, 0.5], return_error=True)
        assert value.shape == error.shape == (3, 2)
        np.testing.assert_array_equal(value, function([[0.0], [0.3], [1.0]], [0.0, 0.5]))
        assert np.all((error >= 0) & (error < 1e-13))
    value, error = theory.pair_entropy(0.0, 1.0, return_error=True)
    assert abs(value - 2 * theory.complexity(1.0)) <= error
    value, error = theory.log_expected_count(4000, 0.5, return_error=True)
    assert 0 < error < 1e-9
    value, error = theory.log_expected_pairs(400, 0.5, return_error=True)
    assert abs(value[0] - theory.log_expected_count(400, 0.5)) <= error[0] < 1e-9
    value, error = theory.chain_complexity(0.5, 0.2, n_modules=3, return_error=True)
    assert 0 < error < 1e-13
    coarse, fine = (theory.isolation_radius(0.5, rtol=r, return_error=True) for r in (1e-3, 1e-12))
    assert abs(coarse[0] - fine[0]) <= coarse[1]
    assert fine[1] < 1e-10 * fine[0]
    assert theory.self_averaging(0.5).error < 1e-13


def test_bivariate_cdf_against_scipy():
    for x, rho in [(0.0, -0.3), (0.4, 0.9), (1.3, -0.95), (0.2, 0.0)]:
        expected = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([x, x])
        assert theory.log_bivariate_cdf(x, rho) == pytest.approx(np.log(expected), abs=1e-9)


@pytest.mark.parametrize("j", [0.0, 1e-3, 0.06, 0.5, 1.0, 4.0])
def test_pair_entropy_identities(j):
    sigma = theory.complexity(j)
    values = theory.pair_entropy([-1.0, 0.0, 1.0], j)
    np.testing.assert_allclose(values, [sigma, 2 * sigma, sigma], atol=1e-14)
    assert theory.franz_parisi(0.3, j) == pytest.approx(
        theory.pair_entropy(0.3, j) - sigma, abs=1e-14
    )


def test_pairs_with_a_margin_against_the_integral_of_one_gaussian():
    for reach, q in [(0.4, 0.3), (-0.5, 0.9), (-1.5, -0.4), (-3.0, 0.6)]:

        def both(rho, a=reach):  # Phi2(a, a; rho)
            width = np.sqrt(1.0 - rho**2)
            return integrate.quad(
                lambda x: stats.norm.pdf(x) * special.ndtr((a - rho * x) / width), -40.0, a,
                points=(-8.0,), epsabs=0.0, epsrel=1e-11,
            )[0]  # fmt: skip

        same, other = (1 + q) / 2, (1 - q) / 2
        expected = np.log(2.0) + stats.entropy([same, other])
        expected += same * np.log(both(q)) + other * np.log(both(-q))
        value, error = theory.pair_entropy(q, 1.0, margin=1.0 - reach, return_error=True)
        assert abs(value - expected) <= error + 1e-10
        assert error < 1e-5  # where Phi2 is tiny digits cancel, and it says how many
        typical = theory.franz_parisi(q, 1.0, margin=1.0 - reach)
        assert typical == pytest.approx(value - theory.complexity(1.0, 1.0 - reach), abs=1e-12)
    radius = theory.isolation_radius([0.7, 0.2, 0.1], margin=0.2)
    np.testing.assert_allclose(radius, [theory.isolation_radius(0.5), 0.5, np.nan])


def test_count_is_self_averaging_where_it_is_exponential():
    check = theory.self_averaging(np.array([0.01, 0.06, 0.2, 0.5, 1.0, 3.0]))
    assert np.all(check.dominant)
    assert np.all(check.best_overlap == 0.0)
    for j, limit in zip([0.5, 1.0], check.moment_ratio[[3, 4]], strict=True):
        log_square = special.logsumexp(theory.log_expected_pairs(4000, j))
        ratio = np.exp(log_square - 2 * theory.log_expected_count(4000, j))
        assert ratio == pytest.approx(limit, rel=2e-3)


def test_typical_fixed_points_are_isolated():
    j = np.array([0.0, 0.05, 0.5, 1.0, 2.0, 5.0, 10.0])
    radius = theory.isolation_radius(j)
    assert radius[0] == 0.5
    assert np.all(np.diff(radius) < 0)
    assert np.all(radius > 0)
    log_d = np.log(radius[5:])  # sqrt(d) log(1/d) = exp(-J^2/2)/(pi Phi(J)) at large J_D
    expected = -0.5 * j[5:] ** 2 - np.log(np.pi * special.ndtr(j[5:]))
    np.testing.assert_allclose(0.5 * log_d + np.log(1 - log_d), expected, rtol=1e-3)
    inside = theory.franz_parisi(1 - 2 * np.multiply.outer([0.01, 0.3, 0.9], radius[1:5]), j[1:5])
    outside = theory.franz_parisi(1 - 2 * 1.1 * radius[1:5], j[1:5])
    assert np.all(inside < 0)
    assert np.all(outside > 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.complexity(-0.1), "self_coupling must be a finite number >= 0, got -0.1; "),
        (lambda: theory.complexity([0.1, -2]), r"self_coupling must .* got -2 at \[1\]; .*margin"),
        (lambda: theory.complexity(0.1, 0.0, -1.0), "field_std"),
        (lambda: theory.complexity(np.nan), "finite"),
        (lambda: theory.complexity(0.1, rtol=0.0), "rtol"),
        (lambda: theory.pair_entropy(1.2, 0.5), "overlap must be .* >= -1 and <= 1, got 1.2; an"),
        (lambda: theory.log_expected_count(1, 0.5), "two neurons"),
        (lambda: theory.log_expected_count([20, 20.5], 0.5), "n_neurons must be whole numbers"),
        (lambda: theory.chain_complexity(0.5, 0.1, n_modules=0), "n_modules must be .* >= 1"),
        (lambda: theory.isolation_radius(30.0), "self_coupling"),
        (lambda: theory.isolation_radius(30.0, margin=5.0), "self_coupling - margin .* got 25"),
    ],
)
def test_impossible_requests_are_refused_with_the_value_and_the_range(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("value", ["much", "0.5", True, None, 1j, [[0.1], [0.2, 0.3]]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="self_coupling must be a finite number >= 0"):
        theory.complexity(value)
