"""Where a result comes from: version, seed, machine, threads and packages."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "safetensors", "matplotlib", "xarray",
             "scikit-learn")  # fmt: skip


@cache
def get_version() -> str:
    """Return binnet's version."""
    try:
        return metadata.version("binnet")
    except metadata.PackageNotFoundError:  # running from a source tree that is not installed
        return "unknown"


def describe_run(
    seed: int | None = None,
    threads: int | None = None,
    *,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Return what a reader needs to repeat a run, as plain values.

    With `seeds` it is that of many runs, on so many worker processes and at most so many threads
    each; None there says that nobody knows it any more.
    """
    machine = describe_machine()
    who: dict[str, Any] = {"seed": seed, "threads": threads}
    if seeds is not None:
        who = {"seeds": list(seeds), "threads": threads, "workers": workers}
    return {"binnet": machine.pop("binnet"), **who, **machine, **describe_session()}


def describe_machine() -> dict[str, Any]:
    """Return what computes here: version, CPU, system and packages, as plain values."""
    return {
        "binnet": get_version(),
        "cpu": _cpu_model(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(_find_packages()),
    }


def describe_session() -> dict[str, Any]:
    """Return how this process was started, and what time it is, as plain values."""
    return {
        "command": list(sys.argv),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache  # reading the metadata takes longer than many a run
def _find_packages() -> tuple[tuple[str, str], ...]:
    versions = []
    for name in _PACKAGES:
        try:
            versions.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            versions.append((name, "not installed"))
    return tuple(versions)


@cache
def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()
