"""A stopped run, taken up again, ends with the bits of an unstopped one, wherever it stopped."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from binnet import TrainingResult, load_checkpoint, resume, train
from binnet.learning import Run
from library_cases import TINY, make_task
from test_training import assert_same_weights, timeless

X, Y = make_task(203)
SETS = {"test": make_task(50)}
CALLS_PER_EPOCH = 6  # compiled calls of 5 batches; the last one has 1


@pytest.fixture(autouse=True)
def _short_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    per_batch = TINY.training.batch_size * 40 * 1040
    monkeypatch.setattr("binnet.learning.run._WORK_PER_CALL", 5 * per_batch)


@pytest.fixture
def stop_in_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Send SIGINT in the compiled calls whose numbers are put into the list."""
    numbers: list[int] = []
    learn, n_calls = Run.learn, 0

    def learn_and_stop(self: Run, *arguments: object) -> float:
        nonlocal n_calls
        n_calls += 1
        if n_calls in numbers:
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "learn", learn_and_stop)
    yield numbers
    assert n_calls >= max(numbers, default=0)


@pytest.fixture(scope="module")
def unstopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TrainingResult, Path]]:
    runs = {}
    for update_order in ("sync", "async"):
        path = tmp_path_factory.mktemp("run") / "unstopped.safetensors"
        configuration = TINY.replace(update_order=update_order, rate_schedule="linear")
        run = train(X, Y, configuration, evaluate_on=SETS, threads=1, checkpoint=path)
        runs[update_order] = run, path
    return runs


@pytest.mark.parametrize("update_order", ["sync", "async"])
@pytest.mark.parametrize(
    "stops",
    [
        [1],
        [8],  # inside the second epoch
        [CALLS_PER_EPOCH],  # in the last call of an epoch, which is then measured
        [3 * CALLS_PER_EPOCH - 1],
        [2, 7, 8, 13],
    ],
    ids=str,
)
def test_resumed_run_ends_like_an_unstopped_one(
    unstopped: dict[str, tuple[TrainingResult, Path]],
    stop_in_call: list[int],
    stops: list[int],
    update_order: str,
    tmp_path: Path,
) -> None:
    expected, expected_path = unstopped[update_order]
    path = tmp_path / "stopped.safetensors"
    stop_in_call += stops
    result = train(X, Y, expected.configuration, evaluate_on=SETS, threads=1, checkpoint=path)
    n_stops = 0
    while not result.completed:
        n_stops += 1
        assert load_checkpoint(path).samples_seen > 0
        result = resume(path, X, Y, evaluate_on=SETS, threads=1 + n_stops % 2)
    assert n_stops == len(stops)
    assert_same_weights(result.network, expected.network)
    assert timeless(result) == timeless(expected)
    tensors, expected_tensors = load_file(path), load_file(expected_path)
    assert tensors.keys() == expected_tensors.keys()
    for name, tensor in expected_tensors.items():
        assert np.array_equal(tensors[name], tensor), name


def test_strong_decay_resumes_too(stop_in_call: list[int], tmp_path: Path) -> None:
    """The scales are multiplied in at batches that do not depend on where the run was stopped."""
    strong = TINY.replace(rate_readout=3.0, decay_readout=1.0, epochs=1, batch_size=1)
    expected = train(X, Y, strong, threads=1)  # calls of 40 and 31 batches in turn, and one of 21
    stop_in_call += [6 + n for n in (1, 3, 4)]
    path = tmp_path / "run.safetensors"
    result = train(X, Y, strong, threads=1, checkpoint=path)
    while not result.completed:
        result = resume(path, X, Y, threads=1)
    assert_same_weights(result.network, expected.network)


def test_stop_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def stop(result: TrainingResult) -> None:
        if len(result.history) == 2:
            signal.raise_signal(signal.SIGTERM)

    stopped = train(X, Y, TINY, threads=1, checkpoint=path, on_epoch=stop)
    assert not stopped.completed
    assert len(stopped.history) == 2
    result = resume(path, X, Y, threads=1)
    assert result.completed
    assert_same_weights(result.network, train(X, Y, TINY, threads=1).network)
    again = resume(path, X, Y, threads=1)  # there is nothing left to do
    assert_same_weights(again.network, result.network)
    assert timeless(again) == timeless(result)


def test_stop_without_checkpoint_returns_what_was_learned(stop_in_call: list[int]) -> None:
    stop_in_call.append(CALLS_PER_EPOCH + 2)
    result = train(X, Y, TINY, threads=1)
    assert not result.completed
    assert len(result.history) == 1


def test_second_interrupt_acts_at_once(tmp_path: Path) -> None:
    def stop(result: TrainingResult) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    path = tmp_path / "run.safetensors"
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(X, Y, TINY, threads=1, checkpoint=path, on_epoch=stop)
    assert signal.getsignal(signal.SIGINT) is handler
    assert load_checkpoint(path).epoch == 1


@pytest.mark.parametrize("other", ["order", "labels", "inputs", "number"])
def test_other_samples_are_refused(other: str, tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train(X, Y, TINY.replace(epochs=1), threads=1, checkpoint=path)
    others = {
        "order": (X[::-1], Y[::-1]),
        "labels": (X, (Y + 1) % 4),
        "inputs": (-X, Y),
        "number": (X[:-1], Y[:-1]),
    }
    with pytest.raises(ValueError, match=r"not the training samples of .*203 samples.* same X"):
        resume(path, *others[other])


def test_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*x\.safetensors; name a file"):
        resume(tmp_path / "x.safetensors", X, Y)


def test_a_copy_in_another_process_goes_on(tmp_path: Path) -> None:
    """What a run knows of compiled code is of its own process alone."""
    run = Run.start(TINY, len(X))
    run.learn(X, Y, 3, 1)
    (tmp_path / "run").write_bytes(pickle.dumps((run, X, Y)))
    script = """
import pickle, sys
from pathlib import Path
run, X, Y = pickle.loads(Path(sys.argv[1]).read_bytes())
run.learn(X, Y, 3, 1)
sys.stdout.buffer.write(pickle.dumps(run.network().couplings))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")], capture_output=True, check=True
    )
    run.learn(X, Y, 3, 1)
    assert np.array_equal(pickle.loads(done.stdout), run.network().couplings)
