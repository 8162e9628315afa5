"""Dense arithmetic in NumPy: sweeps, fields, plasticity, columns of couplings that are stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _fields, _implicit, _plasticity, _sweeps
from binnet.benchmarks.peers._threads import limit_blas

Array = NDArray[Any]

_PLUS, _MINUS = np.float32(1), np.float32(-1)


def sweep_rows(workload: Workload, threads: int) -> Task:
    """Products of all states with the couplings, in float32."""
    limit_blas(threads)
    case = _sweeps.draw_case(workload)
    matrix, external = case.to_float(), case.external.astype(np.float32)
    start = case.start.astype(np.float32)
    fields = np.empty_like(start)

    def sweep() -> Array:
        states = start
        for _ in range(case.n_sweeps):
            np.matmul(states, matrix, out=fields)
            np.add(fields, external, out=fields)
            states = np.where(fields >= 0, _PLUS, _MINUS)
        return states

    return _sweeps.make_task(case, sweep)


def sweep_columns(workload: Workload, threads: int) -> Task:
    """The same with a state in each column."""
    limit_blas(threads)
    case = _sweeps.draw_case(workload)
    matrix, external = np.ascontiguousarray(case.to_float().T), case.external.astype(np.float32)
    start = np.ascontiguousarray(case.start.T.astype(np.float32))
    fields = np.empty_like(start)

    def sweep() -> Array:
        states = start
        for _ in range(case.n_sweeps):
            np.matmul(matrix, states, out=fields)
            np.add(fields, external[:, None], out=fields)
            states = np.where(fields >= 0, _PLUS, _MINUS)
        return states.T

    return _sweeps.make_task(case, sweep)


def compute_fields(workload: Workload, threads: int) -> Task:
    """One product for all states."""
    limit_blas(threads)
    case = _fields.draw_case(workload)
    out = np.empty_like(case.states)

    def compute() -> Array:
        for _ in range(case.n_times):
            np.matmul(case.states, case.weights, out=out)
        return out

    return _fields.make_task(case, compute)


def update_weights(workload: Workload, threads: int) -> Task:
    """A product of spins and events, and a sum."""
    limit_blas(threads)
    case = _plasticity.draw_case(workload, np.float32)
    change = np.empty(case.weights.shape[1:], np.float32)
    diagonal = np.einsum("gii->gi", case.weights)  # a view
    kept = diagonal.copy()

    def update(sign: int) -> None:
        left = case.pre.T * np.float32(sign * case.rate)
        for weights in case.weights:
            np.matmul(left, case.post, out=change)
            weights += change
        if case.keeps_diagonal:
            diagonal[:] = kept

    return _plasticity.make_task(case, update, lambda: case.weights)


def add_columns(workload: Workload, threads: int) -> Task:
    """A stored matrix times a vector: couplings are read, not drawn."""
    limit_blas(threads)
    case = _implicit.draw_case(workload)
    out = np.empty(case.columns.shape[1], np.float32)

    def add() -> Array:
        return np.matmul(case.spins, case.columns, out=out)

    return _implicit.make_task(case, add)
