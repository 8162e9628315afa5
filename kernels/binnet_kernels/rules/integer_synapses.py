"""Local plasticity in integers: each increment is 2**-k levels of a weight, rounded at random.

The events of a batch on one synapse are summed first, n = sum_b pre_b post_b over the samples in
which the target is unstable; |n| 2**-k is then rounded to whole levels and added with saturation
(docs/model/arithmetic.md, sections 3 and 4). Every target neuron i has its own random numbers: from
a counter, keyed (seed, step, i, j), or from a shift register of its own, which steps once for every
synapse that there is, in the order of j. A result therefore depends neither on the layout of the
weights nor on the number of threads.

Here are the records and the draws, decay and latent weights; the update is in `integer_updates`,
that of more than 32 samples in `integer_batches`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.bits import trailing_zeros
from binnet_kernels.lowlevel.rng import derive_key, derive_keys
from binnet_kernels.lowlevel.rounding import (
    ENTRY,
    PLANES,
    TILE_BYTES,
    decay_tile,
    locate_key,
)
from binnet_kernels.lowlevel.simd import TILE, address_of
from binnet_kernels.structs import Array

# How an increment below one level is rounded.
NEAREST, PER_WEIGHT, PER_EVENT = 0, 1, 2
MAX_EXPONENT = 15  # of k: a draw has 16 bits
ROWS = 64  # whose levels `integer_updates` finds before it adds them: they stay in the caches
# Galois form of a 16-bit register of maximal length: x^16 + x^14 + x^13 + x^11 + 1.
_TAPS = np.uint32(0xB400)


class Levels(NamedTuple):
    """The integers of a block of weights, and how far and how one event moves them."""

    low: int
    high: int
    step: int  # between neighbouring integers: 1, but 2 for -1 and +1
    exponent: int  # k, of an increment of 2**-k levels; negative: more than one level
    rounding: int  # NEAREST, PER_WEIGHT, PER_EVENT
    use_register: bool  # random numbers from shift registers instead of counters


class Targets(NamedTuple):
    """The neurons whose weights are updated: their random numbers, and room for an update.

    Who learns is listed; t counts the list, T are tiles of 64.
    """

    registers: Array  # (W,) uint16: shift registers, never 0
    sites: Array  # (W,) int64: who learns
    words: Array  # (2, W) uint32: signs and masks of those
    bytes: Array  # (T, TILE_BYTES) uint8: the same as tiles
    keys: Array  # (64 T,) uint64: keys, where `locate_key` puts them
    spread: Array  # (ROWS, PLANES) uint32: words of presynaptic neurons, see `spread_word`
    levels: Array  # (ROWS, 64 T + 64) int8: sums of events, then levels, of some rows
    tiles: Array  # (T, ENTRY) uint8: of `add_levels`


class Place(NamedTuple):
    """Where a block of weights (K, W) stands in the network."""

    first: int  # number of the neuron of column 0
    pre_first: int  # number of the neuron of row 0
    is_square: bool  # whether both count the same neurons: one's coupling to itself stays
    present: Array  # (S, >= K, >= column + W) uint8: which weights there are; (0, 0, 0): all
    bank: int  # of `present`
    column: int  # of `present` that is column 0


def make_room(n_banks: int, n: int) -> tuple[Array, ...]:
    """Return all but the first field of `Targets` for n neurons, each with an entry per bank."""
    n_tiles = -(-n // TILE)
    return (
        np.zeros((n_banks, n), np.int64),
        np.zeros((n_banks, 2, n), np.uint32),
        np.zeros((n_banks, n_tiles, TILE_BYTES), np.uint8),
        np.zeros((n_banks, TILE * n_tiles), np.uint64),
        np.zeros((n_banks, ROWS, PLANES), np.uint32),
        np.zeros((n_banks, ROWS, TILE * (n_tiles + 1)), np.int8),
        np.zeros((n_banks, n_tiles, ENTRY), np.uint8),
    )


def make_targets(registers: Array) -> Targets:
    """Return neurons with these shift registers."""
    return Targets(registers, *(array[0] for array in make_room(1, registers.shape[0])))


@kernel
def step_register(register):
    """Return the next state of a 16-bit shift register."""
    word = np.uint32(register)
    shifted = np.uint32(word >> np.uint32(1))
    return np.uint16(shifted ^ (_TAPS if word & np.uint32(1) else np.uint32(0)))


@kernel
def thin_events(levels, key, first, mask, targets, first_sample):
    """Keep each unstable sample of each neuron with probability 2**-k; `mask` (W,) is changed.

    Only where whole events are rounded. Neuron i of the block is number ``first + i``; its sample b
    has draw ``first_sample + b`` of the key (step, i), or the register's next.
    """
    if levels.rounding != PER_EVENT or levels.exponent <= 0:
        return
    exponent = np.int32(levels.exponent)
    for i in range(mask.shape[0]):
        if mask[i] == 0:
            continue
        key_i = derive_key(key, first + i)
        left = np.uint64(mask[i])
        while left != 0:
            b = trailing_zeros(left)
            left &= left - np.uint64(1)
            if levels.use_register:
                draw = draw_register(targets.registers, i, exponent)
            else:
                draw = draw_counter(key_i, first_sample + b, exponent)
            if draw != 0:
                mask[i] &= ~np.uint32(np.uint32(1) << np.uint32(b))


@kernel
def round_random(amount, exponent, draw):
    """Round amount * 2**-exponent up where `draw`, in 0..2**exponent - 1, is below the remainder.

    An amount is a signed sum of events, an int32; so is the result.
    """
    size = np.int32(abs(amount))
    whole = np.int32(size >> exponent)
    rest = np.int32(size - np.int32(whole << exponent))
    rounded = np.int32(whole + (draw < rest))
    return rounded if amount > 0 else np.int32(-rounded)


@kernel
def round_nearest(amount, exponent):
    """Round amount * 2**-exponent to the nearest, halves to the even one."""
    size = np.int64(abs(amount))
    whole = size >> exponent
    rest = size - (whole << exponent)
    half = np.int64(1) << (exponent - 1)
    whole += (rest > half) or (rest == half and (whole & 1) == 1)
    return np.int32(whole if amount > 0 else -whole)


@kernel
def draw_register(registers, i, exponent):
    """Step a shift register and return its highest `exponent` bits."""
    register = step_register(registers[i])
    registers[i] = register
    return np.int32(register >> (16 - exponent))


@kernel
def draw_counter(key, counter, exponent):
    """Return `exponent` bits of draw `counter`."""
    return np.int32(derive_key(key, counter) >> np.uint64(64 - exponent))


@inner_kernel
def is_there(place, k, i):
    """Return whether there is a weight in row k and column i."""
    return place.present.shape[0] == 0 or place.present[place.bank, k, place.column + i] != 0


@inner_kernel
def _decay_tiles(weights, place, key, exponent, targets):
    """Do `decay_integer` for whole tiles by counters, and return how many columns that were."""
    n_rows, width = weights.shape
    n_whole = width // TILE * TILE
    for column in range(0, n_whole, TILE):
        for lane in range(TILE):
            targets.keys[locate_key(lane)] = derive_key(key, place.first + column + lane)
        decay_tile(
            weights, column, n_rows, address_of(targets.keys), np.int64(place.pre_first), exponent
        )
    return n_whole


@kernel
def decay_integer(weights, place, levels, key, targets):
    """Move weights (K, W) towards 0 by |w| 2**-k, rounded at random: a decay by 2**-k in the mean.

    ``levels.exponent`` is k; the weight from neuron j to i has draw j of the key (step, i), or the
    register's next, which `targets` have, as well as room.
    """
    exponent, n_done = np.int32(levels.exponent), np.int64(0)
    is_whole = weights.strides[1] == weights.itemsize
    if is_whole and levels.rounding != NEAREST and not levels.use_register:
        # Of what is not there the weight is 0 and stays it, whatever is drawn.
        n_done = _decay_tiles(weights, place, key, np.int64(exponent), targets)
    for i in range(n_done, weights.shape[1]):
        key_i = derive_key(key, place.first + i)
        for k in range(weights.shape[0]):
            if not is_there(place, k, i):
                continue
            weight = np.int32(weights[k, i])
            if levels.rounding == NEAREST:
                weight -= round_nearest(weight, exponent)
            elif levels.use_register:
                draw = draw_register(targets.registers, i, exponent)
                weight -= round_random(weight, exponent, draw)
            else:
                draw = draw_counter(key_i, place.pre_first + k, exponent)
                weight -= round_random(weight, exponent, draw)
            weights[k, i] = weight


@kernel
def expose_weights(latent, weights, place, n_unseen_bits, low, high):
    """Write the highest bits of latent weights (K, W), those the fields see, into weights (K, W).

    Rounded to the nearest, halves upwards, and cut to `low`..`high`; where ``high < low``, as a
    weight of one bit has no 0, the sign.
    """
    shift = np.int32(n_unseen_bits)
    half = np.int32(np.int32(1) << np.int32(shift - 1))
    lowest, highest = np.int32(low), np.int32(high)
    for k in range(weights.shape[0]):
        if high < low:
            itself = place.pre_first + k - place.first
            for i in range(weights.shape[1]):
                if is_there(place, k, i) and not (place.is_square and i == itself):
                    weights[k, i] = 1 if latent[k, i] >= 0 else -1
        else:
            for i in range(weights.shape[1]):
                exposed = np.int32(np.int32(np.int32(latent[k, i]) + half) >> shift)
                weights[k, i] = min(max(exposed, lowest), highest)


def seed_registers(key: Any, n: int) -> Array:
    """Return `n` shift registers (n,) uint16, none of them 0, from a key."""
    return np.asarray(
        derive_keys(np.uint64(key), 0, n) % np.uint64(65535) + np.uint64(1), np.uint16
    )
