"""Dense arithmetic in loops as a user of Numba would write them: sweeps and plasticity."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _plasticity, _sweeps
from binnet.benchmarks.peers._threads import limit_numba

Array = NDArray[Any]


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _sweep(couplings: Array, own: int, external: Array, old: Array, new: Array) -> None:
    """Couplings are postsynaptic-major: a row is read once for all states."""
    for i in prange(len(couplings)):
        row = couplings[i]
        for b in range(len(old)):
            state, h = old[b], 0
            for j in range(len(row)):
                h += row[j] * state[j]
            h += own * state[i] + external[i]
            new[b, i] = 1 if h >= 0 else -1


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _update(weights: Array, pre: Array, post: Array, keeps_diagonal: bool) -> None:
    n_networks, n, _ = weights.shape
    for k in prange(n_networks * n):
        g, j = k // n, k % n
        row = weights[g, j]
        own = row[j]
        for b in range(len(pre)):
            change, events = pre[b, j], post[b]
            for i in range(n):
                row[i] += change * events[i]
        if keeps_diagonal:
            row[j] = own


def sweep(workload: Workload, threads: int) -> Task:
    """Sums of integers of the width in which they are stored."""
    limit_numba(threads)
    case = _sweeps.draw_case(workload)
    couplings = np.ascontiguousarray(case.couplings.T)
    start = case.start.astype(couplings.dtype)
    states = np.stack([start, start])

    def run() -> Array:
        states[0] = start
        for t in range(case.n_sweeps):
            _sweep(couplings, case.self_coupling, case.external, states[t % 2], states[1 - t % 2])
        last: Array = states[case.n_sweeps % 2]
        return last

    return _sweeps.make_task(case, run)


def update_weights(workload: Workload, threads: int) -> Task:
    """A row of weights at a time, in their own format."""
    limit_numba(threads)
    dtype = np.float32 if "float32" in workload.name else np.int8
    case = _plasticity.draw_case(workload, dtype)
    post = case.post.astype(dtype)
    pre = {sign: (case.pre * sign * case.rate).astype(dtype) for sign in (-1, 1)}

    def update(sign: int) -> None:
        _update(case.weights, pre[sign], post, case.keeps_diagonal)

    return _plasticity.make_task(case, update, lambda: case.weights)
