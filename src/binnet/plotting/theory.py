"""Figures of the theory calculator: phase diagram, local entropies, pairs and dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray
from binnet.plotting._style import (
    BLACK,
    BLUE,
    DASHES,
    RED,
    SKY,
    colour,
    dash,
    finish,
    marker,
    plot_band,
    plot_bars,
)
from binnet.plotting._style import COLOURS as COLOURS
from binnet.plotting._style import GREEN as GREEN
from binnet.plotting._style import ORANGE as ORANGE
from binnet.plotting._style import PURPLE as PURPLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES = {"margin": r"margin $\kappa$", "field_std": r"field strength $\sigma_b$"}
_BELOW: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 1}


def _mark_thresholds(ax: Axes, thresholds: Mapping[str, float]) -> None:
    """Vertical lines; the legend gives name and value."""
    for index, (name, j) in enumerate(thresholds.items()):
        style = DASHES[1 + index % (len(DASHES) - 1)]
        ax.axvline(j, color=colour(index + 1), linestyle=style, lw=1.3, label=f"{name} {j:.3f}")


def plot_complexity(
    self_coupling: ArrayLike,
    complexity: ArrayLike,
    ax: Axes,
    *,
    thresholds: Mapping[str, float] | None = None,
) -> Axes:
    """Draw the complexity over the self-coupling, with named self-couplings as vertical lines.

    Parameters
    ----------
    self_coupling, complexity : array_like, shape (n,)
        J_D and Sigma(J_D) in nats.
    ax : matplotlib.axes.Axes
        Where to draw.
    thresholds : mapping of str to float, optional
        Self-couplings to mark, by name.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    ax.plot(self_coupling, complexity, color=BLUE, lw=2, label=r"complexity $\Sigma$")
    ax.axhline(np.log(2.0), color="0.6", lw=0.8)
    ax.annotate(r"$\log 2$", (0.02, np.log(2.0)), xycoords=("axes fraction", "data"), va="bottom")
    _mark_thresholds(ax, thresholds or {})
    ax.set_ylabel("nats per neuron")
    ax.set_ylim(0.0, 0.8)
    return finish(ax, loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_gap(
    table: Mapping[str, ArrayLike], ax: Axes, *, closing: tuple[float, float] | None = None
) -> Axes:
    """Draw the empty distances: around typical fixed points, and (the gap) around all of them.

    Parameters
    ----------
    table : mapping
        As returned by `binnet.theory.phase_diagram`.
    ax : matplotlib.axes.Axes
        Where to draw; the distance axis becomes logarithmic.
    closing : (float, float), optional
        Critical self-coupling and the distance at which the gap closes.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    j = np.asarray(table["self_coupling"], dtype=np.float64)
    lower, upper = (np.asarray(table[k], dtype=np.float64) for k in ("gap_lower", "gap_upper"))
    gap = np.isfinite(upper)
    x, low, high = j[gap], np.maximum(lower[gap], 1e-9), upper[gap]
    if closing is not None:  # let both boundaries meet at the critical point
        x, low, high = (
            np.append(a, b) for a, b in ((x, closing[0]), (low, closing[1]), (high, closing[1]))
        )
    ax.fill_between(x, low, high, color=SKY, alpha=0.35, hatch="//", edgecolor=BLUE, lw=0.0,
                    label="overlap gap: no clusters")  # fmt: skip
    ax.plot(x, high, color=BLUE, lw=1.5)
    ax.plot(x, low, color=BLUE, lw=1.5)
    if closing is not None:
        ax.plot(*closing, "o", color=BLACK, ms=6, label=rf"gap closes, $d$ = {closing[1]:.4f}")
    radius = np.asarray(table["isolation_radius"], dtype=np.float64)
    if np.isfinite(radius).any():
        ax.plot(j, radius, color=RED, ls="--", lw=2, label=r"isolation radius $d_{iso}$")
    ax.set_yscale("log")
    ax.set_ylim(1e-6, 0.6)
    ax.set_ylabel(r"distance $d$")
    return finish(ax, loc="center left", bbox_to_anchor=(1.01, 0.5))


def plot_phase_map(table: Mapping[str, ArrayLike], over: str, ax: Axes) -> Axes:
    """Draw the complexity over a plane, with the lines where the gap closes and dynamics freezes.

    Parameters
    ----------
    table : mapping
        As returned by `binnet.theory.phase_map`.
    over : str
        Which axis the self-coupling is drawn over, "margin" or "field_std".
    ax : matplotlib.axes.Axes
        Where to draw; its figure gets a colour bar.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    from scipy.interpolate import CubicSpline

    x, kappa, j = (np.asarray(table[name]) for name in (over, "margin", "self_coupling"))
    top = max(0.1, np.ceil(10.0 * np.max(table["complexity"])) / 10.0)
    fine = np.linspace(x[0], x[-1], 161)  # columns may be few: a cubic spline between them
    sigma = CubicSpline(x, table["complexity"])(fine).T
    filled = ax.contourf(fine, j, sigma, np.linspace(0.0, top, 15), cmap="cividis")
    bar = ax.figure.colorbar(filled, ax=ax, format="%.2f")
    bar.set_label(r"complexity $\Sigma$ (nats per neuron)")
    if np.any(kappa > j[0]):
        nothing: dict[str, Any] = {"facecolor": "0.9", "edgecolor": "0.6", "hatch": "..", "lw": 0.0}
        label = r"no fixed points, $J_D < \kappa$"
        ax.fill_between(x, j[0], np.maximum(kappa, j[0]), label=label, **nothing)
        ax.plot(x, kappa, color=BLACK, lw=1.0, label=r"$\Sigma = 0$, $J_D = \kappa$")
    _plot_lines(table, over, ax, np.zeros_like(kappa), kappa)
    ax.set(xlim=(x[0], x[-1]), ylim=(j[0], j[-1]), ylabel=r"self-coupling $J_D$")
    ax.set_xlabel(_AXES[over])
    return finish(ax, **_BELOW)


def plot_thresholds(table: Mapping[str, ArrayLike], over: str, ax: Axes) -> Axes:
    """Draw the lines of `plot_phase_map` over J_D - kappa, on a logarithmic scale.

    Parameters
    ----------
    table, over : mapping and str
        As in `plot_phase_map`.
    ax : matplotlib.axes.Axes
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    x, kappa, critical, freezing = (
        np.asarray(table[name]) for name in (over, "margin", "critical", "freezing")
    )
    beyond = np.concatenate([critical - kappa, freezing - kappa])
    beyond = beyond[beyond > 0.0]
    low, high = (0.4 * beyond.min(), 1.6 * beyond.max()) if beyond.size else (1e-3, 1.0)
    ax.set_yscale("log")
    _plot_lines(table, over, ax, kappa, np.full_like(kappa, low))
    ax.set(xlim=(x[0], x[-1]), ylim=(low, high), ylabel=r"beyond the margin, $J_D - \kappa$")
    ax.set_xlabel(_AXES[over])
    return finish(ax, **_BELOW)


def _plot_lines(
    table: Mapping[str, ArrayLike], over: str, ax: Axes, base: FloatArray, bottom: FloatArray
) -> None:
    """Draw both lines less `base`, with the gap hatched from `bottom` on; nan is left out."""
    x, critical, freezing, error = (
        np.asarray(table[name]) for name in (over, "critical", "freezing", "freezing_error")
    )
    if np.isfinite(critical).any():
        label = "overlap gap: fixed points isolated or in narrow clusters"
        ax.fill_between(x, bottom, critical - base, facecolor=SKY, alpha=0.8, hatch="////",
                        edgecolor=BLUE, lw=0.0, label=label)  # fmt: skip
        bound = np.any(np.asarray(table["field_std"]) > 0.0)
        closes = "the gap closes, with fields there or above" if bound else "the gap closes"
        label = rf"$J_D^c$: {closes} (numerical error below line width)"
        ax.plot(x, critical - base, color=BLUE, lw=1.8, marker="o", ms=3.5, label=label)
    freezing = np.where(freezing > base, freezing - base, np.nan)
    if np.isfinite(freezing).any():
        style: dict[str, Any] = {"color": RED, "ls": "--", "lw": 1.5, "marker": "s", "ms": 3.5}
        ax.plot(x, freezing, label="the dynamics freezes above", **style)
        plot_band(ax, x, freezing - error, freezing + error, "standard error of freezing",
                  color=RED, alpha=0.35)  # fmt: skip


def plot_local_entropy(
    curves: Mapping[float, tuple[ArrayLike, ArrayLike]],
    ax: Axes,
    *,
    gaps: Mapping[float, tuple[float, float]] | None = None,
) -> Axes:
    """Draw local entropies over distance, one curve per self-coupling, with the gaps shaded.

    Parameters
    ----------
    curves : mapping of float to (distance, entropy)
        Arrays by self-coupling.
    ax : matplotlib.axes.Axes
        Where to draw.
    gaps : mapping of float to (lower, upper), optional
        Ends of the overlap gap by self-coupling; nan where there is none.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    ax.axhline(0.0, color="0.4", lw=0.8)
    for index, (j, (distance, entropy)) in enumerate(sorted(curves.items())):
        style = {"color": colour(index), "linestyle": dash(index), "lw": 1.8}
        ax.plot(distance, entropy, label=rf"$J_D$ = {j:g}", **style)
        low, high = (gaps or {}).get(j, (np.nan, np.nan))
        if np.isfinite(low) and np.isfinite(high):
            ends = (max(low, 1e-9), high)
            ax.axvspan(*ends, color=colour(index), alpha=0.12, lw=0, label=f"gap at {j:g}")
    ax.set_xlabel(r"distance $d$")
    ax.set_ylabel(r"local entropy $S_{loc}$ (nats)")
    return finish(ax)


def plot_comparison(
    x: ArrayLike,
    theory: ArrayLike,
    measured: ArrayLike,
    ax: Axes,
    *,
    error: ArrayLike | None = None,
    meaning: str = "standard error",
    label: str = "",
    index: int = 0,
) -> Axes:
    """Draw a theory line and measured points with error bars in one colour.

    Parameters
    ----------
    x, theory, measured : array_like, shape (n,)
        Abscissa, prediction and measurement.
    ax : matplotlib.axes.Axes
        Where to draw.
    error : array_like, shape (n,), optional
        Errors of the measurement.
    meaning : str, default "standard error"
        What these are, for the legend.
    label : str, default ""
        What the pair shows.
    index : int, default 0
        Which colour and marker of the palette.

    Returns
    -------
    matplotlib.axes.Axes
        The same Axes.
    """
    line = {"color": colour(index), "linestyle": dash(index), "lw": 1.6}
    ax.plot(x, theory, label=f"theory {label}", **line)
    style: dict[str, Any] = {
        "color": colour(index),
        "marker": marker(index),
        "ms": 4.5,
        "mfc": "white",
        "ls": "none",
    }
    plot_bars(ax, x, measured, error, meaning, label=f"measured {label}", **style)
    return finish(ax)
