"""What the peers of implicit couplings share. No other library draws them: peers store them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import SEED, draw_spins


class Case(NamedTuple):
    """Couplings of some neurons onto all, and these neurons' states."""

    columns: NDArray[np.float32]  # (n_columns, N)
    spins: NDArray[np.float32]  # (n_columns,)


def draw_case(workload: Workload) -> Case:
    """Return the couplings that the workload draws again and again."""
    from binnet.networks import ImplicitNetwork
    from binnet_kernels.relaxation.implicit import (
        TILE_NEURONS,
        ImplicitCouplings,
        add_columns_implicit,
        count_tiles,
        make_scratch_implicit,
    )

    n, n_columns = workload.sizes["n_neurons"], workload.sizes["n_columns"]
    check_memory("couplings in float32", 4.0 * n * n_columns, "leave out this peer")
    network = ImplicitNetwork(n, distribution=workload.name.split("-")[1], seed=SEED)
    couplings = ImplicitCouplings(network.key, network.n_signs)
    columns = np.empty((n_columns, n), np.float32)
    n_tiles, ones = count_tiles(n), np.ones(n, np.int8)
    field, scratch = np.zeros(n_tiles * TILE_NEURONS, np.int32), make_scratch_implicit()
    for k in range(n_columns):
        field[:] = 0
        site = np.array([k], np.int32)
        add_columns_implicit(couplings, site, 1, 1, ones, 0, n_tiles, scratch, field)
        columns[k] = field[:n]
    return Case(columns, draw_spins((n,), stream=1)[:n_columns].astype(np.float32))


def make_task(case: Case, add: Callable[[], Any]) -> Task:
    """Return the task of what computes all fields (N,)."""
    found: list[Any] = []

    def call() -> None:
        found[:] = [add()]

    def answer() -> Answer:
        return make_answer(np.asarray(found[0]).astype(np.int32))

    return Task(call, answer, Work(float(case.columns.size)))
