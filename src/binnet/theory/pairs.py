"""Pairs of fixed points: how many lie at a given overlap, and how isolated a typical one is.

The mean number of pairs decides two questions.  If pairs at overlap 0 dominate, the count of fixed
points is self-averaging, so the mean count is the typical one; and the pairs close to a fixed
point show that typical fixed points have no neighbours within a finite distance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from binnet._validation import FloatArray, check_integer, check_reals
from binnet.theory import _checks
from binnet.theory.complexity import EPS, log_2ndtr

_ROUNDING = 16.0 * EPS  # of Owen's function and the few operations after it, with room


def log_bivariate_cdf(x: ArrayLike, correlation: ArrayLike, *, return_error: bool = False) -> Any:
    r"""Log Phi2(x, x; rho): both of two correlated standard normals stay below `x`.

    Through Owen's function, :math:`\Phi_2(x,x;\rho) = \Phi(x) - 2\,T(x, \sqrt{(1-\rho)/(1+\rho)})`.

    Parameters
    ----------
    x, correlation : array_like
        Upper limit (x >= 0) and correlation in [-1, 1].
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    float or ndarray
        Natural logarithm, -inf where the probability vanishes (x = 0 and correlation -1); and the
        error, in the same shape.

    References
    ----------
    Owen, Ann. Math. Statist. 27, 1075 (1956).
    """
    x = check_reals("x", x, 0.0)
    rho = check_reals("correlation", correlation, -1.0, 1.0)
    ratio = _log_ratio(x, (1.0 - rho) / 2.0, (1.0 + rho) / 2.0)
    value = np.asarray(special.log_ndtr(x) + ratio)
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(value), _ROUNDING * (1.0 + np.expm1(-ratio)), 0.0)
    return (value[()], error[()]) if return_error else value[()]


def _log_ratio(x: FloatArray, differ: FloatArray, agree: FloatArray) -> FloatArray:
    """Log of Phi2(x, x; agree - differ)/Phi(x), with full precision where one of them is small."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = np.sqrt(differ / agree)
        owen = special.owens_t(x, slope)
        # scipy's T loses its digits below slopes of 1e-8; its expansion there is exact to rounding.
        small = (
            np.exp(-0.5 * x * x) / (2.0 * np.pi) * slope * (1.0 - slope**2 * (2.0 + x * x) / 6.0)
        )
        deficit = 2.0 * np.where(slope < 1e-5, small, owen) / special.ndtr(x)
        return np.asarray(np.log1p(-np.minimum(deficit, 1.0)))


