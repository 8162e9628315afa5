"""Two threads against one: where the machine is idle, where it is busy, and on a single core.

The second thread must help on an idle machine, and never hurt. Each row is work that users give to
the library, on one thread, on two and on as many as it likes, in turn, in a process of its own;
`load` keeps cores busy meanwhile. Ratios are of medians, time on two threads over time on one under
the same load. `test_steps` compares the way of working in step with Numba's threading layers.
Nothing here asserts a time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sides import report
from threads_worker import ROWS

WORKER = Path(__file__).with_name("threads_worker.py")
STEPS = Path(__file__).with_name("threads_steps.py")
SECONDS, ROUNDS = 8.0, 15  # of a row, beyond which no round begins; and the most rounds
CONDITIONS = ("idle", "one busy process", "two busy processes", "one core")
# Ends by itself, should nobody end it.
SPIN = f"import time\nend = time.time() + {20 * SECONDS}\nwhile time.time() < end: pass"


@contextmanager
def load(n_processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(n_processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def run_worker(row: str, condition: str, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round, by number of threads."""
    bind = None
    if condition == "one core":
        bind = partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})
    command = [sys.executable, str(WORKER), row, str(SECONDS), str(rounds)]
    with load({"one busy process": 1, "two busy processes": 2}.get(condition, 0)):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=bind)
    times: dict[str, list[float]] = json.loads(done.stdout)
    return times


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("row", ROWS)
def test_two_threads(benchmark: Any, quick: bool, row: str, condition: str) -> None:
    if condition == "one core" and not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system binds no process to a core")
    if quick and condition != "idle":
        pytest.skip("nothing is timed")
    before = os.getloadavg() if hasattr(os, "getloadavg") else None
    times = benchmark.pedantic(run_worker, (row, condition, 0 if quick else ROUNDS), rounds=1)
    if quick:
        return
    one, two, free = (statistics.median(times[name]) for name in ("1", "2", "None"))
    facts = {
        "one": one, "two": two, "two_over_one": two / one, "none_over_one": free / one,
        "speedup": one / two, "rounds": len(times["1"]), "load_average_before": before,
        "speedup_of_best": min(times["1"]) / min(times["2"]), "seconds": times,
    }  # fmt: skip
    benchmark.extra_info.update(facts)
    report(f"{row}, {condition}", facts)


@pytest.mark.parametrize("n_busy", [0, 1, 2])
@pytest.mark.parametrize("microseconds", [20, 200])
@pytest.mark.parametrize("way", ["binnet", "omp", "workqueue", "tbb"])
def test_steps(benchmark: Any, quick: bool, way: str, microseconds: int, n_busy: int) -> None:
    """TBB is used where its package is installed and LD_LIBRARY_PATH leads to its library."""
    if quick and (n_busy or microseconds == 200):
        pytest.skip("nothing is timed")
    command = [sys.executable, str(STEPS), way, str(microseconds)]
    with load(n_busy):
        done = benchmark.pedantic(
            lambda: subprocess.run(command, capture_output=True, check=False), rounds=1
        )
    if done.returncode:
        error = done.stderr.decode().strip()
        if "threading layer" in error:
            pytest.skip(f"Numba has no {way} here")
        raise RuntimeError(error)
    times = json.loads(done.stdout)
    facts = {"min": min(times), "median": statistics.median(times), "max": max(times)}
    benchmark.extra_info.update(facts)
    report(f"step of {microseconds} us, {way}, {n_busy} busy processes", facts)
