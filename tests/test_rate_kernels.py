"""Each kernel of the rate networks equals its plain loop, in both precisions and on any threads.

Tolerances are rounding: a few hundred sums and products of order 1, so about 1e-13 in float64 and
1e-5 in float32.
"""

from typing import Any

import numpy as np
import pytest

import naive_rate as naive
from binnet._threads import share_out
from binnet.rate._trajectories import Workspace, pad_columns, pad_width
from binnet_kernels.rate import rtrl, steps, sums

B, T, N_IN, N_OUT, LEAK = 3, 6, 2, 2, 0.3
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
DTYPES, ACTIVATIONS = tuple(TOLERANCE), ("relu", "tanh")
SIZES = (1, 7, 13, 64, 65)


def close(ours: Any, reference: Any, dtype: str) -> None:
    assert np.asarray(ours).dtype == dtype
    scale = max(1.0, float(np.abs(reference).max()))
    np.testing.assert_allclose(ours, reference, rtol=0, atol=TOLERANCE[dtype] * scale)


def make_weights(n: int, dtype: str, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal((n, n)) / np.sqrt(n)).astype(dtype)


def follow(w: Any, w_x: Any, inputs: Any, activation: str) -> tuple[Any, Any]:
    n, number = len(w), w.dtype.type
    states = np.full((len(inputs), inputs.shape[1] + 1, n), np.nan, w.dtype)
    states[:, 0] = 0
    rates = states.copy()
    weights_t = pad_columns(np.vstack([w.T, w_x.T]), "w", Workspace())
    field = np.full((1, weights_t.shape[1]), np.nan, w.dtype)  # what scratch holds must not matter
    sources = np.full((len(weights_t), 1), np.nan, w.dtype)
    steps.run_rate(
        weights_t, inputs, number(LEAK), activation == "tanh", states, rates, field, sources,
        sources.view(f"i{w.dtype.itemsize}"), np.empty(len(weights_t), np.int64),
    )  # fmt: skip
    return states, rates


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_trajectory_slopes_and_backward_pass(n: int, activation: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    w, w_x = make_weights(n, dtype), rng.standard_normal((n, N_IN)).astype(dtype)
    inputs = (rng.standard_normal((B, T, N_IN)) * (rng.random((B, T, N_IN)) < 0.7)).astype(dtype)
    states, rates = follow(w, w_x, inputs, activation)
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
        drive = inputs[b].astype(float) @ w_x.T.astype(float)
        h, r = naive.run_rate(w.astype(float), drive, LEAK, activation)
        phi = np.array([[naive.slope(x, activation) for x in row] for row in h])
        close(states[b], h, dtype)
        close(rates[b], r, dtype)
        close(slopes[b], phi, dtype)
        expected = naive.backpropagate_rate(w.astype(float), signals[b].astype(float), phi, LEAK)
        close(deltas[b], expected, dtype)


def test_a_nan_is_passed_on_and_stays_in_its_sample() -> None:
    inputs = np.ones((2, 4, 1), np.float32)
    inputs[0, 1, 0] = np.nan
    states, rates = follow(make_weights(5, "float32"), np.ones((5, 1), "f"), inputs, "relu")
    assert np.isnan(rates[0, 2, 2])
    assert np.isnan(rates[0, 4]).all()
    assert np.isfinite(states[1]).all()


class Batch:
    """Trials of made-up rates with steps that have no error, as float64 of the same numbers."""

    def __init__(self, n: int, activation: str, dtype: str) -> None:
        rng = np.random.default_rng(2)
        rates = rng.uniform(-0.9, 0.9, (B, T + 1, n))
        rates = np.maximum(rates, 0) if activation == "relu" else rates
        inputs = rng.standard_normal((B, T, N_IN)) * (rng.random((B, T, N_IN)) < 0.7)
        error = rng.standard_normal((B, T + 1, N_OUT)) * (rng.random((B, T + 1, 1)) < 0.6)
        error[:, 0] = error[0] = 0
        parts = (rates, inputs, error, rng.standard_normal((N_OUT, n)))
        self.arrays = [part.astype(dtype) for part in parts]
        self.rates, self.inputs, self.error, self.carrier = (a.astype(float) for a in self.arrays)
        slopes = 1 - self.rates**2 if activation == "tanh" else self.rates > 0
        self.slopes = slopes.astype(float)
        self.signals = self.slopes * (self.error @ self.carrier)

    def run(self, accumulate: Any) -> tuple[Any, Any]:
        """Return what a kernel adds to gradients that are 1."""
        n, n_inputs = self.rates.shape[2], self.inputs.shape[2]
        width = pad_width(n)
        dtype = self.arrays[0].dtype
        scratch = np.zeros((4, T + 1, width), dtype)
        scratch[..., :n] = np.nan  # what scratch holds must not matter
        grads, input_grads_t = np.ones((width, width), dtype), np.ones((n_inputs, n), dtype)
        accumulate(scratch, grads, input_grads_t)
        return grads[:n, :n] - 1, input_grads_t.T - 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n", SIZES)
def test_eprop(n: int, activation: str, dtype: str) -> None:
    batch = Batch(n, activation, dtype)
    leak, lists = np.dtype(dtype).type(LEAK), np.empty(T + 1, np.int64)

    def accumulate(scratch: Any, grads: Any, input_grads_t: Any) -> None:
        sums.accumulate_eprop(
            *batch.arrays, leak, activation == "tanh", scratch, lists, grads, input_grads_t
        )

    ours = batch.run(accumulate)
    for grads, activity in zip(ours, (batch.rates, batch.inputs), strict=True):
        expected = np.zeros(grads.shape)
        for b in range(B):
            traces = naive.filter_traces(activity[b], T + 1, LEAK)
            expected += naive.sum_products(batch.signals[b], traces)
        close(grads, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("chunk", [1, 2, 4, T, T + 5])
@pytest.mark.parametrize("n", [7, 65])
def test_bptt_whole_and_truncated(n: int, chunk: int, activation: str, dtype: str) -> None:
    batch, w = Batch(n, activation, dtype), make_weights(n, dtype)
    recurrent, leak = pad_columns(w, "w", Workspace()), np.dtype(dtype).type(LEAK)
    lists = np.tile(np.arange(max(n, T + 1)), (2, 1))

    def accumulate(scratch: Any, grads: Any, input_grads_t: Any) -> None:
        field = np.full((1, recurrent.shape[1]), np.nan, dtype)
        sums.accumulate_bptt(
            recurrent, *batch.arrays, leak, activation == "tanh", chunk, scratch, field, lists,
            grads, input_grads_t,
        )  # fmt: skip

    ours = batch.run(accumulate)
    for grads, activity in zip(ours, (batch.rates, batch.inputs), strict=True):
        expected = np.zeros(grads.shape)
        for b in range(B):
            deltas = naive.backpropagate_rate(
                w.astype(float), batch.signals[b], batch.slopes[b], LEAK, chunk
            )
            expected += naive.sum_products(deltas[:T], activity[b, :T])
        close(grads, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_traces_with_self_term(dtype: str) -> None:
    n, n_pre = 5, 7
    rng = np.random.default_rng(2)
    activity = rng.standard_normal((B, T + 1, n_pre)).astype(dtype)
    signals, slopes = rng.standard_normal((2, B, T + 1, n)).astype(dtype)
    own = rng.standard_normal(n).astype(dtype)
    grads = np.ones((n, n_pre), dtype)
    steps.accumulate_self_traces(
        own, signals, slopes, activity, own.dtype.type(LEAK), np.empty(n_pre, dtype), grads
    )
    expected = np.ones((n, n_pre))
    for b in range(B):
        expected += naive.accumulate_self_traces(
            own.astype(float), signals[b].astype(float), slopes[b].astype(float),
            activity[b].astype(float), LEAK,
        )  # fmt: skip
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
