"""The fixed-point conditions of a network as integers, and their exact decision.

The enumeration tests s_i F_i + slack >= 0 with integer fields F_i = sum_j G_ij s_j. Two kinds of
rows of J are told apart. In an *exact* row all couplings are integer multiples of one number
(16-bit networks, random signs, empty rows); the integers G are these multiples, and the condition
on F_i is equivalent to that on h_i. Any other row is put on a grid of 2**-28 of its sum |J_ij|, and
its slack is raised by the largest error of the grid: no fixed point is lost, and what may have
passed by this error alone is decided here, in rational arithmetic where float64 does not suffice.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.networks import RandomNetwork

_GRID = 2**28  # sum_j |G_ij|; with the slack, sums stay below 2**31
_LARGEST_MULTIPLE = 2**15  # of the couplings of an exact row
_SMALLEST_STEP = 2.0**-1000
_ROWS = 2**16  # states decided at a time
# Of a float64 field, relative to the sum of its terms' magnitudes: N <= 62 additions, 2**-53 each.
_ROUND_OFF = 62 * 2.0**-52


@dataclass(frozen=True)
class FixedPointConditions:
    """When a state is a fixed point: s_i F_i + slack[s_i] >= 0 for all i.

    Parameters
    ----------
    couplings : ndarray of int32, shape (N, N)
        G_ij at [i, j].
    slack : ndarray of int32, shape (2, N)
        For s_i = -1 and for s_i = +1.
    doubt : ndarray of int32, shape (N,)
        A sum s_i F_i + slack below it does not settle the condition.
    symmetric : bool
        Whether the conditions are those of -s as well (there are no external fields).
    strength : float
        Self-coupling over the standard deviation of the rest of the field (of a median neuron).
    """

    couplings: NDArray[np.int32]
    slack: NDArray[np.int32]
    doubt: NDArray[np.int32]
    symmetric: bool
    strength: float


class _Fields:
    """The fields of a network in the units in which its dynamics sums them, all values exact."""

    def __init__(self, network: RandomNetwork, margin: float) -> None:
        self_coupling, external = network.in_field_units()
        self.couplings = network.couplings.astype(np.float64)
        self.external = external.astype(np.float64)
        self.own = Fraction(float(self_coupling)) - Fraction(margin) / Fraction(network.scale)

    def decide(self, state: NDArray[np.int8], i: int) -> bool:
        """Whether neuron i stays: sign(h_i) = s_i with sign(0) = +1, in rational arithmetic."""
        up = state[i] > 0
        total = Fraction(self.external[i]) + (self.own if up else -self.own)
        for j in np.flatnonzero(self.couplings[i]):
            total += int(state[j]) * Fraction(self.couplings[i, j])
        return total >= 0 if up else total < 0


def make_conditions(network: RandomNetwork, margin: float) -> FixedPointConditions:
    """Return the conditions of a network whose fixed points shall have s_i h_i above `margin`."""
    fields = _Fields(network, margin)
    n, symmetric = network.n_neurons, not fields.external.any()
    couplings = np.zeros((n, n), np.int64)
    slack, doubt = np.zeros((2, n), np.int64), np.zeros(n, np.int64)
    for i in range(n):
        step, couplings[i], error = _to_grid(fields.couplings[i])
        # s = +1 stays if F >= -(J_D + b) / step, s = -1 if F < (J_D - b) / step.
        b = Fraction(fields.external[i])
        slack[1, i] = _within(floor((fields.own + b) / Fraction(step)))
        slack[0, i] = _within(ceil((fields.own - b) / Fraction(step)) - 1)
        if error:
            slack[:, i] += error
            doubt[i] = 2 * error + 2
        if symmetric:  # the two differ for F = J_D / step alone: let it pass, in doubt
            doubt[i] += slack[1, i] - slack[0, i]
            slack[0, i] = slack[1, i]
    largest = np.abs(couplings).sum(axis=1)
    # Squares of couplings of any scale would not fit.
    rms = np.median(np.hypot(np.hypot.reduce(fields.couplings, axis=1), fields.external))
    strength = float(fields.own) / rms if rms > 0 else np.inf
    return FixedPointConditions(
        couplings=couplings.astype(np.int32),
        slack=np.clip(slack, -largest - 1, largest + doubt + 1).astype(np.int32),
        doubt=doubt.astype(np.int32),
        symmetric=symmetric,
        strength=float(strength),
    )


def make_thresholds(
    network: RandomNetwork,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return when the neurons of a network are up after a sweep in which all are updated at once.

    Returns
    -------
    couplings : ndarray of int32, shape (N, N)
        G_ij at [i, j].
    thresholds : ndarray of int32, shape (2, N)
        The field F_i from which on neuron i will be up, if it is down and if it is up.
    doubt : ndarray of int32, shape (N,)
        A field closer to the threshold does not settle it.
    """
    fields = _Fields(network, 0.0)
    n = network.n_neurons
    couplings = np.zeros((n, n), np.int64)
    thresholds, doubt = np.zeros((2, n), np.int64), np.zeros(n, np.int64)
    for i in range(n):
        step, couplings[i], doubt[i] = _to_grid(fields.couplings[i])
        b = Fraction(fields.external[i])
        for up, own in enumerate((-fields.own, fields.own)):
            thresholds[up, i] = _within(ceil(-(own + b) / Fraction(step)))
    beyond = np.abs(couplings).sum(axis=1) + doubt + 1
    thresholds = np.clip(thresholds, -beyond, beyond)
    return couplings.astype(np.int32), thresholds.astype(np.int32), doubt.astype(np.int32)


