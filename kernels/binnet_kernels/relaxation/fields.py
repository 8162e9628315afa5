"""Fields from states: the dense product, and the event-driven correction after a few flips.

Both take four presynaptic neurons at a time. In the product many states then share the sixteen sums
that four weights can give (`lowlevel.sign_sums`), where the machine has wide vectors and enough
states have spins of -1 and +1 alone; else products are summed in a plain loop. Both add in the same
order, so a state's fields are the same bits, whichever is taken.
"""

from __future__ import annotations

from typing import Any

from binnet_kernels._jit import (
    by_storage,
    inlined_kernel,
    inner_kernel,
    kernel,
    part_by_storage,
    reassociating_kernel,
)
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.lowlevel.sign_sums import (
    ENTRY_BYTES,
    GROUP,
    HAS_WIDE_VECTORS,
    PLACE_BYTES,
    TABLE_BYTES,
    add_entries,
    add_products,
    make_reserve,
    write_patterns,
    write_place,
    write_tables,
)
from binnet_kernels.relaxation.sparse_fields import (
    accumulate_sparse,
    add_sparse_event,
    add_sparse_events,
    take_sparse_bank,
)
from binnet_kernels.structs import SparseWeights

# With fewer states the sums take longer than the products. Measured.
_ENOUGH = 8
_QUADS = 25  # whose tables stay in the first-level cache
_AT_ONCE = 16 * GROUP
_PATTERNS = _QUADS * _AT_ONCE
_reserve_tables = make_reserve(_QUADS * TABLE_BYTES)
_reserve_patterns = make_reserve(_PATTERNS)
_reserve_places = make_reserve(_AT_ONCE * PLACE_BYTES)


