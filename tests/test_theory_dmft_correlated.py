"""The dynamical cavity with correlated couplings, fields, margins and groups of neurons."""

import numpy as np
import pytest
from scipy import linalg, special, stats

from binnet import theory
from binnet.dynamics import relax_free
from binnet.networks import RandomNetwork


def relax_networks(n_networks, n, j, sweeps, **draw):
    """Flips per sweep and unstable fraction before it, of networks and their mean error."""
    order = draw.pop("order", "sync")
    flips, unstable = [], []
    for k in range(n_networks):
        network = RandomNetwork.draw(n, j, dtype="int16", seed=k, **draw)
        result = relax_free(
            network, update_order=order, replicas=8, max_sweeps=sweeps, stop_at_cycle=False,
            seed=k, threads=1,
        )  # fmt: skip
        flips.append(result.flips.mean(axis=0) / n)
        unstable.append(result.unstable_fraction.mean(axis=0))
    errors = [np.std(rows, axis=0, ddof=1) / np.sqrt(n_networks) for rows in (flips, unstable)]
    return np.mean(flips, axis=0), np.mean(unstable, axis=0), *errors


def agree(measured, error, predicted, prediction_error):
    """Whether all differences are within 4 errors, of networks that are alike at least by 1e-3."""
    return np.all(np.abs(measured - predicted) < 4 * np.hypot(error, prediction_error) + 1e-3)


def sample_uncorrelated(j, steps, p, std, n, rng):
    """The sampler before there were responses, without safeguards, line by line."""
    spins, noise = np.empty((steps + 1, n)), np.empty((steps, n))
    spins[0] = rng.choice([-1.0, 1.0], n)
    bias = std * rng.standard_normal(n) if std > 0 else 0.0
    factor, correlation, flip = np.zeros((steps, steps)), np.ones((steps + 1,) * 2), []
    for t in range(steps + 1):
        now = spins[t]
        correlation[t, : t + 1] = correlation[: t + 1, t] = spins[: t + 1] @ now / n
        if t == steps:
            return correlation, flip
        row = linalg.solve_triangular(factor[:t, :t], correlation[t, :t], lower=True)
        innovation = np.sqrt(correlation[t, t] - row @ row)
        factor[t, :t], factor[t, t] = row, innovation
        expected = row @ noise[:t]
        noise[t] = rng.standard_normal(n)
        flip.append(p * np.mean(special.ndtr(-(j + now * (expected + bias)) / innovation)))
        field = expected + innovation * noise[t] + j * now + bias
        spins[t + 1] = np.where(field >= 0.0, 1.0, -1.0)
        if p < 1.0:
            kept = rng.random(n) >= p
            spins[t + 1, kept] = now[kept]


@pytest.mark.parametrize(("j", "p", "std"), [(0.5, 0.6, 0.4), (0.3, 1.0, 0.0), (0.2, 1.0, 0.7)])
def test_without_correlation_the_numbers_are_the_old_ones(j, p, std):
    """Bit for bit, from the same seed."""
    options = {"update_fraction": p, "field_std": std, "n_trajectories": 300, "n_batches": 2}
    result = theory.dynamical_cavity(j, 25, seed=5, **options)
    streams = [np.random.default_rng([5, batch]) for batch in range(2)]
    old = [sample_uncorrelated(j, 25, p, std, 300, rng) for rng in streams]
    assert np.array_equal(result.correlation, (old[0][0] + old[1][0]) / 2)
    assert np.array_equal(result.flip_fraction, np.mean([flip for _, flip in old], axis=0))


@pytest.mark.parametrize(("eta", "std"), [(0.7, 0.0), (-0.7, 0.0), (0.7, 0.8), (-1.0, 0.8)])
def test_second_flip_fraction_is_exact(eta, std):
    """s(0) = 1: s(1) is the sign of xi(0) + J_D + b, and R(1, 0) twice that field's density at 0.

    A neuron flips next if its field xi(1) + eta R(1, 0) + J_D s(1) + b has the sign of -s(1).
    """
    j, variance = 0.4, 1 + std**2
    response = 2 * stats.norm.pdf(j, scale=np.sqrt(variance))
    correlation = 2 * special.ndtr(j / np.sqrt(variance)) - 1
    rho = (correlation + std**2) / variance

    def pair(a, b, rho):
        """P(x < a, y < b) of fields of this variance and correlation."""
        limits = np.array([a, b]) / np.sqrt(variance)
        return stats.multivariate_normal.cdf(limits, cov=[[1, rho], [rho, 1]])

    stays = pair(j, -j - eta * response, -rho)  # first field up, second down
    flipped = pair(-j, -j + eta * response, -rho)
    result = theory.dynamical_cavity(
        j, 2, symmetry=eta, field_std=std, n_trajectories=20_000, n_batches=8
    )
    assert abs(result.response[1, 0] - response) < 5 * result.response_error + 1e-3
    assert result.response_error < 0.01
    assert abs(result.flip_fraction[1] - stays - flipped) < 4 * result.flip_error[1] + 2e-4
    assert not np.triu(result.response).any()


