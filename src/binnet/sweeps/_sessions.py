"""Who measured a sweep: its sessions, with their workers and threads, and the machines.

The file of a finished sweep is the same whoever measured it, and holds the machines only. The
sessions are in the journal while there is one; `watch` hands them on to who wants to keep them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from binnet._provenance import describe_machine, describe_session


class Surroundings(NamedTuple):
    """In what a cell was measured."""

    threads: tuple[int, ...]  # numbers of threads that its kernels ran on
    blas_threads: int  # that linear algebra may have used
    machine: dict[str, Any]


def describe_surroundings(threads: set[int]) -> Surroundings:
    """Return in what the cell was measured whose kernels ran on these numbers of threads."""
    return Surroundings(tuple(sorted(threads)), _count_blas_threads(), describe_machine())


@cache  # as the workers of a process stay as they are
def _count_blas_threads() -> int:
    from threadpoolctl import threadpool_info

    pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return int(max(pools, default=1))


def begin_session(workers: int, scheduler: str | None) -> dict[str, Any]:
    """Return a session that has measured nothing yet, as plain values."""
    return {
        "cells": 0,
        "workers": workers,
        **({} if scheduler is None else {"scheduler": scheduler}),
        "threads": 1,
        "threads_by_clock": False,
        "blas_threads": 1,
        **describe_session(),
        "machines": [],
    }


def note_cell(session: dict[str, Any], cell: Surroundings) -> None:
    """Count a finished cell."""
    session["cells"] += 1
    session["threads"] = max(session["threads"], *cell.threads, 1)
    session["threads_by_clock"] |= len(cell.threads) > 1
    session["blas_threads"] = max(session["blas_threads"], cell.blas_threads)
    if cell.machine not in session["machines"]:
        session["machines"].append(cell.machine)


def describe_machines(sessions: Sequence[Mapping[str, Any]], version: str) -> dict[str, Any]:
    """Return the machine that measured a sweep; further ones under "others"."""
    machines: list[dict[str, Any]] = []
    for session in sessions:
        machines += [machine for machine in session["machines"] if machine not in machines]
    if not machines:  # nothing is measured yet, or by a version that did not note it
        return {"binnet": version}
    first, *others = machines
    return {**first, "others": others} if others else first


@dataclass(frozen=True)
class SweepRecord:
    """A sweep that was run or loaded while somebody watched.

    Attributes
    ----------
    path : Path or None
        Its file, if it has one.
    description : dict
        Observable, grid, fixed parameters and version.
    sessions : list of dict or None
        The sessions that measured its cells: "cells", how many; "workers", processes; "threads",
        the most that the kernels of a cell ran on; "threads_by_clock", whether a cell also ran on
        fewer, whichever had been faster; "blas_threads", the most that linear algebra could use;
        "command", "started" and "machines". Of the cells of a finished file that the sweep goes on
        from, "cells" and "machines" only. None for a finished file, which does not hold them.
    machine : dict or None
        Of a finished file, the machine that measured it.
    """

    path: Path | None
    description: Mapping[str, Any]
    sessions: list[dict[str, Any]] | None
    machine: Mapping[str, Any] | None = None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Version, CPU, system and packages that measured it."""
        if self.sessions is None:
            return self.machine or {}
        return describe_machines(self.sessions, self.description["binnet"])

    @property
    def seeds(self) -> list[int]:
        """The seeds among its parameters, rising."""
        parameters = {**self.description.get("fixed", {}), **self.description.get("grid", {})}
        seeds = parameters.get("seed", [])
        return sorted(seeds) if isinstance(seeds, list) else [seeds]


_watching: ContextVar[list[SweepRecord] | None] = ContextVar("watching", default=None)


@contextmanager
def watch() -> Iterator[list[SweepRecord]]:
    """Note every sweep that is run or loaded inside.

    Yields
    ------
    list of SweepRecord
        One for each sweep, in order; those of sweeps that were stopped hold what there was.

    Examples
    --------
    >>> from binnet import sweeps
    >>> def square(x, seed):
    ...     return {"y": x * x + seed}
    >>> with sweeps.watch() as seen:
    ...     result = sweeps.run({"x": [1, 2], "seed": [0, 1]}, square, progress=False)
    >>> seen[0].sessions[0]["cells"], seen[0].sessions[0]["workers"]
    (4, 1)
    """
    seen: list[SweepRecord] = []
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def note_sweep(record: SweepRecord) -> None:
    """Tell the watcher, if there is one."""
    seen = _watching.get()
    if seen is not None:
        seen.append(record)
