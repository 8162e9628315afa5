"""`binnet relax`: relax replicas of a random network, and say how they settled."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import name_beside, write_netcdf
from binnet._progress import progress_bar
from binnet.cli._common import clear_errors
from binnet.cli._figures import check_output, force_option, save_pictures
from binnet.cli._update_order import renamed_option, update_order_option
from binnet.networks.random import COUPLING_DTYPES, DISTRIBUTIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from binnet.dynamics import FreeRelaxation
    from binnet.networks import ImplicitNetwork, RandomNetwork

# Which option stands for which parameter of the library, for its messages.
_OPTIONS = {
    "n_neurons": "--neurons",
    "self_coupling": "--self-coupling",
    "update_order": "--update-order",
    "replicas": "--replicas",
    "symmetry": "--symmetry",
    "density": "--density",
    "n_modules": "--modules",
    "excitation": "--excitation",
    "field_std": "--field",
    "update_probability": "--update-probability",
    "max_sweeps": "--max-sweeps",
    "seed": "--seed",
    "threads": "--threads",
}

# What only stored couplings have, and its value when it is not there.
_ONLY_STORED = {
    "symmetry": 0.0, "density": 1.0, "n_modules": 1, "excitation": 0.0, "field_std": 0.0
}  # fmt: skip


@click.command()
@click.option("--neurons", type=int, required=True, help="N, neurons of all modules together.")
@click.option("--self-coupling", type=float, default=0.5, show_default=True,
              help="J_D >= 0, coupling of a neuron to itself.")  # fmt: skip
@update_order_option("free")
@click.option("--replicas", type=int, default=16, show_default=True,
              help="R, random initial states.")  # fmt: skip
@click.option("--distribution", type=click.Choice(DISTRIBUTIONS), default="gaussian",
              show_default=True, help="Of the couplings.")  # fmt: skip
@click.option("--symmetry", type=float, default=0.0, show_default=True,
              help="Correlation of J_ij and J_ji, -1 to 1.")  # fmt: skip
@click.option("--density", type=float, default=1.0, show_default=True,
              help="Fraction of the couplings that is there.")  # fmt: skip
@click.option("--modules", type=int, default=1, show_default=True, help="Modules in a chain.")
@renamed_option("--module-coupling", "--excitation", "excitation", type=float, default=0.0,
                show_default=True, help="lambda, from the neuron of the same index in each "
                "neighbouring module.")  # fmt: skip
@click.option("--field", type=float, default=0.0, show_default=True,
              help="Standard deviation of the external fields.")  # fmt: skip
@click.option("--dtype", type=click.Choice(COUPLING_DTYPES), default="int16", show_default=True,
              help="Of the couplings; integers are fastest and exact.")  # fmt: skip
@click.option("--implicit", is_flag=True,
              help="Draw couplings again when they are needed instead of storing them: memory "
              "grows with N, not N². Of the options for couplings it takes --distribution "
              "alone.")  # fmt: skip
@click.option("--update-probability", type=float, default=0.5, show_default=True,
              help="Of each neuron in a sweep of random-subset.")  # fmt: skip
@click.option("--max-sweeps", type=int, default=1000, show_default=True, help="Sweeps at most.")
@click.option("--seed", type=int, default=0, show_default=True,
              help="Of network, initial states and update order.")  # fmt: skip
@click.option("--threads", type=int, help="Threads of the kernels.  [default: all cores]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              default="relaxation.nc", show_default=True,
              callback=lambda ctx, param, value: check_output(value, (".nc",), (".png",)),
              help="NetCDF file of everything measured; its picture goes beside it.")  # fmt: skip
@force_option
def relax(
    update_order: str,
    replicas: int,
    update_probability: float,
    max_sweeps: int,
    seed: int,
    threads: int | None,
    output: Path,
    **of_network: Any,
) -> None:
    """Relax a random network without input from random states, towards its fixed points."""
    import binnet.dynamics as library

    with clear_errors(_OPTIONS):
        network = _draw_network(seed=seed, **of_network)
        began = time.perf_counter()
        result = library.relax(
            network,
            update_order=update_order,
            replicas=replicas,
            update_probability=update_probability,
            max_sweeps=max_sweeps,
            seed=seed,
            threads=threads,
            progress=lambda parts: progress_bar(parts, unit="part", disable=None, leave=False),
        )
        seconds = time.perf_counter() - began
        write_netcdf(output, result.to_dataset())
    _report(result, seconds)
    click.echo(f"data:    {output}")
    draw = partial(_draw, network.self_coupling, result, update_order)
    for picture in save_pictures({name_beside(output, ".png"): draw}):
        click.echo(f"picture: {picture}")


def _draw_network(
    *, neurons: int, modules: int, field: float, implicit: bool, **parameters: Any
) -> RandomNetwork | ImplicitNetwork:
    from binnet.networks import ImplicitNetwork, RandomNetwork

    parameters |= {"n_modules": modules, "field_std": field}
    if not implicit:
        return RandomNetwork.draw(neurons, **parameters)
    for name, plain in _ONLY_STORED.items():
        if parameters.pop(name) != plain:
            raise click.UsageError(
                f"--implicit couplings are independent, dense and in one module without a field: "
                f"{_OPTIONS[name]} must stay at {plain}; or store the couplings, without --implicit"
            )
    parameters.pop("dtype")  # of stored couplings
    return ImplicitNetwork(neurons, **parameters)


def _report(result: FreeRelaxation, seconds: float) -> None:
    import numpy as np

    n_replicas = len(result.status)
    network = result.provenance["network"]
    parameters = ", ".join(f"{name} {value}" for name, value in network.items())
    click.echo(f"network      {parameters}")
    click.echo(f"fixed point  {result.converged.sum()} of {n_replicas} replicas")
    lengths, counts = np.unique(result.cycle_length[result.status == 2], return_counts=True)
    cycles = ", ".join(f"{count} of length {n}" for n, count in zip(lengths, counts, strict=True))
    click.echo(f"cycle        {cycles or 0}")
    click.echo(f"unsettled    {(result.status == 0).sum()}")
    median, longest = np.median(result.sweeps), result.sweeps.max()
    click.echo(f"sweeps       median {median:g}, longest {longest}")
    flips = result.flips.sum(axis=1) / result.n_neurons
    click.echo(f"flips        {flips.mean():.4f} per neuron in all")
    click.echo(
        f"stabilities  mean {result.stabilities.mean():.4f}, "
        f"smallest {result.stabilities.min():.3g}"
    )
    click.echo(f"time         {seconds:.3g} s, compilation of the kernels included")


def _draw(self_coupling: float, result: FreeRelaxation, update_order: str) -> Figure:
    import numpy as np

    from binnet.plotting import make_panels
    from binnet.plotting.dynamics import plot_flips_per_sweep, plot_relaxation_times

    title = f"N = {result.n_neurons}, $J_D$ = {self_coupling:g}"
    figure, (left, right) = make_panels(2, title=title, size=(9.5, 4.0))
    # After its last sweep a replica rests at its fixed point, or was left in its cycle.
    is_left = np.isnan(result.overlap)
    fractions = np.where(is_left, np.nan, result.flips / result.n_neurons)
    plot_flips_per_sweep({update_order: fractions}, left)
    times = np.where(result.converged, result.sweeps, np.inf)
    plot_relaxation_times({update_order: times}, right)
    return figure
