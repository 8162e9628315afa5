"""The mean number of fixed points of finite networks, exact for each ensemble that has a formula.

With independent rows of J the mean is a product over neurons. Correlated Gaussian couplings tie the
rows by one more Gaussian variable, over which an integral is left.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, optimize, special, stats

from binnet._validation import FloatArray, check_choice, check_real, check_reals
from binnet.theory import _checks
from binnet.theory.complexity import EPS, log_2ndtr

DISTRIBUTIONS = ("gaussian", "sign")
_LARGEST_SUM = 4096  # N up to which the number of present couplings is summed over one by one
_LARGEST_SIGNS = 10**7  # N up to which the sum of signs is, where there are fields: a second
_BEND = complex(np.exp(-0.3j))  # direction of the path of integration
_TIE = 1e-6  # relative: couplings are rounded to single precision


def expected_count(
    n_neurons: ArrayLike,
    self_coupling: ArrayLike,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    *,
    symmetry: float = 0.0,
    distribution: str = "gaussian",
    density: float = 1.0,
) -> Any:
    """Mean number of fixed points of a network of finite size (exact).

    Parameters
    ----------
    n_neurons, self_coupling, margin, field_std : array_like
        As in `log_expected_count`.
    symmetry : float, default 0
        As in `log_expected_count`.
    distribution : {"gaussian", "sign"}, default "gaussian"
        Of the couplings.
    density : float, default 1
        As in `log_expected_count`.

    Returns
    -------
    float or ndarray
        Mean over networks (and fields) of the number of fixed points, inf beyond 1e308.

    Raises
    ------
    ValueError
        As in `log_expected_count`.

    Examples
    --------
    >>> round(float(expected_count(20, 0.5)), 1)
    746.5
    >>> round(float(expected_count(12, 0.0, symmetry=1.0)), 1)
    11.5
    """
    value = log_expected_count(
        n_neurons, self_coupling, margin, field_std,
        symmetry=symmetry, distribution=distribution, density=density,
    )  # fmt: skip
    with np.errstate(over="ignore"):
        return np.exp(value)


def log_expected_count(
    n_neurons: ArrayLike,
    self_coupling: ArrayLike,
    margin: ArrayLike = 0.0,
    field_std: ArrayLike = 0.0,
    *,
    symmetry: float = 0.0,
    distribution: str = "gaussian",
    density: float = 1.0,
    return_error: bool = False,
) -> Any:
    r"""Logarithm of the mean number of fixed points of a network of finite size (exact).

    For independent Gaussian couplings without fields

    .. math:: \log E[N_{fp}] = N \log 2\Phi\bigl((J_D - \kappa)\sqrt{N/(N-1)}\bigr),

    for the other ensembles docs/model/theory.md, eqs. (2.4) to (2.6).

    Parameters
    ----------
    n_neurons : array_like
        Number of neurons N >= 2; couplings J_ij, j != i, have variance 1/N.
    self_coupling, margin : array_like
        As in `complexity`.
    field_std : array_like, default 0
        Standard deviation sigma_b >= 0 of Gaussian external fields, over which the mean goes, too.
    symmetry : float, default 0
        Correlation eta of J_ij and J_ji, -1 to 1; other than 0 for dense Gaussian couplings only.
    distribution : {"gaussian", "sign"}, default "gaussian"
        Normal couplings, or one strength with random signs. Where their sum is exactly at the
        threshold, sign(0) = +1 decides; so do sums within the rounding of single precision of it.
    density : float, default 1
        Fraction rho of the couplings that is there, above 0 to 1; these have variance 1/(rho N).
    return_error : bool, default False
        Also return an estimate of the numerical error.

    Returns
    -------
    float or ndarray
        Nats of the whole network, not per neuron; -inf where there are no fixed points (and the
        error, in the same shape).

    Raises
    ------
    ValueError
        If an argument is out of its range, or if the ensemble has no formula: correlated couplings
        that are diluted or signs.

    References
    ----------
    Independent rows: Scardecchia, arXiv:2510.11984 (2025). eta = 1: Tanaka, Edwards, J. Phys. F 10,
    2769 (1980), the count of one-spin-flip stable states.

    Examples
    --------
    >>> round(float(np.exp(log_expected_count(20, 0.5))), 1)
    746.5
    """
    n = check_reals("n_neurons", n_neurons, 2, remedy="a network needs at least two neurons")
    if np.any(n != np.floor(n)):
        raise ValueError(f"n_neurons must be whole numbers, got {n_neurons!r}")
    reach, std = _checks.reach(self_coupling, margin), _checks.field_std(field_std)
    eta = _checks.one_symmetry(symmetry)
    check_choice("distribution", distribution, DISTRIBUTIONS)
    rho = check_real("density", density, 0.0, 1.0, above=True)
    if (reason := find_no_formula(eta, distribution, rho)) is not None:
        raise ValueError(f"there is {reason}; `binnet count` counts in drawn networks")
    n, a, std = np.broadcast_arrays(n, reach, std)
    if eta == 0.0 and distribution == "gaussian" and rho == 1.0:
        value = np.asarray(n * log_2ndtr(a / np.sqrt((n - 1.0) / n + std**2)))
        error = 4 * EPS * (n + np.abs(value))
    else:

        def one(n: float, a: float, std: float) -> tuple[float, float]:
            if eta != 0.0:
                return _log_correlated(_Correlated(int(n), a, std, eta))
            value = n * _log_independent(int(n), a, std, distribution, rho)
            return value, _rounding(n, value)

        value, error = np.vectorize(one, otypes=[float, float])(n, a, std)
    return (value[()], error[()]) if return_error else value[()]


def find_no_formula(symmetry: float, distribution: str, density: float) -> str | None:
    """Say why an ensemble has no exact mean count; None where it has one.

    Parameters
    ----------
    symmetry : float
        Correlation eta of J_ij and J_ji.
    distribution : {"gaussian", "sign"}
        Of the couplings.
    density : float
        Fraction rho of the couplings that is there.

    Returns
    -------
    str or None
        The reason.
    """
    if symmetry == 0.0 or (distribution == "gaussian" and density == 1.0):
        return None
    kind = "signs" if distribution == "sign" else "diluted"
    return f"no formula for correlated couplings (symmetry {symmetry:g}) that are {kind}"


def _rounding(n: float, value: float) -> float:
    return 16 * EPS * (n + abs(value)) if np.isfinite(value) else 0.0


def _log_independent(n: int, a: float, std: float, distribution: str, rho: float) -> float:
    """Log of the probability that a neuron stays, summed over its two states."""
    if rho == 1.0:
        if distribution == "sign" and std > 0.0 and n > _LARGEST_SIGNS:
            raise ValueError(
                f"n_neurons must be at most {_LARGEST_SIGNS} for signs with fields, got {n}; the "
                "Gaussian formula is the limit of many couplings a neuron"
            )
        present, log_share = np.array([n - 1.0]), np.zeros(1)
    else:
        if n > _LARGEST_SUM:
            raise ValueError(
                f"n_neurons must be at most {_LARGEST_SUM} for diluted couplings, got {n}; the "
                "dense formula is the limit of many couplings a neuron"
            )
        present = np.arange(float(n))
        log_share = stats.binom.logpmf(present, n - 1, rho)
    strength = 1.0 / np.sqrt(rho * n)
    if distribution == "gaussian":
        row = _log_gaussian(present * strength**2 + std**2, a)
    else:
        row = np.array([_log_signs(int(m), strength, a, std) for m in present])
    return float(special.logsumexp(log_share + row))


def _log_gaussian(variance: FloatArray, a: float) -> FloatArray:
    """Log 2Phi(a / std); a neuron without any field stays at +1 from a = 0 on, at -1 above it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = np.log(float(a >= 0.0) + float(a > 0.0))
        return np.asarray(np.where(variance > 0, log_2ndtr(a / np.sqrt(variance)), alone))


