"""Relaxation without input: replicas of one network, all their sweeps in one call.

Work goes in rounds. In a round every active replica advances until it looks settled, has run out
of sweeps, or its fields are due to be recomputed; then they are, for all of these replicas in one
dense product, and whoever looks settled is judged by them. Integer fields are exact: one round.
"""

from __future__ import annotations

from numba import prange

from binnet_kernels._jit import kernel, parallel_kernel
from binnet_kernels.relaxation.free_async import advance_async
from binnet_kernels.relaxation.free_fields import count_unstable, refresh_fields
from binnet_kernels.relaxation.free_sync import advance_sync
from binnet_kernels.relaxation.replicas import ALL_AT_ONCE
from binnet_kernels.structs import FIXED_POINT, UNSETTLED


@kernel
def _take_back(records, b):
    """Replica b looked settled and is not: the sweep that said so has not been."""
    records.sweeps[b] -= 1
    records.status[b] = UNSETTLED
    records.cycle_length[b] = 0


@kernel
def _relax_block(network, rule, replicas, records, watch, workspace, start, stop):
    rows = workspace.rows[:, start:stop]
    active, n_active = rows[0], stop - start
    for k in range(n_active):
        active[k] = start + k
    sweeps_at_most = records.flips.shape[1]
    n_sweeps = rule.refresh_every if rule.refresh_every > 0 else sweeps_at_most
    refresh_fields(network, replicas, active, n_active)
    while n_active > 0:
        if rule.order == ALL_AT_ONCE:
            advance_sync(
                network, rule, replicas, records, watch, workspace, rows, n_active, n_sweeps
            )
        else:
            advance_async(
                network, rule, replicas, records, watch, workspace, rows, n_active, n_sweeps
            )
        if rule.refresh_every > 0:
            refresh_fields(network, replicas, active, n_active)
        n_left = 0
        for k in range(n_active):
            b = active[k]
            if (
                rule.refresh_every > 0
                and records.status[b] == FIXED_POINT
                and count_unstable(network, replicas.field[b], replicas.state[b]) > 0
            ):
                _take_back(records, b)
            if records.status[b] == UNSETTLED and records.sweeps[b] < sweeps_at_most:
                active[n_left] = b
                n_left += 1
        n_active = n_left


@parallel_kernel
def relax_replicas(network, rule, replicas, records, watch, workspace, block):
    """Relax all replicas from `replicas.state`, `block` at a time; `replicas` has the arguments.

    Replicas of a block share passes over the couplings; no result depends on the blocks.
    """
    n_replicas = replicas.state.shape[0]
    for k in prange((n_replicas + block - 1) // block):
        start, stop = k * block, min(n_replicas, (k + 1) * block)
        _relax_block(network, rule, replicas, records, watch, workspace, start, stop)
