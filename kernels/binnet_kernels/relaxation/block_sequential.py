"""The block-sequential order: blocks of neurons one after the other, each block all at once.

Block k of n holds the neurons k N // n .. (k + 1) N // n - 1. One block is the synchronous order, N
blocks are one neuron at a time in the order of the indices; more than N are as many as N.
"""

from __future__ import annotations

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.relaxation.cycles import note_flip, note_return
from binnet_kernels.relaxation.fields import add_events
from binnet_kernels.relaxation.free_fields import is_unstable


@kernel
def find_block(k, n_blocks, n_neurons):
    """Return the first neuron of block k, and the first one behind it."""
    return k * n_neurons // n_blocks, (k + 1) * n_neurons // n_blocks


@kernel
def flip_block(network, replicas, records, search, workspace, b, t, k, n_blocks):
    """Flip the unstable neurons of block k of replica b at once, but for the fields.

    Returns how many there are; ``workspace.sites[b]`` and ``workspace.changes[b]`` list them.
    """
    state, field = replicas.state[b], replicas.field[b]
    sites, changes = workspace.sites[b], workspace.changes[b]
    first, stop = find_block(k, n_blocks, state.shape[0])
    n_flips, distance = 0, 0
    for i in range(first, stop):
        if is_unstable(network, field, state, i):
            sites[n_flips] = i
            changes[n_flips] = -2 * state[i]
            n_flips += 1
    for event in range(n_flips):
        state[sites[event]] += changes[event]
        distance += note_flip(replicas, search, b, sites[event])
    records.flips[b, t] += n_flips
    records.distance[b, t] += distance
    return n_flips


@inner_kernel
def sweep_blocks(network, update, replicas, records, search, workspace, b, t):
    """Update all blocks of replica b."""
    state, field = replicas.state[b], replicas.field[b]
    n_blocks = min(update.number, state.shape[0])
    for k in range(n_blocks):
        n_flips = flip_block(network, replicas, records, search, workspace, b, t, k, n_blocks)
        add_events(network.couplings, workspace.sites[b], workspace.changes[b], n_flips, field)
    if update.stop_at_cycle:
        note_return(records, search, b, state)
