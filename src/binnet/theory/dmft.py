"""The dynamics of an infinite network, from a single neuron in a self-consistent Gaussian field.

With independent J_ij and J_ji a neuron's past does not return to it through the network, so for
large N its field is exactly a Gaussian process whose covariance is the correlation of the spins.
Trajectories are sampled step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg, special

from binnet._validation import FloatArray, check_integer, check_real
from binnet.theory import _checks

MAX_STEPS = 20_000  # the correlation matrix then takes 3 GB
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
    j = _checks.one_self_coupling(self_coupling)
    steps = check_integer("n_steps", n_steps, 1, MAX_STEPS)
    p = _checks.update_fraction(update_fraction)
    std = check_real("field_std", field_std, 0.0, remedy="a standard deviation is not negative")
    trajectories = check_integer("n_trajectories", n_trajectories, 10)
    remedy = "errors come from the spread of populations"
    batches = check_integer("n_batches", n_batches, 2, remedy=remedy)
    seed = check_integer("seed", seed, 0, None)
    if rtol is not None:
        rtol = _checks.tolerance(rtol)
    flips: list[FloatArray] = []
    sum_c = np.zeros((steps + 1, steps + 1))
    sum_c2 = np.zeros_like(sum_c)
    for batch in range(64 * batches if rtol is not None else batches):
        rng = np.random.default_rng([seed, batch])
        correlation, flip = sample_population(j, steps, p, std, trajectories, rng)
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


def sample_population(
    j: float, steps: int, p: float, std: float, trajectories: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """One self-consistent population: its correlation matrix and conditional flip probabilities.

    Parameters
    ----------
    j : float
        Self-coupling J_D.
    steps : int
        Length of the run.
    p, std : float
        Update fraction and standard deviation of the fields.
    trajectories : int
        Size of the population.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    correlation : ndarray, shape (steps + 1, steps + 1)
        C(t, t').
    flip : ndarray, shape (steps,)
        Flip fraction per step.
    """
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
