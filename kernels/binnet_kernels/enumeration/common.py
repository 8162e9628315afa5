"""What both enumerations share: the conditions of a fixed point in integers, and work space.

Positions are neurons in the order of the search; position 0 varies fastest. Rows are padded to P
columns, whole steps of a vectorised loop; a padding column, like a spin that is open (0), has slack
0, so that its condition holds.

Tests may let through too much, never too little. A configuration that passes the last one by less
than `Conditions.doubt` somewhere is marked (`DOUBTFUL`), for the caller to decide exactly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.structs import allocate_apart

Array = np.ndarray[Any, Any]

DOUBTFUL = np.uint64(1 << 63)
_COLUMNS = 32
CHUNK = 128  # lanes sifted together: a few vectors, so that loops outweigh their overhead


class Conditions(NamedTuple):
    """When a configuration is a fixed point: s_i F_i + slack_i(s_i) >= 0, F_i = sum_j G_ij s_j."""

    couplings: Array  # (N, P) int32: [j, i] is G_ij from position j to i, zero diagonal
    slack: Array  # (2, P) int32: for s_i = -1 and for s_i = +1, at most sum_j |G_ij| + 1
    doubt: Array  # (P,) int32: a sum below it may have passed only by rounding; 0 if none may
    words: Array  # (N,) uint64: the bit of each position in a packed state


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


def pad(n: int, multiple: int) -> int:
    """Return the next multiple."""
    return -(-n // multiple) * multiple


def widen(rows: Array, n_columns: int) -> Array:
    """Return int32 rows with zeros up to `n_columns`."""
    wide = np.zeros((*rows.shape[:-1], n_columns), np.int32)
    wide[..., : rows.shape[-1]] = rows
    return wide


def make_conditions(couplings: Array, slack: Array, doubt: Array, order: Array) -> Conditions:
    """Bring conditions by neuron, couplings [i, j] from j to i, into the order of the search."""
    n_columns = pad(len(order), _COLUMNS)
    return Conditions(
        couplings=widen(couplings[np.ix_(order, order)].T, n_columns),
        slack=widen(slack[:, order], n_columns),
        doubt=widen(doubt[order], n_columns),
        words=np.uint64(1) << order.astype(np.uint64),
    )


def make_scratch(conditions: Conditions, n_workers: int) -> Scratch:
    """Return work space for `n_workers` workers."""
    n_columns = len(conditions.doubt)
    lanes = allocate_apart(n_workers, CHUNK, np.int8)
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
