"""What is read back from files: digests, fields that are checked one by one, and clear errors."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from binnet._validation import check_integer, check_real

_LONGEST = 300  # characters of another library's message
# What a reader raises that meets what nobody writes; not KeyboardInterrupt, SystemExit or warnings.
_ANY = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


class UncheckedFileWarning(UserWarning):
    """A file of an older version has no digest of its content: damage would not be noticed."""


def compute_digest(values: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of plain values, except "sha256", and of named arrays of any kind."""
    # By way of JSON, so that tuples and keys are what they are when they have been read.
    plain = json.loads(json.dumps({k: v for k, v in values.items() if k != "sha256"}))
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name, array in sorted((arrays or {}).items()):
        array = np.ascontiguousarray(array)
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with their digest under "sha256"."""
    return {**values, "sha256": compute_digest(values)}


def check_sealed(path: Path, values: Any) -> dict[str, Any]:
    """Return what `seal` sealed and a file has held; note it where it was never sealed."""
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a table, got {type(values).__name__}")
    if "sha256" in values:
        check_digest(path, values["sha256"], compute_digest(values))
    else:
        warn_unchecked(path)
    return values


def check_digest(path: Path, found: object, expected: str) -> None:
    """Refuse a file whose digest is not that of its content."""
    if found != expected:
        raise ValueError(
            f"{path} is damaged or was edited: its digest is not that of its content; use an "
            "undamaged copy"
        )


def warn_unchecked(path: Path) -> None:
    """Note that a file is older than digests."""
    warnings.warn(
        f"{path} is of an older version of binnet and has no digest of its content: damage would "
        "not be noticed",
        UncheckedFileWarning,
        stacklevel=2,
    )


@contextmanager
def reading(
    path: Path, what: str | None = None, remedy: str = "use an undamaged copy"
) -> Iterator[None]:
    """Turn whatever a damaged file makes its reader raise into one line that names the file.

    The last line of defence: what can be said better is said by the reader. Files that people edit
    are not called damaged: `what` is None.
    """
    try:
        yield
    except _ANY as error:
        text = str(error)
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise  # not of the content
        if isinstance(error, MemoryError | OSError | TypeError | ValueError) and str(path) in text:
            raise
        line = " ".join(text.split())[:_LONGEST]
        if not isinstance(error, OSError | TypeError | ValueError):
            line = f"{type(error).__name__}: {line}"
        if what is None:
            raise ValueError(f"{path}: {line}") from None
        raise ValueError(f"{path} is damaged or no {what}: {line}; {remedy}") from None


def read_toml(path: Path, what: str, remedy: str) -> dict[str, Any]:
    """Return the tables of a TOML file, which may begin with a byte-order mark."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {what} {path}") from None
    except (ValueError, RecursionError) as error:  # also of bytes and of integers without end
        raise ValueError(f"{path} is not TOML ({error}); {remedy}") from None


class Record:
    """The fields of a header, each of which is checked when it is taken."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path = path
        self.values = values

    def take(self, name: str, kind: type | tuple[type, ...], valid: str) -> Any:
        """Return a field of a type, which `valid` names."""
        if name not in self.values:
            raise ValueError(f"{self.path}: its header lacks {name}; use an undamaged copy")
        value = self.values[name]
        if not isinstance(value, kind):
            raise ValueError(f"{self.path}: {name} in its header must be {valid}, got {value!r}")
        return value

    def integer(self, name: str, low: int = 0, high: int = 2**63 - 1) -> int:
        """Return an integer in low..high."""
        value = self.take(name, object, "an integer")
        with self._as_a_value():
            return check_integer(f"{self.path}: {name} in its header", value, low, high)

    def real(self, name: str, low: float = 0.0) -> float:
        """Return a finite number, at least `low`."""
        value = self.take(name, object, "a number")
        with self._as_a_value():
            return check_real(f"{self.path}: {name} in its header", value, low)

    @contextmanager
    def _as_a_value(self) -> Iterator[None]:
        """Let a wrong type be a wrong value: it is the file's, not the caller's."""
        try:
            yield
        except TypeError as error:
            raise ValueError(str(error)) from None

    def reals(self, name: str) -> list[float]:
        """Return a list of finite numbers."""
        items = self.take(name, list, "a list of numbers")
        return [Record(self.path, {name: item}).real(name, -math.inf) for item in items]

    def text(self, name: str) -> str:
        """Return a string."""
        return str(self.take(name, str, "a string"))

    def table(self, name: str) -> Record:
        """Return a table of fields."""
        return Record(self.path, self.take(name, dict, "a table"))

    def tables(self, name: str) -> list[Record]:
        """Return a list of tables."""
        items = self.take(name, list, "a list of tables")
        return [Record(self.path, {name: item}).table(name) for item in items]

    def per_module(self, name: str) -> Any:
        """Return a number, or a tuple of one for each module."""
        value = self.take(name, (int, float, list), "a number or a list of numbers")
        return tuple(value) if isinstance(value, list) else value
