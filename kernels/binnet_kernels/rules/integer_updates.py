"""The update of a batch in integers: sums of events become levels, and levels are added.

Some rows of weights at a time: first their levels, of those targets alone that learn, one after the
other; then these are added to the weights where they belong. Both are done 64 synapses at a time
(`rounding`), and one by one where that does not go: levels that shift registers round, or that
belong to presynaptic neurons which are silent in some samples, and weights whose targets do not lie
side by side. The integers are the same.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, kernel
from binnet_kernels.lowlevel.bits import popcount
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.lowlevel.rounding import (
    HAS_PERMUTE,
    LINE,
    add_levels,
    lay_lane,
    locate_key,
    round_tile,
    spread_word,
    sum_tile,
)
from binnet_kernels.lowlevel.simd import TILE, address_of
from binnet_kernels.rules.integer_synapses import (
    NEAREST,
    PER_WEIGHT,
    ROWS,
    draw_counter,
    draw_register,
    is_there,
    round_nearest,
    round_random,
)

_MAX_SHIFT = 9  # of `add_levels`


@inlined_kernel
def _list_targets(place, key, signs, mask, pre_mask, n_rows, is_rounded, spreads, targets):
    """List who learns, as words and as tiles; with `spreads`, also for `add_levels`.

    Return how many are listed, whether there are samples beyond 16 that count, and whether all
    presynaptic neurons are there in all samples that count.
    """
    width, union, is_full = mask.shape[0], np.uint32(0), True
    for i in range(width):
        union |= mask[i]
    for k in range(n_rows):
        is_full &= (union & ~pre_mask[k]) == 0
    has_many, lists_all = union > np.uint32(0xFFFF), spreads and not HAS_PERMUTE
    targets.bytes[:] = 0
    n_sites, n_tiles = np.int64(0), np.int64(0)
    for start in range(0, width, TILE):
        first_site, lanes = n_sites, np.uint64(0)
        # The last tile of 64 begins earlier: its lanes that another one has are not set.
        column = min(start, max(width - TILE, 0))
        for i in range(start, min(start + TILE, width)):
            if mask[i] == 0 and not lists_all:
                continue
            lanes |= np.uint64(1) << np.uint64(i - column)
            targets.tiles[n_tiles, TILE + i - column] = n_sites - first_site
            targets.sites[n_sites] = i
            targets.words[0, n_sites], targets.words[1, n_sites] = signs[i], mask[i]
            tile, lane = n_sites // TILE, n_sites % TILE
            lay_lane(signs[i], mask[i], has_many, lane, targets.bytes[tile])
            if is_rounded:
                place_key = TILE * tile + locate_key(lane)
                targets.keys[place_key] = derive_key(key, place.first + i)
            n_sites += 1
        if lanes != 0:
            entry = targets.tiles[n_tiles, :24].view(np.int64)
            entry[0], entry[2] = column, np.int64(lanes)
            entry[1] = column if lists_all else first_site
            n_tiles += 1
    return n_sites, n_tiles, has_many, is_full


@inlined_kernel
def _sum_tiles(
    weights, targets, n_sites, has_many, is_rounded, pre_signs, first, n_rows, j, exponent
):
    """Write the levels of rows first..first+n_rows-1 tile by tile; j is the first row's neuron.

    Rounding at random leaves memory time to bring the weights of these rows meanwhile.
    """
    stride, spread = targets.levels.shape[1], address_of(targets.spread)
    for r in range(n_rows):
        spread_word(pre_signs[first + r], has_many, targets.spread[r])
    n_tiles, many = -(-n_sites // TILE), np.int64(has_many)
    n_lines = -(-weights.strides[0] // (LINE * max(n_tiles, 1))) if is_rounded else 0
    for tile in range(n_tiles):
        ahead = address_of(weights[first]) + LINE * n_lines * n_rows * tile
        here, keys = address_of(targets.bytes[tile]), address_of(targets.keys) + 8 * TILE * tile
        out = address_of(targets.levels) + TILE * tile
        if is_rounded:
            round_tile(here, spread, n_rows, many, keys, j, exponent, out, stride, ahead, n_lines)
        else:
            sum_tile(here, spread, n_rows, many, keys, j, exponent, out, stride, ahead, n_lines)


@inlined_kernel
def _sum_plainly(levels, key, targets, n_sites, is_rounded, pre_signs, pre_mask, place, k, row):
    """Write the levels of row k one by one; only for those that are there a register steps."""
    signs, masks, exponent = targets.words[0], targets.words[1], np.int32(levels.exponent)
    signs_k, mask_k = pre_signs[k], pre_mask[k]
    for t in range(n_sites):
        both = np.uint32(masks[t] & mask_k)
        differ = popcount(np.uint32(np.uint32(signs[t] ^ signs_k) & both))
        row[t] = popcount(both) - 2 * differ
    if not is_rounded:
        return
    for t in range(n_sites):
        i = targets.sites[t]
        if masks[t] == 0 or not is_there(place, k, i):
            continue
        if levels.use_register:
            draw = draw_register(targets.registers, i, exponent)
        else:
            draw = draw_counter(derive_key(key, place.first + i), place.pre_first + k, exponent)
        row[t] = round_random(np.int32(row[t]), exponent, draw)


@inlined_kernel
def _leave_absent(targets, n_sites, place, first, n_rows):
    """Set the levels to 0 of weights in some rows that there are not, or that are not learned."""
    levels = targets.levels
    if place.present.shape[0] > 0:
        for r in range(n_rows):
            for t in range(n_sites):
                levels[r, t] *= is_there(place, first + r, targets.sites[t])
    if place.is_square:
        # Who learns is listed in order: the first that is not before the first row.
        offset = place.pre_first - place.first
        t = np.searchsorted(targets.sites[:n_sites], first + offset)
        while t < n_sites and targets.sites[t] < first + n_rows + offset:
            levels[targets.sites[t] - offset - first, t] = 0
            t += 1


@inlined_kernel
def _add_plainly(weights, targets, n_sites, first, n_rows, levels, factor, counts):
    """Add levels to rows of weights one by one."""
    low, high, changed, saturated = np.int32(levels.low), np.int32(levels.high), 0, 0
    for r in range(n_rows):
        row, amounts = weights[first + r], targets.levels[r]
        for t in range(n_sites):
            i = targets.sites[t]
            old = np.int32(row[i])
            asked = np.int32(old + np.int32(factor * np.int32(amounts[t])))
            new = min(max(asked, low), high)
            row[i] = new
            changed += new != old
            saturated += new != asked
    counts[0] += changed
    counts[1] += saturated


@inlined_kernel
def _add_tiles(weights, targets, n_tiles, first, n_rows, levels, factor, counts):
    """Add levels to rows of weights tile by tile."""
    shift = np.int64(0)
    while factor > 1:
        shift, factor = shift + 1, factor >> 1
    add_levels(
        weights, first, n_rows, address_of(targets.levels), targets.levels.shape[1],
        address_of(targets.tiles), n_tiles, np.int64(levels.low), np.int64(levels.high),
        min(shift, _MAX_SHIFT), address_of(counts),
    )  # fmt: skip


@kernel
def update_couplings_integer(
    weights, place, levels, key, pre_signs, pre_mask, signs, mask, targets, counts
):
    """Add the rounded events of up to 32 samples to presynaptic-major weights (K, W), in place.

    Parameters
    ----------
    weights : int8 or int16 array (K, W)
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
    n_rows, width = weights.shape
    exponent = np.int64(levels.exponent)
    is_rounded = exponent > 0 and levels.rounding == PER_WEIGHT
    is_nearest = exponent > 0 and levels.rounding == NEAREST
    factor = np.int32(np.int32(levels.step) << np.int32(-exponent if exponent < 0 else 0))
    in_tiles = weights.strides[1] == weights.itemsize and width >= TILE
    # From there on any level takes 8 bits to an end of their range.
    in_tiles &= weights.itemsize == 1 or factor <= 1 << _MAX_SHIFT
    n_sites, n_tiles, has_many, is_full = _list_targets(
        place, key, signs[:width], mask[:width], pre_mask, n_rows, is_rounded, in_tiles, targets
    )
    sums_tiles = is_full and not (is_rounded and levels.use_register)
    for first in range(0, n_rows, ROWS):
        n = min(ROWS, n_rows - first)
        if sums_tiles:
            _sum_tiles(
                weights, targets, n_sites, has_many, is_rounded, pre_signs, first, n,
                np.int64(place.pre_first + first), exponent,
            )  # fmt: skip
        else:
            for r in range(n):
                _sum_plainly(
                    levels, key, targets, n_sites, is_rounded, pre_signs, pre_mask, place,
                    first + r, targets.levels[r],
                )  # fmt: skip
        if is_nearest:
            for r in range(n):
                for t in range(n_sites):
                    targets.levels[r, t] = round_nearest(targets.levels[r, t], exponent)
        _leave_absent(targets, n_sites, place, first, n)
        if in_tiles:
            _add_tiles(weights, targets, n_tiles, first, n, levels, factor, counts)
        else:
            _add_plainly(weights, targets, n_sites, first, n, levels, factor, counts)
