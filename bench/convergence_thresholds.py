"""Where update orders stop converging, N = 400 to 25 600, and what the sizes tend to.

    python bench/convergence_thresholds.py [--folder FOLDER] [--workers N]

For docs/results/convergence.md. Each size has networks and self-couplings of its own, close to its
thresholds. Resumable; about a quarter of an hour on one core.
"""

from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import xarray as xr

from binnet import ImplicitNetwork, sweeps
from binnet.plotting import save_figure
from binnet.plotting.scaling import draw_scaling
from binnet.studies import RELAXATION, convergence_thresholds
from binnet.sweeps import scaling
from binnet.theory import freezing_from_plateaus, plateau_slope


class Size(NamedTuple):
    """What is measured of networks of one size."""

    seeds: int
    low: float
    high: float
    step: float
    dtype: str


# Networks of 6400 neurons are drawn again faster than they are drawn once and stored.
SIZES = {
    400: Size(40, 0.35, 0.775, 0.025, "int16"),
    800: Size(40, 0.475, 0.775, 0.025, "int16"),
    1600: Size(40, 0.55, 0.775, 0.0125, "int16"),
    3200: Size(16, 0.6375, 0.7875, 0.0125, "int16"),
    6400: Size(14, 0.7, 0.8, 0.0125, "implicit"),
    12800: Size(10, 0.73, 0.81, 0.01, "implicit"),
    25600: Size(6, 0.76, 0.82, 0.01, "implicit"),
}
FIXED = {"replicas": 10, "max_sweeps": 1000}


BUDGETS = (250, 500, 1000)
RESAMPLES = 60  # of a collapse
SMALLEST = (400, 1600)  # sizes that a fit begins with
LAW = ("limit", "limit_error", "exponent", "exponent_error", "chi2", "dof", "p_value", "at_bound",
       "fraction_at_bound")  # fmt: skip


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("convergence"))
@click.option("--workers", default=1, show_default=True)
@click.option("--freezing", type=(float, float), default=(0.8145, 0.0013), show_default=True,
              help="of the infinite network: theory_measurements.py freezing")  # fmt: skip
