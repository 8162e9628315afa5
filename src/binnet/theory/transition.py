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

from binnet._validation import check_real, check_reals
from binnet.theory import _checks
from binnet.theory._quadrature import Neuron
from binnet.theory._saddle import converged_saddle
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
        Where the entropy is lowest, and its value there (kept also above the transition: the lowest
        local minimum, nan where the entropy is monotone).
    error, distance_error, depth_error : float or ndarray
        Estimated numerical errors: of `lower` and `upper` (the larger of the two), of `distance`
        and of `depth`.
    """

    lower: Any
    upper: Any
    distance: Any
    depth: Any
    error: Any
    distance_error: Any
    depth_error: Any


class _Point(NamedTuple):
    """An entropy at one distance and its slope in the distance, with errors."""

    value: float
    error: float
    slope: float
    slope_error: float


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


def overlap_gap(
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    rtol: float = 1e-6,
) -> OverlapGap:
    """Distances at which no cluster of fixed points exists: the interval with S_loc(d) < 0.

    Narrow clusters lie below the gap, unrelated fixed points above it.  At J_D = kappa and below it
    is the whole (0, 1/2).

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of quenched Gaussian external fields.
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
    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    rtol = _checks.tolerance(rtol)

    def one(reach: float, std: float) -> tuple[float, ...]:
        neuron = Neuron(float(reach), float(std))
        if reach < 0.0:
            nowhere = densest(neuron, 0.25, rtol)
            return 0.0, 0.5, np.nan, nowhere.value, 0.0, np.nan, nowhere.error
        near: tuple[float, float] | None = None

        def point(d: float, rtol: float = rtol) -> _Point:
            nonlocal near  # each search starts from the last one's saddle
            found = densest(neuron, d, rtol, near)
            near = (found.replicas, found.conjugate) if found.replicas < 1e4 else None
            return _Point(found.value, found.error, found.slope, found.slope_error)

        # The scan only brackets: far ends may not reach a strict rtol, and need not.
        rough = [point(float(np.exp(x)), max(rtol, 1e-5)).value for x in _SCAN[::-1]]
        near = None
        return _gap(np.array(rough[::-1]), point, reach == 0.0)

    columns = np.vectorize(one, otypes=[float] * 7)(reach, std)
    return OverlapGap(*(column[()] for column in columns))


def replica_gap(
    self_coupling: ArrayLike,
    replicas: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    rtol: float = 1e-8,
) -> OverlapGap:
    """Distances that no m fixed points can have mutually: phi_m(1 - 2d) < 0 (m-OGP).

    A first-moment bound, exact for large N: the mean number of such groups vanishes.  It is weaker
    than `overlap_gap`, which optimises over m.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    replicas : array_like
        Size m >= 2 of the group (a whole number for the bound to be rigorous).
    margin : array_like, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of quenched Gaussian external fields.
    rtol : float, default 1e-8
        Accuracy asked of phi_m.

    Returns
    -------
    OverlapGap
        As `overlap_gap`; all nan where phi_m stays positive.
    """
    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    remedy = "a group has two fixed points at least"
    m = check_reals("replicas", replicas, 2.0, 1e4, remedy=remedy)
    rtol = _checks.tolerance(rtol)

    def one(reach: float, std: float, m: float) -> tuple[float, ...]:
        neuron = Neuron(float(reach), float(std))

        def point(d: float) -> _Point:
            found = converged_saddle(neuron, d, m, rtol)
            return _Point(found.saddle.free, found.error, found.slope, found.slope_error)

        rough = np.array([point(float(np.exp(x))).value for x in _SCAN])
        return _gap(rough, point, reach == 0.0)

    columns = np.vectorize(one, otypes=[float] * 7)(reach, std, m)
    return OverlapGap(*(column[()] for column in columns))


