"""Fields of 16-bit couplings in 32-bit integers: exact, so that the order of the sums is free."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.vectors import STRIP, add_strip_products

# Presynaptic rows and columns of a block: it stays in the second-level cache for all states, beside
# the next one and the fields. Where there are few states, memory had rather give whole rows.
_ROWS, _COLUMNS = 64, 25 * STRIP
_ROWS_OF_FEW, _COLUMNS_OF_FEW = 16, 200 * STRIP


@inner_kernel
def _accumulate_columns(couplings, states, rows, n_rows, out, begin, stop, at_a_time):
    """Do so for columns of which `at_a_time` presynaptic rows stay in the cache."""
    n_pre = couplings.shape[0]
    in_strips = stop - (stop - begin) % STRIP
    in_pairs = n_pre - n_pre % 2
    n_eights = n_rows - n_rows % 8
    for first in range(0, in_pairs, at_a_time):
        n_pairs = (min(first + at_a_time, in_pairs) - first) // 2
        ahead = first + at_a_time
        for k in range(0, n_eights, 8):  # eight samples share each coupling that is loaded
            eight = (
                rows[k], rows[k + 1], rows[k + 2], rows[k + 3],
                rows[k + 4], rows[k + 5], rows[k + 6], rows[k + 7],
            )  # fmt: skip
            for i in range(begin, in_strips, STRIP):
                add_strip_products(couplings, first, n_pairs, i, states, eight, out, ahead)
            ahead = first  # it is on its way
        for k in range(n_eights, n_rows):
            for i in range(begin, in_strips, STRIP):
                add_strip_products(couplings, first, n_pairs, i, states, (rows[k],), out, ahead)
            ahead = first
    for j in range(n_pre):  # what the strips of paired rows leave: an odd row, the last columns
        left = in_strips if j < in_pairs else begin
        for k in range(n_rows):
            spin = np.int32(states[rows[k], j])
            field = out[rows[k]]
            for i in range(left, stop):
                field[i] += np.int32(spin * np.int32(couplings[j, i]))


@kernel
def accumulate_fields_int16(couplings, states, rows, n_rows, out, begin, stop):
    """Add ``states[b] @ couplings[:, begin:stop]`` to ``out[b, begin:stop]`` for each listed row b.

    Parameters
    ----------
    couplings : int16 array (N, N)
        Presynaptic-major.
    states : int16 array (B, N)
        Entries -1, +1.
    rows : int array (>= n_rows,)
        Which rows of `states` and `out`.
    n_rows : int
    out : int32 array (B, N)
    begin, stop : int
    """
    at_a_time, n_columns = _ROWS, _COLUMNS
    if n_rows < 8:
        at_a_time, n_columns = _ROWS_OF_FEW, _COLUMNS_OF_FEW
    for first in range(begin, stop, n_columns):
        last = min(first + n_columns, stop)
        _accumulate_columns(couplings, states, rows, n_rows, out, first, last, at_a_time)
