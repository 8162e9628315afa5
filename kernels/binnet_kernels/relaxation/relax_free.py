"""Relaxation without input: replicas of one network, all their sweeps in one call.

Work goes in rounds. In a round every active replica advances until it looks settled, has run out
of sweeps, or its fields are due to be recomputed; then they are, for all of these replicas in one
dense product, and whoever looks settled is judged by them. Integer fields are exact: one round.

Threads share out the replicas: each calls `relax_replicas` for some of them.
"""

from __future__ import annotations

from typing import NamedTuple

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.relaxation.free_async import advance_each
from binnet_kernels.relaxation.free_fields import count_unstable, refresh_fields
from binnet_kernels.relaxation.free_sync import advance_sync
from binnet_kernels.relaxation.orders import FREE_SWEEPS
from binnet_kernels.relaxation.replicas import (
    CycleSearch,
    FreeNetwork,
    FreeUpdate,
    Records,
    Replicas,
    Workspace,
)
from binnet_kernels.structs import FIXED_POINT, UNSETTLED


class Steps(NamedTuple):
    """Addresses of the large steps of a relaxation, see `lowlevel.calls`."""

    advance: int  # `free_sync.advance_sync` or `free_async.advance_each`
    sweep: int  # of one replica, as `free_async.sweep_async`; 0 where all go together
    refresh: int  # `free_fields.refresh_fields`


def find_steps(
    code: int,
    network: FreeNetwork,
    update: FreeUpdate,
    replicas: Replicas,
    records: Records,
    search: CycleSearch,
    workspace: Workspace,
) -> Steps:
    """Return the steps of the update order of this code, compiled where needed."""
    groups = (network, update, replicas, records, search, workspace)
    sweep = FREE_SWEEPS.get(code)
    advance = advance_sync if sweep is None else advance_each
    return Steps(
        advance=find_address(advance, *groups, Steps(0, 0, 0), 0, 0, 0),
        sweep=0 if sweep is None else find_address(sweep, *groups, 0, 0),
        refresh=find_address(refresh_fields, network, replicas, workspace.rows[0], 0),
    )


@kernel
def _take_back(records, b):
    """Replica b looked settled and is not: the sweep that said so has not been."""
    records.sweeps[b] -= 1
    records.status[b] = UNSETTLED
    records.cycle_length[b] = 0


@kernel
def _end_round(network, update, replicas, records, steps, active, n_active):
    """Recompute fields that are not exact, and keep in `active` who goes on; return how many."""
    is_exact, sweeps_at_most = update.refresh_every == 0, records.flips.shape[1]
    if not is_exact:
        call(steps.refresh, network, replicas, active, n_active)
    n_left = 0
    for k in range(n_active):
        b = active[k]
        if (
            not is_exact
            and records.status[b] == FIXED_POINT
            and count_unstable(network, replicas.field[b], replicas.state[b]) > 0
        ):
            _take_back(records, b)
        if records.status[b] == UNSETTLED and records.sweeps[b] < sweeps_at_most:
            active[n_left] = b
            n_left += 1
    return n_left


@kernel
def relax_replicas(
    steps, network, update, replicas, records, search, workspace, start, stop, n_sweeps, round_
):
    """Relax replicas start..stop-1 by up to `n_sweeps` sweeps more; return how many are active.

    They share passes over the couplings; no result depends on which are relaxed together, nor on
    the number of sweeps in a call. `replicas` has the arguments; `round_` (2,) int64 goes from call
    to call, beginning with -1: how many are active, and the sweeps left until fields are due.
    """
    active, n_active = workspace.rows[0][start:stop], round_[0]
    is_exact = update.refresh_every == 0
    if n_active < 0:
        n_active = stop - start
        for k in range(n_active):
            active[k] = start + k
        round_[1] = update.refresh_every
        call(steps.refresh, network, replicas, active, n_active)
    while n_active > 0 and n_sweeps > 0:
        n_here = n_sweeps if is_exact else min(n_sweeps, round_[1])
        call(
            steps.advance, network, update, replicas, records, search, workspace, steps,
            start, n_active, n_here,
        )  # fmt: skip
        n_sweeps -= n_here
        round_[1] -= n_here
        if is_exact or round_[1] == 0:
            n_active = _end_round(network, update, replicas, records, steps, active, n_active)
            round_[1] = update.refresh_every
    round_[0] = n_active
    return n_active
