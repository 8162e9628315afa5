"""Rich and lazy learning: measures against loops and finite differences, and what leaves them."""

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from binnet.rate import RateRNN, learning_regime, tangent_kernel, tasks
from binnet.rate._trajectories import Floats

WEIGHTS = ("recurrent", "input_weights", "readout")


def make(
    n: int = 6, *, activation: str = "tanh", structure: str = "gaussian", seed: int = 0
) -> tuple[RateRNN, Floats, Floats]:
    """A network, inputs, and a mask that weighs steps differently in each trial."""
    network = RateRNN.initialise(
        2, 3, n, gain=1.2, structure=structure, activation=activation, dtype="float64", seed=seed
    )
    rng = np.random.default_rng(7)
    inputs, mask = rng.standard_normal((4, 9, 2)), rng.uniform(0, 1, (4, 9))
    mask[:, :3] = 0
    return network, inputs, mask


def mean_outputs(network: RateRNN, inputs: Floats, mask: Floats) -> Floats:
    """(B N_out,): the mean outputs over the steps, in a loop."""
    outputs = network.run(inputs).outputs
    means = []
    for b in range(len(inputs)):
        for k in range(network.n_outputs):
            total = sum(mask[b, t] * outputs[b, t, k] for t in range(inputs.shape[1]))
            means.append(total / mask[b].sum())
    return np.array(means)


def differentiate(network: RateRNN, inputs: Floats, mask: Floats, step: float = 1e-5) -> Floats:
    """J by central differences of each weight that is trained."""
    columns = []
    for name in WEIGHTS:
        weights = getattr(network, name)
        for index in np.ndindex(weights.shape):
            there = network.connections if name == "recurrent" else None
            if there is not None and not there[index]:
                continue
            ends = []
            for sign in (1, -1):
                moved = weights.copy()
                moved[index] += sign * step
                other = replace(network, **{name: moved})
                ends.append(mean_outputs(other, inputs, mask))
            columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("structure", ["gaussian", "sparse-2"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_tangent_kernel_is_that_of_finite_differences(activation: str, structure: str) -> None:
    network, inputs, mask = make(activation=activation, structure=structure)
    rows = differentiate(network, inputs, mask)
    kernel = tangent_kernel(network, inputs, mask)
    assert kernel.shape == (12, 12)
    np.testing.assert_allclose(kernel, rows @ rows.T, rtol=1e-6, atol=1e-8)
    assert np.linalg.norm(kernel) > 0.1


def test_tangent_kernel_weighs_all_steps_alike_without_a_mask() -> None:
    network, inputs, mask = make()
    whole = tangent_kernel(network, inputs)
    assert np.array_equal(whole, tangent_kernel(network, inputs, np.ones((4, 9))))
    np.testing.assert_allclose(whole, tangent_kernel(network, inputs, np.full((4, 9), 3)))
    assert not np.allclose(whole, tangent_kernel(network, inputs, mask))
    # A trial's rows do not depend on the others.
    np.testing.assert_allclose(tangent_kernel(network, inputs[1:2]), whole[3:6, 3:6], rtol=1e-12)


def test_measures_against_their_definitions() -> None:
    before, inputs, mask = make()
    rng = np.random.default_rng(1)
    moved = {name: w + 0.3 * rng.standard_normal(w.shape) for name, w in before.weights().items()}
    after = replace(before, **moved)
    found = learning_regime(before, after, inputs, mask)
    for name, w in before.weights().items():
        squares = sum((moved[name][i] - w[i]) ** 2 for i in np.ndindex(w.shape))
        expected = math.sqrt(squares / sum(w[i] ** 2 for i in np.ndindex(w.shape)))
        assert found.weight_change[name] == pytest.approx(expected, rel=1e-12)
    # Eigenvalues of C^T C are the squared singular values of the change C.
    change = moved["recurrent"] - before.recurrent
    powers = np.linalg.eigvalsh(change.T @ change)
    assert found.change_rank == pytest.approx(powers.sum() ** 2 / (powers**2).sum())
    p = np.sqrt(powers) / np.sqrt(powers).sum()
    assert found.change_entropy_rank == pytest.approx(math.exp(-sum(x * math.log(x) for x in p)))
    one, other = (tangent_kernel(network, inputs, mask) for network in (before, after))
    cosine = np.trace(one @ other) / math.sqrt(np.trace(one @ one) * np.trace(other @ other))
    assert found.kernel_alignment == pytest.approx(cosine, rel=1e-12)
    assert 0 < cosine < 0.99
    for centred, value in (
        (False, found.representation_alignment),
        (True, found.centred_representation_alignment),
    ):
        grams = []
        for network in (before, after):
            rates = network.run(inputs).rates[:, 1:].reshape(-1, 6)
            rates = rates - rates.mean(axis=0) if centred else rates
            grams.append(rates @ rates.T)
        one, other = grams
        cosine = np.trace(one @ other) / math.sqrt(np.trace(one @ one) * np.trace(other @ other))
        assert value == pytest.approx(cosine, rel=1e-12)
        assert 0 < cosine < 0.99


def test_a_network_that_did_not_learn() -> None:
    network, inputs, mask = make(activation="relu")
    found = learning_regime(network, network.copy(), inputs, mask)
    assert found.weight_change == dict.fromkeys(WEIGHTS, 0.0)
    assert found.change_rank == found.change_entropy_rank == 0
    for value in (
        found.kernel_alignment,
        found.representation_alignment,
        found.centred_representation_alignment,
    ):
        assert value == pytest.approx(1, abs=1e-14)


def test_what_scaling_leaves() -> None:
    """Scaled inputs scale a ReLU network's rates, and a scaled readout the kernel's part of W."""
    before, inputs, mask = make(activation="relu")
    doubled = learning_regime(before, replace(before, readout=2 * before.readout), inputs, mask)
    assert doubled.weight_change["readout"] == pytest.approx(1)
    assert doubled.representation_alignment == pytest.approx(1, abs=1e-14)
    assert doubled.kernel_alignment < 1 - 1e-4
    input_weights = 3 * before.input_weights
    found = learning_regime(before, replace(before, input_weights=input_weights), inputs, mask)
    assert found.representation_alignment == pytest.approx(1, abs=1e-14)
    after, _, _ = make(activation="relu", seed=1)
    plain = learning_regime(before, after, inputs, mask)
    scaled = learning_regime(before, after, inputs, 5 * mask)
    assert scaled.kernel_alignment == pytest.approx(plain.kernel_alignment, rel=1e-12)
    # Neurons in another order are the same network to its kernel, and not to its weights.
    order = np.random.default_rng(2).permutation(6)
    shuffled = replace(
        before,
        recurrent=before.recurrent[np.ix_(order, order)],
        input_weights=before.input_weights[order],
        readout=before.readout[:, order],
    )
    same = learning_regime(before, shuffled, inputs, mask)
    assert same.kernel_alignment == pytest.approx(1, abs=1e-12)
    assert same.representation_alignment == pytest.approx(1, abs=1e-12)
    assert same.weight_change["recurrent"] > 0.5


@pytest.mark.parametrize("rank", [1, 3])
def test_ranks_of_a_change_of_known_rank(rank: int) -> None:
    before, inputs, mask = make()
    q, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))
    change = 0.1 * q[:, :rank] @ q[:, :rank].T  # equal singular values
    after = replace(before, recurrent=before.recurrent + change)
    found = learning_regime(before, after, inputs, mask)
    assert found.change_rank == pytest.approx(rank, rel=1e-9)
    assert found.change_entropy_rank == pytest.approx(rank, rel=1e-9)


