"""What the peers of learning and inference share: weights, batches, the rule, what is compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads import inference
from binnet.benchmarks.workloads.learning import TOLERANCE, start_run

Array = NDArray[Any]


class Rule(NamedTuple):
    """Prefactors of docs/model/network.md, section 3: all but 1/sqrt(B), of J, W_in and W_out."""

    rates: tuple[float, ...]
    decays: tuple[float, ...]
    threshold: float
    readout_threshold: float
    amplitudes: tuple[float, ...]


class Case(NamedTuple):
    """A run that has learned for a while, and the batches that it learns next."""

    weights: dict[str, Array]  # couplings (H, H), input_weights (H, N), readout, feedback_fields
    self_coupling: float
    rule: Rule
    rate_factors: NDArray[np.float64]  # (n,)
    X: NDArray[np.float32]  # (n, N, B)
    y: NDArray[np.int64]  # (n, B)


def draw_case(workload: Workload) -> Case:
    """Return what the workload of this name learns from and with."""
    sizes = workload.sizes
    run, X, y = start_run(
        "source", "float", sizes["n_hidden"], sizes["n_samples"], sizes["n_rounds_before"]
    )
    w, p = run.network().to_dense(), run.configuration.plasticity
    network, size = run.configuration.network, run.configuration.training.batch_size
    n_batches = run.batches_per_epoch
    order = run._order()[: n_batches * size].reshape(n_batches, size)
    rule = Rule(
        tuple((p.scaled_rates(network) * p.gains(network)[:, 0]).tolist()),
        tuple(p.losses(network).tolist()),
        float(p.margin + w.fixed_help[0] * p.margin_excludes_self_coupling),
        float(p.readout_margin),
        tuple(run.configuration.schedule.amplitudes),
    )
    factors = p.rate_factors(
        run.epoch * n_batches, n_batches, run.configuration.training.epochs * n_batches
    )
    batches = np.ascontiguousarray(X[order].transpose(0, 2, 1).astype(np.float32))
    names = ("couplings", "input_weights", "readout", "feedback_fields")
    weights = {name: np.asarray(getattr(w, name), np.float32) for name in names}
    return Case(weights, float(np.asarray(w.self_coupling)), rule, factors, batches, y[order])


class Counts:
    """Counts flips and unstable neurons of what is observed: fields, and what was learned from."""

    def __init__(self, n_sweeps: int) -> None:
        self._n_sweeps = n_sweeps
        self._sweep = self.flips = self.unstable = self.unstable_readouts = 0
        self._states: Array | None = None

    def observe(self, name: str, value: Any) -> None:
        """Take the fields "h" of each sweep; "wrong" and "wrong_out" of each batch; or all sums."""
        found = np.asarray(value)
        if name == "h":
            states = found >= 0
            if self._sweep % self._n_sweeps and self._states is not None:
                self.flips += int((states != self._states).sum())
            self._states = states
            self._sweep += 1
        elif name == "counts":  # (n, 3)
            self.flips, self.unstable, self.unstable_readouts = found.sum(axis=0).tolist()
        elif name == "wrong":
            self.unstable += int(np.count_nonzero(found))
        elif name == "wrong_out":
            self.unstable_readouts += int(np.count_nonzero(found))


class Learner(Protocol):
    """A network in some library, which learns batches."""

    def learn(self, observe: Callable[[str, Any], None] | None = None) -> None:
        """Learn all batches of the case."""

    def result(self) -> tuple[Array, Array]:
        """Return the couplings with a zero diagonal, and the readout."""


def make_task(case: Case, make_learner: Callable[[], Learner]) -> Task:
    """Return the task of learning all batches, from the same weights each time.

    Flips are counted by another pass, which is not timed.
    """
    learned: list[Learner] = []

    def call() -> None:
        learner = make_learner()
        learner.learn()
        learned[:] = [learner]

    def answer() -> Answer:
        counts, watched = Counts(len(case.rule.amplitudes)), make_learner()
        watched.learn(counts.observe)
        couplings, readout = learned[0].result()
        probes = {
            "flips": float(counts.flips),
            "unstable": float(counts.unstable),
            "unstable readouts": float(counts.unstable_readouts),
            "couplings": float(np.abs(couplings).sum(dtype=np.float64)),
            "readout": float(np.abs(readout).sum(dtype=np.float64)),
        }
        return make_answer(couplings, readout, probes=probes, tolerance=TOLERANCE)

    return Task(call, answer, Work(float(case.y.size)))


class Samples(NamedTuple):
    """A trained network and the samples that it classifies."""

    weights: dict[str, Array]
    self_coupling: float
    X: NDArray[np.int8]  # (n, N)
    y: NDArray[np.int64]


def draw_samples(workload: Workload) -> Samples:
    """Return what the workload of this name classifies, and by what."""
    from binnet.datasets import load_entangled_mnist

    sizes = workload.sizes
    run, *_ = start_run("default", "float", sizes["n_hidden"], sizes["n_learned"], 1)
    w, data = run.network().to_dense(), load_entangled_mnist()
    names = ("couplings", "input_weights", "readout", "feedback_fields")
    weights = {name: np.asarray(getattr(w, name), np.float32) for name in names}
    n = sizes["n_samples"]
    return Samples(weights, float(np.asarray(w.self_coupling)), data.X_test[:n], data.y_test[:n])


def make_inference(samples: Samples, predict: Callable[[], Any]) -> Task:
    """Return the task of what predicts all classes (n,)."""
    found: list[Any] = []

    def call() -> None:
        found[:] = [predict()]

    def answer() -> Answer:
        classes = np.asarray(found[0]).astype(np.int64)
        probes = {
            "accuracy": float(np.mean(classes == samples.y)),
            "sum of classes": float(classes.sum()),
        }
        return make_answer(classes, probes=probes, tolerance=inference.TOLERANCE)

    return Task(call, answer, Work(float(len(samples.X))))
