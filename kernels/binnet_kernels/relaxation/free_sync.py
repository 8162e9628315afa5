"""Synchronous and random-subset sweeps of replicas without input.

A sweep costs as much as it changes: the fields follow the flips, unless so many flip that a dense
product over all such replicas is cheaper.
"""

from __future__ import annotations

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.relaxation.fields import add_events
from binnet_kernels.relaxation.free_fields import add_events_in_turn, find_flips, refresh_fields
from binnet_kernels.relaxation.records import count_return, note_flip
from binnet_kernels.relaxation.relax_sync import keep_random_subset
from binnet_kernels.relaxation.replicas import CYCLE
from binnet_kernels.structs import FIXED_POINT, UNSETTLED


@kernel
def flip_replica(network, rule, replicas, records, watch, workspace, b):
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
    elif rule.probability < 1.0:
        key = derive_key(rule.keys[b], t)
        n_flips = keep_random_subset(key, rule.probability, sites, changes, n_flips)
    for k in range(n_flips):
        state[sites[k]] += changes[k]
        distance += note_flip(replicas, watch, b, sites[k])
    records.flips[b, t] = n_flips
    records.distance[b, t] = distance
    if n_flips > 0 and rule.stop_at_cycle and rule.probability >= 1.0:
        length = count_return(watch, b, state)
        if length > 0:
            records.status[b] = CYCLE
            records.cycle_length[b] = length
    return n_flips


@kernel
def advance_sync(network, rule, replicas, records, watch, workspace, rows, n_rows, n_sweeps):
    """Advance the listed replicas by `n_sweeps` sweeps at most, each until it settles.

    ``rows[0]`` lists the replicas; the two rows below it are work space. How a replica's fields
    are updated depends on its own flips alone, so that its rounding does too.
    """
    sweeps_at_most = records.flips.shape[1]
    for _ in range(n_sweeps):
        n_dense, n_sparse = 0, 0
        dense, sparse = rows[1], rows[2]
        for k in range(n_rows):
            b = rows[0, k]
            if records.status[b] != UNSETTLED or records.sweeps[b] == sweeps_at_most:
                continue
            n_flips = flip_replica(network, rule, replicas, records, watch, workspace, b)
            workspace.n_events[b] = n_flips
            if n_flips > rule.dense_above:
                dense[n_dense] = b
                n_dense += 1
            elif n_flips > rule.turns_above:
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
            refresh_fields(network, replicas, dense, n_dense)
        if n_sparse > 0:
            add_events_in_turn(network, rule, workspace, sparse, n_sparse, replicas.field)
