"""What the commands refuse: one clear line, the right exit code, and neither work nor folders."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import preset
from binnet._files import name_temporary
from binnet.cli import _folders, main
from binnet.learning import Run, save_checkpoint
from library_cases import draw_spins

# Exit codes: 2 for the wrong use of a command, 1 for a value that is refused.
USAGE, REFUSED = 2, 1


@pytest.fixture(autouse=True)
def _no_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    X, y = draw_spins(60, 100), np.arange(60) % 10
    small = SimpleNamespace(X_train=X, y_train=y, X_test=X, y_test=y)
    monkeypatch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
    monkeypatch.setattr("binnet.learning.Run.learn", None)
    monkeypatch.chdir(tmp_path)


def refuse(arguments: list[str], code: int) -> str:
    """Return the error that a command shows, on one line."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--hidden 0", REFUSED, "--hidden must be an integer >= 1, got 0"),
        ("--hidden 1.5", USAGE, "'1.5' is not an integer"),
        ("--epochs 0", REFUSED, "epochs must be an integer >= 1, got 0"),
        ("--batch-size -1", REFUSED, "--batch-size must be an integer >= 1, got -1"),
        ("--self-coupling -0.5", REFUSED, "--self-coupling must be a finite number >= 0, got -0.5"),
        ("--feedback nan", REFUSED, "--feedback must be a finite number >= 0, got nan"),
        ("--input inf", REFUSED, "--input must be a finite number >= 0, got inf"),
        ("--schedule 8 5 5", REFUSED, "warmup must be <= feedback = 5 sweeps"),
        ("--schedule 0 0 0", REFUSED, "feedback + free must be >= 1 sweep, got 0 + 0"),
        ("--schedule 1 5", USAGE, "'--schedule': '--out' is not a valid integer"),
        ("--annealing cosine", USAGE, "'cosine' is not one of 'step', 'linear'"),
        ("--update-order serial", USAGE, "'serial' is not one of 'sync', 'async'"),
        ("--update-probability 0", REFUSED, "--update-probability must be a finite number > 0 and"),
        ("--decay-input 2", REFUSED, "--decay-input must be a finite number >= 0 and <= 1, got 2"),
        ("--rate-readout -1", REFUSED, "--rate-readout must be a finite number >= 0, got -1"),
        (
            "--rate-readout 40 --decay-readout 1",
            REFUSED,
            "times --decay-readout must be < 1, the fraction that a batch takes from the weights",
        ),
        ("--dtype float16", USAGE, "'float16' is not one of 'float32', 'float64'"),
        ("--seed -1", REFUSED, "seed must be an integer >= 0, got -1"),
        ("--threads 0", REFUSED, "threads must be an integer >= 1, got 0"),
        ("--preset best", USAGE, "'best' is not one of"),
        ("--validation 60", REFUSED, "validation must be an integer in 0..59, got 60"),
        ("--validation -1", USAGE, "-1 is not in the range x>=0"),
        ("--config nowhere.toml", REFUSED, "there is no configuration file nowhere.toml"),
        ("--config .", USAGE, "File '.' is a directory"),
        ("--nonsense 3", USAGE, "No such option"),
    ],
)
def test_options(options: str, code: int, message: str, tmp_path: Path) -> None:
    assert message in refuse(["train", *options.split(), "--out", "run"], code)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_hidden = ", "config.toml is not TOML ("),
        ("\xff", "config.toml is not TOML ("),
        ("n_hidden = 3", "unknown table [n_hidden]; known are network, schedule, plasticity"),
        ("[net]", "unknown table [net]; known are network"),
        ("network = 3", "[network] must be a table of parameters, got 3"),
        ("[network]\nhidden = 3", "unknown parameter 'hidden' in [network]; known are n_hidden"),
        ("[network]\nn_hidden = true", "n_hidden must be an integer >= 1, got True"),
        ("[network]\nn_hidden = 4.0", "n_hidden must be an integer >= 1, got 4.0"),
        ("[network]\nn_outputs = 5", "the labels must be in 0..4 (n_outputs = 5), got 5 at"),
        ("[schedule]\nwarmup = 9", "warmup must be <= feedback = 5 sweeps"),
        ("[plasticity]\nmargin = nan", "margin must be a finite number, got nan"),
        ("[training]\ndtype = 'half'", "dtype must be one of float32, float64, got 'half'"),
        ("data = 3", "[data] must be a table of parameters, got 3"),
        ("[data]\nholdout = 3", "unknown parameter 'holdout' in [data]; known are validation, sou"),
        ("[data]\nvalidation = 'x'", "validation must be an integer in 0..59, got 'x'"),
        ("[data]\nvalidation = -1", "validation must be an integer in 0..59, got -1"),
    ],
)
def test_configuration_files(text: str, message: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text, encoding="latin-1")
    shown = refuse(["train", "--config", "config.toml", "--out", "run"], REFUSED)
    assert message in shown
    assert list(tmp_path.iterdir()) == [config]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf[network]\nn_hidden = 0\n")
    shown = refuse(["train", "--config", "config.toml", "--out", "run"], REFUSED)
    assert shown == "Error: config.toml: n_hidden must be an integer >= 1, got 0"


