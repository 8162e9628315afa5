"""RTRL in NumPy: a product of Jacobians with all influence matrices each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _rate
from binnet.benchmarks.peers._threads import limit_blas


def advance(workload: Workload, threads: int) -> Task:
    """`matmul`, from one array into another by turns."""
    limit_blas(threads)
    case = _rate.draw_case(workload)
    n_samples, n, *_ = case.shape
    pair = np.empty((2, *case.shape), np.float32)
    flat, each = pair.reshape(2, n_samples, n, -1), np.arange(n)
    grads = np.empty(flat.shape[-1], np.float32)

    def run() -> tuple[Any, Any]:
        pair[0], grads[:] = 0, 0
        for t, (jacobian, immediate, signals) in enumerate(zip(*case, strict=True)):
            new = 1 - t % 2
            np.matmul(jacobian, flat[t % 2], out=flat[new])
            pair[new][:, each, each] += immediate[:, None]
            grads[:] += signals.ravel() @ flat[new].reshape(n_samples * n, -1)
        return grads, pair[len(case.signals) % 2]

    return _rate.make_task(case, run)
