"""Relaxation of random networks to their fixed points: flips a second, 16-bit couplings."""

from __future__ import annotations

from functools import partial

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload

SEED = 0


def _prepare(n_neurons: int, n_replicas: int, threads: int) -> Task:
    from binnet import RandomNetwork, relax

    network = RandomNetwork.draw(n_neurons, 1.0, dtype="int16", seed=SEED)
    found = []

    def call() -> None:
        found[:] = [relax(network, replicas=n_replicas, seed=SEED, threads=threads)]

    def answer() -> Answer:
        return make_answer(found[0].states, found[0].flips)

    call()
    flips = int(found[0].flips.sum())
    # First fields: a whole product a replica; then a column a flip.
    n_bytes = 2 * n_neurons * (n_neurons + flips)
    return Task(call, answer, Work(flips, n_bytes))


def _make(level: Level, n_neurons: int, n_replicas: int, is_quick: bool) -> Workload:
    return Workload(
        name=f"relax-sync-{level.lower()}",
        suite="relaxation",
        summary=f"synchronous relaxation of {n_replicas} replicas, N = {n_neurons}, J_D = 1, int16",
        unit="flips",
        level=level,
        operation="none",
        is_exact=True,
        sizes={"n_neurons": n_neurons, "n_replicas": n_replicas},
        prepare=partial(_prepare, n_neurons, n_replicas),
        is_quick=is_quick,
    )


WORKLOADS = (
    _make("L1", 100, 64, False),
    _make("L2", 600, 64, True),
    _make("L3", 3200, 16, False),
    _make("memory", 9600, 16, False),
)
