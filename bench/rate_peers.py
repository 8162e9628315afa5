"""Learning rules of rate networks in lean NumPy: what bench/bench_rate.py compares with.

Each is what somebody would write who knows NumPy: products of whole batches, and a Python loop over
the steps where there is no way around one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from binnet.rate import RateRNN
from binnet.rate.tasks import Trials

Array = np.ndarray[Any, Any]


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
