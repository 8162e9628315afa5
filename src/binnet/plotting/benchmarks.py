"""Pictures of a run of `binnet bench` beside the limits of the machine that it measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.benchmarks._units import format_si
from binnet.plotting._style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    finish,
    make_panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.benchmarks._limits import Fraction
    from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement

_KINDS = {
    "fma32": "float32 multiply-adds",
    "dot8": "8-bit products",
    "popcount": "1-bit products (and, popcount)",
}
# Of each limit a colour; levels of memory also differ by dash and marker, peaks by hatch.
_COLOURS = {
    "L1": SKY, "L2": BLUE, "L3": GREEN, "memory": PURPLE,
    "fma32": RED, "dot8": ORANGE, "popcount": BLACK,
}  # fmt: skip
_DASHES: dict[str, Any] = {"L1": "-", "L2": "--", "L3": "-.", "memory": (0, (1, 1.5))}
_MARKERS = {"L1": "o", "L2": "s", "L3": "^", "memory": "D"}
_HATCHES = {"fma32": "////", "dot8": "xxx", "popcount": ""}
_ROW, _BELOW = 0.19, 0.45  # inches: of a bar, and from the axis to the legend below it
_COLUMNS = 2  # of the names below a panel
_LEGEND_PART = 0.33  # of the height of a panel, where no point is
# Where the number of a point may stand, in points (1/72 inch) from it; the first that is free is
# taken.
_PLACES = [
    (x * r, y * r)
    for r in (1.0, 1.7, 2.5, 3.4)
    for x, y in ((9, 0), (-9, 0), (8, 6), (-8, 6), (8, -6), (-8, -6), (0, 9), (0, -9))
]
_ROOM = (4.5, 3.5)  # half of the width and of the height that a number or a point takes, in points


def draw_roofline(result: BenchmarkResult, threads: int = 1) -> Figure:
    """Draw the rooflines of a machine with the workloads under them, a panel for each kind.

    Workloads of a kind without a measured peak have no place here; `draw_fractions` shows them.

    Parameters
    ----------
    result : BenchmarkResult
        A run.
    threads : int, default 1
        Of the workloads on so many threads.

    Returns
    -------
    Figure
        The figure, for `save_figure`.

    Raises
    ------
    ValueError
        If the run has no limits on so many threads, or no workload with a peak.
    """
    limits = _get_limits(result, threads)
    kinds = [kind for kind in _KINDS if kind in limits.peaks and _choose(result, threads, kind)]
    if not kinds:
        raise ValueError(
            f"the result has no workload on {threads} thread(s) whose operations have a measured "
            "peak, so there is no roofline; run a suite such as sweeps, or draw the fractions"
        )
    n_names = max(len(_choose(result, threads, kind)) for kind in kinds)
    height = 4.3 + 0.16 * -(-n_names // _COLUMNS)
    figure, panels = make_panels(len(kinds), size=(max(5.5, 4.6 * len(kinds)), height))
    for kind, ax in zip(kinds, panels, strict=True):
        plot_roofline(result, threads, kind, ax)
    for ax in panels[1:]:
        ax.set_ylabel("")
    return figure


def plot_roofline(
    result: BenchmarkResult, threads: int, operation: str, axes: Axes | None = None
) -> Axes:
    """Plot one roofline and the workloads of its kind: operations a second over those of a byte.

    Slopes are the bandwidths of the levels of memory, the roof is the peak. A workload's marker and
    colour are those of the level where its data lie (`find_level`), whose slope bounds it; its
    number leads to its name below, with the fraction of the limit that binds it.

    Parameters
    ----------
    result : BenchmarkResult
        A run.
    threads : int
        Of the workloads on so many threads.
    operation : str
        A kind: "fma32", "dot8" or "popcount".
    axes : Axes, optional
        Where to draw. Default: a figure of its own.

    Returns
    -------
    Axes
        The Axes.

    Raises
    ------
    ValueError
        If the run has no limits on so many threads, no such peak, or no workload of the kind.
    """
    from binnet.benchmarks._limits import find_level, fraction_of_limit

    limits, chosen = _get_limits(result, threads), _choose(result, threads, operation)
    if operation not in limits.peaks or not chosen:
        raise ValueError(
            f"the result has no workload of operation {operation!r} on {threads} thread(s), or no "
            f"peak of it; it has peaks of {', '.join(limits.peaks)}"
        )
    if axes is None:
        _, (axes,) = make_panels(size=(5.5, 4.3 + 0.16 * -(-len(chosen) // _COLUMNS)))
    x = np.array([one.operations / one.n_bytes for one in chosen])
    y = np.array([one.operations / one.seconds for one in chosen])
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="operations a second")
    _plot_ceilings(axes, limits, operation, x, y)
    names = []
    for k, one in enumerate(chosen):
        level = find_level(one.level, limits)
        axes.plot(x[k], y[k], _MARKERS[level], color=_COLOURS[level], markersize=5, zorder=3,
                  markeredgecolor="black", markeredgewidth=0.5)  # fmt: skip
        names.append(f"{k + 1} {one.workload}: {_describe(fraction_of_limit(one, limits))}")
    _list_names(axes, names)
    axes.set_title(f"{_KINDS.get(operation, operation)}, {_name_threads(threads)}", fontsize=10)
    finish(axes, loc="lower right", fontsize=7)
    _number_points(axes, x, y)  # by where all else has moved them
    return axes


def draw_fractions(result: BenchmarkResult) -> Figure:
    """Draw what workloads reach of the limits that bind them, a panel for each number of threads.

    Parameters
    ----------
    result : BenchmarkResult
        A run.

    Returns
    -------
    Figure
        The figure, for `save_figure`.

    Raises
    ------
    ValueError
        If the run has no workload on a number of threads whose limits were measured.
    """
    measured = {limits.threads for limits in (*result.limits_before, *result.limits_after)}
    threads = sorted(measured & {one.threads for one in _list_own(result)})
    if not threads:
        raise ValueError("the result has no workload on as many threads as its limits; run it anew")
    n_rows = max(len(_list_own(result, n)) for n in threads)
    size = (2.5 + 4.0 * len(threads), 1.8 + _ROW * n_rows)
    figure, panels = make_panels(len(threads), size=size)
    for n, ax in zip(threads, panels, strict=True):
        plot_fractions(result, n, ax)
    widest = max(ax.get_xlim()[1] for ax in panels)
    for ax in panels:
        ax.set_xlim(0.0, widest)
    names = [[one.workload for one in _list_own(result, n)] for n in threads]
    if names.count(names[0]) == len(names):
        for ax in panels[1:]:
            ax.set_yticklabels([])
    return figure


def plot_fractions(result: BenchmarkResult, threads: int, axes: Axes | None = None) -> Axes:
    """Plot bars of the fractions of the limits that bind the workloads, coloured by the limit.

    Parameters
    ----------
    result : BenchmarkResult
        A run.
    threads : int
        Of the workloads on so many threads.
    axes : Axes, optional
        Where to draw. Default: a figure of its own, as high as there are workloads.

    Returns
    -------
    Axes
        The Axes.

    Raises
    ------
    ValueError
        If the run has no limits, or no workload, on so many threads.
    """
    from matplotlib.transforms import ScaledTranslation

    from binnet.benchmarks._limits import fraction_of_limit

    limits, chosen = _get_limits(result, threads), _list_own(result, threads)
    if not chosen:
        raise ValueError(f"the result has no workload on {threads} thread(s)")
    if axes is None:
        _, (axes,) = make_panels(size=(6.5, 1.8 + _ROW * len(chosen)))
    fractions = [fraction_of_limit(one, limits) for one in chosen]
    for name in _COLOURS:  # the legend in the order of the limits
        bars = [(k, f.value) for k, f in enumerate(fractions) if f is not None and f.name == name]
        if bars:
            heights, values = zip(*bars, strict=True)
            axes.barh(heights, values, 0.7, color=_COLOURS[name], hatch=_HATCHES.get(name),
                      edgecolor="white", linewidth=0, label=name)  # fmt: skip
    largest = max((f.value for f in fractions if f is not None), default=0.0)
    for k, fraction in enumerate(fractions):
        value = 0.0 if fraction is None else fraction.value
        axes.annotate(_describe(fraction), (value, k), (3, 0), textcoords="offset points",
                      va="center", fontsize=6.5,
                      bbox={"color": "white", "pad": 0.5, "alpha": 0.8})  # fmt: skip
    axes.axvline(1.0, color="0.3", linewidth=0.8)
    axes.set_xlim(0.0, 1.3 * max(largest, 1.0))
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.set_yticks(range(len(chosen)), [one.workload for one in chosen], fontsize=7)
    axes.set_xlabel("fraction of the limit that binds")
    axes.set_title(_name_threads(threads), fontsize=10)
    for k in range(1, len(chosen)):
        if chosen[k].suite != chosen[k - 1].suite:
            axes.axhline(k - 0.5, color="0.8", linewidth=0.6, zorder=0)
    below = axes.transAxes + ScaledTranslation(0, -_BELOW, axes.figure.dpi_scale_trans)
    finish(axes, loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=below, ncols=4,
           fontsize=7, title_fontsize=7, title="bandwidths of levels, peaks of kinds")  # fmt: skip
    axes.grid(visible=False, axis="y")
    axes.set_axisbelow(True)
    return axes


def _get_limits(result: BenchmarkResult, threads: int) -> Limits:
    from binnet.benchmarks._limits import find_limits

    limits = find_limits(result, threads)
    if limits is None:
        measured = sorted({one.threads for one in (*result.limits_before, *result.limits_after)})
        raise ValueError(
            f"limits on {threads} thread(s) were not measured, only on "
            f"{', '.join(map(str, measured)) or 'none'}; choose one of these numbers"
        )
    return limits


def _list_own(result: BenchmarkResult, threads: int | None = None) -> list[Measurement]:
    """Return the measurements of binnet itself, on so many threads if that is given."""
    return [
        one for one in result.measurements
        if one.implementation == "binnet" and threads in (None, one.threads)
    ]  # fmt: skip


def _choose(result: BenchmarkResult, threads: int, operation: str) -> list[Measurement]:
    return [
        one for one in _list_own(result, threads)
        if one.operation == operation and one.operations > 0 and one.n_bytes > 0
    ]  # fmt: skip


def _plot_ceilings(axes: Axes, limits: Limits, operation: str, x: Any, y: Any) -> None:
    """Plot the slopes of all levels up to the roof, and the roof from where the first meets it."""
    peak = limits.peaks[operation]
    corners = [peak / bandwidth for bandwidth in limits.bandwidth.values()]
    low, high = min(*corners, *x) / 2.5, max(*corners, *x) * 2.5
    for level, bandwidth in limits.bandwidth.items():
        slope = np.array([low, peak / bandwidth])
        axes.plot(slope, bandwidth * slope, color=_COLOURS[level], linestyle=_DASHES[level],
                  linewidth=1.4, label=f"{level}: {format_si(bandwidth, 'B/s')}",
                  marker=_MARKERS[level], markersize=5, markevery=[0])  # fmt: skip
    axes.plot([min(corners), high], [peak, peak], color=BLACK, linewidth=1.4,
              label=f"peak: {format_si(peak, 'op/s')}")  # fmt: skip
    axes.set_xlim(low, high)
    highest = 2.5 * max(peak, *y)
    lowest = min(*y, *(low * bandwidth for bandwidth in limits.bandwidth.values())) / 2
    beside = min(y) / (highest / min(y)) ** (_LEGEND_PART / (1 - _LEGEND_PART))
    axes.set_ylim(min(lowest, beside), highest)


def _number_points(axes: Axes, x: Any, y: Any) -> None:
    """Write the number of each point beside it, where no other point or number is."""
    figure = axes.get_figure()
    assert figure is not None
    figure.draw_without_rendering()  # type: ignore[union-attr]  # the Axes get their size
    points = axes.transData.transform(np.column_stack([x, y])) * 72.0 / figure.dpi
    taken = [tuple(point) for point in points]
    for k, point in enumerate(points):
        place = next((p for p in _PLACES if _is_free(point + p, taken)), _PLACES[0])
        taken.append(tuple(point + place))
        axes.annotate(str(k + 1), (x[k], y[k]), place, textcoords="offset points", fontsize=7,
                      ha="center", va="center", zorder=4,
                      arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "0.4",
                                  "shrinkA": 2, "shrinkB": 2} )  # fmt: skip


def _is_free(place: Any, taken: Iterable[Any]) -> bool:
    width, height = 2 * _ROOM[0], 2 * _ROOM[1]
    return all(abs(place[0] - x) >= width or abs(place[1] - y) >= height for x, y in taken)


def _list_names(axes: Axes, names: Sequence[str]) -> None:
    """Write names below the x axis, in columns."""
    n_rows = -(-len(names) // _COLUMNS)
    for column in range(_COLUMNS):
        text = "\n".join(names[column * n_rows : (column + 1) * n_rows])
        axes.annotate(text, (column / _COLUMNS - 0.08, 0.0), (0, -38), xycoords="axes fraction",
                      textcoords="offset points", va="top", fontsize=6.5)  # fmt: skip


def _name_threads(threads: int) -> str:
    return "one thread" if threads == 1 else f"{threads} threads"


def _describe(fraction: Fraction | None) -> str:
    if fraction is None:
        return "no limit known"
    value = f"{fraction.value:.2f}" if fraction.value >= 0.005 else "< 0.01"
    return f"{value} of {fraction.name}"
