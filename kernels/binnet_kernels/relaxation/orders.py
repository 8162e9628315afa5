"""The update orders as the kernels know them: the code of each, and the sweeps that carry it out.

`binnet.update_orders` has the table of their names and properties; a test keeps the two together.
"""

from __future__ import annotations

from binnet_kernels.relaxation.block_sequential import sweep_blocks
from binnet_kernels.relaxation.free_async import (
    sweep_async,
    sweep_async_fixed,
    sweep_greedy,
    sweep_reluctant,
)

SYNC, ASYNC, ASYNC_FIXED, GREEDY, RELUCTANT, RANDOM_SUBSET, BLOCK_SEQUENTIAL = range(7)

# Without input, one replica at a time; sync and random-subset, which are not here, sweep through
# all replicas together, by `free_sync.advance_sync`.
FREE_SWEEPS = {
    ASYNC: sweep_async,
    ASYNC_FIXED: sweep_async_fixed,
    GREEDY: sweep_greedy,
    RELUCTANT: sweep_reluctant,
    BLOCK_SEQUENTIAL: sweep_blocks,
}
