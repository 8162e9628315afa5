"""Fields of replicas without input: from scratch, at one neuron, and who is unstable."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.relaxation.fields import accumulate_fields, add_events
from binnet_kernels.relaxation.fields_int16 import accumulate_fields_int16
from binnet_kernels.relaxation.relax_sync import list_changes


def _accumulate(couplings, states, rows, n_rows, out):
    """Add the dense product to `out`, by the kernel for this type of couplings."""


@overload(_accumulate)
def _choose_accumulate(couplings, states, rows, n_rows, out):
    if couplings.dtype == types.int16:
        return lambda couplings, states, rows, n_rows, out: accumulate_fields_int16(
            couplings, states, rows, n_rows, out
        )
    return lambda couplings, states, rows, n_rows, out: accumulate_fields(
        couplings, states, 0, rows, n_rows, out, 0
    )


@inner_kernel
def refresh_fields(network, replicas, rows, n_rows):
    """Compute the fields of the listed replicas from their states."""
    for k in range(n_rows):
        replicas.field[rows[k], :] = 0
    _accumulate(network.couplings[0], replicas.state, rows, n_rows, replicas.field)


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


@kernel
def count_unstable(network, field, state):
    """Return how many neurons are unstable."""
    n_found = np.int64(0)
    for i in range(state.shape[0]):
        n_found += is_unstable(network, field, state, i)
    return n_found


@kernel
def find_flips(network, field, state, changes, sites):
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


@kernel
def add_events_in_turn(network, window, workspace, rows, n_rows, field):
    """Add the events of the listed replicas to their fields, presynaptic window by window.

    The replicas take turns at the rows of a window, which then come from memory once for all.
    """
    for k in range(n_rows):
        workspace.cursor[rows[k]] = 0
    n_neurons = field.shape[1]
    for stop in range(window, n_neurons + window, window):
        for k in range(n_rows):
            b = rows[k]
            sites, changes = workspace.sites[b], workspace.changes[b]
            first, n_events = workspace.cursor[b], workspace.n_events[b]
            last = first
            while last < n_events and sites[last] < stop:  # sites are in ascending order
                last += 1
            if last > first:
                add_events(
                    network.couplings, sites[first:], changes[first:], last - first, field[b]
                )
                workspace.cursor[b] = last
