"""`binnet study capacity`: how many random associations networks of each depth learn by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli._numbers import Numbers
from binnet.cli.studies._shared import (
    Findings,
    numbers_option,
    output_option,
    run_study,
    seeds_option,
    whole_option,
    workers_option,
)
from binnet.studies.capacity import ATTACHMENTS, LEVELS


@click.command(epilog="Example: binnet study capacity --modules 1,2,3 --hidden 100 --seeds 3")
@numbers_option("--modules", "n_modules", (1, 2, 3), "depths L", ">= 1")
@numbers_option("--hidden", "n_hidden", (100,), "sizes H of a module", ">= 1")
@numbers_option("--level", "levels", LEVELS, "fractions to be recalled", "0<x<=1")
@click.option(
    "--accuracy",
    type=click.FloatRange(0.005, 1.0),
    default=0.05,
    show_default=True,
    help="relative, of the bisection in P / H",
)
@click.option(
    "--loads",
    type=Numbers(float),
    help="P / H at which the fraction of networks is measured, too, that reach the lowest level  "
    "[> 0]",
)
@click.option(
    "--attach",
    "attachments",
    type=click.Choice(ATTACHMENTS),
    multiple=True,
    default=("last", "all"),
    show_default=True,
    help="last: all modules have inputs and feedback, the last one is read; all: all are read; "
    "ends: input to the first one only, readout and feedback at the last only; first: input to the "
    "first one only, settings with which deeper modules learn; repeatable",
)
@whole_option("--inputs", 100, "N_in")
@whole_option("--classes", 10, "C", low=2)
@whole_option("--epochs", 60, "passes over the associations, at most")
@seeds_option
@workers_option
@output_option("capacity.png")
def capacity(
    inputs: int, classes: int, output: Path, loads: tuple[float, ...] | None, **options: Any
) -> None:
    """Find the largest P/H at which 95 % of P random associations are recalled, for each depth L.

    Every network learns P random inputs with random labels until it recalls them without feedback,
    or its epochs are used up; the largest such P is bisected. The same command takes up a study
    that was stopped.
    """
    from binnet.plotting.capacity import draw_capacity
    from binnet.studies.capacity import run_capacity_and_recall, summarise_capacity

    options |= {"n_inputs": inputs, "n_classes": classes}
    accuracy, levels = options.pop("accuracy"), options.pop("levels")

    def work() -> Findings:
        search = {"levels": levels, "accuracy": accuracy, "loads": loads or ()}
        result, recall = run_capacity_and_recall(output.with_suffix(".nc"), **search, **options)
        records = summarise_capacity(result)
        title = f"{inputs} inputs, {classes} classes, at most {options['epochs']} epochs"
        figures = {output: lambda: draw_capacity(result, title, recall)}
        return Findings({"capacity": records}, figures, _tabulate(records))

    names = {
        "n_modules": "--modules",
        "n_hidden": "--hidden",
        "load": "--loads",
        "level": "--level",
    }
    parameters = {**options, "levels": levels, "accuracy": accuracy, "loads": loads}
    run_study(output.with_suffix(".json"), parameters, work, names)


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    lines = ["attach    H   L  level   P/H (each network)"]
    for record in records:
        texts = [
            "below" if side < 0 else "above" if side > 0 else f"{low:.2f}..{high:.2f}"
            for low, high, side in zip(
                record["capacity"], record["upper"], record["where"], strict=True
            )
        ]
        mean = f"{record['mean']:.2f} " if record["mean"] is not None else ""
        error = f"+- {record['error']:.2f} " if record["error"] is not None else ""
        lines.append(
            f"{record['attachment']:<6} {record['n_hidden']:>4} {record['n_modules']:>3} "
            f"{record['level']:>6.0%}   {mean}{error}({', '.join(texts)})"
        )
    return lines
