"""Figures of rich and lazy learning: what learning changed, against the initial gain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import curve_style, finish, finish_beside, make_panels, plot_band
from binnet.plotting.rate import LEVELS
from binnet.studies.rate_regimes import MEASURES

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RULES = {"bptt": "BPTT", "eprop": "e-prop"}
#: The measures that are drawn, in the order of the panels.
_SHOWN = (
    "recurrent_change", "kernel_alignment", "centred_representation_alignment", "change_rank",
    "final_loss",
)  # fmt: skip
_LOGARITHMIC = ("recurrent_change", "final_loss")


def list_figures(results: Mapping[str, xr.Dataset]) -> dict[str, Callable[[], Figure]]:
    """Say which figures there are results for, and how each is drawn.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        Grids of `binnet.studies.rate_regimes.plan_regimes`, by name.

    Returns
    -------
    dict
        Functions that draw, by the name of the figure.
    """
    panels = {}
    for rule, label in _RULES.items():
        result = results.get(f"regimes-{rule}")
        if result is not None and result["final_loss"].notnull().any():
            panels[label] = result
    if not panels:
        return {}
    title = "romo: what learning changes, by initial structure"
    return {"regimes": partial(draw_regimes, panels, title)}


def plot_measure(values: xr.DataArray, name: str, ax: Axes) -> Axes:
    """Draw a measure against the gain, a curve for each structure: mean, ± standard deviation.

    Parameters
    ----------
    values : xarray.DataArray
        Over "structure", "gain" and "seed"; NaN, where runs diverged, is left out.
    name : str
        One of `binnet.studies.rate_regimes.MEASURES`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    gains = values["gain"].values
    for k, structure in enumerate(values["structure"].values):
        here = values.sel(structure=structure)
        if here.isnull().all():
            continue
        mean, spread = here.mean("seed").values, here.std("seed").values
        style = curve_style(k)
        ax.plot(gains, mean, lw=1.4, label=str(structure), **style)
        low = mean - spread
        if name in _LOGARITHMIC:  # a band to 0 has no lower end on a logarithmic axis
            low = np.maximum(low, 0.5 * mean)
        plot_band(
            ax, gains, low, mean + spread, "± std. dev. of runs", color=style["color"], alpha=0.12
        )
    if name in _LOGARITHMIC:
        _number_decades(ax)
    elif name.endswith("alignment"):
        ax.set_ylim(0.0, 1.02)
    ax.set_xticks(gains, [f"{gain:g}" for gain in gains])
    ax.set(xlabel="initial gain", ylabel=fill(MEASURES[name], 24))
    return finish(ax, legend=False)


def draw_regimes(results: Mapping[str, xr.Dataset], title: str) -> Figure:
    """Draw what learning changed: a column for each rule, a row for each measure.

    Parameters
    ----------
    results : mapping of str to xarray.Dataset
        Grids of the study, by the name of the rule.
    title : str
        Line above the panels.

    Returns
    -------
    Figure
        The figure.
    """
    n = len(results)
    size = (2.5 + 4.2 * n, 0.4 + 2.6 * len(_SHOWN))
    figure, axes = make_panels(n, len(_SHOWN), title=title, size=size, sharey="row", sharex=True)
    levels = LEVELS["romo"]
    for column, (rule, result) in enumerate(results.items()):
        for row, name in enumerate(_SHOWN):
            ax = axes[row * n + column]
            plot_measure(result[name], name, ax)
            if name == "final_loss":
                ax.axhline(levels["chance"], color="0.3", linestyle=":", lw=1.0)
                ax.annotate(
                    "chance", (0.02, levels["chance"]), xycoords=("axes fraction", "data"),
                    va="top", fontsize=7, color="0.3",
                )  # fmt: skip
                # A run that all but diverged would take most of the axis.
                ax.set_ylim(top=min(ax.get_ylim()[1], 3 * max(levels.values())))
            ax.label_outer()
        axes[column].set_title(rule)
    finish_beside(axes[n - 1])
    return figure


def _number_decades(ax: Axes) -> None:
    """Make the y axis logarithmic, with 1, 2 and 5 of each decade as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
