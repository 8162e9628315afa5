"""The workloads of `binnet bench` for pytest-benchmark, by binnet and by every peer installed.

For who works on binnet: ``-k`` chooses, ``--benchmark-compare`` sets runs beside each other.
Numbers to publish are those of `binnet bench run` and `binnet bench peers`, which take turns,
repeat processes and watch the machine. Here a process stays for all workloads of an implementation
on so many threads; it takes the times itself, around the calls alone, and its clock is the one that
pytest-benchmark reads. The answers are checked, times are not.

With ``--benchmark-disable`` the workloads whose data fit into the caches are called once on one
thread, and of the peers those of the quick workloads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from binnet._threads import count_cores
from binnet.benchmarks._expected import check_answer, cpu_class
from binnet.benchmarks._processes import WorkerProcess
from binnet.benchmarks._workload import Answer
from binnet.benchmarks.peers import find_peers
from binnet.benchmarks.worker import OWN
from binnet.benchmarks.workloads import all_workloads

ROUNDS, SECONDS = 15, 0.1  # of a round, at least
_PATIENCE = 900.0  # seconds of a request: it may compile


class Case(NamedTuple):
    """A workload, who does it, and on how many threads."""

    threads: int
    implementation: str
    workload: str

    def __str__(self) -> str:
        return f"{self.workload}-{self.implementation}-{self.threads}"


def list_cases() -> list[Case]:
    """Return all cases, such that a process can stay as long as possible."""
    cores = sorted({1, count_cores()})
    found = [
        Case(threads, implementation, name)
        for threads in cores
        for name in all_workloads()
        for implementation in (OWN, *find_peers(name))
    ]
    return sorted(found, key=lambda case: case[:2])  # stable: workloads stay in their order


class Desk:
    """Where there is a process for the present implementation and number of threads."""

    def __init__(self) -> None:
        self._key: tuple[int, str] | None = None
        self._worker: WorkerProcess | None = None
        self.now = 0.0  # seconds that calls have taken

    def ask(self, do: str, case: Case, **request: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        if self._key != case[:2] or self._worker is None:
            self.close()
            tuned = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # may hold a peer to older kernels
            environment = {k: v for k, v in os.environ.items() if k not in tuned}
            self._key, self._worker = case[:2], WorkerProcess(environment=environment)
        return self._worker.ask(_PATIENCE, do=do, **case._asdict(), **request)

    def take_value(self, case: Case, loops: int) -> None:
        """Let the clock go on by the seconds of a call, the mean of so many."""
        self.now += self.ask("time", case, loops=loops, values=1)["values"][0]

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


DESK = Desk()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """Whom to ask."""
    yield DESK
    DESK.close()


@pytest.mark.benchmark(timer=lambda: DESK.now)
@pytest.mark.parametrize("case", list_cases(), ids=str)
def test_workload(benchmark: Any, quick: bool, desk: Desk, case: Case) -> None:
    workload = all_workloads()[case.workload]
    is_own = case.implementation == OWN
    if quick and (case.threads > 1 or workload.level == "memory"):
        pytest.skip("nothing is timed")
    if quick and not is_own and not workload.is_quick:
        pytest.skip("nothing is timed")
    first = desk.ask("prepare", case)
    rounding = cpu_class() if is_own else "a peer's"
    verdict = check_answer(workload, Answer(**first["answer"]), rounding)
    assert verdict != "wrong", first["answer"]
    loops = 1
    if not quick:
        reply = desk.ask("time", case, loops=1, values=1)
        loops = math.ceil(SECONDS / reply["values"][0])
    benchmark.pedantic(desk.take_value, (case, loops), rounds=ROUNDS)
    benchmark.extra_info |= {
        "work": first["work"]["amount"],
        "unit": workload.unit,
        "threads": case.threads,
        "implementation": case.implementation,
        "verdict": verdict,
        "checksum": first["answer"]["checksum"],
        "cold_seconds": first["cold_seconds"],
        "loops": loops,
    }
