"""Couplings that are never stored: column j of J is drawn again whenever neuron j flips.

Coupling J_ij is a strength times n_ij, the sum of P random signs (P = 1: the sign itself; P = 16:
nearly Gaussian). Sign p of n_ij is bit i % 64 of draw ``p ceil(N / 64) + i // 64`` of the stream of
column j, counter-based random words of SplitMix64, so that one hash gives 64 signs. The diagonal is
left out exactly. Fields are int32, in units of the strength: a few thousand columns are counted bit
by bit (`lowlevel.carry_save`), then the counts are added to the fields. All sums are exact, hence
the same on any number of threads.

`replicas.FreeNetwork` holds `ImplicitCouplings` in the place of the matrix, and as J_D an integer
that compares with every field as J_D / strength does; so who is unstable, and the rest of the
dynamics but for the fields, is what it is for stored int16 couplings.

Fields have ``n_tiles * TILE_NEURONS`` >= N entries; those beyond N mean nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.carry_save import (
    COUNT_BITS,
    LANES,
    TILE_WORDS,
    add_1_stream,
    add_8_streams,
    add_32_streams,
    add_counts,
)
from binnet_kernels.lowlevel.rng import GAMMA, derive_key, mix
from binnet_kernels.relaxation.cycles import note_flip
from binnet_kernels.relaxation.free_async import find_worst
from binnet_kernels.relaxation.free_fields import total_field
from binnet_kernels.relaxation.free_sync import flip_listed, list_flips

WORD_BITS = 64
TILE_NEURONS = TILE_WORDS * WORD_BITS
# Streams between two readings of the counters: as many groups as COUNT_BITS can count.
_BLOCK = (2**COUNT_BITS - 1) // 32 * 32
# Streams whose keys are listed at a time.
SLAB = 8 * _BLOCK


class ImplicitCouplings(NamedTuple):
    """How couplings are drawn; stands for the matrix in `replicas.FreeNetwork`."""

    key: np.uint64
    n_signs: int  # P


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
def draw_couplings_implicit(key, n_signs, first, stop, couplings):
    """Fill rows first..stop-1 of `couplings` (N, N): n_ij at ``[j, i]``, 0 on the diagonal."""
    n = couplings.shape[0]
    n_words = (n + WORD_BITS - 1) // WORD_BITS
    for j in range(first, stop):
        column_key = derive_key(key, j)
        for i in range(n):
            couplings[j, i] = _draw_sign_sum(column_key, n_signs, n_words, i) if i != j else 0


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


@kernel
def add_columns_implicit(couplings, sites, n_events, factor, state, first, stop, scratch, field):
    """Add ``factor * state[j] * n_ij`` to ``field[i]``, for j = ``sites[k]`` and each k < n_events.

    With all neurons and factor 1 this is the dense product n s; with the neurons that flipped, in
    the new state, and factor 2 it is what the flips change.

    Parameters
    ----------
    couplings : ImplicitCouplings
    sites : int array (>= n_events,)
        Neurons, each at most once.
    n_events, factor : int
    state : int8 array (N,)
    first, stop : int
        Tiles of neurons i that are done: first..stop-1.
    scratch : tuple
        From `make_scratch_implicit`.
    field : int32 array (n_tiles * TILE_NEURONS,)
    """
    key, n_signs = couplings
    streams, flips, counter = scratch
    n_words = (state.shape[0] + WORD_BITS - 1) // WORD_BITS
    plane_step = np.uint64(n_words) * GAMMA
    events_per_slab = SLAB // n_signs
    for begin in range(0, n_events, events_per_slab):
        n_here = min(events_per_slab, n_events - begin)
        n_streams = n_here * n_signs
        for k in range(n_here):
            j = sites[begin + k]
            column_key = derive_key(key, j)
            for p in range(n_signs):
                streams[k * n_signs + p] = column_key + np.uint64(p) * plane_step
                flips[k * n_signs + p] = np.uint64(0) if state[j] > 0 else ~np.uint64(0)
        for tile in range(first, stop):
            part = field[tile * TILE_NEURONS : (tile + 1) * TILE_NEURONS]
            for start in range(0, n_streams, _BLOCK):
                end = min(start + _BLOCK, n_streams)
                n_bits = 0
                while (end - start) >> n_bits:
                    n_bits += 1
                _count_streams(streams, flips, start, end, tile * TILE_WORDS, counter)
                _read_counts(counter, n_bits, end - start, factor, part)
    for k in range(n_events):  # take the diagonal out again
        j = sites[k]
        if first <= j // TILE_NEURONS < stop:
            own = _draw_sign_sum(derive_key(key, j), n_signs, n_words, j)
            field[j] -= np.int32(factor * state[j] * own)


def count_tiles(n_neurons: int) -> int:
    """Return how many tiles the neurons fill; fields have TILE_NEURONS entries for each."""
    return -(-n_neurons // TILE_NEURONS)


def make_scratch_implicit() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return memory for `add_columns_implicit`, half a megabyte.

    These are the listed streams' keys, whether their bits are turned, and a counter.
    """
    return (
        np.zeros(SLAB, np.uint64),
        np.zeros(SLAB, np.uint64),
        np.zeros((COUNT_BITS, TILE_WORDS), np.uint64),
    )


