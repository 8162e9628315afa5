"""Counts of correlated, signed and diluted networks: brute force, limits, known values."""

import numpy as np
import pytest
from scipy import integrate, optimize, special

from binnet import theory


def count_by_brute_force(
    n, a, draws, *, symmetry=0.0, sign=False, density=1.0, std=0.0, fields=0.0, seed=0
):
    """Mean count of states with s_i h_i >= -a (> for s_i = -1), and its standard error.

    `fields` are the same in all networks, those of standard deviation `std` drawn in each.
    """
    rng = np.random.default_rng(seed)
    states = np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1)
    counts = []
    for _ in range(draws):
        J = rng.choice([-1.0, 1.0], (n, n)) if sign else rng.normal(size=(n, n))
        if symmetry:
            upper = np.triu(J, 1)
            J = upper + symmetry * upper.T + np.sqrt(1 - symmetry**2) * np.tril(J, -1)
        J *= (rng.random((n, n)) < density) / np.sqrt(density * n)
        np.fill_diagonal(J, 0.0)
        external = std * rng.normal(size=(n, 1)) + np.reshape(fields, (-1, 1))
        stability = np.round((J @ states + external) * states + a, 12)
        counts.append(((stability > 0) | ((stability == 0) & (states > 0))).all(axis=0).sum())
    return np.mean(counts), np.std(counts) / np.sqrt(draws)


CASES = [
    (6, 0.3, {"symmetry": -0.5}),
    (6, 0.3, {"symmetry": -1.0}),
    (8, 0.1, {"symmetry": 0.5, "std": 0.4}),
    (8, 0.0, {"symmetry": 1.0}),
    (7, 0.0, {"sign": True}),  # fields of 0 in every second state
    (9, 1 / 3, {"sign": True}),
    (8, 0.5, {"sign": True, "std": 0.5}),
    (8, 0.3, {"density": 0.3}),
    (8, 0.0, {"density": 0.3}),  # rows without a coupling
    (8, 0.3, {"density": 0.3, "sign": True}),
]


@pytest.mark.parametrize(("n", "a", "ensemble"), CASES, ids=str)
def test_mean_counts_by_brute_force(n, a, ensemble):
    mean, error = count_by_brute_force(n, a, 1500, **ensemble)
    ensemble = dict(ensemble)
    std = ensemble.pop("std", 0.0)
    distribution = "sign" if ensemble.pop("sign", False) else "gaussian"
    expected = theory.expected_count(n, a, 0.0, std, distribution=distribution, **ensemble)
    assert abs(mean - expected) < 3.5 * error
    with_margin = theory.expected_count(n, a + 0.2, 0.2, std, distribution=distribution, **ensemble)
    assert with_margin == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("symmetry", [-1.0, -0.5, -1e-3, 1e-3, 0.5, 1.0])
def test_finite_counts_approach_the_complexity(symmetry):
    """Corrections are of order 1/N; far from J_D = 0, where eta = -1 has no fixed points."""
    n = np.array([1e3, 1e5])
    value, error = theory.log_expected_count(n, 0.3, 0.1, symmetry=symmetry, return_error=True)
    off = value / n - theory.complexity(0.3, 0.1, symmetry=symmetry)
    assert np.all(np.abs(off) < 5 / n)
    assert np.all(error < 1e-8)
    if symmetry == 1e-3:
        assert value[1] / 1e5 == pytest.approx(theory.complexity(0.2), abs=1e-3)


@pytest.mark.parametrize("symmetry", [-0.5, 0.5, 1.0])
def test_mean_count_at_given_fields_by_brute_force(symmetry):
    """E[N_fp | b] = int D xi prod_i [...], from which the complexity with fields comes."""
    n, j, margin = 7, 0.8, 0.3
    b = np.linspace(-1.2, 1.6, n)
    width = np.sqrt((n - 1 - symmetry) / n)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    at = j - margin + np.emath.sqrt(symmetry / n) * nodes[:, None]
    product = np.prod(special.ndtr((at + b) / width) + special.ndtr((at - b) / width), axis=1)
    expected = (weights @ product).real / np.sqrt(2 * np.pi)
    mean, error = count_by_brute_force(n, j - margin, 4000, symmetry=symmetry, fields=b)
    assert abs(mean - expected) < 3 * error
    assert error < 0.03 * mean


@pytest.mark.parametrize(
    ("symmetry", "std", "j", "margin"),
    [(0.5, 1.0, 0.4, 0.0), (-0.5, 1.0, 0.4, 0.0), (1.0, 5.0, 0.4, 0.0), (0.5, 1.0, 0.6, 0.3),
     (-0.5, 2.0, 0.2, 0.5), (1.0, 0.3, 0.1, 0.4)],
)  # fmt: skip
def test_complexity_with_fields_from_the_count_at_given_fields(symmetry, std, j, margin):
    """The logarithm of E[N_fp | b] is self-averaging over the fields."""
    n, a = 40000, j - margin
    b = std * special.ndtri((np.arange(n) + 0.5) / n)
    width = np.sqrt((n - 1 - symmetry) / n)

    def log_product(y):
        sides = special.log_ndtr([(a + y + b) / width, (a + y - b) / width])
        return np.logaddexp(*sides).sum() - 0.5 * n * y * y / symmetry

    sign = np.sign(symmetry)
    best = optimize.minimize_scalar(lambda y: -sign * log_product(sign * y), (0.0, 0.5))
    value = theory.complexity(j, margin, std, symmetry)
    assert value == pytest.approx(-sign * best.fun / n, abs=2e-5)


@pytest.mark.parametrize("symmetry", [-1.0, -0.5, 0.5, 1.0])
@pytest.mark.parametrize(
    ("j", "margin", "std"), [(0.0, 0.3, 0.5), (0.5, 0.9, 2.0), (1.0, -0.2, 5.0)]
)
def test_complexity_is_the_extremum_of_its_bracket(symmetry, j, margin, std):
    """Eq. (2.2) by the trapezoidal sum, minimised (eta < 0) or maximised as it stands."""
    z = np.linspace(-12.0, 12.0, 8001)
    measure = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * (z[1] - z[0])

    def bracket(y):
        log_sum = np.logaddexp(*special.log_ndtr(j - margin + y + std * np.array([z, -z])))
        return measure @ log_sum - 0.5 * y * y / symmetry

    sign = np.sign(symmetry)
    best = optimize.minimize_scalar(
        lambda y: -sign * bracket(sign * y), bounds=(0.0, 20.0), options={"xatol": 1e-8}
    )
    value, error = theory.complexity(j, margin, std, symmetry, return_error=True)
    assert value == pytest.approx(-sign * best.fun, abs=1e-10)
    assert error < 1e-8


def test_known_values_of_correlated_networks():
    assert theory.complexity(0.0, symmetry=1.0) == pytest.approx(0.19923, abs=5e-6)
    assert theory.complexity(0.5, 0.1, 0.3, 0.0) == theory.complexity(0.5, 0.1, 0.3)
    # antisymmetric: the stabilities sum to N J_D
    assert theory.complexity(0.2, 0.2, symmetry=-1.0) == -np.inf
    assert theory.log_expected_count(10, 0.2, 0.3, symmetry=-1.0) == -np.inf
    assert np.isfinite(theory.complexity(0.2, 0.2, 0.5, symmetry=-1.0))
    # ... and to sum_i b_i s_i more with fields, N sigma_b sqrt(2/pi) at most
    assert theory.complexity(0.5, 1.0, symmetry=-1.0) == -np.inf
    assert theory.complexity(0.2, 0.2 + 0.4, 0.5, symmetry=-1.0) == -np.inf
    assert np.isfinite(theory.complexity(0.2, 0.2 + 0.398, 0.5, symmetry=-1.0))
    # a little more than the sum: log 2 - log(2 pi)/2 + log(a) + 1
    value, error = theory.complexity(1e-5, symmetry=-1.0, return_error=True)
    assert abs(value - (1.0 + np.log(1e-5 * np.sqrt(2.0 / np.pi)))) < error + 1e-9
    assert error < 1e-4
    # two neurons with one coupling: both stay if J s_1 s_2 >= -J_D
    assert theory.expected_count(2, 0.3, symmetry=1.0) == pytest.approx(
        4 * special.ndtr(0.3 * np.sqrt(2))
    )
    grid = theory.complexity([0.1, 0.5], 0.0, 0.0, [[-0.5], [0.0], [1.0]])
    assert grid.shape == (3, 2)
    assert np.all(np.diff(grid, axis=0) > 0)


