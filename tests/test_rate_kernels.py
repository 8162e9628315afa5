"""Each kernel of the rate networks equals its plain loop, in both precisions and on any threads.

Tolerances are rounding: a few hundred sums and products of order 1, so about 1e-13 in float64 and
1e-5 in float32.
"""

from typing import Any

import numpy as np
import pytest

import naive_rate as naive
from binnet._threads import share_out
from binnet.rate._trajectories import Workspace, pad_columns
from binnet_kernels.rate import rtrl, steps

B, T, N_IN, LEAK = 3, 6, 2, 0.3
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
DTYPES, ACTIVATIONS = tuple(TOLERANCE), ("relu", "tanh")
SIZES = (1, 7, 13, 64, 65)


def close(ours: Any, reference: Any, dtype: str) -> None:
    assert np.asarray(ours).dtype == dtype
    scale = max(1.0, float(np.abs(reference).max()))
    np.testing.assert_allclose(ours, reference, rtol=0, atol=TOLERANCE[dtype] * scale)


def make_weights(n: int, dtype: str, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)).astype(dtype)


def follow(w: Any, drive: Any, activation: str) -> tuple[Any, Any]:
    n, number = len(w), w.dtype.type
    states = np.full((len(drive), drive.shape[1] + 1, n), np.nan, w.dtype)
    states[:, 0] = 0
    rates = states.copy()
    padded = pad_columns(w.T, "w", Workspace())
    field = np.full((1, padded.shape[1]), np.nan, w.dtype)  # what scratch holds must not matter
    active = np.empty(n, np.int64)
    steps.run_rate(
        padded, drive, number(LEAK), activation == "tanh", states, rates, field, active,
        np.arange(n),
    )  # fmt: skip
    return states, rates


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_trajectory_slopes_and_backward_pass(n: int, activation: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    w, drive = make_weights(n, dtype), rng.standard_normal((B, T, n)).astype(dtype)
    states, rates = follow(w, drive, activation)
    slopes = np.empty_like(rates)
    steps.write_slopes(rates.reshape(-1), activation == "tanh", slopes.reshape(-1))
    signals = rng.standard_normal((B, T + 1, n)).astype(dtype)
    deltas = np.full_like(signals, np.nan)
    padded = pad_columns(w, "w", Workspace())
    field = np.full((1, padded.shape[1]), np.nan, dtype)
    steps.backpropagate_rate(
        padded, signals, slopes, w.dtype.type(LEAK), deltas, field, np.arange(n)
    )
    for b in range(B):
        h, r = naive.run_rate(w.astype(float), drive[b].astype(float), LEAK, activation)
        phi = np.array([[naive.slope(x, activation) for x in row] for row in h])
        close(states[b], h, dtype)
        close(rates[b], r, dtype)
        close(slopes[b], phi, dtype)
        expected = naive.backpropagate_rate(w.astype(float), signals[b].astype(float), phi, LEAK)
        close(deltas[b], expected, dtype)


def test_a_nan_is_passed_on_and_stays_in_its_sample() -> None:
    drive = np.ones((2, 4, 5), np.float32)
    drive[0, 1, 2] = np.nan
    states, rates = follow(make_weights(5, "float32"), drive, "relu")
    assert np.isnan(rates[0, 2, 2])
    assert np.isnan(rates[0, 4]).all()
    assert np.isfinite(states[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_traces(dtype: str) -> None:
    n, n_pre = 5, 7
    rng = np.random.default_rng(2)
    activity = rng.standard_normal((B, T + 1, n_pre)).astype(dtype)
    signals, slopes = rng.standard_normal((2, B, T + 1, n)).astype(dtype)
    own = rng.standard_normal(n).astype(dtype)
    traces = np.full((B, T + 1, n_pre), np.nan, dtype)
    leak = traces.dtype.type(LEAK)
    steps.filter_traces(activity, leak, traces)
    grads = np.ones((n, n_pre), dtype)
    steps.accumulate_self_traces(
        own, signals, slopes, activity, leak, np.empty(n_pre, dtype), grads
    )
    expected = np.ones((n, n_pre))
    for b in range(B):
        z = activity[b].astype(float)
        close(traces[b], naive.filter_traces(z, T + 1, LEAK), dtype)
        expected += naive.accumulate_self_traces(
            own.astype(float), signals[b].astype(float), slopes[b].astype(float), z, LEAK
        )
    close(grads, expected, dtype)


def advance(case: dict[str, Any], threads: int, at_once: int = T) -> tuple[Any, Any]:
    """Influence as (B, N, N K) and gradient, taking `at_once` steps in each call."""
    w = case["w"]
    n, n_pre = len(w), case["activity"].shape[2]
    n_panels = -(-n * n_pre // rtrl.PANEL)
    influence = np.zeros((B, n_panels, n, rtrl.PANEL), w.dtype)
    grads = np.zeros((n_panels, rtrl.PANEL), w.dtype)
    weights = np.ascontiguousarray(w.T)
    size = -(-n_panels // threads)
    for t in range(0, T, at_once):
        parts = [np.ascontiguousarray(case[k][:, t : t + at_once])
                 for k in ("slopes", "activity", "signals")]  # fmt: skip
        arguments = (influence, weights, *parts, w.dtype.type(LEAK))

        def take(first: int, arguments: tuple[Any, ...] = arguments) -> None:
            scaled, active = np.empty((n, rtrl.PANEL), w.dtype), np.empty(n, np.int64)
            stop = min(first + size, n_panels)
            rtrl.advance_influence(*arguments, first, stop, grads, scaled, active, np.arange(n))

        share_out(threads, take, range(0, n_panels, size))
    flat = influence.transpose(0, 2, 1, 3).reshape(B, n, -1)
    return flat[:, :, : n * n_pre], grads.reshape(-1)[: n * n_pre]


def make_influence_case(n: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    slopes = rng.random((B, T, n)) * (rng.random((B, T, n)) < 0.5)
    signals = rng.standard_normal((B, T, n)) * (rng.random((B, T, 1)) < 0.7)
    activity = rng.standard_normal((B, T, n + N_IN))
    case = {"slopes": slopes, "signals": signals, "activity": activity}
    return {"w": make_weights(n, dtype)} | {k: v.astype(dtype) for k, v in case.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 7, 12])
def test_influence(n: int, dtype: str) -> None:
    case = make_influence_case(n, dtype)
    influence, grads = advance(case, 1)
    total = np.zeros(len(grads))
    for b in range(B):
        one = [case[k][b].astype(float) for k in ("slopes", "activity", "signals")]
        expected, gradient = naive.advance_influence(case["w"].astype(float), *one, LEAK)
        close(influence[b], expected, dtype)
        total += gradient
    close(grads, total, dtype)


def test_influence_depends_neither_on_threads_nor_on_steps_per_call() -> None:
    case = make_influence_case(21, "float32")
    influence, grads = advance(case, 1)
    for threads, at_once in ((2, T), (1, 1), (2, 4)):
        again, grads_again = advance(case, threads, at_once)
        assert np.array_equal(influence, again)
        # The order of samples and steps in the sum over both differs with the steps per call.
        if at_once == T:
            assert np.array_equal(grads, grads_again)
        close(grads_again, grads, "float32")


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam(dtype: str) -> None:
    from binnet.rate import Adam

    rng = np.random.default_rng(5)
    start, grads = rng.standard_normal(6), rng.standard_normal((4, 6))
    weights = {"w": start.astype(dtype)}
    adam = Adam(0.01)
    expected = naive.step_adam(start, grads, 0.01, 0.9, 0.999, 1e-8)
    for grad, wanted in zip(grads, expected, strict=True):
        adam.step(weights, {"w": grad.astype(dtype)})
        close(weights["w"], wanted, dtype)
