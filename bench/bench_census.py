"""The census of all 2**N states: binnet against NumPy's version of the same algorithm.

NumPy, too, tabulates the successors of blocks of states whose high spins are held, with the fields
of the low spins from a table, leaves out the states without a predecessor, peels the transient ones
off in rounds, and walks back. Couplings are 16-bit integers, whose fields float32 holds exactly:
that is NumPy's fastest format, and both must count the same.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from binnet import RandomNetwork, fixed_points
from binnet._provenance import describe_run
from sides import report

LARGE, SMALL = 24, 12
_LOW_SPINS = 12


def map_states(network: RandomNetwork) -> np.ndarray:
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


def take_census(network: RandomNetwork) -> tuple[np.ndarray, np.ndarray, int]:
    """Return basins and lengths of the cycles, and how many states have no predecessor."""
    successors = map_states(network)
    degree = np.bincount(successors, minlength=len(successors))
    states = np.flatnonzero(degree)
    number = np.zeros(len(successors), np.uint32)
    number[states] = np.arange(len(states), dtype=np.uint32)
    following = number[successors[states]]
    leaves = np.bincount(number[successors[degree == 0]], minlength=len(states))
    left = np.bincount(following, minlength=len(states))
    rounds, peeled = [], np.flatnonzero(left == 0)
    while len(peeled):
        rounds.append(peeled)
        ends = following[peeled]
        np.subtract.at(left, ends, 1)
        ends = np.unique(ends)
        peeled = ends[left[ends] == 0]
    on_cycle = np.ones(len(states), bool)
    for peeled in rounds:
        on_cycle[peeled] = False
    # The lowest state of each cycle: minima over stretches that double.
    members = np.flatnonzero(on_cycle)
    place = np.zeros(len(states), np.int64)
    place[members] = np.arange(len(members))
    step, lowest = place[following[members]], np.arange(len(members))
    for _ in range(len(members).bit_length()):
        lowest = np.minimum(lowest, lowest[step])
        step = step[step]
    labels = np.empty(len(states), np.int64)
    roots, labels[members], lengths = np.unique(lowest, return_inverse=True, return_counts=True)
    for peeled in reversed(rounds):
        labels[peeled] = labels[following[peeled]]
    basins = np.bincount(labels, weights=1.0 + leaves, minlength=len(roots)).astype(np.int64)
    return basins, lengths, len(successors) - len(states)


def test_census(benchmark: Any, quick: bool) -> None:
    """N = 24 at three self-couplings; the peer once each, ours in turn with it."""
    n, rounds = (SMALL, 1) if quick else (LARGE, 5)
    networks = {
        self_coupling: RandomNetwork.draw(n, self_coupling, dtype="int16", seed=1)
        for self_coupling in (0.0, 0.5, 1.0)
    }
    fixed_points.census(RandomNetwork.draw(SMALL, 0.5))  # compiles
    facts: dict[str, Any] = {"n_neurons": n}

    def take(network: RandomNetwork, threads: int) -> tuple[float, fixed_points.Census]:
        begun = time.perf_counter()
        found = fixed_points.census(network, threads=threads)
        return time.perf_counter() - begun, found

    for self_coupling, network in networks.items():
        begun = time.perf_counter()
        basins, lengths, n_without = take_census(network)
        peer = time.perf_counter() - begun
        ours = {}
        for threads in (1, 2):
            ours[threads] = min(take(network, threads)[0] for _ in range(rounds))
        found = take(network, 1)[1]
        assert found.n_without_predecessor == n_without
        assert sorted(found.basins.tolist()) == sorted(basins.tolist())
        assert sorted(found.lengths.tolist()) == sorted(lengths.tolist())
        name = f"J_D={self_coupling:g}"
        facts |= {
            f"{name}_seconds_1": ours[1],
            f"{name}_seconds_2": ours[2],
            f"{name}_numpy_seconds": peer,
            f"{name}_ratio_2": peer / ours[2],
        }
    benchmark.pedantic(lambda: fixed_points.census(networks[0.5]), rounds=rounds)
    run = describe_run(0, 2)
    facts |= {"cpu": run["cpu"], "load_average": os.getloadavg()[0]}
    benchmark.extra_info.update(facts)
    report("census of all 2**N states", facts)


def test_absorbing_sets(benchmark: Any, quick: bool) -> None:
    """N = 16, one neuron at a time and any of the unstable ones, at the worst self-coupling."""
    n = 10 if quick else 16
    network = RandomNetwork.draw(n, 0.0, seed=1)
    facts: dict[str, Any] = {"n_neurons": n}
    for update_order in ("async", "random-subset"):
        fixed_points.census(network, update_order)  # compiles
        begun = time.perf_counter()
        fixed_points.census(network, update_order)
        facts[f"{update_order}_seconds"] = time.perf_counter() - begun
    benchmark.pedantic(lambda: fixed_points.census(network, "random-subset"), rounds=1)
    benchmark.extra_info.update(facts)
    report("absorbing sets", facts)
