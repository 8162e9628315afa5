"""Lyapunov exponents of networks whose spectrum is known, driven and not."""

from typing import Any

import numpy as np
import pytest

from binnet.rate import RateRNN, lyapunov_spectrum

LEAK = 0.4


def make(recurrent: Any, drive: float, leak: float, activation: str = "relu") -> RateRNN:
    n, dtype = len(recurrent), recurrent.dtype
    input_weights, readout = np.full((n, 1), drive, dtype), np.ones((1, n), dtype)
    return RateRNN(recurrent, input_weights, readout, leak, activation)


def order_logs(values: Any) -> Any:
    return np.sort(np.log(np.abs(values)))[::-1]


def positive(n: int, seed: int) -> Any:
    """Couplings that keep driven neurons active."""
    return np.random.default_rng(seed).uniform(0, 0.5, (n, n))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("leak", [0.0, LEAK])
def test_neurons_without_couplings_have_an_exponent_each(leak: float, dtype: str) -> None:
    """Of log |a + (1 - a) w_i|, all neurons being active."""
    own = np.array([0.9, -0.7, 0.5, 0.3, -0.1, 1.1]).astype(dtype)
    network = make(np.diag(own), 1.0, leak)
    # Close exponents take this long to part.
    spectrum = lyapunov_spectrum(network, np.ones((2, 900, 1)), 6, warmup=600)
    expected = order_logs(leak + (1 - leak) * own.astype(float))
    np.testing.assert_allclose(spectrum.exponents, expected, atol=1e-6)
    # Noise that leaves all active changes nothing.
    x = np.random.default_rng(0).uniform(0.9, 1.1, (2, 900, 1))
    driven = lyapunov_spectrum(network, x, 6, warmup=600)
    np.testing.assert_allclose(driven.exponents, expected, atol=1e-6)


@pytest.mark.parametrize("gain", [0.7, 1.3])
def test_a_rotation_without_a_leak_has_one_exponent_the_gain(gain: float) -> None:
    """A permutation, so that all neurons stay active, and a rotation at h = 0 of tanh."""
    n = 8
    permutation = np.eye(n)[np.random.default_rng(1).permutation(n)]
    spectrum = lyapunov_spectrum(make(gain * permutation, 1.0, 0.0), np.ones((1, 60, 1)), n)
    np.testing.assert_allclose(spectrum.exponents, np.log(gain), atol=1e-6)
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((n, n)))[0]
    at_rest = make(gain * rotation, 1.0, 0.0, "tanh")
    spectrum = lyapunov_spectrum(at_rest, np.zeros((1, 60, 1)), n)
    np.testing.assert_allclose(spectrum.exponents, np.log(gain), atol=1e-6)


@pytest.mark.parametrize("lower", [False, True])
def test_triangular_couplings_have_the_exponents_of_their_diagonal(lower: bool) -> None:
    own = np.array([0.2, 1.0, 0.6, 0.8, 0.4])
    recurrent = np.triu(positive(5, 3), 1)
    recurrent = (recurrent.T if lower else recurrent) + np.diag(own)
    spectrum = lyapunov_spectrum(make(recurrent, 1.0, LEAK), np.ones((1, 900, 1)), 5, warmup=600)
    expected = order_logs(LEAK + (1 - LEAK) * own)
    np.testing.assert_allclose(spectrum.exponents, expected, atol=1e-6)


def real_eigenvalues(n: int, seed: int) -> Any:
    """Couplings with real eigenvalues of distinct moduli, not symmetric."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(n) + 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
    return mixing @ np.diag(np.linspace(0.15, 0.9, n)) @ np.linalg.inv(mixing)


@pytest.mark.parametrize("leak", [0.0, LEAK])
def test_tanh_at_rest_has_the_moduli_of_the_eigenvalues(leak: float) -> None:
    recurrent = real_eigenvalues(6, 4)
    spectrum = lyapunov_spectrum(
        make(recurrent, 1.0, leak, "tanh"), np.zeros((1, 900, 1)), 6, warmup=600
    )
    expected = order_logs(leak + (1 - leak) * np.linspace(0.15, 0.9, 6))
    np.testing.assert_allclose(spectrum.exponents, expected, atol=1e-6)


def test_complex_pairs_share_an_exponent() -> None:
    """A pair turns its vectors, so that only means over many turns are equal: within 2e-3."""
    angle, radius = 0.7, 0.8
    turn = radius * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    recurrent = np.zeros((3, 3))
    mixing = np.eye(3) + 0.4 * np.random.default_rng(5).standard_normal((3, 3))
    recurrent[:2, :2], recurrent[2, 2] = turn, 0.3
    recurrent = mixing @ recurrent @ np.linalg.inv(mixing)
    spectrum = lyapunov_spectrum(
        make(recurrent, 1.0, 0.0, "tanh"), np.zeros((1, 3000, 1)), 3, warmup=200
    )
    np.testing.assert_allclose(spectrum.exponents, np.log([0.8, 0.8, 0.3]), atol=2e-3)
    # Their sum is exact, and so is the third.
    np.testing.assert_allclose(spectrum.exponents[:2].sum(), 2 * np.log(0.8), atol=1e-3)


def test_driven_tanh_at_its_fixed_point_has_that_jacobians() -> None:
    n, steps = 5, 900
    network = make(real_eigenvalues(n, 6), 0.4, LEAK, "tanh")
    x = np.ones((1, steps, 1))
    h = network.run(x).states[0, -1]
    rest = network.recurrent @ np.tanh(h) + 0.4  # h = W f(h) + W_x x
    np.testing.assert_allclose(h, rest, atol=1e-12)
    slope = 1 - np.tanh(h) ** 2
    assert slope.max() < 0.99  # it is driven
    values = np.linalg.eigvals(LEAK * np.eye(n) + (1 - LEAK) * network.recurrent * slope)
    assert np.isreal(values).all()
    assert np.diff(np.sort(np.abs(values))).min() > 0.01
    spectrum = lyapunov_spectrum(network, x, n, warmup=600)
    np.testing.assert_allclose(spectrum.exponents, order_logs(values), atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("n", "leak"), [(12, LEAK), (40, 0.5)])
def test_all_exponents_of_driven_networks_sum_to_the_mean_log_determinant(
    activation: str, n: int, leak: float
) -> None:
    network = RateRNN.initialise(
        2, 1, n, gain=1.4, leak=leak, activation=activation, dtype="float64"
    )
    x = np.random.default_rng(7).standard_normal((3, 40, 2))
    rates = network.run(x).rates[:, :-1]
    slopes = (rates > 0) if activation == "relu" else 1 - rates**2
    jacobians = leak * np.eye(n) + (1 - leak) * network.recurrent * slopes[:, :, None, :]
    expected = np.linalg.slogdet(jacobians)[1][:, 8:].mean(axis=1)
    spectrum = lyapunov_spectrum(network, x, n)
    np.testing.assert_allclose(spectrum.per_trial.sum(axis=1), expected, atol=1e-9)
