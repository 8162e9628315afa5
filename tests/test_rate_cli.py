"""`binnet rnn`: what it leaves, what it says, and how it refuses."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from binnet.cli import main
from binnet.rate import load_result
from binnet.rate._state import State

SMALL = ["--hidden", "16", "--iterations", "40", "--batch-size", "8"]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["rnn", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_train_leaves_a_folder_that_says_everything(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run(
        "train", "--task", "romo", "--rule", "eprop", "--gain", "1.0", *SMALL, "--out", folder
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.safetensors", "config.toml", "learning_curve.png", "metrics.json",
        "provenance.json",
    }  # fmt: skip
    assert "loss after iteration 40 of 40: 0." in result.stdout
    assert "max Lyapunov exponent per step: drawn " in result.stdout
    assert "romo, eprop, gain 1" in result.stderr
    configuration = tomllib.loads((folder / "config.toml").read_text())["rnn"]
    assert configuration["rule"] == "eprop"
    metrics = json.loads((folder / "metrics.json").read_text())
    losses = load_result(folder / "checkpoint.safetensors").losses
    assert metrics["losses"] == losses.tolist()
    assert metrics["completed"] is True
    assert metrics["max_lyapunov_exponent"]["learned"]["mean"] < 1
    (session,) = json.loads((folder / "provenance.json").read_text())
    assert session["seed"] == 0
    # Its configuration makes the same run again.
    again = tmp_path / "again"
    assert run("train", "--config", folder / "config.toml", "--out", again).exit_code == 0
    assert np.array_equal(load_result(again / "checkpoint.safetensors").losses, losses)

    spectrum = run("lyapunov", folder, "--exponents", 3, "--trials", 4)
    assert spectrum.exit_code == 0
    rows = [line.split() for line in spectrum.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    per_step, per_tau = (np.array([float(row[k]) for row in rows]) for k in (1, 3))
    np.testing.assert_allclose(per_tau, per_step / 0.5, atol=2e-4)


def test_finished_run_goes_on_to_more_iterations(tmp_path: Path) -> None:
    short, whole = tmp_path / "short", tmp_path / "whole"
    assert run("train", *SMALL, "--out", short).exit_code == 0
    assert run("train", *SMALL, "--iterations", 60, "--out", whole).exit_code == 0
    refused = run("train", "--resume", short, "--iterations", 39)
    assert refused.exit_code == 1
    assert "iterations must be an integer >= 41, got 39; the run has done 40" in refused.output
    refused = run("train", "--resume", short, "--iterations", 60, "--gain", 1)
    assert refused.output.strip().endswith("it cannot change --gain")
    config = short / "config.toml"
    config.write_text(config.read_text().split("\n", 1)[1])  # older versions left no mark
    for _ in range(2):  # the second time it has nothing to do
        assert run("train", "--resume", short, "--iterations", 60).exit_code == 0
    for name in ("checkpoint.safetensors", "config.toml"):
        assert (short / name).read_bytes() == (whole / name).read_bytes()


def test_run_that_was_killed_before_its_first_checkpoint_is_started_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:  # as by a kill while gradient flossing is at work
        patch.setattr("binnet.rate.trainer.start_network", None)
        assert run("train", *SMALL, "--out", folder).exit_code == 1
    assert "was stopped before its first checkpoint" in run("train", "--resume", folder).output
    result = run("train", *SMALL, "--out", folder)
    assert result.exit_code == 0
    assert f"starting over in {folder}" in result.stderr


def test_a_stopped_run_says_how_to_go_on_and_ends_like_an_unstopped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    learn, calls = State.learn, []

    def learn_and_interrupt(self: Any, *arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 17:
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments)

    folder, unstopped = tmp_path / "run", tmp_path / "unstopped"
    assert run("train", *SMALL, "--out", unstopped).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(State, "learn", learn_and_interrupt)
        result = run("train", *SMALL, "--out", folder)
    assert result.exit_code == 130
    assert result.stdout.splitlines()[-1] == (
        f"stopped before the end; go on with: binnet rnn train --resume {folder}"
    )
    assert json.loads((folder / "metrics.json").read_text())["iterations"] == 17
    refused = run("train", "--resume", folder, "--gain", "2")
    assert refused.exit_code == 2
    assert "it cannot change --gain" in refused.output
    assert run("train", "--resume", folder).exit_code == 0
    one, other = (load_result(f / "checkpoint.safetensors") for f in (folder, unstopped))
    assert np.array_equal(one.losses, other.losses)
    assert np.array_equal(one.network.recurrent, other.network.recurrent)
    assert len(json.loads((folder / "provenance.json").read_text())) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "go"], "task must be one of romo, two-alternative, delayed-match"),
        (["--task", "custom"], "task must be one of romo, two-alternative, delayed-match, got"),
        (["--rule", "hebb"], "rule must be one of bptt"),
        (["--gain", "-1"], "gain must be a finite number >= 0, got -1"),
        (["--learning-rate", "0"], "--learning-rate must be a finite number > 0"),
        (["--feedback", "random"], "feedback 'random' needs one of the rules"),
        (["--threads", "0"], "threads must be an integer >= 1, got 0"),
        (["--config", "nothing.toml"], "there is no configuration file nothing.toml"),
        (["--resume", "nowhere"], "nowhere is not a run folder"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("train", *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())  # nothing was begun


def test_divergence_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run("train", *SMALL, "--optimiser", "sgd", "--learning-rate", "1e4", "--out", folder)
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert last.startswith("Error: training diverged: the activity grows beyond float32 at step")
    assert "with learning_rate 10000; try a lower one" in last
    kept = load_result(folder / "checkpoint.safetensors")
    assert np.isfinite(kept.network.recurrent).all()
    full = run("train", *SMALL, "--out", folder)
    assert "is not an empty folder" in full.output
    assert "binnet rnn train --resume" in full.output


def test_a_divergence_in_the_last_update_leaves_a_run_that_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    diverged = run(
        "train", "--optimiser", "sgd", "--learning-rate", "1e30", "--iterations", "1",
        "--hidden", "16", "--gain", "2", "--out", folder,
    )  # fmt: skip
    assert diverged.exit_code == 1
    assert "training diverged: the update leaves weights" in diverged.output.splitlines()[-1]
    assert diverged.output.splitlines()[-1].endswith("the checkpoint of iteration 0 is kept")
    assert run("lyapunov", folder).exit_code == 0
    again = run("train", "--resume", folder)  # reads it, and diverges as before
    assert again.exit_code == 1
    assert again.output.splitlines()[-1] == diverged.output.splitlines()[-1]


def test_flossing_between_updates_is_an_option(tmp_path: Path) -> None:
    options = ["--floss", "1", "--floss-iterations", "2", "--floss-every", "15"]
    flossed, plain = tmp_path / "flossed", tmp_path / "plain"
    result = run("train", *SMALL, *options, "--floss-learning-rate", "2e-3", "--out", flossed)
    assert result.exit_code == 0, result.output
    configuration = tomllib.loads((flossed / "config.toml").read_text())["rnn"]
    assert configuration["floss_every"] == 15
    assert configuration["floss_learning_rate"] == 2e-3
    assert run("train", *SMALL, *options[:4], "--out", plain).exit_code == 0
    one, other = (load_result(f / "checkpoint.safetensors").losses for f in (flossed, plain))
    assert not np.array_equal(one[15:], other[15:])
    refused = run("train", "--floss-every", "5", "--out", tmp_path / "none")
    assert refused.exit_code == 1
    assert "--floss-every = 5 flosses during training and needs --floss >= 1" in refused.output


def test_a_last_update_that_leaves_finite_nonsense_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = run(
        "train", "--optimiser", "sgd", "--learning-rate", "1e30", "--iterations", "1",
        "--hidden", "16", "--out", folder,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "learned none, as activity overflows" in result.stdout
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["max_lyapunov_exponent"]["learned"] is None
    assert metrics["max_lyapunov_exponent"]["drawn"]["mean"] < 1
    refused = run("lyapunov", folder)
    assert refused.exit_code == 1
    assert refused.output.startswith("Error: the activity grows beyond float64 at step")
