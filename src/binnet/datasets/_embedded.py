"""Entangled MNIST as it is stored inside the package: one bit per input, four per label.

The arrays are in an uncompressed .npz file below 1 MB; a JSON file beside it records where they
come from and the checksum that is compared on every load.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._files import atomic_path, write_json
from .idx import DataFileError
from .mnist import FILES

N_FEATURES = 100
SEED = 0  # the first one; no other was tried
NAME = "entangled_mnist_100"
LICENCE = "CC-BY-SA-3.0"
ATTRIBUTION = (
    "Derived from the MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and "
    "Christopher J.C. Burges (http://yann.lecun.com/exdb/mnist/), licensed under CC BY-SA 3.0 "
    "(https://creativecommons.org/licenses/by-sa/3.0/). Changes: the images were projected onto "
    "random directions and binarised."
)

Arrays = tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int8], NDArray[np.int64]]


def write_embedded(path: str | os.PathLike[str], arrays: Arrays) -> None:
    """Write the four arrays as an .npz file and the record of their origin as .json beside it."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"the name of the output file must end in .npz, got {path.name}")
    X_train, y_train, X_test, y_test = arrays
    packed = {
        "X_train": np.packbits(X_train > 0, axis=None),
        "y_train": _pack_labels(y_train),
        "X_test": np.packbits(X_test > 0, axis=None),
        "y_test": _pack_labels(y_test),
    }
    with atomic_path(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for key, array in packed.items():
                # Like np.savez, but the entry names neither a date nor an operating system: the
                # same data give the same bytes everywhere.
                entry = zipfile.ZipInfo(f"{key}.npy")
                entry.create_system = 3
                with archive.open(entry, "w") as handle:
                    np.save(handle, array, allow_pickle=False)
        checksum = hashlib.sha256(temporary.read_bytes()).hexdigest()
    record = {
        "description": "Entangled MNIST, x = sign(P^T u): bits 1 for +1 packed along the whole "
        "array, most significant first; labels packed two to a byte, the first one high",
        "n_features": N_FEATURES,
        "seed": SEED,
        "shapes": {
            "X_train": X_train.shape,
            "y_train": y_train.shape,
            "X_test": X_test.shape,
            "y_test": y_test.shape,
        },
        "sha256": checksum,
        "sources_sha256_uncompressed": {file.name: file.sha256 for file in FILES},
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }
    write_json(path.with_suffix(".json"), record)


def read_embedded(folder: Traversable | None = None) -> Arrays:
    """Return (X_train, y_train, X_test, y_test) from the package, or from another folder.

    Raises
    ------
    DataFileError
        If a file is missing or is not the one that was built.
    """
    folder = files("binnet.datasets") / "data" if folder is None else folder
    try:
        record = json.loads((folder / f"{NAME}.json").read_text(encoding="utf-8"))
        content = (folder / f"{NAME}.npz").read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != record["sha256"]:
            raise ValueError(f"SHA-256 of {NAME}.npz is {found}, expected {record['sha256']}")
        with np.load(io.BytesIO(content), allow_pickle=False) as packed:
            return (
                _unpack_spins(packed["X_train"]),
                _unpack_labels(packed["y_train"]),
                _unpack_spins(packed["X_test"]),
                _unpack_labels(packed["y_test"]),
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataFileError(
            f"the data set inside the package is damaged ({folder}: {error}); reinstall it with: "
            "python -m pip install --force-reinstall --no-deps binnet"
        ) from error


def _unpack_spins(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    bits = np.unpackbits(packed).reshape(-1, N_FEATURES).astype(np.int8)
    return bits * np.int8(2) - np.int8(1)


def _pack_labels(labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    pairs = labels.astype(np.uint8).reshape(-1, 2)
    return pairs @ np.array([16, 1], np.uint8)


def _unpack_labels(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.stack([packed >> 4, packed & 15], axis=1).ravel().astype(np.int64)
