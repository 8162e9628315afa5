"""From a network in floating point to one in integers and back, and what is lost on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet._validation import check_choice, check_integer, check_real
from binnet.networks.driven import BinaryNetwork
from binnet.networks.formats import NetworkFormats, QFormat, check_bits, choose_fraction_bits
from binnet.networks.inputs import choose_input_format
from binnet.networks.quantised import (
    ACCUMULATOR_LIMIT,
    BLOCKS,
    Integers,
    QuantizedNetwork,
    find_largest_help,
    largest_fields,
)
from binnet.networks.sparse import is_sparse

OVERFLOWS = ("refuse", "saturate")


@dataclass(frozen=True)
class BlockReport:
    """What quantising did to a block.

    Attributes
    ----------
    format : QFormat
        Its format.
    minimum, maximum : float
        Range of the weights before.
    saturated : int
        Weights beyond the range of the format.
    weights : int
        Weights in the block; the couplings' diagonal is none.
    snr_db : float
        10 log10(sum of squares of the weights / sum of squares of the errors); inf if exact.
    """

    format: QFormat
    minimum: float
    maximum: float
    saturated: int
    weights: int
    snr_db: float


@dataclass(frozen=True)
class QuantizationReport:
    """What quantising did to a network.

    Attributes
    ----------
    blocks : dict of str to BlockReport
        Keys "couplings", "input_weights", "readout", "feedback".
    worst_field, worst_readout_field : int
        Largest possible |h_i| and |f_c|, in units of their accumulators.
    accumulator_limit : int
        Largest integer of the accumulator.
    clipped : int
        Weights made smaller so that no field can overflow (with ``overflow="saturate"``).
    """

    blocks: dict[str, BlockReport]
    worst_field: int
    worst_readout_field: int
    accumulator_limit: int
    clipped: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON; an infinite SNR is None.

        Returns
        -------
        dict
            Nested plain values.
        """
        blocks = {}
        for name, block in self.blocks.items():
            blocks[name] = {
                "bits": block.format.bits,
                "fraction_bits": block.format.fraction_bits,
                "minimum": block.minimum,
                "maximum": block.maximum,
                "saturated": block.saturated,
                "weights": block.weights,
                "snr_db": block.snr_db if math.isfinite(block.snr_db) else None,
            }
        return {
            "blocks": blocks,
            "worst_field": self.worst_field,
            "worst_readout_field": self.worst_readout_field,
            "accumulator_limit": self.accumulator_limit,
            "clipped": self.clipped,
        }