def _gap(scan: Any, point: Callable[[float], _Point], whole: bool) -> tuple[float, ...]:
    """From a scan of an entropy, find its lowest interior minimum and the zeros around it.

    Works in log d; a zero is as uncertain as the entropy over its slope, the minimum as the slope
    over its own derivative.  At J_D = 0 (`whole`) the entropy vanishes at both ends only.
    """

    def entropy(x: float) -> float:
        return point(float(np.exp(x))).value

    def slope(x: float) -> float:
        return point(float(np.exp(x))).slope

    inner = np.flatnonzero((scan[1:-1] < scan[:-2]) & (scan[1:-1] <= scan[2:])) + 1
    if inner.size == 0:
        return (np.nan,) * 7
    lowest = int(inner[np.argmin(scan[inner])])
    xtol = 1e-10
    bottom = optimize.brentq(slope, _SCAN[lowest - 1], _SCAN[lowest + 1], xtol=xtol)
    d = float(np.exp(bottom))
    depth, depth_error, _, slope_error = point(d)
    curvature = (slope(bottom + 1e-3) - slope(bottom - 1e-3)) / 2e-3
    distance_error = d * (slope_error / abs(curvature) + xtol)
    if depth >= 0.0:
        return np.nan, np.nan, d, depth, np.nan, distance_error, depth_error
    almost_half = 0.5 - 1e-6
    ends, errors = [0.0, 0.5], [FLOOR, 0.5 - almost_half]
    outer: list[float | None] = [None, None]  # log d of the nearest positive entropy, if any
    if not whole:
        positive = np.flatnonzero(scan > 0.0)
        for side, beyond in enumerate((positive[positive < lowest], positive[positive > lowest])):
            if beyond.size:  # the last one below the minimum, the first one above it
                outer[side] = float(_SCAN[beyond[side - 1]])
        if outer[1] is None and point(almost_half).value > 0.0:
            outer[1] = float(np.log(almost_half))
    for side, x in enumerate(outer):
        if x is not None:
            ends[side] = float(np.exp(optimize.brentq(entropy, x, bottom, xtol=1e-12)))
            end = point(ends[side])
            errors[side] = end.error / abs(end.slope) + 1e-12
    return ends[0], ends[1], d, depth, max(errors), distance_error, depth_error


def critical_self_coupling(
    *, margin: float = 0.0, field_std: float = 0.0, rtol: float = 1e-8
) -> Threshold:
    """Critical self-coupling J_D^c: the smallest at which S_loc(d) >= 0 for every d in (0, 1/2].

    Solves S_loc = 0 and dS_loc/dd = 0 together.  The error bars propagate the numerical errors of
    both, of quadrature and solver; what the symmetry between replicas assumes is not part of them.
    The distance is where the gap closes.

    Parameters
    ----------
    margin : float, default 0
        Stability kappa >= 0 that every neuron must exceed.  Only J_D - kappa counts, so that it is
        added to the J_D^c of no margin.
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
    kappa, std = _threshold_arguments(margin, field_std)
    rtol = _checks.tolerance(rtol)

    def residual(x: Any) -> _Conditions:
        d = float(np.exp(x[1]))
        point = densest(Neuron(float(x[0]), std), d, rtol)
        return [point.value, point.slope * d], [point.error, point.slope_error * d]

    found = _threshold(residual, [0.06, np.log(8e-3)], rtol)
    return found._replace(self_coupling=kappa + found.self_coupling)


def monotone_self_coupling(
    *, margin: float = 0.0, field_std: float = 0.0, rtol: float = 1e-8
) -> Threshold:
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
    kappa, std = _threshold_arguments(margin, field_std)
    rtol = _checks.tolerance(rtol)

    def residual(x: Any, step: float = 1e-2) -> _Conditions:
        left, middle, right = (
            densest(Neuron(float(x[0]), std), float(np.exp(x[1] + h)), rtol)
            for h in (-step, 0.0, step)
        )
        return (
            [middle.slope, (right.slope - left.slope) / (2 * step)],
            [middle.slope_error, (right.slope_error + left.slope_error) / (2 * step)],
        )

    start = [0.073, np.log(6e-3)]
    fine = _threshold(residual, start, rtol)
    coarse = _threshold(lambda x: residual(x, 2e-2), start, rtol)
    difference = (
        abs(fine.self_coupling - coarse.self_coupling),
        abs(fine.distance - coarse.distance),
    )
    return Threshold(
        kappa + fine.self_coupling,
        fine.distance,
        fine.error + difference[0],
        fine.distance_error + difference[1],
    )


def _threshold_arguments(margin: float, field_std: float) -> tuple[float, float]:
    return (
        check_real("margin", margin, 0.0, remedy="below 0 the threshold lies at J_D < 0"),
        check_real("field_std", field_std, 0.0, remedy="a standard deviation is not negative"),
    )


_Conditions = tuple[list[float], list[float]]  # two values that must vanish, and their errors


def _threshold(
    residual: Callable[[Any], _Conditions], start: list[float], rtol: float
) -> Threshold:
    """Solve two conditions in (J_D, log d), and propagate what is left and the numerical errors."""

    def values(x: Any) -> list[float]:
        return residual(x)[0]

    found = optimize.root(values, start, method="hybr", options={"xtol": 1e-10, "eps": 1e-6})
    j, log_d = (float(v) for v in found.x)
    left_over, errors = np.abs(residual(found.x))
    if not np.all(left_over < 1e-6):
        raise ValueError(
            f"no threshold found with rtol={rtol:g}; ask for a value between 1e-10 and 1e-6"
        )
    h = 1e-4
    columns = [
        (np.array(values([j + a, log_d + b])) - values([j - a, log_d - b])) / (2 * h)
        for a, b in ((h, 0.0), (0.0, h))
    ]
    uncertain = np.abs(np.linalg.inv(np.transpose(columns))) @ (left_over + errors)
    d = float(np.exp(log_d))
    return Threshold(j, d, float(uncertain[0]), float(uncertain[1] * d))
