"""Counter-based random numbers: a draw is a function of (seed, stream, step, site), nothing else.

There is no state to advance, so the same seed gives the same numbers in any order and on any number
of threads. The mixer is the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014, Fig. 16).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel

GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@kernel
def mix(word):
    """Scramble a 64-bit word (a bijection)."""
    word = (word ^ (word >> np.uint64(30))) * MIX_1
    word = (word ^ (word >> np.uint64(27))) * MIX_2
    return word ^ (word >> np.uint64(31))


@kernel
def derive_key(key, counter):
    """Return the key of sub-stream `counter` (an integer >= 0) of `key` (uint64)."""
    return mix(key + (np.uint64(counter) + np.uint64(1)) * GAMMA)


@kernel
def draw_uniform(key, counter):
    """Return draw `counter` of stream `key`, uniform on [0, 1) with 53 bits."""
    return (derive_key(key, counter) >> np.uint64(11)) * _TO_UNIT


@kernel
def draw_below(key, counter, bound):
    """Return draw `counter` of stream `key`, uniform on 0..bound-1 (bias < bound / 2**32)."""
    high = derive_key(key, counter) >> np.uint64(32)
    return np.int64((high * np.uint64(bound)) >> np.uint64(32))


@kernel
def shuffle_sites(key, order):
    """Fill `order` (n,) with a random permutation of 0..n-1 (Fisher-Yates)."""
    n = order.shape[0]
    for site in range(n):
        order[site] = site
    for last in range(n - 1, 0, -1):
        other = draw_below(key, last, last + 1)
        order[last], order[other] = order[other], order[last]


@kernel
def _fill_keys(key, first, keys):
    for k in range(keys.shape[0]):
        keys[k] = derive_key(key, first + k)


def derive_keys(key: np.uint64, first: int, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return the keys of sub-streams first..first+n-1 of `key`, shape (n,)."""
    keys = np.empty(n, np.uint64)
    _fill_keys(key, first, keys)
    return keys
