"""Every fixed point of one small network, found exactly by visiting all its configurations.

Ground truth for the theory.  Configurations come in blocks that share the spins of the high
neurons; within a block, neurons are tested one after the other and only configurations that pass
survive to the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import FloatArray, check_integer, check_real, check_spins
from binnet.theory import _checks
from binnet.theory.counts import log_expected_count

_MOST_BYTES = 4e9  # of the fixed points returned
_BLOCK = 14  # neurons within a block: 2^14 fields per neuron stay in the cache


def random_couplings(
    n_neurons: int, rng: np.random.Generator, dtype: Any = np.float64
) -> NDArray[Any]:
    """Independent Gaussian couplings J_ij of variance 1/N, J_ii = 0.

    Parameters
    ----------
    n_neurons : int
        N >= 2.
    rng : numpy.random.Generator
        Source of randomness.
    dtype : dtype, default float64
        float32 or float64.

    Returns
    -------
    ndarray, shape (N, N)
        Row i holds the couplings into neuron i.
    """
    n = check_integer("n_neurons", n_neurons, 2)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator, got {rng!r}; "
            "pass numpy.random.default_rng(seed)"
        )
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    couplings = rng.standard_normal((n, n), dtype=dtype)
    couplings /= np.sqrt(n).astype(dtype)
    np.fill_diagonal(couplings, 0.0)
    return couplings


def _spins(n: int) -> NDArray[np.int8]:
    """All 2^n configurations, one per row; bit j of the row number is spin j (1 is +1)."""
    codes = np.arange(2**n, dtype=np.uint32)[:, None]
    return (
        2 * ((codes >> np.arange(n, dtype=np.uint32)) & np.uint32(1)).astype(np.int8) - 1
    ).astype(np.int8)


def enumerate_fixed_points(
    couplings: ArrayLike, self_coupling: float, *, field: ArrayLike = 0.0, margin: float = 0.0
) -> NDArray[np.int8]:
    """All fixed points of one network: s_i (sum_j J_ij s_j + J_D s_i + b_i) > margin for every i.

    Parameters
    ----------
    couplings : array_like, shape (N, N)
        J_ij with zero diagonal, N <= 30 (time and memory double with every neuron: about 1 s at N
        = 24).
    self_coupling : float
        J_D >= 0.
    field : array_like, shape (N,) or scalar, default 0
        External fields b_i.
    margin : float, default 0
        Stability that every neuron must exceed.

    Returns
    -------
    ndarray of int8, shape (n_fixed_points, N)
        The fixed points as rows of +-1.

    Raises
    ------
    ValueError
        For a matrix that is not square, has a diagonal or more than 30 neurons, J_D < 0, or more
        fixed points than fit into 4 GB.
    """
    matrix = np.asarray(_checks.couplings(couplings), dtype=np.float64)
    remedy = "log_expected_count gives the mean over networks of any size"
    n = check_integer("number of neurons", matrix.shape[0], 2, 30, remedy=remedy)
    threshold = check_real("margin", margin) - _checks.one_self_coupling(self_coupling)
    bias = _checks.fields(field, n)
    expected = math.exp(log_expected_count(n, max(0.0, -threshold), max(0.0, threshold)))
    if expected * n > _MOST_BYTES:
        size = expected * n / 1e9
        raise ValueError(
            f"about {expected:.2g} fixed points are expected, {size:.1f} GB of memory; "
            "lower the number of neurons or the self-coupling"
        )
    n_low = min(n, _BLOCK)
    low, high = _spins(n_low), _spins(n - n_low)
    fields_low: FloatArray = matrix[:, :n_low] @ low.T.astype(
        np.float64
    )  # [neuron, low configuration]
    found = []
    for code in range(high.shape[0]):
        shared = matrix[:, n_low:] @ high[code] + bias
        # Tests of high neurons have the sign of their spin fixed: a plain comparison over the
        # block.
        alive = np.ones(low.shape[0], dtype=bool)
        for i in range(n_low, n):
            s = high[code, i - n_low]
            alive &= s * (fields_low[i] + shared[i]) > threshold
        survivors = np.flatnonzero(alive)
        for i in range(n_low):
            if survivors.size == 0:
                break
            stability = low[survivors, i] * (fields_low[i, survivors] + shared[i])
            survivors = survivors[stability > threshold]
        if survivors.size:
            rows = np.broadcast_to(high[code], (survivors.size, n - n_low))
            found.append(np.concatenate([low[survivors], rows], axis=1))
    return np.concatenate(found) if found else np.empty((0, n), dtype=np.int8)


def overlap_histogram(fixed_points: ArrayLike) -> NDArray[np.int64]:
    """Number of ordered pairs of fixed points by Hamming distance.

    Parameters
    ----------
    fixed_points : array_like, shape (n, N)
        Rows of +-1, as returned by `enumerate_fixed_points`.

    Returns
    -------
    ndarray of int64, shape (N + 1,)
        Pairs that differ in k = 0..N neurons; k = 0 counts every fixed point with itself.
    """
    shape = np.shape(fixed_points)
    n = shape[-1] if shape else 0
    states = check_spins("fixed_points", fixed_points, n).astype(np.float32)
    counts = np.zeros(n + 1, dtype=np.int64)
    for start in range(0, states.shape[0], 1024):
        overlap = states[start : start + 1024] @ states.T  # exact: whole numbers below 2^24
        distance = ((n - overlap) / 2).astype(np.int64)
        counts += np.bincount(distance.ravel(), minlength=n + 1)
    return counts
