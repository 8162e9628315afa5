"""Small files of the system, below a root that tests choose, and why one could not be read.

What the system tells is published with the results: reasons name files without the root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


class Readings:
    """Reads facts, and notes a reason for each that nobody can tell.

    Parameters
    ----------
    root : path-like
        The folder below which `proc`, `sys` and `etc` are.
    """

    def __init__(self, root: str | Path = "/") -> None:
        self.root = Path(root)
        self.unknown: dict[str, str] = {}

    def read(self, path: str) -> str | None:
        """Return the text of a file below the root, None where it cannot be read."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None

    def find(self, key: str, path: str, parse: Callable[[str], Value]) -> Value | None:
        """Return what a file says, else None, of which `key` then has the reason."""
        try:
            return parse((self.root / path).read_text(encoding="utf-8", errors="replace").strip())
        except OSError as error:
            self.miss(key, f"{path} cannot be read: {error.strerror or 'no reason given'}")
        except (ValueError, IndexError):
            self.miss(key, f"{path} says something that is not understood")
        return None

    def miss(self, key: str, reason: str) -> None:
        """Note why a fact is not known."""
        self.unknown[key] = reason

    def list_folders(self, path: str, pattern: str) -> list[str]:
        """Return the folders of a pattern like ``cpu[0-9]*``, by the number at their end."""
        try:
            found = [folder.name for folder in (self.root / path).glob(pattern)]
        except OSError:
            return []
        numbered = [(int(digits), name) for name in found if (digits := _last_digits(name))]
        return [f"{path}/{name}" for _, name in sorted(numbered)]


def _last_digits(name: str) -> str:
    return name[len(name.rstrip("0123456789")) :]


def parse_list(text: str) -> list[int]:
    """Return the numbers that the kernel writes as ``0-3,8``.

    Raises
    ------
    ValueError
        For anything else.
    """
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def parse_size(text: str) -> int:
    """Return the bytes that the kernel writes as ``512K``.

    Raises
    ------
    ValueError
        For anything else.
    """
    return int(text.rstrip("KMG")) * _UNITS.get(text[-1:], 1)


def find_one(values: Iterable[str]) -> str | None:
    """Return the words that occur, each once, joined by commas: mostly there is one."""
    return ", ".join(sorted(set(values))) or None
