"""Checkpoints: safetensors files with the weights, and everything that a run needs to go on."""

from __future__ import annotations

import dataclasses
import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record, reading
from binnet._tensors import read_tensors, write_tensors
from binnet.learning.configuration import Configuration
from binnet.learning.early_stopping import find_best_epoch
from binnet.learning.means import RunningMean
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
    if run.mean.exponent:
        tensors |= run.mean.tensors()
        info["n_averaged"] = run.mean.count
    write_tensors(path, _FORMAT, tensors, info | run.synapses.describe(), overwrite=overwrite)


def name_kept(path: str | Path, epoch: int) -> Path:
    """Return where a checkpoint is kept that is not to be overwritten by later ones.

    Parameters
    ----------
    path : path-like
        The checkpoint that the run goes on writing.
    epoch : int
        Epochs that were finished.

    Returns
    -------
    Path
        "checkpoint-epoch-0005.safetensors" beside "checkpoint.safetensors".
    """
    path = Path(path)
    return path.with_name(f"{path.stem}-epoch-{epoch:04d}{path.suffix}")


def find_kept(path: str | Path) -> dict[int, Path]:
    """Return the checkpoints that a run has kept beside the one that it goes on writing.

    Parameters
    ----------
    path : path-like
        The checkpoint that the run goes on writing.

    Returns
    -------
    dict of int to Path
        For each epoch its file, in the order of the epochs.
    """
    path = Path(path)
    start = f"{path.stem}-epoch-"
    found = {}
    for file in path.parent.glob(f"{glob.escape(start)}*{glob.escape(path.suffix)}"):
        digits = file.stem.removeprefix(start)
        if digits.isascii() and digits.isdigit():
            found[int(digits)] = file
    return dict(sorted(found.items()))


def name_best(path: str | Path) -> Path:
    """Return where the best network of a run with early stopping is kept.

    Parameters
    ----------
    path : path-like
        The checkpoint that the run goes on writing.

    Returns
    -------
    Path
        "checkpoint-best.safetensors" beside "checkpoint.safetensors".
    """
    path = Path(path)
    return path.with_name(f"{path.stem}-best{path.suffix}")


def find_copies(path: str | Path) -> list[Path]:
    """Return all files that a run has written beside its checkpoint: those kept, and the best.

    Parameters
    ----------
    path : path-like
        The checkpoint that the run goes on writing.

    Returns
    -------
    list of Path
        The files.
    """
    best = name_best(path)
    return [*find_kept(path).values(), *([best] if best.exists() else [])]


def load_best(path: str | Path) -> Run:
    """Read a run as it was after its best epoch, where it stops early; else as it is now.

    The best epoch is the first with the highest accuracy on the validation set.

    Parameters
    ----------
    path : path-like
        The checkpoint that the run goes on writing; its best network is beside it.

    Returns
    -------
    Run
        The run.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or that of the best network is missing.
    ValueError
        If one of them is damaged, or they are not of one run.
    """
    run = load_checkpoint(path)
    if not run.configuration.training.patience or not run.history:
        return run
    epoch, file = find_best_epoch(run.history), name_best(path)
    # The checkpoint is written first: a kill may have come before that of the best network.
    if epoch == run.epoch and run.batch == 0:
        return run
    if not file.exists():
        raise FileNotFoundError(
            f"{file} is missing, the network of epoch {epoch}, the best of the run; put "
            "it back beside the checkpoint"
        )
    best = load_checkpoint(file)
    if best.history != run.history[:epoch] or best.fingerprint != run.fingerprint:
        raise ValueError(
            f"{file} is not the best network of the run in {path}, that of epoch {epoch}; use the "
            "file that this run has written"
        )
    return best


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
    p = configuration.network
    is_float = not configuration.arithmetic.bits  # integers are dense, whatever the storage
    if "couplings" in tensors and p.storage == "auto" and p.has_sparse_couplings and is_float:
        # Of a low density, from before there was another storage.
        configuration = configuration.replace(storage="dense")
    kind = configuration.rule.synapses(configuration)
    expected = kind.expect_tensors(configuration)
    expected["changes"] = ((configuration.schedule.n_sweeps,), "int64")
    expected["totals"] = ((4,), "int64")
    n_averaged = info.integer("n_averaged") if configuration.plasticity.averaging else 0
    if n_averaged:
        expected |= RunningMean.expect_tensors(expected)
    _check_tensors(path, tensors, configuration, expected)
    synapses = kind.from_tensors(configuration, tensors, info)
    run = Run(configuration, info.integer("n_samples", 1), info.text("fingerprint"), synapses)
    run.changes[:], run.totals[:] = tensors["changes"], tensors["totals"]
    run.kept = _read_kept(tensors, run.n_samples)
    run.mean.restore(synapses.network(), tensors, n_averaged)
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
