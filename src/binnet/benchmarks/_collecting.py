"""What the processes of a run have replied, and the result that is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from binnet.benchmarks._division import find_division
from binnet.benchmarks._energy import EnergyMeter
from binnet.benchmarks._expected import check_answer, cpu_class
from binnet.benchmarks._host import describe_host
from binnet.benchmarks._plan import Pair, Plan, make_command
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement, Verdict
from binnet.benchmarks._stability import Monitor
from binnet.benchmarks._workload import Answer, Workload
from binnet.benchmarks.worker import OWN

_FOLDERS = re.compile(r"""(?<![\w.])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s'":]+[\\/])*(?=[^\\/\s])""")


@dataclass
class Found:
    """What is known of a workload on so many threads."""

    first: Mapping[str, Any]  # reply of the process that compiled
    loops: int
    seconds: float  # of a value
    overhead: float  # seconds of a process until it is timed
    values: list[tuple[float, ...]] = field(default_factory=list)  # of each process
    joules: list[float] = field(default_factory=list)
    checksums: set[str] = field(default_factory=set)

    def add(self, reply: Mapping[str, Any]) -> None:
        """Add what a process has measured."""
        self.values.append(tuple(reply["values"]))
        self.joules.extend(joules for joules in reply["joules"] if joules is not None)
        self.checksums.add(reply["answer"]["checksum"])


@dataclass
class Findings:
    """What a run has found so far."""

    begun: float
    provenance: Mapping[str, Any] = field(default_factory=dict)  # when it began
    pairs: dict[Pair, Found] = field(default_factory=dict)
    failures: dict[Pair, str] = field(default_factory=dict)
    limits_before: tuple[Limits, ...] = ()
    limits_after: tuple[Limits, ...] = ()
    compile_seconds: float = 0.0
    watch: Monitor = field(default_factory=Monitor)

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return monotonic() - self.begun

    @property
    def measurable(self) -> dict[Pair, Found]:
        """What has not failed."""
        return {pair: found for pair, found in self.pairs.items() if pair not in self.failures}


def make_result(plan: Plan, findings: Findings, is_complete: bool) -> BenchmarkResult:
    """Return the result that a run has, complete or not."""
    by_name = {workload.name: workload for workload in plan.workloads}
    checksums: dict[str, set[str]] = {name: set() for name in by_name}
    for pair, found in findings.measurable.items():
        checksums[pair.workload] |= {found.first["answer"]["checksum"], *found.checksums}
    measurements = tuple(
        _measure(by_name[pair.workload], pair.threads, found, checksums[pair.workload])
        for pair, found in findings.measurable.items()
        if found.values
    )
    limits = findings.limits_before, findings.limits_after
    settings = {
        "suite": plan.suite,
        "mode": plan.mode,
        "threads": list(plan.asked),
        "time_limit": plan.time_limit,
        "processes": max((len(m.values) for m in measurements), default=0),
        "seconds": findings.seconds,
        "compile_seconds": findings.compile_seconds,
        "failures": [
            {"workload": pair.workload, "threads": pair.threads, "reason": hide_folders(reason)}
            for pair, reason in findings.failures.items()
        ],
    }
    result = BenchmarkResult(
        measurements=measurements,
        limits_before=findings.limits_before,
        limits_after=findings.limits_after,
        stability=findings.watch.judge(measurements, *limits),
        division="open",
        open_reasons=(),
        machine=describe_host(),
        energy=EnergyMeter().describe(),
        provenance={**findings.provenance, "command": make_command(settings)},
        settings=settings,
        is_complete=is_complete,
    )
    division, reasons = find_division(result)
    return replace(result, division=division, open_reasons=reasons)


def hide_folders(text: str) -> str:
    """Return a text with its paths reduced to names: results are published."""
    return _FOLDERS.sub("", text.replace(str(Path.home()), "~"))


def make_measurement(
    workload: Workload,
    threads: int,
    first: Mapping[str, Any],
    work: Mapping[str, float],
    loops: int,
    values: Sequence[tuple[float, ...]],
    verdict: Verdict,
    *,
    joules: float | None = None,
    implementation: str = OWN,
) -> Measurement:
    """Return what was measured of a workload; `first` is the reply of the process that prepared."""
    answer = Answer(**first["answer"])
    return Measurement(
        workload=workload.name,
        suite=workload.suite,
        unit=workload.unit,
        level=workload.level,
        operation=workload.operation,
        sizes=workload.sizes,
        threads=threads,
        **work,
        loops=loops,
        values=tuple(values),
        cold_seconds=first["cold_seconds"],
        checksum=answer.checksum,
        probes=answer.probes,
        verdict=verdict,
        joules=joules,
        implementation=implementation,
    )


def _measure(workload: Workload, threads: int, found: Found, checksums: set[str]) -> Measurement:
    """Return a measurement; its answer is wrong where processes or threads do not agree on it."""
    answer = Answer(**found.first["answer"])
    verdict: Verdict = (
        "wrong" if len(checksums) > 1 else check_answer(workload, answer, cpu_class())
    )
    joules = float(np.median(found.joules)) if found.joules else None
    return make_measurement(
        workload, threads, found.first, found.first["work"], found.loops, found.values, verdict,
        joules=joules,
    )  # fmt: skip
