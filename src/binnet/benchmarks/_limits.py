"""What the machine can do at best, measured beside the workloads, and which of it binds each.

All threads read, multiply or count at once, each on data of its own (`binnet_kernels`'
`lowlevel.peaks`), again and again; the best of the rounds counts, from their common start to the
end of the last.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from binnet._memory import check_memory
from binnet._threads import resolve_threads, run_in_step
from binnet.benchmarks._caches import choose_footprints, find_caches, spread_threads
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement

# Seconds of all rounds of a limit, of which there are seven; and of a round: of few threads so
# short that some are over before the system takes a core away, of many longer than their start.
_SECONDS, _QUICK_SECONDS = 0.5, 0.1
_ROUND_SECONDS, _ROUND_SECONDS_MORE = 0.003, 0.0005  # and for each thread
_LEAST_ROUNDS = 3
_N_BLOCKS = 16  # of the vectors that a dot product or a count goes through: well within L1
# What the data of a workload's level are made to fit into (`_workload.Level`); those of "memory"
# are mostly 128 to 143 MB, which the L3 of a few servers holds.
NOMINAL_BYTES = {"L1": 32 * 2**10, "L2": 2**20, "L3": 32 * 2**20, "memory": 160 * 2**20}


class Fraction(NamedTuple):
    """How much of the limit that binds it a workload reaches."""

    value: float
    name: str  # of the limit: a key of `Limits.bandwidth` or of `Limits.peaks`


class _Load(NamedTuple):
    """What a thread does as often as it is told."""

    run: Callable[[int], object]  # so many passes
    work: float  # bytes or operations of a pass


def measure_limits(threads: int | None = None, quick: bool = False) -> Limits:
    """Measure what the machine can do at best on so many threads at once.

    Bandwidths are of reading, by full vectors, what each thread has in the cache or in memory for
    itself. Peaks are of float32 multiply-adds in registers, of products of bytes, and of counts of
    the bits that two vectors have in common. A product with its addition is two operations, and so
    are the "and" of two bits and its addition to a count. What they are made by differs from CPU to
    CPU: `Limits.instructions` says it.

    Kernels are compiled first; then it takes about 4 seconds, or 1 where it is quick. Where other
    processes keep cores busy, all of it comes out too low: measure on a quiet machine.

    Parameters
    ----------
    threads : int, optional
        Default: as many as the process has cores, which is also the most.
    quick : bool, default False
        Whether to take fewer rounds.

    Returns
    -------
    Limits
        Bytes and operations a second of all threads together, for each level of the memory that the
        machine has. Where the system does not tell its caches, they are taken to be usual ones, and
        `Limits.caches` is empty.

    Raises
    ------
    MemoryError
        If there is no room for data that lie in memory (256 MB to 1 GB).
    """
    from binnet_kernels.lowlevel.peaks import name_instructions

    threads = resolve_threads(threads)
    caches, are_known = find_caches()
    footprints = choose_footprints(caches, threads)
    check_memory(
        "measuring the bandwidth of memory",
        threads * footprints["memory"],
        "end other programs, or take a machine with more",
    )
    reads: dict[str, Callable[[], _Load]]
    reads = {level: partial(_prepare_read, n_bytes) for level, n_bytes in footprints.items()}
    peaks = {"fma32": _prepare_fma, "dot8": _prepare_dot, "popcount": _prepare_count}
    for prepare in (reads["L1"], *peaks.values()):
        prepare().run(1)  # compiles it
    seconds = _QUICK_SECONDS if quick else _SECONDS
    return Limits(
        threads=threads,
        bandwidth={level: _measure(threads, prepare, seconds) for level, prepare in reads.items()},
        peaks={kind: _measure(threads, prepare, seconds) for kind, prepare in peaks.items()},
        footprints=footprints,
        caches={name: cache.n_bytes for name, cache in caches.items()} if are_known else {},
        instructions=name_instructions(),
    )


def _prepare_read(n_bytes: int) -> _Load:
    from binnet_kernels.lowlevel.peaks import READ_BLOCK, read_words
    from binnet_kernels.structs import allocate_aligned

    n_bytes = max(READ_BLOCK, n_bytes // READ_BLOCK * READ_BLOCK)
    words = allocate_aligned((n_bytes // 8,), np.uint64)
    words.fill(1)  # of zeros all pages would be the same one
    return _Load(partial(read_words, words), n_bytes)


def _prepare_fma() -> _Load:
    from binnet_kernels.lowlevel.peaks import BYTES, FMA_SUMS, iterate_products
    from binnet_kernels.structs import allocate_aligned

    numbers = allocate_aligned((FMA_SUMS * BYTES // 4,), np.float32)
    numbers.fill(1)
    # 1, 2, 1, 2, ...: neither rounded nor ever subnormal
    run = partial(iterate_products, numbers, np.float32(-1), np.float32(3))
    return _Load(run, 2.0 * numbers.size)


def _prepare_dot() -> _Load:
    from binnet_kernels.lowlevel.peaks import BYTES, DOT_STREAMS, FIXED, dot_bytes
    from binnet_kernels.structs import allocate_aligned

    bits = allocate_aligned((_N_BLOCKS, DOT_STREAMS, BYTES), np.uint8)
    weights = allocate_aligned((FIXED, BYTES), np.int8)
    totals = allocate_aligned((DOT_STREAMS, FIXED, BYTES // 4), np.int32)
    bits[..., ::2], weights[...] = 1, np.arange(BYTES)
    return _Load(partial(dot_bytes, bits, weights, totals), 2.0 * bits.size * FIXED)


def _prepare_count() -> _Load:
    from binnet_kernels.lowlevel.peaks import BYTES, COUNT_STREAMS, FIXED, count_bits
    from binnet_kernels.structs import allocate_aligned

    words = allocate_aligned((_N_BLOCKS, COUNT_STREAMS, BYTES // 8), np.uint64)
    masks = allocate_aligned((FIXED, BYTES // 8), np.uint64)
    totals = allocate_aligned((COUNT_STREAMS, FIXED, BYTES // 8), np.uint64)
    words.fill(0x0123456789ABCDEF)
    masks.fill(0xFFFF0000FFFF0000)
    return _Load(partial(count_bits, words, masks, totals), 2.0 * 64 * words.size * FIXED)


def _measure(threads: int, prepare: Callable[[], _Load], seconds: float) -> float:
    """Return the work a second of all threads at once, in the best of many rounds."""
    barrier = threading.Barrier(threads)
    goes_on: list[bool] = []  # by round; the first thread decides
    times: list[list[tuple[float, float]]] = [[] for _ in range(threads)]
    found: list[float] = []  # work of a thread in a round
    cores = spread_threads(threads) if threads > 1 else []

    def take_rounds(rank: int) -> None:
        load = prepare()
        load.run(1)
        if rank == 0:
            found.append(_count_passes(load, _ROUND_SECONDS + threads * _ROUND_SECONDS_MORE))
        barrier.wait()
        passes, end = int(found[0]), time.perf_counter() + seconds
        while True:
            if rank == 0:
                goes_on.append(len(goes_on) < _LEAST_ROUNDS or time.perf_counter() < end)
            barrier.wait()
            if not goes_on[len(times[rank])]:
                break
            begun = time.perf_counter()
            load.run(passes)
            times[rank].append((begun, time.perf_counter()))
        if rank == 0:
            found.append(load.work * passes)

    def work(rank: int) -> None:
        try:
            with _bound_to(cores[rank] if cores else None):
                take_rounds(rank)
        except threading.BrokenBarrierError:
            pass  # another thread has failed, and says why
        except BaseException:
            barrier.abort()
            raise

    run_in_step(threads, work)
    rounds = np.array(times)  # threads, rounds, 2
    shortest = (rounds[..., 1].max(0) - rounds[..., 0].min(0)).min()
    return float(threads * found[1] / shortest)


@contextmanager
def _bound_to(core: int | None) -> Iterator[None]:
    """Bind this thread to a core, where the system lets it; None: leave it where it is.

    Rounds are short, and between them threads sleep at a barrier: Linux wakes them on one core.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def _count_passes(load: _Load, seconds: float) -> int:
    """Return how many passes last about so many seconds, one at least."""
    passes = 1
    while (lasted := min(_time(load, passes) for _ in range(3))) < seconds / 8:
        passes *= 4  # each does work that takes time (the kernels' are written so), so this ends
    return max(1, round(passes * seconds / lasted))


