"""Lyapunov exponents where they are known, and flossing gradients against finite differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from binnet.rate import RateRNN, floss, flossing_gradient, lyapunov_spectrum, tasks
from binnet.rate._tangents import first_basis
from naive_rate_tangents import orthonormalise

LEAK = 0.4


def make_network(n: int = 6, activation: str = "relu", seed: int = 0, **options: Any) -> RateRNN:
    given: dict[str, Any] = {"gain": 1.2, "leak": LEAK, "dtype": "float64"} | options
    return RateRNN.initialise(2, 1, n, activation=activation, seed=seed, **given)


def make_inputs(n_trials: int = 3, n_steps: int = 20, seed: int = 1) -> Any:
    return np.random.default_rng(seed).standard_normal((n_trials, n_steps, 2))


def test_a_linear_network_has_the_logarithms_of_the_eigenvalues_moduli() -> None:
    """ReLUs that are all active are linear: D = a I + (1 - a) W_h at every step."""
    rng = np.random.default_rng(2)
    n = 5
    # Positive couplings and inputs keep all neurons active; eigenvalues of distinct moduli.
    recurrent = rng.uniform(0, 0.15, (n, n)) + np.diag(np.linspace(0.1, 1.0, n))
    network = RateRNN(recurrent, np.ones((n, 1)), np.ones((1, n)), leak=LEAK)
    n_steps, warmup = 1400, 400
    spectrum = lyapunov_spectrum(network, np.ones((1, n_steps, 1)), n, warmup=warmup)
    jacobian = LEAK * np.eye(n) + (1 - LEAK) * recurrent
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(jacobian))))[::-1]
    # After the warm-up the basis has converged; complex pairs would need an average over a turn.
    assert np.isreal(np.linalg.eigvals(jacobian)).all()
    np.testing.assert_allclose(spectrum.exponents, expected, atol=1e-9)
    assert np.isnan(spectrum.errors).all()  # one trial has no spread


def test_a_scalar_network_has_the_mean_logarithm_of_its_slope() -> None:
    w, x = 0.7, make_inputs(4, 50)[..., :1]
    for activation in ("relu", "tanh"):
        network = RateRNN(np.array([[w]]), np.array([[1.5]]), np.array([[1.0]]), LEAK, activation)
        h = network.run(x).states[:, :-1, 0]
        slope = (h > 0) if activation == "relu" else 1 - np.tanh(h) ** 2
        expected = np.log(np.abs(LEAK + (1 - LEAK) * w * slope))[:, 8:].mean(axis=1)
        spectrum = lyapunov_spectrum(network, x, 1)
        np.testing.assert_allclose(spectrum.per_trial[:, 0], expected, atol=1e-12)
        assert spectrum.exponents[0] == pytest.approx(expected.mean(), abs=1e-12)
        assert spectrum.errors[0] == pytest.approx(expected.std(ddof=1) / 2, abs=1e-12)
        assert spectrum.n_steps == 42
        # Steps of dt = (1 - a) tau: per tau there are 1 / (1 - a) of them.
        np.testing.assert_allclose(
            spectrum.per_unit_time(1 - LEAK), spectrum.exponents / (1 - LEAK)
        )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_all_exponents_sum_to_the_mean_log_determinant(activation: str) -> None:
    network, x = make_network(activation=activation), make_inputs()
    rates = network.run(x).rates
    slopes = (rates > 0) if activation == "relu" else 1 - rates**2
    jacobians = LEAK * np.eye(6) + (1 - LEAK) * network.recurrent * slopes[:, :-1, None, :]
    expected = np.log(np.abs(np.linalg.det(jacobians)))[:, 8:].mean(axis=1)
    spectrum = lyapunov_spectrum(network, x, 6)
    np.testing.assert_allclose(spectrum.per_trial.sum(axis=1), expected, atol=1e-10)


def test_the_first_basis_does_not_matter_after_a_warm_up() -> None:
    network, x = make_network(n=4, activation="tanh", seed=3), make_inputs(2, 600)
    one, other = (lyapunov_spectrum(network, x, 4, warmup=300, seed=s) for s in (0, 1))
    np.testing.assert_allclose(one.exponents, other.exponents, atol=1e-10)
    # Without one it matters, a little: of order 1 / T.
    one, other = (lyapunov_spectrum(network, x, 4, warmup=0, seed=s) for s in (0, 1))
    assert 1e-8 < np.abs(one.exponents - other.exponents).max() < 0.05


@pytest.mark.parametrize(
    ("gain", "expected"), [(0.2, -0.60), (0.5, -0.44), (1.0, -0.21), (1.5, -0.01)]
)
def test_untrained_networks_on_romo(gain: float, expected: float) -> None:
    """The values that were measured for the specification, mean of five seeds, within 0.05."""
    x = tasks.romo(32, 0).inputs
    values = [
        lyapunov_spectrum(RateRNN.initialise(1, 2, gain=gain, seed=s), x).exponents[0]
        for s in range(5)
    ]
    assert np.mean(values) == pytest.approx(expected, abs=0.05)


def flossing_loss(network: RateRNN, x: Any, k: int, warmup: int) -> float:
    return float((lyapunov_spectrum(network, x, k, warmup=warmup).exponents ** 2).sum())


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_full_flossing_gradient_equals_central_differences(
    activation: str, k: int, warmup: int
) -> None:
    network, x = make_network(activation=activation), make_inputs(2, 15)
    step = flossing_gradient(network, x, k, version="full", warmup=warmup)
    assert step.loss == pytest.approx(flossing_loss(network, x, k, warmup), rel=1e-12)
    size = 1e-6
    for name in ("recurrent", "input_weights"):
        differences = np.zeros_like(step.grads[name])
        for index in np.ndindex(differences.shape):
            losses = []
            for sign in (1, -1):
                weights = getattr(network, name).copy()
                weights[index] += sign * size
                losses.append(flossing_loss(replace(network, **{name: weights}), x, k, warmup))
            differences[index] = (losses[0] - losses[1]) / (2 * size)
        error = np.abs(step.grads[name] - differences).max()
        assert error <= 1e-5 * max(np.abs(differences).max(), 1e-3)


@pytest.mark.parametrize("k", [1, 3])
def test_the_local_flossing_gradient_is_that_of_each_step_alone(k: int) -> None:
    """By its definition: states and incoming bases are data, one step's weights are varied."""
    network, x = make_network(), make_inputs(2, 15)
    warmup, size = 4, 1e-6
    n_trials, n_steps = x.shape[:2]
    slopes = (network.run(x).rates > 0).astype(float)
    bases = [np.repeat(first_basis(6, k, 0)[None], n_trials, 0)]
    for t in range(n_steps):
        jacobian = LEAK * np.eye(6) + (1 - LEAK) * network.recurrent * slopes[:, t, None, :]
        bases.append(orthonormalise(jacobian @ bases[t])[0])

    def sum_of_squares(recurrent: Any) -> float:
        logs = []
        for t in range(warmup, n_steps):
            jacobian = LEAK * np.eye(6) + (1 - LEAK) * recurrent * slopes[:, t, None, :]
            r = orthonormalise(jacobian @ bases[t])[1]
            logs.append(np.log(np.diagonal(r, axis1=1, axis2=2)))
        return float((np.mean(logs, axis=(0, 1)) ** 2).sum())

    step = flossing_gradient(network, x, k, version="local", warmup=warmup)
    differences = np.zeros((6, 6))
    for index in np.ndindex(6, 6):
        losses = []
        for sign in (1, -1):
            weights = network.recurrent.copy()
            weights[index] += sign * size
            losses.append(sum_of_squares(weights))
        differences[index] = (losses[0] - losses[1]) / (2 * size)
    assert np.abs(step.grads["recurrent"] - differences).max() <= 1e-7
    assert not step.grads["input_weights"].any()
    full = flossing_gradient(network, x, k, version="full", warmup=warmup)
    assert np.abs(full.grads["recurrent"] - differences).max() > 1e-3


