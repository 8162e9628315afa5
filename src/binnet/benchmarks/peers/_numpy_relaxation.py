"""Relaxation in NumPy: a dense product and a sign, on the replicas that have not settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers._relaxation import Found, draw_case, make_task
from binnet.benchmarks.peers._threads import limit_blas

Array = NDArray[Any]


def relax_by_products(multiply: Callable[[Array], Array], start: Array) -> Found:
    """Relax the replicas `start`; those that have settled leave the product."""
    states, final, flips = start, start.copy(), []
    active = np.arange(len(start))
    while len(active):
        new = np.where(multiply(states) >= 0, states.dtype.type(1), states.dtype.type(-1))
        moved = np.zeros(len(start), np.int64)
        moved[active] = (new != states).sum(axis=1)
        flips.append(moved)
        is_settled = moved[active] == 0
        final[active[is_settled]] = states[is_settled]
        active, states = active[~is_settled], new[~is_settled]
    return Found(final, np.stack(flips, axis=1))


def relax_rows(workload: Workload, threads: int) -> Task:
    """Products s @ J.T, float32, in which sums of 16-bit couplings are exact."""
    limit_blas(threads)
    case = draw_case(workload.sizes)
    presynaptic = np.ascontiguousarray(case.matrix.T)
    start = case.start.astype(np.float32)
    return make_task(case, lambda: relax_by_products(lambda s: s @ presynaptic, start))


def relax_columns(workload: Workload, threads: int) -> Task:
    """Products J @ s.T."""
    limit_blas(threads)
    case = draw_case(workload.sizes)
    start = case.start.astype(np.float32)
    return make_task(case, lambda: relax_by_products(lambda s: (case.matrix @ s.T).T, start))


def _visit(matrix: Array, state: Array, orders: Array) -> list[int]:
    """Asynchronous sweeps, a whole field a visit; return the flips of each."""
    flips = []
    for order in orders:
        n_flips = 0
        for i in order:
            if (matrix[i] @ state >= 0) != (state[i] > 0):
                state[i] = -state[i]
                n_flips += 1
        flips.append(n_flips)
        if n_flips == 0:
            break
    return flips


def relax_visits(workload: Workload, threads: int) -> Task:
    """One neuron at a time, in binnet's orders, which are given."""
    limit_blas(threads)
    case = draw_case(workload.sizes)
    orders = case.draw_orders()

    def relax() -> Found:
        states = case.start.astype(np.float32)
        rows = [_visit(case.matrix, state, o) for state, o in zip(states, orders, strict=True)]
        flips = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for row, found in zip(flips, rows, strict=True):
            row[: len(found)] = found
        return Found(states, flips)

    return make_task(case, relax)
