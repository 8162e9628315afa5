"""Picture of results of `binnet bench` beside each other: ratios to the first, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._style import colour, finish, make_panels, marker, plot_bars_across

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.benchmarks._comparison import Comparison, Ratio

_ROW = 0.2  # inches
_WIDE = 4.0  # from the lowest ratio to the highest: beyond it ticks are those of a log axis
_GAP = 0.6  # rows between suites
_MEAN = "geometric mean"
INTERVAL = "95 % bootstrap interval over processes"


def plot_comparison(comparison: Comparison, axes: Axes | None = None) -> Axes:
    """Plot the ratio of each workload to the first result, suite by suite, on a log axis.

    A colour and a marker for each result and number of threads, hollow where the interval contains
    1; each suite ends with its geometric mean.

    Parameters
    ----------
    comparison : Comparison
        From `binnet.benchmarks.compare`.
    axes : Axes, optional
        Where to draw. Default: a figure of its own, as high as there are workloads.

    Returns
    -------
    Axes
        The Axes.
    """
    heights = _find_heights(comparison)
    kinds = dict.fromkeys(row.cores for row in comparison.rows)
    series = [(label, cores) for label in comparison.labels[1:] for cores in kinds]
    if axes is None:
        row = _ROW * (0.6 + 0.2 * len(series))
        _, (axes,) = make_panels(size=(7.5, 1.5 + row * max(heights.values())))
    axes.set_xscale("log")
    for k, (label, cores) in enumerate(series):
        offset = 0.6 * ((k + 0.5) / len(series) - 0.5)
        ratios = _find_ratios(comparison, label, cores)
        found = {heights[key] + offset: ratio for key, ratio in ratios.items()}
        _plot_series(axes, found, k, _name_series(comparison, label, cores))
    _label_rows(axes, heights)
    _label_ratios(axes)
    axes.set_xlabel(f"rate relative to {comparison.labels[0]} (to the right: faster)")
    axes.plot([], [], "o", color="0.6", markerfacecolor="white", markersize=4.5,
              label="hollow: the interval contains 1")  # fmt: skip
    finish(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    axes.grid(visible=False, axis="y")
    return axes


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw the ratios of results to the first of them.

    Parameters
    ----------
    comparison : Comparison
        From `binnet.benchmarks.compare`.

    Returns
    -------
    Figure
        As high as there are workloads.
    """
    figure = plot_comparison(comparison).get_figure()
    assert figure is not None
    return figure  # type: ignore[return-value]


def _find_heights(comparison: Comparison) -> dict[tuple[str, str], float]:
    """Return the height of each workload's row, and of each suite's mean, from the top."""
    heights: dict[tuple[str, str], float] = {}
    height = 0.0
    for suite in dict.fromkeys(row.suite for row in comparison.rows):
        names = [row.workload for row in comparison.rows if row.suite == suite]
        for name in (*dict.fromkeys(names), _MEAN):
            heights[suite, name] = height
            height += 1.0
        height += _GAP
    return heights


def _find_ratios(comparison: Comparison, label: str, cores: str) -> dict[tuple[str, str], Ratio]:
    """Return the ratios of one result on so many threads, by suite and workload."""
    found = {
        (row.suite, row.workload): ratio
        for row, ratio in comparison.list_ratios(label)
        if row.cores == cores
    }
    means = {
        (suite, _MEAN): mean
        for (whose, suite, kind), mean in comparison.means.items()
        if (whose, kind) == (label, cores) and suite != "all"
    }
    return found | means


def _name_series(comparison: Comparison, label: str, cores: str) -> str:
    threads = {"1": "one core", "all": "all cores"}.get(cores, f"{cores} threads")
    return threads if len(comparison.labels) == 2 else f"{label}, {threads}"


def _plot_series(axes: Axes, found: Mapping[float, Ratio], k: int, label: str) -> None:
    """Plot ratios at their heights, those that may be 1 hollow."""
    for is_significant in (True, False):
        chosen = {y: r for y, r in found.items() if bool(r.is_significant) == is_significant}
        if not chosen:
            continue
        values = np.array([ratio.value for ratio in chosen.values()])
        ends = np.array([ratio.interval for ratio in chosen.values()]).T
        plot_bars_across(
            axes, values, list(chosen), np.nan_to_num(np.abs(ends - values)), INTERVAL,
            fmt=marker(k), color=colour(k), markersize=4.5, elinewidth=1.0,
            markerfacecolor=colour(k) if is_significant else "white",
        )  # fmt: skip
    axes.plot([], [], marker(k), color=colour(k), markersize=4.5, label=label)


def _label_rows(axes: Axes, heights: Mapping[tuple[str, str], float]) -> None:
    """Name workloads to the left, and put each suite's mean on a ground of its own."""
    axes.set_ylim(max(heights.values()) + 0.7, -0.7)  # from the top
    names = [f"mean of {suite}" if name == _MEAN else name for suite, name in heights]
    axes.set_yticks(list(heights.values()), names, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    for (_, name), height, text in zip(
        heights, heights.values(), axes.get_yticklabels(), strict=True
    ):
        if name == _MEAN:
            text.set_fontweight("bold")
            axes.axhspan(height - 0.5, height + 0.5, color="0.93", linewidth=0, zorder=0)


def _label_ratios(axes: Axes) -> None:
    """Draw a line at 1, and put ticks at round ratios."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_xlim()
    low, high = min(low, 0.97), max(high, 1.03)
    axes.set_xlim(low, high)
    axes.axvline(1.0, color="0.3", linewidth=0.9, zorder=1)
    wide = high > _WIDE * low
    near = MaxNLocator(8, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)) if wide else near)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
