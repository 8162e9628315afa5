"""Whether a file holds the sweep that is asked for, a part of it, or another one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from binnet.sweeps._identity import digest_code, list_changes
from binnet.sweeps.grid import Grid, cell_key

_adopting: ContextVar[bool] = ContextVar("adopting", default=False)
_WHO = ("binnet", "settings", "code")  # who measured, in a description


@contextmanager
def adopting(adopt: bool = True) -> Iterator[None]:
    """Let every sweep that is run inside keep cells of another version or of other code.

    Parameters
    ----------
    adopt : bool, default True
        As of `run`.

    Yields
    ------
    None
        Nothing.
    """
    token = _adopting.set(adopt)
    try:
        yield
    finally:
        _adopting.reset(token)


def is_adopting() -> bool:
    """Return whether sweeps may keep what others measured."""
    return _adopting.get()


class Match(NamedTuple):
    """How a sweep that was found belongs to the one that is asked for."""

    is_whole: bool  # the same cells, else some of them
    origin: str | None = None  # JSON of who measured them, if not this sweep
    is_older: bool = False  # whether they are of a version that did not note the code

    @property
    def is_same(self) -> bool:
        """Whether nothing is to be done to what is there."""
        return self.is_whole and (self.origin is None or self.is_older)


def match(path: Path, found: Mapping[str, Any] | None, wanted: Mapping[str, Any],
          adopt: bool) -> Match:  # fmt: skip
    """Return how what a file holds belongs to a sweep; refuse that of another."""
    if found is None:
        _refuse(path, "observable", None, wanted["observable"])
    if not _is_same_name(found.get("observable"), wanted["observable"], adopt):
        _refuse(path, "observable", found.get("observable"), wanted["observable"])
    is_whole = _compare_grids(path, found, wanted)
    others = [part for part in _WHO if found.get(part) != wanted.get(part)]
    # Older versions noted no code: nobody knows whose it was. It is said, and not refused.
    refused = [part for part in others if part != "code" or "code" in found]
    if refused and not adopt:
        part = refused[0]
        remedy = ", or keep what is measured as it is: adopt=True (binnet sweep --adopt)"
        if part == "code":
            changes = list_changes(found.get("code"), wanted.get("code"))
            raise ValueError(
                f"{path} holds what other code measured: changed since is {changes}; name another "
                f"file, or remove this one{remedy}"
            )
        _refuse(path, part, found.get(part), wanted.get(part), remedy)
    if not others:
        return Match(is_whole)
    origin = {part: found.get(part) for part in _WHO if part in found or part in wanted}
    if "code" in origin:
        origin["code"] = digest_code(found.get("code"))
    return Match(is_whole, json.dumps(origin), is_older=others == ["code"] and not refused)


def _refuse(path: Path, part: str, there: Any, wanted: Any, remedy: str = "") -> NoReturn:
    raise ValueError(
        f"{path} holds another sweep: its {part} is {there}, this one's {wanted}; name another "
        f"file, or remove this one{remedy}"
    )


def _is_same_name(found: Any, wanted: str, adopt: bool) -> bool:
    """Return whether it is the same function; a script was once called __main__."""
    if found == wanted:
        return True
    module, _, name = str(found).partition(":")
    return name == wanted.partition(":")[2] and (adopt or module == "__main__")


def _compare_grids(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether both have the same cells; refuse what is not among those of the wanted one."""
    same = all(found.get(part) == wanted[part] for part in ("grid", "fixed"))
    if same and list(found["grid"]) == list(wanted["grid"]):
        return True
    if not _extends(found, wanted):
        part = "fixed" if found.get("grid") == wanted["grid"] and not same else "grid"
        _refuse(path, part, found.get(part), wanted[part])
    return False


def _extends(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether the wanted sweep has all cells of the other, and more."""
    try:
        before = Grid(found["grid"], found["fixed"])
        now = Grid(wanted["grid"], wanted["fixed"])
    except (KeyError, TypeError, ValueError):
        return False
    common = [axis for axis in now.axes if axis in before.axes]
    if common != list(before.axes) or before.n_cells >= now.n_cells:
        return False
    return {cell_key(cell) for cell in before.cells()} <= {cell_key(cell) for cell in now.cells()}
