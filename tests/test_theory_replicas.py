"""Replicated message passing against enumeration, the replica calculation and its own limit."""

from itertools import product

import numpy as np
import pytest
from scipy import integrate, special

from binnet import theory
from binnet.theory._replica_site import Cavity, average
from binnet.theory.message_passing import belief_propagation, replicated, replicated_limit


def draw_signs(n, seed):
    """Couplings +-1/sqrt(N-1): every row has norm 1, as in the infinite network."""
    couplings = np.random.default_rng(seed).choice([-1.0, 1.0], (n, n)) / np.sqrt(n - 1)
    np.fill_diagonal(couplings, 0.0)
    return couplings


def draw_network(n, seed, field_std):
    rng = np.random.default_rng(seed)
    return theory.random_couplings(n, rng), field_std * rng.standard_normal(n)


@pytest.mark.parametrize("y", [2, 3])
def test_a_site_is_the_sum_over_its_replicas(y):
    """For whole y the polarisation u can be summed out: 2^y states and one integral over z."""
    reach, bias, conjugate, mean, shared, private = 0.3, 0.2, 0.4, -0.5, 0.5, 0.05

    def weigh(omega, spins):
        total = sum(spins)

        def integrand(z):
            x = reach + np.array(spins) * (omega + np.sqrt(shared) * z)
            return np.exp(special.log_ndtr(x / np.sqrt(private)).sum() - z * z / 2)

        pairs = 0.5 * (total * total - y)
        tilt = np.exp(bias * total + conjugate * pairs) / np.sqrt(2 * np.pi)
        return tilt * integrate.quad(integrand, -9, 9, epsabs=1e-13, limit=200)[0]

    states = list(product((-1, 1), repeat=y))
    weights = np.array([weigh(mean, s) for s in states])
    up, down = (sum(weigh(mean + h, s) for s in states) for h in (1e-4, -1e-4))
    cavity = Cavity(*(np.array([v]) for v in (bias, conjugate, mean, shared, private)))
    site = average(cavity, reach, y, 0.5)
    p = weights / weights.sum()
    assert site.log_norm[0] == pytest.approx(np.log(weights.sum()), abs=1e-8)
    assert site.magnetisation[0] == pytest.approx(p @ [s[0] for s in states], abs=1e-8)
    assert site.overlap[0] == pytest.approx(p @ [s[0] * s[1] for s in states], abs=1e-8)
    assert site.response[0] == pytest.approx(np.log(up / down) / 2e-4 / y, abs=1e-6)
    # the grid that the iteration uses
    rough = average(cavity, reach, y, 0.8)
    assert rough.log_norm[0] == pytest.approx(site.log_norm[0], abs=1e-5)


def test_slopes_are_derivatives():
    values = {"bias": 0.2, "conjugate": 0.1, "mean": -0.5, "shared": 0.4, "private": 0.1}

    def at(**changed):
        arrays = (np.array([changed.get(name, value)]) for name, value in values.items())
        return average(Cavity(*arrays), 0.2, 7.5, 0.4)

    h = 1e-5
    site, aside, raised = at(), at(mean=-0.5 + h), at(bias=0.2 + h)
    tied = at(conjugate=0.1 + h)
    assert (aside.response - site.response) / h == pytest.approx(site.response_slope, rel=1e-3)
    assert (aside.magnetisation - site.magnetisation) / h == pytest.approx(
        site.cross_slope, rel=1e-3
    )
    assert (raised.response - site.response) / h == pytest.approx(site.cross_slope, rel=1e-3)
    assert (tied.overlap - site.overlap) / h == pytest.approx(site.overlap_slope, rel=1e-3)


@pytest.mark.parametrize(
    ("j", "margin", "distance", "y"), [(0.2, 0.0, 0.1, 3.0), (0.3, 0.2, 0.02, 4.5)]
)
def test_without_magnetisation_it_is_the_replica_calculation(j, margin, distance, y):
    result = replicated(draw_signs(40, 1), j, 1 - 2 * distance, replicas=y, margin=margin)
    expected = theory.cluster_entropy(j, 1 - 2 * distance, y, margin=margin)
    assert result.converged
    np.testing.assert_allclose(result[:3], expected[:3], atol=2e-6)
    assert result.overlap == pytest.approx(1 - 2 * distance, abs=1e-6)
    assert result.group_overlap < 1e-12
    assert abs(result.free_entropy - expected.free_entropy) <= 2 * result.error + 1e-6


