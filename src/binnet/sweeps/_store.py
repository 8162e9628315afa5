"""Results in files: NetCDF or Zarr, never half written, with a digest of what is in them.

There are two, both checked on reading, and before a journal is given up for the file. One is of
the content, in an attribute that no dataset in memory has. The other is the signature of all bytes
of a NetCDF file (`binnet._files.sign`): HDF5 itself may loop for ever on damaged bytes, and is
given none. What a file declares is compared with its size and with the memory that is left before
anything is read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._files import atomic_path, check_signature, name_temporary, sign
from binnet._memory import check_memory
from binnet._records import warn_unchecked

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".zarr")
_DIGEST = "digest"
_MOST_PACKED = 1100  # deflate, the usual filter, packs a thousandfold at most
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def write_result(dataset: xr.Dataset, path: Path) -> None:
    """Write a result under a temporary name, read it back, and rename it if it is the same."""
    if path.suffix == ".nc":
        # What it replaces has been read: it is this sweep's, with fewer cells.
        with atomic_path(path, overwrite=True) as temporary:
            _write(dataset, temporary)
            _check_written(temporary, path)
        return
    temporary, replaced = name_temporary(path), name_temporary(path)
    try:
        _write(dataset, temporary)
        _check_written(temporary, path)
        if path.exists():  # a folder can only be renamed to what is not there
            os.replace(path, replaced)
        os.replace(temporary, path)
    finally:
        if not path.exists() and replaced.exists():
            os.replace(replaced, path)
        for folder in (temporary, replaced):
            shutil.rmtree(folder, ignore_errors=True)


def _write(dataset: xr.Dataset, path: Path) -> None:
    dataset = dataset.assign_attrs({_DIGEST: digest_of(dataset)})
    if path.suffix == ".nc":
        dataset.to_netcdf(path, engine="h5netcdf")
        sign(path)
    else:
        dataset.to_zarr(path, mode="w-", consolidated=False)


def _check_written(temporary: Path, path: Path) -> None:
    try:
        read_result(temporary)
    except OSError as error:
        raise OSError(f"what was written is not what is read back: {error}") from None


def try_to_hold(dataset: xr.Dataset, suffix: str) -> None:
    """Refuse a dataset that a file of this kind cannot hold, by writing it to one."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"trial{suffix}"
        try:
            _write(dataset, path)
            same = digest_of(read_result(path)) == digest_of(dataset)
        except Exception as error:  # whatever the libraries make of it
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                return  # here; the file is to be elsewhere
            raise ValueError(f"a {suffix} file cannot hold it ({_one_line(error)})") from None
        if not same:
            raise ValueError(f"a {suffix} file does not give back what was written")


def read_result(path: Path) -> xr.Dataset:
    """Read a file, and check that it holds what was written."""
    import xarray as xr

    try:
        if path.is_file():
            check_signature(path)
        check_sizes(path)
        if path.suffix == ".zarr":
            dataset = xr.load_dataset(path, engine="zarr", consolidated=False)
        else:
            dataset = xr.load_dataset(path, engine="h5netcdf")
        json.loads(dataset.attrs.get("sweep", "{}"))
        found = dataset.attrs.pop(_DIGEST, None)
        same = found is None or found == digest_of(dataset)
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # whatever the libraries make of bytes that are no such file
        kind = "a Zarr folder" if path.suffix == ".zarr" else "a NetCDF file"
        raise OSError(
            f"{path} is not {kind} of a sweep, or it is damaged ({_one_line(error)}); bring a copy "
            "of it back, or remove it and run the sweep again"
        ) from None
    if not same:
        raise OSError(
            f"{path} is damaged: it does not hold what was written; bring a copy of it back, or "
            "remove it and run the sweep again"
        )
    if found is None and "sweep" in dataset.attrs:  # else it is of somebody else
        warn_unchecked(path)
    return dataset


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def digest_of(dataset: xr.Dataset) -> str:
    """Return a digest of names, dimensions, types, values and attributes of a result."""
    held = hashlib.sha256()
    for name in sorted(dataset.variables, key=str):
        variable = dataset.variables[name]
        values = variable.values
        if values.dtype.kind in "OUST":
            kind, data = "text", json.dumps([str(v) for v in values.ravel()]).encode()
        else:
            # All NaN are one; the order of bytes is the machine's in memory, not in every file.
            if values.dtype.kind == "f":
                values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
            values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
            kind, data = values.dtype.name, values.tobytes()
        head = [str(name), [str(dim) for dim in variable.dims], list(variable.shape), kind]
        held.update(json.dumps(head).encode())
        held.update(data)
    attributes = {name: _plain(value) for name, value in dataset.attrs.items()}
    held.update(json.dumps(attributes, sort_keys=True).encode())
    return held.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return value if isinstance(value, int | float) else str(value)


def check_sizes(path: Path) -> None:
    """Refuse a file that declares more than it can hold, or than there is memory for."""
    declared = _sum_zarr(path) if path.suffix == ".zarr" else _sum_netcdf(path)
    check_memory(f"{path}: what it declares", declared, "it is damaged, or for a larger machine")


def _sum_netcdf(path: Path) -> int:
    """Return the bytes that a NetCDF file declares."""
    import h5py

    size = path.stat().st_size
    total = 0
    with h5py.File(path, "r") as file:
        items = [file, *(item for item in file.values() if isinstance(item, h5py.Dataset))]
        for item in items:
            for name in item.attrs:
                attribute = item.attrs.get_id(name)
                _refuse_beyond(size, name, _count_bytes(attribute.shape, attribute.dtype))
        for item in items[1:]:
            if "This is a netCDF dimension but not" in str(item.attrs.get("NAME")):
                continue  # it has a size, and nothing to read
            declared = _count_bytes(item.shape, item.dtype)
            packed = _MOST_PACKED if item.chunks else 1
            _refuse_beyond(size * packed, item.name, declared)
            total += declared
    return total


def _count_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape or ()) * dtype.itemsize  # of integers of any size


def _refuse_beyond(size: int, name: str, declared: int) -> None:
    if declared > size:
        raise ValueError(f"{name} declares {declared} bytes, more than the file can hold")


def _sum_zarr(path: Path) -> int:
    """Return the bytes that the arrays of a Zarr folder declare."""
    import zarr

    group = zarr.open_group(path, mode="r")
    return sum(math.prod(array.shape) * array.dtype.itemsize for _, array in group.arrays())