@kernel
def accumulate_fields(weights, states, first, rows, n_rows, out, start):
    """Add ``states[b, first : first + K] @ weights`` to ``out[b, start : start + W]``.

    Parameters
    ----------
    weights : array (K, W)
        One bank.
    states : array (B, >= first + K)
        Entries -1, 0, +1: products are exact, so a row's result does not depend on how it is
        paired.
    first : int
        Neuron that the first row of `weights` couples from.
    rows : int array (>= n_rows,)
        Which rows b of `states` and `out`.
    n_rows : int
    out : array (B, >= start + W)
    start : int
        Column of `out` that the bank begins at.
    """
    n_pre, width = weights.shape
    n_tabled = 0
    if (
        HAS_WIDE_VECTORS
        and n_rows >= _ENOUGH
        and width % (ENTRY_BYTES // out.itemsize) == 0
        and _are_awake(states, first, first + n_pre, rows, n_rows)
    ):
        n_tabled = n_pre - n_pre % 4
        accumulate_by_tables(weights[:n_tabled], states, first, rows, n_rows, out, start)
    accumulate_plainly(weights[n_tabled:], states, first + n_tabled, rows, n_rows, out, start)


@inlined_kernel
def _are_awake(states, first, stop, rows, n_rows):
    """Return whether no neuron of first..stop-1 is silent in any of the rows."""
    n_silent = 0
    for k in range(n_rows):
        state = states[rows[k], first:stop]
        for j in range(stop - first):
            n_silent += state[j] == 0
    return n_silent == 0


@inlined_kernel
def accumulate_by_tables(weights, states, first, rows, n_rows, out, start):
    """Do what `accumulate_fields` does; K is a multiple of 4, W of a vector, spins are -1 or +1."""
    n_quads, width = weights.shape[0] // 4, weights.shape[1]
    lanes = ENTRY_BYTES // out.itemsize
    tables, patterns, places = _reserve_tables(), _reserve_patterns(), _reserve_places()
    for begin in range(0, n_rows, _AT_ONCE):
        n_groups = -(-min(_AT_ONCE, n_rows - begin) // GROUP)
        for k in range(n_groups * GROUP):  # the last group is filled up with the last row
            write_place(out, rows[min(begin + k, n_rows - 1)], start, places, k)
        are_few = n_groups <= 2  # measured: a third group pays for tables that all share
        n_panels = -(-n_quads // (_PATTERNS // (2 * GROUP) if are_few else _QUADS))
        for panel in range(n_panels):
            quad, stop = panel * n_quads // n_panels, (panel + 1) * n_quads // n_panels
            n_here = stop - quad
            for k in range(n_groups * GROUP):
                write_patterns(
                    states, rows[min(begin + k, n_rows - 1)], first + 4 * quad, n_here,
                    patterns + k // GROUP * n_here * GROUP + k % GROUP,
                )  # fmt: skip
            for i in range(0, width, lanes):
                offset = i * out.itemsize
                if not are_few:
                    write_tables(weights, 4 * quad, i, n_here, out, tables)
                for group in range(n_groups):
                    here = patterns + group * n_here * GROUP
                    there = places + group * GROUP * PLACE_BYTES
                    if are_few:
                        add_products(weights, 4 * quad, i, n_here, tables, here, out, there, offset)
                    else:
                        add_entries(tables, n_here, here, out, there, offset)


@inner_kernel
def accumulate_plainly(weights, states, first, rows, n_rows, out, start):
    """Do what `accumulate_fields` does, anywhere, and for silent neurons too."""
    n_pre, width = weights.shape
    stop = start + width
    n_quads = n_pre - n_pre % 4
    n_pairs = n_rows - n_rows % 2
    for j in range(0, n_quads, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        n = first + j
        for k in range(0, n_pairs, 2):  # two samples share each weight that is loaded
            b, c = rows[k], rows[k + 1]
            b0, b1, b2, b3 = states[b, n], states[b, n + 1], states[b, n + 2], states[b, n + 3]
            c0, c1, c2, c3 = states[c, n], states[c, n + 1], states[c, n + 2], states[c, n + 3]
            out_b, out_c = out[b, start:stop], out[c, start:stop]
            for i in range(width):
                out_b[i] += (b0 * w0[i] + b1 * w1[i]) + (b2 * w2[i] + b3 * w3[i])
                out_c[i] += (c0 * w0[i] + c1 * w1[i]) + (c2 * w2[i] + c3 * w3[i])
        for k in range(n_pairs, n_rows):
            b = rows[k]
            b0, b1, b2, b3 = states[b, n], states[b, n + 1], states[b, n + 2], states[b, n + 3]
            out_b = out[b, start:stop]
            for i in range(width):
                out_b[i] += (b0 * w0[i] + b1 * w1[i]) + (b2 * w2[i] + b3 * w3[i])
    for j in range(n_quads, n_pre):
        w0 = weights[j]
        for k in range(n_rows):
            b0 = states[rows[k], first + j]
            out_b = out[rows[k], start:stop]
            for i in range(width):
                out_b[i] += b0 * w0[i]


def find_product(
    banks: Any, states: Any, rows: Any, out: Any, product: Any = accumulate_fields
) -> int:
    """Return the address of a product for banks and arrays of these types.

    That of sparse weights takes any states; for dense banks (S, K, W) it is `product`.
    """
    if isinstance(banks, SparseWeights):
        return find_address(accumulate_sparse, banks, states, 0, rows, 0, out, 0)
    return find_address(product, banks[0], states, 0, rows, 0, out, 0)


def _take_dense_bank(banks, bank, n_rows):
    return banks[bank, :n_rows]


# ``(banks, bank, n_rows)``: one bank; where it is dense its first rows, which are all it has.
take_bank = part_by_storage(_take_dense_bank, take_sparse_bank)


@inner_kernel
def accumulate_couplings(recurrence, states, rows, n_rows, out):
    """Add the dense product with all banks, each with the neurons of its window."""
    n_banks = recurrence.windows.shape[0]
    width = recurrence.self_couplings.shape[0] // n_banks
    for s in range(n_banks):
        first, stop = recurrence.windows[s]
        call(
            recurrence.product, take_bank(recurrence.couplings, s, stop - first), states, first,
            rows, n_rows, out, s * width,
        )  # fmt: skip


@kernel
def _add_events_to_bank(weights, first_row, sites, changes, first, stop, out):
    """Add events first..stop-1 to the fields of one bank, whose row 0 is neuron `first_row`.

    Integers are summed in the format of the field, hence the casts: Numba would widen each step to
    64 bits.
    """
    kind = out.dtype.type
    stop_quads = stop - (stop - first) % 4
    for k in range(first, stop_quads, 4):
        w0, w1 = weights[sites[k] - first_row], weights[sites[k + 1] - first_row]
        w2, w3 = weights[sites[k + 2] - first_row], weights[sites[k + 3] - first_row]
        c0, c1 = kind(changes[k]), kind(changes[k + 1])
        c2, c3 = kind(changes[k + 2]), kind(changes[k + 3])
        for i in range(out.shape[0]):
            one = kind(kind(c0 * kind(w0[i])) + kind(c1 * kind(w1[i])))
            two = kind(kind(c2 * kind(w2[i])) + kind(c3 * kind(w3[i])))
            out[i] += kind(one + two)
    for k in range(stop_quads, stop):
        w0, c0 = weights[sites[k] - first_row], kind(changes[k])
        for i in range(out.shape[0]):
            out[i] += kind(c0 * kind(w0[i]))


@kernel
def add_events(banks, sites, changes, n_events, field):
    """Add ``changes[k]`` times the couplings of neuron ``sites[k]`` to `field`, for each event k.

    A flip of neuron j from s to -s is the event (j, -2s); a silent neuron's first spin s is (j, s).
    `banks` has shape (S, H, W), `field` (S * W,), `sites` and `changes` at least (n_events,).
    """
    width = banks.shape[2]
    for s in range(banks.shape[0]):
        _add_events_to_bank(
            banks[s], 0, sites, changes, 0, n_events, field[s * width : (s + 1) * width]
        )


@kernel
def add_events_in_windows(banks, windows, sites, changes, n_events, field):
    """Add the events as `add_events` does, to the banks whose windows they are in.

    `sites` must be in ascending order.
    """
    width = banks.shape[2]
    for s in range(banks.shape[0]):
        start, end = windows[s]
        first = 0
        while first < n_events and sites[first] < start:
            first += 1
        stop = n_events
        while stop > first and sites[stop - 1] >= end:
            stop -= 1
        _add_events_to_bank(
            banks[s], start, sites, changes, first, stop, field[s * width : (s + 1) * width]
        )


@kernel
def _add_event_in_windows(banks, windows, site, change, field):
    width = banks.shape[2]
    for bank in range(banks.shape[0]):
        first, last = windows[bank]
        if site < first or site >= last:
            continue
        weights = banks[bank, site - first]
        out = field[bank * width : (bank + 1) * width]
        for k in range(width):
            out[k] += change * weights[k]


# ``(couplings, windows, sites, changes, n_events, field)``, and of one event.
add_events_to_fields = by_storage(add_events_in_windows, add_sparse_events)
add_event_to_fields = by_storage(_add_event_in_windows, add_sparse_event)


@kernel
def add_excitation(partners, excitations, external, state, out):
    """Write `external` plus the excitation by the neighbouring modules to `out`, all (>= H,).

    The two may be one array. `partners` and `excitations` are those of a Structure.
    """
    for k in range(partners.shape[0]):
        before = external if k == 0 else out
        for i in range(partners.shape[1]):
            out[i] = before[i] + excitations[k, i] * state[partners[k, i]]


@reassociating_kernel
def _dot(first, second):
    total = first.dtype.type(0)
    for i in range(first.shape[0]):
        total += first[i] * second[i]
    return total


@kernel
def read_out(readout, scale, state, n_hidden, out):
    """Write the readout fields f_c = scale * sum_i readout[c, i] s_i into `out` (C,)."""
    scale = out.dtype.type(scale)
    for c in range(readout.shape[0]):
        # Sliced to the neurons: with padding, the order of the sum would depend on the banks.
        out[c] = scale * _dot(readout[c, :n_hidden], state[:n_hidden])
