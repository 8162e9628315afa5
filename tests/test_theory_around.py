"""Fixed points around a state, by message passing: identities, exact counts and the infinite
network."""

import numpy as np
import pytest
from scipy import optimize, special

from binnet import theory
from binnet.datasets import load_entangled_mnist
from binnet.learning import preset, train
from binnet.theory.message_passing import around, belief_propagation, count_unstable

RNG = np.random.default_rng(3)
N = 200
COUPLINGS = theory.random_couplings(N, RNG)
FIELD = RNG.standard_normal(N)
STATE = RNG.choice([-1.0, 1.0], N)


def test_without_a_tie_it_is_belief_propagation():
    plain = belief_propagation(COUPLINGS, 0.5, field=FIELD, margin=0.1)
    typical = 0.5 * (1.0 - np.mean(plain.magnetisations * STATE))
    found = around(COUPLINGS, 0.5, STATE, typical, field=FIELD, margin=0.1, rtol=1e-8)
    assert found.converged.all()
    assert plain.converged
    assert found.entropy == pytest.approx([plain.entropy], abs=1e-9)
    assert found.tie == pytest.approx([0.0], abs=1e-6)


def test_tie_is_half_the_slope_of_the_entropy():
    """The Bethe entropy is stationary in the messages; a term left out of it shows here."""
    step = 1e-3
    distances = [0.4, 0.3 - step, 0.3, 0.3 + step]
    found = around(COUPLINGS, 0.6, STATE, distances, field=FIELD, margin=0.1, rtol=1e-11)
    assert found.converged.all()
    np.testing.assert_allclose(found.distance, distances, atol=1e-6)
    slope = (found.entropy[3] - found.entropy[1]) / (2.0 * step)
    assert slope == pytest.approx(2.0 * found.tie[2], rel=1e-4)


def test_around_the_opposite_state_distances_are_reflected():
    near = around(COUPLINGS, 0.6, STATE, [0.4, 0.3])
    far = around(COUPLINGS, 0.6, -STATE, [0.6, 0.7])
    np.testing.assert_allclose(far.entropy, near.entropy, atol=1e-9)
    np.testing.assert_allclose(far.tie, -near.tie, atol=1e-6)


