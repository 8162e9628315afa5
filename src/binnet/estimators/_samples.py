"""The samples of a fit: in an order of their own, as often as their weights say."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight

from binnet._memory import check_memory
from binnet._validation import check_reals

_BLOCK = 1024  # rows that are made dense at a time
# Rows in the place of one sample on average, where weights are fractions.
_ROWS_PER_SAMPLE = 4


def trim(X: Any, y: Any, sample_weight: Any) -> tuple[Any, NDArray[Any], NDArray[np.float64]]:
    """Return the samples that have a weight above 0, and their weights: 1 where none are given."""
    weights = np.asarray(_check_sample_weight(sample_weight, X, dtype=np.float64))
    check_reals("sample_weight", weights, 0.0, remedy="0 leaves a sample out")
    counts = weights > 0
    if not counts.any():
        raise ValueError("sample_weight must be positive for some sample, got zeros only")
    if counts.all():
        return X, np.asarray(y), weights
    return X[counts], np.asarray(y)[counts], weights[counts]


def choose_classes(y: NDArray[Any], before: NDArray[Any] | None) -> NDArray[Any]:
    """Return the classes of labels; they must be those before, if there were any."""
    classes: NDArray[Any] = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y must hold at least 2 classes, got 1 class: {classes[0]!r}; a classifier "
            "needs something to tell apart"
        )
    if before is not None and not np.array_equal(classes, before):
        raise ValueError(
            f"warm_start goes on with the classes of the fit before, {before}, but y holds "
            f"{classes}"
        )
    return classes


def find_classes(y: Any, classes: Any, before: NDArray[Any] | None) -> NDArray[Any]:
    """Return the classes that `partial_fit` was told of; all labels must be among them."""
    if before is None:
        if classes is None:
            raise ValueError("the first call of partial_fit needs classes, all labels to come")
        before = np.unique(classes)
    elif classes is not None and not np.array_equal(np.unique(classes), before):
        raise ValueError(f"classes must be those of the first call, {before}, got {classes}")
    if len(before) < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    unknown = np.setdiff1d(y, before)
    if unknown.size:
        raise ValueError(f"y holds {unknown[0]}, which is not one of classes {before}")
    return before


def lay_out(
    X: Any, y: NDArray[Any], classes: NDArray[Any], weights: NDArray[np.float64], *, scale: bool
) -> tuple[Any, NDArray[np.int64], NDArray[np.uint64]]:
    """Return rows, labels and digests: samples in an order of their own, as often as they weigh."""
    labels = np.searchsorted(classes, y)
    digests = digest_samples(X, labels)
    order = np.argsort(digests, kind="stable")
    n_rows = count_rows(weights[order], scale=scale, n_features=X.shape[1])
    rows = np.repeat(order, n_rows)
    return X[rows], labels[rows], digests[rows]


def weigh_classes(
    class_weight: Any, classes: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weights of samples, times those of their classes."""
    if class_weight is None:
        return weights
    labels = np.searchsorted(classes, y)
    if class_weight == "balanced":
        mass = np.bincount(labels, weights, len(classes))
        factors = weights.sum() / (len(classes) * mass)
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=y)
    check_reals("class_weight", factors, 0.0)
    return np.asarray(weights * factors[labels])


def digest_samples(X: Any, labels: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a number of each sample that only its features and its label decide.

    In the order of these numbers a fit sees the samples: it then depends on which there are, not on
    the rows that they stand in, and a weight of 2 is the same as a sample that is there twice.
    """
    digests = []
    for start in range(0, X.shape[0], _BLOCK):
        block = X[start : start + _BLOCK]
        # Adding 0 makes +0.0 of -0.0.
        rows = np.asarray(block.toarray() if issparse(block) else block, np.float64) + 0.0
        for row, label in zip(rows, labels[start : start + _BLOCK], strict=True):
            digest = hashlib.blake2b(row.tobytes(), digest_size=8, salt=label.tobytes())
            digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), np.uint64)


def count_rows(weights: NDArray[np.float64], *, scale: bool, n_features: int) -> NDArray[np.int64]:
    """Return how many rows each sample becomes: its weight, rounded where it is a fraction.

    With `scale` fractions are first scaled to a mean of 4, as only their ratios count. Rounding
    carries what is left on to the next sample: the sum over any samples in a row is right within 1.
    """
    is_whole = bool((weights == np.floor(weights)).all())
    if not is_whole and scale:
        weights = weights * (_ROWS_PER_SAMPLE * len(weights) / weights.sum())
    total = float(weights.sum())
    what = f"sample_weight that adds up to {total:g}"
    # A row, 16 spins of each feature (or one float and its copy), label, number and digest.
    n_bytes = total * (24.0 * n_features + 24.0)
    check_memory(what, n_bytes, "weights count as rows: give smaller ones, or fractions")
    if is_whole:
        return weights.astype(np.int64)
    ends = np.floor(np.cumsum(weights) + 0.5).astype(np.int64)
    if ends[-1] == 0:
        raise ValueError(f"sample_weight adds up to {total:g}: no sample is presented; give more")
    return np.diff(ends, prepend=0)
