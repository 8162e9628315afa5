"""Pictures of hetero-association: recall against the load, and capacity against depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting.training import COLOURS, MARKERS
from binnet.studies.capacity import LEVEL, find_capacity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = ("-", "--", "-.", ":")


def plot_recall(result: xr.Dataset, ax: Axes, level: float = LEVEL) -> Axes:
    """Plot the recalled fraction against P / H, a curve for each depth and size.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    level : float, default 0.95
        Drawn as a line.

    Returns
    -------
    Axes
        The same Axes.
    """
    loads = result["load"].values
    for j, n_hidden in enumerate(result["n_hidden"].values):
        for k, n_modules in enumerate(result["n_modules"].values):
            recalled = result["recalled"].sel(n_hidden=n_hidden, n_modules=n_modules)
            mean = recalled.mean("seed").values
            ends = (mean - recalled.min("seed").values, recalled.max("seed").values - mean)
            ax.errorbar(
                loads,
                mean,
                ends,
                color=COLOURS[k % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                linestyle=_DASHES[j % len(_DASHES)],
                markersize=4,
                capsize=2,
                label=f"L = {n_modules}, H = {n_hidden}",
            )
    ax.axhline(level, color="0.5", linewidth=0.8)
    ax.set(xlabel="load P / H", ylabel="fraction recalled without feedback", xscale="log")
    ax.set_xticks(loads, [f"{load:g}" for load in loads])
    ax.minorticks_off()
    ax.legend(fontsize=8, frameon=False)
    return ax


def plot_capacity(result: xr.Dataset, ax: Axes, level: float = LEVEL) -> Axes:
    """Plot the capacity against the depth, a curve for each size.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`.
    ax : Axes
        Where to draw: the mean over seeds with their standard deviation, and each seed as a point.
        An arrow marks a seed whose capacity is beyond the loads.
    level : float, default 0.95
        The fraction asked for.

    Returns
    -------
    Axes
        The same Axes.
    """
    found = find_capacity(result, level)
    depths, loads = result["n_modules"].values, result["load"].values
    for j, n_hidden in enumerate(result["n_hidden"].values):
        here = found.sel(n_hidden=n_hidden)
        style = {"color": COLOURS[j % len(COLOURS)], "marker": MARKERS[j % len(MARKERS)]}
        ax.errorbar(
            depths,
            here["capacity"].mean("seed", skipna=False).values,
            here["capacity"].std("seed", skipna=False).values,
            linestyle=_DASHES[j % len(_DASHES)],
            capsize=3,
            label=f"H = {n_hidden}",
            **style,
        )
        for seed in result["seed"].values:
            one = here.sel(seed=seed)
            ax.plot(depths, one["capacity"].values, linestyle="", markersize=3, alpha=0.5, **style)
            for side, edge, arrow in ((-1, loads[0], "$↓$"), (1, loads[-1], "$↑$")):
                beyond = one["where"].values == side
                ax.plot(
                    depths[beyond],
                    np.full(beyond.sum(), edge),
                    linestyle="",
                    color=style["color"],
                    marker=arrow,
                    markersize=9,
                )
    ax.set(xlabel="modules L", ylabel=f"P / H at which {level:.0%} are recalled", yscale="log")
    ax.set_xticks(depths)
    ax.set_yticks(loads, [f"{load:g}" for load in loads])
    ax.minorticks_off()
    ax.legend(fontsize=8, frameon=False)
    return ax


def draw_capacity(result: xr.Dataset, title: str = "", level: float = LEVEL) -> Figure:
    """Draw both panels.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`.
    title : str, optional
        Title of the figure.
    level : float, default 0.95
        The fraction asked for.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    plot_recall(result, left, level)
    plot_capacity(result, right, level)
    figure.suptitle(title)
    return figure
