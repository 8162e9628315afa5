"""Clusters with external fields: identities, exact combinatorics, enumeration, convergence."""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy import integrate, optimize, special

from binnet import theory
from binnet.theory._driven import DrivenField
from binnet.theory._quadrature import Neuron, SharedField

CASES = [(0.06, 1.0, 0.98), (0.5, 5.0, 0.99), (0.3, 0.3, 0.6)]  # J_D - kappa, sigma_b, q


def gauss(low, high, panels, order=20):
    """Nodes and weights of composite Gauss-Legendre quadrature."""
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(low, high, panels + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()


def normal_pdf(x):
    return np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)


def fields(std):
    """b of both signs, with weights of N(0, std^2)."""
    b, weight = gauss(-9.0 * std, 9.0 * std, 60)
    return b, weight * normal_pdf(b / std) / std


def both_below(x, y, correlation):
    """Phi2(x, y; rho), as the mean of a conditional probability."""
    t, weight = gauss(-9.0, 9.0, 60)
    rest = np.sqrt(1 - correlation**2)
    # P(t < x, ...): the step is taken as the integration limit, by a change of variable.
    low, x = -9.0, np.minimum(x, 9.0)[:, None]
    t = low + (x - low) * (t + 9.0) / 18.0
    inside = normal_pdf(t) * special.ndtr((np.asarray(y)[:, None] - correlation * t) / rest)
    return (inside * weight * (x - low) / 18.0).sum(axis=1)


def least(weights, sums, share, y, q):
    """Min over the multiplier of sum_b share log sum_k weights e^(l sums) - l q y (y - 1) / 2."""
    log_w = np.log(np.maximum(weights, 1e-300))

    def bracket(multiplier):
        inside = special.logsumexp(log_w + multiplier * np.array(sums)[:, None], axis=0)
        return float(share @ inside) - multiplier * q * y * (y - 1) / 2

    found = optimize.minimize_scalar(bracket, bounds=(-2, 8), options={"xatol": 1e-9})
    return found.fun, found.x


def pair_entropy_with_fields(a, std, q, nodes=None):
    """Log mean number of pairs at overlap q: kinds of pairs of spins at every b, by hand."""
    b, share = nodes or fields(std)
    same = both_below(a + b, a + b, q) + both_below(a - b, a - b, q)
    differ = 2 * both_below(a + b, a - b, -q)
    return least(np.stack([same, differ]), [1, -1], share, 2, q)


def groups(a, b, q, y):
    """Weights of k = 0 ... y of y replicas up, at every b, and their sums of pairs s s'."""
    z, weight = gauss(-9.0, 9.0, 60)
    h = np.sqrt(q) * z + np.reshape(b, (-1, 1))
    up, down = (special.ndtr((a + s * h) / np.sqrt(1 - q)) for s in (1, -1))
    k = np.arange(y + 1)
    means = [up**i * down ** (y - i) @ (weight * normal_pdf(z)) for i in k]
    return special.comb(y, k)[:, None] * means, ((2 * k - y) ** 2 - y) / 2


@pytest.mark.parametrize(("a", "std"), [(0.06, 1.0), (0.3, 5.0), (2.0, 0.2)])
def test_one_replica_is_the_complexity_at_every_overlap(a, std):
    q = np.array([0.0, 1e-3, 0.3, 0.9, 0.999, 1 - 1e-7])
    entropy = theory.cluster_entropy(a + 0.2, q, 1.0, margin=0.2, field_std=std, rtol=1e-10)
    np.testing.assert_allclose(entropy.free_entropy, theory.complexity(a, 0, std), atol=1e-8)
    assert np.all(entropy.error < 1e-9)


@pytest.mark.parametrize(("a", "std", "q"), CASES)
def test_two_replicas_are_the_pairs(a, std, q):
    expected, multiplier = pair_entropy_with_fields(a, std, q)
    entropy = theory.cluster_entropy(a + 0.9, q, 2.0, margin=0.9, field_std=std)
    assert entropy.free_entropy == pytest.approx(expected, abs=1e-8)
    assert entropy.conjugate == pytest.approx(multiplier, abs=1e-6)


@pytest.mark.parametrize(("a", "std", "q"), CASES)
@pytest.mark.parametrize("y", [3, 4])
def test_whole_numbers_of_replicas_are_combinatorics(a, std, q, y):
    b, share = fields(std)
    expected, _ = least(*groups(a, b, q, y), share, y, q)
    entropy = theory.cluster_entropy(a, q, y, field_std=std)
    assert entropy.free_entropy == pytest.approx(expected, abs=1e-8)


