"""Exact enumeration: configurations a second, visited, excluded, or followed to their end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload

SEED = 0


def _prepare_search(n_neurons: int, self_coupling: float, method: str, threads: int) -> Task:
    from binnet.fixed_points import enumerate as find_fixed_points
    from binnet.networks import RandomNetwork

    network = RandomNetwork.draw(n_neurons, self_coupling, seed=SEED)
    found: list[Any] = []

    def call() -> None:
        found[:] = [
            find_fixed_points(network, method=method, threads=threads, max_neurons=n_neurons)
        ]

    def answer() -> Answer:
        return make_answer(found[0].states)

    call()
    # The couplings stay in registers and the first-level cache, and few states are found: no bytes
    # are counted, as a bandwidth is not what binds. Of s and -s one is visited, with an addition
    # and an `or` for each 8-bit field; nobody knows how few branches a search must visit.
    operations = 2**n_neurons / 2 * n_neurons * 2 if method == "gray" else 0
    return Task(call, answer, Work(2**n_neurons, 0.0, operations))


def _prepare_census(n_neurons: int, threads: int) -> Task:
    from binnet.fixed_points import census as take_census
    from binnet.networks import RandomNetwork

    network = RandomNetwork.draw(n_neurons, 0.5, dtype="int16", seed=SEED)
    found: list[Any] = []

    def call() -> None:
        found[:] = [take_census(network, threads=threads)]

    def answer() -> Answer:
        census = found[0]
        return make_answer(census.states, census.lengths, census.basins, census.transients)

    call()
    # Each state's successor is written and read (4 bytes each), and so is the mark that it has a
    # predecessor (1 byte). Of the states that have one, the number of the successor and the degree
    # (4 bytes each) are written and read, and where they end (8 bytes).
    n_inner = 2**n_neurons - found[0].n_without_predecessor
    n_bytes = 2 * (4 + 1) * 2**n_neurons + 2 * (4 + 4 + 8) * n_inner
    # The successor: an addition for each neuron's field; sums over the low spins are in a table.
    return Task(call, answer, Work(2**n_neurons, n_bytes, n_neurons * 2**n_neurons))


def _make(
    name: str, summary: str, level: Level, n_neurons: int, prepare: Callable[[int], Task],
    is_quick: bool = False,
) -> Workload:  # fmt: skip
    return Workload(
        name=name,
        suite="enumeration",
        summary=summary,
        unit="configurations",
        level=level,
        operation="none",
        is_exact=True,
        sizes={"n_neurons": n_neurons},
        prepare=prepare,
        is_quick=is_quick,
    )


def _make_search(
    method: str, words: str, n_neurons: int, self_coupling: float, is_quick: bool
) -> Workload:
    return _make(
        f"enumerate-{method}",
        f"all fixed points by {words}, N = {n_neurons}, J_D = {self_coupling:g}",
        "L1",
        n_neurons,
        partial(_prepare_search, n_neurons, self_coupling, method),
        is_quick,
    )


def _make_census(level: Level, n_neurons: int) -> Workload:
    return _make(
        f"census-{level.lower()}",
        f"all attractors and their basins, N = {n_neurons}, J_D = 0.5, int16",
        level,
        n_neurons,
        partial(_prepare_census, n_neurons),
    )


WORKLOADS = (
    _make_search("gray", "Gray code", 24, 1.0, True),
    _make_search("bounded", "branch and bound", 32, 0.25, False),
    _make_census("L3", 21),
    _make_census("memory", 24),
)
