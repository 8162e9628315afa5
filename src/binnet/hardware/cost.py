"""What a network costs on a chip: memory, synaptic operations, learning and energy.

A *synaptic operation* adds one weight to, or subtracts it from, one neuron's field. A *dense*
design repeats all of them in each sweep; in an *event-driven* one only a neuron that has flipped
sends its column of weights, into fields that are kept. Both read an input once, and the readout
once, of the final state. A graded input of b bits takes b operations a weight, one after the other
as in a core of `binnet.chips`; an event-driven design leaves out the bits that are 0.

Inference is counted on a chip that does nothing else, whose memory holds the weights that fields
read; a training sample (`binnet.hardware.cost_learning`) on one that holds latent weights.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._validation import check_inputs, check_integer, check_real
from binnet.dynamics import INFERENCE_SWEEPS, relax
from binnet.hardware.cost_items import FLOAT_BITS as FLOAT_BITS
from binnet.hardware.cost_items import INFERENCE, BlockCost, SampleCost
from binnet.hardware.cost_learning import count_learning
from binnet.hardware.energy import EnergyTable
from binnet.hardware.learning_design import LearningDesign
from binnet.networks import BLOCKS, BinaryNetwork, QuantizedNetwork, read_inputs


@dataclass(frozen=True)
class Operations:
    """Mean synaptic operations of an inference, and the energy that they take.

    Attributes
    ----------
    couplings, input_weights, readout : float
        Synaptic operations in each block.
    per_update : float
        All of them over the neurons that were updated: one neuron in one sweep.
    bits_read : float
        Bits of weights that memories move.
    words : float
        Words of memory that are read, of as many lanes as the design has processing elements; 0
        where their number is not given. At one word a cycle, the cycles that it takes at least.
    energy : float
        Picojoules, for operations, memory and one comparison an update.
    """

    couplings: float
    input_weights: float
    readout: float
    per_update: float
    bits_read: float
    words: float
    energy: float

    @property
    def total(self) -> float:
        """Synaptic operations of an inference."""
        return self.couplings + self.input_weights + self.readout

    @property
    def energy_per_operation(self) -> float:
        """Picojoules of a synaptic operation, all that is counted shared out among them."""
        return self.energy / self.total


@dataclass(frozen=True)
class LearningCost:
    """Mean cost of the weights' updates alone, were they made after every training sample.

    What else a training sample takes, and what batches save, is in `SampleCost`.

    Attributes
    ----------
    dense_updates : float
        Weight updates if each synapse is rewritten for each sample.
    event_driven_updates : float
        Weight updates if only unstable neurons learn.
    dense_energy, event_driven_energy : float
        Picojoules to read, change and write those weights.
    """

    dense_updates: float
    event_driven_updates: float
    dense_energy: float
    event_driven_energy: float


@dataclass(frozen=True)
class LearningEvents:
    """How often plasticity struck in a whole training.

    Parameters
    ----------
    samples : float
        Samples that were presented, over all epochs.
    hidden : float
        Of them, how many found a hidden neuron unstable, as a mean over the neurons: the updates of
        each synapse of J and W_in.
    readout : float
        The same for a readout neuron: the updates of each synapse of W_out.

    Raises
    ------
    TypeError, ValueError
        If a number is negative, or `samples` is 0.
    """

    samples: float
    hidden: float
    readout: float

    def __post_init__(self) -> None:
        check_real("samples", self.samples, 0.0, above=True)
        check_real("hidden", self.hidden, 0.0, self.samples)
        check_real("readout", self.readout, 0.0, self.samples)


@dataclass(frozen=True)
class CostReport:
    """Cost of a network; `to_dict` and `binnet.hardware.cost_text.format_cost` show it.

    Attributes
    ----------
    blocks : dict of str to BlockCost
        "couplings", "input_weights", "readout" and "feedback", which inference does not need.
    samples : int
        Inputs that inference was measured on.
    sweeps : float
        Mean sweeps of an inference, the one that finds the fixed point included.
    flips : float
        Mean number of neurons that flipped in an inference, after all woke in the first sweep.
    dense, event_driven : Operations
        Mean synaptic operations and energy of an inference.
    learning : LearningCost or None
        Cost of the weights' updates alone, if the events of the training are known.
    table : EnergyTable
        The energies that were used.
    training : SampleCost or None
        Cost of a training sample, if it is known how the network learns.
    elements : int or None
        P, processing elements, if words were counted.
    """

    blocks: dict[str, BlockCost]
    samples: int
    sweeps: float
    flips: float
    dense: Operations
    event_driven: Operations
    learning: LearningCost | None
    table: EnergyTable
    training: SampleCost | None = None
    elements: int | None = None

    @property
    def memory_bits(self) -> int:
        """Bits of the memories of a chip that infers only."""
        return sum(self.blocks[name].memory_bits for name in INFERENCE)

    @property
    def learning_memory_bits(self) -> int:
        """Bits of those of a chip that learns: latent weights, feedback and shift registers."""
        weights = sum(self.blocks[name].learning_memory_bits for name in INFERENCE)
        if self.training is None:
            return weights
        return weights + self.training.feedback_bits + self.training.register_bits

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON; energies are in picojoules.

        Returns
        -------
        dict
            Nested plain values. Each block has its `latent_bits` under the old name, too.
        """
        record = dataclasses.asdict(self)
        for block in record["blocks"].values():
            block["synapse_bits"] = block["latent_bits"]
        for name in ("dense", "event_driven"):
            ops = getattr(self, name)
            record[name] |= {"total": ops.total, "energy_per_operation": ops.energy_per_operation}
        memory = {name: getattr(self, name) for name in ("memory_bits", "learning_memory_bits")}
        return {**record, **memory, "table": self.table.to_dict()}


