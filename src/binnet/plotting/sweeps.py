"""Pictures of sweeps over the self-coupling: who converges, from where on, and how fast.

`plot_extrapolation` and `plot_collapse` draw what `binnet.sweeps.scaling` finds in any sweep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.plotting._style import (
    colour,
    dash,
    finish,
    make_panels,
    mark_level,
    marker,
    plot_band,
    plot_bars,
)

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BOOTSTRAP = "standard error, bootstrap over networks"


def plot_convergence(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot the fraction of runs that reach a fixed point against J_D, a curve for each size.

    Parameters
    ----------
    result : xarray.Dataset
        Of a sweep of `binnet.studies.relaxation` over ``self_coupling``. Runs are pooled over
        ``seed``; other axes give a curve for each of their values.
    ax : Axes
        Where to draw. Error bars are 68 % Wilson intervals of the binomial proportion.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in _curves(result):
        n_converged, n_runs = _pool(part["n_converged"], result.sizes["replica"])
        measured = n_runs > 0
        n_converged, n_runs = n_converged[measured], n_runs[measured]
        fraction = n_converged / n_runs
        bars = np.abs(_wilson(n_converged, n_runs) - fraction)
        couplings = result["self_coupling"].values[measured]
        plot_bars(ax, couplings, fraction, bars, "68 % Wilson interval", label=label, **style)
    mark_level(ax, 0.5)
    ax.set(xlabel=r"self-coupling $J_D$", ylabel="fraction of runs that converge")
    ax.set_ylim(-0.03, 1.03)
    return finish(ax)


def plot_thresholds(thresholds: xr.Dataset, ax: Axes) -> Axes:
    """Plot the self-coupling at which half of the runs converge against the size.

    Parameters
    ----------
    thresholds : xarray.Dataset
        From `binnet.studies.convergence_thresholds`, with the axis ``n_neurons``.
    ax : Axes
        Where to draw; bars are the errors of the thresholds, bands the width of the transition.

    Returns
    -------
    Axes
        The same Axes.
    """
    sizes = thresholds["n_neurons"].values
    for label, style, part in _curves(thresholds, "n_neurons"):
        centre, width = part["threshold"].values, part["width"].values
        error = part["threshold_error"].values
        plot_bars(ax, sizes, centre, error, _BOOTSTRAP, label=label, **style)
        plot_band(
            ax, sizes, centre - width, centre + width, "width of the transition",
            color=style["color"],
        )  # fmt: skip
    ax.set(xlabel="neurons $N$", ylabel=r"$J_D$ at which half of the runs converge", xscale="log")
    ax.set_xticks(sizes, [str(n) for n in sizes], minor=False)
    ax.minorticks_off()
    return finish(ax)


def plot_extrapolation(
    thresholds: xr.Dataset,
    fit: xr.Dataset,
    ax: Axes,
    *,
    power: float = 1 / 3,
    reference: tuple[float, float, str] | None = None,
) -> Axes:
    """Plot thresholds against a power of the size, with the fitted law and its limit.

    Parameters
    ----------
    thresholds : xarray.Dataset
        From `binnet.sweeps.scaling.thresholds`.
    fit : xarray.Dataset
        From `binnet.sweeps.scaling.extrapolate`; curves whose exponent ran away have none.
    ax : Axes
        Where to draw. Bars are standard errors, those at infinity and the bands the central 68 %,
        of a bootstrap over networks.
    power : float, default 1/3
        The axis is linear in N^-power.
    reference : (float, float, str), optional
        A value to compare the limits with, its error, drawn as a band, and its name.

    Returns
    -------
    Axes
        The same Axes.
    """
    size = fit.attrs["size"]
    n = np.sort(thresholds[size].values)
    place = np.linspace(0.0, float(n[0]) ** -power, 200)
    if reference is not None:
        value, error, name = reference
        ax.axhspan(value - error, value + error, color="0.85", label=name)
    curves = zip(_curves(thresholds, size), _curves(fit), strict=True)
    for (label, style, part), (_, _, law) in curves:
        style["linestyle"] = "none"
        label += ": no power law" if law["at_bound"] else rf": $a$ = {_round(law, 'exponent')}"
        x = part[size].values.astype(float) ** -power
        plot_bars(
            ax, x, part["threshold"].values, part["threshold_error"].values, _BOOTSTRAP,
            label=label, **style,
        )  # fmt: skip
        if law["at_bound"]:
            continue
        amplitude, a = law["amplitude"].item(), law["exponent"].item()
        limit = law["limit"].item()
        ax.plot(place, limit + amplitude * place ** (a / power), color=style["color"], lw=1)
        drawn = [law[f"{name}_samples"].values[:, None] for name in ("limit", "amplitude")]
        exponents = law["exponent_samples"].values[:, None]
        lines = drawn[0] + drawn[1] * place ** (exponents / power)
        low, high = np.nanquantile(lines, [0.16, 0.84], axis=0)
        plot_band(ax, place, low, high, "68 % of the bootstrap", color=style["color"])
        plot_bars(ax, [0.0], [limit], [law["limit_error"].item()], _BOOTSTRAP, capsize=4, **style)
    ax.set_xticks([0.0, *(n.astype(float) ** -power)], ["∞", *(f"{m:g}" for m in n)])
    ax.tick_params(axis="x", labelrotation=60, labelsize=7)
    parameter = thresholds.attrs.get("parameter", "parameter").replace("_", "-")
    ax.set(
        xlabel=rf"size $N$ (axis: $N^{{-{power:.3g}}}$)",
        ylabel=f"threshold in the {parameter}",
        title=f"law fitted from N = {fit.attrs['smallest']:g}",
    )
    ax.title.set_fontsize(9)
    return finish(ax, fontsize=7)


def _round(law: xr.Dataset, name: str) -> str:
    return f"{law[name].item():.3f} ± {law[f'{name}_error'].item():.3f}"


def plot_collapse(collapsed: xr.Dataset, ax: Axes) -> Axes:
    """Plot the curves of all sizes against the rescaled parameter.

    Parameters
    ----------
    collapsed : xarray.Dataset
        From `binnet.sweeps.scaling.collapse`, of one curve: without axes but size and parameter.
    ax : Axes
        Where to draw. Bars are standard errors over networks, the errors in the title the central
        68 % of a bootstrap over networks.

    Returns
    -------
    Axes
        The same Axes.
    """
    parameter, size = collapsed.attrs["parameter"], collapsed.attrs["size"]
    for k, part in enumerate(collapsed.transpose(size, parameter)["mean"]):
        there = np.isfinite(part.values)
        error = collapsed["mean_error"].isel({size: k}).values
        u = part["rescaled"].values
        label = _describe(size, part[size].item())
        plot_bars(
            ax, u[there], part.values[there], error[there], "standard error over networks",
            label=label, **_style(k, 0),
        )  # fmt: skip
    place, power = _round(collapsed, "threshold"), _round(collapsed, "exponent")
    values = rf"$x^*$ = {place}, $a$ = {power}, $S$ = {collapsed['quality'].item():.2g}"
    ax.set(
        xlabel=rf"({parameter.replace('_', '-')} $-\; x^*$) $N^a$",
        ylabel=collapsed.attrs["variable"].replace("_", " "),
        title=values,
    )
    ax.title.set_fontsize(9)
    return finish(ax)


def plot_relaxation_times(result: xr.Dataset, self_coupling: float, ax: Axes) -> Axes:
    """Plot which fraction of the runs has reached a fixed point after so many sweeps.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    self_coupling : float
        J_D, one of those of the sweep.
    ax : Axes
        Where to draw. Runs that do not converge keep a curve below 1.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in _curves(result.sel(self_coupling=self_coupling)):
        times = part["relaxation_time"].values.ravel()
        reached = np.sort(times[np.isfinite(times)])
        if len(reached):
            height = np.arange(1, len(reached) + 1) / len(times)
            ax.step(reached, height, where="post", label=label, color=style["color"],
                    linestyle=style["linestyle"])  # fmt: skip
    ax.set(
        xlabel="sweeps to the fixed point",
        ylabel="cumulative fraction of runs",
        xscale="log",
        title=rf"$J_D$ = {self_coupling:g}",
    )
    ax.set_ylim(-0.03, 1.03)
    return finish(ax)


