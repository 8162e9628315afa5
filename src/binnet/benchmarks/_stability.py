"""Whether the machine was quiet while it was measured: what else ran, and what was taken away.

A reading is taken before the processes that measure and after them, while none of them runs: what
they have used is then known as that of ended children. What a system does not tell is None.

The thresholds are those below. On two virtual cores with nothing else on them all workloads took
293 s, of which others used 0.006 cores and the hypervisor 0.4 %; medians were 1.03 times the
minimum, in 3 of 92 cases more than 1.25 times and once 1.41; limits repeated to 8 %. On the same
cores, while seven others compiled and tested, the median of a relaxation (N = 600) was 2.1 times
its minimum on one thread and 3.8 times on two, and others used 1.4 cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from binnet.benchmarks._result import Limits, Measurement, Stability

OTHERS = 0.05  # cores that others may use, for each core there is
STOLEN = 0.01  # of the time that the cores would have worked, taken by the hypervisor
THROTTLED = 0.01  # of the time, held back by the quota
LIMIT_CHANGE = 1.1  # ratio of a limit after and before
SPREAD, MANY = 1.25, 0.25  # median over minimum that at most such a part may exceed
GREAT_SPREAD = 2.0  # and that none may


@dataclass(frozen=True)
class Reading:
    """What the system says at one moment."""

    seconds: float  # of a clock
    own: float  # CPU seconds of this process and of its children that have ended
    cores: int  # that this process may run on
    busy: float | None = None  # CPU seconds of all processes on these
    stolen: float | None = None  # seconds that the hypervisor gave to others, of these
    load: float | None = None  # processes that want to run, mean over a minute
    throttled: float | None = None  # seconds that the quota held processes back
    n_hot: int | None = None  # times that the CPU slowed down as it was hot
    frequency: float | None = None  # of the cores, Hz, in the mean


def take_reading(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Reading:
    """Return what the system says now; the folders are those of its files."""
    cores = _find_cores()
    busy, stolen = _read_cores(proc / "stat", cores)
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Reading(
        seconds=monotonic(),
        own=own,
        cores=len(cores),
        busy=busy,
        stolen=stolen,
        load=_read_load(proc / "loadavg"),
        throttled=_read_throttling(proc / "self/cgroup", sys / "fs/cgroup"),
        n_hot=_read_heat(sys / "devices/system/cpu"),
        frequency=_read_frequency(sys / "devices/system/cpu"),
    )


def _find_cores() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on macOS and Windows
        return set(range(os.cpu_count() or 1))


def _read_cores(path: Path, cores: Iterable[int]) -> tuple[float | None, float | None]:
    """Return the seconds that cores have worked, and that were stolen from them (see proc(5))."""
    names = {f"cpu{core}" for core in cores}
    busy = stolen = found = 0
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, *ticks = line.split() or [""]
            if name in names:
                user, nice, system, _idle, _wait, irq, softirq, steal = map(int, ticks[:8])
                busy += user + nice + system + irq + softirq
                stolen += steal
                found += 1
    if not found:
        return None, None
    rate = os.sysconf("SC_CLK_TCK")
    return busy / rate, stolen / rate


def _read_load(path: Path) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        return float(path.read_text().split()[0])
    return None


def _read_throttling(groups: Path, root: Path) -> float | None:
    """Return the seconds that the quotas of this group and of those around it have taken."""
    total = None
    for folder in _find_groups(groups, root):
        with suppress(OSError, ValueError):
            stat = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
            if "throttled_usec" in stat:
                total = (total or 0.0) + 1e-6 * int(stat["throttled_usec"])
            elif "throttled_time" in stat:  # version 1
                total = (total or 0.0) + 1e-9 * int(stat["throttled_time"])
    return total


def _find_groups(groups: Path, root: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, versions 1 and 2."""
    with suppress(OSError, ValueError):
        for line in groups.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            names = controllers.split(",")
            if controllers == "" or "cpu" in names:
                top = root / "cpu" if controllers else root
                own = top / group.strip("/")
                # A container sees its own group at the root, under another's name.
                yield from dict.fromkeys([own, *own.parents[: len(own.parts) - len(top.parts)]])


def _read_heat(folder: Path) -> int | None:
    cores = _read_integers(folder.glob("cpu[0-9]*/thermal_throttle/core_throttle_count"))
    packages = _read_integers(folder.glob("cpu[0-9]*/thermal_throttle/package_throttle_count"))
    # Each core of a package shows the package's number.
    return sum(cores) + max(packages, default=0) if cores or packages else None


