"""Pictures of sweeps over the self-coupling: who converges, from where on, and how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.plotting._curves import BOOTSTRAP, each_curve
from binnet.plotting._style import (
    finish,
    make_panels,
    mark_level,
    plot_band,
    plot_bars,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_convergence(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot the fraction of runs that reach a fixed point against J_D, a curve for each size.

    Parameters
    ----------
    result : xarray.Dataset
        Of a sweep of `binnet.studies.relaxation` over ``self_coupling``. Runs are pooled over
        ``seed``; other axes give a curve for each of their values.
    ax : Axes
        Where to draw. Error bars are 68 % Wilson intervals of the binomial proportion.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in each_curve(result):
        n_converged, n_runs = _pool(part["n_converged"], result.sizes["replica"])
        measured = n_runs > 0
        n_converged, n_runs = n_converged[measured], n_runs[measured]
        fraction = n_converged / n_runs
        bars = np.abs(_wilson(n_converged, n_runs) - fraction)
        couplings = result["self_coupling"].values[measured]
        plot_bars(ax, couplings, fraction, bars, "68 % Wilson interval", label=label, **style)
    mark_level(ax, 0.5)
    ax.set(xlabel=r"self-coupling $J_D$", ylabel="fraction of runs that converge")
    ax.set_ylim(-0.03, 1.03)
    return finish(ax)


def plot_thresholds(thresholds: xr.Dataset, ax: Axes) -> Axes:
    """Plot the self-coupling at which half of the runs converge against the size.

    Parameters
    ----------
    thresholds : xarray.Dataset
        From `binnet.studies.convergence_thresholds`, with the axis ``n_neurons``.
    ax : Axes
        Where to draw; bars are the errors of the thresholds, bands the width of the transition.

    Returns
    -------
    Axes
        The same Axes.
    """
    sizes = thresholds["n_neurons"].values
    for label, style, part in each_curve(thresholds, "n_neurons"):
        centre, width = part["threshold"].values, part["width"].values
        error = part["threshold_error"].values
        plot_bars(ax, sizes, centre, error, BOOTSTRAP, label=label, **style)
        plot_band(
            ax, sizes, centre - width, centre + width, "width of the transition",
            color=style["color"],
        )  # fmt: skip
    ax.set(xlabel="neurons $N$", ylabel=r"$J_D$ at which half of the runs converge", xscale="log")
    ax.set_xticks(sizes, [str(n) for n in sizes], minor=False)
    ax.minorticks_off()
    return finish(ax)


def plot_relaxation_times(result: xr.Dataset, self_coupling: float, ax: Axes) -> Axes:
    """Plot which fraction of the runs has reached a fixed point after so many sweeps.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    self_coupling : float
        J_D, one of those of the sweep.
    ax : Axes
        Where to draw. Runs that do not converge keep a curve below 1.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in each_curve(result.sel(self_coupling=self_coupling)):
        times = part["relaxation_time"].values.ravel()
        reached = np.sort(times[np.isfinite(times)])
        if len(reached):
            height = np.arange(1, len(reached) + 1) / len(times)
            ax.step(reached, height, where="post", label=label, color=style["color"],
                    linestyle=style["linestyle"])  # fmt: skip
    ax.set(
        xlabel="sweeps to the fixed point",
        ylabel="cumulative fraction of runs",
        xscale="log",
        title=rf"$J_D$ = {self_coupling:g}",
    )
    ax.set_ylim(-0.03, 1.03)
    return finish(ax)


def plot_flip_fraction(result: xr.Dataset, self_coupling: float, ax: Axes) -> Axes:
    """Plot the flips per neuron and sweep against the sweep, on logarithmic axes.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    self_coupling : float
        J_D, one of those of the sweep.
    ax : Axes
        Where to draw; means over runs and networks.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in each_curve(result.sel(self_coupling=self_coupling)):
        others = [name for name in part["flip_fraction"].dims if name != "sweep"]
        flips = part["flip_fraction"].mean(others).values
        seen = flips > 0
        ax.plot(np.arange(1, len(flips) + 1)[seen], flips[seen], label=label,
                color=style["color"], linestyle=style["linestyle"])  # fmt: skip
    ax.set(
        xlabel="sweep",
        ylabel="flips per neuron",
        xscale="log",
        yscale="log",
        title=rf"$J_D$ = {self_coupling:g}",
    )
    return finish(ax)


def draw_convergence(result: xr.Dataset, thresholds: xr.Dataset, title: str = "") -> Figure:
    """Draw convergence, thresholds, relaxation times and flips of one sweep.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    thresholds : xarray.Dataset
        From `binnet.studies.convergence_thresholds`.
    title : str, default ""
        Title of the figure.

    Returns
    -------
    Figure
        Four Axes, without the thresholds three.
    """
    has_sizes = thresholds.sizes.get("n_neurons", 0) > 1
    if has_sizes:
        figure, axes = make_panels(2, 2, title=title, size=(11, 8))
    else:
        figure, axes = make_panels(3, title=title, size=(14, 4.2))
    plot_convergence(result, axes.pop(0))
    if has_sizes:
        plot_thresholds(thresholds, axes.pop(0))
    slowest = _most_informative(result)
    plot_relaxation_times(result, slowest, axes[0])
    plot_flip_fraction(result, slowest, axes[1])
    return figure


def _most_informative(result: xr.Dataset) -> float:
    """Return the smallest J_D at which more than half of all runs converge, else the largest."""
    others = [name for name in result["n_converged"].dims if name != "self_coupling"]
    fraction = result["n_converged"].mean(others).values / result.sizes["replica"]
    couplings = result["self_coupling"].values
    above = couplings[fraction > 0.5]
    return float(above.min() if len(above) else couplings.max())


def _pool(counts: xr.DataArray, n_replicas: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sum converged runs over networks, and count the runs; cells that are missing do not count."""
    others = [name for name in counts.dims if name != "self_coupling"]
    runs = counts.notnull().sum(others).values * n_replicas
    return counts.sum(others).values, runs


def _wilson(counts: NDArray[Any], runs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ends (2, n) of the 68 % confidence intervals of binomial proportions."""
    from scipy.stats import binomtest

    ends = []
    for k, n in zip(counts, runs, strict=True):
        interval = binomtest(int(k), int(n)).proportion_ci(0.6827, method="wilson")
        ends.append((interval.low, interval.high))
    return np.array(ends).T
