"""Where the dynamics freezes: the self-coupling at which the flip fraction settles at zero.

Below it a large network keeps a finite fraction of its neurons flipping for ever; above it the
activity dies out.  The plateaus of the flip fraction, of the infinite network or of simulated
ones, are extrapolated to zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from binnet._validation import FloatArray, check_integer, check_real, check_reals
from binnet.theory import _checks
from binnet.theory._overshoot import overshoot_of_groups, overshoot_of_subsets
from binnet.theory._population import Dynamics, sample_population
from binnet.theory.dmft import MAX_STEPS, check_batches, check_dynamics

_MOST_BATCHES = 8  # times n_batches: what `rtol` may spend
_LEAST_FLIPS = 60  # per sweep of a population on the default grid: fewer may die out by chance
_N_GRID = 6
_PER_VARIANCE = 480  # trajectories: about 200 then flip per sweep where J_D = 0


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
    grid: ArrayLike,
    plateau: ArrayLike,
    plateau_error: ArrayLike,
    *,
    slope: float | None = None,
    seed: int = 0,
) -> Freezing:
    r"""Extrapolate plateaus of the flip fraction to zero, from theory or from simulations.

    Close to freezing the plateau f obeys :math:`J_D = J_D^{freeze} - c \sqrt f + d f`
    (docs/model/theory.md, eq. (5.7)), which is fitted by weighted least squares, with d = 0 unless
    c is known.  The error combines resampling of the plateaus within their errors and the largest
    change for other fits (without the two lowest J_D, and with one power of sqrt(f) more or less).

    Parameters
    ----------
    grid : array_like, shape (n,)
        At least five increasing self-couplings J_D.
    plateau, plateau_error : array_like, shape (n,)
        Flip fraction per sweep that the dynamics settles at, above 3e-5, and its standard error.
    slope : float, optional
        c, where it is known; see `plateau_slope`.
    seed : int, default 0
        Seed of the resampling.

    Returns
    -------
    Freezing
        The threshold, its error and the data behind it.

    Raises
    ------
    ValueError
        For fewer than five self-couplings, unequal shapes, or a plateau that is not there or does
        not fall.
    """
    x = _checked_grid(grid)
    f = check_reals("plateau", plateau, 3e-5, 1.0, remedy="take a grid further below freezing")
    spread = check_reals("plateau_error", plateau_error, 0.0)
    if not x.shape == f.shape == spread.shape:
        raise ValueError(
            f"grid, plateau and plateau_error must have one shape, got {x.shape}, {f.shape} and "
            f"{spread.shape}"
        )
    if slope is not None:
        slope = check_real("slope", slope, 0.0, above=True)
    rng = np.random.default_rng(check_integer("seed", seed, 0, None))
    # errors of sqrt(f); none may have all the weight
    weight = 1.0 / (spread / (2 * np.sqrt(f)) + 1e-3 * np.sqrt(f))
    degree = 1 if slope is None else 2
    best = _limit(x, f, weight, degree, slope)
    if not f[-1] < f[0] or not x[-1] - 0.05 < best < x[-1] + 0.6:
        raise ValueError(
            "the plateaus do not fall towards zero within 0.6 of the largest self-coupling; "
            "take a grid closer to freezing"
        )
    drawn = np.maximum(f + spread * rng.standard_normal((200, f.size)), 1e-12)
    resampled = [_limit(x, row, weight, degree, slope) for row in drawn]
    other_degree = 2 if slope is None else 1
    others = [
        _limit(x[2:], f[2:], weight[2:], degree, slope),
        _limit(x, f, weight, other_degree, slope),
    ]
    error = np.hypot(np.std(resampled), np.abs(np.subtract(others, best)).max())
    return Freezing(best, float(error), x, f, spread)


def _checked_grid(grid: ArrayLike) -> FloatArray:
    """Return at least five increasing self-couplings."""
    couplings = _checks.self_coupling(grid)
    if couplings.ndim != 1 or couplings.size < 5 or np.any(np.diff(couplings) <= 0):
        raise ValueError(f"grid must hold at least five increasing self-couplings, got {grid!r}")
    return couplings


def _limit(
    j: FloatArray, f: FloatArray, weight: FloatArray, degree: int, slope: float | None
) -> float:
    """Value at f = 0 of a polynomial in sqrt(f) through J_D, whose slope may be known."""
    powers = [k for k in range(degree + 1) if slope is None or k != 1]
    root = np.sqrt(f)
    target = j if slope is None else j + slope * root
    table = root[:, None] ** np.array(powers)
    return float(np.linalg.lstsq(weight[:, None] * table, weight * target, rcond=None)[0][0])


def plateau_slope(update_fraction: float = 1.0, n_groups: int = 1) -> float:
    r"""Slope c with which the plateau f of the flips vanishes: sqrt(f) = (J_D^freeze - J_D) / c.

    Twice the mean overshoot of a random walk, in units of its step, that a neuron's field does
    between its updates (docs/model/theory.md, eqs. (5.6) and (5.7)): 1.1652 for the synchronous
    dynamics, sqrt(2) for small random subsets, 1.208 for the asynchronous dynamics.

    Parameters
    ----------
    update_fraction, n_groups : float and int, default 1
        As in `dynamical_cavity`.

    Returns
    -------
    float
        c.

    Raises
    ------
    ValueError
        For a probability or a number out of range.

    Examples
    --------
    >>> round(plateau_slope(), 4), round(plateau_slope(n_groups=16), 3)
    (1.1652, 1.208)
    """
    p, groups = _checks.update_order(update_fraction, n_groups)
    return 2.0 * (overshoot_of_subsets(p) if groups == 1 else overshoot_of_groups(groups))


def freezing_self_coupling(
    *,
    update_fraction: float = 1.0,
    n_groups: int = 1,
    field_std: float = 0.0,
    grid: ArrayLike | None = None,
    n_sweeps: int = 300,
    n_trajectories: int | None = None,
    n_batches: int = 8,
    rtol: float | None = None,
    seed: int = 0,
) -> Freezing:
    """Self-coupling at which the dynamics of the infinite network freezes.

    Measures the plateau of the flip fraction per sweep (mean over the second half of the run) at
    several J_D and extrapolates it to zero with `freezing_from_plateaus` and the slope of
    `plateau_slope`.  The threshold is the same for every update order.  Populations much closer to
    it than the default grid may freeze by chance, as finite networks do, and would bias the fit.

    Parameters
    ----------
    update_fraction, n_groups : float and int, default 1
        As in `dynamical_cavity`; times are counted in sweeps of 1/update_fraction or n_groups
        steps. Many groups approach the asynchronous dynamics.
    field_std : float, default 0
        Standard deviation sigma_b of static Gaussian external fields.
    grid : array_like, optional
        Self-couplings with a visible plateau, at least five, increasing. Default: short
        runs tell roughly where it vanishes; the grid lies below, where at least 60 trajectories
        flip per sweep.
    n_sweeps : int, default 300
        Length of each run, at least 20.
    n_trajectories : int, optional
        Trajectories per population. Default: 4000, but 480 (1 + sigma_b^2), up to 16000, in strong
        fields, where few flip.
    n_batches : int, default 8
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
    dynamics = check_dynamics(0.0, update_fraction, n_groups, field_std, 0.0)
    p, groups = dynamics.update_fraction, dynamics.n_groups
    steps = round(check_integer("n_sweeps", n_sweeps, 20) / p) * groups
    remedy = "n_sweeps / update_fraction, or n_sweeps * n_groups, counts them"
    steps = check_integer("number of steps", steps, 1, MAX_STEPS, remedy=remedy)
    if n_trajectories is None:
        n_trajectories = int(np.clip(_PER_VARIANCE * (1.0 + dynamics.field_std**2), 4000, 16000))
    trajectories = check_integer("n_trajectories", n_trajectories, 10)
    batches = check_batches(n_batches)
    seed = check_integer("seed", seed, 0, None)
    most = batches
    if rtol is not None:
        rtol, most = _checks.tolerance(rtol), _MOST_BATCHES * batches
    couplings = _choose_grid(dynamics, trajectories, seed) if grid is None else _checked_grid(grid)
    slope = plateau_slope(p, groups)
    means: list[list[float]] = [[] for _ in couplings]
    while True:
        for index, j in enumerate(couplings):
            for batch in range(len(means[index]), batches):
                rng = np.random.default_rng([seed, index, batch])
                now = dynamics._replace(self_coupling=float(j))
                flip = sample_population(now, steps, trajectories, rng).flip
                means[index].append(float(flip[steps // 2 :].mean()) / p * groups)
        plateau = np.mean(means, axis=1)
        error = np.std(means, axis=1, ddof=1) / np.sqrt(batches)
        result = freezing_from_plateaus(couplings, plateau, error, slope=slope, seed=seed)
        if rtol is None or result.error <= rtol * result.self_coupling:
            return result
        if batches >= most:
            raise ValueError(
                f"rtol={rtol:g} not reached: the error is {result.error:.2g} after {batches} "
                "populations; raise rtol, n_trajectories or the grid's largest self-coupling"
            )
        batches = min(2 * batches, most)


def _choose_grid(dynamics: Dynamics, n_trajectories: int, seed: int) -> FloatArray:
    """Return self-couplings with a plateau, from short synchronous runs far below freezing."""
    slope, j = plateau_slope(), 0.0
    for run in range(2):
        now = dynamics._replace(self_coupling=j, update_fraction=1.0, n_groups=1)
        rng = np.random.default_rng([seed, run])
        plateau = sample_population(now, 60, n_trajectories, rng).flip[30:].mean()
        freezing = j + slope * np.sqrt(plateau)
        j = 0.5 * freezing
    top = freezing / slope  # the root of the flip fraction where J_D = 0, if all was a line
    low = max(0.12 * top, np.sqrt(_LEAST_FLIPS / n_trajectories))
    if low > 0.8 * top:
        raise ValueError(
            f"n_trajectories = {n_trajectories} are too few for field_std = "
            f"{dynamics.field_std:g}, where only {top**2 * n_trajectories:.3g} of them flip per "
            f"sweep at J_D = 0; take at least {2 * _LEAST_FLIPS / top**2:.0f}"
        )
    high = min(max(0.4 * top, low + 0.2 * top), top)
    return np.asarray(slope * (top - np.linspace(high, low, _N_GRID)))
