"""The block-sequential order: blocks of neurons one after the other, each block all at once.

Block k of n holds the neurons k N // n .. (k + 1) N // n - 1. One block is the synchronous order, N
blocks are one neuron at a time in the order of the indices; more than N are as many as N.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.relaxation.cycles import note_flip, note_return
from binnet_kernels.relaxation.fields import add_events, add_events_to_fields
from binnet_kernels.relaxation.free_fields import is_unstable
from binnet_kernels.relaxation.relax_sync import find_settled, same_sites
from binnet_kernels.structs import FIXED_POINT, TWO_CYCLE, UNSETTLED


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


@kernel
def _update_block(recurrence, drive, outcome, b, amplitude, first, stop, sites, changes):
    """Update neurons first..stop-1 of sample b at once, fields included; return how many changed.

    `sites` and `changes` list them.
    """
    state, field, external = outcome.state[b], outcome.field[b], drive.external[b]
    feedback = drive.feedback[drive.labels[b]]
    partners, excitations = recurrence.partners, recurrence.excitations
    one = state.dtype.type(1)
    scale = state.dtype.type(recurrence.scale)
    n_changes = 0
    for i in range(first, stop):
        h = (
            external[i]
            + scale * field[i]
            + recurrence.self_couplings[i] * state[i]
            + amplitude * feedback[i]
        )
        for k in range(partners.shape[0]):
            h += excitations[k, i] * state[partners[k, i]]
        spin = one if h >= 0 else -one
        if spin != state[i]:
            sites[n_changes] = i
            changes[n_changes] = spin - state[i]
            n_changes += 1
    for k in range(n_changes):
        state[sites[k]] += changes[k]
    add_events_to_fields(recurrence.couplings, recurrence.windows, sites, changes, n_changes, field)
    return n_changes


@inner_kernel
def relax_blocks(recurrence, drive, update, outcome, scratch, first_sweep, start, stop):
    """Relax samples start..stop-1; the arguments are those of `relax_sync.relax_sync`.

    Two sweeps in a row that change the same neurons close a 2-cycle: a sweep visits each once.
    """
    n_hidden = scratch.excited.shape[1]
    n_blocks = min(update.number, n_hidden)
    for b in range(start, stop):
        settled_at = find_settled(drive, outcome, first_sweep, b)
        for t in range(first_sweep, drive.amplitudes.shape[0]):
            amplitude = drive.amplitudes[t]
            if settled_at == amplitude:
                continue
            this, last = scratch.sites[t % 2, b], scratch.sites[1 - t % 2, b]
            n_changes = 0
            for k in range(n_blocks):
                begin, end = find_block(k, n_blocks, n_hidden)
                n_changes += _update_block(
                    recurrence, drive, outcome, b, amplitude, begin, end, this[n_changes:],
                    scratch.changes[b],
                )  # fmt: skip
            outcome.sweeps[b] += 1
            outcome.changes[b, t] = n_changes
            outcome.status[b] = UNSETTLED
            settled_at = np.nan
            if n_changes == 0:
                outcome.status[b] = FIXED_POINT
                settled_at = amplitude
            elif (
                update.stop_at_cycle
                and t > 1  # the first sweep may have woken silent neurons, which is no flip
                and drive.amplitudes[t - 1] == amplitude
                and outcome.changes[b, t - 1] == n_changes
                and same_sites(this, last, n_changes)
            ):
                outcome.status[b] = TWO_CYCLE
                settled_at = amplitude
