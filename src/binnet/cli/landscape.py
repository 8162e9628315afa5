"""`binnet landscape`: the fixed points of a trained network, and what lies around its states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import name_beside, write_netcdf
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import check_output, force_option
from binnet.cli._numbers import Numbers
from binnet.cli.studies._shared import Findings, run_study, whole_option, workers_option
from binnet.learning import load_checkpoint

if TYPE_CHECKING:
    import xarray as xr

_FLIPPED, _DISTANCES = "0.02,0.05,0.1,0.2,0.3,0.4,0.5", "0.0025,0.005,0.01,0.02,0.03,0.05,0.1"


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@whole_option(
    "--samples", 10, "the first of the run's test or validation set, equally many of each class"
)
@click.option("--last", is_flag=True, help="only the last checkpoint, and the network as drawn")
@click.option(
    "--distances",
    type=Numbers(float),
    default=_DISTANCES,
    show_default=True,
    help="at which fixed points are counted around a state, in neurons that differ over H",
)
@click.option(
    "--flipped",
    type=Numbers(float),
    default=_FLIPPED,
    show_default=True,
    help="fractions of the spins that are flipped, to see whether the state comes back",
)
@whole_option("--trials", 20, "starts for each fraction")
@whole_option("--max-sweeps", 100, "sweeps of each at most")
@whole_option("--seed", 0, "of flips, random starts and shuffled couplings", low=0)
@workers_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="figure (.png); NetCDF and JSON of the same name go beside it  "
    "[default: RUN/landscape.png]",
)
@force_option
def landscape(
    run: Path, output: Path | None, samples: int, last: bool, workers: int, **plan: Any
) -> None:
    """Measure fixed points, margins, basins and local entropy in the network of the folder RUN.

    All checkpoints that `binnet train --keep-every` left are measured, beside the network as drawn
    and one with shuffled couplings. The same command goes on where it was stopped.
    """
    from binnet.landscape import LandscapePlan, run_landscape, summarise_landscape
    from binnet.plotting.landscape import draw_landscape

    with clear_errors():
        checkpoint = _runs.find_checkpoint(run)
        state = load_checkpoint(checkpoint)
        output = check_output(output or run / "landscape.png", (".png",), (".nc", ".json"))
        chosen = LandscapePlan(**plan)
        _, sets = _runs.load_samples_of(run, state)
        ((name, (_, labels)),) = sets.items()
    configuration = state.configuration
    if state.network().partners is not None:
        click.echo(
            "entropies are left out: message passing cannot count where modules excite each other",
            err=True,
        )
    figure, data = output, name_beside(output, ".json")

    def work() -> Findings:
        result = run_landscape(
            checkpoint,
            name_beside(figure, ".cells.nc"),
            samples=samples,
            last=last,
            held_out=len(labels) if name == "validation" else 0,
            plan=chosen,
            workers=workers,
        )
        write_netcdf(name_beside(figure, ".nc"), result)
        sizes = ", ".join(map(str, configuration.network.sizes))
        title = f"H = {sizes}, seed {configuration.training.seed}; {samples} {name} samples"
        records = summarise_landscape(result)
        return Findings(
            {"set": name, "configuration": configuration.to_dict(), "means": records},
            {figure: lambda: draw_landscape(result, title)},
            _tabulate(result),
        )

    parameters = {"run": str(run), "samples": samples, "last": last, **plan}
    run_study(data, parameters, work)


def _tabulate(result: xr.Dataset) -> list[str]:
    means = result.mean("sample")
    settled = result["entropy"].notnull().sum("sample")
    lines = [
        "epoch  state       fixed  unstable  median margin  entropy (settled)  typical distance"
    ]
    for epoch in result["epoch"].values:
        for state in result["state"].values:
            row = means.sel(epoch=epoch, state=state)
            lines.append(
                f"{epoch:>5}  {state:<10} {float(row['fixed']):6.2f}  {float(row['unstable']):8.4f}"
                f"  {float(row['margin'].sel(quantile=0.5)):13.3f}  {float(row['entropy']):9.5f}"
                f" ({int(settled.sel(epoch=epoch, state=state))})"
                f"  {float(row['typical_distance']):14.4f}"
            )
    return lines
