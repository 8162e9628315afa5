"""The dynamics of an infinite network, from a single neuron in a self-consistent Gaussian field.

With independent J_ij and J_ji a neuron's past does not return to it through the network, so for
large N its field is exactly a Gaussian process whose covariance is the correlation of the spins.
Where they are correlated, the past returns through the response of the others.  Trajectories are
sampled step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray, check_integer, check_reals
from binnet.theory import _checks
from binnet.theory._population import Dynamics, Population, find_response, sample_population

MAX_STEPS = 20_000  # a matrix over pairs of them then takes 3 GB, and there are several


class DynamicalCavity(NamedTuple):
    """Dynamics of the infinite network; errors are standard errors over independent populations.

    Parameters
    ----------
    correlation : ndarray
        C(t, t') = <s(t) s(t')>, shape (n_steps + 1, n_steps + 1).
    flip_fraction : ndarray
        Fraction of neurons that change in step t -> t+1, shape (n_steps,).
    flip_error : ndarray
        Standard error of `flip_fraction`.
    correlation_error : float
        Largest standard error of `correlation`.
    response : ndarray
        R(t, t') = <ds(t) / dxi(t')>, shape (n_steps + 1, n_steps); 0 for t' >= t.
    response_error : float
        Largest standard error of `response`.
    unstable_fraction : ndarray
        Fraction of neurons with s(t) h(t) <= margin before step t -> t+1, shape (n_steps,), or
        (n_margins, n_steps) for an array of margins.
    unstable_error : ndarray
        Standard error of `unstable_fraction`.
    """

    correlation: FloatArray
    flip_fraction: FloatArray
    flip_error: FloatArray
    correlation_error: float
    response: FloatArray
    response_error: float
    unstable_fraction: FloatArray
    unstable_error: FloatArray


def dynamical_cavity(
    self_coupling: float,
    n_steps: int,
    *,
    update_fraction: float = 1.0,
    n_groups: int = 1,
    field_std: float = 0.0,
    symmetry: float = 0.0,
    margin: ArrayLike = 0.0,
    n_trajectories: int = 4000,
    n_batches: int = 8,
    rtol: float | None = None,
    seed: int = 0,
) -> DynamicalCavity:
    r"""Correlations, responses and flip fractions from a random start, for large N.

    .. math:: s(t+1) = \mathrm{sign}\Big( \xi(t) + \eta \sum_{t'<t} R(t,t') s(t') + J_D s(t) + b
              \Big), \qquad \langle\xi(t)\xi(t')\rangle = C(t,t') = \langle s(t)s(t')\rangle

    (docs/model/theory.md, eqs. (5.1) and (5.2)). xi is Gaussian with mean 0; its covariance grows
    by one row, and its Cholesky factor with it, per step. The response R(t, t') = <ds(t)/dxi(t')>
    follows from <s(t) xi(t'')> (Novikov). Flip fractions average the conditional probability of a
    flip given the past, which is less noisy than counting flips; so do the fractions of stabilities
    below a margin. Not all neurons need be updated in a step: a random subset
    (`update_fraction`), or one group of a partition after the other (`n_groups`).

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    n_steps : int
        Number of steps T >= 1 (time and memory grow as T^2 and T, times the trajectories; beyond
        some thousands T^2 dominates the memory, too).
    update_fraction : float, default 1
        Probability, 0 < p <= 1, that a neuron is updated in a step.
    n_groups : int, default 1
        Neurons are cut into so many groups of one size at random, anew in each sweep, which has one
        step for each group; many groups approach the asynchronous dynamics, see
        `asynchronous_cavity`.
    field_std : float, default 0
        Standard deviation of static Gaussian external fields b.
    symmetry : float, default 0
        Correlation eta of J_ij with J_ji, in [-1, 1].
    margin : float or array_like, default 0
        Margin kappa at which stabilities s h (self-coupling and field included) count as unstable.
    n_trajectories : int, default 4000
        Trajectories per population; C carries a bias of order 1/n_trajectories, and with symmetry
        the field one of order n_steps/n_trajectories.
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
        Correlations, responses, flip fractions and errors.

    Raises
    ------
    ValueError
        For J_D < 0, p outside (0, 1], eta outside [-1, 1], fewer than 2 populations, or an accuracy
        that 64 x n_batches miss.
    MemoryError
        For more steps and trajectories than there is memory for.

    References
    ----------
    Derrida, Gardner, Zippelius, Europhys. Lett. 4, 167 (1987), and Eissfeller, Opper, Phys. Rev.
    Lett. 68, 2094 (1992): exact dynamics of asymmetric networks, the sampling method and the
    retarded self-interaction.
    """
    dynamics = check_dynamics(self_coupling, update_fraction, n_groups, field_std, symmetry)
    steps = check_integer("n_steps", n_steps, 1, MAX_STEPS)
    kappa = check_reals("margin", margin)
    trajectories = check_integer("n_trajectories", n_trajectories, 10)
    batches = check_batches(n_batches)
    seed = check_integer("seed", seed, 0, None)
    if rtol is not None:
        rtol = _checks.tolerance(rtol)
    flips: list[FloatArray] = []
    unstable: list[FloatArray] = []
    correlation = _Mean((steps + 1, steps + 1))
    response = _Mean((steps + 1, steps))
    for batch in range(64 * batches if rtol is not None else batches):
        rng = np.random.default_rng([seed, batch])
        population = sample_population(dynamics, steps, trajectories, rng, kappa.ravel())
        flips.append(population.flip)
        unstable.append(population.unstable)
        correlation.add(population.correlation)
        response.add(_all_responses(population, dynamics))
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
    shape = (*kappa.shape, steps)
    return DynamicalCavity(
        correlation=correlation.value(),
        flip_fraction=np.mean(flips, axis=0),
        flip_error=np.asarray(error),
        correlation_error=correlation.largest_error(),
        response=response.value(),
        response_error=response.largest_error(),
        unstable_fraction=np.mean(unstable, axis=0).reshape(shape),
        unstable_error=(np.std(unstable, axis=0, ddof=1) / np.sqrt(n)).reshape(shape),
    )


def check_dynamics(
    self_coupling: float, update_fraction: float, n_groups: int, field_std: float, symmetry: float
) -> Dynamics:
    """Return what is sampled, if all of it is in its range.

    Parameters
    ----------
    self_coupling, update_fraction, n_groups, field_std, symmetry : float or int
        As in `dynamical_cavity`.

    Returns
    -------
    Dynamics
        The ensemble and the update order.

    Raises
    ------
    ValueError
        For a parameter out of range, or random subsets of groups.
    """
    return Dynamics(
        _checks.one_self_coupling(self_coupling),
        _checks.one_field_std(field_std),
        _checks.one_symmetry(symmetry),
        *_checks.update_order(update_fraction, n_groups),
    )


def check_batches(n_batches: int) -> int:
    """Return the number of populations, at least 2.

    Parameters
    ----------
    n_batches : int
        Independent populations.

    Returns
    -------
    int
        The same.

    Raises
    ------
    ValueError
        If there are fewer than 2.
    """
    return check_integer("n_batches", n_batches, 2, remedy="errors come from their spread")


class _Mean:
    """Mean of matrices of one shape, and its error, without keeping them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._n = 0
        self._sum, self._squares = np.zeros(shape), np.zeros(shape)

    def add(self, matrix: FloatArray) -> None:
        self._n += 1
        self._sum += matrix
        self._squares += matrix**2

    def value(self) -> FloatArray:
        return self._sum / self._n

    def largest_error(self) -> float:
        """Largest standard error of all elements."""
        variance = self._squares / self._n - self.value() ** 2
        return float(np.sqrt(max(np.max(variance), 0.0) / (self._n - 1)))


def _all_responses(population: Population, dynamics: Dynamics) -> FloatArray:
    """Return R(t, t') of one population, shape (T + 1, T)."""
    overlaps = population.overlaps
    if not dynamics.symmetry:  # nobody needed them on the way: all at once
        indirect = population.spins @ population.noise.T / population.noise.shape[1]
        overlaps = overlaps + np.tril(indirect, -2)
    return find_response(population.factor, overlaps)
