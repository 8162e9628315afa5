"""The dynamics of an infinite network, from a single neuron in a self-consistent Gaussian field.

With independent J_ij and J_ji a neuron's past does not return to it through the network, so for
large N its field is exactly a Gaussian process whose covariance is the correlation of the spins.
Trajectories are sampled step by step; the flip fraction they settle at tells whether the dynamics
freezes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, optimize, special

from binnet.theory import _checks
from binnet.theory._checks import FloatArray

_PIVOT_MIN = 1e-10  # floor of the innovation variance: a frozen process repeats its field


class DynamicalCavity(NamedTuple):
    """Dynamics of the infinite network; errors are standard errors over independent populations.

    Parameters
    ----------
    correlation : ndarray
        C(t, t') = <s(t) s(t')>, shape (n_steps + 1, n_steps + 1).
    flip_fraction : ndarray
        Fraction of neurons that change in sweep t -> t+1, shape (n_steps,).
    flip_error : ndarray
        Standard error of `flip_fraction`.
    correlation_error : float
        Largest standard error of `correlation`.
    """

    correlation: FloatArray
    flip_fraction: FloatArray
    flip_error: FloatArray
    correlation_error: float


class Freezing(NamedTuple):
    """Self-coupling at which the plateau of the flip fraction vanishes.

    Parameters
    ----------
    self_coupling, error : float
        The threshold and its standard error (sampling and choice of the fit
      range).
    grid, plateau, plateau_error : ndarray, shape (n,)
        The measured plateaus that were extrapolated.
    """

    self_coupling: float
    error: float
    grid: FloatArray
    plateau: FloatArray
    plateau_error: FloatArray


def dynamical_cavity(
    self_coupling: float,
    n_steps: int,
    *,
    update_fraction: float = 1.0,
    field_std: float = 0.0,
    n_trajectories: int = 4000,
    n_batches: int = 8,
    rtol: float | None = None,
    seed: int = 0,
) -> DynamicalCavity:
    r"""Correlations and flip fractions of the dynamics from a random start, for large N.

    .. math:: s(t+1) = \mathrm{sign}(\eta(t) + J_D s(t) + b), \qquad
              \langle\eta(t)\eta(t')\rangle = C(t,t') = \langle s(t)s(t')\rangle

    eta is Gaussian with mean 0; its covariance grows by one row, and its Cholesky factor with it,
    per step. Flip fractions average the conditional probability of a flip given the past, which is
    less noisy than counting flips.  As an extension, only a random subset of the neurons is
    updated in every step (`update_fraction` below 1; small fractions approach asynchronous
    dynamics, 1/fraction steps per sweep).

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    n_steps : int
        Number of steps T >= 1 (time and memory grow as T^2 and T, times the trajectories).
    update_fraction : float, default 1
        Probability, 0 < p <= 1, that a neuron is updated in a step.
    field_std : float, default 0
        Standard deviation of static Gaussian external fields b.
    n_trajectories : int, default 4000
        Trajectories per population; C carries a bias of order 1/n_trajectories.
    n_batches : int, default 8
        Independent populations, at least 2; their spread gives the errors.
    rtol : float, optional
        Add populations (up to 64 times `n_batches`) until every standard error of the flip
        fraction is below `rtol` times the first flip fraction.
    seed : int, default 0
        Seed; equal seeds give equal numbers.

    Returns
    -------
    DynamicalCavity
        Correlations, flip fractions and errors.

    Raises
    ------
    ValueError
        For J_D < 0, p outside (0, 1], fewer than 2 populations, or an accuracy that 64 x n_batches
        miss.

    References
    ----------
    Derrida, Gardner, Zippelius, Europhys. Lett. 4, 167 (1987), and Eissfeller, Opper, Phys. Rev.
    Lett. 68, 2094 (1992): exact dynamics of asymmetric networks and the sampling method.
    """
    j = float(_checks.self_coupling(self_coupling))
    steps = _checks.whole("n_steps", n_steps, 1, 20_000)
    remedy = "1 is the synchronous dynamics"
    p = float(
        _checks.in_range("update_fraction", update_fraction, 0.0, 1.0, open_low=True, remedy=remedy)
    )
    std = float(_checks.in_range("field_std", field_std, 0.0))
    trajectories = _checks.whole("n_trajectories", n_trajectories, 10)
    batches = _checks.whole(
        "n_batches", n_batches, 2, remedy="errors come from the spread of populations"
    )
    if rtol is not None:
        rtol = _checks.tolerance(rtol)
    flips: list[FloatArray] = []
    sum_c = np.zeros((steps + 1, steps + 1))
    sum_c2 = np.zeros_like(sum_c)
    for batch in range(64 * batches if rtol is not None else batches):
        rng = np.random.default_rng([seed, batch])
        correlation, flip = _population(j, steps, p, std, trajectories, rng)
        flips.append(flip)
        sum_c += correlation
        sum_c2 += correlation**2
        n = len(flips)
        error = np.std(flips, axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.inf
        if rtol is not None and n >= batches and np.max(error) <= rtol * flips[0][0]:
            break
    else:
        if rtol is not None:
            raise ValueError(
                f"rtol={rtol:g} not reached: the standard error is {np.max(error):.1g} after "
                f"{n} populations; raise n_trajectories or rtol"
            )
    variance = np.maximum(sum_c2 / n - (sum_c / n) ** 2, 0.0) / (n - 1)
    return DynamicalCavity(
        sum_c / n, np.mean(flips, axis=0), np.asarray(error), float(np.sqrt(np.max(variance)))
    )


def _population(
    j: float, steps: int, p: float, std: float, trajectories: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """One self-consistent population: its correlation matrix and conditional flip probabilities."""
    spins = np.empty((steps + 1, trajectories))
    spins[0] = rng.choice([-1.0, 1.0], trajectories)
    bias = std * rng.standard_normal(trajectories) if std > 0 else 0.0
    noise = np.empty((steps, trajectories))
    factor = np.zeros((steps, steps))
    correlation = np.ones((steps + 1, steps + 1))
    flip = np.empty(steps)
    for t in range(steps + 1):
        now = spins[t]
        correlation[t, : t + 1] = correlation[: t + 1, t] = spins[: t + 1] @ now / trajectories
        if t == steps:
            break
        # eta(t) = row . (past noise) + innovation: one more row of the Cholesky factor of C
        row = (
            linalg.solve_triangular(factor[:t, :t], correlation[t, :t], lower=True)
            if t
            else np.empty(0)
        )
        innovation = np.sqrt(max(correlation[t, t] - row @ row, _PIVOT_MIN))
        factor[t, :t], factor[t, t] = row, innovation
        expected = row @ noise[:t]
        noise[t] = rng.standard_normal(trajectories)
        flip[t] = p * np.mean(special.ndtr(-(j + now * (expected + bias)) / innovation))
        field = expected + innovation * noise[t] + j * now + bias
        spins[t + 1] = np.where(field >= 0.0, 1.0, -1.0)  # sign(0) = +1
        if p < 1.0:
            kept = rng.random(trajectories) >= p
            spins[t + 1, kept] = now[kept]
    return correlation, flip


def freezing_self_coupling(
    *,
    update_fraction: float = 1.0,
    grid: ArrayLike | None = None,
    n_sweeps: int = 300,
    n_trajectories: int = 4000,
    n_batches: int = 8,
    seed: int = 0,
) -> Freezing:
    r"""Self-coupling at which the dynamics of the infinite network freezes.

    Measures the plateau of the flip fraction per sweep (mean over the second half of the run) at
    several J_D and extrapolates it to zero.  The plateau f vanishes about quadratically, so a line
    is fitted to :math:`\sqrt f`.  The error combines resampling of the plateaus within their
    errors and the largest change for other fits (without the two lowest J_D, and with a parabola).
     Populations much closer to the threshold than the default grid may freeze by chance, as finite
     networks do, and would bias the fit.

    Parameters
    ----------
    update_fraction : float, default 1
        As in `dynamical_cavity`; times are counted in sweeps of 1/update_fraction steps.
    grid : array_like, optional
        Self-couplings with a visible plateau, at least five, increasing; default 0.5 to 0.7.
    n_sweeps : int, default 300
        Length of each run.
    n_trajectories, n_batches, seed : int
        As in `dynamical_cavity`.

    Returns
    -------
    Freezing
        The threshold, its error and the data behind it.
    """
    couplings = _checks.self_coupling(np.linspace(0.5, 0.7, 5) if grid is None else grid)
    if couplings.ndim != 1 or couplings.size < 5 or np.any(np.diff(couplings) <= 0):
        raise ValueError(f"grid must hold at least five increasing self-couplings, got {grid!r}")
    steps = round(_checks.whole("n_sweeps", n_sweeps, 20) / update_fraction)
    p = float(_checks.in_range("update_fraction", update_fraction, 0.0, 1.0, open_low=True))
    trajectories = _checks.whole("n_trajectories", n_trajectories, 10)
    batches = _checks.whole(
        "n_batches", n_batches, 2, remedy="errors come from the spread of populations"
    )
    plateaus, errors = [], []
    for index, j in enumerate(couplings):
        runs = [
            _population(
                float(j), steps, p, 0.0, trajectories, np.random.default_rng([seed, index, batch])
            )[1]
            for batch in range(batches)
        ]
        means = np.array([run[steps // 2 :].mean() for run in runs]) / p
        plateaus.append(means.mean())
        errors.append(means.std(ddof=1) / np.sqrt(batches))
    plateau, error = np.array(plateaus), np.array(errors)
    if np.any(plateau <= 3e-5):
        raise ValueError(
            f"no plateau at self-coupling {couplings[np.argmin(plateau)]:g}; lower the grid"
        )

    rng = np.random.default_rng(seed)

    def zero(x: FloatArray, f: FloatArray, degree: int) -> float:
        fit = np.polynomial.Polynomial.fit(x, np.sqrt(np.maximum(f, 1e-12)), degree)
        try:
            return float(optimize.brentq(fit, x[-1] - 0.05, x[-1] + 0.6))
        except ValueError:  # the parabola turns before it reaches 0
            return np.nan

    best = zero(couplings, plateau, 1)
    resampled = [
        zero(couplings, plateau + error * rng.standard_normal(error.size), 1) for _ in range(200)
    ]
    others = [zero(couplings[2:], plateau[2:], 1), zero(couplings, plateau, 2)]
    spread = np.nanmax(np.abs(np.array(others) - best))
    return Freezing(best, float(np.hypot(np.nanstd(resampled), spread)), couplings, plateau, error)
