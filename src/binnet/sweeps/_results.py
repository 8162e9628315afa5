"""The result of a sweep: a labelled xarray Dataset, whole or as much of it as is measured."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.sweeps._journal import Journal, KeptCell
from binnet.sweeps._sessions import SweepRecord, describe_machines, note_sweep
from binnet.sweeps._store import read_result, write_result
from binnet.sweeps.grid import RENAMED, Grid, cell_key

if TYPE_CHECKING:
    import xarray as xr

_EXACT = 2**53  # integers up to which float64 holds each
_logger = logging.getLogger("binnet")


def journal_path(path: Path) -> Path:
    """Return where the journal of the sweep that writes `path` is, while it is not finished."""
    return path.with_name(path.name + ".partial")


def assemble(
    grid: Grid,
    description: Mapping[str, Any],
    cells: Mapping[str, KeptCell],
    sessions: Sequence[Mapping[str, Any]],
) -> xr.Dataset:
    """Lay measurements out on the grid; cells without one hold NaN.

    Of the sessions, only the machines are kept: sweeps that are the same end in the same file.
    """
    import xarray as xr

    keys = [cell_key(cell) for cell in grid.cells()]
    present = [(k, cells[key]) for k, key in enumerate(keys) if key in cells]
    variables = {}
    for name in dict.fromkeys(name for _, cell in present for name in cell.measurement):
        variables[name] = _lay_out(name, keys, grid, present)
    attributes: dict[str, Any] = {
        "sweep": json.dumps(description),
        "finished_cells": len(present),
        "provenance": json.dumps(describe_machines(sessions, description["binnet"])),
    }
    adopted = _list_adopted(present)
    if adopted:
        attributes["adopted"] = json.dumps(adopted)
    return xr.Dataset(variables, grid.coordinates(), attributes)


def _lay_out(
    name: str, keys: list[str], grid: Grid, cells: Iterable[tuple[int, KeptCell]]
) -> tuple[tuple[str, ...], NDArray[Any]]:
    present = [(k, *cell.measurement[name]) for k, cell in cells if name in cell.measurement]
    _, dims, first = present[0]
    dtype = _join_types(name, [values for _, _, values in present])
    if len(present) < len(keys):
        if dtype.kind in "iu" and any(
            values.size and max(int(values.max()), -int(values.min())) > _EXACT
            for _, _, values in present
        ):
            _logger.warning(
                "note: %s holds integers beyond 2**53, which are rounded while cells are missing",
                name,
            )
        dtype = np.result_type(dtype, np.float32 if dtype.kind == "f" else np.float64)
        table = np.full((len(keys), *first.shape), np.nan, dtype)
    else:
        table = np.empty((len(keys), *first.shape), dtype)
    for k, _, values in present:
        table[k] = values
    return (*grid.axes, *dims), table.reshape((*grid.shape, *first.shape))


def _join_types(name: str, arrays: Sequence[NDArray[Any]]) -> np.dtype[Any]:
    """Return a type that holds the values of all cells; integers as integers."""
    kinds = {values.dtype.kind for values in arrays}
    dtype = np.result_type(*{values.dtype for values in arrays})
    if dtype.kind == "f" and "f" not in kinds:  # signed and unsigned
        if any(values.size and values.min() < 0 for values in arrays):
            raise ValueError(
                f"{name} is negative in one cell and beyond {np.iinfo(np.int64).max} in another; "
                "no integer type holds both"
            )
        return np.dtype(np.uint64)
    return dtype


def _list_adopted(cells: Iterable[tuple[int, KeptCell]]) -> list[dict[str, Any]]:
    """Return who measured cells that were taken over, and which, as ranges of numbers."""
    numbers: dict[str, list[int]] = {}
    for k, cell in cells:
        if cell.origin is not None:
            numbers.setdefault(cell.origin, []).append(k)
    return [{**json.loads(origin), "cells": _to_ranges(found)} for origin, found in numbers.items()]


def _to_ranges(numbers: Sequence[int]) -> str:
    ranges: list[list[int]] = []
    for k in numbers:
        if ranges and k == ranges[-1][1] + 1:
            ranges[-1][1] = k
        else:
            ranges.append([k, k])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def _from_ranges(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def take_apart(dataset: xr.Dataset) -> dict[str, KeptCell]:
    """Return the cells of a finished result, as a journal would have them."""
    description = json.loads(dataset.attrs["sweep"])
    grid = Grid(description["grid"], description["fixed"])
    axes = tuple(grid.axes)
    variables = {}
    for name, variable in dataset.data_vars.items():
        dims = tuple(str(dim) for dim in variable.dims if dim not in axes)
        variables[str(name)] = (dims, variable.transpose(*axes, *dims).values)
    origins: dict[int, str] = {}
    for part in json.loads(dataset.attrs.get("adopted", "[]")):
        origin = json.dumps({k: v for k, v in part.items() if k != "cells"})
        origins |= dict.fromkeys(_from_ranges(part["cells"]), origin)
    cells = {}
    for k, (index, cell) in enumerate(zip(np.ndindex(*grid.shape), grid.cells(), strict=True)):
        measurement = {
            name: (dims, np.asarray(table[index])) for name, (dims, table) in variables.items()
        }
        cells[cell_key(cell)] = KeptCell(measurement, origins.get(k))
    return cells


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a result; whatever stops that, the measured cells are still in the journal."""
    try:
        write_result(dataset, path)
    except OSError as error:
        raise OSError(
            f"cannot write {path} ({error}); the measured cells are safe in {journal_path(path)}: "
            "make room and run the same sweep again, which measures nothing twice"
        ) from error


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Load the result of a sweep, or as much of it as there is while it is not finished.

    Parameters
    ----------
    path : path
        The file (.nc) or folder (.zarr) that the sweep writes; its journal, PATH.partial, is read
        where the sweep has not ended.

    Returns
    -------
    xarray.Dataset
        One dimension for each axis of the grid, then those of each variable. NaN marks cells that
        are not measured; the attribute ``finished_cells`` counts those that are, ``sweep`` holds
        observable, grid and version as JSON, ``provenance`` the machine that measured and its
        packages (of several, the further ones under "others"). Where cells of another version or
        of other code were adopted, ``adopted`` says whose, and which: their numbers in the order of
        the grid, the last axis running fastest.

    Raises
    ------
    FileNotFoundError
        If neither is there.
    OSError
        If the file is damaged. Damaged cells of a journal are left out, and logged.
    MemoryError
        If the file declares more than the machine's memory.
    """
    dataset, sessions = read(Path(path))
    description, machine = (
        json.loads(dataset.attrs.get(name, "{}")) for name in ("sweep", "provenance")
    )
    note_sweep(SweepRecord(Path(path), description, sessions, machine))
    return dataset


def read(path: Path) -> tuple[xr.Dataset, list[dict[str, Any]] | None]:
    """Return what `load` does, and the sessions of a sweep that is not finished."""
    if path.exists() and not path.name.endswith(".partial"):
        return read_finished(path), None
    partial = path if path.name.endswith(".partial") else journal_path(path)
    if not partial.is_file():
        raise FileNotFoundError(f"there is no result {path}, nor a journal {partial} of one")
    journal = Journal(partial)
    try:
        description = journal.description()
        if description is None:
            raise ValueError(f"{partial} is a journal in which nothing was begun; remove it")
        grid = Grid(description["grid"], description["fixed"])
        sessions = journal.sessions()
        cells, damaged = journal.read()
        if damaged:
            _logger.warning("note: %s has %d damaged cells, which are left out", partial, damaged)
        return assemble(grid, description, cells, sessions), sessions
    finally:
        journal.close()


def read_finished(path: Path) -> xr.Dataset:
    """Return the result in a file, its parameters by the names that they have now."""
    return _rename(read_result(path))


def _rename(result: xr.Dataset) -> xr.Dataset:
    """Give the parameters of binnet's own observables the names that they have now."""
    description = json.loads(result.attrs.get("sweep", "{}"))
    used = {*description.get("grid", ()), *description.get("fixed", ())}
    if not used & RENAMED.keys() or not description.get("observable", "").startswith("binnet."):
        return result
    old = {name: new for name, new in RENAMED.items() if name in result.dims}
    for part in ("grid", "fixed"):
        description[part] = {RENAMED.get(k, k): v for k, v in description[part].items()}
    return result.rename(old).assign_attrs(sweep=json.dumps(description))
