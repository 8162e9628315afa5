"""Training: that it learns, that the same seed gives the same bits, and what is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from binnet import (
    BinaryNetwork,
    TrainingResult,
    load_entangled_mnist,
    predict,
    preset,
    train,
)
from binnet.learning import Run, history_as_records
from library_cases import TINY, make_task

X, Y = make_task(203)  # with batches of 8 the last one is short
BLOCKS = ("couplings", "input_weights", "readout", "feedback")


def assert_same_weights(first: BinaryNetwork, second: BinaryNetwork) -> None:
    for block in BLOCKS:
        assert np.array_equal(getattr(first, block), getattr(second, block)), block


def timeless(result: TrainingResult) -> list[dict[str, object]]:
    """Return the history without the timings."""
    records = history_as_records(result.history)
    return [{k: v for k, v in record.items() if "second" not in k} for record in records]


@pytest.mark.parametrize("update_order", ["sync", "async", "random-subset"])
def test_learns_and_repeats_itself(update_order: str) -> None:
    configuration = TINY.replace(update_order=update_order, epochs=5)
    X_test, y_test = make_task(500)
    sets = {"test": (X_test, y_test)}
    one = train(X, Y, configuration, evaluate_on=sets, threads=1)
    before = BinaryNetwork.random(configuration.network, configuration.training.seed)
    chance = (predict(before, X_test, threads=1) == y_test).mean()
    assert chance < 0.6
    assert one.history[-1].accuracy["test"] > 0.9
    assert one.completed
    two = train(X, Y, configuration, evaluate_on=sets, threads=2)
    assert_same_weights(one.network, two.network)
    assert timeless(one) == timeless(two)
    other = train(X, Y, configuration.replace(seed=1), threads=1)
    assert not np.array_equal(one.network.couplings, other.network.couplings)


def test_history() -> None:
    seen: list[TrainingResult] = []
    result = train(
        X, Y, TINY, evaluate_on={"more": (X[:9], Y[:9])}, threads=1, on_epoch=seen.append
    )
    assert [m.epoch for m in result.history] == [1, 2, 3]
    assert [len(s.history) for s in seen] == [1, 2, 3]
    assert [s.completed for s in seen] == [False, False, True]
    last = result.history[-1]
    assert set(last.accuracy) == {"train", "more"}
    assert last.accuracy["train"] == (predict(result.network, X, threads=1) == Y).mean()
    assert last.flips[0] == 1.0  # all wake from silence
    assert len(last.flips) == TINY.schedule.n_sweeps
    fractions = [*last.unstable.values(), last.fixed_points, last.saturation, *last.flips]
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert 1 <= last.sweeps <= TINY.schedule.n_sweeps
    for quantiles in last.stability_quantiles.values():
        assert quantiles == sorted(quantiles)
    assert result.provenance["seed"] == 0
    assert result.provenance["threads"] == 1


def test_linear_rates_reach_the_batches() -> None:
    result = train(X, Y, TINY.replace(rate_schedule="linear"), threads=1)
    n = 26  # batches an epoch, the last one short
    last = [1 - (n * epoch - 1) / (3 * n) for epoch in (1, 2, 3)]
    np.testing.assert_allclose([m.rate_factor for m in result.history], last)


@pytest.mark.parametrize(
    ("rate", "block"),
    [
        ("rate_couplings", "couplings"),
        ("rate_input", "input_weights"),
        ("rate_readout", "readout"),
    ],
)
def test_a_rate_of_zero_leaves_its_block(rate: str, block: str) -> None:
    configuration = TINY.replace(**{rate: 0.0}, epochs=1)
    result = train(X, Y, configuration, threads=1)
    start = BinaryNetwork.random(configuration.network, configuration.training.seed)
    for name in BLOCKS:
        unchanged = np.array_equal(getattr(result.network, name), getattr(start, name))
        assert unchanged == (name in (block, "feedback")), name
    assert not np.diagonal(result.network.couplings).any()


def test_one_sample_and_a_batch_larger_than_the_data() -> None:
    result = train(X[:1], Y[:1], TINY.replace(epochs=2, batch_size=64), threads=1)
    assert len(result.history) == 2
    assert np.isfinite(result.network.couplings).all()


def test_strong_decay_stays_finite() -> None:
    """The decay is kept in a scale, which must not underflow however many batches there are."""
    strong = TINY.replace(epochs=2, rate_readout=5.5, decay_readout=1.0, batch_size=1)
    assert 0.8 < strong.plasticity.losses(strong.network)[2] < 1  # 0.13**203 is no float32
    result = train(X, Y, strong, threads=1)
    assert np.isfinite(result.network.readout).all()
    assert np.abs(result.network.readout).max() > 0


def test_default_threads_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    result = train(X, Y, TINY.replace(epochs=1), progress=True)
    assert_same_weights(result.network, train(X, Y, TINY.replace(epochs=1), threads=1).network)
    assert "epoch 1/1" in capsys.readouterr().err


def test_outside_the_main_thread() -> None:
    """Where Python delivers no signals."""
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(train, X, Y, TINY.replace(epochs=1), threads=1).result()
    assert_same_weights(result.network, train(X, Y, TINY.replace(epochs=1), threads=1).network)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": X[0]}, ValueError, r"X must have shape \(n_samples, 20\).*pass sample\[None, :\]"),
        ({"X": X[:0], "y": Y[:0]}, ValueError, r"X must hold at least one sample, got shape \(0,"),
        ({"X": np.where(X > 0, np.nan, X)}, ValueError, r"X must be finite .*, got nan at"),
        ({"y": Y[:-1]}, ValueError, r"y must have shape \(203,\), .* got \(202,\)"),
        ({"y": Y + 1}, ValueError, r"y must be in 0..3 \(n_outputs = 4\), got 4"),
        ({"y": Y.astype(float)}, TypeError, r"y must be integers 0..3, got an array of float64"),
        ({"evaluate_on": {"train": (X, Y)}}, ValueError, r'may not hold "train".*rename'),
        ({"evaluate_on": {"test": (X, Y + 1)}}, ValueError, r"test y must be in 0..3"),
        ({"evaluate_on": {"test": (X[:0], Y[:0])}}, ValueError, r"test X must hold at least one"),
        ({"threads": 0}, ValueError, "threads must be an integer >= 1, got 0"),
        ({"threads": True}, TypeError, "threads must be an integer >= 1, got True"),
        (
            {"checkpoint": Path("nowhere") / "x.safetensors"},
            FileNotFoundError,
            r"the folder nowhere does not exist; create it first",
        ),
    ],
)
def test_errors_come_before_any_work(
    arguments: dict[str, object],
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("binnet.learning.Run.learn", None)
    with pytest.raises(error, match=message):
        train(**({"X": X, "y": Y, "configuration": TINY} | arguments))  # type: ignore[arg-type]


def test_unwritable_folder_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *arguments: False)  # root may write everywhere
    with pytest.raises(PermissionError, match=r"no permission to write into .*; name another"):
        train(X, Y, TINY, checkpoint=tmp_path / "x.safetensors")


def test_inputs_of_another_size_than_the_default_network() -> None:
    with pytest.raises(ValueError, match=r"X must have shape \(n_samples, 100\), got \(203, 20\)"):
        train(X, Y)


def test_the_readout_of_a_reservoir_learns_from_the_states_that_it_meets() -> None:
    """With feedback it would learn from states that do not last: 0.734 and not 0.775, measured."""
    data = load_entangled_mnist()
    X, y, test = data.X_train[:10000], data.y_train[:10000], (data.X_test, data.y_test)

    def measure(**changes: object) -> float:
        configuration = preset("reservoir").replace(n_hidden=400, epochs=3, **changes)
        result = train(X, y, configuration, evaluate_on={"test": test}, threads=1)
        return result.history[-1].accuracy["test"]

    assert measure() > measure(feedback_strength=1.5) + 0.02


def test_seconds_of_an_epoch_are_those_of_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation, here a long sleep, is no part of them."""
    compile_run = Run.compile

    def compile_slowly(self: Run, *samples: np.ndarray) -> None:
        time.sleep(0.5)
        compile_run(self, *samples)

    monkeypatch.setattr(Run, "compile", compile_slowly)
    result = train(X, Y, TINY, threads=1)
    assert sum(metrics.seconds for metrics in result.history) < 0.5
