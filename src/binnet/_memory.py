"""How much memory is left, and what is refused because it would take more.

Whoever is about to allocate what grows with a parameter says so first: one line then names the
parameter, instead of a machine that swaps or a process that the system ends.
"""

from __future__ import annotations

import os
from pathlib import Path

# Bytes: what is less is granted without a look at the system, which takes time.
_ALWAYS_LEFT = 2**20
_CGROUP, _CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def check_memory(what: str, n_bytes: float, remedy: str) -> None:
    """Refuse what takes more memory than the machine, or the job's share of it, has left.

    `what` names the parameter and what it makes large; `n_bytes` is the least that it takes. Where
    the system does not say how much is left, nothing is refused.
    """
    left = find_memory() if n_bytes > _ALWAYS_LEFT else None
    if left is not None and n_bytes > left:
        raise MemoryError(
            f"{what} would take {describe_bytes(n_bytes)} of memory, and {describe_bytes(left)} "
            f"are left here; {remedy}"
        )


def describe_bytes(n_bytes: float) -> str:
    """Return an amount of memory as a person would say it."""
    gigabytes = n_bytes / 1e9
    return f"{gigabytes:,.0f} GB" if 10 <= gigabytes < 1e9 else f"{gigabytes:.2g} GB"


def find_memory() -> float | None:
    """Return how many bytes this process may still take, as far as the system says so."""
    limits = [_read_available(), _read_control_group(), _read_address_space()]
    return min((limit for limit in limits if limit is not None), default=None)


def _read_available() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    except OSError:
        pass
    try:  # macOS, say: all there is
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None


def _read_control_group() -> float | None:
    """Return what the limits of containers and batch systems leave: cgroups, version 2 or 1."""
    try:
        groups = [line.split(":", 2)[1:] for line in _CGROUP.read_text().splitlines()]
    except OSError:
        return None
    left = []
    for controllers, group in groups:
        for root, limit, used in (
            ("", "memory.max", "memory.current"),
            ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            if root not in controllers.split(","):
                continue
            # The limits of the groups around it hold, too; a container sees its own at the root.
            own = _CGROUPS / root / group.strip("/")
            for folder in (own, *own.parents[: len(Path(group).parts) - 1]):
                try:
                    left.append(
                        float((folder / limit).read_text()) - float((folder / used).read_text())
                    )
                except (OSError, ValueError):  # not there, or "max"
                    continue
    return min(left, default=None)


def _read_address_space() -> float | None:
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return float(limit - pages * resource.getpagesize())
    except (ImportError, OSError):  # Windows; not Linux
        return None
