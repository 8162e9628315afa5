"""The map of a synchronous sweep on all 2**N states: successors, cycles, and what leads to them.

A state is a word of N bits, bit i for neuron i, 1 is +1. Most states have no predecessor, and many
share their successor: the graph that is walked through at random is that of the states with a
predecessor alone, the *inner* states, numbered in ascending order. One bit for each state says
which they are. What the others, the *leaves*, add is counted at their successors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import popcount_word, trailing_zeros

Array = np.ndarray[Any, Any]


class Map(NamedTuple):
    """When neuron i is up after a sweep: F_i = sum_j G_ij s_j reaches a threshold."""

    couplings: Array  # (N, N) int32: [j, i] is G_ij, zero diagonal
    thresholds: Array  # (2, N) int32: of a neuron that is down, and of one that is up
    doubt: Array  # (N,) int32: closer to the threshold rounding may decide; 0 if it cannot
    low_fields: Array  # (N, C) int32: of the low spins in all their settings; see `make_map`


def make_map(couplings: Array, thresholds: Array, doubt: Array, n_low: int) -> Map:
    """Tabulate the low spins; thresholds of low neurons go into their fields."""
    bits = np.arange(2**n_low) >> np.arange(n_low)[:, None] & 1
    fields = couplings[:, :n_low].astype(np.int32) @ (2 * bits - 1).astype(np.int32)
    thresholds = thresholds.astype(np.int32)
    fields[:n_low] -= np.where(bits, thresholds[1, :n_low, None], thresholds[0, :n_low, None])
    thresholds[:, :n_low] = 0
    return Map(
        np.ascontiguousarray(couplings.T, np.int32), thresholds, doubt.astype(np.int32), fields
    )


@kernel
def map_states(map_, first, stop, fields, near, successors, doubtful):
    """Write the successors of blocks first..stop-1 of states, in Gray code over the high spins.

    Parameters
    ----------
    map_ : Map
    first, stop : int
        A block has the states of all low spins; number b is that of the high bits b ^ (b >> 1).
    fields : array (N,) of int32
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
    n, n_lanes = map_.low_fields.shape
    n_low = trailing_zeros(np.uint64(n_lanes))
    gray = np.uint64(first) ^ (np.uint64(first) >> np.uint64(1))
    for i in range(n):
        fields[i] = 0
    for j in range(n_low, n):
        up = (gray >> np.uint64(j - n_low)) & np.uint64(1)
        for i in range(n):
            row = map_.couplings[j, i]
            fields[i] += row if up else -row
    n_doubtful = 0
    for block in range(first, stop):
        if block > first:
            flipped = trailing_zeros(np.uint64(block))
            gray ^= np.uint64(1) << np.uint64(flipped)
            up = (gray >> np.uint64(flipped)) & np.uint64(1)
            row = map_.couplings[n_low + flipped]
            for i in range(n):
                fields[i] += np.int32(2 * row[i]) if up else np.int32(-2 * row[i])
        start = np.int64(gray) * n_lanes
        words = successors[start : start + n_lanes]
        for c in range(n_lanes):
            words[c] = 0
            near[c] = 0
        for i in range(n):
            threshold = map_.thresholds[0, i]
            if i >= n_low:
                up = (gray >> np.uint64(i - n_low)) & np.uint64(1)
                threshold = map_.thresholds[np.int64(up), i]
            beside = np.int32(fields[i] - threshold)
            low, doubt, bit = map_.low_fields[i], map_.doubt[i], np.uint32(1 << i)
            width = np.uint32(2 * doubt)
            for c in range(n_lanes):
                x = np.int32(low[c] + beside)
                words[c] |= bit if x >= 0 else np.uint32(0)
                near[c] |= np.uint32(np.uint32(np.int32(x + doubt)) < width)
        any_near = np.uint32(0)
        for c in range(n_lanes):
            any_near |= near[c]
        if any_near:
            for c in range(n_lanes):
                if near[c]:
                    if n_doubtful < doubtful.shape[0]:
                        doubtful[n_doubtful] = start + c
                    n_doubtful += 1
    return n_doubtful


@kernel
def mark_images(successors, first, stop, inner):
    """Set the bit of the successor of each of the states first..stop-1 in `inner` (2**N / 64,)."""
    for s in range(first, stop):
        image = successors[s]
        inner[image >> np.uint32(6)] |= np.uint64(1) << np.uint64(image & np.uint32(63))


