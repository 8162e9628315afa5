"""Samples to predict, whose labels need not be known, from the files that `load_table` reads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._records import reading

from ._frames import read_csv, read_parquet
from .idx import DataFileError
from .tables import read_table

if TYPE_CHECKING:
    import pandas as pd

_ARRAYS = (".npy", ".npz")
_NARROW = (np.int8, np.uint8, np.float32)  # which `load_table` keeps, too


def load_features(
    path: str | os.PathLike[str],
    n_features: int,
    target: str | int | None = None,
    columns: Sequence[str] = (),
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Load features from a file of arrays or a table, and the labels if it has them.

    Parameters
    ----------
    path : path-like
        A file as `load_table` takes it, or one without labels: an .npz file with X alone, an .npy
        file alone, a table that lacks the column of the labels.
    n_features : int
        N, number of features; a table of one column more has labels.
    target : str or int, optional
        Where the labels are, as of `load_table`.
    columns : sequence of str, optional
        Names of the features in the order that they are wanted in. Default: as in the file.

    Returns
    -------
    X : ndarray, shape (n, N)
        Features.
    labels : ndarray, shape (n,), or None
        Labels as they stand in the file: integers or strings.

    Raises
    ------
    FileNotFoundError, DataFileError, ValueError, ImportError
        As of `load_table`; also if there is another number of features.

    Examples
    --------
    >>> X, labels = load_features("new.csv", 4)  # doctest: +SKIP
    """
    text = os.fspath(path)
    if "," in text:
        table = read_table(text, target)
        return _check(path, table.X, n_features), table.labels
    file = Path(path).expanduser()
    if file.suffix.lower() in _ARRAYS:
        return _read_arrays(file, n_features, target)
    if not file.is_file() or not {".csv", ".tsv", ".parquet", ".pq"} & set(file.suffixes):
        read_table(file, target)  # which says what is wrong
    frame = (read_parquet if file.suffix.lower() in (".parquet", ".pq") else read_csv)(file)
    if frame.shape[1] == n_features + 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of constant columns, which a few samples may have
            table = read_table(file, target)
        order = _find_order(path, table.columns, columns)
        return table.X[:, order], table.labels
    names = [str(name) for name in frame.columns]
    X = _check(path, _to_matrix(file, frame), n_features)
    return X[:, _find_order(path, names, columns)], None


def _read_arrays(
    file: Path, n_features: int, target: str | int | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    beside = file.with_name("y" + file.name[1:])
    is_pair = file.suffix == ".npy" and file.name[:1] in "Xx" and beside.is_file()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    if not is_pair:
        with reading(file, f"{file.suffix} file"):
            found: Any = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return _check(file, found, n_features), None
            with found:
                if len(found.files) == 1:
                    return _check(file, found[found.files[0]], n_features), None
    table = read_table(file, None if is_pair else target)
    return _check(file, table.X, n_features), table.labels


def _to_matrix(path: Path, frame: pd.DataFrame) -> NDArray[Any]:
    import pandas as pd

    with reading(path, "table of numbers", "give features as numbers"):
        numbers = frame.apply(pd.to_numeric)
        kinds = {np.dtype(getattr(dtype, "numpy_dtype", dtype)) for dtype in numbers.dtypes}
        kind = kinds.pop() if len(kinds) == 1 else np.dtype(np.float64)
        return np.asarray(numbers.to_numpy(dtype=kind if kind in _NARROW else np.float64))


def _check(path: str | os.PathLike[str], X: NDArray[Any], n_features: int) -> NDArray[Any]:
    X = X.reshape(len(X), -1) if X.ndim > 1 else X
    if X.ndim != 2 or X.shape[1] != n_features:
        raise DataFileError(
            f"{os.fspath(path)} must have {n_features} features for each sample, and the label "
            f"where it is known, got the shape {X.shape}; give it the features that were learned"
        )
    return X


def _find_order(
    path: str | os.PathLike[str], found: Sequence[str], wanted: Sequence[str]
) -> list[int]:
    """Return where the wanted columns are; as they stand where they have no names, but numbers."""
    are_numbers = all(name.isdigit() for name in (*found, *wanted))
    if not wanted or are_numbers:
        return list(range(len(found)))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataFileError(
            f"{os.fspath(path)} lacks the column {missing[0]!r}, which was learned; give it the "
            "same columns"
        )
    return [list(found).index(name) for name in wanted]
