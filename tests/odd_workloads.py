"""Workloads that do next to nothing, or what a workload must not do, to test who runs them.

A registry of workloads for `binnet.benchmarks._plan.plan_run(registry="odd_workloads")`.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload

CALL_SECONDS = 0.002
calls: list[bool] = []  # of `counted`, in this process: whether garbage was collected meanwhile
alive: set[str] = set()  # workloads whose data are in memory


class Data:
    """What a prepared workload holds."""

    def __init__(self, name: str) -> None:
        assert not alive, f"{alive} is still there"
        self.name = name
        alive.add(name)

    def __del__(self) -> None:
        alive.discard(self.name)


def make_task(name: str, call: Callable[[], object], found: int) -> Task:
    data = Data(name)

    def answer() -> Answer:
        assert data.name == name
        return make_answer(np.array([found]), probes={"sum": float(found)})

    return Task(call, answer, Work(1000.0, 64.0, 2.0))


def prepare_steady(threads: int) -> Task:
    return make_task("steady", partial(time.sleep, CALL_SECONDS), 1)


def prepare_counted(threads: int) -> Task:
    return make_task("counted", lambda: calls.append(gc.isenabled()), 2)


def prepare_talking(threads: int) -> Task:
    def call() -> None:
        print('{"values": "to standard output"}')
        os.write(1, b"also past Python\n")

    return make_task("talking", call, 3)


def prepare_refusing(threads: int) -> Task:
    raise RuntimeError("no such instruction")


def prepare_killed(threads: int) -> Task:
    return make_task("killed", lambda: os.kill(os.getpid(), signal.SIGKILL), 4)


def prepare_drifting(threads: int) -> Task:
    return make_task("drifting", partial(time.sleep, CALL_SECONDS), os.getpid())


def prepare_diverging(threads: int) -> Task:
    task = make_task("diverging", lambda: None, 7)
    answer = make_answer(np.array([np.nan]), probes={"norm": np.inf, "sum": 1.0})
    return replace(task, answer=lambda: answer)


def prepare_hanging(threads: int) -> Task:
    return make_task("hanging", partial(time.sleep, 600), 5)


def prepare_blocking(threads: int) -> Task:
    """Calls of the third process on hang; a file that ODD_STARTS names counts them."""
    starts = Path(os.environ["ODD_STARTS"])
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    is_third = len(starts.read_text().splitlines()) > 2
    return make_task("blocking", partial(time.sleep, 600 if is_third else CALL_SECONDS), 6)


def _make(prepare: Callable[[int], Task]) -> Workload:
    name = prepare.__name__.removeprefix("prepare_")
    return Workload(
        name=name,
        suite="odd",
        summary=f"a workload that is {name}",
        unit="naps",
        level="L1",
        operation="none",
        is_exact=True,
        sizes={"n_naps": 1},
        prepare=prepare,
        is_quick=True,
    )


def all_workloads() -> dict[str, Workload]:
    prepares = (
        prepare_steady, prepare_counted, prepare_talking, prepare_refusing, prepare_killed,
        prepare_drifting, prepare_hanging, prepare_blocking, prepare_diverging,
    )  # fmt: skip
    return {workload.name: workload for workload in map(_make, prepares)}
