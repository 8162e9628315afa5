"""Synchronous and random-subset relaxation: all fields from the old state, then the spins at once.

After a sweep only the columns of the neurons that changed alter the fields, so a sweep costs as
much as it changes. Where many change at once, a dense product over a block of samples is cheaper
(`dense_above`).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel, kernel
from binnet_kernels.lowlevel.bits import mark_changes, trailing_zeros
from binnet_kernels.lowlevel.rng import derive_key, draw_uniform
from binnet_kernels.relaxation.fields import (
    accumulate_couplings,
    add_events_to_fields,
    add_excitation,
)
from binnet_kernels.structs import FIXED_POINT, TWO_CYCLE, UNSETTLED


@kernel
def list_changes(changes, n_found, sites):
    """Move the `n_found` changes that are not 0 to the front, and their indices to `sites`."""
    n_hidden = changes.shape[0]
    n_listed = np.int64(0)
    n_whole = n_hidden - n_hidden % 64
    for start in range(0, n_whole, 64):
        word = mark_changes(changes, start)
        while word != 0:
            i = start + trailing_zeros(word)
            sites[n_listed] = i
            changes[n_listed] = changes[i]
            n_listed += 1
            word &= word - np.uint64(1)
        if n_listed == n_found:
            return
    for i in range(n_whole, n_hidden):
        if changes[i] != 0:
            sites[n_listed] = i
            changes[n_listed] = changes[i]
            n_listed += 1


@kernel
def find_changes(
    n_hidden, external, field, feedback, state, scale, self_couplings, amplitude, sites, changes
):
    """List the neurons whose field disagrees with their spin; return how many there are.

    The field is h_i = external_i + scale * field_i + J_D,i s_i + a feedback_i
    (docs/model/network.md, eq. (1.1)); all arrays have shape (H,). ``changes[k]`` becomes the new
    minus the old spin of neuron ``sites[k]``.
    """
    one = state.dtype.type(1)
    scale = state.dtype.type(scale)
    n_found = np.int32(0)  # as wide as the numbers
    for i in range(n_hidden):  # branch-free, hence vectorised
        h = external[i] + scale * field[i] + self_couplings[i] * state[i] + amplitude * feedback[i]
        spin = one if h >= 0 else -one
        changes[i] = spin - state[i]
        n_found = np.int32(n_found + np.int32(spin != state[i]))
    list_changes(changes, np.int64(n_found), sites)
    return np.int64(n_found)


@kernel
def keep_random_subset(key, probability, sites, changes, n_found):
    """Keep each listed change with the given probability, keyed by its neuron; return how many."""
    n_kept = 0
    for k in range(n_found):
        if draw_uniform(key, sites[k]) < probability:
            sites[n_kept] = sites[k]
            changes[n_kept] = changes[k]
            n_kept += 1
    return n_kept


@kernel
def same_sites(first, second, n):
    """Return whether the first `n` entries agree."""
    for k in range(n):
        if first[k] != second[k]:
            return False
    return True


@kernel
def find_settled(drive, outcome, first_sweep, b):
    """Return the amplitude at which sample b rests when its sweeps go on; nan where it does not."""
    if first_sweep == 0 or outcome.status[b] == UNSETTLED:
        return np.nan
    return np.float64(drive.amplitudes[first_sweep - 1])


@inlined_kernel
def _sweep_sample(recurrence, drive, update, outcome, scratch, t, b):
    """Do sweep t of sample b; return whether its fields are left to a dense product."""
    amplitude, n_hidden = drive.amplitudes[t], scratch.excited.shape[1]
    this, last = scratch.sites[t % 2, b], scratch.sites[1 - t % 2, b]
    changes, external = scratch.changes[b], drive.external[b]
    if recurrence.partners.shape[0] > 0:
        external = scratch.excited[b]
        add_excitation(
            recurrence.partners, recurrence.excitations, drive.external[b], outcome.state[b],
            external,
        )  # fmt: skip
    n_changes = find_changes(
        n_hidden, external, outcome.field[b], drive.feedback[drive.labels[b]], outcome.state[b],
        recurrence.scale, recurrence.self_couplings, amplitude, this, changes,
    )  # fmt: skip
    outcome.sweeps[b] += 1
    if n_changes == 0:
        outcome.status[b] = FIXED_POINT
        scratch.settled_at[b] = amplitude
        return False
    outcome.status[b] = UNSETTLED
    scratch.settled_at[b] = np.nan
    if update.probability < 1.0:
        key = derive_key(update.keys[b], t)
        n_changes = keep_random_subset(key, update.probability, this, changes, n_changes)
    outcome.changes[b, t] = n_changes
    for k in range(n_changes):
        outcome.state[b, this[k]] += changes[k]
    if (
        update.stop_at_cycle
        and update.probability >= 1.0  # else the same flips may repeat by chance
        and t > 1  # the first sweep may have woken silent neurons, which is no flip
        and drive.amplitudes[t - 1] == amplitude
        and outcome.changes[b, t - 1] == n_changes
        and same_sites(this, last, n_changes)
    ):
        outcome.status[b] = TWO_CYCLE
        scratch.settled_at[b] = amplitude
    if n_changes > update.dense_above:
        return True
    add_events_to_fields(
        recurrence.couplings, recurrence.windows, this, changes, n_changes, outcome.field[b]
    )
    return False


@inner_kernel
def relax_sync(recurrence, drive, update, outcome, scratch, first_sweep, start, stop):
    """Relax samples start..stop-1 in sweeps first_sweep..T-1 of the T in `drive.amplitudes`.

    A sample that a sweep finds at a fixed point (or, where asked, in a 2-cycle) rests until the
    amplitude of the feedback changes. Each goes on, its arrays in the cache, until it needs a dense
    product, which it waits for with the others. Sweeps may go on in another call, with the same
    scratch. See `structs` for the arguments.
    """
    n_sweeps = drive.amplitudes.shape[0]
    for b in range(start, stop):
        scratch.settled_at[b] = find_settled(drive, outcome, first_sweep, b)
        scratch.next_sweep[b] = first_sweep
    n_dense = np.int64(1)
    while n_dense > 0:
        n_dense = np.int64(0)
        for b in range(start, stop):
            for t in range(scratch.next_sweep[b], n_sweeps):
                scratch.next_sweep[b] = t + 1
                if scratch.settled_at[b] == drive.amplitudes[t]:
                    continue
                if _sweep_sample(recurrence, drive, update, outcome, scratch, t, b):
                    scratch.rows[start + n_dense] = b
                    n_dense += 1
                    break
        for k in range(n_dense):
            outcome.field[scratch.rows[start + k], :] = 0
        accumulate_couplings(
            recurrence, outcome.state, scratch.rows[start:stop], n_dense, outcome.field
        )
