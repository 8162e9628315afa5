"""Trained rows against the capacity of a row, N = 100 to 1600 (docs/results/row_capacity.md).

    python bench/row_capacity.py [--folder FOLDER] [--workers N]

Each margin has loads of its own around its capacity. Resumable; about ten minutes on one
core.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from binnet import sweeps, theory
from binnet.plotting import COLOURS, finish, make_panels, plot_bars, save_figure
from binnet.studies.rows import TRAINED_ROW, largest_margin
from binnet.sweeps.scaling import extrapolate, thresholds

MARGINS = (0.0, 0.25, 0.5, 1.0)  # kappa - J_D
ROWS = {100: 200, 200: 150, 400: 60, 800: 20, 1600: 20}
#: Loads of solved rows, P / N over the capacity; in long rows the fraction falls steeply.
NEAR = {
    100: (0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25),
    200: (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2),
    400: (0.9, 0.95, 1.0, 1.05, 1.1),
    800: (0.95, 1.0, 1.05),
    1600: (0.95, 1.0, 1.05),
}
LEARNED = np.array([0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05])
MAX_EPOCHS = 3000
MORE_EPOCHS = 30_000  # at the size HELPED_SIZE, 20 rows
HELP = 0.5  # J_D of the rows that are trained with a self-coupling, too
HELPED_SIZE = 400
BOOTSTRAP = "standard error, bootstrap over rows"
MARKERS = ("o", "s", "^", "D", "v")


def solve_row(
    n_couplings: int, margin: float, seed: int, loads: Sequence[float]
) -> Mapping[str, Any]:
    """Return the largest margin of one row at several loads, over the capacity with a margin."""
    critical = theory.capacity(0.0, margin).load
    found = [largest_margin(n_couplings, f * critical, seed) for f in loads]
    return {name: ("relative_load", [one[name] for one in found]) for name in found[0]}


def solve(folder: Path, workers: int) -> xr.Dataset:
    """Return the largest margin over margin, size, relative load and row."""
    parts = []
    for n, rows in ROWS.items():
        # The longest rows take the longer the smaller the margin: up to half a minute each.
        grid = {"margin": MARGINS if n < 1600 else MARGINS[2:], "seed": range(rows)}
        path = folder / f"largest_margin_{n}.nc"
        fixed = {"n_couplings": n, "loads": NEAR[n]}
        found = sweeps.run(grid, solve_row, fixed=fixed, path=path, workers=workers)
        found = found.assign_coords(relative_load=list(NEAR[n])).drop_attrs()
        parts.append(found.expand_dims(n_couplings=[n]))
    return xr.merge(parts, join="outer", compat="no_conflicts")


def learn(
    folder: Path, workers: int, self_coupling: float = 0.0, max_epochs: int = MAX_EPOCHS
) -> xr.Dataset:
    """Return the epochs of trained rows over margin beyond J_D, size, relative load and row."""
    plain = self_coupling == 0.0 and max_epochs == MAX_EPOCHS
    parts = []
    for margin in MARGINS:
        for n in ROWS if plain else (HELPED_SIZE,):
            grid = {"load": LEARNED * theory.capacity(0.0, margin).load, "seed": range(20)}
            fixed: dict[str, Any] = {
                "n_couplings": n, "self_coupling": self_coupling,
                "margin": margin + self_coupling, "max_epochs": max_epochs,
            }  # fmt: skip
            path = folder / f"trained_{self_coupling:g}_{margin:g}_{n}_{max_epochs}.nc"
            found = sweeps.run(grid, TRAINED_ROW, fixed=fixed, path=path, workers=workers)
            found = found.rename(load="relative_load").assign_coords(relative_load=LEARNED)
            parts.append(found.drop_attrs().expand_dims(margin=[margin], n_couplings=[n]))
    return xr.merge(parts, join="outer", compat="no_conflicts")


def find_thresholds(stored: xr.DataArray) -> xr.Dataset:
    """Return the loads, over the capacity, at which half of the rows hold all of their patterns."""
    return thresholds(
        stored.astype(float).to_dataset(name="stored"), "stored", parameter="relative_load",
        size="n_couplings",
    )  # fmt: skip


def print_exact(margins: xr.DataArray) -> tuple[xr.Dataset, xr.Dataset]:
    """Print and return the thresholds of solved rows, and their limits for long rows."""
    stored = (margins > margins["margin"]).where(margins.notnull())
    found = find_thresholds(stored)
    limit = extrapolate(found, size="n_couplings", exponent=1.0)
    others = {
        "free": extrapolate(found, size="n_couplings"),
        "1/2": extrapolate(found, size="n_couplings", exponent=0.5),
    }
    click.echo("\nsolved rows: half of them hold P / N, over alpha_c; limit and amplitude of 1/N")
    for margin in MARGINS:
        here, end = found.sel(margin=margin), limit.sel(margin=margin)
        click.echo(
            f"{margin:<5g} {theory.capacity(0.0, margin).load:.4f}  {_describe(here)}"
            f"  limit {float(end['limit']):.4f} +- {float(end['limit_error']):.4f}, amplitude "
            f"{float(end['amplitude']):.2f} +- {float(end['amplitude_error']):.2f}, chi2 "
            f"{float(end['chi2']):.1f} / {int(end['dof'])}"
        )  # fmt: skip
    for name, other in others.items():
        cells = (other.sel(margin=margin) for margin in MARGINS)
        click.echo(f"limits with exponent {name}: " + "  ".join(
            f"{float(c['limit']):.4f} +- {float(c['limit_error']):.4f} (a = "
            f"{float(c['exponent']):.2f} +- {float(c['exponent_error']):.2f}, chi2 "
            f"{float(c['chi2']):.1f})" for c in cells
        ))  # fmt: skip
    return found, limit


def print_learned(n_epochs: xr.DataArray, more: xr.DataArray) -> xr.Dataset:
    """Print the thresholds of trained rows for several budgets; return those of the largest."""
    click.echo("\ntrained rows: half of them hold P / N, over alpha_c")
    for budget in (100, 300, 1000, MAX_EPOCHS):
        found = find_thresholds(n_epochs <= budget)
        for margin in MARGINS:
            click.echo(f"{budget:>6} epochs {margin:<5g} " + _describe(found.sel(margin=margin)))
    for budget in (10_000, MORE_EPOCHS):
        at = find_thresholds(more <= budget)
        for margin in MARGINS:
            click.echo(
                f"{budget:>6} epochs {margin:<5g} N = 400: " + _describe(at.sel(margin=margin))
            )
    click.echo("\nmedian epochs of 20 rows, N = 1600, at loads " + " ".join(map(str, LEARNED)))
    for margin in MARGINS:
        median = n_epochs.sel(margin=margin, n_couplings=1600).fillna(np.inf).median("seed").values
        click.echo(f"{margin:<5g} " + " ".join(f"{value:g}" for value in median))
    return found


def _describe(found: xr.Dataset) -> str:
    return "  ".join(
        f"{float(t):.4f}({1e4 * float(e):.0f})"
        for t, e in zip(found["threshold"], found["threshold_error"], strict=True)
    )


def print_checks(n_epochs: xr.DataArray, helped: xr.DataArray, margins: xr.DataArray) -> None:
    """Say whether rows learn only what can be held, and what a self-coupling changes."""
    done, solved = xr.align(n_epochs.notnull(), margins, join="inner")
    known, possible = solved.notnull(), solved > solved["margin"]
    click.echo(
        f"\nof {int(known.sum())} rows both trained and solved {int((known & possible).sum())} can "
        f"hold their patterns; {int((known & possible & done).sum())} of these learned them within "
        f"{MAX_EPOCHS} epochs, and of the others {int((known & ~possible & done).sum())}"
    )
    plain, with_help = xr.align(n_epochs, helped, join="inner")
    same = (plain == with_help) | (plain.isnull() & with_help.isnull())
    click.echo(f"J_D = {HELP} at the same kappa - J_D: {int(same.sum())} of {same.size} rows alike")


def plot_limits(limit: xr.Dataset, learned: xr.Dataset, ax: Axes) -> None:
    """Plot the capacity, the limits of solved rows, and the longest trained rows."""
    reach, margins = np.linspace(0.0, 1.2, 61), np.array(MARGINS)
    ax.plot(reach, theory.capacity(0.0, reach).load, "k-", label=r"theory, $\alpha_c$")
    critical = theory.capacity(0.0, margins).load
    longest = learned.sel(n_couplings=max(ROWS))
    for k, (load, error, sign, label) in enumerate((
        (limit["limit"], limit["limit_error"], "o", r"exact solver, limit $N \to \infty$"),
        (longest["threshold"], longest["threshold_error"], "x",
         f"trained, N = {max(ROWS)}, {MAX_EPOCHS} epochs"),
    )):  # fmt: skip
        plot_bars(
            ax, margins, load * critical, error * critical, BOOTSTRAP, marker=sign, ls="", ms=7,
            mfc="none", color=COLOURS[k], label=label,
        )  # fmt: skip
    ax.set(xlabel=r"$\kappa - J_D$", ylabel="load P / N that half of the rows hold")


def plot_sizes(found: xr.Dataset, learned: xr.Dataset, ax: Axes) -> None:
    """Plot the loads that half of the rows hold, over the capacity, against the size."""
    sizes = found["n_couplings"].values
    for k, margin in enumerate(MARGINS):
        style = {"color": COLOURS[k], "marker": MARKERS[k], "ms": 5}
        exact = {"label": rf"exact, $\kappa - J_D$ = {margin:g}"}
        for part, more in ((found, exact), (learned, {"ls": ":", "mfc": "white"})):
            here = part.sel(margin=margin)
            place = sizes * (1.0 + 0.03 * (k - 1.5))  # side by side
            values, error = here["threshold"], here["threshold_error"]
            plot_bars(ax, place, values, error, BOOTSTRAP, **style, **more)
    ax.plot([], [], "k:", marker="o", mfc="white", label=f"trained, {MAX_EPOCHS} epochs")
    ax.axhline(1.0, color="0.5", lw=0.8)
    ax.set(xlabel="couplings N", ylabel=r"load of half of the rows, over $\alpha_c$", xscale="log")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()


def plot_fractions(margins: xr.DataArray, margin: float, ax: Axes) -> None:
    """Plot the fraction of solved rows that hold their patterns against the load."""
    for k, n in enumerate(margins["n_couplings"].values):
        part = margins.sel(margin=margin, n_couplings=n).dropna("relative_load", how="all")
        part = part.dropna("seed", how="all")
        held = (part > margin).mean("seed")
        error = np.sqrt(held * (1.0 - held) / part.sizes["seed"])
        plot_bars(
            ax, part["relative_load"], held, error, "standard error of the fraction",
            color=COLOURS[k], marker=MARKERS[k], ms=4, label=f"N = {n}",
        )  # fmt: skip
    ax.axvline(1.0, color="0.5", lw=0.8)
    ax.set(xlabel=r"load over $\alpha_c$", ylabel="fraction of rows that can hold their patterns")
    ax.set_title(rf"$\kappa - J_D$ = {margin}", fontsize=10)


def draw(
    found: xr.Dataset, limit: xr.Dataset, learned: xr.Dataset, margins: xr.DataArray
) -> Figure:
    """Draw the capacity, the approach to it, and the rows that hold their patterns."""
    figure, (left, middle, right) = make_panels(3, size=(15, 4.4))
    plot_limits(limit, learned, left)
    plot_sizes(found, learned, middle)
    plot_fractions(margins, 0.5, right)
    for ax in (left, middle, right):
        finish(ax)
    return figure


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("row_capacity"))
@click.option("--workers", default=1, show_default=True)
def main(folder: Path, workers: int) -> None:
    """Train and solve rows, print thresholds and limits, and draw them."""
    folder.mkdir(parents=True, exist_ok=True)
    n_epochs = learn(folder, workers)["n_epochs"]
    solved = solve(folder, workers)
    helped = learn(folder, workers, self_coupling=HELP)["n_epochs"]
    more = learn(folder, workers, max_epochs=MORE_EPOCHS)["n_epochs"]
    margins = solved["largest_margin"]
    gap = float((solved["upper_bound"] - margins).max())
    click.echo(f"largest difference of an exact margin from its upper bound: {gap:.1g}")
    found, limit = print_exact(margins)
    learned = print_learned(n_epochs, more)
    print_checks(n_epochs, helped, margins)
    save_figure(draw(found, limit, learned, margins), folder / "row_capacity.png", overwrite=True)
    data = xr.Dataset(
        {"largest_margin": margins, "n_epochs": n_epochs.rename(relative_load="learned_load")}
    )
    data.astype(np.float32).to_netcdf(
        folder / "row_capacity.nc", encoding={name: {"zlib": True} for name in data}
    )


if __name__ == "__main__":
    main()
