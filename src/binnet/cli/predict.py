"""`binnet predict`: the classes that a trained network gives to samples, as a table in CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click
import numpy as np
from numpy.typing import NDArray

from binnet._files import atomic_path, check_file
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.dynamics import relax_driven
from binnet.learning import Run, load_best

STDOUT = Path("-")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    help="samples, with labels if they are known: .npy, .npz with X and y, CSV or Parquet with the "
    "columns that the run learned from  [default: those that the run is measured on]",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV file, or - for standard output  [default: RUN/predictions.csv]",
)
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
@force_option
def predict(run: Path, data: str | None, output: Path | None, threads: int | None) -> None:
    """Predict the class of each sample with the network that the folder RUN holds.

    A row for each sample: its number from 0, the predicted class, its label where that is known,
    and the readout field of every class, of which the largest wins. The network is the last one, or
    that of the best epoch where the run stops early (--patience).
    """
    with clear_errors():
        state = load_best(_runs.find_checkpoint(run))
        output = output or run / "predictions.csv"
        if output != STDOUT:
            check_file(output)
        X, y = _load(run, state, data)
        options = {**state.configuration.training.inference_options(), "threads": threads}
        network = state.relaxable()
        fields = relax_driven(network, X, stop_at_cycle=False, **options).readout_fields
        classes = _runs.read_classes(run, state)
        if output == STDOUT:
            _write(sys.stdout, fields, y, classes)
        else:
            with atomic_path(output) as temporary, temporary.open("w", newline="") as file:
                _write(file, fields, y, classes)
    if y is not None:
        right = int((fields.argmax(axis=1) == y).sum())
        click.echo(f"accuracy {right / len(y):.4f} ({right} of {len(y)})", err=True)
    if output != STDOUT:
        click.echo(f"{len(X)} predictions: {output}")


def _load(run: Path, state: Run, data: str | None) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return the samples, and their labels if they are known."""
    if data is None:
        _, sets = _runs.load_samples_of(run, state)
        ((_, samples),) = sets.items()
        return samples
    return _runs.load_new(run, state, data)


def _write(
    file: IO[str],
    fields: NDArray[Any],
    y: NDArray[np.int64] | None,
    classes: Sequence[Any],
) -> None:
    rows = csv.writer(file, lineterminator="\n")
    known = [] if y is None else ["label"]
    rows.writerow(["sample", "prediction", *known, *(f"field_{name}" for name in classes)])
    for k, row in enumerate(fields):
        label = [] if y is None else [classes[y[k]]]
        # Nine digits tell all float32 apart: the largest in the table is the one that won.
        rows.writerow([k, classes[row.argmax()], *label, *(f"{field:.9g}" for field in row)])
