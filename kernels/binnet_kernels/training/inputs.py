"""How inputs enter the training: what depends on whether they are spins or graded.

A run chooses one `InputKernels` by its samples; the rules and the loop over batches call what is
chosen by address.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel
from binnet_kernels.integer.inputs import accumulate_integers
from binnet_kernels.lowlevel.bits import pack_samples
from binnet_kernels.lowlevel.rng import derive_key, draw_uniform
from binnet_kernels.relaxation.fields import accumulate_fields, take_bank
from binnet_kernels.relaxation.graded_fields import accumulate_graded, update_inputs_graded
from binnet_kernels.relaxation.sparse_fields import accumulate_sparse
from binnet_kernels.rules.events import update_couplings_perceptron, update_couplings_soft
from binnet_kernels.rules.sparse import update_sparse_perceptron, update_sparse_soft
from binnet_kernels.structs import SparseWeights
from binnet_kernels.training.records import Batches, Model, bank_size


class InputKernels(NamedTuple):
    """What depends on the kind of inputs, and on how their weights are stored.

    ``load(batches, work, offset, n_samples)`` writes the inputs of a batch, noise included, into
    ``work.inputs``; ``product(weights, inputs, first, rows, n_rows, out, start)`` adds the fields
    of a bank; ``update(rate, model, work, first, n_samples, bank)`` and ``update_soft`` of the same
    arguments change the input weights onto a bank: the first is called by rules whose events are
    spins, for up to 32 samples after their `events.pack_events`, the second by those whose events
    are any numbers.
    """

    load: Any
    product: Any
    update: Any
    update_soft: Any


@inner_kernel
def load_spins(batches, work, offset, n_samples):
    """Copy inputs of -1 and +1; noise flips them."""
    for b in range(n_samples):
        sample = batches.order[offset + b]
        n_inputs = batches.inputs.shape[1]
        for n in range(n_inputs):
            work.inputs[b, n] = batches.inputs[sample, n]
        for n in range(n_inputs, work.inputs.shape[1]):
            work.inputs[b, n] = 1  # of the biases
        if batches.noise > 0.0:
            key = derive_key(batches.noise_key, sample)
            for n in range(n_inputs):
                if draw_uniform(key, n) < batches.noise:
                    work.inputs[b, n] = -work.inputs[b, n]


@inner_kernel
def load_graded(batches, work, offset, n_samples):
    """Copy graded inputs, pixels of 8 bits as numbers from 0 to 1; noise blanks them."""
    divisor = np.float32(255 if batches.inputs.itemsize == 1 else 1)
    for b in range(n_samples):
        sample = batches.order[offset + b]
        n_inputs = batches.inputs.shape[1]
        for n in range(n_inputs):
            work.inputs[b, n] = np.float32(batches.inputs[sample, n]) / divisor
        for n in range(n_inputs, work.inputs.shape[1]):
            work.inputs[b, n] = 1  # of the biases
        if batches.noise > 0.0:
            key = derive_key(batches.noise_key, sample)
            for n in range(n_inputs):
                if draw_uniform(key, n) < batches.noise:
                    work.inputs[b, n] = 0


@inner_kernel
def update_inputs_spins(rate, model, work, first, n_samples, bank):
    """Update the input weights onto a bank by the packed events, at most 32 samples."""
    inputs, words = work.inputs, work.words[bank]
    pack_samples(inputs, first, n_samples, np.int64(0), inputs.shape[1], words[1, 0], words[1, 1])
    update_couplings_perceptron(
        model.input_weights[bank], rate, model.gains[1], words[1, 0], words[1, 1], words[2, 0],
        words[2, 1], bank * bank_size(model),
    )  # fmt: skip


@inner_kernel
def update_inputs_soft(rate, model, work, first, n_samples, bank):
    """Update the input weights onto a bank by events that are any numbers."""
    update_couplings_soft(
        model.input_weights[bank], rate, model.gains[1], work.inputs, np.int64(0), work.unstable,
        n_samples, bank * bank_size(model),
    )  # fmt: skip


@inner_kernel
def update_sparse_inputs_spins(rate, model, work, first, n_samples, bank):
    """Do what `update_inputs_spins` does, to sparse weights."""
    inputs, words = work.inputs, work.words[bank]
    pack_samples(inputs, first, n_samples, np.int64(0), inputs.shape[1], words[1, 0], words[1, 1])
    update_sparse_perceptron(
        take_bank(model.input_weights, bank, inputs.shape[1]), rate, model.gains[1], words[1, 0],
        words[1, 1], words[2, 0], words[2, 1], bank * bank_size(model),
    )  # fmt: skip


@inner_kernel
def update_sparse_inputs_graded(rate, model, work, first, n_samples, bank):
    """Update sparse weights onto a bank by graded inputs, or by events that are any numbers."""
    update_sparse_soft(
        take_bank(model.input_weights, bank, work.inputs.shape[1]), rate, model.gains[1],
        work.inputs[first:], np.int64(0), work.unstable[first:], n_samples,
        bank * bank_size(model),
    )  # fmt: skip


SPINS = InputKernels(load_spins, accumulate_fields, update_inputs_spins, update_inputs_soft)
GRADED = InputKernels(load_graded, accumulate_graded, update_inputs_graded, update_inputs_graded)
# Rules in integers update the weights of the inputs by kernels of their own.
INTEGERS = InputKernels(load_graded, accumulate_integers, None, None)


SPARSE_SPINS = InputKernels(
    load_spins, accumulate_sparse, update_sparse_inputs_spins, update_sparse_inputs_graded
)
SPARSE_GRADED = InputKernels(
    load_graded, accumulate_sparse, update_sparse_inputs_graded, update_sparse_inputs_graded
)


def choose_inputs(batches: Batches, model: Model) -> InputKernels:
    """Return the kernels for the inputs of these batches, and for the input weights of a model."""
    if isinstance(model.input_weights, SparseWeights):
        return SPARSE_SPINS if batches.inputs.dtype == np.int8 else SPARSE_GRADED
    kinds = {np.dtype(np.int8): SPINS, np.dtype(np.int16): INTEGERS}
    return kinds.get(batches.inputs.dtype, GRADED)
