"""Random cores and random commands, with which circuits are compared with the model.

Networks of any format in each block, of all numbers of elements, with and without plasticity; also
what is rare in real ones: weights all at an end of their range, ties, cycles, batches of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.chips.contents import Contents, fill_memories
from binnet.chips.design import MOST_SAMPLES, CoreDesign, CoreLearning, design_core
from binnet.chips.protocol import (
    Operation,
    get_register,
    infer,
    learn,
    pack_header,
    read_memory,
    set_register,
    update,
    write_memory,
)
from binnet.chips.registers import list_registers
from binnet.networks import (
    BITS,
    BLOCKS,
    NetworkFormats,
    QFormat,
    QuantizedNetwork,
    choose_input_format,
)

Sizes = tuple[int, int, int]
_CHANCES = (0.2, 0.2, 0.3, 0.2, 0.1)  # of BITS
# Registers that may change while a core learns, and the ends of what they are set to.
_CHANGES = (
    ("WARMUP", 0, 3),
    ("FEEDBACK", 0, 5),
    ("SWEEPS", 1, 7),
    ("THRESHOLD", -1, 1),
    ("READOUT_THRESHOLD", -2, 1),
    ("BATCH_SIZE", 1, MOST_SAMPLES),
    ("BATCHES", 0, 9),
    ("DECAY_PERIOD", 0, 3),
    ("LEARNS", 0, 7),
    *((f"EXPONENT_{block}", -14, 15) for block in range(3)),
    *((f"DECAY_EXPONENT_{block}", 1, 15) for block in range(3)),
)


@dataclass(frozen=True, eq=False)
class RandomCore:
    """A core, what is in it, and the network it comes from.

    Attributes
    ----------
    design : CoreDesign
        The core.
    contents : dict of str to ndarray
        Initial contents of its memories.
    network : QuantizedNetwork
        The network; weights that are latent need not show its weights.
    """

    design: CoreDesign
    contents: Contents
    network: QuantizedNetwork


def draw_network(
    rng: np.random.Generator, *, spins: bool = False, sizes: Sizes | None = None
) -> QuantizedNetwork:
    """Return a network of random sizes and formats.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    spins : bool, default False
        Whether inputs are spins; else they are graded now and then.
    sizes : tuple of int, optional
        H, N_in and C. Default: H 1..12, N_in 1..8, C 2..5.

    Returns
    -------
    QuantizedNetwork
        The network.
    """
    H, N_in, C = sizes or (
        int(rng.integers(1, 13)),
        int(rng.integers(1, 9)),
        int(rng.integers(2, 6)),
    )
    formats = [QFormat(int(rng.choice(BITS, p=_CHANCES)), int(rng.integers(0, 4))) for _ in BLOCKS]
    inputs = choose_input_format(1)
    if not spins and rng.random() < 0.4:
        inputs = choose_input_format(
            int(rng.integers(2, 9)), str(rng.choice(["signed", "unsigned"]))
        )
    shapes = ((H, H), (H, N_in), (C, H), (H, C))
    J, W_in, W_out, W_back = (
        _draw_weights(rng, format, shape) for format, shape in zip(formats, shapes, strict=True)
    )
    np.fill_diagonal(J, 0)
    return QuantizedNetwork(
        J,
        W_in,
        W_out,
        W_back,
        NetworkFormats(formats[0], formats[1], formats[2], formats[3], inputs),
        self_coupling=int(rng.integers(0, 12)),
        margin=int(rng.integers(-3, 20)),
        readout_margin=int(rng.integers(-3, 20)),
    )


def _draw_weights(
    rng: np.random.Generator, format: QFormat, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return uniform weights, now and then all of them at an end of their range."""
    if format.bits == 1:
        return rng.choice(np.array([-1, 1], format.dtype), shape)
    if rng.random() < 0.1:
        return np.full(shape, rng.choice([format.low, format.high]), format.dtype)
    return rng.integers(format.low, format.high + 1, shape).astype(format.dtype)


def draw_learning(rng: np.random.Generator, network: QuantizedNetwork) -> CoreLearning:
    """Return a plasticity of a network.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    network : QuantizedNetwork
        A network with spins as inputs.

    Returns
    -------
    CoreLearning
        The plasticity.
    """
    formats = []
    for name in BLOCKS[:3]:
        block = getattr(network.formats, name)
        bits = int(rng.choice([wide for wide in BITS if wide >= block.bits]))
        formats.append(QFormat(bits, block.fraction_bits + bits - block.bits))
    warmup = int(rng.integers(0, 3))
    feedback = warmup + int(rng.integers(0, 4))
    J, W_in, W_out = (None if rng.random() < 0.15 else int(rng.integers(-3, 6)) for _ in range(3))
    decays = [
        None if k is None or format.bits == 1 or rng.random() < 0.4 else int(rng.integers(1, 6))
        for k, format in zip((J, W_in, W_out), formats, strict=True)
    ]
    margin = network.margin
    return CoreLearning(
        batch_size=int(rng.choice([1, 2, 3, 5])),
        warmup=warmup,
        feedback=feedback,
        sweeps=max(1, feedback + int(rng.integers(0, 4))),
        threshold=margin[0] if isinstance(margin, tuple) else margin,
        readout_threshold=network.readout_margin,
        exponents=(J, W_in, W_out),
        decays=(decays[0], decays[1], decays[2]),
        decay_period=1 << int(rng.integers(0, 3)),
        rounding=str(rng.choice(["per-weight", "per-event"])),
        formats=(formats[0], formats[1], formats[2]),
    )


