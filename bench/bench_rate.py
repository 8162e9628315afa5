"""Rate networks against PyTorch on the CPU: iterations of e-prop and BPTT, and a step of RTRL.

Both sides run in this process, in turn, on the same numbers; that they find the same gradient is
asserted first. An iteration is forward pass, gradient and a step of Adam on given trials of the
Romo task (32 trials, 56 steps). Our iterations run on one thread; PyTorch gets two, and one, as
it is often faster with one. Nothing here asserts a time.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from binnet.benchmarks import measure_limits
from binnet.rate import Adam, RateRNN, gradient, tasks
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Workspace
from binnet.rate.model import WEIGHTS
from binnet.rate.rules._gradients import compute_gradient
from sides import describe, report

torch = pytest.importorskip("torch", reason="compares with PyTorch, of the extra bench")

BATCH, LEARNING_RATE = 32, 1e-3


@functools.cache
def peak_flops() -> float:
    """Return the float32 peak of one core."""
    return measure_limits(1, quick=True).peaks["fma32"]


class LeanTorch:
    """The same iteration in PyTorch: three operations a step, everything else once a trial."""

    def __init__(self, network: RateRNN, rule: str) -> None:
        self.weights = {
            name: torch.tensor(value, requires_grad=True)
            for name, value in network.weights().items()
        }
        self.leak, self.detach = network.leak, rule == "eprop"
        self.adam = torch.optim.Adam(self.weights.values(), lr=LEARNING_RATE, fused=True)

    def compute(self, inputs: Any, targets: Any, mask: Any) -> None:
        """Leave the gradient in the weights."""
        self.adam.zero_grad(set_to_none=True)
        recurrent_t = self.weights["recurrent"].T
        drive = (inputs @ self.weights["input_weights"].T).unbind(1)
        h, states = torch.zeros(inputs.shape[0], recurrent_t.shape[0]), []
        for u in drive:
            rate = torch.relu(h.detach() if self.detach else h)
            h = torch.lerp(torch.addmm(u, rate, recurrent_t), h, self.leak)
            states.append(h)
        outputs = torch.relu(torch.stack(states, 1)) @ self.weights["readout"].T
        loss = (mask * (outputs - targets) ** 2).sum() / (2 * mask.sum())
        loss.backward()

    def iterate(self, *trials: Any) -> None:
        self.compute(*trials)
        self.adam.step()


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], benchmark: Any, rounds: int
) -> tuple[list[float], list[float]]:
    """Time both in turn; pytest-benchmark times ours too."""
    times: tuple[list[float], list[float]] = ([], [])

    def timed(work: Callable[[], Any], into: list[float]) -> None:
        begun = time.perf_counter()
        work()
        into.append(time.perf_counter() - begun)

    for work in (ours, theirs):  # compiles
        work()
    benchmark.pedantic(
        lambda: timed(ours, times[0]),
        setup=lambda: timed(theirs, times[1]),
        rounds=rounds,
    )
    return times


@pytest.mark.parametrize("torch_threads", [2, 1])
@pytest.mark.parametrize("n_hidden", [64, 256])
@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_iteration(
    benchmark: Any, quick: bool, rule: str, n_hidden: int, torch_threads: int
) -> None:
    trials = tasks.romo(BATCH, 0)
    network = RateRNN.initialise(1, 2, n_hidden, gain=1.0)
    mask = np.repeat(trials.mask[..., None], 2, axis=2)
    peer = LeanTorch(network, rule)
    as_tensors = [torch.tensor(part) for part in (trials.inputs, trials.targets, mask)]
    torch.set_num_threads(torch_threads)
    peer.compute(*as_tensors)
    expected = gradient(network, trials.inputs, trials.targets, trials.mask, rule=rule)
    for name in WEIGHTS:  # float32, sums over 1792 steps
        theirs, ours = peer.weights[name].grad.numpy(), expected.grads[name]
        assert np.abs(theirs - ours).max() < 2e-4 * np.abs(ours).max()

    shape = (*trials.inputs.shape[:2], 2)
    adam, work = Adam(LEARNING_RATE), Workspace()

    def iterate() -> None:
        goal = make_goal("squared", trials.targets, trials.mask, shape, network.dtype)
        step = compute_gradient(network, trials.inputs, goal, rule, None, 1, work)
        adam.step(network.weights(), step.grads)

    with threadpool_limits(1, "blas"):  # torch's threads are its own
        torch.set_num_threads(torch_threads)
        seconds, peers = alternate(
            iterate,
            lambda: peer.iterate(*as_tensors),
            benchmark,
            1 if quick else 60 if n_hidden == 64 else 20,
        )
    facts = describe(seconds, peers, torch_threads, 0)
    # Products: forward and the sum over time; backward too for BPTT. Silent neurons are skipped.
    products = 3 if rule == "bptt" else 2
    flops = products * 2 * BATCH * 56 * n_hidden**2
    facts |= {"binnet_threads": 1, "fraction_of_arithmetic": flops / min(seconds) / peak_flops()}
    benchmark.extra_info.update(facts)
    report(f"{rule} iteration N={n_hidden}, torch threads {torch_threads}", facts)
