"""What `binnet.sweeps.scaling` finds in any sweep: limits of large networks, and collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._curves import BOOTSTRAP, curve_style, describe_value, each_curve
from binnet.plotting._style import finish, make_panels, plot_band, plot_bars
from binnet.plotting.sweeps import plot_convergence

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    curves = zip(each_curve(thresholds, size), each_curve(fit), strict=True)
    for (label, style, part), (_, _, law) in curves:
        style["linestyle"] = "none"
        label += ": no limit found" if law["at_bound"] else rf": $a$ = {_round(law, 'exponent')}"
        x = part[size].values.astype(float) ** -power
        plot_bars(
            ax, x, part["threshold"].values, part["threshold_error"].values, BOOTSTRAP,
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
        plot_bars(ax, [0.0], [limit], [law["limit_error"].item()], BOOTSTRAP, capsize=4, **style)
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

    Raises
    ------
    ValueError
        If there is more than one curve.
    """
    parameter, size = collapsed.attrs["parameter"], collapsed.attrs["size"]
    if others := [str(name) for name in collapsed["mean"].dims if name not in (parameter, size)]:
        raise ValueError(f"one curve is drawn: choose one value of {', '.join(others)} by .sel")
    for k, part in enumerate(collapsed.transpose(size, parameter)["mean"]):
        there = np.isfinite(part.values)
        error = collapsed["mean_error"].isel({size: k}).values
        u = part["rescaled"].values
        label = describe_value(size, part[size].item())
        plot_bars(
            ax, u[there], part.values[there], error[there], "standard error over networks",
            label=label, **curve_style(k, 0),
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
        convergence.set_title(order, fontsize=9)
        low, high = convergence.get_xlim()
        convergence.set_xlim(left=low - 0.4 * (high - low))  # room for the legend
        plot_extrapolation(thresholds.sel(where), fit.sel(where), limits, reference=freezing)
        plot_collapse(collapsed.sel(where), curves)
    return figure
