"""Commands of a core: its streams, register map and memories, in Amaranth.

The module needs the extra "hdl".
"""

from __future__ import annotations

from typing import Any

try:
    from amaranth.hdl import Cat, Const, Mux, Signal
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.design import WORD_BITS
from binnet.chips.parts import BLOCKS, Parts
from binnet.chips.protocol import Operation
from binnet.chips.registers import list_registers
from binnet.chips.weight_ports import WeightPorts


def add_streams(p: Parts) -> None:
    """Add what streams need besides states.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    m, core = p.m, p.core
    m.d.comb += p.can_push.eq(~core.m_axis_tvalid | core.m_axis_tready)
    with m.If(core.m_axis_tready):
        m.d.sync += core.m_axis_tvalid.eq(0)
    with m.Switch(p.argument):
        for memory in p.design.memories:
            with m.Case(memory.number):
                m.d.comb += p.memory_chunks.eq(memory.stream_words)
                m.d.comb += p.is_beyond.eq(p.base >= memory.words)


def add_command_states(p: Parts) -> None:
    """Add the states that take headers, and those of SET and GET.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    m, core, design = p.m, p.core, p.design
    header = core.s_axis_tdata
    numbers = [row.number for row in list_registers(design)]
    argument, number = header[8:16], header[16:]
    has_register = _is_one_of(argument, numbers)
    has_memory = _is_one_of(argument, [memory.number for memory in design.memories])
    with m.State("IDLE"):
        m.d.comb += core.s_axis_tready.eq(1)
        m.d.sync += [p.argument.eq(argument), p.number.eq(number)]
        m.d.sync += [p.learns.eq(0), p.base.eq(0)]
        with m.If(core.s_axis_tvalid), m.Switch(header[:8]):
            with m.Case(Operation.SET):
                _enter(p, has_register, "SET")
            with m.Case(Operation.GET):
                _enter(p, has_register, "GET")
            with m.Case(Operation.INFER):
                m.next = "TAKE_INPUTS"
            with m.Case(Operation.WRITE, Operation.READ):
                m.d.sync += p.learns.eq(header[:8] == Operation.WRITE)
                _enter(p, has_memory, "TAKE_ADDRESS")
            if design.learning is not None:
                with m.Case(Operation.LEARN):
                    m.d.sync += p.learns.eq(1)
                    m.d.sync += [p.class_.eq(0), p.feedback_base.eq(0)]
                    _enter(p, number < design.n_outputs, "SEEK_FEEDBACK")
                with m.Case(Operation.UPDATE):
                    m.next = "UPDATE"
            with m.Default():
                _enter(p, Const(0), "IDLE")
    with m.State("SET"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            m.next = "IDLE"
            with m.Switch(p.argument):
                for row in list_registers(design):
                    if row.writable:
                        with m.Case(row.number):
                            m.d.sync += p.registers[row.name].eq(core.s_axis_tdata)
                            if row.name == "CONTROL":
                                m.d.sync += p.registers["STATUS"].eq(0)
    with m.State("GET"), m.If(p.can_push):
        m.next = "IDLE"
        with m.Switch(p.argument):
            for row in list_registers(design):
                with m.Case(row.number):
                    m.d.sync += p.push(p.registers[row.name], 1)


def _is_one_of(value: Any, numbers: list[int]) -> Any:
    return Cat(value == number for number in numbers).any()


def _enter(p: Parts, is_known: Any, state: str) -> None:
    """Go on with a command, or pass over it."""
    with p.m.If(is_known):
        p.m.next = state
    with p.m.Else():
        p.m.d.sync += p.registers["STATUS"][0].eq(1)


def add_memory_states(p: Parts, weights: WeightPorts) -> None:
    """Add the states of WRITE and READ.

    Parameters
    ----------
    p : Parts
        The circuit.
    weights : WeightPorts
        Its weights.
    """
    m, core = p.m, p.core
    memories = p.design.memories
    data = core.s_axis_tdata
    remaining = Signal(WORD_BITS)
    with m.State("TAKE_ADDRESS"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            # All ones is beyond the end of any memory.
            m.d.sync += p.base.eq(Mux(data[p.address_bits :].any(), ~0, data))
            m.next = "TAKE_COUNT"
    with m.State("TAKE_COUNT"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            m.d.sync += [remaining.eq(data), p.block.eq(p.argument)]
            if p.design.learning is not None:
                m.d.sync += p.is_readout_asked.eq(p.argument[0])  # of the last two memories
            m.next = "NEXT_WORD"
    with m.State("NEXT_WORD"):
        m.d.sync += p.chunks.eq(p.memory_chunks)
        m.d.sync += remaining.eq(remaining - 1)
        m.d.comb += weights.read(p.base)
        for memory in memories[len(BLOCKS) :]:
            m.d.comb += p.read(memory.name, p.base)
        with m.If(remaining == 0):
            m.next = "IDLE"
        with m.Else():
            with m.If(p.is_beyond):
                m.d.sync += p.registers["STATUS"][1].eq(1)
            m.next = "FETCH"
            with m.If(p.learns):
                m.next = "TAKE_WORD"
    with m.State("TAKE_WORD"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            m.d.sync += [p.wide.eq(Cat(p.wide[WORD_BITS:], data)), p.chunks.eq(p.chunks - 1)]
            with m.If(p.chunks == 1):
                m.next = "STORE"
    with m.State("STORE"):
        m.d.comb += weights.is_stored.eq(1)
        with m.If(~p.is_beyond):
            m.d.sync += p.base.eq(p.base + 1)
            with m.Switch(p.argument):
                with m.Case(*range(len(BLOCKS))):
                    m.d.comb += weights.is_written.eq(1)
                for memory in memories[len(BLOCKS) :]:
                    with m.Case(memory.number):
                        m.d.comb += p.write(memory.name, p.base)
        m.next = "NEXT_WORD"
    with m.State("FETCH"):
        m.d.sync += p.wide.eq(0)
        with m.If(~p.is_beyond):
            m.d.sync += p.base.eq(p.base + 1)
            with m.Switch(p.argument):
                for memory in memories[: len(BLOCKS) + 1]:
                    word = p.readers[memory.name].data
                    if memory.number < len(BLOCKS):
                        word = weights.get_word(memory.number)
                    with m.Case(memory.number):
                        m.d.sync += p.wide.eq(word)
                if p.design.learning is not None:
                    with m.Default():
                        m.d.sync += p.wide.eq(p.register_word)
        m.next = "SEND_WORD"
    with m.State("SEND_WORD"), m.If(p.can_push):
        is_last = p.chunks == 1
        m.d.sync += p.push(p.wide[:WORD_BITS], is_last & (remaining == 0))
        m.d.sync += [p.wide.eq(p.wide >> WORD_BITS), p.chunks.eq(p.chunks - 1)]
        with m.If(is_last):
            m.next = "NEXT_WORD"


def add_input_states(p: Parts) -> None:
    """Add the states that take the inputs, bit after bit, and the states to begin with.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    m, core, design = p.m, p.core, p.design
    data = core.s_axis_tdata
    place, n = Signal(range(WORD_BITS)), Signal(range(max(2, design.n_inputs)))
    plane = Signal(p.plane_bits)
    is_graded = design.input_bits > 1
    with m.State("TAKE_INPUTS"):
        m.d.comb += core.s_axis_tready.eq(1)
        m.d.sync += [n.eq(0), place.eq(0), p.group.eq(0), p.sweeps.eq(0), p.slot.eq(0)]
        m.d.sync += [p.silent.eq(1), p.feedback_on.eq(0), p.settled.eq(0), plane.eq(0)]
        if design.event_driven:
            m.d.sync += p.walks_all.eq(1)
        if design.learning is not None:
            m.d.sync += [plane.eq(p.sample), p.turn.eq(0), p.testing.eq(0)]
        with m.If(core.s_axis_tvalid):
            m.d.sync += p.wide.eq(data)
            m.next = "STORE_INPUTS"
    with m.State("STORE_INPUTS"):
        m.d.comb += p.write("inputs", Cat(plane, n), p.wide[0])
        m.d.sync += [p.wide.eq(p.wide >> 1), place.eq(place + 1)]
        is_end = plane == design.input_bits - 1 if is_graded else Const(1)
        if is_graded:
            m.d.sync += plane.eq(Mux(is_end, 0, plane + 1))
        with m.If(is_end):
            m.d.sync += n.eq(n + 1)
        with m.If(is_end & (n == design.n_inputs - 1)):
            m.d.sync += p.chunks.eq(-(-design.elements // WORD_BITS))
            m.next = "INPUTS"
            with m.If(~p.learns & p.argument[0]):
                m.d.sync += p.silent.eq(0)
                m.next = "TAKE_STATES"
        with m.Elif(place == WORD_BITS - 1):
            m.next = "MORE_INPUTS"
    with m.State("MORE_INPUTS"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            m.d.sync += p.wide.eq(data)
            m.next = "STORE_INPUTS"
    with m.State("TAKE_STATES"):
        m.d.comb += core.s_axis_tready.eq(1)
        with m.If(core.s_axis_tvalid):
            m.d.sync += [p.wide.eq(Cat(p.wide[WORD_BITS:], data)), p.chunks.eq(p.chunks - 1)]
            with m.If(p.chunks == 1):
                m.next = "STORE_STATES"
    with m.State("STORE_STATES"):
        words = -(-design.elements // WORD_BITS)
        first = len(p.wide) - WORD_BITS * words
        spins = p.wide[first:][: design.elements] & p.mask_lanes(design.n_neurons)
        m.d.comb += p.write("states", Cat(p.group[: p.word_bits], p.slot), spins)
        m.d.sync += [p.chunks.eq(words), p.group.eq(p.group + 1)]
        m.next = "TAKE_STATES"
        with m.If(p.group == design.n_groups - 1):
            m.d.sync += p.group.eq(0)
            m.next = "INPUTS"
