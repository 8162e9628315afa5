"""Asynchronous dynamics of replicas without input: in turn, or the worst neuron first.

The fields follow every flip, so that a visit costs O(1) and a flip O(N).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.rng import derive_key, shuffle_sites
from binnet_kernels.relaxation.fields import add_events
from binnet_kernels.relaxation.free_fields import count_unstable, total_field
from binnet_kernels.relaxation.records import count_return, note_flip
from binnet_kernels.relaxation.replicas import CYCLE, FIXED_ORDER, LARGEST_FIELD, RANDOM_ORDER
from binnet_kernels.structs import FIXED_POINT, UNSETTLED

# Neurons per look when the worst one is searched.
_STRETCH = 64


@kernel
def _flip(network, replicas, watch, workspace, b, i):
    """Flip neuron i of replica b, fields included; return by how much the distance has grown."""
    spin = replicas.state[b, i]
    replicas.state[b, i] = -spin
    workspace.cursor[b] = i
    workspace.changes[b, 0] = -2 * spin
    add_events(
        network.couplings, workspace.cursor[b : b + 1], workspace.changes[b], 1, replicas.field[b]
    )
    return note_flip(replicas, watch, b, i)


@kernel
def note_return(records, watch, b, state):
    """Note a step of a deterministic dynamics of replica b; a cycle that it closes ends it."""
    length = count_return(watch, b, state)
    if length > 0:
        records.status[b] = CYCLE
        records.cycle_length[b] = length


@kernel
def set_order(rule, b, t, order):
    """Fill `order` (N,) with the visits of sweep t of replica b; a fixed order stays as it is."""
    if rule.order == RANDOM_ORDER:
        shuffle_sites(derive_key(rule.keys[b], t), order)
    elif t == 0:
        for i in range(order.shape[0]):
            order[i] = i


@kernel
def _visit_all(network, rule, replicas, records, watch, workspace, b, t):
    """Do sweep t of replica b: each neuron once, in a random or the fixed order."""
    state, field, order = replicas.state[b], replicas.field[b], workspace.sites[b]
    set_order(rule, b, t, order)
    n_flips, distance = 0, 0
    for i in order:
        if (total_field(network, field, state, i) >= 0) != (state[i] > 0):
            distance += _flip(network, replicas, watch, workspace, b, i)
            n_flips += 1
    if rule.order == FIXED_ORDER and rule.stop_at_cycle:
        note_return(records, watch, b, state)
    return n_flips, distance


@kernel
def find_worst(network, field, state, sizes, ranks, largest):
    """Return the neuron that wants to flip with the largest (or smallest) |h_i|, -1 if none does.

    The lowest index counts where they tie. `ranks` is the memory of `sizes` (N,) seen as integers:
    floating-point numbers >= 0 have the same order, and integers are compared in a vectorised loop
    without a word about NaN.
    """
    kind = sizes.dtype.type
    top = ranks.dtype.type(np.iinfo(ranks.dtype).max)
    n_neurons = state.shape[0]
    for i in range(n_neurons):
        h = total_field(network, field, state, i)
        sizes[i] = kind(abs(h)) if (h >= 0) != (state[i] > 0) else kind(-1)
    best = ranks.dtype.type(-1)
    if largest:
        for i in range(n_neurons):
            best = max(best, ranks[i])
    else:
        for i in range(n_neurons):
            ranks[i] = top - ranks[i] if ranks[i] >= 0 else ranks[i]
            best = max(best, ranks[i])
    if best >= 0:
        for start in range(0, n_neurons, _STRETCH):
            n_here = 0
            for i in range(start, min(start + _STRETCH, n_neurons)):
                n_here += ranks[i] == best
            if n_here > 0:
                for i in range(start, n_neurons):
                    if ranks[i] == best:
                        return i
    return -1


@kernel
def _flip_worst(network, rule, replicas, records, watch, workspace, b):
    """Do one sweep of replica b: up to N times the worst neuron flips."""
    state, field = replicas.state[b], replicas.field[b]
    n_flips, distance = 0, 0
    while n_flips < state.shape[0] and records.status[b] == UNSETTLED:
        i = find_worst(
            network, field, state, workspace.sizes[b], workspace.ranks[b],
            rule.order == LARGEST_FIELD,
        )  # fmt: skip
        if i < 0:
            break
        distance += _flip(network, replicas, watch, workspace, b, i)
        n_flips += 1
        if rule.stop_at_cycle:
            note_return(records, watch, b, state)
    return n_flips, distance


@kernel
def begin_sweep(network, replicas, records, b, t):
    """Note who wants to flip before sweep t of replica b; return the distance from the start.

    A sweep without anybody who wants to is the quiet one that ends the relaxation.
    """
    n_unstable = count_unstable(network, replicas.field[b], replicas.state[b])
    records.sweeps[b] = t + 1
    records.unstable[b, t] = n_unstable
    if n_unstable == 0:
        records.status[b] = FIXED_POINT
        records.cycle_length[b] = 1
    return records.distance[b, t - 1] if t > 0 else 0


@kernel
def advance_async(network, rule, replicas, records, watch, workspace, rows, n_rows, n_sweeps):
    """Advance the replicas ``rows[0]`` by `n_sweeps` sweeps at most, each until it settles."""
    sweeps_at_most = records.flips.shape[1]
    in_turn = rule.order == RANDOM_ORDER or rule.order == FIXED_ORDER
    for k in range(n_rows):
        b = rows[0, k]
        for _ in range(n_sweeps):
            t = records.sweeps[b]
            if records.status[b] != UNSETTLED or t == sweeps_at_most:
                break
            distance = begin_sweep(network, replicas, records, b, t)
            n_flips, farther = 0, 0
            if records.status[b] == UNSETTLED and in_turn:
                n_flips, farther = _visit_all(
                    network, rule, replicas, records, watch, workspace, b, t
                )
            elif records.status[b] == UNSETTLED:
                n_flips, farther = _flip_worst(
                    network, rule, replicas, records, watch, workspace, b
                )
            records.flips[b, t] = n_flips
            records.distance[b, t] = distance + farther
