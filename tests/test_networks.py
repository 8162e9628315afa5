"""Networks: what is drawn, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from binnet import BinaryNetwork, NetworkParameters
from library_cases import N_CLASSES, N_INPUTS, make_network


def change(network: BinaryNetwork, **blocks: object) -> BinaryNetwork:
    return dataclasses.replace(network, **blocks)  # type: ignore[arg-type]


def test_random_draws_the_standard_deviations_of_the_specification() -> None:
    p = NetworkParameters(400, 300, 50, input_strength=5.0, feedback_strength=0.9)
    network = BinaryNetwork.random(p, seed=3)
    off_diagonal = network.couplings[~np.eye(400, dtype=bool)]
    for block, std in (
        (off_diagonal, 1 / np.sqrt(400)),
        (network.input_weights, 5 / np.sqrt(300)),
        (network.readout, 1 / np.sqrt(400)),
        (network.feedback, 0.9 / np.sqrt(50)),
    ):
        # Five standard errors of the standard deviation and of the mean.
        assert abs(block.std() / std - 1) < 5 / np.sqrt(2 * block.size)
        assert abs(block.mean() / std) < 5 / np.sqrt(block.size)
    J = network.couplings
    upper = np.triu_indices(400, 1)
    assert abs(np.corrcoef(J[upper], J.T[upper])[0, 1]) < 5 / np.sqrt(len(upper[0]))
    assert not np.diagonal(J).any()


def test_seed_and_dtype() -> None:
    first, again = make_network(seed=1), make_network(seed=1)
    other, double = make_network(seed=2), make_network(seed=1, dtype=np.float64)
    assert np.array_equal(first.couplings, again.couplings)
    assert not np.array_equal(first.couplings, other.couplings)
    assert double.dtype == np.float64
    assert np.array_equal(double.readout.astype(np.float32), first.readout)


def test_sizes_and_feedback_fields() -> None:
    network = make_network(n_hidden=7)
    assert (network.n_neurons, network.n_inputs, network.n_outputs) == (7, N_INPUTS, N_CLASSES)
    for label in range(N_CLASSES):
        gains = np.full(N_CLASSES, -0.5)
        gains[label] = np.sqrt(N_CLASSES) / 2
        expected = network.feedback.astype(np.float64) @ gains
        np.testing.assert_allclose(network.feedback_fields[label], expected, rtol=1e-6, atol=1e-6)


def test_parameters_become_plain_values() -> None:
    p = NetworkParameters(np.int64(5), self_coupling=np.float32(0.5), input_strength=3)
    assert json.loads(json.dumps(dataclasses.asdict(p)))["n_hidden"] == 5
    assert p == NetworkParameters(5, self_coupling=0.5, input_strength=3.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_hidden": 0}, ValueError, r"n_hidden must be an integer >= 1, got 0"),
        ({"n_hidden": True}, TypeError, r"n_hidden must be an integer >= 1, got True"),
        ({"n_hidden": 10.0}, TypeError, r"n_hidden must be an integer >= 1, got 10.0"),
        ({"n_inputs": -3}, ValueError, r"n_inputs must be an integer >= 1, got -3"),
        ({"n_outputs": 1}, ValueError, r"n_outputs must be an integer >= 2, got 1"),
        ({"self_coupling": -0.1}, ValueError, r"self_coupling .* >= 0, got -0.1"),
        ({"self_coupling": False}, TypeError, r"self_coupling .* got False"),
        ({"input_strength": np.nan}, ValueError, r"input_strength .* >= 0, got nan"),
        ({"feedback_strength": "0.9"}, TypeError, r"feedback_strength .* got '0.9'"),
    ],
)
def test_parameter_errors(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        NetworkParameters(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ({"couplings": np.zeros((3, 4))}, ValueError, r"couplings .* \(H, H\) = \(3, 3\), got"),
        ({"couplings": np.zeros(3)}, ValueError, r"couplings .* \(H, H\) .* got \(3,\)"),
        ({"couplings": np.zeros((0, 0))}, ValueError, r"couplings .* no empty axis, got \(0, 0\)"),
        ({"couplings": [[0.0] * 3] * 3}, TypeError, r"couplings must be a NumPy array, got list"),
        ({"couplings": np.eye(3)}, ValueError, r"diagonal .* must be 0: pass .* self_coupling"),
        (
            {"couplings": np.zeros((3, 3), int)},
            TypeError,
            r"couplings must be float32 or float64, got int64",
        ),
        ({"input_weights": np.zeros(3)}, ValueError, r"input_weights .* \(H, N_in\) .* got \(3,\)"),
        ({"input_weights": np.zeros((3, 0))}, ValueError, r"input_weights .* got \(3, 0\)"),
        ({"input_weights": np.zeros((2, 5))}, ValueError, r"input_weights .* = \(3, 5\), got"),
        ({"readout": np.zeros((2, 4))}, ValueError, r"readout .* \(C, H\) = \(2, 3\), got \(2, 4"),
        ({"readout": np.full((2, 3), np.nan)}, ValueError, r"readout must be finite, got nan at"),
        ({"feedback": np.zeros((3, 5))}, ValueError, r"feedback .* \(H, C\) = \(3, 2\), got"),
        ({"feedback": np.full((3, 2), np.inf)}, ValueError, r"feedback .* got inf at \[0, 0\]"),
        ({"feedback": np.zeros((3, 2), "f4")}, TypeError, r"feedback is float32 .* \.astype\(\)"),
        ({"self_coupling": -1.0}, ValueError, r"self_coupling must be a finite number >= 0"),
    ],
)
def test_weight_errors(blocks: dict[str, object], error: type[Exception], message: str) -> None:
    network = BinaryNetwork.random(NetworkParameters(3, 5, 2), dtype=np.float64)
    with pytest.raises(error, match=message):
        change(network, **blocks)


@pytest.mark.parametrize("seed", [-1, 1.5, True])
def test_seed_errors(seed: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"seed must be an integer >= 0, got"):
        BinaryNetwork.random(NetworkParameters(3, 5, 2), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.int64, np.float16])
def test_dtype_errors(dtype: type) -> None:
    with pytest.raises(TypeError, match=r"must be float32 or float64, got"):
        BinaryNetwork.random(NetworkParameters(3, 5, 2), dtype=dtype)
