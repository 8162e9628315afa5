"""The caches of the machine, and how much of each there is for a thread of several."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from binnet._threads import count_cores
from binnet.benchmarks._host._readings import parse_size

_CPUS = Path("/sys/devices/system/cpu")
# Where the system does not say: a machine of today, whose cores share the last level.
_USUAL = {"L1": 32 * 2**10, "L2": 2**20, "L3": 32 * 2**20}


class Cache(NamedTuple):
    """Caches of one level."""

    n_bytes: int  # of each
    n_caches: int  # how many the cores of this process have

    def share(self, threads: int) -> int:
        """Return the bytes that each of `threads` has, if they spread over all caches."""
        return self.n_bytes * min(self.n_caches, threads) // threads


def find_caches() -> tuple[dict[str, Cache], bool]:
    """Return the data caches "L1", "L2", "L3", as far as there are any, and whether they are known.

    Where the system does not say (anything but Linux) they are those of a usual machine.
    """
    found = _read_caches(_CPUS, _list_cpus())
    if found:
        return found, True
    n_cores = count_cores()
    counts = {"L1": n_cores, "L2": n_cores, "L3": 1}
    return {level: Cache(size, counts[level]) for level, size in _USUAL.items()}, False


def _list_cpus() -> list[int]:
    """Return the CPUs that this process may run on; none where the system does not tell."""
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return []


def spread_threads(threads: int) -> list[int]:
    """Return a CPU for each of `threads`, far apart: two share a core only where they must.

    Empty where the system does not tell the CPUs.
    """
    cpus = _list_cpus()
    return _spread(_CPUS, cpus, threads) if cpus else []


def _spread(folder: Path, cpus: list[int], threads: int) -> list[int]:
    before: Counter[str] = Counter()  # CPUs of a core
    places = []
    for cpu in cpus:
        core = _read_siblings(folder / f"cpu{cpu}" / "topology") or str(cpu)
        places.append((before[core], cpu))
        before[core] += 1
    firsts = [cpu for nth, cpu in places if nth == 0]
    if threads <= len(firsts):  # also over sockets
        return [firsts[rank * len(firsts) // threads] for rank in range(threads)]
    in_order = [cpu for _, cpu in sorted(places)]
    return [in_order[rank % len(in_order)] for rank in range(threads)]


def _read_siblings(folder: Path) -> str | None:
    for name in ("core_cpus_list", "thread_siblings_list"):
        with suppress(OSError):
            return (folder / name).read_text().strip()
    return None


def _read_caches(folder: Path, cores: list[int]) -> dict[str, Cache]:
    """Read what Linux says of the caches of some cores below `folder`."""
    sizes: dict[str, int] = {}
    sharers: dict[str, set[str]] = {}
    for core in cores:
        for index in sorted(folder.glob(f"cpu{core}/cache/index*")):
            try:
                kind, level, size, shared = (
                    (index / name).read_text().strip()
                    for name in ("type", "level", "size", "shared_cpu_list")
                )
                n_bytes = parse_size(size)
            except (OSError, ValueError):  # a machine that does not say everything
                continue
            name = f"L{level}"
            if kind != "Instruction" and name in _USUAL and n_bytes > 0:
                # Cores may differ: what fits into the smaller cache fits into every one.
                sizes[name] = min(n_bytes, sizes.get(name, n_bytes))
                sharers.setdefault(name, set()).add(shared)
    return {name: Cache(sizes[name], len(sharers[name])) for name in sorted(sizes)}


def choose_footprints(caches: Mapping[str, Cache], threads: int) -> dict[str, int]:
    """Return how many bytes each of `threads` reads to find the bandwidth of each level.

    Half of what it has of the first level and of the second; half of the third, but so much that
    the second cannot hold it, though no more than both do; and of memory four times the last level
    in all, between 256 MB and 1 GB. A level that is not there is left out.
    """
    chosen = {}
    for level in ("L1", "L2"):
        if level in caches:
            chosen[level] = caches[level].share(threads) // 2
    if "L3" in caches:
        share = caches["L3"].share(threads)
        second = caches["L2"].share(threads) if "L2" in caches else 0
        chosen["L3"] = min(max(share // 2, 2 * second), second + share * 3 // 4)
    last = list(caches.values())[-1]
    in_all = min(max(4 * last.n_bytes * last.n_caches, 256 * 2**20), 2**30)
    chosen["memory"] = in_all // threads
    return chosen
