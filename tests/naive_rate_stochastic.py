"""Plain references for the stochastic rules: loops after docs/model/rate.md, section 2, float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_MASK = 2**64 - 1


def mix(word: int) -> int:
    """Finaliser of SplitMix64."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB & _MASK
    return word ^ (word >> 31)


def derive_key(key: int, counter: int) -> int:
    return mix(key + (counter + 1) * 0x9E3779B97F4A7C15 & _MASK)


def draw_signs(seed: int | tuple[int, ...], trial: int, step: int, n: int) -> list[int]:
    """Sign i is bit i of the words of a step, 64 in each; a set bit says +1."""
    key = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    key = derive_key(derive_key(key, trial), step)
    return [2 * (derive_key(key, i // 64) >> (i % 64) & 1) - 1 for i in range(n)]


def norm(numbers: Array) -> float:
    return math.sqrt(sum(float(x) ** 2 for x in numbers.ravel()))


def balance(mine: float, other: float) -> float:
    """sqrt(mine / other), and 0 where the product of both is 0."""
    return 0.0 if mine == 0 or other == 0 else math.sqrt(mine / other)


def jacobian(w_h: Array, slope: Array, leak: float) -> Array:
    n = len(w_h)
    d = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            d[i, j] = leak * (i == j) + (1 - leak) * w_h[i, j] * slope[j]
    return d


def uoro(
    w_h: Array, slopes: Array, activity: Array, signals: Array, leak: float,
    seed: int | tuple[int, ...], trial: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Gradient (N, K), and the last influence as (N, N, K), of one trial (T, ...)."""
    (n_steps, n), n_pre = slopes.shape, activity.shape[1]
    h, theta, grads = np.zeros(n), np.zeros((n, n_pre)), np.zeros((n, n_pre))
    for t in range(n_steps):
        signs = draw_signs(seed, trial, t, n)
        d = jacobian(w_h, slopes[t], leak)
        after = np.array([sum(d[i, j] * h[j] for j in range(n)) for i in range(n)])
        added = np.array([[(1 - leak) * s * z for z in activity[t]] for s in signs])
        rho0, rho0_inverse = balance(norm(theta), norm(after)), balance(norm(after), norm(theta))
        rho1, rho1_inverse = balance(norm(added), n**0.5), balance(n**0.5, norm(added))
        for i in range(n):
            h[i] = rho0 * after[i] + rho1 * signs[i]
            for k in range(n_pre):
                theta[i, k] = theta[i, k] * rho0_inverse + added[i, k] * rho1_inverse
        error = sum(signals[t, i] * h[i] for i in range(n))
        for i in range(n):
            for k in range(n_pre):
                grads[i, k] += error * theta[i, k]
    return grads, h[:, None, None] * theta


def kf_rtrl(
    w_h: Array, slopes: Array, activity: Array, signals: Array, leak: float,
    seed: int | tuple[int, ...], trial: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Gradient (N, K), and the last influence as (N, N, K), of one trial (T, ...)."""
    (n_steps, n), n_pre = slopes.shape, activity.shape[1]
    u, a, grads = np.zeros(n_pre), np.zeros((n, n)), np.zeros((n, n_pre))
    for t in range(n_steps):
        c1, c2 = draw_signs(seed, trial, t, 2)
        d, z = jacobian(w_h, slopes[t], leak), activity[t]
        after = np.zeros((n, n))
        for i in range(n):
            for m in range(n):
                after[i, m] = sum(d[i, j] * a[j, m] for j in range(n))
        size = (1 - leak) * math.sqrt(n)  # of (1 - a) I
        p1, p1_inverse = balance(norm(after), norm(u)), balance(norm(u), norm(after))
        p2, p2_inverse = balance(size, norm(z)), balance(norm(z), size)
        for i in range(n):
            for m in range(n):
                a[i, m] = c1 * after[i, m] * p1_inverse + c2 * p2_inverse * (1 - leak) * (i == m)
        for k in range(n_pre):
            u[k] = c1 * p1 * u[k] + c2 * p2 * z[k]
        for m in range(n):
            back = sum(signals[t, i] * a[i, m] for i in range(n))
            for k in range(n_pre):
                grads[m, k] += back * u[k]
    return grads, a[:, :, None] * u


RULES = {"uoro": uoro, "kf-rtrl": kf_rtrl}
