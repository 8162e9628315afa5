"""Capacity of one row of couplings, and of a readout: how many random patterns they hold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from binnet._validation import FloatArray, check_integer, check_real
from binnet.theory import _checks

_MOST_CLASSES = 300  # tried up to there
_FAR = 12.0  # standard deviations beyond which a normal density is negligible


class Capacity(NamedTuple):
    """Largest load of a row, and what the number is.

    Parameters
    ----------
    load : float or ndarray
        alpha_c, patterns per coupling.
    exact : bool or ndarray
        Whether it is the capacity (margin >= self-coupling, no errors). Else the solutions lie in
        many pieces, and the replica-symmetric `load` is an upper bound only.
    """

    load: Any
    exact: Any


def capacity(self_coupling: ArrayLike, margin: ArrayLike = 0.0) -> Capacity:
    r"""Patterns per coupling that one row can hold with a margin, helped by the self-coupling.

    .. math:: \frac{1}{\alpha_c} = \int_{J_D-\kappa}^{\infty} Dt\, (t - J_D + \kappa)^2

    for random patterns :math:`s^\mu`, each to be held as :math:`s_i^\mu (\sum_j J_{ij} s_j^\mu +
    J_D s_i^\mu) > \kappa` by N couplings with :math:`\sum_j J_{ij}^2 = 1`.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    margin : array_like, default 0
        Stability kappa that every pattern must exceed; any real number.

    Returns
    -------
    Capacity
        The load, and whether it is exact; named floats or arrays in the broadcast shape. inf where
        it is beyond 1e308.

    Raises
    ------
    ValueError
        For a negative self-coupling, or a value that is not finite.

    References
    ----------
    Gardner, J. Phys. A 21, 257 (1988). Negative kappa - J_D: Franz, Parisi, J. Phys. A 49, 145001
    (2016). docs/model/theory.md, eq. (8.1).

    Examples
    --------
    >>> capacity(0.0).load, capacity(0.5, 0.2).exact
    (np.float64(2.0), np.False_)
    """
    # Repeated integral of the normal density at x = J_D - kappa: 2 exp(-x^2/4) D_{-3}(x) over
    # sqrt(2 pi). Its elementary form, (1 + x^2) Phi(-x) - x phi(x), cancels for x >> 1.
    x = _checks.reach(self_coupling, margin)
    far = np.maximum(x, 0.0)
    with np.errstate(divide="ignore"):
        log_tail = np.log(2.0 * special.pbdv(-3.0, far)[0]) - 0.25 * far * far
    density = np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi)
    near = np.minimum(x, 0.0)
    square = (1.0 + near**2) * special.ndtr(-near) - near * density
    with np.errstate(over="ignore"):
        load = np.where(x > 0.0, np.exp(0.5 * np.log(2.0 * np.pi) - log_tail), 1.0 / square)
    return Capacity(load[()], (x <= 0.0)[()])


def argmax_capacity(n_classes: int, errors: float = 0.0) -> Capacity:
    r"""Patterns per neuron that a readout of C rows can tell apart by the largest field.

    .. math:: \frac{C - 1}{\alpha} = \sum_{k=1}^{C-1} k\, v_k\, P(\chi^2_{k+2} < x),
        \qquad \epsilon = \sum_{k=1}^{C-1} v_k\, P(\chi^2_k > x)

    for random patterns with random labels, C rows of N couplings, and at most a fraction
    :math:`\epsilon` of patterns whose largest field is another class's. The :math:`v_k` are the
    probabilities that k wrong classes have to be brought level with the right one.

    Parameters
    ----------
    n_classes : int
        C, 2 to 300.
    errors : float, default 0
        Fraction :math:`\epsilon` of the patterns that may be wrong, below that of a guess, 1 - 1/C.

    Returns
    -------
    Capacity
        alpha, and whether it is exact (no errors). With errors the problem is not convex, and the
        replica-symmetric `load` is an upper bound.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    With errors: Gardner, Derrida, J. Phys. A 21, 271 (1988). Squared distances to a cone: McCoy,
    Tropp, Discrete Comput. Geom. 51, 926 (2014). docs/model/theory.md, eq. (8.3).

    Examples
    --------
    >>> round(argmax_capacity(2).load, 12), round(argmax_capacity(3).load, 12)
    (2.0, 2.4)
    """
    n = check_integer("n_classes", n_classes, 2, _MOST_CLASSES)
    errors = check_real("errors", errors, 0.0, 1.0 - 1.0 / n, below=True)
    k, weights = np.arange(n), _level_probabilities(n)

    def wrong(x: float) -> float:
        return float(weights[1:] @ special.chdtrc(k[1:], x)) - errors

    reach = np.inf
    if errors:  # none is left at the far end: v_0 = 1 / C is the share that is right by chance
        reach = optimize.brentq(wrong, 0.0, 10.0 * n + 1e3, xtol=1e-14)
    moments = k * weights * special.chdtr(k + 2, reach)
    return Capacity(float((n - 1) / moments.sum()), not errors)


def _level_probabilities(n_classes: int) -> FloatArray:
    """Return v_k, k = 0..C-1, of C independent normal fields, one of them the right class's.

    The nearest fields in which the right one is the largest have k wrong ones level with it, at
    the mean of all k + 1: v_k = binom(C-1, k) P(k exceed the mean of k + 1 fields) P(the others do
    not).
    """
    k = np.arange(n_classes)
    nodes, log_weights = _normal_nodes()
    others = n_classes - 1 - k[:, None]
    below = log_weights + others * special.log_ndtr(nodes / np.sqrt(k[:, None] + 1.0))
    exceed = np.array([_log_exceed(int(m)) for m in k])
    log_choices = -np.log(n_classes) - special.betaln(n_classes - k, k + 1.0)
    return np.asarray(np.exp(log_choices + exceed + special.logsumexp(below, axis=1)))


def _normal_nodes() -> tuple[FloatArray, FloatArray]:
    """Return nodes of the trapezoidal rule for the normal density, and logarithms of weights."""
    nodes = np.linspace(-_FAR, _FAR, 2001)
    return nodes, -0.5 * nodes**2 + np.log((nodes[1] - nodes[0]) / np.sqrt(2.0 * np.pi))


def _log_exceed(k: int) -> float:
    """Return the logarithm of the probability that k of k + 1 normal numbers exceed their mean.

    Their differences from the mean are correlated by -1 / (k + 1): a common normal variable of
    imaginary size. The integral over it, int Dz Phi(i z / sqrt(k + 1))^k, is taken through the
    saddle point, parallel to the real axis: nothing cancels there.
    """
    if k == 0:
        return 0.0
    width = 1.0 / np.sqrt(k + 1.0)

    def slope(s: float) -> float:
        log_ratio = -0.5 * (width * s) ** 2 - 0.5 * np.log(2.0 * np.pi)
        return float(s + k * width * np.exp(log_ratio - special.log_ndtr(width * s)))

    saddle = optimize.brentq(slope, -2.0 * (k + 1.0), 0.0)
    nodes, log_weights = _normal_nodes()
    # Away from the saddle the integrand falls on the scale sqrt(k + 1).
    x = nodes * np.sqrt(k + 1.0)
    log_parts = (
        log_weights + 0.5 * (nodes**2 - x**2 + saddle**2) + 0.5 * np.log(k + 1.0)
        + 1j * saddle * x + k * special.log_ndtr(width * (saddle + 1j * x))
    )  # fmt: skip
    return float(special.logsumexp(log_parts).real)
