"""`binnet study capacity`: how many random associations networks of each depth learn by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli.studies._shared import (
    Findings,
    numbers_option,
    output_option,
    run_study,
    seeds_option,
    whole_option,
    workers_option,
)
from binnet.studies.capacity import ATTACHMENTS, LOADS


@click.command(epilog="Example: binnet study capacity --modules 1,2,3 --hidden 100 --seeds 3")
@numbers_option("--modules", "n_modules", (1, 2, 3), "depths L", ">= 1")
@numbers_option("--hidden", "n_hidden", (100,), "sizes H of a module", ">= 1")
@numbers_option(
    "--loads",
    "loads",
    LOADS,
    "P / H; the capacity is interpolated between them",
    "> 0; P up to 10000",
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
@whole_option("--epochs", 60)
@seeds_option
@workers_option
@output_option("capacity.png")
def capacity(inputs: int, classes: int, output: Path, **options: Any) -> None:
    """Find the largest P/H at which 95 % of P random associations are recalled, for each depth L.

    Every network learns P random inputs with random labels; the best of its epochs counts. The same
    command takes up a study that was stopped.
    """
    from binnet.plotting.capacity import draw_capacity
    from binnet.studies.capacity import run_capacity, summarise_capacity

    parameters = {"n_inputs": inputs, "n_classes": classes, **options}

    def work() -> Findings:
        result = run_capacity(output.with_suffix(".nc"), **parameters)
        records = summarise_capacity(result)
        title = f"{inputs} inputs, {classes} classes, {options['epochs']} epochs"
        figures = {output: lambda: draw_capacity(result, title)}
        return Findings({"capacity": records}, figures, _tabulate(records, options["loads"]))

    names = {"n_modules": "--modules", "n_hidden": "--hidden", "load": "--loads"}
    run_study(output.with_suffix(".json"), parameters, work, names)


def _tabulate(records: list[dict[str, Any]], loads: tuple[float, ...]) -> list[str]:
    lines = ["attach    H   L   P/H at 95 %"]
    for record in records:
        texts = [
            f"< {min(loads):g}" if side < 0 else f"> {max(loads):g}" if side > 0 else f"{value:.2f}"
            for value, side in zip(record["capacity"], record["where"], strict=True)
        ]
        mean = f"{record['mean']:.2f} " if record["mean"] is not None else ""
        lines.append(
            f"{record['attachment']:<6} {record['n_hidden']:>4} {record['n_modules']:>3}   "
            f"{mean}({', '.join(texts)})"
        )
    return lines
