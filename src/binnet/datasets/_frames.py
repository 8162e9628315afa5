"""CSV and Parquet as data frames, and from these features and labels, with every fault's column."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._records import reading

from .idx import DataFileError

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_LINE = 2**24
_PEEK = 20  # rows from which it is seen whether the first one has names
_SHOWN = 5  # names in a message


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table of commas, semicolons or tabs; columns without names have numbers."""
    import pandas as pd

    check_memory(f"{path}: its table", float(path.stat().st_size), "take fewer rows")
    options: dict[str, Any] = {"skipinitialspace": True, "encoding": "utf-8-sig"}
    with reading(path, "CSV file", "save it as CSV in UTF-8"):
        unpacked = gzip.open if path.suffix.lower() == ".gz" else open
        with unpacked(path, "rt", encoding="utf-8-sig") as file:
            options["sep"] = max(",;\t", key=file.readline(_LONGEST_LINE).count)
        peek = pd.read_csv(
            path, header=None, nrows=_PEEK, dtype=str, keep_default_na=False, **options
        )
        named = _has_names(peek.to_numpy(dtype=str))
        frame = pd.read_csv(path, header=0 if named else None, low_memory=False, **options)
    name, rows = frame.columns[0], frame.iloc[:, 0].to_numpy()
    if named and peek.iloc[0, 0] == "" and np.array_equal(rows, np.arange(len(rows))):
        frame = frame.drop(columns=name)  # the numbers of the rows, which pandas writes
    return frame


