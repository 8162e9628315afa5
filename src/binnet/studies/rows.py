"""How many random patterns does one row of couplings hold? Trained rows, and the exact answer.

A row holds a pattern if its neuron is stable in it with a margin, helped by the self-coupling
(docs/model/theory.md, section 8). Both are observables of a sweep: `train_row` learns, and
`largest_margin` solves for the row of the largest margin that there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._threads import in_pieces
from binnet._validation import check_integer, check_real
from binnet.sweeps import Observable


def train_row(
    n_couplings: int,
    load: float,
    seed: int,
    self_coupling: float = 0.0,
    margin: float = 0.0,
    max_epochs: int = 1000,
) -> Mapping[str, Any]:
    """Train one row on random patterns until it holds them all; an observable for `sweeps.run`.

    The perceptron rule presents the patterns one by one, in the same order in every epoch; a neuron
    that is not stable enough reinforces its own state. The margin is that of a row of norm 1: it
    grows with the norm while the row learns. With fewer patterns than its capacity a row is done
    after a number of epochs that grows without bound towards the capacity.

    Parameters
    ----------
    n_couplings : int
        N, couplings of the row.
    load : float
        P / N; P is rounded, and at least 1.
    seed : int
        Of the patterns and of the neuron's own states in them. A larger load has those of a smaller
        one, and more.
    self_coupling : float, default 0
        J_D >= 0.
    margin : float, default 0
        kappa, stability that the neuron must exceed in every pattern.
    max_epochs : int, default 1000
        Passes over all patterns, at most.

    Returns
    -------
    mapping
        ``n_epochs``, passes until no pattern was unstable any more, the last one included; NaN if
        that was not reached. ``n_events``, how often the row changed.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.
    MemoryError
        If P patterns and their overlaps, 8 P max(P, N) bytes, are more than there is memory for.

    References
    ----------
    Convergence below the capacity: Gardner, J. Phys. A 21, 257 (1988). docs/model/network.md,
    section 3; docs/model/theory.md, section 8.
    """
    from binnet_kernels.rules.row import learn_row

    _check_training(n_couplings, load, seed, self_coupling, margin, max_epochs)
    patterns = _draw_patterns(n_couplings, load, seed).astype(np.float32)
    overlaps = (patterns @ patterns.T).astype(np.int32)  # integers below 2^24: exact
    fields, totals = np.zeros(len(patterns), np.int64), np.zeros(2, np.int64)
    for start, stop in in_pieces(max_epochs):
        n_epochs = learn_row(
            overlaps, n_couplings, self_coupling, margin, stop - start, fields, totals
        )
        if n_epochs:
            return {"n_epochs": float(start + n_epochs), "n_events": int(totals[1])}
    return {"n_epochs": np.nan, "n_events": int(totals[1])}


def largest_margin(n_couplings: int, load: float, seed: int) -> Mapping[str, Any]:
    """Find the largest margin with which a row holds random patterns; an observable.

    Without self-coupling; with it, the largest margin is larger by J_D. It is the distance from 0
    to the convex hull of the patterns, each times its own state: a problem of least squares without
    negative weights, which is solved exactly.

    Parameters
    ----------
    n_couplings, load, seed : int, float, int
        As of `train_row`: the same patterns.

    Returns
    -------
    mapping
        ``largest_margin``, for a row of norm 1, of the row found: 0 where no row has a margin above
        0; and ``upper_bound``, which no row exceeds. They differ by rounding errors.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As of `train_row`.

    References
    ----------
    Lawson, Hanson, "Solving Least Squares Problems" (1974), chapter 23. docs/model/theory.md,
    section 8.
    """
    from scipy.optimize import nnls

    _check_patterns(n_couplings, load, seed)
    patterns = _draw_patterns(n_couplings, load, seed) / np.sqrt(float(n_couplings))
    n_patterns = len(patterns)
    goal = np.zeros(n_couplings + 1)
    goal[-1] = 1.0
    weights, _ = nnls(
        np.vstack([patterns.T, np.ones(n_patterns)]), goal, maxiter=10 * (n_couplings + n_patterns)
    )
    row = weights @ patterns
    norm = float(np.linalg.norm(row))
    bound = np.sqrt(float(n_couplings)) * norm / weights.sum()
    margin = np.sqrt(float(n_couplings)) * float((patterns @ row).min()) / norm if norm else 0.0
    return {"largest_margin": max(margin, 0.0), "upper_bound": bound}


def _draw_patterns(n_couplings: int, load: float, seed: int) -> NDArray[np.int8]:
    """Return the inputs of each pattern (P, N), multiplied by the neuron's own state in it."""
    states = np.random.default_rng(seed).integers(
        0, 2, (_count(n_couplings, load), n_couplings + 1), np.int8
    )
    states = 2 * states - 1
    return np.asarray(states[:, :-1] * states[:, -1:])


def _count(n_couplings: int, load: float) -> int:
    """Return P."""
    return max(1, round(load * n_couplings))


def _check_patterns(n_couplings: int, load: float, seed: int, **_: Any) -> None:
    check_integer("n_couplings", n_couplings, 1)
    check_real("load", load, 0.0, above=True)
    check_integer("seed", seed, 0, None)
    n_patterns = _count(n_couplings, load)
    check_memory(
        f"P = load * n_couplings = {n_patterns:,} patterns",
        8.0 * n_patterns * max(n_patterns, n_couplings),
        "take a smaller load or fewer couplings",
    )


def _check_training(
    n_couplings: int,
    load: float,
    seed: int,
    self_coupling: float = 0.0,
    margin: float = 0.0,
    max_epochs: int = 1000,
) -> None:
    _check_patterns(n_couplings, load, seed)
    check_real("self_coupling", self_coupling, 0.0)
    check_real("margin", margin)
    check_integer("max_epochs", max_epochs, 1)


def _cost(n_couplings: int, load: float, **_: Any) -> float:
    return float(n_couplings) ** 3 * load


TRAINED_ROW = Observable(train_row, cost=_cost, check=_check_training)
"""`train_row` with its checks and cost, for `sweeps.run`."""

LARGEST_MARGIN = Observable(largest_margin, cost=_cost, check=_check_patterns)
"""`largest_margin` with its checks and cost, for `sweeps.run`."""
