"""Entangled MNIST: the embedded data, the way it is built, and what happens with bad input."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from binnet.datasets import (
    DataFileError,
    EntangledMnist,
    Mnist,
    load_entangled_mnist,
    load_mnist,
    project_and_binarise,
)
from binnet.datasets._embedded import read_embedded, write_embedded
from binnet.datasets.build import DEFAULT_OUT, build_embedded, main
from binnet.datasets.entangled import projection_matrix

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="session")
def data() -> EntangledMnist:
    return load_entangled_mnist()


@pytest.fixture(scope="session")
def mnist(mnist_dir: Path) -> Mnist:
    return load_mnist(mnist_dir)


@pytest.fixture
def no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make sure that no MNIST file can be found; returns the empty cache folder."""
    cache = tmp_path / "cache"
    monkeypatch.delenv("BINNET_MNIST_DIR", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda project: cache / project)
    return cache / "binnet" / "mnist"


def test_embedded_arrays(data: EntangledMnist, no_files: Path) -> None:
    assert data.X_train.shape == (60000, 100)
    assert data.X_test.shape == (10000, 100)
    for X in (data.X_train, data.X_test):
        assert X.dtype == np.int8
        assert set(np.unique(X)) == {-1, 1}
        # Each feature splits the data; a packing slip would leave columns that do not.
        assert np.abs(X.mean(axis=0)).max() < 0.99
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert np.bincount(data.y_train).tolist() == TRAIN_COUNTS
    assert np.bincount(data.y_test).tolist() == TEST_COUNTS
    assert (data.n_features, data.seed) == (100, 0)
    assert "LeCun" in data.attribution
    assert data.licence == "CC-BY-SA-3.0"
    assert "100" in data.description


def test_embedded_labels_belong_to_the_rows(data: EntangledMnist) -> None:
    means = np.stack([data.X_train[data.y_train == digit].mean(axis=0) for digit in range(10)])
    centred = means - data.X_train.mean(axis=0)
    logits = data.X_test @ centred.T - 0.5 * (means**2 - data.X_train.mean(axis=0) ** 2).sum(axis=1)
    # A nearest-mean classifier gets 0.70; shifted labels would leave chance level, 0.1.
    assert (logits.argmax(axis=1) == data.y_test).mean() > 0.65


def test_embedded_file_is_small_and_recorded() -> None:
    record = json.loads(DEFAULT_OUT.with_suffix(".json").read_text(encoding="utf-8"))
    content = DEFAULT_OUT.read_bytes()
    assert len(content) < 1_000_000
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["shapes"]["X_train"] == [60000, 100]
    assert len(record["sources_sha256_uncompressed"]) == 4
    assert "Cortes" in record["attribution"]


