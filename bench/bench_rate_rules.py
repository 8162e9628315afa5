"""What each learning rule of a rate network costs, and many networks in one process.

The rules are compared with the same maths in lean NumPy (rate_peers.py), in this process, in turn,
on one thread; that they find the same gradient is asserted first. An iteration is forward pass,
gradient and a step of Adam on given trials of the Romo task (32 trials, 56 steps, N = 64, float32).
`train_together` of five seeds is compared with five processes of `binnet rnn train`, one after the
other. Nothing here asserts a time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import rate_peers as peers
from binnet.rate import RULES, Adam, RateConfiguration, RateRNN, gradient, tasks, train_together
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Workspace
from binnet.rate.rules._gradients import compute_gradient
from binnet.rate.tasks import Trials
from sides import report

BATCH, LEARNING_RATE, SEEDS = 32, 1e-3, 5
PEERS: dict[str, Callable[[RateRNN, Trials], dict[str, Any]]] = {
    "bptt": peers.bptt_numpy,
    "tbptt-8": partial(peers.bptt_numpy, chunk=8),
    "rtrl": peers.rtrl_numpy,
    "eprop": peers.eprop_numpy,
    "eprop-self": peers.eprop_self_numpy,
    "snap-2": peers.snap_numpy,
    "modprop-2": peers.modprop_numpy,
    "uoro": peers.uoro_numpy,
    "kf-rtrl": peers.kf_rtrl_numpy,
}
# Updates of a run of `train_together`, and turns of the rules: the slow ones get few.
ITERATIONS, ROUNDS, SLOW_ROUNDS, SLOW_SECONDS = 1000, 60, 3, 0.2


def time_in_turn(sides: tuple[Callable[[], Any], ...], quick: bool) -> list[float]:
    """Return the shortest time of each side, in seconds."""
    times: list[list[float]] = [[] for _ in sides]
    rounds = 1 if quick else ROUNDS
    while len(times[0]) < rounds:
        for work, into in zip(sides, times, strict=True):
            begun = time.perf_counter()
            work()
            into.append(time.perf_counter() - begun)
        if sum(map(sum, times)) > SLOW_SECONDS * ROUNDS:
            rounds = min(rounds, max(SLOW_ROUNDS, len(times[0])))
    return [min(taken) for taken in times]


@pytest.mark.parametrize("rule", RULES)
def test_rule(benchmark: Any, quick: bool, rule: str) -> None:
    batch, n_hidden = (4, 16) if quick else (BATCH, 64)
    trials = tasks.romo(batch, 0)
    network = RateRNN.initialise(1, 2, n_hidden, gain=1.0)
    peer = PEERS[rule]
    ours = gradient(network, trials.inputs, trials.targets, trials.mask, rule=rule).grads
    for name, theirs in peer(network, trials).items():  # float32, sums over all steps
        assert np.abs(theirs - ours[name]).max() < 1e-3 * np.abs(ours[name]).max()

    shape = (*trials.inputs.shape[:2], 2)
    mine, theirs = network.copy(), network.copy()
    adam, their_adam, work = Adam(LEARNING_RATE), Adam(LEARNING_RATE), Workspace()

    def iterate() -> None:
        goal = make_goal("squared", trials.targets, trials.mask, shape, network.dtype)
        step = compute_gradient(mine, trials.inputs, goal, rule, None, 1, work)
        adam.step(mine.weights(), step.grads)

    def iterate_peer() -> None:
        their_adam.step(theirs.weights(), peer(theirs, trials))

    with threadpool_limits(1, "blas"):
        iterate()
        benchmark.pedantic(iterate, rounds=1)
        seconds, of_peer = time_in_turn((iterate, iterate_peer), quick)
    facts = {
        "binnet_ms": 1e3 * seconds,
        "numpy_ms": 1e3 * of_peer,
        "ratio": of_peer / seconds,
        "load": os.getloadavg()[0],
    }
    benchmark.extra_info.update(facts)
    report(f"{rule}, N={n_hidden}, B={batch}, one thread each", facts)


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_train_together(benchmark: Any, quick: bool, tmp_path: Path, rule: str) -> None:
    iterations, n_seeds = (3, 2) if quick else (ITERATIONS, SEEDS)
    runs = [RateConfiguration(rule=rule, iterations=iterations, seed=k) for k in range(n_seeds)]

    def run_apart() -> None:
        for c in runs:
            options = {"rule": rule, "iterations": c.iterations, "seed": c.seed}
            given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
            out = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            command = [sys.executable, "-m", "binnet", "rnn", "train", *given, "--out", str(out)]
            subprocess.run(command, check=True, capture_output=True)

    def run_together() -> None:
        train_together(runs)

    run_together()  # compiles
    benchmark.pedantic(run_together, rounds=1)
    rounds = 1 if quick else 3
    apart: list[float] = []
    together: list[float] = []
    for _ in range(rounds):
        for work, into in ((run_apart, apart), (run_together, together)):
            begun = time.perf_counter()
            work()
            into.append(time.perf_counter() - begun)
    facts = {
        "together_s": min(together),
        "apart_s": min(apart),
        "ratio": min(apart) / min(together),
        "iterations": iterations,
        "load": os.getloadavg()[0],
    }
    benchmark.extra_info.update(facts)
    report(f"{n_seeds} seeds of {rule}, all cores", facts)