@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_response_is_that_of_a_network_to_a_small_field(eta):
    """Flip the sign of small random fields that act in one step: <ds(t)/db> of later states."""
    rng = np.random.default_rng(4)
    n, j, strength, steps, replicas = 2000, 0.4, 0.1, 4, 40
    network = RandomNetwork.draw(n, j, symmetry=eta, seed=1)
    matrix = np.asarray(network.couplings, np.float32)
    found = []
    for _ in range(6):
        state = rng.choice(np.array([-1, 1], np.float32), (n, replicas))
        kick = np.float32(strength) * rng.choice(np.array([-1, 1], np.float32), (n, replicas))
        ends = []
        for sign in (-1, 1):
            s, path = state, []
            for t in range(steps):
                h = matrix @ s + np.float32(j) * s + (sign * kick if t == 1 else 0)
                s = np.where(h >= 0, np.float32(1), np.float32(-1))
                path.append(np.mean(s * kick) / strength**2)
            ends.append(path)
        found.append(np.subtract(ends[1], ends[0]) / 2)
    result = theory.dynamical_cavity(j, steps, symmetry=eta, n_trajectories=20_000)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert np.abs(found).mean(axis=0)[2] > 4 * error[2]  # there is one to compare with
    expected = result.response[1:, 1]
    assert np.all(np.abs(np.mean(found, axis=0) - expected) < 5 * error + 0.01)


@pytest.mark.parametrize("eta", [0.5, -0.5])
def test_correlated_networks_sweep_by_sweep(eta):
    flips, _, error, _ = relax_networks(6, 2000, 0.3, 12, symmetry=eta)
    result = theory.dynamical_cavity(0.3, 12, symmetry=eta, n_trajectories=8000)
    assert agree(flips, error, result.flip_fraction, result.flip_error)
    free = theory.dynamical_cavity(0.3, 12, n_trajectories=8000)
    assert np.abs(free.flip_fraction - flips).max() > 0.05


@pytest.mark.parametrize(("j", "std"), [(0.3, 1.0), (0.1, 5.0)])
def test_driven_networks_sweep_by_sweep(j, std):
    flips, _, error, _ = relax_networks(6, 2000, j, 12, field_std=std)
    result = theory.dynamical_cavity(j, 12, field_std=std, n_trajectories=8000)
    assert agree(flips, error, result.flip_fraction, result.flip_error)


def test_asynchronous_networks_sweep_by_sweep():
    flips, unstable, *errors = relax_networks(6, 2000, 0.5, 6, order="async")
    result = theory.asynchronous_cavity(0.5, 6, n_groups=(1, 2, 4, 8), n_trajectories=8000)
    of_flips = np.hypot(result.flip_error, result.flip_extrapolation)
    of_unstable = np.hypot(result.unstable_error, result.unstable_extrapolation)
    assert agree(flips, errors[0], result.flip_fraction, of_flips)
    assert agree(unstable, errors[1], result.unstable_fraction, of_unstable)
    # unlike the synchronous dynamics, one group, and by far; the way there is monotone
    assert result.group_flip_fraction[0, 1] - flips[1] > 0.03
    assert np.all(np.diff(result.group_flip_fraction[:, 1]) < 0)
    half = (1 - np.diagonal(result.correlation, 1)) / 2
    np.testing.assert_allclose(half, result.flip_fraction, atol=0.01)


def test_first_asynchronous_sweep_is_exact():
    """Without correlation what the others did before a neuron's turn changes no probability."""
    for n in (1, 3, 8):
        result = theory.dynamical_cavity(0.4, n, n_groups=n, n_trajectories=8000, n_batches=4)
        flips, error = result.flip_fraction.sum(), np.linalg.norm(result.flip_error)
        assert abs(flips - special.ndtr(-0.4)) < 4 * error + 1e-12


