"""Every fixed point by branch and bound: spins are set one after the other, from the last down.

A branch is cut as soon as the couplings of a neuron that is set cannot, from the spins that are
still open, make up for what its field lacks. What is left is searched in blocks.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.enumeration.common import (
    Array,
    Conditions,
    hold_task,
    scratch_of,
    search_block,
    set_spin,
)


def make_reach(conditions: Conditions) -> Array:
    """Return what the spins before position j can add to field i at most, [j, i], (N + 1, P)."""
    n, n_columns = conditions.couplings.shape
    reach = np.zeros((n + 1, n_columns), np.int32)
    np.cumsum(np.abs(conditions.couplings), axis=0, out=reach[1:])
    return reach


@kernel
def _can_hold(fields, reach, scratch):
    """Whether the condition of each neuron that is set can still come to hold."""
    spins, slack = scratch.spins, scratch.slack
    lowest = np.int32(0)
    for i in range(fields.shape[0]):
        best = np.int32(np.int32(spins[i] * fields[i]) + np.int32(slack[i] + reach[i]))
        lowest = min(lowest, best)
    return lowest >= 0


@kernel
def _branch(conditions, block, reach, task, n_held, scratch, found):
    n_low, n = block.low.shape[0], conditions.couplings.shape[0]
    fields, spins, slack = scratch.fields, scratch.spins, scratch.slack
    top = n - n_held
    # fields[j] are those of the spins from position j on.
    word = hold_task(conditions, task, n_held, fields[top], scratch)
    if not _can_hold(fields[top], reach[top], scratch):
        return 0
    if top == n_low:
        return search_block(conditions, block, fields[top], word, scratch, found, 0)
    n_found = 0
    j = top - 1
    while j < top:
        if spins[j] == -1:  # both ways tried
            spins[j] = 0
            slack[j] = 0
            j += 1
            continue
        s = np.int32(1 if spins[j] == 0 else -1)
        set_spin(conditions, j, s, fields[j + 1], fields[j], scratch)
        word ^= conditions.words[j]  # sets the bit for +1, clears it for -1
        if not _can_hold(fields[j], reach[j], scratch):
            continue
        if j > n_low:
            j -= 1
        else:
            n_found = search_block(conditions, block, fields[j], word, scratch, found, n_found)
    return n_found


@kernel
def enumerate_bounded(conditions, block, reach, tasks, n_held, scratch, found, counts, worker):
    """Find the fixed points of a worker's tasks, as `enumerate_gray`; `reach` is `make_reach`'s."""
    own = scratch_of(scratch, worker)
    for k in range(worker, tasks.shape[0], scratch.lanes.shape[0]):
        counts[k] = _branch(conditions, block, reach, tasks[k], n_held, own, found[k])
