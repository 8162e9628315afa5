"""Samples to predict: with and without labels, in every kind of file, columns by their names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from binnet.datasets import DataFileError, load_features

X = np.arange(12.0).reshape(4, 3)
LABELS = np.array(["b", "a", "b", "a"])
FRAME = pd.DataFrame(X, columns=["u", "v", "w"])


def write(path: Path, kind: str, labelled: bool) -> None:
    match kind:
        case ".npy":
            np.save(path, X)
            if labelled:
                np.save(path.with_name("y.npy"), LABELS)
        case ".npz":
            np.savez(path, X=X, **({"y": LABELS} if labelled else {}))
        case _:
            frame = FRAME.assign(kind=LABELS) if labelled else FRAME
            frame.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("kind", [".npy", ".npz", ".csv", ".tsv", ".csv.gz"])
def test_labels_may_be_known(kind: str, labelled: bool, tmp_path: Path) -> None:
    path = tmp_path / f"X{kind}"
    write(path, kind, labelled)
    features, labels = load_features(path, 3)
    assert np.array_equal(features, X)
    assert (labels is not None) == labelled
    if labels is not None:
        assert labels.tolist() == LABELS.tolist()


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    """A table in another order would be another sample; numbers are no names."""
    path = tmp_path / "table.csv"
    for labelled in (False, True):
        frame = FRAME[["w", "u", "v"]]
        (frame.assign(kind=LABELS) if labelled else frame).to_csv(path, index=False)
        features, _ = load_features(path, 3, columns=("u", "v", "w"))
        assert np.array_equal(features, X)
        with pytest.raises(DataFileError, match="lacks the column 'other', which was learned"):
            load_features(path, 3, columns=("u", "v", "other"))
    frame.assign(kind=LABELS)[["kind", "w", "u", "v"]].to_csv(path, index=False)
    assert load_features(path, 3, "kind")[1] is not None
    np.savetxt(path, X, delimiter=",")
    assert np.array_equal(load_features(path, 3, columns=("1", "2", "3"))[0], X)


def test_one_sample_and_like_samples_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for rows in (FRAME[:1], pd.concat([FRAME[:1]] * 2)):
        rows.to_csv(path, index=False)
        assert np.array_equal(load_features(path, 3)[0], rows.to_numpy())


def test_other_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    FRAME.to_csv(path, index=False)
    for n in (1, 4):
        with pytest.raises(DataFileError, match=f"must have {n} features for each sample"):
            load_features(path, n)
    path.write_text("u,v,w\n1,2,three\n")
    with pytest.raises(ValueError, match=r"no table of numbers.*three"):
        load_features(path, 3)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_features(tmp_path / "none.csv", 3)
    (tmp_path / "text.txt").write_text("1")
    with pytest.raises(ValueError, match="what is read is"):
        load_features(tmp_path / "text.txt", 3)
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"o\.npy is damaged or no \.npy file"):
        load_features(tmp_path / "o.npy", 3)
