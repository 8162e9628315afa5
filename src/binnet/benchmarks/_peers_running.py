"""The same workloads by binnet and by its peers, in turns.

Each implementation has processes of its own: two runtimes of threads in one process wait for each
other. They take turns, A B C A B C, so that what happens to the machine happens to all of them;
only one of them computes, and holds data, at a time. In the first turn everything is compiled, the
answers are compared, and of several ways to write a workload in a library the fastest is found,
which alone goes on.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any

import numpy as np

from binnet._interrupts import DeferredInterrupt
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet.benchmarks._collecting import hide_folders, make_measurement
from binnet.benchmarks._expected import check_answer, cpu_class
from binnet.benchmarks._peers_plan import TURNS, PeersPlan
from binnet.benchmarks._plan import VALUE_SECONDS, Pair, make_command
from binnet.benchmarks._processes import RequestFailed, WorkerLost, WorkerProcess
from binnet.benchmarks._result import BenchmarkResult, Measurement, Stability, Verdict
from binnet.benchmarks._stability import Monitor
from binnet.benchmarks._workload import Answer
from binnet.benchmarks.peers import explain_no_peers, library_of
from binnet.benchmarks.worker import OWN

_VALUES = 3  # of a process
_ONCE_SECONDS = 3.0  # a call that takes longer is timed once
_FIRST_SECONDS = 10.0  # ... and where the first one does, that is the one
_COMPILE_SECONDS, _PATIENT_SECONDS = 900.0, 120.0  # for a request to binnet, and to a peer
_AIM = 1.2
#: Variables that binnet's machine may be tuned by, and a user's is not.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass
class Side:
    """One implementation of a workload on so many threads, and what it has shown."""

    name: str
    first: Mapping[str, Any]  # reply of the process that prepared it first
    seconds: float  # of a call
    verdict: Verdict
    loops: int = 1
    values: list[tuple[float, ...]] = field(default_factory=list)

    @property
    def runs_once(self) -> bool:
        """Whether a call takes so long that it is timed once."""
        return self.seconds > _ONCE_SECONDS


def compare_answers(ours: Answer, theirs: Answer, is_exact: bool) -> Verdict:
    """Say whether a peer has found what binnet has.

    Integers must be the same. Of floats the probes that both have must be, to the larger of the
    two tolerances: sums are taken in another order.
    """
    if theirs.checksum == ours.checksum:
        return "exact"
    shared = sorted(ours.probes.keys() & theirs.probes.keys())
    if is_exact or not shared:
        return "wrong"
    tolerance = max(ours.tolerance, theirs.tolerance)
    fits = all(
        math.isclose(ours.probes[name], theirs.probes[name], rel_tol=tolerance) for name in shared
    )
    return "within tolerance" if fits else "wrong"


def compare_peers(
    plan: PeersPlan, tell: Callable[[str], object] = lambda text: None
) -> BenchmarkResult:
    """Measure binnet and its peers in turns.

    Parameters
    ----------
    plan : PeersPlan
        From `plan_peers`.
    tell : callable, optional
        Gets what a user should know meanwhile.

    Returns
    -------
    BenchmarkResult
        With a measurement for each implementation; peers that found something else have the
        verdict "wrong". Ctrl-C leaves what was compared by then.
    """
    watch = Monitor()
    with DeferredInterrupt() as interrupt, progress_bar(plan.pairs, unit="workload") as bar:

        def check() -> None:
            if interrupt.requested:
                raise KeyboardInterrupt

        session = _Session(plan, tell, check)
        is_complete = True
        with watch:
            try:
                for pair in bar:
                    bar.set_postfix_str(str(pair), refresh=True)
                    is_complete &= session.compare(pair)
            except KeyboardInterrupt:
                is_complete = False
            finally:
                session.close()
    return _make_result(plan, session, watch, is_complete)


class _Pool:
    """Processes that stay for the next workload: of each library, number of threads and turn."""

    def __init__(self, registry: str, check: Callable[[], None]) -> None:
        self._registry, self._check = registry, check
        self._open: dict[tuple[str, int, int], WorkerProcess] = {}

    def ask(self, side: str, turn: int, **request: Any) -> dict[str, Any]:
        """Return the reply of a process, which is started where it is not there."""
        self._check()
        key = (library_of(side), request["threads"], turn)
        if key not in self._open:
            variables = {k: v for k, v in os.environ.items() if side == OWN or k not in UNSET}
            self._open[key] = WorkerProcess(self._registry, variables, self._check)
        try:
            patience = _COMPILE_SECONDS if side == OWN else _PATIENT_SECONDS
            return self._open[key].ask(patience, **request)
        except WorkerLost:
            self._open.pop(key).close()
            raise

    def close(self, threads: int | None = None) -> None:
        """End the processes, or those on other numbers of threads."""
        for key in [key for key in self._open if key[1] != threads]:
            self._open.pop(key).close()


class _Session:
    """The steps of a comparison, and what they have found so far."""

    def __init__(
        self, plan: PeersPlan, tell: Callable[[str], object], check: Callable[[], None]
    ) -> None:
        self._plan, self._tell = plan, tell
        self.provenance = describe_run(threads=max(plan.threads))  # with the time, now
        self._pool = _Pool(plan.registry, check)
        self._workloads = {workload.name: workload for workload in plan.workloads}
        self._deadline = monotonic() + plan.seconds
        self.measurements: list[Measurement] = []
        self.libraries: dict[str, Any] = {}
        self.notes: list[dict[str, Any]] = []

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    def compare(self, pair: Pair) -> bool:
        """Let all sides take their turns; return whether there was time for it."""
        if monotonic() > self._deadline:
            self._note(pair, "", "left out: the time limit was reached before it was begun")
            return False
        names = self._plan.peers_of(pair.workload)
        if not names:
            reason = explain_no_peers(pair.workload) or "none of these peers has it"
            self._note(pair, "", reason)
            return True
        self._pool.close(pair.threads)
        own = self._begin(pair, OWN, None)
        if own is None:
            return True
        reason = explain_no_peers(pair.workload)
        if reason:
            self._note(pair, "", reason)
        found = [self._begin(pair, name, own) for name in names]
        sides = [own, *self._choose(pair, [side for side in found if side is not None])]
        for turn in range(TURNS):
            for side in sides:
                self._take_turn(pair, side, turn)
        workload = self._workloads[pair.workload]
        for side in sides:
            if side.values:
                measurement = make_measurement(
                    workload, pair.threads, side.first, own.first["work"], side.loops, side.values,
                    side.verdict, implementation=side.name,
                )  # fmt: skip
                self.measurements.append(measurement)
        return True

    def _note(self, pair: Pair, peer: str, text: str) -> None:
        key = {"workload": pair.workload, "threads": pair.threads, "peer": peer}
        self.notes.append({**key, "note": hide_folders(text)})
        self._tell(f"{pair}{peer and ', '}{peer}: {text}")

    def _ask(self, pair: Pair, side: str, turn: int, do: str, **request: Any) -> dict[str, Any]:
        key = {"workload": pair.workload, "implementation": side, "threads": pair.threads}
        return self._pool.ask(side, turn, do=do, **key, **request)

    def _begin(self, pair: Pair, name: str, own: Side | None) -> Side | None:
        """Compile, compare the answer, and time one call."""
        try:
            first = self._ask(pair, name, 0, "prepare")
            seconds = first["cold_seconds"] - first["compile_seconds"]
            if seconds < _FIRST_SECONDS:
                seconds = self._ask(pair, name, 0, "time", loops=1, values=1)["values"][0]
            if own is not None:  # binnet uses none
                used = self._ask(pair, name, 0, "libraries")["libraries"]
                self.libraries.setdefault(f"{library_of(name)}, {pair.threads}", used)
            self._ask(pair, name, 0, "release")
        except (RequestFailed, WorkerLost) as error:
            self._note(pair, name, f"failed: {error}")
            return None
        workload, answer = self._workloads[pair.workload], Answer(**first["answer"])
        if own is None:
            verdict = check_answer(workload, answer, cpu_class())
            if verdict == "wrong":
                self._note(pair, name, "its answer is not the one that is known: it is no measure")
        else:
            verdict = compare_answers(Answer(**own.first["answer"]), answer, workload.is_exact)
        return Side(name, first, seconds, verdict)

    def _choose(self, pair: Pair, found: Sequence[Side]) -> Iterator[Side]:
        """Yield the fastest of each library; one with another answer only if all have one."""
        by_library: dict[str, list[Side]] = {}
        for side in found:
            by_library.setdefault(library_of(side.name), []).append(side)
        for variants in by_library.values():
            best = min(variants, key=lambda side: (side.verdict == "wrong", side.seconds))
            for other in variants:
                if other.verdict == "wrong":
                    self._note(pair, other.name, "its answer differs: it has no ratio")
                elif other is not best:
                    more = other.seconds / best.seconds
                    self._note(pair, other.name, f"{more:.3g} times the time of {best.name}")
            if best.runs_once:
                self._note(pair, best.name, f"timed once: a call takes {best.seconds:.1f} s")
            yield best

    def _take_turn(self, pair: Pair, side: Side, turn: int) -> None:
        if side.runs_once:
            if turn == 0:
                side.values.append((side.seconds,))
            return
        try:
            self._ask(pair, side.name, turn, "prepare")
            if turn == 0:
                side.loops = self._find_loops(pair, side)
            reply = self._ask(pair, side.name, turn, "time", loops=side.loops, values=_VALUES)
            self._ask(pair, side.name, turn, "release")
        except (RequestFailed, WorkerLost) as error:
            self._note(pair, side.name, f"failed: {error}")
            return
        side.values.append(tuple(reply["values"]))

    def _find_loops(self, pair: Pair, side: Side) -> int:
        """Return how many calls a value needs."""
        loops = 1
        while True:
            took = self._ask(pair, side.name, 0, "time", loops=loops, values=1)["values"][0]
            if loops * took >= VALUE_SECONDS:
                return loops
            loops = max(loops + 1, math.ceil(_AIM * VALUE_SECONDS / max(took, 1e-7)))


def _make_result(
    plan: PeersPlan, session: _Session, watch: Monitor, is_complete: bool
) -> BenchmarkResult:
    from binnet.benchmarks._host import describe_host

    measurements = tuple(session.measurements)
    settings = {
        "suite": plan.suite,
        "mode": "peers",
        "is_quick": plan.is_quick,
        "threads": list(plan.threads),
        "peers": {name: _find_version(name) for name in plan.libraries},
        "libraries": session.libraries,
        "unset": list(UNSET),
        "notes": session.notes,
        "failures": [],
    }
    return BenchmarkResult(
        measurements=measurements,
        limits_before=(),
        limits_after=(),
        stability=watch.judge(measurements, (), ()) if measurements else Stability(True),
        division="open",
        open_reasons=("a comparison with peers, not a run",),
        machine=describe_host(),
        energy={"available": False, "reason": "not measured beside peers"},
        provenance={**session.provenance, "command": make_command(settings)},
        settings=settings,
        is_complete=is_complete,
    )


def _find_version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Ratio:
    """How many times as long as binnet a peer takes."""

    of_medians: float
    interval: tuple[float, float]  # 95 %, over processes; nan where one side was timed once
    of_minima: float
    coverage: float  # how often such an interval holds the truth


def find_ratio(result: BenchmarkResult, peer: Measurement) -> Ratio | None:
    """Return the ratio of a peer to binnet, none where one found something else, or has no time."""
    from binnet.benchmarks._statistics import find_ratio_coverage, ratio_interval

    own = {(m.workload, m.threads): m for m in result.measurements if m.implementation == OWN}
    base = own.get((peer.workload, peer.threads))
    if base is None or "wrong" in (base.verdict, peer.verdict):
        return None
    minima = [float(np.concatenate(m.values).min()) for m in (peer, base)]
    return Ratio(
        base.rate / peer.rate,
        ratio_interval(base, peer),
        minima[0] / minima[1],
        find_ratio_coverage(base, peer),
    )
