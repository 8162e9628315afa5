"""Tangent vectors along a trajectory: their Jacobian, and how they are kept orthonormal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer
from binnet.rate._trajectories import Floats
from binnet.rate.model import RateRNN


def check_spectrum(
    network: RateRNN, inputs: Floats, n_exponents: int, warmup: int
) -> tuple[int, int]:
    """Return number of exponents and warm-up, checked against network and inputs."""
    return (
        check_integer("n_exponents", n_exponents, 1, network.n_neurons),
        check_integer("warmup", warmup, 0, inputs.shape[1] - 1),
    )


def first_basis(network: RateRNN, n_exponents: int, seed: int, n_trials: int) -> Floats:
    """Return random orthonormal tangent vectors (B, N, k), the same for all trials."""
    normal = np.random.default_rng(seed).standard_normal((network.n_neurons, n_exponents))
    q = np.linalg.qr(normal)[0]
    return np.broadcast_to(q, (n_trials, *q.shape))


def apply_jacobian(network: RateRNN, slopes: Floats, vectors: NDArray[Any]) -> NDArray[Any]:
    """Return D V for each trial, with slopes (B, N) and vectors (B, N, k), in float64."""
    a = network.leak
    recurrent = network.recurrent.astype(np.float64, copy=False)
    out: NDArray[Any] = a * vectors + (1 - a) * (recurrent @ (slopes[..., None] * vectors))
    return out


def orthonormalise(vectors: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return Q and R of each matrix, with a positive diagonal of R (unique, unlike LAPACK's)."""
    q, r = np.linalg.qr(vectors)
    sign = np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return q * sign[:, None, :], r * sign[:, :, None]
