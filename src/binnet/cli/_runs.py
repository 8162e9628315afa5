"""Run folders: what a run was asked and measured, its pictures and its checkpoint, as files."""

from __future__ import annotations

import json
import os
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from binnet._files import atomic_path, write_json
from binnet._provenance import describe_run
from binnet._validation import check_integer
from binnet.datasets import load_entangled_mnist
from binnet.learning import Configuration, TrainingResult, history_as_records

CHECKPOINT = "checkpoint.safetensors"
CONFIGURATION = "config.toml"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
CURVES = "learning_curves.png"
STABILITIES = "stability_margins.png"

Samples = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def make_folder(out: Path | None, configuration: Configuration) -> Path:
    """Return a new, writable folder for a run."""
    if out is None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        training = configuration.training
        out = Path("runs") / f"{stamp}-H{configuration.network.n_hidden}-seed{training.seed}"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f"{out} exists and is not an empty folder; name another --out, or go on with the run "
            f"in it: binnet train --resume {out}"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot create the run folder {out} ({error.strerror}); name another --out"
        ) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into the run folder {out}; name another --out")
    return out


def find_checkpoint(run: Path) -> Path:
    """Return the checkpoint of a run folder."""
    if not (run / CHECKPOINT).is_file():
        raise FileNotFoundError(
            f"{run} is not a run folder: it has no {CHECKPOINT}; name a folder that `binnet train` "
            "wrote"
        )
    return run / CHECKPOINT


def read_configuration(path: Path) -> tuple[dict[str, Any], int | None]:
    """Return the tables of a configuration file, and the number of samples that it holds out."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no configuration file {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not TOML ({error}); the config.toml of a run shows the form"
        ) from None
    data = tables.pop("data", {})
    if not isinstance(data, dict):
        raise TypeError(f"[data] must be a table of parameters, got {data!r}")
    unknown = data.keys() - {"validation"}
    if unknown:
        raise ValueError(f"unknown parameter {unknown.pop()!r} in [data]; known is validation")
    return tables, data.get("validation")


def write_configuration(folder: Path, configuration: Configuration, validation: int) -> None:
    """Write the resolved configuration; `binnet train --config` reads it."""
    tables = {**configuration.to_dict(), "data": {"validation": validation}}
    with atomic_path(folder / CONFIGURATION) as temporary:
        temporary.write_text(tomli_w.dumps(tables), encoding="utf-8")


def add_provenance(folder: Path, configuration: Configuration, threads: int) -> None:
    """Note that a session begins: a run has one, and one more each time that it is resumed."""
    path = folder / PROVENANCE
    sessions = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    write_json(path, [*sessions, describe_run(configuration.training.seed, threads)])


def write_metrics(folder: Path, result: TrainingResult) -> None:
    """Write the measurements of all epochs so far."""
    write_json(folder / METRICS, history_as_records(result.history))


def draw_pictures(folder: Path, result: TrainingResult) -> None:
    """Draw learning curves and stabilities, if there is an epoch to draw."""
    from binnet.plotting import draw_learning_curves, draw_stabilities, save_figure

    if not result.history:
        return
    p, rule = result.configuration.network, result.configuration.plasticity
    title = (
        f"H = {p.n_hidden}, $J_D$ = {p.self_coupling:g}, seed {result.configuration.training.seed}"
    )
    save_figure(draw_learning_curves(result.history, title), folder / CURVES)
    save_figure(
        draw_stabilities(result.history, rule.margin, rule.readout_margin, title),
        folder / STABILITIES,
    )


def load_samples(n_inputs: int, validation: int) -> tuple[Samples, dict[str, Samples]]:
    """Return the training samples, and the set to measure on: test, or the held-out validation."""
    data = load_entangled_mnist(n_inputs)
    check_integer("validation", validation, 0, len(data.X_train) - 1)
    n_train = len(data.X_train) - validation
    samples = data.X_train[:n_train], data.y_train[:n_train]
    if validation:
        return samples, {"validation": (data.X_train[n_train:], data.y_train[n_train:])}
    return samples, {"test": (data.X_test, data.y_test)}
