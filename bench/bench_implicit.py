"""Implicit couplings: columns per second, and relaxations of networks too large to store.

Run with  python -m pytest bench/bench_implicit.py -s --benchmark-only ; add  -m slow  for N = 10⁶.

No peer can hold N = 10⁵ (40 GB in float32). It relaxes a stored Gaussian network of 10 000 neurons
instead, and is compared by the time per coupling, N² of them. Both sides take turns; other
processes may share the machine, so CPU seconds (of all threads) are reported beside the wall clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from binnet import ImplicitNetwork, relax
from binnet._threads import share_out
from binnet_kernels.lowlevel.rng import GAMMA, mix
from binnet_kernels.relaxation import implicit
from sides import report

N, STORED = 100_000, 10_000
SELF_COUPLING = 1.0


@cache
def stored_couplings(n_neurons: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    J: NDArray[np.float32] = rng.standard_normal((n_neurons, n_neurons), np.float32)
    J *= np.float32(n_neurons**-0.5)
    np.fill_diagonal(J, 0)
    return J


def relax_stored(J: NDArray[Any], self_coupling: float, state: NDArray[Any]) -> NDArray[Any]:
    """The peer: NumPy's matrix-vector product (OpenBLAS) and sign, to a fixed point."""
    while True:
        signs = np.where(J @ state + self_coupling * state >= 0, 1, -1)
        new: NDArray[Any] = signs.astype(J.dtype)
        if (new == state).all():
            return new
        state = new


def draw_start(n_neurons: int, dtype: Any) -> NDArray[Any]:
    return np.random.default_rng(1).choice(np.array([-1, 1], dtype), n_neurons)


def fastest(work: Any, rounds: int) -> tuple[float, float]:
    """Return the shortest wall-clock time and CPU time of some rounds."""
    wall, cpu = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    return min(wall), min(cpu)


