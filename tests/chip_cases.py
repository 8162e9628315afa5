"""Random cores: networks of any format, what they learn with, and streams of commands for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet.chips.contents import Contents, fill_memories
from binnet.chips.design import CoreDesign, CoreLearning, design_core
from binnet.chips.protocol import (
    get_register,
    infer,
    learn,
    read_memory,
    set_register,
    update,
)
from binnet.networks import (
    BITS,
    BLOCKS,
    InputFormat,
    NetworkFormats,
    QFormat,
    QuantizedNetwork,
    choose_input_format,
)

Rng = np.random.Generator


class Case(NamedTuple):
    """A core, what is in it, and the network it comes from."""

    design: CoreDesign
    contents: Contents
    network: QuantizedNetwork


def draw_weights(rng: Rng, format: QFormat, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform weights, now and then all at an end of their range: the worst fields."""
    if format.bits == 1:
        return rng.choice(np.array([-1, 1], format.dtype), shape)
    if rng.random() < 0.1:
        return np.full(shape, rng.choice([format.low, format.high]), format.dtype)
    return rng.integers(format.low, format.high + 1, shape).astype(format.dtype)


def draw_network(rng: Rng, *, spins: bool = False, sizes: Any = None) -> QuantizedNetwork:
    """A network of random sizes and formats; each block has its own."""
    H, N_in, C = sizes or (rng.integers(1, 13), rng.integers(1, 9), rng.integers(2, 6))
    formats = [
        QFormat(int(rng.choice(BITS, p=(0.2, 0.2, 0.3, 0.2, 0.1))), int(rng.integers(0, 4)))
        for _ in BLOCKS
    ]
    inputs = InputFormat()
    if not spins and rng.random() < 0.4:
        inputs = choose_input_format(
            int(rng.integers(2, 9)), str(rng.choice(["signed", "unsigned"]))
        )
    shapes = ((H, H), (H, N_in), (C, H), (H, C))
    weights = {
        name: draw_weights(rng, format, shape)
        for name, format, shape in zip(BLOCKS, formats, shapes, strict=True)
    }
    np.fill_diagonal(weights["couplings"], 0)
    return QuantizedNetwork(
        **weights,
        formats=NetworkFormats(*formats, inputs=inputs),
        self_coupling=int(rng.integers(0, 12)),
        margin=int(rng.integers(-3, 20)),
        readout_margin=int(rng.integers(-3, 20)),
    )


def draw_learning(rng: Rng, network: QuantizedNetwork) -> CoreLearning:
    """A plasticity of a network: everything that a core does is drawn now and then."""
    formats = []
    for name in BLOCKS[:3]:
        block = getattr(network.formats, name)
        bits = int(rng.choice([wide for wide in BITS if wide >= block.bits]))
        formats.append(QFormat(bits, block.fraction_bits + bits - block.bits))
    warmup = int(rng.integers(0, 3))
    feedback = warmup + int(rng.integers(0, 4))
    exponents = [None if rng.random() < 0.15 else int(rng.integers(-3, 6)) for _ in range(3)]
    decays = [
        None if k is None or format.bits == 1 or rng.random() < 0.4 else int(rng.integers(1, 6))
        for k, format in zip(exponents, formats, strict=True)
    ]
    return CoreLearning(
        batch_size=int(rng.choice([1, 2, 3, 5])),
        warmup=warmup,
        feedback=feedback,
        sweeps=max(1, feedback + int(rng.integers(0, 4))),
        threshold=int(network.margin),  # type: ignore[arg-type]
        readout_threshold=network.readout_margin,
        exponents=tuple(exponents),  # type: ignore[arg-type]
        decays=tuple(decays),  # type: ignore[arg-type]
        decay_period=int(2 ** rng.integers(0, 3)),
        rounding=str(rng.choice(["per-weight", "per-event"])),
        formats=tuple(formats),  # type: ignore[arg-type]
    )


def draw_latent(rng: Rng, network: QuantizedNetwork, learning: CoreLearning) -> dict[str, Any]:
    """Latent weights of the blocks that have any; they need not show the network's weights."""
    latent = {}
    for name, format in zip(BLOCKS[:3], learning.formats, strict=True):
        block = draw_weights(rng, format, getattr(network, name).shape)
        if name == "couplings" and format.bits > 1:
            np.fill_diagonal(block, 0)
        latent[name] = block
    return latent


def draw_case(rng: Rng, *, learns: bool, elements: int | None = None, sizes: Any = None) -> Case:
    """A core of a random network, with random contents."""
    network = draw_network(rng, spins=learns, sizes=sizes)
    P = elements or int(rng.integers(1, network.n_neurons + 1))
    learning = draw_learning(rng, network) if learns else None
    design = design_core(network, P, learning=learning, event_driven=bool(rng.integers(2)))
    if learning is None:
        return Case(design, fill_memories(design, network), network)
    registers = rng.integers(1, 65536, network.n_neurons + network.n_outputs)
    latent = draw_latent(rng, network, learning)
    return Case(design, fill_memories(design, network, latent, registers), network)


def draw_inputs(rng: Rng, network: QuantizedNetwork, n: int) -> np.ndarray:
    """Inputs as integers of the network's format."""
    format = network.formats.inputs
    if format.bits == 1:
        return rng.choice(np.array([-1, 1], np.int8), (n, network.n_inputs))
    return rng.integers(format.low, format.high + 1, (n, network.n_inputs)).astype(np.int16)


def draw_commands(rng: Rng, case: Case, n_samples: int) -> list[int]:
    """Commands of all kinds for a core, with every state, and all memories at the end."""
    design = case.design
    words = set_register(design, "CONTROL", int(rng.choice([0, 1, 1, 3])))
    words += set_register(design, "MAX_SWEEPS", int(rng.integers(1, 12)))
    for x in draw_inputs(rng, case.network, n_samples):
        if design.learning is not None and rng.random() < 0.7:
            words += learn(design, x, int(rng.integers(design.n_outputs)))
        else:
            start = rng.choice([-1, 1], design.n_neurons) if rng.random() < 0.5 else None
            words += infer(design, x, start)
        if design.learning is not None and rng.random() < 0.15:
            words += update()
    for name in ("STATUS", "BATCHES") if design.learning is not None else ("STATUS",):
        words += get_register(design, name)
    for memory in design.memories:
        words += read_memory(memory, 0, memory.words)
    return words
