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
