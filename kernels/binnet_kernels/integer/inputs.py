"""Fields of graded inputs in integers: a row of weights for each input that is not 0."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel


@inner_kernel
def accumulate_integers(weights, states, first, rows, n_rows, out, start):
    """Do what `relaxation.fields.accumulate_fields` does, for states that are any integers."""
    n_pre, width = weights.shape
    for k in range(n_rows):
        row, x = out[rows[k], start : start + width], states[rows[k], first : first + n_pre]
        for n in range(n_pre):
            if x[n] != 0:
                w, x_n = weights[n], np.int32(x[n])
                for i in range(width):
                    row[i] += np.int32(x_n * np.int32(w[i]))
