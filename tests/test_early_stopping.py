"""Early stopping: where a run ends, which network is the best, and that stops change neither."""

import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from binnet import Configuration, TrainingResult, load_checkpoint, predict, resume, train
from binnet.cli import main
from binnet.learning import Run, load_best
from binnet.learning.checkpoints import name_best
from library_cases import TINY, draw_spins, make_task
from test_training import assert_same_weights, timeless

X, Y = make_task(203)
NOISY, LABELS = make_task(80, noise=0.35, seed=3)  # whose accuracy rises and falls
SETS = {"validation": (NOISY, LABELS)}
PATIENT = TINY.replace(epochs=12, patience=2)
KINDS = {
    "float": PATIENT,
    "means": PATIENT.replace(averaging=3.0),
    "int8": PATIENT.replace(arithmetic="int8", rate_couplings=0.05, rate_input=0.2),
}


def learn(
    configuration: Configuration, path: Path | None = None, **options: object
) -> TrainingResult:
    return train(X, Y, configuration, evaluate_on=SETS, threads=1, checkpoint=path, **options)  # type: ignore[arg-type]


def accuracies(result: TrainingResult) -> list[float]:
    return [metrics.accuracy["validation"] for metrics in result.history]


@pytest.mark.parametrize("configuration", KINDS.values(), ids=KINDS)
def test_it_ends_after_so_many_epochs_without_a_rise_and_keeps_the_best_network(
    configuration: Configuration, tmp_path: Path
) -> None:
    networks = []
    whole = learn(
        configuration.replace(patience=0), on_epoch=lambda result: networks.append(result.network)
    )
    expected = accuracies(whole)
    path = tmp_path / "run.safetensors"
    result = learn(configuration, path)
    found = accuracies(result)
    best = found.index(max(found))
    assert len(found) == best + 3 < len(expected)
    # No epoch before had seen two others without a rise: the run ended at its first occasion.
    assert all(max(found[k - 1 : k + 1]) > max(found[: k - 1]) for k in range(2, len(found) - 1))
    assert found == expected[: len(found)]
    assert result.completed
    assert_same_weights(result.network, networks[best])
    assert_same_weights(result.run.network(), networks[len(found) - 1])
    kept = load_best(path)
    assert kept.epoch == best + 1
    assert_same_weights(kept.network(), networks[best])
    right = predict(kept.relaxable(), NOISY, **configuration.training.inference_options()) == LABELS
    assert right.mean() == max(found)


