"""A synthesizable array of neurons that relaxes as the simulator does, in Amaranth.

Every neuron has one 32-bit accumulator and no multiplier. Neurons work in parallel and synapses one
after another: in a clock cycle one word of weight memory, all the weights *from* one presynaptic
neuron, is added to or subtracted from all accumulators, as that neuron's spin says. Graded inputs
come bit after bit, the highest first, and the sums are doubled in between.

The module needs the extra "hdl" (Amaranth, and Yosys as a wheel to print Verilog).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

try:
    from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
    from amaranth.lib.memory import Memory
    from amaranth.lib.wiring import Component, In, Out
except ImportError:
    raise ImportError("a neuron array needs Amaranth; pip install 'binnet[hdl]'") from None

from binnet._validation import check_integer
from binnet.hardware.golden_vectors import GoldenVectors
from binnet.hardware.hex_words import to_hex_words
from binnet.hardware.memory_images import self_coupling_constant
from binnet.networks import QuantizedNetwork
from binnet.networks.quantised import ACCUMULATOR_BITS

_SWEEP_BITS = 16
MAX_SWEEPS = 2**_SWEEP_BITS - 1
# The blocks that inference reads, each in a memory of its own.
MEMORIES = ("couplings", "input_weights", "readout")


class NeuronArray(Component):  # type: ignore[misc] # Amaranth has no types
    """Relax one input at a time, synchronously, then read out its class.

    Raise `start` for a cycle with the other inputs valid; when `done` rises, the outputs hold the
    result until the next start. One sweep takes H + 2 cycles (`count_cycles` counts them all).

    ==================  ===  ======  ============================================================
    port                     width   meaning
    ==================  ===  ======  ============================================================
    ``clk``, ``rst``    in   1       clock; synchronous reset
    ``start``           in   1       take the inputs and begin; only read while not at work
    ``inputs``          in   N_in b  x_n, 1 for +1; of graded inputs b bits each, the first lowest
    ``initial_states``  in   H       s_i to begin with, 1 for +1; not read if `silent`
    ``silent``          in   1       begin without recurrent fields, as inference does
    ``max_sweeps``      in   16      sweeps at most; 0: no limit, so a 2-cycle never ends
    ``states``          out  H       s_i; a new state appears when `sweeps` counts up
    ``sweeps``          out  16      sweeps done
    ``fixed_point``     out  1       the last sweep changed nothing
    ``label``           out  log2 C  class with the largest readout field, valid with `done`
    ``done``            out  1       the result is there
    ==================  ===  ======  ============================================================

    Parameters
    ----------
    network : QuantizedNetwork
        The network; its weights are the initial contents of the memories.
    """

    def __init__(self, network: QuantizedNetwork) -> None:
        network.refuse_structure("a neuron array")
        self.network = network
        super().__init__(
            {
                "start": In(1),
                "inputs": In(count_input_bits(network)),
                "initial_states": In(network.n_neurons),
                "silent": In(1),
                "max_sweeps": In(_SWEEP_BITS),
                "states": Out(network.n_neurons),
                "sweeps": Out(_SWEEP_BITS),
                "fixed_point": Out(1),
                "label": Out(count_label_bits(network)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Build the circuit: a state machine around memories and accumulators."""
        m = Module()
        network = self.network
        H, N_in, C = network.n_neurons, network.n_inputs, network.n_outputs
        J_D = self_coupling_constant(network)
        k = Signal(range(max(H, N_in) + 1))  # the word that memories are asked for
        weights = {name: self._add_memory(m, name, k) for name in MEMORIES}
        external, fields = _accumulators("external", H), _accumulators("field", H)
        readout = _accumulators("readout", C)
        # Presynaptic spins, or bits of inputs; that of the word that is there is bit 0.
        spins = Signal(max(H, count_input_bits(network)))
        awake = Signal()
        limit = Signal(_SWEEP_BITS)
        settled = Signal()
        next_states = Cat(field >= 0 for field in fields)  # sign(0) = +1

        def add_word(block: str, accumulators: list[Any], shift: int, n_words: int) -> None:
            # Accumulate the word that was asked for a cycle ago; ask for the next.
            for weight, accumulator in zip(weights[block], accumulators, strict=True):
                signed_weight = Mux(spins[0], weight, -weight) << shift
                m.d.sync += accumulator.eq(accumulator + signed_weight)
            m.d.sync += [spins.eq(spins >> 1), k.eq(Mux(k == n_words, 0, k + 1))]

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [external_i.eq(0) for external_i in external]
                m.d.sync += [
                    spins.eq(self._order_inputs()),
                    self.states.eq(self.initial_states),
                    awake.eq(~self.silent),
                    limit.eq(self.max_sweeps),
                    self.sweeps.eq(0),
                    self.fixed_point.eq(0),
                    self.done.eq(0),
                    k.eq(1 % N_in if network.formats.inputs.bits > 1 else 1),
                ]
                m.next = "INPUT"
            with m.State("INPUT"):
                is_done = self._add_inputs(m, weights, external, spins, k, add_word)
                with m.If(is_done):
                    m.next = "SWEEP"
            with m.State("SWEEP"):  # the self-coupling, while word 0 of the couplings is fetched
                for i in range(H):
                    own = Mux(awake, Mux(self.states[i], J_D, -J_D), 0)
                    m.d.sync += fields[i].eq(external[i] + own)
                m.d.sync += [spins.eq(self.states), k.eq(awake)]
                m.next = "UPDATE"
                with m.If(awake):
                    m.next = "COUPLE"
            with m.State("COUPLE"):
                add_word("couplings", fields, network.formats.coupling_shift, H)
                with m.If(k == H):
                    m.next = "UPDATE"
            with m.State("UPDATE"):
                m.d.comb += settled.eq(awake & (next_states == self.states))
                m.d.sync += [
                    self.states.eq(next_states),
                    self.sweeps.eq(self.sweeps + 1),
                    self.fixed_point.eq(settled),
                    awake.eq(1),
                ]
                m.next = "SWEEP"
                with m.If(settled | (self.sweeps + 1 == limit)):
                    m.d.sync += [spins.eq(next_states), k.eq(1)]
                    m.d.sync += [field.eq(0) for field in readout]
                    m.next = "READ"
            with m.State("READ"):
                add_word("readout", readout, 0, H)
                m.d.sync += self.label.eq(0)
                with m.If(k == H):
                    m.next = "COMPARE"
            with m.State("COMPARE"):  # the first of the largest, one class a cycle
                by_class = Array(readout)
                with m.If(by_class[k] > by_class[self.label]):
                    m.d.sync += self.label.eq(k)
                m.d.sync += k.eq(k + 1)
                with m.If(k == C - 1):
                    m.d.sync += [self.done.eq(1), k.eq(0)]
                    m.next = "IDLE"
        return m

    def _order_inputs(self) -> Any:
        """Return the bits of the inputs as they are taken: the highest of all, then the next."""
        n_bits, N_in = self.network.formats.inputs.bits, self.network.n_inputs
        planes = [[n_bits * n + p for n in range(N_in)] for p in reversed(range(n_bits))]
        return Cat(self.inputs[place] for plane in planes for place in plane)

    def _add_inputs(
        self, m: Any, weights: Any, accumulators: Any, bits: Any, k: Any, add_word: Any
    ) -> Any:
        """Accumulate the word that was asked for, for one bit of its input; return if all is done.

        Where inputs have many bits, word 0 follows on the last one without a pause: k is 0 there.
        """
        formats, N_in = self.network.formats, self.network.n_inputs
        if formats.inputs.bits == 1:
            add_word("input_weights", accumulators, formats.input_shift, N_in)
            return k == N_in
        plane = Signal(range(formats.inputs.bits))
        is_first, is_last = k == 1 % N_in, k == 0
        is_done = is_last & (plane == formats.inputs.bits - 1)
        for weight, accumulator in zip(weights["input_weights"], accumulators, strict=True):
            # In two's complement the highest bit counts negative.
            signed_weight = Mux(plane == 0, -weight, weight) if formats.inputs.signed else weight
            doubled = Mux(is_first, accumulator << 1, accumulator)
            term = Mux(bits[0], signed_weight, 0) << formats.input_shift
            m.d.sync += accumulator.eq(doubled + term)
        m.d.sync += bits.eq(bits >> 1)
        m.d.sync += k.eq(Mux(is_done | (k == N_in - 1), 0, k + 1))
        m.d.sync += plane.eq(Mux(is_done, 0, plane + is_last))
        return is_done

    def _add_memory(self, m: Any, block: str, address: Any) -> list[Any]:
        """Add the memory of a block, and return the weights of the word asked for a cycle ago."""
        integers = getattr(self.network, block).T
        bits, lanes = getattr(self.network.formats, block).bits, integers.shape[1]
        words = [int(line, 16) for line in to_hex_words(integers, bits).split()]
        memory = Memory(shape=unsigned(bits * lanes), depth=len(words), init=words)
        m.submodules[block] = memory
        port = memory.read_port()
        m.d.comb += port.addr.eq(address)
        codes = [port.data[bits * lane : bits * (lane + 1)] for lane in range(lanes)]
        return [Mux(code, 1, -1) if bits == 1 else code.as_signed() for code in codes]


