"""The overlap gap: distances at which there are no clusters of fixed points.

Below a critical self-coupling (critical.py), fixed points come in narrow clusters or unrelated,
with nothing in between: the local entropy of the densest clusters is negative over an interval of
distances.  Gaps of finite groups of replicas give rigorous (first-moment) exclusions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from binnet._validation import FloatArray, check_reals
from binnet.theory import _checks
from binnet.theory._driven import make_field
from binnet.theory._quadrature import Neuron
from binnet.theory._saddle import ORDERS, Q_MIN, converged_saddle, excess_at_zero
from binnet.theory.complexity import average_over_field
from binnet.theory.densest import densest

FLOOR = 1e-9  # smallest distance searched: a gap that begins below it is reported as beginning at 0


class OverlapGap(NamedTuple):
    """Interval of distances without clusters, in the broadcast shape (nan: no gap).

    Parameters
    ----------
    lower, upper : float or ndarray
        Ends of the interval in which the entropy is negative; with external fields it ends at the
        distance of unrelated fixed points at the latest.
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


def overlap_gap(
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    rtol: float = 1e-6,
) -> OverlapGap:
    """Distances at which no cluster of fixed points exists: the interval with S_loc(d) < 0.

    Where its upper end is beyond d of about 0.05 the gap may reach further even without fields: as
    groups are correlated there, S_loc is an upper bound (docs/results/replicas.md).

    Narrow clusters lie below the gap, unrelated fixed points above it.  At J_D = kappa it is all
    up to the distance of unrelated ones; below J_D = kappa, where there is not one fixed point, the
    whole (0, 1/2), with the complexity as depth.  With external fields S_loc is an upper bound:
    what is found is a gap, which may be wider than that, and there may be one where none is found.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    field_std : array_like, default 0
        Standard deviation sigma_b of quenched Gaussian external fields, 0 to 100.
    rtol : float, default 1e-6
        Accuracy asked of the local entropies (see `local_entropy`).

    Returns
    -------
    OverlapGap
        Named arrays (or floats); distances below 1e-9 / (1 + sigma_b^2) are not searched and
        reported as 0.

    Raises
    ------
    ValueError
        For J_D < 0, fields outside 0 to 100, or an accuracy that cannot be reached.

    Examples
    --------
    >>> gap = overlap_gap(0.04)
    >>> round(gap.lower, 4), round(gap.upper, 4)
    (np.float64(0.0011), np.float64(0.1002))
    """
    reach, std = _checks.reach(self_coupling, margin), _checks.searched_field_std(field_std)
    rtol = _checks.tolerance(rtol)

    def one(reach: float, std: float) -> tuple[float, ...]:
        neuron = Neuron(float(reach), float(std))
        if reach < 0.0:
            return _everywhere(neuron, rtol)
        near: tuple[float, float] | None = None

        def point(d: float, rtol: float = rtol) -> _Point:
            nonlocal near  # each search starts from the last one's saddle
            found = densest(neuron, d, rtol, near)
            near = (found.replicas, found.conjugate) if found.replicas < 1e4 else None
            return _Point(found.value, found.error, found.slope, found.slope_error)

        # The scan only brackets: far ends may not reach a strict rtol, and need not.
        farthest = unrelated_distance(neuron, 1.0)
        scan = _scan(neuron, farthest)
        rough = [point(float(np.exp(x)), max(rtol, 1e-5)).value for x in scan[::-1]]
        near = None
        return _gap(scan, np.array(rough[::-1]), point, farthest, reach == 0.0)

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
        Standard deviation sigma_b of quenched Gaussian external fields, 0 to 100.
    rtol : float, default 1e-8
        Accuracy asked of phi_m.

    Returns
    -------
    OverlapGap
        As `overlap_gap`, also below J_D = kappa; all nan where phi_m stays positive.

    Raises
    ------
    ValueError
        For fewer than two replicas, J_D < 0, fields outside 0 to 100, or an accuracy that the
        finest grid does not reach.
    """
    reach, std = _checks.reach(self_coupling, margin), _checks.searched_field_std(field_std)
    remedy = "a group has two fixed points at least"
    m = check_reals("replicas", replicas, 2.0, 1e4, remedy=remedy)
    rtol = _checks.tolerance(rtol)

    def one(reach: float, std: float, m: float) -> tuple[float, ...]:
        neuron = Neuron(float(reach), float(std))
        if reach < 0.0:
            return _everywhere(neuron, rtol)

        def point(d: float) -> _Point:
            found = converged_saddle(neuron, d, m, rtol)
            return _Point(found.saddle.free, found.error, found.slope, found.slope_error)

        farthest = unrelated_distance(neuron, m)
        scan = _scan(neuron, farthest)
        rough = np.array([point(float(np.exp(x))).value for x in scan])
        return _gap(scan, rough, point, farthest, reach == std == 0.0)

    columns = np.vectorize(one, otypes=[float] * 7)(reach, std, m)
    return OverlapGap(*(column[()] for column in columns))


def _everywhere(neuron: Neuron, rtol: float) -> tuple[float, ...]:
    """The gap below J_D = kappa, where there is not one fixed point."""
    sigma, error = average_over_field(*neuron, rtol)
    return 0.0, 0.5, np.nan, sigma, 0.0, np.nan, error


def _scan(neuron: Neuron, farthest: float) -> FloatArray:
    """Logarithms of distances that bracket what there is to find."""
    variance = 1.0 + neuron.field_std**2  # of a neuron's field: distances of interest fall with it
    close, middle, last = 1e-4 / variance, 3e-4 / variance, 0.98 * farthest
    n = max(3, int(3.0 * np.log(last / middle)))
    distances = [np.geomspace(FLOOR / variance, close, 8), np.geomspace(middle, last, n)]
    return np.asarray(np.log(np.concatenate(distances)))


def unrelated_distance(neuron: Neuron, replicas: float) -> float:
    """Distance of unrelated fixed points, at which q-hat vanishes: 1/2 without external fields.

    Parameters
    ----------
    neuron : Neuron
        Reach J_D - kappa and external fields.
    replicas : float
        Their number y >= 1, with which the distance grows.

    Returns
    -------
    float
        Distance d; less than 1/2 - 5e-6, up to where averages over fields are resolved.
    """
    if neuron.field_std == 0.0:
        return 0.5

    def excess(distance: float) -> float:
        return excess_at_zero(make_field(neuron, distance, ORDERS[1]), distance, replicas)

    last = 0.5 * (1.0 - Q_MIN)
    if excess(last) > 0.0:
        return last
    first = FLOOR / (1.0 + neuron.field_std**2)
    return float(optimize.brentq(excess, first, last, xtol=1e-15, rtol=1e-12))


def _gap(
    scan: FloatArray,
    rough: FloatArray,
    point: Callable[[float], _Point],
    farthest: float,
    whole: bool,
) -> tuple[float, ...]:
    """From a scan of an entropy, find its lowest interior minimum and the zeros around it.

    Works in log d; a zero is as uncertain as the entropy over its slope, the minimum as the slope
    over its own derivative.  At J_D = 0 (`whole`) the entropy vanishes at both ends only.
    """

    def entropy(x: float) -> float:
        return point(float(np.exp(x))).value

    def slope(x: float) -> float:
        return point(float(np.exp(x))).slope

    inner = np.flatnonzero((rough[1:-1] < rough[:-2]) & (rough[1:-1] <= rough[2:])) + 1
    if inner.size == 0:
        return (np.nan,) * 7
    lowest = int(inner[np.argmin(rough[inner])])
    xtol = 1e-10
    bottom = optimize.brentq(slope, scan[lowest - 1], scan[lowest + 1], xtol=xtol)
    d = float(np.exp(bottom))
    depth, depth_error, _, slope_error = point(d)
    curvature = (slope(bottom + 1e-3) - slope(bottom - 1e-3)) / 2e-3
    distance_error = d * (slope_error / abs(curvature) + xtol)
    if depth >= 0.0:
        return np.nan, np.nan, d, depth, np.nan, distance_error, depth_error
    almost = farthest * (1.0 - 2e-6)
    ends, errors = [0.0, farthest], [float(np.exp(scan[0])), farthest - almost]
    outer: list[float | None] = [None, None]  # log d of the nearest positive entropy, if any
    if not whole:
        positive = np.flatnonzero(rough > 0.0)
        for side, beyond in enumerate((positive[positive < lowest], positive[positive > lowest])):
            if beyond.size:  # the last one below the minimum, the first one above it
                outer[side] = float(scan[beyond[side - 1]])
        if outer[1] is None and point(almost).value > 0.0:
            outer[1] = float(np.log(almost))
    for side, x in enumerate(outer):
        if x is not None:
            ends[side] = float(np.exp(optimize.brentq(entropy, x, bottom, xtol=1e-12)))
            end = point(ends[side])
            errors[side] = end.error / abs(end.slope) + 1e-12
    return ends[0], ends[1], d, depth, max(errors), distance_error, depth_error
