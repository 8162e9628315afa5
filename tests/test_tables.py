"""The user's own arrays and tables: what is read, what is refused, and with which words."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from binnet.datasets import DataFileError, load_dataset, load_table
from binnet.datasets.dataset import hold_out

X = np.array([[5.1, 3.0], [4.9, -1.5], [6.2, 2.0], [7.0, 0.25]])
KINDS = np.array(["setosa", "virginica", "setosa", "virginica"])
FRAME = pd.DataFrame({"length": X[:, 0], "width": X[:, 1], "species": KINDS})
HEADLESS = "5.1,3.0,setosa\n4.9,-1.5,virginica\n6.2,2.0,setosa\n7.0,0.25,virginica\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def check(path: Path | str, target: str | int | None = None, features=X, labels=KINDS) -> None:
    found, y = load_table(path, target)
    np.testing.assert_array_equal(found, features, strict=True)
    np.testing.assert_array_equal(y, labels)
    assert y.dtype.kind == labels.dtype.kind


@pytest.mark.parametrize(
    ("content", "target"),
    [
        (HEADLESS, None),
        (HEADLESS, 2),
        (HEADLESS, "-1"),
        ("length,width,species\n" + HEADLESS, None),
        ("length,width,species\n" + HEADLESS, "species"),
        ("\ufefflength;width;species\r\n" + HEADLESS.replace(",", ";"), "species"),
        (HEADLESS.replace(",", "\t"), None),
        (HEADLESS.replace(",", ", "), None),
        ("0,1,2\n" + HEADLESS.replace("setosa", "0").replace("virginica", "1"), None),
        (FRAME[["species", "length", "width"]].to_csv(index=False), "species"),
        (FRAME[["species", "length", "width"]].to_csv(index=False), 0),
        (FRAME.to_csv(), "species"),
    ],
)
def test_csv_with_and_without_names(tmp_path: Path, content: str, target: str | None) -> None:
    labels = KINDS if "setosa" in content else np.array([0, 1, 0, 1])
    check(write(tmp_path, "flowers.csv", content), target, labels=labels)
    packed = write(tmp_path, "flowers.csv.gz", gzip.compress(content.encode()))
    check(packed, target, labels=labels)


def test_columns_that_are_numbered_by_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({0: X[:, 0], 1: X[:, 1], 2: X[:, 0], "label": KINDS})
    features = np.column_stack([X, X[:, 0]])
    for index in (True, False):
        path = write(tmp_path, "flowers.tsv", frame.to_csv(sep="\t", index=index))
        check(path, features=features)


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        (
            "a,b,y\n1,,0\n2,3,1\n,4,1\n",
            None,
            "column 'a' has 1 missing value, the first in samp",
        ),
        (
            "a,b,y\n1,2,0\n2,,1\n3,,1\n",
            None,
            "column 'b' has 2 missing values, the first in sa",
        ),
        ("a,b,y\n1,2,0\n2,inf,1\n", None, "column 'b' has inf in sample 2"),
        ("a,b,y\n1,2,0\n2,3,\n", None, "column 'y', the target, has 1 missing value, .*sample 2"),
        (
            "a,b,y\n1,Rome,0\n2,Oslo,1\n",
            None,
            "column 'b' is not of numbers, but has 'Rome' in s",
        ),
        ("y,a\nsun,1\nrain,2\n", None, "'sun' in sample 1; .* name it as the target where it has"),
        ("a;y\n1,5;0\n2,5;1\n", None, "has '1,5' in sample 1; write decimal points in place of"),
        ("a,b,y\n1,2,0\n2,3?,1\n3,4,1\n", None, r"column 'b' is not of .* has '3\?' in sample 2"),
        ("1,2,0\n2,x,1\n", None, "column '1' is not of numbers, but has 'x' in sample 2"),
        ("a,b,y\n1,2,0.5\n2,3,1\n", None, "labels must name classes.* got 0.5 in sample 1"),
        ("a,b,y\n7,2,0\n7,2,1\n", None, "every feature is constant: a, b"),
        ("y\n1\n2\n", None, "2 rows of 1 columns; a row a sample"),
        ("a,y\n", None, "0 rows of 2 columns"),
        ("a,b\n1,2\n1,2,3,4\n", None, "damaged or no CSV file: .*line 3"),
        ("", None, "damaged or no CSV file: No columns"),
        (b"a,b\n1,\xff\n", None, "damaged or no CSV file: .*utf-8.*save it as CSV in UTF-8"),
        (
            "a,b,y\n1,2,0\n",
            "z",
            "no column 'z' for a target; name one of a, b, y, or a number in",
        ),
        ("a,b,y\n1,2,0\n", "3", "no column '3'"),
    ],
)
def test_faults_are_named_by_their_column(
    tmp_path: Path, content: str | bytes, target: str | None, message: str
) -> None:
    path = write(tmp_path, "own.csv", content)
    with pytest.raises((DataFileError, ValueError), match=f"own.csv.*{message}"):
        load_table(path, target)


def test_constant_columns_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "own.csv", "a,b,y\n1,2,0\n1,3,1\n")
    with pytest.warns(UserWarning, match="1 constant column, which tell nothing: a"):
        load_table(path)


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "flowers.parquet"
    FRAME.astype({"species": "category"}).to_parquet(path, engine="pyarrow")
    check(path)
    check(path, "species")
    pixels = pd.DataFrame({"a": [0, 255, 3], "y": [1, 2, 1]}, dtype=np.uint8)
    pixels.to_parquet(path, engine="pyarrow")
    check(path, "y", np.array([[0], [255], [3]], np.uint8), np.array([1, 2, 1]))
    FRAME.assign(width=[1.0, None, 2.0, 3.0]).to_parquet(path, engine="pyarrow")
    with pytest.raises(DataFileError, match=r"column 'width' has 1 missing value, .* sample 2"):
        load_table(path)
    write(tmp_path, "flowers.parquet", path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"flowers.parquet is damaged or no Parquet file"):
        load_table(path)


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "binnet\[tables\]"'):
        load_table(write(tmp_path, "own.parquet", b"PAR1"))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [("u1", "u1"), ("i1", "i1"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("?", "f8")],
)
def test_types_of_features(tmp_path: Path, kept: str, expected: str) -> None:
    features = np.arange(12).reshape(3, 2, 2).astype(kept)
    np.savez(tmp_path / "own.npz", X=features, y=[3, 4, 3])
    flat = features.reshape(3, 4).astype(expected)
    check(tmp_path / "own.npz", features=flat, labels=np.array([3, 4, 3]))


def test_npz_and_pairs_of_npy(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", x=X, y=KINDS[:, None])
    check(tmp_path / "own.npz")
    np.savez(tmp_path / "own.npz", X=X, kind=KINDS.astype("S"), y=[0, 0, 0, 0])
    check(tmp_path / "own.npz", "kind")
    np.save(tmp_path / "X_all.npy", X)
    np.save(tmp_path / "y_all.npy", KINDS)
    check(tmp_path / "X_all.npy")
    check(f"{tmp_path / 'X_all.npy'},{tmp_path / 'y_all.npy'}")
    (tmp_path / "a,b.npz").write_bytes((tmp_path / "own.npz").read_bytes())
    check(tmp_path / "a,b.npz", "kind")
    np.save(tmp_path / "features.npy", X)
    with pytest.raises(ValueError, match=r"two .npy files are needed; name them as FEATURES.npy"):
        load_table(tmp_path / "features.npy")
    with pytest.raises(ValueError, match=r"'y' names a column, and .npy files have none"):
        load_table(tmp_path / "X_all.npy", "y")
    (tmp_path / "y_all.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*y_all.npy"):
        load_table(tmp_path / "X_all.npy")


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "unpickled"
    labels = np.array([Evil(mark)] * 4, dtype=object)
    np.savez(tmp_path / "own.npz", X=X, y=labels)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", labels)
    for name in ("own.npz", "X.npy"):
        with pytest.raises(DataFileError, match=r"holds Python objects, which only pickle reads"):
            load_table(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X}, "holds the arrays a; X and y are needed, or X_train, y_train"),
        ({"X_train": X}, "holds the arrays X_train; X and y are"),
        ({"X": X, "y": [1, 2, 3]}, r"one label for each of 4 rows of X, got the shape \(3,\)"),
        ({"X": X, "y": np.eye(4)}, r"one label for each .*\(4, 4\)"),
        ({"X": X[0], "y": [1, 2]}, r"a column for each feature, got the shape \(2,\)"),
        ({"X": KINDS[:, None], "y": KINDS}, "X must be numbers, got <U9"),
        ({"X": np.where(X > 6, np.nan, X), "y": KINDS}, "column 0 of X has nan in sample 3"),
        ({"X": X, "y": [1.0, np.nan, 2.0, 1.0]}, "labels must name classes.*got nan in sample 2"),
        ({"X": X, "y": X[:, 0] * 1j}, "labels must be whole numbers or text, got complex128"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises((DataFileError, ValueError), match=f"own.npz.*{message}"):
        load_table(tmp_path / "own.npz")


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", X=X, y=KINDS)
    content = (tmp_path / "own.npz").read_bytes()
    for damaged in (content[:-50], content[:60] + b"!" + content[61:], b"", b"PK\x03\x04"):
        path = write(tmp_path, "own.npz", damaged)
        with pytest.raises((ValueError, OSError), match=r"own.npz is damaged or no .npz file"):
            load_table(path)
    with pytest.raises(ValueError, match=r"notes.txt: what is read is an .npz or .npy file, .csv"):
        load_table(write(tmp_path, "notes.txt", "a,b"))
    with pytest.raises(IsADirectoryError, match=r"is a folder; name an .npz"):
        load_table(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing.csv"):
        load_table(tmp_path / "nothing.csv")


def test_what_does_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros((30000, 100))  # packed they are small
    np.savez_compressed(tmp_path / "own.npz", X=zeros, y=zeros[:, 0])
    np.save(tmp_path / "X.npy", zeros)
    np.save(tmp_path / "y.npy", zeros[:, 0])
    write(tmp_path, "own.csv", "1,2,0\n" * 500000)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 2e6)
    for name in ("own.npz", "X.npy", "own.csv"):
        with pytest.raises(MemoryError, match=r"0.002 GB are left here; take fewer"):
            load_table(tmp_path / name)


def test_a_part_is_held_out_for_the_test(tmp_path: Path) -> None:
    labels = np.repeat([7, 3, 5], [50, 30, 20])
    np.savez(tmp_path / "own.npz", X=np.arange(200).reshape(100, 2), y=labels)
    data = load_dataset(tmp_path / "own.npz", split_seed=3)
    assert data.classes.tolist() == [3, 5, 7]
    assert np.bincount(data.y_test).tolist() == [6, 4, 10]
    rows = np.concatenate([data.X_train, data.X_test])[:, 0] // 2
    y = np.concatenate([data.y_train, data.y_test])
    assert sorted(rows) == list(range(100))
    np.testing.assert_array_equal(data.classes[y], labels[rows.astype(int)])
    # In the file a class ends where the next begins; the last training samples are of all.
    assert set(data.y_train[-20:]) == {0, 1, 2}
    again, other = (load_dataset(tmp_path / "own.npz", split_seed=seed) for seed in (3, 4))
    assert again.fingerprint == data.fingerprint != other.fingerprint
    assert len(load_dataset(tmp_path / "own.npz", test_fraction=0.5).y_test) == 50
    for fraction in (0, 1, -0.5, np.nan):
        with pytest.raises(ValueError, match="test_fraction must be a finite number > 0 and < 1"):
            load_dataset(tmp_path / "own.npz", test_fraction=fraction)


def test_each_class_of_two_has_a_test_sample() -> None:
    train, test = hold_out(np.array([0, 0, 0, 1, 1, 2]), 0.01, 0)
    assert sorted(np.array([0, 0, 0, 1, 1, 2])[test]) == [0, 1]
    assert sorted([*train, *test]) == list(range(6))
    with pytest.raises(ValueError, match="no class of these 3 samples has two"):
        hold_out(np.arange(3), 0.5, 0)


def test_test_data_of_its_own(tmp_path: Path) -> None:
    train = write(tmp_path, "train.csv", FRAME.to_csv(index=False))
    turned = FRAME.iloc[:2][["width", "species", "length"]]
    test = write(tmp_path, "test.csv", turned.to_csv(index=False))
    data = load_dataset(train, "species", test_data=test)
    np.testing.assert_array_equal(data.X_test, X[:2])
    assert data.y_test.tolist() == [0, 1]
    assert sorted(data.X_train[:, 0]) == sorted(X[:, 0])
    write(tmp_path, "test.csv", "length,height,species\n1,2,setosa\n")
    with pytest.raises(DataFileError, match=r"test.csv lacks the column 'width', compared with"):
        load_dataset(train, "species", test_data=test)
    write(tmp_path, "test.csv", "length,width,species\n1,2,tulip\n2,1,setosa\n")
    with pytest.raises(DataFileError, match="the test part has the class tulip, of which there is"):
        load_dataset(train, "species", test_data=test)
    write(tmp_path, "test.csv", "length,width,species\n1,2,1\n2,1,0\n")
    with pytest.raises(DataFileError, match="the test part has numbers for labels, where cl"):
        load_dataset(train, "species", test_data=test)
    with pytest.raises(ValueError, match="is no folder of several data sets"):
        load_dataset(train, name="letters")


def test_a_split_of_an_npz_file(tmp_path: Path) -> None:
    parts = {"x_train": X, "y_train": KINDS, "x_test": X[:1], "y_test": KINDS[:1]}
    np.savez(tmp_path / "own.npz", **parts)
    data = load_dataset(tmp_path / "own.npz")
    assert (len(data.X_train), data.X_test.tolist(), data.y_test.tolist()) == (4, [[5.1, 3.0]], [0])
    check(tmp_path / "own.npz")
    np.savez(tmp_path / "own.npz", **(parts | {"x_test": X[:, :1], "y_test": KINDS}))
    with pytest.raises(DataFileError, match="the training part has 2 features, the test part 1"):
        load_dataset(tmp_path / "own.npz")


@pytest.mark.parametrize(("train", "test"), [("uint8", "float64"), ("float64", "uint8")])
def test_both_parts_are_pixels_or_neither(tmp_path: Path, train: str, test: str) -> None:
    pixels = np.array([[0, 255], [7, 1], [3, 2], [9, 90]])
    parts = {"X_train": pixels.astype(train), "y_train": KINDS, "y_test": KINDS}
    np.savez(tmp_path / "own.npz", X_test=pixels.astype(test), **parts)
    data = load_dataset(tmp_path / "own.npz")
    assert data.X_test.dtype == train
    np.testing.assert_array_equal(data.X_test, pixels)
    np.savez(tmp_path / "own.npz", X_test=pixels / 255, **parts)
    if train == "uint8":
        with pytest.raises(DataFileError, match=r"test part has 0\.027451 where the training"):
            load_dataset(tmp_path / "own.npz")


def test_a_class_of_one_sample_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", X=X, y=[0, 0, 1, 1])
    np.savez(tmp_path / "test.npz", X=X, y=[0, 0, 1, 1])
    with pytest.warns(UserWarning, match="there is one training sample of class 0, 1"):
        load_dataset(tmp_path / "own.npz", test_fraction=0.5)


def test_arrays_are_read_without_pandas(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", X=X, y=KINDS)
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom binnet.datasets import load_table\n"
    code += f"load_table({str(tmp_path / 'own.npz')!r})\nprint(*[m for m in ('pandas', 'sklearn') "
    code += "if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
