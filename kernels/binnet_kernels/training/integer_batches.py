"""The training step of many batches in integers, in one compiled call.

Relaxation, readout and stability test are those of `batches`, run on integer arrays: fields are
int32 sums that cannot overflow, so every result is exact. Only the update differs: increments of
2**-k levels, rounded at random, added with saturation. As there, nothing depends on how the work is
shared out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from binnet_kernels._jit import kernel, parallel_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.relaxation.fields import accumulate_fields
from binnet_kernels.rules.integer import (
    MAX_EXPONENT,
    Levels,
    Targets,
    decay_integer,
    show_weights,
    thin_events,
    update_couplings_integer,
)
from binnet_kernels.rules.perceptron import find_unstable_neurons
from binnet_kernels.structs import FIXED_POINT, Array, bank_width
from binnet_kernels.training.batches import drive_bank, load_batch, relax_batch

LEARNED = 3  # blocks that learn: couplings, input weights, readout


class IntegerRule(NamedTuple):
    """Formats of the synapses and their plasticity; arrays have an entry for each block."""

    learns: Array  # (3,) bool
    low: Array  # (3,) int64
    high: Array  # (3,) int64
    step: Array  # (3,) int64
    decay_exponents: Array  # (3,) int64: k of the decay; negative: none
    decay_period: int  # batches from one decay to the next
    rounding: int
    use_register: bool
    thresholds: Array  # (H,) int32: kappa (and J_D) in units of the accumulator
    readout_threshold: int


class Synapses(NamedTuple):
    """What plasticity changes: the weights themselves, or wider integers whose top they show."""

    couplings: Array  # (S, H, W)
    input_weights: Array  # (S, N_in, W)
    readout: Array  # (C, >= H)
    n_hidden_bits: int  # of a synapse, below those of a weight; 0: the arrays are the weights
    low: int  # of the weights shown; high < low: their signs
    high: int


class Randomness(NamedTuple):
    """Where the update's random numbers come from."""

    key: np.uint64  # each (batch, block, piece of a batch) has its own sub-stream
    first_batch: int
    hidden: Array  # (H,) uint16: shift registers of the hidden neurons
    readouts: Array  # (C,) uint16


class Room(NamedTuple):
    """Work space of the update; a bank owns one entry of each but the last."""

    sites: Array  # (S, W) int64, as those of Targets
    keys: Array  # (S, W) uint64
    words: Array  # (S, 2, W) uint32
    amounts: Array  # (S, W) int32
    counts: Array  # (S, 3, 2) int64: weights changed, sums saturated
    exponents: Array  # (3,) int64: k in this batch


@kernel
def _levels(rule, room, block):
    return Levels(
        rule.low[block], rule.high[block], rule.step[block], room.exponents[block], rule.rounding,
        rule.use_register,
    )  # fmt: skip


@kernel
def _decay_block(weights, rule, shift, key, first, block, registers):
    exponent = min(rule.decay_exponents[block] + shift, MAX_EXPONENT)
    levels = Levels(
        rule.low[block], rule.high[block], rule.step[block], exponent, rule.rounding,
        rule.use_register,
    )  # fmt: skip
    decay_integer(weights, levels, key, first, registers)


@kernel
def _show_bank(synapses, model, bank, start, n_here, from_c, to_c, n_hidden):
    """Show the top of the synapses onto a bank, and of its share of the readout, as weights."""
    hidden_bits, low, high = synapses.n_hidden_bits, synapses.low, synapses.high
    show_weights(
        synapses.couplings[bank, :, :n_here], model.couplings[bank, :, :n_here], start, True,
        hidden_bits, low, high,
    )  # fmt: skip
    show_weights(
        synapses.input_weights[bank, :, :n_here], model.input_weights[bank, :, :n_here], start,
        False, hidden_bits, low, high,
    )  # fmt: skip
    show_weights(
        synapses.readout[from_c:to_c, :n_hidden], model.readout[from_c:to_c, :n_hidden], 0, False,
        hidden_bits, low, high,
    )  # fmt: skip


