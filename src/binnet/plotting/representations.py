"""Pictures of representations: overlaps in the course of the sweeps, and similarity of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.plotting._style import LEGEND, curve_style, finish, make_panels, plot_band

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_DRAWN = 150  # samples in a matrix: more are neither seen nor compressed


def plot_overlaps(result: xr.Dataset, module: int, ax: Axes) -> Axes:
    """Plot the overlaps within and between classes against the sweep.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.representations.compare_with_start`.
    module : int
        Which module, from 1.
    ax : Axes
        Where to draw; bands are the standard deviation over pairs, of the trained network.

    Returns
    -------
    Axes
        The same Axes.
    """
    sweeps = result["sweep"].values
    for network, fill in (("trained", "full"), ("initial", "none")):
        part = result.sel(network=network, module=module)
        for k, name in enumerate(("within", "between")):
            mean, std = part[name].values, part[f"{name}_std"].values
            style = {**curve_style(k), "linestyle": "-" if network == "trained" else ":"}
            ax.plot(sweeps, mean, fillstyle=fill, label=f"{name} classes, {network}", **style)
            if network == "trained":
                meaning = "± standard deviation over pairs"
                plot_band(ax, sweeps, mean - std, mean + std, meaning, color=style["color"])
    ax.set(xlabel="sweep", ylabel="overlap q", title=f"module {module}")
    ax.set_ylim(-0.35, 1.0)
    return finish(ax, legend=False)


def plot_clustering(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot the clustering, the overlap within classes less that between them, against the module.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.representations.compare_with_start`.
    ax : Axes
        Where to draw: after the last sweep; module 0 are the inputs.

    Returns
    -------
    Axes
        The same Axes.
    """
    modules = result["module"].values
    for k, network in enumerate(("trained", "initial")):
        values = result["clustering"].sel(network=network).isel(sweep=-1).values
        ax.plot(modules, values, label=network, **curve_style(k))
    inputs = float(result["input_clustering"])
    ax.axhline(inputs, color="0.4", linewidth=1, label="inputs")
    ax.set(xlabel="module", ylabel=r"$q_{within} - q_{between}$", title="clustering of classes")
    ax.set_xticks(modules)
    ax.set_ylim(bottom=0)
    return finish(ax)


def plot_similarity(result: xr.Dataset, network: str, module: int, ax: Axes) -> Axes:
    """Plot the overlaps of all pairs of samples, sorted by class.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.representations.compare_with_start`.
    network : {"initial", "trained"}
        Which network.
    module : int
        Which module, from 1.
    ax : Axes
        Where to draw; ticks are in the middle of the classes. Of many samples, 150 are drawn.

    Returns
    -------
    Axes
        The same Axes; the last of its images is for a colour bar.
    """
    step = -(-result.sizes["sample"] // _MOST_DRAWN)
    drawn = result.isel(sample=slice(None, None, step), other=slice(None, None, step))
    labels = drawn["label"].values
    values = drawn["similarity"].sel(network=network, module=module).values
    ax.imshow(values, cmap="PuOr", vmin=-1, vmax=1, interpolation="nearest")
    classes = np.unique(labels)
    middles = [np.flatnonzero(labels == label).mean() for label in classes]
    ax.set_xticks(middles, classes, fontsize=7)
    ax.set_yticks(middles, classes, fontsize=7)
    ax.set_title(f"{network}, module {module}", fontsize=9)
    return ax


def draw_representations(result: xr.Dataset, title: str = "") -> Figure:
    """Draw overlaps, clustering, and the similarity before and after training.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.representations.compare_with_start`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    modules = [int(module) for module in result["module"].values]
    n_columns = len(modules) + 1
    figure, panels = make_panels(n_columns, 3, title=title, size=(3.1 * n_columns + 1, 9))
    axes: NDArray[Any] = np.array(panels, object).reshape(3, n_columns)
    for column, module in enumerate(modules):
        plot_overlaps(result, module, axes[0, column])
        for row, network in enumerate(("initial", "trained")):
            plot_similarity(result, network, module, axes[1 + row, column])
    plot_clustering(result, axes[0, -1])
    image = axes[2, 0].images[-1]
    figure.colorbar(image, cax=_bar(axes[1, -1]), label="overlap q, samples sorted by class")
    axes[2, -1].axis("off")
    handles, names = axes[0, 0].get_legend_handles_labels()
    axes[2, -1].legend(handles, names, loc="center", **LEGEND)
    return figure


def _bar(ax: Axes) -> Axes:
    """Return a narrow place for a colour bar in an Axes."""
    ax.axis("off")
    return ax.inset_axes((0.0, 0.05, 0.08, 0.9))
