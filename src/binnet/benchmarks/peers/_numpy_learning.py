"""Learning and inference in NumPy, float32: the maths of `_lean_torch`, in the same layout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._workload import Task, Workload
from binnet.benchmarks.peers import _learning
from binnet.benchmarks.peers._threads import limit_blas

Array = NDArray[Any]

_ONE = np.float32(1)
_SWEEPS = 10  # of inference, at most


class _Learner:
    def __init__(self, case: _learning.Case) -> None:
        self._case = case
        self._J, self._W_in, self._W_out = (
            case.weights[name].copy() for name in ("couplings", "input_weights", "readout")
        )
        np.fill_diagonal(self._J, case.self_coupling)
        self._scale = 1.0  # true couplings = scale * J: their decay is a scalar

    def learn(self, observe: Callable[[str, Any], None] | None = None) -> None:
        case, rule = self._case, self._case.rule
        feedback = case.weights["feedback_fields"].T
        targets = 2 * np.eye(len(self._W_out), dtype=np.float32) - 1
        for x, labels, factor in zip(case.X, case.y, case.rate_factors.tolist(), strict=True):
            u = self._W_in @ x
            driven = u + feedback[:, labels] if any(rule.amplitudes) else u
            s: Array | None = None
            for a in rule.amplitudes:
                h = driven if a else u
                if s is not None:  # of silence J adds nothing
                    h = h + self._multiply(s)
                s = np.where(h >= 0, _ONE, -_ONE)
                if observe:
                    observe("h", h)
            assert s is not None
            stable = s * (u + self._multiply(s)) > np.float32(rule.threshold)
            target = targets[:, labels]
            stable_out = target * (self._W_out @ s) > np.float32(rule.readout_threshold)
            wrong, wrong_out = np.where(stable, 0, s), np.where(stable_out, 0, target)
            if observe:
                observe("wrong", wrong)
                observe("wrong_out", wrong_out)
            rates = [factor * rate / math.sqrt(len(labels)) for rate in rule.rates]
            keep = [np.float32(1.0 - factor * decay) for decay in rule.decays]
            self._scale *= float(keep[0])
            self._J += wrong @ (np.float32(rates[0] / self._scale) * s.T)
            np.fill_diagonal(self._J, case.self_coupling / self._scale)
            for weights, post, pre, k in (
                (self._W_in, wrong, x, 1),
                (self._W_out, wrong_out, s, 2),
            ):
                if keep[k] != 1:
                    weights *= keep[k]
                weights += post @ (np.float32(rates[k]) * pre.T)

    def _multiply(self, states: Array) -> Array:
        fields: Array = self._J @ states
        fields *= np.float32(self._scale)
        return fields

    def result(self) -> tuple[Array, Array]:
        J = np.float32(self._scale) * self._J
        np.fill_diagonal(J, 0)
        return J, self._W_out


def learn(workload: Workload, threads: int) -> Task:
    """States are columns, products take whole batches."""
    limit_blas(threads)
    case = _learning.draw_case(workload)
    return _learning.make_task(case, lambda: _Learner(case))


def predict(workload: Workload, threads: int) -> Task:
    """All samples in one batch; those at a fixed point leave it."""
    limit_blas(threads)
    samples = _learning.draw_samples(workload)
    J, W_in, W_out = (
        samples.weights[name].copy() for name in ("couplings", "input_weights", "readout")
    )
    np.fill_diagonal(J, samples.self_coupling)

    def classify() -> Array:
        u = W_in @ samples.X.T.astype(np.float32)
        s = np.where(u >= 0, _ONE, -_ONE)
        final, active = s.copy(), np.arange(len(samples.X))
        for _ in range(_SWEEPS - 1):
            new = np.where(u + J @ s >= 0, _ONE, -_ONE)
            moved = (new != s).any(axis=0)
            final[:, active] = new
            active, u, s = active[moved], u[:, moved], new[:, moved]
            if not len(active):
                break
        return np.asarray((W_out @ final).argmax(axis=0))

    return _learning.make_inference(samples, classify)
