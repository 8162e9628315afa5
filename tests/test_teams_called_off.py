"""Teams that are called off in the middle of a call leave the bits that one thread finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from binnet import RandomNetwork, relax
from binnet._threads import watch_threads
from binnet.learning import Configuration, Run
from binnet_kernels.lowlevel import team as teams
from library_cases import TINY, make_task
from test_pieces import flatten

THREADS = 3
AFTER = 40  # waits of member 0
ATTEMPTS = 10  # at catching a call: beside busy processes it may end first
X, Y = make_task(12_000)


@contextmanager
def calling_off(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> Iterator[list[teams.Team]]:
    """Say of each team that a member has waited for long; in the middle, unless `at_once`."""
    make_team, made, end = teams.make_team, [], threading.Event()

    def interfere(team: teams.Team) -> None:
        while not end.is_set() and team.members[0, 0] > 1:
            if team.steps[0, 0] >= AFTER:
                team.waited[1:, 0] = 10**18  # who waits just now may write its own number
            time.sleep(1e-4)

    def make_team_that_ends(size: int) -> teams.Team:
        team = make_team(size)
        if size > 1:
            made.append(team)
            team.began[0] = -(10**18)  # nothing else calls it off
            if at_once:
                team.waited[1:, 0] = 10**18
            else:
                threading.Thread(target=interfere, args=(team,), daemon=True).start()
        return team

    with monkeypatch.context() as patch:
        patch.setenv("NUMBA_NUM_THREADS", str(THREADS))
        patch.setattr(teams, "make_team", make_team_that_ends)
        patch.setattr("binnet.dynamics.stored._TEAM_BYTES", 0)
        patch.setattr("binnet.dynamics.stored.is_cautious", lambda: False)
        try:
            yield made
        finally:
            end.set()


def learn(configuration: Configuration) -> Callable[[int], Any]:
    def run(threads: int) -> Any:
        run = Run.start(configuration, len(X))
        while not run.epoch_is_complete:
            run.learn(X, Y, run.batches_per_epoch, threads)
        return [run.network(), run.changes, run.totals]

    return run


def relax_freely(order: str, n: int, replicas: int, max_sweeps: int) -> Callable[[int], Any]:
    network = RandomNetwork.draw(n, dtype="int16", seed=1)
    return lambda threads: relax(
        network, update_order=order, replicas=replicas, max_sweeps=max_sweeps, threads=threads
    )


WORK: dict[str, Callable[[int], Any]] = {
    "training": learn(TINY),
    "training, random-subset": learn(TINY.replace(update_order="random-subset")),
    "training, int8": learn(TINY.replace(arithmetic="int8")),
    "training, modules": learn(TINY.replace(n_modules=4)),
    "sync": relax_freely("sync", 1500, 1, 400),
    "sync, two replicas": relax_freely("sync", 901, 2, 400),
    "random-subset": relax_freely("random-subset", 1111, 1, 400),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("name", WORK)
def test_a_team_that_is_called_off_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, name: str, at_once: bool
) -> None:
    expected = flatten(WORK[name](1))
    assert expected
    for _ in range(ATTEMPTS):
        with calling_off(monkeypatch, at_once) as made, watch_threads() as used:
            found = flatten(WORK[name](THREADS))
        assert max(used) == THREADS
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
        ended = [int(team.steps[0, 0]) for team in made if team.members[0, 0] == 1]
        if ended and (at_once or max(ended) >= AFTER):
            return
    pytest.fail("no team was called off")
