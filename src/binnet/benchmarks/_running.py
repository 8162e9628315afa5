"""A run of the benchmark: processes that measure one after another, and what comes of it.

The first process compiles, finds out how many calls a value needs, and says what the answers are.
Each of the others goes through all workloads, beginning with another one: what a process has by
luck (where its memory lies, where its threads run) is then the luck of one in several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from time import monotonic
from typing import Any

import numpy as np

from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet.benchmarks._collecting import Findings, Found, make_result
from binnet.benchmarks._plan import (
    LEAST_PROCESSES,
    LEAST_VALUES,
    START_SECONDS,
    VALUE_SECONDS,
    Mode,
    Pair,
    Plan,
    plan_run,
)
from binnet.benchmarks._processes import RequestFailed, WorkerLost, WorkerProcess
from binnet.benchmarks._result import BenchmarkResult, Limits

_COMPILE_SECONDS = 900.0  # that a request may take which compiles
_PATIENT_SECONDS = 30.0  # that another one may take beside 20 times its usual
_AIM = 1.2  # times VALUE_SECONDS: another process may be faster than the first
_MOST_VALUES = 50
_MOST_LOOPS, _MOST_MORE = 10**6, 1000  # calls of a value, and how many times those of a trial
_TRIALS = 2  # calls beside the first, unless that took so many times what is asked of a value
_SURELY = 5.0
_BAR = "{desc:<45.45} {bar} {n:.0f} of {total:.0f} s"


def run(
    suite: str = "all",
    mode: Mode = "default",
    threads: Sequence[int | str] = (1, "all"),
    time_limit: float | None = None,
) -> BenchmarkResult:
    """Measure workloads on this machine, in processes of their own.

    Ctrl-C ends it early: the result holds what was measured by then, and its `is_complete` is
    False. A workload that fails, or whose process dies, is in `failures`; the others go on.

    Parameters
    ----------
    suite : str, default "all"
        Name of a suite of workloads, or all of them.
    mode : {"quick", "default", "reportable"}, default "default"
        How long it takes: one minute with few workloads, five minutes, or twenty.
    threads : sequence of int or "all", default (1, "all")
        Numbers of threads, each at most the number of cores; "all" is as many.
    time_limit : float, optional
        Seconds that it may take, in place of those of the mode; compilation is not counted.

    Returns
    -------
    BenchmarkResult
        Times, answers, limits of the machine, and whether it was quiet.

    Raises
    ------
    ValueError
        For a suite that is not there, more threads than cores, or a time limit that is too short.
    """
    return measure(plan_run(suite, mode, threads, time_limit))


def measure(plan: Plan, tell: Callable[[str], object] = lambda text: None) -> BenchmarkResult:
    """Do what is planned; `tell` gets what a user should know meanwhile."""
    with DeferredInterrupt() as interrupt, progress_bar(total=1, bar_format=_BAR) as bar:

        def check() -> None:
            if interrupt.requested:
                raise KeyboardInterrupt

        desk = _Desk(plan.registry, check)
        session = _Session(plan, desk, tell, bar)
        try:
            session.go_through()
            is_complete = True
        except KeyboardInterrupt:
            is_complete = False
        finally:
            desk.close()
    return make_result(plan, session.findings, is_complete)


class _Desk:
    """Where there is always a worker: one that is lost is followed by another."""

    def __init__(self, registry: str, check: Callable[[], None]) -> None:
        self._registry, self._check = registry, check
        self._worker: WorkerProcess | None = None

    def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        self._check()
        if self._worker is None:
            try:
                self._worker = WorkerProcess(self._registry, check=self._check)
            except OSError as error:  # no memory, no process, no file left
                raise WorkerLost(f"its process could not be started: {error}") from error
        try:
            return self._worker.ask(seconds, **request)
        except WorkerLost:
            self.close()
            raise

    def close(self) -> None:
        """End the worker; the next request goes to a new one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()


