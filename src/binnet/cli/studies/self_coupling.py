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
    numbers_option,
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
    help="of the training, but for J_D, margin and input",
)
@numbers_option("--margin", "margin", (0.0, 0.3, 0.9, 1.5), "kappa of rule and theory", ">= 0")
@click.option(
    "--input", "input_strength", type=click.FloatRange(0, min_open=True), default=5.0,
    show_default=True, help="lambda_in, and sigma_b of the theory",
)  # fmt: skip
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
    "self_coupling.png",
    ".learning.nc, .control.nc, .untrained.nc, .convergence.nc, .entropies.nc, .transitions.nc and "
    ".json",
)
def self_coupling(quick: bool, workers: int, output: Path, **options: Any) -> None:
    """Draw accuracy, convergence and the theory's entropies over self-coupling J_D, by margin.

    The theory is that of random networks at the same margins, with fields as strong as the input
    and without any. The same command takes up a study that was stopped.
    """
    from binnet.plotting.self_coupling import draw_self_coupling
    from binnet.studies.self_coupling import (
        SelfCouplingPlan,
        run_self_coupling,
        summarise_self_coupling,
    )

    given = {name: value for name, value in options.items() if value is not None}
    names = {"n_hidden": "--hidden", "input_strength": "--input", "margin": "--margin"}
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
    lines = ["kappa    J_D   test accuracy     inferences at a fixed point"]
    control = [{"margin": None, **row} for row in summary["control"]]
    for row in (*summary["learning"], *control):
        margin = "fixed" if row["margin"] is None else f"{row['margin']:g}"
        lines.append(
            f"{margin:>5}   {row['self_coupling']:4.2f}   {describe_seeds(row['accuracy']):<15}   "
            f"{describe_seeds(row['inference_convergence'])}"
        )
    lines.append("fixed: the control, whose hidden weights do not learn")
    for name, found in summary["thresholds"].items():
        lines.append(f"without input half of the runs converge, {name}: {_tell(found)}")
    for row in summary["transitions"]:
        where = f"theory, fields {row['field_std']:g}"
        lines.append(f"{where}: the gap closes, beyond kappa, at {_tell(row['gap closes'])}")
        lines.append(f"{where}: synchronous dynamics freezes at {_tell(row['freezing'])}")
    return lines


def _tell(found: tuple[float | None, float | None]) -> str:
    value, error = found
    where = "no J_D (none was found)" if value is None else f"J_D = {value:.4f}"
    return where + ("" if error is None else f" ± {error:.1g}")
