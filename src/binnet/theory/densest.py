"""The densest clusters of fixed points that exist at a distance, and their local entropy.

Among groups of y replicas, y is raised until no more such clusters exist (external entropy 0);
what is left is the internal entropy of the densest ones. Where it is negative, there are none: the
overlap gap.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from binnet._validation import FloatArray, check_reals
from binnet.theory import _checks
from binnet.theory._driven import Field, make_field
from binnet.theory._quadrature import Neuron
from binnet.theory._saddle import (
    ORDERS,
    Q_MIN,
    STEP,
    Y_MAX,
    Saddle,
    converged_saddle,
    evaluate,
    excess_at_zero,
    find_root,
    solve_log_theta,
)
from binnet.theory.complexity import EPS, average_over_field

LOG_Y_MAX = float(np.log(Y_MAX))
_Q_LINEAR = 1e-4  # below this overlap S_loc is interpolated: its curvature costs less than 1e-8
_LOG_THETA_MAX = 6.0  # y q-hat is about log(1/distance); the quick search may not stray further


class LocalEntropy(NamedTuple):
    """Densest existing clusters at a distance, in the broadcast shape of the arguments.

    Parameters
    ----------
    value : float or ndarray
        S_loc(d), nats per neuron; negative where no cluster of any kind exists. With a margin above
        the self-coupling there are no fixed points: it is the complexity, at one replica. Nan
        beyond the distance of unrelated fixed points, which is 1/2 without external fields.
    replicas : float or ndarray
        y*(d), at which the external entropy vanishes (at most 1e7; inf at d = 1/2).
    conjugate : float or ndarray
        q-hat at the saddle.
    slope : float or ndarray
        dS_loc/dd.
    error, replicas_error, conjugate_error, slope_error : float or ndarray
        Estimated absolute numerical errors of `value` and of the other three, those of the average
        over external fields included; infinite where the search for y* stopped at its cap.
    """

    value: Any
    replicas: Any
    conjugate: Any
    slope: Any
    error: Any
    replicas_error: Any
    conjugate_error: Any
    slope_error: Any


def local_entropy(
    self_coupling: ArrayLike,
    distance: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    rtol: float = 1e-5,
) -> LocalEntropy:
    r"""Local entropy of the densest clusters of fixed points that exist at a distance.

    The number of replicas y* is chosen so that the external entropy vanishes.  Since
    :math:`\partial_y(\phi_y/y) = -S_E/y^2`, this is a minimum,

    .. math:: S_{loc}(d) = \min_{y \ge 1} \phi_y(q)/y, \qquad q = 1 - 2d,

    so that errors of y* and q-hat enter only at second order.  Its slope is
    :math:`(y^*-1)(\hat q - \langle g^2\rangle)`, g being the response of a site to the shared
    field.

    With external fields unrelated fixed points are closer than 1/2: beyond their distance, and
    above 1/2 - 5e-6, all is nan; just below it one replica is the minimum, which is the complexity.
    S_loc is then an upper bound, as the mean number of clusters is larger than the typical one.  It
    is one without fields, too, where different groups are correlated: beyond d of about 0.05 for
    J_D - kappa up to 0.07, further for larger ones (docs/results/replicas.md).

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    distance : array_like
        0 < d <= 1/2 (fraction of neurons in which two fixed points of the cluster differ).
    margin : array_like, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of quenched Gaussian external fields.
    rtol : float, default 1e-5
        Accuracy asked for, relative to the larger of |S_loc| and 0.01 nats.

    Returns
    -------
    LocalEntropy
        Named arrays (or floats).

    Raises
    ------
    ValueError
        For a distance outside (0, 1/2], J_D < 0, or an accuracy that cannot be reached.

    References
    ----------
    docs/model/theory.md, eq. (4.3); Baldassi et al., Phys. Rev. Lett. 115, 128101 (2015): dense
    clusters from large deviations of the local entropy.

    Examples
    --------
    >>> round(local_entropy(0.2, 0.1).value, 4)
    np.float64(0.0683)
    """
    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    remedy = "distance 1/2 is overlap 0; beyond it fixed points do not form groups"
    d = check_reals("distance", distance, 0.0, 0.5, above=True, remedy=remedy)
    rtol = _checks.tolerance(rtol)

    def one(a: float, std: float, d: float) -> LocalEntropy:
        return densest(Neuron(float(a), float(std)), float(d), rtol)

    columns = np.vectorize(one, otypes=[float] * 8)(reach, std, d)
    return LocalEntropy(*(column[()] for column in columns))


def densest(
    neuron: Neuron, distance: float, rtol: float, near: tuple[float, float] | None = None
) -> LocalEntropy:
    """One point of `local_entropy`, in plain floats.

    Parameters
    ----------
    neuron : Neuron
        Reach J_D - kappa and external fields.
    distance : float
        Distance d, in (0, 1/2].
    rtol : float
        Relative accuracy asked for.
    near : tuple of float, optional
        (y*, q-hat) at a distance close by, from which the search then starts.

    Returns
    -------
    LocalEntropy
        Of floats.
    """
    if neuron.reach < 0.0:
        return _single(neuron, rtol)
    q = 1.0 - 2.0 * distance
    if neuron.field_std > 0.0:
        if q < Q_MIN or excess_at_zero(make_field(neuron, distance, ORDERS[0]), distance, 1.0) < 0:
            return LocalEntropy(*[np.nan] * 8)
    elif q < 0.999 * _Q_LINEAR:
        return _near_half(neuron, q, rtol)
    usual = 4.0 + 40.0 * neuron.reach
    y, conjugate = near or (usual, 1.0 / usual)
    start = np.log([min(y, 0.9 * Y_MAX), y * conjugate])
    error = np.inf
    for coarse, fine in pairwise(make_field(neuron, distance, order) for order in ORDERS):
        start = _stationary_point(coarse, distance, start)
        if start[0] == -np.inf:
            return _unrelated(neuron, distance, rtol)
        here = _at(coarse, distance, start)
        better = _at(fine, distance, start)
        y = float(np.exp(start[0]))
        # phi/y is stationary, so an S_E that is not quite 0 costs less than |S_E|/y (all of it at
        # the cap of y).
        error = (abs(better.free - here.free) + abs(better.external)) / y + 8 * EPS
        value = better.free / y
        if error <= rtol * max(abs(value), 0.01):
            errors = _propagate(coarse, distance, start, here, better)
            return LocalEntropy(value, y, better.conjugate, _slope(better, start), error, *errors)
    raise ValueError(
        f"rtol={rtol:g} not reached at {neuron}, distance={distance:g}: "
        f"the finest grid gives an error of {error:.1g}; ask for less accuracy"
    )


def _single(neuron: Neuron, rtol: float) -> LocalEntropy:
    """A margin above the self-coupling: no fixed point exists, one replica costs least."""
    sigma, error = average_over_field(*neuron, rtol)
    return LocalEntropy(sigma, 1.0, np.nan, 0.0, error, 0.0, np.nan, 0.0)


def _unrelated(neuron: Neuron, distance: float, rtol: float) -> LocalEntropy:
    """One replica is the minimum: fixed points at a distance that unrelated ones have."""
    found = converged_saddle(neuron, distance, 1.0, rtol)
    return _single(neuron, rtol)._replace(
        conjugate=found.saddle.conjugate, conjugate_error=found.conjugate_error
    )


def _near_half(neuron: Neuron, q: float, rtol: float) -> LocalEntropy:
    """S_loc -> Sigma linearly, y* ~ 1/q and q-hat ~ q: S_E is lost in rounding so close to 0.

    The scaling is that of leading order, with corrections of relative order q.
    """
    last = densest(neuron, 0.5 * (1.0 - _Q_LINEAR), rtol)
    sigma, part = average_over_field(*neuron, rtol)[0], q / _Q_LINEAR
    y, y_error, conjugate_error = np.inf, np.inf, 0.0
    if q > 0.0:
        y = last.replicas / part
        y_error = (last.replicas_error / last.replicas + _Q_LINEAR) * y
        conjugate_error = (last.conjugate_error + _Q_LINEAR * last.conjugate) * part
    return LocalEntropy(
        sigma + part * (last.value - sigma),
        y,
        last.conjugate * part,
        last.slope,
        last.error + _Q_LINEAR**2,
        y_error,
        conjugate_error,
        last.slope_error + _Q_LINEAR,
    )


def _at(field: Field, distance: float, x: Any) -> Saddle:
    """Entropies at x = (log y, log y q-hat)."""
    return evaluate(field, distance, float(np.exp(x[1] - x[0])), float(np.exp(x[0])))


def _slope(saddle: Saddle, x: Any) -> float:
    """dS_loc/dd, as every other dependence is stationary."""
    return (float(np.exp(x[0])) - 1.0) * (saddle.conjugate - saddle.averages.response)


def _residual(saddle: Saddle, distance: float) -> list[float]:
    """What vanishes at the densest clusters: S_E, and <m^2> - q."""
    return [saddle.external, saddle.averages.unpolarised / (2.0 * distance) - 1.0]


def _propagate(
    field: Field, distance: float, x: FloatArray, here: Saddle, better: Saddle
) -> tuple[float, float, float]:
    """Errors of y*, q-hat and the slope, from the residual that the finer grid leaves at x."""
    if x[0] >= LOG_Y_MAX:  # the search for y* ended at its cap, below y*
        return np.inf, np.inf, np.inf
    columns, tilts = [], []
    for shift in STEP * np.eye(2):
        aside = _at(field, distance, x + shift)
        difference = np.subtract(_residual(aside, distance), _residual(here, distance))
        columns.append(difference / STEP)
        tilts.append((_slope(aside, x + shift) - _slope(here, x)) / STEP)
    left_over = np.abs(_residual(better, distance))
    off = np.abs(np.linalg.inv(np.transpose(columns))) @ left_over
    slope_error = abs(_slope(better, x) - _slope(here, x)) + float(np.abs(tilts) @ off)
    y, conjugate = float(np.exp(x[0])), better.conjugate
    return y * float(off[0]), conjugate * float(off.sum()), slope_error


def _stationary_point(field: Field, distance: float, start: FloatArray) -> FloatArray:
    """(log y*, log y* q-hat) where S_E = 0 and <m^2> = q: quick search, else nested roots."""

    def residual(x: Any) -> list[float]:
        if not (0.0 < x[0] < LOG_Y_MAX and abs(x[1]) < _LOG_THETA_MAX):
            return [1e3, 1e3]
        return _residual(_at(field, distance, x), distance)

    quick = optimize.root(residual, start, method="hybr", options={"xtol": 1e-8, "maxfev": 40})
    if np.max(np.abs(quick.fun)) < 1e-7:
        return np.asarray(quick.x)
    log_theta = float(start[1])

    def minus_external(log_y: float) -> float:
        nonlocal log_theta
        y = float(np.exp(log_y))
        found = solve_log_theta(field, distance, y, log_theta, 1e-10)
        if found == -np.inf:  # unrelated fixed points are closer, and more so at smaller y
            return np.inf
        log_theta = found
        return -evaluate(field, distance, float(np.exp(log_theta - log_y)), y).external

    log_y = min(find_root(minus_external, float(start[0]), 0.5, 1e-9, 0.0, LOG_Y_MAX), LOG_Y_MAX)
    if log_y > -np.inf:
        minus_external(log_y)
    return np.array([log_y, log_theta])
