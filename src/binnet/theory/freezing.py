"""Where the dynamics freezes: the self-coupling at which the flip fraction settles at zero.

Below it a large network keeps a finite fraction of its neurons flipping for ever; above it the
activity dies out.  The plateaus of the flip fraction, of the infinite network or of simulated
ones, are extrapolated to zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from binnet._validation import FloatArray, check_integer, check_reals
from binnet.theory import _checks
from binnet.theory.dmft import MAX_STEPS, sample_population

_MOST_BATCHES = 8  # times n_batches: what `rtol` may spend


class Freezing(NamedTuple):
    """Self-coupling at which the plateau of the flip fraction vanishes.

    Parameters
    ----------
    self_coupling, error : float
        The threshold and its standard error (sampling and choice of the fit).
    grid, plateau, plateau_error : ndarray, shape (n,)
        The plateaus that were extrapolated.
    """

    self_coupling: float
    error: float
    grid: FloatArray
    plateau: FloatArray
    plateau_error: FloatArray


def freezing_from_plateaus(
    grid: ArrayLike, plateau: ArrayLike, plateau_error: ArrayLike, *, seed: int = 0
) -> Freezing:
    r"""Extrapolate plateaus of the flip fraction to zero, from theory or from simulations.

    The plateau f vanishes about quadratically, so a line is fitted to :math:`\sqrt f`.  The error
    combines resampling of the plateaus within their errors and the largest change for other fits
    (without the two lowest J_D, and with a parabola).

    Parameters
    ----------
    grid : array_like, shape (n,)
        At least five increasing self-couplings J_D.
    plateau, plateau_error : array_like, shape (n,)
        Flip fraction per sweep that the dynamics settles at, above 3e-5, and its standard error.
    seed : int, default 0
        Seed of the resampling.

    Returns
    -------
    Freezing
        The threshold, its error and the data behind it.

    Raises
    ------
    ValueError
        For fewer than five self-couplings, unequal shapes, or a plateau that is not there.
    """
    x = _checked_grid(grid)
    f = check_reals("plateau", plateau, 3e-5, 1.0, remedy="take a grid further below freezing")
    spread = check_reals("plateau_error", plateau_error, 0.0)
    if not x.shape == f.shape == spread.shape:
        raise ValueError(
            f"grid, plateau and plateau_error must have one shape, got {x.shape}, {f.shape} and "
            f"{spread.shape}"
        )
    rng = np.random.default_rng(check_integer("seed", seed, 0, None))
    best = _zero(x, f, 1)
    resampled = [_zero(x, f + spread * rng.standard_normal(f.size), 1) for _ in range(200)]
    others = np.array([_zero(x[2:], f[2:], 1), _zero(x, f, 2)])
    if not np.isfinite(best):
        raise ValueError(
            "the plateaus do not fall towards zero within 0.6 of the largest self-coupling; "
            "take a grid closer to freezing"
        )
    other = np.abs(others - best)[np.isfinite(others)].max(initial=0.0)
    return Freezing(best, float(np.hypot(np.nanstd(resampled), other)), x, f, spread)


def _checked_grid(grid: ArrayLike) -> FloatArray:
    """Return at least five increasing self-couplings."""
    couplings = _checks.self_coupling(grid)
    if couplings.ndim != 1 or couplings.size < 5 or np.any(np.diff(couplings) <= 0):
        raise ValueError(f"grid must hold at least five increasing self-couplings, got {grid!r}")
    return couplings


def _zero(x: FloatArray, f: FloatArray, degree: int) -> float:
    """Where a polynomial through sqrt(f) vanishes; nan if it turns before."""
    fit = np.polynomial.Polynomial.fit(x, np.sqrt(np.maximum(f, 1e-12)), degree)
    try:
        return float(optimize.brentq(fit, x[-1] - 0.05, x[-1] + 0.6))
    except ValueError:
        return np.nan


def freezing_self_coupling(
    *,
    update_fraction: float = 1.0,
    grid: ArrayLike | None = None,
    n_sweeps: int = 300,
    n_trajectories: int = 4000,
    n_batches: int = 8,
    rtol: float | None = None,
    seed: int = 0,
) -> Freezing:
    """Self-coupling at which the dynamics of the infinite network freezes.

    Measures the plateau of the flip fraction per sweep (mean over the second half of the run) at
    several J_D and extrapolates it to zero with `freezing_from_plateaus`.  Populations much closer
    to the threshold than the default grid may freeze by chance, as finite networks do, and would
    bias the fit.

    Parameters
    ----------
    update_fraction : float, default 1
        As in `dynamical_cavity`; times are counted in sweeps of 1/update_fraction steps.
    grid : array_like, optional
        Self-couplings with a visible plateau, at least five, increasing; default 0.5 to 0.7.
    n_sweeps : int, default 300
        Length of each run, at least 20.
    n_trajectories, n_batches : int
        As in `dynamical_cavity`.
    rtol : float, optional
        Double the populations (up to 8 times `n_batches`) until the error is below `rtol` times
        the threshold.
    seed : int, default 0
        Seed; equal seeds give equal numbers.

    Returns
    -------
    Freezing
        The threshold, its error and the data behind it.

    Raises
    ------
    ValueError
        For parameters out of range, a grid without plateau, or an accuracy that is not reached.
    """
    couplings = _checked_grid(np.linspace(0.5, 0.7, 5) if grid is None else grid)
    p = _checks.update_fraction(update_fraction)
    steps = round(check_integer("n_sweeps", n_sweeps, 20) / p)
    remedy = "n_sweeps / update_fraction counts them"
    steps = check_integer("number of steps", steps, 1, MAX_STEPS, remedy=remedy)
    trajectories = check_integer("n_trajectories", n_trajectories, 10)
    remedy = "errors come from the spread of populations"
    batches = check_integer("n_batches", n_batches, 2, remedy=remedy)
    seed = check_integer("seed", seed, 0, None)
    most = batches
    if rtol is not None:
        rtol, most = _checks.tolerance(rtol), _MOST_BATCHES * batches
    means: list[list[float]] = [[] for _ in couplings]
    while True:
        for index, j in enumerate(couplings):
            for batch in range(len(means[index]), batches):
                rng = np.random.default_rng([seed, index, batch])
                flip = sample_population(float(j), steps, p, 0.0, trajectories, rng)[1]
                means[index].append(float(flip[steps // 2 :].mean()) / p)
        plateau = np.mean(means, axis=1)
        error = np.std(means, axis=1, ddof=1) / np.sqrt(batches)
        result = freezing_from_plateaus(couplings, plateau, error, seed=seed)
        if rtol is None or result.error <= rtol * result.self_coupling:
            return result
        if batches >= most:
            raise ValueError(
                f"rtol={rtol:g} not reached: the error is {result.error:.2g} after {batches} "
                "populations; raise rtol, n_trajectories or the grid's largest self-coupling"
            )
        batches = min(2 * batches, most)
