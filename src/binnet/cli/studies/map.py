"""`binnet study map`: learning over a grid of two or three parameters, beside the theory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet.cli._axes import parse_axis
from binnet.cli._common import clear_errors
from binnet.cli._theory import DYNAMICS
from binnet.cli.studies._shared import (
    Findings,
    describe_seeds,
    describe_training,
    numbers_option,
    output_option,
    run_study,
    seeds_option,
    whole_option,
    workers_option,
)
from binnet.learning import PRESETS
from binnet.studies.map import DISTANCES

if TYPE_CHECKING:
    from binnet.studies.map import MapResult

_HIDDEN = 400
# Options, by what the library calls them.
_NAMES = {
    "seeds": "--seeds",
    "settings": "--set",
    "local_entropy": "--local-entropy",
    "distances": "--distance",
}


@click.command(
    "map",
    epilog="Example: binnet study map --over margin=0:1.5:6 --over self_coupling=0,0.1,0.2,0.5 "
    "--set rate_input=0.1 --workers 2",
)
@click.option("--over", multiple=True, required=True, metavar="PARAMETER=VALUES",
              help="an axis, two or three times")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE",
              help="a parameter that is not as in the preset; repeatable")  # fmt: skip
@click.option("--preset", "preset_name", type=click.Choice(PRESETS), default="source",
              show_default=True, help="where all other parameters come from")  # fmt: skip
@click.option("--hidden", "n_hidden", type=click.IntRange(1), show_default=f"{_HIDDEN}",
              help="H, neurons of each module")  # fmt: skip
@whole_option("--epochs", 10)
@click.option("--samples", type=click.IntRange(1, 60000),
              help="training, the first  [default: 60000; 50000 with --validation]")  # fmt: skip
@seeds_option
@click.option("--validation", is_flag=True,
              help="measure on the last 10000 training samples, not on the test set")  # fmt: skip
@click.option("--dynamics/--no-dynamics", **DYNAMICS)
@click.option("--local-entropy", type=click.IntRange(0), default=0, show_default=True,
              help="count fixed points around the inference states of so many samples")  # fmt: skip
@numbers_option("--distance", "distances", DISTANCES, "from these states", "above 0, below 1")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers measure instead")
@workers_option
@output_option("map.png", data=".nc, .untrained.nc, .theory.nc and .json")
def map(
    over: tuple[str, ...],
    settings: tuple[str, ...],
    n_hidden: int | None,
    epochs: int,
    output: Path,
    **options: Any,
) -> None:
    """Train a network at every cell of a grid, and draw accuracy, convergence and margins.

    PARAMETER is any of a configuration: margin, self_coupling, input_strength, excitation,
    n_hidden, rate_input, ... VALUES are a list (0,0.1,0.5), a range of whole numbers (1..4), or
    FIRST:LAST:COUNT. A self_coupling against a margin or an input_strength is drawn with the
    transitions of the theory at the same margin and strength. The same command takes up a study
    that was stopped; with more values or seeds only the new cells are trained.
    """
    from binnet.plotting.maps import draw_map
    from binnet.studies.map import run_map, summarise_map

    with clear_errors():
        axes = _read(over)
        fixed = {name: v[0] if len(v) == 1 else v for name, v in _read(settings).items()}
    if n_hidden is not None or "n_hidden" not in {*axes, *fixed}:
        fixed["n_hidden"] = n_hidden or _HIDDEN
    fixed["epochs"] = epochs
    asked = {"over": axes, "settings": fixed, **options}

    def work() -> Findings:
        result = run_map(output, axes, settings=fixed, **options)
        sizes = result.configuration.network.n_hidden
        title = describe_training(
            n_hidden=None if "n_hidden" in axes else str(sizes),
            epochs=epochs,
            samples=result.samples,
            seeds=options["seeds"],
        )
        title = f"{title}, preset {options['preset_name']}"
        figures = {output: lambda: draw_map(result, title)}
        return Findings(summarise_map(result), figures, _tabulate(result))

    run_study(output.with_suffix(".json"), asked, work, _NAMES)


def _read(words: tuple[str, ...]) -> dict[str, list[Any]]:
    values = dict(parse_axis(word) for word in words)
    if len(values) < len(words):
        raise click.UsageError("a parameter is given twice; list its values in one option")
    return values


def _tabulate(result: MapResult) -> list[str]:
    """Return the accuracies as a table, one for each value of a third axis."""
    accuracy = result.learning["accuracy"].isel(epoch=-1)
    rows, columns, *rest = result.layout
    kind = "validation" if result.validation else "test"
    lines = [f"{kind} accuracy, {columns} to the right, {rows} downwards"]
    for place in accuracy[rest[0]].values if rest else [None]:
        part = accuracy.sel({rest[0]: place}) if rest else accuracy
        if rest:
            lines.append(f"{rest[0]} = {place}")
        lines.append(f"{'':>8}" + "".join(f"  {x!s:>15}" for x in part[columns].values))
        for y in part[rows].values:
            cells = part.sel({rows: y}).transpose(columns, "seed").values.tolist()
            lines.append(f"{y!s:>8}" + "".join(f"  {describe_seeds(cell):>15}" for cell in cells))
    return lines
