"""Clusters of fixed points: groups of y replicas at mutual overlap q.

Typical fixed points are isolated, but rare ones may lie in dense clusters. Counting groups of y
real replicas and tilting towards large y finds them: the internal entropy counts the fixed points
of a cluster, the external entropy the clusters themselves.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import check_reals
from binnet.theory import _checks
from binnet.theory._quadrature import SharedField
from binnet.theory._saddle import ORDERS, STEP, Y_MAX, Saddle, evaluate, solve_log_theta
from binnet.theory.complexity import EPS, log_2ndtr


class ClusterEntropy(NamedTuple):
    """Entropies of groups of y fixed points, nats per neuron, in the broadcast shape.

    Parameters
    ----------
    free_entropy : float or ndarray
        phi_y(q), the logarithm of the mean number of groups (of y replicas each).
    internal : float or ndarray
        S_I, log number of fixed points in a cluster.
    external : float or ndarray
        S_E = phi_y - y S_I, log number of clusters.
    conjugate : float or ndarray
        q-hat >= 0 at the saddle.
    error, internal_error, external_error, conjugate_error : float or ndarray
        Estimated absolute numerical errors of `free_entropy` and of the other three.
    """

    free_entropy: Any
    internal: Any
    external: Any
    conjugate: Any
    error: Any
    internal_error: Any
    external_error: Any
    conjugate_error: Any


def cluster_entropy(
    self_coupling: ArrayLike,
    overlap: ArrayLike,
    replicas: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    rtol: float = 1e-9,
) -> ClusterEntropy:
    r"""Entropies of groups of y replicas at equal mutual overlap q.

    .. math:: \phi_y(q) = \min_{\hat q \ge 0} -\tfrac{y(y-1)}{2} q\hat q - \tfrac{y}{2}\hat q
              + \log\!\int\! Dz\,Du \Bigl\{\sum_s e^{\sqrt{\hat q} u s}\,
              \Phi\Bigl[\tfrac{J_D-\kappa + s\sqrt q z}{\sqrt{1-q}}\Bigr]\Bigr\}^y

    with :math:`S_I = \partial\phi_y/\partial y` and :math:`S_E = \phi_y - y S_I`.  phi_1 is the
    complexity, phi_2 the pair entropy.  A negative phi_m is a first-moment bound: no m fixed
    points have these overlaps.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    overlap : array_like
        0 <= q < 1.
    replicas : array_like
        Real number y >= 1 of replicas.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed; any real number.
    rtol : float, default 1e-9
        Accuracy of `free_entropy`, relative to 1 + |phi|; the grid is refined until it is met.

    Returns
    -------
    ClusterEntropy
        Named arrays (or floats).

    Raises
    ------
    ValueError
        For y < 1, an overlap outside [0, 1), J_D < 0, or an accuracy that the finest grid does not
        reach.

    References
    ----------
    docs/model/theory.md, eq. (4.1); real replicas: Monasson, Phys. Rev. Lett. 75, 2847 (1995).

    Examples
    --------
    >>> round(cluster_entropy(0.5, 0.6, 1.0).free_entropy, 6)
    np.float64(0.324201)
    """
    remedy = "equal overlaps of many replicas are not negative; for two use pair_entropy"
    q = check_reals("overlap", overlap, 0.0, 1.0, below=True, remedy=remedy)
    y = check_reals("replicas", replicas, 1.0, Y_MAX, remedy="y = 1 is a single fixed point")
    rtol = _checks.tolerance(rtol)

    reach = _checks.reach(self_coupling, margin)

    def one(a: float, q: float, y: float) -> tuple[float, ...]:
        if q == 0.0:
            sigma, rounding = float(log_2ndtr(a)), 4 * EPS
            return y * sigma, sigma, 0.0, 0.0, rounding * y, rounding, 0.0, 0.0
        found = converged_saddle(float(a), 0.5 * (1.0 - q), y, rtol)
        errors = (found.error, found.internal_error, found.external_error, found.conjugate_error)
        return (*found.saddle[:4], *errors)

    columns = np.vectorize(one, otypes=[float] * 8)(reach, q, y)
    return ClusterEntropy(*(column[()] for column in columns))


class Converged(NamedTuple):
    """A saddle, the slope d(phi_y)/dd there, and the errors of all of it."""

    saddle: Saddle
    slope: float
    error: float
    internal_error: float
    external_error: float
    conjugate_error: float
    slope_error: float


def converged_saddle(reach: float, distance: float, y: float, rtol: float) -> Converged:
    """Solve on one grid, evaluate on the next: what changes is the error.

    phi is stationary in q-hat.  For everything else the finer grid's residual, divided by its
    derivative, tells how far q-hat is off, and finite differences what that costs.

    Parameters
    ----------
    reach : float
        J_D - kappa.
    distance : float
        Distance d, in (0, 1/2).
    y : float
        Number of replicas.
    rtol : float
        Accuracy asked of phi_y, relative to 1 + |phi_y|.

    Returns
    -------
    Converged
        The saddle and the errors.
    """

    def slope_at(saddle: Saddle) -> float:
        return y * (y - 1.0) * (saddle.conjugate - saddle.averages.response)

    guess = float(np.log1p(-2.0 * distance))
    error = np.inf
    for coarse, fine in pairwise(SharedField(reach, distance, order) for order in ORDERS):
        guess = solve_log_theta(coarse, distance, y, guess, 1e-9)
        conjugate = float(np.exp(guess)) / y
        here = evaluate(coarse, distance, conjugate, y)
        better = evaluate(fine, distance, conjugate, y)
        error = abs(better.free - here.free) + 8 * EPS * y
        if error <= rtol * (1.0 + abs(better.free)):
            aside = evaluate(coarse, distance, conjugate * float(np.exp(STEP)), y)
            response = (here.averages.unpolarised - aside.averages.unpolarised) / STEP
            off = abs((better.averages.unpolarised - 2.0 * distance) / response)
            internal = abs(better.internal - here.internal) + 8 * EPS
            internal += off * abs(aside.internal - here.internal) / STEP
            slope = abs(slope_at(better) - slope_at(here))
            slope += off * abs(slope_at(aside) - slope_at(here)) / STEP
            return Converged(
                better, slope_at(better), error, internal, error + y * internal,
                conjugate * off, slope,
            )  # fmt: skip
    raise ValueError(
        f"rtol={rtol:g} not reached at self_coupling - margin = {reach:g}, distance={distance:g}, "
        f"y={y:g}: the finest grid gives {error:.1g}; ask for less accuracy"
    )
