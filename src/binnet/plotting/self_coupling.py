"""The figure of the project: learning, dynamics and theory on one axis of self-coupling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import LEGEND, colour, dash, finish, make_panels, mark_level, plot_seeds
from binnet.plotting.sweeps import plot_convergence

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.studies.self_coupling import SelfCouplingResult

# Transitions of the theory, then thresholds of the dynamics: name in the data, label, dashes.
_TRANSITIONS = {
    "gap closes": ("overlap gap closes", "-"),
    "monotone": ("local entropy monotone", "--"),
    "freezing": ("infinite network freezes", "-."),
}
_THRESHOLDS = {"sync": ("half converge, sync", ":"), "async": ("half converge, async", (0, (1, 3)))}


def plot_learning(learning: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy after the last epoch, and how often training reached a fixed point.

    Parameters
    ----------
    learning : xarray.Dataset
        What `binnet.studies.self_coupling.train_at` measured (self_coupling, seed).
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    last = learning.isel(epoch=-1)
    couplings = learning["self_coupling"].values
    plot_seeds(ax, couplings, last["accuracy"], 0, "test accuracy")
    label = "training relaxations that end in a fixed point"
    plot_seeds(ax, couplings, last["fixed_points"], 1, label)
    ax.set(ylabel="fraction", ylim=(-0.03, 1.03))
    return finish(ax, loc="lower right")


def plot_entropies(entropies: xr.Dataset, ax: Axes, *, complexity: bool = True) -> Axes:
    """Plot the complexity and the local entropies of the densest clusters.

    Parameters
    ----------
    entropies : xarray.Dataset
        What `binnet.studies.self_coupling.compute_entropies` computed (self_coupling).
    ax : Axes
        Where to draw.
    complexity : bool, default True
        Whether to draw the complexity too, which is much larger.

    Returns
    -------
    Axes
        The same Axes.
    """
    couplings = entropies["self_coupling"].values
    if complexity:
        ax.plot(
            couplings, entropies["complexity"], color="black", lw=2, label=r"complexity $\Sigma$"
        )
    distances = entropies["distance"].isel(self_coupling=0).values
    for k, distance in enumerate(distances):
        ax.plot(
            couplings,
            entropies["local_entropy"].isel(cluster=k),
            color=colour(k),
            linestyle=dash(k),
            label=rf"densest clusters, $d$ = {distance:g}",
        )
    mark_level(ax, 0.0)
    ax.set(ylabel="nats per neuron")
    return finish(ax, loc="upper left", ncols=2)


def draw_self_coupling(result: SelfCouplingResult, title: str = "") -> Figure:
    """Draw accuracy, convergence and entropies above each other, with the transitions marked.

    Parameters
    ----------
    result : SelfCouplingResult
        From `binnet.studies.self_coupling.run_self_coupling`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `binnet.plotting.save_figure`.
    """
    figure, panels = make_panels(1, 4, title=title, size=(8, 10.5), sharex=True)
    plot_learning(result.learning, panels[0])
    plot_convergence(result.convergence, panels[1])
    plot_entropies(result.entropies, panels[2])
    plot_entropies(result.entropies, panels[3], complexity=False)
    lowest = float(result.entropies["local_entropy"].min())
    panels[2].set_ylim(top=0.85)  # room for the legend above the complexity
    # The same around zero, where clusters begin to exist; its legend is that of the panel above.
    panels[3].set(ylim=(1.3 * min(lowest, -0.005), 0.08))
    legend = panels[3].get_legend()
    assert legend is not None
    legend.remove()
    panels[1].set(xlabel="", ylabel="random networks: runs\nthat reach a fixed point")
    names = (
        "a  learning", "b  dynamics without input", "c  theory: entropies", "d  the same near zero"
    )  # fmt: skip
    for ax, name in zip(panels, names, strict=True):
        ax.set_title(name, loc="left", fontsize=10)
        lines = _mark(result, ax)
    panels[3].set(xlabel=r"self-coupling $J_D$", xlim=(-0.02, None))
    figure.legend(handles=lines, loc="outside lower center", ncols=2, **LEGEND)
    return figure


def _mark(result: SelfCouplingResult, ax: Axes) -> list[object]:
    """Draw transitions and thresholds as vertical lines; return them for the legend."""
    lines: list[object] = []
    marks = [
        (label, dashes, "0.25", result.transitions.sel(transition=name), "error")
        for name, (label, dashes) in _TRANSITIONS.items()
    ] + [
        (label, dashes, colour(k), result.thresholds.sel(update_order=name), "threshold_error")
        for k, (name, (label, dashes)) in enumerate(_THRESHOLDS.items())
    ]
    for label, dashes, shade, part, error in marks:
        place = float(part["threshold"])
        if np.isfinite(place):
            digits = f"{place:.3f}"
            if float(part[error]) > 5e-4:
                digits += f" ± {float(part[error]):.3f}"
            line = ax.axvline(
                place, color=shade, linestyle=dashes, lw=1.2, zorder=0,
                label=f"{label}: $J_D$ = {digits}",
            )  # fmt: skip
            lines.append(line)
    return lines