def test_correlated_count_by_another_integral():
    """Over the real line, where it oscillates: enough digits for few neurons."""
    n, a, eta = 8, 0.4, -0.6
    width = np.sqrt((n - 1 - eta) / n)

    def integrand(x):
        at = (a + 1j * np.sqrt(-eta / n) * x) / width
        return (np.exp(n * special.log_ndtr(at) - 0.5 * x * x)).real

    total = integrate.quad(integrand, -30, 30, limit=500)[0] * 2**n / np.sqrt(2 * np.pi)
    assert theory.expected_count(n, a, symmetry=eta) == pytest.approx(total, rel=1e-10)


def test_ensembles_meet_in_their_limits():
    dense = theory.log_expected_count(2000, 0.5)
    assert theory.log_expected_count(2000, 0.5, symmetry=1e-9) == pytest.approx(dense, rel=1e-6)
    almost = theory.log_expected_count(2000, 0.5, density=1 - 1e-12)
    assert almost == pytest.approx(dense, rel=1e-9)
    # fields smooth the staircase of the signs
    signs = theory.log_expected_count(4000, 0.5, 0.0, 1.0, distribution="sign")
    gaussian = theory.log_expected_count(4000, 0.5, 0.0, 1.0)
    assert signs == pytest.approx(gaussian, rel=1e-3)
    # a far tail: no fixed point, without underflow
    assert theory.log_expected_count(50, 0.0, 40.0, 0.1, distribution="sign") < -1e5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"symmetry": 1.2}, r"symmetry must be .* <= 1, got 1.2"),
        ({"field_std": -0.5}, r"field_std must be .* >= 0, got -0.5; a standard deviation"),
        ({"n_neurons": 1}, r"n_neurons must be .* >= 2, got 1; a network needs at least two"),
        ({"symmetry": 0.5, "density": 0.3}, "no formula for correlated couplings .* diluted"),
        ({"symmetry": 0.5, "distribution": "sign"}, "no formula .* that are signs"),
        ({"distribution": "ternary"}, "distribution must be one of gaussian, sign"),
        ({"density": 0.0}, "density must be .* > 0"),
        ({"density": 0.5, "n_neurons": 10**6}, "at most 4096 for diluted couplings"),
        (
            {"distribution": "sign", "field_std": 0.1, "n_neurons": 10**9},
            "at most 10000000 for signs with fields, got 1000000000; the Gaussian formula",
        ),
    ],
)
def test_wrong_ensembles_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        theory.log_expected_count(**{"n_neurons": 10, "self_coupling": 0.5} | arguments)
    if "symmetry" in arguments and arguments["symmetry"] > 1:
        with pytest.raises(ValueError, match=words):
            theory.complexity(0.5, symmetry=arguments["symmetry"])


def test_one_correlation_at_a_time():
    with pytest.raises(TypeError, match=r"symmetry must be a finite number .* got \[0.1, 0.2\]"):
        theory.expected_count(10, 0.5, symmetry=[0.1, 0.2])
