"""Fields of replicas without input: from scratch, at one neuron, and who is unstable."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.bits import popcount_word, trailing_zeros
from binnet_kernels.lowlevel.unstable import LANES, find_unstable
from binnet_kernels.lowlevel.vectors import STRIP
from binnet_kernels.relaxation.events_int16 import add_lists_in_turn_int16, add_lists_int16
from binnet_kernels.relaxation.fields import accumulate_fields, add_events
from binnet_kernels.relaxation.fields_int16 import accumulate_fields_int16
from binnet_kernels.relaxation.relax_sync import list_changes


def _accumulate(couplings, states, rows, n_rows, out, begin, stop):
    """Add the dense product to `out`, by the kernel for this type of couplings."""


@overload(_accumulate)
def _choose_accumulate(couplings, states, rows, n_rows, out, begin, stop):
    if couplings.dtype == types.int16:
        return lambda couplings, states, rows, n_rows, out, begin, stop: accumulate_fields_int16(
            couplings, states, rows, n_rows, out, begin, stop
        )
    return lambda couplings, states, rows, n_rows, out, begin, stop: accumulate_fields(
        couplings, states, 0, rows, n_rows, out, 0
    )


@inner_kernel
def refresh_fields(network, replicas, rows, n_rows, begin, stop):
    """Compute the fields of the listed replicas from their states.

    Of neurons begin..stop-1; those of floating-point couplings must be all.
    """
    for k in range(n_rows):
        replicas.field[rows[k], begin:stop] = 0
    _accumulate(network.couplings[0], replicas.state, rows, n_rows, replicas.field, begin, stop)


@kernel
def total_field(network, field, state, i):
    """Return h_i (docs/model/network.md, eq. (9.1)) of neuron i, in the fields' format."""
    kind = field.dtype.type
    driven = kind(network.external[i] + field[i])
    return kind(driven + kind(network.self_coupling * kind(state[i])))


@kernel
def is_unstable(network, field, state, i):
    """Return whether neuron i is unstable (docs/model/network.md, section 9.2)."""
    return (total_field(network, field, state, i) >= 0) != (state[i] > 0)


@inner_kernel
def _count_unstable_exact(network, field, state):
    """Return how many neurons are unstable by integers, 64 neurons at a time."""
    n_neurons, n_found = state.shape[0], np.int64(0)
    in_words = n_neurons - n_neurons % LANES
    for first in range(0, in_words, LANES):
        bits = find_unstable(network.external, field, state, network.self_coupling, first)
        n_found += popcount_word(bits)
    for i in range(in_words, n_neurons):
        n_found += is_unstable(network, field, state, i)
    return n_found


@inner_kernel
def _count_unstable_rounded(network, field, state):
    n_found = np.int64(0)
    for i in range(state.shape[0]):
        n_found += is_unstable(network, field, state, i)
    return n_found


def count_unstable(network, field, state):
    """Return how many neurons are unstable, by the kernel for this type of fields."""


@overload(count_unstable)
def _choose_count_unstable(network, field, state):
    chosen = _count_unstable_exact if field.dtype == types.int32 else _count_unstable_rounded
    return lambda network, field, state: chosen(network, field, state)


@inner_kernel
def find_piece(piece, n_pieces, n_neurons):
    """Return the first neuron of a piece and the first one behind it, whole strips but the last."""
    n_strips = (n_neurons + STRIP - 1) // STRIP
    begin, stop = piece * n_strips // n_pieces, (piece + 1) * n_strips // n_pieces
    return begin * STRIP, min(stop * STRIP, n_neurons)


@inner_kernel
def _find_flips_exact(network, field, state, changes, sites):
    """Do the same as `_find_flips_rounded` for integers, 64 neurons at a time."""
    n_neurons, n_found = state.shape[0], np.int64(0)
    in_words = n_neurons - n_neurons % LANES
    for first in range(0, in_words, LANES):
        bits = find_unstable(network.external, field, state, network.self_coupling, first)
        while bits != 0:
            i = first + trailing_zeros(bits)
            sites[n_found] = i
            changes[n_found] = -2 * state[i]
            n_found += 1
            bits &= bits - np.uint64(1)
    for i in range(in_words, n_neurons):
        if is_unstable(network, field, state, i):
            sites[n_found] = i
            changes[n_found] = -2 * state[i]
            n_found += 1
    return n_found


@inner_kernel
def _find_flips_rounded(network, field, state, changes, sites):
    """List the unstable neurons; return how many there are.

    ``changes[k]`` becomes the new minus the old spin of neuron ``sites[k]``.
    """
    one = state.dtype.type(1)
    n_found = np.int64(0)
    for i in range(state.shape[0]):  # branch-free, hence vectorised
        spin = one if total_field(network, field, state, i) >= 0 else -one
        changes[i] = spin - state[i]
        n_found += spin != state[i]
    list_changes(changes, n_found, sites)
    return n_found


def find_flips(network, field, state, changes, sites):
    """List the unstable neurons, by the kernel for this type of fields."""


@overload(find_flips)
def _choose_find_flips(network, field, state, changes, sites):
    chosen = _find_flips_exact if field.dtype == types.int32 else _find_flips_rounded
    return lambda network, field, state, changes, sites: chosen(
        network, field, state, changes, sites
    )


@inner_kernel
def _add_lists(network, workspace, rows, n_rows, field):
    """Add the events of the listed replicas to their fields."""
    for k in range(n_rows):
        b = rows[k]
        add_events(
            network.couplings, workspace.sites[b], workspace.changes[b], workspace.n_events[b],
            field[b],
        )  # fmt: skip


@inner_kernel
def _add_lists_in_turn(network, window, workspace, rows, n_rows, field):
    """Do the same as `_add_lists`, presynaptic window by window.

    The replicas take turns at the rows of a window, which then come from memory once for all.
    """
    cursors = workspace.cursor[0]
    for k in range(n_rows):
        cursors[rows[k], 0] = 0
    n_neurons = field.shape[1]
    for stop in range(window, n_neurons + window, window):
        for k in range(n_rows):
            b = rows[k]
            sites, changes = workspace.sites[b], workspace.changes[b]
            first, n_events = cursors[b, 0], workspace.n_events[b]
            last = first
            while last < n_events and sites[last] < stop:  # sites are in ascending order
                last += 1
            if last > first:
                add_events(
                    network.couplings, sites[first:], changes[first:], last - first, field[b]
                )
                cursors[b, 0] = last


def add_listed(network, update, workspace, alone, n_alone, turns, n_turns, field, piece):
    """Add the events of replicas, one after the other or in turn, to one piece of the neurons.

    Of floating-point couplings, there must be one piece.
    """


@overload(add_listed)
def _choose_add_listed(network, update, workspace, alone, n_alone, turns, n_turns, field, piece):
    def add_integers(network, update, workspace, alone, n_alone, turns, n_turns, field, piece):
        couplings, cursors = network.couplings[0], workspace.cursor[piece]
        begin, stop = find_piece(piece, workspace.cursor.shape[0], field.shape[1])
        add_lists_int16(couplings, update.is_far, workspace, alone, n_alone, field, begin, stop)
        if n_turns > 0:
            add_lists_in_turn_int16(
                couplings, update.window, workspace, cursors, turns, n_turns, field, begin, stop
            )

    def add_floats(network, update, workspace, alone, n_alone, turns, n_turns, field, piece):
        _add_lists(network, workspace, alone, n_alone, field)
        if n_turns > 0:
            _add_lists_in_turn(network, update.window, workspace, turns, n_turns, field)

    return add_integers if field.dtype == types.int32 else add_floats
