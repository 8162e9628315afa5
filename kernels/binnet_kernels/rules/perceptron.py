"""Local perceptron plasticity: every neuron that is not stable enough reinforces its own state.

A synapse sees its own value, its two ends and the field of its target; nothing else
(docs/model/network.md, section 3). The update of a batch, sum_b pre[b, j] * post[b, i] over the
unstable neurons, is counted in bits.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel, reassociating_kernel
from binnet_kernels.lowlevel.bits import popcount


@kernel
def find_unstable_neurons(
    external, field, state, scale, self_couplings, thresholds, n_samples, start, stop, unstable
):
    """Write s_i into `unstable` where s_i h_i <= thresholds_i, else 0; return how many there are.

    h_i is the field without feedback and clamp; `thresholds` (H,) are kappa, plus the fixed help
    that is not to count (J_D, lambda). All other arrays are (B, H); the first `n_samples` rows and
    columns start..stop-1 are looked at.
    """
    count = 0
    dtype = state.dtype.type
    zero, scale = dtype(0), dtype(scale)
    J_D, threshold = self_couplings[start:stop], thresholds[start:stop]
    for b in range(n_samples):
        u, f, s = external[b, start:stop], field[b, start:stop], state[b, start:stop]
        out = unstable[b, start:stop]
        for i in range(stop - start):
            is_unstable = s[i] * (u[i] + scale * f[i] + J_D[i] * s[i]) <= threshold[i]
            out[i] = s[i] if is_unstable else zero
            count += is_unstable
    return count


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


@kernel
def find_unstable_readouts(fields, label, threshold, unstable):
    """Write y_c (+1 for `label`, else -1) where f_c y_c <= threshold, else 0; return how many."""
    one = unstable.dtype.type(1)
    count = 0
    for c in range(fields.shape[0]):
        target = one if c == label else -one
        is_unstable = fields[c] * target <= threshold
        unstable[c] = target if is_unstable else 0 * one
        count += is_unstable
    return count


@kernel
def update_couplings_perceptron(
    weights, rate, gains, pre_signs, pre_mask, post_signs, post_mask, start
):
    """Add ``rate * gains[i] * sum_b pre[b, j] * post[b, start + i]`` to ``weights[j, i]``.

    Parameters
    ----------
    weights : array (K, W)
        One bank.
    rate : float
    gains : array (>= start + W,)
        What multiplies the rate of each postsynaptic neuron, in the dtype of the weights.
    pre_signs, pre_mask : uint32 array (>= K,)
        Presynaptic spins of up to 32 samples, packed by `pack_samples`.
    post_signs, post_mask : uint32 array (>= start + W,)
        Spins of the unstable neurons, masked out in the samples where they are stable.
    start : int
        The neuron that the bank begins at.
    """
    n_pre, width = weights.shape
    dtype = weights.dtype.type
    rate = dtype(rate)
    signs, mask = post_signs[start : start + width], post_mask[start : start + width]
    gains = gains[start : start + width]
    for j in range(n_pre):
        row = weights[j]
        signs_j, mask_j = pre_signs[j], pre_mask[j]
        for i in range(width):
            both = np.uint32(mask[i] & mask_j)
            differ = popcount(np.uint32(np.uint32(signs[i] ^ signs_j) & both))
            # An integer first: a synapse whose changes cancel must not move by a rounding error.
            row[i] += rate * gains[i] * dtype(np.int32(popcount(both) - 2 * differ))


@kernel
def keep_connectivity(weights, connectivity):
    """Set the weights (K, W) of a bank to 0 where `connectivity` (K, W) says that there is none."""
    for j in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            weights[j, i] *= connectivity[j, i]
