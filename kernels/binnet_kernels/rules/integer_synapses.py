"""Local plasticity in integers: each increment is 2**-k levels of a weight, rounded at random.

The events of a batch on one synapse are summed first, n = sum_b pre_b post_b over the samples in
which the target is unstable; |n| 2**-k is then rounded to whole levels and added with saturation
(docs/model/arithmetic.md, sections 3 and 4). Every target neuron i has its own random numbers: from
a counter, keyed (seed, step, i, j), or from a shift register of its own, which steps once for every
synapse that there is, in the order of j. A result therefore depends neither on the layout of the
weights nor on the number of threads. At most 32 samples are summed at a time; larger batches are
updated in pieces.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import popcount
from binnet_kernels.lowlevel.rng import derive_key, derive_keys
from binnet_kernels.structs import Array

# How an increment below one level is rounded.
NEAREST, PER_WEIGHT, PER_EVENT = 0, 1, 2
MAX_EXPONENT = 15  # of k: a draw has 16 bits
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
    """The neurons whose weights are updated: their random numbers, and those that learn, listed."""

    registers: Array  # (W,) uint16: shift registers, never 0
    sites: Array  # (W,) int64: who learns
    keys: Array  # (W,) uint64: keys of those
    words: Array  # (2, W) uint32: signs and masks of those
    amounts: Array  # (W,) int32: sums of events, then levels


class Place(NamedTuple):
    """Where a block of weights (K, W) stands in the network."""

    first: int  # number of the neuron of column 0
    pre_first: int  # number of the neuron of row 0
    is_square: bool  # whether both count the same neurons: one's coupling to itself stays
    present: Array  # (S, >= K, >= column + W) uint8: which weights there are; (0, 0, 0): all
    bank: int  # of `present`
    column: int  # of `present` that is column 0


def make_targets(registers: Array) -> Targets:
    """Return neurons with these shift registers."""
    n = registers.shape[0]
    return Targets(
        registers,
        np.zeros(n, np.int64),
        np.zeros(n, np.uint64),
        np.zeros((2, n), np.uint32),
        np.zeros(n, np.int32),
    )


@kernel
def step_register(register):
    """Return the next state of a 16-bit shift register."""
    word = np.uint32(register)
    shifted = np.uint32(word >> np.uint32(1))
    return np.uint16(shifted ^ (_TAPS if word & np.uint32(1) else np.uint32(0)))


@kernel
def thin_events(levels, key, first, mask, targets):
    """Keep each unstable sample of each neuron with probability 2**-k; `mask` (W,) is changed.

    Only where whole events are rounded. Neuron i of the block is number ``first + i``; its sample b
    has draw b of the key (step, i), or the register's next.
    """
    if levels.rounding != PER_EVENT or levels.exponent <= 0:
        return
    exponent = np.int32(levels.exponent)
    for i in range(mask.shape[0]):
        if mask[i] == 0:
            continue
        key_i = derive_key(key, first + i)
        for b in range(32):
            bit = np.uint32(np.uint32(1) << np.uint32(b))
            if mask[i] & bit:
                if levels.use_register:
                    draw = draw_register(targets.registers, i, exponent)
                else:
                    draw = draw_counter(key_i, b, exponent)
                if draw != 0:
                    mask[i] &= ~bit


@kernel
def _round_random(amount, exponent, draw):
    """Round amount * 2**-exponent up where `draw`, in 0..2**exponent - 1, is below the remainder.

    An amount is a signed sum of events, an int32; so is the result.
    """
    size = np.int32(abs(amount))
    whole = np.int32(size >> exponent)
    rest = np.int32(size - np.int32(whole << exponent))
    rounded = np.int32(whole + (draw < rest))
    return rounded if amount > 0 else np.int32(-rounded)


@kernel
def _round_nearest(amount, exponent):
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


@kernel
def _is_there(place, k, i):
    """Return whether there is a weight in row k and column i."""
    return place.present.shape[0] == 0 or place.present[place.bank, k, place.column + i] != 0


@kernel
def _sum_events(targets, n_sites, signs_j, mask_j):
    """Write the sums of the events of one presynaptic neuron on the listed targets."""
    signs, masks, amounts = targets.words[0], targets.words[1], targets.amounts
    for t in range(n_sites):
        both = np.uint32(masks[t] & mask_j)
        differ = popcount(np.uint32(np.uint32(signs[t] ^ signs_j) & both))
        amounts[t] = popcount(both) - 2 * differ


@kernel
def _leave_absent(targets, n_sites, place, k):
    """Set the sums to 0 of weights in row k that there are not."""
    if place.present.shape[0] > 0:
        for t in range(n_sites):
            targets.amounts[t] *= np.int32(_is_there(place, k, targets.sites[t]))


@kernel
def _round_amounts(levels, targets, n_sites, place, k):
    """Turn sums of events into levels, for row k."""
    exponent, amounts = np.int32(levels.exponent), targets.amounts
    if exponent <= 0 or levels.rounding == PER_EVENT:
        factor = np.int32(1 << -exponent) if exponent < 0 else np.int32(1)
        for t in range(n_sites):
            amounts[t] *= factor
    elif levels.use_register:
        for t in range(n_sites):
            i = targets.sites[t]
            if _is_there(place, k, i):
                draw = draw_register(targets.registers, i, exponent)
                amounts[t] = _round_random(amounts[t], exponent, draw)
    elif levels.rounding == PER_WEIGHT:
        keys, j = targets.keys, place.pre_first + k
        for t in range(n_sites):
            amounts[t] = _round_random(amounts[t], exponent, draw_counter(keys[t], j, exponent))
    else:
        for t in range(n_sites):
            amounts[t] = _round_nearest(amounts[t], exponent)


@kernel
def update_couplings_integer(
    weights, place, levels, key, pre_signs, pre_mask, signs, mask, targets, counts
):
    """Add the rounded events of up to 32 samples to presynaptic-major weights (K, W), in place.

    Parameters
    ----------
    weights : int array (K, W)
    place : Place
    levels : Levels
    key : uint64
        Of the step and the block.
    pre_signs, pre_mask : uint32 array (>= K,)
        Presynaptic spins, packed by `pack_samples`.
    signs, mask : uint32 array (>= W,)
        Spins of the targets, masked out in the samples where they are stable, and thinned.
    targets : Targets
        Work space and shift registers.
    counts : int64 array (2,)
        Raised by the weights that changed, and by the sums that saturated.
    """
    n_sites, width = np.int64(0), weights.shape[1]
    for i in range(width):
        if mask[i] != 0:
            targets.sites[n_sites] = i
            targets.keys[n_sites] = derive_key(key, place.first + i)
            targets.words[0, n_sites] = signs[i]
            targets.words[1, n_sites] = mask[i]
            n_sites += 1
    low, high, step = np.int32(levels.low), np.int32(levels.high), np.int32(levels.step)
    changed, saturated = 0, 0
    for k in range(weights.shape[0]):
        row, itself = weights[k], place.pre_first + k - place.first
        _sum_events(targets, n_sites, pre_signs[k], pre_mask[k])
        _leave_absent(targets, n_sites, place, k)
        _round_amounts(levels, targets, n_sites, place, k)
        for t in range(n_sites):
            i = targets.sites[t]
            amount = targets.amounts[t]
            if place.is_square and i == itself:
                amount = np.int32(0)
            old = np.int32(row[i])
            asked = np.int32(old + np.int32(step * amount))
            new = min(max(asked, low), high)
            row[i] = new
            changed += new != old
            saturated += new != asked
    counts[0] += changed
    counts[1] += saturated


@kernel
def decay_integer(weights, place, levels, key, registers):
    """Move weights (K, W) towards 0 by |w| 2**-k, rounded at random: a decay by 2**-k in the mean.

    ``levels.exponent`` is k; the weight from neuron j to i has draw j of the key (step, i), or the
    register's next.
    """
    exponent = np.int32(levels.exponent)
    for i in range(weights.shape[1]):
        key_i = derive_key(key, place.first + i)
        for k in range(weights.shape[0]):
            if not _is_there(place, k, i):
                continue
            weight = np.int32(weights[k, i])
            if levels.rounding == NEAREST:
                weight -= _round_nearest(weight, exponent)
            elif levels.use_register:
                draw = draw_register(registers, i, exponent)
                weight -= _round_random(weight, exponent, draw)
            else:
                draw = draw_counter(key_i, place.pre_first + k, exponent)
                weight -= _round_random(weight, exponent, draw)
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
                if _is_there(place, k, i) and not (place.is_square and i == itself):
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
