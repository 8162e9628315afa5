"""What an update does to the weights of a block, in NumPy's integers (docs/model/arithmetic.md, 3).

Every target has a 16-bit shift register of its own, which runs through all of 1..65535 in one
cycle. Draws are therefore looked up in that cycle, many at a time.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.hardware.learning_image import TAPS
from binnet.networks import QFormat

_BITS = 16
_PERIOD = (1 << _BITS) - 1

Integers = NDArray[np.int64]


class Events(NamedTuple):
    """The events of a batch on a block; B samples, n targets, K presynaptic neurons."""

    targets: Integers  # (B, n): the spin of a target that learns, else 0
    sources: Integers  # (B, K): spins


@cache
def _find_cycle() -> tuple[Integers, Integers]:
    """Return the states of a register one after the other, and where each state is in them."""
    cycle = np.empty(_PERIOD, np.int64)
    register = 1
    for k in range(_PERIOD):
        cycle[k] = register
        register = register >> 1 ^ (TAPS if register & 1 else 0)
    places = np.zeros(_PERIOD + 1, np.int64)
    places[cycle] = np.arange(_PERIOD)
    return cycle, places


def draw(registers: Integers, counts: Integers) -> Integers:
    """Step shift registers, in place, and return what they hold after each step.

    Parameters
    ----------
    registers : ndarray of int64, shape (n,)
        The registers; one that holds 0 keeps it.
    counts : ndarray of int64, shape (n,)
        Steps of each.

    Returns
    -------
    ndarray of int64, shape (n, largest count)
        Their states; beyond the count of a register those that would follow.
    """
    cycle, places = _find_cycle()
    steps = 1 + np.arange(counts.max(initial=0))
    draws = cycle[(places[registers][:, None] + steps) % _PERIOD]
    draws[registers == 0] = 0
    moved = counts > 0
    registers[moved] = draws[moved, counts[moved] - 1]
    return np.asarray(draws)


def round_random(amounts: Integers, exponent: int, draws: Integers) -> Integers:
    """Return amounts times 2**-exponent, rounded away from 0 with the chance of the remainder.

    Parameters
    ----------
    amounts : ndarray of int64
        Amounts.
    exponent : int
        k, 1..15.
    draws : ndarray of int64
        States of registers, of which the highest k bits are the draw.

    Returns
    -------
    ndarray of int64
        Whole levels.
    """
    size = np.abs(amounts)
    whole, rest = size >> exponent, size & ((1 << exponent) - 1)
    return np.asarray(np.sign(amounts) * (whole + (draws >> (_BITS - exponent) < rest)))


def decay_block(weights: Integers, registers: Integers, exponent: int) -> Integers:
    """Return weights that have lost 2**-exponent of themselves.

    Parameters
    ----------
    weights : ndarray of int64, shape (n, K)
        Stored weights, of n targets.
    registers : ndarray of int64, shape (n,)
        Registers of the targets, which step for each weight.
    exponent : int
        k, 1..15.

    Returns
    -------
    ndarray of int64, shape (n, K)
        The weights.
    """
    draws = draw(registers, np.full(len(weights), weights.shape[1]))
    return weights - round_random(weights, exponent, draws)


def update_block(
    weights: Integers,
    registers: Integers,
    events: Events,
    exponent: int,
    format: QFormat,
    *,
    per_event: bool,
    is_square: bool,
) -> Integers:
    """Return weights after the events of a batch.

    Parameters
    ----------
    weights : ndarray of int64, shape (n, K)
        Stored weights, of n targets.
    registers : ndarray of int64, shape (n,)
        Registers of the targets.
    events : Events
        The events.
    exponent : int
        k, -14..15: an event is worth 2**-k levels.
    format : QFormat
        Of the stored weights.
    per_event : bool
        Whether whole events are rounded; else the sum of each weight.
    is_square : bool
        Whether targets are the presynaptic neurons, whose couplings to themselves stay.

    Returns
    -------
    ndarray of int64, shape (n, K)
        The weights.
    """
    targets = events.targets
    if not targets.any():
        return weights
    if per_event and exponent > 0:
        happens = targets != 0
        draws = draw(registers, happens.sum(axis=0))
        turn = np.cumsum(happens, axis=0) - happens  # events that the target has had before
        drawn = np.take_along_axis(draws.T, np.minimum(turn, draws.shape[1] - 1), axis=0)
        targets = np.where(drawn >> (_BITS - exponent) == 0, targets, 0)
    amounts = targets.T @ events.sources
    if exponent <= 0:
        amounts <<= -exponent
    elif not per_event:
        draws = draw(registers, targets.any(axis=0) * weights.shape[1])
        amounts = round_random(amounts, exponent, draws)
    if is_square:
        np.fill_diagonal(amounts, 0)
    return np.clip(weights + format.step * amounts, format.low, format.high)
