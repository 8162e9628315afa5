"""`binnet study sizes`: test accuracy against the number of hidden neurons, beside others."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._numbers import Numbers
from binnet.cli._studies import (
    describe_seeds,
    output_option,
    stopping_is_safe,
    training_options,
    workers_option,
)
from binnet.learning import PRESETS


@click.command()
@click.option(
    "--hidden",
    "sizes",
    type=Numbers(int),
    default="100,200,400,800,1600,3200",
    show_default=True,
    help="H  [>= 1]",
)
@click.option(
    "--model",
    "models",
    type=click.Choice((*PRESETS, "mlp")),
    multiple=True,
    default=("default", "third-factor", "reservoir", "random-features", "mlp"),
    show_default=True,
    help="a preset, or scikit-learn's multi-layer perceptron; repeatable",
)
@click.option(
    "--linear/--no-linear",
    default=True,
    show_default=True,
    help="whether to train scikit-learn's perceptron and logistic regression, too",
)
@training_options(epochs=20)
@workers_option
@output_option("sizes.png", data=".sizes.nc, .linear.nc and .json")
def sizes(
    sizes: tuple[int, ...],
    models: tuple[str, ...],
    linear: bool,
    workers: int,
    output: Path,
    **training: Any,
) -> None:
    """Train each model at each number of hidden neurons H, and draw test accuracies.

    The same command takes up a study that was stopped.
    """
    prefer_waiting_threads()
    from binnet.plotting import save_figure
    from binnet.plotting.sizes import draw_sizes
    from binnet.studies.sizes import SOURCE_FIGURE, run_sizes, summarise_sizes

    parameters: dict[str, Any] = {"sizes": sizes, "models": models, "linear": linear, **training}
    with clear_errors({"sizes": "--hidden", "n_hidden": "--hidden"}), stopping_is_safe():
        result, peers = run_sizes(output, **parameters, workers=workers)
        records = summarise_sizes(result, peers)
        title = f"entangled MNIST, {training['samples']} samples, {training['epochs']} epochs"
        save_figure(draw_sizes(result, peers, SOURCE_FIGURE, title), output)
        record = {"parameters": parameters, "models": records, "run": describe_run(0, 1)}
        write_json(output.with_suffix(".json"), record)
    click.echo("model                    H      test accuracy     train    seconds")
    for r in records:
        train, seconds = fmean(r["train_accuracy"]), fmean(r["seconds"])
        click.echo(
            f"{r['model']:<20}{r['n_hidden'] or '-':>6}{describe_seeds(r['accuracy']):>19}"
            f"{train:>10.4f}{seconds:>11.1f}"
        )
    click.echo(f"figure: {output}; data: {output.with_suffix('.json')} and .nc files beside it")
