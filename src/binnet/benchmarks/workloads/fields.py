"""Fields of float32 couplings, 16 states at a time: fields a second.

Weights are multiples of 1/128, and few enough for all sums to be exact in float32, in any order: so
answers are integers, though the arithmetic is floating-point.

What the product has to do at least: load all weights once for the 16 states, 4 bytes each. As
operations it counts those of the product that it equals, two for each weight and state; sums by
tables get by with fewer (`binnet_kernels.lowlevel.sign_sums`), so that the fraction of the peak may
pass 1.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from binnet._threads import share_out
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import draw_integers, draw_spins

_N_SAMPLES = 16
UNIT = np.float32(2**-7)  # of weights


def draw_weights(n_neurons: int) -> NDArray[np.float32]:
    """Return random weights, presynaptic-major.

    Parameters
    ----------
    n_neurons : int
        N.

    Returns
    -------
    ndarray of float32, shape (N, N)
        From -1 to 127/128 in steps of 1/128.
    """
    weights = draw_integers((n_neurons, n_neurons), np.int8, stream=0).astype(np.float32)
    weights *= UNIT
    return np.asarray(weights)


def _prepare(n_neurons: int, n_groups: int, n_times: int, threads: int) -> Task:
    from binnet_kernels.repeats import repeat_fields
    from binnet_kernels.structs import allocate_aligned, from_banks, to_banks

    # As in training a thread has a bank of neurons; where there are groups it has all of a group's.
    n_banks = threads if n_groups == 1 else 1
    banks = to_banks(draw_weights(n_neurons), n_banks)
    states = draw_spins((n_groups, _N_SAMPLES, n_neurons), 1).astype(np.float32)
    rows = np.arange(_N_SAMPLES)
    fields = allocate_aligned((n_groups, n_banks, _N_SAMPLES, banks.shape[2]), np.float32)

    def compute(item: tuple[int, int]) -> None:
        group, bank = item
        repeat_fields(banks[bank], states[group], rows, n_times, fields[group, bank])

    items = [(group, bank) for group in range(n_groups) for bank in range(n_banks)]

    def call() -> None:
        share_out(threads, compute, items)

    def answer() -> Answer:
        found = np.stack([from_banks(group, n_neurons) for group in fields])
        return make_answer((found / UNIT).astype(np.int64))

    call()
    n_products = n_groups * n_times
    amount = n_products * _N_SAMPLES * n_neurons
    return Task(call, answer, Work(amount, 4 * n_products * n_neurons**2, 2 * amount * n_neurons))


def _make(
    level: Level, n_neurons: int, n_groups: int, n_times: int, is_quick: bool = False
) -> Workload:
    return Workload(
        name=f"fields-{level.lower()}",
        suite="fields",
        summary=f"dense fields of {_N_SAMPLES} states at a time, N = {n_neurons}, float32",
        unit="fields",
        level=level,
        operation="fma32",
        is_exact=True,
        sizes={
            "n_neurons": n_neurons, "n_samples": _N_SAMPLES, "n_groups": n_groups,
            "n_times": n_times,
        },
        prepare=partial(_prepare, n_neurons, n_groups, n_times),
        is_quick=is_quick,
    )  # fmt: skip


# Weights of 16 KB, 800 KB, 14 MB and 139 MB.
WORKLOADS = (
    _make("L1", 64, 64, 100),
    _make("L2", 448, 64, 4, is_quick=True),
    _make("L3", 1856, 1, 4),
    _make("memory", 5888, 1, 1),
)
