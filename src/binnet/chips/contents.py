"""What is in the memories of a core before its first command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.chips.design import CoreDesign
from binnet.networks import BLOCKS, QuantizedNetwork

Contents = dict[str, NDArray[np.int64]]


def fill_memories(
    design: CoreDesign,
    network: QuantizedNetwork,
    latent: Mapping[str, NDArray[Any]] | None = None,
    registers: ArrayLike | None = None,
) -> Contents:
    """Return the initial contents of each memory of a core.

    Parameters
    ----------
    design : CoreDesign
        The core.
    network : QuantizedNetwork
        The network that it was designed for.
    latent : mapping of str to ndarray, optional
        Latent weights of J, W_in and W_out by the names of the blocks. Needed where the memories
        have more bits than the weights.
    registers : array_like of int, shape (H + C,), optional
        Shift registers of the hidden neurons and of the readouts, 1..65535. Needed where it learns.

    Returns
    -------
    dict of str to ndarray of int64, shape (words, lanes)
        Integers by the memories' names; lanes beyond the last neuron hold 0, registers there 1.
        A 0 in a memory of one bit, beyond the last neuron or on the diagonal, is a -1 there.

    Raises
    ------
    ValueError
        If latent weights or registers are missing, or do not fit.
    """
    H, C, G, P = design.n_neurons, design.n_outputs, design.n_groups, design.elements
    if (network.n_neurons, network.n_inputs, network.n_outputs) != (H, design.n_inputs, C):
        raise ValueError(
            f"network must have the sizes of the core, {(H, design.n_inputs, C)}, got "
            f"{(network.n_neurons, network.n_inputs, network.n_outputs)}; design the core for it"
        )
    names, blocks = BLOCKS[:3], {}
    for name, bits, stored in zip(names, design.weight_bits, design.stored_bits, strict=True):
        if stored > bits and name not in (latent or {}):
            raise ValueError(
                f"latent must hold {name}, of which the core stores {stored} bits and shows "
                f"{bits}; pass the latent weights of the run"
            )
        block = (latent or {}).get(name) if stored > bits else getattr(network, name)
        blocks[name] = np.asarray(block, np.int64)
    # Of each, from presynaptic neuron to target.
    contents = [lay_out(blocks[name].T, P) for name in names]
    if design.learning is not None:
        own = np.asarray(() if registers is None else registers, np.int64)
        if own.shape != (H + C,) or own.min() < 1 or own.max() > 0xFFFF:
            raise ValueError(
                f"registers must be {H + C} integers in 1..65535, one for each hidden neuron and "
                f"readout, got shape {own.shape}; pass those of the run"
            )
        fields = network.feedback_fields.astype(np.int64)
        contents.append(_split(fields, P).reshape(C * G, P))
        contents += [_split(part[None], P, 1)[0] for part in (own[:H], own[H:])]
    memories = design.memories
    return {memory.name: words for memory, words in zip(memories, contents, strict=True)}


def _split(rows: NDArray[np.int64], elements: int, beyond: int = 0) -> NDArray[np.int64]:
    """Return rows (K, n) as words of P lanes, shape (K, groups, P)."""
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % elements)), constant_values=beyond)
    return filled.reshape(len(rows), -1, elements)


def lay_out(weights: NDArray[np.int64], elements: int) -> NDArray[np.int64]:
    """Return weights as words of a memory: of the first group of targets all, then of the next.

    Parameters
    ----------
    weights : ndarray of int64, shape (K, n)
        Weights from each of K presynaptic neurons to each of n targets.
    elements : int
        P, lanes of a word.

    Returns
    -------
    ndarray of int64, shape (groups K, P)
        The words; lanes beyond the last target hold 0.
    """
    words = _split(weights, elements).transpose(1, 0, 2)
    return np.ascontiguousarray(words.reshape(-1, elements))
