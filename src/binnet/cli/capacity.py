"""`binnet capacity`: how many random associations networks of each depth learn by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._numbers import Numbers
from binnet.cli._studies import output_option, stopping_is_safe, workers_option


@click.command(epilog="Example: binnet capacity --modules 1,2,3 --hidden 100 --seeds 3")
@click.option(
    "--modules", type=Numbers(int), default="1,2,3", show_default=True, help="depths L  [>= 1]"
)
@click.option(
    "--hidden",
    type=Numbers(int),
    default="100",
    show_default=True,
    help="sizes H of a module  [>= 1]",
)
@click.option(
    "--loads",
    type=Numbers(float),
    default="1,1.4,2,2.8,4,5.6,8",
    show_default=True,
    help="P / H; the capacity is interpolated between them  [> 0; P up to 10000]",
)
@click.option(
    "--attach",
    "attachments",
    type=click.Choice(["last", "all", "ends", "first"]),
    multiple=True,
    default=("last", "all"),
    show_default=True,
    help="last: all modules have inputs and feedback, the last one is read; all: all are read; "
    "ends: input to the first one only, readout and feedback at the last only; first: input to the "
    "first one only, settings with which deeper modules learn; repeatable",
)
@click.option("--inputs", type=click.IntRange(1), default=100, show_default=True, help="N_in")
@click.option("--classes", type=click.IntRange(2), default=10, show_default=True, help="C")
@click.option("--epochs", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@workers_option
@output_option("capacity.png")
def capacity(
    modules: tuple[int, ...],
    hidden: tuple[int, ...],
    loads: tuple[float, ...],
    attachments: tuple[str, ...],
    inputs: int,
    classes: int,
    output: Path,
    **options: Any,
) -> None:
    """Find the largest P/H at which 95 % of P random associations are recalled, for each depth L.

    Every network learns P random inputs with random labels; the best of its epochs counts. The same
    command takes up a study that was stopped.
    """
    prefer_waiting_threads()
    from binnet.plotting import save_figure
    from binnet.plotting.capacity import draw_capacity
    from binnet.studies.capacity import run_capacity, summarise_capacity

    names = {"n_modules": "--modules", "n_hidden": "--hidden", "load": "--loads"}
    axes: dict[str, Any] = {
        "n_modules": modules,
        "n_hidden": hidden,
        "loads": loads,
        "attachments": attachments,
    }
    parameters = {**axes, "n_inputs": inputs, "n_classes": classes, **options}
    with clear_errors(names), stopping_is_safe():
        result = run_capacity(output.with_suffix(".nc"), **parameters)
        records = summarise_capacity(result)
        title = f"{inputs} inputs, {classes} classes, {options['epochs']} epochs"
        save_figure(draw_capacity(result, title), output)
        written = {"parameters": parameters, "capacity": records, "run": describe_run(0, threads=1)}
        write_json(output.with_suffix(".json"), written)
    click.echo("attach    H   L   P/H at 95 %")
    for record in records:
        texts = [
            f"< {min(loads):g}" if side < 0 else f"> {max(loads):g}" if side > 0 else f"{value:.2f}"
            for value, side in zip(record["capacity"], record["where"], strict=True)
        ]
        mean = f"{record['mean']:.2f} " if record["mean"] is not None else ""
        click.echo(
            f"{record['attachment']:<6} {record['n_hidden']:>4} {record['n_modules']:>3}   "
            f"{mean}({', '.join(texts)})"
        )
    click.echo(f"figure: {output}; data: {output.with_suffix('.nc')}, .json")
