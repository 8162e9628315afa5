"""Relaxation of random networks: float32 and a replica on all cores.

Run with  python -m pytest bench/bench_relaxation.py -s --benchmark-only

16-bit couplings, asynchronous updates and their peers are workloads of `binnet bench`. Here both
sides start from the same states and run on one thread in one process, in turns. The work is the
same: every replica goes on until it is at a fixed point, and those that are drop out. As other
processes may share the machine, CPU seconds of this process are reported beside the wall clock.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from binnet import RandomNetwork, relax
from binnet._threads import count_cores
from sides import has_torch, report

Array = NDArray[Any]
Work = Callable[[], Array]

REPLICAS = 16
SEED = 0


def draw_start(n_replicas: int, n_neurons: int) -> Array:
    rng = np.random.default_rng(1)
    return rng.choice(np.array([-1, 1], np.int8), (n_replicas, n_neurons))


# ---- the peers


def relax_by_products(multiply: Callable[[Array], Array], J_D: float, start: Array) -> Array:
    """Dense product and sign, on the replicas that have not settled; `start` has their dtype."""
    states, final = start, start.copy()
    active = np.arange(len(start))
    while len(active):
        fields = multiply(states)
        fields += states.dtype.type(J_D) * states
        new = np.where(fields >= 0, states.dtype.type(1), states.dtype.type(-1))
        moved = (new != states).any(axis=1)
        final[active[~moved]] = states[~moved]
        active, states = active[moved], new[moved]
    return final


def make_products(J: Array) -> dict[str, Callable[[Array], Array]]:
    """Ways to write the product: NumPy in two layouts, and PyTorch where it is installed."""
    J, presynaptic = np.ascontiguousarray(J), np.ascontiguousarray(J.T)
    products: dict[str, Callable[[Array], Array]] = {
        "NumPy s @ J.T": lambda s: s @ presynaptic,
        "NumPy J @ s.T": lambda s: (J @ s.T).T,
    }
    if has_torch():
        import torch

        tensor = torch.from_numpy(presynaptic)
        products["torch s @ J.T"] = lambda s: np.asarray(torch.mm(torch.from_numpy(s), tensor))
    return products


# ---- how they are compared


def compare(benchmark: Any, ours: Work, peers: dict[str, Work], rounds: int) -> dict[str, Any]:
    """Time ours and the peers in turns; return seconds and ratios to the fastest peer."""
    wall: dict[str, list[float]] = {name: [] for name in ("binnet", *peers)}
    cpu: dict[str, list[float]] = {name: [] for name in wall}

    def run(name: str, work: Work) -> None:
        began, used = time.perf_counter(), time.process_time()
        work()
        wall[name].append(time.perf_counter() - began)
        cpu[name].append(time.process_time() - used)

    def run_peers() -> None:
        for name, work in peers.items():
            run(name, work)

    benchmark.pedantic(lambda: run("binnet", ours), setup=run_peers, rounds=rounds)
    best = min(peers, key=lambda name: min(cpu[name]))
    facts: dict[str, Any] = {"peer": best, "rounds": rounds, "threads": 1}
    for kind, times in (("wall", wall), ("cpu", cpu)):
        facts[f"{kind}_binnet_min"] = min(times["binnet"])
        facts[f"{kind}_ratio_of_min"] = min(times[best]) / min(times["binnet"])
        facts[f"{kind}_ratio_of_median"] = statistics.median(times[best]) / statistics.median(
            times["binnet"]
        )
    facts |= {f"cpu_min {name}": min(times) for name, times in cpu.items()}
    facts["load_average"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return facts


@pytest.mark.parametrize("n_neurons", [1600, 6400])
def test_float32(benchmark: Any, quick: bool, n_neurons: int) -> None:
    """16 replicas at J_D = 1 to their fixed points."""
    n_neurons = 200 if quick else n_neurons
    network = RandomNetwork.draw(n_neurons, 1.0, dtype="float32", seed=SEED)
    J = network.to_float()
    start = draw_start(REPLICAS, n_neurons)
    products = make_products(J.astype(np.float32))
    single = start.astype(np.float32)

    def run_ours() -> Array:
        return relax(network, initial_states=start, threads=1).states

    with threadpool_limits(1):
        result = relax(network, initial_states=start, threads=1)  # compiles
        assert result.converged.all()
        facts = compare(
            benchmark,
            run_ours,
            {
                name: partial(relax_by_products, multiply, 1.0, single)
                for name, multiply in products.items()
            },
            rounds=1 if quick else 15 if n_neurons < 2000 else 5,
        )
        exact = relax_by_products(lambda s: s @ J.T, 1.0, start.astype(np.float64))
    facts["replicas_that_differ"] = int((result.states != exact).any(axis=1).sum())
    # A field within round-off of 0 may send a replica to another fixed point.
    assert facts["replicas_that_differ"] <= 2
    facts["sweeps"] = int(result.sweeps.max())
    benchmark.extra_info.update(facts)
    report(f"synchronous N={n_neurons} float32", facts)
    print(f"fastest peer: {facts['peer']}")


@pytest.mark.parametrize("update_order", ["sync", "async"])
def test_one_replica(benchmark: Any, quick: bool, update_order: str) -> None:
    """One replica at N = 6400 on all cores, against one thread, in turns; seconds on the clock."""
    n_neurons = 200 if quick else 6400
    network = RandomNetwork.draw(n_neurons, 1.0, dtype="int16", seed=SEED)
    start = draw_start(1, n_neurons)

    def run(threads: int) -> Array:
        return relax(
            network, update_order=update_order, initial_states=start, threads=threads
        ).states

    times: dict[int, list[float]] = {1: [], count_cores(): []}
    assert np.array_equal(run(1), run(count_cores()))  # compiles

    def run_in_turn() -> None:
        for threads, seconds in times.items():
            began = time.perf_counter()
            run(threads)
            seconds.append(time.perf_counter() - began)

    benchmark.pedantic(run_in_turn, rounds=1 if quick else 30)
    alone, together = times[1], times[count_cores()]
    facts = {
        "threads": count_cores(),
        "one_thread_min": min(alone),
        "all_threads_min": min(together),
        "ratio_of_min": min(alone) / min(together),
        "ratio_of_median": statistics.median(alone) / statistics.median(together),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    benchmark.extra_info.update(facts)
    report(f"one replica N={n_neurons} {update_order}", facts)
