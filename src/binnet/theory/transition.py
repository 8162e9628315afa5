"""The overlap gap and the transition at which it closes.

Below a critical self-coupling, fixed points come in narrow clusters or unrelated, with nothing in
between: the local entropy of the densest clusters is negative over an interval of distances.
Above it dense clusters of every size exist.  Gaps of finite groups of replicas give rigorous
(first-moment) exclusions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from binnet.theory import _checks
from binnet.theory.clusters import cluster_entropy
from binnet.theory.densest import densest

FLOOR = 1e-9  # smallest distance searched: a gap that begins below it is reported as beginning at 0
_SCAN = np.log(np.concatenate([np.geomspace(FLOOR, 1e-4, 8), np.geomspace(3e-4, 0.49, 22)]))


class OverlapGap(NamedTuple):
    """Interval of distances without clusters, in the shape of `self_coupling` (nan: no gap).

    Parameters
    ----------
    lower, upper : float or ndarray
        Ends of the interval in which the entropy is negative.
    distance, depth : float or ndarray
        Where the entropy is lowest, and its value there (kept also above the
      transition:
        the lowest local minimum, nan where the entropy is monotone).
    error : float or ndarray
        Estimated numerical error of `lower` and `upper` (the larger of the two).
    """

    lower: Any
    upper: Any
    distance: Any
    depth: Any
    error: Any


class Threshold(NamedTuple):
    """A self-coupling at which the structure changes, the distance where it does, and errors.

    Parameters
    ----------
    self_coupling, distance : float
        J_D and d of the change.
    error, distance_error : float
        Estimated numerical errors of both.
    """

    self_coupling: float
    distance: float
    error: float
    distance_error: float


def overlap_gap(self_coupling: ArrayLike, *, rtol: float = 1e-6) -> OverlapGap:
    """Distances at which no cluster of fixed points exists: the interval with S_loc(d) < 0.

    Narrow clusters lie below the gap, unrelated fixed points above it.  At J_D = 0 it is the whole
    (0, 1/2).

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    rtol : float, default 1e-6
        Accuracy asked of the local entropies (see `local_entropy`).

    Returns
    -------
    OverlapGap
        Named arrays (or floats); distances below 1e-9 are not searched and reported as 0.

    Examples
    --------
    >>> gap = overlap_gap(0.04)
    >>> round(gap.lower, 4), round(gap.upper, 4)
    (np.float64(0.0011), np.float64(0.1002))
    """
    j = _checks.self_coupling(self_coupling)
    rtol = _checks.tolerance(rtol)

    def one(j: float) -> tuple[float, ...]:
        # The scan only brackets: far ends may not reach a strict rtol, and need not.
        near: tuple[float, float] | None = None

        def point(d: float, rtol: float) -> tuple[float, float, float]:
            nonlocal near  # each search starts from the last one's saddle
            entropy, y, conjugate, slope, error = densest(j, d, rtol, near)
            near = (y, conjugate) if y < 1e4 else None
            return entropy, error, slope

        rough = [point(float(np.exp(x)), max(rtol, 1e-5))[0] for x in _SCAN[::-1]]
        scan, near = np.array(rough[::-1]), None
        return _gap(scan, lambda d: point(d, rtol)[:2], lambda d: point(d, rtol)[2], j == 0.0)

    columns = np.vectorize(one, otypes=[float] * 5)(j)
    return OverlapGap(*(column[()] for column in columns))


def replica_gap(self_coupling: ArrayLike, replicas: ArrayLike, *, rtol: float = 1e-8) -> OverlapGap:
    """Distances that no m fixed points can have mutually: phi_m(1 - 2d) < 0 (m-OGP).

    A first-moment bound, exact for large N: the mean number of such groups vanishes.  It is weaker
    than `overlap_gap`, which optimises over m.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    replicas : array_like
        Size m >= 2 of the group (a whole number for the bound to be rigorous).
    rtol : float, default 1e-8
        Accuracy asked of phi_m.

    Returns
    -------
    OverlapGap
        As `overlap_gap`; all nan where phi_m stays positive.
    """
    j = _checks.self_coupling(self_coupling)
    m = _checks.in_range(
        "replicas", replicas, 2.0, 1e4, remedy="a group has two fixed points at least"
    )
    rtol = _checks.tolerance(rtol)

    def one(j: float, m: float) -> tuple[float, ...]:
        def value(d: float) -> tuple[float, float]:
            point = cluster_entropy(j, 1.0 - 2.0 * d, m, rtol=rtol)
            return point.free_entropy, point.error

        rough = cluster_entropy(j, 1.0 - 2.0 * np.exp(_SCAN), m, rtol=rtol).free_entropy
        return _gap(rough, value, None, j == 0.0)

    columns = np.vectorize(one, otypes=[float] * 5)(j, m)
    return OverlapGap(*(column[()] for column in columns))


def _gap(
    scan: Any,
    value: Callable[[float], tuple[float, float]],
    slope: Callable[[float], float] | None,
    whole: bool,
) -> tuple[float, float, float, float, float]:
    """From a scan of an entropy, find its lowest interior minimum and the zeros around it."""

    def entropy(x: float) -> float:
        return value(float(np.exp(x)))[0]

    inner = np.flatnonzero((scan[1:-1] < scan[:-2]) & (scan[1:-1] <= scan[2:])) + 1
    if inner.size == 0:
        return np.nan, np.nan, np.nan, np.nan, np.nan
    lowest = int(inner[np.argmin(scan[inner])])
    left, right = float(_SCAN[lowest - 1]), float(_SCAN[lowest + 1])
    if slope is None:
        bottom = float(optimize.minimize_scalar(entropy, bounds=(left, right), method="bounded").x)
    else:  # the slope is known in closed form: its zero is sharper than a minimum
        bottom = optimize.brentq(lambda x: slope(float(np.exp(x))), left, right, xtol=1e-10)
    depth = entropy(bottom)
    if depth >= 0.0:
        return np.nan, np.nan, float(np.exp(bottom)), depth, np.nan
    outside = (FLOOR, 0.5 - 1e-6)
    ends, errors = [0.0, 0.5], [outside[0], 0.5 - outside[1]]
    for side, outer in enumerate(np.log(outside)):
        if entropy(outer) > 0.0 and not whole:
            x = optimize.brentq(entropy, outer, bottom, xtol=1e-12)
            d = float(np.exp(x))
            tilt = (entropy(x + 1e-4) - entropy(x - 1e-4)) / (2e-4 * d)
            ends[side], errors[side] = d, value(d)[1] / abs(tilt) + 1e-12
    return ends[0], ends[1], float(np.exp(bottom)), depth, max(errors)


def critical_self_coupling(*, rtol: float = 1e-8) -> Threshold:
    """Critical self-coupling J_D^c: the smallest at which S_loc(d) >= 0 for every d in (0, 1/2].

    Solves S_loc = 0 and dS_loc/dd = 0 together.  The error bar is the quadrature error of S_loc
    divided by its slope in J_D; the distance is where the gap closes.

    Parameters
    ----------
    rtol : float, default 1e-8
        Accuracy asked of the local entropies.

    Returns
    -------
    Threshold
        J_D^c, the distance at which the gap closes, and their errors.

    Examples
    --------
    >>> point = critical_self_coupling()
    >>> round(point.self_coupling, 3)
    0.06
    """
    rtol = _checks.tolerance(rtol)

    def residual(x: Any) -> list[float]:
        value, _, _, slope, _ = densest(float(x[0]), float(np.exp(x[1])), rtol)
        return [value, slope * float(np.exp(x[1]))]

    return _threshold(residual, [0.06, np.log(8e-3)], rtol)


def monotone_self_coupling(*, rtol: float = 1e-8) -> Threshold:
    """Self-coupling above which S_loc grows with distance everywhere (no local minimum).

    Solves dS_loc/dd = 0 and d^2S_loc/dd^2 = 0 together; the second derivative is a central
    difference of the exact slope.

    Parameters
    ----------
    rtol : float, default 1e-8
        Accuracy asked of the local entropies.

    Returns
    -------
    Threshold
        Self-coupling, the distance where the slope last vanishes, and their errors.
    """
    rtol = _checks.tolerance(rtol)

    def residual(x: Any, step: float = 1e-2) -> list[float]:
        slope = [densest(float(x[0]), float(np.exp(x[1] + h)), rtol)[3] for h in (-step, 0.0, step)]
        return [slope[1], (slope[2] - slope[0]) / (2 * step)]

    start = [0.073, np.log(6e-3)]
    fine = _threshold(residual, start, rtol)
    coarse = _threshold(lambda x: residual(x, 2e-2), start, rtol)
    difference = (
        abs(fine.self_coupling - coarse.self_coupling),
        abs(fine.distance - coarse.distance),
    )
    return Threshold(*fine[:2], fine.error + difference[0], fine.distance_error + difference[1])


def _threshold(
    residual: Callable[[Any], list[float]], start: list[float], rtol: float
) -> Threshold:
    """Solve two conditions in (J_D, log d), and propagate what is left and the quadrature error."""
    found = optimize.root(residual, start, method="hybr", options={"xtol": 1e-10, "eps": 1e-6})
    j, log_d = (float(v) for v in found.x)
    left_over = np.abs(residual(found.x))
    if not np.all(left_over < 1e-6):
        raise RuntimeError(
            f"no threshold found with rtol={rtol:g}; ask for a value between 1e-10 and 1e-6"
        )
    h = 1e-4
    columns = [
        (np.array(residual([j + a, log_d + b])) - residual([j - a, log_d - b])) / (2 * h)
        for a, b in ((h, 0.0), (0.0, h))
    ]
    response = np.linalg.inv(np.array(columns).T)
    uncertain = np.abs(response) @ (
        left_over + rtol * 0.01
    )  # rtol is relative to 0.01 nats at least
    d = float(np.exp(log_d))
    return Threshold(j, d, float(uncertain[0]), float(uncertain[1] * d))
