"""Pictures of how networks of several kinds learn: chains of modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import colour, finish, make_panels, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_chains(chains: xr.Dataset, singles: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy of chains against the excitation, the best single modules as lines.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed, lines are means.

    Returns
    -------
    Axes
        The same Axes.
    """
    excitations, last = chains["excitation"].values, chains["accuracy"].isel(epoch=-1)
    n_lengths = chains.sizes["n_modules"]
    for k, n_modules in enumerate(chains["n_modules"].values):
        label = f"chain of {n_modules}, $J_D$ = 0"
        plot_seeds(ax, excitations, last.sel(n_modules=n_modules), k, label)
    accuracy = singles["accuracy"].isel(epoch=-1).mean("seed")
    for k, (order, dash) in enumerate((("sync", "-"), ("async", ":"))):
        values = accuracy.sel(update_order=order)
        best = values.isel(self_coupling=int(np.argmax(values.values)))
        ax.axhline(
            float(best),
            color=colour(n_lengths + k),
            linestyle=dash,
            linewidth=1.5,
            label=f"one module, $J_D$ = {float(best.self_coupling):g}, the best, {order}",
        )
    ax.set(xlabel=r"excitation $\lambda$", ylabel="test accuracy")
    _spread(ax)
    return finish(ax)


def plot_total_excitation(chains: xr.Dataset, singles: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy of chains against what the neighbours give to the module that is read.

    That is lambda times its neighbours, one in a chain of two and two in a longer one; single
    modules are drawn at J_D, which stands in for it.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    excitations, last = chains["excitation"].values, chains["accuracy"].isel(epoch=-1)
    for k, n_modules in enumerate(chains["n_modules"].values):
        neighbours = min(int(n_modules) - 1, 2)
        label = f"chain of {n_modules}, $J_D$ = 0"
        plot_seeds(ax, neighbours * excitations, last.sel(n_modules=n_modules), k, label)
    accuracy = singles["accuracy"].isel(epoch=-1)
    for k, order in enumerate(singles["update_order"].values, start=chains.sizes["n_modules"]):
        values = accuracy.sel(update_order=order)
        plot_seeds(ax, singles["self_coupling"].values, values, k, f"one module, $J_D$, {order}")
    ax.set(xlabel=r"$\lambda$ × neighbours, or $J_D$", ylabel="test accuracy")
    _spread(ax)
    return finish(ax)


def _spread(ax: Axes) -> None:
    """Let strengths be linear up to 1 and logarithmic beyond: most of the change is below 1."""
    last = ax.dataLim.xmax
    ticks = [tick for tick in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if tick <= last]
    ax.set_xscale("symlog", linthresh=1.0)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def draw_chains(chains: xr.Dataset, singles: xr.Dataset, title: str = "") -> Figure:
    """Draw the accuracy of chains against lambda, and against lambda times the neighbours.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    figure, (left, right) = make_panels(2, title=title, size=(10, 5), sharey=True)
    plot_chains(chains, singles, left)
    plot_total_excitation(chains, singles, right)
    right.set_ylabel("")
    return figure
