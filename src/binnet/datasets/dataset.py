"""A data set for classification, as the loaders return it: two parts, and the classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import compute_digest
from binnet._validation import check_integer, check_real

from .idx import DataFileError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with labels, in a training and a test part.

    Attributes
    ----------
    X_train, X_test : ndarray, shapes (n_train, N_in) and (n_test, N_in)
        Features as the files hold them; uint8 are pixels, 0..255.
    y_train, y_test : ndarray of int64, shapes (n_train,) and (n_test,)
        Labels 0..C-1.
    classes : ndarray, shape (C,)
        The label that stands in the files for each of 0..C-1: integers or strings, in order.
    name : str
        What the data are called, such as "mnist" or "emnist-letters".
    columns : tuple of str
        Names of the features, none where the file has none.
    """

    X_train: NDArray[Any]
    y_train: NDArray[np.int64]
    X_test: NDArray[Any]
    y_test: NDArray[np.int64]
    classes: NDArray[Any]
    name: str
    columns: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of samples, labels and classes, whatever files they came from."""
        arrays = {key: getattr(self, key) for key in ("X_train", "y_train", "X_test", "y_test")}
        return compute_digest({"classes": self.classes.tolist()}, arrays)


def make_dataset(
    name: str,
    X_train: NDArray[Any],
    labels_train: NDArray[Any],
    X_test: NDArray[Any],
    labels_test: NDArray[Any],
    columns: Sequence[str] = (),
) -> Dataset:
    """Number the classes and put the parts together.

    Parameters
    ----------
    name : str
        What the data are called, also in errors.
    X_train, labels_train : ndarray
        Features, one row a sample, and labels: integers or strings.
    X_test, labels_test : ndarray
        Those of the test part.
    columns : sequence of str, optional
        Names of the features.

    Returns
    -------
    Dataset
        With the classes of the training part.

    Raises
    ------
    DataFileError
        If there are fewer than two classes, the parts have other features, the test part has a
        class that the training part has not, or one part has pixels and the other real numbers.
    """
    classes, y_train, counts = np.unique(labels_train, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise DataFileError(
            f"{name}: all training samples have the class {classes[0]}; two at least are needed: "
            "is it the right column of labels?"
        )
    if X_train.shape[1] != X_test.shape[1]:
        raise DataFileError(
            f"{name}: the training part has {X_train.shape[1]} features, the test part "
            f"{X_test.shape[1]}; give both the same"
        )
    X_test = match_type(f"{name}: the test part", X_test, X_train.dtype)
    y_test = number_labels(f"{name}: the test part", labels_test, classes)
    if (counts == 1).any():
        rare = ", ".join(str(value) for value in classes[counts == 1][:5])
        warnings.warn(f"{name}: there is one training sample of class {rare}", stacklevel=2)
    return Dataset(
        X_train,
        y_train.astype(np.int64),
        X_test,
        y_test,
        classes,
        name,
        tuple(columns),
    )


def match_type(what: str, X: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return features in the type of those that are learned, where one of the two is uint8.

    Networks take uint8 as pixels u/255 and all else as it is: the same numbers in another type,
    as a CSV file has them, would be other inputs.

    Parameters
    ----------
    what : str
        What has the features, for errors.
    X : ndarray, shape (n, N_in)
        Features as in a file.
    dtype : numpy.dtype
        Of the features that are learned.

    Returns
    -------
    ndarray, shape (n, N_in)
        The same numbers.

    Raises
    ------
    DataFileError
        If they are to be pixels, and are not whole numbers in 0..255.
    """
    if X.dtype == dtype or np.uint8 not in (X.dtype, dtype):
        return X
    if X.dtype == np.uint8:
        return X.astype(np.float64)
    pixels = (X >= 0) & (X <= 255) & (np.rint(X) == X)
    if not pixels.all():
        raise DataFileError(
            f"{what} has {X[~pixels][0]:g} where the training samples are pixels (uint8); give "
            "whole numbers in 0..255"
        )
    return X.astype(np.uint8)


def number_labels(what: str, labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of each label among the classes.

    Parameters
    ----------
    what : str
        What has the labels, for errors.
    labels : ndarray, shape (n,)
        Labels as in a file.
    classes : ndarray, shape (C,)
        Those that can be, in order.

    Returns
    -------
    ndarray of int64, shape (n,)
        Labels 0..C-1.

    Raises
    ------
    DataFileError
        If there is another label.
    """
    if (classes.dtype.kind == "U") != (labels.dtype.kind == "U"):
        kinds = ("numbers", "text") if labels.dtype.kind == "U" else ("text", "numbers")
        raise DataFileError(f"{what} has {kinds[1]} for labels, where classes are {kinds[0]}")
    unknown = np.setdiff1d(labels, classes)
    if unknown.size:
        raise DataFileError(
            f"{what} has the class {unknown[0]}, of which there is no training sample; leave it "
            "out, or split the data anew"
        )
    return np.searchsorted(classes, labels).astype(np.int64)


def hold_out(
    labels: NDArray[Any], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw a test part that has every class in the proportion of all samples.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Label of each sample.
    fraction : float
        Part of the samples to hold out, between 0 and 1; one at least of each class that has two.
    seed : int
        Seed of the draw, at least 0.

    Returns
    -------
    tuple of ndarray of int64
        Numbers of the training samples and of the test samples, both in random order.

    Raises
    ------
    TypeError, ValueError
        If `fraction` or `seed` is not in its range, or no class has two samples.
    """
    fraction = check_real("test_fraction", fraction, 0, 1, above=True, below=True)
    generator = np.random.default_rng(check_integer("split_seed", seed, 0))
    order = generator.permutation(len(labels))
    test = np.zeros(len(labels), bool)
    for value in np.unique(labels):
        members = order[labels[order] == value]
        n_test = min(max(1, round(fraction * len(members))), len(members) - 1)
        test[members[:n_test]] = True
    if not test.any():
        raise ValueError(f"no class of these {len(labels)} samples has two; name a test set")
    return order[~test[order]], order[test[order]]
