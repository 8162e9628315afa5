"""A side of `bench_pixels` in a process of its own: ``pixels_worker.py {binnet,torch}``.

Two OpenMP runtimes in one process wait for each other, so each side has its own, and the parent
asks them in turn (see `sides.py`). A request is a line of JSON on standard input, and so is the
reply on standard output. Times are taken here, around the work alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from binnet import BinaryNetwork, load_entangled_mnist, predict, preset
from binnet.datasets import load_mnist
from binnet.learning import Configuration, Run, load_checkpoint, save_checkpoint
from binnet.learning.run import _WORK_PER_CALL

BATCH, EPOCHS = 16, 20

# Beside the presets of binnet: "graded", settings that another library of this rule has published
# for MNIST's pixels in [0, 1] (docs/results/mnist.md). What is not here is the source's.
GRADED: dict[str, Any] = {
    "n_inputs": 784,
    "density": 0.01,
    "input_density": 0.1,
    "self_coupling": 0.95,
    "margin": 0.83,
    "readout_margin": 7.0,
    "input_strength": 5.0,
    "feedback_strength": 1.3,
    "rate_couplings": 0.159,
    "rate_input": 0.058,
    "rate_readout": 0.17,
    "decay_couplings": 0.0,
    "decay_readout": 0.0,
}

Request = dict[str, Any]


def _timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    begun = clock()
    work()
    return clock() - begun


def _clock(request: Request) -> Callable[[], float]:
    """Return the clock of a request: of one thread, processor time says more."""
    return time.process_time if request["threads"] == 1 else time.perf_counter


def _configuration(request: Request) -> Configuration:
    base = preset("source").replace(**GRADED) if is_graded(request) else preset(request["preset"])
    return base.replace(n_hidden=request["n_hidden"], epochs=EPOCHS, seed=request["seed"])


def is_graded(request: Request) -> bool:
    """Return whether a request is about pixels, in place of spins."""
    return bool(request["preset"] == "graded")


@cache
def load_data(graded: bool) -> Any:
    """Return the samples: entangled MNIST, or pixels as uint8.

    Where MNIST's files are not found (BINNET_MNIST_DIR), pixels as sparse as theirs stand in, for
    the tests alone: a time is quoted of the real ones.
    """
    if not graded:
        return load_entangled_mnist()
    try:
        return SimpleNamespace(
            **dict(zip(("X_train", "y_train", "X_test", "y_test"), load_mnist(), strict=True))
        )
    except FileNotFoundError:
        rng = np.random.default_rng(0)
        pixels = rng.integers(256, size=(70000, 784)).astype(np.uint8)
        pixels *= rng.random(pixels.shape, np.float32) < 0.2
        y = rng.integers(10, size=70000)
        return SimpleNamespace(
            X_train=pixels[:60000], y_train=y[:60000], X_test=pixels[60000:], y_test=y[60000:]
        )


def _checkpoint(request: Request) -> Path:
    """Return where `prepare` leaves the run itself, beside what the peer needs."""
    return Path(request["path"]).with_suffix(".safetensors")


class Binnet:
    """What binnet does: the calls of `train` and `predict`."""

    def prepare(self, request: Request) -> dict[str, Any]:
        """Train for some epochs; write the run, its weights and all else that the peer needs."""
        configuration, data = _configuration(request), load_data(is_graded(request))
        run = Run.start(configuration, len(data.X_train))
        for _ in range(request["epochs_before"]):
            self._learn(run, data, request["threads"], run.batches_per_epoch)
            run.next_epoch()
        save_checkpoint(_checkpoint(request), run)
        w, plasticity = run.network().to_dense(), configuration.plasticity
        n_batches = run.batches_per_epoch
        np.savez(
            request["path"],
            couplings=w.couplings,
            input_weights=w.input_weights,
            readout=w.readout,
            feedback_fields=w.feedback_fields,
            order=run._order(),
            rate_factors=plasticity.rate_factors(
                run.epoch * n_batches, n_batches, EPOCHS * n_batches
            ),
            rates=plasticity.scaled_rates(configuration.network)
            * plasticity.gains(configuration.network)[:, 0],
            decays=plasticity.losses(configuration.network),
            thresholds=[
                plasticity.margin
                + float(w.fixed_help[0]) * plasticity.margin_excludes_self_coupling,
                plasticity.readout_margin,
            ],
            amplitudes=configuration.schedule.amplitudes,
            self_coupling=w.self_coupling,
        )
        return {}

    def learn(self, request: Request) -> dict[str, Any]:
        """Learn the first batches of the next epoch, in calls as long as those of `train`."""
        run, data, clock = self.resume(request), load_data(is_graded(request)), _clock(request)
        # A call also brings the weights into the kernels' layout and back: timed by a call that
        # learns nothing, so that a burst far shorter than the calls of `train` can be scaled to an
        # epoch. Kernels are looked up before that, once a run.
        run.compile(data.X_train, data.y_train)
        threads, n_batches = request["threads"], request["n_batches"]
        fixed = _timed(lambda: self._learn_once(run, data, threads, 0), clock)
        seconds = _timed(lambda: self._learn(run, data, threads, n_batches), clock)
        n = n_batches * BATCH
        return {
            "seconds": seconds,
            "fixed": fixed,
            "calls": -(-n_batches // self._per_call(request["n_hidden"])),
            "calls_per_epoch": -(-run.batches_per_epoch // self._per_call(request["n_hidden"])),
            "unstable": int(run.totals[2]) / (n * request["n_hidden"]),
            "flips": (run.changes / (n * request["n_hidden"])).tolist(),
        }

    def resume(self, request: Request) -> Run:
        """Return the run that `prepare` wrote."""
        return load_checkpoint(_checkpoint(request))

    def predict(self, request: Request) -> dict[str, Any]:
        """Predict the test samples."""
        network: BinaryNetwork = self.resume(request).network()
        classes: list[Any] = []
        X = load_data(is_graded(request)).X_test[: request["n_samples"]]
        threads = request["threads"]
        seconds = _timed(
            lambda: classes.append(predict(network, X, threads=threads)), _clock(request)
        )
        return {"seconds": seconds, "classes": classes[0].tolist()}

    def _learn(self, run: Run, data: Any, threads: int, n_batches: int) -> None:
        per_call = self._per_call(run.configuration.network.n_neurons)
        while run.batch < n_batches:
            self._learn_once(run, data, threads, min(per_call, n_batches - run.batch))

    def _learn_once(self, run: Run, data: Any, threads: int, n_batches: int) -> None:
        run.learn(data.X_train, data.y_train, n_batches, threads)

    def _per_call(self, n_hidden: int) -> int:
        return max(1, int(_WORK_PER_CALL / (BATCH * n_hidden * (n_hidden + 1000))))


class Torch:
    """The peer; see `binnet.benchmarks.peers._lean_torch`."""

    def __init__(self) -> None:
        import torch

        torch.set_grad_enabled(False)
        self.torch = torch

    def learn(self, request: Request) -> dict[str, Any]:
        """Learn the same batches; putting them in order is timed, as on the other side."""
        from binnet.benchmarks.peers._lean_torch import as_batches

        self.torch.set_num_threads(request["threads"])
        model, rule, case = load_case(request["path"], request.get("sparse", False))
        n, data = request["n_batches"], load_data(is_graded(request))

        def work() -> None:
            order = case["order"][: n * BATCH]
            X, y = as_batches(data.X_train, data.y_train, order, BATCH)
            model.learn(X, y, rule, case["rate_factors"][:n])

        return {
            "seconds": _timed(work, _clock(request)),
            "fixed": 0.0,
            "calls": 0,
            "calls_per_epoch": 0,
        }

    def predict(self, request: Request) -> dict[str, Any]:
        """Predict the test samples in one big batch."""
        self.torch.set_num_threads(request["threads"])
        model, _, _ = load_case(request["path"])
        X = load_data(is_graded(request)).X_test[: request["n_samples"]]
        classes: list[Any] = []

        def work() -> None:
            columns = self.torch.from_numpy(X).T.to(self.torch.float32)
            if X.dtype == np.uint8:
                columns.div_(255)
            classes.append(model.predict(columns, 10, request["only_active"])[0])

        return {"seconds": _timed(work, _clock(request)), "classes": classes[0].tolist()}


def load_case(path: str, sparse: bool = False) -> tuple[Any, Any, dict[str, Any]]:
    """Return the peer's model and rule, and the rest of what `prepare` wrote."""
    from binnet.benchmarks.peers._lean_torch import LeanTorch, Rule

    with np.load(path) as arrays:
        case = dict(arrays)
    rule = Rule(
        case["rates"].tolist(),
        case["decays"].tolist(),
        float(case["thresholds"][0]),
        float(case["thresholds"][1]),
        case["amplitudes"].tolist(),
    )
    return LeanTorch(case, float(case["self_coupling"]), sparse), rule, case


def main() -> None:
    side: Any = {"binnet": Binnet, "torch": Torch}[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(side, request.pop("do"))(request)), flush=True)


if __name__ == "__main__":
    main()
