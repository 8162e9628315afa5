"""Backwards through time, whole or truncated, and forwards with the influence of every weight."""

from __future__ import annotations

import numpy as np

from binnet._threads import cut_for, in_pieces, share_out
from binnet.rate._trajectories import Floats, cut_trials, pad_columns
from binnet.rate.rules._pass import Pass
from binnet.rate.rules._sums import Sums

_WORK_PER_CALL = 10**9  # products: a fraction of a second


def bptt(p: Pass) -> dict[str, Floats]:
    """Return the gradient by backpropagation through time (eq. (2.2)), whole or truncated.

    With a number K in the rule's name nothing flows back over steps that are multiples of K.
    O(N^2) time per step and trial; O(N T) memory, as the trajectory is kept.
    """
    from binnet_kernels.rate.sums import accumulate_bptt

    rates, sums = p.trajectory.rates, Sums(p)
    recurrent = pad_columns(p.network.recurrent, "recurrent", p.work)
    field = p.work.take("field", (1, recurrent.shape[1]), p.network.dtype)
    chunk = rates.shape[1] if p.number is None else p.number
    for b in cut_trials(rates):
        accumulate_bptt(
            recurrent, rates[b], p.inputs[b], p.error[b], p.carrier, sums.leak, sums.is_tanh,
            chunk, sums.scratch, field, sums.lists, sums.grads, sums.input_grads_t,
        )  # fmt: skip
    return sums.gradients()


def rtrl(p: Pass) -> dict[str, Floats]:
    """Return the gradient by real-time recurrent learning (eq. (2.3)).

    O(N^3 K) of time per step and trial, K = N + N_in, and O(N^2 K) of memory, one influence matrix.
    Silent neurons are left out of the product.
    """
    from binnet_kernels.rate.rtrl import PANEL, advance_influence

    (n_samples, n_times, n), dtype = p.slopes.shape, p.network.dtype
    activity = np.concatenate([p.trajectory.rates[:, :-1], p.inputs], axis=2)
    n_columns = n * activity.shape[2]
    n_panels = -(-n_columns // PANEL)
    # One sample after the other: the memory is that of one influence matrix.
    influence = p.work.take("influence", (1, n_panels, n, PANEL), dtype, (
        f"n_hidden = {n}: the influence of all weights in {dtype}",
        "take fewer, rule 'bptt' for the exact gradient, rule 'snap-1', or snap-N in a network "
        "with fewer connections",
    ))  # fmt: skip
    grads = np.zeros((n_panels, PANEL), dtype)
    weights = np.ascontiguousarray(p.network.recurrent.T)
    work_of_panel = n_times * n * n * PANEL
    size = max(1, min(cut_for(p.threads, n_panels), _WORK_PER_CALL // work_of_panel))

    def advance(first: int) -> None:
        """Take all steps of all samples with some panels."""
        stop = min(first + size, n_panels)
        scaled, active = np.empty((n, PANEL), dtype), np.empty(n, np.int64)
        for begin, end in in_pieces(n_samples):
            for b in range(begin, end):
                influence[:, first:stop] = 0
                advance_influence(
                    influence, weights, p.slopes[b : b + 1, :-1], activity[b : b + 1],
                    p.signals[b : b + 1, 1:], dtype.type(p.network.leak), first, stop, grads,
                    scaled, active, np.arange(n),
                )  # fmt: skip

    share_out(p.threads, advance, range(0, n_panels, size))
    both = grads.reshape(-1)[:n_columns].reshape(n, -1)
    return {"recurrent": both[:, :n].copy(), "input_weights": both[:, n:].copy()}