def test_float32_networks_and_silent_ones() -> None:
    trials = tasks.romo(4, 0)
    one, other = (RateRNN.initialise(1, 2, 16, gain=1.0, seed=seed) for seed in (0, 1))
    found = learning_regime(one, other, trials.inputs, trials.mask)
    double = [
        replace(network, **{name: w.astype(np.float64) for name, w in network.weights().items()})
        for network in (one, other)
    ]
    same = learning_regime(*double, trials.inputs, trials.mask)
    assert asdict(found) == asdict(same)
    silent = replace(one, input_weights=np.zeros_like(one.input_weights))
    found = learning_regime(silent, one, trials.inputs)
    assert found.weight_change["input_weights"] == math.inf
    assert math.isnan(found.representation_alignment)
    assert math.isnan(found.kernel_alignment)


def test_what_cannot_be_compared() -> None:
    network, inputs, mask = make()
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((network, make(5)[0], inputs), "must have weights of the same shapes"),
        ((network, replace(network, leak=0.4), inputs), "same leak, got 0.5 and 0.4"),
        ((network, make(activation="relu")[0], inputs), "same activation"),
        ((network, make(structure="sparse-2")[0], inputs), "must have the same connections"),
        ((network, network, inputs[:, :, :1]), "inputs must have shape"),
        ((network, network, inputs, mask[:2]), r"mask must be real weights of shape \(B, T\)"),
        ((network, network, inputs, -mask), "mask must hold finite weights >= 0"),
        ((network, network, inputs, mask * [[1], [0], [1], [1]]), "0 at all steps of trial 1"),
    ]
    for arguments, message in cases:
        with pytest.raises(ValueError, match=message):
            learning_regime(*arguments)
    with pytest.raises(ValueError, match="0 at all steps of trial 0"):
        tangent_kernel(network, inputs, 0 * mask)
