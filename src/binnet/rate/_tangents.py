"""Tangent vectors along the trajectories of a network, kept orthonormal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet._validation import check_integer
from binnet.rate._trajectories import Floats, Workspace, compute_slopes
from binnet.rate.model import RateRNN, check_inputs, follow, to_double

Doubles = NDArray[np.float64]


class Tangents(NamedTuple):
    """A batch of trials, and k tangent vectors along each: ``D_t Q_t = Q_{t+1} R_t``.

    Attributes
    ----------
    network : RateRNN
        The network in float64.
    inputs, rates : ndarray
        Of its trajectories, x_0..x_{T-1} and f(h_0)..f(h_T).
    slopes : ndarray, shape (B, T, N)
        f'(h_0)..f'(h_{T-1}).
    diagonals : ndarray, shape (B, T, k)
        R_t,ii; 0 for a vector that depends on those before it, as D_t is singular.
    bases : ndarray, shape (B, T + 1, N, K) or (B, 1, N, K)
        Q_t of all steps, or the last; columns beyond k are 0.
    factors : ndarray, shape (B, T, K, K) or (B, 1, K, K)
        R_t of all steps, or the last.
    """

    network: RateRNN
    inputs: Floats
    rates: Floats
    slopes: Floats
    diagonals: Doubles
    bases: Doubles
    factors: Doubles


def first_basis(n_neurons: int, n_exponents: int, seed: int) -> Doubles:
    """Return random orthonormal tangent vectors (N, k)."""
    normal = np.random.default_rng(seed).standard_normal((n_neurons, n_exponents))
    basis: Doubles = np.linalg.qr(normal)[0]
    return basis


def pad(n: int) -> int:
    """Return the columns that a kernel of tangent vectors takes n numbers in."""
    from binnet_kernels.rate.tangents import PADDING

    return -(-n // PADDING) * PADDING


def measure_tangents(
    network: RateRNN,
    inputs: ArrayLike,
    n_exponents: int,
    warmup: int,
    seed: int,
    work: Workspace,
    *,
    keep: bool,
) -> Tangents:
    """Follow trajectories and tangent vectors, in float64 whatever the network's precision is.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        Inputs.
    n_exponents, warmup, seed : int
        Vectors; steps that the caller will not count; of the first basis.
    work : Workspace
        Owns the arrays of the result.
    keep : bool
        Whether to keep the bases and factors of all steps.

    Returns
    -------
    Tangents
        What was followed.

    Raises
    ------
    DivergenceError
        If the activity overflows float64.
    """
    from binnet_kernels.rate.tangents import follow_tangents

    double = to_double(network)
    x = check_inputs(double, inputs)
    n, (n_trials, n_steps) = network.n_neurons, x.shape[:2]
    k = check_integer("n_exponents", n_exponents, 1, n)
    check_integer("warmup", warmup, 0, n_steps - 1)
    width, n_kept = pad(k), n_steps if keep else 1
    size = 8.0 * n_trials * width * ((n_kept + keep) * n + n_kept * width)
    check_memory(f"n_exponents = {k}: the tangent vectors", size, "take fewer, or fewer trials")
    rates = follow(double, x, work).rates
    slopes = compute_slopes(network.activation, rates, work)[:, :-1]
    spare = np.zeros((n, width))
    spare[:, :k] = first_basis(n, k, seed)
    bases = work.take("bases", (n_trials, n_kept + keep, n, width), np.float64)
    bases[:, 0] = spare
    factors = work.take("factors", (n_trials, n_kept, width, width), np.float64)
    diagonals = np.zeros((n_trials, n_steps, k))
    recurrent_t = np.ascontiguousarray(double.recurrent.T)
    most = max(n, width)
    squares = (recurrent_t**2).sum(axis=1)
    for b in range(n_trials):  # a call for each, so that Ctrl-C comes between
        follow_tangents(
            recurrent_t, slopes[b : b + 1], network.leak, spare, bases[b : b + 1],
            factors[b : b + 1], diagonals[b : b + 1], squares, np.zeros((n, width)),
            np.zeros((width, n)), np.zeros((2, width + 1, width)), np.zeros(most),
            np.zeros(n, np.int64), np.arange(most + 1),
        )  # fmt: skip
    return Tangents(double, x, rates, slopes, diagonals, bases, factors)


def take_logs(diagonals: Doubles) -> Doubles:
    """Return log R_ii, -inf where it is 0."""
    with np.errstate(divide="ignore"):
        logs: Doubles = np.log(diagonals)
    return logs
