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

from binnet._threads import share_out
from binnet.rate import Adam, RateRNN, gradient, tasks
from binnet.rate._gradients import compute_gradient
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Workspace
from binnet.rate.model import WEIGHTS
from binnet_kernels.rate import rtrl
from kernel_limits import fastest
from sides import describe, report

torch = pytest.importorskip("torch", reason="compares with PyTorch, of the extra bench")

BATCH, LEARNING_RATE = 32, 1e-3


@functools.cache
def peak_flops() -> float:
    """Return the arithmetic peak of one core: products short enough to run undisturbed."""
    a = np.ones((512, 512), np.float32)
    out = np.empty_like(a)
    with threadpool_limits(1):
        return float(2 * 512**3 / fastest(lambda: np.matmul(a, a, out=out), 2.0))


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


@pytest.mark.parametrize("active", [0.5, 0.25, 1.0])
@pytest.mark.parametrize("threads", [2, 1])
def test_rtrl_step(benchmark: Any, quick: bool, threads: int, active: float) -> None:
    """One step of the influence of 32 samples, N = 128: D P, where some ReLUs are silent."""
    n = 32 if quick else 128
    n_pre = n + 1
    n_columns = n * n_pre
    n_panels = -(-n_columns // rtrl.PANEL)
    rng = np.random.default_rng(0)
    weights = (rng.standard_normal((n, n)) / np.sqrt(n)).astype(np.float32)
    slopes = np.zeros((BATCH, 1, n), np.float32)
    for row in slopes[:, 0]:
        row[rng.permutation(n)[: int(active * n)]] = 1
    influence = np.zeros((BATCH, n_panels, n, rtrl.PANEL), np.float32)
    flat = rng.standard_normal((BATCH, n, n_columns)).astype(np.float32)
    whole = n_columns // rtrl.PANEL  # n_columns is a multiple of PANEL here, and need not be
    influence[:, :whole] = flat[:, :, : whole * rtrl.PANEL].reshape(
        BATCH, n, whole, rtrl.PANEL
    ).transpose(0, 2, 1, 3)  # fmt: skip
    jacobians = torch.tensor(0.5 * np.eye(n, dtype=np.float32) + 0.5 * weights * slopes)
    flat_tensor, product = torch.tensor(flat), torch.empty((BATCH, n, n_columns))
    arguments = (
        np.ascontiguousarray(weights.T), slopes, np.zeros((BATCH, 1, n_pre), np.float32),
        np.zeros((BATCH, 1, n), np.float32), np.float32(0.5),
    )  # fmt: skip
    grads, size = np.zeros((n_panels, rtrl.PANEL), np.float32), -(-n_panels // threads)

    def advance(influence: Any) -> None:
        def take(first: int) -> None:
            scaled, active = np.empty((n, rtrl.PANEL), np.float32), np.empty(n, np.int64)
            stop = min(first + size, n_panels)
            rtrl.advance_influence(
                influence, *arguments, first, stop, grads, scaled, active, np.arange(n)
            )

        share_out(threads, take, range(0, n_panels, size))

    torch.set_num_threads(threads)
    first = influence.copy()
    advance(first)
    torch.bmm(jacobians, flat_tensor, out=product)
    ours = first[:, :whole].transpose(0, 2, 1, 3).reshape(BATCH, n, -1)
    difference = np.abs(ours - product.numpy()[:, :, : whole * rtrl.PANEL]).max()
    assert difference < 1e-4  # float32, sums of up to 128 products of order 0.1

    ours_times, theirs = alternate(
        lambda: advance(influence),
        lambda: torch.bmm(jacobians, flat_tensor, out=product),
        benchmark,
        1 if quick else 8,
    )
    facts = describe(ours_times, theirs, threads, 0)
    flops = 2 * BATCH * n * n_columns * active * n
    facts |= {
        "active": active,
        "fraction_of_arithmetic": flops / min(ours_times) / (threads * peak_flops()),
        "bytes_per_second": 2 * influence.nbytes / min(ours_times),
    }
    benchmark.extra_info.update(facts)
    report(f"rtrl step N={n}, active {active}, threads {threads}", facts)
