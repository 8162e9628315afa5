"""Runs of `binnet train`: their folders, what they were asked and measured, and their samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from binnet._files import write_json
from binnet._records import reading
from binnet._validation import check_integer
from binnet.cli import _folders
from binnet.cli._figures import load_in_background, save_pictures
from binnet.cli._folders import CHECKPOINT, CONFIGURATION, METRICS, PROVENANCE
from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, Run, TrainingResult, history_as_records

__all__ = ["CHECKPOINT", "CONFIGURATION", "METRICS", "PROVENANCE"]

COMMAND = "binnet train"
_CHECKPOINTS = "checkpoints"  # a table of the configuration
CURVES = "learning_curves.png"
STABILITIES = "stabilities.png"

Samples = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def make_folder(out: Path | None, configuration: Configuration) -> Path:
    """Return a new, writable folder for a run."""
    sizes = "-".join(map(str, configuration.network.sizes))
    name = f"H{sizes}-seed{configuration.training.seed}"
    return _folders.make_folder(out, name, COMMAND)


def find_checkpoint(run: Path) -> Path:
    """Return the checkpoint of a run folder."""
    return _folders.find_checkpoint(run, COMMAND)


def read_configuration(path: Path) -> tuple[dict[str, Any], int | None]:
    """Return the tables of a configuration file, and the number of samples that it holds out."""
    tables = _folders.read_tables(path)
    tables.pop(_CHECKPOINTS, None)
    data = tables.pop("data", {})
    with reading(path):
        if not isinstance(data, dict):
            raise TypeError(f"[data] must be a table of parameters, got {data!r}")
        unknown = data.keys() - {"validation"}
        if unknown:
            raise ValueError(f"unknown parameter {unknown.pop()!r} in [data]; known is validation")
    return tables, data.get("validation")


def read_parameters(path: Path, base: Configuration) -> tuple[Configuration, int | None]:
    """Return the parameters of a configuration file, else of `base`, and the samples held out."""
    tables, held_out = read_configuration(path)
    with reading(path):
        return Configuration.from_dict(tables, base), held_out


def read_keep_every(path: Path) -> int:
    """Return after how many epochs each a run of this configuration file keeps a checkpoint."""
    table = _folders.read_tables(path).get(_CHECKPOINTS, {})
    with reading(path):
        if not isinstance(table, dict) or table.keys() - {"keep_every"}:
            raise ValueError(f"[{_CHECKPOINTS}] must hold keep_every and no more, got {table!r}")
        return check_integer("keep_every", table.get("keep_every", 0), 0)


def write_configuration(
    folder: Path, configuration: Configuration, validation: int, keep_every: int = 0
) -> None:
    """Write the resolved configuration; `binnet train --config` reads it."""
    tables = {**configuration.to_dict(), "data": {"validation": validation}}
    if keep_every:
        tables[_CHECKPOINTS] = {"keep_every": keep_every}
    _folders.write_tables(folder, tables)


def add_provenance(folder: Path, configuration: Configuration, threads: int) -> None:
    """Note that a session begins."""
    _folders.add_provenance(folder, configuration.training.seed, threads)


def write_metrics(folder: Path, result: TrainingResult) -> None:
    """Write the measurements of all epochs so far."""
    write_json(folder / METRICS, history_as_records(result.history), overwrite=True)


def end_epoch(folder: Path, result: TrainingResult) -> None:
    """Write the measurements, and prepare for the pictures that are drawn at the end."""
    write_metrics(folder, result)
    if not result.completed:
        load_in_background()


def draw_pictures(folder: Path, result: TrainingResult) -> None:
    """Draw learning curves and stabilities, if there is an epoch to draw."""
    from binnet.plotting import draw_learning_curves, draw_stabilities

    if not result.history:
        return
    p, plasticity = result.configuration.network, result.configuration.plasticity
    sizes, couplings = (
        ", ".join(f"{value:g}" for value in p.each(name)) for name in ("n_hidden", "self_coupling")
    )
    title = f"H = {sizes}; $J_D$ = {couplings}; seed {result.configuration.training.seed}"
    # The folder is the run's own; older versions left no mark in their pictures.
    pictures = {
        folder / CURVES: lambda: draw_learning_curves(result.history, title),
        folder / STABILITIES: lambda: draw_stabilities(
            result.history, plasticity.margin, plasticity.readout_margin, title
        ),
    }
    save_pictures(pictures, overwrite=True)


def load_samples_of(folder: Path, run: Run) -> tuple[Samples, dict[str, Samples]]:
    """Return the samples of a run, as `load_samples` does.

    The run's folder says how many were held out; the checkpoint, which cannot be edited, how many
    were learned. Others would be measured on samples that were learned, and nobody would know.
    """
    path = folder / CONFIGURATION
    _, validation = read_configuration(path)
    samples, sets = load_samples(run.configuration.network.n_inputs, validation or 0)
    if len(samples[1]) != run.n_samples:
        raise ValueError(
            f"{path} leaves {len(samples[1])} training samples, but the run learned "
            f"{run.n_samples}; set validation in its [data] to what it was"
        )
    return samples, sets


def load_samples(n_inputs: int, validation: int) -> tuple[Samples, dict[str, Samples]]:
    """Return the training samples, and the set to measure on: test, or the held-out validation."""
    data = load_entangled_mnist(n_inputs)
    check_integer("validation", validation, 0, len(data.X_train) - 1)
    n_train = len(data.X_train) - validation
    samples = data.X_train[:n_train], data.y_train[:n_train]
    if validation:
        return samples, {"validation": (data.X_train[n_train:], data.y_train[n_train:])}
    return samples, {"test": (data.X_test, data.y_test)}
