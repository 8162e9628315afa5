"""`binnet study symmetry`: how symmetric the couplings become while they learn."""

from __future__ import annotations

from pathlib import Path
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
from binnet.schedules import ANNEALINGS


@click.command()
@click.option(
    "--preset",
    "presets",
    type=click.Choice(PRESETS),
    multiple=True,
    default=("source",),
    show_default=True,
    help="what is trained, but for the settings below; repeatable",
)
@numbers_option("--self-coupling", "self_couplings", (0.0, 0.5), "J_D", ">= 0")
@numbers_option("--input", "input_strengths", (2.0, 5.0), "lambda_in", ">= 0")
@numbers_option("--symmetry", "symmetries", (0.0, 1.0), "eta of J as drawn", "-1 to 1")
@click.option(
    "--annealing",
    "annealings",
    type=click.Choice(ANNEALINGS),
    multiple=True,
    default=("step", "none"),
    show_default=True,
    help="of the feedback, before the plasticity; none: it stays; repeatable",
)
@training_options(hidden=400, epochs=10)
@workers_option
@output_option("symmetry.png")
def symmetry(output: Path, **options: Any) -> None:
    """Measure the symmetry of J before training and after every epoch, in two ways.

    eta = sum J_ij J_ji / sum J_ij^2 over i != j, and the source's index, (|S| - |A|) / (|S| + |A|)
    of the symmetric and the antisymmetric part of J, J_D included. The same command takes up a
    study that was stopped.
    """
    from binnet.plotting.symmetry import draw_symmetry
    from binnet.studies.symmetry import run_symmetry, summarise_symmetry

    def work() -> Findings:
        result = run_symmetry(output.with_suffix(".nc"), **options)
        records = summarise_symmetry(result)
        figures = {output: lambda: draw_symmetry(result, describe_training(**options))}
        return Findings({"last_epoch": records}, figures, _tabulate(records))

    names = {
        "n_hidden": "--hidden",
        "self_coupling": "--self-coupling",
        "input_strength": "--input",
        "symmetry": "--symmetry",
    }
    run_study(output.with_suffix(".json"), options, work, names)


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    columns = {
        "drawn_index": "index at first",
        "index": "index at last",
        "eta": "eta at last",
        "learned_eta": "eta learned",
        "accuracy": "test accuracy",
    }
    return [
        f"{'preset, J_D, lambda_in, eta, annealing':<40}"
        + "".join(f"  {title:>16}" for title in columns.values()),
        *(
            f"{r['preset_name']}, {r['self_coupling']:g}, {r['input_strength']:g}, "
            f"{r['symmetry']:g}, {r['annealing']}".ljust(40)
            + "".join(f"  {describe_seeds(r[c]):>16}" for c in columns)
            for r in records
        ),
    ]
