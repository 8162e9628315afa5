"""Structures of the recurrent weights that a network begins with (docs/model/rate.md, section 1.1).

All have the same mean square norm of a row, ``E sum_j W_ij² = gain²``, so that gains compare.
Only the couplings that "sparse-K" leaves out stay absent: any other structure is that of the draw,
and learning may leave it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.rate._names import Name, parse_name

LETTERS: dict[str, str | None] = {
    "gaussian": None,
    "orthogonal": None,
    "low-rank": "R",
    "block": "B",
    "sparse": "K",
    "dale": None,
}
#: A structure of each kind, with a usual number where its name has one.
STRUCTURES = ("gaussian", "orthogonal", "low-rank-4", "block-4", "sparse-8", "dale")
#: Part of the neurons that are inhibitory in "dale".
INHIBITORY = 0.2
_MEANINGS = {"low-rank": "rank R", "block": "number of groups B", "sparse": "couplings K"}
_FEWEST_OF_DALE = 3  # with 2 neurons, a fifth of them rounds to none


def check_structure(structure: object, n_hidden: int) -> Name:
    """Return a structure in its parts.

    Parameters
    ----------
    structure : str
        Its name, such as "low-rank-4".
    n_hidden : int
        N, number of neurons that it is for.

    Returns
    -------
    Name
        Its kind, and the number in its name.

    Raises
    ------
    ValueError
        If there is no such structure, or a network of N neurons cannot have it.
    """
    name = parse_name("structure", structure, LETTERS)
    if name.number is not None and name.number > n_hidden:
        raise ValueError(
            f"structure {structure!r}: the {_MEANINGS[name.kind]} must be 1..{n_hidden} in a "
            f"network of n_hidden = {n_hidden} neurons, got {name.number}; take a smaller number "
            "or more neurons"
        )
    if name.kind == "dale" and n_hidden < _FEWEST_OF_DALE:
        raise ValueError(
            f"structure 'dale' needs n_hidden >= {_FEWEST_OF_DALE}, of which a fifth is inhibitory,"
            f" got {n_hidden}; take more neurons or another structure"
        )
    return name


def draw_recurrent(
    structure: Name, normal: NDArray[np.float64], gain: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Draw recurrent weights.

    Parameters
    ----------
    structure : Name
        What `check_structure` returned.
    normal : ndarray, shape (N, N)
        Independent standard normal numbers: every structure is made of the same ones.
    gain : float
        Root mean square norm of a row.
    rng : numpy.random.Generator
        What else is drawn comes from it.

    Returns
    -------
    ndarray, shape (N, N)
        W_h.
    ndarray of bool, shape (N, N), or None
        Which couplings exist, where not all do.
    """
    n = len(normal)
    number = structure.number or 1
    if structure.kind == "orthogonal":
        return gain * _draw_haar(normal), None
    if structure.kind == "low-rank":
        other = rng.standard_normal((n, number))
        return normal[:, :number] @ other.T * (gain / math.sqrt(n * number)), None
    if structure.kind == "block":
        return _draw_blocks(normal, number, gain), None
    if structure.kind == "sparse":
        there = np.argsort(rng.random((n, n)), axis=1) < number  # K of N places in each row
        return np.where(there, normal * (gain / math.sqrt(number)), 0.0), there
    if structure.kind == "dale":
        return gain * _draw_dale(normal), None
    return normal * (gain / math.sqrt(n)), None


def _draw_haar(normal: NDArray[np.float64]) -> NDArray[Any]:
    """Return an orthogonal matrix, uniformly distributed (Mezzadri 2007)."""
    q, r = np.linalg.qr(normal)
    # LAPACK chooses the signs of R's diagonal; positive, Q is unique and uniformly distributed.
    signed: NDArray[Any] = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return signed


def _draw_blocks(normal: NDArray[np.float64], n_groups: int, gain: float) -> NDArray[np.float64]:
    """Return couplings within groups of neighbouring neurons, which differ in size by 1 at most."""
    weights = np.zeros_like(normal)
    for group in np.array_split(np.arange(len(normal)), n_groups):
        here = slice(group[0], group[-1] + 1)
        weights[here, here] = normal[here, here] * (gain / math.sqrt(len(group)))
    return weights


def _draw_dale(normal: NDArray[np.float64]) -> NDArray[Any]:
    """Return rows of norm 1 and mean 0: columns of one sign each, the last fifth negative."""
    n = len(normal)
    n_inhibitory = round(INHIBITORY * n)
    weights = np.abs(normal)
    excitatory, inhibitory = np.split(weights, [n - n_inhibitory], axis=1)
    balance = excitatory.sum(axis=1, keepdims=True) / inhibitory.sum(axis=1, keepdims=True)
    inhibitory *= -balance  # views: it is the weights that change
    balanced: NDArray[Any] = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    return balanced
