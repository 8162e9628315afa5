"""Clusters of fixed points: groups of y replicas at mutual overlap q.

Typical fixed points are isolated, but rare ones may lie in dense clusters. Counting groups of y
real replicas and tilting towards large y finds them: the internal entropy counts the fixed points
of a cluster, the external entropy the clusters themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import check_reals
from binnet.theory import _checks
from binnet.theory._quadrature import Neuron
from binnet.theory._saddle import Y_MAX, converged_saddle
from binnet.theory.complexity import EPS, average_over_field, log_2ndtr


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
        Estimated absolute numerical errors of `free_entropy` and of the other three, those of the
        average over external fields included.
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
    field_std: ArrayLike = 0.0,
    rtol: float = 1e-9,
) -> ClusterEntropy:
    r"""Entropies of groups of y replicas at equal mutual overlap q.

    .. math:: \phi_y(q) = \min_{\hat q \ge 0} -\tfrac{y(y-1)}{2} q\hat q - \tfrac{y}{2}\hat q
              + \log\!\int\! Dz\,Du \Bigl\{\sum_s e^{\sqrt{\hat q} u s}\,
              \Phi\Bigl[\tfrac{J_D-\kappa + s(\sqrt q z + b)}{\sqrt{1-q}}\Bigr]\Bigr\}^y

    with the logarithm averaged over external fields :math:`b \sim N(0, \sigma_b^2)`, and
    :math:`S_I = \partial\phi_y/\partial y` and :math:`S_E = \phi_y - y S_I`.
    Different groups are taken as uncorrelated: where they are not, phi_y is an upper bound
    (docs/model/theory.md, eq. (6.13); docs/results/replicas.md).  phi_1 is the
    complexity, phi_2 the pair entropy.  A negative phi_m is a first-moment bound: no m fixed
    points have these overlaps.

    Where the saddle would lie at q-hat < 0, all is nan (but phi_1).  With fields that is beyond the
    distance of unrelated fixed points, whose overlap is not 0 then; it is taken as nan below an
    overlap of 1e-5, too.  Without fields it needs a margin above J_D, and so no fixed points: for
    kappa - J_D > 0.303 it is nan at all overlaps (but 0), between 0 and 0.303 at large ones; pairs
    are known there, too, from `pair_entropy`.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    overlap : array_like
        0 <= q < 1.
    replicas : array_like
        Real number y >= 1 of replicas.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed, at most 100 above J_D.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of quenched Gaussian external fields.
    rtol : float, default 1e-9
        Accuracy of `free_entropy`, relative to 1 + |phi|; the grid is refined until it is met.

    Returns
    -------
    ClusterEntropy
        Named arrays (or floats).

    Raises
    ------
    ValueError
        For y < 1, an overlap outside [0, 1), J_D < 0, negative fields, a margin more than 100 above
        J_D, or an accuracy that the finest grid does not reach.

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

    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    remedy = "no fixed point is so stable: lower the margin"
    check_reals("self_coupling - margin", reach, -100.0, remedy=remedy)

    def one(a: float, std: float, q: float, y: float) -> tuple[float, ...]:
        if q == std == 0.0:
            sigma, rounding = float(log_2ndtr(a)), 4 * EPS
            return y * sigma, sigma, 0.0, 0.0, rounding * y, rounding, 0.0, 0.0
        found = converged_saddle(Neuron(float(a), float(std)), 0.5 * (1.0 - q), y, rtol)
        free, error = found.saddle.free, found.error
        if y == 1.0 and np.isnan(free):  # whatever q-hat is
            free, error = average_over_field(float(a), float(std), rtol)
        errors = (error, found.internal_error, found.external_error, found.conjugate_error)
        return (free, *found.saddle[1:4], *errors)

    columns = np.vectorize(one, otypes=[float] * 8)(reach, std, q, y)
    return ClusterEntropy(*(column[()] for column in columns))
