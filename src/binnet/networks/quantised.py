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

from binnet._deprecation import renamed_attribute
from binnet._validation import check_integer
from binnet.networks.formats import NetworkFormats, QFormat
from binnet.networks.layout import LaidOut, lay_out, lay_out_structure
from binnet.networks.modules import check_per_module
from binnet.networks.structure import (
    check_biases,
    check_connectivity,
    check_sizes,
    find_help,
    find_partners,
    refuse_biases,
    refuse_modules,
)

ACCUMULATOR_BITS = 32
ACCUMULATOR_LIMIT = 2**31 - 1
# g(+1) = sqrt(C)/2 of the readout feedback is rounded to this many fraction bits.
GAIN_FRACTION_BITS = 6
BLOCKS = ("couplings", "input_weights", "readout", "feedback")
# What a network in integers holds besides its blocks and their formats.
SCALARS = ("self_coupling", "margin", "readout_margin")

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """The weights of a binary recurrent network as integers.

    With the shifts of `formats` and F = ``formats.fraction_bits``, the fields in integers are
    (docs/model/arithmetic.md, eq. (2.2))::

        h_i = (sum_j couplings[i, j] s_j << coupling_shift) + self_coupling s_i
              + (sum_n input_weights[i, n] x_n << input_shift) + a(t) feedback_fields[label, i]
              + excitation (s_i of the module before + s_i of the module behind)
        f_c = sum_i readout[c, i] s_i

    h_i is in units of 2**-F, f_c of 2**-(fraction bits of the readout); a(t) is 0 or 1; x_n is an
    integer of ``formats.inputs``. The next spin is +1 where h_i >= 0.

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
    self_coupling : int or tuple of int
        J_D >= 0 in units of the accumulator, 2**-F, of all modules or of each.
    margin : int or tuple of int, default 0
        A neuron is unstable where s_i h_i <= margin (kappa, and J_D where it does not count), in
        units of the accumulator.
    readout_margin : int, default 0
        The same for f_c y_c, in units of the readout's accumulator.
    sizes : tuple of int, optional
        Neurons of each module, one after the other. Default: one module, (H,).
    excitation : int or tuple of int, default 0
        lambda >= 0 in units of the accumulator, of all modules or of each.
    connectivity : ndarray of bool, shape (H, H), optional
        Which couplings there are; the others must be 0, also where one bit knows no 0. Default:
        all.
    has_biases : bool, default False
        As in `BinaryNetwork`.

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
    self_coupling: int | tuple[int, ...]
    margin: int | tuple[int, ...] = 0
    readout_margin: int = 0
    sizes: tuple[int, ...] = ()
    excitation: int | tuple[int, ...] = 0
    connectivity: NDArray[np.bool_] | None = None
    has_biases: bool = False

    def __post_init__(self) -> None:
        check_biases(self.has_biases, self.input_weights)
        if self.has_biases and self.formats.inputs.bits > 1:
            refuse_biases("a network in integers with graded inputs", True)
        for name in BLOCKS:
            present = self.connectivity if name == "couplings" else None
            _check_block(name, getattr(self, name), getattr(self.formats, name), present)
        n_neurons, n_outputs = len(self.couplings), len(self.readout)
        for name, shape, axes in (
            ("couplings", (n_neurons, n_neurons), "(H, H)"),
            ("input_weights", (n_neurons, self.input_weights.shape[1]), "(H, N_in)"),
            ("readout", (n_outputs, n_neurons), "(C, H)"),
            ("feedback", (n_neurons, n_outputs), "(H, C)"),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {axes} = {shape}, got {getattr(self, name).shape}"
                )
        if np.diagonal(self.couplings).any():
            raise ValueError(
                "the diagonal of couplings must be 0: pass the self-coupling as self_coupling"
            )
        object.__setattr__(self, "sizes", check_sizes(self.sizes, n_neurons))
        check_connectivity(self.connectivity, self.couplings)
        limit = ACCUMULATOR_LIMIT
        for name, lowest in (("self_coupling", 0), ("excitation", 0), ("margin", -limit)):
            value = getattr(self, name)
            checked = check_per_module(name, value, len(self.sizes), check_integer, lowest, limit)
            object.__setattr__(self, name, checked)
        check_integer("readout_margin", self.readout_margin, -limit, limit)
        refuse_overflow(self.worst_field, self.worst_readout_field)

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons H, of all modules."""
        return len(self.couplings)

    n_hidden = renamed_attribute("n_hidden", "n_neurons")

    @property
    def n_inputs(self) -> int:
        """Number of inputs N_in that are presented."""
        return int(self.input_weights.shape[1]) - self.has_biases

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
            self.couplings, self.input_weights, self.feedback, self.formats, self.largest_help
        )
        return int(fields.max())

    @property
    def self_couplings(self) -> NDArray[np.int64]:
        """J_D of each neuron, shape (H,), in units of the accumulator."""
        return spread_integers(self.self_coupling, self.sizes)

    @property
    def partners(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:  # numpydoc ignore=RT01
        """As `BinaryNetwork.partners`, with lambda in units of the accumulator."""
        return find_partners(self.sizes, spread_integers(self.excitation, self.sizes))

    links = renamed_attribute("links", "partners")

    @property
    def fixed_help(self) -> NDArray[np.int64]:
        """As `BinaryNetwork.fixed_help`, in units of the accumulator."""
        excitation = spread_integers(self.excitation, self.sizes)
        return find_help(self.sizes, self.self_couplings, excitation)

    @property
    def largest_help(self) -> NDArray[np.int64]:  # numpydoc ignore=RT01
        """What J_D and lambda can add to a field, shape (H,), in units of the accumulator."""
        return find_largest_help(self.sizes, self.self_coupling, self.excitation)

    def refuse_structure(self, purpose: str) -> None:
        """Raise an error where there are modules, biases, or one-bit couplings that are missing.

        Parameters
        ----------
        purpose : str
            What takes none of them, for the message.

        Raises
        ------
        ValueError
            If there is more than one module, a bias, or a coupling of one bit that is missing.
        """
        refuse_modules(purpose, self.sizes)
        refuse_biases(purpose, self.has_biases)
        if self.connectivity is not None and self.formats.couplings.bits == 1:
            there = self.connectivity.sum() / (self.n_neurons * (self.n_neurons - 1))
            raise ValueError(
                f"{purpose} takes couplings of one bit, -1 or +1, that are all there, got a "
                f"density of {there:.3g}; use 2 bits or more, which know a 0"
            )

    @property
    def worst_readout_field(self) -> int:
        """Largest possible |f_c| of any state."""
        return int(np.abs(self.readout.astype(np.int64)).sum(axis=1).max())


@lay_out.register
def _lay_out_integers(network: QuantizedNetwork) -> LaidOut:
    from binnet_kernels.structs import allocate_rows, to_banks, to_windows

    formats = network.formats
    readout = allocate_rows(network.n_outputs, network.n_neurons, 1, network.readout.dtype)
    readout[:, : network.n_neurons] = network.readout
    structure = lay_out_structure(network, 1, np.dtype(np.int32))
    return LaidOut(
        to_windows(network.couplings.T, structure.windows),
        structure,
        1 << formats.coupling_shift,
        to_banks(network.input_weights.T.astype(np.int32) << formats.input_shift, 1),
        readout,
        network.feedback_fields,
        np.dtype(np.int32),
        math.ldexp(1.0, -formats.fraction_bits),
        formats.readout.resolution,
        formats.inputs,
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
                f"most {ACCUMULATOR_LIMIT} in {ACCUMULATOR_BITS} bits; choose fewer bits of "
                "weights or inputs, or fraction bits of the blocks that are closer to each other, "
                "or saturate"
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
    help_: int | NDArray[np.int64],
) -> NDArray[np.object_]:
    """Return the largest possible |h_i| of each neuron over all states, inputs and labels.

    Parameters
    ----------
    couplings, input_weights, feedback : ndarray
        The blocks that enter a hidden field, in integers.
    formats : NetworkFormats
        Formats of the blocks.
    help_ : int or ndarray, shape (H,)
        What J_D and excitation can add, in units of the accumulator.

    Returns
    -------
    ndarray of int, shape (H,)
        Python integers, which know no overflow, in units of the accumulator.
    """
    sums = [np.abs(block.astype(np.int64)).sum(axis=1) for block in (couplings, input_weights)]
    steering = np.abs(sum_feedback(feedback, formats)).max(axis=0)
    return np.asarray(
        (sums[0].astype(object) << formats.coupling_shift)
        + (sums[1].astype(object) * formats.inputs.largest << formats.input_shift)
        + steering.astype(object)
        + help_
    )


def spread_integers(value: int | tuple[int, ...], sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the value of each module at each of its neurons.

    Parameters
    ----------
    value : int or tuple of int
        For all modules, or for each.
    sizes : tuple of int
        Neurons of each module.

    Returns
    -------
    ndarray of int64, shape (sum of sizes,)
        One value for each neuron.
    """
    values = value if isinstance(value, tuple) else (value,) * len(sizes)
    return np.repeat(np.asarray(values, np.int64), sizes)


def find_largest_help(
    sizes: tuple[int, ...], self_coupling: int | tuple[int, ...], excitation: int | tuple[int, ...]
) -> NDArray[np.int64]:
    """Return `QuantizedNetwork.largest_help` of these modules.

    Parameters
    ----------
    sizes : tuple of int
        Neurons of each module.
    self_coupling, excitation : int or tuple of int
        J_D and lambda, of all modules or of each, in units of the accumulator.

    Returns
    -------
    ndarray of int64, shape (sum of sizes,)
        What they can add to a field.
    """
    partners = find_partners(sizes, spread_integers(excitation, sizes))
    own = spread_integers(self_coupling, sizes)
    return own if partners is None else own + partners[1].sum(axis=0)


def _check_block(name: str, block: Any, format: QFormat, present: NDArray[np.bool_] | None) -> None:
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
        if present is not None and present.shape == beyond.shape:
            beyond &= present
    if beyond.any():
        where = tuple(int(k) for k in np.argwhere(beyond)[0])
        valid = "-1 or +1" if format.bits == 1 else f"in {format.low}..{format.high}"
        raise ValueError(
            f"{name} must be {valid} in {format.bits} bits, got {block[where]} at {list(where)}"
        )
