"""Design of a core: sizes, widths, memories and addresses, as integers and without any tool.

A core has P processing elements, the *lanes*. Neuron i is lane ``i % P`` of group ``i // P``, and a
memory word holds the weights from one presynaptic neuron to the P neurons of a group. Lanes beyond
the last neuron hold 0. The circuit (`binnet.chips.core`), its model (`binnet.chips.model`) and the
words of its streams (`binnet.chips.protocol`) all follow from what stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from binnet._validation import check_choice, check_integer
from binnet.learning.arithmetic import EXPONENTS
from binnet.networks import BLOCKS, QFormat, QuantizedNetwork

MOST_SAMPLES = 32  # of a batch: the sum of its events is rounded once
WORD_BITS = 32  # of the streams
MOST_NEURONS = 65535  # and inputs: what a register of the map counts
MOST_OUTPUTS = 256  # a result has 8 bits for the label
_FIRST_REGISTERS = 4  # the number of the first memory of shift registers


@dataclass(frozen=True)
class CoreLearning:
    """What a core that learns holds besides its network; all are integers (arithmetic.md, 3).

    A core is built with it. `binnet.chips.runs.describe_learning` makes it of a run.

    Attributes
    ----------
    batch_size : int
        B, samples that are presented before the weights change, 1..32.
    warmup, feedback, sweeps : int
        Sweep t = 1, 2, .. of a relaxation has the feedback where warmup < t <= feedback; there are
        `sweeps` of them.
    threshold : int
        A hidden neuron learns where s_i h_i <= threshold, without feedback: kappa, and J_D where it
        is not to count, in units of the accumulator.
    readout_threshold : int
        A readout learns where y_c f_c <= it.
    exponents : tuple of (int or None), length 3
        k of J, W_in and W_out at rate factor 1: an event moves a weight by 2**-k levels; None: the
        block does not learn.
    decays : tuple of (int or None), length 3
        k of their decay; None: none.
    decay_period : int
        Batches from one decay to the next, a power of two.
    rounding : {"per-weight", "per-event"}
        As `binnet.Arithmetic.rounding`.
    formats : tuple of QFormat, length 3
        Formats of the stored weights of J, W_in and W_out: latent ones, where there are some.
    """

    batch_size: int
    warmup: int
    feedback: int
    sweeps: int
    threshold: int
    readout_threshold: int
    exponents: tuple[int | None, int | None, int | None]
    decays: tuple[int | None, int | None, int | None]
    decay_period: int
    rounding: str
    formats: tuple[QFormat, QFormat, QFormat]


@dataclass(frozen=True)
class CoreMemory:
    """A memory of a core.

    Attributes
    ----------
    name : str
        Also the stem of its file of initial contents.
    number : int
        By which the commands WRITE and READ name it.
    words : int
        Words, the last address + 1.
    lanes : int
        Lanes of a word: P.
    bits : int
        Bits of a lane.
    """

    name: str
    number: int
    words: int
    lanes: int
    bits: int

    @property
    def stream_words(self) -> int:
        """Words of 32 bits that one word takes in a stream, lane 0 at the lowest bits."""
        return -(-self.lanes * self.bits // WORD_BITS)

    @property
    def is_signed(self) -> bool:
        """Whether lanes are in two's complement (one bit: -1 or +1); shift registers are not."""
        return self.number < _FIRST_REGISTERS


