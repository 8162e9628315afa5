"""Q formats: numbers as integers with a fixed number of fraction bits, as chips hold weights.

A value is ``integer * 2**-fraction_bits``, in two's complement, and saturates at the ends of its
range. One bit is the pair -1, +1; two bits are the ternary -1, 0, +1. Inputs have formats of their
own (:mod:`binnet.networks.inputs`).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._records import Record
from binnet._validation import check_choice, check_integer
from binnet.networks.inputs import SPINS, InputFormat, read_input_format

BITS = (1, 2, 4, 8, 16)
ROUNDINGS = ("nearest-even", "stochastic")
# Beyond this no float32 weight is told apart, and shifts of a 32-bit accumulator would lose it.
FRACTION_BITS = (-16, 30)


@dataclass(frozen=True)
class QFormat:
    """A signed, saturating fixed-point format (docs/model/arithmetic.md, section 1).

    Parameters
    ----------
    bits : {1, 2, 4, 8, 16}
        Width. 1 holds -1 and +1; 2 holds -1, 0, +1; more hold ``-2**(bits-1)..2**(bits-1)-1``.
    fraction_bits : int
        f, -16..30: the value is ``integer * 2**-f``.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    Examples
    --------
    >>> q = QFormat(8, 5)
    >>> q.low, q.high, q.resolution
    (-128, 127, 0.03125)
    """

    bits: int
    fraction_bits: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", check_bits("bits", self.bits))
        object.__setattr__(
            self,
            "fraction_bits",
            check_integer("fraction_bits", self.fraction_bits, *FRACTION_BITS),
        )

    @property
    def low(self) -> int:
        """Smallest integer."""
        return -1 if self.bits <= 2 else -(2 ** (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest integer."""
        return 1 if self.bits <= 2 else 2 ** (self.bits - 1) - 1

    @property
    def step(self) -> int:
        """Distance of neighbouring integers: 1, but 2 for one bit, which has no 0."""
        return 2 if self.bits == 1 else 1

    @property
    def resolution(self) -> float:
        """Value of the integer 1."""
        return math.ldexp(1.0, -self.fraction_bits)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type that holds the integers."""
        return np.dtype(np.int16 if self.bits == 16 else np.int8)

    def quantize(
        self, array: ArrayLike, rounding: str = "nearest-even", seed: int = 0
    ) -> tuple[NDArray[Any], int]:
        """Round numbers to integers of this format.

        Parameters
        ----------
        array : array_like of float
            Finite numbers.
        rounding : {"nearest-even", "stochastic"}, default "nearest-even"
            To the nearest integer, halves to the even one (one bit: the sign, sign(0) = +1); or up
            with the probability that makes the mean exact.
        seed : int, default 0
            Of the stochastic rounding.

        Returns
        -------
        integers : ndarray of int8 or int16
            Same shape.
        saturated : int
            How many numbers lay beyond the largest or smallest value of the format.

        Raises
        ------
        TypeError, ValueError
            If a number is not finite or an argument is out of its range.

        Examples
        --------
        >>> QFormat(4, 0).quantize([0.5, 1.5, 9.0])
        (array([0, 2, 7], dtype=int8), 1)
        """
        values = np.asarray(array, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("only finite numbers can be quantised; remove nan and infinity")
        check_choice("rounding", rounding, ROUNDINGS)
        scaled = np.ldexp(values, self.fraction_bits)
        saturated = int(((scaled < self.low) | (scaled > self.high)).sum())
        inside = np.clip(scaled, self.low, self.high)
        if rounding == "stochastic":
            generator = np.random.default_rng(check_integer("seed", seed, 0, None))
            # In levels from the lowest, which lie `step` apart.
            levels = np.floor((inside - self.low) / self.step + generator.random(inside.shape))
            integers = self.low + self.step * levels
        elif self.bits == 1:
            integers = np.where(scaled >= 0, 1.0, -1.0)
        else:
            integers = np.rint(inside)
        return integers.astype(self.dtype), saturated

    def dequantize(self, integers: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
        """Return the values of integers of this format.

        Parameters
        ----------
        integers : array_like of int
            Integers of this format.
        dtype : dtype, default float64
            Of the result. float32 holds every value of every format exactly.

        Returns
        -------
        ndarray
            ``integers * 2**-f``.
        """
        return np.ldexp(np.asarray(integers, dtype=np.float64), -self.fraction_bits).astype(dtype)


def check_bits(name: str, value: object) -> int:
    """Return `value` if it is a width that weights can have.

    Parameters
    ----------
    name : str
        What to call it in the error.
    value : object
        The width.

    Returns
    -------
    int
        The width.
    """
    if isinstance(value, bool) or value not in BITS:
        raise ValueError(f"{name} must be one of {', '.join(map(str, BITS))}, got {value!r}")
    return check_integer(name, value, 1)


def choose_fraction_bits(array: ArrayLike, bits: int) -> int:
    """Return the fraction bits with the least mean square error, saturation included.

    Parameters
    ----------
    array : array_like of float
        The numbers to be quantised.
    bits : {1, 2, 4, 8, 16}
        Width of the format.

    Returns
    -------
    int
        Fraction bits; 0 for an array of zeros.

    Examples
    --------
    >>> choose_fraction_bits([0.1, -0.22, 0.17], 8)
    9
    """
    check_bits("bits", bits)
    values = np.asarray(array, dtype=np.float64).ravel()
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        return 0
    # Wide enough for the largest value; then up to six bits finer, at the price of saturation.
    covering = (
        bits - 1 - math.ceil(math.log2(largest)) if bits > 1 else -math.ceil(math.log2(largest))
    )
    best, least = 0, math.inf
    for fraction_bits in range(covering - 1, covering + 7):
        fraction_bits = min(max(fraction_bits, FRACTION_BITS[0]), FRACTION_BITS[1])
        format = QFormat(bits, fraction_bits)
        integers, _ = format.quantize(values)
        error = float(np.square(format.dequantize(integers) - values).mean())
        if error < least:
            best, least = fraction_bits, error
    return best


@dataclass(frozen=True)
class NetworkFormats:
    """One format for each block of weights.

    Parameters
    ----------
    couplings, input_weights, readout, feedback : QFormat
        Formats of J, W_in, W_out and W_back.
    inputs : InputFormat, default InputFormat()
        Format of the inputs x; default: spins.
    """

    couplings: QFormat
    input_weights: QFormat
    readout: QFormat
    feedback: QFormat
    inputs: InputFormat = SPINS

    @property
    def fraction_bits(self) -> int:
        """Fraction bits F of the accumulator of a hidden field: the most of what enters it."""
        products = self.input_weights.fraction_bits + self.inputs.fraction_bits
        return max(self.couplings.fraction_bits, products, self.feedback.fraction_bits)

    @property
    def coupling_shift(self) -> int:
        """How far the sum over the couplings is shifted left in the accumulator."""
        return self.fraction_bits - self.couplings.fraction_bits

    @property
    def input_shift(self) -> int:
        """How far the sum over the inputs is shifted left in the accumulator."""
        products = self.input_weights.fraction_bits + self.inputs.fraction_bits
        return self.fraction_bits - products

    def to_dict(self) -> dict[str, Any]:
        """Return the formats as plain values; spins are left out, as in files before graded inputs.

        Returns
        -------
        dict
            What `read_formats` reads.
        """
        table = dataclasses.asdict(self)
        if self.inputs == SPINS:
            del table["inputs"]
        return table


def read_formats(record: Record) -> NetworkFormats:
    """Read what `NetworkFormats.to_dict` returns.

    Parameters
    ----------
    record : Record
        Bits and fraction bits of each block, of the header of a file.

    Returns
    -------
    NetworkFormats
        The formats.
    """
    names = [block.name for block in dataclasses.fields(NetworkFormats) if block.name != "inputs"]
    tables = {name: record.table(name) for name in names}
    return NetworkFormats(
        **{
            name: QFormat(table.integer("bits"), table.integer("fraction_bits", *FRACTION_BITS))
            for name, table in tables.items()
        },
        inputs=read_input_format(record.table("inputs")) if "inputs" in record.values else SPINS,
    )
