"""The record of a study: a JSON file of parameters and results, and of what really measured them.

A study is one sweep or several, which may have been stopped and gone on with, on other numbers of
workers and on other machines. Finished sweeps hold no sessions in their files, so that a record
keeps those of the record that it replaces.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from binnet import sweeps
from binnet._files import check_file, is_ours, write_json
from binnet._provenance import describe_machine, describe_run, describe_session
from binnet._records import check_sealed, reading, seal
from binnet.sweeps import SweepRecord

_UNFINISHED = "unfinished"


@contextmanager
def record_study(
    path: str | os.PathLike[str], parameters: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Write down a study that is run inside: parameters, results, and where they come from.

    Parameters
    ----------
    path : path-like
        File to write, .json, when the study has ended. One that was stopped by then leaves a file
        without results, which the same study replaces when it has gone on to its end.
    parameters : mapping, optional
        What the study was asked for, as plain values.

    Yields
    ------
    dict
        For the results, as plain values without NaN; to be filled by the caller. The file holds
        them beside "parameters" and "run". In the latter are "seeds", all that ran; "workers" and
        "threads", the most processes, and the most threads that the kernels of one cell ran on
        (null where a sweep was measured before and nobody has noted it); version, packages, CPU,
        command and start of the session that wrote the file; and "sweeps", for each file its seeds
        and sessions. See `binnet.sweeps.SweepRecord` for those.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or if binnet did not write a file there.
    ValueError
        If the record there is damaged.

    Examples
    --------
    >>> from binnet.studies import record_study
    >>> from binnet.studies.symmetry import run_symmetry, summarise_symmetry
    >>> with record_study("symmetry.json", {"n_hidden": 100}) as results:  # doctest: +SKIP
    ...     measured = run_symmetry("symmetry.nc", n_hidden=100)
    ...     results["last_epoch"] = summarise_symmetry(measured)
    """
    path = Path(path)
    check_file(path)
    earlier = _read(path)
    known = {
        (part.get("file"), part.get("sweep")): part["sessions"]
        for part in earlier.get("run", {}).get("sweeps", [])
        if part.get("sessions")
    }
    results: dict[str, Any] = {}
    asked = {"parameters": dict(parameters or {})}
    session = describe_session()
    with sweeps.watch() as seen:
        try:
            yield results
        except BaseException:
            # The sessions of the sweeps that are finished are nowhere else.
            finished = any(s.path is not None and s.path.exists() and s.sessions for s in seen)
            if finished and (not earlier or _UNFINISHED in earlier):
                run = _describe(seen, known, session)
                write_json(path, seal({**asked, _UNFINISHED: True, "run": run}))
            raise
    write_json(path, seal({**asked, **results, "run": _describe(seen, known, session)}))


def _read(path: Path) -> dict[str, Any]:
    """Return the record that is there; an empty one where there is none, or something else."""
    if not is_ours(path):
        return {}
    with reading(path, "record of a study", "remove it, and who measured is forgotten"):
        return check_sealed(path, json.loads(path.read_text("utf-8")))


def _describe(
    seen: Sequence[SweepRecord],
    known: Mapping[tuple[Any, Any], list[dict[str, Any]]],
    session: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the provenance of a study, as plain values."""
    here = describe_machine()
    parts: dict[Any, dict[str, Any]] = {}
    for number, sweep in enumerate(seen):
        file = None if sweep.path is None else sweep.path.name
        text = json.dumps(sweep.description, sort_keys=True)
        part: dict[str, Any] = {
            "file": file,
            "observable": sweep.description.get("observable"),
            "sweep": hashlib.sha256(text.encode()).hexdigest()[:16],
            "seeds": sweep.seeds,
            "cells": math.prod(map(len, sweep.description.get("grid", {}).values())),
        }
        sessions = sweep.sessions
        if sessions is None:
            sessions = known.get((file, part["sweep"]))
        if sessions is not None:
            sessions = [
                {name: value for name, value in session.items() if name != "machines"}
                for session in sessions
                if session["cells"]
            ]
        if sweep.provenance != here:
            part["machine"] = dict(sweep.provenance)
        parts[file or number] = {**part, "sessions": sessions}
    every = [part["sessions"] for part in parts.values()]
    sessions = None if None in every else [session for group in every for session in group]
    threads, workers = (_find_most(name, sessions) for name in ("threads", "workers"))
    seeds = sorted({seed for part in parts.values() for seed in part["seeds"]})
    run = describe_run(threads=threads, seeds=seeds, workers=workers)
    return {**run, **session, "sweeps": list(parts.values())}


def _find_most(name: str, sessions: Sequence[Mapping[str, Any]] | None) -> int | None:
    """Return the largest number of any session; None where one has not noted it."""
    if sessions is None or any(name not in session for session in sessions):
        return None
    return max((session[name] for session in sessions), default=1)
