"""Synchronous and random-subset sweeps of replicas without input.

A sweep costs as much as it changes: the fields follow the flips, unless so many flip that a dense
product over all such replicas is cheaper.
"""

from __future__ import annotations

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.calls import call
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.relaxation.cycles import note_flip, note_return
from binnet_kernels.relaxation.fields import add_events
from binnet_kernels.relaxation.free_fields import add_events_in_turn, find_flips
from binnet_kernels.relaxation.relax_sync import keep_random_subset
from binnet_kernels.structs import FIXED_POINT, UNSETTLED


@inner_kernel
def flip_replica(network, update, replicas, records, search, workspace, b):
    """Do one sweep of replica b, but for its fields; return how many neurons flipped."""
    t = records.sweeps[b]
    records.sweeps[b] = t + 1
    state, sites, changes = replicas.state[b], workspace.sites[b], workspace.changes[b]
    distance = records.distance[b, t - 1] if t > 0 else 0
    n_flips = find_flips(network, replicas.field[b], state, changes, sites)
    records.unstable[b, t] = n_flips
    if n_flips == 0:
        records.status[b] = FIXED_POINT
        records.cycle_length[b] = 1
    elif update.probability < 1.0:
        key = derive_key(update.keys[b], t)
        n_flips = keep_random_subset(key, update.probability, sites, changes, n_flips)
    for k in range(n_flips):
        state[sites[k]] += changes[k]
        distance += note_flip(replicas, search, b, sites[k])
    records.flips[b, t] = n_flips
    records.distance[b, t] = distance
    if n_flips > 0 and update.stop_at_cycle and update.probability >= 1.0:
        note_return(records, search, b, state)
    return n_flips


@inner_kernel
def advance_sync(
    network, update, replicas, records, search, workspace, steps, start, n_rows, n_sweeps
):
    """Advance replicas by `n_sweeps` sweeps at most, each until it settles.

    ``workspace.rows[0, start : start + n_rows]`` lists the replicas; the two rows below it are work
    space. How a replica's fields are updated depends on its own flips alone, so that its rounding
    does too.
    """
    sweeps_at_most = records.flips.shape[1]
    dense = workspace.rows[1][start : start + n_rows]
    sparse = workspace.rows[2][start : start + n_rows]
    for _ in range(n_sweeps):
        n_dense, n_sparse = 0, 0
        for k in range(n_rows):
            b = workspace.rows[0, start + k]
            if records.status[b] != UNSETTLED or records.sweeps[b] == sweeps_at_most:
                continue
            n_flips = flip_replica(network, update, replicas, records, search, workspace, b)
            workspace.n_events[b] = n_flips
            if n_flips > update.dense_above:
                dense[n_dense] = b
                n_dense += 1
            elif n_flips > update.turns_above:
                sparse[n_sparse] = b
                n_sparse += 1
            else:
                add_events(
                    network.couplings,
                    workspace.sites[b],
                    workspace.changes[b],
                    n_flips,
                    replicas.field[b],
                )
        if n_dense > 0:
            call(steps.refresh, network, replicas, dense, n_dense)
        if n_sparse > 0:
            add_events_in_turn(network, update.window, workspace, sparse, n_sparse, replicas.field)
