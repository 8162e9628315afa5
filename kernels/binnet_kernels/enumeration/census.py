"""The map of a synchronous sweep on all 2**N states: successors, cycles, and what leads to them.

A state is a word of N bits, bit i for neuron i, 1 is +1. Most states have no predecessor, and many
share their successor: the graph that is walked through at random is that of the states with a
predecessor alone, the *inner* states, numbered in ascending order. One bit for each state says
which they are. What the others, the *leaves*, add is counted at their successors.

Loops begin at 0, of the part of an array that is worked on: where Numba cannot see that an index is
not negative it counts from the end if it is, and these loops, which wait for memory, then have half
as many of their accesses under way at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import popcount_word, trailing_zeros

Array = np.ndarray[Any, Any]

SPILLED = 254  # what a byte that counts gives away when it is full
_ROWS = 4  # neurons that are compared together: the words are read and written once for them


class Map(NamedTuple):
    """When neuron i is up after a sweep: F_i = sum_j G_ij s_j reaches a threshold.

    Neurons are padded to R rows, whole steps of the loop over them; the bit of a padding row is 0.
    """

    couplings: Array  # (N, R) int32: [j, i] is G_ij, zero diagonal
    thresholds: Array  # (2, R) int32: of a neuron that is down, and of one that is up
    doubt: Array  # (R,) int32: closer to the threshold rounding may decide; 0 if it cannot
    bits: Array  # (R,) uint32
    low_fields: Array  # (R, C) int32: of the low spins in all their settings; see `make_map`


def make_map(couplings: Array, thresholds: Array, doubt: Array, n_low: int) -> Map:
    """Tabulate the low spins; thresholds of low neurons go into their fields."""
    n = len(couplings)
    n_rows = -(-n // _ROWS) * _ROWS
    signs = 2 * (np.arange(2**n_low) >> np.arange(n_low)[:, None] & 1) - 1
    fields = np.zeros((n_rows, 2**n_low), np.int32)
    fields[:n] = couplings[:, :n_low].astype(np.int32) @ signs.astype(np.int32)
    fields[:n_low] -= np.where(signs > 0, thresholds[1, :n_low, None], thresholds[0, :n_low, None])
    padded = Map(
        couplings=np.zeros((n, n_rows), np.int32),
        thresholds=np.zeros((2, n_rows), np.int32),
        doubt=np.zeros(n_rows, np.int32),
        bits=np.zeros(n_rows, np.uint32),
        low_fields=fields,
    )
    padded.couplings[:, :n] = couplings.T
    padded.thresholds[:, n_low:n] = thresholds[:, n_low:]
    padded.doubt[:n] = doubt
    padded.bits[:n] = np.uint32(1) << np.arange(n, dtype=np.uint32)
    return padded


@kernel
def _compare(low_fields, beside, bits, words):
    """Write which neurons are up in each of the states of a block."""
    for c in range(words.shape[0]):
        words[c] = 0
    for i in range(0, bits.shape[0], _ROWS):
        x0, x1, x2, x3 = low_fields[i], low_fields[i + 1], low_fields[i + 2], low_fields[i + 3]
        t0, t1, t2, t3 = -beside[i], -beside[i + 1], -beside[i + 2], -beside[i + 3]
        b0, b1, b2, b3 = bits[i], bits[i + 1], bits[i + 2], bits[i + 3]
        none = np.uint32(0)
        for c in range(words.shape[0]):
            one = (b0 if x0[c] >= t0 else none) | (b1 if x1[c] >= t1 else none)
            two = (b2 if x2[c] >= t2 else none) | (b3 if x3[c] >= t3 else none)
            words[c] |= one | two


@kernel
def _is_near(low_fields, beside, doubt, near):
    """Write in which states some field is in doubt; return whether there is one."""
    for c in range(near.shape[0]):
        near[c] = 0
    for i in range(doubt.shape[0]):
        if doubt[i] == 0:
            continue
        low, shift, width = low_fields[i], np.int32(beside[i] + doubt[i]), np.uint32(2 * doubt[i])
        for c in range(near.shape[0]):
            near[c] |= np.uint32(np.uint32(np.int32(low[c] + shift)) < width)
    any_near = np.uint32(0)
    for c in range(near.shape[0]):
        any_near |= near[c]
    return any_near != 0


@kernel
def map_states(map_, first, stop, fields, beside, near, successors, doubtful):
    """Write the successors of blocks first..stop-1 of states, in Gray code over the high spins.

    Parameters
    ----------
    map_ : Map
    first, stop : int
        A block has the states of all low spins; number b is that of the high bits b ^ (b >> 1).
    fields, beside : array (R,) of int32
        Work space.
    near : array (C,) of uint32
        Work space.
    successors : array (2**N,) of uint32
    doubtful : array of uint32
        States of which some field is within rounding of its threshold: as many as there is room
        for.

    Returns
    -------
    int
        How many of these there are.
    """
    n_lanes, n_rows = near.shape[0], fields.shape[0]
    n, n_low = map_.couplings.shape[0], trailing_zeros(np.uint64(near.shape[0]))
    gray = np.uint64(first) ^ (np.uint64(first) >> np.uint64(1))
    for i in range(n_rows):
        fields[i] = 0
    for j in range(n_low, n):
        up = (gray >> np.uint64(j - n_low)) & np.uint64(1)
        for i in range(n_rows):
            row = map_.couplings[j, i]
            fields[i] += row if up else -row
    n_doubtful = 0
    for block in range(first, stop):
        if block > first:
            flipped = trailing_zeros(np.uint64(block))
            gray ^= np.uint64(1) << np.uint64(flipped)
            change = np.int32(2) if (gray >> np.uint64(flipped)) & np.uint64(1) else np.int32(-2)
            row = map_.couplings[n_low + flipped]
            for i in range(n_rows):
                fields[i] += np.int32(change * row[i])
        for i in range(n_rows):
            beside[i] = fields[i] - map_.thresholds[0, i]
        for i in range(n_low, n):
            if (gray >> np.uint64(i - n_low)) & np.uint64(1):
                beside[i] = fields[i] - map_.thresholds[1, i]
        start = np.int64(gray) * n_lanes
        _compare(map_.low_fields, beside, map_.bits, successors[start : start + n_lanes])
        if _is_near(map_.low_fields, beside, map_.doubt, near):
            for c in range(n_lanes):
                if near[c]:
                    if n_doubtful < doubtful.shape[0]:
                        doubtful[n_doubtful] = start + c
                    n_doubtful += 1
    return n_doubtful


@kernel
def count_predecessors(successors, counts, spilled):
    """Count states at their successors, in bytes that are not 0 again once they were.

    Parameters
    ----------
    successors : array of uint32
        Of some of the states.
    counts : array (2**N,) of uint8
        Added to.
    spilled : array of uint32
        Written: a state for each time that `SPILLED` were taken off its count.

    Returns
    -------
    int
        How often that was.
    """
    n_spilled = 0
    for s in range(successors.shape[0]):
        image = successors[s]
        count = np.uint8(counts[image] + np.uint8(1))
        if count > SPILLED:
            spilled[n_spilled] = image
            n_spilled += 1
            count = np.uint8(1)
        counts[image] = count
    return n_spilled


@kernel
def number_state(inner, state):
    """Return the number of an inner state: how many there are before it.

    `inner` (2**N / 64, 2) of uint64 has a bit for each state, and how many come before its word.
    """
    word, bit = state >> np.uint32(6), np.uint64(state & np.uint32(63))
    below = inner[word, 0] & ((np.uint64(1) << bit) - np.uint64(1))
    return np.uint32(np.int64(inner[word, 1]) + popcount_word(below))


@kernel
def compact(first, stop, successors, inner, counts, states, following, predecessors):
    """Number the inner states of words first..stop-1.

    Parameters
    ----------
    first, stop : int
    successors : array (2**N,) of uint32
    inner : array (2**N / 64, 2) of uint64
        As of `number_state`.
    counts : array (K, 2**N) of uint8
        Their sum is how many predecessors a state has.
    states, following, predecessors : array (n_inner,) of uint32
        Written: the words of the inner states, the numbers of their successors, and `counts`.
    """
    before = np.int64(inner[first, 1])
    states, following = states[before:], following[before:]
    predecessors = predecessors[before:]
    k = 0
    for word in range(first, stop):
        left = inner[word, 0]
        while left != 0:
            s = np.uint32(64 * word + trailing_zeros(left))
            left &= left - np.uint64(1)
            states[k] = s
            following[k] = number_state(inner, successors[s])
            n = np.uint32(0)
            for row in range(counts.shape[0]):
                n += np.uint32(counts[row, s])
            predecessors[k] = n
            k += 1


@kernel
def add_spilled(inner, spilled, predecessors):
    """Give the counts of `spilled` states back to them."""
    for state in spilled:
        predecessors[number_state(inner, state)] += np.uint32(SPILLED)


@kernel
def count_degrees(following, degrees):
    """Add to `degrees` (n_inner,) how many of some states, followed by `following`, precede each.

    Both are uint32.
    """
    for k in range(following.shape[0]):
        degrees[following[k]] += np.uint32(1)


@kernel
def find_ends(first, degrees, leaves, order):
    """Take the inner predecessors off `leaves`, and write the states that have none to `order`.

    Of the states from `first` on that `degrees` and `leaves` (uint32) belong to. `order` has room
    for one more than these; returns how many there are.
    """
    n = 0
    for k in range(degrees.shape[0]):  # without branches, which nothing could foresee
        leaves[k] -= degrees[k]
        order[n] = first + k
        n += degrees[k] == 0
    return n


@kernel
def peel(following, degrees, ready, images, found):
    """Take states off that have no predecessor left; write those that then have none to `found`.

    Parameters
    ----------
    following : array (n_inner,) of uint32
    degrees : array (n_inner,) of uint32
        Inner predecessors that are left; in the end 0 for transient states and 1 for those on
        cycles.
    ready : array of uint32
        The states to take off.
    images : array of uint32
        Written: what follows on each of them.
    found : array of uint32
        With room for one more than `ready`.

    Returns
    -------
    int
        How many are found.
    """
    n = 0
    for place in range(ready.shape[0]):
        image = following[ready[place]]
        images[place] = image
        degree = degrees[image] - np.uint32(1)
        degrees[image] = degree
        found[n] = image
        n += degree == 0
    return n


@kernel
def find_cycles(following, first, stop, degrees, order, n_placed, ends, lengths, n_cycles):
    """Append the cycles whose lowest states are among first..stop-1 to `order`.

    Parameters
    ----------
    following : array (n_inner,) of uint32
    first, stop : int
    degrees : array (n_inner,) of uint32
        From `peel`; afterwards 0 for the states of these cycles, too.
    order : array (n_inner + 1,) of uint32
        Written from `n_placed` on: one cycle after the other, each from its lowest state on.
    n_placed : int
    ends : array (n_inner,) of uint64
        Written for these states: the number of their cycle, in the upper 32 bits.
    lengths : array of uint32
        Written from `n_cycles` on.
    n_cycles : int

    Returns
    -------
    tuple of int
        How many states there are in `order` by now, and how many cycles.
    """
    for lowest in range(first, stop):
        if degrees[lowest] == 0:  # transient, or on a cycle that is known
            continue
        k, begun = np.int64(lowest), n_placed
        while degrees[k] != 0:
            degrees[k] = 0
            ends[k] = np.uint64(n_cycles) << np.uint64(32)
            order[n_placed] = k
            n_placed += 1
            k = np.int64(following[k])
        lengths[n_cycles] = n_placed - begun
        n_cycles += 1
    return n_placed, n_cycles


@kernel
def walk_back(order, images, ends):
    """Write to `ends` where the transient states in `order` lead, the last one first.

    `images` follow on them; `order` and `images` are uint32. The lower 32 bits are the steps to the
    cycle. Returns the most of them.
    """
    longest = np.uint64(0)
    for place in range(order.shape[0] - 1, -1, -1):
        end = ends[images[place]] + np.uint64(1)
        ends[order[place]] = end
        longest = max(longest, end & np.uint64(2**32 - 1))
    return np.int64(longest)


@kernel
def count_basins(ends, leaves, basins, by_steps):
    """Count inner states and their leaves by their cycle and by their steps to it.

    Parameters
    ----------
    ends : array of uint64
        Of some states, from `find_cycles` and `walk_back`.
    leaves : array of uint32
        Of the same states.
    basins : array (n_cycles, 3) of int64
        States that lead to each cycle, its own included; their steps, summed; the most of them.
        Added to zeros.
    by_steps : array of int64
        States by their steps, with room for the largest distance + 1. Added to zeros.
    """
    for k in range(ends.shape[0]):
        label, d = ends[k] >> np.uint64(32), np.int64(ends[k] & np.uint64(2**32 - 1))
        n_leaves = np.int64(leaves[k])
        basins[label, 0] += 1 + n_leaves
        basins[label, 1] += d + n_leaves * (d + 1)
        basins[label, 2] = max(basins[label, 2], d + np.int64(n_leaves > 0))
        by_steps[d] += 1
        by_steps[d + 1] += n_leaves
