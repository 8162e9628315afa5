"""Checkpoints: safetensors files with the weights, and everything that a run needs to go on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record, reading
from binnet._tensors import read_tensors, write_tensors
from binnet.learning.configuration import Configuration
from binnet.learning.metrics import EpochMetrics
from binnet.learning.run import Run

_FORMAT, _KIND = "binnet-training", "training checkpoint"


def save_checkpoint(path: str | Path, run: Run, *, overwrite: bool = False) -> None:
    """Write a run, atomically.

    Parameters
    ----------
    path : path-like
        File to write, ending in .safetensors by convention.
    run : Run
        Run to write.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    """
    tensors = run.synapses.tensors() | {"changes": run.changes, "totals": run.totals}
    if run.kept is not None:
        tensors["kept"] = run.kept.astype(np.uint8)
    info: dict[str, Any] = {
        "configuration": run.configuration.to_dict(),
        "n_samples": run.n_samples,
        "fingerprint": run.fingerprint,
        "epoch": run.epoch,
        "batch": run.batch,
        "seconds": run.seconds,
        "history": [dataclasses.asdict(metrics) for metrics in run.history],
    }
    write_tensors(path, _FORMAT, tensors, info | run.synapses.describe(), overwrite=overwrite)


def load_checkpoint(path: str | Path) -> Run:
    """Read a run.

    Parameters
    ----------
    path : path-like
        What `save_checkpoint` wrote.

    Returns
    -------
    Run
        The run, ready to go on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, not a checkpoint of binnet, or does not fit its own configuration.
    """
    path = Path(path)
    written, info = read_tensors(path, _FORMAT, _KIND)
    with reading(path, _KIND):
        return _read_run(path, written, info)


def _read_run(path: Path, written: dict[str, Any], info: Record) -> Run:
    tensors = {_renew(name): tensor for name, tensor in written.items()}
    configuration = Configuration.from_dict(info.table("configuration").values)
    kind = configuration.rule.synapses(configuration)
    expected = kind.expect_tensors(configuration)
    expected["changes"] = ((configuration.schedule.n_sweeps,), "int64")
    expected["totals"] = ((4,), "int64")
    _check_tensors(path, tensors, configuration, expected)
    synapses = kind.from_tensors(configuration, tensors, info)
    run = Run(configuration, info.integer("n_samples", 1), info.text("fingerprint"), synapses)
    run.changes[:], run.totals[:] = tensors["changes"], tensors["totals"]
    run.kept = _read_kept(tensors, run.n_samples)
    run.epoch, run.seconds = info.integer("epoch"), info.real("seconds")
    run.batch = info.integer("batch", 0, run.batches_per_epoch)
    run.history += [_read_metrics(record) for record in info.tables("history")]
    return run


def _read_kept(tensors: dict[str, Any], n_samples: int) -> NDArray[np.bool_] | None:
    """Return which samples the epoch presents; None: all of them."""
    if "kept" not in tensors:
        return None
    kept: NDArray[np.bool_] = tensors["kept"].astype(bool)
    if kept.shape != (n_samples,) or not kept.any():
        raise ValueError(
            f"kept must say of each of the {n_samples} samples whether it is, and of one that it "
            f"is, got shape {kept.shape}"
        )
    return kept


def _read_metrics(record: Record) -> EpochMetrics:
    accuracy, unstable = record.table("accuracy"), record.table("unstable")
    quantiles = record.table("stability_quantiles")
    return EpochMetrics(
        epoch=record.integer("epoch", 1),
        accuracy={name: accuracy.real(name) for name in accuracy.values},
        unstable={name: unstable.real(name) for name in unstable.values},
        sweeps=record.real("sweeps"),
        fixed_points=record.real("fixed_points"),
        flips=record.reals("flips"),
        saturation=record.real("saturation"),
        stability_quantiles={name: quantiles.reals(name) for name in quantiles.values},
        rate_factor=record.real("rate_factor"),
        seconds=record.real("seconds"),
        samples_per_second=record.real("samples_per_second"),
    )


def _renew(name: str) -> str:
    """Return what a tensor is called today; latent weights were once called wide."""
    return f"latent_{name.removeprefix('wide_')}" if name.startswith("wide_") else name


def _check_tensors(
    path: Path,
    tensors: dict[str, Any],
    configuration: Configuration,
    expected: dict[str, tuple[tuple[int, ...], str]],
) -> None:
    p = configuration.network
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
