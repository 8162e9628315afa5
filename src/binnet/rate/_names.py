"""Names that may end in a number, of learning rules and of structures, as in "snap-2"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_DIGITS = 18  # what a 64-bit integer holds, whatever they are


class Name(NamedTuple):
    """A name and the number behind it, if its kind has one."""

    kind: str
    number: int | None


def parse_name(what: str, name: object, numbered: Mapping[str, str | None]) -> Name:
    """Return a name in its parts.

    Parameters
    ----------
    what : str
        What it names, for the error.
    name : object
        "KIND", or "KIND-NUMBER" with a whole number of at least 1, of at most 18 digits.
    numbered : mapping of str to (str or None)
        The kinds, and the letter that stands for the number of each, None where it has none.

    Returns
    -------
    Name
        The parts.

    Raises
    ------
    ValueError
        If there is no such name.
    """
    text = str(name)
    kind, _, digits = text.rpartition("-")
    if numbered.get(text, "") is None:
        return Name(text, None)
    if numbered.get(kind) and digits.isdecimal() and len(digits) <= _DIGITS and int(digits) >= 1:
        return Name(kind, int(digits))
    forms = [k if letter is None else f"{k}-{letter}" for k, letter in numbered.items()]
    letters = ", ".join(letter for letter in numbered.values() if letter)
    raise ValueError(
        f"{what} must be one of {', '.join(forms)} with whole numbers >= 1 (up to {_DIGITS} "
        f"digits) for {letters}, got {name!r}"
    )
