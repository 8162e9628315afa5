"""Pictures of the fixed points of small networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from binnet.plotting._style import BLUE, RED, finish, plot_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_pair_overlaps(
    pairs: ArrayLike,
    ax: Axes,
    *,
    error: ArrayLike | None = None,
    expected: ArrayLike | None = None,
) -> Axes:
    """Draw the number of pairs of fixed points over their overlap (log scale).

    Parameters
    ----------
    pairs : array_like, shape (N + 1,)
        Ordered pairs that differ in k = 0..N neurons, counted or averaged over networks.
    ax : matplotlib.axes.Axes
        Where to draw.
    error : array_like, shape (N + 1,), optional
        Standard errors of `pairs`.
    expected : array_like, shape (N + 1,), optional
        Mean number by the theory, drawn as a line.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    counts = np.asarray(pairs, dtype=np.float64)
    overlap = 1.0 - 2.0 * np.arange(len(counts)) / (len(counts) - 1)
    if expected is not None:
        line = np.asarray(expected, dtype=np.float64)
        shown = np.where(line > 0, line, np.nan)
        ax.plot(overlap, shown, color=RED, ls="--", lw=1.6, label="theory, mean over networks")
    seen = counts > 0  # a logarithm has no place for none
    bars = None if error is None else np.asarray(error, dtype=np.float64)[seen]
    if bars is not None:  # an error as large as the count would reach down to 0
        bars = np.array([np.minimum(bars, 0.999 * counts[seen]), bars])
    plot_bars(
        ax, overlap[seen], counts[seen], bars, "standard error over networks",
        color=BLUE, marker="o", ms=4.5, mfc="white", ls="none", label="enumerated",
    )  # fmt: skip
    ax.set(xlabel=r"overlap $q$", ylabel="ordered pairs of fixed points", yscale="log")
    if seen.any():
        ax.set_ylim(counts[seen].min() / 3, counts[seen].max() * 3)
    return finish(ax)


def plot_attractors(lengths: ArrayLike, basins: ArrayLike, ax: Axes) -> Axes:
    """Draw the fraction of all states that each attractor attracts over its length (log scales).

    Parameters
    ----------
    lengths : array_like, shape (n,)
        States of each attractor (`binnet.fixed_points.Census`).
    basins : array_like, shape (n,)
        States that end in each.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    sizes = np.asarray(basins, dtype=np.float64)
    ax.plot(
        np.asarray(lengths), sizes / sizes.sum(), color=BLUE, marker="o", ms=4.5, mfc="white",
        ls="none",
    )  # fmt: skip
    ax.set(
        xlabel="length of the attractor", ylabel="fraction of all states in its basin",
        xscale="log", yscale="log",
    )  # fmt: skip
    return finish(ax, legend=False)
