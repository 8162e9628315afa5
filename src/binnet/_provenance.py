"""Where a result comes from: version, seed, machine, threads and packages."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "safetensors", "matplotlib")


@cache
def get_version() -> str:
    """Return binnet's version."""
    try:
        return metadata.version("binnet")
    except metadata.PackageNotFoundError:  # running from a source tree that is not installed
        return "unknown"


def describe_run(seed: int, threads: int) -> dict[str, Any]:
    """Return what a reader needs to repeat a run, as plain values."""
    return {
        "binnet": get_version(),
        "seed": seed,
        "threads": threads,
        "cpu": _cpu_model(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(_find_packages()),
        "command": sys.argv,
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
