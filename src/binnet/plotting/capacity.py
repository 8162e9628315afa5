"""Pictures of hetero-association: who recalls at a load, and capacity against depth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import (
    curve_style,
    dash,
    finish,
    label_values,
    make_panels,
    mark_level,
    plot_bars,
)
from binnet.plotting.curves import plot_curves
from binnet.studies.capacity import average_capacity, bound_capacity, configure_depth

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
#: What `bound_capacity` returns.
BOUNDS = {
    "sign": "states given: sign of every field",
    "argmax": "states given: largest field",
    "argmax_95": "states given: 95 % by largest field, at most",
    "hidden": "random states: hidden rows, no help",
}


def plot_recall(result: xr.Dataset, ax: Axes, level: float = 0.95) -> Axes:
    """Plot the recalled fraction against P / H, a curve for each depth.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_recall`, of one attachment and one H.
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


def plot_success(result: xr.Dataset, ax: Axes, along: str = "n_modules", label: str = "L") -> Axes:
    """Plot the fraction of networks that reach the level against P / H.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_recall`: "reached" over seed, load and `along`, other axes
        having one value.
    ax : Axes
        Where to draw; bars are standard errors of the fraction.
    along : str, default "n_modules"
        Axis whose values have a curve each.
    label : str, default "L"
        Letter of that axis.

    Returns
    -------
    Axes
        The same Axes.
    """
    reached = result["reached"].squeeze(drop=True)
    kinds = np.atleast_1d(result[along].values)
    for k, kind in enumerate(kinds):
        part = reached.sel({along: kind}) if along in reached.dims else reached
        fraction = part.mean("seed").values
        error = np.sqrt(fraction * (1.0 - fraction) / part.sizes["seed"])
        style = {**curve_style(k), "label": f"{label} = {kind}"}
        plot_bars(ax, part["load"], fraction, error, "standard error of the fraction", **style)
    label_values(ax, result["load"].values)
    ax.set(xlabel="load P / H", ylabel="fraction of networks that reach the level")
    return finish(ax)


def plot_capacity(
    result: xr.Dataset, ax: Axes, bounds: Mapping[str, Sequence[float]] | None = None
) -> Axes:
    """Plot the capacity against the depth, a curve for each level that is to be recalled.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`, of one attachment and one H.
    ax : Axes
        Where to draw: the mean over seeds of the middle of the brackets, with its standard error,
        that of the brackets included. Arrows mark networks whose capacity is beyond the loads;
        there is no mean then.
    bounds : mapping of str to sequence of float, optional
        Loads for each depth, by their names in `BOUNDS`; drawn as lines.

    Returns
    -------
    Axes
        The same Axes.
    """
    depths = result["n_modules"].values
    found = average_capacity(result)
    for k, level in enumerate(result["level"].values):
        part, where = found.sel(level=level), result["where"].sel(level=level)
        style = {**curve_style(k), "label": f"{level:.0%} recalled"}
        meaning = "standard error over networks, with the bracket"
        plot_bars(ax, depths, part["mean"], part["error"], meaning, **style)
        for side, arrow in ((-1, r"$\downarrow$"), (1, r"$\uparrow$")):
            beyond = (where == side).any("seed").values
            place = (0.03 if side < 0 else 0.97, ax.get_xaxis_transform())
            ax.plot(
                depths[beyond], np.full(beyond.sum(), place[0]), transform=place[1],
                color=style["color"], marker=arrow, markersize=10, linestyle="",
            )  # fmt: skip
    for k, (name, loads) in enumerate((bounds or {}).items()):
        ax.plot(depths, loads, color="0.45", linewidth=1, linestyle=dash(k), label=BOUNDS[name])
    ax.set(xlabel="modules L", ylabel="capacity P / H", yscale="log")
    ax.set_xticks(depths)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    return finish(ax)


def draw_capacity(result: xr.Dataset, title: str = "", recall: xr.Dataset | None = None) -> Figure:
    """Draw the capacity of each kind of network, and how many of them reach a level at each load.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.capacity.run_capacity`.
    title : str, optional
        Title of the figure.
    recall : xarray.Dataset, optional
        From `binnet.studies.capacity.run_recall`, of the same networks.

    Returns
    -------
    Figure
        The figure, for `save_figure`; with the bounds of `bound_capacity`.
    """
    networks = list(_networks(result))
    shape = (len(networks), 1 if recall is None else 2)
    figure, axes = make_panels(*shape, title=title, size=(5 * shape[0], 4.4 * shape[1]))
    fixed = json.loads(result.attrs["sweep"])["fixed"]
    for place, (attachment, n_hidden, part) in enumerate(networks):
        sizes = {"n_hidden": n_hidden, "n_inputs": fixed["n_inputs"]}
        found = [
            bound_capacity(configure_depth(n, attachment, n_outputs=fixed["n_classes"], **sizes))
            for n in part["n_modules"].values.tolist()
        ]
        bounds = {name: [loads[name] for loads in found] for name in BOUNDS}
        ax = plot_capacity(part, axes[place], bounds)
        ax.set_title(f"H = {n_hidden}, {_READ[attachment]}", fontsize=10)
        if recall is not None:
            here = recall.sel(attachment=attachment, n_hidden=n_hidden)
            plot_success(here, axes[len(networks) + place])
    return figure


def _networks(result: xr.Dataset) -> Iterator[tuple[str, int, xr.Dataset]]:
    """Yield attachment, H, and the part of the result that is of these."""
    for attachment in result["attachment"].values.tolist():
        for n_hidden in result["n_hidden"].values.tolist():
            yield attachment, n_hidden, result.sel(attachment=attachment, n_hidden=n_hidden)
