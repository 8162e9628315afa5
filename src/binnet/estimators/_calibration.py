"""Probabilities of readout fields: a softmax whose temperature is fitted to samples held out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

_WIDEST = math.log(1e4)  # of the temperature, in units of the size of the fields, either way


def hold_out(
    digests: NDArray[np.uint64], labels: NDArray[np.int64], fraction: float
) -> NDArray[np.bool_]:
    """Return which rows are held out: about `fraction` of the different samples of each class.

    Rows of equal digests are one sample, and stand side by side: they stay together. Of a class
    with fewer than 1 / fraction samples none is held out.
    """
    is_first = np.append(True, digests[1:] != digests[:-1])
    of_sample = labels[is_first]
    rank = np.empty(len(of_sample), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(of_sample == label)
        rank[members] = np.arange(1, len(members) + 1)
    # A hair more than the product: 5 * 0.2 is to be 1.
    count = np.floor(np.stack([rank - 1, rank]) * fraction + 1e-9)
    return np.asarray((count[1] > count[0])[np.cumsum(is_first) - 1])


def fit_temperature(fields: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the temperature T at which softmax(fields / T) has the smallest log loss.

    The label counts (n + 1) / (n + 2), the other classes share the rest, as Platt did for two:
    without an error among n samples T would otherwise be 0.
    """
    n, n_classes = fields.shape
    scale = float(np.abs(fields - fields.mean(axis=1, keepdims=True)).mean())
    if scale == 0.0:  # all classes tie for all samples
        return 1.0
    targets = np.full(fields.shape, 1 / ((n + 2) * (n_classes - 1)))
    targets[np.arange(n), labels] = (n + 1) / (n + 2)

    def loss(log_temperature: float) -> float:
        logarithms = log_softmax(fields / (scale * math.exp(log_temperature)), axis=1)
        return float(-(targets * logarithms).sum() / n)

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded")
    return float(scale * math.exp(found.x))
