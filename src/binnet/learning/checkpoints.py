"""Checkpoints: safetensors files with the weights, and everything that a run needs to go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from binnet._tensors import read_tensors, write_tensors
from binnet.learning._integer_state import LEARNED, WIDE, IntegerState
from binnet.learning._state import RunState, TrainingState
from binnet.learning.configuration import Configuration
from binnet.learning.metrics import EpochMetrics
from binnet.networks import BLOCKS, BinaryNetwork, QFormat, QuantizedNetwork
from binnet.networks.quantised import SCALARS, formats_from_dict

_FORMAT = "binnet-training-1"


def save_checkpoint(path: str | Path, state: RunState) -> None:
    """Write a run's state, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    state : RunState
        State to write.
    """
    tensors: dict[str, Any] = state.tensors()
    tensors |= {"changes": state.changes, "totals": state.totals}
    info: dict[str, Any] = {
        "configuration": state.configuration.to_dict(),
        "n_samples": state.n_samples,
        "fingerprint": state.fingerprint,
        "epoch": state.epoch,
        "batch": state.batch,
        "seconds": state.seconds,
        "history": [dataclasses.asdict(metrics) for metrics in state.history],
    }
    if isinstance(state, IntegerState):
        info |= _describe_integers(state.weights)
    write_tensors(path, _FORMAT, tensors, info)


def load_checkpoint(path: str | Path) -> RunState:
    """Read a run's state.

    Parameters
    ----------
    path : path-like
        What `save_checkpoint` wrote.

    Returns
    -------
    RunState
        The state, ready to go on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not a checkpoint of binnet, or does not fit its own configuration.
    """
    path = Path(path)
    tensors, info = read_tensors(path, _FORMAT, "training checkpoint")
    configuration = Configuration.from_dict(info["configuration"])
    _check_tensors(path, tensors, configuration)
    build = _read_integers if configuration.arithmetic.bits else _read_floats
    state: RunState = build(tensors, info, configuration)
    state.changes[:], state.totals[:] = tensors["changes"], tensors["totals"]
    state.epoch, state.batch, state.seconds = info["epoch"], info["batch"], info["seconds"]
    state.history += [EpochMetrics(**record) for record in info["history"]]
    return state


def _read_floats(
    tensors: dict[str, Any], info: dict[str, Any], configuration: Configuration
) -> TrainingState:
    p = configuration.network
    weights = BinaryNetwork(
        **{name: tensors[name] for name in BLOCKS},
        self_coupling=p.self_coupling,
        sizes=p.sizes,
        excitation=p.excitation,
        connectivity=tensors["connectivity"].astype(bool) if "connectivity" in tensors else None,
    )
    return TrainingState(
        configuration,
        info["n_samples"],
        info["fingerprint"],
        weights=weights,
        scales=tensors["scales"].copy(),
    )


def _describe_integers(network: QuantizedNetwork) -> dict[str, Any]:
    return {
        "formats": dataclasses.asdict(network.formats),
        "scalars": {name: getattr(network, name) for name in SCALARS},
    }


def _read_integers(
    tensors: dict[str, Any], info: dict[str, Any], configuration: Configuration
) -> IntegerState:
    weights = QuantizedNetwork(
        **{name: tensors[name] for name in BLOCKS},
        formats=formats_from_dict(info["formats"]),
        **info["scalars"],
    )
    return IntegerState(
        configuration,
        info["n_samples"],
        info["fingerprint"],
        weights=weights,
        wide={
            name.removeprefix(WIDE): tensor.copy()
            for name, tensor in tensors.items()
            if name.startswith(WIDE)
        },
        registers=tensors["registers"].copy(),
        synapses=tensors["synapses"].copy(),
    )


def _check_tensors(path: Path, tensors: dict[str, Any], configuration: Configuration) -> None:
    p, bits = configuration.network, configuration.arithmetic.bits
    dtype = QFormat(bits, 0).dtype.name if bits else configuration.training.dtype
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        "couplings": ((p.n_neurons, p.n_neurons), dtype),
        "input_weights": ((p.n_neurons, p.n_inputs), dtype),
        "readout": ((p.n_outputs, p.n_neurons), dtype),
        "feedback": ((p.n_neurons, p.n_outputs), dtype),
        "changes": ((configuration.schedule.n_sweeps,), "int64"),
        "totals": ((4,), "int64"),
    }
    if bits:
        expected["registers"] = ((p.n_neurons + p.n_outputs,), "uint16")
        expected["synapses"] = ((3, 2), "int64")
        if configuration.arithmetic.hidden_bits:
            wide = QFormat(configuration.arithmetic.synapse_bits, 0).dtype.name
            expected |= {f"{WIDE}{name}": (expected[name][0], wide) for name in LEARNED}
    else:
        expected["scales"] = ((3,), "float64")
    if "connectivity" in tensors:
        expected["connectivity"] = ((p.n_neurons, p.n_neurons), "uint8")
    for name, wanted in expected.items():
        found = (tensors[name].shape, tensors[name].dtype.name) if name in tensors else "not there"
        if found != wanted:
            raise ValueError(
                f"{path} is a checkpoint of another architecture: {name} is {found}, its "
                f"configuration (sizes {p.sizes}) wants {wanted}; use an undamaged "
                "checkpoint"
            )
