"""A third factor: the error of the readout, broadcast to hidden neurons, gates their plasticity.

Not the source's rule (docs/model/network.md, section 6). The hidden neurons that fail their own
test of stability no longer reinforce the state they are in: each one learns the sign that its share
of the readout's error asks for, and nothing where that share is small. The synapses still see two
ends and the field of their target.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.bits import WORD_BITS
from binnet_kernels.rules.events import (
    BLOCKS,
    begin_float_batch,
    find_parts,
    keep_absent_couplings,
    pack_events,
    update_couplings_of_bank,
    update_couplings_perceptron,
    update_input_and_readout,
)
from binnet_kernels.structs import Array, allocate_rows, to_banks
from binnet_kernels.training.batches import RuleKernels
from binnet_kernels.training.records import bank_size


class ThirdFactorRule(NamedTuple):
    """A `FloatRule`, and what the errors of the readout do."""

    rates: Array
    decays: Array
    thresholds: Array
    readout_thresholds: Array
    targets: Array
    rate: float  # of W_back; contains the prefactor but 1/sqrt(B); 0: it stays
    temperature: float  # of the softmax of the readout fields
    error_threshold: float  # theta: a neuron learns where |delta_i| > theta


class ThirdFactorMemory(NamedTuple):
    """A `FloatMemory`, W_back, and work space."""

    rates: Array  # (4,): the fourth is that of W_back
    scales: Array
    weights: Array  # (S, C, W) banks of W_back, from readout to hidden neurons
    gains: Array  # (H + padding,): 1 where there is feedback, 0 where none is attached
    errors: Array  # (S, B, C): each bank computes the errors for itself
    deltas: Array  # (B, H + padding): what is broadcast to each neuron


def make_memory(scales: Array, feedback: Array, n_banks: int, batch_size: int) -> ThirdFactorMemory:
    """Lay out W_back (H, C) and allocate the work space."""
    n_hidden, n_outputs = feedback.shape
    gains = allocate_rows(1, n_hidden, n_banks, feedback.dtype)[0]
    gains[:n_hidden] = feedback.any(axis=1)
    return ThirdFactorMemory(
        np.zeros(BLOCKS + 1),
        scales.copy(),
        to_banks(feedback.T, n_banks),
        gains,
        np.zeros((n_banks, batch_size, n_outputs), feedback.dtype),
        allocate_rows(batch_size, n_hidden, n_banks, feedback.dtype),
    )


@kernel
def find_errors(fields, label, temperature, errors):
    """Write e_c = [c is the label] - softmax(f / temperature)_c into `errors` (C,)."""
    n_classes = fields.shape[0]
    highest = fields[0]
    for c in range(1, n_classes):
        highest = max(highest, fields[c])
    total = fields.dtype.type(0)
    for c in range(n_classes):
        errors[c] = np.exp((fields[c] - highest) / fields.dtype.type(temperature))
        total += errors[c]
    for c in range(n_classes):
        errors[c] = (1 if c == label else 0) - errors[c] / total


@kernel
def broadcast_errors(weights, errors, n_samples, start, deltas):
    """Write delta_i = sum_c W_back[i, c] e_c of a bank into `deltas` (B, >= start + W)."""
    n_classes, width = weights.shape
    for b in range(n_samples):
        # The whole width, padding included: every neuron's sum then takes the same instructions.
        out = deltas[b, start : start + width]
        for i in range(width):
            out[i] = 0
        for c in range(n_classes):
            error, row = errors[b, c], weights[c]
            for i in range(width):
                out[i] += row[i] * error


@kernel
def gate_neurons(deltas, threshold, n_samples, start, stop, unstable):
    """Replace s_i in `unstable` by sign(delta_i) where |delta_i| > threshold, else by 0.

    Stable neurons, which are 0, stay so. Returns how many neurons are left to learn.
    """
    one = unstable.dtype.type(1)
    threshold = deltas.dtype.type(threshold)
    count = 0
    for b in range(n_samples):
        delta, out = deltas[b, start:stop], unstable[b, start:stop]
        for i in range(stop - start):
            is_learning = out[i] != 0 and abs(delta[i]) > threshold
            target = one if delta[i] > 0 else -one
            out[i] = target if is_learning else 0 * one
            count += is_learning
    return count


@inner_kernel
def gate_bank(rule, memory, model, work, n_samples, bank):
    """Let the unstable neurons of a bank learn what their share of the readout's errors asks."""
    n_hidden, width = model.partners.shape[1], bank_size(model)
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    errors = memory.errors[bank]
    for b in range(n_samples):
        find_errors(work.readout_fields[b], work.labels[b], rule.temperature, errors[b])
    broadcast_errors(memory.weights[bank], errors, n_samples, start, memory.deltas)
    work.n_learning[bank] = gate_neurons(
        memory.deltas, rule.error_threshold, n_samples, start, stop, work.unstable
    )


@inner_kernel
def begin_batch(rule, memory, model, batch, factor, n_samples):
    """Set rates and scales of this batch."""
    begin_float_batch(rule, memory, model, factor, n_samples)
    memory.rates[BLOCKS] = factor * rule.rate / np.sqrt(n_samples)


@inner_kernel
def learn_bank(parts, rule, memory, model, work, n_samples, bank):
    """Gate the unstable neurons of a bank; update the weights onto it, its readout and W_back."""
    gate_bank(rule, memory, model, work, n_samples, bank)
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        pack_events(model, work, first, n, bank)
        if memory.rates[0] != 0.0:
            update_couplings_of_bank(model, memory.rates[0], work, bank)
        update_input_and_readout(parts, rule, model, memory.rates, work, first, n, bank)
        if memory.rates[BLOCKS] != 0.0:
            words = work.words[bank]
            update_couplings_perceptron(
                memory.weights[bank], memory.rates[BLOCKS], memory.gains,
                words[3, 0], words[3, 1], words[0, 0], words[0, 1],
                bank * bank_size(model),
            )  # fmt: skip
    keep_absent_couplings(model, bank)


KERNELS = RuleKernels(begin_batch, learn_bank, find_parts)
