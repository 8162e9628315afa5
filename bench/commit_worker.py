"""A process of `against_commit.py`: workloads on the binnet that PYTHONPATH names.

A request is a line of JSON on standard input, and so is the reply on standard output. Times are
taken here, around the calls alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any


class Worker:
    """The workload that is ready, one at a time: large ones together do not fit."""

    def __init__(self) -> None:
        self._task: Any = None

    def say_files(self) -> dict[str, Any]:
        """Say whose binnet this is."""
        import binnet
        import binnet_kernels

        return {"files": [binnet.__file__, binnet_kernels.__file__]}

    def prepare(self, workload: str, threads: int) -> dict[str, Any]:
        """Make a workload ready: compile, call it once, and say how long a call takes."""
        from binnet.benchmarks.workloads import all_workloads

        self._task = None
        self._task = all_workloads()[workload].prepare(threads)
        self._task.call()
        return self.time(1)

    def time(self, loops: int) -> dict[str, Any]:
        """Return the seconds of a call, the mean of so many, and the answer's checksum."""
        begun = time.perf_counter()
        for _ in range(loops):
            self._task.call()
        seconds = (time.perf_counter() - begun) / loops
        return {"seconds": seconds, "checksum": self._task.answer().checksum}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints does not spoil the replies
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
