"""Works on one and on two threads in turn: ``python bench/threads_worker.py ROW SECONDS ROUNDS``.

A process of its own, so that `bench_threads` can bind it to a core before it starts. Prints the
seconds of each round as JSON; 0 rounds only compile.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from binnet import (
    NetworkParameters,
    RandomNetwork,
    fixed_points,
    load_entangled_mnist,
    predict,
    preset,
    relax,
    train,
)
from binnet.learning import Configuration
from binnet.networks import BinaryNetwork
from binnet.rate import RateRNN, gradient, tasks

Work = Callable[[int | None], float | None]


def _train(n_samples: int, **options: Any) -> Work:
    """Seconds of learning as `train` counts them: without compilation and evaluation."""
    data = load_entangled_mnist()
    X, y = data.X_train[:n_samples], data.y_train[:n_samples]
    configuration: Configuration = preset("source").replace(**options)

    def work(threads: int | None) -> float:
        history = train(X, y, configuration, threads=threads).history
        return sum(metrics.seconds for metrics in history)

    return work


def _predict(n_hidden: int) -> Work:
    data = load_entangled_mnist()
    X, y = data.X_train[:4000], data.y_train[:4000]
    network = train(X, y, preset("source").replace(epochs=1, n_hidden=n_hidden)).network
    return lambda threads: _void(predict(network, data.X_test, threads=threads))


def _predict_few() -> Work:
    """A service's work: a hundred requests of 16 samples."""
    network = BinaryNetwork.random(NetworkParameters(n_hidden=400))
    X = load_entangled_mnist().X_test[:16]
    return lambda threads: _void([predict(network, X, threads=threads) for _ in range(100)])


def _relax(n_neurons: int, replicas: int, seeds: int) -> Work:
    network = RandomNetwork.draw(n_neurons, self_coupling=1.0, dtype="int16", seed=0)

    def work(threads: int | None) -> None:
        for seed in range(seeds):
            relax(network, replicas=replicas, seed=seed, threads=threads)

    return work


def _enumerate() -> Work:
    network = RandomNetwork.draw(29, self_coupling=0.8, seed=1)
    return lambda threads: _void(
        fixed_points.enumerate(network, method="gray", threads=threads, progress=False)
    )


def _rtrl() -> Work:
    trials = tasks.romo(batch_size=8, seed=0)
    network = RateRNN.initialise(trials.inputs.shape[2], trials.targets.shape[2], n_hidden=64)
    return lambda threads: _void(
        gradient(network, trials.inputs, trials.targets, trials.mask, rule="rtrl", threads=threads)
    )


def _void(_: Any) -> None:
    """Forget a result."""


ROWS: dict[str, Callable[[], Work]] = {
    "training H=400": lambda: _train(60000, epochs=3, n_hidden=400),
    "training H=1600": lambda: _train(16000, epochs=1, n_hidden=1600),
    "training int8 H=400": lambda: _train(60000, epochs=2, n_hidden=400, arithmetic="int8"),
    "inference H=400": lambda: _predict(400),
    "inference, 16 samples": _predict_few,
    "relaxation of 64 replicas": lambda: _relax(1600, 64, 4),
    "relaxation of one replica N=6400": lambda: _relax(6400, 1, 4),
    "enumeration N=29": _enumerate,
    "rate network, RTRL": _rtrl,
}


def main() -> None:
    row, seconds, n_rounds = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    work = ROWS[row]()
    times: dict[str, list[float]] = {"1": [], "2": [], "None": []}

    def measure(threads: int | None, keep: bool) -> None:
        begun = time.perf_counter()
        counted = work(threads)
        if keep:
            times[str(threads)].append(counted or time.perf_counter() - begun)

    measure(1, False)  # compiles
    ended = time.perf_counter() + seconds
    for k in range(n_rounds):
        if k > 2 and time.perf_counter() > ended:
            break
        for threads in np.roll(np.array([1, 2, None], object), k):
            measure(threads, True)
    print(json.dumps(times))


if __name__ == "__main__":
    main()
