"""Checkpoints that a run keeps along training: which, what is in them, and that none gets lost."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import BinaryNetwork, TrainingResult, load_checkpoint, resume, train
from binnet.cli import main
from binnet.learning import find_kept
from library_cases import TINY, draw_spins, make_task
from test_training import assert_same_weights

X, Y = make_task(60)


def test_each_copy_is_the_network_of_its_epoch(tmp_path: Path) -> None:
    path, networks = tmp_path / "run[1].safetensors", {}

    def note(result: TrainingResult) -> None:
        networks[len(result.history)] = result.network

    train(X, Y, TINY.replace(epochs=5), threads=1, checkpoint=path, keep_every=2, on_epoch=note)
    (tmp_path / "run[1]-epoch-x.safetensors").touch()  # somebody else's
    kept = find_kept(path)
    assert list(kept) == [0, 2, 4]
    assert kept[2].name == "run[1]-epoch-0002.safetensors"
    training = TINY.training
    networks[0] = BinaryNetwork.random(TINY.network, training.seed, training.dtype)
    for epoch, file in kept.items():
        run = load_checkpoint(file)
        assert (run.epoch, run.batch) == (epoch, 0)
        assert_same_weights(run.network(), networks[epoch])


def test_a_run_that_was_killed_before_its_copy_was_written_writes_it_later(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def kill(result: TrainingResult) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(X, Y, TINY, threads=1, checkpoint=path, keep_every=1, on_epoch=kill)
    expected = find_kept(path)[1].read_bytes()
    find_kept(path)[1].unlink()  # as if the kill had come a moment earlier
    resume(path, X, Y, threads=1, keep_every=1)
    assert list(find_kept(path)) == [0, 1, 2, 3]
    assert find_kept(path)[1].read_bytes() == expected


def test_copies_of_a_run_that_is_replaced_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train(X, Y, TINY.replace(epochs=3), threads=1, checkpoint=path, keep_every=1)
    train(X, Y, TINY.replace(epochs=2, seed=5), threads=1, checkpoint=path, keep_every=2)
    assert list(find_kept(path)) == [0, 2]
    foreign = tmp_path / "run-epoch-0007.safetensors"
    foreign.write_text("somebody else's")
    with pytest.raises(FileExistsError, match="run-epoch-0007"):
        train(X, Y, TINY, threads=1, checkpoint=path)
    assert list(find_kept(path)) == [0, 2, 7]  # refused before anything is lost
    assert load_checkpoint(path).configuration.training.seed == 5


def test_copies_need_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="keep_every = 2 needs checkpoint"):
        train(X, Y, TINY, keep_every=2)
    with pytest.raises(ValueError, match="keep_every must be an integer >= 0"):
        train(X, Y, TINY, keep_every=-1)


def test_the_command_keeps_them_also_in_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)
    samples = draw_spins(60, 100), np.arange(60) % 10
    monkeypatch.setattr(
        "binnet.cli._runs.load_samples", lambda n_inputs, validation: (samples, {"test": samples})
    )
    run = tmp_path / "run"
    small = ["--hidden", "20", "--curriculum-start", "0.5", "--threads", "1"]
    small += ["--rate-schedule", "linear"]
    for arguments in (
        ["--out", str(run), "--epochs", "2", "--keep-every", "2", *small],
        ["--resume", str(run), "--epochs", "4", "--threads", "1"],
        ["--config", str(run / "config.toml"), "--out", str(tmp_path / "again"), *small],
    ):
        result = CliRunner().invoke(main, ["train", *arguments])
        assert result.exit_code == 0, result.output
        says = "the rates fall and the curriculum goes by the length of the run" in result.output
        assert says == ("--resume" in arguments)
    for folder in (run, tmp_path / "again"):
        assert list(find_kept(folder / "checkpoint.safetensors")) == [0, 2, 4]
    text = (run / "config.toml").read_text().replace("keep_every = 2", "keep_every = -2")
    (run / "config.toml").write_text(text)
    result = CliRunner().invoke(main, ["train", "--resume", str(run), "--epochs", "5"])
    assert result.exit_code == 1
    assert "config.toml" in result.output
    assert "keep_every must be" in result.output
