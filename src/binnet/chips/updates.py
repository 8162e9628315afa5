"""Plasticity of a core: weights decay and learn, each lane with a register of its own, in Amaranth.

Amounts are sums of `unit`, 2**-k levels with 16 fraction bits, which is added once for each event
of a weight. A decay does the same with the bits of the weight as events, of which each is worth
twice the one before. What is below a level is rounded by the lane's register: R(n 2**-k) is
floor(n 2**-k + r), r being the register for n < 0 and its complement for n > 0.

A word of weights goes through six stages, one a cycle, the first three for each event: addresses of
spins and events; spins and events; amounts; rounding; weights; the new weights.

The module needs the extra "hdl".
"""

from __future__ import annotations

from typing import Any

try:
    from amaranth.hdl import Array, Cat, Const, Mux, Signal, signed
except ImportError:
    raise ImportError("a core needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet.chips.lanes import decode_weight, saturate, step_register
from binnet.chips.parts import COUPLINGS, INPUT_WEIGHTS, READOUT, REGISTERS, Parts, resize
from binnet.chips.weight_ports import WeightPorts

_FRACTION_BITS = 16  # of amounts, as many as a register has


class Plasticity:
    """The amounts and shift registers of P lanes, and the words of weights that walk past them.

    Parameters
    ----------
    p : Parts
        The circuit, of a core that learns.
    weights : WeightPorts
        Its weights.
    """

    def __init__(self, p: Parts, weights: WeightPorts) -> None:
        P = p.design.elements
        self.weights = weights
        self.parts = p
        self.stored = max(p.design.stored_bits)
        self.whole_bits = self.stored + p.sample_count_bits + 1
        # An event of 2**stored levels saturates every weight, as a larger one would.
        self.unit_bits = _FRACTION_BITS + self.stored + 1
        self.amounts = [
            Signal(signed(_FRACTION_BITS + self.whole_bits), name=f"amount_{lane}")
            for lane in range(P)
        ]
        self.levels = [Signal(signed(self.whole_bits), name=f"levels_{lane}") for lane in range(P)]
        self.totals = [
            Signal(signed(self.whole_bits + 2), name=f"total_{lane}") for lane in range(P)
        ]
        self.draws = [Signal(16, name=f"draw_{lane}") for lane in range(P)]
        self.stepped = [step_register(draw) for draw in self.draws]
        self.decays = Signal()  # the weights decay; else they learn
        self.active = Signal(P)  # lanes whose registers step for each weight
        self.steps = Signal()  # whether they do
        self.first_unit, self.unit = Signal(self.unit_bits), Signal(self.unit_bits)
        self.walking, self.is_over = Signal(), Signal()
        self.source, self.word = Signal(p.source_bits), Signal(p.word_bits)
        self.lane = Signal(range(max(2, P)))
        self.beat = Signal(max(p.sample_count_bits, (self.stored + 3).bit_length()))
        self.last_beat = Signal.like(self.beat)
        self.read_address, self.write_address = Signal(p.address_bits), Signal(p.address_bits)
        memories = {memory.name: memory for memory in p.design.memories}
        p.m.d.comb += p.writers["feedback"].data.eq(p.get_stored(memories["feedback"]))
        hidden, readouts = (p.readers[name].data for name in REGISTERS)
        p.m.d.comb += p.register_word.eq(Mux(p.is_readout_asked, readouts, hidden))
        for name in REGISTERS:
            word = Mux(weights.is_stored, p.get_stored(memories[name]), Cat(self.draws))
            p.m.d.comb += p.writers[name].data.eq(word)
        self._add_beats(p)
        self._add_amounts(p)
        self._add_weights(p)

    def start(self) -> Any:
        """Return the statements that begin a walk over the words of a group.

        Returns
        -------
        list
            Statements.
        """
        base = self.parts.base
        return [
            self.walking.eq(1),
            self.source.eq(0),
            self.word.eq(0),
            self.lane.eq(0),
            self.beat.eq(0),
            self.read_address.eq(base),
            self.write_address.eq(base),
        ]

    def _add_beats(self, p: Parts) -> None:
        """Add the first two stages: which event, and what it adds in each lane."""
        m, P = p.m, p.design.elements
        H, N_in, _ = p.sources
        is_input = p.block == INPUT_WEIGHTS
        is_last_source = self.source == Mux(is_input, N_in - 1, H - 1)
        stored = Array(p.design.stored_bits)[p.block]
        # While a weight decays, it stays in the port of its memory for three more cycles.
        m.d.comb += self.last_beat.eq(Mux(self.decays, stored + 2, p.sample - 1))
        is_end = self.beat == self.last_beat
        is_last = Mux(self.decays, self.beat == stored - 1, is_end)
        with m.If(self.walking):
            m.d.comb += p.read("states", Cat(self.word, self.beat + 2))
            m.d.comb += p.read("inputs", Cat(self.beat[: p.plane_bits], self.source))
            m.d.comb += p.read("events", self.beat)
            m.d.sync += self.beat.eq(Mux(is_end, 0, self.beat + 1))
            with m.If(is_end):
                m.d.sync += [self.source.eq(self.source + 1), self.lane.eq(self.lane + 1)]
                m.d.sync += self.walking.eq(~is_last_source)
                with m.If(self.lane == P - 1):
                    m.d.sync += [self.lane.eq(0), self.word.eq(self.word + 1)]
        is_event = Mux(self.decays, self.beat < stored, 1)
        self._valid_1, self._first_1, self._last_1 = Signal(), Signal(), Signal()
        m.d.sync += self._valid_1.eq(self.walking & is_event)
        m.d.sync += [self._first_1.eq(self.beat == 0), self._last_1.eq(is_last & self.walking)]
        word_1, lane_1 = Signal.like(self.word), Signal.like(self.lane)
        beat_1 = Signal.like(self.beat)
        m.d.sync += [word_1.eq(self.word), lane_1.eq(self.lane), beat_1.eq(self.beat)]
        spin = p.readers["states"].data.bit_select(lane_1, 1)
        spin = Mux(is_input, p.readers["inputs"].data, spin)
        learns, targets = p.readers["events"].data[:P], p.readers["events"].data[P:]
        self._counts_2, self._negative_2 = Signal(P), Signal(P)
        with m.If(self.decays):
            bits = Cat(code.bit_select(beat_1, 1) for code in self.weights.codes)
            m.d.sync += self._counts_2.eq(bits & self.active)
            m.d.sync += self._negative_2.eq(Mux(self._last_1, 0, ~0))
        with m.Else():
            # A neuron's coupling to itself is no weight; its register steps all the same.
            own = (p.block == COUPLINGS) & (word_1 == p.group)
            off = Cat(own & (lane_1 == lane) for lane in range(P))
            m.d.sync += self._counts_2.eq(learns & ~off)
            m.d.sync += self._negative_2.eq(targets ^ spin.replicate(P))
        # A decay's bit is worth twice the one before.
        again = self.decays & ~self._first_1
        m.d.sync += self.unit.eq(Mux(again, self.unit << 1, self.first_unit))

    def _add_amounts(self, p: Parts) -> None:
        """Add the next two stages: sums of events, and their rounding."""
        m, P = p.m, p.design.elements
        valid_2, first_2, last_2, last_3 = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [valid_2.eq(self._valid_1), first_2.eq(self._first_1)]
        m.d.sync += [last_2.eq(self._last_1), last_3.eq(last_2)]
        self._last_4, last_5 = Signal(), Signal()
        m.d.sync += [self._last_4.eq(last_3), last_5.eq(self._last_4)]
        busy = self.walking | self._valid_1 | valid_2 | last_3 | self._last_4 | last_5
        m.d.comb += self.is_over.eq(~busy)
        self._last_3, self._last_5 = last_3, last_5
        for lane in range(P):
            amount, draw, stepped = self.amounts[lane], self.draws[lane], self.stepped[lane]
            counts, is_negative = self._counts_2[lane], self._negative_2[lane]
            with m.If(valid_2):
                added = Cat(self.unit & counts.replicate(len(self.unit)), Const(0, 1)).as_signed()
                added ^= is_negative.replicate(len(amount)).as_signed()
                before = Mux(first_2, 0, amount)
                # The carry of what is subtracted enters below the lowest bit.
                m.d.sync += amount.eq((Cat(Const(1, 1), before) + Cat(is_negative, added))[1:])
            rounding = stepped ^ (~amount[-1]).replicate(16)
            rounded = (amount + rounding)[_FRACTION_BITS:].as_signed()
            m.d.sync += self.levels[lane].eq(rounded)
            with m.If(last_3 & self.steps & self.active[lane]):
                m.d.sync += draw.eq(stepped)

    def _add_weights(self, p: Parts) -> None:
        """Add the last two stages: weights are read, changed and written."""
        m, design, weights = p.m, p.design, self.weights
        with m.If(self.walking & self.decays & (self.beat == 0) | self._last_3 & ~self.decays):
            m.d.sync += self.read_address.eq(self.read_address + 1)
            m.d.comb += weights.read(self.read_address)
        with m.If(self._last_5):
            m.d.sync += self.write_address.eq(self.write_address + 1)
            m.d.comb += weights.write_address.eq(self.write_address)
            m.d.comb += weights.is_written.eq(1)
        for lane, (code, levels, total) in enumerate(
            zip(weights.codes, self.levels, self.totals, strict=True)
        ):
            # One bit steps from -1 to +1.
            pairs = [
                (decode_weight(code[:bits], bits), levels << (bits == 1))
                for bits in design.stored_bits
            ]
            weight = Signal(signed(max(2, self.stored)), name=f"stored_{lane}")
            change = Signal(signed(self.whole_bits + 1), name=f"change_{lane}")
            with m.Switch(p.block):
                for block, (own_weight, own_change) in enumerate(pairs):
                    with m.Case(block) if block < len(pairs) - 1 else m.Default():
                        m.d.comb += [weight.eq(own_weight), change.eq(own_change)]
            m.d.sync += total.eq(weight + change)
        for block, bits in enumerate(design.stored_bits):
            new = [saturate(total, bits) for total in self.totals]
            codes = (~value[-1] if bits == 1 else value[:bits] for value in new)
            m.d.comb += weights.new[block].eq(Cat(codes))


def add_update_states(p: Parts, q: Plasticity) -> None:
    """Add the states of an update: decays of all blocks, then their learning.

    Parameters
    ----------
    p : Parts
        The circuit.
    q : Plasticity
        Its plasticity.
    """
    m, registers = p.m, p.registers
    exponent = Signal(signed(6))
    with m.State("UPDATE"):
        m.d.sync += [p.block.eq(COUPLINGS), q.decays.eq(p.is_decay_due)]
        m.next = "IDLE"
        with m.If(p.sample != 0):
            m.next = "UPDATE_BLOCK"
    with m.State("UPDATE_BLOCK"):
        m.d.sync += [p.group.eq(0), p.base.eq(0)]
        mask = Mux(q.decays, registers["DECAYS"], registers["LEARNS"])
        for block in range(3):
            with m.If(p.block == block):
                decay, learn = registers[f"DECAY_EXPONENT_{block}"], registers[f"EXPONENT_{block}"]
                m.d.sync += exponent.eq(Mux(q.decays, decay, learn))
        m.next = "NEXT_BLOCK"
        with m.If(mask.bit_select(p.block, 1)):
            m.next = "SET_UNIT"
    with m.State("SET_UNIT"):
        is_fraction = exponent > 0
        is_per_event = ~q.decays & p.is_per_event
        m.d.sync += q.steps.eq(is_fraction & ~is_per_event)
        whole = Mux(exponent < -q.stored, -q.stored, exponent)
        # A sample counts where the highest k bits of its draw are 0; then it counts as a whole.
        m.d.sync += [p.thins.eq(is_fraction & is_per_event), p.draw_mask.eq(0)]
        shift = Mux(is_fraction & is_per_event, 0, whole)
        m.d.sync += q.first_unit.eq(Const(1) << (_FRACTION_BITS - shift).as_unsigned()[:6])
        with m.If(is_fraction & is_per_event):
            m.d.sync += p.draw_mask.eq((0xFFFF0000 >> exponent[:4])[:16])
        m.next = "UPDATE_GROUP"
    with m.State("NEXT_BLOCK"):
        m.d.sync += p.block.eq(p.block + 1)
        m.next = "UPDATE_BLOCK"
        with m.If(p.block == READOUT):
            m.d.sync += [p.block.eq(COUPLINGS), q.decays.eq(0)]
            with m.If(~q.decays):
                m.d.sync += [registers["BATCHES"].eq(registers["BATCHES"] + 1), p.sample.eq(0)]
                m.next = "IDLE"


def add_update_group_states(p: Parts, q: Plasticity) -> None:
    """Add the states of an update of a group: who learns, the weights, the shift registers.

    Parameters
    ----------
    p : Parts
        The circuit.
    q : Plasticity
        Its plasticity.
    """
    m, design, P = p.m, p.design, p.design.elements
    is_readout = p.block == READOUT
    place = p.group + Mux(is_readout, design.n_groups, 0)
    with m.State("UPDATE_GROUP"):
        m.d.comb += p.read("hidden_registers", p.group) + p.read("readout_registers", p.group)
        m.d.sync += [q.beat.eq(0), q.active.eq(0), p.is_readout_asked.eq(is_readout)]
        m.next = "LOAD_REGISTERS"
    with m.State("LOAD_REGISTERS"):
        m.d.sync += Cat(q.draws).eq(p.register_word)
        m.next = "FETCH_EVENTS"
        with m.If(q.decays):
            there = p.mask_lanes(design.n_neurons), p.mask_lanes(design.n_outputs)
            m.d.sync += q.active.eq(Mux(is_readout, there[1], there[0]))
            m.next = "UPDATE_WEIGHTS"
    with m.State("FETCH_EVENTS"):
        m.d.comb += p.read("learns", Cat(resize(place, p.place_bits), q.beat))
        m.next = "THIN_EVENTS"
    with m.State("THIN_EVENTS"):
        learns = p.readers["learns"].data[:P]
        kept = Cat(~(draw & p.draw_mask).any() for draw in q.stepped) & learns
        m.d.comb += p.write("events", q.beat, Cat(kept, p.readers["learns"].data[P:]))
        for lane in range(P):
            with m.If(p.thins & learns[lane]):
                m.d.sync += q.draws[lane].eq(q.stepped[lane])
        m.d.sync += [q.active.eq(q.active | kept), q.beat.eq(q.beat + 1)]
        m.next = "FETCH_EVENTS"
        with m.If(q.beat == q.last_beat):
            m.next = "UPDATE_WEIGHTS"
    with m.State("UPDATE_WEIGHTS"):
        m.next = "KEEP_REGISTERS"
        with m.If(q.active.any()):
            m.d.sync += q.start()
            m.next = "CHANGE_WEIGHTS"
    with m.State("CHANGE_WEIGHTS"), m.If(q.is_over):
        m.next = "KEEP_REGISTERS"
    with m.State("KEEP_REGISTERS"):
        with m.If(is_readout):
            m.d.comb += p.write("readout_registers", p.group)
        with m.Else():
            m.d.comb += p.write("hidden_registers", p.group)
        counts = Mux(p.block == INPUT_WEIGHTS, design.n_inputs, design.n_neurons)
        m.d.sync += [p.group.eq(p.group + 1), p.base.eq(p.base + counts)]
        m.next = "UPDATE_GROUP"
        last = Mux(is_readout, design.n_readout_groups - 1, design.n_groups - 1)
        with m.If(p.group == last):
            m.next = "NEXT_BLOCK"
