"""One side of a comparison in a process of its own: ``python bench/worker.py {binnet,torch}``.

Two OpenMP runtimes in one process wait for each other, so each side has its own, and the parent
asks them in turn (see `sides.py`). A request is a line of JSON on standard input, and so is the
reply on standard output. Times are taken here, around the work alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH, EPOCHS = 16, 20


def _timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _configuration(request: dict[str, Any]) -> Any:
    from binnet import preset

    return preset(request["preset"]).replace(
        n_hidden=request["n_hidden"], epochs=EPOCHS, seed=request["seed"]
    )


class Binnet:
    """What binnet does: the calls of `train` and `predict`."""

    def __init__(self) -> None:
        from binnet import load_entangled_mnist

        self.data = load_entangled_mnist()

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Train for some epochs; write the weights and all else that the peer needs."""
        from binnet.learning._state import TrainingState

        state = TrainingState.start(_configuration(request), len(self.data.X_train), "")
        for epoch in range(request["epochs_before"]):
            self._learn(state, request["threads"], state.batches_per_epoch)
            state.weights, state.scales = state.network(), np.ones(3)
            state.epoch, state.batch = epoch + 1, 0
        w, rule = state.weights, state._rule()
        np.savez(
            request["path"],
            couplings=w.couplings,
            input_weights=w.input_weights,
            readout=w.readout,
            feedback=w.feedback,
            feedback_fields=w.feedback_fields,
            order=state._order(),
            rate_factors=state._rate_factors(0, state.batches_per_epoch),
            rates=rule.rates,
            decays=rule.decays,
            thresholds=[rule.threshold, rule.readout_threshold],
            amplitudes=state.configuration.schedule.amplitudes,
            self_coupling=w.self_coupling,
        )
        return {}

    def learn(self, request: dict[str, Any]) -> dict[str, Any]:
        """Learn the first batches of the next epoch, in calls as long as those of `train`."""
        state = self.resume(request)
        # A call also brings the weights into the kernels' layout and back: timed by a call that
        # learns nothing, so that a burst far shorter than the calls of `train` can be scaled to an
        # epoch.
        threads, n_batches = request["threads"], request["n_batches"]
        fixed = _timed(lambda: self._learn_once(state, threads, 0))
        seconds = _timed(lambda: self._learn(state, threads, n_batches))
        n = n_batches * BATCH
        return {
            "seconds": seconds,
            "fixed": fixed,
            "calls": -(-n_batches // self._per_call(request["n_hidden"])),
            "calls_per_epoch": -(-state.batches_per_epoch // self._per_call(request["n_hidden"])),
            "unstable": int(state.totals[2]) / (n * request["n_hidden"]),
            "flips": (state.changes / (n * request["n_hidden"])).tolist(),
        }

    def resume(self, request: dict[str, Any]) -> Any:
        """Return the state that `prepare` wrote."""
        from binnet.learning._state import TrainingState

        state = TrainingState.start(_configuration(request), len(self.data.X_train), "")
        state.weights, state.epoch = self._network(request), request["epochs_before"]
        return state

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Predict the test samples."""
        from binnet import predict

        network, classes = self._network(request), []
        X = self.data.X_test[: request["n_samples"]]
        seconds = _timed(lambda: classes.append(predict(network, X, threads=request["threads"])))
        return {"seconds": seconds, "classes": classes[0].tolist()}

    def _network(self, request: dict[str, Any]) -> Any:
        from binnet import BinaryNetwork

        with np.load(request["path"]) as case:
            return BinaryNetwork(
                *(case[name] for name in ("couplings", "input_weights", "readout", "feedback")),
                float(case["self_coupling"]),
            )

    def _learn(self, state: Any, threads: int, n_batches: int) -> None:
        per_call = self._per_call(state.weights.n_hidden)
        while state.batch < n_batches:
            self._learn_once(state, threads, min(per_call, n_batches - state.batch))

    def _learn_once(self, state: Any, threads: int, n_batches: int) -> None:
        from binnet._threads import running_on

        with running_on(threads):
            state.learn(self.data.X_train, self.data.y_train, n_batches, threads)

    def _per_call(self, n_hidden: int) -> int:
        from binnet.learning.trainer import _WORK_PER_CALL

        return max(1, int(_WORK_PER_CALL / (BATCH * n_hidden * (n_hidden + 1000))))

    def kernels(self, request: dict[str, Any]) -> dict[str, Any]:
        """Time the kernels one by one."""
        from kernel_limits import time_kernels

        return time_kernels(request["n_hidden"])


class Torch:
    """The peer; see `lean_torch`."""

    def __init__(self) -> None:
        import torch

        from binnet.datasets import load_entangled_mnist

        self.torch = torch
        self.data = load_entangled_mnist()

    def learn(self, request: dict[str, Any]) -> dict[str, Any]:
        """Learn the same batches; putting them in order is timed, as on the other side."""
        from lean_torch import as_batches

        self.torch.set_num_threads(request["threads"])
        model, rule, case = load_case(request["path"])
        n = request["n_batches"]

        def work() -> None:
            order = case["order"][: n * BATCH]
            X, y = as_batches(self.data.X_train, self.data.y_train, order, BATCH)
            model.learn(X, y, rule, case["rate_factors"][:n])

        return {"seconds": _timed(work), "fixed": 0.0, "calls": 0, "calls_per_epoch": 0}

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Predict the test samples in one big batch."""
        self.torch.set_num_threads(request["threads"])
        model, _, _ = load_case(request["path"])
        X, classes = self.data.X_test[: request["n_samples"]], []

        def work() -> None:
            columns = self.torch.from_numpy(X).T.to(self.torch.float32)
            classes.append(model.predict(columns, 10, request["only_active"])[0])

        return {"seconds": _timed(work), "classes": classes[0].tolist()}


def load_case(path: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return the peer's model and rule, and the rest of what `prepare` wrote."""
    from lean_torch import LeanTorch, Rule

    with np.load(path) as arrays:
        case = dict(arrays)
    rule = Rule(
        tuple(case["rates"].tolist()),
        tuple(case["decays"].tolist()),
        *case["thresholds"].tolist(),
        tuple(case["amplitudes"].tolist()),
    )
    return LeanTorch(case, float(case["self_coupling"])), rule, case


def main() -> None:
    side: Any = {"binnet": Binnet, "torch": Torch}[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(side, request.pop("do"))(request)), flush=True)


if __name__ == "__main__":
    main()
