"""The soft rule: every neuron reinforces its state, the more the smaller its stability.

The step of the perceptron rule is a logistic function here, so an event is a number between 0 and 1
and updates are sums of products, not counts of bits (docs/model/network.md, section 8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.relaxation.fields import take_bank
from binnet_kernels.rules.events import (
    begin_batch,
    find_share,
    keep_absent_couplings,
    update_couplings_soft,
    update_weights_soft,
)
from binnet_kernels.structs import Array
from binnet_kernels.training.batches import RuleKernels
from binnet_kernels.training.records import bank_size


class SoftRule(NamedTuple):
    """A `FloatRule`, and how sharp the step is."""

    rates: Array
    decays: Array
    thresholds: Array
    readout_thresholds: Array
    targets: Array
    sharpness: float  # beta


@kernel
def weigh(spin, stability, threshold, sharpness):
    """Return s times sigmoid(-beta (s h - kappa)), in the dtype of the spin."""
    dtype = type(spin)
    return spin / (dtype(1) + np.exp(dtype(sharpness) * (stability - threshold)))


@inner_kernel
def find_soft_events(rule, model, work, n_samples, bank):
    """Write the weighted states of a bank's neurons, and labels of its share of the readout."""
    n_hidden, width = model.partners.shape[1], bank_size(model)
    scale = work.unstable.dtype.type(model.scales[0])
    dtype = work.unstable.dtype.type
    kappas, sizes = rule.readout_thresholds, rule.targets
    from_c, to_c = find_share(work.readout_fields.shape[1], model.windows.shape[0], bank)
    for b in range(n_samples):
        state, field, external = work.outcome.state[b], work.outcome.field[b], work.external[b]
        for i in range(bank * width, min(n_hidden, (bank + 1) * width)):
            h = external[i] + scale * field[i] + model.self_couplings[i] * state[i]
            work.unstable[b, i] = weigh(state[i], state[i] * h, rule.thresholds[i], rule.sharpness)
        for c in range(from_c, to_c):
            is_right = np.int64(c == work.labels[b])
            size, kappa_out = dtype(sizes[is_right]), dtype(sizes[is_right] * kappas[is_right])
            target = size if is_right else -size
            work.unstable_readouts[b, c] = weigh(
                target, target * work.readout_fields[b, c], kappa_out, rule.sharpness
            )


@inner_kernel
def learn_bank(parts, rule, memory, model, work, n_samples, bank):
    """Update the weights onto a bank and a share of the readout."""
    n_banks, width = model.windows.shape[0], bank_size(model)
    first_row, stop_row = model.windows[bank]
    from_c, to_c = find_share(work.readout_fields.shape[1], n_banks, bank)
    state, start = work.outcome.state, bank * width
    find_soft_events(rule, model, work, n_samples, bank)
    update_weights_soft(
        take_bank(model.couplings, bank, stop_row - first_row), memory.rates[0], model.gains[0],
        state, first_row, work.unstable, n_samples, start,
    )  # fmt: skip
    call(parts[0], memory.rates[1], model, work, np.int64(0), n_samples, bank)
    update_couplings_soft(
        model.readout[from_c:to_c], memory.rates[2], model.gains[2],
        work.unstable_readouts, from_c, state, n_samples, np.int64(0),
    )  # fmt: skip
    keep_absent_couplings(model, bank)


def find_parts(inputs: Any, rule: Any, memory: Any, model: Any, work: Any) -> tuple[int]:
    """Return the address of the update of the input weights, compiled where needed."""
    return (find_address(inputs.update_soft, 0.0, model, work, 0, 1, 0),)


KERNELS = RuleKernels(begin_batch, learn_bank, find_parts)
