"""The user's own samples from files of tables and arrays: .npz, .npy, CSV and Parquet.

Whatever the file, there are features, numbers without gaps, and one label a sample. What is not so
is named by its column. NumPy reads no objects here, since unpickling them can run code; pandas,
which xarray brings, reads CSV, and Parquet with pyarrow.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._records import reading

from ._frames import read_csv, read_parquet, take_target
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
        features, labels = _find_pair(text)
        if target is not None:
            raise ValueError(f"{path}: target {target!r} names a column, and .npy files have none")
        return _make_arrays(path, _read_npy(features), _read_npy(labels))
    path = Path(path).expanduser()
    _check_file(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".npz"]:
        return _read_npz(path, target)
    if suffixes[-1:] in ([".parquet"], [".pq"]):
        return _take_target(path, read_parquet(path), target)
    if {".csv", ".tsv"} & set(suffixes[-2:]):
        return _take_target(path, read_csv(path), target)
    raise ValueError(f"{path}: what is read is {_FORMS}; save it as one of these")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name {_FORMS}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")


def _find_pair(text: str) -> tuple[Path, Path]:
    """Return the files of features and labels that "X.npy" or "X.npy,y.npy" stand for."""
    first, comma, second = text.partition(",")
    features = Path(first).expanduser()
    labels = Path(second).expanduser()
    if not comma:
        if features.name[:1] not in "Xx":
            raise ValueError(
                f"{features}: two .npy files are needed; name them as FEATURES.npy,LABELS.npy, or "
                "the features X....npy, with the labels in y....npy beside it"
            )
        labels = features.with_name("y" + features.name[1:])
    for path in (features, labels):
        _check_file(path)
    return features, labels


def _read_npy(path: Path) -> NDArray[Any]:
    with reading(path, ".npy file"):
        with _no_objects(path):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        _check_room(path, mapped.nbytes)
        return np.array(mapped)


def _read_npz(path: Path, target: str | int | None) -> Table:
    label = str("y" if target is None else target)
    with reading(path, ".npz file"), _no_objects(path), _open_archive(path) as archive:
        members = {
            each.filename.removesuffix(".npy").lower(): each
            for each in archive.infolist()
            if each.filename.endswith(".npy")
        }
        wanted = ["X", label] if "x" in members else ["X_train", f"{label}_train"]
        test = ["X_test", f"{label}_test"]
        if wanted[0] == "X_train" and all(name.lower() in members for name in test):
            wanted += test
        missing = [name for name in wanted if name.lower() not in members]
        if missing:
            held = ", ".join(each.filename.removesuffix(".npy") for each in archive.infolist())
            raise ValueError(
                f"{path} holds the arrays {held or 'none'}; X and {label} are needed, or X_train, "
                f"{label}_train, X_test and {label}_test"
            )
        chosen = [members[name.lower()] for name in wanted]
        # By the directory of the archive: a small file can unpack to a large one.
        _check_room(path, sum(member.file_size for member in chosen))
        return _make_arrays(path, *(_read_member(archive, member) for member in chosen))


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
        if X.dtype.kind not in "biuf":
            raise DataFileError(f"{path}: X must be numbers, got {X.dtype}; encode it as numbers")
        if X.ndim < 2 or X.size == 0:
            raise DataFileError(
                f"{path}: X must have a row for each sample and a column for each feature, got the "
                f"shape {X.shape}"
            )
        labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if labels.shape != (len(X),):
            raise DataFileError(
                f"{path}: y must have one label for each of {len(X)} rows of X, got the shape "
                f"{labels.shape}"
            )
        X = X.reshape(len(X), -1)
        X = X if X.dtype in _KEPT else X.astype(np.float64)
        parts += [_check_numbers(path, X), _check_labels(path, labels)]
    return Table(parts[0], parts[1], (), *parts[2:])


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


def _check_labels(path: str | os.PathLike[str], labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as int64 or text."""
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


def _take_target(path: Path, frame: pd.DataFrame, target: str | int | None) -> Table:
    X, labels, names = take_target(path, frame, target)
    return Table(_check_numbers(path, X, names), _check_labels(path, labels), names)
