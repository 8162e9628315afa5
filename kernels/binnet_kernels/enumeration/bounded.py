"""Every fixed point by branch and bound: spins are set one after the other, from the last down.

Of each neuron a node of the search tree knows how much its condition s_i F_i + slack_i(s_i) >= 0
can be exceeded at most, whatever the spins that are still open: once for s_i = -1, once for +1. A
spin that is set wrongly for a neuron takes 2 |G_ij| off it. Where such a bound is negative, that
value is out of the question: a neuron that has it, or is left with none, ends the branch, and a
neuron that is open is forced to the other value, and is set next.

Bounds are 16-bit integers, rounded such that no fixed point is lost; each state that is left in the
end is tested with the 32-bit conditions. Nodes are worked on in batches: whether a branch ends
cannot be foreseen, and a batch keeps its nodes side by side without a jump.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.enumeration.common import (
    DOUBTFUL,
    Array,
    Conditions,
    flip_spin,
    scratch_of,
    set_spin,
)
from binnet_kernels.lowlevel.bits import find_highest
from binnet_kernels.lowlevel.vectors import STRIP, subtract_strip
from binnet_kernels.structs import allocate_aligned, allocate_apart

_BATCH = 32  # nodes that are branched together
_LARGEST = 32000  # of a bound: all there is room for in 16 bits, but for what is rounded up


class Bounds(NamedTuple):
    """How much each condition can be exceeded at most, in steps of a row."""

    most: Array  # (2, P) int16: while all spins are open, for s_i = -1 and for s_i = +1
    losses: Array  # (N, 2, P) int16: what the condition of s_i = +1 loses by s_j = -1 and by +1


class Tree(NamedTuple):
    """Nodes that wait to be branched, by the number of spins set since the root.

    Like `Scratch`, with a first axis for the workers while it is not that of one of them.
    """

    bounds: Array  # (N + 1, 2 * _BATCH, 2, P) int16: for s_i = -1 and for s_i = +1
    words: Array  # (N + 1, 2 * _BATCH, 3) uint64, by position: up; open; one of these is next
    sizes: Array  # (N + 1,) int64; longer than it says: what threads write must lie apart


def make_bounds(conditions: Conditions) -> Bounds:
    """Return the bounds of the root."""
    n, n_columns = conditions.couplings.shape
    couplings = conditions.couplings.astype(np.int64)
    largest = np.abs(couplings).sum(axis=0)
    steps = np.maximum(-(-(largest + np.abs(conditions.slack).max(axis=0)) // _LARGEST), 1)
    most = allocate_aligned((2, n_columns), np.int16)
    # Rounded down, both: where a sum of losses is no more than this, neither is that of theirs.
    most[:] = (largest + conditions.slack) // steps
    losses = allocate_aligned((n, 2, n_columns), np.int16)
    for row, s in enumerate((-1, 1)):
        losses[:, row] = 2 * np.maximum(-s * couplings, 0) // steps
    return Bounds(most, losses)


def make_tree(conditions: Conditions, n_workers: int) -> Tree:
    """Return room for the search of `n_workers` workers."""
    n, n_columns = conditions.couplings.shape
    return Tree(
        bounds=allocate_aligned((n_workers, n + 1, 2 * _BATCH, 2, n_columns), np.int16),
        words=allocate_aligned((n_workers, n + 1, 2 * _BATCH, 3), np.uint64),
        sizes=allocate_apart(n_workers, n + 1, np.int64),
    )


@inner_kernel
def _subtract(rows, source, target, losses, loss):
    """Set ``rows[target]`` to ``rows[source] - losses[loss]``; return where it is negative."""
    negative = subtract_strip(rows, source, target, losses, loss, 0)
    if losses.shape[2] > STRIP:  # there are two at most
        negative |= subtract_strip(rows, source, target, losses, loss, STRIP) << np.uint64(STRIP)
    return negative


@inner_kernel
def _set(bounds, tree, g, k, to, j, s):
    """Put node `to` of generation g + 1: node k of g, with spin j set to s = 0 (down) or 1 (up).

    Returns for which neurons -1 is out of the question, and for which +1.
    """
    no_down = _subtract(tree.bounds, (g, k, 0), (g + 1, to, 0), bounds.losses, (j, 1 - s))
    no_up = _subtract(tree.bounds, (g, k, 1), (g + 1, to, 1), bounds.losses, (j, s))
    return no_down, no_up


@inner_kernel
def _enter(words, k, up, left, no_down, no_up, everyone):
    """Put the words of a node whose bounds are there; return 1, or 0 where its branch ends."""
    forced = left & (no_down | no_up)
    words[k, 0], words[k, 1], words[k, 2] = up, left, forced if forced != 0 else left
    down = everyone & ~(up | left)
    return np.int64(((no_up & up) | (no_down & down) | (no_up & no_down)) == 0)


@inner_kernel
def _branch(bounds, tree, g, first, size, everyone):
    """Branch nodes first..size-1 of generation g; return how many there are in the next one."""
    nodes, children, n = tree.words[g, first:size], tree.words[g + 1], np.int64(0)
    for k in range(nodes.shape[0]):
        up, left = nodes[k, 0], nodes[k, 1]
        j = find_highest(nodes[k, 2])
        bit = np.uint64(1) << np.uint64(j)
        left &= ~bit
        no_down, no_up = _set(bounds, tree, g, first + k, n, j, 1)
        n += _enter(children, n, up | bit, left, no_down, no_up, everyone)
        no_down, no_up = _set(bounds, tree, g, first + k, n, j, 0)
        n += _enter(children, n, up, left, no_down, no_up, everyone)
    return n


@inner_kernel
def _plant(bounds, tree, task, n_held, everyone):
    """Put the root at generation 0, the last `n_held` spins held; return 1, or 0 if it ends."""
    n = bounds.losses.shape[0]
    held = np.uint64(everyone >> np.uint64(n - n_held))
    up = (task & held) << np.uint64(n - n_held)
    left = everyone >> np.uint64(n_held)
    no_down = no_up = np.uint64(0)
    for k in range(2):
        for i in range(bounds.most.shape[1]):
            tree.bounds[0, 0, k, i] = bounds.most[k, i]
    for j in range(n - n_held, n):
        no_down, no_up = _set(bounds, tree, 0, 0, 0, j, np.int64(up >> np.uint64(j)) & 1)
        for k in range(2):
            for i in range(bounds.most.shape[1]):
                tree.bounds[0, 0, k, i] = tree.bounds[1, 0, k, i]
    return _enter(tree.words[0], 0, up, left, no_down, no_up, everyone)


@inner_kernel
def _decide(conditions, fields, scratch):
    """Test the state in `scratch` by its fields: 0 it fails, 1 it holds, 2 it is in doubt."""
    spins, slack, doubt = scratch.spins, scratch.slack, conditions.doubt
    lowest = closest = np.int32(0)
    for i in range(fields.shape[0]):
        x = np.int32(np.int32(spins[i] * fields[i]) + slack[i])
        lowest = min(lowest, x)
        closest = min(closest, np.int32(x - doubt[i]))
    if lowest < 0:
        return 0
    return 2 if closest < 0 else 1


@inner_kernel
def _search(conditions, bounds, task, n_held, tree, scratch, found):
    n, n_columns = conditions.couplings.shape
    fields = scratch.fields[:n_columns]
    everyone = ~np.uint64(0) >> np.uint64(64 - n)
    sizes, last = tree.sizes, n - n_held
    fields[:] = 0
    for j in range(n):
        set_spin(conditions, j, np.int32(-1), fields, scratch)
    state = word = np.uint64(0)  # of scratch, by position and by neuron
    n_found = 0
    sizes[0] = _plant(bounds, tree, task, n_held, everyone)
    g = 0
    while g >= 0:
        size = sizes[g]
        if g < last and size > 0:
            first = max(size - _BATCH, 0)
            sizes[g] = first
            sizes[g + 1] = _branch(bounds, tree, g, first, size, everyone)
            g += 1
            continue
        for k in range(size):  # all spins are set
            changed = state ^ tree.words[g, k, 0]
            state ^= changed
            while changed != 0:
                j = find_highest(changed)
                changed ^= np.uint64(1) << np.uint64(j)
                word ^= flip_spin(conditions, j, fields, scratch)
            verdict = _decide(conditions, fields, scratch)
            if verdict > 0:
                if n_found < found.shape[0]:
                    found[n_found] = word | (DOUBTFUL if verdict == 2 else np.uint64(0))
                n_found += 1
        g -= 1
    return n_found


@kernel
def enumerate_bounded(conditions, bounds, tasks, n_held, tree, scratch, found, counts, worker):
    """Find the fixed points of a worker's tasks, as `enumerate_gray`."""
    own = scratch_of(scratch, worker)
    room = Tree(tree.bounds[worker], tree.words[worker], tree.sizes[worker])
    for k in range(worker, tasks.shape[0], scratch.lanes.shape[0]):
        counts[k] = _search(conditions, bounds, tasks[k], n_held, room, own, found[k])
