"""The source's rule in integers: increments of 2**-k levels, rounded at random, with saturation.

Relaxation, readout and stability test are those of floating point, run on integer arrays: fields
are int32 sums that cannot overflow, so every result is exact. Only the update differs
(docs/model/arithmetic.md, section 3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.rules.events import find_share, pack_events
from binnet_kernels.rules.integer_synapses import (
    MAX_EXPONENT,
    Levels,
    Place,
    Targets,
    decay_integer,
    expose_weights,
    make_room,
    thin_events,
)
from binnet_kernels.rules.integer_updates import update_couplings_integer
from binnet_kernels.structs import Array, allocate_rows, bank_width
from binnet_kernels.training.batches import RuleKernels
from binnet_kernels.training.records import Model, Workspace

# Blocks: couplings, input weights, readout; the feedback where a rule changes it.
N_BLOCKS = 4
NEVER = 127  # in IntegerRule.shifts: the block does not learn there


class IntegerRule(NamedTuple):
    """Formats of the synapses and their plasticity; arrays (4,) have an entry for each block."""

    learns: Array  # (4,) bool
    low: Array  # (4,) int64
    high: Array  # (4,) int64
    step: Array  # (4,) int64
    exponents: Array  # (n, 5) int64: k of each block in each batch, and what decays' k is raised by
    decay_exponents: Array  # (4,) int64: k of the decay; negative: none
    decay_period: int  # batches from one decay to the next
    rounding: int
    use_register: bool
    edges: Array  # (L + 1,) int64: neurons that the modules begin at, and H
    shifts: Array  # (4, L) int64: k of a module's neurons is raised by it; NEVER: they stay
    thresholds: Array  # (H + padding,) int32: kappa (and help) in units of the accumulator
    readout_thresholds: Array  # (2,) int64: of wrong classes and of the right one
    key: np.uint64  # each (batch, block, piece of a batch) has its own sub-stream
    first_batch: int
    error_scale: int  # of a third factor, see `integer_third_factor`
    error_threshold: int


class IntegerMemory(NamedTuple):
    """What plasticity changes, its random numbers and its work space.

    Synapses are the weights themselves, or latent weights: wider integers whose top they expose.
    """

    couplings: Array  # (S, K, W)
    input_weights: Array  # (S, N_in, W)
    readout: Array  # (C, >= H)
    feedback: Array  # (S, C, W) banks of W_back, from readout to hidden neurons
    exposed_feedback: Array  # (S, C, W): the weights that `feedback` exposes
    n_unseen_bits: int  # of a latent weight, below those of a weight; 0: there are none
    low: int  # of the weights exposed; high < low: their signs
    high: int
    hidden: Array  # (H,) uint16: shift registers of the hidden neurons
    readouts: Array  # (C,) uint16
    sites: Array  # as those of Targets, from here on: a bank owns one entry of each
    words: Array
    bytes: Array
    keys: Array
    spread: Array
    levels: Array
    tiles: Array
    counts: Array  # (S, 4, 2) int64: weights changed, sums saturated
    now: Array  # (6,) int64: k of the blocks, what decays' k is raised by, number of the batch
    everywhere: Array  # (0, 0, 0) uint8: the Place.present of blocks that are whole
    errors: Array  # (S, B, C) int64, of a third factor
    deltas: Array  # (B, H + padding) int64, of a third factor


class Parts(NamedTuple):
    """Addresses of what the update of a bank is made of; 0 where it is not needed."""

    decay: int
    update: tuple[int, int, int, int]  # of each block: their weights may differ in type
    expose: int


def make_work(n_hidden: int, n_outputs: int, n_banks: int, batch_size: int) -> tuple[Array, ...]:
    """Return all fields of an `IntegerMemory` after its registers."""
    return (
        *make_room(n_banks, max(bank_width(n_hidden, n_banks), n_outputs)),
        np.zeros((n_banks, N_BLOCKS, 2), np.int64),
        np.zeros(N_BLOCKS + 2, np.int64),
        np.zeros((0, 0, 0), np.uint8),
        np.zeros((n_banks, batch_size, n_outputs), np.int64),
        allocate_rows(batch_size, n_hidden, n_banks, np.int64),
    )


@inner_kernel
def begin_batch(rule, memory, model, batch, factor, n_samples):
    """Set the exponents of this batch; its factor is in them."""
    for k in range(N_BLOCKS + 1):
        memory.now[k] = rule.exponents[batch, k]
    memory.now[N_BLOCKS + 1] = rule.first_batch + batch


@inner_kernel
def _levels(rule, block, exponent):
    return Levels(
        rule.low[block], rule.high[block], rule.step[block], exponent, rule.rounding,
        rule.use_register,
    )  # fmt: skip


@inner_kernel
def _targets(memory, registers, bank):
    return Targets(
        registers, memory.sites[bank], memory.words[bank], memory.bytes[bank], memory.keys[bank],
        memory.spread[bank], memory.levels[bank], memory.tiles[bank],
    )  # fmt: skip


@inner_kernel
def _find_bank(model, bank):
    """Return a bank's neurons, from and to, and its presynaptic ones."""
    width, n_hidden = model.couplings.shape[2], model.partners.shape[1]
    start = min(n_hidden, bank * width)
    first_row, stop_row = model.windows[bank]
    return start, min(n_hidden, start + width), first_row, stop_row


