"""Lanes of a core: a weight becomes a term of a field, and terms are summed, in Amaranth.

A presynaptic neuron, or input, goes through four stages, one a cycle: its address; its spin, with
the address of its weights; its weights, which become terms; the sums. A term is complemented where
it is subtracted, and one carry for all lanes makes it negative.

The module needs the extra "hdl".
"""

from __future__ import annotations

from typing import Any

try:
    from amaranth.hdl import Cat, Const, Mux, Signal, signed
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.parts import COUPLINGS, INPUT_WEIGHTS, Parts
from binnet.chips.weight_ports import WeightPorts
from binnet.hardware.learning_image import TAPS


def decode_weight(code: Any, bits: int) -> Any:
    """Return the integer that a code of a memory stands for.

    Parameters
    ----------
    code : Value
        The code; of one bit, 1 is +1 and 0 is -1.
    bits : int
        Its bits.

    Returns
    -------
    Value
        A signed integer.
    """
    # -1 is 11, and +1 is 01.
    return Cat(Const(1, 1), ~code).as_signed() if bits == 1 else code.as_signed()


def expose_weight(code: Any, stored: int, bits: int) -> Any:
    """Return what fields see of a stored weight (docs/model/arithmetic.md, eq. (3.5)).

    Parameters
    ----------
    code : Value
        Its code.
    stored, bits : int
        Bits that are stored, and those that are seen.

    Returns
    -------
    Value
        A signed integer.
    """
    if stored == bits:
        return decode_weight(code, bits)
    if bits == 1:
        return decode_weight(~code[stored - 1], 1)
    unseen = stored - bits
    rounded = code[unseen:].as_signed() + code[unseen - 1]  # a bit wider
    return saturate(rounded, bits)


def saturate(value: Any, bits: int) -> Any:
    """Return a sum as a weight of some bits, which holds on to the end of its range.

    Parameters
    ----------
    value : Value
        A signed integer; of one bit, an odd one.
    bits : int
        Bits of the weight.

    Returns
    -------
    Value
        A signed integer of as many bits, or of 2 where they are 1.
    """
    if bits == 1:
        return decode_weight(~value[-1], 1)
    low, high = (-1, 1) if bits == 2 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if bits == 2:
        is_low, is_high = value < low, value > high
    else:  # beyond where the bits above are not all its sign
        above = value[bits - 1 :]
        is_beyond = ~(above.all() | ~above.any())
        is_low, is_high = is_beyond & value[-1], is_beyond & ~value[-1]
    inside = value[:bits].as_signed()
    ends = Mux(is_high, Const(high, signed(bits)), Const(low, signed(bits)))
    return Mux(is_low | is_high, ends, inside)


def step_register(register: Any) -> Any:
    """Return a shift register after a step (docs/model/arithmetic.md, eq. (4.2)).

    Parameters
    ----------
    register : Value
        16 bits.

    Returns
    -------
    Value
        16 bits.
    """
    return register[1:] ^ Mux(register[0], TAPS, 0)


