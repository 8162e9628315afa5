"""Run folders: new, found again, and the files that every kind of run leaves in one."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import tomli_w

from binnet._files import (
    atomic_path,
    is_ours,
    make_mark,
    may_overwrite,
    name_temporary,
    remove_leftovers,
    write_json,
)
from binnet._provenance import describe_run
from binnet._records import check_sealed, read_toml, reading, seal
from binnet._run_data import CONFIGURATION, ENCODER

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.json"
PROVENANCE = "provenance.json"


def make_folder(out: Path | None, name: str, command: str) -> Path:
    """Return a new, writable folder for a run of `command`: `out`, or runs/TIME-NAME."""
    if out is None:
        out = Path("runs") / f"{datetime.now().strftime('%Y%m%d-%H%M%S')}-{name}"
    if out.is_dir():
        remove_leftovers(out)
        _clear_unfinished_start(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        way_on = ""
        if (out / CHECKPOINT).is_file():
            way_on = f", or go on with the run in it: {command} --resume {out}"
        raise FileExistsError(
            f"{out} exists and is not an empty folder; name another --out{way_on}"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot create the run folder {out} ({error.strerror}); name another --out"
        ) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into the run folder {out}; name another --out")
    _occupy(out)
    return out


def _clear_unfinished_start(folder: Path) -> None:
    """Empty the folder of a run that was killed before its first checkpoint; nothing is lost."""
    if is_unfinished_start(folder):
        for path in folder.iterdir():
            path.unlink()
        click.echo(f"starting over in {folder}: a run was stopped there at its start", err=True)


def is_unfinished_start(folder: Path) -> bool:
    """Return whether a folder holds only what a run of ours writes before its first checkpoint."""
    names = {path.name for path in folder.iterdir()}
    ours = any(is_ours(folder / name) for name in names)  # one may be of an older version
    return ours and names <= {CONFIGURATION, ENCODER, PROVENANCE}


def _occupy(folder: Path) -> None:
    """Until the command ends, let no other process take its start for an unfinished one."""
    command = click.get_current_context(silent=True)
    if command is None:
        return
    claim = name_temporary(folder / "claim")
    claim.touch()
    command.call_on_close(lambda: claim.unlink(missing_ok=True))
    if [path for path in folder.iterdir() if path != claim]:
        raise FileExistsError(f"another process has begun a run in {folder}; name another --out")


def make_study_folder(out: Path, names: Collection[str]) -> None:
    """Make the folder of a study with files NAME.nc, or find that of a study that was begun."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot create the folder {out} ({error.strerror}); name another --out"
        ) from error
    remove_leftovers(out)
    found = {path.name for path in out.iterdir()}
    ours = {f"{name}.nc{suffix}" for name in names for suffix in ("", ".partial")}
    if found and not found & ours and not may_overwrite():
        raise FileExistsError(
            f"{out} is not empty and holds nothing of this study; name another --out, or put its "
            "files there all the same, with --force"
        )


def find_checkpoint(run: Path, command: str) -> Path:
    """Return the checkpoint of a run folder that `command` wrote."""
    if run.is_dir():
        remove_leftovers(run)
    if run.is_dir() and is_unfinished_start(run):
        raise FileNotFoundError(
            f"the run in {run} was stopped before its first checkpoint; start over in it, with the "
            f"same options: {command} --config {run / CONFIGURATION} --out {run}"
        )
    if not (run / CHECKPOINT).is_file():
        raise FileNotFoundError(
            f"{run} is not a run folder: it has no {CHECKPOINT}; name a folder that `{command}` "
            "wrote"
        )
    return run / CHECKPOINT


def read_tables(path: Path) -> dict[str, Any]:
    """Return the tables of a configuration file."""
    return read_toml(path, "configuration file", "the config.toml of a run shows the form")


def write_tables(folder: Path, tables: Mapping[str, Any]) -> None:
    """Write a resolved configuration; the option --config reads it."""
    # The folder is the run's own; older versions left no mark in the file.
    with atomic_path(folder / CONFIGURATION, overwrite=True) as temporary:
        temporary.write_text(f"# {make_mark()}\n{tomli_w.dumps(tables)}", encoding="utf-8")


def add_provenance(folder: Path, seed: int, threads: int) -> None:
    """Note that a session begins: a run has one, and one more each time that it is resumed."""
    path = folder / PROVENANCE
    sessions = []
    if path.exists():
        with reading(path, "record of a run", "remove it, and the run goes on"):
            found = json.loads(path.read_bytes())
            if not isinstance(found, list):
                raise ValueError(f"a list of sessions is expected, got {type(found).__name__}")
            sessions = [check_sealed(path, each) for each in found]
    write_json(path, [*sessions, seal(describe_run(seed, threads))], overwrite=True)


def describe_files(folder: Path) -> str:
    """Return a line that names the files of a run."""
    files = ", ".join(sorted(path.name for path in folder.iterdir() if path.name[0] != "."))
    return f"files in {folder}: {files}"
