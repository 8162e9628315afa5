"""Pictures of any study whose results are curves with seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import finish, make_panels, mark_epochs, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_curves(
    values: xr.DataArray,
    x: str,
    ax: Axes,
    *,
    along: str | None = None,
    label: str = "{}",
    **axes: Any,
) -> Axes:
    """Plot what was measured against one axis of a grid, a curve for each value of another one.

    Parameters
    ----------
    values : xarray.DataArray
        Over "seed", `x` and `along`, if given.
    x : str
        Axis of the abscissa: its values, or where it has none, 0, 1, 2...
    ax : Axes
        Where to draw: means over seeds, with bars from the lowest to the highest.
    along : str, optional
        Axis whose values are told apart by colour, marker and dash. Default: there is one curve.
    label : str, default "{}"
        Of a curve in the legend; {} stands for the value.
    **axes
        Labels, scales and title, as of `matplotlib.axes.Axes.set`.

    Returns
    -------
    Axes
        The same Axes.
    """
    places = values[x].values if x in values.coords else np.arange(values.sizes[x])
    kinds = [None] if along is None else values[along].values
    for k, kind in enumerate(kinds):
        part = values if along is None else values.sel({along: kind})
        text = None if along is None else label.format(kind)
        plot_seeds(ax, places, part.transpose(x, "seed"), k, text)
    if x not in values.coords:
        mark_epochs(ax)
    ax.set(**{"xlabel": x, "ylabel": "" if values.name is None else str(values.name), **axes})
    return finish(ax)


def draw_curves(
    panels: Mapping[str, xr.DataArray],
    x: str,
    *,
    along: str | None = None,
    label: str = "{}",
    title: str = "",
    **axes: Any,
) -> Figure:
    """Draw measurements side by side, each as `plot_curves` does.

    Parameters
    ----------
    panels : mapping of str to xarray.DataArray
        What was measured, by the label of the panel's ordinate.
    x, along, label : optional
        As of `plot_curves`.
    title : str, optional
        Title of the figure.
    **axes : optional
        As of `plot_curves`.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    figure, places = make_panels(len(panels), title=title)
    for (name, values), ax in zip(panels.items(), places, strict=True):
        plot_curves(values, x, ax, along=along, label=label, ylabel=name, **axes)
    return figure
