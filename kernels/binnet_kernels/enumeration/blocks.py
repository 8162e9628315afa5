"""Blocks of configurations for Gray code: all settings of the first few spins, the low ones.

The others, the high ones, are held. A block is sifted with 8-bit fields, many configurations to a
vector; what passes is tested again with the 32-bit fields.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.enumeration.common import CHUNK, DOUBTFUL, Array, Conditions, pad, widen
from binnet_kernels.lowlevel.bits import trailing_zeros

_ROWS = 4  # conditions between two looks at whether any lane is left
_REACH = 64  # 8-bit fields and thresholds lie in -64..64, so that their sums cannot overflow
_SIGN_BITS = np.uint64(0x8080808080808080)


class Block(NamedTuple):
    """The low spins in all their settings; lane c has spin j up where bit j of c is 1."""

    fields: Array  # (C, P) int32: sum over the low spins of G_ij s_j
    spins: Array  # (C, P) int32: 0 for high spins
    slack: Array  # (C, P) int32: of the low spins' conditions, 0 for high spins
    words: Array  # (C,) uint64
    high: Array  # (2 P, lanes) int8: -field and +field of high neurons, 0 for others
    low: Array  # (L, lanes) int8: s * field of low neurons
    masks: Array  # (L, lanes) int8: -1 where the low spin is up
    shifts: Array  # (P,) int32: bits by which a 32-bit field exceeds the 8-bit one
    outside: Array  # (lanes,) int8: -1 for lanes that are padding


def make_block(conditions: Conditions, n_low: int) -> Block:
    """Tabulate the block of the first `n_low` positions."""
    n_columns, n = len(conditions.doubt), len(conditions.words)
    n_lanes = 2**n_low
    padded = pad(n_lanes, CHUNK)
    bits = np.arange(n_lanes)[:, None] >> np.arange(n_low) & 1
    spins = 2 * bits - 1
    fields = spins.astype(np.int32) @ conditions.couplings[:n_low]
    # |field| < 2**(shift + 6), so that field >> shift lies in -64..63.
    largest = np.abs(conditions.couplings[:n_low].astype(np.int64)).sum(axis=0)
    shifts = np.maximum(np.ceil(np.log2(largest + 1)).astype(np.int32) - 6, 0)
    high = np.zeros((2 * n_columns, padded), np.int8)
    high[2 * n_low : 2 * n : 2, :n_lanes] = (-fields >> shifts)[:, n_low:n].T
    high[2 * n_low + 1 : 2 * n : 2, :n_lanes] = (fields >> shifts)[:, n_low:n].T
    low, masks = np.zeros((2, n_low, padded), np.int8)
    low[:, :n_lanes] = (spins * fields[:, :n_low] >> shifts[:n_low]).T
    masks[:, :n_lanes] = -bits.T
    outside = np.zeros(padded, np.int8)
    outside[n_lanes:] = -1
    return Block(
        fields=fields,
        spins=widen(spins, n_columns),
        slack=widen(
            np.where(bits, conditions.slack[1, :n_low], conditions.slack[0, :n_low]), n_columns
        ),
        words=(bits.astype(np.uint64) * conditions.words[:n_low]).sum(axis=1, dtype=np.uint64),
        high=high,
        low=low,
        masks=masks,
        shifts=shifts,
        outside=outside,
    )


@kernel
def _to_threshold(slack, shift):
    """Return the 8-bit threshold t: field + slack >= 0 implies (field >> shift) + t >= 0."""
    # floor(a) + floor(b) > a + b - 2, so sums of at least 0 come out as at least -1.
    t = np.int32((slack >> shift) + 1)
    return max(min(t, np.int32(_REACH)), np.int32(-_REACH))


@kernel
def _set_thresholds(block, fields, scratch):
    """Fill rows and thresholds of the high neurons; return False if no lane can pass."""
    spins, slack, rows, thresholds = scratch.spins, scratch.slack, scratch.rows, scratch.thresholds
    shifts = block.shifts
    lowest = np.int32(_REACH)
    for i in range(fields.shape[0]):
        s = spins[i]
        beside = np.int32(np.int32(s * fields[i]) + slack[i])
        t = _to_threshold(beside, shifts[i])
        lowest = min(lowest, t)
        thresholds[i] = t
        rows[i] = np.int32(2 * i) + np.int32(s > 0)
    return lowest > -_REACH


@kernel
def _sift(conditions, block, fields, start, scratch):
    """Fill lanes, from `start` on: >= 0 where all conditions may hold. Return False if nowhere."""
    high, rows, thresholds = block.high, scratch.rows, scratch.thresholds
    n_low, n = block.low.shape[0], conditions.couplings.shape[0]
    lanes, outside = scratch.lanes, block.outside[start : start + CHUNK]
    for c in range(CHUNK):
        lanes[c] = outside[c]
    # The first rows may be of low neurons and the last ones padding: these pass.
    for i in range(n_low - n_low % _ROWS, n, _ROWS):
        t0, t1, t2, t3 = thresholds[i], thresholds[i + 1], thresholds[i + 2], thresholds[i + 3]
        x0 = high[rows[i], start : start + CHUNK]
        x1 = high[rows[i + 1], start : start + CHUNK]
        x2 = high[rows[i + 2], start : start + CHUNK]
        x3 = high[rows[i + 3], start : start + CHUNK]
        dead = np.int8(-1)
        for c in range(CHUNK):
            both = np.int8(np.int8(x0[c] + t0) | np.int8(x1[c] + t1))
            other = np.int8(np.int8(x2[c] + t2) | np.int8(x3[c] + t3))
            lane = np.int8(np.int8(both | other) | lanes[c])
            lanes[c] = lane
            dead &= lane
        if dead < 0:
            return False
    for j in range(n_low):
        up = np.int8(_to_threshold(fields[j] + conditions.slack[1, j], block.shifts[j]))
        down = np.int8(_to_threshold(-fields[j] + conditions.slack[0, j], block.shifts[j]))
        change = np.int8(up ^ down)
        x = block.low[j, start : start + CHUNK]
        mask = block.masks[j, start : start + CHUNK]
        for c in range(CHUNK):
            lanes[c] |= np.int8(x[c] + np.int8(down ^ np.int8(mask[c] & change)))
    return True


@kernel
def _test_lane(conditions, block, fields, c, scratch):
    """Test lane c with 32-bit fields: 0 it fails, 1 it holds, 2 it holds but is in doubt."""
    spins, slack, doubt = scratch.spins, scratch.slack, conditions.doubt
    low_fields, low_spins, low_slack = block.fields[c], block.spins[c], block.slack[c]
    lowest, closest = np.int32(0), np.int32(0)
    for i in range(fields.shape[0]):
        s = np.int32(spins[i] + low_spins[i])
        aligned = np.int32(s * np.int32(fields[i] + low_fields[i]))
        x = np.int32(aligned + np.int32(slack[i] + low_slack[i]))
        lowest = min(lowest, x)
        closest = min(closest, np.int32(x - doubt[i]))
    if lowest < 0:
        return 0
    return 2 if closest < 0 else 1


@kernel
def search_block(conditions, block, fields, word, scratch, found, n_found):
    """Append the fixed points of one block to `found`; return how many there are by now.

    `fields` (P,) are those of the high spins alone, `word` has their bits, and scratch.spins and
    scratch.slack hold them, with 0 for low spins. What `found` has no room for is only counted.
    """
    if not _set_thresholds(block, fields, scratch):
        return n_found
    for start in range(0, block.outside.shape[0], CHUNK):
        if not _sift(conditions, block, fields, start, scratch):
            continue
        for k in range(CHUNK // 8):
            alive = ~scratch.lane_words[k] & _SIGN_BITS
            while alive != 0:
                c = start + 8 * k + (trailing_zeros(alive) >> 3)
                alive &= alive - np.uint64(1)
                verdict = _test_lane(conditions, block, fields, c, scratch)
                if verdict > 0:
                    if n_found < found.shape[0]:
                        mark = DOUBTFUL if verdict == 2 else np.uint64(0)
                        found[n_found] = word | block.words[c] | mark
                    n_found += 1
    return n_found
