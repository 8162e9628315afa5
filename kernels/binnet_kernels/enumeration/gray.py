"""Every fixed point by visiting every configuration, in Gray code over the high spins.

From one block of low-order configurations to the next a single high spin flips, so the fields
change by one row of couplings.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.enumeration.blocks import search_block
from binnet_kernels.enumeration.common import flip_spin, scratch_of, set_spin
from binnet_kernels.lowlevel.bits import trailing_zeros


@kernel
def _hold_task(conditions, task, n_held, fields, scratch):
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
def _walk_gray(conditions, block, task, n_held, scratch, found):
    n_low, (n, n_columns) = block.low.shape[0], conditions.couplings.shape
    fields = scratch.fields[:n_columns]
    word = _hold_task(conditions, task, n_held, fields, scratch)
    for j in range(n_low, n - n_held):
        set_spin(conditions, j, np.int32(-1), fields, scratch)
    n_found = 0
    n_blocks = 1 << (n - n_held - n_low)
    for block_number in range(1, n_blocks + 1):
        n_found = search_block(conditions, block, fields, word, scratch, found, n_found)
        if block_number == n_blocks:
            break
        j = n_low + trailing_zeros(np.uint64(block_number))
        word ^= flip_spin(conditions, j, fields, scratch)
    return n_found


@kernel
def enumerate_gray(conditions, block, tasks, n_held, scratch, found, counts, worker):
    """Find the fixed points of a worker's tasks: their bits are the last `n_held` spins.

    Row k of `found` receives, in the order of the search, the words of task k, as many as it has
    room for; ``counts[k]`` is how many there are. Of W workers, as many as `scratch` has room for,
    worker w does tasks w, w + W, ...
    """
    own = scratch_of(scratch, worker)
    for k in range(worker, tasks.shape[0], scratch.lanes.shape[0]):
        counts[k] = _walk_gray(conditions, block, tasks[k], n_held, own, found[k])
