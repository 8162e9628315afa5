"""Results of `binnet bench` that never ran: of known numbers, to test what is done with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement, Stability

CACHES = {"L1": 32768, "L2": 2**21}


def make_measurement(
    workload: str = "relax-sync-l2", threads: int = 1, rate: float = 1e6, **changes: Any
) -> Measurement:
    """Return a measurement with exactly this rate, in 3 processes of 5 values."""
    amount = 2e5
    spread = np.array([[0.98], [1.0], [1.03]]) * np.array([0.99, 1.0, 1.0, 1.01, 1.2])
    values = tuple(tuple(map(float, row)) for row in amount / rate * spread)
    fields: dict[str, Any] = {
        "workload": workload, "suite": workload.split("-")[0], "unit": "flips", "level": "L2",
        "operation": "none", "sizes": {"n_neurons": 600}, "threads": threads, "amount": amount,
        "n_bytes": 3e6, "operations": 0.0, "loops": 8, "values": values, "cold_seconds": 1.5,
        "checksum": "0123456789abcdef", "probes": {"sum": -1.25}, "verdict": "exact",
        "joules": 0.5,
    }  # fmt: skip
    return Measurement(**(fields | changes))


def make_result(*measurements: Measurement, **changes: Any) -> BenchmarkResult:
    """Return a complete, stable result in the closed division."""
    limits = (
        Limits(
            1, {"L1": 1e11, "L2": 6e10}, {"fma32": 1e11}, {"L1": 16384}, CACHES, {"fma32": "FMA"}
        ),
        Limits(
            2, {"L1": 2e11, "L2": 9e10}, {"fma32": 2e11}, {"L1": 16384}, CACHES, {"fma32": "FMA"}
        ),
    )
    result = BenchmarkResult(
        measurements=measurements or (make_measurement(), make_measurement(threads=2, rate=1.8e6)),
        limits_before=limits,
        limits_after=limits[:1],
        stability=Stability(True, (), {"load": [0.5, 0.7]}),
        division="closed",
        open_reasons=(),
        machine={"cpu": "A CPU", "caches": {"L2": 1048576}, "governor": None,
                 "binnet": {"commit": "c0ffee", "is_dirty": False}},
        energy={"available": False, "reason": "powercap is not readable"},
        provenance={"binnet": "0.1.0", "cpu": "A CPU", "python": "3.11.9", "platform": "Linux",
                    "command": ["binnet", "bench", "run"], "started": "2026-01-02T03:04:05+00:00"},
        settings={"suite": "all", "mode": "default", "threads": [1, "all"], "seed": 0},
    )  # fmt: skip
    return replace(result, **changes)
