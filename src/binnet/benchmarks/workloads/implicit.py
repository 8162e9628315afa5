"""Couplings that are drawn when they are needed: couplings a second, onto the fields of a network.

A call draws the columns of some neurons and adds them to the fields of all, which begin at 0. That
takes hashes and counts of bits, whose limit is not measured. To move there are the fields alone,
once for thousands of columns: no bytes are counted, as a bandwidth is not what binds.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from binnet._threads import cut_for, share_out
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import SEED, draw_spins


def _prepare(distribution: str, n_neurons: int, n_columns: int, threads: int) -> Task:
    from binnet.networks import ImplicitNetwork
    from binnet_kernels.relaxation.implicit import (
        TILE_NEURONS,
        ImplicitCouplings,
        add_columns_implicit,
        count_tiles,
        make_scratch_implicit,
    )

    network = ImplicitNetwork(n_neurons, distribution=distribution, seed=SEED)
    couplings = ImplicitCouplings(network.key, network.n_signs)
    state = draw_spins((n_neurons,), stream=1)
    sites = np.arange(n_columns, dtype=np.int32)
    n_tiles = count_tiles(n_neurons)
    size = cut_for(threads, n_tiles)
    field = np.zeros(n_tiles * TILE_NEURONS, np.int32)

    def add_tiles(first: int) -> None:
        stop = min(first + size, n_tiles)
        field[first * TILE_NEURONS : stop * TILE_NEURONS] = 0
        add_columns_implicit(
            couplings, sites, n_columns, 1, state, first, stop, make_scratch_implicit(), field
        )

    def call() -> None:
        share_out(threads, add_tiles, range(0, n_tiles, size))

    def answer() -> Answer:
        return make_answer(field[:n_neurons])

    call()
    return Task(call, answer, Work(n_neurons * n_columns))


def _make(distribution: str, n_neurons: int, n_columns: int, is_quick: bool = False) -> Workload:
    signs = {"sign": "a sign each", "gaussian": "sums of 16 signs"}[distribution]
    return Workload(
        name=f"implicit-{distribution}",
        suite="implicit",
        summary=f"{n_columns} columns of {n_neurons} couplings drawn and added, {signs}",
        unit="couplings",
        level="L2",
        operation="none",
        is_exact=True,
        sizes={"n_neurons": n_neurons, "n_columns": n_columns},
        prepare=partial(_prepare, distribution, n_neurons, n_columns),
        is_quick=is_quick,
    )


# Fields of 400 KB. As many columns as fill the counters once, in `relaxation.implicit`.
WORKLOADS = (
    _make("sign", 100_000, 4064, is_quick=True),
    _make("gaussian", 100_000, 254),
)
