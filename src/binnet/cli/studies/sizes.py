"""`binnet study sizes`: test accuracy against the number of hidden neurons, beside others."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import click

from binnet.cli.studies._shared import (
    Findings,
    describe_seeds,
    describe_training,
    numbers_option,
    output_option,
    run_study,
    training_options,
    workers_option,
)
from binnet.learning import PRESETS
from binnet.studies.sizes import MODELS, SIZES


@click.command()
@numbers_option("--hidden", "sizes", SIZES, "H", ">= 1")
@click.option(
    "--model",
    "models",
    type=click.Choice((*PRESETS, "mlp")),
    multiple=True,
    default=MODELS,
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
def sizes(output: Path, **options: Any) -> None:
    """Train each model at each number of hidden neurons H, and draw test accuracies.

    The same command takes up a study that was stopped.
    """
    from binnet.plotting.sizes import draw_sizes
    from binnet.studies.sizes import SOURCE_FIGURE, run_sizes, summarise_sizes

    def work() -> Findings:
        results = run_sizes(output, **options)
        records = summarise_sizes(*results)
        title = describe_training(**options)
        figures = {output: lambda: draw_sizes(*results, SOURCE_FIGURE, title)}
        return Findings({"models": records}, figures, _tabulate(records))

    names = {"sizes": "--hidden", "n_hidden": "--hidden"}
    run_study(output.with_suffix(".json"), options, work, names)


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    lines = ["model                    H      test accuracy     train    seconds"]
    for r in records:
        train, seconds = fmean(r["train_accuracy"]), fmean(r["seconds"])
        lines.append(
            f"{r['model']:<20}{r['n_hidden'] or '-':>6}{describe_seeds(r['accuracy']):>19}"
            f"{train:>10.4f}{seconds:>11.1f}"
        )
    return lines
