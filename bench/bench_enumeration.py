"""Both exact searches for all fixed points beside each other, over the self-coupling.

`binnet bench` has each of them at one self-coupling, and the peers. Every time is taken twice, on
the clock and in seconds of processor time, which other processes on the machine do not stretch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from binnet import RandomNetwork, fixed_points
from binnet._provenance import describe_run
from sides import report

N = 30


def time_both(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the seconds on the clock, those of the processor, and the result."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - clock, time.process_time() - processor, result


def describe(threads: int, **facts: Any) -> dict[str, Any]:
    run = describe_run(0, threads)
    return {
        **facts,
        "threads": threads,
        "cpu": run["cpu"],
        "packages": run["packages"],
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


@pytest.mark.parametrize("self_coupling", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_branch_and_bound(benchmark: Any, quick: bool, self_coupling: float) -> None:
    """Branch and bound beside Gray code, two threads; both find the same."""
    n, rounds = (16, 1) if quick else (N, 3)
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
