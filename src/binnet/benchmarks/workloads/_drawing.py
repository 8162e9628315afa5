"""Data of workloads: counter-based, so that they are the same on every machine and version.

NumPy may change how its generators turn bits into numbers; binnet's own draws are part of what a
result of this benchmark means. They are fast, too: 128 MB take a tenth of a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0


def draw_bytes(n_bytes: int, stream: int) -> NDArray[np.uint8]:
    """Return random bytes, one sequence for each stream.

    Parameters
    ----------
    n_bytes : int
        How many.
    stream : int
        Number of the sequence.

    Returns
    -------
    ndarray of uint8, shape (n_bytes,)
        The bytes.
    """
    from binnet_kernels.lowlevel.rng import derive_key, derive_keys

    key = derive_key(np.uint64(SEED), stream)
    words = derive_keys(np.uint64(key), 0, -(-n_bytes // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[:n_bytes]


def draw_spins(shape: tuple[int, ...], stream: int) -> NDArray[np.int8]:
    """Return random spins -1 and +1.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    stream : int
        As of `draw_bytes`.

    Returns
    -------
    ndarray of int8
        The spins.
    """
    octets = draw_bytes(int(np.prod(shape)), stream).view(np.int8)
    return np.asarray((octets & 2) - 1, np.int8).reshape(shape)


def draw_integers(shape: tuple[int, ...], dtype: Any, stream: int) -> NDArray[Any]:
    """Return integers, each value of the type equally likely.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : dtype
        int8, int16 or uint32.
    stream : int
        As of `draw_bytes`.

    Returns
    -------
    ndarray of `dtype`
        The integers.
    """
    kind = np.dtype(dtype)
    octets = draw_bytes(int(np.prod(shape)) * kind.itemsize, stream)
    numbers = octets.view(kind.newbyteorder("<")).astype(kind, copy=False)
    return np.asarray(numbers.reshape(shape))
