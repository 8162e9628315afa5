"""What both enumerations share: the conditions of a fixed point in integers, and blocks of lanes.

In Gray code configurations come in *blocks*: all settings of the first few spins (the low ones)
while the others (the high ones) are held. A block is sifted with 8-bit fields, many configurations
to a vector; what passes is tested again with the 32-bit fields.

Positions are neurons in the order of the search; position 0 varies fastest. Rows are padded to P
columns, whole steps of a vectorised loop; a padding column, like a spin that is open (0), has slack
0, so that its condition holds.

Both tests may let through too much, never too little. A configuration that passes the second one by
less than `Conditions.doubt` somewhere is marked (`DOUBTFUL`), for the caller to decide exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import trailing_zeros
from binnet_kernels.structs import allocate_apart

Array = np.ndarray[Any, Any]

DOUBTFUL = np.uint64(1 << 63)
_COLUMNS = 32
_CHUNK = 128  # lanes sifted together: a few vectors, so that loops outweigh their overhead
_ROWS = 4  # conditions between two looks at whether any lane is left
_REACH = 64  # 8-bit fields and thresholds lie in -64..64, so that their sums cannot overflow
_SIGN_BITS = np.uint64(0x8080808080808080)


class Conditions(NamedTuple):
    """When a configuration is a fixed point: s_i F_i + slack_i(s_i) >= 0, F_i = sum_j G_ij s_j."""

    couplings: Array  # (N, P) int32: [j, i] is G_ij from position j to i, zero diagonal
    slack: Array  # (2, P) int32: for s_i = -1 and for s_i = +1, at most sum_j |G_ij| + 1
    doubt: Array  # (P,) int32: a sum below it may have passed only by rounding; 0 if none may
    words: Array  # (N,) uint64: the bit of each position in a packed state


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


class Scratch(NamedTuple):
    """Work space, with a first axis for the workers while it is not that of one of them."""

    # Longer than they say: what threads write must lie apart.
    fields: Array  # (P,) int32
    spins: Array  # (P,) int32
    slack: Array  # (P,) int32
    rows: Array  # (P,) int32
    thresholds: Array  # (P,) int8
    lanes: Array  # (128,) int8
    lane_words: Array  # (16,) uint64, the same bytes


def _pad(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def _widen(rows: Array, n_columns: int) -> Array:
    """Return int32 rows with zeros up to `n_columns`."""
    wide = np.zeros((*rows.shape[:-1], n_columns), np.int32)
    wide[..., : rows.shape[-1]] = rows
    return wide


def make_conditions(couplings: Array, slack: Array, doubt: Array, order: Array) -> Conditions:
    """Bring conditions by neuron, couplings [i, j] from j to i, into the order of the search."""
    n_columns = _pad(len(order), _COLUMNS)
    return Conditions(
        couplings=_widen(couplings[np.ix_(order, order)].T, n_columns),
        slack=_widen(slack[:, order], n_columns),
        doubt=_widen(doubt[order], n_columns),
        words=np.uint64(1) << order.astype(np.uint64),
    )


def make_block(conditions: Conditions, n_low: int) -> Block:
    """Tabulate the block of the first `n_low` positions."""
    n_columns, n = len(conditions.doubt), len(conditions.words)
    n_lanes = 2**n_low
    padded = _pad(n_lanes, _CHUNK)
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
        spins=_widen(spins, n_columns),
        slack=_widen(
            np.where(bits, conditions.slack[1, :n_low], conditions.slack[0, :n_low]), n_columns
        ),
        words=(bits.astype(np.uint64) * conditions.words[:n_low]).sum(axis=1, dtype=np.uint64),
        high=high,
        low=low,
        masks=masks,
        shifts=shifts,
        outside=outside,
    )


def make_scratch(conditions: Conditions, n_workers: int) -> Scratch:
    """Return work space for `n_workers` workers."""
    n_columns = len(conditions.doubt)
    lanes = allocate_apart(n_workers, _CHUNK, np.int8)
    return Scratch(
        fields=allocate_apart(n_workers, n_columns, np.int32),
        spins=allocate_apart(n_workers, n_columns, np.int32),
        slack=allocate_apart(n_workers, n_columns, np.int32),
        rows=allocate_apart(n_workers, n_columns, np.int32),
        thresholds=allocate_apart(n_workers, n_columns, np.int8),
        lanes=lanes,
        lane_words=lanes.view(np.uint64),
    )


@kernel
def scratch_of(scratch, worker):
    """Return the work space of one worker."""
    return Scratch(
        scratch.fields[worker],
        scratch.spins[worker],
        scratch.slack[worker],
        scratch.rows[worker],
        scratch.thresholds[worker],
        scratch.lanes[worker],
        scratch.lane_words[worker],
    )


@kernel
def set_spin(conditions, j, s, fields, scratch):
    """Set spin j, which is open, to s; add it to `fields` (P,), and return its bit if it is up."""
    scratch.spins[j] = s
    scratch.slack[j] = conditions.slack[1 if s > 0 else 0, j]
    row = conditions.couplings[j]
    for i in range(fields.shape[0]):
        fields[i] += np.int32(s * row[i])
    return conditions.words[j] if s > 0 else np.uint64(0)


@kernel
def flip_spin(conditions, j, fields, scratch):
    """Turn spin j, which is set, the other way; return its bit."""
    spins = scratch.spins
    s = np.int32(-spins[j])
    spins[j] = s
    scratch.slack[j] = conditions.slack[1 if s > 0 else 0, j]
    change, row = np.int32(2 * s), conditions.couplings[j]
    for i in range(fields.shape[0]):
        fields[i] += np.int32(change * row[i])
    return conditions.words[j]


@kernel
def hold_task(conditions, task, n_held, fields, scratch):
    """Hold the last `n_held` spins to the bits of `task`, open the others; return their word.

    Fills spins, slack and `fields` (P,), those of the spins that are held.
    """
    spins, slack, couplings = scratch.spins, scratch.slack, conditions.couplings
    n, n_columns = couplings.shape
    for i in range(n_columns):
        fields[i] = 0
        spins[i] = 0
        slack[i] = 0
    word = np.uint64(0)
    for k in range(n_held):
        up = (task >> np.uint64(k)) & np.uint64(1)
        s = np.int32(2 * np.int64(up) - 1)
        word |= set_spin(conditions, n - n_held + k, s, fields, scratch)
    return word


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
    lanes, outside = scratch.lanes, block.outside[start : start + _CHUNK]
    for c in range(_CHUNK):
        lanes[c] = outside[c]
    # The first rows may be of low neurons and the last ones padding: these pass.
    for i in range(n_low - n_low % _ROWS, n, _ROWS):
        t0, t1, t2, t3 = thresholds[i], thresholds[i + 1], thresholds[i + 2], thresholds[i + 3]
        x0 = high[rows[i], start : start + _CHUNK]
        x1 = high[rows[i + 1], start : start + _CHUNK]
        x2 = high[rows[i + 2], start : start + _CHUNK]
        x3 = high[rows[i + 3], start : start + _CHUNK]
        dead = np.int8(-1)
        for c in range(_CHUNK):
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
        x = block.low[j, start : start + _CHUNK]
        mask = block.masks[j, start : start + _CHUNK]
        for c in range(_CHUNK):
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
    for start in range(0, block.outside.shape[0], _CHUNK):
        if not _sift(conditions, block, fields, start, scratch):
            continue
        for k in range(_CHUNK // 8):
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
