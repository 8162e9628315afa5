"""The source's rule: every neuron that is not stable enough reinforces its own state.

A synapse sees its own value, its two ends and the field of its target; nothing else
(docs/model/network.md, section 3).
"""

from __future__ import annotations

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS
from binnet_kernels.rules.events import (
    begin_batch,
    find_parts,
    keep_absent_couplings,
    pack_events,
    update_couplings_of_bank,
    update_input_and_readout,
)
from binnet_kernels.training.batches import RuleKernels


@inner_kernel
def learn_bank(parts, rule, memory, model, work, n_samples, bank):
    """Update the weights onto a bank and a share of the readout."""
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        pack_events(model, work, first, n, bank)
        if memory.rates[0] != 0.0:
            update_couplings_of_bank(model, memory.rates[0], work, bank)
        update_input_and_readout(parts, rule, model, memory.rates, work, first, n, bank)
    keep_absent_couplings(model, bank)


KERNELS = RuleKernels(begin_batch, learn_bank, find_parts)
