"""Long calculations are cut into calls between which Ctrl-C is seen; where changes no bit."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from binnet import ImplicitNetwork, RandomNetwork, _threads, fixed_points, relax
from binnet._threads import in_pieces, share_out
from binnet.hardware import quantize, relax_packed
from binnet.rate import RateRNN, gradient, tasks
from library_cases import N_CLASSES, N_INPUTS, draw_spins, make_network

CUT = (
    "binnet.dynamics._samples",
    "binnet.dynamics.stored",
    "binnet.fixed_points._map",
    "binnet.fixed_points._search",
    "binnet.hardware.packed",
    "binnet.networks.implicit",
    "binnet.rate.rules._exact",
    "binnet.rate._trajectories",
)


def flatten(found: Any) -> list[np.ndarray]:
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return [array for part in found for array in flatten(part)]
    if hasattr(found, "__dataclass_fields__"):
        return flatten([getattr(found, name) for name in found.__dataclass_fields__])
    return [found] if isinstance(found, np.ndarray) else []


def relax_under_input(order: str) -> Any:
    network = make_network(self_coupling=0.0)  # many samples never settle
    X, start = draw_spins(9, N_INPUTS), draw_spins(9, network.n_neurons, seed=1)
    y = np.arange(9) % N_CLASSES
    return [
        relax(
            network, X, labels, initial_states=start, update_order=order, max_sweeps=30, threads=2
        )
        for labels in (None, y)
    ]


def relax_freely(order: str) -> Any:
    network = RandomNetwork.draw(40, self_coupling=0.3, dtype="float32", seed=2)
    return relax(network, replicas=5, update_order=order, max_sweeps=150, threads=2)


def relax_packed_states(order: str) -> Any:
    network, _ = quantize(make_network(), 4)
    return relax_packed(network, draw_spins(9, N_INPUTS), max_sweeps=12, update_order=order)


def learn_rates(rule: str) -> Any:
    trials = tasks.romo(batch_size=5, seed=1)
    network = RateRNN.initialise(1, 2, n_hidden=7)
    inputs, targets, mask = trials.inputs, trials.targets, trials.mask
    return gradient(network, inputs, targets, mask, rule=rule, threads=2)


CASES: dict[str, Callable[[], Any]] = {
    "enumerate": lambda: fixed_points.enumerate(RandomNetwork.draw(20, 1.0, seed=1)),
    "enumerate, bounded": lambda: fixed_points.enumerate(
        RandomNetwork.draw(23, 0.2, seed=1), method="bounded", threads=1
    ),
    "census": lambda: fixed_points.census(RandomNetwork.draw(10, 0.3, seed=1)),
    "draw": lambda: ImplicitNetwork(70).materialise().couplings,
}
for run, names in (
    (relax_under_input, ("sync", "async", "random-subset", "block-sequential:4")),
    (relax_freely, ("sync", "greedy")),
    (relax_packed_states, ("sync", "async")),
    (learn_rates, ("bptt", "rtrl", "eprop-self")),
):
    CASES |= {f"{run.__name__} {name}": partial(run, name) for name in names}


@pytest.mark.parametrize("case", CASES)
def test_calls_of_one_step_change_no_bit(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = flatten(CASES[case]())
    n_pieces = []

    def cut(total: float = np.inf, first: int = 1, least: int = 1) -> Iterator[tuple[int, int]]:
        step = 0
        while step < total:
            n_pieces.append(1)
            yield step, min(step + least, int(min(total, 2**62)))
            step += least

    for module in CUT:
        monkeypatch.setattr(f"{module}.in_pieces", cut)
    found = flatten(CASES[case]())
    assert len(n_pieces) > 1
    assert len(found) == len(expected) > 0
    for left, right in zip(found, expected, strict=True):
        assert left.tobytes() == right.tobytes()


def test_pieces_cover_all_steps_and_last_about_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(_threads.time, "perf_counter", lambda: clock[0])
    pieces = []
    for start, stop in in_pieces(1000, first=2):
        pieces.append((start, stop))
        clock[0] += 0.002 * (stop - start)  # 50 steps in a tenth of a second
    assert [start for start, _ in pieces] == [0, *(stop for _, stop in pieces[:-1])]
    assert pieces[-1][1] == 1000
    assert [stop - start for start, stop in pieces[:5]] == [2, 8, 32, 50, 50]
    assert [stop - start for start, stop in in_pieces(10, first=0, least=4)] == [4, 6]
    assert list(in_pieces(0)) == []


@pytest.mark.parametrize("failing", [0, 1])
def test_shares_end_at_their_next_piece_when_one_fails(failing: int) -> None:
    n_pieces = 0

    def work(share: int) -> None:
        nonlocal n_pieces
        for _ in in_pieces():
            if share == failing:
                raise ArithmeticError("this share")
            n_pieces += 1
            assert n_pieces < 200
            time.sleep(0.01)

    with pytest.raises(ArithmeticError, match="this share"):
        share_out(2, work, range(2))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to itself")
def test_shares_end_at_their_next_piece_at_ctrl_c() -> None:
    n_pieces = [0, 0]

    def work(share: int) -> None:
        for _ in in_pieces():
            n_pieces[share] += 1
            if n_pieces[0] == 3 and share == 0:
                os.kill(os.getpid(), signal.SIGINT)
            assert n_pieces[share] < 200
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        share_out(2, work, range(2))
