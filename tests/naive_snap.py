"""Plain reference for SnAp-n: RTRL in loops, with most of the influence struck out at each step."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def find_reach(connections: Array, n_steps: int) -> list[set[int]]:
    """The neurons that each one reaches by at most n_steps couplings, by following every way."""
    n = len(connections)

    def follow(i: int, left: int) -> set[int]:
        reached = {i}
        if left > 0:
            for k in range(n):
                if connections[k, i]:
                    reached |= follow(k, left - 1)
        return reached

    return [follow(i, n_steps) for i in range(n)]


def snap(
    w_h: Array,
    connections: Array,
    number: int,
    slopes: Array,
    activity: Array,
    signals: Array,
    leak: float,
) -> Array:
    """Gradient (N, K) of SnAp-n, one trial: arrays (T, N), (T, K) and (T, N), as in RTRL."""
    n_steps, n = slopes.shape
    n_pre = activity.shape[1]
    reach = find_reach(connections, number - 1)
    influence = np.zeros((n, n, n_pre))  # of h_k, by the weight into i from c
    grads = np.zeros((n, n_pre))
    for t in range(n_steps):
        after = np.zeros_like(influence)
        for i in range(n):
            for c in range(n_pre):
                if c < n and not connections[i, c]:
                    continue
                for k in reach[i]:
                    through = sum(w_h[k, m] * slopes[t, m] * influence[m, i, c] for m in range(n))
                    after[k, i, c] = leak * influence[k, i, c] + (1 - leak) * through
                after[i, i, c] += (1 - leak) * activity[t, c]
        influence = after
        for i in range(n):
            for c in range(n_pre):
                grads[i, c] += sum(signals[t, k] * influence[k, i, c] for k in range(n))
    return grads
