"""Samples that are learned from, checked once for all who train."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import Inputs, check_inputs, check_labels, refuse_graded
from binnet.learning.configuration import Configuration


def check_samples(
    prefix: str, X: ArrayLike, y: ArrayLike, configuration: Configuration
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

    Returns
    -------
    tuple of ndarray
        Inputs: int8 spins, uint8 pixels or float32; labels: int64.

    Raises
    ------
    TypeError, ValueError
        If one has the wrong type, shape or range, or inputs are graded and the run is in integers.
    """
    inputs = check_inputs(f"{prefix}X", X, configuration.network.n_inputs)
    if configuration.arithmetic.bits:
        inputs = refuse_graded(f"{prefix}X", inputs, "learning in integers")
    labels = check_labels(f"{prefix}y", y, len(inputs), configuration.network.n_outputs)
    return inputs, labels
