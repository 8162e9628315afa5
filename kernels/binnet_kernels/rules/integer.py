"""The source's rule in integers: increments of 2**-k levels, rounded at random, with saturation.

Relaxation, readout and stability test are those of floating point, run on integer arrays: fields
are int32 sums that cannot overflow, so every result is exact. Only the update differs
(docs/model/arithmetic.md, section 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel
from binnet_kernels.lowlevel.bits import WORD_BITS
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.rules.events import find_share
from binnet_kernels.rules.integer_batches import pack_pieces, update_couplings_pieces
from binnet_kernels.rules.integer_inputs import update_inputs_integer
from binnet_kernels.rules.integer_records import (
    N_BLOCKS,
    NEVER,
    IntegerMemory,
    IntegerRule,
    Parts,
)
from binnet_kernels.rules.integer_synapses import (
    MAX_EXPONENT,
    Levels,
    Place,
    Targets,
    decay_integer,
    expose_weights,
    thin_events,
)
from binnet_kernels.rules.integer_updates import update_couplings_integer
from binnet_kernels.training.batches import RuleKernels
from binnet_kernels.training.records import Model, Workspace


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
    if bits[0] > 0:
        expose_weights(
            memory.couplings[bank, :n_rows, :n_here], model.couplings[bank, :n_rows, :n_here],
            _place_couplings(model, bank, start, np.int64(0)), bits[0], low[0], high[0],
        )  # fmt: skip
    if bits[1] > 0:
        expose_weights(
            memory.input_weights[bank, :, :n_here], model.input_weights[bank, :, :n_here],
            _place_whole(memory, start), bits[1], low[1], high[1],
        )  # fmt: skip
    if bits[2] > 0:
        expose_weights(
            memory.readout[from_c:to_c, :n_hidden], model.readout[from_c:to_c, :n_hidden],
            _place_rows(memory, np.int64(0), from_c), bits[2], low[2], high[2],
        )  # fmt: skip
    if rule.learns[3] and bits[3] > 0:
        expose_weights(
            memory.feedback[bank, :, :n_here], memory.exposed_feedback[bank, :, :n_here],
            _place_whole(memory, start), bits[3], low[3], high[3],
        )  # fmt: skip


@inner_kernel
def _update_block(parts, rule, memory, block, weights, place, module, key, rows, targets, bank):
    """Thin the events on the targets, then add what is left to their weights, in place.

    `rows` are rows and columns of the bank's words: of the presynaptic neurons, from where on, and
    of the targets, from where and to where.
    """
    levels = _levels(rule, block, min(memory.now[block] + rule.shifts[block, module], MAX_EXPONENT))
    pre, pre_first, post, first, last = rows
    words, counts = memory.packed[bank], memory.counts[bank, block]
    for p in range(words.shape[0]):
        mask = words[p, post, 1, first:last]
        thin_events(levels, key, place.first, mask, targets, np.int64(WORD_BITS * p))
    if words.shape[0] == 1:
        call(
            parts.update[block], weights, place, levels, key, words[0, pre, 0, pre_first:],
            words[0, pre, 1, pre_first:], words[0, post, 0, first:last],
            words[0, post, 1, first:last], targets, counts,
        )  # fmt: skip
    else:
        call(
            parts.update[block], weights, place, levels, key, words[:, pre, :, pre_first:],
            words[:, post, :, first:last], targets, memory.listed[bank], memory.sums[bank], counts,
        )  # fmt: skip


@inlined_kernel
def _update_hidden(parts, rule, memory, model, block, module, key, bank):
    """Update the weights of a block onto those neurons of a bank that are in a module."""
    start, stop, first_row, stop_row = _find_bank(model, bank)
    first, last = max(start, rule.edges[module]), min(stop, rule.edges[module + 1])
    if first >= last or rule.shifts[block, module] == NEVER:
        return
    columns = slice(first - start, last - start)
    targets = _targets(memory, memory.hidden[first:last], bank)
    # All callers slice the weights, also where they take all of them: the address is that of a
    # kernel for arrays that need not be contiguous.
    if block == 0:
        _update_block(
            parts, rule, memory, block, memory.couplings[bank, : stop_row - first_row, columns],
            _place_couplings(model, bank, start, first - start), module, key,
            (0, first_row, 2, first, last), targets, bank,
        )  # fmt: skip
    elif block == 1:
        _update_block(
            parts, rule, memory, block, memory.input_weights[bank, :, columns],
            _place_whole(memory, first), module, key, (1, np.int64(0), 2, first, last), targets,
            bank,
        )  # fmt: skip
    else:  # W_back, by the readouts that learn and the spins of all neurons
        _update_block(
            parts, rule, memory, block, memory.feedback[bank, :, columns],
            _place_whole(memory, first), module, key, (3, np.int64(0), 0, first, last), targets,
            bank,
        )  # fmt: skip


@inlined_kernel
def _update_graded(parts, rule, memory, model, module, key, work, n_samples, bank):
    """Update the input weights onto those neurons of a bank that are in a module, by graded x."""
    start, stop, _, _ = _find_bank(model, bank)
    first, last = max(start, rule.edges[module]), min(stop, rule.edges[module + 1])
    if first >= last or rule.shifts[1, module] == NEVER:
        return
    exponent = min(memory.now[1] + rule.shifts[1, module], MAX_EXPONENT)
    call(
        parts.update_graded, memory.input_weights[bank, :, first - start : last - start],
        _place_whole(memory, first), _levels(rule, 1, exponent), rule.input_fraction, key,
        work.inputs[:n_samples, :], work.unstable[:n_samples, first:last],
        _targets(memory, memory.hidden[first:last], bank), memory.sums[bank], memory.posts[bank],
        memory.input_thresholds[bank], memory.counts[bank, 1],
    )  # fmt: skip


@inlined_kernel
def _update_readout(parts, rule, memory, model, module, key, bank):
    """Update a bank's share of the readout from the neurons of a module."""
    from_c, to_c = find_share(memory.readouts.shape[0], model.couplings.shape[0], bank)
    first, last = rule.edges[module], rule.edges[module + 1]
    if from_c >= to_c or rule.shifts[2, module] == NEVER:
        return
    _update_block(
        parts, rule, memory, np.int64(2),
        memory.readout[from_c:to_c, first:last].T,  # from neuron to class
        _place_rows(memory, from_c, first), module, key, (0, first, 3, from_c, to_c),
        _targets(memory, memory.readouts[from_c:to_c], bank), bank,
    )  # fmt: skip


