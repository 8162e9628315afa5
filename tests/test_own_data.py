"""`binnet train --data`: sizes, encoders, run folders that know their data, moved data."""

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from binnet import load_checkpoint, predict
from binnet._run_data import DataSource, read_source
from binnet.cli import _runs, main
from binnet.datasets import DataFileError
from binnet.landscape.along_training import _load_set
from idx_cases import write_set
from library_cases import draw_spins

SMALL = ["--hidden", "20", "--epochs", "1", "--batch-size", "10", "--threads", "1"]
N_SAMPLES, N_FEATURES = 100, 20
KINDS = np.array(["east", "north", "west"])


def binnet(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def refuse(*arguments: object, code: int = 1) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split())


def read(run: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads((run / "config.toml").read_text())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)


@pytest.fixture
def spins(tmp_path: Path) -> Path:
    """Three prototypes with noise, as spins, with names for labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, N_SAMPLES)
    flips = np.where(rng.random((N_SAMPLES, N_FEATURES)) < 0.1, -1, 1).astype(np.int8)
    np.savez(tmp_path / "own.npz", X=draw_spins(3, N_FEATURES)[y] * flips, y=KINDS[y])
    return tmp_path / "own.npz"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two clouds in the plane."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N_SAMPLES)
    frame = pd.DataFrame(rng.normal(size=(N_SAMPLES, 2)) + 3 * y[:, None], columns=["a", "b"])
    frame.assign(kind=KINDS[y]).to_csv(tmp_path / "clouds.csv", index=False)
    return tmp_path / "clouds.csv"


def test_sizes_and_classes_come_from_the_data(spins: Path) -> None:
    result = binnet("train", *SMALL, "--epochs", 3, "--data", spins.name, "--out", "run")
    assert "own: 80 samples to learn, 20 for test, 20 inputs, 3 classes" in result.stdout
    run = load_checkpoint(Path("run") / "checkpoint.safetensors")
    network = run.configuration.network
    assert (network.n_inputs, network.n_outputs, run.n_samples) == (20, 3, 80)
    data = read(Path("run"))["data"]
    assert data["classes"] == KINDS.tolist()
    assert data["source"] == str(spins)
    assert {"validation": 0, "test_fraction": 0.2, "split_seed": 0}.items() <= data.items()
    accuracy = float(result.stdout.split("test ")[-1].split()[0])
    assert accuracy > 0.8
    assert f"test accuracy {accuracy:.4f}" in binnet("evaluate", "run").stdout


def test_a_configuration_repeats_the_run(spins: Path) -> None:
    binnet("train", *SMALL, "--data", spins, "--validation", 10, "--split-seed", 3, "--out", "a")
    binnet("train", "--config", "a/config.toml", "--threads", 1, "--out", "b")
    assert read(Path("a")) == read(Path("b"))
    a, b = (load_file(Path(run) / "checkpoint.safetensors") for run in "ab")
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert "validation accuracy" in binnet("evaluate", "b").stdout
    # Another draw of the test part is of other samples, and says so in the folder.
    binnet("train", "--config", "a/config.toml", "--split-seed", 4, "--threads", 1, "--out", "c")
    assert read(Path("c"))["data"]["fingerprint"] != read(Path("a"))["data"]["fingerprint"]


def test_more_epochs_of_a_run_end_as_one_of_them(spins: Path) -> None:
    options = ["--preset", "source", "--data", spins]  # of constant rates
    binnet("train", *SMALL, "--epochs", 2, *options, "--out", "long")
    binnet("train", *SMALL, *options, "--out", "short")
    binnet("train", "--resume", "short", "--epochs", 2, "--threads", 1)
    a, b = (load_file(Path(run) / "checkpoint.safetensors") for run in ("long", "short"))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert read(Path("long")) == read(Path("short"))


@pytest.mark.parametrize(
    ("encoder", "n_inputs"),
    [
        (["--encoder", "thermometer:n_levels=4"], 8),
        (["--encoder", "threshold:threshold=1.5"], 2),
        (["--encoder", "entangled", "--inputs", "30"], 30),
        (["--encoder", "entangled:n_components=12,random_state=5"], 12),
    ],
)
def test_encoders_are_kept_in_the_folder(table: Path, encoder: list[str], n_inputs: int) -> None:
    pytest.importorskip("sklearn")
    options = ["--data", table, "--target", "kind", *encoder, "--split-seed", 7]
    result = binnet("train", *SMALL, *options, "--out", "run")
    assert f"{n_inputs} inputs" in result.stdout
    accuracy = result.stdout.split("test ")[-1].split()[0]
    assert "encoder.safetensors" in result.stdout
    data = read(Path("run"))["data"]
    parameters = data["encoder_parameters"]
    assert parameters.get("random_state", 7) == (5 if n_inputs == 12 else 7)
    assert f"test accuracy {accuracy}" in binnet("evaluate", "run").stdout
    kept = Path("run") / "encoder.safetensors"
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "encoder.safetensors is damaged or was edited" in refuse("evaluate", "run")
    kept.unlink()
    assert "encoder.safetensors, the encoder of the run; copy it" in refuse("evaluate", "run")


def test_the_encoder_is_fitted_to_what_is_learned(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    X = np.arange(80.0)[:, None]  # the last samples, which are held out, have the largest
    parts = {"X_train": X, "y_train": np.arange(80) % 2, "X_test": X, "y_test": np.arange(80) % 2}
    np.savez(tmp_path / "own.npz", **parts)
    options = ["--data", "own.npz", "--encoder", "threshold:threshold=mean", "--validation", 40]
    binnet("train", *SMALL, *options, "--out", "run")
    dataset = read_source(Path("run"))[0].load()
    thresholds = load_file(Path("run") / "encoder.safetensors")
    np.testing.assert_allclose(*thresholds.values(), dataset.X_train[:40].mean(axis=0))


def test_letters_by_their_name(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    write_set(tmp_path / "emnist", "emnist-letters-", first=1)
    write_set(tmp_path / "emnist", "emnist-digits-")
    assert "several data sets: emnist-digits, emnist-letters; choose one by --data-name" in refuse(
        "train", *SMALL, "--data", "emnist", "--out", "run"
    )
    options = ["--data", "emnist", "--data-name", "letters", "--encoder", "threshold"]
    with pytest.warns(UserWarning, match="not the original files"):
        result = binnet("train", *SMALL, *options, "--out", "run")
    assert "emnist-letters: 40 samples to learn, 20 for test, 784 inputs" in result.stdout
    assert read(Path("run"))["data"]["classes"] == list(range(1, 11))


@pytest.mark.parametrize("encoder", ["none", "standardise"])
def test_graded_inputs(table: Path, tmp_path: Path, encoder: str) -> None:
    pytest.importorskip("sklearn")
    options = ["--data", table, "--encoder", encoder, "--epochs", 5, "--out", "run"]
    result = binnet("train", *SMALL, *options)
    accuracy = result.stdout.split("test ")[-1].split()[0]
    assert float(accuracy) > 0.7
    assert f"test accuracy {accuracy}" in binnet("evaluate", "run").stdout


@pytest.mark.filterwarnings("ignore:.*not the original files")
def test_pixels_are_graded_inputs(tmp_path: Path) -> None:
    parts = write_set(tmp_path / "digits")
    result = binnet("train", *SMALL, "--data", "digits", "--out", "run")
    run = load_checkpoint("run/checkpoint.safetensors")
    _, sets = _runs.load_samples_of(Path("run"), run)
    X, y = sets["test"]
    np.testing.assert_array_equal(X, parts["X_test"].reshape(20, 784), strict=True)
    inference = run.configuration.training.inference_options()
    right = np.mean(predict(run.relaxable(), X.astype(float) / 255, **inference) == y)
    assert f"test {right:.4f}" in result.stdout


def test_data_that_were_moved_are_found_again(spins: Path, tmp_path: Path) -> None:
    binnet("train", *SMALL, "--data", spins, "--test-data", spins, "--out", "run")
    shown = binnet("evaluate", "run").stdout
    new = tmp_path / "elsewhere"
    new.mkdir()
    spins.rename(new / "own.npz")
    for command in ("evaluate", "representations"):
        message = refuse(command, "run")
        assert f"there is no file {spins}; if the data of this run were moved" in message
        assert "binnet evaluate run --data PLACE" in message
    assert binnet("evaluate", "run", "--data", "elsewhere/own.npz").stdout == shown
    assert binnet("evaluate", "run").stdout == shown  # it was noted
    (new / "own.npz").rename(spins)
    binnet("train", "--resume", "run", "--epochs", 2, "--data", spins, "--threads", 1)
    assert read(Path("run"))["data"]["test_data"] == str(spins)


def test_data_that_changed_are_refused(spins: Path, table: Path) -> None:
    binnet("train", *SMALL, "--data", spins, "--out", "run")
    before = (Path("run") / "config.toml").read_bytes()
    with np.load(spins) as arrays:
        X, y = arrays["X"].copy(), arrays["y"]
    X[7, 3] *= -1
    np.savez(spins, X=X, y=y)
    for arguments in (["evaluate", "run"], ["train", "--resume", "run", "--epochs", "2"]):
        assert "does not hold the samples that the run began with" in refuse(*arguments)
    assert "does not hold the samples" in refuse("evaluate", "run", "--data", table)
    assert "does not hold the samples" in refuse("train", "--config", "run/config.toml")
    assert (Path("run") / "config.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "kind"], "--target is of the user's own data; name them with --data"),
        (["--encoder", "threshold"], "--encoder is of the user's own data"),
        (["--data", "nothing.csv"], "there is no file"),
        (
            ["--data", "own.npz", "--inputs", "21"],
            "--inputs 21 is not the number of inputs that th",
        ),
        (
            ["--data", "own.npz", "--test-fraction", "1"],
            "--test-fraction must be a finite number >",
        ),
        (["--data", ".", "--test-fraction", "0.1"], "--test-fraction is of data without a test"),
        (["--data", "own.npz", "--target", "z"], "own.npz holds the arrays X, y; X and z are need"),
        (
            ["--data", "own.npz", "--validation", "80"],
            "validation must be an integer in 0..79, got",
        ),
        (["--data", "own.npz", "--data-name", "x"], "leave out --data-name = 'x'"),
        (["--data", "own.npz", "--encoder", "threshold:n=1"], "has no parameter 'n'"),
        (
            ["--data", "own.npz", "--encoder", "standardise", "--arithmetic", "int8"],
            "graded ones take --input-bits = 2 to 8",
        ),
    ],
)
def test_refusals_leave_no_folder(spins: Path, options: list[str], message: str) -> None:
    pytest.importorskip("sklearn")
    assert message in refuse("train", *SMALL, *options, "--out", "run")
    assert not Path("run").exists()


def test_encoders_that_are_none(spins: Path) -> None:
    for text, message in (
        ("fourier", "'fourier' is not one of none, threshold, thermometer, entangled, standardise"),
        ("threshold:5", "'5' is not PARAMETER=VALUE"),
        ("none:n=1", "none has no parameters, got 'n=1'"),
    ):
        shown = refuse("train", "--data", spins, "--encoder", text, code=2)
        assert message in shown


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("sorce = 'x'", "unknown parameter 'sorce' in [data]; known are validation, source"),
        ("target = 'x'", "[data] must name a source"),
        ("source = 3", "source in [data] has the wrong type: 3"),
        ("source = 'x'\nsplit_seed = true", "split_seed in [data] has the wrong type: True"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "config.toml").write_text(f"[data]\n{table}\n")
    assert message in refuse("train", "--config", "config.toml", "--out", "run")


def test_a_table_without_a_source_is_the_embedded_data() -> None:
    assert DataSource.from_table({"validation": 3}) is None
    source = DataSource("x", target="y", encoder_parameters={"n_levels": 3}, classes=(1, 2))
    assert DataSource.from_table({**source.to_table(), "validation": 0}) == source


def test_ctrl_c_while_data_are_read_leaves_nothing(
    spins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("binnet._run_data.load_dataset", interrupt)
    binnet("train", *SMALL, "--data", spins, "--out", "run", code=1)
    assert [path.name for path in Path().iterdir()] == ["own.npz"]


def test_a_start_that_was_killed_is_started_over(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")

    def kill(*arguments: object, **options: object) -> None:
        raise SystemExit(9)

    options = ["train", *SMALL, "--data", table, "--encoder", "thermometer", "--out", "run"]
    with monkeypatch.context() as patch:
        patch.setattr("binnet.cli.train.start_run", kill)
        binnet(*options, code=9)
    assert (Path("run") / "encoder.safetensors").is_file()
    assert "binnet train --config run/config.toml --out run" in refuse("evaluate", "run")
    assert "starting over in run" in binnet(*options).output


@pytest.mark.parametrize(
    ("scale", "shift", "told"), [(1000, 0, True), (1, 9, True), (1, -1.5, False)]
)
def test_features_that_are_no_inputs_get_a_word(
    table: Path, monkeypatch: pytest.MonkeyPatch, scale: float, shift: float, told: bool
) -> None:
    frame = pd.read_csv(table)
    frame[["a", "b"]] = scale * frame[["a", "b"]] + shift
    frame.to_csv(table, index=False)
    monkeypatch.setattr("binnet.cli.train.start_run", None)
    result = CliRunner().invoke(main, ["train", *SMALL, "--data", str(table), "--out", "run"])
    assert ("networks learn from inputs of size 1 around 0" in result.stderr) == told


def test_new_samples_of_a_run(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    options = ["--data", table, "--encoder", "thermometer:n_levels=3", "--out", "run"]
    binnet("train", *SMALL, *options)
    folder, run = Path("run"), load_checkpoint("run/checkpoint.safetensors")
    assert _runs.read_classes(folder, run) == KINDS[:2].tolist()
    frame = pd.read_csv(table)
    frame[["kind", "b", "a"]].to_csv("turned.csv", index=False)
    frame[["b", "a"]].to_csv("unlabelled.csv", index=False)
    np.savez("own.npz", X=frame[["a", "b"]], y=frame["kind"].to_numpy(dtype=str))
    np.save("X.npy", frame[["a", "b"]])
    X, y = _runs.load_new(folder, run, "turned.csv")
    assert X.shape == (N_SAMPLES, 6)
    assert (KINDS[y] == frame["kind"]).all()
    for name in ("unlabelled.csv", "own.npz", "X.npy"):
        other, labels = _runs.load_new(folder, run, name)
        np.testing.assert_array_equal(other, X)
        assert (labels is None) == (name != "own.npz")
    np.save("y.npy", np.arange(N_SAMPLES) % 2)
    frame.drop(columns="a").to_csv("narrow.csv", index=False)
    frame.assign(c=1.0).to_csv("wide.csv", index=False)
    frame.iloc[:0].to_csv("none.csv", index=False)
    for name, message in (
        ("X.npy", "has numbers for labels, where classes are text"),
        ("narrow.csv", "has no column 'a', which was learned from"),
        ("none.csv", "has names of columns and no rows"),
        ("wide.csv", "more columns than were learned from: kind, c"),
    ):
        with pytest.raises(DataFileError, match=message):
            _runs.load_new(folder, run, name)


def test_predictions_and_reports_name_the_classes(spins: Path) -> None:
    binnet("train", *SMALL, "--data", spins, "--validation", 20, "--out", "run")
    binnet("predict", "run", "--data", spins, "--output", "own.csv", "--threads", 1)
    rows = pd.read_csv("own.csv")
    fields = [f"field_{kind}" for kind in KINDS]
    assert rows.columns.tolist() == ["sample", "prediction", "label", *fields]
    with np.load(spins) as arrays:
        np.testing.assert_array_equal(rows["label"], arrays["y"])
    shown = binnet("evaluate", "run", "--test", "--report", "--threads", 1).stdout
    assert re.search(r"test accuracy \S+ \(\d+ of 20\)", shown)
    assert re.search(r"^east +\d", shown, re.MULTILINE)


def test_commands_on_the_run(spins: Path) -> None:
    binnet("train", *SMALL, "--data", spins, "--out", "run")
    binnet("quantize", "run", "--bits", 8, "--threads", 1)
    X, y = _load_set(Path("run"), N_FEATURES, 0)
    dataset = read_source(Path("run"))[0].load()
    np.testing.assert_array_equal(X, dataset.X_test)
    np.testing.assert_array_equal(y, dataset.y_test)
