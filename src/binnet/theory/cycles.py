"""Cycles of length two of the synchronous dynamics: how many, by how many neurons alternate.

Two states follow each other where each neuron is held at one value, by the fields of both, or at
alternating ones, against its self-coupling. The rows of J are independent, so that the mean number
is a product, exact at any size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, special

from binnet._validation import FloatArray, check_integer
from binnet.theory import _checks
from binnet.theory.complexity import EPS
from binnet.theory.pairs import log_bivariate_cdf

_OWEN_KEEPS = 1e-3  # of the difference in Owen's formula; where less is left, an integral is better


def cycle_complexity(
    overlap: ArrayLike, self_coupling: ArrayLike, *, return_error: bool = False
) -> Any:
    r"""Logarithm of the mean number of 2-cycles whose two states have an overlap, per neuron.

    .. math:: \Sigma_2(q) = \log 2 + H_b\!\left(\tfrac{1+q}{2}\right)
              + \tfrac{1+q}{2}\log\Phi_2(J_D,J_D;q) + \tfrac{1-q}{2}\log\Phi_2(-J_D,-J_D;-q)

    At q = 1 it is the complexity of fixed points. A fraction (1-q)/2 of the neurons alternates.

    Parameters
    ----------
    overlap : array_like
        q in [-1, 1] of the two states.
    self_coupling : array_like
        J_D >= 0.
    return_error : bool, default False
        Also return an estimate of the numerical error.

    Returns
    -------
    float or ndarray
        Nats per neuron, in the broadcast shape (and the error, in the same shape).

    Raises
    ------
    ValueError
        For an overlap outside [-1, 1] or a negative self-coupling.

    References
    ----------
    docs/model/theory.md, eq. (3.6). Hwang, Folli, Lanza, Parisi, Ruocco, Zamponi, J. Stat. Mech.
    (2019): limit cycles of asymmetric networks.

    Examples
    --------
    Without self-coupling there are, as of fixed points, not exponentially many at any overlap.

    >>> bool(cycle_complexity(0.0, 0.0) < 1e-12)
    True
    """
    q = _checks.overlap(overlap)
    j = _checks.self_coupling(self_coupling)
    q, j = np.broadcast_arrays(q, j)
    same, apart = (1.0 + q) / 2.0, (1.0 - q) / 2.0
    entropy = special.entr(same) + special.entr(apart)
    stay, stay_error = log_bivariate_cdf(j, q, return_error=True)
    turn, turn_error = _log_lower_cdf(j, -q)
    value = np.log(2.0) + entropy + _times(same, stay) + _times(apart, turn)
    error = same * stay_error + apart * turn_error + 8 * EPS * (1.0 + np.abs(value))
    error = np.where(np.isfinite(value), error, 0.0)
    return (value[()], error[()]) if return_error else value[()]


def log_expected_cycles(n_neurons: int, self_coupling: float, *, return_error: bool = False) -> Any:
    r"""Mean number of 2-cycles of a finite network, by the neurons that alternate (exact).

    .. math:: E[N_{cyc}(k)] = \frac{2^N}{2} \binom{N}{k} \Phi_2(a,a;r_k)^{N-k}
              \Phi_2(-a,-a;-r_{k-1})^{k}, \quad r_k = \frac{N-1-2k}{N-1},
              \quad a = J_D\sqrt{N/(N-1)}

    for k >= 1: each cycle is one unordered pair of states. At k = 0 it is the mean number of fixed
    points.

    Parameters
    ----------
    n_neurons : int
        N >= 2; independent Gaussian couplings of variance 1/N.
    self_coupling : float
        J_D >= 0.
    return_error : bool, default False
        Also return an estimate of the numerical error.

    Returns
    -------
    ndarray, shape (N + 1,)
        log E[N_cyc(k)] for k = 0..N, -inf where there are none (and the error).

    Raises
    ------
    ValueError
        If N is below 2 or the self-coupling negative.

    References
    ----------
    docs/model/theory.md, eq. (3.7).

    Examples
    --------
    Without self-coupling, with which they become rare:

    >>> [round(float(np.exp(log_expected_cycles(12, j)[1:]).sum()), 3) for j in (0.0, 0.5)]
    [0.964, 0.061]
    """
    n = check_integer("n_neurons", n_neurons, 2)
    a = _checks.one_self_coupling(self_coupling) * np.sqrt(n / (n - 1.0))
    k = np.arange(n + 1.0)
    binomial = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
    # At k = N no neuron stays, at k = 0 none turns: what stands for them there does not count.
    r, before = (np.clip((n - 1.0 - 2.0 * k) / (n - 1.0), -1.0, 1.0) for k in (k, k - 1.0))
    stay, stay_error = log_bivariate_cdf(np.full_like(r, a), r, return_error=True)
    turn, turn_error = _log_lower_cdf(np.full_like(r, a), -before)
    value = n * np.log(2.0) + binomial + _times(n - k, stay) + _times(k, turn)
    value[1:] -= np.log(2.0)
    error = (n - k) * stay_error + k * turn_error + 16 * EPS * (n + np.abs(binomial))
    return (value, np.where(np.isfinite(value), error, 0.0)) if return_error else value


def _times(count: FloatArray, log: FloatArray) -> FloatArray:
    """Count times log, with 0 times -inf = 0."""
    return np.where(count == 0.0, 0.0, np.multiply(count, np.where(count == 0.0, 0.0, log)))


def _log_lower_cdf(x: ArrayLike, correlation: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Log Phi2(-x, -x; rho) for x >= 0, and its error."""
    x, rho = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(correlation, np.float64))
    both = np.vectorize(_log_lower, otypes=[float, float])(x, rho)
    return both[0], both[1]


def _log_lower(x: float, rho: float) -> tuple[float, float]:
    if rho == -1.0:
        return -np.inf, 0.0
    tail = float(special.ndtr(-x))
    if rho == 1.0:
        return float(special.log_ndtr(-x)), 4 * EPS
    value = tail - 2.0 * float(special.owens_t(x, np.sqrt((1.0 - rho) / (1.0 + rho))))
    if value > _OWEN_KEEPS * tail:
        return float(np.log(value)), 4 * EPS * tail / value
    # One of the two at x + t/scale, the other below it: decays over t of order 1, any x, any rho.
    width = np.sqrt((1.0 - rho) * (1.0 + rho))
    scale = 1.0 + x * np.sqrt(2.0 / (1.0 + rho))
    top = float(special.log_ndtr(-x * (1.0 - rho) / width)) - 0.5 * x * x

    def integrand(t: float) -> float:
        at = x + t / scale
        return float(np.exp(special.log_ndtr((rho * at - x) / width) - 0.5 * at * at - top))

    total, estimate = integrate.quad(integrand, 0.0, np.inf, epsabs=0.0, epsrel=1e-12, limit=200)
    value = top + np.log(total / scale) - 0.5 * np.log(2.0 * np.pi)
    return float(value), estimate / total + 8 * EPS * (1.0 + abs(top))