def _time(load: _Load, passes: int) -> float:
    begun = time.perf_counter()
    load.run(passes)
    return time.perf_counter() - begun


def fraction_of_limit(measurement: Measurement, limits: Limits) -> Fraction | None:
    """Return how much of the limit that binds it a workload reaches.

    Its bytes a second are compared with a bandwidth, its operations a second with the peak of their
    kind; the larger fraction names the limit that binds. The bandwidth is that of the smallest
    cache of this machine which holds the data that the workload's level stands for (32 KB, 1 MB,
    32 MB, 160 MB: `find_level`), so that the "L2" of a result is the cache where the data lie.

    Bandwidths are of reading, while a workload's bytes are those that it reads and writes. Memory
    takes both by turns, not faster; a first-level cache may do both at once. What waits for single
    lines from memory, as a census does, cannot come near 1.

    A fraction above 1 is possible. Sums that are looked up in tables are counted as the additions
    that they replace, a workload that goes through the same data twice may find them in a faster
    cache the second time, and so may many threads that share out the data of one network.

    Parameters
    ----------
    measurement : Measurement
        Of any implementation of a workload.
    limits : Limits
        Of as many threads.

    Returns
    -------
    Fraction or None
        The fraction and the name of the limit; None where neither bytes nor operations of the
        workload are known, or the machine's limits of them.
    """
    level = find_level(measurement.level, limits)
    compared = (
        (measurement.n_bytes, limits.bandwidth, level),
        (measurement.operations, limits.peaks, measurement.operation),
    )
    fractions = [
        Fraction(work / measurement.seconds / measured[name], name)
        for work, measured, name in compared
        if work > 0 and name in measured
    ]
    return max(fractions, default=None)


