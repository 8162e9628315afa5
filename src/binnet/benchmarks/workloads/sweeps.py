"""Dense synchronous sweeps: synaptic operations a second with couplings of 1, 8 and 16 bits.

A sweep sums every coupling for every state, whoever flips, and turns the spins. Networks that fit
into the first two caches are swept many times in a compiled call; there are `n_groups` sets of
states that threads share out. In larger ones threads share the neurons of each sweep. J_D is small:
states go on changing, so that an error anywhere reaches the last ones, which are the answer.

What a sweep has to do at least: load all couplings once for all states, `bits` / 8 bytes each (the
rest is small), and a product and an addition for each coupling and state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import cut_for, share_out
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Operation, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import draw_integers, draw_spins

if TYPE_CHECKING:
    from binnet_kernels.integer.fields import Packed

Array = NDArray[Any]

_STD = {1: 1.0, 8: 2**8 / 12**0.5, 16: 2**16 / 12**0.5}  # of couplings, uniform in their bits
_SELF_COUPLING = 0.25  # J_D, in units of sqrt(N) deviations
_OPERATIONS: dict[int, Operation] = {1: "popcount", 8: "dot8", 16: "none"}
_NAMES = {1: "1bit", 8: "int8", 16: "int16"}


def find_self_coupling(bits: int, n_neurons: int) -> int:
    """Return J_D in units of the couplings.

    Parameters
    ----------
    bits : {1, 8, 16}
        Of a coupling.
    n_neurons : int
        N.

    Returns
    -------
    int
        J_D.
    """
    return round(_SELF_COUPLING * _STD[bits] * math.sqrt(n_neurons))


def draw_packed(bits: int, n_neurons: int) -> Packed:
    """Return random couplings of 1 or 8 bits as sweeps read them.

    They are drawn in their place, where each word is as good as any other: packing them would take
    eight times the memory. Self-couplings are -1 for one bit, which has no 0, and else 0.

    Parameters
    ----------
    bits : {1, 8}
        Of a coupling.
    n_neurons : int
        N, a multiple of 64.

    Returns
    -------
    Packed
        Weights (N, N).
    """
    from binnet_kernels.integer.fields import Packed
    from binnet_kernels.lowlevel.simd import TILE

    n_tiles, per_word = n_neurons // TILE, 32 // bits
    words = draw_integers((n_tiles, 1, n_neurons // per_word, TILE), np.uint32, stream=0)
    site = np.arange(n_neurons)
    own = (site // TILE, 0, site // per_word, site % TILE)
    there = np.uint32(2**bits - 1) << (site % per_word * bits).astype(np.uint32)
    words[own] &= ~there
    if bits == 1:
        sums = np.full(n_neurons, -n_neurons, np.int32)
    else:
        octets = words.astype("<u4", copy=False).view(np.int8).reshape(n_tiles, -1, TILE, 4)
        sums = octets.sum(axis=1, dtype=np.int32).sum(axis=2, dtype=np.int32).reshape(-1)
    return Packed(words, sums, n_neurons, bits == 8, bits == 1)


def draw_external(bits: int, n_neurons: int) -> NDArray[np.int32]:
    """Return external fields, an eighth as wide as those of the couplings.

    Parameters
    ----------
    bits : {1, 8, 16}
        Of a coupling.
    n_neurons : int
        N.

    Returns
    -------
    ndarray of int32, shape (N,)
        In units of the couplings.
    """
    largest = _STD[bits] * n_neurons**0.5 / 8 * 3**0.5
    return np.asarray(draw_integers((n_neurons,), np.int8, 2) / 128 * largest, np.int32)


def _prepare_packed(
    bits: int, n_neurons: int, n_samples: int, n_groups: int, n_sweeps: int, threads: int
) -> Task:
    from binnet_kernels.integer.fields import pack_spins, spread_bits, sweep_tiles
    from binnet_kernels.repeats import repeat_sweeps

    packed = draw_packed(bits, n_neurons)
    start = np.stack(
        [pack_spins(spins) for spins in draw_spins((n_groups, n_samples, n_neurons), 1)]
    )
    states = np.stack([start, start], axis=1)
    external = np.tile(draw_external(bits, n_neurons), (n_samples, 1))
    own, one = np.int32(find_self_coupling(bits, n_neurons) + (bits == 1)), np.int32(1)
    fields = np.zeros((n_groups, n_samples, n_neurons), np.int32)
    octets = np.zeros((n_groups, n_samples, n_neurons if bits == 8 else 0), np.uint8)
    n_tiles = len(packed.words)

    def sweep_group(g: int) -> None:
        states[g, 0] = start[g]
        repeat_sweeps(packed, states[g], octets[g], external, one, own, n_sweeps, fields[g])

    def sweep_together() -> None:
        states[0, 0] = start[0]
        size = cut_for(threads, n_tiles)
        for t in range(n_sweeps):
            old, new = states[0, t % 2], states[0, 1 - t % 2]
            if packed.is_bytes:
                spread_bits(old, octets[0])

            def sweep_some(first: int, old: Array = old, new: Array = new) -> None:
                stop = min(first + size, n_tiles)
                sweep_tiles(packed, old, octets[0], external, one, own, first, stop, new, fields[0])

            share_out(threads, sweep_some, range(0, n_tiles, size))

    work = _count_work(bits, n_neurons, n_samples, n_groups * n_sweeps)
    return _make_task(threads, sweep_group, sweep_together, states, n_sweeps, work)


def _prepare_int16(
    n_neurons: int, n_samples: int, n_groups: int, n_sweeps: int, threads: int
) -> Task:
    from binnet_kernels.lowlevel.vectors import STRIP
    from binnet_kernels.repeats import repeat_sweeps_int16, sweep_columns_int16

    couplings = draw_integers((n_neurons, n_neurons), np.int16, stream=0)
    np.fill_diagonal(couplings, 0)
    start = draw_spins((n_groups, n_samples, n_neurons), 1).astype(np.int16)
    states = np.stack([start, start], axis=1)
    external, rows = draw_external(16, n_neurons), np.arange(n_samples)
    own = find_self_coupling(16, n_neurons)
    fields = np.zeros((n_groups, n_samples, n_neurons), np.int32)
    # As a team of relaxation shares them: a thread has whole strips of neighbouring neurons.
    size = -(-n_neurons // (threads * STRIP)) * STRIP

    def sweep_group(g: int) -> None:
        states[g, 0] = start[g]
        repeat_sweeps_int16(couplings, states[g], external, own, rows, n_sweeps, fields[g])

    def sweep_together() -> None:
        states[0, 0] = start[0]
        for t in range(n_sweeps):
            old, new = states[0, t % 2], states[0, 1 - t % 2]

            def sweep_some(first: int, old: Array = old, new: Array = new) -> None:
                stop = min(first + size, n_neurons)
                sweep_columns_int16(
                    couplings, old, external, own, rows, first, stop, fields[0], new
                )

            share_out(threads, sweep_some, range(0, n_neurons, size))

    work = _count_work(16, n_neurons, n_samples, n_groups * n_sweeps)
    return _make_task(threads, sweep_group, sweep_together, states, n_sweeps, work)


def _make_task(
    threads: int, sweep_group: Callable[[int], None], sweep_together: Callable[[], None],
    states: Array, n_sweeps: int, work: Work,
) -> Task:  # fmt: skip
    """Return a task, called once: threads share out the groups, or the neurons of a single one."""
    n_groups = len(states)

    def call() -> None:
        if n_groups > 1:
            share_out(threads, sweep_group, range(n_groups))
        else:
            sweep_together()

    def answer() -> Answer:
        return make_answer(states[:, n_sweeps % 2])

    call()
    return Task(call, answer, work)


def _count_work(bits: int, n_neurons: int, n_samples: int, n_sweeps: int) -> Work:
    amount = n_sweeps * n_samples * n_neurons**2
    n_bytes = n_sweeps * n_neurons**2 * bits / 8
    return Work(amount, n_bytes, 0 if _OPERATIONS[bits] == "none" else 2 * amount)


def _make(
    bits: int, level: Level, n_neurons: int, n_samples: int, n_groups: int, n_sweeps: int
) -> Workload:
    of = "a state" if n_samples == 1 else f"{n_samples} states"
    width = f"{bits} bit{'s' if bits > 1 else ''}"
    prepare = _prepare_int16 if bits == 16 else partial(_prepare_packed, bits)
    return Workload(
        name=f"sweep-{_NAMES[bits]}-{level.lower()}",
        suite="sweeps",
        summary=f"dense sweeps of {of} at a time, N = {n_neurons}, couplings of {width}",
        unit="synaptic operations",
        level=level,
        operation=_OPERATIONS[bits],
        is_exact=True,
        sizes={
            "n_neurons": n_neurons, "n_samples": n_samples, "n_groups": n_groups,
            "n_sweeps": n_sweeps,
        },
        prepare=partial(prepare, n_neurons, n_samples, n_groups, n_sweeps),
        is_quick=(bits, level) in _QUICK,
    )  # fmt: skip


_QUICK = {(1, "L2"), (8, "L3"), (16, "memory")}
# Couplings of 16 to 25 KB, 510 to 740 KB, 13 to 15 MB, and 128 MB or more. With one state memory
# and caches bind, with 16 arithmetic does.
WORKLOADS = (
    _make(1, "L1", 448, 1, 64, 100),
    _make(1, "L2", 2048, 16, 64, 2),
    _make(1, "L3", 10240, 1, 1, 8),
    _make(1, "memory", 32768, 1, 1, 2),
    _make(8, "L1", 128, 1, 64, 200),
    _make(8, "L2", 832, 16, 64, 2),
    _make(8, "L3", 3840, 1, 1, 8),
    _make(8, "memory", 11648, 1, 1, 2),
    _make(16, "L1", 96, 1, 64, 200),
    _make(16, "L2", 608, 1, 64, 16),
    _make(16, "L3", 2560, 1, 1, 8),
    _make(16, "memory", 8448, 1, 1, 2),
)
