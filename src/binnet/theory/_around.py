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
from binnet.theory._messages import Instance, Messages

_STRONGEST = 20.0  # tie: beyond, neurons would be held against fields that pin them
_OFF = 1e-6  # largest difference of the distance reached from the one asked for
_SLOWER, _LONGER = 6.0, 3  # the second attempt: smaller steps, more of them
_CAREFUL = 2.0  # the same, where the tie is changed
_STEP, _STEPS = 0.25, 4  # of the tie beyond the last distance that settled; each step is doubled
_NONE = 3.0  # e^-3 fixed points expected are none


class Around(NamedTuple):
    """Fixed points around a state, at n distances; entropies in nats per neuron.

    Parameters
    ----------
    entropy : ndarray, shape (n,)
        (1/N) log of the estimated number of fixed points at the distance; negative where fewer
        than one is expected, nan where the messages did not settle.
    distance : ndarray, shape (n,)
        Hamming distance over N of the fixed points counted, that asked for; nan as the entropy.
    tie : ndarray, shape (n,)
        Strength gamma of the prior field along the state that leads there, half the slope of the
        entropy in the distance; negative beyond the distance at which most fixed points lie, nan
        as the entropy.
    converged : ndarray of bool, shape (n,)
        Whether the messages settled, at the distance asked for.
    n_iterations : ndarray of int, shape (n,)
        Iterations used, of all attempts.
    error : ndarray, shape (n,)
        Change of the entropy in the last iteration, an estimate of its numerical error.
    bound : ndarray, shape (n,)
        Upper bound of the entropy by the tangents at settled points: where it is negative no fixed
        points are expected, although the messages may not have settled.
    """

    entropy: FloatArray
    distance: FloatArray
    tie: FloatArray
    converged: NDArray[np.bool_]
    n_iterations: NDArray[np.int64]
    error: FloatArray
    bound: FloatArray


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
    solved in the order given, each from the messages of the closest one that settled.  Where
    messages do not settle, the tie is changed in steps for a `bound` of the entropy; if that leaves
    room for fixed points, there is a second attempt with steps of a sixth and three times the
    iterations.  Where nothing helps the entropy is nan.

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
    spins = check_spins("state", np.asarray(state)[None], instance.n)[0].astype(np.float64)
    remedy = (
        "in neurons that differ over N; `count_unstable` tells whether the state is a fixed point"
    )
    distances = np.atleast_1d(
        check_reals("distance", distance, 0.0, 1.0, above=True, below=True, remedy=remedy)
    )
    if distances.ndim != 1 or not distances.size:
        raise ValueError(
            f"distance must be a number or have shape (n,) with n >= 1, got shape {distances.shape}"
        )
    start = instance.start(np.random.default_rng(rng), 0.0 if rng is None else 1e-3)
    curve = _Curve(instance, spins, start, damping, rtol, max_iterations)
    rows = [curve.find(float(d)) for d in distances]
    bound = np.array([curve.bound(float(d)) for d in distances])
    entropy, reached, tie, converged, n_iterations, error = map(np.array, zip(*rows, strict=True))
    return Around(entropy, reached, tie, converged, n_iterations, error, bound)


class _Point(NamedTuple):
    """Where messages settled, or did not."""

    messages: Messages
    entropy: float
    distance: float
    tie: float
    settled: bool
    n_iterations: int
    drift: float

    def tangent(self, distance: float) -> float:
        return self.entropy + 2.0 * self.tie * (distance - self.distance)


class _Curve:
    """The entropy as a function of the distance, point by point."""

    def __init__(
        self,
        instance: Instance,
        spins: FloatArray,
        start: Messages,
        damping: float,
        rtol: float,
        max_iterations: int,
    ) -> None:
        self._instance, self._spins, self._start = instance, spins, start
        self._damping, self._rtol, self._max_iterations = damping, rtol, max_iterations
        self._points: list[_Point] = []  # settled
        self._hopeless = False  # nothing settled where all was tried: try less at the others

    def bound(self, distance: float) -> float:
        """Least of the tangents: the sum over all states is more than that at any distance."""
        return min((point.tangent(distance) for point in self._points), default=np.inf)

    def find(self, distance: float) -> tuple[float, float, float, bool, int, float]:
        """Entropy, distance, tie, whether the messages settled, iterations and error."""
        n_iterations = 0
        for slower, longer in ((1.0, 1), (_SLOWER, _LONGER)):
            if self._is_empty(distance) or (slower > 1.0 and self._hopeless):
                break
            start = self._closest(distance).messages if self._points else self._start
            point = self._settle(start, slower, longer, distance=distance)
            n_iterations += point.n_iterations
            if point.settled and abs(point.distance - distance) < _OFF:
                self._keep(point)
                error = point.drift + 1e-15
                return point.entropy, point.distance, point.tie, True, n_iterations, error
            if slower == 1.0 and not self._hopeless:
                n_iterations += self._approach(distance)
        self._hopeless = not self._points
        return np.nan, np.nan, np.nan, False, n_iterations, np.nan

    def _approach(self, distance: float) -> int:
        """Change the tie from that of the closest point in steps, for tangents; iterations used."""
        n_iterations, step = 0, _STEP
        if not self._points:
            point = self._settle(self._start, _CAREFUL, 1, tie=0.0)
            n_iterations += point.n_iterations
            if not self._keep(point):
                return n_iterations
        point = self._closest(distance)
        toward = 1.0 if distance < point.distance else -1.0
        for _ in range(_STEPS):
            tie = point.tie + toward * step
            point = self._settle(point.messages, _CAREFUL, 1, tie=tie)
            n_iterations += point.n_iterations
            if not self._keep(point) or self._is_empty(distance):
                break
            step *= 2.0
        return n_iterations

    def _closest(self, distance: float) -> _Point:
        return min(self._points, key=lambda point: abs(point.distance - distance))

    def _is_empty(self, distance: float) -> bool:
        return bool(self.bound(distance) < -_NONE / self._instance.n)

    def _keep(self, point: _Point) -> bool:
        """Keep what settled, unless it misses fixed points that others have found."""
        slack = 1.0 / self._instance.n
        misses = [point.tangent(other.distance) < other.entropy - slack for other in self._points]
        if any(misses) or not point.settled:
            return False
        self._points.append(point)
        return True

    def _settle(
        self,
        start: Messages,
        slower: float,
        longer: int,
        *,
        distance: float = 0.0,
        tie: float | None = None,
    ) -> _Point:
        """Settle at a distance, or with a tie, in smaller steps and more of them."""
        instance, spins = self._instance, self._spins
        damping = 1.0 - (1.0 - self._damping) / slower

        def find_drive(field: FloatArray) -> FloatArray:
            chosen = _find_tie(spins * field, 1.0 - 2.0 * distance) if tie is None else tie
            return chosen * spins

        with np.errstate(over="ignore", invalid="ignore"):  # what runs away does not settle
            end = instance.settle(
                start, damping, self._rtol, longer * self._max_iterations, find_drive
            )
        reached = 0.5 * (1.0 - float(np.mean(spins * np.tanh(end.messages.total))))
        strength = float(end.messages.drive @ spins) / instance.n
        return _Point(
            end.messages, end.entropy, reached, strength, end.converged, end.n_iterations, end.drift
        )


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
