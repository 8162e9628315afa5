"""Any data set for classification: a folder of IDX files, or tables and arrays with a test part."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, hold_out, make_dataset
from .idx import DataFileError
from .idx_dataset import load_idx_dataset
from .tables import Table, read_table


def load_dataset(
    path: str | os.PathLike[str],
    target: str | int | None = None,
    name: str | None = None,
    *,
    test_data: str | os.PathLike[str] | None = None,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> Dataset:
    """Load a data set from a folder of IDX files or from a table, with a test part.

    The test part is that of the IDX files, the one in `test_data`, the one in an .npz file with
    X_test and y_test, or else a part of the samples, drawn so that every class has its share.
    Training samples of a table come in random order, so that the last ones are like all others.

    Parameters
    ----------
    path : path-like
        A folder for `load_idx_dataset`, or a file for `load_table`.
    target : str or int, optional
        Of a table: as of `load_table`.
    name : str, optional
        Of a folder: which set, as of `load_idx_dataset`.
    test_data : path-like, optional
        Table of the test samples, with the same columns.
    test_fraction : float, default 0.2
        Part of the samples that is held out for the test where there is none, between 0 and 1.
    split_seed : int, default 0
        Seed of what is drawn: the test part, and the order of the training samples.

    Returns
    -------
    Dataset
        Both parts, with labels 0..C-1.

    Raises
    ------
    FileNotFoundError, DataFileError, ValueError, ImportError
        As of `load_idx_dataset` and `load_table`; also if an argument does not fit the data.

    Examples
    --------
    >>> data = load_dataset("iris.csv", "species")  # doctest: +SKIP
    >>> data.X_train.shape, data.X_test.shape, data.classes  # doctest: +SKIP
    ((120, 4), (30, 4), array(['setosa', 'versicolor', 'virginica'], dtype='<U10'))
    """
    if Path(path).expanduser().is_dir():
        for argument, value in (("target", target), ("test_data", test_data)):
            if value is not None:
                raise ValueError(
                    f"{path} is a folder of IDX files, which have labels and a test part; leave "
                    f"out {argument} = {str(value)!r}"
                )
        return load_idx_dataset(path, name)
    if name is not None:
        raise ValueError(f"{path} is no folder of several data sets; leave out name = {name!r}")
    table = read_table(path, target)
    called = Path(path).name.partition(".")[0]
    train, test = hold_out(table.labels, test_fraction, split_seed)
    X, labels = table.X, table.labels
    if test_data is not None:
        X_test, labels_test = _read_test(test_data, target, path, table)
    elif table.X_test is not None and table.labels_test is not None:
        X_test, labels_test = table.X_test, table.labels_test
    else:
        return make_dataset(called, X[train], labels[train], X[test], labels[test], table.columns)
    order = np.random.default_rng(split_seed).permutation(len(labels))
    return make_dataset(called, X[order], labels[order], X_test, labels_test, table.columns)


def _read_test(
    path: str | os.PathLike[str],
    target: str | int | None,
    training: str | os.PathLike[str],
    table: Table,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the samples of another table, its columns in the order of the first one."""
    other = read_table(path, target)
    if not table.columns or not other.columns or table.columns == other.columns:
        return other.X, other.labels
    missing = [name for name in table.columns if name not in other.columns]
    if missing or len(table.columns) != len(other.columns):
        lack = f"lacks the column {missing[0]!r}" if missing else "has more columns"
        raise DataFileError(f"{path} {lack}, compared with {training}; give both the same")
    return other.X[:, [other.columns.index(name) for name in table.columns]], other.labels