@dataclass(frozen=True)
class CoreDesign:
    """A core: what is built, but for the contents of its memories.

    Attributes
    ----------
    n_neurons, n_inputs, n_outputs : int
        H, N_in, C.
    elements : int
        P, processing elements, 1..H.
    weight_bits : tuple of int, length 3
        Bits of a weight of J, W_in and W_out as the fields see it.
    stored_bits : tuple of int, length 3
        Bits of it in memory: more where there are latent weights.
    input_bits : int
        Bits of an input: 1 for spins.
    input_signed : bool
        Whether inputs of more bits are in two's complement.
    coupling_shift, input_shift : int
        As `NetworkFormats`: J and W_in are shifted left by it where they enter a field.
    accumulator_bits : int
        Of all fields, in two's complement; the worst field of this network fits.
    feedback_bits : int
        Of a field of the feedback; 0 in a core that does not learn.
    self_coupling : int
        J_D in units of the accumulator.
    learning : CoreLearning or None
        None: the core infers only.
    event_driven : bool
        Whether a sweep walks the neurons that have flipped alone, into sums that are kept.
    """

    n_neurons: int
    n_inputs: int
    n_outputs: int
    elements: int
    weight_bits: tuple[int, int, int]
    stored_bits: tuple[int, int, int]
    input_bits: int
    input_signed: bool
    coupling_shift: int
    input_shift: int
    accumulator_bits: int
    feedback_bits: int
    self_coupling: int
    learning: CoreLearning | None
    event_driven: bool

    @property
    def n_groups(self) -> int:
        """Groups of hidden neurons, G."""
        return -(-self.n_neurons // self.elements)

    @property
    def n_readout_groups(self) -> int:
        """Groups of readouts."""
        return -(-self.n_outputs // self.elements)

    @property
    def memories(self) -> tuple[CoreMemory, ...]:  # numpydoc ignore=RT01
        """Memories that commands reach.

        Addresses: couplings ``g H + j``, input weights ``g N_in + n``, readout ``g H + i`` with g
        counting groups of classes; feedback ``label G + g``; registers ``g``. The last three are
        there in a core that learns alone.
        """
        H, G, R, P = self.n_neurons, self.n_groups, self.n_readout_groups, self.elements
        J, W_in, W_out = self.stored_bits
        memories = [
            CoreMemory("couplings", 0, G * H, P, J),
            CoreMemory("input_weights", 1, G * self.n_inputs, P, W_in),
            CoreMemory("readout", 2, R * H, P, W_out),
        ]
        if self.learning is not None:
            memories += [
                CoreMemory("feedback", 3, self.n_outputs * G, P, self.feedback_bits),
                CoreMemory("hidden_registers", 4, G, P, 16),
                CoreMemory("readout_registers", 5, R, P, 16),
            ]
        return tuple(memories)


def count_signed_bits(largest: int) -> int:
    """Return the bits that -largest .. largest take in two's complement.

    Parameters
    ----------
    largest : int
        Largest absolute value.

    Returns
    -------
    int
        Bits, at least 2.
    """
    return max(2, largest.bit_length() + 1)


def design_core(
    network: QuantizedNetwork,
    elements: int,
    *,
    learning: CoreLearning | None = None,
    event_driven: bool = False,
) -> CoreDesign:
    """Return the core of a network: of inference, or one that learns.

    A core that infers has accumulators as wide as the worst field of these weights needs; one that
    learns, as that of any weights of their formats.

    Parameters
    ----------
    network : QuantizedNetwork
        The network: of one module, without biases.
    elements : int
        P, 1..H: neurons that are computed at once.
    learning : CoreLearning, optional
        Its plasticity. Default: none.
    event_driven : bool, default False
        Whether sweeps walk flipped neurons alone.

    Returns
    -------
    CoreDesign
        The design.

    Raises
    ------
    TypeError, ValueError
        If the network has a structure that a core does not have, or P is out of its range.
    """
    network.refuse_structure("a core")
    H = network.n_neurons
    check_integer("elements", elements, 1, H)
    _refuse_sizes(network)
    formats = network.formats
    blocks = (formats.couplings, formats.input_weights, formats.readout)
    self_coupling = int(network.self_couplings[0])
    worst, worst_readout, feedback_bits = network.worst_field, network.worst_readout_field, 0
    if learning is not None:
        _refuse_learning(network, learning)
        feedback = int(abs(network.feedback_fields).max(initial=0))
        feedback_bits = count_signed_bits(feedback)
        J, W_in, W_out = (-format.low for format in blocks)
        worst = ((H - 1) * J << formats.coupling_shift) + feedback + self_coupling
        worst += network.n_inputs * formats.inputs.largest * W_in << formats.input_shift
        worst_readout = H * W_out
    accumulator_bits = count_signed_bits(max(worst, worst_readout))
    if learning is not None:
        # Beyond all fields a threshold says always, or never.
        end = (1 << (accumulator_bits - 1)) - 1
        learning = replace(
            learning,
            threshold=min(max(learning.threshold, -end - 1), end),
            readout_threshold=min(max(learning.readout_threshold, -end - 1), end),
        )
    stored = blocks if learning is None else learning.formats
    return CoreDesign(
        H,
        network.n_inputs,
        network.n_outputs,
        elements,
        (blocks[0].bits, blocks[1].bits, blocks[2].bits),
        (stored[0].bits, stored[1].bits, stored[2].bits),
        formats.inputs.bits,
        formats.inputs.signed,
        formats.coupling_shift,
        formats.input_shift,
        accumulator_bits,
        feedback_bits,
        self_coupling,
        learning,
        event_driven,
    )


def _refuse_sizes(network: QuantizedNetwork) -> None:
    """Refuse what a register or a result has no room for."""
    for name, value, most in (
        ("n_neurons", network.n_neurons, MOST_NEURONS),
        ("n_inputs", network.n_inputs, MOST_NEURONS),
        ("n_outputs", network.n_outputs, MOST_OUTPUTS),
    ):
        if value > most:
            raise ValueError(
                f"{name} must be within 1..{most} for a core, got {value}: its registers and "
                "results have no room for more; train a smaller network"
            )


def _refuse_learning(network: QuantizedNetwork, learning: CoreLearning) -> None:
    """Refuse a plasticity that is not one of this network's weights, or a core cannot do."""
    if network.formats.inputs.bits > 1:
        raise ValueError(
            f"a core that learns takes spins as inputs, got {network.formats.inputs.bits} bits; "
            "design one that infers only, or train with input_bits = 1"
        )
    check_integer("batch_size", learning.batch_size, 1, MOST_SAMPLES)
    _refuse_rates(learning)
    formats = network.formats
    blocks = (formats.couplings, formats.input_weights, formats.readout)
    for name, block, stored in zip(BLOCKS, blocks, learning.formats, strict=False):
        unseen = stored.bits - block.bits
        if unseen < 0 or stored.fraction_bits - block.fraction_bits != unseen:
            raise ValueError(
                f"learning must store {name} with as many fraction bits more as bits, got "
                f"{stored} for weights of {block}; describe the learning of this network's run"
            )


def _refuse_rates(learning: CoreLearning) -> None:
    """Refuse a schedule or rates that the registers cannot hold, or that mean something else."""
    check_choice("rounding", learning.rounding, ("per-weight", "per-event"))
    for name in ("warmup", "feedback", "sweeps"):
        check_integer(name, getattr(learning, name), int(name == "sweeps"), MOST_NEURONS)
    for name, least in (("exponents", EXPONENTS[0]), ("decays", 1)):
        for k in getattr(learning, name):
            if k is not None:
                check_integer(name, k, least, EXPONENTS[1])
    period = check_integer("decay_period", learning.decay_period, 1, 1 << 31)
    if period & (period - 1):
        raise ValueError(
            f"decay_period must be a power of two for a core, got {period}: it looks at the lowest "
            f"bits of a counter; take {1 << period.bit_length() - 1} or {1 << period.bit_length()}"
        )
