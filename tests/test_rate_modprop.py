"""ModProp: its definition, what it is exact for, and what it is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import naive_rate_modprop as naive
from binnet.rate import RULES, RateConfiguration, RateRNN, gradient, train
from binnet.rate.rules._modprop import average_couplings, split_types

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

BLOCKS = ("recurrent", "input_weights")
B, T, N, N_IN, N_OUT = 3, 8, 9, 2, 2


def make(
    activation: str = "relu", leak: float = 0.4, dtype: str = "float64", gain: float = 1.3
) -> tuple[RateRNN, dict[str, Any]]:
    rng = np.random.default_rng(11)
    network = RateRNN(
        (gain / np.sqrt(N) * rng.standard_normal((N, N)) + 0.05).astype(dtype),
        rng.standard_normal((N, N_IN)).astype(dtype),
        rng.standard_normal((N_OUT, N)).astype(dtype),
        leak,
        activation,
    )
    trials = {
        "inputs": rng.standard_normal((B, T, N_IN)),
        "targets": rng.standard_normal((B, T, N_OUT)),
        "mask": rng.uniform(0, 1, (B, T)),
    }
    return network, trials


def make_active(leak: float) -> tuple[RateRNN, dict[str, Any]]:
    """A network in which every ReLU is active at every step after h_0."""
    network, trials = make(leak=leak)
    positive = replace(
        network,
        recurrent=np.abs(network.recurrent) / 3,
        input_weights=np.abs(network.input_weights),
    )
    trials["inputs"] = np.abs(trials["inputs"]) + 0.1
    assert (positive.run(trials["inputs"]).rates[:, 1:] > 0).all()
    return positive, trials


def follow_definition(
    network: RateRNN, trials: dict[str, Any], n_types: int, back: Any = None
) -> dict[str, Any]:
    h, rates, outputs = network.run(trials["inputs"])
    slopes = 1 - rates**2 if network.activation == "tanh" else (h > 0).astype(float)
    mask = trials["mask"][..., None]
    error = mask * (outputs - trials["targets"]) / (N_OUT * trials["mask"].sum())
    signals = np.zeros_like(h)
    signals[:, 1:] = error @ (network.readout if back is None else back)
    signals *= slopes
    return {
        name: naive.modprop(network.recurrent, signals, slopes, z, network.leak, n_types)
        for name, z in (("recurrent", rates), ("input_weights", trials["inputs"]))
    }


def distance(one: Any, other: Any) -> float:
    return max(np.abs(one[k] - other[k]).max() / np.abs(other[k]).max() for k in BLOCKS)


@pytest.mark.parametrize("n_types", [1, 2, 4, 9])
@pytest.mark.parametrize("leak", [0.0, 0.4])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_it_is_the_sum_over_taps_of_its_definition(
    activation: str, leak: float, n_types: int
) -> None:
    network, trials = make(activation, leak)
    ours = gradient(network, **trials, rule=f"modprop-{n_types}").grads
    assert distance(ours, follow_definition(network, trials, n_types)) < 1e-12
    single, _ = make(activation, leak, "float32")
    rounded = gradient(single, **trials, rule=f"modprop-{n_types}").grads
    assert rounded["recurrent"].dtype == np.float32
    assert distance(rounded, ours) < 1e-5


def test_without_leak_the_taps_are_those_of_the_source() -> None:
    """F_s = mu^(s-1) W^s, seen in a signal at the last step of all alone."""
    network, trials = make(leak=0.0)
    trials["mask"] = np.zeros((B, T))
    trials["mask"][:, -1] = 1
    h, rates, outputs = network.run(trials["inputs"])
    slopes = h > 0
    mu = slopes[:, 1:].mean()
    signal = slopes[:, -1] * ((outputs - trials["targets"])[:, -1] / (N_OUT * B) @ network.readout)
    expected = signal.T @ rates[:, -2]
    for s in range(1, T):
        tap = mu ** (s - 1) * np.linalg.matrix_power(network.recurrent, s)
        expected += (slopes[:, T - s] * (signal @ tap)).T @ rates[:, T - s - 1]
    ours = gradient(network, **trials, rule=f"modprop-{N}").grads["recurrent"]
    np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-15)


def test_feedback_replaces_the_readout_in_what_is_broadcast() -> None:
    network, trials = make()
    back = np.random.default_rng(2).standard_normal(network.readout.shape)
    ours = gradient(network, **trials, rule="modprop-2", feedback=back).grads
    assert distance(ours, follow_definition(network, trials, 2, back)) < 1e-12
    exact = gradient(network, **trials).grads["readout"]
    assert np.abs(ours["readout"] - exact).max() <= 1e-12 * np.abs(exact).max()


@pytest.mark.parametrize("rule", ["modprop-2", "modprop-9"])
def test_without_couplings_it_is_eprop(rule: str) -> None:
    network, trials = make()
    apart = replace(network, recurrent=np.zeros_like(network.recurrent))
    ours, eprop = (gradient(apart, **trials, rule=r).grads for r in (rule, "eprop"))
    for name in BLOCKS:
        assert np.array_equal(ours[name], eprop[name])
    coupled = gradient(network, **trials, rule=rule).grads
    assert distance(coupled, gradient(network, **trials, rule="eprop").grads) > 0.01


@pytest.mark.parametrize("leak", [0.0, 0.4])
def test_it_is_exact_where_all_slopes_are_1_and_each_neuron_is_a_type(leak: float) -> None:
    network, trials = make_active(leak)
    exact = gradient(network, **trials).grads
    assert distance(gradient(network, **trials, rule=f"modprop-{N}").grads, exact) < 1e-12
    # The mean over a type is an approximation, and so is the mean over slopes.
    assert distance(gradient(network, **trials, rule="modprop-2").grads, exact) > 0.01
    eprop = distance(gradient(network, **trials, rule="eprop").grads, exact)
    assert distance(gradient(network, **trials, rule="modprop-2").grads, exact) < eprop
    for activation in ("relu", "tanh"):
        odd, others = make(activation, leak)
        ours, right = (gradient(odd, **others, rule=r).grads for r in (f"modprop-{N}", "bptt"))
        assert distance(ours, right) > 0.01


def test_two_types_are_exact_where_couplings_within_a_type_are_alike() -> None:
    network, trials = make_active(0.4)
    alike = np.array([[0.05, 0.02], [0.03, 0.04]]).repeat([4, 5], 0).repeat([4, 5], 1)
    blocks = replace(network, recurrent=alike)
    exact = gradient(blocks, **trials).grads
    assert distance(gradient(blocks, **trials, rule="modprop-2").grads, exact) < 1e-12
    assert distance(gradient(blocks, **trials, rule="modprop-1").grads, exact) > 1e-4


def test_types_are_neighbours_of_nearly_equal_number() -> None:
    # With 5 types the last is the fifth of neurons that is inhibitory under Dale's law.
    assert split_types(64, 5).tolist() == [0, 12, 25, 38, 51, 64]
    assert split_types(9, 2).tolist() == [0, 4, 9]
    for n_types in (9, 10, 1000):
        assert split_types(9, n_types).tolist() == list(range(10))
    network, trials = make()
    types = naive.find_types(N, 4)
    mean = average_couplings(network.recurrent, split_types(N, 4))
    assert np.array_equal(np.diff(split_types(N, 4)), np.bincount(types))
    np.testing.assert_allclose(
        mean[np.ix_(types, types)], naive.average_couplings(network.recurrent, types), rtol=1e-12
    )
    one, other = (gradient(network, **trials, rule=f"modprop-{c}").grads for c in (N, 1000))
    assert np.array_equal(one["recurrent"], other["recurrent"])


def test_its_name() -> None:
    assert "modprop-2" in RULES
    for rule in ("modprop", "modprop-0", "modprop-x"):
        with pytest.raises(ValueError, match=r"modprop-C.* with whole numbers >= 1"):
            RateConfiguration(rule=rule)


@pytest.mark.parametrize("rule", ["modprop-2", "modprop-16"])
def test_it_learns(rule: str) -> None:
    losses = train(
        RateConfiguration(
            rule=rule, n_hidden=16, iterations=60, batch_size=8, learning_rate=3e-3,
            task="delayed-match",
        )
    ).losses  # fmt: skip
    assert losses[-10:].mean() < 0.9 * losses[:3].mean()
