"""The update orders as the kernels know them: the code of each, and the sweeps that carry it out.

`binnet.update_orders` has the table of their names and properties; a test keeps the two together.
"""

from __future__ import annotations

from binnet_kernels.relaxation.block_sequential import relax_blocks, sweep_blocks
from binnet_kernels.relaxation.free_async import (
    sweep_async,
    sweep_async_fixed,
    sweep_greedy,
    sweep_reluctant,
)
from binnet_kernels.relaxation.relax_async import relax_async
from binnet_kernels.relaxation.relax_sync import relax_sync

SYNC, ASYNC, ASYNC_FIXED, GREEDY, RELUCTANT, RANDOM_SUBSET, BLOCK_SEQUENTIAL = range(7)

# Under an input, some samples from one sweep on to the last.
DRIVEN_SWEEPS = {
    SYNC: relax_sync,
    ASYNC: relax_async,
    RANDOM_SUBSET: relax_sync,
    BLOCK_SEQUENTIAL: relax_blocks,
}
# Orders whose first sweep from silence wakes all neurons, if none is left out.
WAKING = (SYNC, RANDOM_SUBSET)

# Without input, one replica at a time; sync and random-subset, which are not here, sweep through
# all replicas together, by `free_sync.advance_sync`.
FREE_SWEEPS = {
    ASYNC: sweep_async,
    ASYNC_FIXED: sweep_async_fixed,
    GREEDY: sweep_greedy,
    RELUCTANT: sweep_reluctant,
    BLOCK_SEQUENTIAL: sweep_blocks,
}