@pytest.mark.parametrize("configuration", KINDS.values(), ids=KINDS)
def test_a_stopped_run_ends_like_an_unstopped_one(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binnet.learning.run._WORK_PER_CALL", 8 * 8 * 40 * 1040)
    expected, result = learn(configuration, tmp_path / "whole.safetensors"), None
    path, n_calls, n_stops = tmp_path / "run.safetensors", 0, 0

    learn_batches = Run.learn

    def learn_and_stop(self: Run, *arguments: object) -> float:
        nonlocal n_calls
        n_calls += 1
        if n_calls % 3 == 0:  # within epochs, and in their last calls
            signal.raise_signal(signal.SIGINT)
        return learn_batches(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "learn", learn_and_stop)
    result = learn(configuration, path)
    while not result.completed:
        n_stops += 1
        if find_last(path) == load_best(path).epoch:  # as if it had been killed before writing it
            name_best(path).unlink(missing_ok=True)
        result = resume(path, X, Y, evaluate_on=SETS, threads=1)
    assert n_stops > 3
    assert timeless(result) == timeless(expected)
    assert_same_weights(result.network, expected.network)
    for name in (lambda p: p, name_best):
        tensors, others = (
            load_file(name(tmp_path / f"{run}.safetensors")) for run in ("run", "whole")
        )
        assert all(tensors[key].tobytes() == others[key].tobytes() for key in others)


def find_last(path: Path) -> int:
    run = load_checkpoint(path)
    return run.epoch if run.batch == 0 else -1


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_more_patience_goes_on_like_a_run_that_had_it_from_the_start(
    schedule: str, tmp_path: Path
) -> None:
    settings = PATIENT.replace(rate_schedule=schedule)
    path = tmp_path / "run.safetensors"
    first = learn(settings, path)
    assert len(first.history) < 12
    with pytest.raises(ValueError, match=r"the run has stopped early.* a patience above 2"):
        resume(path, X, Y, evaluate_on=SETS, epochs=20)
    with pytest.raises(ValueError, match="patience must be an integer >= 3, got 1; the run had"):
        resume(path, X, Y, evaluate_on=SETS, patience=1)
    assert resume(path, X, Y, evaluate_on=SETS, patience=2).history == first.history
    result = resume(path, X, Y, evaluate_on=SETS, patience=12, threads=1)
    expected = learn(settings.replace(patience=12))
    assert len(result.history) == 12
    assert timeless(result) == timeless(expected)
    assert_same_weights(result.network, expected.network)


@pytest.mark.parametrize(
    "changes",
    [
        {"decay_couplings": 0.5, "update_order": "async"},
        {"arithmetic": "int8", "latent_bits": 16, "generator": "lfsr"},
    ],
    ids=["float", "int8"],
)
def test_a_finished_run_goes_on_to_the_bytes_of_a_longer_one(
    changes: dict[str, object], tmp_path: Path
) -> None:
    longer, whole = tmp_path / "longer.safetensors", tmp_path / "whole.safetensors"
    learn(TINY.replace(**changes), longer)
    result = resume(longer, X, Y, evaluate_on=SETS, epochs=6, threads=1)
    expected = learn(TINY.replace(epochs=6, **changes), whole)
    assert timeless(result) == timeless(expected)
    found = load_file(longer)
    assert all(found[name].tobytes() == t.tobytes() for name, t in load_file(whole).items())


def test_a_longer_run_that_is_killed_in_its_next_epoch_is_the_longer_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.safetensors"
    learn(TINY, path)
    with monkeypatch.context() as patch:
        patch.setattr("binnet.learning.trainer._compile", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            resume(path, X, Y, epochs=5)
    assert load_checkpoint(path).configuration.training.epochs == 5


def test_what_it_cannot_work_with_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="patience = 2 needs a validation set, got 'test'; hold"):
        train(X, Y, PATIENT, evaluate_on={"test": SETS["validation"]})
    path, other = tmp_path / "run.safetensors", tmp_path / "other.safetensors"
    learn(TINY, path)
    with pytest.raises(ValueError, match="patience = 3 comes too late"):
        resume(path, X, Y, evaluate_on=SETS, patience=3)
    learn(PATIENT, path)
    with pytest.raises(ValueError, match="patience = 5 needs a validation set"):
        resume(path, X, Y, patience=5)
    best = name_best(path).read_bytes()
    learn(PATIENT.replace(seed=1), other)
    name_best(path).write_bytes(name_best(other).read_bytes())
    with pytest.raises(ValueError, match="is not the best network of the run"):
        load_best(path)
    name_best(path).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"run-best\.safetensors is missing, the network of"
    ):
        resume(path, X, Y, evaluate_on=SETS)
    name_best(path).write_bytes(best)
    learn(TINY, path)  # a run that replaces one removes its best network
    assert not name_best(path).exists()


def binnet(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_command_stops_early_and_others_use_the_best_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    X = draw_spins(10, 100)[y] * np.where(rng.random((400, 100)) < 0.42, -1, 1).astype(np.int8)
    data = type("Data", (), {"X_train": X, "y_train": y})  # the test set is not even there
    monkeypatch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: data)
    small = ["train", "--hidden", 40, "--epochs", 20, "--threads", 1, "--patience", 2]
    run = tmp_path / "run"
    refused = binnet(*small, "--out", run, code=1).output
    assert "--patience 2 needs validation samples, as the test set may not say when" in refused
    assert not run.exists()
    linear = [*small, "--validation", 200, "--rate-schedule", "linear"]
    told = binnet(*linear, "--out", tmp_path / "falling").stderr
    assert "the rates fall over all 20 epochs, also where the run ends early" in told
    constant = [*small, "--validation", 200, "--rate-schedule", "constant", "--out", run]
    result = binnet(*constant)
    assert "the rates fall" not in result.stderr
    best = load_best(run / "checkpoint.safetensors")
    last = load_checkpoint(run / "checkpoint.safetensors")
    assert best.epoch == last.epoch - 2 < 18
    accuracy = best.history[-1].accuracy["validation"]
    assert f"stopped early; best network, which is kept: epoch {best.epoch}, " in result.stdout
    shown = binnet("evaluate", run).stdout
    assert shown.startswith(f"validation accuracy {accuracy:.4f} (")
    assert f" after {best.epoch} of 20 epochs" in shown
    refused = binnet("train", "--resume", run, "--epochs", 30, code=1).output
    assert "give it a --patience above 2" in refused
    more = binnet("train", "--resume", run, "--epochs", 30, "--patience", 3, "--threads", 1)
    assert load_checkpoint(run / "checkpoint.safetensors").epoch > last.epoch
    assert "patience = 3" in (run / "config.toml").read_text()
    assert "of 30: train" in more.stdout