@renamed_parameter("synapse_bits", "latent_bits")
def report_cost(
    network: BinaryNetwork | QuantizedNetwork,
    inputs: ArrayLike,
    *,
    table: EnergyTable | None = None,
    max_sweeps: int = INFERENCE_SWEEPS,
    saturation_events: Mapping[str, int] | None = None,
    learning: LearningEvents | None = None,
    weight_changes: Mapping[str, int] | None = None,
    latent_bits: int | Mapping[str, int] | None = None,
    design: LearningDesign | None = None,
    elements: int | None = None,
    threads: int | None = None,
) -> CostReport:
    """Measure synaptic operations and flips on data, and estimate the energy.

    Inference begins silent, is synchronous and stops at a fixed point. Of S sweeps with F_t neurons
    that change in sweep t, a dense design takes (S - 1) H (H - 1) operations in the couplings and
    an event-driven one (H - 1) sum_t F_t, t = 1..S-1; from silence the first sweep needs none.
    Energy is each operation's addition plus the bits that it reads, and a comparison an update.
    Clock, wires, control, leakage and what goes on and off the chip are not counted.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network; a floating-point one is counted in float32.
    inputs : array_like, shape (B, N_in)
        Inputs to infer, as the network takes them.
    table : EnergyTable, optional
        Energies. Default: ``EnergyTable()``.
    max_sweeps : int, default 10
        Sweeps at most.
    saturation_events : mapping of str to int, optional
        How often weights of each block were cut at the ends of their format.
    learning : LearningEvents, optional
        How often plasticity struck while the network was trained.
    weight_changes : mapping of str to int, optional
        How often weights of each block changed in training. Default: with each of the learning
        events, as real numbers do; integers change less often, where increments are rounded.
    latent_bits : int or mapping of str to int, optional
        Bits of the latent weights of all blocks, or of each, which the memory of a chip that learns
        holds. Default: there are none.
    design : LearningDesign, optional
        How the network learns, and training samples: their cost is then counted, too.
    elements : int, optional
        P, processing elements, 1..H: words of memory are then counted. Default: they are not.
    threads : int, optional
        Threads to run on at most. Default: all cores.

    Returns
    -------
    CostReport
        The report.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.
    """
    if isinstance(network, QuantizedNetwork):
        network.refuse_structure("a report of cost")
    else:
        network = network.to_dense()  # a design that holds all pairs is counted
    table = table or EnergyTable()
    check_integer("max_sweeps", max_sweeps, 1)
    if elements is not None:
        check_integer("elements", elements, 1, network.n_neurons)
    if not isinstance(latent_bits, Mapping):
        latent_bits = dict.fromkeys(INFERENCE, latent_bits) if latent_bits else {}
    blocks = _count_blocks(
        network, saturation_events or {}, learning, weight_changes or {}, latent_bits
    )
    result = relax(network, inputs, max_sweeps=max_sweeps, threads=threads, stop_at_cycle=False)
    if len(result.sweeps) == 0:
        raise ValueError("inputs must hold at least one sample, got none")
    H, n_sweeps = network.n_neurons, result.changes.shape[1]
    # A change in sweep t is an event for sweep t + 1, if there is one.
    followed = np.arange(1, n_sweeps + 1) < result.sweeps[:, None]
    sent = {
        "dense": float((result.sweeps - 1).mean()) * H,
        "event_driven": float((result.changes * followed).sum(axis=1).mean()),
    }
    sweeps = float(result.sweeps.mean())
    updates = sweeps * H + network.n_outputs
    input_bits = dict(zip(sent, _count_input_bits(network, inputs), strict=True))
    operations = {
        name: _count_operations(sent[name], input_bits[name], updates, blocks, table, elements)
        for name in sent
    }
    training = None
    if design is not None:
        bits = _count_input_bits(network, design.inputs)
        training = count_learning(
            network, design, blocks, table, input_bits=bits, elements=elements, threads=threads
        )
    return CostReport(
        blocks,
        len(result.sweeps),
        sweeps,
        float(result.changes[:, 1:].sum(axis=1).mean()),
        operations["dense"],
        operations["event_driven"],
        None if learning is None else _count_learning(learning, blocks, table),
        table,
        training,
        elements,
    )


