"""Learning rules of rate networks in lean NumPy: what bench/bench_rate_rules.py compares with.

Each is what somebody would write who knows NumPy: products of whole batches, and a Python loop over
the steps where there is no way around one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.rate import RateRNN
from binnet.rate.tasks import Trials

Array = np.ndarray[Any, Any]


def bptt_numpy(network: RateRNN, trials: Trials, chunk: int | None = None) -> dict[str, Array]:
    """Return BPTT's gradient, whole or in chunks, for the squared loss and ReLU."""
    z, slopes, signals, readout = _run(network, trials)
    a, n = network.dtype.type(network.leak), network.n_neurons
    deltas, g = np.empty_like(signals), np.zeros_like(signals[0])
    for t in range(len(z) - 1, -1, -1):
        if t + 1 == len(z) or (chunk and (t + 1) % chunk == 0):
            g = signals[t]
        else:
            g = signals[t] + a * g + slopes[t + 1] * ((1 - a) * g @ network.recurrent)
        deltas[t] = (1 - a) * g
    return _cut(deltas.reshape(-1, n).T @ z.reshape(-1, z.shape[2]), n, readout)


def eprop_numpy(network: RateRNN, trials: Trials) -> dict[str, Array]:
    """Return e-prop's gradient, for the squared loss and ReLU."""
    z, _, signals, readout = _run(network, trials)
    a, n = network.dtype.type(network.leak), network.n_neurons
    traces = (1 - a) * z
    for t in range(1, len(z)):
        traces[t] += a * traces[t - 1]
    return _cut(signals.reshape(-1, n).T @ traces.reshape(-1, z.shape[2]), n, readout)


def eprop_self_numpy(network: RateRNN, trials: Trials) -> dict[str, Array]:
    """Return the gradient of e-prop with self term, for the squared loss and ReLU."""
    z, slopes, signals, readout = _run(network, trials)
    a, n = network.dtype.type(network.leak), network.n_neurons
    own = (1 - a) * network.recurrent.diagonal()
    traces = np.zeros((z.shape[1], n, z.shape[2]), z.dtype)
    grads = np.zeros((n, z.shape[2]), z.dtype)
    for t in range(len(z)):
        traces *= (a + own * slopes[t])[:, :, None]
        traces += (1 - a) * z[t][:, None]
        grads += np.einsum("bi,bik->ik", signals[t], traces)
    return _cut(grads, n, readout)


def rtrl_numpy(network: RateRNN, trials: Trials) -> dict[str, Array]:
    """Return RTRL's gradient, for the squared loss and ReLU."""
    z, slopes, signals, readout = _run(network, trials)
    a, n = network.dtype.type(network.leak), network.n_neurons
    n_samples, n_presynaptic = z.shape[1:]
    influence = np.zeros((n_samples, n, n * n_presynaptic), z.dtype)
    blocks = influence.reshape(n_samples, n, n, n_presynaptic)
    grads, diagonal = np.zeros(n * n_presynaptic, z.dtype), np.arange(n)
    for t in range(len(z)):
        jacobian = (1 - a) * network.recurrent * slopes[t][:, None]
        jacobian[:, diagonal, diagonal] += a
        influence[...] = jacobian @ influence
        blocks[:, diagonal, diagonal] += (1 - a) * z[t][:, None]
        grads += (signals[t][:, None] @ influence).sum(axis=(0, 1))
    return _cut(grads.reshape(n, -1), n, readout)


def _cut(both: Array, n: int, readout: Array) -> dict[str, Array]:
    return {"recurrent": both[:, :n], "input_weights": both[:, n:], "readout": readout}


