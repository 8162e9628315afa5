"""States of a core that relax a sample and read out its class, in Amaranth.

The module needs the extra "hdl".
"""

from __future__ import annotations

from functools import reduce
from operator import or_

try:
    from amaranth.hdl import Array, Cat, Const, Mux, Signal
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.design import WORD_BITS
from binnet.chips.lanes import Lanes
from binnet.chips.learning_states import add_feedback, find_wrong, keep_unstable
from binnet.chips.parts import (
    COUPLINGS,
    INPUT_WEIGHTS,
    NO_LIMIT,
    READOUT,
    SWEEP_BITS,
    Parts,
    resize,
)


def add_relaxing(p: Parts, lanes: Lanes) -> None:
    """Add what relaxations need besides states.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m, registers = p.m, p.registers
    signs = Cat(~total[-1] for total in lanes.sums)  # sign(0) = +1
    m.d.comb += p.spins.eq(signs & p.mask_lanes(p.design.n_neurons))
    m.d.comb += p.closes_cycle.eq(p.changed & ~p.differs & (p.sweeps >= 2))
    limit = Signal(SWEEP_BITS)
    m.d.comb += limit.eq(Mux(registers["MAX_SWEEPS"] == 0, NO_LIMIT, registers["MAX_SWEEPS"]))
    stops = p.is_cycle & registers["CONTROL"][1]
    m.d.comb += p.is_end.eq(p.settled | stops | (p.sweeps == limit))


def add_external_states(p: Parts, lanes: Lanes) -> None:
    """Add the states that sum the field of the inputs, once a sample.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m = p.m
    with m.State("INPUTS"):
        m.d.sync += p.block.eq(INPUT_WEIGHTS)
        m.d.sync += [total.eq(0) for total in lanes.sums]
        m.d.sync += lanes.start()
        m.next = "SUM_INPUTS"
    with m.State("SUM_INPUTS"), m.If(lanes.is_over):
        m.next = "KEEP_INPUTS"
    with m.State("KEEP_INPUTS"):
        m.d.comb += p.write("sums", p.group)
        m.d.sync += [p.group.eq(p.group + 1), p.base.eq(p.base + p.design.n_inputs)]
        m.next = "INPUTS"
        with m.If(p.group == p.design.n_groups - 1):
            m.next = "BEGIN_SWEEP"
            if p.design.learning is not None:
                with m.If(p.learns):
                    m.next = "NEXT_TURN"


def add_sweep_states(p: Parts, lanes: Lanes) -> None:
    """Add the states of a sweep: of each group the fields, and the spins that follow.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m, P, learning = p.m, p.design.elements, p.design.learning
    word, there = p.group[: p.word_bits], p.readers["states"].data
    with m.State("BEGIN_SWEEP"):
        m.d.sync += [p.block.eq(COUPLINGS), p.group.eq(0), p.base.eq(0)]
        m.d.sync += [p.changed.eq(p.silent), p.differs.eq(0)]
        if p.design.event_driven:
            m.d.sync += [p.n_new_flips.eq(0), p.first_source.eq(0)]
        m.next = "FETCH_GROUP"
    with m.State("FETCH_GROUP"):
        m.d.comb += p.read("states", Cat(word, p.slot)) + p.read("sums", p.group)
        if learning is not None:
            m.d.comb += p.read("feedback", p.feedback_base + p.group)
        m.d.sync += [total.eq(0) for total in lanes.sums]
        m.next = "ADD_INPUTS"
    with m.State("ADD_INPUTS"):
        m.d.comb += p.read("states", Cat(word, ~p.slot))
        m.d.sync += p.own.eq(there)
        m.d.comb += [other.eq(kept) for other, kept in zip(lanes.others, p.sums, strict=True)]
        walks = p.walks_all | (p.n_flips != 0) if p.design.event_driven else Const(1)
        with m.If(~p.silent & walks):
            m.d.sync += lanes.start()
        m.next = "FETCH_OLD"
    if p.design.event_driven:
        add_events_states(p, lanes)
    else:
        with m.State("FETCH_OLD"):
            m.d.sync += p.old.eq(there)
            m.next = "ADD_FEEDBACK"
        with m.State("ADD_FEEDBACK"):
            add_feedback(p, lanes)
            m.next = "SUM_GROUP"
        with m.State("SUM_GROUP"), m.If(lanes.is_over):
            m.next = "END_GROUP"
    with m.State("END_GROUP"):
        m.d.comb += p.write("states", Cat(word, ~p.slot), p.spins)
        m.d.sync += [p.wide.eq(p.spins), p.chunks.eq(-(-P // WORD_BITS))]
        if learning is not None:
            with m.If(p.testing):
                keep_unstable(p)
        m.d.sync += p.changed.eq(p.changed | (p.spins != p.own))
        m.d.sync += p.differs.eq(p.differs | (p.spins != p.old))
        if p.design.event_driven:
            # After silence all neurons are walked, and after the stabilities none.
            is_last = p.testing if learning is not None else Const(0)
            m.d.sync += p.flips.eq(Mux(p.silent | is_last, 0, p.spins ^ p.own))
            m.next = "LIST_FLIPS"
        else:
            leave_group(p)
    with m.State("SEND_SPINS"), m.If(p.can_push):
        m.d.sync += p.push(p.wide[:WORD_BITS])
        m.d.sync += [p.wide.eq(p.wide >> WORD_BITS), p.chunks.eq(p.chunks - 1)]
        with m.If(p.chunks == 1):
            _go_on(p)


def leave_group(p: Parts) -> None:
    """Send what follows from the sums, where that is asked for, and go on.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    with p.m.If(p.registers["CONTROL"][0]):
        p.m.next = "SEND_SPINS"
    with p.m.Else():
        _go_on(p)


