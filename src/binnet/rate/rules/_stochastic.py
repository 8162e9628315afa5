"""Stochastic rules: an influence of rank one, or one Kronecker product, right in expectation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from binnet._threads import cut_for, in_pieces, share_out
from binnet.rate._trajectories import Floats, pad_columns
from binnet.rate.rules._pass import Pass

Seed = int | tuple[int, ...]
_MOST_AT_ONCE = 10**7  # numbers in gradients of groups of trials: what is held beside the result


def uoro(p: Pass) -> dict[str, Floats]:
    """Return the gradient by unbiased online recurrent optimisation (eq. (2.6)).

    O(N K) of time per step and trial, K = N + N_in, and O(N K) of memory for its influence; beside
    it the gradients of groups of four trials, O(B N K).
    """
    return {name: drawn[0] for name, drawn in draw_gradients(p, "uoro", [p.seed]).items()}


def kf_rtrl(p: Pass) -> dict[str, Floats]:
    """Return the gradient by Kronecker factors (eq. (2.7)).

    O(N^3 + N K) of time per step and trial, K = N + N_in, and O(N^2 + K) of memory for its
    influence, beside the gradients of groups of four trials. Silent neurons are left
    out of the product.
    """
    return {name: drawn[0] for name, drawn in draw_gradients(p, "kf-rtrl", [p.seed]).items()}


def draw_gradients(p: Pass, kind: str, seeds: Sequence[Seed]) -> dict[str, Floats]:
    """Return the gradient of a stochastic rule for each of some seeds, from one pass.

    Parameters
    ----------
    p : Pass
        The batch of trials; its own seed is not read.
    kind : {"uoro", "kf-rtrl"}
        The rule.
    seeds : sequence of int or tuple of int
        One for each draw.

    Returns
    -------
    dict of str to ndarray
        "recurrent", shape (S, N, N), and "input_weights", (S, N, N_in): each as of the rule with
        that seed alone, bit by bit. Couplings that do not exist are not masked.
    """
    from binnet_kernels.rate.stochastic import (
        GROUP,
        N_VECTORS,
        PANEL,
        ROWS,
        add_kronecker,
        add_uoro,
    )

    (n_samples, _, n), dtype = p.slopes.shape, p.network.dtype
    activity = np.concatenate([p.trajectory.rates[:, :-1], p.inputs], axis=2)
    n_presynaptic = activity.shape[2]
    slopes, signals = p.slopes[:, :-1], p.signals[:, 1:]
    weights = pad_columns(p.network.recurrent.T, "recurrent_t", p.work)
    n_rows, n_panels = -(-n // ROWS) * ROWS, -(-n // PANEL)
    kinds: dict[str, tuple[Callable[..., None], tuple[int, ...]]] = {
        "uoro": (add_uoro, (n_rows, n_presynaptic)),
        "kf-rtrl": (add_kronecker, (n_panels + 1, n_rows, PANEL)),
    }
    compute, shape = kinds[kind]
    keys: NDArray[np.uint64] = np.array([make_key(seed) for seed in seeds], np.uint64)
    n_groups = -(-n_samples // GROUP)
    both = np.empty((len(keys), n, n_presynaptic), dtype)

    def draw(begin: int, end: int) -> None:
        """Compute the gradients of some of the seeds."""
        n_pieces = (end - begin) * n_groups
        pieces = p.work.take("pieces of gradients", (n_pieces, n, n_presynaptic), dtype)
        size = cut_for(p.threads, n_pieces)

        def take(first: int) -> None:
            """Compute some of the pieces; which of them a thread gets makes no difference."""
            influence, active = np.zeros(shape, dtype), np.empty(n, np.int64)
            vectors = np.zeros((N_VECTORS, max(weights.shape[1], n_presynaptic)), dtype)
            for start, stop in in_pieces(min(size, n_pieces - first)):
                compute(
                    weights, slopes, activity, signals, dtype.type(p.network.leak),
                    keys[begin:end], first + start, first + stop, pieces, influence, vectors,
                    active,
                )  # fmt: skip

        share_out(p.threads, take, range(0, n_pieces, size))
        of_groups = pieces.reshape(end - begin, n_groups, n, n_presynaptic)
        both[begin:end] = of_groups[:, 0]
        for group in range(1, n_groups):
            both[begin:end] += of_groups[:, group]

    at_once = max(1, _MOST_AT_ONCE // (n_groups * n * n_presynaptic))
    for begin in range(0, len(keys), at_once):
        draw(begin, min(begin + at_once, len(keys)))
    return {"recurrent": both[..., :n].copy(), "input_weights": both[..., n:].copy()}


def make_key(seed: Seed) -> np.uint64:
    """Return the key that all draws of a seed are functions of."""
    return np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