class _Session:
    """The steps of a run, and what they have found so far."""

    def __init__(self, plan: Plan, desk: _Desk, tell: Callable[[str], object], bar: Any) -> None:
        self._plan, self._desk, self._tell, self._bar = plan, desk, tell, bar
        self.findings = Findings(monotonic(), describe_run(threads=max(plan.threads)))
        self._deadline = self.findings.begun + plan.seconds
        self._limits_seconds = 0.0

    def go_through(self) -> None:
        """Do all of it."""
        begun = monotonic()
        self.findings.limits_before = self._measure_limits()
        self._limits_seconds = monotonic() - begun
        for pair in self._plan.pairs:
            self._announce(f"preparing {pair}")
            self._prepare(pair)
        self._desk.close()  # before the watch begins
        if not self.findings.measurable:
            return
        n_processes = self._choose_processes()
        with self.findings.watch, closing(self._desk):  # who has ended has been counted
            for k in range(n_processes):
                self._desk.close()
                self._measure_once(k, n_processes)
            self._announce("limits of the machine")
            self.findings.limits_after = self._measure_limits()

    def _say(self, text: str) -> None:
        """Tell something, above the progress bar."""
        self._bar.clear()
        self._tell(text)

    def _announce(self, what: str) -> None:
        """Say on the progress bar what is done now, and how far it is."""
        self._bar.total = max(self._deadline - self.findings.begun, self.findings.seconds)
        self._bar.n = self.findings.seconds
        self._bar.set_description(what)

    def _measure_limits(self) -> tuple[Limits, ...]:
        found = []
        for threads in self._plan.threads:
            self._announce(f"limits of the machine, threads: {threads}")
            request = {"do": "limits", "threads": threads, "quick": self._plan.is_quick}
            with self._noting(Pair("limits", threads)):
                found.append(Limits(**self._desk.ask(_COMPILE_SECONDS, **request)))
        return tuple(found)

    @contextmanager
    def _noting(self, pair: Pair) -> Iterator[None]:
        """Note a failure, and go on."""
        try:
            yield
        except (RequestFailed, WorkerLost) as error:
            self.findings.failures[pair] = str(error)
            self._say(f"{pair} failed: {error}")

    def _prepare(self, pair: Pair) -> None:
        """Compile, keep the answer, and find out how many calls a value needs."""
        key = {"workload": pair.workload, "threads": pair.threads}
        begun = monotonic()
        with self._noting(pair):
            first = self._desk.ask(_COMPILE_SECONDS, do="prepare", **key)
            if first["compile_seconds"] and not self.findings.compile_seconds:
                self._say("compiling kernels: the first run on a machine takes longer")
            self.findings.compile_seconds += first["compile_seconds"]
            self._deadline += first["compile_seconds"]
            overhead = monotonic() - begun - first["compile_seconds"]
            self.findings.pairs[pair] = Found(first, *self._calibrate(pair), overhead)

    def _calibrate(self, pair: Pair) -> tuple[int, float]:
        """Return how many calls a value needs, and the seconds that it takes."""

        def time(loops: int, values: int) -> list[float]:
            reply = self._desk.ask(
                _COMPILE_SECONDS, do="time", workload=pair.workload, threads=pair.threads,
                loops=loops, values=values,
            )  # fmt: skip
            return list(reply["values"])

        # The fastest counts: where the machine is busy just now, it will not be for ever.
        loops, seconds = 1, time(1, 1)
        if seconds[0] < _SURELY * VALUE_SECONDS:
            seconds += time(1, _TRIALS)
        while loops * min(seconds) < VALUE_SECONDS and loops < _MOST_LOOPS:
            needed = math.ceil(_AIM * VALUE_SECONDS / max(min(seconds), 1e-9))
            loops = min(needed, _MOST_LOOPS, _MOST_MORE * loops)
            seconds += time(loops, 1)
        return loops, loops * float(np.median(seconds))

    def _choose_processes(self) -> int:
        """Return how many processes measure: as many as have time for the fewest values.

        Intervals are over processes; values of one process are much alike.
        """
        n_processes = self._plan.processes
        while n_processes > LEAST_PROCESSES and self._count_values(n_processes) < LEAST_VALUES:
            n_processes -= 1
        if self._count_values(n_processes) < LEAST_VALUES:
            overhead, values = self._cost()
            seconds = n_processes * (overhead + LEAST_VALUES * values) + self._limits_seconds
            late = seconds - (self._deadline - monotonic())
            self._say(f"this machine needs {late:.0f} s more than planned")
            self._deadline += late
        return n_processes

    def _cost(self) -> tuple[float, float]:
        """Return the seconds of a process without values, and of one value of each workload."""
        found = self.findings.measurable.values()
        overhead = START_SECONDS + sum(one.overhead for one in found)
        return overhead, sum(one.seconds for one in found)

    def _count_values(self, n_processes: int) -> int:
        """Return how many values there is time for in each of the processes to come."""
        overhead, values = self._cost()
        left = self._deadline - monotonic() - self._limits_seconds
        return math.floor((left / n_processes - overhead) / values) if values else 0

    def _measure_once(self, k: int, n_processes: int) -> None:
        """Measure all workloads in the process that is the next."""
        n_values = self._count_values(n_processes - k)
        n_values = min(max(n_values, LEAST_VALUES), _MOST_VALUES)
        pairs = list(self.findings.measurable)
        first = k * len(pairs) // n_processes  # each process begins with another one
        for pair in pairs[first:] + pairs[:first]:
            self._announce(f"process {k + 1} of {n_processes}: {pair}")
            found = self.findings.pairs[pair]
            with self._noting(pair):
                reply = self._desk.ask(
                    _PATIENT_SECONDS + 20 * (found.overhead + n_values * found.seconds),
                    do="time", workload=pair.workload, threads=pair.threads,
                    loops=found.loops, values=n_values,
                )  # fmt: skip
                found.add(reply)
