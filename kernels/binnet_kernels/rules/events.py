"""What the rules in floating point share: events of a batch in bits, and updates that count them.

An event is an unstable neuron, or readout, in one sample. The update of a batch, sum_b pre[b, j] *
post[b, i] over the events, is counted in bits, 32 samples at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import by_storage, inner_kernel, kernel
from binnet_kernels.lowlevel.bits import pack_samples, popcount
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.relaxation.fields import take_bank
from binnet_kernels.rules.sparse import update_sparse_perceptron, update_sparse_soft
from binnet_kernels.structs import Array
from binnet_kernels.training.records import bank_size

BLOCKS = 3  # that every rule changes: couplings, input weights, readout


class FloatRule(NamedTuple):
    """What all rules in floating point have; rates contain the prefactors but 1/sqrt(B)."""

    rates: Array  # (3,): of couplings, input weights, readout
    decays: Array  # (3,): fraction that a block loses per batch, at rate factor 1
    thresholds: Array  # (H + padding,): kappa, plus J_D and lambda where they are not to count
    readout_thresholds: Array  # (2,): kappa_out of a wrong class, and of the right one
    targets: Array  # (2,): |y_c|, which multiply their rates


class FloatMemory(NamedTuple):
    """What such a rule carries through a batch, and from one batch to the next."""

    rates: Array  # (3,): in this batch, for the weights as they are stored
    scales: Array  # (3,): of the blocks, this batch's decay included


def make_memory(scales: Array) -> FloatMemory:
    """Return what a rule remembers before the first batch."""
    return FloatMemory(np.zeros(BLOCKS), scales.copy())


@inner_kernel
def follow_readout(model):
    """Write the fields of feedback weights that are tied to the readout, for each label.

    Those of docs/model/network.md, eq. (11.1), in (1.1) with the readout clamped.
    """
    n_outputs, width = model.readout.shape
    dtype = model.readout.dtype.type
    scale, half = dtype(model.scales[2]), dtype(0.5)
    gain = dtype(0.5 * np.sqrt(n_outputs) + 0.5)  # g(+1) - g(-1)
    total = model.feedback[n_outputs - 1]  # its own row comes last
    # The whole width, padding included: all neurons' sums then take the same instructions.
    for i in range(width):
        total[i] = 0
    for c in range(n_outputs):
        row = model.readout[c]
        for i in range(width):
            total[i] += row[i]
    for label in range(n_outputs):
        row, fields = model.readout[label], model.feedback[label]
        for i in range(width):
            fields[i] = model.ties[i] * scale * (gain * row[i] - half * total[i])


@inner_kernel
def begin_float_batch(rule, memory, model, factor, n_samples):
    """Take over the scales of the batch before, and set rates and scales of this one."""
    for block in range(BLOCKS):
        # W <- (1 - decay) W + dW: the decay goes into the scale, so dW is divided by it. The scale
        # counts from the next batch on: stability is tested with the weights that relaxed.
        model.scales[block] = memory.scales[block]
        memory.scales[block] = model.scales[block] * (1.0 - factor * rule.decays[block])
        memory.rates[block] = (
            factor * rule.rates[block] / (np.sqrt(n_samples) * memory.scales[block])
        )
    if model.ties.shape[0] > 0:
        follow_readout(model)


@inner_kernel
def begin_batch(rule, memory, model, batch, factor, n_samples):
    """Begin a batch of a rule that has no more than `FloatRule` and `FloatMemory`."""
    begin_float_batch(rule, memory, model, factor, n_samples)


def find_parts(inputs: Any, rule: Any, memory: Any, model: Any, work: Any) -> tuple[int]:
    """Return the address of the update of the input weights, compiled where needed."""
    return (find_address(inputs.update, 0.0, model, work, 0, 1, 0),)


@kernel
def find_share(n_outputs, n_banks, bank):
    """Return the range of readout neurons whose weights are updated with a bank."""
    return bank * n_outputs // n_banks, (bank + 1) * n_outputs // n_banks


@inner_kernel
def pack_events(model, work, first, n, bank):
    """Pack samples first..first+n-1 (at most 32) for the update of a bank; all but the inputs."""
    n_hidden, width = model.partners.shape[1], bank_size(model)
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    words = work.words[bank]
    state, readouts = work.outcome.state, work.unstable_readouts
    pack_samples(state, first, n, np.int64(0), n_hidden, words[0, 0], words[0, 1])
    pack_samples(work.unstable, first, n, start, stop, words[2, 0], words[2, 1])
    pack_samples(readouts, first, n, np.int64(0), readouts.shape[1], words[3, 0], words[3, 1])


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
def update_couplings_soft(weights, rate, gains, pre, pre_first, post, n_samples, start):
    """Add ``rate * gains[i] * sum_b pre[b, pre_first + j] * post[b, start + i]`` to (j, i)."""
    dtype = weights.dtype.type
    width = weights.shape[1]
    gains = gains[start : start + width]
    for j in range(weights.shape[0]):
        row = weights[j]
        for b in range(n_samples):
            amount, events = dtype(rate) * pre[b, pre_first + j], post[b, start : start + width]
            for i in range(width):
                row[i] += amount * gains[i] * events[i]


# The same for a bank of weights, however they are stored.
update_weights = by_storage(update_couplings_perceptron, update_sparse_perceptron)
update_weights_soft = by_storage(update_couplings_soft, update_sparse_soft)


@inner_kernel
def update_couplings_of_bank(model, rate, work, bank):
    """Update the couplings onto a bank by its packed events."""
    first_row, stop_row = model.windows[bank]
    words = work.words[bank]
    update_weights(
        take_bank(model.couplings, bank, stop_row - first_row), rate, model.gains[0],
        words[0, 0, first_row:], words[0, 1, first_row:], words[2, 0], words[2, 1],
        bank * bank_size(model),
    )  # fmt: skip


@kernel
def update_readout_balanced(weights, rate, sizes, gains, label_signs, label_mask, signs, mask):
    """Add ``rate * gains[i] * sum_b size * y[b, c] * s[b, i]`` to ``weights[c, i]``.

    Parameters
    ----------
    weights : array (C, >= H)
    rate : float
    sizes : float64 array (2,)
        Of y of a class that is wrong for the sample, and of the right one.
    gains : array (>= H,)
        What multiplies the rate of each neuron, in the dtype of the weights.
    label_signs, label_mask : uint32 array (C,)
        y of up to 32 samples, masked out where the readout is stable, packed by `pack_samples`.
    signs, mask : uint32 array (>= H,)
        The states.
    """
    dtype = weights.dtype.type
    of_wrong, of_right = dtype(rate * sizes[0]), dtype(rate * sizes[1])
    for c in range(weights.shape[0]):
        row = weights[c]
        right = np.uint32(label_signs[c] & label_mask[c])
        wrong = np.uint32(label_mask[c] ^ right)
        for i in range(weights.shape[1]):
            ours, theirs = np.uint32(mask[i] & right), np.uint32(mask[i] & wrong)
            up = popcount(np.uint32(ours & signs[i])) * 2 - popcount(ours)
            down = popcount(np.uint32(theirs & signs[i])) * 2 - popcount(theirs)
            # Integers first, as in `update_couplings_perceptron`.
            total = of_right * dtype(np.int32(up)) - of_wrong * dtype(np.int32(down))
            row[i] += gains[i] * total


@inner_kernel
def update_input_and_readout(parts, rule, model, rates, work, first, n, bank):
    """Update the input weights onto a bank, and its share of the readout, by packed events.

    `parts` are those of `find_parts`, the events those of samples first..first+n-1.
    """
    words, n_banks = work.words[bank], model.windows.shape[0]
    if rates[1] != 0.0:
        call(parts[0], rates[1], model, work, first, n, bank)
    if rates[2] != 0.0:
        from_c, to_c = find_share(work.readout_fields.shape[1], n_banks, bank)
        if rule.targets[0] == rule.targets[1]:
            update_couplings_perceptron(
                model.readout[from_c:to_c], rates[2], model.gains[2],
                words[3, 0, from_c:to_c], words[3, 1, from_c:to_c], words[0, 0], words[0, 1],
                np.int64(0),
            )  # fmt: skip
        else:
            update_readout_balanced(
                model.readout[from_c:to_c], rates[2], rule.targets, model.gains[2],
                words[3, 0, from_c:to_c], words[3, 1, from_c:to_c], words[0, 0], words[0, 1],
            )  # fmt: skip


@inner_kernel
def _clear_absent_couplings(couplings, model, bank):
    n_hidden, width = model.partners.shape[1], bank_size(model)
    first_row, stop_row = model.windows[bank]
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    weights = couplings[bank]
    for i in range(max(start, first_row), min(stop, stop_row)):
        weights[i - first_row, i - start] = 0  # the self-coupling is not learned
    if model.connectivity.shape[0] > 0:
        connectivity = model.connectivity[bank]
        for j in range(stop_row - first_row):
            for i in range(width):
                weights[j, i] *= connectivity[j, i]


@inner_kernel
def _have_no_absent_couplings(couplings, model, bank):
    pass


_clear_absent = by_storage(_clear_absent_couplings, _have_no_absent_couplings)


@inner_kernel
def keep_absent_couplings(model, bank):
    """Set the couplings onto a bank to 0 that there are not: of neurons to themselves, diluted."""
    _clear_absent(model.couplings, model, bank)
