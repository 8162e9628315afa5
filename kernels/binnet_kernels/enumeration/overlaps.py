"""How many pairs of packed states lie at each distance: pair by pair, or by a Walsh transform."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.bits import popcount_word


@kernel
def _count_below(words, row, counts):
    """Count the distances of state `row` to those before it."""
    n_words = words.shape[1]
    if n_words == 1:
        word, column = words[row, 0], words[:, 0]
        for other in range(row):
            counts[popcount_word(word ^ column[other])] += 1
        return
    for other in range(row):
        distance = 0
        for k in range(n_words):
            distance += popcount_word(words[row, k] ^ words[other, k])
        counts[distance] += 1


@kernel
def count_distances(words, first, stop, counts, worker):
    """Add to `counts` the distances of states first..stop-1 of `words` (n, W) to all before them.

    Of the states worker w does every n-th, where `counts` (n, 64 W + 1) has n rows; row w is its
    own, and their sum is the result.
    """
    for row in range(first + worker, stop, counts.shape[0]):
        _count_below(words, row, counts[worker])


@kernel
def add_signed(words, high, n_low, values):
    """Add (-1)**popcount(x >> n_low & high) to ``values[x mod 2**n_low]`` for each of `words` (n,).

    The Walsh transform of `values` (2**n_low,), zeros before, is then that of the set of words at
    the frequencies u with u >> n_low = high.
    """
    low = np.uint64(values.shape[0] - 1)
    for word in words:
        odd = popcount_word((word >> np.uint64(n_low)) & high) & 1
        values[np.int64(word & low)] += 1 - 2 * odd


@kernel
def add_powers(values, n_high, powers):
    """Add ``values[u]**2`` to ``powers[popcount(u) + n_high]`` for each u."""
    for u in range(values.shape[0]):
        powers[popcount_word(np.uint64(u)) + n_high] += np.int64(values[u]) * np.int64(values[u])


@kernel
def transform_walsh(values):
    """Replace `values` (2**N,) by its Walsh transform, sum_x values[x] (-1)**popcount(x & u)."""
    n = values.shape[0]
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            low = values[start : start + width]
            high = values[start + width : start + 2 * width]
            for k in range(width):
                total = low[k] + high[k]
                high[k] = low[k] - high[k]
                low[k] = total
        width *= 2
