"""Pictures of a training: accuracy, activity and stabilities of its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from binnet.learning.metrics import QUANTILES, EpochMetrics
from binnet.plotting._style import (
    BLUE,
    LEGEND,
    RED,
    colour,
    finish,
    make_panels,
    mark_epochs,
    marker,
)
from binnet.plotting._style import COLOURS as COLOURS
from binnet.plotting._style import MARKERS as MARKERS
from binnet.plotting._style import save_figure as save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_accuracy(history: Sequence[EpochMetrics], ax: Axes) -> Axes:
    """Plot the accuracy on each measured set against the epoch.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each epoch, at least one.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    epochs = [metrics.epoch for metrics in history]
    # A run that was resumed may have been measured on other sets before.
    for k, name in enumerate(dict.fromkeys(name for m in history for name in m.accuracy)):
        values = [metrics.accuracy.get(name, np.nan) for metrics in history]
        ax.plot(
            epochs,
            values,
            color=colour(k),
            marker=marker(k),
            markersize=4,
            linestyle="--" if name == "train" else "-",
            label=f"{name}: {values[-1]:.4f}",
        )
    ax.set(xlabel="epoch", ylabel="accuracy", title="accuracy")
    mark_epochs(ax)
    return finish(ax)


def plot_activity(history: Sequence[EpochMetrics], ax: Axes) -> Axes:
    """Plot the fractions of unstable, flipping and saturated neurons against the epoch (log scale).

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each epoch, at least one.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    epochs = [metrics.epoch for metrics in history]
    curves = {
        "unstable hidden (learn J, W_in)": [m.unstable["hidden"] for m in history],
        "unstable readout (learn W_out)": [m.unstable["readout"] for m in history],
        "flips per sweep after the first": [
            sum(m.flips[1:]) / max(len(m.flips) - 1, 1) for m in history
        ],
        "saturated hidden": [m.saturation for m in history],
    }
    for k, (label, values) in enumerate(curves.items()):
        shown = [value if value > 0 else np.nan for value in values]
        ax.plot(epochs, shown, color=colour(k), marker=marker(k), markersize=4, label=label)
    ax.set(xlabel="epoch", ylabel="fraction", yscale="log", title="activity while learning")
    mark_epochs(ax)
    # Below the axes: four curves on a log scale leave no corner free.
    return finish(ax, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def plot_stabilities(history: Sequence[EpochMetrics], layer: str, margin: float, ax: Axes) -> Axes:
    """Plot how the quantiles of the stabilities go, and the margin that is asked for.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each epoch, at least one.
    layer : {"hidden", "readout"}
        Which neurons.
    margin : float
        kappa, drawn as a line: neurons below it are unstable and learn.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    epochs = [metrics.epoch for metrics in history]
    quantiles = np.array([metrics.stability_quantiles[layer] for metrics in history])
    n = len(QUANTILES)
    for k, alpha in zip(range(n // 2), (0.15, 0.3, 0.5), strict=True):
        low, high = QUANTILES[k], QUANTILES[n - 1 - k]
        ax.fill_between(
            epochs,
            quantiles[:, k],
            quantiles[:, n - 1 - k],
            color=BLUE,
            alpha=alpha,
            linewidth=0,
            label=f"{low:.0%} to {high:.0%}",
        )
    ax.plot(epochs, quantiles[:, n // 2], color="black", marker="o", markersize=3, label="median")
    ax.axhline(margin, color=RED, linestyle="--", label="margin asked for")
    symbol = "$s_i h_i - J_D$" if layer == "hidden" else "$f_c y_c$"
    ax.set(xlabel="epoch", ylabel=symbol, title=f"stability, {layer} neurons")
    mark_epochs(ax)
    return finish(ax, legend=False)


def draw_learning_curves(history: Sequence[EpochMetrics], title: str) -> Figure:
    """Draw accuracy and activity side by side.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each epoch, at least one.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    figure, axes = make_panels(2, title=title, size=(10, 4.2))
    plot_accuracy(history, axes[0])
    plot_activity(history, axes[1])
    return figure


def draw_stabilities(
    history: Sequence[EpochMetrics], margin: float, readout_margin: float, title: str
) -> Figure:
    """Draw the stabilities of hidden and readout neurons side by side.

    Parameters
    ----------
    history : sequence of EpochMetrics
        One entry for each epoch, at least one.
    margin, readout_margin : float
        kappa and kappa_out.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    figure, axes = make_panels(2, title=title, size=(10, 4.2))
    plot_stabilities(history, "hidden", margin, axes[0])
    plot_stabilities(history, "readout", readout_margin, axes[1])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), **LEGEND)
    return figure
