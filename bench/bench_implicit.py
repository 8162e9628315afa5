"""Implicit couplings: relaxations of networks too large to store.

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

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from binnet import ImplicitNetwork, relax
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
