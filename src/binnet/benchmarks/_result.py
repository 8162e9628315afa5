"""What a run of the benchmark found, as small typed objects; `_files` writes and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Verdict = Literal["exact", "within tolerance", "wrong", "unknown"]


@dataclass(frozen=True)
class Measurement:
    """One workload on so many threads."""

    workload: str
    suite: str
    unit: str
    level: str
    operation: str
    sizes: Mapping[str, int]
    threads: int
    amount: float  # units of the figure of merit in a call
    n_bytes: float  # of a call
    operations: float  # of a call
    loops: int  # calls whose mean is a value
    values: tuple[tuple[float, ...], ...]  # seconds a call: processes x values
    cold_seconds: float  # of the first call of all, which compiles or loads what was compiled
    checksum: str
    probes: Mapping[str, float]
    verdict: Verdict
    joules: float | None = None  # of a call, in the median
    implementation: str = "binnet"  # or a peer

    @property
    def seconds(self) -> float:
        """Seconds of a call: median over processes of their medians."""
        return float(np.median([np.median(values) for values in self.values]))

    @property
    def rate(self) -> float:
        """Figure of merit: units a second."""
        return self.amount / self.seconds


@dataclass(frozen=True)
class Limits:
    """What the machine can do at best, on so many threads (`binnet.benchmarks.measure_limits`)."""

    threads: int
    bandwidth: Mapping[str, float]  # bytes read a second from "L1", "L2", "L3", "memory"
    peaks: Mapping[str, float]  # operations a second of "fma32", "dot8", "popcount"
    footprints: Mapping[str, int] = field(
        default_factory=dict
    )  # bytes that a thread read, by level
    caches: Mapping[str, int] = field(
        default_factory=dict
    )  # bytes of one cache, of those there are
    instructions: Mapping[str, str] = field(default_factory=dict)  # that the peaks are made by


@dataclass(frozen=True)
class Stability:
    """Whether the machine was quiet while it was measured, and what says otherwise."""

    is_stable: bool
    reasons: tuple[str, ...] = ()
    observed: Mapping[str, Any] = field(default_factory=dict)  # what the reasons are drawn from


@dataclass(frozen=True)
class BenchmarkResult:
    """A whole run of the benchmark on one machine."""

    measurements: tuple[Measurement, ...]
    limits_before: tuple[Limits, ...]
    limits_after: tuple[Limits, ...]
    stability: Stability
    division: Literal["closed", "open"]
    open_reasons: tuple[str, ...]  # why it is not in the closed division
    machine: Mapping[
        str, Any
    ]  # plain values: CPU, caches, SIMD, quota, versions, ... (`describe_host`)
    energy: Mapping[str, Any]  # {"available": bool, "reason": str | None, ...}
    provenance: Mapping[str, Any]  # `describe_run`: version, command, started; commit
    settings: Mapping[str, Any]  # suite, mode, threads, time limit, processes, seed
    is_complete: bool = True  # False where it was stopped
