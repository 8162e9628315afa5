"""Threads that kernels run on, and how long a call of one lasts.

Results do not depend on the number of threads, only the time does. Nor do they depend on where a
long calculation is cut into calls (`in_pieces`): between these Ctrl-C is seen.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from binnet._interrupts import holding_interrupts
from binnet._validation import check_integer

Item = TypeVar("Item")
Result = TypeVar("Result")

# The set that `watch_threads` fills, where somebody watches.
_watched: ContextVar[set[int] | None] = ContextVar("watched", default=None)
# What the thread works on, if that is a share.
_current = threading.local()
# Threads that wait for work of `share_out`, once it has been called; with the caller's, no more
# than there are cores.
_helpers: ThreadPoolExecutor | None = None
_helpers_lock = threading.Lock()
_PIECES = 4  # for each thread: who loses its core holds up the others by no more than one
# Work that is over before helpers begin, where one of them has held up its caller so long.
_SHORT_SECONDS, _LONG_WAIT_SECONDS, _CAUTIOUS_SECONDS = 0.01, 0.001, 0.5
_cautious_until = 0.0  # by time.perf_counter
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


def count_pieces(threads: int) -> int:
    """Return how many pieces `share_out` had better get: one for a thread that is alone."""
    return 1 if threads == 1 else _PIECES * threads


def cut_for(threads: int, n_items: int) -> int:
    """Return how many of `n_items` are a piece."""
    return max(1, -(-n_items // count_pieces(threads)))


class _Share(Generic[Item, Result]):
    """Items that several threads work on; whichever is free takes the next."""

    def __init__(self, work: Callable[[Item], Result], items: list[Item]) -> None:
        self._work, self._items = work, items
        self._next = itertools.count()
        self.results: dict[int, Result] = {}
        self.errors: list[BaseException] = []
        self.called_off, self.none_left = threading.Event(), threading.Event()
        self.longest = 0.0  # seconds that an item has taken

    def take(self) -> None:
        """Do one item after the other, as long as there are any and nobody has failed."""
        outer, _current.share = getattr(_current, "share", None), self
        try:
            while not self.called_off.is_set() and (k := next(self._next)) < len(self._items):
                begun = time.perf_counter()
                self.results[k] = self._work(self._items[k])
                self.longest = max(self.longest, time.perf_counter() - begun)
        except _CalledOff:
            pass
        except BaseException as error:  # raised by the caller
            self.errors.append(error)
            self.called_off.set()
        finally:
            self.none_left.set()
            _current.share = outer


def share_out(threads: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return ``work(item)`` of each item, in order; whichever thread is free takes the next.

    The caller works, too, and waits for nobody but for items that others have begun: where cores
    are busy it does most of them alone. Where it has waited long of late, for a helper that had
    lost its core, helpers begin later: short work is then over before one could hold it up. Where
    it is stopped (Ctrl-C), or an item fails, all end at their next piece.
    """
    _note(threads)
    waiting = list(items)
    threads = min(threads, len(waiting))
    if threads <= 1:
        return [work(item) for item in waiting]
    share, helpers = _Share(work, waiting), [Future[None]() for _ in range(threads - 1)]
    try:
        _ask_for_help(helpers, share, _SHORT_SECONDS if is_cautious() else 0.0)
        share.take()
        longest, done = share.longest, time.perf_counter()
        wait(helper for helper in helpers if not helper.cancel())
        if time.perf_counter() - done > 2 * longest + _LONG_WAIT_SECONDS:
            be_cautious()
    except BaseException:  # Ctrl-C just now
        share.called_off.set()
        wait(helper for helper in helpers if not helper.cancel())
        raise
    if share.errors:
        raise share.errors[0]
    return [share.results[k] for k in range(len(waiting))]


def is_cautious() -> bool:
    """Return whether a thread has kept others waiting of late, as if it had no core.

    What is over in a few milliseconds is then done faster by one thread.
    """
    return time.perf_counter() < _cautious_until


def be_cautious() -> None:
    """Note that a thread has kept others waiting."""
    global _cautious_until
    _cautious_until = time.perf_counter() + _CAUTIOUS_SECONDS


