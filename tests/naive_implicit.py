"""Plain references of the implicit couplings: signs one by one, all fields anew, in exact numbers.

Sign p of n_ij is bit i % 64 of draw ``p ceil(N / 64) + i // 64`` of the stream of column j.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from naive import FIXED_POINT, TWO_CYCLE, UNSETTLED, derive_key, draw_uniform, shuffle_sites

Array = np.ndarray[Any, Any]


def sign_sum(key: int, n_neurons: int, n_signs: int, i: int, j: int) -> int:
    """n_ij, the sum of P random signs; 0 on the diagonal."""
    if i == j:
        return 0
    n_words = (n_neurons + 63) // 64
    total = 0
    for p in range(n_signs):
        word = derive_key(derive_key(key, j), p * n_words + i // 64)
        total += +1 if (word >> (i % 64)) & 1 else -1
    return total


def couplings(key: int, n_neurons: int, n_signs: int) -> Array:
    n = np.zeros((n_neurons, n_neurons), int)
    for i in range(n_neurons):
        for j in range(n_neurons):
            n[i, j] = sign_sum(key, n_neurons, n_signs, i, j)
    return n


class Relaxed(NamedTuple):
    s: list[int]
    flips: list[int]  # in each sweep
    status: int


def wanted(n: Array, s: Sequence[int], theta: Fraction, i: int) -> int:
    """sign(sum_j n_ij s_j + theta s_i), theta = J_D over the strength of a sign."""
    h = 0
    for j in range(len(s)):
        h += int(n[i, j]) * s[j]
    return 1 if h + theta * s[i] >= 0 else -1


def sweep_async(n: Array, s: Sequence[int], theta: Fraction, key: int) -> list[int]:
    new = list(s)
    for i in shuffle_sites(key, len(s)):
        new[i] = wanted(n, new, theta, i)
    return new


def relax(
    n: Array, start: Sequence[int], theta: Fraction, key: int, max_sweeps: int,
    *, update_order: str = "sync", probability: float = 0.5,
) -> Relaxed:  # fmt: skip
    """Relax until no neuron is unstable, or (sync) a state comes back after two sweeps."""
    s = list(start)
    path, flips = [s], []
    for t in range(max_sweeps):
        sweep_key = derive_key(key, t)
        new = list(s)
        if update_order == "async":
            new = sweep_async(n, s, theta, sweep_key)
            is_fixed = new == s
        else:
            want = [wanted(n, s, theta, i) for i in range(len(s))]
            is_fixed = want == s
            for i in range(len(s)):
                if update_order == "sync" or draw_uniform(sweep_key, i) < probability:
                    new[i] = want[i]
        flips.append(sum(new[i] != s[i] for i in range(len(s))))
        s = new
        path.append(s)
        if is_fixed:
            return Relaxed(s, flips, FIXED_POINT)
        if update_order == "sync" and t > 0 and s == path[t - 1]:
            return Relaxed(s, flips, TWO_CYCLE)
    return Relaxed(s, flips, UNSETTLED)