def test_a_split_that_was_edited(tmp_path: Path) -> None:
    """Samples that were learned are not measured as if they had been held out."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text("[data]\nvalidation = 20\n")
    save_checkpoint(run / "checkpoint.safetensors", Run.start(preset(), 60, "abc"))
    for command in (["evaluate", "run"], ["train", "--resume", "run"], ["representations", "run"],
                    ["landscape", "run"], ["quantize", "run"],
                    ["hardware", "report", "run"]):  # fmt: skip
        shown = refuse(command, REFUSED)
        assert "run/config.toml leaves 40 training samples, but the run learned 60; set" in shown


def test_what_a_killed_run_left_is_no_content(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = name_temporary(tmp_path / "a.png")
    left = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{process.pid}-"))
    left.write_text("half")
    assert _folders.make_folder(tmp_path, "", "") == tmp_path
    assert not left.exists()


def test_a_damaged_record_of_sessions(tmp_path: Path) -> None:
    _folders.add_provenance(tmp_path, 1, 1)
    _folders.add_provenance(tmp_path, 1, 1)
    path = tmp_path / "provenance.json"
    content = path.read_text()
    assert len(json.loads(content)) == 2
    for damaged in (content.replace('"threads": 1', '"threads": 3', 1), content[:-3], "{}", "[3]"):
        path.write_text(damaged)
        with pytest.raises(
            ValueError,
            match=r"provenance\.json .*(was edited|must hold a table|remove it, and the)",
        ):
            _folders.add_provenance(tmp_path, 1, 1)


def test_folders_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    kept = tmp_path / "old" / "notes.txt"
    kept.write_text("keep me")
    for out in ("old", "old/notes.txt"):
        shown = refuse(["train", "--out", out], REFUSED)
        assert f"{out} exists and is not an empty folder; name another --out" in shown
        assert "--resume" not in shown  # there is no run in it
    shown = refuse(["train", "--out", "old/notes.txt/run"], REFUSED)
    assert "cannot create the run folder old/notes.txt/run" in shown
    assert "name another --out" in shown
    assert kept.read_text() == "keep me"
    (tmp_path / "locked").mkdir()
    # Root may write everywhere, so this cannot be had by chmod.
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    shown = refuse(["train", "--out", "locked"], REFUSED)
    assert "cannot write into the run folder locked; name another --out" in shown
    assert not list((tmp_path / "locked").iterdir())


def test_too_large_a_network_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(*arguments: object) -> None:
        raise MemoryError("Unable to allocate 7.28 TiB for an array")

    monkeypatch.setattr("binnet.networks.BinaryNetwork.random", allocate)
    assert "Unable to allocate 7.28 TiB" in refuse(["train", "--hidden", "1000"], REFUSED)


def test_resume_takes_no_other_options(tmp_path: Path) -> None:
    shown = refuse(["train", "--resume", "run", "--hidden", "9", "--out", "x"], USAGE)
    assert "--resume goes on with the run's own parameters; it cannot change" in shown
    assert shown.endswith(("--hidden, --out", "--out, --hidden"))
    for options in (["--preset", "source"], ["--schedule", "1", "2", "3"], ["--validation", "0"]):
        shown = refuse(["train", "--resume", "run", *options], USAGE)
        assert shown.endswith(f"it cannot change {options[0]}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["train", "--resume"], ["evaluate"]], ids=str)
def test_folders_that_hold_no_run(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("nonsense")
    for run in ("empty", "nowhere", "file"):
        shown = refuse([*command, run], REFUSED)
        assert f"{run} is not a run folder: it has no checkpoint.safetensors; name a" in shown
    checkpoint = tmp_path / "empty" / "checkpoint.safetensors"
    save_checkpoint(checkpoint, Run.start(preset(), 60, "abc"))
    shown = refuse([*command, "empty"], REFUSED)
    assert "there is no configuration file empty/config.toml" in shown
    (tmp_path / "empty" / "config.toml").write_text("[data]\nvalidation = 0\n")
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:1000])
    shown = refuse([*command, "empty"], REFUSED)
    assert "is damaged or not a safetensors file" in shown
    checkpoint.write_bytes(content)
    shown = refuse([*command, "empty", "--threads", "0"], REFUSED)
    assert "threads must be an integer >= 1, got 0" in shown
    assert sorted(f.name for f in (tmp_path / "empty").iterdir()) == [
        checkpoint.name,
        "config.toml",
    ]


def test_resume_with_other_samples(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text("")
    save_checkpoint(run / "checkpoint.safetensors", Run.start(preset(), 60, "abc"))
    shown = refuse(["train", "--resume", "run"], REFUSED)
    assert "these are not the training samples of run/checkpoint.safetensors" in shown


def test_evaluate_needs_a_folder() -> None:
    assert "Missing argument 'RUN'" in refuse(["evaluate"], USAGE)
    assert "No such command 'learn'" in refuse(["learn"], USAGE)
