"""How many fixed points a random network has: the closed forms.

The rows of the coupling matrix are independent, so the probability that a configuration is a fixed
point is a product over neurons, and the mean number of fixed points is exact at any size.  Its
logarithm per neuron, the complexity, extends to a margin, to external fields and to
coupled chains of modules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, special

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
    *,
    rtol: float = 1e-10,
    return_error: bool = False,
) -> Any:
    r"""Complexity: the logarithm of the number of fixed points, per neuron.

    .. math:: \Sigma = \int Dz \log[\Phi(J_D-\kappa+\sigma_b z) + \Phi(J_D-\kappa-\sigma_b z)]

    which is :math:`\log 2\Phi(J_D)` without margin and field: 0 at :math:`J_D = 0`, log 2 for large
    :math:`J_D`.  It may be negative with a margin: then fixed points that stable do not exist.

    Parameters
    ----------
    self_coupling : array_like
        Self-coupling J_D >= 0, in units of the standard deviation of a neuron's field.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed, s_i h_i > kappa; any real number.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of static Gaussian external fields b_i.
    rtol : float, default 1e-10
        Relative accuracy asked of the integral over z (only used where `field_std` is not 0).
    return_error : bool, default False
        Also return an estimate of the absolute numerical error.

    Returns
    -------
    float or ndarray
        Nats per neuron, in the broadcast shape of the arguments (and the error, in the same shape).

    Raises
    ------
    ValueError
        For a negative self-coupling or field strength, or an accuracy that is not reached.

    References
    ----------
    Scardecchia, "Learning by Steering the Neural Dynamics", arXiv:2510.11984 (2025): closed-form
    count.

    Examples
    --------
    >>> round(complexity(0.5), 6)
    np.float64(0.324201)
    """
    j = _checks.self_coupling(self_coupling)
    kappa = check_reals("margin", margin)
    std = check_reals("field_std", field_std, 0.0, remedy="a standard deviation is not negative")
    rtol = _checks.tolerance(rtol)
    j, kappa, std = np.broadcast_arrays(j, kappa, std)
    reach = j - kappa
    value = log_2ndtr(reach)
    error = 4 * EPS * (1.0 + np.abs(value))
    if np.any(std > 0):
        both = np.vectorize(lambda a, s: _average_over_field(a, s, rtol), otypes=[float, float])
        value, error = (
            np.where(std > 0, with_field, without)
            for with_field, without in zip(both(reach, std), (value, error), strict=True)
        )
    return (value[()], error[()]) if return_error else value[()]


def _average_over_field(reach: float, std: float, rtol: float) -> tuple[float, float]:
    """Integral of Dz log[Phi(a + sigma z) + Phi(a - sigma z)], and its error."""
    if std == 0.0:
        return 0.0, 0.0

    def integrand(z: float) -> float:
        both = np.logaddexp(special.log_ndtr(reach + std * z), special.log_ndtr(reach - std * z))
        return float(both * np.exp(-0.5 * z * z) * np.sqrt(2.0 / np.pi))  # even: twice the half

    # The integrand bends where a - sigma z changes sign, within a few units, and at the scale of
    # Dz; adaptive quadrature that is not told passes over a narrow bend.
    bends = (abs(reach) + np.array([-6.0, -2.0, 0.0, 2.0, 6.0, 40.0])) / std
    bends = np.append(bends[(bends > 0.0) & (bends < 40.0)], [0.5, 3.0, 8.0])
    total, estimate, *_ = integrate.quad(
        integrand,
        0.0,
        40.0,
        points=bends,
        epsrel=0.1 * rtol,
        epsabs=1e-15,
        limit=400,
        full_output=1,
    )
    error = float(estimate) + 4 * EPS * (1.0 + abs(total))
    if error > rtol * abs(total) + 1e-12:
        raise ValueError(
            f"rtol={rtol:g} not reached at field_std={std:g}: the error is {error:.1g}; "
            "ask for less accuracy"
        )
    return float(total), error


def log_expected_count(
    n_neurons: ArrayLike,
    self_coupling: ArrayLike,
    margin: ArrayLike = 0.0,
    *,
    return_error: bool = False,
) -> Any:
    r"""Logarithm of the mean number of fixed points of a network of finite size (exact).

    .. math:: \log E[N_{fp}] = N \log 2\Phi\bigl((J_D - \kappa)\sqrt{N/(N-1)}\bigr)

    Parameters
    ----------
    n_neurons : array_like
        Number of neurons N >= 2; couplings J_ij, j != i, have variance 1/N.
    self_coupling, margin : array_like
        As in `complexity`.
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    float or ndarray
        Nats of the whole network, not per neuron (and the error, in the same shape).

    References
    ----------
    Rows of J are independent, so the mean over networks is a product (docs/model/theory.md, eq.
    (2.1)).

    Examples
    --------
    >>> round(float(np.exp(log_expected_count(20, 0.5))), 1)
    746.5
    """
    n = check_reals("n_neurons", n_neurons, 2, remedy="a network needs at least two neurons")
    if np.any(n != np.floor(n)):
        raise ValueError(f"n_neurons must be whole numbers, got {n_neurons!r}")
    j = _checks.self_coupling(self_coupling)
    kappa = check_reals("margin", margin)
    value = np.asarray(n * log_2ndtr((j - kappa) * np.sqrt(n / (n - 1.0))))
    return (value[()], (4 * EPS * (n + np.abs(value)))[()]) if return_error else value[()]


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
