"""The update of a batch of more than 32 samples in integers: all events are summed, then rounded.

Spins are packed in words of 32 samples, a *piece* of the batch each. `integer_updates` adds what a
single piece asks for; here the sums run over all pieces first, so that a weight has one draw for a
batch of any size (docs/model/arithmetic.md, section 3.1).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel, kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples, popcount
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.rules.integer_synapses import (
    NEAREST,
    PER_WEIGHT,
    draw_counter,
    draw_register,
    is_there,
    round_nearest,
    round_random,
)
from binnet_kernels.structs import Array


def make_words(n_banks: int, batch_size: int, n: int) -> tuple[Array, Array]:
    """Return words of each bank (S, P, 4, 2, n), and room for those who learn (S, P, 2, n)."""
    n_pieces = -(-batch_size // WORD_BITS)
    n_listed = n if n_pieces > 1 else 0
    return (
        np.zeros((n_banks, n_pieces, 4, 2, n), np.uint32),
        np.zeros((n_banks, n_pieces, 2, n_listed), np.uint32),
    )


@inner_kernel
def pack_pieces(spins, n_samples, start, stop, row, words):
    """Pack columns start..stop-1 of `spins` (B, K) into row `row` of the words (P, 4, 2, n)."""
    for p in range(words.shape[0]):
        first = WORD_BITS * p
        pack_samples(
            spins, first, min(WORD_BITS, n_samples - first), start, stop, words[p, row, 0],
            words[p, row, 1],
        )  # fmt: skip


@inlined_kernel
def _list_learners(place, key, post, targets, listed):
    """List those who learn in a sample at least, with their keys and words; return how many."""
    n_pieces, n_sites = post.shape[0], np.int64(0)
    for i in range(post.shape[2]):
        union = np.uint32(0)
        for p in range(n_pieces):
            union |= post[p, 1, i]
        if union == 0:
            continue
        for p in range(n_pieces):
            listed[p, 0, n_sites], listed[p, 1, n_sites] = post[p, 0, i], post[p, 1, i]
        targets.sites[n_sites] = i
        targets.keys[n_sites] = derive_key(key, place.first + i)
        n_sites += 1
    return n_sites


@inlined_kernel
def _sum_events(pre, listed, k, sums):
    """Write the sums of events of presynaptic neuron k, over all pieces."""
    n_sites = sums.shape[0]
    sums[:] = 0
    for p in range(listed.shape[0]):
        signs_k, mask_k = pre[p, 0, k], pre[p, 1, k]
        signs, masks = listed[p, 0, :n_sites], listed[p, 1, :n_sites]
        for t in range(n_sites):
            both = np.uint32(masks[t] & mask_k)
            differ = popcount(np.uint32(np.uint32(signs[t] ^ signs_k) & both))
            sums[t] += np.int32(popcount(both) - 2 * differ)


@inlined_kernel
def _round_sums(levels, place, targets, k, sums):
    """Round the sums of presynaptic neuron k to whole levels."""
    exponent, counter = np.int32(levels.exponent), np.int64(place.pre_first + k)
    n_sites, sites = sums.shape[0], targets.sites
    if levels.rounding == NEAREST:
        for t in range(n_sites):
            sums[t] = round_nearest(sums[t], np.int64(exponent))
    elif levels.rounding != PER_WEIGHT:
        return
    elif levels.use_register:
        for t in range(n_sites):
            if is_there(place, k, sites[t]):  # else no register steps
                draw = draw_register(targets.registers, sites[t], exponent)
                sums[t] = round_random(sums[t], exponent, draw)
    else:
        keys = targets.keys[:n_sites]
        for t in range(n_sites):
            sums[t] = round_random(sums[t], exponent, draw_counter(keys[t], counter, exponent))


@kernel
def update_couplings_pieces(weights, place, levels, key, pre, post, targets, listed, sums, counts):
    """Add the rounded events of a batch to presynaptic-major weights (K, W), in place.

    Parameters
    ----------
    weights : int8 or int16 array (K, W)
    place : Place
    levels : Levels
    key : uint64
        Of the step and the block.
    pre : uint32 array (P, 2, >= K)
        Signs and masks of presynaptic spins, packed by `pack_pieces`.
    post : uint32 array (P, 2, W)
        Those of the targets, masked out in the samples where they are stable, and thinned.
    targets : Targets
        Work space and shift registers.
    listed : uint32 array (P, 2, >= W)
        Work space.
    sums : int32 array (>= W,)
        Work space.
    counts : int64 array (2,)
        Raised by the weights that changed, and by the sums that saturated.
    """
    n_sites = _list_learners(place, key, post, targets, listed)
    sums, sites = sums[:n_sites], targets.sites
    # In 64 bits: a large batch times many levels.
    factor = np.int64(levels.step) << np.int64(max(-levels.exponent, 0))
    low, high, changed, saturated = np.int64(levels.low), np.int64(levels.high), 0, 0
    for k in range(weights.shape[0]):
        _sum_events(pre, listed, k, sums)
        if levels.exponent > 0:
            _round_sums(levels, place, targets, k, sums)
        row, itself = weights[k], place.pre_first + k - place.first
        for t in range(n_sites):
            i = sites[t]
            if (place.is_square and i == itself) or not is_there(place, k, i):
                continue
            old = np.int64(row[i])
            asked = old + factor * np.int64(sums[t])
            new = min(max(asked, low), high)
            row[i] = new
            changed += new != old
            saturated += new != asked
    counts[0] += changed
    counts[1] += saturated
