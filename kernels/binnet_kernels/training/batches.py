"""The training step of many batches in one compiled call: relax, test the stability, update.

Within a batch the work is shared out in two ways. Dense products and weight updates go by bank: a
thread owns the weights of a range of neurons, which therefore stay in its cache. The sweeps after
the first product go by sample. No sum depends on how the work is shared out, so the result is the
same, bit by bit, on any number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from binnet_kernels._jit import kernel, parallel_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.relaxation.fields import accumulate_fields, add_links
from binnet_kernels.relaxation.relax_async import relax_async
from binnet_kernels.relaxation.relax_sync import relax_sync
from binnet_kernels.rules.perceptron import (
    find_unstable_neurons,
    find_unstable_readouts,
    keep_connectivity,
    read_out,
    update_couplings_perceptron,
)
from binnet_kernels.rules.third_factor import LEARNED, NONE, apply_third_factor
from binnet_kernels.structs import (
    FIXED_POINT,
    UNSETTLED,
    Array,
    Drive,
    Recurrence,
    allocate_rows,
)


class Model(NamedTuple):
    """The weights (see the package for banks) and their scales; all but `feedback` are learned."""

    couplings: Array  # (S, K, W), see Recurrence
    input_weights: Array  # (S, N, W)
    readout: Array  # (C, H + padding)
    scales: Array  # (3,): of couplings, input weights, readout
    windows: Array  # these four are a Structure's: tuples in tuples do not enter parallel regions
    self_couplings: Array
    links: Array
    link_strengths: Array
    feedback: Array  # (C, H + padding): field of the feedback, the readout clamped to each label
    gains: Array  # (3, H + padding): multiply the rates of each neuron; 0 where nothing is attached
    connectivity: Array  # (S, K, W) uint8: which couplings there are; (0, 0, 0): all


class Rule(NamedTuple):
    """The rule of docs/model/network.md, section 3; rates contain the prefactors but 1/sqrt(B)."""

    rates: Array  # (3,): of couplings, input weights, readout
    decays: Array  # (3,): fraction that a block loses per batch, at rate factor 1
    thresholds: Array  # (H + padding,): kappa, plus J_D and lambda where they are not to count
    readout_threshold: float  # kappa_out


class Batches(NamedTuple):
    """Which samples are learned, in which order and how fast."""

    inputs: Array  # (P, N) int8 spins
    labels: Array  # (P,) int64
    order: Array  # (n,) int64: rows of `inputs` in the order of presentation
    batch_size: int
    rate_factors: Array  # (ceil(n / batch_size),): multiplies all rates
    key: np.uint64  # sample k draws its random numbers from sub-stream first + k
    first: int


class Counts(NamedTuple):
    """Sums over the samples of a call."""

    changes: Array  # (T,) int64: neurons that changed in each sweep
    totals: Array  # (4,) int64: sweeps, fixed points, unstable neurons, unstable readouts


class Workspace(NamedTuple):
    """Arrays of one batch, allocated once."""

    inputs: Array  # (B, N)
    external: Array  # (B, H + padding)
    labels: Array  # (B,) int64
    keys: Array  # (B,) uint64
    unstable: Array  # (B, H + padding)
    readout_fields: Array  # (B, C)
    unstable_readouts: Array  # (B, C)
    n_unstable_readouts: Array  # (B,) int64
    everyone: Array  # (B,) int64: 0, 1, 2, ...
    words: Array  # (S, 4, 2, ...) uint32, a bank's signs and masks of s, x, unstable, readouts
    n_unstable: Array  # (S,) int64


def make_workspace(
    batch_size: int, n_hidden: int, n_inputs: int, n_outputs: int, n_banks: int, dtype: Any
) -> Workspace:
    """Allocate the arrays of one batch."""
    external = allocate_rows(batch_size, n_hidden, n_banks, dtype)
    n_words = max(external.shape[1], n_inputs, n_outputs)
    return Workspace(
        inputs=np.zeros((batch_size, n_inputs), dtype),
        external=external,
        labels=np.zeros(batch_size, np.int64),
        keys=np.zeros(batch_size, np.uint64),
        unstable=allocate_rows(batch_size, n_hidden, n_banks, dtype),
        readout_fields=np.zeros((batch_size, n_outputs), dtype),
        unstable_readouts=np.zeros((batch_size, n_outputs), dtype),
        n_unstable_readouts=np.zeros(batch_size, np.int64),
        everyone=np.arange(batch_size, dtype=np.int64),
        words=np.zeros((n_banks, 4, 2, n_words), np.uint32),
        n_unstable=np.zeros(n_banks, np.int64),
    )


@kernel
def load_batch(batches, work, outcome, offset, n_samples):
    """Copy a batch that begins at `offset` into the work space, and clear what is counted of it."""
    for b in range(n_samples):
        sample = batches.order[offset + b]
        for n in range(work.inputs.shape[1]):
            work.inputs[b, n] = batches.inputs[sample, n]
        work.labels[b] = batches.labels[sample]
        work.keys[b] = derive_key(batches.key, batches.first + offset + b)
        outcome.sweeps[b] = 0
        outcome.status[b] = UNSETTLED
        for t in range(outcome.changes.shape[1]):
            outcome.changes[b, t] = 0


@kernel
def drive_bank(model, amplitude, work, outcome, n_samples, bank, is_waking):
    """Write the input's fields of a bank's neurons; silence them, or do the first, waking sweep."""
    n_hidden, width = model.links.shape[1], model.couplings.shape[2]
    start, stop = bank * width, (bank + 1) * width
    scale, one = work.external.dtype.type(model.scales[1]), work.external.dtype.type(1)
    for b in range(n_samples):
        work.external[b, start:stop] = 0
        outcome.state[b, start:stop] = 0
        outcome.field[b, start:stop] = 0
    accumulate_fields(
        model.input_weights[bank], work.inputs, 0, work.everyone, n_samples, work.external, start
    )
    for b in range(n_samples):
        external = work.external[b, start:stop]
        for i in range(width):
            external[i] *= scale
        if is_waking:
            # The network is silent: all of it changes, and what it feels is input and feedback.
            state = outcome.state[b, start:stop]
            feedback = model.feedback[work.labels[b], start:stop]
            for i in range(min(stop, n_hidden) - start):
                state[i] = one if external[i] + amplitude * feedback[i] >= 0 else -one


@kernel
def relax_batch(model, rule, amplitudes, update, work, outcome, scratch, is_awake, start, stop):
    """Relax samples start..stop-1 and mark their unstable readouts."""
    recurrence = Recurrence(
        model.couplings,
        model.scales[0],
        model.windows,
        model.self_couplings,
        model.links,
        model.link_strengths,
    )
    n_hidden = model.links.shape[1]
    drive = Drive(work.external, model.feedback, work.labels, amplitudes)
    if update.asynchronous:
        relax_async(recurrence, drive, update, outcome, scratch, start, stop)
    else:
        first_sweep = 0
        if is_awake:
            first_sweep = 1
            for b in range(start, stop):
                outcome.sweeps[b] = 1
                outcome.changes[b, 0] = n_hidden
        relax_sync(recurrence, drive, update, outcome, scratch, first_sweep, start, stop)
    for b in range(start, stop):
        # The stability is tested with the neighbours' excitation.
        add_links(model, work.external[b], outcome.state[b], work.external[b])
        read_out(model.readout, model.scales[2], outcome.state[b], n_hidden, work.readout_fields[b])
        work.n_unstable_readouts[b] = find_unstable_readouts(
            work.readout_fields[b],
            work.labels[b],
            rule.readout_threshold,
            work.unstable_readouts[b],
        )


@kernel
def _learn_bank(model, rule, third, rates, work, state, field, n_samples, bank):
    """Test the stability of a bank; update the weights onto them and a share of the readout."""
    n_banks, _, width = model.couplings.shape
    n_hidden = model.links.shape[1]
    start, stop = bank * width, min(n_hidden, (bank + 1) * width)
    first_row, stop_row = model.windows[bank]
    couplings = model.couplings[bank, : stop_row - first_row]
    work.n_unstable[bank] = find_unstable_neurons(
        work.external,
        field,
        state,
        model.scales[0],
        model.self_couplings,
        rule.thresholds,
        n_samples,
        start,
        stop,
        work.unstable,
    )
    if third.kind != NONE:
        work.n_unstable[bank] = apply_third_factor(
            third, work.readout_fields, work.labels, n_samples, bank, start, stop, work.unstable
        )
    n_inputs, n_outputs = work.inputs.shape[1], work.readout_fields.shape[1]
    from_c, to_c = bank * n_outputs // n_banks, (bank + 1) * n_outputs // n_banks
    words = work.words[bank]
    spins, inputs, unstable, readouts = words[0], words[1], words[2], words[3]
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        pack_samples(state, first, n, 0, n_hidden, spins[0], spins[1])
        pack_samples(work.inputs, first, n, 0, n_inputs, inputs[0], inputs[1])
        pack_samples(work.unstable, first, n, start, stop, unstable[0], unstable[1])
        pack_samples(work.unstable_readouts, first, n, 0, n_outputs, readouts[0], readouts[1])
        if rates[0] != 0.0:
            update_couplings_perceptron(
                couplings, rates[0], model.gains[0],
                spins[0, first_row:], spins[1, first_row:], unstable[0], unstable[1], start,
            )  # fmt: skip
        if rates[1] != 0.0:
            update_couplings_perceptron(
                model.input_weights[bank], rates[1], model.gains[1],
                inputs[0], inputs[1], unstable[0], unstable[1], start,
            )  # fmt: skip
        if rates[2] != 0.0:
            update_couplings_perceptron(
                model.readout[from_c:to_c], rates[2], model.gains[2],
                readouts[0, from_c:to_c], readouts[1, from_c:to_c], spins[0], spins[1], 0,
            )  # fmt: skip
        if third.kind == LEARNED:
            update_couplings_perceptron(
                third.weights[bank], rates[3], third.gains,
                readouts[0], readouts[1], spins[0], spins[1], start,
            )  # fmt: skip
    for i in range(max(start, first_row), min(stop, stop_row)):
        couplings[i - first_row, i - start] = 0  # the self-coupling is not learned
    if model.connectivity.shape[0] > 0:
        keep_connectivity(couplings, model.connectivity[bank])


@kernel
def _run_phase(
    phase, share, model, rule, third, rates, amplitudes, update, work, outcome, scratch, n_samples
):
    """Do one share of a phase of the batch; phases follow each other, shares are independent."""
    n_banks, _, width = model.couplings.shape
    is_awake = not update.asynchronous and update.probability >= 1.0
    if phase == 0:
        drive_bank(model, amplitudes[0], work, outcome, n_samples, share, is_awake)
    elif phase == 1:
        if is_awake:
            first, stop = model.windows[share]
            accumulate_fields(
                model.couplings[share, : stop - first], outcome.state, first, work.everyone,
                n_samples, outcome.field, share * width,
            )  # fmt: skip
    elif phase == 2:
        begin, end = share * n_samples // n_banks, (share + 1) * n_samples // n_banks
        relax_batch(model, rule, amplitudes, update, work, outcome, scratch, is_awake, begin, end)
    else:
        _learn_bank(model, rule, third, rates, work, outcome.state, outcome.field, n_samples, share)


@parallel_kernel
def train_batches(model, rule, third, batches, amplitudes, update, work, outcome, scratch, counts):
    """Learn the samples of `batches`, batch by batch: relaxation, stability test, decay and update.

    Changes the weights and scales of `model` in place (the weights of `third` too, if they are
    learned) and adds to `counts`. The number of banks is the number of pieces that the work is cut
    into; the result does not depend on it.
    """
    n_banks = model.couplings.shape[0]
    rates, scales = np.zeros(4), np.zeros(3)  # the fourth rate is that of `third`
    for batch in range(batches.rate_factors.shape[0]):
        offset = batch * batches.batch_size
        n_samples = min(batches.batch_size, batches.order.shape[0] - offset)
        load_batch(batches, work, outcome, offset, n_samples)
        factor = batches.rate_factors[batch]
        for block in range(3):
            # W <- (1 - decay) W + dW: the decay goes into the scale, so dW is divided by it
            scales[block] = model.scales[block] * (1.0 - factor * rule.decays[block])
            rates[block] = factor * rule.rates[block] / (np.sqrt(n_samples) * scales[block])
        rates[3] = factor * third.rate / np.sqrt(n_samples)
        # One parallel region in the source for all phases: each would cost seconds of compilation.
        for phase in range(4):
            for share in prange(n_banks):
                _run_phase(
                    phase, np.int64(share), model, rule, third, rates, amplitudes, update, work,
                    outcome, scratch, n_samples,
                )  # fmt: skip
        for block in range(3):  # only now: stability was tested with the weights that relaxed
            model.scales[block] = scales[block]
        for bank in range(n_banks):
            counts.totals[2] += work.n_unstable[bank]
        for b in range(n_samples):
            counts.totals[0] += outcome.sweeps[b]
            counts.totals[1] += outcome.status[b] == FIXED_POINT
            counts.totals[3] += work.n_unstable_readouts[b]
            for t in range(amplitudes.shape[0]):
                counts.changes[t] += outcome.changes[b, t]