def test_the_number_of_groups_at_given_fields_is_counted():
    """Three replicas of n neurons with one field each: an exact sum over all configurations."""
    a, std, q, n = 0.3, 1.0, 0.75, 1600
    b = std * special.ndtri((np.arange(n) + 0.5) / n)
    weights, sums = groups(a, b, q, 3)
    split, together = (weights[sums == value].sum(axis=0) for value in (-1, 3))
    # Coefficients: neurons at which the replicas agree; 3 - 4 (1 - agree / n) = 3 q
    count, log_scale = np.ones(1), 0.0
    for one, other in zip(split, together, strict=True):
        count = np.convolve(count, [one, other])
        log_scale += np.log(count.max())
        count /= count.max()
    per_neuron = (np.log(count[round(n * (1 + 3 * q) / 4)]) + log_scale) / n
    entropy = theory.cluster_entropy(a, q, 3.0, field_std=std)
    agree = special.expit(4 * entropy.conjugate + np.log(together / split))
    spread = np.sum(agree * (1 - agree))  # of the coefficients around this one
    corrected = per_neuron + np.log(2 * np.pi * spread) / (2 * n)
    assert corrected == pytest.approx(entropy.free_entropy, abs=1e-4)
    # The logarithm of an average over the fields is something else.
    annealed, _ = least(weights.mean(axis=1, keepdims=True), sums, np.ones(1), 3, q)
    assert annealed > entropy.free_entropy + 1e-3


