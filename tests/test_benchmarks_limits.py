"""The limits of a machine: all are found, one binds each workload, caches are what they are."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from binnet.benchmarks import _caches, _limits
from binnet.benchmarks._caches import Cache, choose_footprints
from binnet.benchmarks._limits import (
    Fraction,
    find_level,
    find_limits,
    fraction_of_limit,
    measure_limits,
)
from binnet.benchmarks._result import BenchmarkResult, Limits, Measurement, Stability

KB, MB = 2**10, 2**20
LIMITS = Limits(
    threads=1,
    bandwidth={"L1": 100.0, "L2": 50.0, "L3": 40.0, "memory": 10.0},
    peaks={"fma32": 1000.0, "dot8": 2000.0},
    caches={"L1": 32 * KB, "L2": MB, "L3": 32 * MB},
)
MEASURED = Measurement(
    workload="w", suite="s", unit="flips", level="L2", operation="none", sizes={}, threads=1,
    amount=1.0, n_bytes=0.0, operations=0.0, loops=1, values=((2.0, 2.0),), cold_seconds=0.0,
    checksum="", probes={}, verdict="exact",
)  # fmt: skip


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure three rounds of a moment, of what is in no large memory."""
    monkeypatch.setattr(_limits, "_SECONDS", 0.0)
    monkeypatch.setattr(_limits, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(_limits, "_ROUND_SECONDS", 1e-4)
    small = {"L1": Cache(32 * KB, 2), "L2": Cache(256 * KB, 2), "L3": Cache(MB, 1)}
    monkeypatch.setattr(_limits, "find_caches", lambda: (small, True))
    footprints = {"L1": 16 * KB, "L2": 128 * KB, "L3": 512 * KB, "memory": MB + 40}
    monkeypatch.setattr(_limits, "choose_footprints", lambda caches, threads: footprints)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("threads", [1, 2])
def test_all_limits_are_measured(threads: int) -> None:
    limits = measure_limits(threads, quick=True)
    assert limits.threads in (1, threads)  # fewer where there are fewer cores
    assert list(limits.bandwidth) == list(limits.footprints) == ["L1", "L2", "L3", "memory"]
    assert list(limits.peaks) == ["fma32", "dot8", "popcount"]
    assert limits.caches == {"L1": 32 * KB, "L2": 256 * KB, "L3": MB}
    assert set(limits.instructions) == {"read", *limits.peaks}
    # Between what the slowest machine does while it is busy and what no machine can.
    for value in (*limits.bandwidth.values(), *limits.peaks.values()):
        assert 1e6 < value < 1e6 * 2**30


def test_threads_work_at_once_on_their_own_and_work_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a clock that advances by a second with each pass of any thread."""
    lock, now, calls = threading.Lock(), [0.0], []

    def run(passes: int) -> None:
        with lock:
            now[0] += passes
            calls.append((threading.get_ident(), passes))

    def prepare() -> _limits._Load:
        return _limits._Load(run, 5.0)

    monkeypatch.setattr(_limits.time, "perf_counter", lambda: now[0])
    assert _limits._measure(1, prepare, 0.0) == 5.0
    assert {passes for _, passes in calls} == {1}
    calls.clear()
    # Two seconds pass while two threads do their pass each, from the first start to the last end.
    assert _limits._measure(2, prepare, 4.0) == pytest.approx(5.0)
    by_thread = [sum(1 for who, _ in calls if who == ident) for ident in {i for i, _ in calls}]
    assert len(by_thread) == 2
    assert min(by_thread) >= 3


def test_rounds_end_where_a_thread_fails() -> None:
    ranks = iter((True, False))

    def prepare() -> _limits._Load:
        if next(ranks):
            return _limits._Load(lambda passes: time.sleep(1e-4 * passes), 1.0)
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        _limits._measure(2, prepare, 0.0)


def test_no_room_is_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 1e8)
    monkeypatch.setattr(_limits, "_measure", lambda *arguments: pytest.fail("has begun"))
    with pytest.raises(MemoryError, match=r"bandwidth of memory would take .* end other programs"):
        measure_limits(1)


# ---- which limit binds


def test_the_larger_fraction_names_the_limit_that_binds() -> None:
    work = replace(MEASURED, n_bytes=50.0, operation="fma32", operations=1200.0)
    assert fraction_of_limit(work, LIMITS) == Fraction(0.6, "fma32")
    assert fraction_of_limit(replace(work, n_bytes=80.0), LIMITS) == Fraction(0.8, "L2")
    value, name = fraction_of_limit(replace(work, operations=0.0), LIMITS) or (0.0, "")
    assert (value, name) == (0.5, "L2")
    assert fraction_of_limit(replace(work, operations=4000.0), LIMITS) == Fraction(2.0, "fma32")


def test_what_no_limit_is_known_of_has_no_fraction() -> None:
    assert fraction_of_limit(MEASURED, LIMITS) is None
    counted = replace(MEASURED, operation="popcount", operations=5.0)
    assert fraction_of_limit(counted, LIMITS) is None  # whose peak was not measured
    assert fraction_of_limit(replace(MEASURED, operations=5.0), LIMITS) is None  # of no kind
    assert fraction_of_limit(replace(counted, n_bytes=10.0), LIMITS) == Fraction(0.1, "L2")


@pytest.mark.parametrize(
    ("caches", "level", "found"),
    [
        ({"L1": 32 * KB, "L2": MB, "L3": 32 * MB}, "L1", "L1"),
        ({"L1": 32 * KB, "L2": MB, "L3": 32 * MB}, "L3", "L3"),
        ({"L1": 48 * KB, "L2": 512 * KB, "L3": 16 * MB}, "L1", "L1"),
        ({"L1": 48 * KB, "L2": 512 * KB, "L3": 16 * MB}, "L2", "L3"),
        ({"L1": 48 * KB, "L2": 512 * KB, "L3": 16 * MB}, "L3", "memory"),
        ({"L1": 24 * KB, "L2": 2 * MB}, "L1", "L2"),
        ({"L1": 24 * KB, "L2": 2 * MB}, "L3", "memory"),
        ({"L1": 24 * KB, "L2": 2 * MB}, "memory", "memory"),
        ({"L1": 48 * KB, "L2": 2 * MB, "L3": 105 * MB}, "memory", "memory"),
        ({"L1": 48 * KB, "L2": 2 * MB, "L3": 480 * MB}, "memory", "L3"),
        ({}, "L2", "L2"),
    ],
)
def test_the_level_is_where_the_data_lie_on_this_machine(
    caches: dict[str, int], level: str, found: str
) -> None:
    limits = replace(LIMITS, caches=caches)
    assert find_level(level, limits) == found
    work = replace(MEASURED, level=level, n_bytes=20.0)
    assert fraction_of_limit(work, limits) == Fraction(10.0 / limits.bandwidth[found], found)


def test_of_limits_before_and_after_the_larger_count() -> None:
    after = replace(LIMITS, bandwidth=LIMITS.bandwidth | {"L1": 120.0, "memory": 9.0})
    two = replace(LIMITS, threads=2, peaks={"fma32": 1900.0})
    result = BenchmarkResult(
        measurements=(), limits_before=(LIMITS, two), limits_after=(after,),
        stability=Stability(True), division="open", open_reasons=(), machine={}, energy={},
        provenance={}, settings={},
    )  # fmt: skip
    best = find_limits(result, 1)
    assert best == replace(LIMITS, bandwidth=LIMITS.bandwidth | {"L1": 120.0})
    assert find_limits(result, 2) == two
    assert find_limits(result, 3) is None


# ---- caches


def write_cache(folder: Path, core: int, index: int, **entries: str) -> None:
    where = folder / f"cpu{core}" / "cache" / f"index{index}"
    where.mkdir(parents=True)
    for name, value in entries.items():
        (where / name).write_text(value + "\n")


def test_caches_are_read_of_the_cores_that_may_be_used(tmp_path: Path) -> None:
    for core in range(4):
        own, pair = str(core), f"{core // 2 * 2}-{core // 2 * 2 + 1}"
        first = {"type": "Data", "level": "1", "size": "48K", "shared_cpu_list": own}
        write_cache(tmp_path, core, 0, **first)
        write_cache(tmp_path, core, 1, **(first | {"type": "Instruction", "size": "64K"}))
        second = {"type": "Unified", "level": "2", "size": "2048K", "shared_cpu_list": pair}
        write_cache(tmp_path, core, 2, **second)
        third = {"type": "Unified", "level": "3", "size": "30M", "shared_cpu_list": "0-3"}
        write_cache(tmp_path, core, 3, **third)
        write_cache(tmp_path, core, 4, **(third | {"level": "4"}))
    expected = {"L1": Cache(48 * KB, 4), "L2": Cache(2 * MB, 2), "L3": Cache(30 * MB, 1)}
    assert _caches._read_caches(tmp_path, [0, 1, 2, 3]) == expected
    assert _caches._read_caches(tmp_path, [0, 1]) == expected | {
        "L1": Cache(48 * KB, 2), "L2": Cache(2 * MB, 1)}  # fmt: skip
    (tmp_path / "cpu1" / "cache" / "index0" / "size").write_text("16K\n")
    assert _caches._read_caches(tmp_path, [0, 1])["L1"] == Cache(16 * KB, 2)
    (tmp_path / "cpu0" / "cache" / "index3" / "size").write_text("much\n")
    assert "L3" not in _caches._read_caches(tmp_path, [0])
    assert _caches._read_caches(tmp_path, [7]) == {}


def test_a_machine_that_says_nothing_is_taken_for_a_usual_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_caches, "_CPUS", tmp_path)
    monkeypatch.setattr(_caches, "count_cores", lambda: 6)
    caches, are_known = _caches.find_caches()
    assert not are_known
    assert caches == {"L1": Cache(32 * KB, 6), "L2": Cache(MB, 6), "L3": Cache(32 * MB, 1)}


def test_each_thread_reads_what_its_share_of_a_level_holds() -> None:
    here = {"L1": Cache(32 * KB, 2), "L2": Cache(MB, 2), "L3": Cache(32 * MB, 1)}
    assert choose_footprints(here, 1) == {
        "L1": 16 * KB, "L2": 512 * KB, "L3": 16 * MB, "memory": 256 * MB}  # fmt: skip
    assert choose_footprints(here, 2) == {
        "L1": 16 * KB, "L2": 512 * KB, "L3": 8 * MB, "memory": 128 * MB}  # fmt: skip
    # Two threads a core, and less of the third level for each than of the second.
    server = {"L1": Cache(48 * KB, 16), "L2": Cache(2 * MB, 16), "L3": Cache(30 * MB, 1)}
    chosen = choose_footprints(server, 32)
    assert (chosen["L1"], chosen["L2"]) == (12 * KB, 512 * KB)
    assert MB < chosen["L3"] < MB + 30 * MB // 32
    assert chosen["memory"] == 8 * MB
    large = {"L1": Cache(32 * KB, 64), "L2": Cache(MB, 64), "L3": Cache(32 * MB, 8)}
    assert choose_footprints(large, 64)["memory"] == 16 * MB  # 1 GB in all
    none = {"L1": Cache(64 * KB, 4), "L2": Cache(MB, 1)}
    assert choose_footprints(none, 4) == {"L1": 32 * KB, "L2": 128 * KB, "memory": 64 * MB}


@pytest.mark.parametrize(
    ("siblings", "threads", "cpus"),
    [
        (lambda cpu: f"{cpu % 4},{cpu % 4 + 4}", 1, [0]),
        (lambda cpu: f"{cpu % 4},{cpu % 4 + 4}", 2, [0, 2]),  # not 0 and 4, which are one core
        (lambda cpu: f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}", 2, [0, 4]),
        (lambda cpu: f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}", 4, [0, 2, 4, 6]),
        (lambda cpu: f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}", 6, [0, 2, 4, 6, 1, 3]),
        (lambda cpu: f"{cpu % 4},{cpu % 4 + 4}", 8, list(range(8))),
        (None, 4, [0, 2, 4, 6]),  # a system that does not tell
        (None, 9, [*range(8), 0]),
    ],
)
def test_threads_share_a_core_only_where_they_must(
    siblings: Callable[[int], str] | None, threads: int, cpus: list[int], tmp_path: Path
) -> None:
    if siblings:
        for cpu in range(8):
            folder = tmp_path / f"cpu{cpu}" / "topology"
            folder.mkdir(parents=True)
            (folder / "thread_siblings_list").write_text(siblings(cpu) + "\n")
    assert _caches._spread(tmp_path, list(range(8)), threads) == cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be bound here")
def test_threads_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with _limits._bound_to(core):
        assert os.sched_getaffinity(0) == {core}
    assert os.sched_getaffinity(0) == before
    with _limits._bound_to(None):
        assert os.sched_getaffinity(0) == before

    def refuse(pid: int, cores: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with _limits._bound_to(core):  # then they are where the system wants them
        pass
