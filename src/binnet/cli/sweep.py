"""`binnet sweep`: measure over a grid of parameters, resumable, on processes or on a cluster."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from binnet._files import check_file
from binnet.cli._axes import parse_axis
from binnet.cli._common import ADOPT_HELP, clear_errors
from binnet.cli._figures import force_option, save_pictures
from binnet.cli.studies._shared import MOST_WORKERS

if TYPE_CHECKING:
    import xarray as xr

    from binnet.sweeps import Observable


@click.command(
    epilog="Example: binnet sweep relaxation self_coupling=0.2:1:9 n_neurons=100,200 "
    "update_order=sync,async seed=0..4"
)
@click.argument("observable")
@click.argument("axes", nargs=-1, metavar="PARAMETER=VALUES...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="sweep.nc",
    show_default=True,
    help="result, .nc (NetCDF) or .zarr; pictures go beside it",
)
@force_option
@click.option("--workers", type=click.IntRange(1, MOST_WORKERS), default=1, show_default=True,
              help="processes")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers measure instead")
@click.option(
    "--errors",
    type=click.Choice(["stop", "continue"]),
    default="stop",
    show_default=True,
    help="what to do when a cell raises, or kills its process again and again",
)
@click.option("--adopt", is_flag=True, help=ADOPT_HELP)
@click.option("--dry-run", is_flag=True, help="print the grid and the estimated time, then stop")
def sweep(
    observable: str,
    axes: tuple[str, ...],
    output: Path,
    workers: int,
    scheduler: str | None,
    errors: str,
    adopt: bool,
    dry_run: bool,
) -> None:
    """Measure OBSERVABLE at every combination of parameter values.

    OBSERVABLE is relaxation (does a random network reach a fixed point?), fixed_points (how many
    are there? N up to 30), or MODULE:FUNCTION of your own.

    VALUES are a list (sync,async), a range of whole numbers (0..9), or FIRST:LAST:COUNT evenly
    spaced numbers (0.2:1.0:9). One value alone holds a parameter fixed.

    A sweep that was stopped goes on when it is run again, and ends in the same file. One that is
    finished is read; run with more values, only the new cells are measured.
    """
    from binnet import sweeps

    with clear_errors():
        wanted = _find(observable)
        lists = dict(parse_axis(axis) for axis in axes)
        if len(lists) < len(axes):
            raise click.UsageError("a parameter is given twice; list its values in one argument")
        fixed = {name: values[0] for name, values in lists.items() if len(values) == 1}
        grid = {name: values for name, values in lists.items() if len(values) > 1}
        try:
            if dry_run:
                planned = sweeps.plan(
                    grid, wanted, fixed=fixed, path=output, workers=workers, adopt=adopt
                )
                click.echo(planned)
                return
            check_file(output.with_suffix(".png"))
            result = sweeps.run(
                grid, wanted, fixed=fixed, path=output, workers=workers, scheduler=scheduler,
                errors=errors, adopt=adopt,
            )  # fmt: skip
        except sweeps.SweepError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo(f"\nstopped{_count_kept(output)}; the same command goes on from there")
            sys.exit(130)
    click.echo(f"{result.attrs['finished_cells']} cells in {output}")
    _draw(result, output)


def _count_kept(output: Path) -> str:
    """Return how many cells the journal of a sweep that was stopped holds, as text."""
    from binnet import sweeps

    try:
        done = sweeps.load(f"{output}.partial").attrs["finished_cells"]
    except (OSError, ValueError):  # it was stopped before there was one
        return ""
    return f"; {done} cells are kept"


def _find(name: str) -> Observable:
    """Return one of our observables by name, or a user's by module and function."""
    from binnet import studies
    from binnet.sweeps import Observable

    ours = {"relaxation": studies.RELAXATION, "fixed_points": studies.FIXED_POINTS}
    if name in ours:
        return ours[name]
    module, _, function = name.partition(":")
    if not function:
        raise ValueError(
            f"OBSERVABLE must be one of {', '.join(ours)} or MODULE:FUNCTION, got {name!r}"
        )
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"cannot load {name} ({error}); name an importable module, in this folder or "
            "installed, and a function in it"
        ) from None
    return found if isinstance(found, Observable) else Observable(found)


def _draw(result: xr.Dataset, output: Path) -> None:
    """Draw what can be drawn of the result, beside it."""
    if "n_converged" not in result or not {"self_coupling", "seed"} <= set(result.dims):
        return
    from binnet.plotting.sweeps import draw_convergence
    from binnet.studies import convergence_thresholds

    picture = output.with_suffix(".png")
    thresholds = convergence_thresholds(result)
    title = "Convergence of random networks"
    for path in save_pictures({picture: lambda: draw_convergence(result, thresholds, title)}):
        click.echo(f"picture: {path}")
    # One threshold alone has no axis that a table could have.
    rows = thresholds[["threshold", "width", "threshold_error"]]
    rows = rows if rows.dims else rows.expand_dims("row")
    table = rows.to_dataframe().round(4).reset_index(drop="row" in rows.dims)
    click.echo(table.to_string(index=False))
