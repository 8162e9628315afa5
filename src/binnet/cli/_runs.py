"""Runs of `binnet train`: their folders, what they were asked and measured, and their samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._files import write_json
from binnet._records import reading
from binnet._run_data import (
    CONFIGURATION,
    DATA,
    DataSource,
    Samples,
    divide,
    parse_table,
    read_encoder,
    read_new,
    read_source,
)
from binnet._validation import check_integer
from binnet.cli import _folders
from binnet.cli._figures import load_in_background, save_pictures
from binnet.cli._folders import CHECKPOINT, METRICS, PROVENANCE
from binnet.datasets import DataFileError, load_entangled_mnist
from binnet.learning import Configuration, Run, TrainingResult, history_as_records

__all__ = ["CHECKPOINT", "CONFIGURATION", "METRICS", "PROVENANCE"]

COMMAND = "binnet train"
_CHECKPOINTS = "checkpoints"  # a table of the configuration
CURVES = "learning_curves.png"
STABILITIES = "stabilities.png"


def make_folder(out: Path | None, configuration: Configuration) -> Path:
    """Return a new, writable folder for a run."""
    sizes = "-".join(map(str, configuration.network.sizes))
    name = f"H{sizes}-seed{configuration.training.seed}"
    return _folders.make_folder(out, name, COMMAND)


def find_checkpoint(run: Path) -> Path:
    """Return the checkpoint of a run folder."""
    return _folders.find_checkpoint(run, COMMAND)


def read_configuration(path: Path) -> tuple[dict[str, Any], DataSource | None, int]:
    """Return the tables of a configuration file, its data, and how many samples it holds out."""
    tables = _folders.read_tables(path)
    tables.pop(_CHECKPOINTS, None)
    return tables, *parse_table(path, tables.pop(DATA, {}))


def read_parameters(
    path: Path, base: Configuration
) -> tuple[Configuration, DataSource | None, int]:
    """Return the parameters of a configuration file, else of `base`, its data, the held out."""
    tables, source, held_out = read_configuration(path)
    with reading(path):
        return Configuration.from_dict(tables, base), source, held_out


def read_keep_every(path: Path) -> int:
    """Return after how many epochs each a run of this configuration file keeps a checkpoint."""
    table = _folders.read_tables(path).get(_CHECKPOINTS, {})
    with reading(path):
        if not isinstance(table, dict) or table.keys() - {"keep_every"}:
            raise ValueError(f"[{_CHECKPOINTS}] must hold keep_every and no more, got {table!r}")
        return check_integer("keep_every", table.get("keep_every", 0), 0)


def write_configuration(
    folder: Path,
    configuration: Configuration,
    validation: int,
    keep_every: int = 0,
    source: DataSource | None = None,
) -> None:
    """Write the resolved configuration; `binnet train --config` reads it."""
    described = {} if source is None else source.to_table()
    tables = {**configuration.to_dict(), DATA: {"validation": validation, **described}}
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

    The run's folder says which data and how many were held out; the checkpoint, which cannot be
    edited, how many were learned. Others would be measured on samples that were learned, and nobody
    would know.
    """
    path = folder / CONFIGURATION
    source, validation = read_source(folder)
    if source is None:
        samples, sets = load_samples(run.configuration.network.n_inputs, validation)
    else:
        samples, (name, measured) = _load_again(folder, source, validation)
        sets = {name: measured}
    if len(samples[1]) != run.n_samples:
        raise ValueError(
            f"{path} leaves {len(samples[1])} training samples, but the run learned "
            f"{run.n_samples}; set validation in its [data] to what it was"
        )
    return samples, sets


def load_test_set_of(folder: Path, run: Run) -> dict[str, Samples]:
    """Return the test set of a run, also where it held out a validation set."""
    source, _ = read_source(folder)
    if source is None:
        return load_samples(run.configuration.network.n_inputs, 0)[1]
    return dict([_load_again(folder, source, 0)[1]])


def _load_again(
    folder: Path, source: DataSource, validation: int
) -> tuple[Samples, tuple[str, Samples]]:
    try:
        dataset = source.load()
    except (OSError, ValueError) as error:
        raise DataFileError(
            f"{error}; if the data of this run were moved, say where they are now: binnet evaluate "
            f"{folder} --data PLACE"
        ) from error
    return divide(dataset, validation, read_encoder(folder, source))


def load_new(
    folder: Path, run: Run, path: str | Path
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return samples of another file as inputs, and their labels if they are known."""
    source, _ = read_source(folder)
    encoder = None if source is None else read_encoder(folder, source)
    X, y = read_new(path, source, encoder, run.configuration.network.n_outputs)
    if X.shape[1] != (n_inputs := run.configuration.network.n_inputs):
        raise DataFileError(
            f"{path} has {X.shape[1]} features, but the run learned from {n_inputs}; give those, "
            "and leave out labels and other columns, which only names can tell from features"
        )
    return X, y


def read_classes(folder: Path, run: Run) -> list[Any]:
    """Return what the classes of a run are called: as in its data, else numbers from 0."""
    source, _ = read_source(folder)
    return list(source.classes) if source else list(range(run.configuration.network.n_outputs))


def move_data(folder: Path, data: str) -> None:
    """Note in a run folder where its data are now, if they are the same."""
    path = folder / CONFIGURATION
    source, _ = read_source(folder)
    if source is None:
        raise ValueError(f"{folder} is a run on the embedded data; leave out --data")
    moved = source.at(data)
    moved.load()
    tables = _folders.read_tables(path)
    tables[DATA] |= moved.to_table()
    _folders.write_tables(folder, tables)


def load_samples(n_inputs: int, validation: int) -> tuple[Samples, dict[str, Samples]]:
    """Return the training samples, and the set to measure on: test, or the held-out validation."""
    data = load_entangled_mnist(n_inputs)
    check_integer("validation", validation, 0, len(data.X_train) - 1)
    n_train = len(data.X_train) - validation
    samples = data.X_train[:n_train], data.y_train[:n_train]
    if validation:
        return samples, {"validation": (data.X_train[n_train:], data.y_train[n_train:])}
    return samples, {"test": (data.X_test, data.y_test)}