def plot_flip_fraction(result: xr.Dataset, self_coupling: float, ax: Axes) -> Axes:
    """Plot the flips per neuron and sweep against the sweep, on logarithmic axes.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    self_coupling : float
        J_D, one of those of the sweep.
    ax : Axes
        Where to draw; means over runs and networks.

    Returns
    -------
    Axes
        The same Axes.
    """
    for label, style, part in _curves(result.sel(self_coupling=self_coupling)):
        others = [name for name in part["flip_fraction"].dims if name != "sweep"]
        flips = part["flip_fraction"].mean(others).values
        seen = flips > 0
        ax.plot(np.arange(1, len(flips) + 1)[seen], flips[seen], label=label,
                color=style["color"], linestyle=style["linestyle"])  # fmt: skip
    ax.set(
        xlabel="sweep",
        ylabel="flips per neuron",
        xscale="log",
        yscale="log",
        title=rf"$J_D$ = {self_coupling:g}",
    )
    return finish(ax)


def draw_convergence(result: xr.Dataset, thresholds: xr.Dataset, title: str = "") -> Figure:
    """Draw convergence, thresholds, relaxation times and flips of one sweep.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`.
    thresholds : xarray.Dataset
        From `binnet.studies.convergence_thresholds`.
    title : str, default ""
        Title of the figure.

    Returns
    -------
    Figure
        Four Axes, without the thresholds three.
    """
    has_sizes = thresholds.sizes.get("n_neurons", 0) > 1
    if has_sizes:
        figure, axes = make_panels(2, 2, title=title, size=(11, 8))
    else:
        figure, axes = make_panels(3, title=title, size=(14, 4.2))
    plot_convergence(result, axes.pop(0))
    if has_sizes:
        plot_thresholds(thresholds, axes.pop(0))
    slowest = _most_informative(result)
    plot_relaxation_times(result, slowest, axes[0])
    plot_flip_fraction(result, slowest, axes[1])
    return figure


