"""The figures of the study `tasks`: what each setting does to the order of the gains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import colour, finish, make_panels, marker, plot_bars
from binnet.plotting.rate import draw_levels
from binnet.studies.rate import BLOCK, select_best

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXES = ("gain", "seed", "learning_rate", "variant")


def list_figures(results: Mapping[str, xr.Dataset]) -> dict[str, Callable[[], Figure]]:
    """Say which figures there are results for, and how each is drawn.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        Of the grids of the study, by name.

    Returns
    -------
    dict
        Functions that draw, by the name of the figure.
    """
    return {name: partial(_draw, name, result) for name, result in results.items()}


def _draw(name: str, result: xr.Dataset) -> Figure:
    """Draw losses against the gain: final ones above, of the first 500 updates below."""
    rate = float(result["learning_rate"].min())
    early = result["loss"].isel(block=slice(500 // BLOCK)).mean("block").sel(learning_rate=rate)
    rows = {
        "final loss, best learning rate": select_best(result)["final_loss"],
        f"mean loss of 500 updates, rate {rate:g}": early,
    }
    variants = [str(v) for v in result["variant"].values]
    figure, axes = make_panels(len(variants), 2, title=f"{name}: e-prop by initial gain")
    for k, (label, losses) in enumerate(rows.items()):
        for variant, ax in zip(variants, axes[k * len(variants) :], strict=False):
            task = variant if k == 0 else ""
            plot_gains(losses.sel(variant=variant), ax, task=task).set(ylabel=label, title=variant)
    return figure


def plot_gains(losses: xr.DataArray, ax: Axes, *, task: str = "") -> Axes:
    """Draw losses against the gain: means over seeds, ± standard deviations.

    Parameters
    ----------
    losses : xarray.DataArray
        Losses by gain and seed; each combination of what other dimensions there are is a line.
    ax : Axes
        Where to draw.
    task : str, optional
        A task whose chance level is drawn.

    Returns
    -------
    Axes
        The same Axes.
    """
    others = [str(name) for name in losses.dims if name not in _AXES]
    loss = losses.transpose(*others, "gain", "seed")
    for k, index in enumerate(np.ndindex(*(loss.sizes[name] for name in others))):
        part: Any = loss.isel(dict(zip(others, index, strict=True)))
        values = part.values
        if not np.isfinite(values).any(axis=1).all():
            continue
        label = ", ".join(f"{name} {part[name].item()}" for name in others) or "all"
        plot_bars(
            ax, losses["gain"].values, np.nanmean(values, axis=1), np.nanstd(values, axis=1),
            "± std. dev. of runs", color=colour(k), marker=marker(k), capsize=3, label=label,
        )  # fmt: skip
    draw_levels(task.removesuffix("-first-step"), ax)
    ax.set(xlabel="initial gain", yscale="log")
    return finish(ax)
