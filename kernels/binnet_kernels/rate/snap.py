"""Sparse n-step approximation of real-time recurrent learning (SnAp-n, Menick et al. 2021).

Of the influence dh_k/dW_ij only the entries are kept whose neuron k is in S_i: i itself, and what
can be reached from i by at most n - 1 couplings that exist. All weights into neuron i share these
rows, so its influence is a dense block (rows S_i, columns the K_i weights into i), which follows

    P_k(t+1) = a P_k(t) + sum_{m in S_i} (1 - a) W_km f'(h_m(t)) P_m(t) + [k = i] (1 - a) z(t)

The blocks of two neurons do not meet, nor do the columns of one, nor samples. A block is taken
through all steps of 16 samples at a time, some of its columns at a time, so that it stays in the
cache; the samples lie side by side, so that vectors are full however few weights a neuron has.
Sums run over the couplings that exist, from neurons that are not silent in all 16 samples.
"""

from __future__ import annotations

from binnet_kernels._jit import inlined_kernel, kernel
from binnet_kernels.lowlevel.products import make_any, make_product
from binnet_kernels.lowlevel.tiles import make_row_sum

#: Samples side by side.
LANES = 16
#: Columns of a block that are taken through a trial together.
COLUMNS = 20
_WIDE = 4 * LANES
_sum_wide = make_row_sum(1, _WIDE)
_sum_narrow = make_row_sum(1, LANES)
_multiply, _add_product = make_product(LANES, adds=False), make_product(LANES, adds=True)
_is_any = make_any(LANES)


@kernel
def find_reach(starts, targets, n_steps, reach, queue):
    """Write which neurons each one reaches by at most `n_steps` couplings, itself among them.

    Parameters
    ----------
    starts : int array (N + 1,)
        Couplings of neuron j are ``starts[j]``..``starts[j + 1] - 1``.
    targets : int array (E,)
        The neurons they lead to.
    n_steps : int
    reach : bool array (N, N)
        Written: ``reach[i, k]`` says whether i reaches k.
    queue : int array (N,)
        Scratch.
    """
    n = len(reach)
    for i in range(n):
        seen = reach[i]
        seen[:] = False
        seen[i] = True
        queue[0] = i
        begin, end = 0, 1
        for _ in range(n_steps):
            found = end
            for q in range(begin, end):
                j = queue[q]
                for e in range(starts[j], starts[j + 1]):
                    k = targets[e]
                    if not seen[k]:
                        seen[k] = True
                        queue[found] = k
                        found += 1
            if found == end:
                break
            begin, end = end, found


@inlined_kernel
def _list_terms(seen, starts, sources, rows, places, begins, term_rows, term_weights):
    """List the rows of a block, and the couplings between them; return how many rows."""
    n_rows = 0
    for k in range(len(seen)):
        if seen[k]:
            rows[n_rows] = k
            places[k] = n_rows
            n_rows += 1
    n_terms = 0
    for r in range(n_rows):
        begins[r] = n_terms
        for e in range(starts[rows[r]], starts[rows[r] + 1]):
            if seen[sources[e]]:
                term_rows[n_terms] = places[sources[e]]
                term_weights[n_terms] = e
                n_terms += 1
    begins[n_rows] = n_terms
    return n_rows


@inlined_kernel
def _scale_rows(block, scaled, rows, n_rows, n_columns, slopes, is_active):
    """Write f'(h_m) P_m of the neurons that are not silent in all samples."""
    for r in range(n_rows):
        is_active[r] = _is_any(slopes, rows[r])
        if is_active[r]:
            _multiply(scaled, r, block, r, slopes, rows[r], n_columns)


