"""What the peers of the sweeps share: binnet's couplings as a matrix, states, fields, answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import draw_integers, draw_spins
from binnet.benchmarks.workloads.sweeps import draw_external, draw_packed, find_self_coupling

Array = NDArray[Any]

MOST_BYTES = 2e9  # of a peer's couplings

_BITS = {"1bit": 1, "int8": 8, "int16": 16}


class Case(NamedTuple):
    """Couplings of so many bits, and the states that are swept."""

    bits: int
    couplings: Array  # (N, N), presynaptic-major, integers; nothing on the diagonal
    self_coupling: int
    external: NDArray[np.int32]  # (N,)
    start: NDArray[np.int8]  # all states (n, N), those of all groups in one product
    n_groups: int
    n_sweeps: int

    def to_float(self) -> NDArray[np.float32]:
        """Return the couplings in float32, with the self-coupling, presynaptic-major.

        Sums are exact: whole numbers below 2^24.
        """
        n_bytes = 4.0 * self.couplings.size
        if n_bytes > MOST_BYTES:
            raise ValueError(
                f"left out: couplings in float32 would take {n_bytes / 1e9:.1f} GB, and peers may "
                f"take {MOST_BYTES / 1e9:.0f}"
            )
        matrix = self.couplings.astype(np.float32)
        np.fill_diagonal(matrix, self.self_coupling)
        return matrix


def draw_case(workload: Workload) -> Case:
    """Return what the workload sweeps."""
    bits, sizes = _BITS[workload.name.split("-")[1]], workload.sizes
    n, n_groups = sizes["n_neurons"], sizes["n_groups"]
    states = draw_spins((n_groups, sizes["n_samples"], n), 1).reshape(-1, n)
    return Case(
        bits, _draw_couplings(bits, n), find_self_coupling(bits, n), draw_external(bits, n), states,
        n_groups, sizes["n_sweeps"],
    )  # fmt: skip


def _draw_couplings(bits: int, n_neurons: int) -> Array:
    """Return the couplings presynaptic-major, as int16 or int8."""
    if bits == 16:
        couplings = draw_integers((n_neurons, n_neurons), np.int16, stream=0)
    else:
        words = draw_packed(bits, n_neurons).words[:, 0]  # (tiles, words, targets)
        couplings = np.empty((n_neurons, n_neurons), np.int8)
        width = words.shape[2]
        for k, tile in enumerate(words):
            octets = tile.astype("<u4").view(np.uint8).reshape(*tile.shape, 4)
            if bits == 8:
                values = octets.view(np.int8)
            else:
                values = 2 * np.unpackbits(octets, axis=2, bitorder="little").view(np.int8) - 1
            target = slice(k * width, (k + 1) * width)
            couplings[:, target] = values.transpose(0, 2, 1).reshape(n_neurons, width)
    np.fill_diagonal(couplings, 0)
    return couplings


def make_task(case: Case, sweep: Callable[[], Any]) -> Task:
    """Return the task of sweeps whose last states are (n, N)."""
    from binnet_kernels.integer.fields import pack_spins

    found: list[Any] = []

    def call() -> None:
        found[:] = [sweep()]

    def answer() -> Answer:
        n_neurons = case.start.shape[1]
        states = np.asarray(found[0]).astype(np.int16).reshape(case.n_groups, -1, n_neurons)
        if case.bits == 16:
            return make_answer(states)
        return make_answer(np.stack([pack_spins(group.astype(np.int8)) for group in states]))

    return Task(call, answer, Work(float(case.n_sweeps * len(case.start) * case.couplings.size)))