@numba.njit  # type: ignore[untyped-decorator]
def hash_words(n: int) -> np.uint64:
    """SplitMix64 and nothing else: what the counting is compared with."""
    total = np.uint64(0)
    for k in range(n):
        total ^= mix(np.uint64(k) * GAMMA)
    return total


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("distribution", ["sign", "gaussian"])
def test_columns(benchmark: Any, quick: bool, distribution: str, threads: int) -> None:
    """Fields from columns that are drawn, against a stored matrix times a vector.

    Rounds of 2 ms: many of them are over before the machine turns to another process.
    """
    network = ImplicitNetwork(N // 10 if quick else N, distribution=distribution)
    n, n_columns = network.n_neurons, 4064 // network.n_signs  # fill the counters once
    couplings = implicit.ImplicitCouplings(network.key, network.n_signs)
    n_tiles = implicit.count_tiles(n)
    size = -(-n_tiles // threads)
    scratch = [implicit.make_scratch_implicit() for _ in range(threads)]
    field = np.zeros(n_tiles * implicit.TILE_NEURONS, np.int32)
    state, sites = draw_start(n, np.int8), np.arange(n, dtype=np.int32)
    J = stored_couplings(1000 if quick else STORED)
    vector = draw_start(len(J), np.float32)
    n_words = 1_000_000
    hash_words(10)
    ours: list[tuple[float, float]] = []
    peers: list[tuple[float, float]] = []
    hashes: list[tuple[float, float]] = []

    def draw() -> None:
        def add(first: int) -> None:
            implicit.add_columns_implicit(
                couplings, sites, n_columns, 1, state, first, min(first + size, n_tiles),
                scratch[first // size], field,
            )  # fmt: skip

        share_out(threads, add, range(0, n_tiles, size))

    def ask_ours() -> None:
        ours.append(fastest(draw, 30))

    def ask_peers() -> None:
        with threadpool_limits(threads):
            peers.append(fastest(lambda: J @ vector, 2))
        hashes.append(fastest(lambda: hash_words(n_words), 10))

    draw()
    benchmark.pedantic(ask_ours, setup=ask_peers, rounds=1 if quick else 8)
    wall = 1e12 * np.min(ours, axis=0)[0] / (n * n_columns)
    peer_wall = 1e12 * np.min(peers, axis=0)[0] / J.size
    hash_wall = 1e12 * np.min(hashes, axis=0)[0] / n_words / implicit.WORD_BITS
    facts = {
        "threads": threads,
        "ps_per_coupling": wall,
        "ps_per_sign": wall / network.n_signs,
        "hash_alone_ps_per_sign": hash_wall / threads,
        "fraction_of_hash_rate": hash_wall / threads / (wall / network.n_signs),
        "stored_float32_ps_per_coupling": peer_wall,
        "ratio": peer_wall / wall,
        "stored_bandwidth_GB_per_s": 4e3 / peer_wall,
        "load_average": os.getloadavg()[0],
    }
    benchmark.extra_info.update(facts)
    report(f"columns, {distribution}", facts)


def run_worker(**request: Any) -> dict[str, Any]:
    script = Path(__file__).with_name("implicit_worker.py")
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(request)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def test_peer_finds_the_same() -> None:
    """Same couplings, same start: the peer's loop in float64, where sums are exact."""
    network = ImplicitNetwork(2000, SELF_COUPLING)
    start = draw_start(2000, np.int8)
    final = relax_stored(network.materialise().couplings, SELF_COUPLING, start.astype(float))
    assert (relax(network, initial_states=start[None]).states[0] == final).all()


@cache
def time_stored(n_neurons: int, threads: int) -> tuple[float, float]:
    J, start = stored_couplings(n_neurons), draw_start(n_neurons, np.float32)
    with threadpool_limits(threads):
        return fastest(lambda: relax_stored(J, SELF_COUPLING, start), 2)


def describe(reply: dict[str, Any], n: int, threads: int) -> dict[str, Any]:
    assert reply["converged"]
    assert reply["smallest_margin"] > 0
    return {
        "threads": threads,
        "seconds_min": min(reply["seconds"]),
        "seconds_median": float(np.median(reply["seconds"])),
        "cpu_seconds_min": min(reply["cpu_seconds"]),
        "ps_per_coupling": 1e12 * min(reply["seconds"]) / n**2,
        "cpu_ps_per_coupling": 1e12 * min(reply["cpu_seconds"]) / n**2,
        "sweeps": reply["sweeps"],
        "flips_per_neuron": reply["flips_per_neuron"],
        "megabytes_before": reply["megabytes_before"],
        "megabytes_at_peak": reply["megabytes_at_peak"],
        "stored_float32_gigabytes": 4e-9 * n**2,
        "load_average": os.getloadavg()[0],
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("update_order", ["sync", "async"])
@pytest.mark.parametrize("distribution", ["sign", "gaussian"])
def test_relaxation(
    benchmark: Any, quick: bool, distribution: str, update_order: str, threads: int
) -> None:
    """N = 10⁵ from a random state to a fixed point at J_D = 1; the peer is synchronous."""
    n, n_stored = (2000, 500) if quick else (N, STORED)
    replies: list[dict[str, Any]] = []

    def ours() -> None:
        replies.append(
            run_worker(
                n_neurons=n, distribution=distribution, update_order=update_order, threads=threads,
                rounds=1 if quick else 7,
            )
        )  # fmt: skip

    benchmark.pedantic(ours, rounds=1)
    facts = describe(replies[0], n, threads)
    if update_order == "sync":
        wall, cpu = time_stored(n_stored, threads)
        per_coupling = 1e12 / n_stored**2
        facts["stored_float32_seconds"] = wall
        facts["stored_float32_ps_per_coupling"] = wall * per_coupling
        facts["ratio_per_coupling"] = wall * per_coupling / facts["ps_per_coupling"]
        facts["ratio_of_cpu"] = cpu * per_coupling / facts["cpu_ps_per_coupling"]
    benchmark.extra_info.update(facts)
    report(f"relaxation, {distribution}, {update_order}, N = {n}", facts)


@pytest.mark.slow
@pytest.mark.parametrize("distribution", ["sign", "gaussian"])
def test_million(benchmark: Any, quick: bool, distribution: str) -> None:
    """N = 10⁶, whose couplings would take 4 TB: memory grows with N."""
    n = 5000 if quick else 1_000_000
    replies: list[dict[str, Any]] = []

    def ours() -> None:
        replies.append(
            run_worker(
                n_neurons=n, distribution=distribution, update_order="sync", threads=2, rounds=1
            )
        )

    benchmark.pedantic(ours, rounds=1)
    facts = describe(replies[0], n, 2)
    benchmark.extra_info.update(facts)
    report(f"relaxation, {distribution}, sync, N = {n}", facts)
