"""The user's own samples from files of tables and arrays: .npz, .npy, CSV and Parquet.

Whatever the file, there are features, numbers without gaps, and one label a sample. What is not so
is named by its column. NumPy reads no objects here, since unpickling them can run code; pandas,
which xarray brings, reads CSV, and Parquet with pyarrow.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._records import reading

from ._frames import read_csv, read_parquet, take_columns, take_target
from .idx import DataFileError

if TYPE_CHECKING:
    import pandas as pd

_KEPT = (np.int8, np.uint8, np.float32, np.float64)
_FORMS = "an .npz or .npy file, .csv, .tsv (also .gz) or .parquet"


@dataclass(frozen=True, eq=False)
class Table:
    """Samples of one file: features, labels, and, where the file is split, those of its test part.

    `columns` are the names of the features, none where the file has none.
    """

    X: NDArray[Any]
    labels: NDArray[Any]
    columns: tuple[str, ...] = ()
    X_test: NDArray[Any] | None = None
    labels_test: NDArray[Any] | None = None


def load_table(
    path: str | os.PathLike[str], target: str | int | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Load features and labels from a file of arrays or a table.

    ==================  ==========================================================================
    file                what it holds
    ==================  ==========================================================================
    .npz                arrays X and y; of X_train, y_train, X_test, y_test the training part
    .npy                X.npy, with y.npy beside it; or both, as "features.npy,labels.npy"
    .csv, .tsv, .gz     rows of numbers, of which one column may be text, the target; with names
                        of the columns in the first row or without; commas, semicolons or tabs
    .parquet            the same (needs ``pip install "binnet[tables]"``)
    ==================  ==========================================================================

    Parameters
    ----------
    path : path-like
        The file.
    target : str or int, optional
        The column of the labels, by name or number, from 0 or, negative, from the end; of .npz the
        name of an array. Default: the last column; y.

    Returns
    -------
    X : ndarray, shape (n, N_in)
        Features: int8, uint8 (pixels), float32 or float64; rows of more dimensions are laid out as
        one.
    y : ndarray, shape (n,)
        Labels: integers or strings.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If the file is damaged, holds objects, or a column has gaps, is text or no target.
    ValueError
        If the file is of another kind, or has no such target.
    ImportError
        If Parquet is to be read without pyarrow.

    Examples
    --------
    >>> X, y = load_table("iris.csv", "species")  # doctest: +SKIP
    >>> X.shape, y[0]  # doctest: +SKIP
    ((150, 4), 'setosa')
    """
    table = read_table(path, target)
    return table.X, table.labels


def read_table(path: str | os.PathLike[str], target: str | int | None = None) -> Table:
    """Read a file as `load_table` does, with its test part and the names of its columns.

    Parameters
    ----------
    path : path-like
        The file.
    target : str or int, optional
        As of `load_table`.

    Returns
    -------
    Table
        What the file holds.
    """
    text = os.fspath(path)
    if text.endswith(".npy"):
        if target is not None:
            raise ValueError(f"{path}: target {target!r} names a column, and .npy files have none")
        return _make_arrays(path, *(_read_npy(each) for each in _find_pair(text)))
    path = _check_file(Path(path).expanduser())
    if path.suffix.lower() == ".npz":
        return _make_arrays(path, *_read_npz(path, target))
    X, labels, names = take_target(path, _read_frame(path), target)
    return Table(_check_numbers(path, X, names), _check_labels(path, labels, len(X)), names)


