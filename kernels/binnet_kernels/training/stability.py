"""The local test of stability: which neurons and readouts miss their margin."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel


@kernel
def find_unstable_neurons(
    external, field, state, scale, self_couplings, thresholds, n_hidden, unstable
):
    """Write s_i into `unstable` where s_i h_i <= thresholds_i, else 0; return how many there are.

    h_i is the field without feedback and clamp; `thresholds` are kappa, plus the fixed help that is
    not to count (J_D, lambda). All arrays are (>= n_hidden,), those of one sample.
    """
    count = 0
    dtype = state.dtype.type
    zero, scale = dtype(0), dtype(scale)
    for i in range(n_hidden):
        h = external[i] + scale * field[i] + self_couplings[i] * state[i]
        is_unstable = state[i] * h <= thresholds[i]
        unstable[i] = state[i] if is_unstable else zero
        count += is_unstable
    return count


@kernel
def find_unstable_readouts(fields, label, thresholds, unstable):
    """Write y_c (+1 for `label`, else -1) where f_c y_c <= kappa_out, else 0; return how many.

    `thresholds` (2,) are kappa_out of a wrong class and of the right one.
    """
    one = unstable.dtype.type(1)
    count = 0
    for c in range(fields.shape[0]):
        target = one if c == label else -one
        is_unstable = fields[c] * target <= thresholds[np.int64(c == label)]
        unstable[c] = target if is_unstable else 0 * one
        count += is_unstable
    return count