@kernel
def _advance_block(block, scaled, leak, width, n_rows, begins, terms, weights, is_active, chosen):
    """Take one step with the rows of a block: P_k = a P_k + sum_m W_km scaled_m."""
    term_rows, term_weights = terms
    chosen_rows, chosen_weights = chosen
    n_wide = width - width % _WIDE
    for r in range(n_rows):
        n_chosen = 0
        for q in range(begins[r], begins[r + 1]):
            chosen_rows[n_chosen] = term_rows[q]
            chosen_weights[n_chosen] = term_weights[q]
            n_chosen += is_active[term_rows[q]]
        for c in range(0, n_wide, _WIDE):
            _sum_wide(
                block, r, c, leak, scaled, chosen_rows, weights, chosen_weights, 0, n_chosen
            )  # fmt: skip
        for c in range(n_wide, width, LANES):
            _sum_narrow(
                block, r, c, leak, scaled, chosen_rows, weights, chosen_weights, 0, n_chosen
            )  # fmt: skip


@kernel
def advance_blocks(
    reach,
    starts,
    sources,
    weights,
    slopes,
    activity,
    signals,
    leak,
    first,
    stop,
    grads,
    blocks,
    lists,
):
    """Take the blocks of some neurons through all trials, and add up the gradient along the way.

    Parameters
    ----------
    reach : bool array (N, N)
        ``reach[i, k]``: whether k is in S_i.
    starts : int array (N + 1,)
        Couplings into neuron k are ``starts[k]``..``starts[k + 1] - 1``.
    sources : int array (E,)
        The neurons they come from.
    weights : array (E, 1)
        (1 - a) W_h of each.
    slopes : array (C, T, N, 16)
        f'(h_t), t = 0..T-1, of C times 16 samples.
    activity : array (C, T, N + N_in, 16)
        z_t = [r_t x_t].
    signals : array (C, T, N, 16)
        dloss/dh_{t+1} through the output alone.
    leak : float
        a, in the arrays' precision.
    first, stop : int
        The neurons are first..stop-1.
    grads : array (N, N + N_in)
        Written in the rows of these neurons: the gradient, 0 where there is no coupling.
    blocks : array (2, R, 320)
        Scratch; R is more than the rows of any block.
    lists : int array (8, max(E, N + 1))
        Scratch.
    """
    n_chunks, n_steps, n, _ = slopes.shape
    n_inputs = activity.shape[2] - n
    rows, places, begins, is_active = lists[0], lists[1], lists[2], lists[3]
    block, scaled = blocks
    n_total = len(block) - 1  # the last row: the sum over time of s^T P, of each sample
    total = block[n_total]
    scaled[n_total, :LANES] = block.dtype.type(1) - leak
    for i in range(first, stop):
        n_rows = _list_terms(reach[i], starts, sources, rows, places, begins, lists[4], lists[5])
        own, n_sources = sources[starts[i] : starts[i + 1]], starts[i + 1] - starts[i]
        n_groups = -(-(n_sources + n_inputs) // COLUMNS)
        grads[i] = 0
        for g in range(n_groups):
            begin = g * (n_sources + n_inputs) // n_groups
            n_columns = (g + 1) * (n_sources + n_inputs) // n_groups - begin
            width = n_columns * LANES
            total[:] = 0
            for chunk in range(n_chunks):
                block[:n_rows] = 0
                for t in range(n_steps):
                    _scale_rows(block, scaled, rows, n_rows, n_columns, slopes[chunk, t], is_active)
                    _advance_block(
                        block, scaled, leak, width, n_rows, begins, lists[4:6], weights, is_active,
                        lists[6:8],
                    )  # fmt: skip
                    for c in range(n_columns):  # what the weights into i do to i itself
                        k = begin + c
                        _add_product(
                            block[places[i] : places[i] + 1, c * LANES : (c + 1) * LANES], 0,
                            activity[chunk, t], own[k] if k < n_sources else n + k - n_sources,
                            scaled, n_total, 1,
                        )  # fmt: skip
                    for r in range(n_rows):
                        if _is_any(signals[chunk, t], rows[r]):
                            _add_product(
                                block, n_total, block, r, signals[chunk, t], rows[r], n_columns
                            )  # fmt: skip
            for c in range(n_columns):
                k = begin + c
                column = own[k] if k < n_sources else n + k - n_sources
                for b in range(LANES):
                    grads[i, column] += total[c * LANES + b]