def quantize(
    network: BinaryNetwork,
    bits: int = 8,
    formats: NetworkFormats | None = None,
    *,
    margin: float = 0.0,
    readout_margin: float = 0.0,
    margin_excludes_self_coupling: bool = True,
    rounding: str = "nearest-even",
    seed: int = 0,
    overflow: str = "refuse",
    input_bits: int = 1,
    input_format: str = "unsigned",
) -> tuple[QuantizedNetwork, QuantizationReport]:
    """Turn a network into integers.

    Parameters
    ----------
    network : BinaryNetwork
        The network; sparse weights become arrays with 0 for those that do not exist.
    bits : {1, 2, 4, 8, 16}, default 8
        Width of all weights; not read where `formats` are given.
    formats : NetworkFormats, optional
        Formats of the blocks. Default: `bits`, and fraction bits with the least error.
    margin, readout_margin : float, default 0
        kappa and kappa_out of the plasticity, kept with the network.
    margin_excludes_self_coupling : bool, default True
        Whether J_D is added to `margin`.
    rounding : {"nearest-even", "stochastic"}, default "nearest-even"
        How weights are rounded.
    seed : int, default 0
        Of the stochastic rounding.
    overflow : {"refuse", "saturate"}, default "refuse"
        What to do where a field could overflow its accumulator: refuse, or make the largest weights
        onto that neuron smaller until it cannot, and count them.
    input_bits : int, default 1
        Width of the inputs, 1..8; 1: spins. Not read where `formats` are given.
    input_format : {"unsigned", "signed"}, default "unsigned"
        What inputs of more bits are: pixels in [0, 1], or features of mean 0 and variance 1
        (`binnet.networks.choose_input_format`).

    Returns
    -------
    network : QuantizedNetwork
        The network in integers.
    report : QuantizationReport
        Range, saturation and SNR of each block, and the worst fields.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or a field could overflow.
    MemoryError
        If there is no memory for sparse weights as arrays.

    Examples
    --------
    >>> from binnet.networks.modules import NetworkParameters
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=50))
    >>> integers, report = quantize(network, bits=4)
    >>> integers.couplings.dtype, report.blocks["couplings"].saturated
    (dtype('int8'), 2)
    """
    check_choice("overflow", overflow, OVERFLOWS)
    check_real("margin", margin)
    check_real("readout_margin", readout_margin)
    has_sparse_inputs, network = is_sparse(network.input_weights), network.to_dense()
    inputs = choose_input_format(input_bits, input_format)
    formats = formats or replace(choose_formats(network, bits), inputs=inputs)
    if has_sparse_inputs and formats.input_weights.bits == 1:
        raise ValueError(
            "input weights of one bit, -1 or +1, are all there, and those of this network are "
            "sparse; use 2 bits or more, which know a 0"
        )
    integers: dict[str, Any] = {}
    saturated = {}
    for k, name in enumerate(BLOCKS):
        values = getattr(network, name)
        integers[name], saturated[name] = getattr(formats, name).quantize(
            values, rounding, check_integer("seed", seed, 0, None) + k
        )
    np.fill_diagonal(integers["couplings"], 0)
    if network.connectivity is not None:
        integers["couplings"] *= network.connectivity  # one bit knows no 0
    accumulator, readout = formats.fraction_bits, formats.readout.fraction_bits
    # s h <= kappa for a real kappa is s h <= floor(kappa) for integers.
    threshold = math.floor(math.ldexp(margin, accumulator))
    structure: dict[str, Any] = {
        name: getattr(network, name) for name in ("sizes", "connectivity", "has_biases")
    }
    for name in ("self_coupling", "excitation"):
        structure[name] = _of_modules(
            getattr(network, name), lambda value: round(math.ldexp(value, accumulator))
        )
    structure["margin"] = _of_modules(
        structure["self_coupling"],
        lambda own: threshold + own * margin_excludes_self_coupling,
    )
    clipped = 0
    if overflow == "saturate":
        own, excitation = structure["self_coupling"], structure["excitation"]
        clipped = _saturate_rows(
            integers, formats, find_largest_help(network.sizes, own, excitation)
        )
    quantized = QuantizedNetwork(
        **integers,
        **structure,
        formats=formats,
        readout_margin=math.floor(math.ldexp(readout_margin, readout)),
    )
    blocks = {}
    for name in BLOCKS:
        blocks[name] = _report_block(
            name, network, integers[name], getattr(formats, name), saturated[name]
        )
    return quantized, QuantizationReport(
        blocks, quantized.worst_field, quantized.worst_readout_field, ACCUMULATOR_LIMIT, clipped
    )


def choose_formats(network: BinaryNetwork, bits: int) -> NetworkFormats:
    """Return formats of one width whose fraction bits fit the weights best.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    bits : {1, 2, 4, 8, 16}
        Width of all weights.

    Returns
    -------
    NetworkFormats
        A format for each block.
    """
    check_bits("bits", bits)
    network = network.to_dense()
    chosen: dict[str, Any] = {}
    for name in BLOCKS:
        values = getattr(network, name)
        if name == "couplings":
            values = values[_present(network)]
        chosen[name] = QFormat(bits, choose_fraction_bits(values, bits))
    return NetworkFormats(**chosen)