def _accumulators(name: str, count: int) -> list[Any]:
    shape = signed(ACCUMULATOR_BITS)
    return [Signal(shape, name=f"{name}_{i}") for i in range(count)]


def count_label_bits(network: QuantizedNetwork) -> int:
    """Return the width of the label.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.

    Returns
    -------
    int
        Bits, at least 1.
    """
    return max(1, (network.n_outputs - 1).bit_length())


def count_input_bits(network: QuantizedNetwork) -> int:
    """Return the width of all inputs together.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.

    Returns
    -------
    int
        Bits.
    """
    return network.n_inputs * network.formats.inputs.bits


def count_cycles(network: QuantizedNetwork, sweeps: int, *, silent: bool) -> int:
    """Return the clock cycles from the one that sees ``start`` until ``done`` is up.

    One to start, and one for each bit of each input; H + 2 for a sweep, but 2 for the first one
    from silence, which has no recurrent field; H for the readout and C to compare.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.
    sweeps : int
        Sweeps until the fixed point, or the limit.
    silent : bool
        Whether the relaxation begins silent.

    Returns
    -------
    int
        Cycles.
    """
    H, n_bits = network.n_neurons, count_input_bits(network)
    return 1 + n_bits + 2 * sweeps + (sweeps - silent) * H + H + network.n_outputs


