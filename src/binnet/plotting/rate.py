"""Figures of rate networks: learning curves, Lyapunov exponents, gradient flossing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from binnet.plotting._style import (
    BLUE,
    DASHES,
    colour,
    dash,
    finish,
    make_panels,
    marker,
    plot_band,
    plot_bars,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Losses to compare with: their level and what it means (docs/model/rate.md, section 3).
LEVELS = {
    "romo": {"no answer": 0.0317, "chance": 0.0158},
    "two-alternative": {"chance": 0.0315, "best observer": 0.0089},
    "delayed-match": {"chance": 0.195},
}
_SPREAD = "± std. dev. of runs"


def plot_learning_curves(
    curves: Mapping[str, ArrayLike], block: int, ax: Axes, *, task: str = ""
) -> Axes:
    """Draw learning curves: the mean over runs as a line, ± one standard deviation as a band.

    Parameters
    ----------
    curves : mapping of str to array_like, shape (n_runs, n_blocks)
        Mean losses of blocks of updates, by the name of the condition; runs that diverged hold
        NaN and are left out.
    block : int
        Updates in a block.
    ax : Axes
        Where to draw; the loss axis becomes logarithmic.
    task : str, optional
        A task whose chance level is drawn.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (name, runs) in enumerate(curves.items()):
        values = np.asarray(runs, dtype=np.float64)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) == 0:
            continue
        updates = (np.arange(values.shape[1]) + 0.5) * block
        mean, spread = values.mean(axis=0), values.std(axis=0)
        ax.plot(updates, mean, color=colour(k), linestyle=dash(k), lw=1.6, label=name)
        low = np.maximum(mean - spread, 0.5 * mean)  # a band to 0 has no lower end on a log axis
        plot_band(ax, updates, low, mean + spread, _SPREAD, color=colour(k), alpha=0.2)
    draw_levels(task, ax)
    ax.set(xlabel="update", ylabel="loss", yscale="log")
    if task in LEVELS:  # the first updates of a large gain would take most of the axis
        ax.set_ylim(top=min(ax.get_ylim()[1], 3 * max(LEVELS[task].values())))
    return finish(ax, ncols=2 if len(curves) > 5 else 1)


def plot_exponents(gains: ArrayLike, exponents: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Draw Lyapunov exponents against the initial gain: means over runs, ± standard deviations.

    Parameters
    ----------
    gains : array_like, shape (n_gains,)
        Initial gains.
    exponents : mapping of str to array_like, shape (n_gains, n_runs)
        Exponents by the name of the condition.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (name, values) in enumerate(exponents.items()):
        table = np.asarray(values, dtype=np.float64)
        plot_bars(
            ax,
            gains,
            np.nanmean(table, axis=1),
            np.nanstd(table, axis=1),
            _SPREAD,
            color=colour(k),
            marker=marker(k),
            linestyle=dash(k),
            capsize=3,
            label=name,
        )
    ax.axhline(0.0, color="0.4", lw=0.8)
    ax.set(xlabel="initial gain", ylabel="max Lyapunov exponent per step")
    return finish(ax)


def plot_spectra(spectra: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Draw whole Lyapunov spectra: the mean over runs of each exponent against its number.

    Parameters
    ----------
    spectra : mapping of str to array_like, shape (n_runs, k)
        Exponents in falling order, by the name of the condition.
    ax : Axes
        Where to draw; the number's axis becomes logarithmic.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, (name, values) in enumerate(spectra.items()):
        mean = np.nanmean(np.asarray(values, dtype=np.float64), axis=0)
        ax.plot(
            np.arange(1, len(mean) + 1),
            mean,
            color=colour(k),
            linestyle=dash(k),
            marker=marker(k),
            markevery=[0],
            lw=1.6,
            label=name,
        )
    ax.axhline(0.0, color="0.4", lw=0.8)
    ax.set(xlabel="number of the exponent", ylabel="Lyapunov exponent per step", xscale="log")
    return finish(ax)


def draw_losses(losses: ArrayLike, task: str, title: str, *, block: int = 20) -> Figure:
    """Draw the learning curve of one run: its losses, and their means over blocks of updates.

    Parameters
    ----------
    losses : array_like, shape (n_updates,)
        Loss of each update.
    task : str
        A task whose chance level is drawn.
    title : str
        Line above the picture.
    block : int, default 20
        Updates to average over.

    Returns
    -------
    Figure
        The figure.
    """
    values = np.asarray(losses, dtype=np.float64)
    figure, (ax,) = make_panels(title=title, size=(5.5, 4.0))
    ax.plot(np.arange(1, len(values) + 1), values, color="0.75", lw=0.6, label="each update")
    n = len(values) // block
    if n:
        means = values[: n * block].reshape(n, block).mean(axis=1)
        updates = (np.arange(n) + 0.5) * block
        ax.plot(updates, means, color=BLUE, lw=1.6, label=f"mean of {block}")
    draw_levels(task, ax)
    ax.set(xlabel="update", ylabel="loss", yscale="log")
    finish(ax)
    return figure


def draw_curves_by_rule(
    curves: Mapping[str, Mapping[str, ArrayLike]], block: int, task: str, title: str
) -> Figure:
    """Draw learning curves side by side, one panel for each learning rule.

    Parameters
    ----------
    curves : mapping of str to mapping
        For each panel what `plot_learning_curves` takes.
    block : int
        Updates in a block.
    task : str
        A task whose chance level is drawn.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    figure, axes = make_panels(len(curves), title=title)
    for (name, panel), ax in zip(curves.items(), axes, strict=True):
        plot_learning_curves(panel, block, ax, task=task).set_title(name)
    return figure


def draw_exponents_by_rule(
    panels: Mapping[str, tuple[ArrayLike, Mapping[str, ArrayLike]]], title: str
) -> Figure:
    """Draw exponents before and after training against the gain, one panel for each rule.

    Parameters
    ----------
    panels : mapping of str to (array_like, mapping)
        For each panel the gains and the exponents that `plot_exponents` takes.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    figure, axes = make_panels(len(panels), title=title)
    for (name, (gains, exponents)), ax in zip(panels.items(), axes, strict=True):
        plot_exponents(gains, exponents, ax).set_title(name)
    return figure


def draw_flossing(
    curves: Mapping[str, Mapping[str, ArrayLike]],
    spectra: Mapping[str, Mapping[str, ArrayLike]],
    block: int,
    title: str,
) -> Figure:
    """Draw what flossing does: learning curves above, Lyapunov spectra before training below.

    Parameters
    ----------
    curves, spectra : mapping of str to mapping
        For each version of flossing, what `plot_learning_curves` and `plot_spectra` take.
    block : int
        Updates in a block.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    figure, axes = make_panels(len(curves), 2, title=title)
    for k, name in enumerate(curves):
        plot_learning_curves(curves[name], block, axes[k], task="romo").set_title(name)
        plot_spectra(spectra[name], axes[len(curves) + k])
    return figure


def draw_levels(task: str, ax: Axes) -> None:
    """Draw the losses of a task that others are compared with.

    Parameters
    ----------
    task : str
        Its name; of one that is not known nothing is drawn.
    ax : Axes
        Where to draw.
    """
    for k, (name, level) in enumerate(LEVELS.get(task, {}).items()):
        ax.axhline(level, color="0.3", linestyle=DASHES[3 - k], lw=1.0)
        ax.annotate(
            name, (1.01, level), xycoords=("axes fraction", "data"), va="center", fontsize=7,
            color="0.3", annotation_clip=False,
        )  # fmt: skip
