"""Hetero-association: random inputs with random labels, to be learned by heart.

Nothing generalises here, so that how many are recalled measures what a network can store
(docs/model/network.md, section 10.1). Labels are classes, as the trainer clamps one active readout
of C; random ±1 target vectors, with several active readouts, it does not learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_integer


@dataclass(frozen=True, eq=False)
class Associations:
    """P random associations.

    Attributes
    ----------
    X : ndarray of int8, shape (P, N_in)
        Inputs, -1 or +1 with equal probability.
    y : ndarray of int64, shape (P,)
        Labels 0..C-1 with equal probability.
    seed : int
        Seed of the draw.
    """

    X: NDArray[np.int8]
    y: NDArray[np.int64]
    seed: int


def draw_associations(
    n_associations: int, n_inputs: int = 100, n_classes: int = 10, seed: int = 0
) -> Associations:
    """Draw random inputs with random labels.

    A larger draw of the same seed begins with the smaller one.

    Parameters
    ----------
    n_associations : int
        P, at least 1.
    n_inputs : int, default 100
        N_in, at least 1.
    n_classes : int, default 10
        C, at least 2.
    seed : int, default 0
        Seed of the draw.

    Returns
    -------
    Associations
        Inputs and labels.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    Examples
    --------
    >>> associations = draw_associations(50, n_inputs=20, n_classes=4, seed=1)
    >>> associations.X.shape, int(associations.y.max())
    ((50, 20), 3)
    """
    shape = (
        check_integer("n_associations", n_associations, 1),
        check_integer("n_inputs", n_inputs, 1),
    )
    n_classes = check_integer("n_classes", n_classes, 2)
    what = f"n_associations = {shape[0]} of n_inputs = {shape[1]}"
    check_memory(what, 2.0 * shape[0] * shape[1], "take fewer of either")
    sequence = np.random.SeedSequence(check_integer("seed", seed, 0, None))
    inputs, labels = (np.random.default_rng(child) for child in sequence.spawn(2))
    X = np.where(inputs.random(shape) < 0.5, -1, 1).astype(np.int8)
    y = (labels.random(shape[0]) * n_classes).astype(np.int64)
    return Associations(X, y, seed)
