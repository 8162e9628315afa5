"""Threads that kernels run on, and how long a call of one lasts.

Results do not depend on the number of threads, only the time does. Nor do they depend on where a
long calculation is cut into calls (`in_pieces`): between these Ctrl-C is seen.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from binnet._interrupts import holding_interrupts
from binnet._validation import check_integer

Item = TypeVar("Item")
Result = TypeVar("Result")

# The set that `watch_threads` fills, where somebody watches.
_watched: ContextVar[set[int] | None] = ContextVar("watched", default=None)
# In a thread of `share_out`: the event that its caller sets when it is stopped.
_share = threading.local()
_CALL_SECONDS = 0.1  # of a compiled call: short enough for progress and Ctrl-C
_MOST_STEPS = 2**40  # of it: a number that kernels can count


class _CalledOff(BaseException):
    """Ends a share whose caller has been stopped; nobody but `share_out` sees it."""


def count_cores() -> int:
    """Return the number of cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def resolve_threads(threads: int | None) -> int:
    """Return how many threads kernels run on: `threads`, but no more than there is room for.

    There is room for as many as the process has cores, or as NUMBA_NUM_THREADS says, which joblib
    sets in its workers so that these share the machine. More are no error: what asks for them may
    have been written, or pickled, for a larger machine, and the results are the same.
    """
    limit = os.environ.get("NUMBA_NUM_THREADS", "")
    most = max(1, int(limit)) if limit.isdecimal() else count_cores()
    return most if threads is None else min(check_integer("threads", threads, 1), most)


def share_out(threads: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return ``work(item)`` of each item, in order; whichever thread is free takes the next.

    Where the caller is stopped (Ctrl-C), or an item fails, the others end at their next piece.
    """
    _note(threads)
    waiting = list(items)
    threads = min(threads, len(waiting))
    if threads <= 1:
        return [work(item) for item in waiting]
    called_off, errors = threading.Event(), list[BaseException]()

    def do(item: Item) -> Result:
        _share.called_off = called_off
        try:
            return work(item)
        except _CalledOff:
            raise
        except BaseException as error:
            errors.append(error)
            called_off.set()
            raise

    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(do, waiting))
        except _CalledOff:  # an item before the one that failed
            raise errors[0] from None
        except BaseException:
            called_off.set()
            raise


def in_pieces(total: float = math.inf, first: int = 1, least: int = 1) -> Iterator[tuple[int, int]]:
    """Cut 0..total into pieces (start, stop), each a call that lasts about a tenth of a second.

    How long the caller has taken over one piece says how long the next is. Between pieces Python
    sees Ctrl-C, and a share of `share_out` ends whose caller has been stopped.

    Parameters
    ----------
    total : float, default inf
        Of steps; the caller breaks off where it does not know.
    first : int, default 1
        Steps of the first piece.
    least : int, default 1
        Steps of any piece but the last.

    Yields
    ------
    tuple of int
        The steps are start..stop-1.
    """
    called_off: threading.Event | None = getattr(_share, "called_off", None)
    start, n_steps = 0, max(first, least)
    while start < total:
        if called_off is not None and called_off.is_set():
            raise _CalledOff
        stop = int(min(start + n_steps, total))
        begun = time.perf_counter()
        yield start, stop
        grow = min(_CALL_SECONDS / max(time.perf_counter() - begun, 1e-6), 4.0)
        n_steps = max(least, min(int((stop - start) * grow), _MOST_STEPS))
        start = stop


def run_in_step(threads: int, work: Callable[[int], None]) -> None:
    """Call ``work(rank)`` on as many threads at once; rank 0 is the caller's own.

    The calls may wait for each other: none begins before every thread is there. An exception in one
    of them is raised when all have ended, and so is Ctrl-C: it must not keep the caller from what
    the others wait for.
    """
    _note(threads)
    if threads == 1:
        work(0)
        return
    with holding_interrupts():
        _run_in_step(threads, work)


def _run_in_step(threads: int, work: Callable[[int], None]) -> None:
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
