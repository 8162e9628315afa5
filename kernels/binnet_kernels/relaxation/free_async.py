"""Orders of one neuron at a time, without input: each in its turn, or the worst of the unstable.

The fields follow every flip, so that a visit costs O(1) and a flip O(N). The sweeps of one replica,
`sweep_async` and its like, are called by address (`lowlevel.calls`) and have the same arguments.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.calls import call
from binnet_kernels.lowlevel.rng import derive_key, shuffle_sites
from binnet_kernels.relaxation.cycles import note_flip, note_return
from binnet_kernels.relaxation.events_int16 import add_some_events_int16
from binnet_kernels.relaxation.fields import add_events
from binnet_kernels.relaxation.free_fields import count_unstable, is_unstable, total_field
from binnet_kernels.structs import FIXED_POINT, UNSETTLED

# Neurons per look when the worst one is searched.
_STRETCH = 64


@kernel
def begin_sweep(network, replicas, records, b, t):
    """Begin the records of sweep t of replica b; return whether it has anything to do.

    A sweep that finds no unstable neuron is the quiet one that ends the relaxation.
    """
    n_unstable = count_unstable(network, replicas.field[b], replicas.state[b])
    records.sweeps[b] = t + 1
    records.unstable[b, t] = n_unstable
    records.distance[b, t] = records.distance[b, t - 1] if t > 0 else 0
    if n_unstable == 0:
        records.status[b] = FIXED_POINT
        records.cycle_length[b] = 1
    return n_unstable > 0


@inner_kernel
def advance_each(
    network, update, replicas, records, search, workspace, steps, start, n_rows, n_sweeps, team,
    rank,
):  # fmt: skip
    """Advance replicas one after the other, each by sweeps of its own: ``steps.sweep``.

    The arguments are those of `free_sync.advance_sync`; the team is of one thread.
    """
    sweeps_at_most = records.flips.shape[1]
    for k in range(n_rows):
        b = workspace.rows[0, start + k]
        for _ in range(n_sweeps):
            t = records.sweeps[b]
            if records.status[b] != UNSETTLED or t == sweeps_at_most:
                break
            if begin_sweep(network, replicas, records, b, t):
                call(steps.sweep, network, update, replicas, records, search, workspace, b, t)


@inner_kernel
def _add_flip_exact(network, update, state, field, workspace, b, order, ahead):
    """Add the flip to the field by integers, and ask for the row of a neuron that may be next.

    That is one which is unstable already; each place of the order is looked at once.
    """
    flip = workspace.flip[b]
    n_next = 0
    if update.is_far:
        while n_next == 0 and ahead < order.shape[0]:
            if is_unstable(network, field, state, order[ahead]):
                flip[1] = order[ahead]
                n_next = 1
            ahead += 1
    add_some_events_int16(
        network.couplings[0], flip, workspace.changes[b], 0, 1, field, 0, field.shape[0],
        flip, 1, 1 + n_next,
    )  # fmt: skip
    return ahead


@inner_kernel
def _add_flip_rounded(network, update, state, field, workspace, b, order, ahead):
    """Add the flip to the field in floating point."""
    add_events(network.couplings, workspace.flip[b], workspace.changes[b], 1, field)
    return ahead


def _add_flip(network, update, state, field, workspace, b, order, ahead):
    """Add the flip in `workspace`, by the kernel for this type of fields; return the new `ahead`.

    Neurons ``order[ahead:]`` come up next.
    """


@overload(_add_flip)
def _choose_add_flip(network, update, state, field, workspace, b, order, ahead):
    chosen = _add_flip_exact if field.dtype == types.int32 else _add_flip_rounded
    return lambda network, update, state, field, workspace, b, order, ahead: chosen(
        network, update, state, field, workspace, b, order, ahead
    )


@inner_kernel
def _flip(network, update, replicas, search, workspace, b, i, order, ahead):
    """Flip neuron i of replica b, fields included.

    Returns by how much the distance has grown, and `ahead`, see `_add_flip`.
    """
    state, field = replicas.state[b], replicas.field[b]
    spin = state[i]
    state[i] = -spin
    workspace.flip[b, 0] = i
    workspace.changes[b, 0] = -2 * spin
    ahead = _add_flip(network, update, state, field, workspace, b, order, ahead)
    return note_flip(replicas, search, b, i), ahead


@kernel
def set_order(update, is_random, b, t, order):
    """Fill `order` (N,) with the visits of sweep t of replica b; a fixed order stays as it is."""
    if is_random:
        shuffle_sites(derive_key(update.keys[b], t), order)
    elif t == 0:
        for i in range(order.shape[0]):
            order[i] = i


@kernel
def _visit_all(network, update, is_random, replicas, records, search, workspace, b, t):
    """Do sweep t of replica b: each neuron once, in a random or the fixed order."""
    state, field, order = replicas.state[b], replicas.field[b], workspace.sites[b]
    set_order(update, is_random, b, t, order)
    n_flips, distance, ahead = 0, 0, 0
    for visit in range(order.shape[0]):
        i = order[visit]
        if is_unstable(network, field, state, i):
            ahead = max(ahead, visit + 1)
            farther, ahead = _flip(network, update, replicas, search, workspace, b, i, order, ahead)
            distance += farther
            n_flips += 1
    records.flips[b, t] = n_flips
    records.distance[b, t] += distance
    if update.stop_at_cycle and not is_random:
        note_return(records, search, b, state)


@inner_kernel
def sweep_async(network, update, replicas, records, search, workspace, b, t):
    """Update each neuron of replica b once, in a fresh random order."""
    _visit_all(network, update, True, replicas, records, search, workspace, b, t)


@inner_kernel
def sweep_async_fixed(network, update, replicas, records, search, workspace, b, t):
    """Update each neuron of replica b once, in the order of the indices."""
    _visit_all(network, update, False, replicas, records, search, workspace, b, t)


@kernel
def find_worst(network, field, state, sizes, ranks, largest):
    """Return the unstable neuron with the largest (or smallest) |h_i|, -1 if there is none.

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
def _flip_worst(network, update, largest, replicas, records, search, workspace, b, t):
    """Do sweep t of replica b: up to N times the worst neuron flips."""
    state, field, nobody = replicas.state[b], replicas.field[b], workspace.sites[b, :0]
    n_flips, distance = 0, 0
    while n_flips < state.shape[0] and records.status[b] == UNSETTLED:
        i = find_worst(network, field, state, workspace.sizes[b], workspace.ranks[b], largest)
        if i < 0:
            break
        farther, _ = _flip(network, update, replicas, search, workspace, b, i, nobody, np.int64(0))
        distance += farther
        n_flips += 1
        if update.stop_at_cycle:
            note_return(records, search, b, state)
    records.flips[b, t] = n_flips
    records.distance[b, t] += distance


@inner_kernel
def sweep_greedy(network, update, replicas, records, search, workspace, b, t):
    """Flip the unstable neuron with the largest |h_i| of replica b, N times."""
    _flip_worst(network, update, True, replicas, records, search, workspace, b, t)


@inner_kernel
def sweep_reluctant(network, update, replicas, records, search, workspace, b, t):
    """Flip the unstable neuron with the smallest |h_i| of replica b, N times."""
    _flip_worst(network, update, False, replicas, records, search, workspace, b, t)