def read_samples(
    path: str | os.PathLike[str], columns: Sequence[str] = (), target: str | None = None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Read samples that may have labels, and need have none: .npz, .npy, CSV or Parquet.

    Parameters
    ----------
    path : path-like
        The file; of .npz the arrays X and, if it is there, y.
    columns : sequence of str, optional
        Names of the features in a table, in the order in which they are returned.
    target : str, optional
        Column of the labels, where the table has more than one other; an array of .npz.

    Returns
    -------
    X : ndarray, shape (n, N_in)
        Features.
    labels : ndarray, shape (n,), or None
        Labels, where the file has them.
    """
    text = os.fspath(path)
    if text.endswith(".npy"):
        features = Path(text).expanduser()
        if len(split_pair(text)) > 1 or _find_labels(features).exists():
            table = read_table(path)
            return table.X, table.labels
        return _check_features(path, _read_npy(_check_file(features))), None
    path = _check_file(Path(path).expanduser())
    if path.suffix.lower() == ".npz":
        arrays = _read_npz(path, target, labelled=False)
        X = _check_features(path, arrays[0])
        return X, _check_labels(path, arrays[1], len(X)) if len(arrays) > 1 else None
    frame = _read_frame(path)
    X, labels = take_columns(path, frame, columns or [str(name) for name in frame.columns], target)
    checked = None if labels is None else _check_labels(path, labels, len(X))
    return _check_numbers(path, X, columns), checked


def _read_frame(path: Path) -> pd.DataFrame:
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes[-1:] in ([".parquet"], [".pq"]):
        return read_parquet(path)
    if {".csv", ".tsv"} & set(suffixes):
        return read_csv(path)
    raise ValueError(f"{path}: what is read is {_FORMS}; save it as one of these")


def _check_file(path: Path) -> Path:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name {_FORMS}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def _find_pair(text: str) -> tuple[Path, Path]:
    """Return the files of features and labels that "X.npy" or "X.npy,y.npy" stand for."""
    parts = [Path(part).expanduser() for part in split_pair(text)]
    features = parts[0]
    if len(parts) == 1 and features.name[:1] not in "Xx":
        raise ValueError(
            f"{features}: two .npy files are needed; name them as FEATURES.npy,LABELS.npy, or "
            "the features X....npy, with the labels in y....npy beside it"
        )
    return _check_file(features), _check_file(parts[1] if parts[1:] else _find_labels(features))


def split_pair(text: str) -> list[str]:
    """Return the two files of "X.npy,y.npy"; a comma elsewhere is a part of a name.

    Parameters
    ----------
    text : str
        One file or two.

    Returns
    -------
    list of str
        One or two.
    """
    first, comma, second = text.partition(".npy,")
    return [f"{first}.npy", second] if comma else [text]


def _find_labels(features: Path) -> Path:
    """Return y....npy beside X....npy."""
    return features.with_name("y" + features.name[1:])


def _read_npy(path: Path) -> NDArray[Any]:
    with reading(path, ".npy file"):
        with _no_objects(path):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        _check_room(path, mapped.nbytes)
        return np.array(mapped)


def _read_npz(path: Path, target: str | int | None, *, labelled: bool = True) -> list[NDArray[Any]]:
    """Return X and y, perhaps with those of a test part; X alone if it need not be `labelled`."""
    label = str("y" if target is None else target)
    with reading(path, ".npz file"), _no_objects(path), _open_archive(path) as archive:
        members = {
            each.filename.removesuffix(".npy").lower(): each
            for each in archive.infolist()
            if each.filename.endswith(".npy")
        }
        if not labelled and label.lower() not in members:
            label = "y"  # the run's own file was of another kind, or another name
        wanted, test = ["X", label], ["X_test", f"{label}_test"]
        if not labelled and label.lower() not in members:
            wanted = ["X"]
        elif labelled and "x" not in members:
            wanted = ["X_train", f"{label}_train"]
            wanted += test if all(name.lower() in members for name in test) else []
        if any(name.lower() not in members for name in wanted):
            held = ", ".join(each.filename.removesuffix(".npy") for each in archive.infolist())
            raise ValueError(
                f"{path} holds the arrays {held or 'none'}; X and {label} are needed, or X_train, "
                f"{label}_train, X_test and {label}_test"
            )
        chosen = [members[name.lower()] for name in wanted]
        # By the directory of the archive: a small file can unpack to a large one.
        _check_room(path, sum(member.file_size for member in chosen))
        return [_read_member(archive, member) for member in chosen]


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def _no_objects(path: Path) -> Iterator[None]:
    """Say what to do about objects, which NumPy names but does not read."""
    try:
        yield
    except ValueError as error:
        if "bject" not in str(error):
            raise
        raise DataFileError(
            f"{path} holds Python objects, which only pickle reads, and pickle can run code; save "
            "numbers or text, as by array.astype(float) or array.astype(str)"
        ) from None


def _check_room(path: Path, n_bytes: float) -> None:
    check_memory(f"{path}: its arrays", n_bytes, "take fewer samples")


def _make_arrays(path: str | os.PathLike[str], *arrays: NDArray[Any]) -> Table:
    """Check X, y and perhaps those of a test part."""
    parts: list[NDArray[Any]] = []
    for X, labels in zip(arrays[::2], arrays[1::2], strict=True):
        parts += [_check_features(path, X), _check_labels(path, labels, len(X))]
    return Table(parts[0], parts[1], (), *parts[2:])


def _check_features(path: str | os.PathLike[str], X: NDArray[Any]) -> NDArray[Any]:
    if X.dtype.kind not in "biuf":
        raise DataFileError(f"{path}: X must be numbers, got {X.dtype}; encode it as numbers")
    if X.ndim < 2 or X.size == 0:
        raise DataFileError(
            f"{path}: X must have a row for each sample and a column for each feature, got the "
            f"shape {X.shape}"
        )
    X = X.reshape(len(X), -1)
    return _check_numbers(path, X if X.dtype in _KEPT else X.astype(np.float64))


def _check_numbers(
    path: str | os.PathLike[str], X: NDArray[Any], names: Any = None
) -> NDArray[Any]:
    if X.dtype.kind == "f" and not (finite := np.isfinite(X)).all():
        row, column = (int(k) for k in np.argwhere(~finite)[0])
        name = f"column {names[column]!r}" if names else f"column {column} of X"
        raise DataFileError(
            f"{path}: {name} has {X[row, column]} in sample {row + 1}; fill, or leave out, what is "
            "not finite"
        )
    return np.ascontiguousarray(X)


def _check_labels(
    path: str | os.PathLike[str], labels: NDArray[Any], n_samples: int
) -> NDArray[Any]:
    """Return labels as int64 or text."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (n_samples,):
        raise DataFileError(
            f"{path}: y must have one label for each of {n_samples} rows of X, got the shape "
            f"{labels.shape}"
        )
    if labels.dtype.kind == "f":
        whole = labels == np.rint(labels)  # not of NaN
        if not whole.all():
            raise DataFileError(
                f"{path}: labels must name classes, whole numbers or text, got "
                f"{labels[np.argmin(whole)]} in sample {np.argmin(whole) + 1}; a target of real "
                "numbers is none of classification"
            )
    if labels.dtype.kind in "biuf":
        return labels.astype(np.int64)
    if labels.dtype.kind in "US":
        return np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
    raise DataFileError(f"{path}: labels must be whole numbers or text, got {labels.dtype}")
