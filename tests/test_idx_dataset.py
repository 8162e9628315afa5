"""MNIST, Fashion-MNIST, KMNIST, EMNIST in their formats: small sets made here, also damaged."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from binnet.datasets import DataFileError, load_dataset, load_idx_dataset, load_mnist
from binnet.datasets import idx_dataset as module
from idx_cases import idx_bytes, write_set

pytestmark = pytest.mark.filterwarnings("ignore:.*not the original files")
SPLITS = {"balanced": 47, "letters": 26, "digits": 10, "byclass": 62, "bymerge": 47, "mnist": 10}


def check(data, parts: dict[str, np.ndarray], first: int = 0) -> None:
    for part in ("train", "test"):
        X, y = getattr(data, f"X_{part}"), getattr(data, f"y_{part}")
        np.testing.assert_array_equal(X, parts[f"X_{part}"].reshape(len(X), 784), strict=True)
        np.testing.assert_array_equal(y, parts[f"y_{part}"].astype(np.int64) - first, strict=True)
    np.testing.assert_array_equal(data.classes, np.unique(parts["y_train"]))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dots", [True, False])
def test_the_four_files_of_mnist_and_its_kin(tmp_path: Path, packed: bool, dots: bool) -> None:
    parts = write_set(tmp_path / "kuzushiji", packed=packed, dots=dots)
    data = load_idx_dataset(tmp_path / "kuzushiji")
    check(data, parts)
    assert data.name == "kuzushiji"


@pytest.mark.parametrize("split", SPLITS)
def test_images_of_emnist_are_turned_and_letters_begin_at_1(tmp_path: Path, split: str) -> None:
    first = int(split == "letters")
    # There are 20 test samples: of so many classes, as in both parts there must be all.
    parts = write_set(tmp_path, f"emnist-{split}-", first=first, n_classes=min(20, SPLITS[split]))
    data = load_idx_dataset(tmp_path)
    check(data, parts, first)
    assert data.name == f"emnist-{split}"


def test_a_folder_of_several_sets_needs_a_name(tmp_path: Path) -> None:
    letters = write_set(tmp_path, "emnist-letters-", first=1)
    digits = write_set(tmp_path, "emnist-digits-", packed=False)
    with pytest.raises(ValueError, match=r"several data sets: emnist-digits, emnist-letters; ch"):
        load_idx_dataset(tmp_path)
    check(load_idx_dataset(tmp_path, "letters"), letters, 1)
    check(load_dataset(tmp_path, name="EMNIST-digits"), digits)
    with pytest.raises(ValueError, match=r"holds no data set 'cyrillic', but emnist-digits, emni"):
        load_idx_dataset(tmp_path, "cyrillic")


def test_a_set_without_a_name_takes_none(tmp_path: Path) -> None:
    write_set(tmp_path)
    with pytest.raises(ValueError, match="whose files have no name"):
        load_idx_dataset(tmp_path, "letters")
    for argument in ("target", "test_data"):
        with pytest.raises(ValueError, match=f"leave out {argument} = 'y'"):
            load_dataset(tmp_path, **{argument: "y"})


def test_what_is_no_original_is_taken_with_a_warning(tmp_path: Path) -> None:
    write_set(tmp_path)
    with pytest.warns(UserWarning, match=r"not the original files .*fashion-mnist, kmnist, mnist"):
        load_idx_dataset(tmp_path)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("packed_sums", [True, False])
def test_originals_are_known_by_their_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed_sums: bool
) -> None:
    write_set(tmp_path)
    sums = {}
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, role in zip(names, module._ROLES, strict=True):
        content = (tmp_path / f"{name}-ubyte.gz").read_bytes()
        content = content if packed_sums else gzip.decompress(content)
        sums[hashlib.sha256(content).hexdigest()] = ("runes", role)
    monkeypatch.setattr(module, "_ORIGINALS", sums)
    assert load_idx_dataset(tmp_path).name == "runes"
    os.replace(tmp_path / f"{names[0]}-ubyte.gz", tmp_path / f"{names[2]}-ubyte.gz")
    write_set(tmp_path / "again")
    os.replace(tmp_path / "again" / f"{names[0]}-ubyte.gz", tmp_path / f"{names[0]}-ubyte.gz")
    with pytest.raises(DataFileError, match=r"t10k.*: these are the training images of runes, no"):
        load_idx_dataset(tmp_path)


def test_the_table_of_checksums_has_four_files_of_each_set() -> None:
    sets = [name for name, _ in module._ORIGINALS.values()]
    assert {sets.count(name) for name in ("mnist", "fashion-mnist", "kmnist")} == {4}
    assert {len(digest) for digest in module._ORIGINALS} == {64}
    assert len(set(module._ORIGINALS.values())) == 12


@pytest.mark.filterwarnings("error")
def test_the_original_mnist_is_that_of_load_mnist(mnist_dir: Path) -> None:
    data, mnist = load_idx_dataset(mnist_dir), load_mnist(mnist_dir)
    assert data.name == "mnist"
    for mine, its in zip(
        (data.X_train, data.y_train, data.X_test, data.y_test), mnist, strict=True
    ):
        np.testing.assert_array_equal(mine, its, strict=True)


def replace(folder: Path, name: str, content: bytes) -> None:
    (folder / f"{name}.gz").write_bytes(content)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, b"\x1f\x8b" + bytes(20), "damaged gzip file"),
        (IMAGES, b"not an image", "not an IDX file"),
        (IMAGES, idx_bytes(np.zeros((40, 28, 28), "u1"))[:-1], "truncated"),
        (IMAGES, idx_bytes(np.zeros((40, 784), "u1")), r"3 dimensions .*shape \(40, 784\)"),
        (IMAGES, idx_bytes(np.zeros((40, 28, 28), "f4")), "must be uint8 .*float32"),
        (IMAGES, idx_bytes(np.zeros((40, 14, 28), "u1")), "392 features, the test part 784"),
        (IMAGES, idx_bytes(np.zeros((39, 28, 28), "u1")), "40 labels, but there are 39 images"),
        (LABELS, idx_bytes(np.zeros((40, 1), "u1")), r"with 1 dimension .*\(40, 1\)"),
        (LABELS, idx_bytes(np.zeros(0, "u1")), "not empty"),
        (LABELS, idx_bytes(np.full(40, 3, "u1")), "all training samples have the class 3"),
        (LABELS, idx_bytes(np.arange(40, dtype="u1") % 9), "test part has the class 9, of which"),
    ],
)
def test_damage_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    write_set(tmp_path)
    replace(tmp_path, name, content)
    with pytest.raises(DataFileError, match=message):
        load_idx_dataset(tmp_path)


def test_images_of_emnist_that_are_not_square(tmp_path: Path) -> None:
    write_set(tmp_path, "emnist-digits-")
    for part, n in (("train", 40), ("test", 20)):
        content = idx_bytes(np.zeros((n, 28, 27), "u1"))
        replace(tmp_path, f"emnist-digits-{part}-images-idx3-ubyte", content)
    with pytest.raises(DataFileError, match=r"must be square, got \(28, 27\)"):
        load_idx_dataset(tmp_path)


def test_an_intact_copy_is_preferred_to_a_damaged_one(tmp_path: Path) -> None:
    parts = write_set(tmp_path)
    (tmp_path / IMAGES).write_bytes(b"damaged")
    check(load_idx_dataset(tmp_path), parts)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_idx_dataset(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="has no IDX files such as train-images"):
        load_idx_dataset(tmp_path)
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no test labels beside t10k-images.*put them"):
        load_idx_dataset(tmp_path)


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    write_set(tmp_path, packed=packed)
    path = tmp_path / f"{IMAGES}{'.gz' if packed else ''}"
    header = idx_bytes(np.zeros((0, 28, 28), "u1"))[:4] + b"\0\x01\0\0\0\0\0\x1c\0\0\0\x1c"
    path.write_bytes(gzip.compress(header) if packed else header)
    if not packed:
        os.truncate(path, len(header) + 2**16 * 784)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 1e8)
    with pytest.raises(MemoryError, match=r"would take 0\.1 GB of memory, and 0\.1 GB are left"):
        load_idx_dataset(tmp_path)


def test_the_fingerprint_is_of_the_samples_not_of_the_files(tmp_path: Path) -> None:
    write_set(tmp_path / "one")
    write_set(tmp_path / "two", packed=False, dots=True)
    one, two = load_idx_dataset(tmp_path / "one"), load_idx_dataset(tmp_path / "two")
    assert one.fingerprint == two.fingerprint
    two.X_train[3, 5] ^= 1
    assert one.fingerprint != two.fingerprint