@kernel
def _learn_bank_integer(
    model, synapses, rule, work, outcome, randomness, room, shift, batch, n_samples, bank
):
    """Test the stability of a bank; update the weights onto them and a share of the readout."""
    n_banks, n_hidden, width = model.couplings.shape
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    n_here = max(stop - start, 0)
    state = outcome.state
    work.n_unstable[bank] = find_unstable_neurons(
        work.external, outcome.field, state, model.scales[0], model.self_couplings,
        rule.thresholds, n_samples, start, stop, work.unstable,
    )  # fmt: skip
    n_inputs, n_outputs = work.inputs.shape[1], work.readout_fields.shape[1]
    from_c, to_c = bank * n_outputs // n_banks, (bank + 1) * n_outputs // n_banks
    step_key = derive_key(randomness.key, randomness.first_batch + batch)
    couplings, input_weights = (
        synapses.couplings[bank, :, :n_here],
        synapses.input_weights[bank, :, :n_here],
    )
    readout = synapses.readout[from_c:to_c, :n_hidden].T  # from neuron to class, as the others
    hidden = Targets(
        randomness.hidden[start:stop], room.sites[bank], room.keys[bank], room.words[bank],
        room.amounts[bank],
    )  # fmt: skip
    classes = Targets(
        randomness.readouts[from_c:to_c], room.sites[bank], room.keys[bank], room.words[bank],
        room.amounts[bank],
    )  # fmt: skip
    if (randomness.first_batch + batch) % rule.decay_period == 0:
        key = derive_key(step_key, 0)
        if rule.decay_exponents[0] >= 0:
            _decay_block(couplings, rule, shift, derive_key(key, 0), start, 0, hidden.registers)
        if rule.decay_exponents[1] >= 0:
            _decay_block(input_weights, rule, shift, derive_key(key, 1), start, 1, hidden.registers)
        if rule.decay_exponents[2] >= 0:
            _decay_block(readout, rule, shift, derive_key(key, 2), from_c, 2, classes.registers)
    words = work.words[bank]
    spins, inputs, unstable, readouts = words[0], words[1], words[2], words[3]
    mask = unstable[1, start:stop]
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        key = derive_key(step_key, 1 + first // WORD_BITS)
        pack_samples(state, first, n, 0, n_hidden, spins[0], spins[1])
        pack_samples(work.inputs, first, n, 0, n_inputs, inputs[0], inputs[1])
        pack_samples(work.unstable_readouts, first, n, 0, n_outputs, readouts[0], readouts[1])
        if rule.learns[0] and n_here > 0:
            pack_samples(work.unstable, first, n, start, stop, unstable[0], unstable[1])
            levels, key_0 = _levels(rule, room, 0), derive_key(key, 0)
            thin_events(levels, key_0, start, mask, hidden)
            update_couplings_integer(
                couplings, levels, key_0, start, True, spins[0], spins[1],
                unstable[0, start:stop], mask, hidden, room.counts[bank, 0],
            )  # fmt: skip
        if rule.learns[1] and n_here > 0:
            pack_samples(work.unstable, first, n, start, stop, unstable[0], unstable[1])
            levels, key_1 = _levels(rule, room, 1), derive_key(key, 1)
            thin_events(levels, key_1, start, mask, hidden)
            update_couplings_integer(
                input_weights, levels, key_1, start, False, inputs[0], inputs[1],
                unstable[0, start:stop], mask, hidden, room.counts[bank, 1],
            )  # fmt: skip
        if rule.learns[2] and to_c > from_c:
            levels, key_2 = _levels(rule, room, 2), derive_key(key, 2)
            thin_events(levels, key_2, from_c, readouts[1, from_c:to_c], classes)
            update_couplings_integer(
                readout, levels, key_2, from_c, False, spins[0], spins[1],
                readouts[0, from_c:to_c], readouts[1, from_c:to_c], classes,
                room.counts[bank, 2],
            )  # fmt: skip
    if synapses.n_hidden_bits > 0:
        _show_bank(synapses, model, bank, start, n_here, from_c, to_c, n_hidden)


@parallel_kernel
def train_batches_integer(
    model, synapses, rule, batches, exponents, amplitudes, update, work, outcome, scratch, counts,
    randomness, room, changes,
):  # fmt: skip
    """Learn the samples of `batches`, batch by batch, in integers.

    Arguments as of `train_batches`, with integer arrays, and `rule` an `IntegerRule`. Plasticity
    changes `synapses`, which the weights of `model` show. ``exponents[batch]`` (n, 4) are k of the
    three blocks in each batch, and what is added to the decays' exponents. `changes` (3, 2) is
    raised by the synapses changed and the sums saturated.
    """
    n_banks, _, width = model.couplings.shape
    is_awake = not update.asynchronous and update.probability >= 1.0
    for batch in range(exponents.shape[0]):
        offset = batch * batches.batch_size
        n_samples = min(batches.batch_size, batches.order.shape[0] - offset)
        load_batch(batches, work, outcome, offset, n_samples)
        for block in range(LEARNED):
            room.exponents[block] = exponents[batch, block]
        # One parallel region in the source for all phases: each would cost seconds of compilation.
        for phase in range(4):
            for index in prange(n_banks):
                share = np.int64(index)
                if phase == 0:
                    drive_bank(model, amplitudes[0], work, outcome, n_samples, share, is_awake)
                elif phase == 1:
                    if is_awake:
                        accumulate_fields(
                            model.couplings[share], outcome.state, 0, work.everyone, n_samples,
                            outcome.field, share * width,
                        )  # fmt: skip
                elif phase == 2:
                    start = share * n_samples // n_banks
                    stop = (share + 1) * n_samples // n_banks
                    relax_batch(
                        model, rule, amplitudes, update, work, outcome, scratch, is_awake, start,
                        stop,
                    )  # fmt: skip
                else:
                    _learn_bank_integer(
                        model, synapses, rule, work, outcome, randomness, room,
                        exponents[batch, 3], batch, n_samples, share,
                    )  # fmt: skip
        for bank in range(n_banks):
            counts.totals[2] += work.n_unstable[bank]
        for b in range(n_samples):
            counts.totals[0] += outcome.sweeps[b]
            counts.totals[1] += outcome.status[b] == FIXED_POINT
            counts.totals[3] += work.n_unstable_readouts[b]
            for t in range(amplitudes.shape[0]):
                counts.changes[t] += outcome.changes[b, t]
    for bank in range(n_banks):
        for block in range(LEARNED):
            for kind in range(2):
                changes[block, kind] += room.counts[bank, block, kind]


def make_room(n_hidden: int, n_outputs: int, n_banks: int) -> Room:
    """Allocate the work space of the update."""
    n = max(bank_width(n_hidden, n_banks), n_outputs)
    return Room(
        sites=np.zeros((n_banks, n), np.int64),
        keys=np.zeros((n_banks, n), np.uint64),
        words=np.zeros((n_banks, 2, n), np.uint32),
        amounts=np.zeros((n_banks, n), np.int32),
        counts=np.zeros((n_banks, LEARNED, 2), np.int64),
        exponents=np.zeros(LEARNED, np.int64),
    )
