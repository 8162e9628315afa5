"""Fields of graded inputs, and the update of their weights: sums over what is not 0.

Inputs are real numbers here, and many of them may be 0, like the black pixels of an image. Four
samples share each weight that is loaded, and pass over the inputs that are 0 in all four. Every sum
takes its terms in the order of the inputs (of the samples, in the update), and a term that is 0
changes no bit: it does not matter which samples are taken together, nor on how many threads.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples, trailing_zeros
from binnet_kernels.lowlevel.tiles import make_list, make_row_sum

_PANEL = 1024  # inputs whose weights onto a tile stay in the second-level cache
_AT_ONCE = 4  # groups of four samples, which share what is there
_NARROW = 32  # columns; the width of a bank is a multiple
_WIDE = 64  # of four rows in single precision: sixteen vectors, which registers hold

_reserve_inputs = make_list(_AT_ONCE * _PANEL)
_reserve_counts = make_list(_AT_ONCE)
_reserve_samples = make_list(WORD_BITS)
_sum_four_wide, _sum_four = make_row_sum(4, _WIDE), make_row_sum(4, _NARROW)
_sum_one = make_row_sum(1, _NARROW)


@inlined_kernel
def _find_step(width, i, itemsize):
    """Return how many columns from `i` on are summed together."""
    return _WIDE if itemsize == 4 and i + _WIDE <= width else _NARROW


@inlined_kernel
def _add_products(out, first, n_rows, i, step, source, sites, factors, n_sites):
    """Add ``sum_k factors[sites[k], r] * source[sites[k]]`` to rows r, of which there are up to 4.

    The rows are ``out[first : first + n_rows, i : i + step]``; k < n_sites.
    """
    one = out.dtype.type(1)
    if n_rows < 4:
        for r in range(first, first + n_rows):
            for column in range(i, i + step, _NARROW):
                _sum_one(out, r, column, one, source, sites, factors, sites, r, n_sites)
    elif step == _WIDE:
        _sum_four_wide(out, first, i, one, source, sites, factors, sites, first, n_sites)
    else:
        _sum_four(out, first, i, one, source, sites, factors, sites, first, n_sites)


@inlined_kernel
def _list_inputs(states, first, stop, b, n_rows, sites, begin):
    """List which of the inputs first..stop-1 are not 0 in rows b..b+n_rows-1; return how many."""
    n_found = begin
    last = b + n_rows - 1
    c, d, e = min(b + 1, last), min(b + 2, last), min(b + 3, last)
    for n in range(first, stop):
        sites[n_found] = n - first
        n_found += (
            (states[b, n] != 0) | (states[c, n] != 0) | (states[d, n] != 0) | (states[e, n] != 0)
        )
    return n_found - begin


@inner_kernel
def accumulate_graded(weights, states, first, rows, n_rows, out, start):
    """Do what `fields.accumulate_fields` does, for states that are any numbers.

    The rows must follow each other: ``rows[k] = rows[0] + k``.
    """
    n_pre, width = weights.shape
    to = out[:, start : start + width]
    sites, counts = _reserve_inputs(), _reserve_counts()
    for panel in range(0, n_pre, _PANEL):
        stop = min(n_pre, panel + _PANEL)
        source, x = weights[panel:stop], states[:, first + panel : first + stop].T
        for begin in range(0, n_rows, 4 * _AT_ONCE):
            b, n_here = rows[begin], min(4 * _AT_ONCE, n_rows - begin)
            for k in range(0, n_here, 4):
                counts[k // 4] = _list_inputs(
                    states, first + panel, first + stop, b + k, min(4, n_here - k), sites,
                    k // 4 * _PANEL,
                )  # fmt: skip
            i = 0
            while i < width:
                step = _find_step(width, i, out.itemsize)
                for k in range(0, n_here, 4):
                    _add_products(
                        to, b + k, min(4, n_here - k), i, step, source, sites[k // 4 * _PANEL :],
                        x, counts[k // 4],
                    )  # fmt: skip
                i += step


@inlined_kernel
def _list_samples(word, samples):
    """Write which bits of a word are set; return how many."""
    left, n_found = np.uint64(word), 0
    while left != np.uint64(0):
        samples[n_found] = trailing_zeros(left)
        n_found += 1
        left &= left - np.uint64(1)
    return n_found


@inner_kernel
def update_inputs_graded(rate, model, work, first, n_samples, bank):
    """Add ``rate * gains[i] * sum_b x[b, n] * u[b, i]`` to the input weights onto a bank.

    The sum is over samples first..first+n_samples-1, u are the unstable spins.
    """
    weights, gains, words = model.input_weights[bank], model.gains[1], work.words[bank]
    n_inputs, width = weights.shape
    start, stop = bank * width, (bank + 1) * width
    rate = weights.dtype.type(rate)
    # The fields of the inputs onto this bank have done their work: their place is taken.
    amounts = work.external[:, start:stop]
    samples = _reserve_samples()
    for begin in range(first, first + n_samples, WORD_BITS):
        n_here = min(WORD_BITS, first + n_samples - begin)
        for b in range(begin, begin + n_here):
            for i in range(width):
                amounts[b, i] = rate * gains[start + i] * work.unstable[b, start + i]
        pack_samples(work.inputs, begin, n_here, np.int64(0), n_inputs, words[1, 0], words[1, 1])
        source, x, mask = amounts[begin:], work.inputs[begin:], words[1, 1]
        for n in range(0, n_inputs, 4):
            n_rows = min(4, n_inputs - n)
            word = mask[n]
            for k in range(1, n_rows):
                word |= mask[n + k]
            n_events = _list_samples(word, samples)
            i = 0
            while i < width and n_events > 0:
                step = _find_step(width, i, weights.itemsize)
                _add_products(weights, n, n_rows, i, step, source, samples, x, n_events)
                i += step
