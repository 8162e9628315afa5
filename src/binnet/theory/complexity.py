"""How many fixed points a random network has: the closed forms.

The rows of the coupling matrix are independent, so the probability that a configuration is a fixed
point is a product over neurons.  The logarithm of their mean number, per neuron, is the complexity;
it extends to a margin, to external fields, to couplings that are correlated across the diagonal and
to coupled chains of modules.  Finite networks: counts.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, optimize, special

from binnet._validation import FloatArray, check_integer, check_reals
from binnet.theory import _checks

EPS = float(np.finfo(np.float64).eps)


def log_2ndtr(x: ArrayLike) -> FloatArray:
    """Log 2Phi(x), accurate both around x = 0 (where it vanishes) and far in the lower tail.

    Parameters
    ----------
    x : array_like
        Any real numbers.

    Returns
    -------
    ndarray
        In the shape of `x`.
    """
    x = np.asarray(x, dtype=np.float64)
    near = np.log1p(special.erf(np.maximum(x, -1.0) / np.sqrt(2.0)))
    return np.asarray(np.where(x > -1.0, near, np.log(2.0) + special.log_ndtr(x)))


def complexity(
    self_coupling: ArrayLike,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    symmetry: ArrayLike = 0.0,
    *,
    rtol: float = 1e-10,
    return_error: bool = False,
) -> Any:
    r"""Complexity: the logarithm of the number of fixed points, per neuron.

    .. math:: \Sigma = \mathrm{extr}_y \int Dz \log[\Phi(J_D-\kappa+y+\sigma_b z)
              + \Phi(J_D-\kappa+y-\sigma_b z)] - \frac{y^2}{2\eta}

    with y = 0 for independent couplings, eta = 0.  It is :math:`\log 2\Phi(J_D)` without margin,
    field and correlation: 0 at :math:`J_D = 0`, log 2 for large :math:`J_D`.  Where it is negative
    fixed points that stable do not exist.

    Parameters
    ----------
    self_coupling : array_like
        Self-coupling J_D >= 0, in units of the standard deviation of a neuron's field.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed, s_i h_i > kappa; any real number.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of static Gaussian external fields b_i.
    symmetry : array_like, default 0
        Correlation eta of J_ij and J_ji, -1 to 1: 1 is symmetric, -1 antisymmetric.
    rtol : float, default 1e-10
        Relative accuracy asked of the integral over z (only used where `field_std` is not 0).
    return_error : bool, default False
        Also return an estimate of the absolute numerical error.

    Returns
    -------
    float or ndarray
        Nats per neuron, in the broadcast shape of the arguments (and the error, in the same shape);
        -inf for antisymmetric couplings unless self-coupling and fields make up for the margin,
        J_D + sqrt(2/pi) sigma_b > kappa.

    Raises
    ------
    ValueError
        For a negative self-coupling or field strength, a correlation outside [-1, 1], or an
        accuracy that is not reached.

    References
    ----------
    Scardecchia, "Learning by Steering the Neural Dynamics", arXiv:2510.11984 (2025): closed-form
    count.  Tanaka, Edwards, J. Phys. F 10, 2769 (1980): eta = 1, one-spin-flip stable states.

    Examples
    --------
    >>> round(complexity(0.5), 6)
    np.float64(0.324201)
    >>> round(complexity(0.0, symmetry=1.0), 5)
    np.float64(0.19923)
    """
    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    eta = _checks.symmetry(symmetry)
    rtol = _checks.tolerance(rtol)
    reach, std, eta = np.broadcast_arrays(reach, std, eta)
    value = log_2ndtr(reach)
    error = 4 * EPS * (1.0 + np.abs(value))
    if np.any(std > 0) or np.any(eta != 0):

        def one(a: float, s: float, eta: float) -> tuple[float, float]:
            if eta == -1.0 and a <= -s * np.sqrt(2.0 / np.pi):
                return -np.inf, 0.0  # sum_i s_i h_i = N J_D + sum_i s_i b_i, whatever s
            y = 0.0 if eta == 0.0 else _find_shift(a, s, eta, rtol)
            if not np.isfinite(y):
                return -np.inf, 0.0
            value, error = average_over_field(a + y, s, rtol)
            return (value, error) if eta == 0.0 else (value - 0.5 * y * y / eta, error)

        every = np.vectorize(one, otypes=[float, float])
        plain = (std == 0) & (eta == 0)
        value, error = (
            np.where(plain, without, other)
            for other, without in zip(every(reach, std, eta), (value, error), strict=True)
        )
    return (value[()], error[()]) if return_error else value[()]


def _find_shift(reach: float, std: float, eta: float, rtol: float) -> float:
    """The y at which the bracket of `complexity` is stationary; -inf where it falls for ever.

    Its value depends on the error of y at second order only.
    """

    def slope(y: float) -> float:
        return _average_hazard(reach + y, std, rtol) - y / eta

    last, y = 0.0, float(np.sign(eta))  # the slope is positive at 0
    while slope(y) > 0.0:
        if abs(y) > 1e8:
            return -np.inf
        last, y = y, 2.0 * y
    return float(optimize.brentq(slope, last, y, xtol=1e-2 * np.sqrt(rtol), rtol=1e-10))


def average_over_field(reach: float, std: float, rtol: float) -> tuple[float, float]:
    """Integral of Dz log[Phi(a + sigma z) + Phi(a - sigma z)], and its error.

    Parameters
    ----------
    reach : float
        a = J_D - kappa.
    std : float
        Standard deviation sigma >= 0 of the external fields.
    rtol : float
        Relative accuracy asked for.

    Returns
    -------
    tuple of float
        The integral, which is the complexity, and its error.
    """
    if std == 0.0:
        value = float(log_2ndtr(reach))
        return value, 4 * EPS * (1.0 + abs(value))
    total, error = _integrate(lambda z: _log_both(reach, std * z), reach, std, rtol)
    if error > rtol * abs(total) + 1e-12:
        raise ValueError(
            f"rtol={rtol:g} not reached at field_std={std:g}: the error is {error:.1g}; "
            "ask for less accuracy"
        )
    return total, error


def _average_hazard(reach: float, std: float, rtol: float) -> float:
    """Return the derivative of `average_over_field` by the reach a."""

    def hazard(z: float) -> float:
        sides = reach + std * np.array([z, -z])
        logs = special.log_ndtr(sides)
        # Far out the squares in these logarithms leave few digits to more than a ratio of the two.
        shares = special.expit(logs - logs[::-1])
        return float(shares @ (np.sqrt(2.0 / np.pi) / special.erfcx(-sides / np.sqrt(2.0))))

    return hazard(0.0) if std == 0.0 else _integrate(hazard, reach, std, rtol)[0]


def _log_both(reach: float, shift: float) -> float:
    sides = special.log_ndtr([reach + shift, reach - shift])
    return float(np.logaddexp(*sides))


def _integrate(
    function: Callable[[float], float], reach: float, std: float, rtol: float
) -> tuple[float, float]:
    """Integral of Dz over an even function that bends where a - sigma z changes sign."""
    # It bends within a few units, and at the scale of Dz; adaptive quadrature that is not told
    # passes over a narrow bend.
    bends = (abs(reach) + np.array([-6.0, -2.0, 0.0, 2.0, 6.0, 40.0])) / std
    bends = np.append(bends[(bends > 0.0) & (bends < 40.0)], [0.5, 3.0, 8.0])
    total, estimate, *_ = integrate.quad(
        lambda z: function(z) * np.exp(-0.5 * z * z) * np.sqrt(2.0 / np.pi),  # twice the half
        0.0,
        40.0,
        points=bends,
        epsrel=0.1 * rtol,
        epsabs=1e-15,
        limit=400,
        full_output=1,
    )
    return float(total), float(estimate) + 4 * EPS * (1.0 + abs(total))


def chain_complexity(
    self_coupling: ArrayLike,
    coupling_left: ArrayLike,
    coupling_right: ArrayLike | None = None,
    *,
    n_modules: int,
    margin: ArrayLike = 0.0,
    return_error: bool = False,
) -> Any:
    r"""Complexity of a chain of modules coupled neuron by neuron.

    Neuron i of module l receives `coupling_left` from neuron i of module l-1 and `coupling_right`
    from neuron i of module l+1.  Per site the mean count is a transfer matrix over :math:`s^1
    \dots s^L`:

    .. math:: \Sigma_{chain} = \frac{1}{L} \log \sum_{s^1 \dots s^L} \prod_l
              \Phi(J_D - \kappa + \lambda_{left} s^l s^{l-1} + \lambda_{right} s^l s^{l+1})

    where missing neighbours contribute 0.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0 of every neuron.
    coupling_left, coupling_right : array_like
        Strengths lambda of the couplings from the two neighbours, any sign; `coupling_right`
        defaults to `coupling_left`.
    n_modules : int
        Number L >= 1 of modules.
    margin : array_like, default 0
        Stability kappa.
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    float or ndarray
        Nats per neuron of the chain, L N neurons in all (and the error, in the same shape).

    References
    ----------
    docs/model/theory.md, eq. (2.3): transfer matrix of one site over the L modules.

    Examples
    --------
    Two modules with strong positive coupling: each site may be + or - in both, log(2)/2 per neuron.

    >>> round(chain_complexity(0.0, 20.0, n_modules=2), 6)
    np.float64(0.346574)
    """
    j = _checks.self_coupling(self_coupling)
    left = check_reals("coupling_left", coupling_left)
    right = left if coupling_right is None else check_reals("coupling_right", coupling_right)
    kappa = check_reals("margin", margin)
    length = check_integer("n_modules", n_modules, 1)
    j, left, right, kappa = np.broadcast_arrays(j, left, right, kappa)
    a = j - kappa
    if length == 1:
        value = log_2ndtr(a)
    else:
        # The global flip symmetry leaves only the bonds t = s^l s^{l+1} = +-1, and a factor 2.
        after = np.array([1.0, -1.0]).reshape((2,) + (1,) * a.ndim)  # [t, ...]
        before = after[:, None]  # [t, 1, ...]
        middle = special.log_ndtr(a + left * before + right * after)  # [t before, t after, ...]
        log_message = special.log_ndtr(a + right * after)  # first module
        for _ in range(length - 2):
            log_message = special.logsumexp(log_message[:, None] + middle, axis=0)
        log_message = log_message + special.log_ndtr(a + left * after)  # last module
        value = np.asarray((np.log(2.0) + special.logsumexp(log_message, axis=0)) / length)
    return (
        (value[()], (4 * EPS * length * (1.0 + np.abs(value)))[()]) if return_error else value[()]
    )