def main(folder: Path, workers: int, freezing: tuple[float, float]) -> None:
    """Sweep, fit and draw."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for n, size in SIZES.items():
        couplings = np.round(np.arange(size.low, size.high + size.step / 2, size.step), 4)
        grid: dict[str, Any] = {
            "n_neurons": [n],
            "update_order": ["sync", "async"],
            "self_coupling": couplings,
            "seed": range(size.seeds),
        }
        fixed = {**FIXED, "dtype": size.dtype}
        path = folder / f"convergence_{n}.nc"
        part = sweeps.run(grid, RELAXATION, fixed=fixed, path=path, workers=workers)
        if size.dtype == "implicit":
            acts_as = [find_effective(n, float(j)) for j in couplings]
            part = part.assign_coords(self_coupling=acts_as)
        parts.append(part)
    result = xr.concat(parts, "n_neurons", join="outer", data_vars="all", coords="minimal")
    click.echo(f"runs that ended in a cycle: {int(result['n_cycles'].sum())}")
    plateaus(result)
    thresholds = find_thresholds(parts)
    tell(thresholds[["threshold", "threshold_error", "width", "n_networks"]], "thresholds")
    for smallest in SMALLEST:
        larger = thresholds.sel(n_neurons=slice(smallest, None))
        for exponent in (None, 1 / 3):
            fit = scaling.extrapolate(larger, exponent=exponent)
            tell(fit[[*LAW]], f"x_inf + c N^-a from N = {smallest}, a = {exponent or 'fitted'}")
    budgets = xr.DataArray([grow(n) for n in result["n_neurons"]], dims="n_neurons")
    converged = (result["relaxation_time"] <= budgets).mean("replica")
    result["fraction_converged"] = converged.where(result["n_converged"].notnull())
    for exponent in (1 / 3, None):
        collapsed = scaling.collapse(
            result, "fraction_converged", exponent=exponent, resamples=RESAMPLES
        )
        found = ["threshold", "threshold_error", "exponent", "exponent_error", "quality"]
        tell(collapsed[found], f"collapse, N^(1/3) sweeps, a = {exponent or 'fitted'}")
    reference = (*freezing, f"DMFT: {freezing[0]:g} \u00b1 {freezing[1]:g} (standard error)")
    fit = scaling.extrapolate(thresholds.sel(n_neurons=slice(SMALLEST[-1], None)))
    figure = draw_scaling(result, thresholds, fit, collapsed, reference)
    save_figure(figure, folder / "convergence.png")


def find_effective(n: int, self_coupling: float) -> float:
    """Return the self-coupling that acts in an implicit network.

    Its fields lie on a lattice of spacing 2 strength, so that all self-couplings between two
    of its points are one: for fields that are Gaussian, the middle, up to 0.003 from what was asked
    for at N = 6400.
    """
    network = ImplicitNetwork(n, self_coupling)
    return network.integer_self_coupling * network.strength


def grow(n: float) -> int:
    """Return sweeps that grow as N^(1/3), to 1000 at the largest size."""
    return round(FIXED["max_sweeps"] * float((n / max(SIZES)) ** (1 / 3)))


def find_thresholds(parts: list[xr.Dataset]) -> xr.Dataset:
    """Return the thresholds of all sizes within several numbers of sweeps.

    Each size has a seed of its own: samples of its networks do not depend on those of others.
    """
    rows: dict[str, list[xr.Dataset]] = {}
    for part in parts:
        n = int(part["n_neurons"].item())
        within = {f"{budget} sweeps": budget for budget in BUDGETS}
        within["N^(1/3) sweeps"] = grow(n)
        for name, budget in within.items():
            found = convergence_thresholds(part, max_sweeps=budget, seed=n)
            rows.setdefault(name, []).append(found.drop_vars("max_sweeps"))
    table: xr.Dataset = xr.concat(
        [xr.concat(row, "n_neurons") for row in rows.values()],
        xr.DataArray(list(rows), dims="within", name="within"),
    )
    return table


def plateaus(result: xr.Dataset) -> None:
    """Print the flips per sweep below freezing, and where they vanish, for synchronous dynamics.

    At each self-coupling those of the largest size with two networks or more in which no run
    converged; sweeps 301 to 1000.
    """
    sync = result.sel(update_order="sync")
    rows = []
    for n in sync["n_neurons"].values:
        for j in sync["self_coupling"].values:
            cell = sync.sel(n_neurons=n, self_coupling=j)
            flips = cell["flip_fraction"].isel(sweep=slice(300, None)).mean("sweep")
            kept = flips.where(cell["n_converged"] == 0, drop=True).values
            if len(kept) > 1 and j >= 0.65:
                rows.append((j, n, kept.mean(), kept.std(ddof=1) / len(kept) ** 0.5, len(kept)))
    largest = {j: (j, n, *rest) for j, n, *rest in rows}  # sizes come in increasing order
    table = np.array([largest[j] for j in sorted(largest)])
    click.echo("\nplateaus: J_D, N, flips per neuron and sweep, standard error, networks")
    click.echo("\n".join(f"{j:.4f} {n:6.0f} {f:.6f} {e:.6f} {m:3.0f}" for j, n, f, e, m in table))
    for low in (0.65, 0.7):
        above = table[table[:, 0] >= low]
        for name, slope in (("derived", plateau_slope()), ("fitted", None)):
            found = freezing_from_plateaus(above[:, 0], above[:, 2], above[:, 3], slope=slope)
            value = f"{found.self_coupling:.4f} +- {found.error:.4f}"
            click.echo(f"freezing from J_D >= {low}, slope {name}: {value}")


def tell(table: xr.Dataset, title: str) -> None:
    """Print a table."""
    click.echo(f"\n{title}\n{table.to_dataframe().round(4).reset_index().to_string(index=False)}")


if __name__ == "__main__":
    main()