@inner_kernel
def _place_couplings(model, bank, start, column):
    first_row = model.windows[bank, 0]
    return Place(start + column, first_row, True, model.connectivity, bank, column)


@inner_kernel
def _place_whole(memory, first):
    return Place(first, 0, False, memory.everywhere, 0, 0)


@inner_kernel
def _place_rows(memory, first, pre_first):
    return Place(first, pre_first, False, memory.everywhere, 0, 0)


@inner_kernel
def decay_bank(rule, memory, model, key, bank):
    """Let the synapses onto a bank, and its share of the readout, decay by 2**-k in the mean."""
    start, stop, first_row, stop_row = _find_bank(model, bank)
    n_here, raised = stop - start, memory.now[N_BLOCKS]
    from_c, to_c = find_share(memory.readouts.shape[0], model.couplings.shape[0], bank)
    for block in range(3):
        if rule.decay_exponents[block] < 0:
            continue
        levels = _levels(rule, block, min(rule.decay_exponents[block] + raised, MAX_EXPONENT))
        key_block = derive_key(key, block)
        if block == 0:
            decay_integer(
                memory.couplings[bank, : stop_row - first_row, :n_here],
                _place_couplings(model, bank, start, np.int64(0)), levels, key_block,
                _targets(memory, memory.hidden[start:stop], bank),
            )  # fmt: skip
        elif block == 1:
            decay_integer(
                memory.input_weights[bank, :, :n_here], _place_whole(memory, start), levels,
                key_block, _targets(memory, memory.hidden[start:stop], bank),
            )  # fmt: skip
        else:
            decay_integer(
                memory.readout[from_c:to_c, : model.partners.shape[1]].T,
                _place_whole(memory, from_c), levels, key_block,
                _targets(memory, memory.readouts[from_c:to_c], bank),
            )  # fmt: skip


@inner_kernel
def expose_bank(rule, memory, model, bank):
    """Write the top of the latent weights onto a bank, and of its share of the readout."""
    start, stop, first_row, stop_row = _find_bank(model, bank)
    n_here, n_rows, n_hidden = stop - start, stop_row - first_row, model.partners.shape[1]
    from_c, to_c = find_share(memory.readouts.shape[0], model.couplings.shape[0], bank)
    bits, low, high = memory.n_unseen_bits, memory.low, memory.high
    expose_weights(
        memory.couplings[bank, :n_rows, :n_here], model.couplings[bank, :n_rows, :n_here],
        _place_couplings(model, bank, start, np.int64(0)), bits, low, high,
    )  # fmt: skip
    expose_weights(
        memory.input_weights[bank, :, :n_here], model.input_weights[bank, :, :n_here],
        _place_whole(memory, start), bits, low, high,
    )  # fmt: skip
    expose_weights(
        memory.readout[from_c:to_c, :n_hidden], model.readout[from_c:to_c, :n_hidden],
        _place_rows(memory, np.int64(0), from_c), bits, low, high,
    )  # fmt: skip
    if rule.learns[3]:
        expose_weights(
            memory.feedback[bank, :, :n_here], memory.exposed_feedback[bank, :, :n_here],
            _place_whole(memory, start), bits, low, high,
        )  # fmt: skip


@inner_kernel
def _update_block(
    parts, rule, memory, block, weights, place, module, key, pre, signs, mask, targets, bank
):
    """Thin the events on the targets, then add what is left to their weights, in place.

    All callers slice `pre` (2, K) and the weights, also where they take all of them: the address is
    that of a kernel for arrays that need not be contiguous.
    """
    levels = _levels(rule, block, min(memory.now[block] + rule.shifts[block, module], MAX_EXPONENT))
    thin_events(levels, key, place.first, mask, targets)
    call(
        parts.update[block], weights, place, levels, key, pre[0], pre[1], signs, mask, targets,
        memory.counts[bank, block],
    )  # fmt: skip


