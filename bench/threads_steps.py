"""Steps of two threads that wait for each other: ``bench/threads_steps.py WAY MICROSECONDS``.

WAY is binnet, or one of Numba's threading layers (omp, workqueue, tbb), whose parallel loop is a
step. A step is so long on either thread. Prints the microseconds of a step as JSON, of several
calls.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

CALLS, SECONDS = 7, 0.1  # and how long a call would last without any waiting


def _make_work() -> Any:
    import numba

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
    def work(n: int) -> float:
        x = 1.0
        for _ in range(n):
            x = x * 1.0000001 + 1e-9
        return x

    return work


def _make_steps(way: str, work: Any) -> Callable[[int, int], None]:
    """Return what does some steps, called with their number and the length of each."""
    import numba
    import numpy as np

    out = np.zeros((2, 64))
    if way == "binnet":
        from binnet._threads import run_in_step
        from binnet_kernels.lowlevel.team import make_team, regroup

        @numba.njit(nogil=True)  # type: ignore[untyped-decorator]
        def step_by_step(team: Any, rank: int, n_steps: int, length: int, out: Any) -> None:
            for _ in range(n_steps):
                n_members = regroup(team, rank)
                if rank >= n_members:
                    return
                for k in range(rank, 2, n_members):
                    out[k, 0] += work(length)

        step_by_step(make_team(1), 0, 1, 1, out)

        def run(n_steps: int, length: int) -> None:
            team = make_team(2)
            run_in_step(2, lambda rank: step_by_step(team, rank, n_steps, length, out))

        return run

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator]
    def step(length: int, out: Any) -> None:
        for k in numba.prange(2):
            out[k, 0] += work(length)

    @numba.njit  # type: ignore[untyped-decorator]
    def loop(n_steps: int, length: int, out: Any) -> None:
        for _ in range(n_steps):
            step(length, out)

    loop(1, 1, out)
    return lambda n_steps, length: loop(n_steps, length, out)


def main() -> None:
    way, microseconds = sys.argv[1], float(sys.argv[2])
    if way != "binnet":
        os.environ["NUMBA_THREADING_LAYER"] = way
    work = _make_work()
    steps = _make_steps(way, work)
    rates = []
    for _ in range(5):
        begun = time.perf_counter()
        work(10**6)
        rates.append(1e6 * (time.perf_counter() - begun) / 10**6)
    length = int(microseconds / min(rates))
    n_steps = int(1e6 * SECONDS / microseconds)
    times = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        steps(n_steps, length)
        times.append(1e6 * (time.perf_counter() - begun) / n_steps)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