def draw_scaling(
    result: xr.Dataset,
    thresholds: xr.Dataset,
    fit: xr.Dataset,
    collapsed: xr.Dataset,
    freezing: tuple[float, float, str] | None = None,
) -> Figure:
    """Draw convergence, thresholds with their limits, and the collapse, for each update order.

    Parameters
    ----------
    result : xarray.Dataset
        As for `plot_convergence`, with several sizes and update orders.
    thresholds : xarray.Dataset
        From `binnet.studies.convergence_thresholds`, for one number of sweeps or, on an axis of its
        own, for several.
    fit : xarray.Dataset
        From `binnet.sweeps.scaling.extrapolate`.
    collapsed : xarray.Dataset
        From `binnet.sweeps.scaling.collapse`.
    freezing : (float, float, str), optional
        Where the infinite network freezes, the error, and what says so.

    Returns
    -------
    Figure
        A row of three Axes for each update order.
    """
    orders = [str(order) for order in result["update_order"].values]
    figure, axes = make_panels(3, len(orders), size=(16, 5 * len(orders)))
    for order in orders:
        where = {"update_order": order}
        convergence, limits, curves = (axes.pop(0) for _ in range(3))
        plot_convergence(result.sel(where), convergence)
        convergence.set_title(f"{order}; bars: 68 %, binomial", fontsize=9)
        plot_extrapolation(thresholds.sel(where), fit.sel(where), limits, reference=freezing)
        plot_collapse(collapsed.sel(where), curves)
    return figure


def _most_informative(result: xr.Dataset) -> float:
    """Return the smallest J_D at which more than half of all runs converge, else the largest."""
    others = [name for name in result["n_converged"].dims if name != "self_coupling"]
    fraction = result["n_converged"].mean(others).values / result.sizes["replica"]
    couplings = result["self_coupling"].values
    above = couplings[fraction > 0.5]
    return float(above.min() if len(above) else couplings.max())


def _curves(result: xr.Dataset, *own: str) -> Iterator[tuple[str, dict[str, Any], xr.Dataset]]:
    """Yield label, style and data for each combination of the axes that a curve is drawn for.

    The first axis is told by colour and marker, the others by dash and filling.
    """
    inner = {"self_coupling", "seed", "replica", "sweep", *own}
    names = [name for name in result.coords if name in result.dims and name not in inner]
    names.sort(key=lambda name: name != "n_neurons")
    if not names:
        yield "all runs", _style(0, 0), result
        return
    for values in np.ndindex(*(result.sizes[name] for name in names)):
        where = dict(zip(names, values, strict=True))
        parts = [(name, result[name].values[k]) for name, k in where.items()]
        label = ", ".join(_describe(str(name), value) for name, value in parts)
        rest = 0
        for name, value in zip(names[1:], values[1:], strict=True):
            rest = rest * result.sizes[name] + value
        yield label, _style(values[0], rest), result.isel(where)


def _describe(name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"N = {text}" if name == "n_neurons" else f"{name} {text}"


def _pool(counts: xr.DataArray, n_replicas: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Sum converged runs over networks, and count the runs; cells that are missing do not count."""
    others = [name for name in counts.dims if name != "self_coupling"]
    runs = counts.notnull().sum(others).values * n_replicas
    return counts.sum(others).values, runs


def _wilson(counts: NDArray[Any], runs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the ends (2, n) of the 68 % confidence intervals of binomial proportions."""
    from scipy.stats import binomtest

    ends = []
    for k, n in zip(counts, runs, strict=True):
        interval = binomtest(int(k), int(n)).proportion_ci(0.6827, method="wilson")
        ends.append((interval.low, interval.high))
    return np.array(ends).T


def _style(first: int, rest: int) -> dict[str, Any]:
    return {
        "color": colour(first),
        "marker": marker(first),
        "markerfacecolor": colour(first) if rest % 2 == 0 else "white",
        "linestyle": dash(rest),
        "markersize": 4,
        "linewidth": 1.4,
    }
