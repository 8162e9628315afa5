"""Reader of IDX files, the plain binary format in which MNIST is distributed.

A file starts with two zero bytes, one byte for the type of the numbers and one for the number of
dimensions; then come the dimensions as big-endian uint32, then the numbers, big-endian too.
Files may be gzip-compressed: the content decides, not the name.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_HEADER = 4 + 4 * 255


class DataFileError(OSError):
    """A data file is damaged, truncated or not the file that its name promises."""


def read_unpacked(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """Return the content of a file, gunzipped if it starts as a gzip file does.

    Parameters
    ----------
    path : path-like
        The file, of any name.
    limit : int, optional
        Bytes that its content cannot have: no more are unpacked. Default: as many as the header of
        an IDX file announces, and one.

    Returns
    -------
    bytes
        The uncompressed content.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If the gzip stream is damaged or ends too early.
    MemoryError
        If there is less memory left than for the content and an array made of it.
    """
    _check_room(path, Path(path).stat().st_size)
    content = Path(path).read_bytes()
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        # A file of a megabyte can unpack to a gigabyte.
        with gzip.open(io.BytesIO(content)) as stream:
            head = _read(stream, _LONGEST_HEADER)
            limit = _measure(head) + 1 if limit is None else limit
            _check_room(path, limit)
            return head + _read(stream, limit - len(head))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataFileError(
            f"{path}: damaged gzip file ({error}); copy or download it again"
        ) from error


def _check_room(path: str | os.PathLike[str], n_bytes: int) -> None:
    check_memory(f"{path}: its content", 2.0 * n_bytes, "take a smaller one, or more memory")


def _read(stream: gzip.GzipFile, n_bytes: int) -> bytes:
    """Return up to so many bytes of a stream, asking for memory as they come."""
    parts = []
    while n_bytes > 0 and (part := stream.read(min(n_bytes, 2**20))):
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def _measure(head: bytes) -> int:
    """Return the bytes of an IDX file that begins so; those of `head` where it is none."""
    if len(head) < 4 or head[2] not in _DTYPES or len(head) < 4 + 4 * head[3]:
        return len(head)
    shape = (int(n) for n in np.frombuffer(head, ">u4", count=head[3], offset=4))
    return 4 + 4 * head[3] + math.prod(shape) * np.dtype(_DTYPES[head[2]]).itemsize


def parse_idx(content: bytes, name: str = "IDX data") -> NDArray[Any]:
    """Turn the uncompressed bytes of an IDX file into an array.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str, default "IDX data"
        How error messages call it, usually its path.

    Returns
    -------
    ndarray
        Array of the type and shape stated in the header, in native byte order.

    Raises
    ------
    DataFileError
        If the header is not one of an IDX file, or if the number of bytes that follow it is not
        the one that it announces.
    """
    remedy = "copy or download the file again"
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES or content[3] == 0:
        codes = ", ".join(f"{code:02x}" for code in _DTYPES)
        raise DataFileError(
            f"{name}: not an IDX file: it starts with the bytes [{content[:4].hex(' ')}] instead "
            f"of 00 00, a type code ({codes}) and the number of dimensions (>= 1); {remedy}"
        )
    dtype, n_dims = np.dtype(_DTYPES[content[2]]), content[3]
    start = 4 + 4 * n_dims
    if len(content) < start:
        raise DataFileError(
            f"{name}: truncated IDX file: the header with {n_dims} dimensions takes {start} bytes, "
            f"but the file ends after {len(content)}; {remedy}"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=n_dims, offset=4))
    expected = _measure(content[:start])
    if len(content) != expected:
        problem = "truncated" if len(content) < expected else "trailing bytes in"
        raise DataFileError(
            f"{name}: {problem} IDX file: an array of shape {shape} and type {dtype.name} takes "
            f"{expected} bytes with its header, but the file has {len(content)}; {remedy}"
        )
    try:
        values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    except ValueError as error:  # too many dimensions, or too large ones beside a 0
        raise DataFileError(
            f"{name}: no array can have the shape {shape} ({error}); {remedy}"
        ) from None
    return values.astype(dtype.newbyteorder("="))  # a copy: writable, native byte order


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, plain or gzip-compressed.

    Parameters
    ----------
    path : path-like
        The file, of any name.

    Returns
    -------
    ndarray
        Array of the type and shape stated in the file's header, in native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataFileError
        If the file is damaged: bad magic number, truncated, or bytes left over at its end.

    Examples
    --------
    >>> images = read_idx("train-images-idx3-ubyte.gz")  # doctest: +SKIP
    >>> images.shape, images.dtype  # doctest: +SKIP
    ((60000, 28, 28), dtype('uint8'))
    """
    return parse_idx(read_unpacked(path), os.fspath(path))
