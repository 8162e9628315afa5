"""All fixed points, and the census of all states, in NumPy: blocks of configurations at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.peers._threads import limit_blas
from binnet.benchmarks.workloads.enumeration import SEED
from binnet.networks import RandomNetwork

Array = NDArray[Any]

_BLOCK = 2**14
_LOW_SPINS = 12


def find_by_products(workload: Workload, threads: int) -> Task:
    """One product of every block of configurations with the couplings."""
    return _make_search(workload, threads, _find_by_products)


def find_by_survivors(workload: Workload, threads: int) -> Task:
    """The theory package's enumeration: neuron by neuron, on what survives."""
    from binnet.states import pack_states
    from binnet.theory import enumerate_fixed_points

    def find(couplings: Array, self_coupling: float) -> Array:
        return np.sort(pack_states(enumerate_fixed_points(couplings, self_coupling)), axis=0)

    return _make_search(workload, threads, find)


def _find_by_products(couplings: Array, self_coupling: float) -> Array:
    n = len(couplings)
    columns = np.ascontiguousarray(couplings.T, np.float32)
    found = []
    for first in range(0, 2**n, _BLOCK):
        words = np.arange(first, min(first + _BLOCK, 2**n), dtype="<u4")
        bits = np.unpackbits(words.view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
        spins = 2.0 * bits[:, :n].astype(np.float32) - 1.0
        fixed = (spins * (spins @ columns) > -np.float32(self_coupling)).all(axis=1)
        found.append(words[fixed])
    return np.concatenate(found).astype(np.uint64)[:, None]


def _make_search(workload: Workload, threads: int, find: Callable[[Array, float], Array]) -> Task:
    limit_blas(threads)
    n = workload.sizes["n_neurons"]
    network = RandomNetwork.draw(n, 1.0, seed=SEED)
    return _make_task(
        n, partial(find, network.couplings, network.self_coupling), lambda states: (states,)
    )


def take_census(workload: Workload, threads: int) -> Task:
    """The same algorithm as binnet's.

    Successors of blocks of states whose high spins are held, with the fields of the low ones from a
    table; states without a predecessor are left out, the transient ones peeled off in rounds.
    """
    limit_blas(threads)
    n = workload.sizes["n_neurons"]
    network = RandomNetwork.draw(n, 0.5, dtype="int16", seed=SEED)
    return _make_task(n, partial(_take_census, network), lambda census: census)


def _make_task(
    n: int, work: Callable[[], Any], to_arrays: Callable[[Any], tuple[Array, ...]]
) -> Task:
    found: list[Any] = []

    def call() -> None:
        found[:] = [work()]

    def answer() -> Answer:
        return make_answer(*to_arrays(found[0]))

    return Task(call, answer, Work(2.0**n))


class _Census(NamedTuple):
    states: Array  # of the cycles, each from its lowest state on
    lengths: Array
    basins: Array
    transients: Array  # states by their steps to the cycle


def _map_states(network: RandomNetwork) -> Array:
    """Return the successor of each state, a block of low spins at a time, in Gray code."""
    n = network.n_neurons
    n_low = min(_LOW_SPINS, n)
    self_coupling, external = network.in_field_units()
    couplings = network.couplings.astype(np.float32) + self_coupling * np.eye(n, dtype=np.float32)
    bits = (np.arange(2**n_low) >> np.arange(n_low)[:, None]) & 1
    low = couplings[:, :n_low] @ (2 * bits - 1).astype(np.float32)
    powers = np.uint32(1) << np.arange(n, dtype=np.uint32)
    field = (external - couplings[:, n_low:].sum(axis=1)).astype(np.float32)
    successors = np.empty((2 ** (n - n_low), 2**n_low), np.uint32)
    gray = 0
    for block in range(len(successors)):
        if block:
            flipped = (block & -block).bit_length() - 1
            gray ^= 1 << flipped
            sign = np.float32(2.0 if gray >> flipped & 1 else -2.0)
            field = field + sign * couplings[:, n_low + flipped]
        words = np.zeros(2**n_low, np.uint32)
        for i in range(n):
            words |= (low[i] >= -field[i]) * powers[i]
        successors[gray] = words
    return successors.reshape(-1)


def _take_census(network: RandomNetwork) -> _Census:
    successors = _map_states(network)
    degree = np.bincount(successors, minlength=len(successors))
    states = np.flatnonzero(degree)  # all others are leaves: they have no predecessor
    number = np.zeros(len(successors), np.uint32)
    number[states] = np.arange(len(states), dtype=np.uint32)
    following = number[successors[states]]
    leaves = np.bincount(number[successors[degree == 0]], minlength=len(states))
    rounds = _peel(following)
    on_cycle = np.ones(len(states), bool)
    for peeled in rounds:
        on_cycle[peeled] = False
    members = np.flatnonzero(on_cycle)
    lowest, position = _follow_cycles(members, following)
    roots, cycle, lengths = np.unique(lowest, return_inverse=True, return_counts=True)
    labels, steps = np.empty(len(states), np.int64), np.zeros(len(states), np.int64)
    labels[members] = cycle
    for peeled in reversed(rounds):
        labels[peeled] = labels[following[peeled]]
        steps[peeled] = steps[following[peeled]] + 1
    basins = np.bincount(labels, weights=1.0 + leaves, minlength=len(roots)).astype(np.int64)
    by_steps = np.bincount(steps, minlength=steps.max() + 2)
    by_steps += np.bincount(steps + 1, weights=leaves, minlength=len(by_steps)).astype(np.int64)
    in_order = members[np.lexsort((position, lowest))]
    return _Census(
        states[in_order].astype(np.uint64)[:, None], lengths, basins, np.trim_zeros(by_steps, "b")
    )


def _peel(following: Array) -> list[Array]:
    """Return the transient states in rounds: first those that nothing leads to, and so on."""
    left = np.bincount(following, minlength=len(following))
    rounds, peeled = [], np.flatnonzero(left == 0)
    while len(peeled):
        rounds.append(peeled)
        ends = following[peeled]
        np.subtract.at(left, ends, 1)
        ends = np.unique(ends)
        peeled = ends[left[ends] == 0]
    return rounds


def _follow_cycles(members: Array, following: Array) -> tuple[Array, Array]:
    """Return the lowest state of each member's cycle, and its place in the cycle from there on."""
    place = np.zeros(len(following), np.int64)
    place[members] = np.arange(len(members))
    successor = place[following[members]]
    lowest, step = np.arange(len(members)), successor
    for _ in range(len(members).bit_length()):  # minima over stretches that double
        lowest = np.minimum(lowest, lowest[step])
        step = step[step]
    position = np.zeros(len(members), np.int64)
    current, k = successor[np.unique(lowest)], 0
    while len(current := current[lowest[current] != current]):
        k += 1
        position[current] = k
        current = successor[current]
    return lowest, position
