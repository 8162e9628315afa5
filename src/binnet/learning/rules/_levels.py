"""Levels of integer synapses: formats, how far an event moves a weight, how fast it decays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from binnet.learning.arithmetic import EXPONENTS
from binnet.learning.rules._protocol import Settings
from binnet.networks import (
    BLOCKS,
    BinaryNetwork,
    NetworkFormats,
    QFormat,
    QuantizedNetwork,
    choose_fraction_bits,
)
from binnet.networks.quantised import refuse_overflow, sum_feedback

# Room for the learned blocks to grow, and how much faster than in floating point each is to learn
# (k is lowered by it): chosen on a validation split at H = 400, docs/results/hardware.md. Few bits
# want slow input weights, whose random steps are coarse, and a fast readout; latent weights learn
# alike at all widths of the weights.
GROWTH = (1.0, 1.5, 2.0, 1.0)
FASTER = {16: (1, 0, 1), 8: (3, 0, 2), 4: (0, -3, 1), 2: (0, -3, 1), 1: (0, -3, 1)}
FASTER_LATENT = (3, 0, 2)
# Graded inputs, many of them 0, want couplings no faster than in floating point, at any width, and
# more room in the readout: pixels of MNIST as they are, H = 400.
GROWTH_GRADED = (1.0, 1.5, 4.0, 1.0)
FASTER_GRADED = (0, 0, 1)
_DECAY_EXPONENT = 8  # of the fastest decay: the others' then fit into the 16 bits of a draw


def choose_training_formats(
    settings: Settings, network: BinaryNetwork, *, feedback_grows: bool
) -> NetworkFormats:
    """Return the formats of a run: as given, or fitted to initial weights that will grow."""
    arithmetic = settings.arithmetic
    growth = GROWTH if arithmetic.input_bits == 1 else GROWTH_GRADED
    if feedback_grows:
        growth = (*growth[:3], growth[2])
    chosen = list(arithmetic.fraction_bits)
    if not chosen:
        for name, factor, bits in zip(BLOCKS, growth, arithmetic.bits_of_blocks, strict=True):
            weights = getattr(network, name)
            if name == "couplings" and network.connectivity is not None:
                weights = weights[network.connectivity]
            chosen.append(choose_fraction_bits(weights * factor, bits))
    J, W_in, W_out, W_back = map(QFormat, arithmetic.bits_of_blocks, chosen)
    return NetworkFormats(J, W_in, W_out, W_back, arithmetic.inputs)


def latent_formats(settings: Settings, formats: NetworkFormats) -> list[QFormat]:
    """Return the formats that the four blocks learn in: of latent weights, or of the weights."""
    stored = settings.arithmetic.stored_bits_of_blocks
    weights = [getattr(formats, name) for name in BLOCKS]
    return [
        QFormat(bits, weight.fraction_bits + bits - weight.bits)
        for bits, weight in zip(stored, weights, strict=True)
    ]


def find_unseen_bits(settings: Settings) -> tuple[int, ...]:
    """Return the bits of a latent weight of each block that fields do not see; 0: has none."""
    arithmetic = settings.arithmetic
    pairs = zip(arithmetic.stored_bits_of_blocks, arithmetic.bits_of_blocks, strict=True)
    return tuple(stored - bits for stored, bits in pairs)


def choose_gains(settings: Settings) -> tuple[int, ...]:
    """Return how much k of each block is below that of the rates in floating point."""
    arithmetic, unseen_bits = settings.arithmetic, find_unseen_bits(settings)
    faster = []
    # W_back learns the products that W_out learns.
    for block, kind in enumerate((0, 1, 2, 2)):
        table = FASTER[arithmetic.bits_of_blocks[block]]
        if arithmetic.input_bits > 1:
            table = FASTER_GRADED
        elif unseen_bits[block]:
            table = FASTER_LATENT
        faster.append(table[kind])
    return tuple(faster)


def derive_exponents(
    settings: Settings, formats: NetworkFormats, feedback_rate: float = 0.0
) -> tuple[int | None, ...]:
    """Return k of couplings, input weights, readout and feedback; None: the block does not learn.

    An event moves a weight by 2**-k levels: a power of two near the rate of the plasticity.
    """
    arithmetic = settings.arithmetic
    rates = [*settings.plasticity.scaled_rates(settings.network), feedback_rate]
    synapses = latent_formats(settings, formats)
    faster = choose_gains(settings)
    exponents: list[int | None] = []
    for block, (name, rate, format) in enumerate(zip(BLOCKS, rates, synapses, strict=True)):
        if rate == 0.0:
            exponents.append(None)
            continue
        if arithmetic.rate_exponents and block < len(arithmetic.rate_exponents):
            exponents.append(arithmetic.rate_exponents[block])
            continue
        levels = rate / math.sqrt(settings.training.batch_size) / format.resolution
        k = round(-math.log2(levels / format.step)) - faster[block]
        if not EXPONENTS[0] <= k <= EXPONENTS[1]:
            raise ValueError(
                f"an event would change the {name} by 2**{-k} levels, which must be 2**-15..2**14; "
                "choose other fraction bits, another rate or --rate-exponents"
            )
        exponents.append(k)
    return tuple(exponents)


def derive_shifts(settings: Settings) -> NDArray[np.int64]:
    """Return what k of each block is raised by in each module, shape (4, L).

    The powers of two nearest to the gains of the modules' neurons, see
    `PerceptronPlasticity.gains`; NEVER where nothing is attached.
    """
    from binnet_kernels.rules.integer_records import NEVER

    p = settings.network
    starts = np.cumsum((0, *p.sizes[:-1]))
    gains = np.vstack([settings.plasticity.gains(p), np.ones(p.n_neurons)])[:, starts]
    gains[3] = np.array(p.each("feedback_strength")) > 0
    shifts = np.full(gains.shape, NEVER, np.int64)
    shifts[gains > 0] = np.rint(-np.log2(gains[gains > 0]))
    return shifts


def derive_decays(settings: Settings) -> tuple[list[int], int]:
    """Return k of each block's decay by 2**-k (-1: none), and every how many batches it comes."""
    losses = settings.plasticity.losses(settings.network)
    if not losses.any():
        return [-1, -1, -1], 1
    stored = settings.arithmetic.stored_bits_of_blocks
    if any(loss > 0 and bits == 1 for loss, bits in zip(losses, stored, strict=False)):
        raise ValueError(
            "weights of one bit are -1 or +1 and cannot decay towards 0; set decay_couplings, "
            "decay_input and decay_readout to 0"
        )
    period = 2 ** max(0, round(-math.log2(losses.max())) - _DECAY_EXPONENT)
    exponents = [
        -1 if loss == 0 else min(round(-math.log2(loss * period)), EXPONENTS[1]) for loss in losses
    ]
    return [k if k < 0 else max(k, 1) for k in exponents], period


