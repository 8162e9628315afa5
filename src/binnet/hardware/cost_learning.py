"""What a training sample costs on a chip that learns, counted as an inference is.

The sample is relaxed under the schedule of the feedback, every neuron tests its stability, and
after a batch the synapses of the neurons that learn are read, changed and written; from time to
time all weights decay. Everything is divided by the samples. Relaxations are measured: those of the
network as it is given, on training samples. In an *event-driven* design flipped neurons alone send,
and rows of weights whose neuron learned in the batch alone are touched; a *dense* one does all of
it each time.

Weights lie in one memory, with all their latent bits: fields read those, too. A memory word holds
the weights from one presynaptic neuron to as many neurons as there are processing elements, as in
the cores of `binnet.chips`. Words are counted and cycles are not: one word a cycle is the least
that such a design takes, whatever circuit it is; what one takes exactly, its own formulas say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binnet.dynamics import relax
from binnet.hardware.cost_items import (
    FLOAT_BITS,
    INFERENCE,
    BlockCost,
    CostItem,
    SampleCost,
    sum_items,
)
from binnet.hardware.energy import EnergyTable
from binnet.hardware.learning_design import LearningDesign, find_learning
from binnet.networks import BinaryNetwork, QuantizedNetwork

ITEMS = (
    "inputs", "relaxation", "feedback", "stability", "readout", "comparisons", "events", "updates",
    "decay",
)  # fmt: skip
_REGISTER_BITS = 16


@dataclass(frozen=True, eq=False)
class _Chip:
    """What all items are counted with."""

    blocks: Mapping[str, BlockCost]
    table: EnergyTable
    elements: int | None
    n_neurons: int

    def groups(self, n: int) -> int:
        """Return how many words of P lanes hold n weights; 0 if P is not given."""
        return 0 if self.elements is None else -(-n // self.elements)

    def read(self, name: str, operations: float, words: float) -> CostItem:
        """Return the cost of weights that are read and added to fields."""
        block = self.blocks[name]
        bits = operations * block.latent_bits
        energy = operations * self.table.accumulation(block.bits)
        energy += bits * self.table.access_per_bit(block.learning_memory_bits)
        return CostItem(operations, bits, words=words, energy=energy)

    def rewrite(
        self, name: str, weights: float, words: float, draws: float, change: float, draw: float
    ) -> CostItem:
        """Return the cost of weights that are read, changed and written."""
        block = self.blocks[name]
        bits = weights * block.latent_bits
        moved = 2 * bits * self.table.access_per_bit(block.learning_memory_bits)
        energy = weights * change + moved + draws * draw
        return CostItem(weights, bits, bits, draws, 2 * words, energy)


def count_learning(
    network: BinaryNetwork | QuantizedNetwork,
    design: LearningDesign,
    blocks: Mapping[str, BlockCost],
    table: EnergyTable,
    *,
    input_bits: tuple[float, float],
    elements: int | None = None,
    threads: int | None = None,
) -> SampleCost:
    """Relax training samples, and count what each of them takes.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network, of one module and dense.
    design : LearningDesign
        How it learns, and from what.
    blocks : mapping of str to BlockCost
        Its blocks.
    table : EnergyTable
        Energies.
    input_bits : tuple of float
        Bits of an input vector of the samples, and how many of them are events.
    elements : int, optional
        P, lanes of a memory word. Default: words are not counted.
    threads : int, optional
        Threads to run on at most. Default: all cores.

    Returns
    -------
    SampleCost
        The cost.

    Raises
    ------
    TypeError, ValueError
        If samples or labels do not fit, or there are none.
    """
    amplitudes = design.schedule.amplitudes
    result = relax(
        network, design.inputs, design.labels, schedule=design.schedule, threads=threads,
        stop_at_cycle=False,
    )  # fmt: skip
    n_samples = len(result.sweeps)
    if n_samples == 0:
        raise ValueError("inputs of the learning must hold at least one sample, got none")
    chip = _Chip(blocks, table, elements, network.n_neurons)
    feedback_bits = _find_feedback_bits(network)
    ran = find_sweeps(result.changes, amplitudes)
    learning = find_learning(network, design, result)
    everyone = tuple(np.ones_like(who) for who in learning)
    designs = {}
    for name in ("dense", "event_driven"):
        dense = name == "dense"
        items = _count_relaxation(chip, ran, result.changes, dense, input_bits)
        items["feedback"] = _count_feedback(chip, ran, amplitudes, dense, feedback_bits)
        items |= _count_updates(chip, network, design, everyone if dense else learning, dense)
        items["decay"] = _count_decay(chip, network, design, n_samples)
        designs[name] = {item: items[item] for item in ITEMS}
        designs[name]["total"] = sum_items(items.values())
    has_registers = _draws(network, design) and design.generator == "lfsr"
    n_registers = (network.n_neurons + network.n_outputs) * has_registers
    return SampleCost(
        n_samples,
        design.batch_size,
        float(result.sweeps.mean()),
        float(result.changes[:, 1:].sum(axis=1).mean()),
        float(learning[0].mean()),
        float(learning[1].mean()),
        network.n_outputs * network.n_neurons * feedback_bits,
        n_registers * _REGISTER_BITS,
        designs["dense"],
        designs["event_driven"],
    )


def find_sweeps(changes: NDArray[np.int64], amplitudes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which sweeps of relaxations were run: a settled sample rests until a(t) changes.

    Parameters
    ----------
    changes : ndarray of int64, shape (M, T)
        Neurons that changed in each sweep.
    amplitudes : ndarray, shape (T,)
        a(t).

    Returns
    -------
    ndarray of bool, shape (M, T)
        Whether each sweep was run.
    """
    ran = np.zeros(changes.shape, bool)
    rests = np.zeros(len(changes), bool)
    for t in range(len(amplitudes)):
        if t > 0 and amplitudes[t] != amplitudes[t - 1]:
            rests[:] = False
        ran[:, t] = ~rests
        rests = changes[:, t] == 0  # of one that rests, too
    return ran


