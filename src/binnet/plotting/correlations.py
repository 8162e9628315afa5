"""Pictures of what the accuracy of maps follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import (
    LEGEND,
    colour,
    finish,
    make_panels,
    mark_level,
    marker,
    plot_bars,
)
from binnet.studies.correlations import average_cells

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


def plot_predictor(maps: Mapping[str, xr.Dataset], name: str, ax: Axes) -> Axes:
    """Plot the accuracy of every cell against what else was measured there.

    Parameters
    ----------
    maps : mapping of str to xarray.Dataset
        Maps by their names, as for `binnet.studies.correlations.correlate_maps`.
    name : str
        The variable.
    ax : Axes
        Where to draw; each point is a cell, the mean over seeds. Where there is one map, its
        first axis is told by the colour; of several, the map.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (label, result) in enumerate(maps.items()):
        means = average_cells(result)[["accuracy", name]].squeeze()
        if len(maps) > 1:
            x, y = means[name].values, means["accuracy"].transpose(*means[name].dims).values
            ax.scatter(x, y, 14, colour(k), marker=marker(k), alpha=0.7, label=label)
            continue
        axis = str(means["accuracy"].dims[0])
        for row, value in enumerate(means[axis].values):
            one = means.isel({axis: row})
            x, y = one[name].values, one["accuracy"].transpose(*one[name].dims).values
            text = value if isinstance(value, str) else f"{value:g}"
            ax.scatter(x, y, 14, colour(row), marker=marker(row), alpha=0.8, label=f"{axis} {text}")
    ax.set(xlabel=name.replace("_", " "), ylabel="accuracy")
    return finish(ax, legend=False)


def plot_correlations(result: xr.Dataset, ax: Axes, *, partial: bool = False) -> Axes:
    """Plot Spearman's rho of the accuracy with each predictor, for each map.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.correlations.correlate_maps`.
    ax : Axes
        Where to draw; bars are the intervals of the bootstrap over whole rows of the maps.
    partial : bool, default False
        With the effects of the maps' axes taken off.

    Returns
    -------
    Axes
        The same Axes.
    """
    name = "partial" if partial else "rho"
    places = np.arange(result.sizes["predictor"])
    n_maps = result.sizes["map"]
    meaning = f"{100 * result.attrs['confidence']:g} % interval, bootstrap over rows of a map"
    mark_level(ax, 0.0)
    for k, label in enumerate(result["map"].values):
        one = result.isel(map=k)
        value = one[name].values
        ends = [one[f"{name}_blocks_{end}"].values for end in ("low", "high")]
        # The quantiles of a bootstrap may lie on one side of what was measured.
        bars = np.maximum([value - ends[0], ends[1] - value], 0.0)
        shift = 0.7 * ((k + 0.5) / n_maps - 0.5)
        style = {"color": colour(k), "marker": marker(k), "linestyle": "none", "markersize": 5}
        plot_bars(ax, places + shift, value, bars, meaning, label=str(label), **style)
    names = [str(predictor).replace("_", " ") for predictor in result["predictor"].values]
    ax.set_xticks(places, names, fontsize=8, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.linspace(-1.0, 1.0, 9))
    title = "given the axes of the map" if partial else "rank correlation with the accuracy"
    top = 1.1 + 0.2 * (n_maps + 1)  # the legend is above all intervals
    ax.set(ylim=(-1.05, top), ylabel=r"Spearman's $\rho$", title=title)
    ax.legend(loc="upper left", **LEGEND)
    return finish(ax, legend=False)


def draw_correlations(
    maps: Mapping[str, xr.Dataset], result: xr.Dataset, title: str = ""
) -> Figure:
    """Draw the accuracy against each predictor, and the rank correlations with their intervals.

    Parameters
    ----------
    maps : mapping of str to xarray.Dataset
        What was correlated.
    result : xarray.Dataset
        What `binnet.studies.correlations.correlate_maps` made of it.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    predictors = [str(name) for name in result["predictor"].values]
    n_rows = -(-(len(predictors) + 2) // _COLUMNS)
    figure, places = make_panels(_COLUMNS, n_rows, title=title)
    for name, ax in zip(predictors, places, strict=False):
        plot_predictor(maps, name, ax)
    finish(places[0])
    rho, partial = places[len(predictors) : len(predictors) + 2]
    plot_correlations(result, rho)
    plot_correlations(result, partial, partial=True)
    for ax in places[len(predictors) + 2 :]:
        ax.set_axis_off()
    return figure
