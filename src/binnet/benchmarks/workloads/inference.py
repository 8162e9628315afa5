"""Classification of entangled MNIST's test samples: samples classified a second."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload
from binnet.benchmarks.workloads.learning import start_run

#: Relative, of the probes: a field within rounding of 0 gives another spin, which may give another
#: class. Code without fused multiply-adds finds the same classes; two of 1000 may differ.
TOLERANCE = 0.005


def _prepare(n_hidden: int, n_samples: int, n_learned: int, threads: int) -> Task:
    from binnet.datasets import load_entangled_mnist
    from binnet.dynamics import predict

    run, *_ = start_run("default", "float", n_hidden, n_learned, 1, threads)
    network, data = run.network(), load_entangled_mnist()
    X, y = data.X_test[:n_samples], data.y_test[:n_samples]
    classes: list[Any] = []

    def call() -> None:
        classes[:] = [predict(network, X, threads=threads)]

    def answer() -> Answer:
        right = float(np.mean(classes[0] == y))
        probes = {"accuracy": right, "sum of classes": float(classes[0].sum())}
        return make_answer(classes[0], probes=probes, tolerance=TOLERANCE)

    # Of each sample a product with the input weights and one with the couplings, which are read
    # once for all. Flips after the second sweep, which add columns, are few and left out.
    n_weights = n_hidden * (n_hidden + X.shape[1])
    n_bytes = 4 * n_weights + X.nbytes
    return Task(call, answer, Work(n_samples, n_bytes, 2 * n_samples * n_weights))


def _make(level: Level, n_hidden: int, n_samples: int, n_learned: int, is_quick: bool) -> Workload:
    return Workload(
        name=f"infer-{n_hidden}",
        suite="inference",
        summary=f"classification of entangled MNIST, H = {n_hidden}, preset default, float32",
        unit="samples",
        level=level,
        operation="fma32",
        is_exact=False,
        sizes={"n_hidden": n_hidden, "n_samples": n_samples, "n_learned": n_learned},
        prepare=partial(_prepare, n_hidden, n_samples, n_learned),
        is_quick=is_quick,
    )


WORKLOADS = (
    _make("L2", 400, 10000, 4000, True),
    _make("L3", 1600, 1000, 1600, False),
)
