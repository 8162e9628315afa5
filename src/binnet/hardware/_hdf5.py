"""HDF5 files of others: what is checked before anything in them is read.

A file may link to itself or to other files, and declare arrays that no memory holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

_DEEPEST = 16
# Deflate makes nothing smaller than this many times.
_LARGEST_RATIO = 1032
# Reading takes milliseconds, starting a process less than a second.
_SECONDS = 30


def find_arrays(path: Path, file: h5py.File) -> dict[str, Any]:
    """Return all arrays by their paths, unread, if every link leads to something of its own.

    Parameters
    ----------
    path : Path
        The file, for errors.
    file : h5py.File
        The same, open.

    Returns
    -------
    dict of str to h5py.Dataset
        The arrays.

    Raises
    ------
    ValueError
        If groups hold each other, are too deep, or an array is larger than the file can hold.
    """
    arrays: dict[str, Any] = {}
    seen = {h5py.h5o.get_info(file.id).addr}
    waiting: list[tuple[str, Any, int]] = [("", file, 0)]
    largest = _LARGEST_RATIO * (path.stat().st_size + 1)
    while waiting:
        above, group, depth = waiting.pop()
        for name in group:
            place = f"{above}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{path}: {place} is a link; NIR graphs have none")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen or depth > _DEEPEST:
                raise ValueError(f"{path}: {place} is in two places, or too deep")
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append((place, item, depth + 1))
                continue
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "biufSO":
                raise ValueError(f"{path}: {place} is no array of numbers or text")
            largest -= int(np.prod(item.shape or (), dtype=object)) * item.dtype.itemsize
            if largest < 0:
                raise ValueError(
                    f"{path}: {place} declares {item.dtype} of shape {item.shape}, more than a "
                    "file of this size can hold"
                )
            arrays[place] = item
    return arrays


def try_reading(path: Path) -> None:
    """Read a file of another tool in a process of its own first: the HDF5 library may hang on it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ValueError
        If the process hangs or is killed. Errors that are told are left to the reader.
    """
    code = f"from {__name__} import read_all; import sys; read_all(sys.argv[1])"
    command = [sys.executable, "-c", code, os.path.abspath(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        reason = f"it takes more than {_SECONDS} s"
    else:
        if done.returncode >= 0:
            return
        reason = f"it ends in signal {-done.returncode}"
    raise ValueError(
        f"{path} is damaged: the HDF5 library cannot read it ({reason}); use an undamaged copy"
    )


def read_all(name: str) -> None:
    """Read every array of a file and tell of no error.

    Parameters
    ----------
    name : str
        The file.
    """
    path = Path(name)
    with suppress(Exception), h5py.File(path, "r") as file:
        for array in find_arrays(path, file).values():
            array[()]
