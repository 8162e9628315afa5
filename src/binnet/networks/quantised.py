"""A binary network in integers.

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
from numpy.typing import NDArray

from binnet._validation import check_integer
from binnet.networks.formats import QFormat
from binnet.networks.layout import LaidOut, lay_out

ACCUMULATOR_BITS = 32
ACCUMULATOR_LIMIT = 2**31 - 1
# g(+1) = sqrt(C)/2 of the readout feedback is rounded to this many fraction bits.
GAIN_FRACTION_BITS = 6
BLOCKS = ("couplings", "input_weights", "readout", "feedback")
# What a network in integers holds besides its blocks and their formats.
SCALARS = ("self_coupling", "margin", "readout_margin")

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

    With the shifts of `formats` and F = ``formats.fraction_bits``, the fields in integers are
    (docs/model/arithmetic.md, eq. (2.2))::

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


@lay_out.register
def _lay_out_integers(network: QuantizedNetwork) -> LaidOut:
    from binnet_kernels.structs import allocate_rows, find_windows, make_structure, to_banks

    formats = network.formats
    readout = allocate_rows(network.n_outputs, network.n_hidden, 1, network.readout.dtype)
    readout[:, : network.n_hidden] = network.readout
    return LaidOut(
        to_banks(network.couplings.T, 1),
        make_structure(
            find_windows(None, network.n_hidden, 1),
            np.full(network.n_hidden, network.self_coupling),
            1,
            np.int32,
        ),
        1 << formats.coupling_shift,
        to_banks(network.input_weights.T.astype(np.int32) << formats.input_shift, 1),
        readout,
        network.feedback_fields,
        np.dtype(np.int32),
        math.ldexp(1.0, -formats.fraction_bits),
        formats.readout.resolution,
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


def formats_from_dict(tables: dict[str, dict[str, int]]) -> NetworkFormats:
    """Read what ``dataclasses.asdict`` makes of formats.

    Parameters
    ----------
    tables : dict of str to dict
        Bits and fraction bits of each block.

    Returns
    -------
    NetworkFormats
        The formats.
    """
    return NetworkFormats(**{name: QFormat(**tables[name]) for name in BLOCKS})


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