def draw_core(
    rng: np.random.Generator,
    *,
    learns: bool,
    elements: int | None = None,
    sizes: Sizes | None = None,
) -> RandomCore:
    """Return a core of a random network, with random contents.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    learns : bool
        Whether it learns.
    elements : int, optional
        P. Default: 1..H.
    sizes : tuple of int, optional
        H, N_in and C. Default: as of `draw_network`.

    Returns
    -------
    RandomCore
        The core.
    """
    network = draw_network(rng, spins=learns, sizes=sizes)
    P = elements or int(rng.integers(1, network.n_neurons + 1))
    learning = draw_learning(rng, network) if learns else None
    design = design_core(network, P, learning=learning, event_driven=bool(rng.integers(2)))
    if learning is None:
        return RandomCore(design, fill_memories(design, network), network)
    latent = {}
    for name, format in zip(BLOCKS[:3], learning.formats, strict=True):
        latent[name] = _draw_weights(rng, format, getattr(network, name).shape)
        if name == "couplings":
            np.fill_diagonal(latent[name], 0)
    registers = rng.integers(1, 1 << 16, network.n_neurons + network.n_outputs)
    return RandomCore(design, fill_memories(design, network, latent, registers), network)


def draw_inputs(rng: np.random.Generator, network: QuantizedNetwork, n: int) -> NDArray[np.int16]:
    """Return random inputs.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    network : QuantizedNetwork
        The network.
    n : int
        Samples.

    Returns
    -------
    ndarray of int16, shape (n, N_in)
        Integers of the network's format.
    """
    format, shape = network.formats.inputs, (n, network.n_inputs)
    if format.bits == 1:
        return rng.choice(np.array([-1, 1], np.int16), shape)
    return rng.integers(format.low, format.high + 1, shape).astype(np.int16)


def draw_commands(rng: np.random.Generator, core: RandomCore, n_samples: int) -> list[int]:
    """Return commands of all kinds, wrong ones among them; the last ones read all that is there.

    Parameters
    ----------
    rng : Generator
        Random numbers.
    core : RandomCore
        The core.
    n_samples : int
        Inferences, and samples to learn.

    Returns
    -------
    list of int
        Their words.
    """
    design = core.design
    words = set_register(design, "CONTROL", int(rng.choice([0, 1, 1, 3])))
    words += set_register(design, "MAX_SWEEPS", int(rng.integers(1, 12)))
    for x in draw_inputs(rng, core.network, n_samples):
        if design.learning is not None and rng.random() < 0.7:
            words += learn(design, x, int(rng.integers(design.n_outputs)))
        else:
            start = rng.choice([-1, 1], design.n_neurons) if rng.random() < 0.5 else None
            words += infer(design, x, start)
        if design.learning is not None and rng.random() < 0.15:
            words += update()
        if rng.random() < 0.3:
            words += _draw_aside(rng, core)
    for register in list_registers(design):
        words += get_register(design, register.name)
    for memory in design.memories:
        words += read_memory(memory, 0, memory.words)
    return words


def _draw_aside(rng: np.random.Generator, core: RandomCore) -> list[int]:
    """Return a command that is no sample: about registers or memories, or a wrong one."""
    design = core.design
    kind = int(rng.integers(6))
    memory = design.memories[int(rng.integers(len(design.memories)))]
    first = int(rng.integers(memory.words))
    if kind == 0:
        return [pack_header(int(rng.choice([0, 8, 255])), 3, 5)]
    if kind == 1:
        operation = rng.choice([Operation.SET, Operation.GET, Operation.WRITE, Operation.READ])
        return [pack_header(int(operation), int(rng.choice([14, 200])))]
    if kind == 2:
        count = int(rng.integers(0, 4))  # perhaps beyond the end
        return read_memory(memory, first, count)
    if kind == 3:
        # What was there at first: no weight is out of its format, nor a field too large.
        lanes = core.contents[memory.name][first : first + 3]
        beyond = np.zeros((int(rng.integers(2)) * (first + 3 > memory.words), memory.lanes), int)
        return write_memory(memory, first, np.concatenate([lanes, beyond]))
    if kind == 4 or design.learning is None:
        return set_register(design, "NEURONS", 5) + set_register(
            design, "SELF_COUPLING", int(rng.integers(0, design.self_coupling + 1))
        )
    name, low, high = _CHANGES[int(rng.integers(len(_CHANGES)))]
    return set_register(design, name, int(rng.integers(low, high + 1)))
