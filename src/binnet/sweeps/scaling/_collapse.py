"""Data collapse: the curves of all sizes as one function of (x - x*) N^a."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._validation import FloatArray, check_integer, check_real
from binnet.sweeps.scaling._extrapolation import EXPONENTS
from binnet.sweeps.scaling._networks import (
    Table,
    average,
    central_error,
    check_axis,
    describe,
    draw_networks,
    read_table,
)

if TYPE_CHECKING:
    import xarray as xr

_GUESSES = 40  # of threshold and of exponent each
# Curves that were moved apart have few points in common, and those may agree: at least this
# fraction of the points must lie within the range of another size.
_COMMON = 0.5


class _Curves(NamedTuple):
    """The means of all sizes, one after the other, in increasing order of x."""

    x: FloatArray
    y: FloatArray
    error: FloatArray  # for weights in the master curve; positive
    n: FloatArray
    counts: NDArray[np.bool_]  # whether a point is a term of the quality
    starts: NDArray[np.int64]  # of each size, and the end


def collapse(
    result: xr.Dataset,
    variable: str,
    *,
    parameter: str = "self_coupling",
    threshold: float | None = None,
    exponent: float | None = None,
    size: str = "n_neurons",
    networks: str = "seed",
    resamples: int = 100,
    seed: int = 0,
) -> xr.Dataset:
    r"""Rescale the parameter so that the curves of all sizes become one.

    For each value of every other axis, x* and a of :math:`(x - x^*) N^a` minimise the quality

    .. math:: S = \Big\langle \frac{(y - Y)^2}{dy^2 + dY^2} \Big\rangle,

    where y is a mean over networks with its standard error dy, and Y with its error dY is the
    straight line through the neighbours of the point among the points of the other sizes,
    two of each size whose range covers it (J. Houdayer, A. K. Hartmann, Phys. Rev. B 70, 014418
    (2004), after S. M. Bhattacharjee, F. Seno, J. Phys. A 34, 6375 (2001)). S is about 1 where the
    curves are one within their errors, and much larger where they are not.

    Parameters
    ----------
    result : xarray.Dataset
        Of any sweep with two sizes or more; cells may be missing (NaN).
    variable : str
        A number for each cell. Axes besides those below give a collapse for each of their values.
    parameter : str, default "self_coupling"
        Axis of x.
    threshold : float, optional
        x*, where it is known. Default: it is fitted.
    exponent : float, optional
        a, where it is known. Default: it is fitted.
    size, networks : str
        Axes as for `thresholds`.
    resamples : int, default 100
        Bootstrap samples of the networks, for the errors of x* and a.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ``mean`` of the variable over networks and its ``mean_error``, the standard error, with the
        coordinate ``rescaled``, (x - x*) N^a; ``threshold`` x*, ``exponent`` a, their
        ``..._error``, half of the central 68 % of the samples, and ``quality`` S. ``at_bound``: x*
        left the values of the parameter by more than their range, or a 0.02..5; then x*, a and
        ``rescaled`` are NaN.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, an axis is missing, or both x* and a are given.

    Notes
    -----
    Where all networks gave the same value there is no error to weigh by: such a point is no term
    of S, but part of the curve, with the error that one more network, at the other end of the
    variable's range, would have made.

    S jumps where points change their neighbours, and the errors came out too small for that, by a
    factor of 1.1 to 1.5 (docs/results/convergence.md).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> n, x, rng = np.array([100, 400, 1600]), np.linspace(0, 1, 21), np.random.default_rng(0)
    >>> u = (x - 0.5) * np.sqrt(n)[:, None]
    >>> y = np.tanh(u)[..., None] + 0.02 * rng.standard_normal((3, 21, 5))
    >>> axes = {"n_neurons": n, "x": x, "seed": range(5)}
    >>> result = xr.Dataset({"y": (("n_neurons", "x", "seed"), y)}, axes)
    >>> found = collapse(result, "y", parameter="x", exponent=0.5)
    >>> bool(abs(found.threshold - 0.5) < 4 * found.threshold_error)
    True
    """
    if threshold is not None and exponent is not None:
        raise ValueError("threshold and exponent are both given: nothing is left to be fitted")
    given = (
        None if threshold is None else check_real("threshold", threshold),
        None if exponent is None else check_real("exponent", exponent, *EXPONENTS),
    )
    resamples = check_integer("resamples", resamples, 2)
    rng = np.random.default_rng(check_integer("seed", seed, 0, None))
    table = read_table(result, variable, parameter, networks, size)
    if table.dims[:1] != (size,):
        raise ValueError(
            f"{variable} lacks the axis {size}; sweep over it, or name the axis of sizes by size="
        )
    check_axis(result[variable], size)
    n = table.frame[size].values.astype(float)
    if (n <= 0).any():
        raise ValueError(f"sizes must be > 0, got {n}")
    weights = np.stack([draw_networks(values, resamples, rng) for values in table.values])
    fits = [
        _collapse(table.x, table.values[:, c], n, weights, given, variable)
        for c in range(table.values.shape[1])
    ]
    made = describe(
        variable=variable, parameter=parameter, size=size, networks=networks, resamples=resamples,
        seed=seed, threshold_given=given[0], exponent_given=given[1],
        mean_error="standard error over networks",
        errors="half of the central 68 % of the bootstrap samples over networks",
    )  # fmt: skip
    return _assemble(table, parameter, size, weights, fits, made)


def _assemble(
    table: Table,
    parameter: str,
    size: str,
    weights: FloatArray,
    fits: list[dict[str, float]],
    made: dict[str, Any],
) -> xr.Dataset:
    """Lay out the numbers of each curve, the means, and where they lie when rescaled."""
    others = table.dims[1:]
    found = table.frame.assign_coords({parameter: table.x})
    for name in fits[0]:
        values = np.array([fit[name] for fit in fits]).reshape(table.shape[1:])
        found[name] = (others, values)
    y, error = (
        np.array([[_average(cells, drawn[:1])[k][0] for cells in values]
                  for values, drawn in zip(table.values, weights, strict=True)])
        for k in range(2)
    )  # fmt: skip
    found["mean"] = table.label(y, parameter)
    found["mean_error"] = table.label(error, parameter)
    rescaled = (found[parameter] - found["threshold"]) * found[size] ** found["exponent"]
    found = found.assign_coords(rescaled=rescaled.transpose(*table.dims, parameter))
    found.attrs = made
    return found


def _average(cells: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error (sample, parameter) over the networks of cells.

    The error is 0 where all networks agree and nan where there is but one.
    """
    mean, total = average(cells, weights)
    squares = np.array([average((cells - m[:, None]) ** 2, w[None])[0][0]
                        for m, w in zip(mean, weights, strict=True)])  # fmt: skip
    error = np.full(mean.shape, np.nan)
    np.sqrt(squares / np.maximum(total - 1.0, 1.0), out=error, where=total > 1)
    return mean, error


