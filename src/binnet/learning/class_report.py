"""How well each class is recognised: confusion matrix, precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_integer, check_labels


@dataclass(frozen=True, eq=False)
class ClassReport:
    """What `report_classes` returns; C classes.

    Attributes
    ----------
    classes : tuple
        Names of the classes, in the order of rows and columns.
    confusion : ndarray of int64, shape (C, C)
        Samples of the class of the row that were taken for that of the column.
    """

    classes: tuple[Any, ...]
    confusion: NDArray[np.int64]

    @property
    def support(self) -> NDArray[np.int64]:
        """Samples of each class, shape (C,)."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Fraction of the predictions of a class that are right, (C,); 0 where there are none."""
        return _divide(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Fraction of the samples of a class that are recognised, (C,); 0 where there are none."""
        return _divide(self.confusion.diagonal(), self.support)

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall, (C,)."""
        either = self.support + self.confusion.sum(axis=0)
        return _divide(2 * self.confusion.diagonal(), either)

    @property
    def accuracy(self) -> float:
        """Fraction of right predictions."""
        return float(self.confusion.trace() / self.confusion.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values.

        Returns
        -------
        dict
            "accuracy"; "classes", a list of one table for each; and "confusion", a list of rows.
        """
        columns = (self.precision, self.recall, self.f1, self.support)
        return {
            "accuracy": self.accuracy,
            "classes": [
                {"class": str(name), "precision": p, "recall": r, "f1": f, "support": n}
                for name, p, r, f, n in zip(
                    self.classes, *(column.tolist() for column in columns), strict=True
                )
            ],
            "confusion": self.confusion.tolist(),
        }


def report_classes(
    y: ArrayLike, predictions: ArrayLike, classes: int | Sequence[Any]
) -> ClassReport:
    """Compare predictions with labels, class by class.

    Parameters
    ----------
    y : array_like of int, shape (n_samples,)
        Labels 0..C-1.
    predictions : array_like of int, shape (n_samples,)
        What was predicted, see `binnet.predict`.
    classes : int or sequence
        C, or the name of each class.

    Returns
    -------
    ClassReport
        Confusion matrix, precision, recall, F1 and support.

    Raises
    ------
    TypeError, ValueError
        If there is no sample, or an argument has the wrong type, shape or range.

    Examples
    --------
    >>> report = report_classes([0, 0, 1, 1], [0, 1, 1, 1], ["cat", "dog"])
    >>> report.recall
    array([0.5, 1. ])
    """
    names = tuple(range(classes)) if isinstance(classes, int) else tuple(classes)
    check_integer("the number of classes", len(names), 1)
    labels = np.asarray(y)
    check_integer("the number of samples", labels.size, 1)
    labels = check_labels("y", labels, labels.size, len(names))
    guesses = check_labels("predictions", predictions, labels.size, len(names))
    pairs = np.bincount(labels * len(names) + guesses, minlength=len(names) ** 2)
    return ClassReport(names, pairs.reshape(len(names), len(names)))


def _divide(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(part / np.maximum(whole, 1))
