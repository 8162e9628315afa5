"""Fields of 16-bit couplings in 32-bit integers: exact, so that the order of the sums is free."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.vectors import STRIP, add_strip_products

# Presynaptic rows that stay in the second-level cache, beside the next ones, for all strips.
_BLOCK = 32


@kernel
def accumulate_fields_int16(couplings, states, rows, n_rows, out):
    """Add ``states[b] @ couplings`` to ``out[b]`` for each listed row b.

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
    """
    n_pre, width = couplings.shape
    in_strips = width - width % STRIP
    in_pairs = n_pre - n_pre % 2
    n_eights = n_rows - n_rows % 8
    for first in range(0, in_pairs, _BLOCK):
        n_pairs = (min(first + _BLOCK, in_pairs) - first) // 2
        ahead = first + _BLOCK
        for k in range(0, n_eights, 8):  # eight samples share each coupling that is loaded
            eight = (
                rows[k], rows[k + 1], rows[k + 2], rows[k + 3],
                rows[k + 4], rows[k + 5], rows[k + 6], rows[k + 7],
            )  # fmt: skip
            for i in range(0, in_strips, STRIP):
                add_strip_products(couplings, first, n_pairs, i, states, eight, out, ahead)
            ahead = first  # it is on its way
        for k in range(n_eights, n_rows):
            for i in range(0, in_strips, STRIP):
                add_strip_products(couplings, first, n_pairs, i, states, (rows[k],), out, ahead)
            ahead = first
    for j in range(n_pre):  # what the strips of paired rows leave: an odd row, the last columns
        begin = in_strips if j < in_pairs else 0
        for k in range(n_rows):
            spin = np.int32(states[rows[k], j])
            field = out[rows[k]]
            for i in range(begin, width):
                field[i] += np.int32(spin * np.int32(couplings[j, i]))
