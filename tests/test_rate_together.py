"""Many networks in one process: each ends as it would alone, bit by bit, whatever the others do."""

import signal
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from binnet.rate import (
    DivergenceError,
    RateConfiguration,
    RateRNN,
    RateTrainingResult,
    _state,
    together,
    train,
    train_together,
)

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

SMALL = RateConfiguration(n_hidden=10, iterations=12, batch_size=4, rule="eprop")
MIXED = [
    SMALL,
    replace(SMALL, seed=1, gain=0.3, learning_rate=1e-2),
    replace(SMALL, rule="bptt", activation="tanh"),
    replace(SMALL, rule="tbptt-8", n_hidden=7, dtype="float64"),
    replace(SMALL, task="delayed-match", iterations=5),
    replace(SMALL, task="two-alternative", rule="eprop-self", optimiser="sgd"),
    replace(SMALL, rule="rtrl", n_hidden=5, batch_size=2, iterations=3),
    replace(SMALL, feedback="learned", floss_exponents=1, floss_iterations=2),
    replace(SMALL, rule="kf-rtrl", iterations=3),
]
DIVERGING = replace(SMALL, optimiser="sgd", learning_rate=300.0, gain=1.5)


def same(one: RateTrainingResult, other: RateTrainingResult) -> bool:
    pairs = zip(one.network.weights().values(), other.network.weights().values(), strict=True)
    return np.array_equal(one.losses, other.losses) and all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def alone() -> list[RateTrainingResult]:
    return [train(c) for c in MIXED]


@pytest.mark.long
@pytest.mark.parametrize("turn", [0.0, 0.1])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_result_is_that_of_the_run_alone(
    alone: list[RateTrainingResult], monkeypatch: pytest.MonkeyPatch, threads: int, turn: float
) -> None:
    monkeypatch.setattr(together, "resolve_threads", lambda n: n)  # whatever cores there are
    monkeypatch.setattr(together, "_TURN_SECONDS", turn)
    results = train_together(MIXED, threads=threads)
    for result, expected, configuration in zip(results, alone, MIXED, strict=True):
        assert same(result, expected), configuration
        assert result.configuration == configuration
        assert result.completed
        assert not result.diverged


def test_networks_of_ones_own_are_not_changed() -> None:
    networks = [RateRNN.initialise(1, 2, 10, gain=gain) for gain in (0.5, 1.0)]
    before = [network.recurrent.copy() for network in networks]
    results = train_together([SMALL, SMALL], networks=networks, threads=1)
    for network, recurrent, result in zip(networks, before, results, strict=True):
        assert np.array_equal(network.recurrent, recurrent)
        assert same(result, train(SMALL, network=network))
    assert train_together([]) == []


@pytest.mark.parametrize("threads", [1, None])
def test_a_network_that_diverges_does_not_stop_the_others(threads: int | None) -> None:
    with pytest.raises(DivergenceError):
        train(replace(DIVERGING))
    results = train_together([SMALL, DIVERGING, replace(SMALL, seed=3)], threads=threads)
    assert [r.diverged for r in results] == [False, True, False]
    assert [r.completed for r in results] == [True, False, True]
    assert 0 < len(results[1].losses) < SMALL.iterations
    assert np.isfinite(results[1].losses).all()
    assert same(results[0], train(SMALL))
    assert same(results[2], train(replace(SMALL, seed=3)))


def test_flossing_that_diverges_does_not_stop_the_others() -> None:
    wild = replace(SMALL, gain=1e30, floss_exponents=1, floss_iterations=1)
    with pytest.raises(DivergenceError):
        train(wild)
    results = train_together([wild, SMALL], threads=1)
    assert [r.diverged for r in results] == [True, False]
    assert [len(r.losses) for r in results] == [0, SMALL.iterations]
    assert not results[0].completed


def test_ctrl_c_ends_all_and_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threading.current_thread() is threading.main_thread()
    learn, calls = _state.State.learn, []

    def learn_and_interrupt(self: Any, *arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 5:
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments)

    monkeypatch.setattr(_state.State, "learn", learn_and_interrupt)
    monkeypatch.setattr(together, "_TURN_SECONDS", 0.0)
    results = train_together([SMALL, replace(SMALL, seed=1)], threads=1)
    assert [len(r.losses) for r in results] == [3, 2]
    assert not any(r.completed or r.diverged for r in results)
    monkeypatch.setattr(_state.State, "learn", learn)
    for result in results:
        shorter = replace(result.configuration, iterations=len(result.losses))
        assert same(result, train(shorter))


def test_an_error_in_one_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state.State, "learn", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_together([SMALL, SMALL])


def test_bad_arguments_are_refused_with_the_reason() -> None:
    network = RateRNN.initialise(1, 2, 10)
    with pytest.raises(ValueError, match="networks must be one for each of the 2 configurations"):
        train_together([SMALL, SMALL], networks=[network])
    for other, name in (
        (RateRNN.initialise(1, 2, 9), "n_hidden 9"),
        (RateRNN.initialise(1, 2, 10, leak=0.2), r"leak 0\.2"),
        (RateRNN.initialise(1, 2, 10, activation="tanh"), "activation 'tanh'"),
        (RateRNN.initialise(1, 2, 10, dtype="float64"), "dtype 'float64'"),
    ):
        with pytest.raises(ValueError, match=f"network has {name}, and the configuration"):
            train_together([SMALL], networks=[other])
        with pytest.raises(ValueError, match=f"network has {name}, and the configuration"):
            train(SMALL, network=other)
    with pytest.raises(ValueError, match="pass a function as task with, and only with"):
        train_together([replace(SMALL, task="custom")])
    with pytest.raises(ValueError, match="threads must be an integer >= 1"):
        train_together([SMALL], threads=0)
