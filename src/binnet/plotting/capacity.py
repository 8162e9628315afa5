"""Pictures of hetero-association: recall against the load, and capacity against depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import (
    curve_style,
    finish,
    label_values,
    make_panels,
    mark_level,
    plot_seeds,
)
from binnet.plotting.curves import plot_curves
from binnet.studies.capacity import LEVEL, find_capacity

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_READ = {
    "last": "the last is read",
    "all": "all are read",
    "ends": "input first, last is read",
    "first": "input first, feedback to all",
}


def plot_recall(result: xr.Dataset, ax: Axes, level: float = LEVEL) -> Axes:
    """Plot the recalled fraction against P / H, a curve for each depth.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`, of one attachment and one H.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    level : float, default 0.95
        Drawn as a line.

    Returns
    -------
    Axes
        The same Axes.
    """
    names = {"xlabel": "load P / H", "ylabel": "fraction recalled without feedback"}
    mark_level(ax, level)
    label_values(ax, result["load"].values)
    return plot_curves(result["recalled"], "load", ax, along="n_modules", label="L = {}", **names)


def plot_capacity(result: xr.Dataset, ax: Axes, level: float = LEVEL) -> Axes:
    """Plot the capacity against the depth, a curve for each attachment and size.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`.
    ax : Axes
        Where to draw: the mean over seeds, with bars from the lowest to the highest. Arrows mark
        seeds whose capacity is beyond the loads; there is no mean then.
    level : float, default 0.95
        The fraction asked for.

    Returns
    -------
    Axes
        The same Axes.
    """
    found = find_capacity(result, level)
    depths, loads = result["n_modules"].values, result["load"].values
    for k, (label, part) in enumerate(_networks(found)):
        plot_seeds(ax, depths, part["capacity"], k, label)
        for side, edge, arrow in ((-1, loads[0], r"$\downarrow$"), (1, loads[-1], r"$\uparrow$")):
            beyond = (part["where"] == side).any("seed").values
            style = {**curve_style(k), "marker": arrow, "markersize": 10, "linestyle": ""}
            ax.plot(depths[beyond], np.full(beyond.sum(), edge), **style)
    ax.set(xlabel="modules L", ylabel=f"P / H at which {level:.0%} are recalled", yscale="log")
    ax.set_ylim(0.85 * loads[0], 1.18 * loads[-1])
    ax.set_xticks(depths)
    ax.set_yticks(loads, [f"{load:g}" for load in loads])
    ax.minorticks_off()
    return finish(ax)


def draw_capacity(result: xr.Dataset, title: str = "", level: float = LEVEL) -> Figure:
    """Draw the recall of each kind of network, and their capacities.

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
    networks = list(_networks(result))
    n = len(networks) + 1
    figure, (*panels, last) = make_panels(n, title=title, size=(5 * n, 4.4))
    for (label, part), ax in zip(networks, panels, strict=True):
        plot_recall(part, ax, level).set_title(label)
        ax.sharey(panels[0])
    plot_capacity(result, last, level)
    return figure


def _networks(result: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield label and part of each attachment and size."""
    for attachment in result["attachment"].values:
        for n_hidden in result["n_hidden"].values:
            part = result.sel(attachment=attachment, n_hidden=n_hidden)
            yield f"H = {n_hidden}, {_READ[str(attachment)]}", part