def test_return_X_y(data: EntangledMnist) -> None:
    X_train, y_train, X_test, y_test = load_entangled_mnist(100, 0, return_X_y=True)
    np.testing.assert_array_equal(X_train, data.X_train)
    np.testing.assert_array_equal(y_train, data.y_train)
    np.testing.assert_array_equal(X_test, data.X_test)
    np.testing.assert_array_equal(y_test, data.y_test)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_features": 0}, ValueError, "n_features must be an integer >= 1, got 0"),
        ({"n_features": 10.0}, TypeError, r"n_features must be .*, got 10\.0"),
        ({"n_features": True}, TypeError, "n_features must be .*, got True"),
        ({"seed": -1}, ValueError, r"seed must be an integer in 0\.\.4294967295, got -1"),
        ({"seed": 2**32}, ValueError, "seed must be"),
        ({"seed": "0"}, TypeError, "seed must be .*, got '0'"),
    ],
)
def test_bad_arguments(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_entangled_mnist(**arguments)


@pytest.mark.parametrize("arguments", [{"n_features": 50}, {"seed": 1}])
def test_other_projections_say_how_to_get_the_files(arguments: dict, no_files: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load_entangled_mnist(**arguments)
    message = str(caught.value)
    for part in ("train-images-idx3-ubyte", str(no_files), "BINNET_MNIST_DIR", "data_dir=", "True"):
        assert part in message
    assert not no_files.exists()


def test_other_projections_from_a_folder(
    mnist: Mnist, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = load_entangled_mnist(7, 3, data_dir=mnist_dir)
    assert small.X_train.shape == (60000, 7)
    assert (small.n_features, small.seed) == (7, 3)
    np.testing.assert_array_equal(small.y_test, mnist.labels_test)
    monkeypatch.setenv("BINNET_MNIST_DIR", str(mnist_dir))
    _, _, X_test, _ = load_entangled_mnist(7, 3, return_X_y=True)
    np.testing.assert_array_equal(X_test, small.X_test)


def test_rebuild_is_identical(mnist_dir: Path, tmp_path: Path) -> None:
    # The embedded file was built once before, so this is the second time.
    out = build_embedded(mnist_dir, tmp_path / DEFAULT_OUT.name)
    assert out.read_bytes() == DEFAULT_OUT.read_bytes()
    rebuilt_record, record = out.with_suffix(".json"), DEFAULT_OUT.with_suffix(".json")
    assert rebuilt_record.read_bytes() == record.read_bytes()


def test_packing_round_trip(tmp_path: Path, data: EntangledMnist) -> None:
    arrays = (data.X_train[:50], data.y_train[:50], data.X_test[:20], data.y_test[:20])
    write_embedded(tmp_path / DEFAULT_OUT.name, arrays)
    for unpacked, array in zip(read_embedded(tmp_path), arrays, strict=True):
        np.testing.assert_array_equal(unpacked, array, strict=True)


def test_build_command_reports_errors(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "is not in" in result.output
    assert "--data-dir" in CliRunner().invoke(main, ["--help"]).output


def test_output_name_must_end_in_npz(tmp_path: Path, data: EntangledMnist) -> None:
    with pytest.raises(ValueError, match=r"\.npz, got a\.json"):
        write_embedded(tmp_path / "a.json", (data.X_train, data.y_train, data.X_test, data.y_test))


def flip_a_byte(folder: Path) -> None:
    path = folder / DEFAULT_OUT.name
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    path = folder / DEFAULT_OUT.name
    path.write_bytes(path.read_bytes()[:-100])


def remove(folder: Path) -> None:
    (folder / DEFAULT_OUT.name).unlink()


def spoil_record(folder: Path) -> None:
    (folder / DEFAULT_OUT.name).with_suffix(".json").write_text("{}")


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, remove, spoil_record])
def test_damaged_installation(tmp_path: Path, damage) -> None:
    for path in (DEFAULT_OUT, DEFAULT_OUT.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    damage(tmp_path)
    with pytest.raises(DataFileError, match=r"inside the package is damaged.*pip install"):
        read_embedded(tmp_path)


def test_projection_equals_exact_integers(data: EntangledMnist) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 784), dtype=np.uint8)
    images[0] = 0  # a blank image: sign(0) = +1
    scaled = projection_matrix(30, 5) * 2**24
    as_integers = scaled.astype(np.int64)
    np.testing.assert_array_equal(scaled, as_integers)
    expected = np.where(images.astype(np.int64) @ as_integers >= 0, 1, -1)
    result = project_and_binarise(images, 30, 5)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, expected)
    assert (result[0] == 1).all()


def test_projection_matrix_is_frozen() -> None:
    P = projection_matrix(100, 0)
    # default_rng(0) is known to begin with 0.12573022, -0.13210486, 0.64042265.
    assert (P[0, :3] * 2**24).tolist() == [2109403, -2216352, 10744509]
    assert abs(P.mean()) < 0.02
    assert abs(P.std() - 1) < 0.02


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((3, 784)), TypeError, "uint8 pixels, 0..255 and not scaled, got float64"),
        (np.zeros((3, 28, 28), np.uint8), ValueError, r"got \(3, 28, 28\); flatten"),
        (np.zeros((3, 100), np.uint8), ValueError, r"\(n_images, 784\), got \(3, 100\)"),
    ],
)
def test_bad_images(images: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        project_and_binarise(images, 10, 0)


def test_import_is_light() -> None:
    code = (
        "import sys, binnet.datasets as d; d.load_entangled_mnist();"
        "print({'pooch', 'requests', 'click', 'numba', 'matplotlib', 'scipy'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert printed.stdout.decode().strip() == "set()"
