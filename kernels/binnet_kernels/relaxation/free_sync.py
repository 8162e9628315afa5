"""Synchronous and random-subset sweeps of replicas without input.

A sweep costs as much as it changes: the fields follow the flips, unless so many flip that a dense
product over all such replicas is cheaper.

Threads may share the work on the same replicas: each looks after pieces of the neurons, and they
wait for each other three times in a sweep.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.calls import call
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.lowlevel.team import count_members, regroup, wait_for_all
from binnet_kernels.relaxation.cycles import note_return
from binnet_kernels.relaxation.free_fields import add_listed, find_flips, find_piece
from binnet_kernels.relaxation.relax_sync import keep_random_subset
from binnet_kernels.relaxation.replicas import FreeNetwork
from binnet_kernels.structs import FIXED_POINT, UNSETTLED

# Lists of replicas in `workspace.rows`: all that are at work; of those, whose fields are computed
# anew, and whose events are added in turn or one replica after the other.
ACTIVE, _DENSE, _IN_TURN, _ALONE = range(4)


@inner_kernel
def list_flips(network, update, replicas, records, workspace, b, piece):
    """List who flips in the next sweep of replica b, among the neurons of one piece."""
    begin, stop = find_piece(piece, workspace.found.shape[1], replicas.state.shape[1])
    sites, changes = workspace.sites[b, begin:stop], workspace.changes[b, begin:stop]
    n_found = find_flips(
        FreeNetwork(network.couplings, network.external[begin:stop], network.self_coupling),
        replicas.field[b, begin:stop], replicas.state[b, begin:stop], changes, sites,
    )  # fmt: skip
    workspace.found[b, piece, 0] = n_found
    if begin > 0:
        for k in range(n_found):
            sites[k] += begin
    if update.probability < 1.0:
        key = derive_key(update.keys[b], records.sweeps[b])
        n_found = keep_random_subset(key, update.probability, sites, changes, n_found)
    workspace.found[b, piece, 1] = n_found


@inner_kernel
def _join_lists(workspace, b, n_neurons):
    """Join the lists of the pieces; return how many neurons are unstable, and how many flip."""
    sites, changes = workspace.sites[b], workspace.changes[b]
    n_pieces, n_unstable, n_flips = workspace.found.shape[1], np.int64(0), np.int64(0)
    for piece in range(n_pieces):
        begin, _ = find_piece(piece, n_pieces, n_neurons)
        n_here = workspace.found[b, piece, 1]
        if n_flips < begin:
            for k in range(n_here):
                sites[n_flips + k], changes[n_flips + k] = sites[begin + k], changes[begin + k]
        n_unstable += workspace.found[b, piece, 0]
        n_flips += n_here
    return n_unstable, n_flips


@inner_kernel
def _flip(replicas, search, b, sites, changes, n_flips):
    """Flip the listed neurons of replica b; return by how much the distance has grown.

    It is `note_flip` of each, with the row of each array looked up once.
    """
    state, first, keys = replicas.state[b], replicas.start[b], search.site_keys
    hash_, distance = search.hashes[0, b], 0
    for k in range(n_flips):
        i = sites[k]
        spin = state[i] + changes[k]
        state[i] = spin
        hash_ ^= keys[i]
        distance += -1 if spin == first[i] else 1
    search.hashes[0, b] = hash_
    return distance


@inner_kernel
def flip_listed(update, replicas, records, search, workspace, b):
    """Do the next sweep of replica b, but for its fields; return how many neurons flipped."""
    t = records.sweeps[b]
    records.sweeps[b] = t + 1
    state, sites, changes = replicas.state[b], workspace.sites[b], workspace.changes[b]
    distance = records.distance[b, t - 1] if t > 0 else 0
    n_unstable, n_flips = _join_lists(workspace, b, state.shape[0])
    records.unstable[b, t] = n_unstable
    if n_unstable == 0:
        records.status[b] = FIXED_POINT
        records.cycle_length[b] = 1
    distance += _flip(replicas, search, b, sites, changes, n_flips)
    records.flips[b, t] = n_flips
    records.distance[b, t] = distance
    if n_flips > 0 and update.stop_at_cycle and update.probability >= 1.0:
        note_return(records, search, b, state)
    workspace.n_events[b] = n_flips
    return n_flips


@inner_kernel
def _goes_on(records, b):
    return records.status[b] == UNSETTLED and records.sweeps[b] < records.flips.shape[1]


@inner_kernel
def _flip_all(update, replicas, records, search, workspace, start, n_rows):
    """Do the next sweep of all active replicas, but for their fields; list how these follow."""
    n_listed = workspace.n_rows[:, start]
    n_listed[:] = 0
    for k in range(n_rows):
        b = workspace.rows[ACTIVE, start + k]
        if not _goes_on(records, b):
            continue
        n_flips = flip_listed(update, replicas, records, search, workspace, b)
        kind = _ALONE
        if n_flips > update.dense_above:
            kind = _DENSE
        elif n_flips > update.turns_above:
            kind = _IN_TURN
        workspace.rows[kind, start + n_listed[kind]] = b
        n_listed[kind] += 1


@inner_kernel
def _count_active(records, workspace, start, n_rows):
    n_active = 0
    for k in range(n_rows):
        n_active += _goes_on(records, workspace.rows[ACTIVE, start + k])
    return n_active


@inner_kernel
def advance_sync(
    network, update, replicas, records, search, workspace, steps, start, n_rows, n_sweeps, team,
    rank,
):  # fmt: skip
    """Advance replicas by `n_sweeps` sweeps at most, each until it settles.

    ``workspace.rows[0, start : start + n_rows]`` lists the replicas. How a replica's fields are
    updated depends on its own flips alone, so that its rounding does too.
    """
    n_neurons, n_pieces = replicas.state.shape[1], workspace.found.shape[1]
    size = count_members(team, rank)
    for _ in range(n_sweeps):
        if _count_active(records, workspace, start, n_rows) == 0:
            break
        for piece in range(rank, n_pieces, size):
            for k in range(n_rows):
                b = workspace.rows[ACTIVE, start + k]
                if _goes_on(records, b):
                    list_flips(network, update, replicas, records, workspace, b, piece)
        wait_for_all(team, rank)
        if rank == 0:
            _flip_all(update, replicas, records, search, workspace, start, n_rows)
        wait_for_all(team, rank)
        dense, turns, alone = (
            workspace.rows[_DENSE, start:], workspace.rows[_IN_TURN, start:],
            workspace.rows[_ALONE, start:],
        )  # fmt: skip
        n_listed = workspace.n_rows[:, start]
        for piece in range(rank, n_pieces, size):
            if n_listed[_DENSE] > 0:
                begin, stop = find_piece(piece, n_pieces, n_neurons)
                call(steps.refresh, network, replicas, dense, n_listed[_DENSE], begin, stop)
            add_listed(
                network, update, workspace, alone, n_listed[_ALONE], turns, n_listed[_IN_TURN],
                replicas.field, piece,
            )  # fmt: skip
        size = regroup(team, rank)  # the lists are used again
        if rank >= size:
            break