def _ask_for_help(
    helpers: list[Future[None]], share: _Share[Any, Any], after_seconds: float
) -> None:
    """Let other threads work on the share; each begins when it is free, and tells when it is done.

    Where they are to begin after some time, it is if anything is left to do by then.

    Who cannot be asked must be known, too: an executor that fails to start a thread, or is stopped
    (Ctrl-C), has kept what it was asked for, and may have it done later.
    """
    global _helpers
    caller = threading.get_native_id()

    def help_out(rank: int) -> None:
        helper = helpers[rank - 1]
        share.none_left.wait(after_seconds)
        if helper.set_running_or_notify_cancel():
            try:
                _stay_beside(caller, rank)
                share.take()
            finally:
                helper.set_result(None)

    with _helpers_lock:
        if _helpers is None:
            _helpers = ThreadPoolExecutor(max(1, count_cores() - 1), "binnet")
        with suppress(RuntimeError):  # the system has no thread left, or the interpreter ends
            for rank in range(1, len(helpers) + 1):
                _helpers.submit(help_out, rank)


def _forget_helpers() -> None:
    """In a forked process: there are no threads but the one that forked."""
    global _helpers, _helpers_lock
    _helpers, _helpers_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_helpers)


def _stay_beside(other: int, rank: int) -> None:
    """Keep to the cores of thread `other` (a native id), but go to another one than it is on.

    This thread began when its caller may have been bound otherwise. Linux can leave two new threads
    on one core for a tenth of a second, though others are idle. Where it goes it is not bound to:
    the system may move it later.
    """
    try:
        allowed = os.sched_getaffinity(other)
        if os.sched_getaffinity(0) != allowed:
            os.sched_setaffinity(0, allowed)
        cores = sorted(allowed)
        here, there = _find_core(threading.get_native_id()), _find_core(other)
        if here == there and len(cores) > 1:
            os.sched_setaffinity(0, {cores[(cores.index(here) + rank) % len(cores)]})
            os.sched_setaffinity(0, cores)
    except (AttributeError, OSError, ValueError):  # another system; the set of cores has changed
        pass


def _find_core(thread: int) -> int:
    """Return the core that a thread of this process is on, by /proc (see proc(5): processor)."""
    with open(f"/proc/self/task/{thread}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[36])


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
    share: _Share[Any, Any] | None = getattr(_current, "share", None)
    start, n_steps = 0, max(first, least)
    while start < total:
        if share is not None and share.called_off.is_set():
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
    """One thread, half of the most, or the most: the fewest that are about the fastest.

    Threads that work in step wait for the slowest: where another process keeps a core busy, one
    thread can be faster than two, and so it can where steps are short. As results do not depend on
    the number, it is chosen by the clock. A call whose number is not known to be the fastest is a
    trial: the caller had better give it little work.

    Parameters
    ----------
    threads : int, optional
        The most. Default: as many as the process has cores.
    """

    _MOST_BETWEEN = 16  # calls from one trial to the next; fewer at first, and after a change
    _ABOUT = 0.9  # of the rate of the fastest

    def __init__(self, threads: int | None) -> None:
        self._asked, self.maximum = threads, resolve_threads(threads)
        self._candidates = sorted({1, -(-self.maximum // 2), self.maximum}, reverse=True)
        self._rates: dict[int, float] = {}
        self._tried = dict.fromkeys(self._candidates, 0)  # number of the last call on as many
        self._fastest = 0
        self._calls = self._next_trial = 0
        self._between = 1
        self.is_trial = False

    def __reduce__(self) -> tuple[type[ThreadChoice], tuple[int | None]]:
        """Choose anew where this is copied or pickled to: there may be fewer cores there."""
        return ThreadChoice, (self._asked,)

    def next(self) -> int:
        """Return the number of threads for the next call."""
        self._calls += 1
        if len(self._candidates) == 1:
            return self.maximum
        for candidate in self._candidates:
            if candidate not in self._rates:
                self.is_trial = True
                return candidate
        enough = self._ABOUT * max(self._rates.values())
        fastest = min(n for n in self._candidates if self._rates[n] >= enough)
        if fastest != self._fastest:
            self._fastest, self._between, self._next_trial = fastest, 1, self._calls + 1
        self.is_trial = self._calls > self._next_trial
        if not self.is_trial:
            return fastest
        self._between = min(2 * self._between, self._MOST_BETWEEN)
        self._next_trial = self._calls + self._between
        others = [n for n in self._candidates if n != fastest]
        return min(others, key=lambda n: self._tried[n])

    def record(self, threads: int, rate: float) -> None:
        """Note the rate (work per second) of a call on `threads` threads."""
        self._tried[threads] = self._calls
        # The mean with the calls before: where cores are busy, a call may have luck.
        self._rates[threads] = 0.5 * (rate + self._rates.get(threads, rate))
