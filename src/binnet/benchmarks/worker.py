"""A process that runs workloads as it is asked to: ``python -m binnet.benchmarks.worker``.

A request is a line of JSON on standard input, the reply a line on standard output. Times are taken
here, around the calls alone. Whoever asks is `binnet.benchmarks._processes`; when it is gone, so is
the worker, also in the middle of a call.
"""

from __future__ import annotations

import gc
import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from itertools import repeat
from time import perf_counter
from typing import Any

from binnet._validation import check_integer
from binnet.benchmarks._energy import EnergyMeter
from binnet.benchmarks._workload import Task, Workload

#: Module whose `all_workloads` says which there are.
REGISTRY = "binnet.benchmarks.workloads"
OWN = "binnet"  # the implementation that is not a peer
_MOST = 10**9  # loops, values


class Worker:
    """Answers requests. It holds one prepared workload at a time, as some are large.

    Parameters
    ----------
    registry : str, default "binnet.benchmarks.workloads"
        Module whose function `all_workloads` returns the workloads by name.
    """

    def __init__(self, registry: str = REGISTRY) -> None:
        self._registry = registry
        self._meter = EnergyMeter()
        self._held: tuple[object, ...] = ()  # what is prepared: workload, implementation, threads
        self._task: Task | None = None

    def reply(self, line: str) -> dict[str, Any]:
        """Return the reply to a request; errors of any kind are one.

        Parameters
        ----------
        line : str
            The request, as JSON.

        Returns
        -------
        dict
            What was asked for, or "error" and the reason.
        """
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError(f"a request is a JSON object, not {line.strip()!r}")
            reply = self._do(request)
            _check_numbers(reply)
            return reply
        except Exception as error:  # whatever a workload or a peer comes up with
            self._let_go()
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            return {"error": f"{kind}{error}"}

    def _do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        what = request.get("do")
        if what == "prepare":
            return self._prepare(request)
        if what == "time":
            return self._time(request)
        if what == "limits":
            from binnet.benchmarks._limits import measure_limits

            self._let_go()
            threads = check_integer("threads", request.get("threads"), 1)
            return asdict(measure_limits(threads, quick=bool(request.get("quick", False))))
        if what == "release":
            self._let_go()
            return {}
        if what == "libraries":
            from binnet.benchmarks.peers import describe_libraries

            return {"libraries": describe_libraries()}
        raise ValueError(
            f"a request does prepare, time, limits, release or libraries, not {what!r}"
        )

    def _let_go(self) -> None:
        self._held, self._task = (), None
        gc.collect()

    def _prepare(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Draw the data and call once, which loads or compiles what is not loaded yet."""
        name, implementation = str(request.get("workload")), str(request.get("implementation", OWN))
        threads = check_integer("threads", request.get("threads"), 1)
        prepare = self._find(name, implementation)
        self._let_go()
        with _clock_compilation() as compiling:
            begun = perf_counter()
            task = prepare(threads)
            prepared, compiled = perf_counter(), compiling()
            task.call()
            called = perf_counter()
        self._held, self._task = (name, implementation, threads), task
        return {
            # Some call once to prepare: what that compiled belongs to the first call.
            "cold_seconds": called - prepared + compiled,
            "prepare_seconds": prepared - begun - compiled,
            "compile_seconds": compiling(),
            "answer": asdict(task.answer()),
            "work": asdict(task.work),
        }

    def _find(self, name: str, implementation: str) -> Callable[[int], Task]:
        if implementation != OWN:
            from binnet.benchmarks.peers import find_peers

            peers = find_peers(name)
            if implementation not in peers:
                there = ", ".join(peers) or "none"
                raise ValueError(f"{name} has no peer {implementation!r}; there are: {there}")
            return peers[implementation]
        workloads = import_module(self._registry).all_workloads()
        if name not in workloads:
            raise ValueError(f"there is no workload {name!r}; there are: {', '.join(workloads)}")
        workload: Workload = workloads[name]
        return workload.prepare

    def _time(self, request: Mapping[str, Any]) -> dict[str, Any]:
        loops = check_integer("loops", request.get("loops"), 1, _MOST)
        n_values = check_integer("values", request.get("values"), 1, _MOST)
        key = (
            request.get("workload"),
            request.get("implementation", OWN),
            request.get("threads"),
        )
        if self._task is None or key != self._held:
            self._prepare(request)
        task = self._task
        assert task is not None
        seconds, joules = [], []
        with _without_garbage_collection():
            for _ in range(n_values):
                taken, used = self._take_value(task.call, loops)
                seconds.append(taken)
                joules.append(used)
        return {"values": seconds, "joules": joules, "answer": asdict(task.answer())}

    def _take_value(self, call: Callable[[], object], loops: int) -> tuple[float, float | None]:
        """Return seconds and joules of a call, in the mean over so many."""
        before = self._meter.read()
        begun = perf_counter()
        for _ in repeat(None, loops):
            call()
        seconds = perf_counter() - begun
        if seconds <= 0.0:
            raise ValueError(f"the clock stood still during {loops} calls, so they cannot be timed")
        joules = self._meter.joules_since(before)
        return seconds / loops, None if joules is None else joules / loops


def _check_numbers(value: Any, name: str = "its reply") -> None:
    """Refuse what no file of a result can hold."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_numbers(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            _check_numbers(item, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}: no finite number, so it is no result")


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _clock_compilation() -> Iterator[Callable[[], float]]:
    """Yield what tells the seconds of compilation so far; loading a kernel is none."""
    from numba.core import event

    with event.install_listener("numba:compile", event.TimingListener()) as clock:
        yield lambda: float(clock.duration) if clock.done else 0.0


def _read_requests() -> Iterator[str]:
    """Yield the lines of standard input; the process ends where they do.

    A thread waits for them, so that it ends too where it is busy with a call.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        with open(0, encoding="utf-8", closefd=False) as requests:
            for line in requests:
                lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def main() -> None:
    """Answer the requests on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks decides what Ctrl-C means
    # Replies alone go to standard output: what anybody prints goes to standard error.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(*sys.argv[1:2])
    for line in _read_requests():
        print(json.dumps(worker.reply(line)), file=replies, flush=True)


if __name__ == "__main__":
    main()
