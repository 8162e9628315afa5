"""`binnet predict`: the classes that a trained network gives to samples, as a table in CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import click
from numpy.typing import NDArray

from binnet._files import atomic_path, check_file
from binnet._run_data import encode, read_encoder, read_source
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.datasets import load_features, load_idx_dataset
from binnet.datasets.tables import read_table
from binnet.dynamics import relax_driven
from binnet.learning import Run, load_best

STDOUT = Path("-")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="PATH",
    help="samples: a file as `binnet train --data` takes it, with or without labels, or a folder "
    "of IDX files, whose test samples are taken; the encoder of the run is applied  [default: "
    "those that the run is measured on]",
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
        X, labels = _load(run, state, data)
        options = {**state.configuration.training.inference_options(), "threads": threads}
        network = state.relaxable()
        fields = relax_driven(network, X, stop_at_cycle=False, **options).readout_fields
        classes = _runs.list_classes(run, state)
        if output == STDOUT:
            _write(sys.stdout, fields, labels, classes)
        else:
            with atomic_path(output) as temporary, temporary.open("w", newline="") as file:
                _write(file, fields, labels, classes)
    if labels:
        found = zip(labels, fields.argmax(axis=1), strict=True)
        right = sum(str(label) == str(classes[k]) for label, k in found)
        click.echo(f"accuracy {right / len(X):.4f} ({right} of {len(X)})", err=True)
    if output != STDOUT:
        click.echo(f"{len(X)} predictions: {output}")


def _load(run: Path, state: Run, data: str | None) -> tuple[NDArray[Any], Sequence[Any] | None]:
    """Return the samples as inputs, and their labels, as the data call them, if they are known."""
    classes = _runs.list_classes(run, state)
    if data is None:
        _, sets = _runs.load_samples_of(run, state)
        ((_, (X, y)),) = sets.items()
        return X, [classes[label] for label in y]
    source, _ = read_source(run)
    encoder = None if source is None else read_encoder(run, source)
    if Path(data).expanduser().is_dir():
        found = load_idx_dataset(data, (source and source.name) or None)
        return encode(encoder, found.X_test), found.classes[found.y_test].tolist()
    n_features = getattr(encoder, "n_features_in_", state.configuration.network.n_inputs)
    target = (source and source.target) or None
    columns: Sequence[str] = ()
    if source is not None:
        with suppress(OSError, ValueError):  # the samples that were learned need not be here
            columns = read_table(source.source, target).columns
    X, labels = load_features(data, n_features, target, columns)
    return encode(encoder, X), None if labels is None else labels.tolist()


def _write(
    file: IO[str], fields: NDArray[Any], labels: Sequence[Any] | None, classes: Sequence[Any]
) -> None:
    rows = csv.writer(file, lineterminator="\n")
    known = [] if labels is None else ["label"]
    rows.writerow(["sample", "prediction", *known, *(f"field_{name}" for name in classes)])
    for k, row in enumerate(fields):
        label = [] if labels is None else [labels[k]]
        # Nine digits tell all float32 apart: the largest in the table is the one that won.
        rows.writerow([k, classes[row.argmax()], *label, *(f"{field:.9g}" for field in row)])