def find_level(level: str, limits: Limits) -> str:
    """Return the level of this machine where the data of workloads of a level lie.

    Parameters
    ----------
    level : str
        "L1", "L2", "L3" or "memory", of a workload: they stand for 32 KB, 1 MB, 32 MB and 160 MB.
    limits : Limits
        With the machine's caches. Where they are not known, the level is taken as it is.

    Returns
    -------
    str
        The smallest cache that holds as much, or "memory".
    """
    if level not in NOMINAL_BYTES or not limits.caches:
        return level
    fitting = [name for name, size in limits.caches.items() if size >= NOMINAL_BYTES[level]]
    return min(fitting, default="memory")


def find_limits(result: BenchmarkResult, threads: int) -> Limits | None:
    """Return the limits on so many threads: of those before and after the run the larger each.

    Parameters
    ----------
    result : BenchmarkResult
        A run.
    threads : int
        How many threads.

    Returns
    -------
    Limits or None
        None where none were measured on so many threads.
    """
    found = [
        limits
        for limits in (*result.limits_before, *result.limits_after)
        if limits.threads == threads
    ]
    if not found:
        return None
    return replace(
        found[0],
        bandwidth=_find_largest([limits.bandwidth for limits in found]),
        peaks=_find_largest([limits.peaks for limits in found]),
    )


def _find_largest(measured: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: max(one.get(name, 0.0) for one in measured) for name in measured[0]}
