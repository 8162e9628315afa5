"""The training step of many batches in one compiled call: relax, test the stability, update.

The loop here is that of every rule and of every arithmetic. A rule is a record of its parameters, a
record of what it remembers, and two kernels: one begins a batch, one learns from the events on a
bank. They are called by address, as are the other large steps (see `lowlevel.calls`).

Within a batch the work is shared out in two ways. Dense products and weight updates go by bank: a
thread owns the weights of a range of neurons, which therefore stay in its cache. The sweeps after
the first product go by sample. No sum depends on how the work is shared out, so the result is the
same, bit by bit, on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import inner_kernel, kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.lowlevel.team import regroup, wait_for_all
from binnet_kernels.relaxation.fields import add_excitation, find_product, read_out, take_bank
from binnet_kernels.relaxation.inference import find_relax
from binnet_kernels.relaxation.orders import WAKING
from binnet_kernels.structs import FIXED_POINT, UNSETTLED, Drive, Recurrence, Update
from binnet_kernels.training.inputs import InputKernels, choose_inputs
from binnet_kernels.training.records import Batches, Model, Workspace, bank_size
from binnet_kernels.training.stability import find_unstable_neurons, find_unstable_readouts


class Steps(NamedTuple):
    """Addresses of the compiled steps of a batch."""

    load: int  # the inputs
    begin_batch: int  # of the rule
    drive_bank: int
    couple_bank: int
    products: tuple[int, int]  # the dense ones with a bank of input weights, and of couplings
    relax_batch: int
    relax: int  # the sweeps of the update order that relax_batch makes
    learn_bank: int  # of the rule
    parts: tuple[Any, ...]  # that learn_bank calls


class RuleKernels(NamedTuple):
    """The two kernels of a rule, and the addresses of large parts of the second one.

    ``begin_batch(rule, memory, model, batch, factor, n_samples)`` is called once at the start of
    batch number `batch` of the call, whose rates are multiplied by `factor`;
    ``learn_bank(parts, rule, memory, model, work, n_samples, bank)`` changes the weights onto a
    bank's neurons and its share of the readout; ``find_parts(inputs, rule, memory, model, work)``
    returns the tuple of addresses that it takes, with the `InputKernels` of the run. The parameters
    of a rule must have the fields `thresholds` (H + padding,) and `readout_thresholds` (2,), which
    the stability is tested with.
    """

    begin_batch: Any
    learn_bank: Any
    find_parts: Callable[[InputKernels, Any, Any, Model, Workspace], tuple[Any, ...]]


@inner_kernel
def load_batch(load, batches, work, offset, n_samples):
    """Copy a batch that begins at `offset` into the work space, and clear what is counted of it."""
    outcome = work.outcome
    call(load, batches, work, offset, n_samples)
    for b in range(n_samples):
        work.labels[b] = batches.labels[batches.order[offset + b]]
        work.keys[b] = derive_key(batches.key, batches.first + offset + b)
        outcome.sweeps[b] = 0
        outcome.status[b] = UNSETTLED
        for t in range(outcome.changes.shape[1]):
            outcome.changes[b, t] = 0


@inner_kernel
def drive_bank(product, model, amplitude, work, n_samples, bank, is_waking):
    """Write the input's fields of a bank's neurons; silence them, or do the first, waking sweep."""
    n_hidden, width = model.partners.shape[1], bank_size(model)
    start, stop = bank * width, (bank + 1) * width
    scale, one = work.external.dtype.type(model.scales[1]), work.external.dtype.type(1)
    for b in range(n_samples):
        work.external[b, start:stop] = 0
        work.outcome.state[b, start:stop] = 0
        work.outcome.field[b, start:stop] = 0
    call(
        product, take_bank(model.input_weights, bank, work.inputs.shape[1]), work.inputs,
        np.int64(0), work.everyone, n_samples, work.external, start,
    )  # fmt: skip
    for b in range(n_samples):
        external = work.external[b, start:stop]
        for i in range(width):
            external[i] *= scale
        if is_waking:
            # The network is silent: all of it changes, and what it feels is input and feedback.
            state = work.outcome.state[b, start:stop]
            feedback = model.feedback[work.labels[b], start:stop]
            for i in range(min(stop, n_hidden) - start):
                state[i] = one if external[i] + amplitude * feedback[i] >= 0 else -one


@inner_kernel
def couple_bank(product, model, work, n_samples, bank):
    """Add the dense product of the states with a bank's couplings to its fields."""
    first, stop = model.windows[bank]
    call(
        product, take_bank(model.couplings, bank, stop - first), work.outcome.state, first,
        work.everyone, n_samples, work.outcome.field, bank * bank_size(model),
    )  # fmt: skip