@kernel
def _sum_late_signs(listed, n_flips, n_signs, n_words, i):
    """Return the sum of s_j n_ij over the listed flips, for neuron i."""
    word, bit = np.uint64(i // WORD_BITS), np.uint64(i % WORD_BITS)
    n_up = np.uint64(0)
    for p in range(n_signs):
        step = (np.uint64(p) * np.uint64(n_words) + word + np.uint64(1)) * GAMMA
        for event in range(n_flips):  # vectorised
            drawn = mix(listed[0, event] + step) >> bit
            n_up += (drawn ^ listed[1, event]) & np.uint64(1)
    return 2 * np.int64(n_up) - n_flips * n_signs


@kernel
def visit_sites_implicit(network, order, first, replicas, search, b, sites, listed):
    """Update neurons ``order[first:]`` of replica b one at a time, until their flips are listed.

    Each neuron is visited once at most. The field does not know of the flips of this call: a visit
    draws their couplings to its own neuron and adds them, which gives the field that the neuron
    would have had. The caller adds the columns of ``sites[:n_flips]`` to the field and calls again:
    one pass over all N fields serves many flips. A call ends when `sites` (L,) is full, or when its
    visits have drawn 2 N signs, about the cost of such a pass. Work space: `listed` (2, L) uint64.

    Returns
    -------
    tuple of int
        Index of the next visit, n_flips, and by how much the distance from the start has grown.
    """
    state, field, n_signs = replicas.state[b], replicas.field[b], network.couplings.n_signs
    n_neurons = state.shape[0]
    n_words = (n_neurons + WORD_BITS - 1) // WORD_BITS
    n_flips, distance, work = 0, 0, 0
    k = first
    while k < n_neurons and n_flips < sites.shape[0] and work < 2 * n_neurons:
        i = order[k]
        k += 1
        h = np.int64(total_field(network, field, state, i))
        if abs(h) <= 2 * n_flips * n_signs:  # else the flips of this call cannot turn it
            h += 2 * _sum_late_signs(listed, n_flips, n_signs, n_words, i)
            work += n_flips * n_signs
        if (h >= 0) != (state[i] > 0):
            state[i] = -state[i]
            distance += note_flip(replicas, search, b, i)
            sites[n_flips] = i
            listed[0, n_flips] = derive_key(network.couplings.key, i)
            listed[1, n_flips] = np.uint64(1) if state[i] < 0 else np.uint64(0)
            n_flips += 1
    return k, n_flips, distance


@kernel
def flip_replica_implicit(network, update, replicas, records, search, workspace, b):
    """Do one synchronous or random-subset sweep of replica b, but for its fields.

    Returns how many neurons flipped; ``workspace.sites[b]`` lists them.
    """
    list_flips(network, update, replicas, records, workspace, b, np.int64(0))
    return flip_listed(update, replicas, records, search, workspace, b)


@kernel
def flip_worst_implicit(network, largest, replicas, search, workspace, b):
    """Flip the worst neuron of replica b, but for the fields; return it and the change of distance.

    It is -1 if none is unstable.
    """
    state = replicas.state[b]
    i = find_worst(
        network, replicas.field[b], state, workspace.sizes[b], workspace.ranks[b], largest
    )
    if i < 0:
        return i, 0
    state[i] = -state[i]
    return i, note_flip(replicas, search, b, i)