def dequantize(network: QuantizedNetwork, dtype: DTypeLike = np.float64) -> BinaryNetwork:
    """Turn integers back into a floating-point network.

    In float64 its fields are exactly those of the integers (the feedback's up to the rounding of
    g), as every sum stays below 2**53.

    Parameters
    ----------
    network : QuantizedNetwork
        The network in integers.
    dtype : dtype, default float64
        float32 or float64.

    Returns
    -------
    BinaryNetwork
        The network.
    """
    blocks = {}
    for name in BLOCKS:
        blocks[name] = getattr(network.formats, name).dequantize(getattr(network, name), dtype)
    bits = network.formats.fraction_bits
    return BinaryNetwork(
        **blocks,
        self_coupling=_to_values(network.self_coupling, bits),
        sizes=network.sizes,
        excitation=_to_values(network.excitation, bits),
        connectivity=network.connectivity,
        has_biases=network.has_biases,
    )


def _to_values(integers: int | tuple[int, ...], fraction_bits: int) -> float | tuple[float, ...]:
    if isinstance(integers, tuple):
        return tuple(math.ldexp(integer, -fraction_bits) for integer in integers)
    return math.ldexp(integers, -fraction_bits)


def _of_modules(value: Any, turn: Callable[[Any], int]) -> int | tuple[int, ...]:
    """Return ``turn(value)``, of each module where there is a value for each."""
    return tuple(map(turn, value)) if isinstance(value, tuple) else turn(value)


def _present(network: BinaryNetwork) -> NDArray[np.bool_]:
    """Return which couplings there are, (H, H); the diagonal is none."""
    if network.connectivity is not None:
        return network.connectivity
    return ~np.eye(network.n_neurons, dtype=bool)


def _saturate_rows(
    blocks: dict[str, Any], formats: NetworkFormats, help_: NDArray[np.int64]
) -> int:
    """Clip the largest weights onto neurons whose field could overflow; return how many.

    In units of the accumulator, all couplings and input weights of such a neuron are held to the
    largest bound with which its field fits.
    """
    rest = largest_fields(
        0 * blocks["couplings"], 0 * blocks["input_weights"], blocks["feedback"], formats,
        help_,
    )  # fmt: skip
    worst = largest_fields(
        blocks["couplings"], blocks["input_weights"], blocks["feedback"], formats, help_
    )
    # What a weight of 1 adds to a field at most.
    units = {
        "couplings": 1 << formats.coupling_shift,
        "input_weights": formats.inputs.largest << formats.input_shift,
    }
    clipped = 0
    for i in np.flatnonzero(worst > ACCUMULATOR_LIMIT):
        rows = {name: np.abs(blocks[name][i].astype(np.int64)) for name in units}
        low, high = 0, ACCUMULATOR_LIMIT
        while low < high:  # bisection for the largest bound
            bound = (low + high + 1) // 2
            total = sum(
                int(np.minimum(rows[name], bound // unit).sum()) * unit
                for name, unit in units.items()
            )
            low, high = (bound, high) if total + rest[i] <= ACCUMULATOR_LIMIT else (low, bound - 1)
        for name, unit in units.items():
            bound = low // unit
            clipped += int((rows[name] > bound).sum())
            if getattr(formats, name).bits == 1 and bound < 1:
                raise ValueError(
                    f"one-bit {name} cannot be made smaller to keep a field from overflowing; "
                    "choose fraction bits of the blocks that are closer to each other"
                )
            np.clip(blocks[name][i], -bound, bound, out=blocks[name][i], casting="unsafe")
    return clipped


def _report_block(
    name: str, network: BinaryNetwork, integers: Integers, format: QFormat, saturated: int
) -> BlockReport:
    before = getattr(network, name).astype(np.float64)
    after = format.dequantize(integers)
    if name == "couplings":
        present = _present(network)
        before, after = before[present], after[present]
    error = float(np.square(after - before).sum())
    signal = float(np.square(before).sum())
    snr = 10 * math.log10(signal / error) if error > 0 and signal > 0 else math.inf
    if signal == 0 and error > 0:
        snr = -math.inf
    low, high = (float(before.min()), float(before.max())) if before.size else (0.0, 0.0)
    return BlockReport(format, low, high, saturated, before.size, snr)