def test_pairs_of_small_networks_with_given_fields_are_enumerated():
    """The mean number of pairs that differ in k of 10 neurons, over networks, fields fixed."""
    n, a, draws = 10, 0.4, 1500
    b = special.ndtri((np.arange(n) + 0.5) / n)
    states = np.array(list(product([-1.0, 1.0], repeat=n)))
    rng, counted = np.random.default_rng(14), np.zeros((draws, n + 1))
    for row in counted:
        couplings = rng.standard_normal((n, n)) / np.sqrt(n)
        np.fill_diagonal(couplings, a)
        found = states[np.all(states * (states @ couplings.T + b) > 0, axis=1)]
        overlap = np.rint(found @ found.T).astype(int)
        row += np.bincount((n - overlap.ravel()) // 2, minlength=n + 1)
    scale = np.sqrt(n / (n - 1))  # a row sees the other neurons only
    for k in (2, 4, 5, 8):
        rho, rho_differ = (n - 2 * k - 1) / (n - 1), -(n - 2 * k + 1) / (n - 1)
        up, down = scale * (a + b), scale * (a - b)
        same = both_below(up, up, rho) + both_below(down, down, rho)
        differ = 2 * both_below(up, down, rho_differ)
        polynomial = np.ones(1)
        for pair in zip(same, differ, strict=True):
            polynomial = np.convolve(polynomial, pair)
        error = counted[:, k].std(ddof=1) / np.sqrt(draws)
        assert abs(counted[:, k].mean() - polynomial[k]) < 3 * error


@pytest.mark.parametrize(("reach", "d", "conjugate", "y"), [
    (0.06, 0.016, 0.3, 4.0), (0.5, 0.1, 0.1, 30.0), (0.3, 0.4, 0.01, 3.0), (0.06, 0.01, 0.01, 3e2),
])  # fmt: skip
def test_weak_fields_give_the_averages_without(reach, d, conjugate, y):
    plain = SharedField(reach, d, 28).averages(conjugate, y)
    weak = DrivenField(Neuron(reach, 1e-6), d, 28).averages(conjugate, y)
    np.testing.assert_allclose(weak, plain, atol=1e-9, rtol=1e-12)


def test_numbers_without_fields_are_the_old_ones():
    """What 0.1.0 gave before there were fields; the last digits depend on the machine's exp."""
    old = [
        (theory.cluster_entropy(0.5, 0.8, 30.0), (4.324311887154781, 0.14388746919894424)),
        (theory.local_entropy(0.07, 0.05), (0.007026962799483315, 4.491563033324307)),
        (theory.critical_self_coupling(), (0.06009920188294526, 0.0158644546780809)),
        (theory.replica_gap(0.04, 3.0), (0.0028920701329435447, 0.09516756181264419)),
    ]
    for value, expected in old:
        np.testing.assert_allclose(value[:2], expected, rtol=1e-12)


@pytest.mark.parametrize("y", [4.0, 60.0, 500.0])
def test_converges_in_strong_fields_where_seventeen_hermite_nodes_do_not(y):
    neuron, d, conjugate = Neuron(0.3, 5.0), 0.01, 2.4 / y
    fine = DrivenField(neuron, d, 60).averages(conjugate, y)
    orders = (10, 14, 20, 28)
    values = [DrivenField(neuron, d, order).averages(conjugate, y) for order in orders]
    for coarse, better in pairwise(values):  # what is reported as error covers what is left
        change = np.abs(np.subtract(better, coarse))
        assert np.all(np.abs(np.subtract(fine, better)) <= change + 1e-12 * np.abs(fine))
    np.testing.assert_allclose(values[-1], fine, rtol=1e-11, atol=1e-13)


def test_seventeen_hermite_nodes_do_not_do():
    x, weight = np.polynomial.hermite_e.hermegauss(17)
    a, std, q = 0.5, 5.0, 0.99
    exact = theory.cluster_entropy(a, q, 2.0, field_std=std)
    few = pair_entropy_with_fields(a, std, q, (std * x, weight / weight.sum()))[0]
    assert abs(few - exact.free_entropy) > 1e-2
    assert exact.error < 1e-9


@pytest.mark.parametrize(("a", "std", "q", "y"), [(0.06, 1.0, 0.96, 4.5), (0.3, 5.0, 0.99, 60.0)])
def test_entropies_of_clusters_with_fields_are_derivatives_within_their_errors(a, std, q, y):
    h = 1e-4 * y
    around = theory.cluster_entropy(a, q, [y - h, y, y + h], field_std=std, rtol=1e-11)
    difference = (around.free_entropy[2] - around.free_entropy[0]) / (2 * h)
    assert around.internal[1] == pytest.approx(difference, abs=1e-7)
    assert around.external[1] == pytest.approx(around.free_entropy[1] - y * difference, abs=1e-5)
    quick = theory.cluster_entropy(a, q, y, field_std=std, rtol=1e-3)
    for value, error in zip(range(4), range(4, 8), strict=True):
        exact, exact_error = around[value][1], around[error][1]
        assert abs(quick[value] - exact) <= 1.2 * (quick[error] + exact_error)


@pytest.mark.parametrize(
    ("a", "std", "d"), [(0.06, 1.0, 0.02), (0.2, 5.0, 0.01), (0.3, 1.0, 0.001)]
)
def test_densest_clusters_with_fields(a, std, d):
    """A minimum over y; the slope is the derivative; everything lies within its error."""
    h = 1e-3 * d
    around = theory.local_entropy(a, [d - h, d, d + h], field_std=std, rtol=1e-9)
    y = around.replicas[1] * np.array([0.8, 1.0, 1.25])
    groups_ = theory.cluster_entropy(a, 1 - 2 * d, y, field_std=std)
    assert groups_.free_entropy[1] / y[1] == pytest.approx(around.value[1], abs=1e-9)
    assert np.argmin(groups_.free_entropy / y) == 1
    difference = (around.value[2] - around.value[0]) / (2 * h)
    assert around.slope[1] == pytest.approx(difference, rel=1e-4)
    quick = theory.local_entropy(a, d, field_std=std, rtol=1e-3)
    for value, error in zip(range(4), range(4, 8), strict=True):
        bound = quick[error] + around[error][1]
        assert abs(quick[value] - around[value][1]) <= 1.2 * bound


def test_domain_ends_at_the_distance_of_unrelated_fixed_points():
    a, std = 0.2, 1.0
    entropy = theory.local_entropy(a, [0.2, 0.26, 0.29, 0.5], field_std=std)
    sigma = theory.complexity(a, 0, std)
    assert entropy.value[0] < sigma
    assert (entropy.value[1], entropy.replicas[1]) == (sigma, 1.0)
    assert np.all(np.isnan(entropy.value[2:]))
    # There q-hat = 0: single fixed points at fields z and b, of which q is the square of the mean.
    q = 1 - 2 * theory.replica_gap(0.0, 2.0, field_std=std, rtol=1e-5).upper

    def squared(z, b):
        s = special.ndtr((np.sqrt(q) * z + b) / np.sqrt(1 - q))
        return (2 * s - 1) ** 2 * normal_pdf(z) * normal_pdf(b / std) / std

    mean, _ = integrate.dblquad(squared, -9, 9, -9, 9, epsabs=1e-9)
    assert mean == pytest.approx(q, abs=1e-7)
    groups_ = theory.cluster_entropy(a, [0.9, 0.3, 0.3], [2.0, 2.0, 1.0], field_std=std)
    assert np.isfinite(groups_.free_entropy).tolist() == [True, False, True]


def test_pairs_of_driven_networks_outnumber_those_of_unrelated_fixed_points():
    """Annealed averages are not typical: S2 has its maximum above 2 Sigma."""
    q = np.linspace(0.2, 0.5, 5)
    pairs = [pair_entropy_with_fields(0.5, 1.0, one)[0] for one in q]
    assert max(pairs) > 2 * theory.complexity(0.5, 0, 1.0) + 1e-3
    inside = theory.cluster_entropy(0.5, q, 2.0, field_std=1.0)
    known = np.isfinite(inside.free_entropy)
    assert known.tolist() == [pair_entropy_with_fields(0.5, 1.0, one)[1] > 0 for one in q]
    np.testing.assert_allclose(inside.free_entropy[known], np.array(pairs)[known], atol=1e-8)


@pytest.mark.parametrize(
    ("std", "expected"),
    [(1.0, 0.0415354809), pytest.param(20.0, 0.0028711065, marks=pytest.mark.long)],
)
def test_critical_self_coupling_falls_with_the_fields(std, expected):
    point = theory.critical_self_coupling(field_std=std)
    assert point.self_coupling == pytest.approx(expected, rel=1e-6)
    assert point.error < 1e-9
    d = point.distance * np.geomspace(0.8, 1.25, 7)
    for change, sign in ((-1e-3, -1), (1e-3, 1)):
        j = point.self_coupling * (1 + change)
        assert np.sign(theory.local_entropy(j, d, field_std=std).value.min()) == sign
    shifted = theory.critical_self_coupling(margin=0.9, field_std=std, rtol=1e-4)
    error = point.error + shifted.error + 1e-14
    assert abs(shifted.self_coupling - 0.9 - point.self_coupling) < error


@pytest.mark.long
def test_gap_with_fields_has_zeros_at_its_ends():
    gap = theory.overlap_gap(0.508, margin=0.5, field_std=5.0, rtol=1e-4)
    ends = theory.local_entropy(0.008, [gap.lower, gap.distance, gap.upper], field_std=5.0)
    np.testing.assert_allclose(ends.value, [0.0, gap.depth, 0.0], atol=1e-9)
    assert gap.depth < 0
    few = theory.replica_gap(0.008, 3.0, field_std=5.0, rtol=1e-5)
    assert gap.lower < few.lower < few.upper < gap.upper
    nowhere = theory.overlap_gap(0.2, margin=0.5, field_std=1.0)
    assert (nowhere.lower, nowhere.upper) == (0.0, 0.5)
    assert nowhere.depth == theory.complexity(0.2, 0.5, 1.0)


@pytest.mark.parametrize("function", [
    lambda std: theory.cluster_entropy(0.5, 0.2, 2.0, field_std=std),
    lambda std: theory.local_entropy(0.5, 0.2, field_std=std),
    lambda std: theory.overlap_gap(0.5, field_std=std),
    lambda std: theory.replica_gap(0.5, 2.0, field_std=std),
    lambda std: theory.critical_self_coupling(field_std=std),
    lambda std: theory.monotone_self_coupling(field_std=std),
])  # fmt: skip
def test_negative_fields_are_refused(function):
    with pytest.raises(ValueError, match=r"field_std must be .* >= 0.*, got -1; "):
        function(-1.0)


def test_fields_beyond_those_tried_are_refused_where_thresholds_are_searched():
    for search in (theory.critical_self_coupling, lambda **s: theory.overlap_gap(0.1, **s)):
        with pytest.raises(ValueError, match=r"field_std must be .* <= 100, got 200.*; the search"):
            search(field_std=200.0)


@pytest.mark.parametrize("std", [0.0, 1.0])
def test_a_margin_above_the_self_coupling_leaves_no_fixed_point_at_any_distance(std):
    sigma = theory.complexity(0.5, 0.6, std)
    gap = theory.replica_gap(0.5, [2.0, 5.0], margin=0.6, field_std=std)
    for end, expected in zip((gap.lower, gap.upper, gap.depth), (0.0, 0.5, sigma), strict=True):
        np.testing.assert_array_equal(end, expected)
    # The saddle: q-hat >= 0 up to some overlap while the margin is little above, then never.
    little, much = (
        theory.cluster_entropy(0.0, [0.1, 0.999], 2.0, margin=kappa) for kappa in (0.29, 0.31)
    )
    assert np.isfinite(little.free_entropy).tolist() == [True, False]
    assert np.isnan(much.free_entropy).all()
    with pytest.raises(ValueError, match=r"self_coupling - margin must be .* >= -100, got -199.5"):
        theory.cluster_entropy(0.5, 0.3, 2.0, margin=200.0, field_std=std)


def test_strong_self_couplings_with_fields_are_averaged_in_no_time():
    """All replicas have a choice at every field that there is: J_D no longer matters."""
    strong, very = (theory.local_entropy(j, 0.1, field_std=1.0) for j in (100.0, 1e6))
    assert very.value == pytest.approx(strong.value, abs=1e-12)
    assert strong.value == pytest.approx(theory.local_entropy(100.0, 0.1).value, abs=1e-9)
