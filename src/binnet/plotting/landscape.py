"""Pictures of landscapes: margins, basins, local entropies, counts, overlaps; along training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.landscape import positive_entropy
from binnet.plotting._style import (
    curve_style,
    finish,
    make_panels,
    mark_epochs,
    mark_level,
    plot_bars,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ERROR = "standard error over samples"
_OVERLAPS = ("clamped_free", "clamped_inference", "free_inference")
_BASIN_AT, _DISTANCE = 0.1, 0.005  # of the curves along training


def select_networks(result: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return what is compared in a picture.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.

    Returns
    -------
    dict of str to xarray.Dataset
        "trained" and "untrained", the state of inference at the last and the first epoch; "trained,
        shuffled" and "trained, random start" at the last.
    """
    first, last = result.isel(epoch=0), result.isel(epoch=-1)
    return {
        "trained": last.sel(state="inference"),
        "untrained": first.sel(state="inference"),
        "trained, shuffled": last.sel(state="shuffled"),
        "trained, random start": last.sel(state="random"),
    }


def _mean_and_error(values: xr.DataArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and standard error over the samples that have a value, if half of them have."""
    n = values.notnull().sum("sample")
    mean = values.mean("sample").where(2 * n >= values.sizes["sample"])
    error = values.std("sample", ddof=1) / np.sqrt(n)
    return mean.values, error.fillna(0.0).where(n > 0).values


def plot_networks(
    result: xr.Dataset, variable: str, axis: str, ax: Axes, *, legend: bool = False
) -> Axes:
    """Plot a variable along its axis for each network, with standard errors over samples.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.
    variable, axis : str
        Such as "margin" and "quantile". Where less than half of the samples have a value there is
        no point.
    ax : Axes
        Where to draw.
    legend : bool, default False
        Whether to say which curve is which.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (name, part) in enumerate(select_networks(result).items()):
        mean, error = _mean_and_error(part[variable])
        plot_bars(ax, part[axis].values, mean, error, ERROR, label=name, **curve_style(k))
    return finish(ax, legend=legend)


def plot_counts(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot the entropy of all fixed points of each sample: message passing, and exact if known.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.
    ax : Axes
        Where to draw: a point for each sample, and the mean.

    Returns
    -------
    Axes
        The same Axes.
    """
    parts = select_networks(result)
    del parts["trained, random start"]  # the network is that of the first
    for k, part in enumerate(parts.values()):
        values = part["entropy"].values
        style: dict[str, Any] = {**curve_style(k), "linestyle": "none"}
        place = k + np.linspace(-0.2, 0.2, len(values))
        ax.plot(place, values, alpha=0.6, **style)
        if np.isfinite(values).any():
            ax.hlines(np.nanmean(values), k - 0.3, k + 0.3, color=style["color"])
        if "n_fixed_points" in part:
            exact = part["n_fixed_points"].values.astype(float)
            n = len(part["n_flips"]) - 1
            with np.errstate(divide="ignore"):
                entropy = np.where(exact > 0, np.log(exact) / n, np.nan)
            label = "exact count" if k == 0 else None
            ax.plot(place, entropy, "x", color="0.2", label=label)
    mark_level(ax, 0.0)
    ax.set_xticks(range(len(parts)), [name.replace(", ", ",\n") for name in parts], fontsize=8)
    ax.set(
        ylabel="entropy of all fixed points, nats per neuron",
        title="counts: points are samples, lines means",
    )
    return finish(ax)


def plot_training_overlaps(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot the overlaps of clamped, free and inference states against the epoch.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.
    ax : Axes
        Where to draw; bars are standard errors over samples.

    Returns
    -------
    Axes
        The same Axes.
    """
    part = result.sel(state="inference")
    for k, name in enumerate(_OVERLAPS):
        mean, error = _mean_and_error(part[f"overlap_{name}"])
        label = name.replace("_", " and ")
        plot_bars(ax, part["epoch"].values, mean, error, ERROR, label=label, **curve_style(k))
    mark_epochs(ax)
    ax.set(xlabel="epoch", ylabel="overlap q", title="states of training and inference")
    return finish(ax)


def plot_along_training(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot entropies, margins and basins of the state of inference against the epoch.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.
    ax : Axes
        Where to draw, each relative to its largest mean; the legend tells that.

    Returns
    -------
    Axes
        The same Axes.
    """
    part = result.sel(state="inference")
    near = positive_entropy(part).sel(distance=_DISTANCE, method="nearest")
    back = part["return_overlap"].sel(flipped=_BASIN_AT, method="nearest")
    curves = {
        "entropy of all": part["entropy"],
        f"local entropy at d = {near['distance'].item():g}": near,
        "median margin": part["margin"].sel(quantile=0.5),
        f"overlap after flips of {back['flipped'].item():g}": back,
        "at a fixed point": part["fixed"],
    }
    for k, (name, values) in enumerate(curves.items()):
        mean, error = _mean_and_error(values)
        largest = np.nanmax(np.abs(mean)) if np.isfinite(mean).any() else 1.0
        scale = largest or 1.0
        label = f"{name} (of {largest:.3g})"
        plot_bars(
            ax, part["epoch"].values, mean / scale, error / scale, ERROR,
            label=label, **curve_style(k),
        )  # fmt: skip
    mark_epochs(ax)
    ax.set(xlabel="epoch", ylabel="relative to the largest", title="along training")
    ax.set_ylim(-0.05, 2.0)  # the upper half is the legend's
    return finish(ax, fontsize=7, loc="upper center")


def draw_landscape(result: xr.Dataset, title: str = "") -> Figure:
    """Draw margins, basins, local entropies and counts, and what becomes of them in training.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.landscape.run_landscape`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    figure, axes = make_panels(3, 2, title=title)
    margins, basins, entropies, counts, overlaps, training = axes
    plot_networks(result, "margin", "quantile", margins, legend=True)
    mark_level(margins, 0.0)
    margins.set(
        xlabel="quantile over neurons", ylabel=r"$s_i h_i - J_D$", title="margins of the state"
    )
    plot_networks(result, "return_probability", "flipped", basins)
    basins.set(
        xlabel="flipped fraction f", ylabel="probability to return to the state", title="basins"
    )
    basins.set_ylim(-0.03, 1.03)
    local = result.assign(local_entropy=positive_entropy(result))
    plot_networks(local, "local_entropy", "distance", entropies)
    mark_level(entropies, 0.0)
    distances = result["distance"].values
    # Not from the points: where modules excite each other there are none.
    entropies.set(xscale="log", xlim=(0.8 * distances.min(), 1.25 * distances.max()))
    entropies.set(
        xlabel="distance d from the state",
        ylabel="local entropy, nats per neuron",
        title="fixed points around the state (0: none)",
    )
    plot_counts(result, counts)
    plot_training_overlaps(result, overlaps)
    plot_along_training(result, training)
    return figure
