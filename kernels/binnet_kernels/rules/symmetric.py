"""The symmetric perceptron rule: both synapses of a pair take the mean of their two updates.

Couplings that begin symmetric so stay symmetric, to the last bit (docs/model/network.md, section
7). A synapse needs to know whether its source is unstable, too. Input weights and readout learn as
in the source's rule.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import by_storage, inner_kernel, kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples, popcount
from binnet_kernels.relaxation.fields import take_bank
from binnet_kernels.rules.events import (
    begin_batch,
    find_parts,
    keep_absent_couplings,
    pack_events,
    update_input_and_readout,
)
from binnet_kernels.rules.sparse import update_sparse_symmetric
from binnet_kernels.training.batches import RuleKernels
from binnet_kernels.training.records import bank_size


@kernel
def update_couplings_symmetric(weights, rate, gains, signs, awake, unstable, first_row, start):
    """Add the mean of the updates of J_ij and J_ji to the couplings onto a bank.

    Parameters
    ----------
    weights : array (K, W)
        One bank; row k is that of neuron ``first_row + k``, column i that of ``start + i``.
    rate : float
    gains : array (>= start + W,)
        What multiplies the rate of each neuron; a pair has the mean of its two.
    signs, awake, unstable : uint32 array (>= start + W,)
        Spins of up to 32 samples of all neurons, and in which of them they are not silent and in
        which they are unstable, packed by `pack_samples`.
    first_row, start : int
    """
    dtype = weights.dtype.type
    quarter = dtype(0.25 * rate)  # half for the mean of the updates, half for that of the gains
    stop = start + weights.shape[1]
    signs_i, awake_i, unstable_i = signs[start:stop], awake[start:stop], unstable[start:stop]
    gains_i = gains[start:stop]
    for k in range(weights.shape[0]):
        row, j = weights[k], first_row + k
        signs_j, awake_j, unstable_j, gain_j = signs[j], awake[j], unstable[j], gains[j]
        for i in range(weights.shape[1]):
            differ = np.uint32(signs_i[i] ^ signs_j)
            own, other = np.uint32(unstable_i[i] & awake_j), np.uint32(awake_i[i] & unstable_j)
            count = popcount(own) - 2 * popcount(np.uint32(own & differ))
            count += popcount(other) - 2 * popcount(np.uint32(other & differ))
            row[i] += quarter * (gains_i[i] + gain_j) * dtype(np.int32(count))


_update_symmetric = by_storage(update_couplings_symmetric, update_sparse_symmetric)


@inner_kernel
def learn_bank(parts, rule, memory, model, work, n_samples, bank):
    """Update the weights onto a bank and a share of the readout."""
    n_hidden, width = model.partners.shape[1], bank_size(model)
    first_row, stop_row = model.windows[bank]
    words = work.words[bank]
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        pack_events(model, work, first, n, bank)
        update_input_and_readout(parts, rule, model, memory.rates, work, first, n, bank)
        if memory.rates[0] != 0.0:
            pack_samples(work.unstable, first, n, np.int64(0), n_hidden, words[2, 0], words[2, 1])
            _update_symmetric(
                take_bank(model.couplings, bank, stop_row - first_row), memory.rates[0],
                model.gains[0], words[0, 0], words[0, 1], words[2, 1], first_row, bank * width,
            )  # fmt: skip
    keep_absent_couplings(model, bank)


KERNELS = RuleKernels(begin_batch, learn_bank, find_parts)
