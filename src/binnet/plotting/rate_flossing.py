"""The figures of the study `flossing`: final losses by k and gain, and the recipes' curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import colour, dash, finish, make_panels, marker, plot_bars
from binnet.plotting.rate import draw_curves_by_rule, draw_levels
from binnet.studies.rate import BLOCK, select_best

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRID = "romo-eprop-flossing"
_TITLE = "romo, e-prop after flossing, best learning rate"


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
    best = {name: select_best(result) for name, result in results.items()}
    figures: dict[str, Callable[[], Figure]] = {}
    if _GRID in best:
        figures["flossing-final"] = partial(_draw_final, best[_GRID])
    curves = _collect_recipes(best)
    if curves:
        title = "romo, e-prop, gain 0.2: recipes of local flossing"
        figures["flossing-recipes"] = partial(draw_curves_by_rule, curves, BLOCK, "romo", title)
    return figures


def _draw_final(best: xr.Dataset) -> Figure:
    has_versions = "floss_version" in best.dims
    versions = [str(v) for v in best["floss_version"].values] if has_versions else [""]
    figure, axes = make_panels(len(versions), title=_TITLE)
    for version, ax in zip(versions, axes, strict=True):
        part = best.sel(floss_version=version) if has_versions else best
        plot_final_by_exponents(part, ax).set_title(f"{version} flossing".strip())
    return figure


def plot_final_by_exponents(result: xr.Dataset, ax: Axes) -> Axes:
    """Draw final losses against the number of flossed exponents, a line for each gain.

    Parameters
    ----------
    result : xarray.Dataset
        Measurements at one learning rate of each condition.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    loss = result["final_loss"].transpose("gain", "floss_exponents", "seed")
    places = np.arange(loss.sizes["floss_exponents"])
    for k, gain in enumerate(loss["gain"].values):
        values = loss.sel(gain=gain).values
        there = np.isfinite(values).any(axis=1)
        if not there.any():
            continue
        mean, spread = np.nanmean(values[there], axis=1), np.nanstd(values[there], axis=1)
        low = np.minimum(spread, 0.5 * mean)  # a bar to 0 has no lower end on a log axis
        plot_bars(
            ax, places[there] + 0.06 * (k - 1.5), mean, np.array([low, spread]),
            "± std. dev. of runs", color=colour(k), marker=marker(k), linestyle=dash(k),
            label=f"gain {gain:g}",
        )  # fmt: skip
    draw_levels("romo", ax)
    ax.set(xlabel="k, flossed exponents", ylabel="final loss", yscale="log")
    ax.set_xticks(places, [str(k) for k in loss["floss_exponents"].values])
    return finish(ax)


def _collect_recipes(best: Mapping[str, xr.Dataset]) -> dict[str, dict[str, Any]]:
    """Return learning curves at the smallest gain: a panel for each k, a line for each recipe."""
    recipes: list[tuple[str, xr.DataArray]] = []
    if _GRID in best and "floss_version" in best[_GRID].dims:
        first = best[_GRID].sel(floss_version="local", gain=0.2)
        recipes.append(("100 steps before", first["loss"]))
    for name in (f"{_GRID}-steps", f"{_GRID}-longer", f"{_GRID}-32"):
        if name in best:
            for steps in best[name]["floss_iterations"].values:
                longer = best[name].sel(floss_iterations=steps)["loss"]
                recipes.append((f"{steps} steps before", longer))
    for name, result in best.items():
        if name.startswith(f"{_GRID}-every-"):
            recipes.append((f"every {name.rpartition('-')[2]} updates", result["loss"]))
    panels: dict[str, dict[str, Any]] = {}
    for label, loss in recipes:
        for k in loss["floss_exponents"].values:
            runs = loss.sel(floss_exponents=k).transpose("seed", "block").values
            panels.setdefault(f"k = {k}", {})[label] = runs
    # Only those k that more than one recipe was tried with.
    return {name: panel for name, panel in panels.items() if len(panel) > 1}
