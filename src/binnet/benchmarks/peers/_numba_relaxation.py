"""Relaxation in loops as a user of Numba would write them; replicas are shared out to threads.

In two ways: a whole field each time, and fields that follow the flips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import prange
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers._relaxation import Case, Found, draw_case, make_task
from binnet.benchmarks.peers._threads import limit_numba

Array = NDArray[Any]

_MOST_SWEEPS = 1000


@numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
def _multiply(row: Array, state: Array) -> Any:
    h = np.float32(0)
    for j in range(len(state)):
        h += row[j] * state[j]
    return h


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _relax_products(matrix: Array, states: Array, flips: Array) -> None:
    n_replicas, n = states.shape
    for r in prange(n_replicas):
        state, fields = states[r], np.empty(n, np.float32)
        for t in range(flips.shape[1]):
            for i in range(n):
                fields[i] = _multiply(matrix[i], state)
            for i in range(n):
                if (fields[i] >= 0) != (state[i] > 0):
                    state[i] = -state[i]
                    flips[r, t] += 1
            if flips[r, t] == 0:
                break


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _relax_events(columns: Array, own: int, states: Array, flips: Array) -> None:
    n_replicas, n = states.shape
    for r in prange(n_replicas):
        fields, flipped = np.zeros(n, np.int32), np.empty(n, np.int64)
        for j in range(n):
            for i in range(n):
                fields[i] += columns[j, i] * states[r, j]
        for t in range(flips.shape[1]):
            n_flipped = 0
            for i in range(n):
                if (fields[i] + own * states[r, i] >= 0) != (states[r, i] > 0):
                    flipped[n_flipped] = i
                    n_flipped += 1
            flips[r, t] = n_flipped
            if n_flipped == 0:
                break
            for k in range(n_flipped):
                j = flipped[k]
                states[r, j] = -states[r, j]
                for i in range(n):
                    fields[i] += columns[j, i] * (2 * states[r, j])


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _visit_products(matrix: Array, orders: Array, states: Array, flips: Array) -> None:
    for r in prange(len(states)):
        state = states[r]
        for t in range(orders.shape[1]):
            for i in orders[r, t]:
                if (_multiply(matrix[i], state) >= 0) != (state[i] > 0):
                    state[i] = -state[i]
                    flips[r, t] += 1
            if flips[r, t] == 0:
                break


@numba.njit(parallel=True)  # type: ignore[untyped-decorator]
def _visit_events(columns: Array, own: int, orders: Array, states: Array, flips: Array) -> None:
    n_replicas, n = states.shape
    for r in prange(n_replicas):
        fields = np.zeros(n, np.int32)
        for j in range(n):
            for i in range(n):
                fields[i] += columns[j, i] * states[r, j]
        for t in range(orders.shape[1]):
            for j in orders[r, t]:
                if (fields[j] + own * states[r, j] >= 0) != (states[r, j] > 0):
                    states[r, j] = -states[r, j]
                    flips[r, t] += 1
                    for i in range(n):
                        fields[i] += columns[j, i] * (2 * states[r, j])
            if flips[r, t] == 0:
                break


def relax_products(workload: Workload, threads: int) -> Task:
    """Whole fields in float32, where the compiler may add in any order: the sums are exact."""
    limit_numba(threads)
    case = draw_case(workload.sizes)
    return _make_task(case, np.float32, lambda *out: _relax_products(case.matrix, *out))


def relax_events(workload: Workload, threads: int) -> Task:
    """Fields in int32 from 16-bit couplings, to which a column is added for each flip."""
    limit_numba(threads)
    case = draw_case(workload.sizes)
    columns, own = case.columns(), int(case.network.in_field_units()[0])
    return _make_task(case, np.int32, lambda *out: _relax_events(columns, own, *out))


def visit_products(workload: Workload, threads: int) -> Task:
    """One neuron at a time, a whole field a visit, in binnet's orders, which are given."""
    limit_numba(threads)
    case = draw_case(workload.sizes)
    orders = case.draw_orders()
    return _make_task(case, np.float32, lambda *out: _visit_products(case.matrix, orders, *out))


def visit_events(workload: Workload, threads: int) -> Task:
    """One neuron at a time, with fields that follow the flips."""
    limit_numba(threads)
    case = draw_case(workload.sizes)
    orders, columns = case.draw_orders(), case.columns()
    own = int(case.network.in_field_units()[0])
    return _make_task(case, np.int32, lambda *out: _visit_events(columns, own, orders, *out))


def _make_task(case: Case, dtype: Any, relax: Callable[..., None]) -> Task:
    def run() -> Found:
        states = case.start.astype(dtype)
        flips = np.zeros((len(states), _MOST_SWEEPS), np.int64)
        relax(states, flips)
        return Found(states, flips[:, : int((flips > 0).sum(axis=1).max()) + 1])

    return make_task(case, run)