def _read_frequency(folder: Path) -> float | None:
    kilohertz = _read_integers(folder.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    return 1e3 * float(np.mean(kilohertz)) if kilohertz else None


def _read_integers(paths: Iterable[Path]) -> list[int]:
    found = []
    for path in paths:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return found


class Monitor:
    """A context in which the machine is watched, and what it was like.

    Parameters
    ----------
    proc, sys : Path, default /proc and /sys
        Where the system's files are.
    """

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._folders = proc, sys
        self.before: Reading | None = None
        self.after: Reading | None = None

    def __enter__(self) -> Monitor:
        self.before = take_reading(*self._folders)
        return self

    def __exit__(self, *error: object) -> None:
        self.after = take_reading(*self._folders)

    def judge(
        self,
        measurements: Sequence[Measurement],
        limits_before: Sequence[Limits],
        limits_after: Sequence[Limits],
    ) -> Stability:
        """Return whether the machine was quiet, and what says otherwise."""
        observed: dict[str, Any] = {}
        reasons: list[str] = []
        if self.before is not None and self.after is not None:
            observed = compare_readings(self.before, self.after)
            reasons += _judge_readings(observed)
        changes = _compare_limits(limits_before, limits_after)
        spreads = {f"{m.workload}, threads: {m.threads}": _find_spread(m) for m in measurements}
        reasons += [*_judge_limits(changes), *_judge_spreads(spreads)]
        observed |= {"limits_after_over_before": changes, "median_over_minimum": spreads}
        return Stability(not reasons, tuple(reasons), observed)


def compare_readings(before: Reading, after: Reading) -> dict[str, Any]:
    """Return what was between two readings, as plain values; None is what cannot be read."""
    seconds = max(after.seconds - before.seconds, 1e-9)
    busy, stolen = _difference(before.busy, after.busy), _difference(before.stolen, after.stolen)
    throttled = _difference(before.throttled, after.throttled)
    others = stolen_part = None
    if busy is not None:
        others = max(0.0, busy - (after.own - before.own)) / seconds
        stolen_part = (stolen or 0.0) / max(busy + (stolen or 0.0), 1e-9)
    return {
        "seconds": seconds,
        "cores": min(before.cores, after.cores),
        "cores_of_machine": os.cpu_count(),
        "own_cores": (after.own - before.own) / seconds,
        "other_cores": others,
        "stolen": stolen_part,
        "throttled": None if throttled is None else throttled / seconds,
        "times_too_hot": _difference(before.n_hot, after.n_hot),
        "load_before": before.load,
        "load_after": after.load,
        "frequency_before": before.frequency,
        "frequency_after": after.frequency,
        "unreadable": [
            field.name
            for field in fields(Reading)
            if getattr(before, field.name) is None or getattr(after, field.name) is None
        ],
    }


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _judge_readings(seen: Mapping[str, Any]) -> Iterator[str]:
    cores, others = seen["cores"], seen["other_cores"]
    if others is not None and others > OTHERS * cores:
        yield (
            f"other processes used {others:.2f} cores of the {cores} that the run was on (quiet is "
            f"up to {OTHERS * cores:.2f}); end them, or bind the run to other cores"
        )
    for when in ("before", "after"):
        load = seen[f"load_{when}"]
        # A run just before this one, on all cores, leaves a load of as many.
        if load is not None and load > cores + 0.5:
            yield (
                f"{load:.1f} processes wanted to run {when} it, where cores are {cores} (load of a "
                f"minute; quiet is up to {cores + 0.5:.1f}); wait until the others have ended"
            )
    if seen["stolen"] is not None and seen["stolen"] > STOLEN:
        yield (
            f"the hypervisor gave {seen['stolen']:.1%} of the time to other machines (quiet is up "
            f"to {STOLEN:.0%}); run again at another time, or on a machine of your own"
        )
    if seen["throttled"] is not None and seen["throttled"] > THROTTLED:
        yield (
            f"the quota of the control group held the run back for {seen['throttled']:.1%} of the "
            f"time (quiet is up to {THROTTLED:.0%}); raise the quota, or use fewer --threads"
        )
    if seen["times_too_hot"]:
        yield (
            f"the CPU slowed down {seen['times_too_hot']} times as it was too hot (quiet is 0); "
            "let it cool, or cool it better"
        )


def _compare_limits(before: Sequence[Limits], after: Sequence[Limits]) -> dict[str, float]:
    """Return the ratio after / before of each limit that was measured twice."""
    found = {}
    for one, other in ((b, a) for b in before for a in after if b.threads == a.threads):
        olds, news = ({**limits.bandwidth, **limits.peaks} for limits in (one, other))
        for kind in olds.keys() & news.keys():
            if olds[kind] > 0.0:
                found[f"{kind}, threads: {one.threads}"] = news[kind] / olds[kind]
    return dict(sorted(found.items()))


def _judge_limits(changes: Mapping[str, float]) -> Iterator[str]:
    changed = {k: v for k, v in changes.items() if max(v, 1.0 / max(v, 1e-9)) > LIMIT_CHANGE}
    if changed:
        worst = max(changed, key=lambda name: abs(np.log(max(changed[name], 1e-9))))
        yield (
            f"{len(changed)} of {len(changes)} limits of the machine changed by more than "
            f"{LIMIT_CHANGE - 1.0:.0%} during the run, most that of {worst}: after it was "
            f"{changed[worst]:.2f} times before; fix the clock frequency, or wait until the "
            "machine is quiet"
        )


def _find_spread(measurement: Measurement) -> float:
    """Return the median seconds of a call over the fewest."""
    return measurement.seconds / min(min(values) for values in measurement.values)


def _judge_spreads(spreads: Mapping[str, float]) -> Iterator[str]:
    if not spreads:
        return
    worst = max(spreads, key=lambda name: spreads[name])
    wide = [name for name, spread in spreads.items() if spread > SPREAD]
    remedy = "end what else runs, and bind the run to cores that nobody else uses"
    if spreads[worst] > GREAT_SPREAD:
        yield (
            f"the median of {worst} is {spreads[worst]:.2f} times its minimum (quiet is up to "
            f"{GREAT_SPREAD:g}); {remedy}"
        )
    if len(wide) > MANY * len(spreads):
        yield (
            f"the median is more than {SPREAD:g} times the minimum for {len(wide)} of "
            f"{len(spreads)} measurements (quiet is up to a quarter of them); {remedy}"
        )
