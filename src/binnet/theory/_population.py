"""One population of neurons in the self-consistent field of an infinite network, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg, special

from binnet._memory import check_memory
from binnet._validation import FloatArray

_PIVOT_MIN = 1e-10  # floor of the innovation variance: a frozen process repeats its field
_FROZEN = 1e100  # its pivot afterwards: a direction without news has no part in what follows


class Dynamics(NamedTuple):
    """What is sampled: the ensemble and the update order.

    Parameters
    ----------
    self_coupling, field_std, symmetry : float
        J_D, sigma_b and eta.
    update_fraction : float
        Probability that a neuron is updated in a step, if there is one group.
    n_groups : int
        Groups of a fresh random partition that are updated one after the other; a sweep has so
        many steps.
    """

    self_coupling: float
    field_std: float = 0.0
    symmetry: float = 0.0
    update_fraction: float = 1.0
    n_groups: int = 1


class Population(NamedTuple):
    """What one population shows.

    Parameters
    ----------
    correlation : ndarray, shape (T + 1, T + 1)
        C(t, t').
    flip : ndarray, shape (T,)
        Fraction that changes in a step, averaged as a conditional probability.
    unstable : ndarray, shape (n_margins, T)
        Fraction with s h <= kappa before a step, likewise.
    overlaps : ndarray, shape (T + 1, T)
        <s(t) z(t')>, z being the innovations of the field. Without symmetry only the direct ones,
        of z(t - 1), are filled in.
    factor : ndarray, shape (T, T)
        Cholesky factor of C, which takes z to the field.
    spins, noise : ndarray, shape (T + 1, K) and (T, K)
        The trajectories and their innovations.
    """

    correlation: FloatArray
    flip: FloatArray
    unstable: FloatArray
    overlaps: FloatArray
    factor: FloatArray
    spins: FloatArray
    noise: FloatArray


def sample_population(
    dynamics: Dynamics,
    n_steps: int,
    n_trajectories: int,
    rng: np.random.Generator,
    margins: FloatArray | None = None,
) -> Population:
    """Sample trajectories whose field has the correlation and the response that they show.

    Parameters
    ----------
    dynamics : Dynamics
        Ensemble and update order.
    n_steps, n_trajectories : int
        T and K.
    rng : numpy.random.Generator
        Source of randomness.
    margins : ndarray, shape (n_margins,), optional
        Margins kappa at which the stabilities are counted.

    Returns
    -------
    Population
        Correlation, flips, stabilities and what the response follows from.

    Raises
    ------
    MemoryError
        For more steps and trajectories than there is memory for.
    """
    n_bytes = 16.0 * n_steps * n_trajectories + 24.0 * n_steps**2
    check_memory(f"{n_steps} steps of {n_trajectories} trajectories", n_bytes, "take fewer")
    j, eta = dynamics.self_coupling, dynamics.symmetry
    spins = np.empty((n_steps + 1, n_trajectories))
    spins[0] = rng.choice([-1.0, 1.0], n_trajectories)
    std = dynamics.field_std
    bias = std * rng.standard_normal(n_trajectories) if std > 0 else 0.0
    noise = np.empty((n_steps, n_trajectories))
    factor = np.zeros((n_steps, n_steps))
    correlation = np.ones((n_steps + 1, n_steps + 1))
    overlaps = np.zeros((n_steps + 1, n_steps))
    flip = np.empty(n_steps)
    margins = np.empty(0) if margins is None else margins
    unstable = np.empty((margins.size, n_steps))
    updates = _Updates(dynamics, n_trajectories, rng)
    for t in range(n_steps + 1):
        now = spins[t]
        correlation[t, : t + 1] = correlation[: t + 1, t] = spins[: t + 1] @ now / n_trajectories
        if t == n_steps:
            break
        # xi(t) = row . (past noise) + innovation: one more row of the Cholesky factor of C
        row = (
            linalg.solve_triangular(factor[:t, :t], correlation[t, :t], lower=True)
            if t
            else np.empty(0)
        )
        pivot = correlation[t, t] - row @ row
        innovation = np.sqrt(max(pivot, _PIVOT_MIN))
        factor[t, :t], factor[t, t] = row, innovation if pivot > _PIVOT_MIN else _FROZEN
        expected = row @ noise[:t]
        if eta and t:
            response = find_response(factor[:t, :t], overlaps[t, :t])
            expected = expected + eta * (response @ spins[:t])
        noise[t] = rng.standard_normal(n_trajectories)
        stable = now * (expected + bias)
        chance = updates.begin(t)
        changes = special.ndtr(-(j + stable) / innovation)
        flip[t] = _mean(chance, changes)
        for k, margin in enumerate(margins):
            below = special.ndtr((margin - j - stable) / innovation) if margin else changes
            unstable[k, t] = np.mean(below)
        field = expected + innovation * noise[t] + j * now + bias
        spins[t + 1] = np.where(field >= 0.0, 1.0, -1.0)  # sign(0) = +1
        updates.keep(t, now, spins[t + 1])
        # <s(t+1) z(t')>: averaged over the last innovation and over who is updated, which is less
        # noisy; that of z(t) itself is the density of the field at the threshold
        density = np.exp(-0.5 * ((j + stable) / innovation) ** 2) * np.sqrt(2 / np.pi)
        overlaps[t + 1, t] = _mean(chance, density)
        if eta and t:
            overlaps[t + 1, :t] = noise[:t] @ (now * (1.0 - 2.0 * chance * changes))
            overlaps[t + 1, :t] /= n_trajectories
    return Population(correlation, flip, unstable, overlaps, factor, spins, noise)


def find_response(factor: FloatArray, overlaps: FloatArray) -> FloatArray:
    """Return R(t, t') from <s(t) z(t')>, both (..., T), with the factor (T, T) of C."""
    return np.asarray(linalg.solve_triangular(factor, overlaps.T, trans=1, lower=True).T)


class _Updates:
    """Who is updated in which step."""

    def __init__(self, dynamics: Dynamics, n: int, rng: np.random.Generator) -> None:
        self._fraction, self._n_groups = dynamics.update_fraction, dynamics.n_groups
        self._n, self._rng = n, rng
        self._group = np.zeros(n, dtype=np.int64)

    def begin(self, t: int) -> float | FloatArray:
        """Return the probability that a neuron is updated in step t, given its past."""
        if self._n_groups == 1:
            return self._fraction
        turn = t % self._n_groups
        if turn == 0:  # groups of one size
            self._group = self._rng.permutation(self._n) % self._n_groups
        # whoever has not had its turn yet has it now with equal probability
        return np.where(self._group >= turn, 1.0 / (self._n_groups - turn), 0.0)

    def keep(self, t: int, now: FloatArray, new: FloatArray) -> None:
        """Take back the new states of those whose turn it is not."""
        if self._n_groups > 1:
            kept = self._group != t % self._n_groups
        elif self._fraction < 1.0:
            kept = self._rng.random(self._n) >= self._fraction
        else:
            return
        new[kept] = now[kept]


def _mean(chance: float | FloatArray, values: FloatArray) -> float:
    """Mean of a product, whose first factor may be one number."""
    if isinstance(chance, float):
        return chance * float(np.mean(values))
    return float(np.mean(chance * values))
