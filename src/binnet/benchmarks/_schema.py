"""Versions of the result file: what it is read by, and how a file of an older version becomes new.

The shapes themselves are JSON Schemas, schema-1.json and schema-2.json in `data`, explained in
docs/benchmark_schema.md. They are for others; binnet reads by `Part`, which needs no package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

#: Version of the part "binnet" of the files that are written.
SCHEMA_VERSION = 2
_LONGEST = 60  # characters of a wrong value that are shown


class Part:
    """A table of a result file, whose values are checked when they are taken.

    Parameters
    ----------
    path : str
        Of the file, for messages.
    values : Any
        The table, as JSON has it.
    where : str, default ""
        Its keys, from the top: "binnet.measurements[3]".
    """

    def __init__(self, path: str, values: Any, where: str = "") -> None:
        self.path = path
        self.where = where
        if not isinstance(values, dict):
            raise self.wrong(where or "its top level", "a table", values)
        self.values = values

    def wrong(self, name: str, valid: str, value: object) -> ValueError:
        """Return the error that says what a value should have been."""
        shown = repr(value)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
        return ValueError(
            f"{self.path}: {name} must be {valid}, got {shown}; use an undamaged copy"
        )

    def name(self, key: str) -> str:
        """Return a key with those above it."""
        return f"{self.where}.{key}" if self.where else key

    def take(self, key: str, valid: str, is_valid: Callable[[Any], bool]) -> Any:
        """Return a value that passes a check, which `valid` says in words."""
        if key not in self.values:
            raise ValueError(f"{self.path} lacks {self.name(key)}; use an undamaged copy")
        value = self.values[key]
        if not is_valid(value):
            raise self.wrong(self.name(key), valid, value)
        return value

    def text(self, key: str, *choices: str) -> Any:
        """Return a string, one of the choices if there are any."""
        if choices:
            return self.take(key, f"one of {', '.join(choices)}", lambda value: value in choices)
        return self.take(key, "a text", lambda value: isinstance(value, str))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(self.take(key, "a list of texts", lambda value: _is_list(value, str)))

    def flag(self, key: str) -> bool:
        """Return true or false."""
        return bool(self.take(key, "true or false", lambda value: isinstance(value, bool)))

    def count(self, key: str) -> int:
        """Return an integer of at least 1."""
        return int(self.take(key, "an integer of at least 1", lambda v: _is_count(v) and v >= 1))

    def real(self, key: str) -> float:
        """Return a number of at least 0."""
        return float(self.take(key, "a number of at least 0", _is_amount))

    def positive(self, key: str) -> float:
        """Return a number above 0."""
        return float(self.take(key, "a number above 0", _is_positive))

    def real_or_none(self, key: str) -> float | None:
        """Return a number of at least 0, or None."""
        value = self.take(
            key, "a number of at least 0, or null", lambda v: v is None or _is_amount(v)
        )
        return None if value is None else float(value)

    def seconds(self, key: str) -> tuple[float, ...]:
        """Return a list of numbers above 0, of which there is one at least."""
        values = self.take(
            key,
            "a list of numbers above 0",
            lambda items: _is_list(items, object) and items and all(map(_is_positive, items)),
        )
        return tuple(float(value) for value in values)

    def table(self, key: str) -> dict[str, Any]:
        """Return a table of anything."""
        return dict(self.take(key, "a table", lambda value: isinstance(value, dict)))

    def numbers(self, key: str) -> dict[str, float]:
        """Return a table of numbers."""
        table = Part(self.path, self.table(key), self.name(key))
        return {k: float(table.take(k, "a number", _is_finite)) for k in table.values}

    def positives(self, key: str) -> dict[str, float]:
        """Return a table of numbers above 0."""
        table = Part(self.path, self.table(key), self.name(key))
        return {k: table.positive(k) for k in table.values}

    def counts(self, key: str) -> dict[str, int]:
        """Return a table of integers."""
        table = Part(self.path, self.table(key), self.name(key))
        return {k: int(table.take(k, "an integer", _is_count)) for k in table.values}

    def names(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        table = Part(self.path, self.table(key), self.name(key))
        return {k: str(table.text(k)) for k in table.values}

    def part(self, key: str) -> Part:
        """Return a table to take values from."""
        return Part(self.path, self.table(key), self.name(key))

    def parts(self, key: str) -> list[Part]:
        """Return a list of tables to take values from."""
        items = self.take(key, "a list of tables", lambda value: isinstance(value, list))
        return [Part(self.path, item, f"{self.name(key)}[{k}]") for k, item in enumerate(items)]


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max  # JSON has integers that no float holds


def _is_amount(value: Any) -> bool:
    return _is_finite(value) and value >= 0


def _is_positive(value: Any) -> bool:
    return _is_finite(value) and value > 0


def upgrade(path: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a file in the present version, whichever it was written in.

    Raises
    ------
    ValueError
        If it is of a version that this binnet does not know.
    """
    version = Part(path, content["binnet"], "binnet").count("schema")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{path} is of schema version {version}, of a newer binnet; this one reads versions 1 "
            f"to {SCHEMA_VERSION}: update it (pip install --upgrade binnet)"
        )
    for step in _STEPS[version - 1 :]:
        content = {**content, "binnet": step(Part(path, content["binnet"], "binnet"))}
    return content


def _upgrade_1(part: Part) -> dict[str, Any]:
    """Version 1 had limits once, and of these and of measurements less; nothing was observed."""
    values = dict(part.values)
    unknown: dict[str, Any] = {"footprints": {}, "caches": {}, "instructions": {}}
    values["limits_before"] = [{**limits.values, **unknown} for limits in part.parts("limits")]
    values["limits_after"] = []
    del values["limits"]
    values["stability"] = {**part.table("stability"), "observed": {}}
    values["energy"] = {"available": False, "reason": "schema version 1 has no energy"}
    values["measurements"] = [
        {**measurement.values, "joules": None, "implementation": "binnet"}
        for measurement in part.parts("measurements")
    ]
    return {**values, "schema": 2}


_STEPS: tuple[Callable[[Part], Mapping[str, Any]], ...] = (_upgrade_1,)
