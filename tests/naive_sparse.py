"""Sparse weights in plain loops: each weight by itself, in the order that the kernels promise."""

from typing import Any

import numpy as np


def multiply(weights: Any, states: np.ndarray) -> np.ndarray:
    """Return the fields (B, H) of weights in compressed rows, summed in two turns."""
    fields = np.zeros((len(states), weights.shape[0]), states.dtype)
    for b, state in enumerate(states):
        for i in range(weights.shape[0]):
            sums = [states.dtype.type(0)] * 2
            for k in range(weights.indptr[i], weights.indptr[i + 1]):
                turn = (k - weights.indptr[i]) % 2
                sums[turn] += weights.data[k] * state[weights.indices[k]]
            fields[b, i] = sums[0] + sums[1]
    return fields


def update(
    weights: Any, rate: float, gains: np.ndarray, pre: np.ndarray, post: np.ndarray
) -> np.ndarray:
    """Return the values after a batch: pre (B, K) and post (B, H) are what the two ends have."""
    values = weights.data.copy()
    for i in range(weights.shape[0]):
        for k in range(weights.indptr[i], weights.indptr[i + 1]):
            total = sum(x[weights.indices[k]] * s[i] for x, s in zip(pre, post, strict=True))
            values[k] += rate * gains[i] * total
    return values
