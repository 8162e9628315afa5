"""`binnet study self-coupling`: the figure of the project, and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli._common import clear_errors
from binnet.cli.studies._shared import (
    Findings,
    describe_seeds,
    describe_training,
    output_option,
    run_study,
    workers_option,
)
from binnet.learning import PRESETS


@click.command("self-coupling")
@click.option("--quick", is_flag=True, help="about a minute: few self-couplings, samples and seeds")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="source",
    show_default=True,
    help="of the training, but for its J_D",
)
@click.option(
    "--hidden", "n_hidden", type=click.IntRange(2), default=400, show_default=True,
    help="H of the trained networks, and N of the random ones",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), help="[default: 10; 3 if --quick]")
@click.option(
    "--samples", type=click.IntRange(1, 60000), help="training  [default: 60000; 10000 if --quick]"
)
@click.option(
    "--seeds", type=click.IntRange(1), help="trainings at each J_D  [default: 3; 1 if --quick]"
)
@workers_option
@output_option(
    "self_coupling.png", ".learning.nc, .convergence.nc, .entropies.nc, .transitions.nc and .json"
)
def self_coupling(quick: bool, workers: int, output: Path, **options: Any) -> None:
    """Draw accuracy, convergence and the theory's entropies on one axis of self-coupling J_D.

    The theory's transitions, and the J_D at which half of the random networks' runs converge, are
    marked. The same command takes up a study that was stopped.
    """
    from binnet.plotting.self_coupling import draw_self_coupling
    from binnet.studies.self_coupling import (
        SelfCouplingPlan,
        run_self_coupling,
        summarise_self_coupling,
    )

    given = {name: value for name, value in options.items() if value is not None}
    names = {"n_hidden": "--hidden"}
    with clear_errors(names):
        plan = SelfCouplingPlan.quick(**given) if quick else SelfCouplingPlan(**given)

    def work() -> Findings:
        result = run_self_coupling(output, plan, workers=workers)
        summary = summarise_self_coupling(result)
        title = describe_training(**vars(plan) | {"n_hidden": f"N = {plan.n_hidden}"})
        figures = {output: lambda: draw_self_coupling(result, title)}
        return Findings(summary, figures, _tabulate(summary))

    parameters = {**vars(plan), "workers": workers}
    run_study(output.with_suffix(".json"), parameters, work, names)


def _tabulate(summary: dict[str, Any]) -> list[str]:
    lines = [" J_D   test accuracy     fixed points while learning"]
    for row in summary["learning"]:
        lines.append(
            f"{row['self_coupling']:4.2f}   {describe_seeds(row['accuracy']):<15}   "
            f"{row['fixed_points']:.4f}"
        )
    for title, key in (("theory", "transitions"), ("half of the runs converge", "thresholds")):
        for name, (value, error) in summary[key].items():
            where = "not in the range" if value is None else f"J_D = {value:.4f}"
            lines.append(f"{title}, {name}: {where}" + ("" if error is None else f" ± {error:.1g}"))
    return lines
