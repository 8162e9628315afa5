"""Fields by sparse weights: the product for many samples, and the correction after a few flips.

The product reads the couplings of one neuron after the other, for sixteen samples at once
(`lowlevel.lanes`); the corrections go from the neurons that flipped to their targets. A sum does
not depend on what else is summed at the same time.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, kernel
from binnet_kernels.lowlevel.lanes import (
    CHAINS,
    LANES,
    NUMBERS,
    SPINS,
    SPINS_OR_SILENT,
    add_row_of_numbers,
    add_row_of_spins,
    add_row_with_silent,
    ask_for_item,
    view_at,
)
from binnet_kernels.lowlevel.sign_sums import make_reserve
from binnet_kernels.structs import SparseWeights

_TABLE_BYTES = 2**18  # of the stack: for 131072 neurons with spins, for 4096 inputs with numbers
_TARGETS = 64  # neurons whose sums are kept before they are written: one cache line of each sample
_SUMS = CHAINS * LANES
_PER_LINE = 16  # indices of 32 bits in a line of the cache
_reserve_table = make_reserve(_TABLE_BYTES)
_reserve_sums = make_reserve(_TARGETS * _SUMS * 8)


@inlined_kernel
def _find_kind(states, n, rows, n_rows):
    """Return what table the rows need."""
    kind = SPINS
    for k in range(n_rows):
        state, n_spins, n_silent = states[rows[k], :n], 0, 0
        for j in range(n):
            n_spins += abs(state[j]) == 1
        if n_spins < n:
            for j in range(n):
                n_silent += state[j] == 0
            kind = max(kind, SPINS_OR_SILENT if n_spins + n_silent == n else NUMBERS)
    return kind


@kernel
def _write_spins(states, rows, n_rows, first, n, words):
    """Write which of the rows (16 at most) have +1 in columns first..first+n-1."""
    words[:n] = 0
    for b in range(n_rows):
        bit = np.uint16(1 << b)
        state = states[rows[b], first : first + n]
        for j in range(n):
            words[j] |= bit if state[j] > 0 else np.uint16(0)


@kernel
def _write_table(kind, states, rows, n_rows, first, n, table):
    """Write the table of columns first..first+n-1 of up to sixteen rows to an address."""
    if kind == SPINS:
        _write_spins(states, rows, n_rows, first, n, view_at(table, 1, n, np.uint16(0))[0])
    elif kind == SPINS_OR_SILENT:
        words = view_at(table, n, 2, np.uint16(0))
        words[:] = 0
        for b in range(n_rows):
            bit = np.uint16(1 << b)
            state = states[rows[b], first : first + n]
            for j in range(n):
                words[j, 0] |= bit if state[j] > 0 else np.uint16(0)
                words[j, 1] |= bit if state[j] != 0 else np.uint16(0)
    else:
        numbers = view_at(table, n, LANES, states.dtype.type(0))
        numbers[:, n_rows:] = 0
        for b in range(n_rows):
            state = states[rows[b], first : first + n]
            for j in range(n):
                numbers[j, b] = state[j]


@kernel
def find_source(sources, begin, stop, source):
    """Return the first k in begin..stop with ``sources[k] >= source``; they ascend."""
    while begin < stop:
        middle = (begin + stop) // 2
        if sources[middle] < source:
            begin = middle + 1
        else:
            stop = middle
    return begin


@kernel
def _add_tile(weights, kind, first_target, n_targets, first, n, n_sources, table, sums_at):
    """Add what sources first..first+n-1 give to the sums of some targets."""
    sources, starts = weights.sources, weights.starts
    n_bytes = 2
    if kind == SPINS_OR_SILENT:
        n_bytes = 4
    elif kind == NUMBERS:
        n_bytes = LANES * weights.values.itemsize
    entries = table - first * n_bytes
    half = LANES * weights.values.itemsize
    for i in range(n_targets):
        start, stop = starts[first_target + i], starts[first_target + i + 1]
        begin = start
        if n < n_sources:
            begin = find_source(sources, start, stop, first)
            stop = find_source(sources, begin, stop, first + n)
        turn = half * ((begin - start) % 2)
        here = sums_at + 2 * half * i
        sums, others = here + turn, here + half - turn
        if kind == SPINS:
            add_row_of_spins(weights.values, sources, begin, stop, entries, sums, others)
        elif kind == SPINS_OR_SILENT:
            add_row_with_silent(weights.values, sources, begin, stop, entries, sums, others)
        else:
            add_row_of_numbers(weights.values, sources, begin, stop, entries, sums, others)


@kernel
def accumulate_sparse(weights, states, first, rows, n_rows, out, start):
    """Add the products of some states with a bank of sparse weights to their fields.

    The arguments are those of `fields.accumulate_fields`, but for `weights`, a `SparseWeights` of
    the bank's neurons, and for `first`, which is 0; states may be any numbers.
    """
    n_targets, n = weights.starts.shape[0] - 1, weights.n_sources
    table, sums_at = _reserve_table(), _reserve_sums()
    sums = view_at(sums_at, _TARGETS, _SUMS, out.dtype.type(0))
    for group in range(0, n_rows, LANES):
        n_here = min(LANES, n_rows - group)
        here = rows[group : group + n_here]
        kind = _find_kind(states, n, here, n_here)
        most = _TABLE_BYTES // (2 * (1 + kind))
        if kind == NUMBERS:
            most = _TABLE_BYTES // (LANES * out.itemsize)
        if n <= most:
            _write_table(kind, states, here, n_here, np.int64(0), n, table)
        for target in range(0, n_targets, _TARGETS):
            n_at_once = min(_TARGETS, n_targets - target)
            sums[:] = 0
            for source in range(0, n, most):
                n_tile = min(most, n - source)
                if n > most:
                    _write_table(kind, states, here, n_here, source, n_tile, table)
                _add_tile(weights, kind, target, n_at_once, source, n_tile, n, table, sums_at)
            for b in range(n_here):
                fields = out[here[b], start + target : start + target + n_at_once]
                for i in range(n_at_once):
                    fields[i] += sums[i, b] + sums[i, LANES + b]


def take_sparse_bank(banks, bank, n_rows):
    """Return the weights onto the neurons of a bank; compiled where it is called."""
    starts = banks.starts[bank * banks.width : (bank + 1) * banks.width + 1]
    return SparseWeights(
        banks.values, banks.sources, starts, banks.n_sources, banks.width, banks.target_starts,
        banks.targets, banks.places,
    )  # fmt: skip


@kernel
def add_sparse_event(weights, windows, source, change, field):
    """Add `change` times the couplings of one neuron to the fields of its targets (H,)."""
    for k in range(weights.target_starts[source], weights.target_starts[source + 1]):
        field[weights.targets[k]] += change * weights.values[weights.places[k]]


@kernel
def _ask_for_weights(weights, source):
    """Have the weights of a neuron's targets brought into the cache: they lie far apart."""
    for k in range(weights.target_starts[source], weights.target_starts[source + 1]):
        ask_for_item(weights.values, np.int64(weights.places[k]))


@kernel
def _ask_for_places(weights, source):
    """Have where they are brought into the cache."""
    start, stop = weights.target_starts[source], weights.target_starts[source + 1]
    for k in range(start, stop, _PER_LINE):
        ask_for_item(weights.places, k)
        ask_for_item(weights.targets, k)


@kernel
def add_sparse_events(weights, windows, sites, changes, n_events, field):
    """Add events as `fields.add_events_in_windows` does, by sparse couplings of all neurons."""
    if n_events > 0:
        _ask_for_weights(weights, sites[0])
    for k in range(n_events):
        if k + 2 < n_events:
            _ask_for_places(weights, sites[k + 2])
        if k + 1 < n_events:
            _ask_for_weights(weights, sites[k + 1])
        add_sparse_event(weights, windows, sites[k], changes[k], field)