@inner_kernel
def relax_batch(relax, product, model, rule, amplitudes, update, work, is_awake, start, stop):
    """Relax samples start..stop-1, read them out, and mark what is unstable in them."""
    recurrence = Recurrence(
        model.couplings,
        model.scales[0],
        model.windows,
        model.self_couplings,
        model.partners,
        model.excitations,
        product,
    )
    outcome = work.outcome
    n_hidden = model.partners.shape[1]
    drive = Drive(work.external, model.feedback, work.labels, amplitudes)
    first_sweep = 0
    if is_awake:
        first_sweep = 1
        for b in range(start, stop):
            outcome.sweeps[b] = 1
            outcome.changes[b, 0] = n_hidden
    call(relax, recurrence, drive, update, outcome, work.scratch, first_sweep, start, stop)
    for b in range(start, stop):
        # The stability is tested with the neighbours' excitation.
        add_excitation(
            model.partners, model.excitations, work.external[b], outcome.state[b], work.external[b]
        )
        read_out(model.readout, model.scales[2], outcome.state[b], n_hidden, work.readout_fields[b])
        work.n_unstable_readouts[b] = find_unstable_readouts(
            work.readout_fields[b],
            work.labels[b],
            rule.readout_thresholds,
            work.unstable_readouts[b],
        )
        work.n_unstable[b] = find_unstable_neurons(
            work.external[b], outcome.field[b], outcome.state[b], model.scales[0],
            model.self_couplings, rule.thresholds, n_hidden, work.unstable[b],
        )  # fmt: skip


@inner_kernel
def _count_batch(counts, work, n_samples):
    outcome = work.outcome
    is_gated = work.n_learning[0] >= 0
    if is_gated:
        for bank in range(work.n_learning.shape[0]):
            counts.totals[2] += work.n_learning[bank]
    for b in range(n_samples):
        if not is_gated:
            counts.totals[2] += work.n_unstable[b]
        counts.totals[0] += outcome.sweeps[b]
        counts.totals[1] += outcome.status[b] == FIXED_POINT
        counts.totals[3] += work.n_unstable_readouts[b]
        for t in range(counts.changes.shape[0]):
            counts.changes[t] += outcome.changes[b, t]


@kernel
def train_batches(
    steps, model, rule, memory, batches, amplitudes, update, work, counts, team, rank
):
    """Learn the samples of `batches`, batch by batch: relaxation, stability test and update.

    Every thread of the team calls it with its own `rank`. Changes the weights of `model` and what
    the rule remembers in place, and adds to `counts`. The number of banks is the number of pieces
    that the work is cut into; the result does not depend on it, nor on the size of the team.
    """
    n_banks = model.windows.shape[0]
    is_awake = update.order in WAKING and update.probability >= 1.0
    for batch in range(batches.rate_factors.shape[0]):
        offset = batch * batches.batch_size
        n_samples = min(batches.batch_size, batches.order.shape[0] - offset)
        if rank == 0:
            load_batch(steps.load, batches, work, offset, n_samples)
            call(
                steps.begin_batch, rule, memory, model, batch, batches.rate_factors[batch],
                n_samples,
            )  # fmt: skip
        size = regroup(team, rank)
        if rank >= size:
            return
        for bank in range(rank, n_banks, size):
            call(
                steps.drive_bank, steps.products[0], model, amplitudes[0], work, n_samples, bank,
                is_awake,
            )  # fmt: skip
        wait_for_all(team, rank)
        if is_awake:
            for bank in range(rank, n_banks, size):
                call(steps.couple_bank, steps.products[1], model, work, n_samples, bank)
            wait_for_all(team, rank)
        start, stop = rank * n_samples // size, (rank + 1) * n_samples // size
        call(
            steps.relax_batch, steps.relax, steps.products[1], model, rule, amplitudes, update,
            work, is_awake, start, stop,
        )  # fmt: skip
        wait_for_all(team, rank)
        for bank in range(rank, n_banks, size):
            call(steps.learn_bank, steps.parts, rule, memory, model, work, n_samples, bank)
        wait_for_all(team, rank)
        if rank == 0:
            _count_batch(counts, work, n_samples)


def find_steps(
    kernels: RuleKernels,
    model: Model,
    rule: Any,
    memory: Any,
    amplitudes: Any,
    update: Update,
    work: Workspace,
    batches: Batches,
) -> Steps:
    """Return the addresses of the steps, compiled for arguments of these types where needed."""
    outcome, inputs = work.outcome, choose_inputs(batches, model)
    products = (
        find_product(
            model.input_weights, work.inputs, work.everyone, work.external, inputs.product
        ),
        find_product(model.couplings, outcome.state, work.everyone, outcome.field),
    )
    recurrence = Recurrence(
        model.couplings,
        model.scales[0].item(),
        model.windows,
        model.self_couplings,
        model.partners,
        model.excitations,
        products[1],
    )
    drive = Drive(work.external, model.feedback, work.labels, amplitudes)
    parts = kernels.find_parts(inputs, rule, memory, model, work)
    return Steps(
        find_address(inputs.load, batches, work, 0, 1),
        find_address(kernels.begin_batch, rule, memory, model, 0, 1.0, 1),
        find_address(drive_bank, 0, model, amplitudes[0], work, 1, 0, True),
        find_address(couple_bank, 0, model, work, 1, 0),
        products,
        find_address(relax_batch, 0, 0, model, rule, amplitudes, update, work, True, 0, 1),
        find_relax(recurrence, drive, update, outcome, work.scratch),
        find_address(kernels.learn_bank, parts, rule, memory, model, work, 1, 0),
        parts,
    )
