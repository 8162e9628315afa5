"""Every result is the same, bit by bit, on any number of threads, more than there are cores too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from binnet import NetworkParameters, RandomNetwork, fixed_points, predict, relax, train
from binnet._threads import watch_threads
from binnet.hardware import quantize, relax_packed
from binnet.learning import Configuration
from binnet.networks import BinaryNetwork
from binnet.rate import RateRNN, gradient, tasks
from binnet_kernels.lowlevel import team as teams
from library_cases import TINY, draw_spins, make_network, make_task
from test_pieces import flatten

MANY = 7
X, Y = make_task(60)


def learn(configuration: Configuration) -> Callable[[int], Any]:
    return lambda threads: train(X, Y, configuration.replace(epochs=2), threads=threads).network


def relax_freely(order: str, dtype: str, replicas: int) -> Callable[[int], Any]:
    network = RandomNetwork.draw(61, self_coupling=0.5, dtype=dtype, seed=1)
    return lambda threads: relax(network, replicas=replicas, update_order=order, threads=threads)


def relax_bits(order: str) -> Callable[[int], Any]:
    network, _ = quantize(make_network(), 4)
    inputs = draw_spins(150, network.n_inputs)
    return lambda threads: relax_packed(network, inputs, update_order=order, threads=threads)


def find_gradient(rule: str) -> Callable[[int], Any]:
    trials = tasks.romo(batch_size=5, seed=1)
    network = RateRNN.initialise(1, 2, n_hidden=20)
    arrays = trials.inputs, trials.targets, trials.mask
    return lambda threads: gradient(network, *arrays, rule=rule, threads=threads)


def count_distances(threads: int) -> Any:
    found = fixed_points.enumerate(RandomNetwork.draw(23, 0.3, seed=1), threads=threads)
    return found.overlap_histogram(threads=threads)


WORK: dict[str, Callable[[int], Any]] = {
    "training": learn(TINY),
    "training, random-subset": learn(TINY.replace(update_order="random-subset")),
    "training, int8": learn(TINY.replace(arithmetic="int8")),
    "training, modules": learn(TINY.replace(n_modules=3)),
    "inference": lambda threads: predict(
        BinaryNetwork.random(NetworkParameters(64, X.shape[1])), draw_spins(700, X.shape[1]),
        threads=threads,
    ),
    "sync": relax_freely("sync", "int16", 40),
    "one replica, sync": relax_freely("sync", "int16", 1),
    "one replica, async": relax_freely("async", "int16", 1),
    "float32, random-subset": relax_freely("random-subset", "float32", 20),
    "packed, sync": relax_bits("sync"),
    "packed, async": relax_bits("async"),
    "enumeration": lambda threads: fixed_points.enumerate(
        RandomNetwork.draw(23, 0.8, seed=1), method="gray", threads=threads
    ).states,
    "enumeration, bounded": lambda threads: fixed_points.enumerate(
        RandomNetwork.draw(23, 0.3, seed=1), method="bounded", threads=threads
    ).states,
    "distances": count_distances,
    "census": lambda threads: fixed_points.census(RandomNetwork.draw(14, 0.3), threads=threads),
    "rtrl": find_gradient("rtrl"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kernels have more threads than cores, in teams that are never called off."""
    make_team = teams.make_team

    def make_patient_team(size: int) -> teams.Team:
        team = make_team(size)
        team.began[0] = -(10**18)
        return team

    monkeypatch.setenv("NUMBA_NUM_THREADS", str(MANY))
    monkeypatch.setattr(teams, "make_team", make_patient_team)
    monkeypatch.setattr("binnet.dynamics.stored._TEAM_BYTES", 0)
    monkeypatch.setattr("binnet.dynamics.stored.is_cautious", lambda: False)
    for name in ("_TRIAL_SECONDS", "_SERIAL_SECONDS"):  # of searches, which begin on one thread
        monkeypatch.setattr(f"binnet.fixed_points._search.{name}", 0.0)


@pytest.mark.parametrize("name", WORK)
def test_results_are_the_same_on_any_number_of_threads(name: str) -> None:
    expected = flatten(WORK[name](1))
    assert expected
    for threads in (2, 3, MANY):
        with watch_threads() as used:
            found = flatten(WORK[name](threads))
        assert max(used) == threads
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