def _count_blocks(
    network: BinaryNetwork | QuantizedNetwork,
    saturation_events: Mapping[str, int],
    learning: LearningEvents | None,
    weight_changes: Mapping[str, int],
    latent_bits: Mapping[str, int],
) -> dict[str, BlockCost]:
    updates: dict[str, float] = {}
    if learning is not None:
        updates = dict.fromkeys(("couplings", "input_weights"), learning.hidden)
        updates |= {"readout": learning.readout, "feedback": 0.0}
    blocks = {}
    for name in BLOCKS:
        block: NDArray[Any] = getattr(network, name)
        bits = FLOAT_BITS
        if isinstance(network, QuantizedNetwork):
            bits = getattr(network.formats, name).bits
        weights = block.size - (len(block) if name == "couplings" else 0)
        if name in weight_changes:
            updates[name] = weight_changes[name] / weights
        stored = latent_bits.get(name, bits) if name in INFERENCE else bits
        blocks[name] = BlockCost(
            (block.shape[0], block.shape[1]),
            weights,
            bits,
            stored,
            block.size * bits,
            block.size * stored,
            saturation_events.get(name),
            updates.get(name),
        )
    return blocks


def _count_input_bits(
    network: BinaryNetwork | QuantizedNetwork, inputs: ArrayLike
) -> tuple[float, float]:
    """Return the bits of an input vector, and how many of them are events: of spins, all."""
    n_inputs = float(network.n_inputs)
    if not isinstance(network, QuantizedNetwork) or network.formats.inputs.bits == 1:
        return n_inputs, n_inputs
    format = network.formats.inputs
    with warnings.catch_warnings():  # that some saturate, which `relax` has said
        warnings.simplefilter("ignore")
        integers = read_inputs("inputs", check_inputs("inputs", inputs, network.n_inputs), format)
    ones = sum(int(((integers >> p) & 1).sum()) for p in range(format.bits))
    return n_inputs * format.bits, ones / len(integers)


def _count_operations(
    sent: float,
    input_bits: float,
    updates: float,
    blocks: dict[str, BlockCost],
    table: EnergyTable,
    elements: int | None,
) -> Operations:
    """Count an inference in which so many neurons send, and so many bits of inputs."""
    H, n_outputs = blocks["couplings"].shape[0], blocks["readout"].shape[0]
    counts = {
        "couplings": sent * (H - 1),
        "input_weights": input_bits * H,
        "readout": float(blocks["readout"].weights),
    }
    energy, bits_read = updates * table.accumulation(blocks["couplings"].bits), 0.0
    for name, count in counts.items():
        block = blocks[name]
        bits_read += count * block.bits
        read = block.bits * table.access_per_bit(block.memory_bits)
        energy += count * (table.accumulation(block.bits) + read)
    words = 0.0
    if elements is not None:
        words = (sent + input_bits) * -(-H // elements) + H * -(-n_outputs // elements)
    per_update = sum(counts.values()) / updates
    return Operations(
        **counts, per_update=per_update, bits_read=bits_read, words=words, energy=energy
    )


def _count_learning(
    events: LearningEvents, blocks: dict[str, BlockCost], table: EnergyTable
) -> LearningCost:
    dense = event_driven = dense_energy = event_driven_energy = 0.0
    for name in INFERENCE:
        block = blocks[name]
        fraction = (events.readout if name == "readout" else events.hidden) / events.samples
        # Read the weight, change it, write it back.
        moved = 2 * block.latent_bits * table.access_per_bit(block.learning_memory_bits)
        energy = block.weights * (table.update(block.latent_bits) + moved)
        dense += block.weights
        dense_energy += energy
        event_driven += fraction * block.weights
        event_driven_energy += fraction * energy
    return LearningCost(dense, event_driven, dense_energy, event_driven_energy)