def test_densest_clusters_of_the_replica_calculation():
    result = replicated(draw_signs(40, 1), 0.1, 0.96)
    expected = theory.local_entropy(0.1, 0.02)
    assert result.converged
    assert result.internal == pytest.approx(expected.value, abs=1e-5)
    assert result.replicas == pytest.approx(expected.replicas, rel=1e-3)
    # eq. (4.4): the tie is q-hat - <g^2>
    assert (result.replicas - 1) * result.tie == pytest.approx(expected.slope, rel=1e-3)


def test_single_networks_are_shifted_by_the_sums_of_their_rows_and_columns():
    """At least 0.02/N here, and nothing once all sums are 1 (docs/results/replicas.md)."""
    couplings = draw_network(200, 5, 0.0)[0]
    scaled = couplings.copy()
    for _ in range(30):
        scaled /= np.sqrt((scaled**2).sum(axis=1, keepdims=True))
        scaled /= np.sqrt((scaled**2).sum(axis=0, keepdims=True))
    expected = theory.local_entropy(0.2, 0.01).value
    plain, evened = (replicated(J, 0.2, 0.98, rtol=1e-5) for J in (couplings, scaled))
    assert plain.free_entropy / plain.replicas - expected > 0.02 / 200
    assert evened.free_entropy / evened.replicas == pytest.approx(expected, abs=1e-7)


def test_one_replica_is_belief_propagation():
    couplings, field = draw_network(60, 3, 0.7)
    one = replicated(couplings, 0.5, 0.5, replicas=1, field=field, rtol=1e-8)
    plain = belief_propagation(couplings, 0.5, field=field)
    assert one.converged
    assert one.free_entropy == pytest.approx(plain.entropy, abs=1e-6)
    np.testing.assert_allclose(one.magnetisations, plain.magnetisations, atol=5e-6)


def log_groups(states, tie, y):
    """log sum over y-tuples of fixed points of exp(tie sum_{a<b} s^a . s^b), y = 2 or 3."""
    kernel = np.exp(tie * (states.astype(np.float64) @ states.T))
    return np.log(kernel.sum() if y == 2 else np.sum(kernel * (kernel @ kernel)))


@pytest.mark.parametrize("y", [2, 3])
def test_bethe_against_exact_sums_over_groups(y):
    """The logarithms differ by numbers of order 1, so that per neuron less is left as N grows."""
    spread = []
    for n in (10, 18):
        exact, bethe = [], []
        for k in range(10):
            couplings, field = draw_network(n, [k, 7], 0.5)
            states = theory.enumerate_fixed_points(couplings, 0.5, field=field)
            result = replicated(
                couplings, 0.5, 0.5, replicas=y, field=field, rtol=1e-4, damping=0.4,
                max_iterations=200,
            )  # fmt: skip
            if result.converged and len(states):  # nearly all
                exact.append(log_groups(states, result.tie, y))
                pairs = 0.5 * y * (y - 1)
                bethe.append(n * (result.free_entropy + pairs * result.tie * result.overlap))
        assert len(exact) >= 9
        difference = np.subtract(bethe, exact)
        assert abs(difference.mean()) < 0.5
        spread.append(difference.std() / n)
    assert spread[1] < 0.7 * spread[0]
    # networks of 18 neurons differ, and the estimate with them
    assert np.corrcoef(bethe, exact)[0, 1] > 0.6


