"""Plain references of the kernels that show what a core can do: one Python number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def read_words(words: Array, n_passes: int) -> int:
    total = 0
    for _ in range(n_passes):
        for word in words:
            total = (total + int(word)) % 2**64
    return total


def iterate_products(numbers: Array, factor: float, addend: float, n_steps: int) -> list[float]:
    """In float64: what is the same in float32 has to be exact."""
    found = []
    for number in numbers:
        x = float(number)
        for _ in range(n_steps):
            x = factor * x + addend
        found.append(x)
    return found


def dot_bytes(bits: Array, weights: Array, totals: Array, n_passes: int) -> Array:
    found = totals.copy()
    for _ in range(n_passes):
        for block in bits:
            for v, stream in enumerate(block):
                for s, fixed in enumerate(weights):
                    for j, weight in enumerate(fixed):
                        found[v, s, j // 4] += int(stream[j]) * int(weight)
    return found


def count_bits(words: Array, masks: Array, totals: Array, n_passes: int) -> Array:
    found = totals.copy()
    for _ in range(n_passes):
        for block in words:
            for v, stream in enumerate(block):
                for s, fixed in enumerate(masks):
                    for i, mask in enumerate(fixed):
                        found[v, s, i] += np.uint64((int(stream[i]) & int(mask)).bit_count())
    return found
