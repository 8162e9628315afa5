"""MNIST and its kin from the IDX files that they are distributed as: digits, clothes, letters.

A folder holds four files, images and labels for training and test. Those of MNIST, Fashion-MNIST
and KMNIST have the same names; EMNIST has six sets, whose names begin with the set, and stores its
images transposed.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, make_dataset
from .idx import DataFileError, parse_idx, read_unpacked
from .mnist import FILES

_TRAIN_IMAGES, _TRAIN_LABELS, _TEST_IMAGES, _TEST_LABELS = _ROLES = (
    "training images", "training labels", "test images", "test labels"
)  # fmt: skip
# SHA-256 of original files, as role and set: of MNIST uncompressed; of the others, whose publishers
# give sums of the .gz files only, compressed. Of EMNIST only the sum of its archive is known.
_ORIGINALS = {
    **{file.sha256: ("mnist", role) for file, role in zip(FILES, _ROLES, strict=True)},
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84": (
        "fashion-mnist",
        _TRAIN_IMAGES,
    ),
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845": (
        "fashion-mnist",
        _TRAIN_LABELS,
    ),
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073": (
        "fashion-mnist",
        _TEST_IMAGES,
    ),
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5": (
        "fashion-mnist",
        _TEST_LABELS,
    ),
    "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4": ("kmnist", _TRAIN_IMAGES),
    "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17": ("kmnist", _TRAIN_LABELS),
    "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5": ("kmnist", _TEST_IMAGES),
    "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c": ("kmnist", _TEST_LABELS),
}
_NAME = re.compile(
    r"(?:(?P<set>.+)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx[13]-ubyte(?:\.gz)?"
)
_EMNIST = "emnist-"
_BLOCK = 4096  # images turned at a time


def load_idx_dataset(folder: str | os.PathLike[str], name: str | None = None) -> Dataset:
    """Load a data set from its four IDX files, plain or .gz: MNIST, Fashion-MNIST, KMNIST, EMNIST.

    Files are known by their names, ``train-images-idx3-ubyte.gz`` or
    ``emnist-letters-test-labels-idx1-ubyte``, also with ``.idx3`` in place of ``-idx3``; images of
    EMNIST, which are stored transposed, are turned. Checksums of original files are known of MNIST,
    and of the .gz files of Fashion-MNIST and KMNIST; other files are taken with a warning.

    Parameters
    ----------
    folder : path-like
        Where the files are.
    name : str, optional
        Which set, where the folder holds several, such as "letters" or "emnist-letters". Default:
        the only one.

    Returns
    -------
    Dataset
        uint8 pixels of shape (n, 784), labels 0..C-1, and in `classes` the labels of the files.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, set or file.
    ValueError
        If the folder holds several sets and `name` chooses none of them.
    DataFileError
        If a file is damaged, or does not fit the others.

    Warns
    -----
    UserWarning
        If the files are not, or not known to be, the original ones.

    Examples
    --------
    >>> data = load_idx_dataset("emnist", "letters")  # doctest: +SKIP
    >>> data.X_train.shape, data.classes[0], data.y_train.min()  # doctest: +SKIP
    ((124800, 784), 1, 0)
    """
    folder = Path(folder).expanduser()
    chosen, files = _choose(folder, name)
    arrays, originals = {}, set()
    for role in _ROLES:
        if role not in files:
            there = ", ".join(sorted(path.name for paths in files.values() for path in paths))
            raise FileNotFoundError(f"{folder} has no {role} beside {there}; put them there")
        arrays[role], original = _read_intact(files[role], role)
        originals.add(original)
    for part in ("training", "test"):
        _check_part(arrays[f"{part} images"], arrays[f"{part} labels"], files[f"{part} labels"][0])
    known = next(iter(originals)) if len(originals) == 1 else None
    called = known or chosen or folder.resolve().name
    if known is None:
        warnings.warn(
            f"{folder}: not the original files of a data set whose checksums are known "
            f"({', '.join(sorted({name for name, _ in _ORIGINALS.values()}))}); say which copy it "
            f"is beside a number measured on {called}",
            stacklevel=2,
        )
    if chosen.startswith(_EMNIST):
        _turn(arrays[_TRAIN_IMAGES])
        _turn(arrays[_TEST_IMAGES])
    X_train, X_test = (images.reshape(len(images), -1) for images in (
        arrays[_TRAIN_IMAGES], arrays[_TEST_IMAGES]
    ))  # fmt: skip
    return make_dataset(called, X_train, arrays[_TRAIN_LABELS], X_test, arrays[_TEST_LABELS])


def _choose(folder: Path, name: str | None) -> tuple[str, dict[str, list[Path]]]:
    """Return the name of a set, empty if its files say none, and its files for each role."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    sets: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.iterdir()):
        if (match := _NAME.fullmatch(path.name)) and path.is_file():
            part = "training" if match["part"] == "train" else "test"
            files = sets.setdefault((match["set"] or "").lower(), {})
            files.setdefault(f"{part} {match['kind']}", []).append(path)
    if not sets:
        raise FileNotFoundError(
            f"{folder} has no IDX files such as {FILES[0].name}.gz or "
            f"emnist-letters-{FILES[0].name}; name the folder of the four"
        )
    listed = ", ".join(each or "one without a name" for each in sets)
    if name is None:
        if len(sets) > 1:
            raise ValueError(f"{folder} holds several data sets: {listed}; choose one by name")
        return next(iter(sets.items()))
    wanted = name.lower()
    for found in (wanted, _EMNIST + wanted):
        if found in sets:
            return found, sets[found]
    if list(sets) == [""]:
        raise ValueError(f"{folder} holds one data set, whose files have no name; leave out name")
    raise ValueError(f"{folder} holds no data set {name!r}, but {listed}")


def _read_intact(paths: Iterable[Path], role: str) -> tuple[NDArray[Any], str | None]:
    """Return the first intact copy of a file, and the set that it is the original of."""
    damaged = []
    for path in paths:
        try:
            content = read_unpacked(path)
            array = parse_idx(content, os.fspath(path))
        except DataFileError as error:
            damaged.append(str(error))
            continue
        n_dims = 3 if role.endswith("images") else 1
        if array.ndim != n_dims or array.dtype != np.uint8 or array.size == 0:
            raise DataFileError(
                f"{path}: {role} must be uint8 with {n_dims} dimension{'s' * (n_dims > 1)} and not "
                f"empty, got {array.dtype} of shape {array.shape}"
            )
        return array, _recognise(path, content, role)
    raise DataFileError("; ".join(damaged))


def _recognise(path: Path, content: bytes, role: str) -> str | None:
    """Return the set of which this is the original file."""
    with open(path, "rb") as file:
        digests = hashlib.sha256(content), hashlib.file_digest(file, "sha256")
    for digest in digests:
        name, original = _ORIGINALS.get(digest.hexdigest(), (None, role))
        if original != role:
            raise DataFileError(f"{path}: these are the {original} of {name}, not the {role}")
        if name is not None:
            return name
    return None


def _check_part(images: NDArray[Any], labels: NDArray[Any], path: Path) -> None:
    if len(images) != len(labels):
        raise DataFileError(
            f"{path}: {len(labels)} labels, but there are {len(images)} images; the files are not "
            "of one set"
        )


def _turn(images: NDArray[Any]) -> None:
    """Exchange rows and columns of images in place: the largest set takes half a gigabyte."""
    if images.shape[1] != images.shape[2]:
        raise DataFileError(f"images of EMNIST must be square, got {images.shape[1:]}")
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        block[:] = block.transpose(0, 2, 1).copy()