def decide_successors(network: RandomNetwork, states: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which neurons are up after the states (n, N) were updated at once, exactly."""
    fields = _Fields(network, 0.0)
    own = float(fields.own)
    magnitude = np.abs(fields.couplings).sum(axis=1) + np.abs(fields.external) + abs(own)
    field = states @ fields.couplings.T + fields.external + own * states
    up = np.asarray(field >= 0)
    for k, i in np.argwhere(np.abs(field) <= _ROUND_OFF * magnitude):
        up[k, i] = fields.decide(states[k], i) == (states[k, i] > 0)
    return up


def _to_grid(row: NDArray[np.float64]) -> tuple[float, NDArray[np.int64], int]:
    """Return a step, the couplings of a row in such steps, and how many a field may be wrong by."""
    unit = _common_unit(row)
    step = unit or max(np.abs(row).sum() / _GRID, _SMALLEST_STEP)
    # Half a step for each coupling, and its rounding.
    return step, np.rint(row / step).astype(np.int64), 0 if unit else len(row) // 2 + 2


def _common_unit(row: NDArray[np.float64]) -> float | None:
    """Return a number of which all entries are small integer multiples, exactly, if it is seen."""
    present = np.abs(row[row != 0.0])
    if present.size == 0:
        return 1.0
    for unit in (1.0, float(present.min())):
        multiples = np.rint(present / unit)
        if multiples.max() <= _LARGEST_MULTIPLE and np.all(multiples * unit == present):
            pairs = zip(multiples, present, strict=True)  # the float products may be rounded
            if all(int(k) * Fraction(unit) == Fraction(x) for k, x in pairs):
                return unit
    return None


def _within(slack: int) -> int:
    """Keep a slack in 32 bits: beyond twice the largest field it decides alone."""
    return max(-2 * _GRID, min(slack, 2 * _GRID))


def are_fixed_points(
    network: RandomNetwork, margin: float, states: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Return which of the states (n, N) are fixed points, decided exactly."""
    fields = _Fields(network, margin)
    own = float(fields.own)
    magnitude = np.abs(fields.couplings).sum(axis=1) + np.abs(fields.external) + abs(own)
    # Sums of integers are exact in float64, far below 2**53.
    integers = own == fields.own and all(
        np.all(x == np.rint(x)) for x in (fields.couplings, fields.external, own)
    )
    settled = _ROUND_OFF * magnitude
    fixed = np.ones(len(states), bool)
    for first in range(0, len(states), _ROWS):
        part = states[first : first + _ROWS]
        stability = part * (part @ fields.couplings.T + fields.external) + own
        if integers:  # exact: a field of 0 is for s = +1
            fixed[first : first + _ROWS] = (stability > np.where(part > 0, -1, 0)).all(axis=1)
            continue
        fixed[first : first + _ROWS] = (stability >= -settled).all(axis=1)
        near = (np.abs(stability) <= settled) & fixed[first : first + _ROWS, None]
        for k, i in np.argwhere(near):
            if fixed[first + k] and not fields.decide(part[k], i):
                fixed[first + k] = False
    return fixed


def make_order(couplings: NDArray[Any]) -> NDArray[np.int64]:
    """Return the neurons in the order of the search, chosen greedily from its end.

    Spins of the last positions are set first. Each next one is the neuron that couples most to and
    from those already there, relative to the row sums: their fields are known early.
    """
    total = np.abs(couplings).sum(axis=1, dtype=np.float64)
    share = np.abs(couplings) / np.maximum(total, 1.0)[:, None]
    between = share + share.T
    score = share.sum(axis=0)  # for the first one: its influence on all
    order = np.empty(len(couplings), np.int64)
    for k in range(len(order) - 1, -1, -1):
        order[k] = np.argmax(score)
        score = between[order[k:]].sum(axis=0)
        score[order[k:]] = -np.inf
    return order
