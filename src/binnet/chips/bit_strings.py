"""Strings of bits as words of 32: codes, inputs, states and masks, for the streams of a core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.chips.design import WORD_BITS, CoreDesign

WORD_MASK = (1 << WORD_BITS) - 1
_BYTES = WORD_BITS // 8


def pack_codes(codes: ArrayLike, bits: int) -> NDArray[np.uint32]:
    """Return rows of codes as words: a row is one string of bits, filled to a whole word.

    Parameters
    ----------
    codes : array_like of int, shape (rows, n)
        Codes, of which the lowest `bits` count.
    bits : int
        Bits of a code.

    Returns
    -------
    ndarray of uint32, shape (rows, ceil(n bits / 32))
        The words, the lowest first.
    """
    integers = np.asarray(codes, np.int64)
    planes = ((integers[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8)
    strings = planes.reshape(len(integers), integers.shape[1] * bits)
    packed = np.packbits(strings, axis=1, bitorder="little")
    filled = np.pad(packed, ((0, 0), (0, -packed.shape[1] % _BYTES)))
    return np.ascontiguousarray(filled).view("<u4").astype(np.uint32)


def unpack_codes(words: ArrayLike, n: int, bits: int) -> NDArray[np.int64]:
    """Return the codes that `pack_codes` has packed.

    Parameters
    ----------
    words : array_like of int, shape (rows, ceil(n bits / 32))
        Words of each row.
    n : int
        Codes of a row.
    bits : int
        Bits of a code.

    Returns
    -------
    ndarray of int64, shape (rows, n)
        The codes, unsigned.
    """
    rows = np.ascontiguousarray(np.asarray(words, np.int64) & WORD_MASK).astype("<u4")
    planes = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")[:, : n * bits]
    split = planes.reshape(len(rows), n, bits).astype(np.int64)
    return np.asarray((split << np.arange(bits)).sum(axis=2))


def extend_sign(codes: Any, bits: int) -> Any:
    """Return what codes mean in two's complement.

    Parameters
    ----------
    codes : int or ndarray of int
        Codes, unsigned.
    bits : int
        Bits of a code.

    Returns
    -------
    int or ndarray of int
        -2**(bits-1) .. 2**(bits-1) - 1.
    """
    half = 1 << (bits - 1)
    return ((codes & ((1 << bits) - 1)) ^ half) - half


def count_input_words(design: CoreDesign) -> int:
    """Return the words that the inputs of a sample take.

    Parameters
    ----------
    design : CoreDesign
        The core.

    Returns
    -------
    int
        Words.
    """
    return -(-design.n_inputs * design.input_bits // WORD_BITS)


def count_state_words(design: CoreDesign, n_groups: int) -> int:
    """Return the words that states or a mask take.

    Parameters
    ----------
    design : CoreDesign
        The core.
    n_groups : int
        Groups of neurons, or of readouts.

    Returns
    -------
    int
        Words.
    """
    return n_groups * -(-design.elements // WORD_BITS)


def pack_inputs(design: CoreDesign, x: ArrayLike) -> list[int]:
    """Return the words of the inputs of a sample.

    Parameters
    ----------
    design : CoreDesign
        The core.
    x : array_like of int, shape (N_in,)
        Spins, or integers of the inputs' format.

    Returns
    -------
    list of int
        The words.
    """
    inputs = np.asarray(x, np.int64)
    if inputs.shape != (design.n_inputs,):
        raise ValueError(
            f"x must be the {design.n_inputs} inputs of one sample, got shape {inputs.shape}"
        )
    codes = inputs > 0 if design.input_bits == 1 else inputs
    return [int(word) for word in pack_codes(codes[None], design.input_bits)[0]]


def unpack_inputs(design: CoreDesign, words: Sequence[int]) -> NDArray[np.int64]:
    """Return the inputs of a sample as integers.

    Parameters
    ----------
    design : CoreDesign
        The core.
    words : sequence of int
        What `pack_inputs` returns.

    Returns
    -------
    ndarray of int64, shape (N_in,)
        The inputs.
    """
    codes = unpack_codes([words], design.n_inputs, design.input_bits)[0]
    if design.input_bits == 1:
        return np.asarray(2 * codes - 1)
    return np.asarray(extend_sign(codes, design.input_bits)) if design.input_signed else codes


def pack_states(design: CoreDesign, bits: ArrayLike) -> list[int]:
    """Return the words of states, or of a mask.

    Parameters
    ----------
    design : CoreDesign
        The core.
    bits : array_like, shape (n,)
        Of each neuron: above 0 is a 1.

    Returns
    -------
    list of int
        The words, group by group.
    """
    flags = np.asarray(bits) > 0
    groups = np.pad(flags, (0, -len(flags) % design.elements)).reshape(-1, design.elements)
    return [int(word) for word in pack_codes(groups, 1).ravel()]


def unpack_states(design: CoreDesign, words: Sequence[int], n: int) -> NDArray[np.bool_]:
    """Return the bits of `n` neurons.

    Parameters
    ----------
    design : CoreDesign
        The core.
    words : sequence of int
        What `pack_states` returns.
    n : int
        Neurons.

    Returns
    -------
    ndarray of bool, shape (n,)
        The bits.
    """
    rows = np.asarray(words, np.int64).reshape(-1, -(-design.elements // WORD_BITS))
    return unpack_codes(rows, design.elements, 1).ravel()[:n] > 0
