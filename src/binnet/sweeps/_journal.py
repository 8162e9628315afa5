"""The journal of a sweep: every finished cell, kept at once in an SQLite file beside the result.

A cell is one transaction: after a crash, a kill or a full disk it is either there as a whole or
not at all. The same cell is never kept twice, however often it was measured.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A cell's measurement: dimensions and values of each variable.
Measurement = dict[str, tuple[tuple[str, ...], NDArray[Any]]]


class Journal:
    """Finished cells by key, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._clear_errors():
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, data BLOB NOT NULL)"
            )
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS sweep (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            self._connection.commit()

    def close(self) -> None:
        """Close the file; all finished cells are in it."""
        self._connection.close()

    def description(self) -> dict[str, Any] | None:
        """Return the sweep that the journal was begun for, or None for a new journal."""
        with self._clear_errors():
            row = self._connection.execute(
                "SELECT value FROM sweep WHERE name = 'description'"
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def describe(self, description: Mapping[str, Any]) -> None:
        """Note which sweep this is the journal of."""
        with self._clear_errors(), self._connection:
            self._connection.execute(
                "INSERT INTO sweep VALUES ('description', ?)", (json.dumps(description),)
            )

    def keys(self) -> set[str]:
        """Return the keys of the finished cells."""
        with self._clear_errors():
            return {row[0] for row in self._connection.execute("SELECT key FROM cells")}

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions that measured the finished cells, the first one first."""
        with self._clear_errors():
            row = self._connection.execute(
                "SELECT value FROM sweep WHERE name = 'sessions'"
            ).fetchone()
        return [] if row is None else list(json.loads(row[0]))

    def add(
        self, key: str, measurement: Measurement, sessions: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Keep a finished cell, and all sessions as they are with it."""
        with self._clear_errors(), self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO cells VALUES (?, ?)", (key, _to_bytes(measurement))
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO sweep VALUES ('sessions', ?)", (json.dumps(sessions),)
            )

    def items(self) -> Iterator[tuple[str, Measurement]]:
        """Iterate over the finished cells."""
        with self._clear_errors():
            for key, data in self._connection.execute("SELECT key, data FROM cells"):
                yield key, _from_bytes(data)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise OSError(
                f"cannot use the journal {self.path} ({error}). If the disk is full, make room and "
                "run the same sweep again: cells that were finished stay in the journal and are "
                "not measured again. If the file is no journal of a sweep, name another output"
            ) from error


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
