"""Picture of accuracy against the number of hidden neurons, beside the source's figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._curves import curve_style, plot_seeds
from binnet.plotting.theory import COLOURS, DASHES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_sizes(
    hidden: xr.Dataset | None,
    linear: xr.Dataset | None,
    ax: Axes,
    *,
    source: Mapping[str, Mapping[int, float]] | None = None,
) -> Axes:
    """Plot the test accuracy of every model against H; horizontal lines have no hidden neurons.

    Parameters
    ----------
    hidden, linear : xarray.Dataset or None
        From `binnet.studies.sizes.run_sizes`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    source : mapping of str to mapping of int to float, optional
        Published accuracies by model and H, drawn thin, in the colour of the model of that name.

    Returns
    -------
    Axes
        The same Axes.
    """
    shown: list[int] = []
    names = [] if hidden is None else [str(name) for name in hidden["model"].values]
    if hidden is not None:
        shown = [int(n) for n in hidden["n_hidden"].values]
        for k, name in enumerate(names):
            values = hidden["accuracy"].sel(model=name).transpose("n_hidden", "seed")
            plot_seeds(ax, shown, values, k, name)
    for name, curve in (source or {}).items():
        k = names.index(name) if name in names else len(names)
        style = curve_style(k) | {"linewidth": 0.8, "markerfacecolor": "white", "markersize": 3.5}
        ax.plot(list(curve), list(curve.values()), alpha=0.7, label=f"{name}, source", **style)
        shown += curve
    if linear is not None:
        for k, name in enumerate(linear["model"].values):
            mean = float(linear["accuracy"].sel(model=name).mean())
            ax.axhline(
                mean, color=COLOURS[-1 - k % 2], linestyle=DASHES[2 + k % 4], lw=1.2,
                label=f"{name}: {mean:.3f}",
            )  # fmt: skip
    ax.set(xlabel="hidden neurons $H$", ylabel="test accuracy", xscale="log")
    ticks = np.unique(shown)
    if len(ticks):
        ax.set_xticks(ticks, [str(n) for n in ticks])
        ax.minorticks_off()
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return ax


def draw_sizes(
    hidden: xr.Dataset | None,
    linear: xr.Dataset | None,
    title: str = "",
    *,
    source: Mapping[str, Mapping[int, float]] | None = None,
) -> Figure:
    """Draw the figure of `plot_sizes`.

    Parameters
    ----------
    hidden, linear : xarray.Dataset or None
        As for `plot_sizes`.
    title : str, optional
        Title of the figure.
    source : mapping of str to mapping of int to float, optional
        As for `plot_sizes`.

    Returns
    -------
    Figure
        The figure, for `binnet.plotting.save_figure`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    plot_sizes(hidden, linear, figure.subplots(), source=source)
    figure.suptitle(title)
    return figure
