"""Checkpoints: safetensors files with the weights, and everything that a run needs to go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from binnet._tensors import read_tensors, write_tensors
from binnet.learning._state import TrainingState, weights_as_tensors
from binnet.learning.configuration import Configuration
from binnet.learning.metrics import EpochMetrics
from binnet.networks import BinaryNetwork

_FORMAT = "binnet-training-1"


def save_checkpoint(path: str | Path, state: TrainingState) -> None:
    """Write a run's state, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    state : TrainingState
        State to write.
    """
    tensors: dict[str, Any] = weights_as_tensors(state)
    tensors |= {"scales": state.scales, "changes": state.changes, "totals": state.totals}
    info = {
        "configuration": state.configuration.to_dict(),
        "n_samples": state.n_samples,
        "fingerprint": state.fingerprint,
        "epoch": state.epoch,
        "batch": state.batch,
        "seconds": state.seconds,
        "history": [dataclasses.asdict(metrics) for metrics in state.history],
    }
    write_tensors(path, _FORMAT, tensors, info)


def load_checkpoint(path: str | Path) -> TrainingState:
    """Read a run's state.

    Parameters
    ----------
    path : path-like
        What `save_checkpoint` wrote.

    Returns
    -------
    TrainingState
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
    return TrainingState(
        configuration,
        info["n_samples"],
        info["fingerprint"],
        BinaryNetwork(
            tensors["couplings"],
            tensors["input_weights"],
            tensors["readout"],
            tensors["feedback"],
            configuration.network.self_coupling,
        ),
        tensors["scales"].copy(),
        tensors["changes"].copy(),
        tensors["totals"].copy(),
        info["epoch"],
        info["batch"],
        info["seconds"],
        [EpochMetrics(**record) for record in info["history"]],
    )


def _check_tensors(path: Path, tensors: dict[str, Any], configuration: Configuration) -> None:
    p, dtype = configuration.network, configuration.training.dtype
    expected = {
        "couplings": ((p.n_hidden, p.n_hidden), dtype),
        "input_weights": ((p.n_hidden, p.n_inputs), dtype),
        "readout": ((p.n_outputs, p.n_hidden), dtype),
        "feedback": ((p.n_hidden, p.n_outputs), dtype),
        "scales": ((3,), "float64"),
        "changes": ((configuration.schedule.n_sweeps,), "int64"),
        "totals": ((4,), "int64"),
    }
    for name, wanted in expected.items():
        found = (tensors[name].shape, tensors[name].dtype.name) if name in tensors else "not there"
        if found != wanted:
            raise ValueError(
                f"{path} is a checkpoint of another architecture: {name} is {found}, its "
                f"configuration (n_hidden = {p.n_hidden}) wants {wanted}; use an undamaged "
                "checkpoint"
            )