def test_margin_is_a_smaller_self_coupling_of_all_neurons_or_of_each():
    expected = around(COUPLINGS, 0.5, STATE, 0.4, field=FIELD)
    for j in (0.7, np.full(N, 0.7)):
        found = around(COUPLINGS, j, STATE, 0.4, field=FIELD, margin=0.2)
        np.testing.assert_allclose(found.entropy, expected.entropy, atol=1e-9)
    mixed = np.where(np.arange(N) < N // 2, 0.3, 0.7)
    found = around(COUPLINGS, mixed, STATE, 0.4, field=FIELD)
    assert found.converged.all()
    assert abs(found.entropy[0] - expected.entropy[0]) > 1e-3


def compare(states, couplings, j, state, distances, field, margin=0.0):
    """Exact and Bethe log of the number of fixed points with the weight of the tie, for each
    distance at which the messages settle."""
    n = len(state)
    overlaps = states.astype(np.float64) @ state
    found = around(couplings, j, state, distances, field=field, margin=margin, max_iterations=100)
    assert np.all(np.isnan(found.entropy) == ~found.converged)
    pairs = [
        (special.logsumexp(tie * overlaps) - tie * n * (1.0 - 2.0 * d), n * entropy)
        for d, tie, entropy in zip(distances, found.tie, found.entropy, strict=True)
        if len(states) and n * entropy > 1.0
    ]
    return np.reshape(pairs, (-1, 2))


@pytest.mark.parametrize(
    ("j", "std", "margin", "settled"),
    [(0.5, 0.0, 0.0, 28), (1.0, 0.0, 0.0, 36), (1.0, 1.0, 0.2, 28), (1.0, 5.0, 0.0, 6)],
)
def test_entropy_against_exact_counts_with_the_weight_of_the_tie(j, std, margin, settled):
    """Logarithms of counts differ by numbers of order 1, which do not grow with N."""
    distances, n, pairs = np.array([0.5, 0.3, 0.2]), 16, []
    for k in range(12):
        rng = np.random.default_rng([k, 5])
        couplings, field = theory.random_couplings(n, rng), std * rng.standard_normal(n)
        state = rng.choice([-1.0, 1.0], n)
        if k % 2:  # closer to the fixed points
            state = np.where(couplings @ state + field > 0.0, 1.0, -1.0)
        states = theory.enumerate_fixed_points(couplings, j, field=field, margin=margin)
        pairs.append(compare(states, couplings, j, state, distances, field, margin))
    exact, bethe = np.concatenate(pairs).T
    assert len(exact) >= settled
    assert abs(np.mean(exact - bethe)) < 0.4
    assert np.std(exact - bethe) < 0.6
    assert np.corrcoef(exact, bethe)[0, 1] > 0.9


def limit(j, distance, std, n_nodes=32):
    """Entropy around a random state of an infinite network: all messages are Gaussian."""
    nodes, weights = special.roots_hermitenorm(n_nodes)
    first, second = (grid.ravel() for grid in np.meshgrid(nodes, nodes))
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    spins = np.array([[1.0], [-1.0]])
    overlap, reaction = 0.3, 0.3  # <m^2>, <g^2>
    for _ in range(200):
        omega, scale = np.sqrt(overlap + std * std) * first, np.sqrt(1.0 - overlap)
        x, bias = (j + spins * omega) / scale, np.sqrt(reaction) * second
        own = 0.5 * (special.log_ndtr(x[0]) - special.log_ndtr(x[1]))

        def rest(tie, known=bias + own):
            return weight @ np.tanh(known + tie) - (1.0 - 2.0 * distance)

        cavity = bias + optimize.brentq(rest, -10.0, 10.0)
        m = np.tanh(cavity + own)
        p = special.expit(2.0 * spins * cavity)
        z = np.sum(p * special.ndtr(x), axis=0)
        g = np.sum(spins * p * np.exp(-0.5 * x * x), axis=0) / (z * scale * np.sqrt(2.0 * np.pi))
        overlap, reaction = (
            0.5 * (old + weight @ new**2) for old, new in ((overlap, m), (reaction, g))
        )
    energy = np.log(z) + np.logaddexp(cavity, -cavity) - m * cavity
    return weight @ (energy + 0.5 * (1.0 - m * m) * reaction)


@pytest.mark.parametrize(("j", "std"), [(1.0, 0.0), (0.5, 1.0)])
def test_around_a_random_state_large_networks_agree_with_their_limit(j, std):
    n, distances, found = 600, np.array([0.5, 0.4, 0.3]), []
    for k in range(6):
        rng = np.random.default_rng([k, 9])
        couplings, field = theory.random_couplings(n, rng, np.float32), std * rng.standard_normal(n)
        result = around(couplings, j, np.ones(n), distances, field=field, rtol=1e-5)
        assert result.converged.all()
        found.append(result.entropy)
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    expected = np.array([limit(j, d, std) for d in distances])
    assert np.all(np.abs(mean - expected) < 3.0 * spread + 1.0 / n)
    # The mean count is larger than the typical one, and the more so the closer the state.
    binary = special.entr(distances) + special.entr(1.0 - distances)
    annealed = theory.complexity(j, 0.0, std) + binary - np.log(2.0)
    assert expected[2] < annealed[2] - 5e-4


def plant(n, j, rng):
    """A network of which a random state is a fixed point, with the conditional probability."""
    state, couplings = rng.choice([-1.0, 1.0], n), theory.random_couplings(n, rng)
    std = np.sqrt((n - 1) / n)
    stability = -std * special.ndtri(rng.random(n) * special.ndtr(j / std))  # without J_D
    couplings += np.outer(state * stability - couplings @ state, state) / (n - 1)
    np.fill_diagonal(couplings, 0.0)
    couplings += np.outer(state * stability - couplings @ state, state) / (n - 1) * (1 - np.eye(n))
    assert count_unstable(couplings, j, state) == 0
    return couplings, state


def test_around_a_fixed_point_counts_agree_with_those_of_pairs():
    """Mean counts around a fixed point are exact, eq. (3.3); e^(N S) is turned into a count with
    the Gaussian width of the distance, whose variance is that of its tie."""
    n, j, ks = 16, 1.0, np.arange(8, 2, -1)
    exact = np.exp(theory.log_expected_pairs(n, j) - theory.log_expected_count(n, j))
    found = []
    for k in range(30):
        couplings, state = plant(n, j, np.random.default_rng([k, 3]))
        result = around(couplings, j, state, ks / n, rtol=1e-5)
        assert result.converged.all()
        variance = n / np.abs(np.gradient(2.0 * result.tie, ks / n))
        found.append(np.exp(n * result.entropy) / np.sqrt(2.0 * np.pi * variance))
    mean = np.mean(found, axis=0)  # within 4 to 6 %
    assert np.all(np.abs(np.log(mean / exact[ks])) < 0.25)


@pytest.mark.parametrize(("strength", "spread", "correlation"), [(5.0, 0.2, 0.95), (1.0, 0.5, 0.9)])
def test_counts_of_a_trained_network_under_its_inputs(strength, spread, correlation):
    """Couplings that grew, and inputs that pin most neurons (strength 5) or fewer (1)."""
    data = load_entangled_mnist()
    chosen = preset("source").replace(
        n_hidden=20, epochs=1, margin=0.0, input_strength=strength, seed=1
    )
    network = train(data.X_train[:5000], data.y_train[:5000], chosen, threads=1).network
    couplings = network.couplings.astype(np.float64)
    fields = data.X_train[50_000:50_020] @ network.input_weights.T.astype(np.float64)
    totals, near = [], []
    for field in fields:
        states = theory.enumerate_fixed_points(couplings, 0.5, field=field)
        plain = belief_propagation(couplings, 0.5, field=field)
        if plain.converged and len(states):
            totals.append((np.log(len(states)), 20 * plain.entropy))
        state = np.where(field > 0.0, 1.0, -1.0)
        near.append(compare(states, couplings, 0.5, state, [0.05, 0.1, 0.2], field))
    exact, bethe = np.transpose(totals)
    assert len(exact) > 17
    assert np.std(exact - bethe) < spread
    assert abs(np.mean(exact - bethe)) < 0.1
    assert np.corrcoef(exact, bethe)[0, 1] > correlation
    exact, bethe = np.concatenate(near).T
    assert len(exact) > 10
    assert np.std(exact - bethe) < 0.6
    assert abs(np.mean(exact - bethe)) < 0.4


def test_distances_that_fixed_points_do_not_reach_give_no_number_but_a_bound():
    """Fields pin most neurons: all fixed points lie within 4 flips of the signs of the fields."""
    n, rng = 22, np.random.default_rng(4)
    couplings, field = theory.random_couplings(n, rng), 5.0 * rng.standard_normal(n)
    state = np.where(field > 0.0, 1.0, -1.0)
    states = theory.enumerate_fixed_points(couplings, 0.5, field=field)
    assert len(states) > 10
    assert np.max(n - states @ state) / 2 == 4
    found = around(couplings, 0.5, state, np.array([2, 3, 9, 11]) / n, field=field)
    assert found.converged.tolist() == [True, True, False, False]
    assert np.all(found.entropy[:2] > 0.0)
    assert np.isnan(found.entropy[2:]).all()
    assert np.all(found.bound[:2] >= found.entropy[:2] - 1e-9)
    assert np.all(found.bound[2:] < -3.0 / n)


def test_where_nothing_settles_there_is_no_number():
    """A margin that no state has: no solution at all, with a tie or without."""
    found = around(
        COUPLINGS, 0.1, STATE, [0.1, 0.4], field=5.0 * FIELD, margin=2.0, max_iterations=20
    )
    assert not found.converged.any()
    assert np.isnan(found.entropy).all()
    assert np.isposinf(found.bound).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"distance": 0.0}, r"distance must be .* > 0 and < 1, got 0; .*count_unstable"),
        ({"distance": [0.2, 1.0]}, r"distance must be .* got 1 at \[1\]"),
        (
            {"distance": [[0.2]]},
            r"distance must be a number or have shape \(n,\) .* got .*\(1, 1\)",
        ),
        ({"distance": []}, r"shape \(n,\) with n >= 1, got shape \(0,\)"),
        ({"state": [[1, 1, 1], [1, 1, -1]]}, "state must have shape"),
        ({"state": [1, 0, 1]}, r"state must be -1 or \+1, got 0 at"),
        ({"self_coupling": [0.5, 0.5]}, r"self_coupling must .* shape \(3,\), one per neuron"),
        ({"self_coupling": -0.5}, "self_coupling"),
        ({"margin": np.nan}, "margin"),
        ({"damping": 1.0}, "damping"),
    ],
)
def test_impossible_requests_are_refused(options, words):
    arguments = {
        "couplings": np.zeros((3, 3)), "self_coupling": 0.5, "state": [1, 1, -1], "distance": 0.3,
    } | options  # fmt: skip
    with pytest.raises(ValueError, match=words):
        around(**arguments)