def _pair_terms(reach: FloatArray, distance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """S2 - Sigma and its rounding error over the distance, free of cancellation at small ones."""
    entropy = -special.xlogy(distance, distance) - special.xlog1py(1.0 - distance, -distance)
    # 0 * log 0 = 0: at distance 0 (or 1) no neuron (or every neuron) differs
    same = np.where(distance == 1.0, 0.0, _log_ratio(reach, distance, 1.0 - distance))
    other = np.where(distance == 0.0, 0.0, _log_ratio(reach, 1.0 - distance, distance))
    value = entropy + (1.0 - distance) * same + distance * other
    error = entropy + (1.0 - distance) * np.expm1(-same) + distance * np.expm1(-other)
    return np.asarray(value), np.asarray(_ROUNDING * error)


def pair_entropy(
    overlap: ArrayLike,
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    return_error: bool = False,
) -> Any:
    r"""Logarithm of the mean number of ordered pairs of fixed points at an overlap, per neuron.

    .. math:: S_2(q) = \log 2 + H_b\!\left(\tfrac{1+q}{2}\right)
              + \tfrac{1+q}{2}\log\Phi_2(a,a;q) + \tfrac{1-q}{2}\log\Phi_2(a,a;-q)

    with :math:`a = J_D - \kappa`.  There are no external fields here: with them pairs are
    `cluster_entropy` of two replicas, up to the distance of unrelated fixed points.

    Parameters
    ----------
    overlap : array_like
        q in [-1, 1].
    self_coupling : array_like
        J_D >= 0.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed; any real number.
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    float or ndarray
        Nats per neuron; S2(0) = 2 Sigma and S2(+-1) = Sigma (and the error, in the same shape).

    Raises
    ------
    ValueError
        For an overlap outside [-1, 1] or a negative self-coupling.

    References
    ----------
    docs/model/theory.md, section 3.

    Examples
    --------
    >>> bool(abs(pair_entropy(0.0, 0.5) - 2 * 0.324201) < 1e-6)
    True
    """
    q = _checks.overlap(overlap)
    reach = _checks.reach(self_coupling, margin)
    terms, error = _pair_terms(reach, (1.0 - q) / 2.0)
    sigma = log_2ndtr(reach)
    value, error = np.asarray(sigma + terms), error + 4 * EPS * (1.0 + np.abs(sigma))
    return (value[()], error[()]) if return_error else value[()]


def franz_parisi(
    overlap: ArrayLike,
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    return_error: bool = False,
) -> Any:
    """Local entropy of a *typical* fixed point: s_FP(q) = S2(q) - Sigma(J_D), nats per neuron.

    Negative values mean that a typical fixed point has no other fixed point at that overlap.

    Parameters
    ----------
    overlap, self_coupling, margin : array_like
        As in `pair_entropy`; for J_D < kappa there is no fixed point to begin with.
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    float or ndarray
        Nats per neuron, in the broadcast shape (and the error, in the same shape).

    References
    ----------
    Franz, Parisi, J. Phys. I France 5, 1401 (1995), the potential; here annealed = quenched.
    """
    q = _checks.overlap(overlap)
    value, error = _pair_terms(_checks.reach(self_coupling, margin), (1.0 - q) / 2.0)
    return (value[()], error[()]) if return_error else value[()]


def isolation_radius(
    self_coupling: ArrayLike,
    *,
    margin: ArrayLike = 0.0,
    rtol: float = 1e-10,
    return_error: bool = False,
) -> Any:
    """Distance within which a typical fixed point has no other fixed point.

    The first zero of the Franz-Parisi entropy, coming from distance 0; it shrinks like
    exp(-(J_D - kappa)^2) up to logarithms, and is 1/2 at J_D = kappa, where the count is not
    exponential.

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0, and at most 20 beyond the margin: there the radius is below 1e-180 and no network
        shows it.
    margin : array_like, default 0
        Stability kappa that every neuron must exceed: only J_D - kappa counts.
    rtol : float, default 1e-10
        Relative accuracy of the radius.
    return_error : bool, default False
        Also return an estimate of the absolute numerical error.

    Returns
    -------
    float or ndarray
        Distances d = (1-q)/2 between 0 and 1/2 (and the error, in the same shape); nan for J_D <
        kappa, where there are no fixed points.

    Examples
    --------
    >>> round(isolation_radius(0.5), 4)
    np.float64(0.0053)
    """
    reach = _checks.reach(self_coupling, margin)
    remedy = "beyond 20 the radius is below 1e-180: take 0"
    check_reals("self_coupling - margin", reach, high=20.0, remedy=remedy)
    rtol = _checks.tolerance(rtol)
    both = np.vectorize(lambda one: _first_zero(float(one), rtol), otypes=[float, float])(reach)
    radius, error = (column[()] for column in both)
    return (radius, error) if return_error else radius


def _first_zero(reach: float, rtol: float) -> tuple[float, float]:
    """Isolation radius and its error at one J_D - kappa."""
    if reach < 0.0:
        return np.nan, np.nan
    if reach == 0.0:
        return 0.5, 0.0
    a = np.asarray(reach)

    def entropy(log_distance: float) -> float:
        return float(_pair_terms(a, np.exp(np.asarray(log_distance)))[0])

    # s_FP ~ -sqrt(d) exp(-a^2/2)/(pi Phi(a)) + d log(1/d): start well inside, then look for the
    # sign change.
    grid = np.linspace(-reach * reach - 30.0, np.log(0.5), 400)
    values = _pair_terms(a, np.exp(grid))[0]
    first = int(np.argmax(values > 0.0))
    if first == 0:  # Sigma below rounding: no zero left of 1/2
        return 0.5, float(EPS)
    xtol = 0.5 * rtol  # in log d, so it is relative in d
    log_d = optimize.brentq(entropy, grid[first - 1], grid[first], xtol=xtol, rtol=4 * EPS)
    h = 1e-4
    slope = (entropy(log_d + h) - entropy(log_d - h)) / (2 * h)
    rounding = float(_pair_terms(a, np.exp(np.asarray(log_d)))[1]) / abs(slope)
    return float(np.exp(log_d)), float(np.exp(log_d)) * (xtol + rounding + 4 * EPS * abs(log_d))


class SelfAveraging(NamedTuple):
    """Check that uncorrelated pairs dominate the mean number of pairs.

    Parameters
    ----------
    dominant : bool or ndarray
        Whether S2(q) is largest at overlap 0.
    best_overlap : float or ndarray
        Overlap of the largest S2.
    excess : float or ndarray
        max_q S2(q) - 2 Sigma, nats per neuron.
    moment_ratio : float or ndarray
        Limit of E[N_fp^2]/E[N_fp]^2 for large N.
    error : float or ndarray
        Estimated error of `excess`, from rounding and from halving the grid of overlaps.
    """

    dominant: Any
    best_overlap: Any
    excess: Any
    moment_ratio: Any
    error: Any


def self_averaging(self_coupling: ArrayLike, n_grid: int = 2001) -> SelfAveraging:
    r"""Whether the number of fixed points is self-averaging (annealed = quenched).

    Compares S2(0) = 2 Sigma with S2(q) on a grid of overlaps, and gives the limit of
    :math:`E[N_{fp}^2]/E[N_{fp}]^2` for large N, in which a Gaussian sum around q = 0 meets the
    finite-size shift of the correlations: with :math:`r = \varphi(J_D)/\Phi(J_D)` and
    :math:`c = 2r^2 + J_D^2 r^2 - r^4`, it is :math:`e^{-r^2}/\sqrt{1 - c}` (identities of one
    site).

    Parameters
    ----------
    self_coupling : array_like
        J_D >= 0.
    n_grid : int, default 2001
        Number of overlaps between -1 and 1 (odd, so that 0 is one of them).

    Returns
    -------
    SelfAveraging
        Named arrays (or floats), in the shape of `self_coupling`.
    """
    j = _checks.self_coupling(self_coupling)
    n_grid = check_integer("n_grid", n_grid, 3)
    grid = np.linspace(-1.0, 1.0, n_grid + 1 - n_grid % 2)
    values, rounding = pair_entropy(grid, j[..., None], return_error=True)
    best = np.argmax(values, axis=-1)
    excess = np.max(values, axis=-1) - 2.0 * log_2ndtr(j)
    middle = n_grid // 2  # the coarser grid keeps q = 0, too
    coarse = np.maximum(
        np.max(values[..., middle::2], axis=-1), np.max(values[..., middle::-2], axis=-1)
    )
    error = np.max(values, axis=-1) - coarse + np.max(rounding, axis=-1)
    ratio = np.exp(-0.5 * j * j) / np.sqrt(2.0 * np.pi) / special.ndtr(j)
    curvature = 2.0 * ratio**2 + (j * ratio) ** 2 - ratio**4
    moment = np.exp(-(ratio**2)) / np.sqrt(1.0 - curvature)
    return SelfAveraging((excess < 1e-12)[()], grid[best][()], excess[()], moment[()], error[()])


def log_expected_pairs(n_neurons: int, self_coupling: float, *, return_error: bool = False) -> Any:
    r"""Mean number of ordered pairs of fixed points of a finite network, by distance (exact).

    Row i sees the other N-1 spins only, so two configurations that differ in k of N neurons have
    fields of correlation (N-2k-1)/(N-1) at neurons where they agree and -(N-2k+1)/(N-1) (after
    multiplication with the spins) where they differ:

    .. math:: E[N_2(k)] = 2^N \binom{N}{k} \Phi_2(a,a;\rho_=)^{N-k}\, \Phi_2(a,a;\rho_{\neq})^{k},
              \quad a = J_D\sqrt{N/(N-1)}

    Parameters
    ----------
    n_neurons : int
        N >= 2.
    self_coupling : float
        J_D >= 0.
    return_error : bool, default False
        Also return a bound on the rounding error.

    Returns
    -------
    ndarray, shape (N + 1,)
        log E[N_2(k)] for k = 0..N; k = 0 is the mean count itself (and the error).
    """
    n = check_integer("n_neurons", n_neurons, 2)
    a = np.asarray(_checks.one_self_coupling(self_coupling) * np.sqrt(n / (n - 1.0)))
    k = np.arange(n + 1.0)
    # (1 - rho)/2 and (1 + rho)/2 at the neurons that agree, and the other way round at the others
    apart, alike = np.minimum([k, n - k], n - 1.0) / (n - 1.0)
    agree, differ = (
        np.where(members == 0, 0.0, members * (special.log_ndtr(a) + ratio))
        for members, ratio in (
            (n - k, np.where(k < n, _log_ratio(a, apart, 1.0 - apart), 0.0)),
            (k, np.where(k > 0, _log_ratio(a, alike, 1.0 - alike), 0.0)),
        )
    )
    factorials = [special.gammaln(m + 1.0) for m in (np.full_like(k, n), k, n - k)]
    binomial = factorials[0] - factorials[1] - factorials[2]
    value = np.asarray(n * np.log(2.0) + binomial + agree + differ)
    error = _ROUNDING * (n + sum(factorials) + np.abs(agree) + np.abs(differ))
    return (value, error) if return_error else value
