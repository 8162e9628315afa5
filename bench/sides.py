"""Both sides of a comparison, each in its own process, asked in turn: A B A B.

Also what a number needs beside it: the machine, the versions, and the statistics. Comparisons by
workloads of `binnet bench` have no need of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from binnet._provenance import describe_run

WORKER = Path(__file__).with_name("pixels_worker.py")
BATCHES_PER_EPOCH = 3750


class Side:
    """A process that answers requests, one at a time."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker died at {do!r}: its error is above (use pytest -s)")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has died
            self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


@contextmanager
def running_side(name: str) -> Iterator[Side]:
    """Start binnet or the peer."""
    side = Side(name)
    try:
        yield side
    finally:
        side.close()


def has_torch() -> bool:
    """Return whether the peer is installed; without it our side runs alone."""
    return importlib.util.find_spec("torch") is not None


def scale_to_epoch(replies: list[dict[str, Any]], n_batches: int) -> list[float]:
    """Return the seconds of a whole epoch for each reply, from those of `n_batches` batches.

    A call of `train` also has fixed costs. Where `n_batches` are a single call, far shorter than
    one of `train`, these costs are counted as often as `train` has them.
    """
    scale = BATCHES_PER_EPOCH / n_batches
    if not replies or replies[0]["calls"] != 1:
        return [reply["seconds"] * scale for reply in replies]
    fixed = min(reply["fixed"] for reply in replies)
    return [
        max(reply["seconds"] - fixed, 0.0) * scale + reply["calls_per_epoch"] * fixed
        for reply in replies
    ]


def describe(ours: list[float], peers: list[float], threads: int, seed: int) -> dict[str, Any]:
    """Return the statistics of both sides' seconds, their ratio, and where they were measured.

    Without seconds of a peer those of ours alone.
    """
    provenance = describe_run(seed, threads)
    facts = {"binnet_min": min(ours), "binnet_median": statistics.median(ours)}
    packages = provenance["packages"]
    if peers:
        facts |= {
            "torch_min": min(peers),
            "torch_median": statistics.median(peers),
            "ratio_of_min": min(peers) / min(ours),
            "ratio_of_median": statistics.median(peers) / statistics.median(ours),
        }
        packages = {**packages, "torch": metadata.version("torch")}
    return {
        **facts,
        "rounds": len(ours),
        "threads": threads,
        "seed": seed,
        "cpu": provenance["cpu"],
        "packages": packages,
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def fastest(work: Callable[[], Any], at_least: float = 0.3) -> float:
    """Return the shortest of the times of many calls, about `at_least` seconds in all."""
    work()
    times = [0.0]
    while sum(times) < at_least or len(times) < 6:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def report(title: str, facts: dict[str, Any]) -> None:
    """Print one line: pytest -s shows it at once; the JSON of pytest-benchmark keeps all."""
    shown = {k: round(v, 4) for k, v in facts.items() if isinstance(v, (int, float))}
    print(f"\n{title}: " + ", ".join(f"{k} {v:g}" for k, v in shown.items()))
