"""The third factor in integers: errors of 15 fraction bits, by a table in place of exponentials.

A chip has no exponential function: the softmax of the readout fields takes exp(-k / 16) from a
table, k being the distance of a field to the largest one in sixteenths of the temperature
(docs/model/arithmetic.md, section 3). All is exact in integers, and so the same on any machine.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.rules.integer import begin_batch, find_parts, learn_bank_integer
from binnet_kernels.rules.third_factor import broadcast_errors, gate_neurons
from binnet_kernels.training.batches import RuleKernels

ERROR_BITS = 15  # fraction bits of an error
STEPS = 16  # of the table, in one temperature
SCALE_BITS = 16  # fraction bits of IntegerRule.error_scale
# exp(-k / 16) in units of 2**-15, until it is less than half a unit.
_TABLE = np.rint(np.exp(-np.arange(178) / STEPS) * (1 << ERROR_BITS)).astype(np.int64)


@kernel
def find_errors_integer(fields, label, scale, errors):
    """Write e_c = [c is the label] - softmax_c in units of 2**-15 into `errors` (C,) int64.

    A field that is d below the largest one takes entry ``d * scale >> 16`` of the table; the
    quotient by the sum of the entries is rounded down.
    """
    n_classes, n_entries = fields.shape[0], _TABLE.shape[0]
    highest = np.int64(fields[0])
    for c in range(1, n_classes):
        highest = max(highest, np.int64(fields[c]))
    total = np.int64(0)
    for c in range(n_classes):
        entry = ((highest - fields[c]) * scale) >> SCALE_BITS
        errors[c] = _TABLE[entry] if entry < n_entries else 0
        total += errors[c]
    for c in range(n_classes):
        asked = np.int64(1) << ERROR_BITS if c == label else np.int64(0)
        errors[c] = asked - (errors[c] << ERROR_BITS) // total


@inner_kernel
def learn_bank(parts, rule, memory, model, work, n_samples, bank):
    """Gate the unstable neurons of a bank, then learn from them as `integer` does."""
    n_hidden, width = model.partners.shape[1], model.couplings.shape[2]
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    errors = memory.errors[bank]
    for b in range(n_samples):
        find_errors_integer(work.readout_fields[b], work.labels[b], rule.error_scale, errors[b])
    broadcast_errors(memory.exposed_feedback[bank], errors, n_samples, start, memory.deltas)
    work.n_learning[bank] = gate_neurons(
        memory.deltas, rule.error_threshold, n_samples, start, stop, work.unstable
    )
    learn_bank_integer(parts, rule, memory, model, work, n_samples, bank)


KERNELS = RuleKernels(begin_batch, learn_bank, find_parts)
