"""Events of 16-bit couplings in 32-bit integers: exact, so that the order of the sums is free.

While a few rows of couplings are added, those that are due next are asked for; so the couplings
stream from memory, whichever rows are needed. Replicas that flip the same neuron share its row
where they take turns at a window of rows.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.vectors import (
    STRIP,
    WIDE,
    add_events_to_strip,
    add_events_to_wide,
    ask_for_strip,
    ask_for_wide,
)

# Rows at a time, measured: from a cache, where long sums save passes over the field; and from
# memory, which likes few rows at once. A replica takes its turn at some columns of a window.
_ROWS_FROM_CACHE = 32
_ROWS_FROM_MEMORY = 8
_TURN_COLUMNS = 50 * STRIP


@inner_kernel
def add_some_events_int16(
    couplings, sites, changes, first, last, field, begin, stop, next_sites, next_first, next_last
):
    """Add events first..last-1 to columns begin..stop-1 of a field.

    Meanwhile those columns of the rows ``next_sites[next_first:next_last]`` are asked for.
    """
    i = begin
    while i + WIDE <= stop:
        ask_for_wide(couplings, next_sites, next_first, next_last, i)
        add_events_to_wide(couplings, sites, changes, first, last, i, field)
        i += WIDE
    while i + STRIP <= stop:
        ask_for_strip(couplings, next_sites, next_first, next_last, i)
        add_events_to_strip(couplings, sites, changes, first, last, i, field)
        i += STRIP
    if i < stop:
        for k in range(first, last):
            row, change = couplings[sites[k]], np.int32(changes[k])
            for column in range(i, stop):
                field[column] += np.int32(change * np.int32(row[column]))


@inner_kernel
def add_lists_int16(couplings, is_far, lists, rows, n_rows, field, begin, stop):
    """Add the events of the listed replicas to columns begin..stop-1 of their fields.

    Parameters
    ----------
    couplings : int16 array (N, N)
        Presynaptic-major.
    is_far : bool
        Whether the couplings come from memory.
    lists : Workspace
        ``sites[b]``, ``changes[b]``, ``n_events[b]``: the events of replica b.
    rows : int array (>= n_rows,)
        The replicas.
    n_rows : int
    field : int32 array (R, N)
    begin, stop : int
        The columns.
    """
    at_a_time = _ROWS_FROM_MEMORY if is_far else _ROWS_FROM_CACHE
    n_ahead = at_a_time if is_far else 0
    for k in range(n_rows):
        b, after = rows[k], rows[min(k + 1, n_rows - 1)]
        n_events = lists.n_events[b]
        for first in range(0, n_events, at_a_time):
            last = min(first + at_a_time, n_events)
            next_sites, next_first, n_next = lists.sites[b], last, n_events
            if last == n_events:
                next_sites, next_first, n_next = lists.sites[after], 0, lists.n_events[after]
            add_some_events_int16(
                couplings, lists.sites[b], lists.changes[b], first, last, field[b], begin, stop,
                next_sites, next_first, min(next_first + n_ahead, n_next),
            )  # fmt: skip


@inner_kernel
def _find_end(sites, first, n_events, stop):
    """Return the first event from `first` on whose neuron is not before `stop`."""
    while first < n_events and sites[first] < stop:
        first += 1
    return first


@inner_kernel
def _take_turns(couplings, lists, cursors, rows, n_rows, field, begin, stop, window):
    """Add the events to a few columns, window by window of presynaptic rows."""
    n_neurons = couplings.shape[0]
    for k in range(n_rows):
        b = rows[k]
        cursors[b, 0] = 0
        cursors[b, 1] = _find_end(lists.sites[b], np.int64(0), lists.n_events[b], window)
    for end in range(window, n_neurons + window, window):
        for k in range(n_rows):
            b = rows[k]
            sites, first, last = lists.sites[b], cursors[b, 0], cursors[b, 1]
            last_ahead = _find_end(sites, last, lists.n_events[b], end + window)
            add_some_events_int16(
                couplings, sites, lists.changes[b], first, last, field[b], begin, stop,
                sites, last, last_ahead,
            )  # fmt: skip
            cursors[b, 0], cursors[b, 1] = last, last_ahead


@inner_kernel
def add_lists_in_turn_int16(couplings, window, lists, cursors, rows, n_rows, field, begin, stop):
    """Do the same as `add_lists_int16` for couplings that come from memory.

    `window` is how many rows, of those that are needed at all, the replicas take turns at before
    they go on to the next ones. The lists must be in the order of the neurons; `cursors`
    (R, 2) is work space.
    """
    n_events = np.int64(0)
    for k in range(n_rows):
        n_events += lists.n_events[rows[k]]
    n_needed = max(min(n_events, couplings.shape[0]), 1)  # about: some share a neuron
    window = max(window * couplings.shape[0] // n_needed, 1)
    for first in range(begin, stop, _TURN_COLUMNS):
        last = min(first + _TURN_COLUMNS, stop)
        _take_turns(couplings, lists, cursors, rows, n_rows, field, first, last, window)
