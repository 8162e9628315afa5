"""Memories and registers that the pieces of a core's circuit share, in Amaranth.

The circuit is one module. Each piece (`streams`, `lanes`, `relaxing`) adds its logic and its states
to it, and they meet in the signals of `Parts`. A memory has one port that reads and one that
writes, both clocked, and no word is read in the cycle in which it is written: so tools find block
RAM of any make for it.

The module needs the extra "hdl" (Amaranth, and Yosys as a wheel to print Verilog).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from amaranth.hdl import Const, Mux, Signal, signed, unsigned
    from amaranth.lib.memory import Memory
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.design import WORD_BITS, CoreDesign, CoreMemory
from binnet.chips.registers import list_registers

SWEEP_BITS = 16
NO_LIMIT = (1 << SWEEP_BITS) - 1
REGISTERS = ("hidden_registers", "readout_registers")
BLOCKS = ("couplings", "input_weights", "readout")
COUPLINGS, INPUT_WEIGHTS, READOUT = range(3)  # places in the triples of a design


def count_address_bits(words: int) -> int:
    """Return the width of an address.

    Parameters
    ----------
    words : int
        Words that it tells apart.

    Returns
    -------
    int
        Bits, at least 1.
    """
    return max(1, (words - 1).bit_length())


def resize(value: Any, bits: int) -> Any:
    """Return an unsigned value in some bits.

    Parameters
    ----------
    value : Value
        The value.
    bits : int
        Bits, of which it may need fewer.

    Returns
    -------
    Value
        As many bits.
    """
    return (value | Const(0, bits))[:bits]


class Parts:
    """Signals and memories of a core.

    Parameters
    ----------
    m : Module
        The circuit.
    core : Component
        The core, for its ports.
    design : CoreDesign
        Its design.
    contents : mapping of str to ndarray, shape (words, lanes)
        Initial contents of its memories, from `binnet.chips.contents.fill_memories`.
    """

    def __init__(
        self, m: Any, core: Any, design: CoreDesign, contents: Mapping[str, NDArray[Any]]
    ) -> None:
        self.m = m
        self.core = core
        self.design = design
        self._add_sizes(design)
        self._add_memories(design, contents)
        self._add_registers(design)
        self._add_signals(design)

    def _add_sizes(self, design: CoreDesign) -> None:
        """Set widths and counts."""
        H, G, R = design.n_neurons, design.n_groups, design.n_readout_groups
        learning = design.learning
        self.most_samples = B = 1 if learning is None else learning.batch_size
        self.is_per_event = learning is not None and learning.rounding == "per-event"
        self.sources = (H, design.n_inputs, H)  # presynaptic neurons of each block
        self.group_bits = count_address_bits(max(G, R) + 1)
        self.word_bits = count_address_bits(G)
        self.lane_bits = count_address_bits(design.elements)
        self.sample_bits = count_address_bits(B)
        self.sample_count_bits = B.bit_length()
        self.place_bits = count_address_bits(G + R)  # of a group among those of both kinds
        self.source_bits = count_address_bits(max(self.sources))
        self.address_bits = count_address_bits(max(memory.words for memory in design.memories) + 1)
        # Two slots of states in turn, then one for each sample of a batch.
        self.slots = 2 if design.learning is None else 2 + B
        # Beside each other stand the bits of an input, or an input of each sample of a batch.
        planes = design.input_bits if design.input_bits > 1 else B
        self.planes = planes
        self.plane_bits = count_address_bits(planes)
        # Where thresholds are added, a sum can become twice the largest field.
        self.sum_bits = design.accumulator_bits + (design.learning is not None)

    def _add_memories(self, design: CoreDesign, contents: Mapping[str, NDArray[Any]]) -> None:
        """Add the memories that commands reach, and those of the work."""
        self.readers: dict[str, Any] = {}
        self.writers: dict[str, Any] = {}
        P = design.elements
        for memory in design.memories:
            words = pack_words(contents[memory.name], memory)
            self.add_memory(memory.name, memory.lanes * memory.bits, words, prefix="core_")
        self.add_memory("inputs", 1, [0] * (design.n_inputs << self.plane_bits))
        self.add_memory("sums", P * self.sum_bits, [0] * design.n_groups)
        self.add_memory("states", P, [0] * (self.slots << self.word_bits))
        if design.event_driven:
            # Neurons that flip, in the sweep before and in this: number, group, lane and spin.
            bits = self.source_bits + self.word_bits + self.lane_bits + 1
            self.add_memory("flips", bits, [0] * (2 << self.source_bits))
        if design.learning is not None:
            # Of each lane whether it learns, then its target; of all groups, and of the one whose
            # weights change.
            B = self.most_samples
            self.add_memory("learns", 2 * P, [0] * (B << self.place_bits))
            self.add_memory("events", 2 * P, [0] * B)

    def add_memory(self, name: str, bits: int, words: list[int], prefix: str = "work_") -> None:
        """Add a memory with a port that reads and one that writes.

        Parameters
        ----------
        name : str
            Its name.
        bits : int
            Bits of a word.
        words : list of int
            Initial contents.
        prefix : str
            Of its name in the netlist.
        """
        # No word is read while it is written, so tools need not add logic for that case.
        memory = Memory(
            shape=unsigned(bits), depth=len(words), init=words, attrs={"no_rw_check": 1}
        )
        self.m.submodules[prefix + name] = memory
        self.readers[name], self.writers[name] = memory.read_port(), memory.write_port()
        self.m.d.comb += [self.readers[name].en.eq(0)]

    def _add_registers(self, design: CoreDesign) -> None:
        """Add the register map, by names; constants are no registers."""
        self.registers = {}
        for row in list_registers(design):
            shape = signed(row.bits) if row.signed else unsigned(row.bits)
            self.registers[row.name] = Signal(shape, init=row.reset, name=row.name.lower())

    def _add_signals(self, design: CoreDesign) -> None:
        """Add the registers of the work."""
        P = design.elements
        words = max(memory.stream_words for memory in design.memories)
        # Words of 32 bits go in at its top and come out at its bottom.
        self.wide = Signal(WORD_BITS * max(words, -(-P // WORD_BITS)))
        self.chunks = Signal(range(len(self.wide) // WORD_BITS + 1))  # of a word that go or come
        self.memory_chunks = Signal.like(self.chunks)  # of the memory that a command names
        self.is_beyond = Signal()  # whether its end is before the word that is asked for
        self.argument, self.number = Signal(8), Signal(16)
        self.group = Signal(self.group_bits)
        self.base = Signal(self.address_bits)  # of the words of a group
        self.block = Signal(2)
        self.slot = Signal()  # of the state now; the next one goes to the other
        self.sweeps = Signal(SWEEP_BITS)
        self.silent = Signal()
        self.learns = Signal()  # LEARN, not INFER
        self.spins = Signal(P)  # that follow from the sums
        self.own, self.old = Signal(P), Signal(P)  # spins now, and a sweep before
        self.changed, self.differs = Signal(), Signal()  # from those, any neuron so far
        self.settled, self.is_cycle, self.closes_cycle = Signal(), Signal(), Signal()
        self.is_end = Signal()  # of the relaxation
        self.feedback_on = Signal()
        self.class_ = Signal(range(max(2, design.n_outputs)))
        self.best = Signal(signed(self.sum_bits))
        self.label = Signal(8)
        self.can_push = Signal()
        if design.event_driven:
            self.walks_all = Signal()  # all neurons, not those alone that have flipped
            count = range(design.n_neurons + 1)
            self.n_flips, self.n_new_flips = Signal(count), Signal(count)
            self.flips = Signal(P)  # of the group, which are not in the list yet
            self.first_source = Signal(self.source_bits)  # of the group
        if design.learning is not None:
            self._add_learning_signals(design)

    def _add_learning_signals(self, design: CoreDesign) -> None:
        """Add the registers of the work of a core that learns."""
        P = design.elements
        self.sample = Signal(self.sample_count_bits)  # samples in the batch so far
        self.turn = Signal(SWEEP_BITS)  # sweeps of the schedule that are over
        self.feedback_base = Signal(range(max(2, design.n_outputs * design.n_groups)))
        self.testing = Signal()  # whether stabilities are tested, not spins updated
        self.unstable = Signal(P)  # lanes that follow from the sums
        self.wrong, self.targets = Signal(P), Signal(P)  # of readouts
        self.is_read_out = Signal()  # whether all classes are
        self.minus_readout_threshold = Signal(signed(self.sum_bits))
        self.has_feedback = Signal()  # whether the next sweep of the schedule has the feedback
        self.is_decay_due = Signal()
        self.register_word = Signal(16 * P)  # that was asked for, of neurons or of readouts
        self.is_readout_asked = Signal()
        self.thins, self.draw_mask = Signal(), Signal(16)  # of events, where they are rounded

    @property
    def sums(self) -> Any:
        """The word of the memory of sums that was asked for, by lanes."""
        data, n = self.readers["sums"].data, self.sum_bits
        return [data[n * p : n * (p + 1)].as_signed() for p in range(self.design.elements)]

    def split_flip(self) -> tuple[Any, Any, Any, Any]:
        """Return the neuron that was asked for in the list of those that have flipped.

        Returns
        -------
        source, word, lane, spin : Value
            Its number, group and lane, and its spin now.
        """
        data, parts = self.readers["flips"].data, []
        for bits in (self.source_bits, self.word_bits, self.lane_bits, 1):
            parts.append(data[:bits])
            data = data[bits:]
        source, word, lane, spin = parts
        return source, word, lane, spin

    def mask_lanes(self, count: int) -> Any:
        """Return the lanes of the group that hold a neuron.

        Parameters
        ----------
        count : int
            Neurons of all groups.

        Returns
        -------
        Value
            One bit a lane.
        """
        P = self.design.elements
        full, rest = Const((1 << P) - 1, P), count % P
        return Mux(self.group == count // P, Const((1 << rest) - 1, P), full) if rest else full

    def read(self, name: str, address: Any) -> Any:
        """Return the statements that ask a memory for a word; it is there a cycle later, and stays.

        Parameters
        ----------
        name : str
            The memory.
        address : Value
            Its address.

        Returns
        -------
        list
            Statements.
        """
        return [self.readers[name].addr.eq(address), self.readers[name].en.eq(1)]

    def get_stored(self, memory: CoreMemory) -> Any:
        """Return a word of a memory that has come in.

        Parameters
        ----------
        memory : CoreMemory
            The memory.

        Returns
        -------
        Value
            As many bits as it has.
        """
        return self.wide[len(self.wide) - WORD_BITS * memory.stream_words :][
            : memory.lanes * memory.bits
        ]

    def write(self, name: str, address: Any, data: Any = None) -> Any:
        """Return the statements that write a word.

        Parameters
        ----------
        name : str
            The memory.
        address : Value
            Its address.
        data : Value, optional
            The word. Default: what the port has in all cycles.

        Returns
        -------
        list
            Statements.
        """
        port = self.writers[name]
        word = [] if data is None else [port.data.eq(data)]
        return [port.addr.eq(address), port.en.eq(1), *word]

    def push(self, word: Any, last: Any = 0) -> Any:
        """Return the statements that send a word, for a cycle in which `can_push` is up.

        Parameters
        ----------
        word : Value
            The word.
        last : Value, default 0
            Whether it is the last one of an answer.

        Returns
        -------
        list
            Statements.
        """
        core = self.core
        return [core.m_axis_tdata.eq(word), core.m_axis_tlast.eq(last), core.m_axis_tvalid.eq(1)]


def pack_words(lanes: NDArray[Any], memory: CoreMemory) -> list[int]:
    """Return words of a memory as integers, lane 0 at the lowest bits.

    Parameters
    ----------
    lanes : ndarray of int, shape (words, lanes)
        Contents.
    memory : CoreMemory
        Their memory; of one bit, a positive integer is 1 and others are 0.

    Returns
    -------
    list of int
        The words.
    """
    codes = np.asarray(lanes > 0 if memory.bits == 1 else lanes, np.int64)
    mask = (1 << memory.bits) - 1
    return [
        sum((code & mask) << memory.bits * lane for lane, code in enumerate(row))
        for row in codes.tolist()
    ]
