"""Formats of inputs: spins of one bit, or graded inputs as integers of 2 to 8 bits.

A format of weights is signed and has 1, 2, 4, 8 or 16 bits; pixels want an unsigned one, and every
bit less makes a chip's multiplications by an input cheaper.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import Record
from binnet._validation import check_choice, check_integer, keep_bool, keep_integer, to_reals

INPUT_BITS = (1, 8)
INPUT_FORMATS = ("unsigned", "signed")
FRACTION_BITS = (0, 8)
_ROWS = 1024  # of inputs that are rounded at a time


@dataclass(frozen=True)
class InputFormat:
    """How an input x is held in integers (docs/model/arithmetic.md, eq. (1.2)).

    One bit is a spin, -1 or +1. More are an integer n that stands for ``n * 2**-f``: x is rounded
    to the nearest, halves to the even one, and saturates at the ends of the range.

    Parameters
    ----------
    bits : int, default 1
        Width b, 1..8.
    fraction_bits : int, default 0
        f, 0..8; 0 for spins.
    signed : bool, default True
        ``-2**(b-1)..2**(b-1)-1``, or, unsigned, ``0..2**b-1``. Spins are signed.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    Examples
    --------
    >>> pixels = choose_input_format(4)
    >>> pixels.quantize(np.array([[0, 128, 255]], np.uint8))
    (array([[ 0,  8, 15]], dtype=int16), 0)
    """

    bits: int = 1
    fraction_bits: int = 0
    signed: bool = True

    def __post_init__(self) -> None:
        keep_integer(self, "bits", *INPUT_BITS)
        keep_integer(self, "fraction_bits", *FRACTION_BITS)
        keep_bool(self, "signed")
        if self.bits == 1 and (self.fraction_bits or not self.signed):
            raise ValueError(
                "inputs of 1 bit are spins, -1 or +1: signed, with no fraction bits; choose 2 to 8 "
                "bits for graded ones"
            )

    @property
    def low(self) -> int:
        """Smallest integer."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest integer."""
        return max(1, (1 << (self.bits - self.signed)) - 1)

    @property
    def largest(self) -> int:
        """Largest size of an integer."""
        return max(-self.low, self.high)

    def quantize(self, inputs: NDArray[Any]) -> tuple[NDArray[np.int16], int]:
        """Round graded inputs to integers of this format.

        Parameters
        ----------
        inputs : ndarray of uint8, int8 or float, shape (B, N)
            Inputs; a uint8 u stands for u / 255.

        Returns
        -------
        integers : ndarray of int16, shape (B, N)
            The integers, in a type that tells them from spins and from bytes.
        saturated : int
            How many inputs lie more than a step beyond the ends of the range: that 1 becomes
            ``1 - 2**-b`` is not counted.
        """
        integers, saturated = np.empty(inputs.shape, np.int16), 0
        if inputs.dtype == np.uint8:
            table, _ = self.quantize(to_reals(np.arange(256, dtype=np.uint8)))
            return table[inputs], 0
        for first in range(0, len(inputs), _ROWS):
            rows = slice(first, first + _ROWS)
            scaled = np.ldexp(inputs[rows].astype(np.float32), self.fraction_bits)
            saturated += int(((scaled < self.low - 1) | (scaled > self.high + 1)).sum())
            integers[rows] = np.clip(np.rint(scaled), self.low, self.high)
        return integers, saturated

    def dequantize(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of integers of this format, which `quantize` turns into the same.

        Parameters
        ----------
        integers : ndarray of int
            Integers of this format.

        Returns
        -------
        ndarray of float32
            ``integers * 2**-f``.
        """
        return np.asarray(np.ldexp(integers.astype(np.float32), -self.fraction_bits))


SPINS = InputFormat()


def choose_input_format(bits: int, kind: str = "unsigned") -> InputFormat:
    """Return the format of inputs of so many bits.

    Parameters
    ----------
    bits : int
        Width, 1..8; 1: spins.
    kind : {"unsigned", "signed"}, default "unsigned"
        Pixels in [0, 1], or features of mean 0 and variance 1; spins are spins.

    Returns
    -------
    InputFormat
        Unsigned: all bits are fraction bits. Signed: as many as give a standard normal variable
        the least mean square error.
    """
    check_integer("input_bits", bits, *INPUT_BITS)
    check_choice("input_format", kind, INPUT_FORMATS)
    if bits == 1:
        return SPINS
    if kind == "unsigned":
        return InputFormat(bits, bits, signed=False)
    return InputFormat(bits, bits - 2 if bits < 4 else bits - 3)


def read_inputs(name: str, inputs: NDArray[Any], format: InputFormat) -> NDArray[Any]:
    """Return inputs as integers of a format; warn where they saturate.

    Parameters
    ----------
    name : str
        What to call them in an error.
    inputs : ndarray of int8, uint8 or float32, shape (B, N)
        From `check_inputs`.
    format : InputFormat
        The format.

    Returns
    -------
    ndarray of int8 or int16, shape (B, N)
        Spins as they are; integers.

    Raises
    ------
    ValueError
        If the format is that of spins, and they are none.
    """
    if format.bits == 1:
        if inputs.dtype != np.int8:
            raise ValueError(
                f"{name} must be -1 or +1 for a network in integers with input_bits = 1, got "
                f"{inputs.min():g} to {inputs.max():g}; graded ones take input_bits = 2 to 8"
            )
        return inputs
    integers, saturated = format.quantize(inputs)
    if saturated:
        low, high = (math.ldexp(end, -format.fraction_bits) for end in (format.low, format.high))
        other = "scale them" if format.signed else "scale them, or set input_format"
        warnings.warn(
            f"{saturated} of {inputs.size} {name} lie beyond {low:g} to {high:g}, the range of "
            f"{format.bits} bits, and were cut off; {other}",
            stacklevel=2,
        )
    return integers


def read_input_format(record: Record) -> InputFormat:
    """Read what ``dataclasses.asdict`` makes of a format of inputs.

    Parameters
    ----------
    record : Record
        Of the header of a file, or of a manifest.

    Returns
    -------
    InputFormat
        The format.
    """
    bits = record.integer("bits", *INPUT_BITS)
    fraction_bits = record.integer("fraction_bits", *FRACTION_BITS)
    return InputFormat(bits, fraction_bits, bool(record.values.get("signed")))
