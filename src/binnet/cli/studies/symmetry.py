"""`binnet study symmetry`: how symmetric the couplings become while they learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli.studies._shared import (
    Findings,
    describe_seeds,
    describe_training,
    output_option,
    run_study,
    training_options,
    workers_option,
)
from binnet.learning import PRESETS


@click.command()
@click.option(
    "--preset",
    "presets",
    type=click.Choice(PRESETS),
    multiple=True,
    default=("default", "source"),
    show_default=True,
    help="what is trained; repeatable",
)
@training_options(hidden=400, epochs=10)
@workers_option
@output_option("symmetry.png")
def symmetry(output: Path, **options: Any) -> None:
    """Measure the symmetry of J after every epoch: eta = sum J_ij J_ji / sum J_ij^2.

    The same command takes up a study that was stopped.
    """
    from binnet.plotting.architectures import draw_symmetry
    from binnet.studies.symmetry import run_symmetry, summarise_symmetry

    def work() -> Findings:
        result = run_symmetry(output.with_suffix(".nc"), **options)
        records = summarise_symmetry(result)
        figures = {output: lambda: draw_symmetry(result, describe_training(**options))}
        return Findings({"last_epoch": records}, figures, _tabulate(records))

    run_study(output.with_suffix(".json"), options, work, {"n_hidden": "--hidden"})


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    columns = ("drawn_symmetry", "symmetry", "learned_symmetry", "accuracy")
    return [
        "preset             eta at first     eta at last      eta learned      test accuracy",
        *(
            f"{r['preset']:<16}" + "".join(f"  {describe_seeds(r[c]):>15}" for c in columns)
            for r in records
        ),
    ]
