"""IDX files made here, and small data sets in the formats of MNIST and its kin."""

import gzip
import struct
from pathlib import Path

import numpy as np

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
N_TRAIN, N_TEST, SIDE = 40, 20, 28


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(">BBBB", 0, 0, CODES[array.dtype.str[1:]], array.ndim)
    dims = struct.pack(f">{array.ndim}I", *array.shape)
    return header + dims + array.astype(array.dtype.newbyteorder(">")).tobytes()


def draw_images(n_samples: int, labels: np.ndarray) -> np.ndarray:
    """Images that are no square of themselves: each class has a row of its own, left half only."""
    images = np.random.default_rng(n_samples).integers(0, 50, (n_samples, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        image[label % SIDE, : SIDE // 2] += 200
    return images.astype(np.uint8)


def make_parts(first: int, n_classes: int) -> dict[str, np.ndarray]:
    """Images as people see them, and labels from `first` on: every class in both parts."""
    y_train, y_test = (np.arange(n) % n_classes + first for n in (N_TRAIN, N_TEST))
    return {
        "X_train": draw_images(N_TRAIN, y_train),
        "y_train": y_train.astype(np.uint8),
        "X_test": draw_images(N_TEST, y_test),
        "y_test": y_test.astype(np.uint8),
    }


def write_set(
    folder: Path,
    prefix: str = "",
    *,
    first: int = 0,
    n_classes: int = 10,
    packed: bool = True,
    dots: bool = False,
) -> dict[str, np.ndarray]:
    """Write four files as they are distributed; those of EMNIST ("emnist-...-") are transposed."""
    parts = make_parts(first, n_classes)
    folder.mkdir(exist_ok=True)
    for key, array in parts.items():
        images = key[0] == "X"
        part = key[2:] if prefix or key[2:] == "train" else "t10k"
        ending = "images-idx3-ubyte" if images else "labels-idx1-ubyte"
        ending = ending.replace("-idx", ".idx") if dots else ending
        stored = array.transpose(0, 2, 1) if images and prefix.startswith("emnist") else array
        content = idx_bytes(np.ascontiguousarray(stored))
        path = folder / f"{prefix}{part}-{ending}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return parts
