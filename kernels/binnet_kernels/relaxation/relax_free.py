"""Relaxation without input: replicas of one network, all their sweeps in one call.

Work goes in rounds. In a round every active replica advances until it looks settled, has run out
of sweeps, or its fields are due to be recomputed; then they are, for all of these replicas in one
dense product, and whoever looks settled is judged by them. Integer fields are exact: one round.

Threads share out the replicas: each calls `relax_replicas` for some of them. Where there are fewer
replicas than threads, a team of threads relaxes them in step.
"""

from __future__ import annotations

from typing import NamedTuple

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.lowlevel.team import count_members, make_team
from binnet_kernels.relaxation.free_async import advance_each
from binnet_kernels.relaxation.free_fields import count_unstable, find_piece, refresh_fields
from binnet_kernels.relaxation.free_sync import ACTIVE, advance_sync
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
        advance=find_address(advance, *groups, Steps(0, 0, 0), 0, 0, 0, make_team(1), 0),
        sweep=0 if sweep is None else find_address(sweep, *groups, 0, 0),
        refresh=find_address(refresh_fields, network, replicas, workspace.rows[0], 0, 0, 0),
    )


@inner_kernel
def _take_back(records, b):
    """Replica b looked settled and is not: the sweep that said so has not been."""
    records.sweeps[b] -= 1
    records.status[b] = UNSETTLED
    records.cycle_length[b] = 0


@inner_kernel
def _end_round(network, update, replicas, records, steps, active, n_active):
    """Recompute fields that are not exact, and keep in `active` who goes on; return how many."""
    is_exact, sweeps_at_most = update.refresh_every == 0, records.flips.shape[1]
    if not is_exact:
        call(steps.refresh, network, replicas, active, n_active, 0, replicas.state.shape[1])
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
def begin_replicas(steps, network, replicas, workspace, start, stop, piece):
    """Compute the fields of replicas start..stop-1 at one piece of the neurons."""
    begin, end = find_piece(piece, workspace.found.shape[1], replicas.state.shape[1])
    rows = workspace.rows[ACTIVE][start:stop]
    call(steps.refresh, network, replicas, rows, stop - start, begin, end)


@kernel
def relax_replicas(
    steps, network, update, replicas, records, search, workspace, start, stop, n_sweeps, round_,
    team, rank,
):  # fmt: skip
    """Relax replicas start..stop-1 by up to `n_sweeps` sweeps more; return how many are active.

    They share passes over the couplings; no result depends on which are relaxed together, nor on
    the number of sweeps in a call. `replicas` has the arguments; `round_` (2,) int64 goes from call
    to call: how many are active, and the sweeps left until fields are due. It begins with -1, or,
    after `begin_replicas`, with the number of replicas.

    Threads may relax the same replicas in step, each with its rank; only rank 0 knows how many are
    active. The fields must be exact then, and the order one of all replicas together.
    """
    active, n_active = workspace.rows[ACTIVE][start:stop], round_[0]
    is_exact, due = update.refresh_every == 0, round_[1]
    if n_active < 0:
        for piece in range(rank, workspace.found.shape[1], count_members(team, rank)):
            begin_replicas(steps, network, replicas, workspace, start, stop, piece)
        n_active, due = stop - start, update.refresh_every
    while n_active > 0 and n_sweeps > 0:
        n_here = n_sweeps if is_exact else min(n_sweeps, due)
        call(
            steps.advance, network, update, replicas, records, search, workspace, steps,
            start, n_active, n_here, team, rank,
        )  # fmt: skip
        if rank > 0:
            return 0
        n_sweeps -= n_here
        due -= n_here
        if is_exact or due == 0:
            n_active = _end_round(network, update, replicas, records, steps, active, n_active)
            due = update.refresh_every
    round_[0], round_[1] = n_active, due
    return n_active