def _collapse(
    x: FloatArray,
    values: FloatArray,
    n: FloatArray,
    weights: FloatArray,
    given: tuple[float | None, float | None],
    variable: str,
) -> dict[str, float]:
    """Fit values (size, parameter, network), and the samples of their networks."""
    curves, *samples = _line_up(x, values, n, weights, variable)
    reach = x[-1] - x[0]
    bounds = [(x[0] - reach, x[-1] + reach), EXPONENTS]
    best = _search(curves, given, bounds)
    quality = _quality(curves, *best)
    at_bound = not np.isfinite(quality) or any(
        given[k] is None and not low + 0.01 * (high - low) < value < high - 0.01 * (high - low)
        for k, (value, (low, high)) in enumerate(zip(best, bounds, strict=True))
    )
    numbers = {"threshold": np.nan, "exponent": np.nan, "threshold_error": np.nan,
               "exponent_error": np.nan, "quality": quality, "at_bound": at_bound}  # fmt: skip
    if at_bound:
        return numbers
    numbers["threshold"], numbers["exponent"] = map(float, best)
    drawn = np.full((len(samples), 2), np.nan)
    for k, sample in enumerate(samples):
        if np.isfinite(sample.y).all():
            drawn[k] = _descend(sample, given, best)
    numbers["threshold_error"], numbers["exponent_error"] = map(float, central_error(drawn))
    return numbers


