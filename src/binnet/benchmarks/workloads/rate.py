"""RTRL of rate networks as it runs online: steps of a sample's whole influence matrix a second.

`binnet.rate.gradient` knows all steps of a trial beforehand, and takes them with one panel of the
matrix after the other. Who learns while the trial goes on must take each step with the whole
matrix before the next one: so it is here, with the same kernel.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import draw_integers

LEAK = np.float32(0.5)
#: Relative, of the probes. Each magnitude is a float32 sum of at most 64 products, step by step,
#: good to 1e-6 or so, of which a sum over all cancels most: code without fused multiply-adds was
#: within 1.8e-8.
TOLERANCE = 1e-6


def draw_trials(n: int, n_samples: int, n_steps: int) -> tuple[NDArray[np.float32], ...]:
    """Draw weights, and what a network of them does in some trials.

    Numbers are uniform: normal ones take a logarithm, whose last bit depends on the C library.

    Parameters
    ----------
    n, n_samples, n_steps : int
        Neurons, trials and steps of a trial.

    Returns
    -------
    tuple of ndarray
        W_h, transposed, and of each trial and step slopes, activity and signals. Of the N + 1
        presynaptic neurons the last one is an input.
    """
    weights = _draw_uniform((n, n), stream=0) / np.float32(n**0.5)
    # Half of the ReLUs are silent, others at each step.
    order = np.argsort(draw_integers((n_samples, n_steps, n), np.uint32, 1), axis=2, kind="stable")
    slopes = (order < n // 2).astype(np.float32)
    activity = _draw_uniform((n_samples, n_steps, n + 1), stream=2)
    activity[:, :, :n] = np.abs(activity[:, :, :n]) * slopes
    signals = _draw_uniform((n_samples, n_steps, n), stream=3) * slopes
    return weights, slopes, activity, signals


def _draw_uniform(shape: tuple[int, ...], stream: int) -> NDArray[np.float32]:
    """Return numbers of mean 0 and variance 1."""
    integers = draw_integers(shape, np.int16, stream).astype(np.float32)
    return np.asarray(integers * np.float32(3**0.5 / 2**15))


def _prepare(n_neurons: int, n_samples: int, n_steps: int, threads: int) -> Task:
    from binnet._threads import cut_for, share_out
    from binnet_kernels.rate.rtrl import PANEL, advance_influence

    n, n_columns = n_neurons, n_neurons * (n_neurons + 1)
    n_panels = -(-n_columns // PANEL)
    weights, slopes, activity, signals = draw_trials(n, n_samples, n_steps)
    influence = np.empty((n_samples, n_panels, n, PANEL), np.float32)
    grads = np.empty((n_panels, PANEL), np.float32)
    size, counting = cut_for(threads, n_panels), np.arange(n)

    def call() -> None:
        influence.fill(0)  # as a trial begins
        grads.fill(0)

        def advance(first: int) -> None:
            stop = min(first + size, n_panels)
            advance_influence(
                influence, weights, slopes[:, now], activity[:, now], signals[:, now], LEAK,
                first, stop, grads, np.empty((n, PANEL), np.float32), np.empty(n, np.int64),
                counting,
            )  # fmt: skip

        for t in range(n_steps):
            now = slice(t, t + 1)
            share_out(threads, advance, range(0, n_panels, size))

    def answer() -> Answer:
        probes = {
            "gradient": float(np.abs(grads).sum(dtype=np.float64)),
            "influence": float(np.abs(influence).sum(dtype=np.float64)),
        }
        return make_answer(grads, influence, probes=probes, tolerance=TOLERANCE)

    # Each step of a sample reads and writes its matrix, which a trial's beginning writes. It
    # multiplies the active columns of the Jacobian with it, and the signals of the active ones.
    n_done, n_values = n_samples * n_steps, n * n_columns
    n_bytes = 4 * n_values * (2 * n_done + n_samples)
    operations = 2 * n_done * (n // 2) * (n * n_columns + n_columns)
    return Task(call, answer, Work(n_done, n_bytes, operations))


def _make(level: Level, n_neurons: int, n_samples: int, n_steps: int, is_quick: bool) -> Workload:
    return Workload(
        name=f"rtrl-{n_neurons}",
        suite="rate",
        summary=f"RTRL step by step, {n_samples} trials, N = {n_neurons}, half silent, float32",
        unit="steps",
        level=level,
        operation="fma32",
        is_exact=False,
        sizes={"n_neurons": n_neurons, "n_samples": n_samples, "n_steps": n_steps},
        prepare=partial(_prepare, n_neurons, n_samples, n_steps),
        is_quick=is_quick,
    )


WORKLOADS = (
    _make("L2", 32, 4, 64, False),
    _make("L3", 64, 8, 16, True),
    _make("memory", 128, 16, 2, False),
)
