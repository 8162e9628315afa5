"""Ctrl-C at a safe moment: compiled batches end, the checkpoint is written, then the run stops."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

_HANG_UP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # a terminal that is closed
_forked: set[int] = set()  # this process, if it was forked

if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=lambda: _forked.add(os.getpid()))


class DeferredInterrupt:
    """Context in which a first SIGINT, SIGTERM or SIGHUP is only noted; a second acts at once.

    What is ignored (nohup, the background of a script) stays ignored. Outside the main thread,
    where Python delivers no signals, it does nothing. In a forked process SIGTERM and SIGHUP are
    not taken over: there they are no wish of the user's, but a pool that ends its workers, or a
    library that cannot go on after a fork (OpenMP). Nor does a process that is forked inside
    the context keep what its parent has taken over.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal
        self._before: dict[signal.Signals, Any] = {}
        self._process = 0

    @property
    def requested(self) -> bool:
        """Whether there was a signal."""
        return self.number is not None

    def __enter__(self) -> DeferredInterrupt:
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT]
            if self._process not in _forked:
                numbers += [signal.SIGTERM, *_HANG_UP]
            for number in numbers:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            signal.signal(number, self._before[signal.Signals(number)])
            signal.raise_signal(number)
            return
        if self.requested:
            raise KeyboardInterrupt
        self.number = number


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Hold a first SIGINT, SIGTERM or SIGHUP back: it comes at the end of the context."""
    interrupt = DeferredInterrupt()
    try:
        with interrupt:
            yield
    finally:
        if interrupt.number is not None:
            signal.raise_signal(interrupt.number)