def test_the_local_rule_for_one_exponent_has_three_factors() -> None:
    """(g / R) times the vector that leaves, times slope and vector that come in."""
    network, x = make_network(), make_inputs(1, 12)
    slopes = (network.run(x).rates > 0)[0].astype(float)
    q, logs, outer = first_basis(6, 1, 0)[:, 0], [], []
    for t in range(12):
        after = LEAK * q + (1 - LEAK) * network.recurrent @ (slopes[t] * q)
        r = np.linalg.norm(after)
        logs.append(np.log(r))
        outer.append((1 - LEAK) / r * np.outer(after / r, slopes[t] * q))
        q = after / r
    exponent = np.mean(logs)
    expected = 2 * exponent / 12 * np.sum(outer, axis=0)
    step = flossing_gradient(network, x, 1, version="local", warmup=0)
    np.testing.assert_allclose(step.grads["recurrent"], expected, atol=1e-14)
    assert step.exponents[0] == pytest.approx(exponent)


@pytest.mark.parametrize("version", ["local", "full"])
def test_flossing_one_exponent_brings_a_small_gain_to_the_edge(version: str) -> None:
    network = RateRNN.initialise(1, 2, gain=0.2)
    kept = network.recurrent.copy()
    result = floss(network, "romo", 1, version=version, batch_size=8)
    assert np.array_equal(network.recurrent, kept)
    assert result.exponents.shape == (100, 1)
    assert result.exponents[0, 0] < -0.5
    after = lyapunov_spectrum(result.network, tasks.romo(32, 9).inputs).exponents[0]
    assert abs(after) < 0.05
    again = floss(network, "romo", 1, version=version, batch_size=8)
    assert np.array_equal(result.network.recurrent, again.network.recurrent)


def test_bad_input_is_refused_with_the_reason() -> None:
    network, x = make_network(), make_inputs()
    with pytest.raises(ValueError, match=r"n_exponents must be an integer in 1..6, got 7"):
        lyapunov_spectrum(network, x, 7)
    with pytest.raises(ValueError, match=r"warmup must be an integer in 0..19, got 20"):
        lyapunov_spectrum(network, x, 1, warmup=20)
    with pytest.raises(ValueError, match="inputs must be finite"):
        lyapunov_spectrum(network, np.full_like(x, np.inf))
    with pytest.raises(ValueError, match="version must be one of local, full"):
        flossing_gradient(network, x, 1, version="global")
    with pytest.raises(ValueError, match=r"n_exponents must be an integer in 1..6, got -1"):
        floss(network, "romo", -1)
    with pytest.raises(ValueError, match="task must be one of romo"):
        floss(network, "go-nogo")
    with pytest.raises(ValueError, match="dt must be a finite number > 0"):
        lyapunov_spectrum(network, x).per_unit_time(0.0)
