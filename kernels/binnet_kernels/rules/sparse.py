"""Updates of sparse weights: the events of a batch on the couplings that there are.

The couplings onto one neuron follow each other; where it is stable in all samples they are passed
over. What is counted for each of them is brought together first, then counted in vectors.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import popcount
from binnet_kernels.lowlevel.lanes import view_at
from binnet_kernels.lowlevel.sign_sums import make_reserve

_AT_ONCE = 256  # couplings
_reserve_words = make_reserve(3 * 4 * _AT_ONCE)


@kernel
def are_all_awake(mask, n):
    """Return in which samples n neurons are not silent, if that is the same for all, else 0."""
    n_same = 0
    for j in range(n):
        n_same += mask[j] == mask[0]
    return mask[0] if n_same == n else np.uint32(0)


@kernel
def update_sparse_perceptron(
    weights, rate, gains, pre_signs, pre_mask, post_signs, post_mask, start
):
    """Do what `events.update_couplings_perceptron` does, to a `SparseWeights` of a bank."""
    values, sources, starts = weights.values, weights.sources, weights.starts
    dtype = values.dtype.type
    rate = dtype(rate)
    words = view_at(_reserve_words(), 2, _AT_ONCE, np.uint32(0))
    awake = are_all_awake(pre_mask, weights.n_sources)
    for i in range(starts.shape[0] - 1):
        mask, signs = post_mask[start + i], post_signs[start + i]
        if mask == 0:
            continue
        gain, stop = rate * gains[start + i], starts[i + 1]
        for begin in range(starts[i], stop, _AT_ONCE):
            n = min(_AT_ONCE, stop - begin)
            row, source = values[begin : begin + n], sources[begin : begin + n]
            signs_j, mask_j = words[0, :n], words[1, :n]
            for k in range(n):
                signs_j[k] = pre_signs[source[k]]
            if awake != 0:
                both = np.uint32(mask & awake)
                n_both = popcount(both)
                for k in range(n):
                    differ = popcount(np.uint32(np.uint32(signs ^ signs_j[k]) & both))
                    row[k] += gain * dtype(np.int32(n_both - 2 * differ))
                continue
            for k in range(n):
                mask_j[k] = pre_mask[source[k]]
            for k in range(n):
                both = np.uint32(mask & mask_j[k])
                differ = popcount(np.uint32(np.uint32(signs ^ signs_j[k]) & both))
                row[k] += gain * dtype(np.int32(popcount(both) - 2 * differ))


@kernel
def update_sparse_symmetric(weights, rate, gains, signs, awake, unstable, first_row, start):
    """Do what `symmetric.update_couplings_symmetric` does, to a `SparseWeights` of a bank.

    J_ij and J_ji take the mean of the same two counts, so neither needs to be found from the other.
    """
    values, sources, starts = weights.values, weights.sources, weights.starts
    dtype = values.dtype.type
    quarter = dtype(0.25 * rate)
    for i in range(starts.shape[0] - 1):
        signs_i, awake_i, unstable_i = signs[start + i], awake[start + i], unstable[start + i]
        for k in range(starts[i], starts[i + 1]):
            j = sources[k]
            differ = np.uint32(signs_i ^ signs[j])
            own, other = np.uint32(unstable_i & awake[j]), np.uint32(awake_i & unstable[j])
            count = popcount(own) - 2 * popcount(np.uint32(own & differ))
            count += popcount(other) - 2 * popcount(np.uint32(other & differ))
            values[k] += quarter * (gains[start + i] + gains[j]) * dtype(np.int32(count))


@kernel
def update_sparse_soft(weights, rate, gains, pre, pre_first, post, n_samples, start):
    """Do what `events.update_couplings_soft` does, to a `SparseWeights` of a bank."""
    values, sources, starts = weights.values, weights.sources, weights.starts
    rate = values.dtype.type(rate)
    for i in range(starts.shape[0] - 1):
        for b in range(n_samples):
            event = gains[start + i] * post[b, start + i]
            if event == 0:
                continue
            for k in range(starts[i], starts[i + 1]):
                values[k] += rate * pre[b, sources[k]] * event
