"""What the peers of the dense fields share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import draw_spins
from binnet.benchmarks.workloads.fields import UNIT, draw_weights


class Case(NamedTuple):
    """Weights, and the states whose fields are asked for."""

    weights: NDArray[np.float32]  # (N, N), presynaptic-major
    states: NDArray[np.float32]  # (n, N), those of all groups
    n_groups: int
    n_times: int


def draw_case(workload: Workload) -> Case:
    """Return the workload's weights and states."""
    sizes = workload.sizes
    n, n_groups = sizes["n_neurons"], sizes["n_groups"]
    states = draw_spins((n_groups, sizes["n_samples"], n), 1).reshape(-1, n)
    return Case(draw_weights(n), states.astype(np.float32), n_groups, sizes["n_times"])


def make_task(case: Case, compute: Callable[[], Any]) -> Task:
    """Return the task of what computes all fields (n, N)."""
    found: list[Any] = []

    def call() -> None:
        found[:] = [compute()]

    def answer() -> Answer:
        fields = np.asarray(found[0]).reshape(case.n_groups, -1, len(case.weights))
        return make_answer((fields / UNIT).astype(np.int64))

    return Task(call, answer, Work(float(case.n_times * case.states.size)))
