"""The journal of a sweep: every finished cell, kept at once in an SQLite file beside the result.

A cell is one transaction: after a crash, a kill or a full disk it is either there as a whole or
not at all. The same cell is never kept twice, however often it was measured. Each carries a digest
of its key and its bytes; one that was damaged since is not read, but measured again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# A cell's measurement: dimensions and values of each variable.
Measurement = dict[str, tuple[tuple[str, ...], NDArray[Any]]]
_TABLES = {"cells": "key TEXT PRIMARY KEY, data BLOB NOT NULL",
           "sweep": "name TEXT PRIMARY KEY, value TEXT NOT NULL"}  # fmt: skip
_REMEDIES = {
    sqlite3.SQLITE_FULL: "If the disk is full, make room and run the same sweep again: cells that "
    "were finished stay in the journal and are not measured again",
    sqlite3.SQLITE_BUSY: "Another process has held it for a minute: end that one first",
}
_DAMAGED = (
    "It is damaged, or no journal of a sweep: bring a copy of it back, or move it away and the "
    "sweep begins anew; or name another output"
)


class KeptCell(NamedTuple):
    """A cell in a journal or a file."""

    measurement: Measurement
    origin: str | None  # JSON of who measured it, if not the sweep that it is part of now


class JournalGoneError(Exception):
    """The journal's file is no more where it was: another process has finished the sweep."""