class Lanes:
    """The P sums, and the presynaptic neurons that walk past them.

    Parameters
    ----------
    p : Parts
        The circuit.
    weights : WeightPorts
        Its weights.

    Attributes
    ----------
    sums : list of Signal
        The sum of each lane.
    others : list of Signal
        What is added where no weight is: 0 where nothing else is said.
    is_over : Signal
        Whether the sums are complete in the next cycle.
    """

    def __init__(self, p: Parts, weights: WeightPorts) -> None:
        P, n = p.design.elements, p.sum_bits
        self.parts = p
        self.sums = [Signal(signed(n), name=f"sum_{lane}") for lane in range(P)]
        self.others = [Signal(signed(n), name=f"other_{lane}") for lane in range(P)]
        self.walking, self.is_over = Signal(), Signal()
        self.source, self.word = Signal(p.source_bits), Signal(p.word_bits)
        self.lane = Signal(p.lane_bits)
        self.plane = Signal(p.plane_bits)
        # Neurons that have flipped are walked past; each moves a field by twice its weight.
        self.is_listed, self._twice_2 = Signal(), Signal()
        p.m.d.comb += p.writers["sums"].data.eq(Cat(self.sums))
        self._add_walk(p)
        self._add_spins(p, weights)
        self._add_sums(p, weights)

    def start(self) -> Any:
        """Return the statements that begin a walk over all presynaptic neurons of a group.

        Returns
        -------
        list
            Statements.
        """
        p = self.parts
        plane = p.sample if p.design.learning is not None else p.planes - 1
        return [
            self.walking.eq(1),
            self.source.eq(0),
            self.word.eq(0),
            self.lane.eq(0),
            self.plane.eq(plane),
        ]

    def _add_walk(self, p: Parts) -> None:
        """Add the first stage."""
        m, design, P = p.m, p.design, p.design.elements
        is_input = p.block == INPUT_WEIGHTS
        last = Signal(p.source_bits)
        H, N_in, _ = p.sources
        m.d.comb += last.eq(Mux(is_input, N_in - 1, H - 1))
        if design.event_driven:
            m.d.comb += self.is_listed.eq((p.block == COUPLINGS) & ~p.walks_all)
            with m.If(self.is_listed):
                m.d.comb += last.eq(p.n_flips - 1)
        is_end = self.source == last
        is_lane_end = self.lane == P - 1
        with m.If(self.walking):
            m.d.comb += p.read("states", Cat(self.word, p.slot))
            m.d.comb += p.read("inputs", Cat(self.plane, self.source))
            if design.event_driven:
                m.d.comb += p.read("flips", Cat(self.source, p.slot))
            m.d.sync += self.source.eq(Mux(is_end, 0, self.source + 1))
            m.d.sync += self.lane.eq(Mux(is_lane_end, 0, self.lane + 1))
            with m.If(is_lane_end):
                m.d.sync += self.word.eq(self.word + 1)
            with m.If(is_end):
                m.d.sync += self.walking.eq(0)
                if design.input_bits > 1:
                    m.d.sync += self.plane.eq(self.plane - 1)
                    with m.If(is_input & (self.plane != 0)):
                        m.d.sync += self.walking.eq(1)

    def _add_spins(self, p: Parts, weights: WeightPorts) -> None:
        """Add the second stage: the spin, and the address of the weights."""
        m, design, P = p.m, p.design, p.design.elements
        is_input = p.block == INPUT_WEIGHTS
        self._valid_1, source_1 = Signal(), Signal(p.source_bits)
        word_1, lane_1 = Signal.like(self.word), Signal.like(self.lane)
        first_1, top_1 = Signal(), Signal()
        m.d.sync += [self._valid_1.eq(self.walking), source_1.eq(self.source)]
        m.d.sync += [word_1.eq(self.word), lane_1.eq(self.lane)]
        m.d.sync += [first_1.eq(self.source == 0), top_1.eq(self.plane == design.input_bits - 1)]
        spin = p.readers["states"].data.bit_select(lane_1, 1)
        if design.event_driven:
            source_1, word_1, lane_1, spin = (
                Mux(self.is_listed, listed, walked)
                for listed, walked in zip(
                    p.split_flip(), (source_1, word_1, lane_1, spin), strict=True
                )
            )
            m.d.sync += self._twice_2.eq(self.is_listed)
        with m.If(self._valid_1):
            m.d.comb += weights.read(p.base + source_1)
        bit = Mux(is_input, p.readers["inputs"].data, spin)
        # For the third stage: whether there is a term, and is subtracted.
        self._valid_2, self._adds_2, self._negative_2 = Signal(), Signal(), Signal()
        self._doubles_2 = Signal()
        self._own_2 = Signal(P)  # lanes that are the presynaptic neuron, and have J_D in its place
        m.d.sync += [self._valid_2.eq(self._valid_1), self._negative_2.eq(~bit)]
        m.d.sync += self._adds_2.eq(self._valid_1)
        own = (word_1 == p.group) & (p.block == COUPLINGS)
        m.d.sync += self._own_2.eq(Cat(own & (lane_1 == lane) for lane in range(P)))
        if design.input_bits > 1:
            # Sums are doubled from bit to bit; in two's complement the highest counts negative.
            m.d.sync += self._doubles_2.eq(self._valid_1 & first_1 & is_input)
            with m.If(is_input):
                m.d.sync += self._adds_2.eq(self._valid_1 & bit)
                m.d.sync += self._negative_2.eq(top_1 if design.input_signed else 0)

    def _add_sums(self, p: Parts, weights: WeightPorts) -> None:
        """Add the last two stages: terms and sums."""
        m, design = p.m, p.design
        carry, doubles_3 = Signal(), Signal()
        m.d.comb += self.is_over.eq(~self.walking & ~self._valid_1 & ~self._valid_2)
        m.d.sync += carry.eq(self._adds_2 & self._negative_2)
        m.d.sync += doubles_3.eq(self._doubles_2)
        for lane, (total, other) in enumerate(zip(self.sums, self.others, strict=True)):
            term = Signal.like(total, name=f"term_{lane}")
            before = Mux(doubles_3, total << 1, total) if design.input_bits > 1 else total
            # The carry enters below the lowest bit.
            m.d.sync += total.eq((Cat(Const(1, 1), before) + Cat(carry, term))[1:])
            weight = self._add_weight(p, weights.codes[lane], lane)
            taken = Mux(self._own_2[lane], p.registers["SELF_COUPLING"], weight)
            if design.event_driven:
                taken = Mux(self._twice_2, taken << 1, taken)
            signs = self._negative_2.replicate(p.sum_bits)
            m.d.sync += term.eq(Mux(self._adds_2, taken ^ signs, other))

    def _add_weight(self, p: Parts, code: Any, lane: int) -> Any:
        """Return the weight of a lane in units of the sums."""
        m, design = p.m, p.design
        shifts = (design.coupling_shift, design.input_shift, 0)
        kinds = list(zip(design.stored_bits, design.weight_bits, shifts, strict=True))
        exposed = {}
        for stored, bits, _ in kinds:
            if (stored, bits) not in exposed:
                value = expose_weight(code[:stored], stored, bits)
                signal = Signal(value.shape(), name=f"exposed_{lane}_{stored}_{bits}")
                m.d.comb += signal.eq(value)
                exposed[stored, bits] = signal
        weight = Signal(signed(p.sum_bits), name=f"weight_{lane}")
        with m.Switch(p.block):
            for block, (stored, bits, shift) in enumerate(kinds):
                with m.Case(block) if block < len(kinds) - 1 else m.Default():
                    m.d.comb += weight.eq(exposed[stored, bits] << shift)
        return weight
