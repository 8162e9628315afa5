"""Plain references for rate networks: loops after the equations of docs/model/rate.md, float64.

The layout is that of the equations: ``W_h[i][j]`` couples j to i, ``W_x[i][n]``, ``w[k][i]``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def f(h: float, activation: str) -> float:
    return math.tanh(h) if activation == "tanh" else max(h, 0.0)


def slope(h: float, activation: str) -> float:
    return 1 - math.tanh(h) ** 2 if activation == "tanh" else float(h > 0)


def run_rate(w_h: Array, drive: Array, leak: float, activation: str) -> tuple[Array, Array]:
    """States and rates (T + 1, N) of one trial, from the drive W_x x_t (T, N)."""
    n_steps, n = drive.shape
    h = np.zeros((n_steps + 1, n))
    for t in range(n_steps):
        for i in range(n):
            field = sum(w_h[i, j] * f(h[t, j], activation) for j in range(n)) + drive[t, i]
            h[t + 1, i] = leak * h[t, i] + (1 - leak) * field
    return h, np.array([[f(x, activation) for x in row] for row in h])


def backpropagate_rate(
    w_h: Array, signals: Array, slopes: Array, leak: float, chunk: int = 10**9
) -> Array:
    """delta_t = (1 - a) dloss/dh_{t+1} of one trial (T + 1, N), within chunks of steps."""
    n_times, n = signals.shape
    g = np.zeros((n_times + 1, n))  # g[t] = dloss/dh_t
    for t in range(n_times - 1, 0, -1):
        for j in range(n):
            if t % chunk == 0:  # h_t is a given for the steps behind it
                g[t, j] = signals[t, j]
                continue
            back = sum(w_h[i, j] * g[t + 1, i] for i in range(n))
            g[t, j] = signals[t, j] + leak * g[t + 1, j] + (1 - leak) * slopes[t, j] * back
    return (1 - leak) * g[1:]


def filter_traces(activity: Array, n_times: int, leak: float) -> Array:
    traces = np.zeros((n_times, activity.shape[1]))
    for t in range(n_times - 1):
        for k in range(activity.shape[1]):
            traces[t + 1, k] = leak * traces[t, k] + (1 - leak) * activity[t, k]
    return traces


def sum_products(left: Array, right: Array) -> Array:
    """Sum over t of left_t right_t^T."""
    total = np.zeros((left.shape[1], right.shape[1]))
    for t in range(len(left)):
        for i in range(left.shape[1]):
            for k in range(right.shape[1]):
                total[i, k] += left[t, i] * right[t, k]
    return total


def accumulate_self_traces(
    own: Array, signals: Array, slopes: Array, activity: Array, leak: float
) -> Array:
    """Gradient (N, K) of e-prop with self term, one trial (Liu et al. 2024, Eq. 8)."""
    n_times, n = signals.shape
    grads = np.zeros((n, activity.shape[1]))
    for i in range(n):
        for k in range(activity.shape[1]):
            trace = 0.0
            for t in range(n_times - 1):
                keep = leak + (1 - leak) * own[i] * slopes[t, i]
                trace = keep * trace + (1 - leak) * activity[t, k]
                grads[i, k] += signals[t + 1, i] * trace
    return grads


def advance_influence(
    w_h: Array, slopes: Array, activity: Array, signals: Array, leak: float
) -> tuple[Array, Array]:
    """Influence (N, N K) after T steps from 0, and the gradient (N K,), one trial."""
    n_steps, n = slopes.shape
    n_pre = activity.shape[1]
    influence, grads = np.zeros((n, n * n_pre)), np.zeros(n * n_pre)
    for t in range(n_steps):
        after = np.zeros_like(influence)
        for column in range(n * n_pre):
            for i in range(n):
                through = sum(w_h[i, m] * slopes[t, m] * influence[m, column] for m in range(n))
                after[i, column] = leak * influence[i, column] + (1 - leak) * through
            row, k = divmod(column, n_pre)
            after[row, column] += (1 - leak) * activity[t, k]
        influence = after
        for column in range(n * n_pre):
            grads[column] += sum(signals[t, i] * influence[i, column] for i in range(n))
    return influence, grads


def step_adam(
    w: Array, grads: Array, rate: float, beta1: float, beta2: float, epsilon: float
) -> Array:
    """Weights after each of the gradients (steps, K), bias-corrected Adam."""
    w, m, v, steps = w.copy(), np.zeros_like(w), np.zeros_like(w), []
    for n, grad in enumerate(grads, 1):
        for k in range(len(w)):
            m[k] = beta1 * m[k] + (1 - beta1) * grad[k]
            v[k] = beta2 * v[k] + (1 - beta2) * grad[k] ** 2
            m_hat, v_hat = m[k] / (1 - beta1**n), v[k] / (1 - beta2**n)
            w[k] -= rate * m_hat / (math.sqrt(v_hat) + epsilon)
        steps.append(w.copy())
    return np.array(steps)