@kernel
def _number(inner, before, state):
    """Return the number of an inner state: how many there are before it."""
    word, bit = state >> np.uint32(6), np.uint64(state & np.uint32(63))
    below = inner[word] & ((np.uint64(1) << bit) - np.uint64(1))
    return np.uint32(before[word] + popcount_word(below))


@kernel
def compact(first, stop, successors, inner, before, states, following, leaves):
    """Number inner states, and count leaves: states without a predecessor.

    Parameters
    ----------
    first, stop : int
        Words of `inner` whose states are dealt with.
    successors : array (2**N,) of uint32
    inner : array of uint64
        A bit for each state, from `mark_images`.
    before : array of uint32
        For each word of `inner`, the inner states in the words before.
    states, following, leaves : array (n_inner,) of uint32
        Written: the words of the inner states, the numbers of their successors, and how many leaves
        each of them succeeds (added to what is there).
    """
    n_bits = min(np.int64(64), successors.shape[0])
    everyone = ~np.uint64(0) >> np.uint64(64 - n_bits)
    k = np.int64(before[first])
    for word in range(first, stop):
        start = 64 * word
        left = inner[word]
        while left != 0:
            s = start + trailing_zeros(left)
            left &= left - np.uint64(1)
            states[k] = s
            following[k] = _number(inner, before, successors[s])
            k += 1
        left = ~inner[word] & everyone
        while left != 0:
            s = start + trailing_zeros(left)
            left &= left - np.uint64(1)
            leaves[_number(inner, before, successors[s])] += np.uint32(1)


@kernel
def peel(following, degrees, order):
    """Write the transient states to `order`, each after all that lead to it; return their number.

    `degrees` (n_inner,), zeros before, are 0 for them and 1 for the states on cycles afterwards.
    """
    for k in range(following.shape[0]):
        degrees[following[k]] += np.uint32(1)
    n = 0
    for first in range(following.shape[0]):
        k = np.int64(first)
        while degrees[k] == 0:
            order[n] = k
            n += 1
            k = np.int64(following[k])
            degrees[k] -= np.uint32(1)
            if k > first:  # its turn comes
                break
    return n


@kernel
def find_cycles(following, n_transient, order, distances, labels, lengths):
    """Walk along the cycles, then back to all that leads to them; return the number of cycles.

    Parameters
    ----------
    following : array (n_inner,) of uint32
    n_transient : int
        From `peel`.
    order : array (n_inner,) of uint32
        From `peel`; the states of the cycles are appended, one cycle after the other, each from
        the lowest state on.
    distances : array (n_inner,) of uint32
        The degrees from `peel`; written: steps to the cycle.
    labels : array (n_inner,) of uint32
        Written: the number of the cycle that a state leads to; in the order of lowest states.
    lengths : array (n_inner - n_transient,) of uint32
        Written, as many as there are cycles.
    """
    n_placed, n_cycles = n_transient, 0
    for first in range(following.shape[0]):
        if distances[first] == 0:  # transient, or on a cycle that is known
            continue
        k, begun = np.int64(first), n_placed
        while distances[k] != 0:
            distances[k] = 0
            labels[k] = n_cycles
            order[n_placed] = k
            n_placed += 1
            k = np.int64(following[k])
        lengths[n_cycles] = n_placed - begun
        n_cycles += 1
    for place in range(n_transient - 1, -1, -1):
        k = order[place]
        distances[k] = distances[following[k]] + np.uint32(1)
        labels[k] = labels[following[k]]
    return n_cycles


@kernel
def count_basins(distances, labels, leaves, basins, total_steps, most_steps, by_steps):
    """Count all states by their cycle and by their steps to it.

    Parameters
    ----------
    distances, labels, leaves : array (n_inner,) of uint32
    basins, total_steps, most_steps : array (n_cycles,) of int64
        States that lead to each cycle, its own included; their steps, summed; the most of them.
        Added to zeros.
    by_steps : array of int64
        States by their steps, with room for the largest distance + 1. Added to zeros.
    """
    for k in range(labels.shape[0]):
        label, d, n_leaves = labels[k], np.int64(distances[k]), np.int64(leaves[k])
        basins[label] += 1 + n_leaves
        total_steps[label] += d + n_leaves * (d + 1)
        most_steps[label] = max(most_steps[label], d + np.int64(n_leaves > 0))
        by_steps[d] += 1
        by_steps[d + 1] += n_leaves
