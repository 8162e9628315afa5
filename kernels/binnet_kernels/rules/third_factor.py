"""A third factor: the error of the readout, broadcast to hidden neurons, gates their plasticity.

Not the source's rule (docs/model/network.md, section 6). The hidden neurons that fail their own
test of stability no longer reinforce the state they are in: each one learns the sign that its share
of the readout's error asks for, and nothing where that share is small. The synapses still see two
ends and the field of their target.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.structs import Array, allocate_rows, to_banks

# What carries the errors: nothing (the source's rule), fixed weights, or weights that learn.
NONE, FIXED, LEARNED = 0, 1, 2


class ThirdFactor(NamedTuple):
    """How the errors of the readout reach the hidden neurons, and what they do there."""

    kind: int  # NONE: nothing else is read
    weights: Array  # (S, C, W) banks of W_back, from readout to hidden neurons
    gains: Array  # (H + padding,): 1 where there is feedback, 0 where none is attached
    rate: float  # of W_back if LEARNED; contains the prefactor but 1/sqrt(B)
    temperature: float  # of the softmax of the readout fields
    threshold: float  # theta: a neuron learns where |delta_i| > theta
    errors: Array  # (S, B, C) work space: each bank computes the errors for itself
    deltas: Array  # (B, H + padding) work space: what is broadcast to each neuron


def make_third_factor(
    kind: int,
    feedback: Array,
    n_banks: int,
    batch_size: int,
    rate: float,
    temperature: float,
    threshold: float,
) -> ThirdFactor:
    """Lay out W_back (H, C) and allocate the work space."""
    n_hidden, n_outputs = feedback.shape
    gains = allocate_rows(1, n_hidden, n_banks, feedback.dtype)[0]
    gains[:n_hidden] = feedback.any(axis=1)
    return ThirdFactor(
        kind,
        to_banks(feedback.T, n_banks),
        gains,
        float(rate),
        float(temperature),
        float(threshold),
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
    threshold = unstable.dtype.type(threshold)
    count = 0
    for b in range(n_samples):
        delta, out = deltas[b, start:stop], unstable[b, start:stop]
        for i in range(stop - start):
            is_learning = out[i] != 0 and abs(delta[i]) > threshold
            target = one if delta[i] > 0 else -one
            out[i] = target if is_learning else 0 * one
            count += is_learning
    return count


@kernel
def apply_third_factor(third, fields, labels, n_samples, bank, start, stop, unstable):
    """Gate the unstable neurons start..stop-1 of a bank; return how many are left to learn.

    `fields` (B, C) are the readout fields of the relaxed samples.
    """
    for b in range(n_samples):
        find_errors(fields[b], labels[b], third.temperature, third.errors[bank, b])
    broadcast_errors(third.weights[bank], third.errors[bank], n_samples, start, third.deltas)
    return gate_neurons(third.deltas, third.threshold, n_samples, start, stop, unstable)
