"""Learning and inference in PyTorch, by `_lean_torch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _learning
from binnet.benchmarks.peers._lean_torch import LeanTorch, Rule
from binnet.benchmarks.peers._threads import limit_torch

try:
    import torch
except ModuleNotFoundError:  # the module can be imported; what needs PyTorch is not offered then
    torch = None

_SWEEPS = 10  # of inference, at most


class _Learner:
    def __init__(self, case: _learning.Case, X: Any, y: Any) -> None:
        self._case, self._X, self._y = case, X, y
        self._network = LeanTorch(case.weights, case.self_coupling)

    def learn(self, observe: Callable[[str, Any], None] | None = None) -> None:
        rule = Rule(*self._case.rule)
        self._network.learn(self._X, self._y, rule, self._case.rate_factors, observe)

    def result(self) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._network.couplings(), self._network.W_out.numpy()


def learn(workload: Workload, threads: int) -> Task:
    """States are columns, everything is written in place."""
    limit_torch(threads)
    case = _learning.draw_case(workload)
    X, y = torch.from_numpy(case.X), torch.from_numpy(case.y)
    return _learning.make_task(case, lambda: _Learner(case, X, y))


def predict_active(workload: Workload, threads: int) -> Task:
    """All samples in one batch; those at a fixed point leave it."""
    return _make_inference(workload, threads, True)


def predict_all(workload: Workload, threads: int) -> Task:
    """All samples in one batch until the end."""
    return _make_inference(workload, threads, False)


def _make_inference(workload: Workload, threads: int, only_active: bool) -> Task:
    limit_torch(threads)
    samples = _learning.draw_samples(workload)
    network = LeanTorch(samples.weights, samples.self_coupling)

    def classify() -> NDArray[np.int64]:
        columns = torch.from_numpy(samples.X).T.to(torch.float32)
        classes, _ = network.predict(columns, _SWEEPS, only_active)
        return np.asarray(classes)

    return _learning.make_inference(samples, classify)
