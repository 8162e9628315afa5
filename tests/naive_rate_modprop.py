"""Plain reference for ModProp: the sum over taps, after the definition in docs/model/rate.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from naive_rate import filter_traces

Array = np.ndarray[Any, Any]


def find_types(n_neurons: int, n_types: int) -> list[int]:
    """Type of each neuron: neighbours, the first types as small as they can be."""
    n_types = min(n_types, n_neurons)
    return [
        next(k for k in range(n_types) if i < (k + 1) * n_neurons // n_types)
        for i in range(n_neurons)
    ]


def average_couplings(w_h: Array, types: list[int]) -> Array:
    """W_h (N, N) where each coupling is the mean of those between the two types."""
    mean = np.zeros_like(w_h)
    for i, target in enumerate(types):
        for j, source in enumerate(types):
            alike = [
                w_h[k, m]
                for k in range(len(types))
                for m in range(len(types))
                if types[k] == target and types[m] == source
            ]
            mean[i, j] = sum(alike) / len(alike)
    return mean


def modprop(
    w_h: Array, signals: Array, slopes: Array, activity: Array, leak: float, n_types: int
) -> Array:
    """Gradient (N, K) of trials: signals and slopes (B, T + 1, N), activity (B, >= T, K)."""
    n_samples, n_times, n = signals.shape
    mean = average_couplings(w_h, find_types(n, n_types))
    mu = float(np.mean(slopes[:, 1:]))
    taps = [(1 - leak) * mean]  # taps[s - 1] is F_s
    while len(taps) < n_times:
        taps.append(leak * taps[-1] + (1 - leak) * mu * mean @ taps[-1])
    grads = np.zeros((n, activity.shape[2]))
    for b in range(n_samples):
        traces = filter_traces(activity[b], n_times, leak)
        for t in range(1, n_times):
            for p in range(n):
                grads[p] += signals[b, t, p] * traces[t]
                for s in range(1, t):  # the trace of t = 0 is 0
                    modulator = sum(signals[b, t, j] * taps[s - 1][j, p] for j in range(n))
                    grads[p] += modulator * slopes[b, t - s, p] * traces[t - s]
    return grads
