"""Files of words that a manifest describes: written with their entry, read after their SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._files import atomic_path
from binnet._records import Record
from binnet.hardware.hex_words import from_hex_words, to_hex_words

WORD_BITS = 32  # of a lane that is an integer and no weight, at most


class Words(NamedTuple):
    """What a file of words holds.

    Attributes
    ----------
    integers : ndarray of int, shape (words, lanes)
        The integers.
    bits : int
        Bits of a lane.
    signed : bool
        Whether they are in two's complement.
    """

    integers: NDArray[Any]
    bits: int
    signed: bool = True


def write_words(path: Path, words: Words) -> dict[str, Any]:
    """Write the words of a file, and return its entry in the manifest.

    Parameters
    ----------
    path : Path
        The file.
    words : Words
        Its words.

    Returns
    -------
    dict
        Name, shape, bits and SHA-256.
    """
    content = to_hex_words(words.integers, words.bits).encode("ascii")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    entry = {
        "file": path.name,
        "words": words.integers.shape[0],
        "lanes": words.integers.shape[1],
        "bits": words.bits,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return entry if words.signed else entry | {"signed": False}


def read_words(folder: Path, entry: Record, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Return the integers of a file.

    Parameters
    ----------
    folder : Path
        Where it is.
    entry : Record
        Its entry in the manifest.
    shape : tuple of int
        Words and lanes that it must have.

    Returns
    -------
    ndarray of int64, shape (words, lanes)
        The integers.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, or not what the entry describes.
    """
    name, content = entry.text("file"), read_content(folder, entry)
    bits = entry.integer("bits", 1, WORD_BITS)
    signed = entry.values.get("signed") is not False
    return from_hex_words(name, content.decode("ascii", "replace"), shape, bits, signed=signed)


def read_content(folder: Path, entry: Record) -> bytes:
    """Return the bytes of a file, after their SHA-256 was found right.

    Parameters
    ----------
    folder : Path
        Where it is.
    entry : Record
        Its entry in the manifest.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, or not what the entry describes.
    """
    name = entry.text("file")
    if Path(name).name != name:
        raise ValueError(f"the manifest names {name!r}, which is not a file beside it")
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"the manifest names {name}, but {folder} does not hold it")
    content, wanted = path.read_bytes(), entry.text("sha256")
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ValueError(
            f"{path} is not the file that {entry.path} describes: its SHA-256 is {found}, the "
            f"manifest says {wanted}; copy or export the images again"
        )
    return content