def _line_up(
    x: FloatArray, values: FloatArray, n: FloatArray, weights: FloatArray, variable: str
) -> list[_Curves]:
    """Return the curves, and those of each bootstrap sample; its errors are its own, too."""
    rows = []
    for size, cells, drawn in zip(n, values, weights, strict=True):
        mean, error = _average(cells, drawn)
        there = np.isfinite(error[0])
        if there.sum() > 1:
            n_networks = np.isfinite(cells).sum(axis=1)[there]
            rows.append((mean[:, there], error[:, there], x[there],
                         np.full(there.sum(), size), n_networks))  # fmt: skip
    if len(rows) < 2:
        raise ValueError(
            f"a collapse of {variable} needs two sizes with two values of the parameter and two "
            f"networks at each, got {len(rows)}; measure more"
        )
    starts = np.cumsum([0] + [len(row[2]) for row in rows])
    y, error, place, size, n_networks = (
        np.concatenate([row[k] for row in rows], axis=-1) for k in range(5)
    )
    varies = error > 1e-9 * np.ptp(y[0])
    if not varies[0].any():
        raise ValueError(
            f"all networks give the same {variable}: there is no error to collapse within; take "
            "more networks, or values of the parameter within the transition"
        )
    error = np.where(varies, error, np.ptp(y[0]) / (n_networks + 1.0))
    return [
        _Curves(place, *sample, size, varies[0], starts) for sample in zip(y, error, strict=True)
    ]


def _quality(curves: _Curves, threshold: float, exponent: float) -> float:
    """Return S, infinite where too few points are covered by other sizes."""
    u = (curves.x - threshold) * curves.n**exponent
    terms = np.flatnonzero(curves.counts)
    at = u[terms]
    sums = np.zeros((5, len(terms)))  # of w, w u, w y, w u^2, w u y, u from the point on
    for begin, end in zip(curves.starts[:-1], curves.starts[1:], strict=True):
        right = begin + np.searchsorted(u[begin:end], at)
        covered = (right > begin) & (right < end) & ((terms < begin) | (terms >= end))
        for k in (right - 1, right):
            k = np.where(covered, k, begin)
            w = covered / curves.error[k] ** 2
            d, y = u[k] - at, curves.y[k]
            sums += w * np.stack([np.ones_like(d), d, y, d * d, d * y])
    s, sx, sy, sxx, sxy = sums
    determinant = s * sxx - sx * sx
    good = determinant > 1e-12 * s * sxx
    if good.sum() < _COMMON * len(terms):
        return np.inf
    s, sx, sy, sxx, sxy, determinant = (a[good] for a in (s, sx, sy, sxx, sxy, determinant))
    line = (sxx * sy - sx * sxy) / determinant
    variance = sxx / determinant
    y, error = curves.y[terms][good], curves.error[terms][good]
    return float(np.mean((y - line) ** 2 / (error**2 + variance)))


def _search(
    curves: _Curves,
    given: tuple[float | None, float | None],
    bounds: list[tuple[float, float]],
) -> FloatArray:
    """Return threshold and exponent of the smallest S."""
    grids = (np.linspace(*bounds[0], _GUESSES), np.geomspace(*bounds[1], _GUESSES))
    places = [
        np.array([x, a])
        for x in (grids[0] if given[0] is None else [given[0]])
        for a in (grids[1] if given[1] is None else [given[1]])
    ]
    best = min(places, key=lambda place: _quality(curves, *place))
    return _descend(curves, given, best)


def _descend(
    curves: _Curves, given: tuple[float | None, float | None], start: FloatArray
) -> FloatArray:
    """Minimise S from a start: a simplex, as S jumps where the neighbours of a point change."""
    from scipy.optimize import minimize

    free = [k for k in range(2) if given[k] is None]
    reach = np.array([np.ptp(curves.x), start[1]])
    simplex = start[free] + np.vstack([np.zeros(len(free)), np.diag(0.05 * reach[free])])

    def place(parameters: FloatArray) -> FloatArray:
        whole = start.copy()
        whole[free] = parameters
        return whole

    def cost(parameters: FloatArray) -> float:
        whole = place(parameters)
        return _quality(curves, *whole) if EXPONENTS[0] < whole[1] < EXPONENTS[1] else np.inf

    fit = minimize(cost, start[free], method="Nelder-Mead",
                   options={"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-5})  # fmt: skip
    return place(fit.x)
