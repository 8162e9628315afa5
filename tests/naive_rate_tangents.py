"""Plain references for tangent vectors: LAPACK's QR, and eq. (4.3) of docs/model/rate.md."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def orthonormalise(vectors: Array) -> tuple[Array, Array]:
    """Q and R of each matrix, with a positive diagonal of R (unique, unlike LAPACK's)."""
    q, r = np.linalg.qr(vectors)
    sign = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return q * sign[..., None, :], r * sign[..., :, None]


def jacobian(recurrent: Array, slope: Array, leak: float) -> Array:
    n = len(slope)
    d = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            d[i, j] = leak * (i == j) + (1 - leak) * recurrent[i, j] * slope[j]
    return d


def follow_tangents(
    recurrent: Array, slopes: Array, leak: float, basis: Array
) -> tuple[Array, Array]:
    """Q_0..Q_T and R_0..R_{T-1} of one trial."""
    bases, factors = [basis], []
    for slope in slopes:
        q, r = orthonormalise(jacobian(recurrent, slope, leak) @ bases[-1])
        bases.append(q)
        factors.append(r)
    return np.array(bases), np.array(factors)


def pull_back_tangents(
    recurrent: Array, slopes: Array, leak: float, bases: Array, factors: Array, pulls: Array,
    full: bool,
) -> tuple[Array, Array]:  # fmt: skip
    """Derivatives with respect to W_h for given slopes, and to the slopes, of one trial."""
    recurrent_bar, slopes_bar = np.zeros_like(recurrent), np.zeros_like(slopes)
    q_bar = np.zeros_like(bases[0])
    for t in range(len(slopes) - 1, -1, -1):
        s = np.diag(pulls[t])
        if full:
            product = q_bar.T @ bases[t + 1]
            s = s - np.tril(product) - np.tril(product, -1).T
        m_bar = np.linalg.solve(factors[t], (q_bar + bases[t + 1] @ s).T).T
        recurrent_bar += (1 - leak) * m_bar @ (slopes[t][:, None] * bases[t]).T
        if full:
            back = (1 - leak) * recurrent.T @ m_bar
            slopes_bar[t] = (back * bases[t]).sum(axis=1)
            q_bar = jacobian(recurrent, slopes[t], leak).T @ m_bar
    return recurrent_bar, slopes_bar
