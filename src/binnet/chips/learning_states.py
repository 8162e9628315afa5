"""States of a core that learn from a sample: schedule, stabilities and who is wrong, in Amaranth.

The module needs the extra "hdl".
"""

from __future__ import annotations

from typing import Any

try:
    from amaranth.hdl import Cat, Mux, Signal
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.design import WORD_BITS
from binnet.chips.lanes import Lanes
from binnet.chips.parts import NO_LIMIT, Parts, resize


def add_learning(p: Parts, lanes: Lanes) -> None:
    """Add what learning from a sample needs besides states.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    m, registers = p.m, p.registers
    # The sums are s h - threshold, less than 0 where that is said of them, times s.
    negative = Cat(total[-1] for total in lanes.sums)
    m.d.comb += p.unstable.eq(~(negative ^ p.own) & p.mask_lanes(p.design.n_neurons))
    starts, ends = registers["WARMUP"], registers["FEEDBACK"]
    m.d.comb += p.has_feedback.eq((p.turn >= starts) & (p.turn < ends))
    m.d.sync += p.minus_readout_threshold.eq(-registers["READOUT_THRESHOLD"])
    period = Signal(WORD_BITS)
    m.d.comb += period.eq((1 << registers["DECAY_PERIOD"]) - 1)
    is_time = (registers["BATCHES"] & period) == 0
    m.d.sync += p.is_decay_due.eq(is_time & registers["DECAYS"].any())


def add_feedback(p: Parts, lanes: Lanes) -> None:
    """Add the statements for the last term of a field that learns: the feedback, or a threshold.

    Parameters
    ----------
    p : Parts
        The circuit.
    lanes : Lanes
        Its lanes.
    """
    if p.design.learning is None:
        return
    m, threshold = p.m, p.registers["THRESHOLD"]
    bits, data = p.design.feedback_bits, p.readers["feedback"].data
    for lane, other in enumerate(lanes.others):
        with m.If(p.testing):
            # h - threshold - 1 < 0 and h + threshold >= 0 say h <= threshold, -h <= threshold.
            m.d.comb += other.eq(threshold ^ p.own[lane].replicate(len(other)))
        with m.Elif(p.feedback_on):
            m.d.comb += other.eq(data[bits * lane : bits * (lane + 1)].as_signed())


def keep_unstable(p: Parts) -> None:
    """Add the statements that keep the neurons that learn, and the state, for the update.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    word = p.group[: p.word_bits]
    place = resize(p.group, p.place_bits)
    p.m.d.comb += p.write("states", Cat(word, p.sample + 2), p.own)
    p.m.d.comb += p.write("learns", Cat(place, p.sample), Cat(p.unstable, p.own))
    p.m.d.sync += p.wide.eq(p.unstable)


def find_wrong(p: Parts, lane: Any, field: Any) -> None:
    """Add the statements that find whether a readout learns.

    Parameters
    ----------
    p : Parts
        The circuit.
    lane : Signal
        Its lane.
    field : Signal
        Its field.
    """
    is_label = p.class_ == p.number
    is_wrong = Mux(
        is_label,
        field <= p.registers["READOUT_THRESHOLD"],
        field >= p.minus_readout_threshold,
    )
    p.m.d.sync += p.wrong.bit_select(lane, 1).eq(is_wrong)
    p.m.d.sync += p.targets.bit_select(lane, 1).eq(is_label)


def add_learning_states(p: Parts) -> None:
    """Add the states around a sample that is learned.

    Parameters
    ----------
    p : Parts
        The circuit.
    """
    m, design, registers = p.m, p.design, p.registers
    limit = registers["SWEEPS"]
    with m.State("SEEK_FEEDBACK"):
        m.d.sync += [p.class_.eq(p.class_ + 1)]
        m.d.sync += p.feedback_base.eq(p.feedback_base + design.n_groups)
        with m.If(p.class_ == p.number):
            m.d.sync += p.feedback_base.eq(p.feedback_base)
            m.next = "TAKE_INPUTS"
    with m.State("NEXT_TURN"):
        m.d.sync += [p.turn.eq(p.turn + 1), p.feedback_on.eq(p.has_feedback)]
        m.next = "BEGIN_SWEEP"
        with m.If(p.settled & (p.has_feedback == p.feedback_on)):
            m.next = "NEXT_TURN"
        with m.If(p.turn == Mux(limit == 0, NO_LIMIT, limit)):
            m.d.sync += [p.group.eq(0), p.base.eq(0), p.class_.eq(0)]
            m.next = "READ_OUT"
    word = Cat(resize(p.group + design.n_groups, p.place_bits), p.sample)
    with m.State("KEEP_WRONG"):
        m.d.comb += p.write("learns", word, Cat(p.wrong, p.targets))
        m.d.sync += [p.group.eq(p.group + 1), p.wrong.eq(0)]
        m.next = "READ_OUT"
        with m.If(p.is_read_out):
            m.d.sync += p.testing.eq(1)
            m.next = "BEGIN_SWEEP"
    with m.State("FETCH_WRONG"):
        m.d.comb += p.read("learns", word)
        m.d.sync += p.chunks.eq(-(-design.elements // WORD_BITS))
        m.next = "RESULT"
        with m.If(registers["CONTROL"][0]):
            m.next = "LOAD_WRONG"
    with m.State("LOAD_WRONG"):
        m.d.sync += p.wide.eq(p.readers["learns"].data[: design.elements])
        m.next = "SEND_WRONG"
    with m.State("SEND_WRONG"), m.If(p.can_push):
        m.d.sync += p.push(p.wide[:WORD_BITS])
        m.d.sync += [p.wide.eq(p.wide >> WORD_BITS), p.chunks.eq(p.chunks - 1)]
        with m.If(p.chunks == 1):
            m.d.sync += p.group.eq(p.group + 1)
            m.next = "FETCH_WRONG"
            with m.If(p.group == design.n_readout_groups - 1):
                m.next = "RESULT"
    with m.State("END_SAMPLE"):
        count = p.sample + 1
        m.d.sync += p.sample.eq(count)
        m.next = "IDLE"
        with m.If((count >= registers["BATCH_SIZE"]) | (count == p.most_samples)):
            m.next = "UPDATE"
