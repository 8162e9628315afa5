"""The figure of the project: learning, dynamics and theory over one self-coupling axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._curves import curve_style, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKS = (":", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))


def plot_accuracy(training: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy after the last epoch against the self-coupling.

    Parameters
    ----------
    training : xarray.Dataset
        From `binnet.studies.self_coupling.run_self_coupling`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    last = training["accuracy"].isel(epoch=-1)
    for k, name in enumerate(last["preset_name"].values):
        values = last.sel(preset_name=name)
        plot_seeds(ax, values["self_coupling"].values, values, k, f"preset {name}")
    ax.set(ylabel="test accuracy", ylim=(0, 1))
    return ax


def plot_convergence(convergence: xr.Dataset, ax: Axes) -> Axes:
    """Plot the fraction of runs that reach a fixed point against the self-coupling.

    Parameters
    ----------
    convergence : xarray.Dataset
        From `binnet.studies.self_coupling.run_self_coupling`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest network.

    Returns
    -------
    Axes
        The same Axes.
    """
    fraction = convergence["n_converged"] / convergence.sizes["replica"]
    for k, name in enumerate(fraction["dynamics"].values):
        values = fraction.sel(dynamics=name)
        plot_seeds(ax, values["self_coupling"].values, values, k + 2, f"{name} dynamics")
    ax.set(ylabel="fraction that converges", ylim=(-0.03, 1.03))
    return ax


def plot_entropies(entropies: xr.Dataset, ax: Axes) -> Axes:
    """Plot the theory's entropies per neuron against the self-coupling.

    Parameters
    ----------
    entropies : xarray.Dataset
        From `binnet.studies.self_coupling.count_fixed_points`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    couplings = entropies["self_coupling"].values
    curves = {r"all fixed points, $\Sigma$": entropies["complexity"]} | {
        f"densest cluster, distance {float(d):g}": entropies["local_entropy"].sel(distance=d)
        for d in entropies["distance"].values
    }
    for k, (label, values) in enumerate(curves.items()):
        style = curve_style(k + 4) | {"marker": ""}
        ax.plot(couplings, values, label=label, **style)
    ax.axhline(0, color="0.5", lw=0.8)
    ax.set(ylabel="entropy per neuron", ylim=(-0.1, None))
    return ax


def draw_self_coupling(
    training: xr.Dataset,
    convergence: xr.Dataset,
    entropies: xr.Dataset,
    thresholds: Mapping[str, float],
    title: str = "",
) -> Figure:
    """Draw accuracy, convergence and entropies below each other, the thresholds through all.

    Parameters
    ----------
    training, convergence, entropies : xarray.Dataset
        From `binnet.studies.self_coupling.run_self_coupling`.
    thresholds : mapping of str to float
        Self-couplings to mark, by what happens there; NaN is left out.
    title : str, default ""
        Of the figure.

    Returns
    -------
    Figure
        The figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 8.4), layout="constrained")
    top, middle, bottom = figure.subplots(3, 1, sharex=True)
    plot_accuracy(training, top)
    plot_convergence(convergence, middle)
    plot_entropies(entropies, bottom)
    marks = []
    for k, (name, J_D) in enumerate(thresholds.items()):
        if np.isfinite(J_D):
            for ax in (top, middle, bottom):
                mark = ax.axvline(J_D, color="0.35", lw=1.0, linestyle=_MARKS[k % len(_MARKS)])
            marks.append((mark, f"{name}: {J_D:.3f}"))
    for ax in (top, middle, bottom):
        ax.grid(alpha=0.25)
        ax.legend(fontsize=8, loc="center right")
    bottom.set_xlabel(r"self-coupling $J_D$")
    if marks:
        figure.legend(*zip(*marks, strict=True), fontsize=8, loc="outside lower center", ncols=2)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure
