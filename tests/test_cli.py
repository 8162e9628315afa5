"""The commands on a small data set: run folders, precedence, validation, evaluation."""

import json
import os
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from binnet import load_checkpoint, preset
from binnet._files import name_temporary
from binnet.cli import main
from binnet.cli.train import train
from library_cases import draw_spins

FILES = [
    "checkpoint.safetensors",
    "config.toml",
    "learning_curves.png",
    "metrics.json",
    "provenance.json",
    "stabilities.png",
]
SMALL = ["--hidden", "40", "--epochs", "2", "--threads", "1"]


def binnet(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def read(run: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads((run / "config.toml").read_text())


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Ten prototypes with noise, in the place of entangled MNIST."""
    rng = np.random.default_rng(0)
    prototypes = draw_spins(10, 100)
    y = rng.integers(0, 10, 400)
    X = prototypes[y] * np.where(rng.random((400, 100)) < 0.3, -1, 1).astype(np.int8)
    small = SimpleNamespace(X_train=X[:300], y_train=y[:300], X_test=X[300:], y_test=y[300:])
    monkeypatch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
    return small


@pytest.fixture
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the second that they take."""
    monkeypatch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)


def test_run_folder(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    result = binnet("train", *SMALL, "--out", run)
    assert sorted(path.name for path in run.iterdir()) == FILES
    assert all(path.stat().st_size > 0 for path in run.iterdir())
    last, where = result.stdout.strip().splitlines()[-2:]
    metrics = json.loads((run / "metrics.json").read_text())
    assert [record["epoch"] for record in metrics] == [1, 2]
    assert last == (
        f"accuracy after epoch 2 of 2: train {metrics[-1]['accuracy']['train']:.4f}, "
        f"test {metrics[-1]['accuracy']['test']:.4f}"
    )
    assert where == f"files in {run}: {', '.join(FILES)}"
    (session,) = json.loads((run / "provenance.json").read_text())
    assert session["seed"] == 0
    assert session["threads"] == 1
    assert session["packages"]["numpy"] == np.__version__
    assert {"binnet", "cpu", "platform", "python", "command", "started"} <= session.keys()


@pytest.mark.usefixtures("_no_pictures")
def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    binnet("train", *SMALL, "--seed", 3)
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-H40-seed3", run.name)


@pytest.mark.usefixtures("_no_pictures")
def test_evaluate_reproduces_the_accuracy_to_the_digit(tmp_path: Path) -> None:
    for update_order in ("sync", "async", "random-subset"):
        run = tmp_path / update_order
        binnet("train", *SMALL, "--update-order", update_order, "--out", run)
        accuracy = json.loads((run / "metrics.json").read_text())[-1]["accuracy"]["test"]
        output = binnet("evaluate", run, "--threads", 2).stdout
        found = re.fullmatch(r"test accuracy (\S+) \((\d+) of 100\) after 2 of 2 epochs\n", output)
        assert found is not None, output
        assert int(found[2]) / 100 == accuracy
        assert found[1] == f"{accuracy:.4f}"


@pytest.mark.usefixtures("_no_pictures")
def test_config_of_a_run_repeats_it(tmp_path: Path) -> None:
    options = [*SMALL, "--schedule", 0, 3, 4, "--annealing", "linear", "--self-coupling", 0.7]
    options += ["--update-order", "random-subset", "--seed", 9, "--validation", 50, "--margin", 1]
    binnet("train", *options, "--preset", "source", "--out", tmp_path / "first")
    config = tmp_path / "first" / "config.toml"
    binnet("train", "--config", config, "--out", tmp_path / "second")
    assert read(tmp_path / "first") == read(tmp_path / "second")
    first, second = (load_checkpoint(tmp_path / run / FILES[0]) for run in ("first", "second"))
    assert np.array_equal(first.network().couplings, second.network().couplings)
    tables = read(tmp_path / "first")
    assert tables["schedule"]["warmup"] == 0
    assert tables["schedule"]["free"] == 4
    assert tables["network"]["self_coupling"] == 0.7
    assert tables["data"] == {"validation": 50}


@pytest.mark.usefixtures("_no_pictures")
def test_precedence(tmp_path: Path) -> None:
    """Options go before the file, the file before the preset."""
    config = tmp_path / "config.toml"
    config.write_text(
        "[network]\nself_coupling = 0.25\nn_hidden = 30\n[training]\nepochs = 1\nseed = 4\n"
        "[data]\nvalidation = 20\n"
    )
    source, default = (preset(name).to_dict()["plasticity"] for name in ("source", "default"))
    assert source != default
    binnet("train", "--config", config, "--hidden", 40, "--out", tmp_path / "a")
    tables = read(tmp_path / "a")
    assert tables["network"]["n_hidden"] == 40
    assert tables["network"]["self_coupling"] == 0.25
    assert tables["training"]["epochs"] == 1
    assert tables["plasticity"] == default
    assert tables["data"]["validation"] == 20
    binnet(
        "train", "--preset", "source", "--config", config, "--validation", 0, "--seed", 5,
        "--out", tmp_path / "b",
    )  # fmt: skip
    tables = read(tmp_path / "b")
    assert tables["network"]["n_hidden"] == 30
    assert tables["training"]["seed"] == 5
    assert tables["plasticity"] == source
    assert tables["data"]["validation"] == 0


@pytest.mark.usefixtures("_no_pictures")
def test_validation_never_touches_the_test_set(tmp_path: Path, data: SimpleNamespace) -> None:
    del data.X_test, data.y_test  # to read them is an AttributeError
    run = tmp_path / "run"
    output = binnet("train", *SMALL, "--validation", 100, "--out", run).stdout
    accuracy = json.loads((run / "metrics.json").read_text())[-1]["accuracy"]
    assert set(accuracy) == {"train", "validation"}
    assert f"validation {accuracy['validation']:.4f}" in output
    assert load_checkpoint(run / "checkpoint.safetensors").n_samples == 200
    output = binnet("evaluate", run).stdout
    assert f"validation accuracy {accuracy['validation']:.4f} (" in output
    # The held-out samples are the last ones, and nothing that is learned depends on them.
    other = tmp_path / "other"
    data.y_train = np.concatenate([data.y_train[:200], 9 - data.y_train[200:]])
    binnet("train", *SMALL, "--validation", 100, "--out", other)
    first, second = (load_checkpoint(folder / FILES[0]).network() for folder in (run, other))
    assert np.array_equal(first.couplings, second.couplings)


def test_resume_of_a_finished_run_repeats_the_report(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = binnet("train", *SMALL, "--out", run)
    assert sorted(path.name for path in run.iterdir()) == FILES
    (run / "metrics.json").unlink()  # as if the machine had stopped before it was written
    second = binnet("train", "--resume", run)
    assert first.stdout.splitlines()[-2:] == second.stdout.splitlines()[-2:]
    assert len(json.loads((run / "metrics.json").read_text())) == 2
    assert len(json.loads((run / "provenance.json").read_text())) == 2
    assert [f.name for f in sorted(run.iterdir())] == FILES


@pytest.mark.usefixtures("_no_pictures")
def test_finished_run_goes_on_to_more_epochs(tmp_path: Path) -> None:
    """With constant rates it ends in the bytes of a run of as many epochs; else it says not."""
    constant, linear = ([*SMALL, "--rate-schedule", kind] for kind in ("constant", "linear"))
    for arguments in ([*constant, "--epochs", 4, "--out", tmp_path / "whole"],
                      [*constant, "--out", tmp_path / "run"],
                      [*linear, "--out", tmp_path / "falling"]):  # fmt: skip
        binnet("train", *arguments)
    refused = binnet("train", "--resume", tmp_path / "run", "--epochs", 1, code=1)
    assert "--epochs must be an integer >= 3, got 1; the run has finished 2" in refused.output
    config = tmp_path / "run" / "config.toml"
    mark, rest = config.read_text().split("\n", 1)
    assert mark.startswith("# written by binnet")
    config.write_text(rest)  # as older versions wrote it
    for _ in range(2):  # the second time it has nothing to do
        result = binnet("train", "--resume", tmp_path / "run", "--epochs", 4)
        assert "accuracy after epoch 4 of 4" in result.stdout
        assert "rates fall" not in result.stderr
    assert read(tmp_path / "run") == read(tmp_path / "whole")
    run, whole = (load_file(tmp_path / name / FILES[0]) for name in ("run", "whole"))
    assert run.keys() == whole.keys()
    for name, tensor in whole.items():
        assert tensor.tobytes() == run[name].tobytes(), name
    result = binnet("train", "--resume", tmp_path / "falling", "--epochs", 3)
    assert "the end is not that of 3 epochs from the start" in result.stderr
    metrics = json.loads((tmp_path / "falling" / "metrics.json").read_text())
    factors = [record["rate_factor"] for record in metrics]
    assert factors[0] > factors[1] > 0
    assert 0 < factors[2] < 0.34


class Killed(BaseException):
    """What ends a process at once."""


def kill_at(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    """Run a command until it calls a function, and leave what a killed process would leave."""

    def die(*arguments: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(name, die)
        with pytest.raises(Killed):
            CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.usefixtures("_no_pictures")
def test_run_that_was_killed_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its first checkpoint it can be started over, after it, at once, resumed."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    binnet("train", *SMALL, "--out", whole)
    kill_at(monkeypatch, "binnet.learning.trainer.ThreadChoice", "train", *SMALL, "--out", run)
    assert {path.name for path in run.iterdir()} == {"config.toml", "provenance.json"}
    # What a kill leaves, other than an exception: the claim, of a process that lives no more.
    claim = name_temporary(run / "claim")
    claim = claim.with_name(claim.name.replace(f"-{os.getpid()}-", f"-{2**22 + 1}-"))
    claim.touch()
    message = binnet("train", "--resume", run, code=1).output
    assert not claim.exists()
    assert "was stopped before its first checkpoint; start over in it, with the same" in message
    assert f"binnet train --config {run / 'config.toml'} --out {run}" in message
    result = binnet("train", "--config", run / "config.toml", "--threads", 1, "--out", run)
    assert f"starting over in {run}: a run was stopped there at its start" in result.stderr
    assert len(json.loads((run / "provenance.json").read_text())) == 1
    assert read(run) == read(whole)
    again = tmp_path / "again"
    kill_at(monkeypatch, "binnet.learning.trainer._compile", "train", *SMALL, "--out", again)
    assert not load_checkpoint(again / FILES[0]).history
    binnet("train", "--resume", again, "--threads", 1)
    expected = load_file(whole / FILES[0])
    for folder in (run, again):
        for name, tensor in load_file(folder / FILES[0]).items():
            assert tensor.tobytes() == expected[name].tobytes(), name


@pytest.mark.usefixtures("_no_pictures")
def test_only_unfinished_starts_are_started_over(tmp_path: Path) -> None:
    """Not a folder with a user's own file, nor one that another process has just begun in."""
    run = tmp_path / "run"
    run.mkdir()
    config = run / "config.toml"
    config.write_text("[training]\nepochs = 1\n")
    options = ["train", "--config", config, *SMALL, "--out", run]
    assert "is not an empty folder" in binnet(*options, code=1).output
    (run / "provenance.json").write_text('[{"binnet": "0.1.0"}]')
    (run / "notes.txt").write_text("keep me")
    assert "is not an empty folder" in binnet(*options, code=1).output
    (run / "notes.txt").unlink()
    name_temporary(run / "claim").touch()  # of this process, which lives
    assert "is not an empty folder" in binnet(*options, code=1).output
    assert config.read_text() == "[training]\nepochs = 1\n"


def test_help_names_symbols_ranges_and_defaults() -> None:
    shown = " ".join(binnet("train", "--help").output.split())
    for text in ("J_D", "lambda_in", "lambda_back", "kappa", "kappa_out", "eta_J", "wd_out"):
        assert text in shown
    for option in train.params:
        is_old_name = getattr(option, "hidden", False)
        assert (f"{option.opts[0]} " in shown) != is_old_name
    p, plasticity = preset().network, preset().plasticity
    for value in (p.n_hidden, p.self_coupling, plasticity.margin, preset().training.epochs):
        assert f"default {value}" in shown