@inlined_kernel
def _update_hidden(parts, rule, memory, model, block, module, key, words, bank):
    """Update the weights of a block onto those neurons of a bank that are in a module."""
    start, stop, first_row, stop_row = _find_bank(model, bank)
    first, last = max(start, rule.edges[module]), min(stop, rule.edges[module + 1])
    if first >= last or rule.shifts[block, module] == NEVER:
        return
    columns = slice(first - start, last - start)
    targets = _targets(memory, memory.hidden[first:last], bank)
    signs, mask = words[2, 0, first:last], words[2, 1, first:last]
    if block == 0:
        _update_block(
            parts, rule, memory, block, memory.couplings[bank, : stop_row - first_row, columns],
            _place_couplings(model, bank, start, first - start), module, key,
            words[0, :, first_row:], signs, mask, targets, bank,
        )  # fmt: skip
    elif block == 1:
        _update_block(
            parts, rule, memory, block, memory.input_weights[bank, :, columns],
            _place_whole(memory, first), module, key, words[1, :, :], signs, mask, targets, bank,
        )  # fmt: skip
    else:  # W_back, by the readouts that learn and the spins of all neurons
        _update_block(
            parts, rule, memory, block, memory.feedback[bank, :, columns],
            _place_whole(memory, first), module, key, words[3, :, :], words[0, 0, first:last],
            words[0, 1, first:last], targets, bank,
        )  # fmt: skip


@inlined_kernel
def _update_readout(parts, rule, memory, model, module, key, words, bank):
    """Update a bank's share of the readout from the neurons of a module."""
    from_c, to_c = find_share(memory.readouts.shape[0], model.couplings.shape[0], bank)
    first, last = rule.edges[module], rule.edges[module + 1]
    if from_c >= to_c or rule.shifts[2, module] == NEVER:
        return
    _update_block(
        parts, rule, memory, np.int64(2),
        memory.readout[from_c:to_c, first:last].T,  # from neuron to class
        _place_rows(memory, from_c, first), module, key, words[0, :, first:last],
        words[3, 0, from_c:to_c], words[3, 1, from_c:to_c],
        _targets(memory, memory.readouts[from_c:to_c], bank), bank,
    )  # fmt: skip


@inner_kernel
def learn_bank_integer(parts, rule, memory, model, work, n_samples, bank):
    """Update the synapses onto a bank and a share of the readout; expose latent ones."""
    start, stop, _, _ = _find_bank(model, bank)
    batch, n_modules = memory.now[N_BLOCKS + 1], rule.edges.shape[0] - 1
    step_key = derive_key(rule.key, batch)
    words, inputs, readouts = work.words[bank], work.inputs, work.unstable_readouts
    if parts.decay != 0 and batch % rule.decay_period == 0:
        call(parts.decay, rule, memory, model, derive_key(step_key, np.int64(0)), bank)
    for first in range(0, n_samples, WORD_BITS):
        n = min(WORD_BITS, n_samples - first)
        key = derive_key(step_key, 1 + first // WORD_BITS)
        pack_events(model, work, first, n, bank)
        pack_samples(inputs, first, n, np.int64(0), inputs.shape[1], words[1, 0], words[1, 1])
        for block in range(N_BLOCKS):
            if not rule.learns[block]:
                continue
            key_block = derive_key(key, block)
            if block == 1:  # again: what whole events are left of is another draw for each block
                pack_samples(work.unstable, first, n, start, stop, words[2, 0], words[2, 1])
            for module in range(n_modules):
                if block == 2:
                    pack_samples(
                        readouts, first, n, np.int64(0), readouts.shape[1], words[3, 0], words[3, 1]
                    )
                    _update_readout(parts, rule, memory, model, module, key_block, words, bank)
                else:
                    _update_hidden(
                        parts, rule, memory, model, block, module, key_block, words, bank
                    )
            if block == 2:
                pack_samples(
                    readouts, first, n, np.int64(0), readouts.shape[1], words[3, 0], words[3, 1]
                )
    if parts.expose != 0:
        call(parts.expose, rule, memory, model, bank)


def find_parts(
    inputs: Any, rule: IntegerRule, memory: IntegerMemory, model: Model, work: Workspace
) -> Parts:
    """Return the addresses of what the update is made of, compiled where needed."""
    key, words = np.uint64(0), work.words[0, 0]
    pre = words[:, ::2]  # as if of any slice: not contiguous
    place = Place(0, 0, False, model.connectivity, 0, 0)
    levels = Levels(0, 0, 0, 0, rule.rounding, rule.use_register)
    room = (getattr(memory, name)[0] for name in Targets._fields[1:])
    targets = Targets(memory.hidden, *room)

    def find_update(block: int, weights: Any) -> int:
        if not rule.learns[block]:
            return 0
        return find_address(
            update_couplings_integer, weights[:, ::2], place, levels, key, pre[0], pre[1], words[0],
            words[1], targets, memory.counts[0, 0],
        )  # fmt: skip

    decays, exposes = (rule.decay_exponents >= 0).any(), memory.n_unseen_bits > 0
    return Parts(
        find_address(decay_bank, rule, memory, model, key, 0) if decays else 0,
        (
            find_update(0, memory.couplings[0]),
            find_update(1, memory.input_weights[0]),
            find_update(2, memory.readout),
            find_update(3, memory.feedback[0]),
        ),
        find_address(expose_bank, rule, memory, model, 0) if exposes else 0,
    )


KERNELS = RuleKernels(begin_batch, learn_bank_integer, find_parts)
