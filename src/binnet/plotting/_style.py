"""The one style of all pictures: figures, panels, colours, markers, legends, error bars.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; curves also differ by
marker or dash, so that they survive a black-and-white printer. `plot_...` takes data and an Axes
and returns the Axes; `draw_...` returns a Figure.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from binnet._files import atomic_path, make_mark

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = (
    "-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)),
)  # fmt: skip
# Without a frame, but what lies behind the names does not make them hard to read.
LEGEND: dict[str, Any] = {"fontsize": 8, "edgecolor": "none", "framealpha": 0.8}

_NOTES = ("bars: ", "bands: ")  # that entries of a legend begin with which say what is drawn


def colour(k: int) -> str:
    """Return the k-th colour."""
    return COLOURS[k % len(COLOURS)]


def marker(k: int) -> str:
    """Return the k-th marker."""
    return MARKERS[k % len(MARKERS)]


def dash(k: int) -> Any:
    """Return the k-th dash; where the colours begin again, it goes with another one."""
    return DASHES[(k + k // len(COLOURS)) % len(DASHES)]


def curve_style(k: int) -> dict[str, Any]:
    """Return colour, marker and dash of the k-th curve."""
    return {"color": colour(k), "marker": marker(k), "linestyle": dash(k), "markersize": 4}


@contextmanager
def default_settings() -> Iterator[None]:
    """Draw with matplotlib's own settings, whatever the user's matplotlibrc and backend are.

    Pictures then need neither LaTeX nor a window system, and are the same for everybody.
    """
    if "matplotlib" not in sys.modules:
        backend = os.environ.pop("MPLBACKEND", None)  # an unknown one makes the import fail
        try:
            import matplotlib
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend
    import matplotlib.style

    with matplotlib.style.context("default"):
        yield


def load_matplotlib() -> None:
    """Import what draws, under the settings that it will draw with: others may make that fail."""
    with default_settings():
        for name in ("matplotlib.backends.backend_agg", "matplotlib.figure"):
            importlib.import_module(name)


def make_panels(
    n_columns: int = 1,
    n_rows: int = 1,
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its Axes row by row, on a canvas that needs no window system.

    `size` is in inches; further options are those of `matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = size or (1 + 4.5 * n_columns, 0.4 + 3.6 * n_rows)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)  # pyplot's global state stays untouched
    if title:
        figure.suptitle(title)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, list(axes.reshape(-1))


def finish(ax: Axes, *, legend: bool = True, **options: Any) -> Axes:
    """Add the grid and, of what has a label, the legend; return the Axes.

    Further options are those of `matplotlib.axes.Axes.legend`.
    """
    ax.grid(alpha=0.3)
    entries = sorted(
        zip(*ax.get_legend_handles_labels(), strict=True),
        key=lambda entry: entry[1].startswith(_NOTES),  # what bars are comes last
    )
    if legend and entries:
        handles, labels = zip(*entries, strict=True)
        ax.legend(handles, labels, **{**LEGEND, **options})
    return ax


def finish_beside(ax: Axes, **options: Any) -> Axes:
    """As `finish`, with the legend to the right of the Axes: curves may lie at any height."""
    return finish(ax, loc="upper left", bbox_to_anchor=(1.0, 1.0), **options)


def mark_level(ax: Axes, level: float) -> None:
    """Draw a thin horizontal line to compare with."""
    ax.axhline(level, color="0.5", linewidth=0.8)


def label_values(ax: Axes, values: Iterable[Any]) -> None:
    """Put the ticks of a logarithmic x axis at the values that were measured, and no others."""
    values = list(values)
    ax.set_xscale("log")
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.minorticks_off()


def mark_epochs(ax: Axes) -> None:
    """Let the ticks of the x axis be whole numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def plot_bars(
    ax: Axes, x: ArrayLike, y: ArrayLike, error: ArrayLike | None, meaning: str, **style: Any
) -> None:
    """Plot values with error bars (none if `error` is None); the legend says what the bars are.

    Every picture with error bars is drawn by this, every band of an error by `plot_band`.

    Parameters
    ----------
    ax : Axes
        Where to draw; `finish` adds the legend.
    x, y : array_like, shape (n,)
        The values.
    error : array_like, shape (n,) or (2, n), or None
        Lengths of the bars, or those downwards and upwards.
    meaning : str
        What the bars are, such as "standard error over networks".
    **style : Any
        As of `matplotlib.axes.Axes.errorbar`.
    """
    ax.errorbar(x, y, error, **({"capsize": 2} | style))
    if error is not None:
        _note(ax, f"{_NOTES[0]}{meaning}", "|")