def exposed_range(format: QFormat) -> tuple[int, int]:
    """Return the ends of a weight, as `expose_weights` takes them: reversed for one bit."""
    return (format.low, format.high) if format.bits > 1 else (1, -1)


def refuse_growth(weights: QuantizedNetwork) -> None:
    """Refuse formats whose fields could overflow with all weights at the end of their range."""
    formats = weights.formats
    bounds = [-getattr(formats, name).low for name in BLOCKS]
    couplings = (weights.n_neurons - 1) * bounds[0] << formats.coupling_shift
    largest = weights.input_weights.shape[1] * formats.inputs.largest
    inputs = largest * bounds[1] << formats.input_shift
    steering = int(np.abs(sum_feedback(weights.feedback, formats)).max())
    refuse_overflow(
        couplings + inputs + steering + int(weights.largest_help.max()),
        weights.n_neurons * bounds[2],
    )


def refuse_gaps_of_one_bit(settings: Settings) -> None:
    """Refuse what one bit cannot hold: modules without input, readout, feedback or biases."""
    one_bit = dict(zip(BLOCKS, (b == 1 for b in settings.arithmetic.bits_of_blocks), strict=True))
    names = []
    if one_bit["input_weights"]:
        names.append("input_strength")
        if settings.network.has_biases:
            names.append("bias_strength")
    if one_bit["readout"]:
        names.append("readout_strength")
    steers = settings.schedule.amplitudes.any() or settings.rule.name != "perceptron"
    if one_bit["feedback"] and steers:
        names.append("feedback_strength")
    for name in names:
        if not all(settings.network.each(name)):
            remedy = 'arithmetic = "int2" or wider'
            if settings.arithmetic.block_bits:
                remedy = "2 bits or more for its block in block_bits"
            raise ValueError(
                f"{name} must be > 0 for all modules in int1, whose weights are -1 or +1, got "
                f"{getattr(settings.network, name)}; use {remedy}"
            )
