"""`binnet evaluate`: reload a run's checkpoint and measure its accuracy again."""

from __future__ import annotations

from pathlib import Path

import click

from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.dynamics import predict
from binnet.learning import load_best


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
def evaluate(run: Path, threads: int | None) -> None:
    """Measure the accuracy of the network that `binnet train` has learned in the folder RUN.

    The set is the run's own: test, or validation where one was held out.
    """
    with clear_errors():
        state = load_best(_runs.find_checkpoint(run))
        configuration = state.configuration
        _, sets = _runs.load_samples_of(run, state)
        ((name, (X, y)),) = sets.items()
        training = configuration.training
        predictions = predict(
            state.relaxable(),
            X,
            **training.inference_options(),
            threads=threads,
        )
    right = int((predictions == y).sum())
    epochs = f"{state.epoch} of {training.epochs} epochs"
    click.echo(f"{name} accuracy {right / len(y):.4f} ({right} of {len(y)}) after {epochs}")
