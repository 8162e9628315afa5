"""Exact enumeration of all fixed points: both searches of binnet against NumPy brute force.

NumPy visits 2**N configurations in vectorised blocks, in two ways of which the faster one counts:
with one matrix product a block, and with tests neuron by neuron on the survivors (the enumeration
of the theory package). It is run at the largest N that a round has time for; there the answers must
be equal, and times are compared per configuration. Every time is taken twice, on the clock and in
seconds of processor time, which other processes on the machine do not stretch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from binnet import RandomNetwork, fixed_points, pack_states, theory
from binnet._provenance import describe_run
from sides import report

LARGE, SMALL = 30, 22
_BLOCK = 2**14


def find_by_products(couplings: np.ndarray, self_coupling: float) -> np.ndarray:
    """All fixed points by one product of every block of configurations with the couplings."""
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


def find_by_survivors(couplings: np.ndarray, self_coupling: float) -> np.ndarray:
    """All fixed points by the theory package's enumeration."""
    return np.sort(pack_states(theory.enumerate_fixed_points(couplings, self_coupling)), axis=0)


def time_both(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the seconds on the clock, those of the processor, and the result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - clock, time.process_time() - processor, result


def measure_flops() -> float:
    """Return the float32 flop/s of a matrix product on one core, by processor time."""
    a = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    out = np.empty_like(a)
    with threadpool_limits(1):
        return 2 * 1024**3 / min(time_both(lambda: np.matmul(a, a, out=out))[1] for _ in range(20))


def describe(threads: int, **facts: Any) -> dict[str, Any]:
    run = describe_run(0, threads)
    return {
        **facts,
        "threads": threads,
        "cpu": run["cpu"],
        "packages": run["packages"],
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


@pytest.mark.parametrize("threads", [2, 1])
def test_every_configuration(benchmark: Any, quick: bool, threads: int) -> None:
    """Gray code at J_D = 1, where next to no branch can be cut."""
    n, n_peer, rounds = (18, 12, 1) if quick else (LARGE, SMALL, 5)
    network = RandomNetwork.draw(n, 1.0, seed=1)
    small = RandomNetwork.draw(n_peer, 1.0, seed=1)
    peers: dict[str, list[tuple[float, float]]] = {"products": [], "survivors": []}
    ours: list[tuple[float, float]] = []
    ours_small: list[tuple[float, float]] = []

    def search(which: RandomNetwork) -> Any:
        return fixed_points.enumerate(which, method="gray", threads=threads)

    def ask_peers() -> None:
        states = {}
        *took, found = time_both(lambda: search(small))
        ours_small.append((took[0], took[1]))
        for name, find in (("products", find_by_products), ("survivors", find_by_survivors)):
            *took, states[name] = time_both(partial(find, small.couplings, 1.0))
            peers[name].append((took[0], took[1]))
        np.testing.assert_array_equal(states["survivors"], found.states)
        # In float32 a field within rounding of 0 may fall on either side.
        assert len(np.setxor1d(states["products"], found.states)) <= 2

    def ask_binnet() -> None:
        *took, found = time_both(lambda: search(network))
        ours.append((took[0], took[1]))
        benchmark.extra_info["fixed_points"] = found.count

    search(small)  # compiles
    benchmark.pedantic(ask_binnet, setup=ask_peers, rounds=rounds)
    per = {"clock": 1e9 / 2**n, "peer": 1e9 / 2**n_peer}
    best = min(peers, key=lambda name: min(peers[name])[1])
    ns_peer = [min(took[k] for took in peers[best]) * per["peer"] for k in (0, 1)]
    ns_ours = [min(took[k] for took in ours) * per["clock"] for k in (0, 1)]
    ns_small = [min(took[k] for took in ours_small) * per["peer"] for k in (0, 1)]
    # Each configuration that is visited, one of s and -s, tests N 8-bit fields: an addition and an
    # `or` each.
    operations = 2**n / 2 * n * 2 / min(took[1] for took in ours)
    facts = describe(
        threads,
        n_neurons=n,
        n_neurons_peer=n_peer,
        peer=best,
        seconds=min(took[0] for took in ours),
        processor_seconds=min(took[1] for took in ours),
        ns_per_configuration=ns_ours[0],
        processor_ns_per_configuration=ns_ours[1],
        peer_ns_per_configuration=ns_peer[0],
        peer_processor_ns_per_configuration=ns_peer[1],
        ratio_of_min=ns_peer[0] / ns_ours[0],
        ratio_of_processor_min=ns_peer[1] / ns_ours[1],
        ratio_at_equal_n=ns_peer[0] / ns_small[0],
        ratio_of_processor_at_equal_n=ns_peer[1] / ns_small[1],
        byte_operations_per_second=operations,
        # A float32 FMA is 2 operations on 4 bytes, an 8-bit addition 1 on a byte: twice as many.
        fraction_of_arithmetic_peak=operations / (2 * measure_flops()),
        limit="arithmetic: 8-bit vector additions, from the first-level cache",
    )
    benchmark.extra_info.update(facts)
    report(f"every configuration threads={threads}", facts)


@pytest.mark.parametrize("self_coupling", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_branch_and_bound(benchmark: Any, quick: bool, self_coupling: float) -> None:
    """Branch and bound beside Gray code, two threads; both find the same."""
    n, rounds = (16, 1) if quick else (LARGE, 3)
    network = RandomNetwork.draw(n, self_coupling, seed=1)
    times: dict[str, list[tuple[float, float]]] = {"bounded": [], "gray": []}
    found = {}

    def search(method: str) -> None:
        *took, found[method] = time_both(
            lambda: fixed_points.enumerate(network, method=method, threads=2)
        )
        times[method].append((took[0], took[1]))

    for method in times:
        fixed_points.enumerate(RandomNetwork.draw(12, 1.0), method=method, threads=2)  # compiles
    benchmark.pedantic(lambda: search("bounded"), setup=lambda: search("gray"), rounds=rounds)
    np.testing.assert_array_equal(found["bounded"].states, found["gray"].states)
    best = {name: [min(t[k] for t in took) for k in (0, 1)] for name, took in times.items()}
    facts = describe(
        2,
        n_neurons=n,
        self_coupling=self_coupling,
        fixed_points=found["gray"].count,
        bounded_seconds=best["bounded"][0],
        gray_seconds=best["gray"][0],
        bounded_processor_seconds=best["bounded"][1],
        gray_processor_seconds=best["gray"][1],
        ratio_of_processor_min=best["gray"][1] / best["bounded"][1],
    )
    benchmark.extra_info.update(facts)
    report(f"branch and bound J_D={self_coupling}", facts)