@inner_kernel
def learn_bank_integer(parts, rule, memory, model, work, n_samples, bank):
    """Update the synapses onto a bank and a share of the readout; expose latent ones."""
    start, stop, _, _ = _find_bank(model, bank)
    batch, n_hidden = memory.now[N_BLOCKS + 1], model.partners.shape[1]
    step_key = derive_key(rule.key, batch)
    words, inputs, readouts = memory.packed[bank], work.inputs, work.unstable_readouts
    if parts.decay != 0 and batch % rule.decay_period == 0:
        call(parts.decay, rule, memory, model, derive_key(step_key, np.int64(0)), bank)
    key = derive_key(step_key, np.int64(1))
    pack_pieces(work.outcome.state, n_samples, np.int64(0), n_hidden, 0, words)
    pack_pieces(inputs, n_samples, np.int64(0), inputs.shape[1], 1, words)
    pack_pieces(work.unstable, n_samples, start, stop, 2, words)
    pack_pieces(readouts, n_samples, np.int64(0), readouts.shape[1], 3, words)
    for block in range(N_BLOCKS):
        if not rule.learns[block]:
            continue
        key_block = derive_key(key, block)
        if block == 1:  # again: what whole events are left of is another draw for each block
            pack_pieces(work.unstable, n_samples, start, stop, 2, words)
        for module in range(rule.edges.shape[0] - 1):
            if block == 2:
                pack_pieces(readouts, n_samples, np.int64(0), readouts.shape[1], 3, words)
                _update_readout(parts, rule, memory, model, module, key_block, bank)
            elif block == 1 and rule.input_fraction >= 0:
                _update_graded(parts, rule, memory, model, module, key_block, work, n_samples, bank)
            else:
                _update_hidden(parts, rule, memory, model, block, module, key_block, bank)
        if block == 2:
            pack_pieces(readouts, n_samples, np.int64(0), readouts.shape[1], 3, words)
    if parts.expose != 0:
        call(parts.expose, rule, memory, model, bank)


def find_parts(
    inputs: Any, rule: IntegerRule, memory: IntegerMemory, model: Model, work: Workspace
) -> Parts:
    """Return the addresses of what the update is made of, compiled where needed."""
    key, words, counts = np.uint64(0), memory.packed[0], memory.counts[0, 0]
    place = Place(0, 0, False, model.connectivity, 0, 0)
    levels = Levels(0, 0, 0, 0, rule.rounding, rule.use_register)
    room = (getattr(memory, name)[0] for name in Targets._fields[1:])
    targets = Targets(memory.hidden, *room)

    def find_update(block: int, weights: Any) -> int:
        if not rule.learns[block] or (block == 1 and rule.input_fraction >= 0):
            return 0
        # As if of any slice: not contiguous.
        first = (weights[:, ::2], place, levels, key)
        if len(words) > 1:
            of_any = words[:, 0, :, ::2]
            return find_address(
                update_couplings_pieces, *first, of_any, of_any, targets, memory.listed[0],
                memory.sums[0], counts,
            )  # fmt: skip
        word = words[0, 0, 0]
        return find_address(
            update_couplings_integer, *first, word, word, word, word, targets, counts
        )

    graded = 0
    if rule.learns[1] and rule.input_fraction >= 0:
        graded = find_address(
            update_inputs_integer, memory.input_weights[0][:, ::2], place, levels, 0, key,
            work.inputs[:, ::2], work.unstable[:, ::2], targets, memory.sums[0], memory.posts[0],
            memory.input_thresholds[0], counts,
        )  # fmt: skip
    decays, exposes = (rule.decay_exponents >= 0).any(), (memory.n_unseen_bits > 0).any()
    return Parts(
        find_address(decay_bank, rule, memory, model, key, 0) if decays else 0,
        (
            find_update(0, memory.couplings[0]),
            find_update(1, memory.input_weights[0]),
            find_update(2, memory.readout),
            find_update(3, memory.feedback[0]),
        ),
        graded,
        find_address(expose_bank, rule, memory, model, 0) if exposes else 0,
    )


KERNELS = RuleKernels(begin_batch, learn_bank_integer, find_parts)
