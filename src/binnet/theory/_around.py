"""How many fixed points of one network lie at a given distance of a given state.

Belief propagation with a prior field along the state, on the spins and not on the dynamics, whose
strength is set so that the fixed points that it counts lie at that distance on average: the
Franz-Parisi entropy of one network, around a state that need not be a fixed point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from binnet._validation import FloatArray, check_integer, check_real, check_reals, check_spins
from binnet.theory import _checks
from binnet.theory._messages import Instance, Messages, Settled

_STRONGEST = 20.0  # tie: beyond, neurons would be held against fields that pin them
_OFF = 1e-6  # largest difference of the distance reached from the one asked for
_ATTEMPTS = 3  # each keeps more of the old messages than the one before


class Around(NamedTuple):
    """Fixed points around a state, at n distances; entropies in nats per neuron.

    Parameters
    ----------
    entropy : ndarray, shape (n,)
        (1/N) log of the estimated number of fixed points at the distance; negative where fewer
        than one is expected, nan where the messages did not settle.
    distance : ndarray, shape (n,)
        Hamming distance over N that was reached, the one asked for if the messages settled.
    tie : ndarray, shape (n,)
        Strength gamma of the prior field along the state that leads there, half the slope of the
        entropy in the distance; negative beyond the distance at which most fixed points lie.
    converged : ndarray of bool, shape (n,)
        Whether the messages settled, at the distance asked for.
    n_iterations : ndarray of int, shape (n,)
        Iterations used, of all attempts.
    error : ndarray, shape (n,)
        Change of the entropy in the last iteration, an estimate of its numerical error.
    """

    entropy: FloatArray
    distance: FloatArray
    tie: FloatArray
    converged: NDArray[np.bool_]
    n_iterations: NDArray[np.int64]
    error: FloatArray


def around(
    couplings: ArrayLike,
    self_coupling: ArrayLike,
    state: ArrayLike,
    distance: ArrayLike,
    *,
    margin: float = 0.0,
    field: ArrayLike = 0.0,
    rtol: float = 1e-6,
    damping: float = 0.3,
    max_iterations: int = 300,
    rng: np.random.Generator | int | None = None,
) -> Around:
    r"""Number of fixed points of one network at a distance of a state, by message passing.

    Every neuron gets the prior field :math:`\gamma s^*_i`, with the :math:`\gamma` at which the
    mean overlap with the state is p = 1 - 2d.  The Bethe entropy that belongs to it estimates
    (1/N) log of the number of fixed points at Hamming distance d N of the state.  Distances are
    solved in the order given, each from the messages of the last one that settled: give them in
    steps.  Where messages do not settle they are damped more, twice; then the entropy is nan.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal; float32 halves the time.
    self_coupling : array_like, shape (N,) or scalar
        J_D >= 0, of all neurons or of each.
    state : array_like, shape (N,)
        The state s* of +-1, a fixed point or not.
    distance : array_like, shape (n,) or scalar
        Distances 0 < d < 1, in neurons that differ over N.
    margin : float, default 0
        Stability kappa that every neuron of a fixed point must exceed.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.
    rtol : float, default 1e-6
        Largest change of a magnetisation, and of the entropy, at which the iteration stops.
    damping : float, default 0.3
        Share of the old messages kept in each step at first, 0 <= damping < 1.
    max_iterations : int, default 300
        Iterations after which an attempt gives up.
    rng : numpy.random.Generator or int, optional
        Start from small random messages (1e-3) instead of none.

    Returns
    -------
    Around
        Entropy, distance and tie, and how each distance converged.

    Raises
    ------
    ValueError
        For a distance outside (0, 1), a state that is not +-1, J_D < 0 or couplings that are no
        square matrix.

    References
    ----------
    docs/model/theory.md, eq. (6.15); Franz, Parisi, J. Phys. I France 5, 1401 (1995).

    Examples
    --------
    >>> couplings = np.random.default_rng(1).standard_normal((200, 200)) / np.sqrt(200)
    >>> np.fill_diagonal(couplings, 0.0)
    >>> found = around(couplings, 0.5, np.ones(200), [0.5, 0.4])
    >>> bool(found.converged.all()), bool(found.entropy[0] > found.entropy[1] > 0)
    (True, True)
    """
    rtol = _checks.tolerance(rtol)
    damping = check_real("damping", damping, 0.0, 1.0, below=True)
    max_iterations = check_integer("max_iterations", max_iterations, 1)
    instance = Instance(couplings, self_coupling, field, exact=True, margin=margin)
    spins = check_spins("state", np.atleast_2d(state), instance.n)[0].astype(np.float64)
    remedy = (
        "in neurons that differ over N; `count_unstable` tells whether the state is a fixed point"
    )
    distances = np.atleast_1d(
        check_reals("distance", distance, 0.0, 1.0, above=True, below=True, remedy=remedy)
    )
    if distances.ndim != 1:
        raise ValueError(
            f"distance must be a number or have shape (n,), got shape {distances.shape}"
        )
    start = instance.start(np.random.default_rng(rng), 0.0 if rng is None else 1e-3)
    rows = []
    for d in distances:
        row, end = _at_distance(instance, spins, float(d), start, damping, rtol, max_iterations)
        start = end.messages if row[3] else start
        rows.append(row)
    return Around(*(np.array(column) for column in zip(*rows, strict=True)))


def _at_distance(
    instance: Instance,
    spins: FloatArray,
    distance: float,
    start: Messages,
    damping: float,
    rtol: float,
    max_iterations: int,
) -> tuple[tuple[float, float, float, bool, int, float], Settled]:
    """One row of the result, and the messages where it ends."""

    def find_drive(field: FloatArray) -> FloatArray:
        return _find_tie(spins * field, 1.0 - 2.0 * distance) * spins

    n_iterations = 0
    for _ in range(_ATTEMPTS):
        with np.errstate(over="ignore", invalid="ignore"):  # what runs away does not settle
            end = instance.settle(start, damping, rtol, max_iterations, find_drive)
        n_iterations += end.n_iterations
        tie = float(end.messages.drive @ spins) / instance.n
        reached = 0.5 * (1.0 - float(np.mean(spins * np.tanh(end.messages.total))))
        converged = end.converged and abs(reached - distance) < _OFF
        if converged:
            break
        damping = 0.5 * (1.0 + damping)
    entropy = end.entropy if converged else np.nan
    return (entropy, reached, tie, converged, n_iterations, end.drift + 1e-15), end


def _find_tie(along: FloatArray, overlap: float) -> float:
    """Tie at which the mean of tanh(along + tie) is the overlap, or the strongest tie toward it."""
    target = overlap * along.size

    def rest(tie: float) -> float:
        return float(np.tanh(along + tie).sum()) - target

    if rest(-_STRONGEST) >= 0.0:
        return -_STRONGEST
    if rest(_STRONGEST) <= 0.0:
        return _STRONGEST
    return float(optimize.brentq(rest, -_STRONGEST, _STRONGEST, xtol=1e-12))