def _log_signs(m: int, strength: float, a: float, std: float) -> float:
    """Log P(s = +1 stays) + P(s = -1 stays) with a sum of m signs times `strength` as the field."""
    if std > 0.0:
        up = np.arange(m + 1.0)
        terms = stats.binom.logpmf(up, m, 0.5) + special.log_ndtr(
            (a + (2.0 * up - m) * strength) / std
        )
        return float(np.log(2.0) + special.logsumexp(terms))
    edge = 0.5 * (m - a / strength)  # of the number of signs that are +: at it the field is 0
    whole = np.rint(edge)
    on_edge = abs(edge - whole) <= _TIE * (1.0 + abs(a) / strength)
    first = whole if on_edge else np.ceil(edge)
    with np.errstate(divide="ignore"):
        at_least, above = stats.binom.logsf([first - 1.0, first - 1.0 + on_edge], m, 0.5)
        return float(np.logaddexp(at_least, above))


class _Correlated(NamedTuple):
    """A neuron's field is width g + sqrt(eta/N) xi, with xi the same for all neurons."""

    n: int
    a: float
    std: float
    eta: float

    @property
    def width(self) -> float:
        return float(np.sqrt(max((self.n - 1.0 - self.eta) / self.n, 0.0) + self.std**2))

    @property
    def pull(self) -> float:
        return float(np.sqrt(abs(self.eta) / self.n))


