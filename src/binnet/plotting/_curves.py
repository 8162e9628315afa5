"""Curves with seeds: how they are told apart, with and without colour, and their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from binnet.plotting.training import COLOURS, MARKERS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_DASHES = ("-", "--", "-.", ":")


def curve_style(k: int) -> dict[str, Any]:
    """Return colour, marker and dash of the k-th curve."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "marker": MARKERS[k % len(MARKERS)],
        "linestyle": _DASHES[k % len(_DASHES)],
        "markersize": 4,
    }


def plot_seeds(ax: Axes, x: ArrayLike, values: xr.DataArray, k: int, label: str) -> None:
    """Plot the mean over seeds as the k-th curve, with bars from the lowest to the highest."""
    mean = values.mean("seed", skipna=False).values
    low, high = (getattr(values, end)("seed", skipna=False).values for end in ("min", "max"))
    # Where all seeds agree, the mean may lie beyond them in its last bit.
    bars = np.maximum(np.stack([mean - low, high - mean]), 0.0)
    ax.errorbar(x, mean, bars, capsize=2, label=label, **curve_style(k))
