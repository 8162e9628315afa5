"""How many threads the kernels run on: the results do not depend on it, only the time does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from binnet._validation import check_integer

Item = TypeVar("Item")
Result = TypeVar("Result")

# The set that `watch_threads` fills, where somebody watches.
_watched: ContextVar[set[int] | None] = ContextVar("watched", default=None)


def count_cores() -> int:
    """Return the number of cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def resolve_threads(threads: int | None) -> int:
    """Return `threads`, by default all cores, if the kernels can run on that many."""
    import numba

    available = int(numba.config.NUMBA_NUM_THREADS)
    if threads is None:
        return min(count_cores(), available)
    try:
        return check_integer("threads", threads, 1, available)
    except ValueError as error:
        raise ValueError(
            f"{error}; the upper end is the number of cores, or the environment variable "
            "NUMBA_NUM_THREADS where it is set"
        ) from None


@contextmanager
def running_on(threads: int) -> Iterator[None]:
    """Run the parallel kernels inside on `threads` threads."""
    import numba

    _note(threads)
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def share_out(threads: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return ``work(item)`` of each item, in order; whichever thread is free takes the next."""
    _note(threads)
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def run_in_step(threads: int, work: Callable[[int], None]) -> None:
    """Call ``work(rank)`` on as many threads at once; rank 0 is the caller's own.

    The calls may wait for each other: none begins before every thread is there. An exception in one
    of them is raised when all have ended.
    """
    _note(threads)
    go, called_off = threading.Event(), False
    errors: list[BaseException] = []

    def begin(rank: int) -> None:
        go.wait()
        try:
            if not called_off:
                work(rank)
        except BaseException as error:  # raised by the caller below
            errors.append(error)

    others = [
        threading.Thread(target=begin, args=(rank,), daemon=True) for rank in range(1, threads)
    ]
    begun = []
    try:
        for thread in others:
            thread.start()
            begun.append(thread)
    except BaseException:  # the system has no thread left, or Ctrl-C
        called_off = True
        raise
    else:
        go.set()
        work(0)
    finally:
        go.set()
        for thread in begun:
            thread.join()
    if errors:
        raise errors[0]


def _note(threads: int) -> None:
    watched = _watched.get()
    if watched is not None:
        watched.add(threads)


@contextmanager
def watch_threads() -> Iterator[set[int]]:
    """Yield a set that holds, afterwards, the numbers of threads that kernels inside ran on."""
    used: set[int] = set()
    token = _watched.set(used)
    try:
        yield used
    finally:
        _watched.reset(token)


class ThreadChoice:
    """One thread or all of them, whichever has been faster of late.

    Threads that work in step wait for the slowest: where another process keeps a core busy, one
    thread can be many times faster than two. As results do not depend on the number, it can be
    chosen by the clock. A call whose number of threads is not known to be the faster one is a
    trial: the caller had better give it little work.
    """

    _PROBE_EVERY = 16

    def __init__(self, threads: int | None) -> None:
        self.maximum = resolve_threads(threads)
        self._candidates = [self.maximum]
        if threads is None and self.maximum > 1:
            self._candidates.append(1)
        self._rates: dict[int, float] = {}
        self._calls = 0
        self.is_trial = False

    def next(self) -> int:
        """Return the number of threads for the next call."""
        self._calls += 1
        if len(self._candidates) == 1:
            return self.maximum
        for candidate in self._candidates:  # the first call also compiles and is not counted
            if candidate not in self._rates:
                self.is_trial = True
                return candidate
        ranked = sorted(self._candidates, key=lambda n: -self._rates[n])
        self.is_trial = self._calls % self._PROBE_EVERY == 0
        return ranked[-1] if self.is_trial else ranked[0]

    def record(self, threads: int, rate: float) -> None:
        """Note the rate (work per second) of a call on `threads` threads."""
        if self._calls > 1:
            self._rates[threads] = rate
