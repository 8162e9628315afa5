"""Figures of how well learning rules follow the exact gradient of a rate network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import (
    colour,
    dash,
    finish,
    finish_beside,
    make_panels,
    mark_level,
    marker,
    plot_band,
    plot_bars_across,
)
from binnet.studies.rate_alignment import label

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPREAD = "± std. dev. of runs"
_BLOCKS = {"recurrent": "recurrent weights", "input_weights": "input weights"}


def list_figures(results: Mapping[str, xr.Dataset]) -> dict[str, Callable[[], Figure]]:
    """Say which figures there are results for, and how each is drawn.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        Grids of `binnet.studies.rate_alignment.plan_alignment`, by name.

    Returns
    -------
    dict
        Functions that draw, by the name of the figure.
    """
    figures: dict[str, Callable[[], Figure]] = {}
    for name, result in results.items():
        labelled = label(result)
        others = [dim for dim in labelled["cosine"].dims if dim != "task"]
        labelled = labelled.isel(task=labelled["cosine"].notnull().any(others).values)
        if labelled.sizes["task"]:
            title = name.replace("-", " ")
            figures[f"cosine-{name}"] = partial(draw_cosines, labelled, title)
            if "gain" not in labelled.dims:
                figures[f"ends-{name}"] = partial(draw_ends, labelled, title)
    return figures


def plot_cosines(cosines: xr.DataArray, ax: Axes) -> Axes:
    """Draw cosines of each rule as a curve: mean over runs, ± standard deviation.

    Parameters
    ----------
    cosines : xarray.DataArray
        Over "compared", "seed", and "gain" or "update"; NaN is left out.
    ax : Axes
        Where to draw; the gains or updates that were measured stand at equal distances.

    Returns
    -------
    Axes
        The same Axes.
    """
    along = "gain" if "gain" in cosines.dims else "update"
    ticks = cosines[along].values
    x = np.arange(len(ticks))
    for k, rule in enumerate(cosines["compared"].values):
        values = cosines.sel(compared=rule)
        mean, spread = values.mean("seed").values, values.std("seed").values
        ax.plot(
            x, mean, color=colour(k), linestyle=dash(k), marker=marker(k), ms=4, lw=1.4,
            label=str(rule),
        )  # fmt: skip
        plot_band(ax, x, mean - spread, mean + spread, _SPREAD, color=colour(k))
    for level in (0.0, 1.0):
        mark_level(ax, level)
    ax.set_xticks(x, [f"{value:g}" for value in ticks])
    xlabel = "initial gain" if along == "gain" else "update"
    ax.set(xlabel=xlabel, ylabel="cosine with the exact gradient")
    return finish(ax, legend=False)


def draw_cosines(result: xr.Dataset, title: str) -> Figure:
    """Draw cosines of single draws: a column for each task, a row for each block of weights.

    Parameters
    ----------
    result : xarray.Dataset
        A grid of the study, with the coordinates of `binnet.studies.rate_alignment.label`.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    tasks = result["task"].values
    figure, axes = make_panels(len(tasks), len(_BLOCKS), title=title, sharex=True, sharey=True)
    for row, (block, name) in enumerate(_BLOCKS.items()):
        for column, task in enumerate(tasks):
            ax = axes[row * len(tasks) + column]
            values = result["single_cosine"].sel(task=task, block=block)
            plot_cosines(values.isel(update=0) if "gain" in values.dims else values, ax)
            ax.set_title(f"{task}: {name}")
            ax.label_outer()
    finish_beside(axes[len(tasks) - 1])
    return figure


def plot_ends(values: xr.DataArray, ax: Axes) -> Axes:
    """Draw a measure of each rule, a line of the picture, at the first and the last update.

    Parameters
    ----------
    values : xarray.DataArray
        Over "compared", "update" and "seed".
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    rules = values["compared"].values
    height = -np.arange(len(rules), dtype=np.float64)
    for k, shift in ((0, 0.15), (-1, -0.15)):
        here = values.isel(update=k)
        plot_bars_across(
            ax, here.mean("seed").values, height + shift, here.std("seed").values, _SPREAD,
            color=colour(k % 2), marker=marker(k % 2), linestyle="none", ms=5,
            markerfacecolor="white" if k == 0 else colour(1),
            label=f"after {int(here['update'])} updates",
        )  # fmt: skip
    ax.set_yticks(height, [str(rule) for rule in rules])
    return finish(ax, legend=False)


def draw_ends(result: xr.Dataset, title: str) -> Figure:
    """Draw cosine and ratio of norms of each rule at the start and the end, recurrent weights.

    Parameters
    ----------
    result : xarray.Dataset
        A grid of the study, with the coordinates of `binnet.studies.rate_alignment.label`.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure: a column for each task; cosines of single draws above, and below the ratio of
        the root mean square norm of single draws to that of the exact gradient.
    """
    tasks = result["task"].values
    figure, axes = make_panels(len(tasks), 2, title=title, sharey=True, sharex="row")
    recurrent = result.sel(block="recurrent")
    for column, task in enumerate(tasks):
        here = recurrent.sel(task=task)
        above, below = axes[column], axes[len(tasks) + column]
        plot_ends(here["single_cosine"], above).set_title(str(task))
        for level in (0.0, 1.0):
            above.axvline(level, color="0.5", linewidth=0.8)
        above.set_xlabel("cosine with the exact gradient")
        plot_ends(here["single_norm_ratio"], below)
        below.set(xlabel="norm / norm of the exact gradient", xscale="log")
        below.axvline(1.0, color="0.5", linewidth=0.8)
    finish_beside(axes[len(tasks) - 1])
    return figure
