"""ModProp: e-prop, and modulators that carry the signals of types of cells to all synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.rate._trajectories import Floats, cut_trials
from binnet.rate.rules._pass import Pass
from binnet.rate.rules._sums import Sums


def modprop(p: Pass) -> dict[str, Floats]:
    """Return e-prop's gradient plus the modulatory one (docs/model/rate.md, section 2).

    Parameters
    ----------
    p : Pass
        The trials; its number is C, how many types of cells there are.

    Returns
    -------
    dict of str to ndarray
        Gradients by "recurrent" and "input_weights". Time is O(B T (C² + N)) beside the
        O(B T N (N + N_in)) of e-prop, memory O(B T N + C²).
    """
    from binnet_kernels.rate.modprop import add_modulation
    from binnet_kernels.rate.sums import accumulate_traces

    dtype, n = p.network.dtype, p.network.n_neurons
    bounds = split_types(n, n if p.number is None else p.number)
    sizes = np.diff(bounds)
    mean_slope = p.slopes[:, 1:].mean(dtype=np.float64)  # h_0 = 0 says nothing about the network
    couplings = average_couplings(p.network.recurrent, bounds).astype(dtype)
    carry, types = (mean_slope * sizes).astype(dtype), np.repeat(np.arange(len(sizes)), sizes)
    total, received = np.zeros((2, len(sizes)), dtype)
    modulated = p.work.take("modulated signals", p.signals.shape, dtype)
    rates, sums = p.trajectory.rates, Sums(p)
    for b in cut_trials(rates):
        add_modulation(
            couplings, carry, types, p.signals[b], p.slopes[b], sums.leak, total, received,
            modulated[b],
        )  # fmt: skip
        accumulate_traces(
            modulated[b], rates[b], p.inputs[b], sums.leak, sums.scratch, sums.lists[1],
            sums.grads, sums.input_grads_t,
        )  # fmt: skip
    return sums.gradients()


def split_types(n_neurons: int, n_types: int) -> NDArray[np.int64]:
    """Return where each type of cells begins, and N: neighbours, as many of each as can be.

    Parameters
    ----------
    n_neurons : int
        N.
    n_types : int
        C; for N and above each neuron is a type of its own.

    Returns
    -------
    ndarray of int, shape (C + 1,)
        Type k holds the neurons from k's entry to the one before the next.
    """
    n_types = min(n_types, n_neurons)
    bounds: NDArray[np.int64] = np.arange(n_types + 1) * n_neurons // n_types
    return bounds


def average_couplings(recurrent: Floats, bounds: NDArray[np.int64]) -> NDArray[Any]:
    """Return the mean coupling of each pair of types, to the first from the second.

    Parameters
    ----------
    recurrent : ndarray, shape (N, N)
        W_h.
    bounds : ndarray of int, shape (C + 1,)
        What `split_types` returned.

    Returns
    -------
    ndarray of float64, shape (C, C)
        Means over all pairs of neurons; couplings that do not exist count as 0.
    """
    sizes = np.diff(bounds)
    rows = np.add.reduceat(recurrent.astype(np.float64), bounds[:-1], axis=0)
    sums = np.add.reduceat(rows, bounds[:-1], axis=1)
    means: NDArray[Any] = sums / np.outer(sizes, sizes)
    return means
