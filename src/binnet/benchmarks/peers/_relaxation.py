"""What the peers of the relaxation workloads share: binnet's networks, states, orders, answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work
from binnet.benchmarks.workloads._drawing import SEED, draw_spins
from binnet.benchmarks.workloads.relaxation import draw_network
from binnet.networks import RandomNetwork

Array = NDArray[Any]


class Found(NamedTuple):
    """Final states (R, N), and the flips (R, T) of each sweep."""

    states: Array
    flips: Array


class Case:
    """A network, and the states from which its replicas start."""

    def __init__(self, network: RandomNetwork, start: NDArray[np.int8]) -> None:
        self.network, self.start = network, start

    @cached_property
    def matrix(self) -> NDArray[np.float32]:
        """The couplings in units of the fields, the self-coupling on the diagonal.

        float32 holds them, and all their sums here: whole numbers below 2^24.
        """
        matrix = self.network.couplings.astype(np.float32, order="C")
        np.fill_diagonal(matrix, self.network.in_field_units()[0])
        return matrix

    def columns(self) -> NDArray[np.int16]:
        """Return the couplings (N, N) as integers, a row for all that a neuron acts on."""
        return np.ascontiguousarray(self.network.couplings.T)

    def draw_orders(self) -> NDArray[np.int32]:
        """Return the orders (R, T, N) in which binnet visits the neurons, for sweeps enough."""
        from binnet.dynamics import relax, stream_key
        from binnet_kernels.lowlevel.rng import derive_keys, shuffle_sites

        n_replicas, n_neurons = self.start.shape
        found = relax(self.network, update_order="async", initial_states=self.start, seed=SEED)
        orders = np.empty((n_replicas, int(found.sweeps.max()), n_neurons), np.int32)
        for r, key in enumerate(derive_keys(stream_key(SEED, 0), 0, n_replicas)):
            for t, sweep_key in enumerate(derive_keys(key, 0, orders.shape[1])):
                shuffle_sites(sweep_key, orders[r, t])
        return orders


def draw_case(sizes: Mapping[str, int]) -> Case:
    """Return what the workload relaxes."""
    n_neurons, n_replicas = sizes["n_neurons"], sizes["n_replicas"]
    return Case(draw_network(n_neurons), draw_spins((n_replicas, n_neurons), stream=1))


def make_task(case: Case, relax: Callable[[], Found]) -> Task:
    """Return the task of a relaxation."""
    found: list[Found] = []

    def call() -> None:
        found[:] = [relax()]

    def answer() -> Answer:
        states, flips = map(np.asarray, found[0])
        return make_answer(states.astype(np.int8), flips.astype(np.int64))

    call()
    return Task(call, answer, Work(float(np.asarray(found[0].flips).sum())))