def _log_correlated(case: _Correlated) -> tuple[float, float]:
    r"""Log of 2^N int D xi Phi((a + sqrt(eta/N) xi)/width)^N, and its error.

    The path of integration goes through the saddle point: along the real line for eta > 0, and for
    eta < 0, where the square root is imaginary, parallel to it, as there the phase stands still at
    the saddle and nothing cancels. Bent down on both sides, it meets an exponential decay even for
    eta = -1, where the integrand falls like t^-N.
    """
    n, a, eta, width, pull = case.n, case.a, case.eta, case.width, case.pull
    if width == 0.0:  # two neurons that see the same coupling
        value = n * np.log(2.0) + float(special.log_ndtr(a / pull))
        return value, _rounding(n, value)
    if eta == -1.0 and case.std == 0.0 and a <= 0.0:  # sum_i s_i h_i = N J_D, whatever s
        return -np.inf, 0.0
    sign = np.sign(eta)

    def slope(x: float) -> float:
        at = (a + sign * pull * x) / width
        hazard = np.exp(-0.5 * at * at - 0.5 * np.log(2 * np.pi) - special.log_ndtr(at))
        return float(n * pull / width * hazard - x)

    high = 1.0
    while slope(high) > 0.0:
        high *= 2.0
    saddle = float(optimize.brentq(slope, 0.0, high, xtol=1e-12 * high))
    top = n * special.log_ndtr((a + sign * pull * saddle) / width) - sign * 0.5 * saddle**2

    def integrand(t: float) -> float:
        if eta > 0.0:
            log = n * special.log_ndtr((a + pull * (saddle + t)) / width) - 0.5 * (saddle + t) ** 2
            return float(np.exp(log - top))
        bent = t * _BEND
        at = (a - pull * saddle + 1j * pull * bent) / width
        log = n * special.log_ndtr(at) - 0.5 * (bent + 1j * saddle) ** 2
        return float((np.exp(log - top) * _BEND).real)

    sides = [(0.0, 4.0), (4.0, np.inf)]
    if eta > 0.0:  # else the other half is the complex conjugate
        sides += [(-4.0, 0.0), (-np.inf, -4.0)]
    parts = [
        integrate.quad(integrand, *side, epsabs=1e-13, epsrel=1e-11, limit=400) for side in sides
    ]
    total, estimate = (sum(column) * (4 // len(sides)) for column in zip(*parts, strict=True))
    value = float(n * np.log(2.0) + top + np.log(total / np.sqrt(2 * np.pi)))
    return value, float(estimate / total) + _rounding(n, value)
