"""Couplings that are never stored: column j of J is drawn again whenever neuron j flips.

Coupling J_ij is a strength times n_ij, the sum of P random signs (P = 1: the sign itself; P = 16:
nearly Gaussian). Sign p of n_ij is bit i % 64 of draw ``p ceil(N / 64) + i // 64`` of the stream of
column j, counter-based random words of SplitMix64, so that one hash gives 64 signs. The diagonal is
left out exactly. Fields are int32, in units of the strength: a few thousand columns are counted bit
by bit (`_carry_save`), then the counts are added to the fields. All sums are exact, hence the same
on any number of threads.

Fields have ``n_tiles * TILE_NEURONS`` >= N entries; those beyond N mean nothing.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from binnet_kernels._carry_save import (
    COUNT_BITS,
    LANES,
    TILE_WORDS,
    add_1_stream,
    add_8_streams,
    add_32_streams,
    add_counts,
)
from binnet_kernels._jit import kernel, parallel_kernel
from binnet_kernels._rng import GAMMA, derive_key, mix

WORD_BITS = 64
TILE_NEURONS = TILE_WORDS * WORD_BITS
# Streams between two readings of the counters: as many groups as COUNT_BITS can count.
_BLOCK = (2**COUNT_BITS - 1) // 32 * 32
# Streams whose keys are listed at a time.
SLAB = 8 * _BLOCK


@kernel
def _draw_sign_sum(column_key, n_signs, n_words, i):
    """Return n_ij, given the key of column j."""
    word, bit = np.uint64(i // WORD_BITS), np.uint64(i % WORD_BITS)
    total = 0
    for p in range(n_signs):
        counter = np.uint64(p) * np.uint64(n_words) + word + np.uint64(1)
        drawn = mix(column_key + counter * GAMMA)
        total += 1 if (drawn >> bit) & np.uint64(1) else -1
    return total


@kernel
def draw_couplings_implicit(key, n_signs, couplings):
    """Fill `couplings` (N, N) with n_ij at ``[i, j]``, 0 on the diagonal."""
    n = couplings.shape[0]
    n_words = (n + WORD_BITS - 1) // WORD_BITS
    for j in range(n):
        column_key = derive_key(key, j)
        for i in range(n):
            couplings[i, j] = _draw_sign_sum(column_key, n_signs, n_words, i) if i != j else 0


@kernel
def _count_streams(streams, flips, start, stop, first_word, counter):
    """Count the set bits of streams start..stop-1, words first_word.. of each."""
    counter[:] = np.uint64(0)
    k = start
    for _ in range((stop - k) // 32):
        for w in range(0, TILE_WORDS, LANES):
            add_32_streams(counter, streams, flips, k, first_word, w)
        k += 32
    for _ in range((stop - k) // 8):
        for w in range(0, TILE_WORDS, LANES):
            add_8_streams(counter, streams, flips, k, first_word, w)
        k += 8
    for _ in range(stop - k):
        for w in range(0, TILE_WORDS, LANES):
            add_1_stream(counter, streams, flips, k, first_word, w)
        k += 1


@kernel
def _read_counts(counter, n_bits, n_streams, factor, field):
    """Add factor * (ones - zeros) of each neuron of a tile to its field."""
    for w in range(TILE_WORDS):
        add_counts(counter, w, n_bits, 2 * factor, factor * n_streams, field)


@parallel_kernel
def add_columns_implicit(key, n_neurons, n_signs, sites, spins, n_events, factor, scratch, field):
    """Add ``factor * spins[k] * n_ij`` to ``field[i]`` for j = ``sites[k]``, k < n_events.

    With all neurons and factor 1 this is the dense product n s; with the flipped neurons, their new
    spins and factor 2 it is the change that the flips make.

    Parameters
    ----------
    key : uint64
        Of the couplings.
    n_neurons, n_signs : int
        N and P.
    sites : int64 array (>= n_events,)
        Neurons, each at most once.
    spins : int8 array (>= n_events,)
        -1 or +1.
    n_events, factor : int
    scratch : tuple
        From `make_scratch_implicit`.
    field : int32 array (n_tiles * TILE_NEURONS,)
    """
    streams, flips, counters = scratch
    n_words = (n_neurons + WORD_BITS - 1) // WORD_BITS
    plane_step = np.uint64(n_words) * GAMMA
    events_per_slab = SLAB // n_signs
    for begin in range(0, n_events, events_per_slab):
        n_here = min(events_per_slab, n_events - begin)
        n_streams = n_here * n_signs
        for k in prange(n_here):
            j = sites[begin + k]
            column_key = derive_key(key, j)
            for p in range(n_signs):
                streams[k * n_signs + p] = column_key + np.uint64(p) * plane_step
                flips[k * n_signs + p] = np.uint64(0) if spins[begin + k] > 0 else ~np.uint64(0)
        for tile in prange(counters.shape[0]):
            part = field[tile * TILE_NEURONS : (tile + 1) * TILE_NEURONS]
            for start in range(0, n_streams, _BLOCK):
                stop = min(start + _BLOCK, n_streams)
                n_bits = 0
                while (stop - start) >> n_bits:
                    n_bits += 1
                counter = counters[tile]
                _count_streams(streams, flips, start, stop, tile * TILE_WORDS, counter)
                _read_counts(counter, n_bits, stop - start, factor, part)
    for k in prange(n_events):  # take the diagonal out again
        j = sites[k]
        own = _draw_sign_sum(derive_key(key, j), n_signs, n_words, j)
        field[j] -= np.int32(factor * spins[k] * own)


def make_scratch_implicit(n_neurons: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return memory for `add_columns_implicit`: about 1.6 N bytes and half a megabyte.

    These are the listed streams' keys, whether their bits are turned, and a counter for each tile.
    """
    n_tiles = -(-n_neurons // TILE_NEURONS)
    return (
        np.zeros(SLAB, np.uint64),
        np.zeros(SLAB, np.uint64),
        np.zeros((n_tiles, COUNT_BITS, TILE_WORDS), np.uint64),
    )


@kernel
def find_flips_implicit(field, state, floor_threshold, ceil_threshold, sites, spins):
    """List the neurons whose field disagrees with their spin, and their new spins; count them.

    The field of neuron i is the strength times ``field[i] + theta s_i``, theta = J_D / strength, a
    real number that is given as its floor and its ceiling: an integer compares with them exactly.
    """
    n_found = 0
    for i in range(state.shape[0]):
        threshold = -floor_threshold if state[i] > 0 else ceil_threshold
        spin = np.int8(1) if field[i] >= threshold else np.int8(-1)  # sign(0) = +1
        sites[n_found] = i
        spins[n_found] = spin
        n_found += spin != state[i]
    return n_found


@kernel
def visit_sites_implicit(
    key, n_signs, order, first, field, state, thresholds, sites, spins, column_keys
):
    """Update neurons one at a time until the list of flips is full; return (next visit, flips).

    Visits ``order[first:]``, each neuron at most once. `field` does not know of the flips of this
    call: a visit draws their couplings to its own neuron and adds them, which gives the field that
    the neuron would have had. The caller adds the listed columns to `field` and calls again: one
    pass over all N fields serves many flips. A call also ends when its visits have drawn 2 N signs,
    about the cost of such a pass.
    """
    n = state.shape[0]
    n_words = (n + WORD_BITS - 1) // WORD_BITS
    floor_threshold, ceil_threshold = thresholds
    n_flips = 0
    work = 0
    k = first
    while k < order.shape[0] and n_flips < column_keys.shape[0] and work < 2 * n:
        i = order[k]
        k += 1
        total = np.int64(field[i])
        for event in range(n_flips):
            drawn = _draw_sign_sum(column_keys[event], n_signs, n_words, i)
            total += 2 * spins[event] * drawn
        work += n_flips * n_signs
        threshold = -floor_threshold if state[i] > 0 else ceil_threshold
        spin = np.int8(1) if total >= threshold else np.int8(-1)
        if spin != state[i]:
            state[i] = spin
            sites[n_flips] = i
            spins[n_flips] = spin
            column_keys[n_flips] = derive_key(key, i)
            n_flips += 1
    return k, n_flips