def test_bethe_free_entropy_is_stationary_in_the_messages():
    """Only then are S_I and the tie its derivatives with respect to y and q."""
    couplings, field = draw_network(60, 4, 0.5)

    def solve(q, y):
        result = replicated(couplings, 0.5, q, replicas=y, field=field, rtol=1e-9, damping=0.3)
        assert result.converged
        return result

    here, h = solve(0.6, 2.5), 1e-3
    more, fewer = solve(0.6, 2.5 + h), solve(0.6, 2.5 - h)
    assert here.group_overlap > 0.1
    assert (more.free_entropy - fewer.free_entropy) / (2 * h) == pytest.approx(
        here.internal, rel=2e-3
    )
    nearer, farther = solve(0.6 + h, 2.5), solve(0.6 - h, 2.5)
    slope = (nearer.free_entropy - farther.free_entropy) / (2 * h)
    assert slope == pytest.approx(-0.5 * 2.5 * 1.5 * here.tie, rel=1e-5)


def test_growth_is_that_of_the_second_moment_for_one_replica():
    """docs/model/theory.md, eq. (3.4): 1 - c = (1 - r^2)^2 - J_D^2 r^2 vanishes with 1 - growth."""
    for j in (0.0, 0.5):
        r = np.exp(-0.5 * j * j) / np.sqrt(2 * np.pi) / special.ndtr(j)
        result = replicated(draw_signs(30, 1), j, 0.5, replicas=1)
        assert result.bias_growth == pytest.approx(r * r + j * r, abs=1e-5)


def test_random_messages_decay_where_growth_is_below_one():
    couplings = draw_network(200, 1, 0.0)[0]
    rng = np.random.default_rng(2)
    settled = replicated(couplings, 0.2, 0.96, rng=rng, rtol=1e-3)
    assert settled.converged
    assert settled.bias_growth < 1
    assert settled.group_overlap < 1e-5
    away = replicated(couplings, 0.07, 0.4, replicas=8, rng=rng, max_iterations=60)
    assert not away.converged
    assert away.group_overlap > 0.05
    at_zero = replicated(couplings, 0.07, 0.4, replicas=8)
    assert at_zero.converged
    assert at_zero.bias_growth > 1


def test_networks_with_fields_tend_to_the_limit():
    """Within the spread of the sampled fields, about 1/sqrt(N)."""
    limit = replicated_limit(0.2, 0.8, replicas=2, field_std=0.5, rtol=1e-4, n_nodes=12)
    assert limit.converged
    for seed in range(2):
        couplings, field = draw_network(400, seed, 0.5)
        result = replicated(couplings, 0.2, 0.8, replicas=2, field=field, rtol=1e-3)
        assert result.converged
        assert result.free_entropy == pytest.approx(limit.free_entropy, abs=0.004)
        assert result.internal == pytest.approx(limit.internal, abs=0.003)
        assert result.group_overlap == pytest.approx(limit.group_overlap, abs=0.08)
    finer = replicated_limit(0.2, 0.8, replicas=2, field_std=0.5, rtol=1e-4, n_nodes=20)
    assert finer.free_entropy == pytest.approx(limit.free_entropy, abs=1e-4)


def test_limit_without_fields():
    """Groups stay uncorrelated, or find less entropy in being correlated."""
    stable = replicated_limit(0.1, 0.96, rtol=1e-4, n_nodes=8)
    assert stable.internal == pytest.approx(theory.local_entropy(0.1, 0.02).value, abs=1e-4)
    assert stable.group_overlap < 1e-3
    broken = replicated_limit(0.07, 0.4, replicas=8, rtol=1e-3, n_nodes=10)
    assert broken.group_overlap > 0.1
    assert broken.free_entropy < theory.cluster_entropy(0.07, 0.4, 8).free_entropy


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"overlap": 1.0}, "overlap"),
        ({"replicas": 0.5}, "replicas"),
        ({"margin": 0.3}, "margin must be at most the self-coupling"),
        ({"damping": 1.0}, "damping"),
        ({"self_coupling": -0.1}, "self_coupling"),
    ],
)
def test_bad_input(changed, message):
    arguments = {"self_coupling": 0.2, "overlap": 0.9} | changed
    with pytest.raises(ValueError, match=message):
        replicated(draw_signs(10, 1), **arguments)


def test_rows_that_are_too_weak_for_the_messages_are_refused():
    couplings = draw_signs(10, 1)
    couplings[3] = 0.0
    with pytest.raises(ValueError, match=r"must be >= 0\.1, .* got 0 in row 3; scale them"):
        replicated(couplings, 0.2, 0.9)
