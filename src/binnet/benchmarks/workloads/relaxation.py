"""Relaxation of random networks to their fixed points: flips a second, 16-bit couplings.

A call relaxes all replicas from the same random states. Couplings are uniform in 16 bits, their
variance is 1/N in units in which J_D is 1: at that self-coupling every replica converges, whichever
the update order.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import SEED, draw_integers, draw_spins

if TYPE_CHECKING:
    from binnet.dynamics import FreeRelaxation
    from binnet.networks import RandomNetwork

_STD = 2**16 / 12**0.5  # of integers that fill 16 bits
_SHARING = 16  # replicas that a pass over the couplings can serve


def draw_network(n_neurons: int) -> RandomNetwork:
    """Return a network of uniform int16 couplings, J_D = 1 in units of sqrt(N) deviations.

    Parameters
    ----------
    n_neurons : int
        N.

    Returns
    -------
    RandomNetwork
        With its couplings laid out as relaxation reads them.
    """
    from binnet.networks import RandomNetwork

    presynaptic = draw_integers((n_neurons, n_neurons), np.int16, stream=0)
    np.fill_diagonal(presynaptic, 0)
    # Fields are as wide as the square root of N couplings; a power of two makes that about 1.
    scale = 2.0 ** -round(np.log2(_STD * n_neurons**0.5))
    self_coupling = round(_STD * n_neurons**0.5) * scale
    return RandomNetwork(presynaptic.T, self_coupling, scale=scale)


def count_columns(flips: np.ndarray, n_neurons: int, update_order: str) -> float:
    """Return how many columns of couplings relaxation has to read at least.

    Parameters
    ----------
    flips : ndarray of int, shape (R, T)
        Of each replica in each sweep.
    n_neurons : int
        N.
    update_order : str
        "sync" or "async".

    Returns
    -------
    float
        The first fields take all N, once for 16 replicas. Then each flip takes the column of its
        neuron. Under synchronous updates 16 replicas may share it: of neurons that flip
        independently, as replicas do, N (1 - prod (1 - f / N)) are different ones in a sweep.
    """
    columns = 0.0
    for first in range(0, len(flips), _SHARING):
        shared = flips[first : first + _SHARING]
        columns += n_neurons
        if update_order == "sync":
            columns += n_neurons * float((1 - np.prod(1 - shared / n_neurons, axis=0)).sum())
        else:
            columns += float(shared.sum())
    return columns


def _prepare(update_order: str, n_neurons: int, n_replicas: int, threads: int) -> Task:
    from binnet.dynamics import relax

    network = draw_network(n_neurons)
    start = draw_spins((n_replicas, n_neurons), stream=1)
    found: list[FreeRelaxation] = []

    def call() -> None:
        found[:] = [
            relax(
                network,
                update_order=update_order,
                initial_states=start,
                seed=SEED,
                threads=threads,
            )
        ]

    def answer() -> Answer:
        return make_answer(found[0].states, found[0].flips)

    call()
    columns = count_columns(found[0].flips, n_neurons, update_order)
    return Task(call, answer, Work(int(found[0].flips.sum()), 2 * n_neurons * columns))


def _make(
    level: Level, update_order: str, n_neurons: int, n_replicas: int, is_quick: bool = False
) -> Workload:
    how = {"sync": "synchronous", "async": "asynchronous"}[update_order]
    return Workload(
        name=f"relax-{update_order}-{level.lower()}",
        suite="relaxation",
        summary=f"{how} relaxation of {n_replicas} replicas, N = {n_neurons}, J_D = 1, int16",
        unit="flips",
        level=level,
        operation="none",
        is_exact=True,
        sizes={"n_neurons": n_neurons, "n_replicas": n_replicas},
        prepare=partial(_prepare, update_order, n_neurons, n_replicas),
        is_quick=is_quick,
    )


# Couplings of 18 KB, 720 KB, 13 MB and 143 MB; beside them, in use at a time, the states and fields
# of 16 replicas: 12, 77, 330 and 1080 KB.
WORKLOADS = (
    _make("L1", "sync", 96, 1024),
    _make("L2", "sync", 600, 64, is_quick=True),
    _make("L3", "sync", 2560, 32),
    _make("memory", "sync", 8448, 16),
    _make("L2", "async", 600, 64),
    _make("memory", "async", 8448, 16),
)
