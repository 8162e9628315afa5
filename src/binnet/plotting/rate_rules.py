"""The figures of the study `rules`: learning curves of every rule, and where they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import colour, finish, make_panels
from binnet.plotting.rate import draw_curves_by_rule, draw_levels
from binnet.studies.rate import BLOCK, select_best

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Losses = dict[str, Any]  # by the name of the rule
_DETERMINISTIC = ("bptt", "tbptt-8", "eprop", "eprop-self")


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
    panels: dict[str, Losses] = {}
    ends: dict[str, Losses] = {}
    figures: dict[str, Callable[[], Figure]] = {}
    best = {name: select_best(result) for name, result in results.items()}
    if "rules" in best:
        curves, final = _read(best["rules"])
        if "rules-feedback" in best:
            more, ends_of_more = _read(best["rules-feedback"])
            curves, final = curves | more, final | ends_of_more
        first = {name: runs for name, runs in curves.items() if name in _DETERMINISTIC}
        others = {name: runs for name, runs in curves.items() if name not in first}
        panels = {"exact, truncated, diagonal": first}
        if others:
            reference = {name: first[name] for name in ("bptt",) if name in first}
            panels["random, by cell type, other feedback"] = reference | others
        ends["gain 1"] = final
    if "rules-sparse" in best:
        panels["sparse network, 8 couplings of a neuron"], ends["gain 1, sparse"] = _read(
            best["rules-sparse"]
        )
    if "rules-more-gains" in best:
        for gain in best["rules-more-gains"]["gain"].values:
            _, ends[f"gain {gain:g}"] = _read(best["rules-more-gains"].sel(gain=gain))
    title = "romo, each rule at its best learning rate"
    if panels:
        figures["rules-curves"] = partial(draw_curves_by_rule, panels, BLOCK, "romo", title)
    if ends:
        figures["rules-final"] = partial(_draw_ends, ends, title)
    return figures


def _read(best: xr.Dataset) -> tuple[Losses, Losses]:
    """Return learning curves and final losses of the runs by the name of the rule or feedback."""
    axis = "feedback" if "feedback" in best.dims else "rule"
    curves, ends = {}, {}
    for name in best[axis].values:
        part = best.sel({axis: name})
        label = f"eprop, {name} feedback" if axis == "feedback" else str(name)
        if part["final_loss"].notnull().any():
            curves[label] = part["loss"].transpose("seed", "block").values
            ends[label] = part["final_loss"].values
    return curves, ends


def _draw_ends(ends: Mapping[str, Losses], title: str) -> Figure:
    figure, axes = make_panels(len(ends), title=title)
    for (name, panel), ax in zip(ends.items(), axes, strict=True):
        plot_final_losses(panel, ax, task="romo").set_title(name)
    return figure


def plot_final_losses(losses: Mapping[str, Any], ax: Axes, *, task: str = "") -> Axes:
    """Draw the final loss of every run as a point, and the mean over runs as a line.

    Parameters
    ----------
    losses : mapping of str to array_like, shape (n_runs,)
        Final losses by the name of the rule; runs that diverged are NaN and are left out.
    ax : Axes
        Where to draw; the loss axis becomes logarithmic.
    task : str, optional
        A task whose chance level is drawn.

    Returns
    -------
    Axes
        The same Axes.
    """
    for k, values in enumerate(losses.values()):
        finite = np.asarray(values, float)[np.isfinite(values)]
        if len(finite) == 0:
            continue
        ax.plot(np.full(len(finite), k), finite, "o", ms=4, alpha=0.6, color=colour(0))
        ax.plot([k - 0.3, k + 0.3], [finite.mean()] * 2, lw=2, color="0.2")
    draw_levels(task, ax)
    ax.set(ylabel="final loss", yscale="log", xlim=(-0.6, len(losses) - 0.4))
    ax.set_xticks(range(len(losses)), list(losses), rotation=40, ha="right")
    return finish(ax, legend=False)
