"""The other end of `worker`: processes that are asked, waited for, and ended.

A worker that dies or hangs costs what it was asked for, and no more.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any

from binnet.benchmarks.worker import REGISTRY

_POLL_SECONDS = 0.25  # between two looks whether the user has had enough


class RequestFailed(Exception):
    """A worker could not do what it was asked for, and says why; it is still there."""


class WorkerLost(Exception):
    """A worker has died, or was ended as it took too long."""


class WorkerProcess:
    """A process that runs workloads; a context that ends it.

    Parameters
    ----------
    registry : str, default "binnet.benchmarks.workloads"
        Module whose function `all_workloads` returns the workloads by name.
    environment : mapping, optional
        Variables of the process. Default: those of this one.
    check : callable, optional
        Called four times a second while a reply is waited for; what it raises ends the wait.
    """

    def __init__(
        self,
        registry: str = REGISTRY,
        environment: Mapping[str, str] | None = None,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        self._check = check
        # It finds its modules where this process does. What it prints is kept, to say why it died.
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._errors = tempfile.TemporaryFile("w+b")  # noqa: SIM115
        # Ctrl-C in a terminal goes to a group of processes: not to this one.
        apart: dict[str, Any] = {"process_group": 0}
        if os.name == "nt":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "binnet.benchmarks.worker", registry],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**(os.environ if environment is None else environment), "PYTHONPATH": paths},
            **apart,
        )
        self._replies: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put(b"")

    def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
        """Return the reply to a request, within so many seconds.

        Raises
        ------
        RequestFailed
            If the worker says that it cannot do it.
        WorkerLost
            If it is not there any more, or does not reply in time; it is ended then.
        """
        assert self._process.stdin is not None
        if self._process.stdin.closed:
            raise WorkerLost("its process has been ended")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise WorkerLost(self._describe_end()) from None
        deadline = monotonic() + seconds
        while True:
            self._check()
            left = deadline - monotonic()
            if left <= 0.0:
                self.close()
                raise WorkerLost(f"it did not reply within {seconds:.0f} s and was ended")
            with suppress(queue.Empty):
                line = self._replies.get(timeout=min(left, _POLL_SECONDS))
                break
        if not line.endswith(b"\n"):  # the end, or what was written by then
            raise WorkerLost(self._describe_end())
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise RequestFailed(reply["error"])
        return reply

    def _describe_end(self) -> str:
        """Say how the process has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        code = self._process.poll()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        self.close()
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            why = f"its process was ended by {name}"
            if name == "SIGKILL":
                why += " (the system does that where memory is short)"
        else:
            why = f"its process ended with status {code}"
        return f"{why}: {said}" if said else why

    def close(self) -> None:
        """End the process, whatever it does."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
