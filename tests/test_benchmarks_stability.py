"""What says that a machine was not quiet: readings of the system's files, limits, spreads."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark_cases import make_measurement
from binnet.benchmarks._result import Limits
from binnet.benchmarks._stability import Monitor, Reading, compare_readings, take_reading

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LINUX = pytest.mark.skipif(not CORES, reason="files and calls of Linux")
QUIET = Reading(
    seconds=100.0, own=10.0, cores=4, busy=50.0, stolen=1.0, load=0.3, throttled=2.0, n_hot=7,
    frequency=3e9,
)  # fmt: skip
LATER = replace(QUIET, seconds=200.0, own=110.0, busy=150.5)
LIMITS = Limits(2, {"L1": 1e11, "memory": 1e10}, {"fma32": 1e11})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_system(folder: Path, *, ticks: int, throttled: int, hot: int) -> tuple[Path, Path]:
    proc, sys_ = folder / "proc", folder / "sys"
    own = "".join(f"cpu{core} {ticks} 1 2 9999 9999 3 4 5 77 0\n" for core in CORES)
    write(proc / "stat", f"cpu  1 2 3 4 5 6 7 8 9 0\n{own}cpu123456 9 9 9 9 9 9 9 9 0 0\nintr 1\n")
    write(proc / "loadavg", "0.75 0.50 0.25 1/96 8389\n")
    write(proc / "self/cgroup", "0::/outer/inner\n")
    group = sys_ / "fs/cgroup/outer/inner"
    write(group / "cpu.stat", f"usage_usec 5\nnr_throttled 2\nthrottled_usec {throttled}\n")
    write(group.parent / "cpu.stat", "usage_usec 5\nnr_throttled 0\nthrottled_usec 500000\n")
    write(group.parent.parent / "cpu.stat", "usage_usec 5\n")  # the root has no quota
    cpus = sys_ / "devices/system/cpu"
    for core in (0, 1):
        write(cpus / f"cpu{core}/thermal_throttle/core_throttle_count", f"{hot}\n")
        write(cpus / f"cpu{core}/thermal_throttle/package_throttle_count", "10\n")
        write(cpus / f"cpu{core}/cpufreq/scaling_cur_freq", f"{1000000 * (2 + core)}\n")
    return proc, sys_


@LINUX
def test_a_reading(tmp_path: Path) -> None:
    found = take_reading(*make_system(tmp_path, ticks=90, throttled=1_500_000, hot=3))
    rate = os.sysconf("SC_CLK_TCK")
    assert found.cores == len(CORES)
    # user, nice, system, interrupts; not idle, waiting, or what guests have used of "user"
    assert found.busy == pytest.approx(len(CORES) * (90 + 1 + 2 + 3 + 4) / rate)
    assert found.stolen == pytest.approx(len(CORES) * 5 / rate)
    assert found.load == 0.75
    assert found.throttled == pytest.approx(2.0)  # of the group and of the one around it
    assert found.n_hot == 3 + 3 + 10
    assert found.frequency == 2.5e9


@LINUX
def test_control_groups_of_version_1(tmp_path: Path) -> None:
    proc, sys_ = make_system(tmp_path, ticks=0, throttled=0, hot=0)
    write(proc / "self/cgroup", "9:memory:/x\n3:cpu,cpuacct:/job\n0::/\n")
    write(sys_ / "fs/cgroup/cpu/job/cpu.stat", "nr_throttled 1\nthrottled_time 250000000\n")
    assert take_reading(proc, sys_).throttled == pytest.approx(0.25)


def test_what_is_not_there_is_unreadable(tmp_path: Path) -> None:
    found = take_reading(tmp_path, tmp_path)
    assert found == Reading(found.seconds, found.own, found.cores)
    seen = compare_readings(found, replace(found, seconds=found.seconds + 1.0))
    assert seen["unreadable"] == ["busy", "stolen", "load", "throttled", "n_hot", "frequency"]
    assert seen["other_cores"] is None
    with Monitor(tmp_path, tmp_path) as watch:
        pass
    assert watch.judge([make_measurement()], [LIMITS], [LIMITS]).is_stable


@LINUX
def test_files_of_nonsense_are_unreadable(tmp_path: Path) -> None:
    proc, sys_ = make_system(tmp_path, ticks=0, throttled=0, hot=0)
    for path in (*proc.rglob("*"), *sys_.rglob("*")):
        if path.is_file():
            path.write_text("cpu0 nonsense\n\x00")
    found = take_reading(proc, sys_)
    assert found == Reading(found.seconds, found.own, found.cores)


def judge(after: Reading, before: Reading = QUIET) -> tuple[str, ...]:
    watch = Monitor()
    watch.before, watch.after = before, after
    found = watch.judge([make_measurement()], [LIMITS], [LIMITS])
    assert found.is_stable == (not found.reasons)
    return found.reasons


def test_a_quiet_machine_is_stable() -> None:
    assert judge(LATER) == ()
    seen = compare_readings(QUIET, LATER)
    assert seen["other_cores"] == pytest.approx(0.005)
    assert seen["own_cores"] == pytest.approx(1.0)
    assert seen["unreadable"] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"busy": 200.0}, "other processes used 0.50 cores of the 4 that the run was on"),
        ({"stolen": 4.0}, "the hypervisor gave 2.9% of the time to other machines"),
        ({"throttled": 12.0}, "held the run back for 10.0% of the time"),
        ({"n_hot": 9}, "the CPU slowed down 2 times as it was too hot"),
        ({"load": 7.0}, "7.0 processes wanted to run after it, where cores are 4"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_each_disturbance_is_a_reason(changes: dict[str, float], words: str) -> None:
    (reason,) = judge(replace(LATER, **changes))
    assert words in reason
    assert "quiet is" in reason
    assert ";" in reason  # the remedy follows


def test_load_before() -> None:
    (reason,) = judge(LATER, replace(QUIET, load=5.0))
    assert "5.0 processes wanted to run before it" in reason
    # A run on all cores just before this one is no disturbance.
    assert judge(LATER, replace(QUIET, load=4.2)) == ()


def test_limits_that_change() -> None:
    before = [replace(LIMITS, threads=1), LIMITS]
    slower = replace(LIMITS, bandwidth={"L1": 0.85e11, "memory": 1.05e10})
    found = Monitor().judge([make_measurement()], before, [before[0], slower])
    (reason,) = found.reasons
    assert "1 of 6 limits" in reason
    assert "L1, threads: 2: after it was 0.85 times before" in reason
    changes = found.observed["limits_after_over_before"]
    assert changes["memory, threads: 2"] == pytest.approx(1.05)
    # What was measured only once says nothing.
    assert Monitor().judge([make_measurement()], before, []).is_stable


def test_medians_far_above_minima() -> None:
    quiet = [make_measurement(f"w-{k}") for k in range(3)]
    wide = make_measurement("wide", values=((1.0, 1.4, 1.4), (1.4, 1.5, 1.4)))
    wider = make_measurement("wider", values=((1.0, 2.4, 2.4), (2.4, 2.5, 2.4)))

    def reasons(*measurements: object) -> tuple[str, ...]:
        return Monitor().judge(measurements, [], []).reasons  # type: ignore[arg-type]

    assert reasons(*quiet, wide) == ()  # one of four may
    (reason,) = reasons(*quiet, wide, replace(wide, threads=2))
    assert "more than 1.25 times the minimum for 2 of 5" in reason
    (reason,) = reasons(*quiet, wider)
    assert "the median of wider, threads: 1 is 2.40 times its minimum" in reason


@LINUX
def test_a_busy_process_on_the_same_core_is_seen() -> None:
    spin = "import os\nos.sched_setaffinity(0, {%d})\nprint(flush=True)\nwhile True: pass"
    busy = subprocess.Popen(
        [sys.executable, "-c", spin % CORES[0]], stdout=subprocess.PIPE, text=True
    )
    try:
        assert busy.stdout is not None
        busy.stdout.readline()  # it has begun
        os.sched_setaffinity(0, {CORES[0]})
        with Monitor() as watch:
            end = time.monotonic() + 1.0
            while time.monotonic() < end:
                pass
    finally:
        os.sched_setaffinity(0, CORES)
        busy.kill()
        busy.communicate()
    found = watch.judge([make_measurement()], [LIMITS], [LIMITS])
    assert not found.is_stable
    assert found.observed["cores"] == 1
    assert found.observed["other_cores"] > 0.1
    assert any("of the 1 that the run was on" in reason for reason in found.reasons)
