"""The figure of the project: learning, dynamics and theory on one axis of self-coupling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import (
    BLACK,
    RED,
    colour,
    finish,
    make_panels,
    mark_level,
    marker,
    plot_seeds,
)
from binnet.plotting.sweeps import plot_convergence

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.studies.self_coupling import SelfCouplingResult

_SYMBOL = r"self-coupling $J_D$"


def plot_learning(
    learning: xr.Dataset, name: str, ax: Axes, *, control: xr.Dataset | None = None
) -> Axes:
    """Plot a measurement after the last epoch over the self-coupling, a curve for each margin.

    Parameters
    ----------
    learning : xarray.Dataset
        What `binnet.studies.map.train_cell` measured (seed, margin, self_coupling, epoch).
    name : str
        Which variable.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    control : xarray.Dataset, optional
        The same of networks whose hidden weights do not learn (seed, self_coupling, epoch).

    Returns
    -------
    Axes
        The same Axes.
    """
    couplings = learning["self_coupling"].values
    if control is not None:
        values = control[name].isel(epoch=-1)
        style = {"color": BLACK, "marker": ".", "linestyle": ":"}
        label = "control: only the readout learns"
        plot_seeds(ax, control["self_coupling"].values, values, 0, label, **style)
    for k, kappa in enumerate(learning["margin"].values):
        values = learning[name].isel(epoch=-1).sel(margin=kappa)
        plot_seeds(ax, couplings, values, k, rf"$\kappa$ = {kappa:g}", linestyle="-")
    ax.set(xlabel=_SYMBOL)
    return finish(ax, loc="lower right", ncols=2)


def plot_entropies(entropies: xr.Dataset, transitions: xr.Dataset, ax: Axes) -> Axes:
    """Plot complexity and local entropy of the densest clusters, in one colour for each margin.

    Parameters
    ----------
    entropies : xarray.Dataset
        What `binnet.studies.self_coupling.compute_entropies` computed (margin, self_coupling), at
        one strength of fields.
    transitions : xarray.Dataset
        What `binnet.studies.map.find_lines` found at that strength.
    ax : Axes
        Where to draw; markers are where the overlap gap closes.

    Returns
    -------
    Axes
        The same Axes.
    """
    couplings = entropies["self_coupling"].values
    for k, kappa in enumerate(entropies["margin"].values):
        at = entropies.sel(margin=kappa)
        for name, dashes in (("complexity", "-"), ("local_entropy", "--")):
            # Below 0 there is nothing of which it would be the logarithm of a number.
            values = np.where(at[name] >= 0.0, at[name], np.nan)
            ax.plot(couplings, values, color=colour(k), linestyle=dashes)
        ax.plot(kappa + float(transitions["critical"]), 0.0, color=colour(k), marker=marker(k),
                markersize=6, clip_on=False, linestyle="none")  # fmt: skip
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        (r"complexity $\Sigma$", {"ls": "-"}),
        (r"local entropy, densest clusters, $d$ = 0.016", {"ls": "--"}),
        (r"overlap gap closes, $J_D^c(\kappa)$; colours as in a", {"ls": "none", "marker": "o"}),
    )
    for label, style in kinds:
        ax.plot([], [], color="0.3", label=label, **style)
    mark_level(ax, 0.0)
    ax.set(ylabel="nats per neuron", xlabel=_SYMBOL)
    return finish(ax, loc="upper left")


def draw_self_coupling(result: SelfCouplingResult, title: str = "") -> Figure:
    """Draw accuracy, convergence and theory over one axis of self-coupling, at several margins.

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
    free, driven = (result.transitions.isel(field_std=k) for k in (0, 1))
    strength = float(driven["field_std"])
    figure, panels = make_panels(2, 3, title=title, size=(12, 11), sharex=True)
    a, d, b, e, c, top = panels
    plot_learning(result.learning, "accuracy", a, control=result.control)
    _mark_gaps(result, driven, a)
    a.set(ylabel="test accuracy", ylim=(0.0, 1.0))
    plot_learning(result.learning, "inference_convergence", b)
    b.set(ylabel="fraction of the test inputs", ylim=(-0.03, 1.03))
    plot_convergence(result.convergence, c)
    before = result.untrained
    plot_seeds(c, before["self_coupling"].values, before["convergence"], 2,
               "untrained network, under the input")  # fmt: skip
    c.set(ylabel="fraction that reaches a fixed point", xlabel=_SYMBOL)
    plot_learning(result.learning, "accuracy", top, control=result.control)
    for ax in (b, top):  # as in a
        legend = ax.get_legend()
        assert legend is not None
        legend.remove()
    best = float(result.learning["accuracy"].isel(epoch=-1).max())
    top.set(ylabel="test accuracy", ylim=(best - 0.12, best + 0.02))
    plot_entropies(result.entropies.isel(field_std=1), driven, d)
    plot_entropies(result.entropies.isel(field_std=0), free, e)
    names = {
        a: "a  learning, at margins $\\kappa$ of the rule",
        b: "b  after learning: inferences at a fixed point",
        c: "c  before learning: untrained networks; random networks without input",
        d: rf"d  theory, same $\kappa$, fields $\sigma_b = \lambda_{{in}}$ = {strength:g}",
        e: r"e  theory, same $\kappa$, no fields",
        top: "f  the same as a, near the top",
    }
    for ax, name in names.items():
        ax.set_title(name, loc="left", fontsize=10)
        ax.tick_params(labelbottom=True)
    for ax in (a, c, top):
        _mark_freezing(ax, free, driven)
    finish(c, loc="lower right")
    a.set_xlim(-0.03, 1.03 * float(result.learning["self_coupling"].max()))
    return figure


def _mark_gaps(result: SelfCouplingResult, transition: xr.Dataset, ax: Axes) -> None:
    """Mark on the upper edge where the theory's gap closes at each margin."""
    edge = ax.get_xaxis_transform()
    for k, kappa in enumerate(result.learning["margin"].values):
        place = kappa + float(transition["critical"])
        ax.plot(place, 1.0, color=colour(k), marker="v", markersize=9, transform=edge,
                clip_on=False, linestyle="none")  # fmt: skip
    ax.plot([], [], color="0.3", marker="v", linestyle="none",
            label=r"theory: gap closes, same $\kappa$ and $\sigma_b$")  # fmt: skip
    finish(ax, loc="lower right", ncols=2)


def _mark_freezing(ax: Axes, free: xr.Dataset, driven: xr.Dataset) -> None:
    """Draw where infinite random networks freeze as vertical lines."""
    for part, what, dashes in (
        (driven, r"$\sigma_b = \lambda_{in}$", "-"), (free, "no fields", "--")
    ):  # fmt: skip
        place, error = float(part["freezing"]), float(part["freezing_error"])
        if np.isfinite(place):
            label = f"theory, {what}: freezes above {place:.3f} ± {error:.3f}"
            ax.axvline(place, color=RED, linestyle=dashes, lw=1.2, zorder=0, label=label)
