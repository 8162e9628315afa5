"""Means that synapses keep of themselves: equal to plain sums, on any threads, stopped or not."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binnet import load_checkpoint, predict, train
from binnet.learning import OnlineLearner, Run, save_checkpoint
from binnet.networks import BLOCKS, QuantizedNetwork
from library_cases import TINY
from test_checkpoints import rewrite
from test_more_rules import X, Y

PERIOD, EXPONENT = 9, 3.0
# 26 batches an epoch: means take in the weights after batches 9 and 18, and after the last one.
SETTINGS = TINY.replace(epochs=2, averaging=EXPONENT, decay_couplings=0.0, decay_readout=0.0)
STOPS = [9, 18, 26]


@pytest.fixture(autouse=True)
def _short_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binnet.learning.means.PERIOD", PERIOD)


def learn_to(run: Run, batch: int, threads: int = 1) -> Run:
    while run.batch < batch:
        run.learn(X, Y, batch - run.batch, threads)
    return run


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"rule": "symmetric"},
        {"feedback_weights": "tied"},
        {"rule": "third-factor", "warmup": 2, "feedback": 2, "free": 0},
        {"dtype": "float64", "decay_couplings": 0.05},
    ],
    ids=str,
)
def test_means_equal_the_equation(rule: dict[str, Any]) -> None:
    """Eq. (3.8), unrolled: value k of n has the product of the shares that were left to it."""
    settings = SETTINGS.replace(**rule)
    run = Run.start(settings, len(X))
    values: list[dict[str, np.ndarray]] = []
    while not run.finished:
        for batch in STOPS:
            learn_to(run, batch)
            now = run.synapses.network()
            values.append({name: getattr(now, name).astype(float) for name in BLOCKS})
        run.next_epoch()
    n = len(values)
    shares = [(EXPONENT + 1) / (k + EXPONENT) for k in range(1, n + 1)]
    weights = [shares[k] * np.prod([1 - share for share in shares[k + 1 :]]) for k in range(n)]
    assert sum(weights) == pytest.approx(1.0)
    # Float32 sums of six terms of order one; float64 ones.
    tolerance = 1e-12 if settings.training.dtype == "float64" else 2e-6
    for name in BLOCKS:
        expected = sum(w * value[name] for w, value in zip(weights, values, strict=True))
        np.testing.assert_allclose(getattr(run.network(), name), expected, atol=tolerance)
    if rule.get("rule") == "symmetric":
        couplings = run.network().couplings
        assert couplings.tobytes() == np.ascontiguousarray(couplings.T).tobytes()


@pytest.mark.parametrize("arithmetic", ["float", "int8"])
def test_learning_does_not_know_of_the_means(arithmetic: str) -> None:
    """The weights that learn are those of a run without means; what is measured is the means."""
    settings = SETTINGS.replace(arithmetic=arithmetic)
    result = train(X, Y, settings, threads=1)
    plain = train(X, Y, settings.replace(averaging=0.0), threads=1)
    current = result.run.synapses.network()
    for name in BLOCKS:
        assert getattr(current, name).tobytes() == getattr(plain.network, name).tobytes()
    assert result.network.couplings.tobytes() != current.couplings.tobytes()
    options = result.configuration.training.inference_options()
    accuracy = float((predict(result.run.relaxable(), X, **options) == Y).mean())
    assert result.history[-1].accuracy["train"] == accuracy
    assert result.history[-1].stability_quantiles != plain.history[-1].stability_quantiles


@pytest.mark.parametrize("arithmetic", ["float", "int8"])
def test_a_stopped_run_ends_in_the_same_bits_on_any_threads(
    arithmetic: str, tmp_path: Path
) -> None:
    settings, path = SETTINGS.replace(arithmetic=arithmetic), tmp_path / "run.safetensors"
    whole = train(X, Y, settings, threads=1).network
    for stop in (4, 13):  # before the first mean, and after it
        save_checkpoint(path, learn_to(Run.start(settings, len(X)), stop, 2), overwrite=True)
        run = load_checkpoint(path)
        while not run.finished:
            learn_to(run, run.batches_per_epoch, 2).next_epoch()
        for name in BLOCKS:
            assert getattr(run.network(), name).tobytes() == getattr(whole, name).tobytes(), name


def test_integers_round_the_means() -> None:
    """Each block to the nearest level of its own format; the network is that of these integers."""
    run = Run.start(SETTINGS.replace(arithmetic="int8"), len(X))
    while not run.finished:
        learn_to(run, run.batches_per_epoch)
        run.next_epoch()
    rounded = run.relaxable()
    assert isinstance(rounded, QuantizedNetwork)
    assert run.mean.network is not None
    for name in BLOCKS:
        level = getattr(rounded.formats, name).resolution
        mean, value = getattr(run.mean.network, name), getattr(run.network(), name)
        assert np.abs(value - mean).max() <= level / 2
        np.testing.assert_array_equal(value, getattr(rounded, name) * level)
    assert np.abs(run.network().couplings - run.mean.network.couplings).max() > 0


def test_an_online_learner_goes_on_from_the_means() -> None:
    result = train(X, Y, SETTINGS, threads=1)
    learner = OnlineLearner(result.configuration, 1, result.run)
    count = result.run.mean.count
    before = copy.deepcopy(learner.network.couplings)
    learner.learn(X[:8], Y[:8])  # one batch
    assert result.run.mean.count == count == 6
    share = (EXPONENT + 1) / (count + 1 + EXPONENT)
    moved = np.abs(learner.network.couplings - before).max()
    assert 0 < moved < 2 * share * np.abs(result.run.synapses.network().couplings - before).max()


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"averaging must be a finite number >= 0, got -1"):
        TINY.replace(averaging=-1)
    path = tmp_path / "run.safetensors"
    run = learn_to(Run.start(SETTINGS, len(X)), STOPS[0])
    for name, edit in (
        ("mean_readout", lambda tensors, _: tensors.pop("mean_readout")),
        ("mean_feedback", lambda tensors, _: tensors.update(mean_feedback=np.zeros((2, 2)))),
    ):
        save_checkpoint(path, run, overwrite=True)
        rewrite(path, edit)
        with pytest.raises(ValueError, match=f"another architecture: {name} is"):
            load_checkpoint(path)