def _find_feedback_bits(network: BinaryNetwork | QuantizedNetwork) -> int:
    """Return the bits of the feedback's field of one neuron and label, kept in its memory."""
    if not isinstance(network, QuantizedNetwork):
        return FLOAT_BITS
    return max(2, int(abs(network.feedback_fields).max(initial=0)).bit_length() + 1)


def _draws(network: BinaryNetwork | QuantizedNetwork, design: LearningDesign) -> bool:
    return isinstance(network, QuantizedNetwork) and design.rounding != "nearest"


def _count_relaxation(
    chip: _Chip,
    ran: NDArray[np.bool_],
    changes: NDArray[np.int64],
    dense: bool,
    input_bits: tuple[float, float],
) -> dict[str, CostItem]:
    """Return the cost of inputs, couplings, stability, readout and comparisons."""
    H = chip.n_neurons
    C = chip.blocks["readout"].shape[0]
    sweeps = float(ran.sum(axis=1).mean())
    # Neurons whose weights are sent in sweeps after the first, and then for the stability.
    sent, last = (sweeps - 1) * H, float(H)
    if not dense:
        sent = float(changes[:, :-1].sum(axis=1).mean())
        last = float(changes[:, -1].mean())  # 0 where the last sweep of the schedule was left out
    bits = input_bits[0 if dense else 1]
    comparisons = H * sweeps + H + C
    accumulation = chip.table.accumulation(chip.blocks["couplings"].bits)
    groups = chip.groups(H)
    return {
        "inputs": chip.read("input_weights", bits * H, bits * groups),
        "relaxation": chip.read("couplings", sent * (H - 1), sent * groups),
        "stability": chip.read("couplings", last * (H - 1), last * groups),
        "readout": chip.read("readout", float(C * H), chip.groups(C) * H),
        "comparisons": CostItem(comparisons, energy=comparisons * accumulation),
    }


def _count_feedback(
    chip: _Chip,
    ran: NDArray[np.bool_],
    amplitudes: NDArray[np.float64],
    dense: bool,
    feedback_bits: int,
) -> CostItem:
    """Return the cost of adding the label's field: in each sweep that has it, or as a changes."""
    times = float(ran[:, amplitudes != 0].sum(axis=1).mean())
    if not dense:  # at the end it is taken off, for the stability
        times = float(np.count_nonzero(np.diff(amplitudes, prepend=0.0, append=0.0)))
    operations = times * chip.n_neurons
    bits = operations * feedback_bits
    size = chip.blocks["feedback"].shape[1] * chip.n_neurons * feedback_bits
    energy = operations * chip.table.accumulation(chip.blocks["couplings"].bits)
    energy += bits * chip.table.access_per_bit(size)
    return CostItem(operations, bits, words=times * chip.groups(chip.n_neurons), energy=energy)


