"""States as bits: what `packed=True` returns, and how to read it.

The coding is that of :mod:`binnet_kernels.lowlevel.bits`: a bit 1 codes +1, and neuron i of a state
is bit i % 64 of its word i // 64. Bits beyond the last neuron are 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_integer, check_spins

WORD_BITS = 64


def pack_states(states: ArrayLike) -> NDArray[np.uint64]:
    """Pack states of -1 and +1 into 64-bit words, an eighth of their memory as int8.

    Parameters
    ----------
    states : array_like, shape (R, N)
        Spins -1 and +1.

    Returns
    -------
    ndarray of uint64, shape (R, ceil(N / 64))
        Bit i % 64 of word i // 64 is 1 where neuron i is +1; bits beyond N are 0.

    Raises
    ------
    TypeError, ValueError
        If `states` is not a matrix of -1 and +1.

    Examples
    --------
    >>> pack_states([[1, -1, 1, 1]])
    array([[13]], dtype=uint64)
    """
    array = np.asarray(states)
    spins = check_spins("states", array, array.shape[1] if array.ndim == 2 else -1)
    n_states, n_neurons = spins.shape
    n_bytes = -(-n_neurons // WORD_BITS) * (WORD_BITS // 8)
    octets = np.zeros((n_states, n_bytes), np.uint8)
    octets[:, : -(-n_neurons // 8)] = np.packbits(spins > 0, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)  # a big-endian host turns the bytes


def unpack_states(words: NDArray[np.uint64], n_neurons: int) -> NDArray[np.int8]:
    """Return the states that `pack_states` packed.

    Parameters
    ----------
    words : ndarray of uint64, shape (R, ceil(N / 64))
        Packed states.
    n_neurons : int
        N.

    Returns
    -------
    ndarray of int8, shape (R, N)
        Spins -1 and +1.

    Raises
    ------
    TypeError, ValueError
        If `words` is not uint64 or has another number of words than N neurons need.

    Examples
    --------
    >>> unpack_states(np.array([[13]], np.uint64), 4)
    array([[ 1, -1,  1,  1]], dtype=int8)
    """
    n = check_integer("n_neurons", n_neurons, 1)
    array = np.asarray(words)
    if array.dtype != np.uint64:
        raise TypeError(f"words must be uint64, as pack_states returns them, got {array.dtype}")
    if array.ndim != 2 or array.shape[1] != -(-n // WORD_BITS):
        raise ValueError(
            f"words of n_neurons = {n} must have shape (n_states, {-(-n // WORD_BITS)}), got "
            f"{array.shape}"
        )
    octets = np.ascontiguousarray(array, dtype="<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=n, bitorder="little").astype(np.int8)
    return np.asarray(2 * bits - 1, dtype=np.int8)