def plot_bars_across(
    ax: Axes, x: ArrayLike, y: ArrayLike, error: ArrayLike, meaning: str, **style: Any
) -> None:
    """Plot values along x with error bars; the legend says what the bars are.

    Parameters
    ----------
    ax : Axes
        Where to draw; `finish` adds the legend.
    x, y : array_like, shape (n,)
        The values, and the heights to draw them at.
    error : array_like, shape (n,) or (2, n)
        Lengths of the bars, or those to the left and to the right.
    meaning : str
        What the bars are, such as "standard error over networks".
    **style : Any
        As of `matplotlib.axes.Axes.errorbar`.
    """
    ax.errorbar(x, y, xerr=error, **({"capsize": 2} | style))
    _note(ax, f"{_NOTES[0]}{meaning}", "_")


def plot_band(
    ax: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, meaning: str, **style: Any
) -> None:
    """Fill the band of an error; the legend says what it is.

    Parameters
    ----------
    ax : Axes
        Where to draw; `finish` adds the legend.
    x, low, high : array_like, shape (n,)
        The band.
    meaning : str
        What it is, such as "standard deviation over runs".
    **style : Any
        As of `matplotlib.axes.Axes.fill_between`.
    """
    ax.fill_between(x, low, high, **({"alpha": 0.15, "linewidth": 0} | style))
    _note(ax, f"{_NOTES[1]}{meaning}", "s")


def _note(ax: Axes, text: str, sign: str) -> None:
    """Add an entry to the legend that belongs to no curve, once."""
    if text not in ax.get_legend_handles_labels()[1]:
        ax.plot([], [], sign, color="0.6", markersize=8, label=text)


def plot_seeds(
    ax: Axes, x: ArrayLike, values: xr.DataArray, k: int, label: str | None, **style: Any
) -> None:
    """Plot the mean over seeds as the k-th curve, with bars from the lowest to the highest."""
    mean = values.mean("seed", skipna=False).values
    low, high = (getattr(values, end)("seed", skipna=False).values for end in ("min", "max"))
    # Where all seeds agree, the mean may lie beyond them in its last bit.
    bars = np.maximum(np.stack([mean - low, high - mean]), 0.0)
    plot_bars(ax, x, mean, bars, "lowest to highest seed", label=label, **(curve_style(k) | style))


def save_figure(
    figure: Figure, path: str | Path, *, overwrite: bool = False, **options: Any
) -> None:
    """Write a figure as its suffix says, else as PNG, atomically.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : path-like
        File to write: .png, .pdf or .svg.
    overwrite : bool, default False
        Whether a file may be replaced that binnet did not write.
    **options : Any
        As of `matplotlib.figure.Figure.savefig`. Default: 150 dots per inch.

    Raises
    ------
    FileExistsError
        If there is a file that binnet did not write.
    OSError
        If the file cannot be written.
    """
    suffix = Path(path).suffix
    form = suffix[1:] if suffix in (".pdf", ".svg") else "png"
    mark = {("Software" if form == "png" else "Creator"): make_mark()}
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format=form, metadata=mark, **{"dpi": 150, **options})


def deprecate(old: str, new: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function under its former name, which warns and calls it."""

    def function(*arguments: Any, **options: Any) -> Any:
        warnings.warn(f"{old} is deprecated; use {new.__name__}", DeprecationWarning, stacklevel=2)
        return new(*arguments, **options)

    function.__name__ = function.__qualname__ = old
    function.__doc__ = f"Do what `{new.__name__}` does; deprecated."
    return function
