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

from binnet.theory import _checks
from binnet.theory._quadrature import SharedField
from binnet.theory._saddle import EPS, ORDERS, Y_MAX, Saddle, evaluate, solve_log_theta
from binnet.theory.complexity import _log_2ndtr


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
    error : float or ndarray
        Estimated absolute numerical error of `free_entropy` (S_I: the same over y or less).
    """

    free_entropy: Any
    internal: Any
    external: Any
    conjugate: Any
    error: Any


def cluster_entropy(
    self_coupling: ArrayLike, overlap: ArrayLike, replicas: ArrayLike, *, rtol: float = 1e-9
) -> ClusterEntropy:
    r"""Entropies of groups of y replicas at equal mutual overlap q.

    .. math:: \phi_y(q) = \min_{\hat q \ge 0} -\tfrac{y(y-1)}{2} q\hat q - \tfrac{y}{2}\hat q
              + \log\!\int\! Dz\,Du \Bigl\{\sum_s e^{\sqrt{\hat q} u s}\,
              \Phi\Bigl[\tfrac{J_D + s\sqrt q z}{\sqrt{1-q}}\Bigr]\Bigr\}^y

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

    Examples
    --------
    >>> round(cluster_entropy(0.5, 0.6, 1.0).free_entropy, 6)
    np.float64(0.324201)
    """
    j = _checks.self_coupling(self_coupling)
    remedy = "equal overlaps of many replicas are not negative; for two use pair_entropy"
    q = _checks.in_range("overlap", overlap, 0.0, 1.0, open_high=True, remedy=remedy)
    y = _checks.in_range("replicas", replicas, 1.0, Y_MAX, remedy="y = 1 is a single fixed point")
    rtol = _checks.tolerance(rtol)

    def one(j: float, q: float, y: float) -> tuple[float, ...]:
        if q == 0.0:
            sigma = float(_log_2ndtr(j))
            return y * sigma, sigma, 0.0, 0.0, 4 * EPS * y
        saddle, error = _converged_saddle(j, 0.5 * (1.0 - q), y, rtol)
        return saddle.free, saddle.internal, saddle.external, saddle.conjugate, error

    columns = np.vectorize(one, otypes=[float] * 5)(j, q, y)
    return ClusterEntropy(*(column[()] for column in columns))


def _converged_saddle(j: float, distance: float, y: float, rtol: float) -> tuple[Saddle, float]:
    """Solve on one grid, evaluate on the next: phi is stationary, so this is its error."""
    guess = float(np.log1p(-2.0 * distance))
    error = np.inf
    for coarse, fine in pairwise(ORDERS):
        guess = solve_log_theta(SharedField(j, distance, coarse), distance, y, guess, 1e-9)
        conjugate = float(np.exp(guess)) / y
        saddle = evaluate(SharedField(j, distance, coarse), distance, conjugate, y)
        better = evaluate(SharedField(j, distance, fine), distance, conjugate, y)
        error = abs(better.free - saddle.free) + 8 * EPS * y
        if error <= rtol * (1.0 + abs(better.free)):
            return better, error
    raise ValueError(
        f"rtol={rtol:g} not reached at self_coupling={j:g}, distance={distance:g}, y={y:g}: "
        f"the finest grid gives {error:.1g}; ask for less accuracy"
    )
