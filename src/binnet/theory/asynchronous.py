"""The asynchronous dynamics of an infinite network, as a limit of group after group.

In a sweep every neuron is updated once, in a fresh random order.  With n groups that follow one
another, drawn anew in each sweep, the members of one group do not see each other's updates: an
error of order 1/n, which is extrapolated away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import FloatArray, check_integer, check_reals
from binnet.theory._population import Dynamics, sample_population
from binnet.theory.dmft import MAX_STEPS, check_batches, check_dynamics


class AsynchronousCavity(NamedTuple):
    """Asynchronous dynamics of the infinite network, sweep by sweep.

    Parameters
    ----------
    flip_fraction, flip_error, flip_extrapolation : ndarray, shape (n_sweeps,)
        Fraction of neurons that flip in a sweep; its standard error over populations, and the error
        of the extrapolation to single neurons.
    unstable_fraction, unstable_error, unstable_extrapolation : ndarray
        Fraction with s h <= margin before a sweep, shape (n_sweeps,), or (n_margins, n_sweeps) for
        an array of margins; its errors.
    correlation, correlation_error, correlation_extrapolation : ndarray
        C between the states at the beginning of the run and after each sweep, shape
        (n_sweeps + 1, n_sweeps + 1); its errors.
    n_groups : ndarray of int64, shape (n,)
        Groups per sweep that were extrapolated.
    group_flip_fraction, group_flip_error : ndarray, shape (n, n_sweeps)
        Flip fractions with so many groups, and their standard errors.
    """

    flip_fraction: FloatArray
    flip_error: FloatArray
    flip_extrapolation: FloatArray
    unstable_fraction: FloatArray
    unstable_error: FloatArray
    unstable_extrapolation: FloatArray
    correlation: FloatArray
    correlation_error: FloatArray
    correlation_extrapolation: FloatArray
    n_groups: NDArray[np.int64]
    group_flip_fraction: FloatArray
    group_flip_error: FloatArray


def asynchronous_cavity(
    self_coupling: float,
    n_sweeps: int,
    *,
    field_std: float = 0.0,
    symmetry: float = 0.0,
    margin: ArrayLike = 0.0,
    n_groups: Sequence[int] = (2, 4, 8, 16),
    n_trajectories: int = 4000,
    n_batches: int = 8,
    seed: int = 0,
) -> AsynchronousCavity:
    """Flip fractions and correlations of the asynchronous dynamics from a random start, large N.

    Each neuron is updated once in a sweep, in a fresh random order, as under the update order
    "async" of simulated networks (docs/model/network.md, section 9.2). Runs of `dynamical_cavity`
    with several `n_groups` are extrapolated to single neurons by a parabola in 1/n_groups; the
    error of that is the distance to a line through all but the fewest groups.

    Parameters
    ----------
    self_coupling : float
        J_D >= 0.
    n_sweeps : int
        Number of sweeps.
    field_std, symmetry, margin : float, or array_like for `margin`
        As in `dynamical_cavity`.
    n_groups : sequence of int, default (2, 4, 8, 16)
        At least four numbers of groups, increasing. Time grows as the square of the largest.
    n_trajectories, n_batches : int
        As in `dynamical_cavity`; populations for each number of groups.
    seed : int, default 0
        Seed; equal seeds give equal numbers.

    Returns
    -------
    AsynchronousCavity
        Flip fractions, unstable fractions and correlations with their errors.

    Raises
    ------
    ValueError
        For parameters out of range, or fewer than four numbers of groups.
    """
    given = n_groups if np.ndim(n_groups) else [n_groups]
    groups = [check_integer("n_groups", n, 1, MAX_STEPS) for n in given]
    if len(groups) < 4 or sorted(set(groups)) != groups:
        raise ValueError(
            f"n_groups must hold at least four increasing numbers, got {n_groups!r}; a parabola "
            "and its error need them"
        )
    remedy = f"a sweep has {groups[-1]} steps"
    sweeps = check_integer("n_sweeps", n_sweeps, 1, MAX_STEPS // groups[-1], remedy=remedy)
    dynamics = check_dynamics(self_coupling, 1.0, 1, field_std, symmetry)
    kappa = check_reals("margin", margin)
    trajectories = check_integer("n_trajectories", n_trajectories, 10)
    batches = check_batches(n_batches)
    seed = check_integer("seed", seed, 0, None)
    flips = np.empty((batches, len(groups), sweeps))
    unstable = np.empty((batches, len(groups), kappa.size, sweeps))
    correlation = np.empty((batches, len(groups), sweeps + 1, sweeps + 1))
    for batch in range(batches):
        for index, n in enumerate(groups):
            rng = np.random.default_rng([seed, batch, n])
            flips[batch, index], unstable[batch, index], correlation[batch, index] = (
                _sweep_by_sweep(
                    dynamics._replace(n_groups=n), sweeps, trajectories, kappa.ravel(), rng
                )
            )
    shape = (batches, len(groups), *kappa.shape, sweeps)
    return AsynchronousCavity(
        *_extrapolate(groups, flips),
        *_extrapolate(groups, unstable.reshape(shape)),
        *_extrapolate(groups, correlation),
        np.array(groups, dtype=np.int64),
        flips.mean(axis=0),
        flips.std(axis=0, ddof=1) / np.sqrt(batches),
    )


def _sweep_by_sweep(
    dynamics: Dynamics,
    n_sweeps: int,
    n_trajectories: int,
    margins: FloatArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return flips of each sweep, unstable fractions before it, and correlations after it."""
    n = dynamics.n_groups
    population = sample_population(dynamics, n_sweeps * n, n_trajectories, rng, margins)
    return (
        population.flip.reshape(n_sweeps, n).sum(axis=1),
        population.unstable[:, ::n],
        population.correlation[::n, ::n],
    )


def _extrapolate(
    groups: Sequence[int], values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return limit, standard error and extrapolation error of (n_batches, n_groups, ...)."""
    x = 1.0 / np.array(groups)
    weights = np.linalg.pinv(np.vander(x, 3, increasing=True))[0]
    other = np.append(0.0, np.linalg.pinv(np.vander(x[1:], 2, increasing=True))[0])
    limits, lines = (np.einsum("g,bg...->b...", w, values) for w in (weights, other))
    limit = limits.mean(axis=0)
    error = limits.std(axis=0, ddof=1) / np.sqrt(len(limits))
    return limit, error, np.abs(lines.mean(axis=0) - limit)