def check_neuron_array(network: QuantizedNetwork, vectors: GoldenVectors) -> list[int]:
    """Run golden vectors through the circuit in Amaranth's simulator.

    Every state after every sweep, the sweep that settles, the label and the number of cycles are
    compared. The simulator is plain Python: meant for small networks.

    Parameters
    ----------
    network : QuantizedNetwork
        The network that the circuit is built from.
    vectors : GoldenVectors
        What it must do.

    Returns
    -------
    list of int
        Cycles that each vector took.

    Raises
    ------
    ValueError
        If the circuit does anything else; the message says in which vector, and what.
    """
    from amaranth.sim import Simulator

    n_sweeps = check_integer("sweeps of the golden vectors", vectors.states.shape[1], 1, MAX_SWEEPS)
    array = NeuronArray(network)
    cycles = []

    async def bench(context: Any) -> None:
        context.set(array.max_sweeps, n_sweeps)
        for v, inputs in enumerate(vectors.inputs):
            context.set(array.inputs, _to_word(inputs, network.formats.inputs.bits))
            context.set(array.initial_states, _to_word(vectors.initial_states[v]))
            context.set(array.silent, int(vectors.silent[v]))
            context.set(array.start, 1)
            await context.tick()
            context.set(array.start, 0)
            n_cycles = 1
            states: list[int] = []
            while not context.get(array.done):
                await context.tick()
                n_cycles += 1
                if context.get(array.sweeps) > len(states):
                    states.append(context.get(array.states))
            path = [_to_word(state) for state in vectors.states[v]]
            # Nothing can repeat silence.
            first = -1 if vectors.silent[v] else _to_word(vectors.initial_states[v])
            repeats = [a == b for a, b in pairwise([first, *path])]
            wanted = path[: repeats.index(True) + 1] if True in repeats else path
            found = {
                "the states": (states, wanted),
                "fixed_point": (context.get(array.fixed_point), int(True in repeats)),
                "label": (context.get(array.label), int(vectors.labels[v])),
                "the number of cycles": (
                    n_cycles,
                    count_cycles(network, len(wanted), silent=bool(vectors.silent[v])),
                ),
            }
            for name, (got, right) in found.items():
                if got != right:
                    raise ValueError(f"vector {v}: {name} must be {right}, the circuit gave {got}")
            cycles.append(n_cycles)

    simulator = Simulator(array)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return cycles


def _to_word(integers: Any, bits: int = 1) -> int:
    return int(to_hex_words(integers[None, :], bits), 16)
