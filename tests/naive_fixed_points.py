"""Plain references for the enumeration of fixed points and the distances between them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def find_fixed_points(
    J: Array, J_D: float, b: Array, scale: float = 1.0, margin: float = 0.0
) -> set[tuple[int, ...]]:
    """All states with sign(h_i - margin s_i) = s_i, sign(0) = +1, in rational arithmetic."""
    n = len(J)
    found = set()
    for s in itertools.product([-1, 1], repeat=n):
        fixed = True
        for i in range(n):
            h = Fraction(float(b[i]))
            for j in range(n):
                h += Fraction(float(J[i, j])) * s[j]
            h = Fraction(scale) * (h + Fraction(float(J_D)) * s[i]) - Fraction(margin) * s[i]
            sign = 1 if h >= 0 else -1
            if sign != s[i]:
                fixed = False
                break
        if fixed:
            found.add(s)
    return found


def find_in_conditions(
    G: Array, slack: Array, doubt: Array, held: dict[int, int]
) -> dict[int, bool]:
    """The words of all states that meet integer conditions, and whether any leaves a doubt.

    `held` fixes some spins.
    """
    n = len(G)
    found = {}
    for s in itertools.product(*([held[i]] if i in held else [-1, 1] for i in range(n))):
        meets, doubtful = True, False
        for i in range(n):
            x = s[i] * sum(int(G[i, j]) * s[j] for j in range(n)) + int(slack[(s[i] + 1) // 2, i])
            meets = meets and x >= 0
            doubtful = doubtful or x < doubt[i]
        if meets:
            found[sum(2**i for i in range(n) if s[i] > 0)] = doubtful
    return found


def count_distances(words: list[int], n_neurons: int) -> list[int]:
    """Ordered pairs of words by the number of bits in which they differ."""
    counts = [0] * (n_neurons + 1)
    for a in words:
        for b in words:
            counts[bin(a ^ b).count("1")] += 1
    return counts


def transform_walsh(values: list[int]) -> list[int]:
    """Sum over x of values[x] (-1)^(number of bits that x and u share), for each u."""
    n = len(values)
    return [sum(values[x] * (-1) ** bin(x & u).count("1") for x in range(n)) for u in range(n)]


def sum_powers(words: list[int], n_neurons: int) -> list[int]:
    """Squares of the transform of a set of words, summed by the number of bits of the frequency."""
    totals = [0] * (n_neurons + 1)
    for u in range(2**n_neurons):
        f = sum((-1) ** bin(x & u).count("1") for x in words)
        totals[bin(u).count("1")] += f * f
    return totals


def step(J: Array, J_D: float, update_order: str, s: tuple[int, ...]) -> tuple[int, ...]:
    """One sweep of a deterministic order; one flip of greedy and reluctant."""
    n, s = len(J), tuple(s)

    def field(i: int, state: tuple[int, ...]) -> float:
        return sum(J[i, j] * state[j] for j in range(n)) + J_D * state[i]

    def sign(x: float) -> int:
        return 1 if x >= 0 else -1

    if update_order == "sync":
        return tuple(sign(field(i, s)) for i in range(n))
    if update_order == "block-sequential":  # two blocks
        for block in (range(n // 2), range(n // 2, n)):
            new = {i: sign(field(i, s)) for i in block}
            s = tuple(new.get(i, s[i]) for i in range(n))
        return s
    if update_order == "async-fixed":
        for i in range(n):
            s = (*s[:i], sign(field(i, s)), *s[i + 1 :])
        return s
    strengths = {i: abs(field(i, s)) for i in range(n) if sign(field(i, s)) != s[i]}
    if not strengths:
        return s
    choose = max if update_order == "greedy" else min
    i = choose(strengths, key=lambda k: strengths[k])
    return (*s[:i], -s[i], *s[i + 1 :])


def find_end(J: Array, J_D: float, update_order: str, s: tuple[int, ...]) -> tuple[int, ...] | None:
    """The fixed point that s leads to, None where it leads to a cycle."""
    seen = set()
    while s not in seen:
        seen.add(s)
        after = step(J, J_D, update_order, s)
        if after == s:
            return s
        s = after
    return None


def map_states(J: Array, J_D: float, b: Array) -> dict[int, int]:
    """The successor of each word when all neurons are updated at once, in rational arithmetic."""
    n = len(J)
    successors = {}
    for word in range(2**n):
        s = [1 if word >> j & 1 else -1 for j in range(n)]
        successor = 0
        for i in range(n):
            h = Fraction(float(b[i])) + Fraction(float(J_D)) * s[i]
            for j in range(n):
                h += Fraction(float(J[i, j])) * s[j]
            successor |= (h >= 0) << i
        successors[word] = successor
    return successors


def find_cycles(successors: dict[int, int]) -> dict[tuple[int, ...], list[int]]:
    """For each cycle, from its lowest word on, the steps to it from all words that lead there."""
    found: dict[tuple[int, ...], list[int]] = {}
    for start in successors:
        path = [start]
        while (word := successors[path[-1]]) not in path:
            path.append(word)
        cycle = path[path.index(word) :]
        lowest = cycle.index(min(cycle))
        found.setdefault((*cycle[lowest:], *cycle[:lowest]), []).append(len(path) - len(cycle))
    return found


def find_absorbing(
    successors: dict[int, int], subsets: bool
) -> tuple[dict[frozenset[int], int], int]:
    """The absorbing sets, how many words end in each alone, and how many in one of several.

    A word can change in the bits in which it differs from its successor: one, or any of them.
    """

    def list_next(word: int) -> list[int]:
        bits = [k for k in range(word.bit_length() + 32) if (word ^ successors[word]) >> k & 1]
        sizes = range(1, len(bits) + 1) if subsets else [1]
        chosen = [c for size in sizes for c in itertools.combinations(bits, size)]
        return [word ^ sum(1 << k for k in c) for c in chosen]

    following, reached = {word: list_next(word) for word in successors}, {}
    for start in successors:
        seen, waiting = {start}, [start]
        while waiting:
            for word in following[waiting.pop()]:
                if word not in seen:
                    seen.add(word)
                    waiting.append(word)
        reached[start] = frozenset(seen)
    sets = {r for r in reached.values() if all(reached[word] == r for word in r)}
    ends = [[s for s in sets if s <= r] for r in reached.values()]
    alone = {s: sum(e == [s] for e in ends) for s in sets}
    return alone, sum(len(e) > 1 for e in ends)
