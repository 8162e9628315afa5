"""Pictures of relaxation without input: how activity dies out, and how long that takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from binnet.plotting._style import colour, dash, deprecate, finish

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 30  # single replicas per curve


def plot_flips_per_sweep(fractions: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Plot the fraction of neurons that flip in each sweep, on a log scale.

    A thin line is a replica, a thick one the mean over all that are known.

    Parameters
    ----------
    fractions : mapping of str to array_like, shape (R, T)
        Flips divided by N for each replica and sweep, by name; 0 where nothing flips any more, NaN
        where nothing is known any more, as in a cycle in which the replica was left.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (label, values) in enumerate(fractions.items()):
        rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
        sweeps = np.arange(1, rows.shape[1] + 1)
        shown = np.where(rows > 0, rows, np.nan)  # a log scale has no place for 0
        ax.plot(sweeps, shown[:_SHOWN].T, color=colour(k), lw=0.5, alpha=0.35)
        known = np.isfinite(rows)
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        ax.plot(
            sweeps, np.where(mean > 0, mean, np.nan), color=colour(k), linestyle=dash(k), lw=2,
            label=f"{label}, mean of {len(rows)}",
        )  # fmt: skip
    ax.set(xlabel="sweep", ylabel="fraction of neurons that flip", yscale="log")
    return finish(ax)


def plot_relaxation_times(times: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Plot the distribution of relaxation times: the fraction not settled after t sweeps.

    Parameters
    ----------
    times : mapping of str to array_like, shape (R,)
        Sweeps to the fixed point by name, infinite where none was reached: such replicas keep the
        curve up.
    ax : Axes
        Where to draw; its time axis becomes logarithmic.

    Returns
    -------
    Axes
        The same Axes.
    """
    finite = [np.asarray(t, dtype=np.float64) for t in times.values()]
    last = max([2.0, *(float(t[np.isfinite(t)].max(initial=1.0)) for t in finite)])
    for k, (label, values) in enumerate(zip(times, finite, strict=True)):
        settled = np.sort(values[np.isfinite(values)])
        left = 1.0 - np.arange(1, len(settled) + 1) / len(values)
        ax.step(
            np.concatenate([[1.0], settled, [last]]),
            np.concatenate([[1.0], left, [left[-1] if len(left) else 1.0]]),
            where="post",
            color=colour(k),
            linestyle=dash(k),
            lw=1.8,
            label=f"{label}: {len(settled)} of {len(values)} settled",
        )
    ax.set(
        xlabel="sweeps $t$", ylabel="fraction not settled after $t$", xscale="log",
        xlim=(1.0, last), ylim=(-0.02, 1.02),
    )  # fmt: skip
    return finish(ax)


draw_flips_per_sweep = deprecate("draw_flips_per_sweep", plot_flips_per_sweep)
draw_relaxation_times = deprecate("draw_relaxation_times", plot_relaxation_times)
