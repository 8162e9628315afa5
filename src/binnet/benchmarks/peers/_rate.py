"""What the peers of RTRL share: trials, the immediate terms, and the sums that are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads.rate import LEAK, TOLERANCE, draw_trials

Array = NDArray[np.float32]


class Case(NamedTuple):
    """B trials of T steps: P becomes D P and the immediate term; P is (B, N, N, N + 1).

    Element (b, i, m, k) is the influence of the weight from k onto m on neuron i.
    """

    jacobians: Array  # (T, B, N, N): D
    immediate: Array  # (T, B, N + 1): added where m is i
    signals: Array  # (T, B, N)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of P."""
        _, n_samples, n = self.signals.shape
        return n_samples, n, n, n + 1


def draw_case(workload: Workload) -> Case:
    """Return the workload's trials. The Jacobians are given, not computed in each step."""
    sizes = workload.sizes
    n = sizes["n_neurons"]
    weights, slopes, activity, signals = draw_trials(n, sizes["n_samples"], sizes["n_steps"])
    gain = np.float32(1) - LEAK
    jacobians = gain * weights.T * slopes.swapaxes(0, 1)[:, :, None, :]
    jacobians = jacobians + LEAK * np.eye(n, dtype=np.float32)
    return Case(
        np.ascontiguousarray(jacobians),
        np.ascontiguousarray(gain * activity.swapaxes(0, 1)),
        np.ascontiguousarray(signals.swapaxes(0, 1)),
    )


def make_task(case: Case, advance: Callable[[], tuple[Any, Any]]) -> Task:
    """Return the task of what returns the gradient and the last P, in any shape."""
    found: list[Any] = []

    def call() -> None:
        found[:] = advance()

    def answer() -> Answer:
        grads, influence = map(np.asarray, found)
        probes = {
            "gradient": float(np.abs(grads).sum(dtype=np.float64)),
            "influence": float(np.abs(influence).sum(dtype=np.float64)),
        }
        return make_answer(grads, influence, probes=probes, tolerance=TOLERANCE)

    n_steps, n_samples, _ = case.signals.shape
    return Task(call, answer, Work(float(n_steps * n_samples)))
