"""Where a variable crosses a level: a fitted curve, and the networks drawn anew for its error."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from binnet._validation import FloatArray, check_choice, check_integer, check_real
from binnet.sweeps.scaling._networks import Table, average, describe, draw_networks, read_table

if TYPE_CHECKING:
    import xarray as xr

CURVES = ("logistic", "linear")
# Where the step lies between two values of the parameter, its width has no maximum of likelihood:
# it is bounded below by this fraction of their distance.
_NARROWEST = 0.1


class _Crossing(NamedTuple):
    threshold: float = np.nan
    width: float = np.nan
    is_narrow: bool = False


def thresholds(
    result: xr.Dataset,
    variable: str,
    *,
    parameter: str = "self_coupling",
    level: float = 0.5,
    curve: str = "logistic",
    size: str = "n_neurons",
    networks: str = "seed",
    resamples: int = 200,
    seed: int = 0,
) -> xr.Dataset:
    """Find the value of a parameter at which a variable crosses a level.

    The variable is averaged over networks. For each value of every other axis, its mean is
    described by a logistic curve of maximum likelihood (fractions, rising or falling), or by
    straight lines from value to value. Networks are drawn anew, whole, for the errors: those of
    one size together for all values of the parameter and of the other axes.

    Parameters
    ----------
    result : xarray.Dataset
        Of any sweep; cells may be missing (NaN).
    variable : str
        A number for each cell, such as the fraction of runs that converge. Axes besides those
        below give a threshold for each of their values.
    parameter : str, default "self_coupling"
        Axis on which the threshold lies, two values at least.
    level : float, default 0.5
        What is crossed; for a logistic curve between 0 and 1.
    curve : {"logistic", "linear"}, default "logistic"
        Straight lines are for variables that are no fractions; they should be monotone up to
        noise, and the middle between the first and the last crossing counts.
    size : str, default "n_neurons"
        Axis whose values have networks of their own; it may be absent.
    networks : str, default "seed"
        Axis of the networks, which are the same ones for all other axes but the size.
    resamples : int, default 200
        Bootstrap samples.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ``threshold``, NaN where the level is not crossed within the values of the parameter;
        ``threshold_error``, standard deviation over the samples, NaN for a single network;
        ``threshold_samples`` (resample), what `extrapolate` draws its errors from;
        ``n_networks``; for a logistic curve ``width``. Where the whole step lies between two values
        of the parameter, an equal distribution over their distance is part of the error.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, an axis is missing, or a logistic curve is asked of what is
        no fraction.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> x = np.linspace(0, 1, 11)
    >>> y = 1 / (1 + np.exp(-(x[:, None] - [0.39, 0.4, 0.41]) / 0.05))
    >>> result = xr.Dataset({"y": (("x", "seed"), y)}, {"x": x, "seed": [0, 1, 2]})
    >>> found = thresholds(result, "y", parameter="x")
    >>> round(found.threshold.item(), 4), found.n_networks.item()
    (0.4, 3)
    """
    check_choice("curve", curve, CURVES)
    is_logistic = curve == "logistic"
    ends = {"low": 0.0, "high": 1.0, "above": True, "below": True} if is_logistic else {}
    level = check_real("level", level, **ends)  # type: ignore[arg-type]
    resamples = check_integer("resamples", resamples, 2)
    rng = np.random.default_rng(check_integer("seed", seed, 0, None))
    table = read_table(result, variable, parameter, networks, size)
    if is_logistic:
        _check_fractions(variable, table.values)
    numbers = np.full((*table.values.shape[:2], 3 + resamples), np.nan)
    for s, values in enumerate(table.values):
        weights = draw_networks(values, resamples, rng)
        for c, cells in enumerate(values):
            numbers[s, c] = _resample(table.x, cells, weights, level, is_logistic, rng)
    found = _assemble(table, numbers, is_logistic)
    found["n_networks"] = table.label(np.isfinite(table.values).any(axis=2).sum(axis=2))
    found.attrs = describe(
        variable=variable, parameter=parameter, level=level, curve=curve, size=size,
        networks=networks, resamples=resamples, seed=seed,
        threshold_error="standard deviation over bootstrap samples of the networks",
    )  # fmt: skip
    return found


def _check_fractions(variable: str, values: FloatArray) -> None:
    wrong = values[(values < 0.0) | (values > 1.0)]
    if wrong.size:
        raise ValueError(
            f"{variable} must be a fraction in 0..1 for a logistic curve, got {wrong[0]:g}; divide "
            "counts by the number of runs, or take curve='linear'"
        )


def _assemble(table: Table, numbers: FloatArray, is_logistic: bool) -> xr.Dataset:
    """Lay out threshold, width, error and samples."""
    names = ("threshold", "width", "threshold_error")
    found = table.frame.assign({name: table.label(numbers[..., k]) for k, name in enumerate(names)})
    found["threshold_samples"] = table.label(numbers[..., 3:], "resample")
    return found if is_logistic else found.drop_vars("width")


def _resample(
    x: FloatArray,
    cells: FloatArray,
    weights: FloatArray,
    level: float,
    is_logistic: bool,
    rng: np.random.Generator,
) -> FloatArray:
    """Return threshold, width, error and bootstrap samples of cells (parameter, network)."""
    numbers = np.full(2 + len(weights), np.nan)
    means, totals = average(cells, weights)
    measured = totals[0] > 0  # a joined result may lack some values of the parameter
    x, means, totals = x[measured], means[:, measured], totals[:, measured]
    if len(x) < 2:
        return numbers
    find = _fit_logistic if is_logistic else _interpolate
    best = find(x, means[0], totals[0], level)
    if not x[0] <= best.threshold <= x[-1]:  # nan, or nothing but an extrapolation
        return numbers
    samples = np.array([
        find(x, mean, total, level).threshold if total.any() else np.nan
        for mean, total in zip(means[1:], totals[1:], strict=True)
    ])  # fmt: skip
    if best.is_narrow:
        k = min(int(np.searchsorted(x, best.threshold)), len(x) - 1)
        samples += rng.uniform(-0.5, 0.5, len(samples)) * (x[max(k, 1)] - x[max(k, 1) - 1])
    numbers[:2] = best.threshold, best.width
    numbers[3:] = samples
    # An error from the few samples that have a threshold would be too small.
    if np.isfinite(samples).sum() > 0.5 * (len(weights) - 1):
        numbers[2] = np.nanstd(samples, ddof=1)
    return numbers


def _interpolate(x: FloatArray, mean: FloatArray, total: FloatArray, level: float) -> _Crossing:
    """Cross the level on straight lines between the means."""
    there = total > 0
    x, above = x[there], mean[there] - level
    if above[0] * above[-1] > 0:
        return _Crossing()
    places = list(x[above == 0])
    for k in np.flatnonzero(above[:-1] * above[1:] < 0):
        places.append(x[k] + (x[k + 1] - x[k]) * above[k] / (above[k] - above[k + 1]))
    return _Crossing(0.5 * (min(places) + max(places)))


def _fit_logistic(x: FloatArray, mean: FloatArray, total: FloatArray, level: float) -> _Crossing:
    """Cross the level on the logistic curve that makes the fractions most likely.

    In slope and intercept minus the logarithm of the likelihood is convex; runs count alike, so
    their number does not matter.
    """
    from scipy.optimize import minimize

    there = total > 0
    middle, spread = 0.5 * (x[0] + x[-1]), x[-1] - x[0]
    steepest = spread / (_NARROWEST * np.diff(x).min())
    u, p, weights = (x[there] - middle) / spread, mean[there], total[there] / total.sum()
    if p.min() == p.max():
        return _Crossing()

    def cost(parameters: FloatArray) -> tuple[float, FloatArray]:
        logit = parameters[0] + parameters[1] * u
        # -log of p^f (1 - p)^(1 - f) is log(1 + e^logit) - f logit
        value = (weights * (np.logaddexp(0.0, logit) - p * logit)).sum()
        slope = weights * (0.5 * (1.0 + np.tanh(0.5 * logit)) - p)
        return float(value), np.array([slope.sum(), (slope * u).sum()])

    guess = u[np.argmin(np.abs(p - 0.5))]
    sign = 1.0 if np.sum(weights * (p - 0.5) * (u - (weights * u).sum())) >= 0 else -1.0
    start = np.array([-10.0 * sign * guess, 10.0 * sign])
    fit = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=[(None, None), (-steepest, steepest)],
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )  # fmt: skip
    intercept, slope = fit.x
    if abs(slope) < 1e-6:
        return _Crossing()
    place = middle + spread * (math.log(level / (1.0 - level)) - intercept) / slope
    width = spread / abs(slope)
    return _Crossing(float(place), float(width), bool(abs(slope) > 0.999 * steepest))
