"""Relaxation and inference, against the equations in NumPy; seeds, threads and when to stop."""

import dataclasses

import numpy as np
import pytest

from binnet import BinaryNetwork, FeedbackSchedule, Relaxation, predict, relax
from library_cases import (
    N_CLASSES,
    N_INPUTS,
    draw_spins,
    hidden_fields,
    make_network,
    readout_fields,
    sign,
    sweep_sync,
)

DYNAMICS = ["sync", "async", "random-subset"]
FIELDS = [field.name for field in dataclasses.fields(Relaxation)]
# Float32 fields are sums of some 60 terms of order one; they are compared with float64 sums.
ROUND_OFF = {np.float32: 1e-5, np.float64: 1e-12}


def assert_same(first: Relaxation, second: Relaxation, rows: slice = slice(None)) -> None:
    for name in FIELDS:
        assert np.array_equal(getattr(first, name), getattr(second, name)[rows]), name


def assert_fields_agree(network: BinaryNetwork, X: np.ndarray, result: Relaxation) -> None:
    tolerance = ROUND_OFF[network.dtype.type]
    stabilities = result.states * hidden_fields(network, X, result.states)
    np.testing.assert_allclose(result.stabilities, stabilities, rtol=0, atol=tolerance)
    outputs = readout_fields(network, result.states)
    np.testing.assert_allclose(result.readout_fields, outputs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("update_order", DYNAMICS)
def test_fixed_points_and_fields(update_order: str) -> None:
    network, X = make_network(), draw_spins(50, N_INPUTS)
    result = relax(network, X, max_sweeps=60, update_order=update_order, threads=1)
    assert result.converged.mean() > 0.5
    assert_fields_agree(network, X, result)
    fixed = sweep_sync(network, X, result.states) == result.states
    assert fixed.all(axis=1)[result.converged].all()
    assert (result.unstable_fraction[result.converged] == 0).all()
    assert (result.changes[:, 0] > 0).all()
    for changes, sweeps in zip(result.changes, result.sweeps, strict=True):
        assert not changes[sweeps:].any()  # at rest


@pytest.mark.parametrize("update_order", DYNAMICS)
@pytest.mark.parametrize("annealing", ["none", "linear"])
def test_labels_steer_while_the_feedback_lasts(update_order: str, annealing: str) -> None:
    network = make_network(feedback_strength=3.0, self_coupling=1.0)
    X, y = draw_spins(50, N_INPUTS), np.arange(50) % N_CLASSES
    schedule = FeedbackSchedule(1, 4, 4, annealing)
    result = relax(
        network, X, y, schedule=schedule, max_sweeps=60, update_order=update_order, threads=1
    )
    assert result.changes.shape == (50, 60)
    assert_fields_agree(network, X, result)  # always those without feedback
    amplitude = schedule.amplitudes[-1]
    steered = sign(hidden_fields(network, X, result.states, y, amplitude))
    assert result.converged.mean() > 0.5
    assert (steered == result.states).all(axis=1)[result.converged].all()
    free = relax(network, X, max_sweeps=60, update_order=update_order, threads=1)
    assert (free.states != result.states).any()


def test_sync_trajectory_is_that_of_numpy_in_float64() -> None:
    network = make_network(dtype=np.float64, self_coupling=0.1, input_strength=0.5)
    X, y = draw_spins(50, N_INPUTS), np.arange(50) % N_CLASSES
    schedule = FeedbackSchedule(1, 3, 3, "exponential")
    result = relax(network, X, y, schedule=schedule, threads=1)
    states = np.zeros((50, network.n_neurons))
    for t, amplitude in enumerate(schedule.amplitudes):
        before, states = states, sign(hidden_fields(network, X, states, y, amplitude))
        assert np.array_equal(result.changes[:, t], (states != before).sum(axis=1))
    assert np.array_equal(result.states, states)
    assert_fields_agree(network, X, result)


def test_predict_is_the_argmax_of_a_numpy_relaxation_in_float64() -> None:
    network = make_network(dtype=np.float64, self_coupling=0.1, input_strength=0.5)
    X = draw_spins(200, N_INPUTS)
    for max_sweeps in (1, 2, 10):
        states = np.zeros((200, network.n_neurons))
        for _ in range(max_sweeps):
            states = sweep_sync(network, X, states)
        expected = readout_fields(network, states).argmax(axis=1)
        found = predict(network, X, max_sweeps=max_sweeps, threads=1)
        assert np.array_equal(found, expected)
        assert found.dtype == np.int64


def test_two_cycles() -> None:
    network = make_network(self_coupling=0.0, input_strength=0.5)
    J = network.couplings
    # Symmetric couplings: every synchronous trajectory ends in a fixed point or a 2-cycle.
    network = dataclasses.replace(network, couplings=(J + J.T) / np.float32(np.sqrt(2)))
    X = draw_spins(100, N_INPUTS)
    result = relax(network, X, max_sweeps=200, threads=1)
    in_cycle = result.status == 2
    assert in_cycle.sum() > 10
    assert (in_cycle | result.converged).all()
    once = sweep_sync(network, X, result.states)
    twice = sweep_sync(network, X, once)
    assert (once != result.states).any(axis=1)[in_cycle].all()
    assert (twice == result.states).all(axis=1)[in_cycle].all()
    assert (result.sweeps[in_cycle] < 200).all()
    on = relax(network, X, max_sweeps=200, threads=1, stop_at_cycle=False)
    assert (on.sweeps[in_cycle] == 200).all()
    assert (on.status[in_cycle] == 0).all()
    assert (on.unstable_fraction[in_cycle] > 0).all()


@pytest.mark.parametrize("update_order", DYNAMICS)
def test_initial_states(update_order: str) -> None:
    network, X = make_network(self_coupling=1.0), draw_spins(50, N_INPUTS)
    first = relax(network, X, max_sweeps=60, update_order=update_order, threads=1)
    again = relax(
        network, X, max_sweeps=5, update_order=update_order, initial_states=first.states, threads=1
    )
    done = first.converged
    assert np.array_equal(again.states[done], first.states[done])
    assert (again.sweeps[done] == 1).all()
    assert not again.changes[done].any()
    start = draw_spins(50, network.n_neurons, seed=5)
    start[:, ::3] = 0  # silent neurons wake
    one = relax(network, X, max_sweeps=1, initial_states=start, threads=1)
    assert np.array_equal(one.states, sweep_sync(network, X, start))


@pytest.mark.parametrize("update_order", DYNAMICS)
def test_threads_seed_and_batch(update_order: str) -> None:
    network = make_network(n_hidden=20, self_coupling=0.1, input_strength=0.5)
    X = draw_spins(1100, N_INPUTS)  # more than are in work at a time
    X[1050:] = X[:50]
    result = relax(network, X, update_order=update_order, seed=3, threads=1)
    assert_same(relax(network, X, update_order=update_order, seed=3, threads=2), result)
    assert_same(
        relax(network, X[:7], update_order=update_order, seed=3, threads=1), result, slice(7)
    )
    assert_same(
        relax(network, X[:1], update_order=update_order, seed=3, threads=1), result, slice(1)
    )
    other = relax(network, X, update_order=update_order, seed=4, threads=1)
    is_random = update_order != "sync"
    assert (other.states != result.states).any() == is_random
    # Each sample draws its own numbers.
    assert (result.states[1050:] != result.states[:50]).any() == is_random


def test_random_subset_with_probability_one_is_synchronous() -> None:
    network, X = make_network(), draw_spins(20, N_INPUTS)
    sync = relax(network, X, threads=1)
    assert_same(relax(network, X, update_order="random-subset", update_probability=1.0), sync)
    half = relax(network, X, max_sweeps=1, update_order="random-subset", threads=1)
    assert 0.4 < (half.states == 0).mean() < 0.6


def test_no_samples() -> None:
    result = relax(make_network(), np.empty((0, N_INPUTS)), np.empty(0, int), threads=1)
    assert result.states.shape == (0, 40)
    assert result.changes.shape == (0, 10)
    assert predict(make_network(), np.empty((0, N_INPUTS))).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"inputs": np.ones(N_INPUTS)}, ValueError, r"\(n_samples, 20\), .*pass sample\[None, :\]"),
        ({"inputs": []}, ValueError, r"inputs must have shape \(n_samples, 20\), got \(0,\)"),
        ({"inputs": np.ones((3, 19))}, ValueError, r"inputs must have shape .* got \(3, 19\)"),
        ({"inputs": np.ones((3, 20, 1))}, ValueError, r"inputs must have shape .* \(3, 20, 1\)"),
        (
            {"inputs": np.full((3, 20), np.nan)},
            ValueError,
            r"finite .* got nan at \[0, 0\]",
        ),
        ({"inputs": np.full((3, 20), 1e31)}, ValueError, r"up to 1e\+30, got 1e\+31 at \[0, 0\]"),
        (
            {"inputs": np.ones((3, 20), bool)},
            TypeError,
            r"real num.* of bool; .* 2 \* bits - 1",
        ),
        ({"inputs": np.full((3, 20), "1")}, TypeError, r"real numbers, got an array of <U1"),
        ({"labels": [0, 1]}, ValueError, r"labels must have shape \(3,\), one label a sample"),
        ({"labels": [0, 1, 4]}, ValueError, r"in 0..3 \(n_outputs = 4\), got 4 at \[2\]"),
        ({"labels": [0, -1, 3]}, ValueError, r"labels must be in 0..3 .* got -1 at \[1\]"),
        ({"labels": [0.0, 1.0, 2.0]}, TypeError, r"integers 0..3, got an array of float64"),
        ({"labels": [True, False, True]}, TypeError, r"integers 0..3, got an array of bool"),
        ({"schedule": FeedbackSchedule()}, ValueError, r"schedule needs labels"),
        (
            {"labels": [0, 1, 2], "max_sweeps": 9},
            ValueError,
            r"max_sweeps must be >= 10, the sweeps of the schedule, got 9; shorten",
        ),
        ({"max_sweeps": 0}, ValueError, r"max_sweeps must be an integer >= 1, got 0"),
        ({"max_sweeps": 2.0}, TypeError, r"max_sweeps must be an integer >= 1, got 2.0"),
        (
            {"update_order": "parallel"},
            ValueError,
            r"one of sync, async, random-subset, block-sequential, got 'parall",
        ),
        ({"update_probability": 0.0}, ValueError, r"update_probability .* > 0 and <= 1, got 0"),
        ({"update_probability": 1.5}, ValueError, r"update_probability .* > 0 and <= 1, got 1.5"),
        ({"initial_states": np.ones((2, 40))}, ValueError, r"one row for each of the 3 inputs"),
        ({"initial_states": np.ones((3, 4))}, ValueError, r"initial_states .*\(n_samples, 40\)"),
        ({"initial_states": np.full((3, 40), 2)}, ValueError, r"-1, 0 or \+1, got 2 at \[0, 0\]"),
        ({"initial_states": np.full((3, 40), 0.5)}, ValueError, r"-1, 0 or \+1, got 0.5"),
        ({"seed": -1}, ValueError, r"seed must be an integer >= 0, got -1"),
        ({"seed": True}, TypeError, r"seed must be an integer >= 0, got True"),
        ({"threads": 0}, ValueError, "threads must be an integer >= 1, got 0"),
        ({"threads": 1.0}, TypeError, "threads must be an integer >= 1, got 1.0"),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    inputs = {"inputs": draw_spins(3, N_INPUTS)}
    with pytest.raises(error, match=message):
        relax(make_network(), **(inputs | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("update_order", ["sync", "block-sequential:4", "async", "random-subset"])
def test_what_a_sample_relaxes_to_depends_at_most_on_its_row(update_order: str) -> None:
    network, X = make_network(self_coupling=0.0), draw_spins(30, N_INPUTS)

    def settle(rows: np.ndarray, threads: int = 1) -> np.ndarray:
        return relax(network, X[rows], update_order=update_order, threads=threads).states

    everyone = np.arange(30)
    states = settle(everyone)
    # Neither on the samples behind it, nor on those before.
    np.testing.assert_array_equal(settle(everyone[:7], threads=2), states[:7])
    np.testing.assert_array_equal(settle(np.where(everyone == 9, 9, 0))[9], states[9])
    turned = settle(everyone[::-1])[::-1]
    assert (turned == states).all() == (update_order in ("sync", "block-sequential:4"))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_a_sample_does_not_depend_on_those_beside_it(threads: int) -> None:
    """Neither on the chunk that it is relaxed in, nor on what the chunk before left there."""
    network, X = make_network(self_coupling=0.1), draw_spins(700, N_INPUTS)
    whole = relax(network, X, threads=threads)
    alone = [relax(network, X[first : first + 5], threads=1) for first in range(0, 700, 5)]
    for name in ("states", "stabilities", "readout_fields", "sweeps", "changes", "status"):
        parts = np.concatenate([getattr(part, name) for part in alone])
        assert getattr(whole, name).tobytes() == parts.tobytes()
