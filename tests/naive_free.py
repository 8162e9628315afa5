"""Plain references for networks without input: relaxation in loops, fields always recomputed.

``J[i, j]`` couples neuron j to neuron i, as in naive.py. Numbers are Python's: integers of any
length for int16 couplings, float64 otherwise. Nothing is hashed and no field is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import naive

Array = np.ndarray[Any, Any]

UNSETTLED, FIXED_POINT, CYCLE = 0, 1, 2


class FreeNetwork(NamedTuple):
    J: list[list[float]]
    J_D: float
    b: list[float]


class Relaxed(NamedTuple):
    s: list[int]
    flips: list[int]
    unstable: list[int]
    distance: list[int]
    sweeps: int
    status: int
    cycle_length: int


def field(net: FreeNetwork, s: Sequence[int], i: int) -> float:
    h = net.b[i] + net.J_D * s[i]
    for j in range(len(s)):
        if j != i:
            h += net.J[i][j] * s[j]
    return h


def is_unstable(net: FreeNetwork, s: Sequence[int], i: int) -> bool:
    return naive.sign(field(net, s, i)) != s[i]


def worst(net: FreeNetwork, s: Sequence[int], update_order: str) -> int | None:
    """The neuron that flips next: largest or smallest |h| of the unstable ones, lowest index."""
    unstable_now = [i for i in range(len(s)) if is_unstable(net, s, i)]
    sizes = {i: abs(field(net, s, i)) for i in unstable_now}
    if not unstable_now:
        return None
    best = max(sizes.values()) if update_order == "greedy" else min(sizes.values())
    return min(i for i in unstable_now if sizes[i] == best)


class Anchor:
    """Brent's cycle search on whole states."""

    def __init__(self, s: Sequence[int]) -> None:
        self.state, self.steps, self.limit = list(s), 0, 1

    def count_return(self, s: Sequence[int]) -> int:
        self.steps += 1
        if list(s) == self.state:
            return self.steps
        if self.steps == self.limit:
            self.state, self.steps, self.limit = list(s), 0, 2 * self.limit
        return 0


def relax_free(
    net: FreeNetwork,
    start: Sequence[int],
    update_order: str,
    max_sweeps: int,
    key: int,
    *,
    probability: float = 1.0,
    stop_at_cycle: bool = True,
) -> Relaxed:
    n = len(start)
    s = list(start)
    flips, unstable, distance = [0] * max_sweeps, [0] * max_sweeps, [0] * max_sweeps
    anchor = Anchor(s)
    t = 0
    while t < max_sweeps:
        unstable_now = [i for i in range(n) if is_unstable(net, s, i)]
        unstable[t] = len(unstable_now)
        cycle = 0
        if update_order == "sync":
            for i in unstable_now:
                s[i] = -s[i]
                flips[t] += 1
            if unstable_now:
                cycle = anchor.count_return(s)
        elif update_order == "random-subset":
            for i in unstable_now:
                if naive.draw_uniform(naive.derive_key(key, t), i) < probability:
                    s[i] = -s[i]
                    flips[t] += 1
        elif update_order.startswith("block-sequential"):
            n_blocks = min(int(update_order.partition(":")[2] or 2), n)
            for k in range(n_blocks):
                block = range(k * n // n_blocks, (k + 1) * n // n_blocks)
                for i in [i for i in block if is_unstable(net, s, i)]:
                    s[i] = -s[i]
                    flips[t] += 1
            if unstable_now:
                cycle = anchor.count_return(s)
        elif update_order in ("async", "async-fixed"):
            order: Sequence[int] = range(n)
            if update_order == "async":
                order = naive.shuffle_sites(naive.derive_key(key, t), n)
            for i in order:
                if is_unstable(net, s, i):
                    s[i] = -s[i]
                    flips[t] += 1
            if unstable_now and update_order == "async-fixed":
                cycle = anchor.count_return(s)
        else:
            while flips[t] < n and not cycle:
                i = worst(net, s, update_order)
                if i is None:
                    break
                s[i] = -s[i]
                flips[t] += 1
                if stop_at_cycle:
                    cycle = anchor.count_return(s)
        distance[t] = sum(s[i] != start[i] for i in range(n))
        t += 1
        if not unstable_now:
            return Relaxed(s, flips, unstable, distance, t, FIXED_POINT, 1)
        if cycle and stop_at_cycle:
            return Relaxed(s, flips, unstable, distance, t, CYCLE, cycle)
    return Relaxed(s, flips, unstable, distance, t, UNSETTLED, 0)


def energy(net: FreeNetwork, s: Sequence[int]) -> float:
    total = 0.0
    for i in range(len(s)):
        total -= net.b[i] * s[i]
        for j in range(len(s)):
            if j != i:
                total -= net.J[i][j] * s[i] * s[j] / 2
    return total
