"""SnAp-n: the influence of a weight, kept where it arrives within n - 1 couplings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from binnet._threads import cut_for, in_pieces, share_out
from binnet.rate._trajectories import Floats
from binnet.rate.rules._eprop import eprop_self
from binnet.rate.rules._exact import rtrl
from binnet.rate.rules._pass import Pass

_WORK_AT_FIRST = 10**8  # products


def snap(p: Pass) -> dict[str, Floats]:
    """Return the gradient by the sparse n-step approximation of RTRL (eq. (2.8)).

    Of dh_k/dW_ij the entries are kept whose neuron k is i, or can be reached from i by at most
    n - 1 couplings that exist (Menick et al. 2021). With R_i such neurons, d_i couplings into
    neuron i and E_i couplings between the R_i, a step of a sample takes
    O(sum_i (R_i + E_i) (d_i + N_in)) time: with d couplings into and out of each neuron
    O(N (d + N_in)) for n = 1, O(N d (d + N_in)) and more for n = 2, and at most
    O(N^2 d (d + N_in)), where RTRL takes O(N^3 (N + N_in)). The influence of one neuron at a time
    is in memory: O(max R_i) numbers for each thread, beside copies of the trajectories.

    Where all couplings exist, n = 1 is ``eprop-self`` and n >= 2 is RTRL, at its costs.
    """
    connections = p.network.connections
    if connections is None or connections.all():
        return eprop_self(p) if p.number == 1 else rtrl(p)
    return advance(p, connections)


def advance(p: Pass, connections: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return the gradient by blocks of the influence, one for each neuron."""
    from binnet_kernels.rate.snap import COLUMNS, LANES, advance_blocks, find_reach

    n, dtype = p.network.n_neurons, p.network.dtype
    gain = dtype.type(1) - dtype.type(p.network.leak)
    reach = np.empty((n, n), np.bool_)
    senders, targets = np.nonzero(connections.T)
    number = min(p.number or 1, n)  # longer ways reach nothing new
    find_reach(_find_starts(senders, n), targets, number - 1, reach, np.empty(n, np.int64))
    receivers, sources = np.nonzero(connections)
    weights = gain * p.network.recurrent[receivers, sources]
    couplings = (_find_starts(receivers, n), sources, weights[:, None])
    lanes = (
        _in_lanes("slopes", p, p.slopes[:, :-1]),
        _in_lanes("activity", p, p.trajectory.rates[:, :-1], p.inputs),
        _in_lanes("signals", p, p.signals[:, 1:]),
    )
    n_rows = int(reach.sum(axis=1).max()) + 1  # one for the sums over time
    grads = np.empty((n, n + p.network.n_inputs), dtype)
    size = cut_for(p.threads, n)
    # Products of one neuron, were the blocks of all alike.
    work = lanes[0].size // n * int(reach.sum()) * len(sources) ** 2 // n**3 + 1
    at_first = max(1, _WORK_AT_FIRST // work)

    def take(first: int) -> None:
        """Take the blocks of some neurons through all steps of all samples."""
        blocks = np.empty((2, n_rows, COLUMNS * LANES), dtype)
        lists = np.empty((8, max(len(sources), n + 1)), np.int64)
        for begin, end in in_pieces(min(size, n - first), first=at_first):
            advance_blocks(
                reach, *couplings, *lanes, dtype.type(p.network.leak), first + begin, first + end,
                grads, blocks, lists,
            )  # fmt: skip

    share_out(p.threads, take, range(0, n, size))
    return {"recurrent": grads[:, :n].copy(), "input_weights": grads[:, n:].copy()}


def _find_starts(neurons: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return where the couplings of each neuron begin in a list that is sorted by neuron."""
    return np.searchsorted(neurons, np.arange(n + 1))


def _in_lanes(name: str, p: Pass, *parts: Floats) -> Floats:
    """Return trajectories (B, T, K), side by side, as (B / 16, T, K, 16), 0 beyond sample B."""
    from binnet_kernels.rate.snap import LANES

    n_samples, n_times, _ = parts[0].shape
    n_chunks, n_columns = -(-n_samples // LANES), sum(part.shape[2] for part in parts)
    out = p.work.take(f"{name} in lanes", (n_chunks, n_times, n_columns, LANES), p.network.dtype)
    for c in range(n_chunks):
        begin = 0
        for part in parts:
            some, end = part[c * LANES : (c + 1) * LANES], begin + part.shape[2]
            out[c, :, begin:end, : len(some)] = some.transpose(1, 2, 0)
            out[c, :, begin:end, len(some) :] = 0
            begin = end
    return out