def _count_updates(
    chip: _Chip,
    network: BinaryNetwork | QuantizedNetwork,
    design: LearningDesign,
    learning: tuple[NDArray[np.bool_], ...],
    dense: bool,
) -> dict[str, CostItem]:
    """Return the cost of summing events over batches, and of changing the weights by the sums."""
    n_samples, draws_numbers = len(learning[0]), _draws(network, design)
    per_event = draws_numbers and design.rounding == "per-event"
    starts = np.arange(0, n_samples, design.batch_size)
    sums, updates = [], []
    for name, k in zip(INFERENCE, design.exponents, strict=True):
        if k is None:
            continue
        who = learning[1 if name == "readout" else 0]
        block, n_sources = chip.blocks[name], _count_sources(network, name)
        weights = block.weights / who.shape[1]  # of a row
        fine = _find_fraction_bits(network, name)
        # The chance that an event counts at all, where whole events are drawn.
        chance = 2.0 ** -max(k, 0) if per_event and not dense else 1.0
        events = np.add.reduceat(who.astype(np.int64), starts, axis=0)  # (batches, neurons)
        n_events = events.sum() / n_samples
        rows = _count_struck(events, 1, chance) / n_samples
        groups = 0.0 if chip.elements is None else _count_struck(events, chip.elements, chance)
        draws = 0.0
        if per_event and max(k, 0) + fine > 0:
            draws = n_events
        elif draws_numbers and not per_event and k + fine > 0:
            draws = rows * n_sources  # the diagonal's, too
        added = n_events * chance * weights
        sums.append(CostItem(added, energy=added * chip.table.update_8_bits))
        change = chip.table.update(block.latent_bits)
        if isinstance(network, BinaryNetwork):
            change += chip.table.multiply_float  # by the rate
        words = groups / n_samples * n_sources
        draw = chip.table.draw(design.generator)
        updates.append(chip.rewrite(name, rows * weights, words, draws, change, draw))
    return {"events": sum_items(sums), "updates": sum_items(updates)}


def _count_decay(
    chip: _Chip,
    network: BinaryNetwork | QuantizedNetwork,
    design: LearningDesign,
    n_samples: int,
) -> CostItem:
    """Return the cost of the decays of all weights, for one sample."""
    n_batches = -(-n_samples // design.batch_size)
    share = n_batches / design.decay_period / n_samples  # of a sample, in a decay
    items = []
    for name, k, decays in zip(INFERENCE, design.exponents, design.decays, strict=True):
        if k is None or not decays:
            continue
        block, n_sources = chip.blocks[name], _count_sources(network, name)
        n_targets = block.shape[0]
        draws = share * n_targets * n_sources * _draws(network, design)
        change = chip.table.update(block.latent_bits)
        if isinstance(network, BinaryNetwork):
            change = chip.table.multiply_float
        words = share * chip.groups(n_targets) * n_sources
        draw = chip.table.draw(design.generator)
        items.append(chip.rewrite(name, share * block.weights, words, draws, change, draw))
    return sum_items(items)


def _count_sources(network: BinaryNetwork | QuantizedNetwork, name: str) -> int:
    """Return the presynaptic ends of a row, the neuron itself included: the words of a group."""
    return network.n_inputs if name == "input_weights" else network.n_neurons


def _find_fraction_bits(network: BinaryNetwork | QuantizedNetwork, name: str) -> int:
    """Return the fraction bits of graded inputs, by which an event of theirs is finer."""
    if isinstance(network, BinaryNetwork) or name != "input_weights":
        return 0
    inputs = network.formats.inputs
    return inputs.fraction_bits if inputs.bits > 1 else 0


def _count_struck(events: NDArray[np.int64], lanes: int, chance: float) -> float:
    """Return how many groups of neurons have an event that counts, summed over batches.

    ``events[batch, neuron]`` are the numbers of events, each of which counts with `chance`.
    """
    starts = np.arange(0, events.shape[1], lanes)
    of_group = np.add.reduceat(events, starts, axis=1)
    return float((1.0 - (1.0 - chance) ** of_group).sum())