def modprop_numpy(network: RateRNN, trials: Trials, n_types: int = 2) -> dict[str, Array]:
    """Return ModProp's gradient, for the squared loss and ReLU (docs/model/rate.md, section 2)."""
    dtype, n = network.dtype, network.n_neurons
    x, a = trials.inputs.astype(dtype, copy=False), dtype.type(network.leak)
    n_samples, n_steps, _ = x.shape
    drive, recurrent_t = x @ network.input_weights.T, network.recurrent.T
    h, r = np.zeros((2, n_samples, n), dtype)
    p, p_in = np.zeros_like(h), np.zeros_like(x[:, 0])
    rates, traces = np.empty((2, n_steps, n_samples, n), dtype)
    input_traces = np.empty((n_steps, *p_in.shape), dtype)
    for t in range(n_steps):  # forwards: the states, and the traces of e-prop
        p = a * p + (1 - a) * r
        p_in = a * p_in + (1 - a) * x[:, t]
        h = a * h + (1 - a) * (r @ recurrent_t + drive[:, t])
        r = np.maximum(h, 0)
        rates[t], traces[t], input_traces[t] = r, p, p_in

    outputs = rates @ network.readout.T
    mask = trials.mask.T[..., None]
    error = mask * (outputs - trials.targets.transpose(1, 0, 2))
    error /= dtype.type(outputs.shape[2] * trials.mask.sum())
    slopes = (rates > 0).astype(dtype)
    signals = (error @ network.readout) * slopes

    sizes = np.diff(np.arange(n_types + 1) * n // n_types).astype(dtype)
    member = np.repeat(np.eye(n_types, dtype=dtype), sizes.astype(int), axis=0)  # of which type
    couplings = member.T @ network.recurrent @ member / np.outer(sizes, sizes)
    carry = slopes.mean() * sizes
    sums, modulated = signals @ member, signals
    total = np.zeros((n_samples, n_types), dtype)
    for t in range(n_steps - 1, -1, -1):  # backwards: what the types broadcast
        received = (1 - a) * (total @ couplings)
        modulated[t] += slopes[t] * (received @ member.T)
        total = sums[t] + a * total + carry * received
    rows = modulated.reshape(-1, n)
    return {
        "recurrent": rows.T @ traces.reshape(-1, n),
        "input_weights": rows.T @ input_traces.reshape(len(rows), -1),
        "readout": error.reshape(len(rows), -1).T @ rates.reshape(-1, n),
    }


def uoro_numpy(network: RateRNN, trials: Trials, seed: int = 0) -> dict[str, Array]:
    """Return UORO's gradient, for the squared loss and ReLU (docs/model/rate.md, section 2)."""
    dtype, n = network.dtype, network.n_neurons
    z, slopes, signals, readout = _run(network, trials)
    n_steps, n_samples, n_presynaptic = z.shape
    a, recurrent_t = dtype.type(network.leak), network.recurrent.T
    signs = draw_signs_numpy(seed, n_samples, n_steps, n).astype(dtype)
    size, h = dtype.type(np.sqrt(n)), np.zeros((n_samples, n), dtype)
    theta = np.zeros((n_samples, n, n_presynaptic), dtype)
    grads = np.zeros((n, n_presynaptic), dtype)
    for t in range(n_steps):
        after = a * h + (1 - a) * ((slopes[t] * h) @ recurrent_t)
        norm_theta = np.sqrt(np.einsum("bik,bik->b", theta, theta))
        norm_added = (1 - a) * size * np.linalg.norm(z[t], axis=1)
        carry, keep = _balance(norm_theta, np.linalg.norm(after, axis=1))
        grow, add = _balance(norm_added, np.full_like(norm_added, size))
        h = carry[:, None] * after + grow[:, None] * signs[t]
        theta *= keep[:, None, None]
        theta += ((1 - a) * add[:, None] * signs[t])[:, :, None] * z[t][:, None]
        error = np.einsum("bi,bi->b", signals[t], h)
        if error.any():
            grads += np.tensordot(error, theta, 1)
    return {"recurrent": grads[:, :n], "input_weights": grads[:, n:], "readout": readout}


def kf_rtrl_numpy(network: RateRNN, trials: Trials, seed: int = 0) -> dict[str, Array]:
    """Return KF-RTRL's gradient, for the squared loss and ReLU (docs/model/rate.md, section 2)."""
    dtype, n = network.dtype, network.n_neurons
    z, slopes, signals, readout = _run(network, trials)
    n_steps, n_samples, n_presynaptic = z.shape
    a = dtype.type(network.leak)
    signs = draw_signs_numpy(seed, n_samples, n_steps, 2).astype(dtype)
    size = (1 - a) * dtype.type(np.sqrt(n))
    row, matrix = np.zeros((n_samples, n_presynaptic), dtype), np.zeros((n_samples, n, n), dtype)
    grads, every = np.zeros((n, n_presynaptic), dtype), np.arange(n)
    for t in range(n_steps):
        within, through = signs[t].T
        scaled = ((1 - a) * slopes[t])[:, :, None] * matrix
        after = a * matrix + network.recurrent @ scaled
        norm_after = np.sqrt(np.einsum("bim,bim->b", after, after))
        carry, keep = _balance(norm_after, np.linalg.norm(row, axis=1))
        norm_z = np.linalg.norm(z[t], axis=1)
        add, grow = _balance(np.full_like(norm_z, size), norm_z)
        matrix = (within * keep)[:, None, None] * after
        matrix[:, every, every] += (through * grow * (1 - a))[:, None]
        row = (within * carry)[:, None] * row + (through * add)[:, None] * z[t]
        if signals[t].any():
            grads += (signals[t][:, None] @ matrix)[:, 0].T @ row
    return {"recurrent": grads[:, :n], "input_weights": grads[:, n:], "readout": readout}


def _run(network: RateRNN, trials: Trials) -> tuple[Array, Array, Array, Array]:
    """Return z_t, f'(h_t) and s_{t+1}, each (T, B, ...), and the gradient of the readout."""
    dtype, n = network.dtype, network.n_neurons
    x, a = trials.inputs.astype(dtype, copy=False), dtype.type(network.leak)
    n_samples, n_steps, n_inputs = x.shape
    drive, recurrent_t = x @ network.input_weights.T, network.recurrent.T
    h, states = np.zeros((n_samples, n), dtype), np.zeros((n_steps + 1, n_samples, n), dtype)
    z = np.empty((n_steps, n_samples, n + n_inputs), dtype)
    for t in range(n_steps):
        h = a * h + (1 - a) * (states[t] @ recurrent_t + drive[:, t])
        np.maximum(h, 0, out=states[t + 1])
    z[:, :, :n], z[:, :, n:] = states[:-1], x.swapaxes(0, 1)
    outputs = states[1:] @ network.readout.T
    error = trials.mask.T[..., None] * (outputs - trials.targets.transpose(1, 0, 2))
    error = (error / (outputs.shape[2] * trials.mask.sum())).astype(dtype)
    slopes = (states > 0).astype(dtype)
    readout = error.reshape(-1, error.shape[2]).T @ states[1:].reshape(-1, n)
    return z, slopes[:-1], (error @ network.readout) * slopes[1:], readout


def _balance(mine: Array, other: Array) -> tuple[Array, Array]:
    """Return sqrt(mine / other) and its inverse, both 0 where either is 0."""
    both = (mine > 0) & (other > 0)
    ratio = np.sqrt(np.divide(mine, other, out=np.ones_like(mine), where=both))
    return ratio * both, both / ratio


def draw_signs_numpy(seed: int, n_samples: int, n_steps: int, n: int) -> Array:
    """Return the signs that binnet draws, int8 (T, B, N), all at once."""
    gamma = np.uint64(0x9E3779B97F4A7C15)

    def derive(key: Array, count: int) -> Array:
        word = key[..., None] + np.arange(1, count + 1, dtype=np.uint64) * gamma
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: Array = word ^ (word >> np.uint64(31))
        return mixed

    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    words = derive(derive(derive(np.array(key), n_samples), n_steps), -(-n // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=-1, bitorder="little", count=n)
    return 2 * bits.transpose(1, 0, 2).astype(np.int8) - 1


def snap_numpy(network: RateRNN, trials: Trials, number: int = 2) -> dict[str, Array]:
    """Return SnAp-n's gradient, for the squared loss and ReLU (docs/model/rate.md, section 2).

    The blocks of all neurons are one array (B, N, R, K), padded to the largest: a step is one
    product of matrices in batches.
    """
    dtype, n = network.dtype, network.n_neurons
    x, a = trials.inputs.astype(dtype, copy=False), dtype.type(network.leak)
    n_samples, n_steps, n_inputs = x.shape
    there = np.ones((n, n), bool) if network.connections is None else network.connections
    reach = np.eye(n, dtype=bool)
    for _ in range(min(number, n) - 1):
        reach |= (there.astype(dtype) @ reach.astype(dtype)) > 0  # [k, i]: i reaches k
    rows, has_row = _pad_lists(reach.T)
    columns, has_column = _pad_lists(np.hstack([there, np.ones((n, n_inputs), bool)]))
    first = (rows == np.arange(n)[:, None]) & has_row  # where neuron i is among its rows
    within = has_row[:, :, None] & has_row[:, None, :]
    couplings = network.recurrent[rows[:, :, None], rows[:, None, :]] * within

    drive, recurrent_t = x @ network.input_weights.T, network.recurrent.T
    h, r = np.zeros((2, n_samples, n), dtype)
    states, pre = np.empty((2, n_steps, n_samples, n), dtype)
    for t in range(n_steps):
        pre[t] = r
        h = a * h + (1 - a) * (r @ recurrent_t + drive[:, t])
        states[t] = r = np.maximum(h, 0)
    outputs = states @ network.readout.T
    error = trials.mask.T[..., None] * (outputs - trials.targets.transpose(1, 0, 2))
    error = (error / (outputs.shape[2] * trials.mask.sum())).astype(dtype)
    signals = (error @ network.readout) * (states > 0)

    influence = np.zeros((n_samples, *rows.shape, columns.shape[1]), dtype)
    blocks = np.zeros((n, 1, columns.shape[1]), dtype)
    for t in range(n_steps):
        slopes = (1 - a) * (pre[t] > 0)[:, rows].astype(dtype)
        influence = a * influence + couplings @ (slopes[..., None] * influence)
        z = (1 - a) * np.hstack([pre[t], x[:, t]])[:, columns]
        influence += first[..., None] * z[:, :, None]
        blocks += (signals[t][:, rows, None].swapaxes(2, 3) @ influence).sum(axis=0)
    grads = np.zeros((n, n + n_inputs), dtype)
    neurons, places = np.nonzero(has_column)
    grads[neurons, columns[neurons, places]] = blocks[neurons, 0, places]
    flat_error = error.reshape(-1, error.shape[2])
    return {
        "recurrent": grads[:, :n],
        "input_weights": grads[:, n:],
        "readout": flat_error.T @ states.reshape(-1, n),
    }


def _pad_lists(chosen: Array) -> tuple[Array, Array]:
    """Return the columns that are chosen in each row, and which of these lists' places count."""
    n_chosen = chosen.sum(axis=1)
    counts = np.arange(n_chosen.max()) < n_chosen[:, None]
    lists = np.argsort(~chosen, axis=1, kind="stable")[:, : counts.shape[1]]
    return lists * counts, counts