class Journal:
    """Finished cells by key, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session = f"session {secrets.token_hex(8)}"
        with self._clear_errors():
            self._connection = sqlite3.connect(path, timeout=60)
            # Bytes that are no text any more must not hide the other cells.
            self._connection.text_factory = lambda text: text.decode("utf-8", "replace")
            for table, columns in _TABLES.items():
                self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
            self._connection.commit()
            self._add_columns("cells", "digest", "origin")
            self._add_columns("sweep", "digest")
        self._identity = identify_file(path)
        self._description: str | None = None  # of the sweep that writes into it

    def _add_columns(self, table: str, *names: str) -> None:
        """Add what the journals of older versions lack."""
        found = {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}
        for name in names:
            if name in found:
                continue
            try:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} TEXT")
            except sqlite3.OperationalError as error:  # another process was quicker
                if "duplicate column" not in str(error):
                    raise

    def close(self) -> None:
        """Close the file; all finished cells are in it."""
        self._connection.close()

    def description(self) -> dict[str, Any] | None:
        """Return the sweep that the journal was begun for, or None for a new journal."""
        text = self._read("description")
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise OSError(f"cannot use the journal {self.path}: what it is of is lost. {_DAMAGED}")
        return found

    def begin(
        self,
        description: Mapping[str, Any],
        cells: Mapping[str, KeptCell] | None = None,
        sessions: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Note which sweep this is the journal of, and the cells that it begins with."""
        self._description = json.dumps(description)
        with self._clear_errors(), self._connection:
            self._write("description", self._description)
            for number, session in enumerate(sessions):
                self._write(f"session {number}", json.dumps(session))
            for key, cell in (cells or {}).items():
                self._insert(key, cell)

    def renew(self, description: Mapping[str, Any], origin: str | None) -> None:
        """Make it the journal of a sweep with more cells, or of who takes these over."""
        self._description = json.dumps(description)
        with self._clear_errors(), self._connection:
            self._write("description", self._description)
            if origin is None:
                return
            for rowid, key, data in self._connection.execute(
                "SELECT rowid, key, data FROM cells WHERE origin IS NULL"
            ).fetchall():
                self._connection.execute(
                    "UPDATE cells SET origin = ?, digest = ? WHERE rowid = ?",
                    (origin, _digest(key, origin, data), rowid),
                )

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions that measured the finished cells, the first one first."""
        with self._clear_errors():
            names = self._connection.execute(
                "SELECT name FROM sweep WHERE name LIKE 'session%' ORDER BY rowid"
            ).fetchall()
        sessions: list[dict[str, Any]] = []
        for (name,) in names:
            try:
                found = json.loads(self._read(name) or "[]")
            except (ValueError, RecursionError, OSError):  # damaged: the cells are what counts
                continue
            sessions += found if isinstance(found, list) else [found]  # older ones were in one row
        return sessions

    def add(self, key: str, measurement: Measurement, session: Mapping[str, Any]) -> None:
        """Keep a finished cell, and the session as it is with it.

        Raises what `check_ours` does.
        """
        self.check_ours()
        with self._clear_errors(), self._connection:
            self._insert(key, KeptCell(measurement, None))
            self._write(self._session, json.dumps(session))

    def check_ours(self) -> None:
        """Refuse to go on where the file is gone, or has become the journal of another sweep.

        Raises JournalGoneError where it is not there any more.
        """
        if identify_file(self.path) != self._identity:
            raise JournalGoneError
        if self._read("description") != self._description:
            raise OSError(
                f"cannot go on with the journal {self.path}: another run has taken it over for "
                "another sweep; name another output for one of them"
            )

    def _insert(self, key: str, cell: KeptCell) -> None:
        data = _to_bytes(cell.measurement)
        self._connection.execute(
            "INSERT OR IGNORE INTO cells (key, data, origin, digest) VALUES (?, ?, ?, ?)",
            (key, data, cell.origin, _digest(key, cell.origin, data)),
        )

    def _write(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO sweep (name, value, digest) VALUES (?, ?, ?)",
            (name, value, _digest(name, None, value.encode())),
        )

    def _read(self, name: str) -> str | None:
        with self._clear_errors():
            row = self._connection.execute(
                "SELECT value, digest FROM sweep WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return None
        value, digest = row
        if not isinstance(value, str) or digest not in (None, _digest(name, None, value.encode())):
            raise OSError(f"cannot use the journal {self.path}: its {name} is damaged. {_DAMAGED}")
        return value

    def read(self) -> tuple[dict[str, KeptCell], int]:
        """Return the finished cells by key, and how many more there are that are damaged."""
        cells, damaged = self._read_all()
        return cells, len(damaged)

    def drop_damaged(self) -> int:
        """Remove damaged cells, so that they are measured again; return how many there were."""
        _, damaged = self._read_all()
        if damaged:
            with self._clear_errors(), self._connection:
                self._connection.executemany(
                    "DELETE FROM cells WHERE rowid = ?", [(rowid,) for rowid in damaged]
                )
        return len(damaged)

    def _read_all(self) -> tuple[dict[str, KeptCell], list[int]]:
        """Return finished cells by key, and the rows of damaged ones; as much as can be read."""
        cells: dict[str, KeptCell] = {}
        damaged = []
        seen = set()
        for order in ("ASC", "DESC"):  # from both ends, up to a place that SQLite cannot read
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                for rowid, key, data, origin, digest in self._connection.execute(
                    f"SELECT rowid, key, data, origin, digest FROM cells ORDER BY rowid {order}"
                ):
                    if rowid in seen:
                        break
                    seen.add(rowid)
                    try:
                        if digest is not None and digest != _digest(key, origin, data):
                            raise ValueError
                        cells[key] = KeptCell(_from_bytes(data), origin)
                    except Exception:  # what NumPy and zipfile make of bytes that are no archive
                        damaged.append(rowid)
        return cells, damaged

    def is_sound(self) -> bool:
        """Return whether SQLite finds its file in order."""
        try:
            found = self._connection.execute("PRAGMA integrity_check(1)").fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return False
        return found == [("ok",)]

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, _DAMAGED)
            raise OSError(f"cannot use the journal {self.path} ({error}). {remedy}") from error


def identify_file(path: Path) -> tuple[int, int] | None:
    """Return which file is at a path, None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _digest(key: str, origin: str | None, data: bytes) -> str:
    head = json.dumps([key, origin]).encode()
    return hashlib.sha256(head + data).hexdigest()


def _to_bytes(measurement: Measurement) -> bytes:
    buffer = io.BytesIO()
    names = json.dumps([[name, list(dims)] for name, (dims, _) in measurement.items()])
    arrays = [values for _, values in measurement.values()]
    np.savez(buffer, names, *arrays, allow_pickle=False)
    return buffer.getvalue()


def _from_bytes(data: bytes) -> Measurement:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        names = json.loads(str(archive["arr_0"]))
        return {
            name: (tuple(dims), archive[f"arr_{1 + k}"]) for k, (name, dims) in enumerate(names)
        }