def _has_names(cells: NDArray[Any]) -> bool:
    """Return whether the first row names the columns.

    Either nothing in it is a number, or it has text over numbers, or it counts the columns, as
    pandas writes for those without names.
    """
    first, rest = cells[0], cells[1:]
    numbers = [cell for cell in first if _is_number(cell)]
    if not numbers or (len(numbers) >= 3 and numbers == [str(k) for k in range(len(numbers))]):
        return True
    return len(rest) > 0 and any(
        cell and not _is_number(cell) and all(map(_is_number, column))
        for cell, column in zip(first, rest.T, strict=True)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table of a Parquet file."""
    import pandas as pd

    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            f'{path}: Parquet is read by pyarrow; install it with: pip install "binnet[tables]"'
        ) from None
    with reading(path, "Parquet file"):
        groups = parquet.read_metadata(path)
        size = sum(groups.row_group(k).total_byte_size for k in range(groups.num_row_groups))
        check_memory(f"{path}: its table", float(size), "take fewer rows")
        return pd.read_parquet(path, engine="pyarrow")


def take_target(
    path: Path, frame: pd.DataFrame, target: str | int | None
) -> tuple[NDArray[Any], NDArray[Any], tuple[str, ...]]:
    """Return features, labels and the names of the features."""
    names = [str(name) for name in frame.columns]
    if len(frame) == 0 or len(names) < 2:
        raise DataFileError(
            f"{path}: {len(frame)} rows of {len(names)} columns; a row a sample is needed, of a "
            "column of labels and one of a feature at least"
        )
    position = _find_column(path, names, -1 if target is None else target)
    labels = _to_labels(path, frame.iloc[:, position], names[position])
    columns = names[:position] + names[position + 1 :]
    hint = ", or name it as the target where it has the labels" if target is None else ""
    X = _to_matrix(path, frame.drop(columns=frame.columns[position]), columns, hint)
    _tell_constant(path, X, columns)
    return X, labels, tuple(columns)


def take_columns(
    path: Path, frame: pd.DataFrame, columns: Sequence[str], target: str | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the features of these names, and labels if another column has them."""
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if len(frame) == 0:
        raise DataFileError(f"{path} has names of columns and no rows; give one a sample")
    missing = [name for name in columns if name not in frame.columns]
    others = [name for name in frame.columns if name not in set(columns)]
    if missing:
        shown = ", ".join(map(str, frame.columns[:_SHOWN]))
        shown += ", ..." * (len(frame.columns) > _SHOWN)
        raise DataFileError(
            f"{path} has no {_call(missing[0])}, which was learned from, but {shown}; name the "
            "columns as in the training data, or leave names out where these had none"
        )
    if len(others) > 1 and target in others:
        others = [str(target)]
    if len(others) > 1:
        raise DataFileError(
            f"{path} has more columns than were learned from: {', '.join(others[:_SHOWN])}; leave "
            "out all but that of the labels"
        )
    X = _to_matrix(path, frame[list(columns)], list(columns))
    return X, _to_labels(path, frame[others[0]], others[0]) if others else None


def _call(name: str) -> str:
    return f"column {name!r}"


def _find_column(path: Path, names: list[str], target: str | int) -> int:
    if target in names:
        return names.index(str(target))
    try:
        position = int(target)
    except ValueError:
        position = len(names)
    if not -len(names) <= position < len(names):
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise ValueError(
            f"{path} has no column {target!r} for a target; name one of {shown}, or a number in "
            f"{-len(names)}..{len(names) - 1}"
        )
    return position % len(names)


def _describe_gaps(column: pd.Series[Any]) -> str:
    gaps = np.flatnonzero(column.isna().to_numpy())
    return f"{len(gaps)} missing value{'s' * (len(gaps) > 1)}, the first in sample {gaps[0] + 1}"


def _to_labels(path: Path, labels: pd.Series[Any], name: str) -> NDArray[Any]:
    """Return labels as numbers where they are numbers, else as text."""
    import pandas as pd

    if labels.isna().any():
        raise DataFileError(
            f"{path}: {_call(name)}, the target, has {_describe_gaps(labels)}; leave out these rows"
        )
    if pd.api.types.is_numeric_dtype(labels):
        kind = np.asarray(labels.iloc[:1]).dtype.kind
        return np.asarray(labels.to_numpy(dtype=np.float64 if kind == "f" else np.int64))
    return np.asarray(labels.astype(str).to_numpy(dtype=str))


def _to_matrix(path: Path, frame: pd.DataFrame, names: list[str], hint: str = "") -> NDArray[Any]:
    """Return the features as a matrix of numbers without gaps."""
    import pandas as pd

    for k, name in enumerate(names):
        column = frame.iloc[:, k]
        if not pd.api.types.is_numeric_dtype(column) or column.dtype.kind == "c":
            numbers = pd.to_numeric(column.astype(str).where(column.notna()), errors="coerce")
            row = int(np.argmax((numbers.isna() & column.notna()).to_numpy()))
            cell = str(column.iloc[row])
            remedy = f"give a column of numbers for each value, or leave it out{hint}"
            if _is_number(cell.replace(",", ".", 1)):
                remedy = "write decimal points in place of commas"
            raise DataFileError(
                f"{path}: {_call(name)} is not of numbers, but has {cell!r} in sample {row + 1}; "
                f"{remedy}"
            )
        if column.isna().any():
            raise DataFileError(
                f"{path}: {_call(name)} has {_describe_gaps(column)}; fill them, or leave out "
                "these rows or the column"
            )
    kinds = {np.dtype(getattr(dtype, "numpy_dtype", dtype)) for dtype in frame.dtypes}
    small = kinds in ({np.dtype(np.uint8)}, {np.dtype(np.int8)}, {np.dtype(np.float32)})
    X: NDArray[Any] = frame.to_numpy(dtype=kinds.pop() if small else np.float64)
    return X


def _tell_constant(path: Path, X: NDArray[Any], names: list[str]) -> None:
    constant = [name for k, name in enumerate(names) if (X[:, k] == X[0, k]).all()]
    if len(X) > 1 and constant:
        shown = ", ".join(constant[:_SHOWN]) + (", ..." if len(constant) > _SHOWN else "")
        if len(constant) == len(names):
            raise DataFileError(f"{path}: every feature is constant: {shown}")
        warnings.warn(
            f"{path}: {len(constant)} constant column{'s' * (len(constant) > 1)}, which tell "
            f"nothing: {shown}",
            stacklevel=2,
        )
