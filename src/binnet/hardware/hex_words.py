"""Integers as words of hexadecimal digits, one a line, in the layout that $readmemh expects.

A word holds one integer for each of its lanes; lane k of b bits lies at bits k*b .. k*b + b - 1,
so lane 0 is at the right end of the line. Integers are in two's complement, or unsigned; of one
bit, 1 is +1 and 0 is -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGITS = frozenset("0123456789abcdefABCDEF")


def count_digits(lanes: int, bits: int) -> int:
    """Return the hexadecimal digits of a word.

    Parameters
    ----------
    lanes : int
        Integers in a word.
    bits : int
        Bits of each.

    Returns
    -------
    int
        Digits.
    """
    return -(-lanes * bits // 4)


def to_hex_words(integers: NDArray[Any], bits: int) -> str:
    """Return integers as hexadecimal words, each on a line of its own.

    Parameters
    ----------
    integers : ndarray of int, shape (words, lanes)
        Integers that fit `bits`; of one bit, everything above 0 is a 1.
    bits : int
        Bits of a lane.

    Returns
    -------
    str
        The lines.
    """
    places = np.arange(bits)
    digits = count_digits(integers.shape[1], bits)
    lines = []
    for row in integers:  # by rows: the bits of a whole block would take eight times its memory
        codes = (row > 0).astype(np.int64) if bits == 1 else row.astype(np.int64)
        word = ((codes[:, None] >> places) & 1).astype(np.uint8).ravel()
        lines.append(np.packbits(word, bitorder="little")[::-1].tobytes().hex()[-digits:])
    return "\n".join(lines) + "\n"


def from_hex_words(
    name: str, text: str, shape: tuple[int, int], bits: int, *, signed: bool = True
) -> NDArray[np.int64]:
    """Read what `to_hex_words` wrote.

    Parameters
    ----------
    name : str
        What to call the text in an error.
    text : str
        The lines.
    shape : tuple of int
        Words and lanes.
    bits : int
        Bits of a lane.
    signed : bool, default True
        Whether they are in two's complement.

    Returns
    -------
    ndarray of int64, shape (words, lanes)
        The integers.

    Raises
    ------
    ValueError
        If a line is not a word of that width, or their number is wrong.
    """
    words, lanes = shape
    lines = text.split()
    digits = count_digits(lanes, bits)
    if len(lines) != words:
        raise ValueError(f"{name} must have {words} lines, one a word, got {len(lines)}")
    for k, line in enumerate(lines):  # before memory is asked for, so that there is as much text
        if len(line) != digits or not set(line) <= _DIGITS:
            raise ValueError(
                f"{name} must have words of {digits} hexadecimal digits ({lanes} lanes of {bits} "
                f"bits), got {line[:32]!r} in line {k + 1}"
            )
    integers = np.empty(shape, np.int64)
    for k, line in enumerate(lines):
        packed = np.frombuffer(bytes.fromhex(line.zfill(digits + digits % 2)), np.uint8)
        planes = np.unpackbits(packed[::-1], bitorder="little")[: lanes * bits]
        planes = planes.reshape(lanes, bits).astype(np.int64)
        codes = (planes << np.arange(bits)).sum(axis=1)
        sign = codes >> (bits - 1) if signed else 0
        integers[k] = 2 * codes - 1 if bits == 1 else codes - (sign << bits)
    return integers
