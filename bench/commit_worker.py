"""A process of `against_commit.py`: workloads of one tree on the binnet of another one.

PYTHONPATH says whose binnet and binnet_kernels it uses, the argument where the workloads come from:
the folder of `binnet.benchmarks`, which takes that name here, whatever the tree itself has under
it, if anything. A request is a line of JSON on standard input, and so is the reply on standard
output. Times are taken here, around the calls alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def take_workloads_from(folder: Path) -> None:
    """Let `binnet.benchmarks` be the modules of a folder.

    Its `__init__` is not run: what it offers a user needs more of binnet than the workloads do.
    """
    import binnet

    module = ModuleType("binnet.benchmarks")
    module.__path__ = [str(folder)]
    sys.modules[module.__name__] = module
    binnet.benchmarks = module


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
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whoever prints does not spoil the replies
    take_workloads_from(Path(sys.argv[1]))
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
