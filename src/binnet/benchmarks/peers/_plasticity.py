"""What the peers of plasticity share: binnet's weights and events, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads.plasticity import (
    RATE,
    describe_weights,
    draw_events,
    draw_weights,
)

Array = NDArray[Any]


class Case(NamedTuple):
    """Networks, and the events of a batch that is added and taken back by turns."""

    weights: Array  # (G, N, N), presynaptic-major
    pre: NDArray[np.float32]  # spins (16, N)
    post: NDArray[np.float32]  # spins of the unstable neurons, else 0
    rate: float
    keeps_diagonal: bool
    n_times: int
    n_updates: float


def draw_case(workload: Workload, dtype: Any) -> Case:
    """Return the workload's weights and events."""
    sizes, is_float = workload.sizes, "float32" in workload.name
    n, n_networks = sizes["n_neurons"], sizes["n_networks"]
    events = draw_events(n)
    weights = draw_weights(n_networks, n, "float32" if is_float else "int8")
    amount = float(n_networks * sizes["n_times"] * n * events.n_learning)
    return Case(
        weights.astype(dtype), events.spins.astype(np.float32), events.unstable.astype(np.float32),
        RATE if is_float else 1.0, not is_float, sizes["n_times"], amount,
    )  # fmt: skip


def make_task(case: Case, update: Callable[[int], None], current: Callable[[], Any]) -> Task:
    """Return the task of what adds the events (+1), or takes them back (-1), to all networks."""
    is_back = 0

    def call() -> None:
        nonlocal is_back
        for _ in range(case.n_times):
            update(1 - 2 * is_back)
            is_back = 1 - is_back

    def answer() -> Answer:
        if is_back == 0:
            call()
        weights = np.asarray(current())
        if not case.keeps_diagonal:
            return describe_weights(list(weights), weights.shape[1], len(weights))
        integers = weights.astype(np.int8)  # whole numbers, far from the ends
        return describe_weights(list(integers), weights.shape[1], len(weights))

    return Task(call, answer, Work(case.n_updates))
