"""Samples that are learned from, checked once for all who train."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import Inputs, check_inputs, check_labels
from binnet.learning.configuration import Configuration
from binnet.networks import read_inputs

Samples = tuple[ArrayLike, ArrayLike]
#: Training samples, the first, that the training accuracy is measured on.
TRAIN_SAMPLES_MEASURED = 10000
_ORDER_STREAM = 1  # of the seed's random streams


def check_samples(
    prefix: str, X: ArrayLike, y: ArrayLike, configuration: Configuration, least: int = 0
) -> tuple[Inputs, NDArray[np.int64]]:
    """Return inputs and labels as a run takes them, or say what is wrong with them.

    Parameters
    ----------
    prefix : str
        Of the names X and y, for messages.
    X : array_like, shape (n_samples, N_in)
        Inputs.
    y : array_like of int, shape (n_samples,)
        Labels 0..C-1.
    configuration : Configuration
        Sizes and arithmetic of the run.
    least : {0, 1}, default 0
        Samples that there must be.

    Returns
    -------
    tuple of ndarray
        Inputs: int8 spins, uint8 pixels or float32; labels: int64.

    Raises
    ------
    TypeError, ValueError
        If one has the wrong type, shape or range, or inputs are graded where the run takes spins.
    """
    inputs = check_inputs(f"{prefix}X", X, configuration.network.n_inputs)
    if configuration.arithmetic.bits and configuration.arithmetic.input_bits == 1:
        read_inputs(f"{prefix}X", inputs, configuration.arithmetic.inputs)  # or its refusal
    if len(inputs) < least:
        raise ValueError(f"{prefix}X must hold at least one sample, got shape {inputs.shape}")
    labels = check_labels(f"{prefix}y", y, len(inputs), configuration.network.n_outputs)
    return inputs, labels


def check_sets(
    sets: Mapping[str, Samples] | None, configuration: Configuration
) -> dict[str, tuple[Inputs, NDArray[np.int64]]]:
    """Return the sets to measure on as a run takes them, or say what is wrong with them.

    Parameters
    ----------
    sets : mapping of str to (X, y), optional
        The sets; none has the name "train".
    configuration : Configuration
        Sizes and arithmetic of the run.

    Returns
    -------
    dict of str to tuple of ndarray
        Inputs and labels, see `check_samples`.

    Raises
    ------
    TypeError, ValueError
        If one has the wrong name, type, shape or range.
    """
    checked = {}
    for name, (X, y) in (sets or {}).items():
        if name == "train":
            raise ValueError(
                'evaluate_on may not hold "train": it is measured anyway; rename the set'
            )
        checked[name] = check_samples(f"{name} ", X, y, configuration, 1)
    return checked


def draw_order(seed: int, epoch: int, n_samples: int) -> NDArray[np.int64]:
    """Return the order in which an epoch presents the samples, were none left out.

    Parameters
    ----------
    seed : int
        Of the run.
    epoch : int
        The epoch, from 0.
    n_samples : int
        Samples.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Their indices.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(_ORDER_STREAM, epoch))
    return np.random.default_rng(sequence).permutation(n_samples)
