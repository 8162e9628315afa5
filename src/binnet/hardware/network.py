"""A binary network in integers, and the way from floating point to it and back.

Every block of weights has its own power-of-two scale. The hidden fields are summed in a 32-bit
accumulator that has the most fraction bits F of the blocks that enter it (couplings, input weights,
feedback); a block with fewer is shifted left by the difference. All is exact: nothing is rounded
after the weights, and the accumulator cannot wrap, because a network whose fields could is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet._validation import check_choice, check_integer, check_real
from binnet.dynamics import LaidOut, lay_out
from binnet.hardware.formats import QFormat, check_bits, choose_fraction_bits
from binnet.networks import BinaryNetwork

ACCUMULATOR_BITS = 32
ACCUMULATOR_LIMIT = 2**31 - 1
# g(+1) = sqrt(C)/2 of the readout feedback is rounded to this many fraction bits.
GAIN_FRACTION_BITS = 6
BLOCKS = ("couplings", "input_weights", "readout", "feedback")
OVERFLOWS = ("refuse", "saturate")

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class NetworkFormats:
    """One format for each block of weights.

    Parameters
    ----------
    couplings, input_weights, readout, feedback : QFormat
        Formats of J, W_in, W_out and W_back.
    """

    couplings: QFormat
    input_weights: QFormat
    readout: QFormat
    feedback: QFormat

    @property
    def fraction_bits(self) -> int:
        """Fraction bits F of the accumulator of a hidden field: the most of what enters it."""
        entering = (self.couplings, self.input_weights, self.feedback)
        return max(block.fraction_bits for block in entering)

    @property
    def coupling_shift(self) -> int:
        """How far the sum over the couplings is shifted left in the accumulator."""
        return self.fraction_bits - self.couplings.fraction_bits

    @property
    def input_shift(self) -> int:
        """How far the sum over the inputs is shifted left in the accumulator."""
        return self.fraction_bits - self.input_weights.fraction_bits


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """The weights of a binary recurrent network as integers.

    With the shifts of `formats` and F = ``formats.fraction_bits``, the fields in integers are::

        h_i = (sum_j couplings[i, j] s_j << coupling_shift) + self_coupling s_i
              + (sum_n input_weights[i, n] x_n << input_shift) + a(t) feedback_fields[label, i]
        f_c = sum_i readout[c, i] s_i

    h_i is in units of 2**-F, f_c of 2**-(fraction bits of the readout); a(t) is 0 or 1. The next
    spin is +1 where h_i >= 0.

    Parameters
    ----------
    couplings : ndarray of int8 or int16, shape (H, H)
        J_ij, from j to i. The diagonal is 0, also where one bit knows no 0: it is not a weight.
    input_weights : ndarray, shape (H, N_in)
        W_in.
    readout : ndarray, shape (C, H)
        W_out.
    feedback : ndarray, shape (H, C)
        W_back.
    formats : NetworkFormats
        Format of each block; it also gives each block's dtype.
    self_coupling : int
        J_D >= 0 in units of the accumulator, 2**-F.
    margin : int, default 0
        A neuron is unstable where s_i h_i <= margin (kappa, and J_D where it does not count), in
        units of the accumulator.
    readout_margin : int, default 0
        The same for f_c y_c, in units of the readout's accumulator.

    Raises
    ------
    TypeError, ValueError
        If shapes or dtypes do not fit, a weight is out of its format, or a field could overflow.
    """

    couplings: Integers
    input_weights: Integers
    readout: Integers
    feedback: Integers
    formats: NetworkFormats
    self_coupling: int
    margin: int = 0
    readout_margin: int = 0

    def __post_init__(self) -> None:
        for name in BLOCKS:
            _check_block(name, getattr(self, name), getattr(self.formats, name))
        n_hidden, n_outputs = len(self.couplings), len(self.readout)
        for name, shape, axes in (
            ("couplings", (n_hidden, n_hidden), "(H, H)"),
            ("input_weights", (n_hidden, self.n_inputs), "(H, N_in)"),
            ("readout", (n_outputs, n_hidden), "(C, H)"),
            ("feedback", (n_hidden, n_outputs), "(H, C)"),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {axes} = {shape}, got {getattr(self, name).shape}"
                )
        if np.diagonal(self.couplings).any():
            raise ValueError(
                "the diagonal of couplings must be 0: pass the self-coupling as self_coupling"
            )
        limit = ACCUMULATOR_LIMIT
        check_integer("self_coupling", self.self_coupling, 0, limit)
        check_integer("margin", self.margin, -limit, limit)
        check_integer("readout_margin", self.readout_margin, -limit, limit)
        refuse_overflow(self.worst_field, self.worst_readout_field)

    @property
    def n_hidden(self) -> int:
        """Number of hidden neurons H."""
        return len(self.couplings)

    @property
    def n_inputs(self) -> int:
        """Number of inputs N_in."""
        return int(self.input_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of readout neurons C."""
        return len(self.readout)

    @property
    def feedback_fields(self) -> NDArray[np.int32]:  # numpydoc ignore=RT01
        """Fields of the feedback with the readout clamped to each label, shape (C, H).

        Row l is sum_c feedback[i, c] G(y_c) with y_l = +1 and the rest -1, G(+1) =
        round(2**6 sqrt(C) / 2) and G(-1) = -2**5, then shifted to the accumulator's fraction bits;
        a shift to the right rounds halves up.
        """
        return sum_feedback(self.feedback, self.formats).astype(np.int32)

    @property
    def worst_field(self) -> int:
        """Largest possible |h_i| of any state, input and label."""
        fields = largest_fields(
            self.couplings, self.input_weights, self.feedback, self.formats, self.self_coupling
        )
        return int(fields.max())

    @property
    def worst_readout_field(self) -> int:
        """Largest possible |f_c| of any state."""
        return int(np.abs(self.readout.astype(np.int64)).sum(axis=1).max())


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
) -> tuple[QuantizedNetwork, QuantizationReport]:
    """Turn a network into integers.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
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

    Examples
    --------
    >>> from binnet.networks import NetworkParameters
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=50))
    >>> integers, report = quantize(network, bits=4)
    >>> integers.couplings.dtype, report.blocks["couplings"].saturated
    (dtype('int8'), 2)
    """
    check_choice("overflow", overflow, OVERFLOWS)
    check_real("margin", margin)
    check_real("readout_margin", readout_margin)
    formats = formats or choose_formats(network, bits)
    integers: dict[str, Any] = {}
    saturated = {}
    for k, name in enumerate(BLOCKS):
        values = getattr(network, name)
        integers[name], saturated[name] = getattr(formats, name).quantize(
            values, rounding, check_integer("seed", seed, 0) + k
        )
    np.fill_diagonal(integers["couplings"], 0)
    accumulator, readout = formats.fraction_bits, formats.readout.fraction_bits
    self_coupling = round(math.ldexp(network.self_coupling, accumulator))
    clipped = _saturate_rows(integers, formats, self_coupling) if overflow == "saturate" else 0
    # s h <= kappa for a real kappa is s h <= floor(kappa) for integers.
    threshold = math.floor(math.ldexp(margin, accumulator))
    quantized = QuantizedNetwork(
        **integers,
        formats=formats,
        self_coupling=self_coupling,
        margin=threshold + self_coupling * margin_excludes_self_coupling,
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
    chosen = {}
    for name in BLOCKS:
        values = getattr(network, name)
        if name == "couplings":
            values = values[~np.eye(len(values), dtype=bool)]
        chosen[name] = QFormat(bits, choose_fraction_bits(values, bits))
    return NetworkFormats(**chosen)


@lay_out.register
def _lay_out_integers(network: QuantizedNetwork) -> LaidOut:
    from binnet_kernels.structs import allocate_rows, to_banks

    formats = network.formats
    readout = allocate_rows(network.n_outputs, network.n_hidden, 1, network.readout.dtype)
    readout[:, : network.n_hidden] = network.readout
    return LaidOut(
        to_banks(network.couplings.T, 1),
        1 << formats.coupling_shift,
        to_banks(network.input_weights.T.astype(np.int32) << formats.input_shift, 1),
        readout,
        network.feedback_fields,
        network.self_coupling,
        np.dtype(np.int32),
        math.ldexp(1.0, -formats.fraction_bits),
        formats.readout.resolution,
    )


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
    return BinaryNetwork(
        **blocks,
        self_coupling=math.ldexp(network.self_coupling, -network.formats.fraction_bits),
    )


def refuse_overflow(worst_field: int, worst_readout_field: int) -> None:
    """Refuse fields that a 32-bit accumulator cannot hold.

    Parameters
    ----------
    worst_field, worst_readout_field : int
        Largest possible fields, in units of their accumulators.

    Raises
    ------
    ValueError
        If one is beyond 2**31 - 1.
    """
    for name, worst in (("hidden", worst_field), ("readout", worst_readout_field)):
        if worst > ACCUMULATOR_LIMIT:
            raise ValueError(
                f"a {name} field could reach {worst} in units of its accumulator, which holds at "
                f"most {ACCUMULATOR_LIMIT} in {ACCUMULATOR_BITS} bits; choose fewer weight bits, "
                "or fraction bits of the blocks that are closer to each other, or saturate"
            )


def sum_feedback(feedback: Integers, formats: NetworkFormats) -> NDArray[np.int64]:
    """Return `QuantizedNetwork.feedback_fields` of the block `feedback`.

    Parameters
    ----------
    feedback : ndarray, shape (H, C)
        W_back in integers.
    formats : NetworkFormats
        Formats of the blocks.

    Returns
    -------
    ndarray of int64, shape (C, H)
        The fields, in units of the accumulator.
    """
    n_outputs = feedback.shape[1]
    gain = np.full((n_outputs, n_outputs), -(1 << (GAIN_FRACTION_BITS - 1)), np.int64)
    np.fill_diagonal(gain, round(math.ldexp(math.sqrt(n_outputs), GAIN_FRACTION_BITS - 1)))
    sums = gain @ feedback.T.astype(np.int64)
    right = formats.feedback.fraction_bits + GAIN_FRACTION_BITS - formats.fraction_bits
    if right > 0:
        return np.asarray((sums + (1 << (right - 1))) >> right)
    return np.asarray(sums << -right)


def largest_fields(
    couplings: Integers,
    input_weights: Integers,
    feedback: Integers,
    formats: NetworkFormats,
    self_coupling: int,
) -> NDArray[np.object_]:
    """Return the largest possible |h_i| of each neuron over all states, inputs and labels.

    Parameters
    ----------
    couplings, input_weights, feedback : ndarray
        The blocks that enter a hidden field, in integers.
    formats : NetworkFormats
        Formats of the blocks.
    self_coupling : int
        J_D in units of the accumulator.

    Returns
    -------
    ndarray of int, shape (H,)
        Python integers, which know no overflow, in units of the accumulator.
    """
    sums = [np.abs(block.astype(np.int64)).sum(axis=1) for block in (couplings, input_weights)]
    steering = np.abs(sum_feedback(feedback, formats)).max(axis=0)
    return np.asarray(
        (sums[0].astype(object) << formats.coupling_shift)
        + (sums[1].astype(object) << formats.input_shift)
        + steering.astype(object)
        + self_coupling
    )


def _saturate_rows(blocks: dict[str, Any], formats: NetworkFormats, self_coupling: int) -> int:
    """Clip the largest weights onto neurons whose field could overflow; return how many.

    In units of the accumulator, all couplings and input weights of such a neuron are held to the
    largest bound with which its field fits.
    """
    rest = largest_fields(
        0 * blocks["couplings"], 0 * blocks["input_weights"], blocks["feedback"], formats,
        self_coupling,
    )  # fmt: skip
    worst = largest_fields(
        blocks["couplings"], blocks["input_weights"], blocks["feedback"], formats, self_coupling
    )
    shifts = {"couplings": formats.coupling_shift, "input_weights": formats.input_shift}
    clipped = 0
    for i in np.flatnonzero(worst > ACCUMULATOR_LIMIT):
        rows = {name: np.abs(blocks[name][i].astype(np.int64)) for name in shifts}
        low, high = 0, ACCUMULATOR_LIMIT
        while low < high:  # bisection for the largest bound
            bound = (low + high + 1) // 2
            total = sum(
                int(np.minimum(rows[name], bound >> shift).sum()) << shift
                for name, shift in shifts.items()
            )
            low, high = (bound, high) if total + rest[i] <= ACCUMULATOR_LIMIT else (low, bound - 1)
        for name, shift in shifts.items():
            bound = low >> shift
            clipped += int((rows[name] > bound).sum())
            if getattr(formats, name).bits == 1 and bound < 1:
                raise ValueError(
                    f"one-bit {name} cannot be made smaller to keep a field from overflowing; "
                    "choose fraction bits of the blocks that are closer to each other"
                )
            np.clip(blocks[name][i], -bound, bound, out=blocks[name][i], casting="unsafe")
    return clipped


def _check_block(name: str, block: Any, format: QFormat) -> None:
    if not isinstance(block, np.ndarray) or block.ndim != 2 or block.size == 0:
        raise ValueError(f"{name} must be a matrix with no empty axis, got {np.shape(block)}")
    if block.dtype != format.dtype:
        raise TypeError(
            f"{name} must be {format.dtype} for weights of {format.bits} bits, got {block.dtype}"
        )
    beyond = (block < format.low) | (block > format.high)
    if format.bits == 1:
        beyond |= block == 0
        if name == "couplings":
            np.fill_diagonal(beyond, False)
    if beyond.any():
        where = tuple(int(k) for k in np.argwhere(beyond)[0])
        valid = "-1 or +1" if format.bits == 1 else f"in {format.low}..{format.high}"
        raise ValueError(
            f"{name} must be {valid} in {format.bits} bits, got {block[where]} at {list(where)}"
        )


def _report_block(
    name: str, network: BinaryNetwork, integers: Integers, format: QFormat, saturated: int
) -> BlockReport:
    before = getattr(network, name).astype(np.float64)
    after = format.dequantize(integers)
    if name == "couplings":
        is_weight = ~np.eye(len(before), dtype=bool)
        before, after = before[is_weight], after[is_weight]
    error = float(np.square(after - before).sum())
    signal = float(np.square(before).sum())
    snr = 10 * math.log10(signal / error) if error > 0 and signal > 0 else math.inf
    if signal == 0 and error > 0:
        snr = -math.inf
    low, high = (float(before.min()), float(before.max())) if before.size else (0.0, 0.0)
    return BlockReport(format, low, high, saturated, before.size, snr)