def add_events_states(p: Parts, lanes: Lanes) -> None:
    """Add the states of a group where only neurons that have flipped are walked.

    Sums of inputs and couplings, the self-coupling among them, are kept from sweep to sweep; the
    feedback is added after that.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m, P = p.m, p.design.elements
    with m.State("FETCH_OLD"):
        m.d.sync += p.old.eq(p.readers["states"].data)
        m.next = "SUM_GROUP"
    with m.State("SUM_GROUP"), m.If(lanes.is_over):
        m.next = "KEEP_GROUP"
    with m.State("KEEP_GROUP"):
        m.d.comb += p.write("sums", p.group)
        add_feedback(p, lanes)
        m.next = "ADD_FEEDBACK"
    with m.State("ADD_FEEDBACK"):
        m.next = "END_GROUP"
    lowest = Signal(P)
    lane = Signal(p.lane_bits)
    with m.State("LIST_FLIPS"):
        m.d.comb += lowest.eq(p.flips & -p.flips)
        places = (Mux(lowest[place], place, 0) for place in range(P))
        m.d.comb += lane.eq(reduce(or_, places))
        spin = (lowest & p.wide[:P]).any()
        flip = Cat(
            resize(p.first_source + lane, p.source_bits),
            p.group[: p.word_bits],
            lane,
            spin,
        )
        with m.If(p.flips == 0):
            leave_group(p)
            m.d.sync += p.first_source.eq(p.first_source + P)
        with m.Else():
            m.d.comb += p.write("flips", Cat(resize(p.n_new_flips, p.source_bits), ~p.slot), flip)
            m.d.sync += p.n_new_flips.eq(p.n_new_flips + 1)
            m.d.sync += p.flips.eq(p.flips ^ lowest)


def _go_on(p: Parts) -> None:
    """Go to the next group, or end the sweep."""
    m = p.m
    m.d.sync += [p.group.eq(p.group + 1), p.base.eq(p.base + p.design.n_neurons)]
    m.next = "FETCH_GROUP"
    with m.If(p.group == p.design.n_groups - 1):
        m.next = "END_SWEEP"
        if p.design.learning is not None:
            with m.If(p.testing):
                m.d.sync += p.group.eq(0)
                m.next = "FETCH_WRONG"


def add_end_states(p: Parts) -> None:
    """Add the states that decide whether another sweep follows.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    m = p.m
    with m.State("END_SWEEP"):
        m.d.sync += [p.sweeps.eq(p.sweeps + 1), p.slot.eq(~p.slot), p.silent.eq(0)]
        if p.design.event_driven:
            m.d.sync += [p.n_flips.eq(p.n_new_flips), p.walks_all.eq(p.silent)]
        m.d.sync += [p.settled.eq(~p.changed), p.is_cycle.eq(p.closes_cycle & ~p.learns)]
        m.next = "NEXT_SWEEP"
        if p.design.learning is not None:
            with m.If(p.learns):
                m.next = "NEXT_TURN"
    with m.State("NEXT_SWEEP"):
        m.next = "BEGIN_SWEEP"
        with m.If(p.is_end):
            m.d.sync += [p.group.eq(0), p.base.eq(0), p.class_.eq(0)]
            m.next = "READ_OUT"


def add_readout_states(p: Parts, lanes: Lanes) -> None:
    """Add the states that read out the class with the largest field, one class after another.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m, design = p.m, p.design
    n_lanes = min(design.elements, design.n_outputs)
    lane = Signal(range(max(2, n_lanes)))
    field = Signal.like(p.best)
    with m.State("READ_OUT"):
        m.d.sync += p.block.eq(READOUT)
        m.d.sync += [total.eq(0) for total in lanes.sums]
        m.d.sync += [lanes.start(), lane.eq(0)]
        if design.learning is not None:
            m.d.sync += p.wrong.eq(0)
        m.next = "SUM_READOUT"
    with m.State("SUM_READOUT"), m.If(lanes.is_over):
        m.next = "PICK"
    with m.State("PICK"):
        m.d.sync += field.eq(Array(lanes.sums[:n_lanes])[lane])
        m.next = "COMPARE"
    trace = p.registers["CONTROL"][0]
    with m.State("COMPARE"), m.If(p.can_push | ~trace):
        with m.If(trace):
            m.d.sync += p.push(field)
        with m.If((p.class_ == 0) | (field > p.best)):
            m.d.sync += [p.best.eq(field), p.label.eq(p.class_)]
        if design.learning is not None:
            find_wrong(p, lane, field)
        m.d.sync += [p.class_.eq(p.class_ + 1), lane.eq(lane + 1)]
        m.next = "PICK"
        is_end = p.class_ == design.n_outputs - 1
        with m.If(is_end | (lane == n_lanes - 1)):
            m.d.sync += [p.group.eq(p.group + 1), p.base.eq(p.base + design.n_neurons)]
            m.next = "READ_OUT"
            with m.If(is_end):
                m.next = "RESULT"
            if design.learning is not None:
                with m.If(p.learns):
                    m.d.sync += [p.group.eq(p.group), p.is_read_out.eq(is_end)]
                    m.next = "KEEP_WRONG"
    with m.State("RESULT"), m.If(p.can_push):
        m.d.sync += p.push(Cat(p.label, p.settled, p.is_cycle, Const(0, 6), p.sweeps), 1)
        m.next = "IDLE"
        if design.learning is not None:
            with m.If(p.learns):
                m.next = "END_SAMPLE"
