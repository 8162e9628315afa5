"""Workloads of whole jobs, at small sizes, against the public functions and plain references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import naive_rate
from binnet import RandomNetwork, load_entangled_mnist, pack_states, theory
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks.workloads import enumeration, inference, learning, rate

KINDS = {
    "float": ("source", "float", 30, 72, 2),
    "int8": ("source", "int8", 30, 72, 2),
    "third-factor": ("third-factor", "float", 30, 150, 2),
}


def learn_publicly(kind: str) -> tuple[Any, Any]:
    """Return a run that has learned what a call does, and its answer."""
    run, X, y = learning.start_run(*KINDS[kind])
    while not run.epoch_is_complete:
        run.learn(X, y, run.batches_per_epoch, 1)
    tensors = run.synapses.tensors()
    return run, make_answer(*(tensors[name] for name in sorted(tensors)), run.changes, run.totals)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_each_call_learns_an_epoch_from_the_same_start(kind: str, threads: int) -> None:
    task = learning._prepare(*KINDS[kind], threads)
    first = task.answer()
    task.call()
    assert task.answer() == task.answer() == first
    run, expected = learn_publicly(kind)
    assert first.checksum == expected.checksum
    assert first.probes["unstable"] == run.totals[2] > 0
    assert first.probes["flips"] == run.changes[1:].sum() > 0
    assert task.work.amount == KINDS[kind][3]
    assert (first.tolerance == 0) == (kind == "int8")


@pytest.mark.parametrize(("kind", "width"), [("float", 4), ("int8", 1)])
def test_work_of_learning(kind: str, width: int) -> None:
    """Where all neurons are unstable in each sample, each batch changes all weights."""
    run, *_ = learning.start_run(*KINDS[kind])
    n, n_inputs, n_samples, n_batches = 30, 100, 72, 5
    changes = np.zeros(10, np.int64)
    changes[:3] = n * n_samples, 40, 2
    assert run.configuration.arithmetic.latent_bits == 0  # no second copy of weights to be moved
    weights, products = n_batches * n * (n + n_inputs), n_samples * n * (n + n_inputs)
    work = learning._count_work(run, n_samples, changes, n * n_samples)
    assert work.n_bytes == width * (weights + 42 * n) + 2 * width * weights
    assert work.operations == 2 * (products + 42 * n + weights)
    stable = learning._count_work(run, n_samples, changes, 0)
    assert stable.n_bytes == width * (weights + 42 * n)


def classify_plainly(network: Any, X: Any, n_sweeps: int) -> Any:
    """Return the classes by sweeps of NumPy."""
    w = network.to_dense()
    external = X @ w.input_weights.T.astype(float)
    s = np.zeros((len(X), len(w.couplings)))
    for _ in range(n_sweeps):
        fields = external + s @ w.couplings.T.astype(float) + w.self_coupling * s
        s = np.where(fields >= 0, 1.0, -1.0)
    return np.argmax(s @ w.readout.T.astype(float), axis=1)


@pytest.mark.parametrize("threads", [1, 2])
def test_classes(threads: int) -> None:
    """No field of these samples is near 0: sums in float64 have the same signs."""
    task = inference._prepare(40, 200, 320, threads)
    task.call()
    run, *_ = learning.start_run("default", "float", 40, 320, 1)
    data = load_entangled_mnist()
    n_sweeps = run.configuration.training.inference_sweeps
    classes = classify_plainly(run.network(), data.X_test[:200], n_sweeps)
    answer = task.answer()
    assert answer.checksum == make_answer(classes).checksum
    assert answer.probes["accuracy"] == np.mean(classes == data.y_test[:200]) > 0.2
    assert task.work.operations == 2 * 200 * 40 * 140


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("method", "self_coupling"), [("gray", 1.0), ("bounded", 0.25)])
def test_fixed_points(method: str, self_coupling: float, threads: int) -> None:
    task = enumeration._prepare_search(12, self_coupling, method, threads)
    task.call()
    network = RandomNetwork.draw(12, self_coupling, seed=enumeration.SEED)
    states = theory.enumerate_fixed_points(network.couplings, self_coupling)
    expected = np.sort(pack_states(states), axis=0)
    assert task.answer().checksum == make_answer(expected).checksum
    assert task.work.amount == 2**12
    assert len(expected) > 0
    assert task.work.n_bytes == 0  # no bandwidth binds a search


def take_census_plainly(network: RandomNetwork) -> tuple[list[int], ...]:
    """Return lowest states, lengths and basins of the attractors, and states by transient."""
    n = network.n_neurons
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    fields = (2 * bits - 1) @ network.couplings.T.astype(np.int64)
    self_coupling, _ = network.in_field_units()
    fields = fields + self_coupling * (2 * bits - 1)
    successor = ((fields >= 0) << np.arange(n)).sum(axis=1)
    ends, steps = [], []
    for state in range(2**n):
        path = [state]
        while (following := int(successor[path[-1]])) not in path:
            path.append(following)
        first = path.index(following)
        cycle = path[first:]
        ends.append((min(cycle), len(cycle)))
        steps.append(first)
    cycles = sorted(set(ends))
    return (
        [lowest for lowest, _ in cycles],
        [length for _, length in cycles],
        [ends.count(cycle) for cycle in cycles],
        np.bincount(steps).tolist(),
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_census(threads: int) -> None:
    task = enumeration._prepare_census(8, threads)
    task.call()
    network = RandomNetwork.draw(8, 0.5, dtype="int16", seed=enumeration.SEED)
    lowest, lengths, basins, transients = take_census_plainly(network)
    assert set(lengths) == {1}, "else states are those of whole cycles"
    states = np.array(lowest)[:, None]
    assert task.answer().checksum == make_answer(states, lengths, basins, transients).checksum
    assert task.work.amount == 2**8


@pytest.mark.parametrize("threads", [1, 2])
def test_influence_and_gradient(threads: int) -> None:
    """Sums of at most 5 products in float32, for 3 steps: 1e-6 covers their rounding."""
    n, n_samples, n_steps = 8, 2, 3
    task = rate._prepare(n, n_samples, n_steps, threads)
    weights, *trials = rate.draw_trials(n, n_samples, n_steps)
    influence, grads = 0.0, np.zeros(n * (n + 1))
    for slopes, activity, signals in zip(*trials, strict=True):
        assert (slopes.sum(axis=1) == n // 2).all()
        last, gradient = naive_rate.advance_influence(
            weights.T.astype(float), slopes, activity, signals, float(rate.LEAK)
        )
        influence += np.abs(last).sum()
        grads += gradient
    for _ in range(2):  # each call from influences of 0
        task.call()
        probes = task.answer().probes
        assert probes["influence"] == pytest.approx(influence, rel=1e-6)
        assert probes["gradient"] == pytest.approx(np.abs(grads).sum(), rel=1e-6)
    assert task.work.amount == n_samples * n_steps
    assert rate._prepare(n, n_samples, n_steps, 1).work == task.work


def test_answers_of_threads_are_the_same() -> None:
    answers = []
    for threads in (1, 2):
        task = rate._prepare(12, 3, 4, threads)
        task.call()
        answers.append(task.answer())
    assert answers[0] == answers[1]
