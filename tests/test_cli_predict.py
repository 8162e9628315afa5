"""`binnet predict`, and what `binnet evaluate` says beyond the accuracy."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from binnet import load_checkpoint, relax
from binnet.cli import main
from idx_cases import write_set
from library_cases import draw_spins


def binnet(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Ten prototypes with noise, in the place of entangled MNIST."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    X = draw_spins(10, 100)[y] * np.where(rng.random((400, 100)) < 0.35, -1, 1).astype(np.int8)
    small = SimpleNamespace(X_train=X[:300], y_train=y[:300], X_test=X[300:], y_test=y[300:])
    monkeypatch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
    monkeypatch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)
    return small


@pytest.fixture
def run(tmp_path: Path) -> Path:
    options = ["--hidden", 40, "--epochs", 2, "--threads", 1, "--validation", 100]
    binnet("train", *options, "--out", tmp_path / "run")
    return tmp_path / "run"


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    "options",
    [
        ["--preset", "source", "--modules", 2, "--update-order", "async"],
        ["--arithmetic", "int8"],
    ],
    ids=["modules, async", "int8"],
)
def test_the_table_holds_what_the_network_says(
    options: list[object], tmp_path: Path, data: SimpleNamespace
) -> None:
    run = tmp_path / "run"
    binnet("train", "--hidden", 40, "--epochs", 2, *options, "--threads", 1, "--out", run)
    state = load_checkpoint(run / "checkpoint.safetensors")
    network, inference = state.relaxable(), state.configuration.training.inference_options()
    fields = relax(network, data.X_test, stop_at_cycle=False, **inference).readout_fields
    result = binnet("predict", run)
    assert f"100 predictions: {run / 'predictions.csv'}" in result.stdout
    right = int((fields.argmax(axis=1) == data.y_test).sum())
    assert f"accuracy {right / 100:.4f} ({right} of 100)" in result.stderr
    rows = read((run / "predictions.csv").read_text())
    assert [int(row["sample"]) for row in rows] == list(range(100))
    assert [int(row["label"]) for row in rows] == data.y_test.tolist()
    assert [int(row["prediction"]) for row in rows] == fields.argmax(axis=1).tolist()
    written = np.array([[row[f"field_{c}"] for c in range(10)] for row in rows], fields.dtype)
    assert np.array_equal(written, fields)


def test_files_of_samples(run: Path, tmp_path: Path, data: SimpleNamespace) -> None:
    np.save(tmp_path / "x.npy", data.X_test)
    np.savez(tmp_path / "xy.npz", X=data.X_test, y=data.y_test)
    plain = binnet("predict", run, "--data", tmp_path / "x.npy", "--output", "-")
    assert not plain.stderr
    rows = read(plain.stdout)
    assert list(rows[0]) == ["sample", "prediction", *(f"field_{c}" for c in range(10))]
    target = tmp_path / "table.csv"
    labelled = binnet("predict", run, "--data", tmp_path / "xy.npz", "--output", target)
    known = read(target.read_text())
    assert [row.pop("label") for row in known] == [str(y) for y in data.y_test]
    assert known == rows
    assert "accuracy" in labelled.stderr
    before = target.read_bytes()
    refused = binnet("predict", run, "--output", target, code=1).output
    assert "table.csv exists and has no mark" in refused
    assert target.read_bytes() == before
    binnet("predict", run, "--output", target, "--force")
    assert len(read(target.read_text())) == 100
    assert "there is no file" in binnet("predict", run, "--data", tmp_path / "y.npy", code=1).output


def test_report_and_readouts_are_reported_apart(run: Path, data: SimpleNamespace) -> None:
    metrics = (run / "metrics.json").read_bytes()
    accuracy = json.loads(metrics)[-1]["accuracy"]
    result = binnet("evaluate", run, "--report", "--threads", 1)
    report = json.loads((run / "class_report.json").read_text())
    assert report["set"] == "validation"
    assert report["accuracy"] == accuracy["validation"]
    assert (
        np.array(report["confusion"]).sum(axis=1).tolist()
        == np.bincount(data.y_train[200:], minlength=10).tolist()
    )
    lines = result.stdout.splitlines()
    (header,) = (k for k, line in enumerate(lines) if line.startswith("class "))
    for k, row in enumerate(report["classes"]):
        shown = lines[header + 1 + k].split()
        assert shown == [str(k), *(f"{row[name]:.4f}" for name in ("precision", "recall", "f1")),
                         str(row["support"])]  # fmt: skip
    assert (run / "confusion_matrix.png").stat().st_size > 0
    binnet("evaluate", run, "--report")  # its own files may be replaced
    result = binnet("evaluate", run, "--test", "--readout", "local", "--readout", "logistic")
    assert result.stdout.startswith("test accuracy ")
    found = json.loads((run / "readouts.json").read_text())
    assert list(found["accuracy"]) == ["own", "local", "logistic"]
    assert list(found["accuracy"]["own"]) == ["train", "validation", "test"]
    assert {**found["accuracy"]["own"], **accuracy} == found["accuracy"]["own"]
    for name, values in found["accuracy"].items():
        (line,) = (line for line in result.stdout.splitlines() if line.startswith(f"{name} "))
        assert line.split() == [name, *(f"{value:.4f}" for value in values.values())]
    assert (run / "metrics.json").read_bytes() == metrics


def test_a_run_on_own_data_predicts_their_classes(tmp_path: Path) -> None:
    """The encoder of the run is applied, columns are found by name, classes have their names."""
    rng = np.random.default_rng(0)
    kinds = np.array(["east", "north", "west"])
    y = rng.integers(0, 3, 120)
    features = rng.normal(size=(120, 2)) + 4.0 * np.stack([y == 1, y == 2], axis=1)
    frame = pd.DataFrame(features, columns=["a", "b"])
    frame.assign(kind=kinds[y]).to_csv(tmp_path / "own.csv", index=False)
    run = tmp_path / "run"
    options = ["--hidden", 20, "--epochs", 5, "--batch-size", 4, "--threads", 1]
    encoder = ["--encoder", "thermometer:n_levels=6"]
    binnet("train", *options, *encoder, "--data", tmp_path / "own.csv", "--out", run)
    frame[["b", "a"]].to_csv(tmp_path / "new.csv", index=False)
    found = read(binnet("predict", run, "--data", tmp_path / "new.csv", "--output", "-").stdout)
    assert list(found[0]) == ["sample", "prediction", *(f"field_{kind}" for kind in kinds)]
    right = np.array([row["prediction"] for row in found]) == kinds[y]
    assert right.mean() > 0.8  # chance: 0.33
    known = binnet("predict", run, "--data", tmp_path / "own.csv", "--output", "-")
    rows = read(known.stdout)
    assert [row.pop("label") for row in rows] == kinds[y].tolist()
    assert rows == found
    assert known.stderr == f"accuracy {right.mean():.4f} ({right.sum()} of 120)\n"
    of_test = read(binnet("predict", run, "--output", "-").stdout)
    assert len(of_test) == 24
    assert {row["label"] for row in of_test} == set(kinds)
    binnet("evaluate", run, "--report")
    report = json.loads((run / "class_report.json").read_text())
    assert [row["class"] for row in report["classes"]] == kinds.tolist()
    (tmp_path / "own.csv").unlink()  # the samples that were learned need not be there
    frame.to_csv(tmp_path / "new.csv", index=False)
    table = binnet("predict", run, "--data", tmp_path / "new.csv", "--output", "-").stdout
    assert read(table) == found


@pytest.mark.filterwarnings("ignore:.*not the original files")
def test_a_folder_of_images(tmp_path: Path) -> None:
    write_set(tmp_path / "images")
    run = tmp_path / "run"
    options = ["--hidden", 20, "--epochs", 1, "--threads", 1, "--encoder", "entangled"]
    binnet("train", *options, "--data", tmp_path / "images", "--out", run)
    assert read(binnet("predict", run, "--data", tmp_path / "images", "--output", "-").stdout) == (
        read(binnet("predict", run, "--output", "-").stdout)
    )


def test_pixels_are_pixels_in_a_file_of_any_type(tmp_path: Path) -> None:
    """CSV and float64 hold the numbers that uint8 does, and mean the same inputs, u/255."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    X = (rng.integers(0, 100, (60, 8)) + 150 * y[:, None]).astype(np.uint8)
    run, options = tmp_path / "run", ["--hidden", 20, "--epochs", 2, "--threads", 1]
    np.savez(tmp_path / "own.npz", X=X, y=y)
    binnet("train", *options, "--data", tmp_path / "own.npz", "--out", run)
    np.savez(tmp_path / "float.npz", X=X.astype(float), y=y)
    pd.DataFrame(X).to_csv(tmp_path / "new.csv", index=False)
    tables = [
        read(binnet("predict", run, "--data", tmp_path / name, "--output", "-").stdout)
        for name in ("own.npz", "float.npz", "new.csv")
    ]
    assert tables[0] == tables[1]
    assert [row["field_0"] for row in tables[2]] == [row["field_0"] for row in tables[0]]
    np.savez(tmp_path / "float.npz", X=X / 255, y=y)
    refused = binnet("predict", run, "--data", tmp_path / "float.npz", code=1).stderr
    assert "where the training samples are pixels (uint8); give whole numbers in 0..255" in refused
    pd.DataFrame(X).assign(y=y).to_csv(tmp_path / "new.csv", index=False)
    refused = binnet("predict", run, "--data", tmp_path / "new.csv", code=1).stderr
    assert "has 9 features, but the run learned from 8; give those, and leave out lab" in refused
