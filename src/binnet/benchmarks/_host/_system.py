"""What the operating system grants: cores of a control group, memory, large pages."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from binnet.benchmarks._host._cpu import read_sysctl
from binnet.benchmarks._host._readings import Readings, parse_list

_GROUPS = "sys/fs/cgroup"
_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"


def find_quota(readings: Readings) -> tuple[float | None, str]:
    """Return how many cores' worth of time the control groups grant, and by which version.

    The least along the way from the root to the group of this process. None, and "none", where
    nothing limits it; "unknown" where nobody can tell.
    """
    quotas: list[tuple[float, str]] = []
    is_told = False
    for folder in _find_groups(readings, ""):
        text = readings.read(f"{folder}/cpu.max")
        is_told |= text is not None
        quotas += _divide(*(text or "max").partition(" ")[::2], "v2")
    for folder in _find_groups(readings, "cpu"):
        text = readings.read(f"{folder}/cpu.cfs_quota_us")
        is_told |= text is not None
        quotas += _divide(text or "-1", readings.read(f"{folder}/cpu.cfs_period_us") or "", "v1")
    if quotas:
        return min(quotas)
    # The root of all groups has no file of its own: a process that is in it has no limit.
    is_told |= any(True for _ in _find_groups(readings, ""))
    return None, "none" if is_told else "unknown"


def _divide(quota: str, period: str, version: str) -> list[tuple[float, str]]:
    """Return microseconds over those of a period, which is a tenth of a second where not told."""
    period = period or "100000"
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:
        return [(int(quota) / int(period), version)]
    return []


def find_granted(readings: Readings) -> list[int] | None:
    """Return the CPUs that the control groups let this process have; None where none tells."""
    for controller, names in (
        ("", ("cpuset.cpus.effective",)),
        ("cpuset", ("cpuset.effective_cpus", "cpuset.cpus")),
    ):
        for folder in reversed(list(_find_groups(readings, controller))):
            for name in names:
                try:
                    granted = parse_list(readings.read(f"{folder}/{name}") or "")
                except ValueError:
                    continue
                if granted:
                    return granted
    return None


def _find_groups(readings: Readings, controller: str) -> Iterator[str]:
    """Yield the folders of the groups of a controller ("": version 2) from the root to our own.

    In a container what proc/self/cgroup names may lie outside; then the root is the own group.
    """
    for line in (readings.read("proc/self/cgroup") or "").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller not in controllers.split(","):
            continue
        names = ("/unified", "") if not controller else (f"/{controllers}", f"/{controller}")
        for name in names:
            root = f"{_GROUPS}{name}"
            if not (readings.root / root).is_dir():
                continue
            parts = PurePosixPath(path).parts[1:]
            folders = ["/".join((root, *parts[:k])) for k in range(len(parts) + 1)]
            yield from (folder for folder in folders if (readings.root / folder).is_dir())
            break


def describe_quota(readings: Readings) -> dict[str, Any]:
    """Return what is granted, in cores' worth of time and in CPUs."""
    quota, version = find_quota(readings)
    if version == "unknown":
        readings.miss("cores.quota", f"there are no control groups in {_GROUPS}")
    granted = find_granted(readings)
    if granted is None:
        readings.miss("cores.granted", f"there is no cpuset in {_GROUPS}")
    return {"quota": quota, "quota_by": version, "granted": granted}


def describe_memory(readings: Readings) -> dict[str, Any]:
    """Return the bytes of memory, and whether the kernel gives large pages unasked."""
    told = read_sysctl("hw.memsize")
    n_bytes = int(told) if told else readings.find("memory.bytes", "proc/meminfo", _parse_memory)
    return {
        "bytes": n_bytes,
        "huge_pages": readings.find("memory.huge_pages", _PAGES, _parse_choice),
    }


def _parse_memory(text: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    raise ValueError("no total")


def _parse_choice(text: str) -> str:
    """Return the word in brackets: ``always [madvise] never``."""
    return text.split("[", 1)[1].split("]", 1)[0]


def describe_system(readings: Readings) -> dict[str, Any]:
    """Return the operating system, its kernel and C library."""
    libc = " ".join(platform.libc_ver()).strip() or None
    if libc is None:
        readings.miss("system.libc", f"{platform.system()} does not tell it")
    return {
        "name": readings.find("system.name", "etc/os-release", _parse_release),
        "kernel": f"{platform.system()} {platform.release()}",
        "libc": libc,
        "architecture": platform.machine(),
    }


def _parse_release(text: str) -> str:
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "PRETTY_NAME" not in lines:
        raise ValueError("no name")
    return lines["PRETTY_NAME"].strip('"')