def test_symmetric_asynchronous_dynamics_lowers_its_energy_and_stops():
    """E/N = -(1 + eta)/2 sum_t' R(t,t') C(t,t'), 0 at the start and below -0.6 at the end."""
    n, sweeps = 8, 14
    result = theory.dynamical_cavity(
        0.0, n * sweeps, n_groups=n, symmetry=1.0, n_trajectories=8000, n_batches=2
    )
    energy = -np.einsum("tu,tu->t", result.response, result.correlation[:, :-1])
    flips = result.flip_fraction.reshape(sweeps, n).sum(axis=1)
    assert energy[0] == 0.0
    assert np.all(np.diff(energy)[: 3 * n] < 0.0)
    assert np.diff(energy).max() < 4e-3  # sampling: 1/sqrt(trajectories) = 0.011
    assert -0.75 < energy[-1] < -0.65
    assert flips[-1] < 0.015 < 0.3 < flips[0]
    # as in simulated networks
    network = RandomNetwork.draw(2000, 0.0, symmetry=1.0, dtype="int16", seed=3)
    ends = relax_free(network, update_order="async", replicas=6, max_sweeps=sweeps, threads=1)
    measured = np.mean(ends.stabilities) / -2  # J_D = 0
    assert measured == pytest.approx(energy[-1], abs=0.02)


def test_symmetric_synchronous_dynamics_ends_in_cycles_of_two():
    result = theory.dynamical_cavity(0.0, 60, symmetry=1.0, n_batches=2)
    returns = np.diagonal(result.correlation, 2)
    assert returns[0] < 0.7 < 0.98 < returns[-1]
    assert result.flip_fraction[-1] > 0.3  # but do not stand still


def test_margins_are_those_of_simulated_stabilities():
    """Of the states after each sweep, fields and self-coupling included, at several margins."""
    kappa, steps, n, j = np.array([-0.5, 0.0, 0.3, 1.0]), 5, 2000, 0.3
    result = theory.dynamical_cavity(j, steps, margin=kappa, field_std=1.0, n_trajectories=8000)
    assert result.unstable_fraction.shape == (4, steps)
    np.testing.assert_array_equal(result.unstable_fraction[1], result.flip_fraction)
    np.testing.assert_array_equal(result.unstable_error[1], result.flip_error)
    found = np.empty((6, 4, steps))
    for k in range(6):
        network = RandomNetwork.draw(n, j, field_std=1.0, seed=k)
        rng = np.random.default_rng(k)
        state = rng.choice(np.array([-1.0, 1.0]), (n, 8))
        matrix = network.couplings.astype(np.float64)
        for t in range(steps):
            field = matrix @ state + j * state + network.fields[:, None]
            found[k, :, t] = [np.mean(state * field <= margin) for margin in kappa]
            state = np.where(field >= 0, 1.0, -1.0)
    error = found.std(axis=0, ddof=1) / np.sqrt(6)
    assert agree(found.mean(axis=0), error, result.unstable_fraction, result.unstable_error)


def test_frozen_populations_do_not_blow_up():
    """Directions without news are left out: fields stay finite, and nothing flips any more."""
    result = theory.dynamical_cavity(2.0, 300, symmetry=0.5, n_trajectories=200, n_batches=2)
    assert result.flip_fraction[-50:].max() < 1e-3
    np.testing.assert_allclose(np.diagonal(result.correlation), 1.0)
    assert np.abs(result.response).max() < 10.0
    walled = theory.dynamical_cavity(
        0.3, 400, n_groups=4, field_std=5.0, n_trajectories=200, n_batches=2
    )
    assert np.isfinite(walled.response).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"symmetry": 1.2}, "symmetry must be .*-1.*1, got 1.2; 1 is symmetric"),
        ({"n_groups": 0}, "n_groups must be an integer >= 1, got 0; 1 is the sync"),
        ({"n_groups": 4, "update_fraction": 0.5}, "update_fraction must be 1 where there are gr"),
        ({"margin": np.nan}, "margin"),
        ({"field_std": -1.0}, "field_std"),
    ],
)
def test_impossible_dynamics_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        theory.dynamical_cavity(0.3, 3, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_groups": (2, 4, 8)}, "at least four increasing numbers"),
        ({"n_groups": 16}, "at least four increasing numbers, got 16"),
        ({"n_groups": (2, 4, 8, 30_000)}, r"n_groups must be an integer in 1\.\.20000, got 30000"),
        ({"n_groups": (2, 4, 4, 8)}, "at least four increasing numbers"),
        ({"n_sweeps": 2000}, r"n_sweeps must be an integer in 1\.\.1250, got 2000; a sweep has 16"),
    ],
)
def test_impossible_limits_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        theory.asynchronous_cavity(0.3, **{"n_sweeps": 3, **options})
