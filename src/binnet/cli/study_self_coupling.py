"""`binnet study self-coupling`: the figure of the project, and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._studies import describe_seeds, output_option, stopping_is_safe, workers_option
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
    prefer_waiting_threads()
    with clear_errors({"n_hidden": "--hidden"}), stopping_is_safe():
        from binnet.plotting import save_figure
        from binnet.plotting.self_coupling import draw_self_coupling
        from binnet.studies.self_coupling import (
            SelfCouplingPlan,
            run_self_coupling,
            summarise_self_coupling,
        )

        given = {name: value for name, value in options.items() if value is not None}
        plan = SelfCouplingPlan.quick(**given) if quick else SelfCouplingPlan(**given)
        result = run_self_coupling(output, plan, workers=workers)
        summary = summarise_self_coupling(result)
        title = (
            f"entangled MNIST, H = N = {plan.n_hidden}, {plan.epochs} epochs of {plan.samples} "
            f"samples, seeds: {plan.seeds}"
        )
        save_figure(draw_self_coupling(result, title), output)
        record = {"parameters": vars(plan), **summary, "run": describe_run(0, 1)}
        write_json(output.with_suffix(".json"), record)
    click.echo(" J_D   test accuracy     fixed points while learning")
    for row in summary["learning"]:
        click.echo(
            f"{row['self_coupling']:4.2f}   {describe_seeds(row['accuracy']):<15}   "
            f"{row['fixed_points']:.4f}"
        )
    for title, key in (("theory", "transitions"), ("half of the runs converge", "thresholds")):
        for name, (value, error) in summary[key].items():
            where = "not in the range" if value is None else f"J_D = {value:.4f}"
            click.echo(f"{title}, {name}: {where}" + ("" if error is None else f" ± {error:.1g}"))
    click.echo(f"figure: {output}; data: {output.with_suffix('.json')} and four .nc files")
