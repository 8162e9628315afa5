"""The result of a sweep: a labelled xarray Dataset, in NetCDF or Zarr, never half written."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._files import atomic_path
from binnet.sweeps._journal import Journal, Measurement
from binnet.sweeps._sessions import SweepRecord, describe_machines, note_sweep
from binnet.sweeps.grid import RENAMED, Grid, cell_key

if TYPE_CHECKING:
    import xarray as xr

SUFFIXES = (".nc", ".zarr")


def journal_path(path: Path) -> Path:
    """Return where the journal of the sweep that writes `path` is, while it is not finished."""
    return path.with_name(path.name + ".partial")


def assemble(
    grid: Grid,
    description: Mapping[str, Any],
    measurements: Mapping[str, Measurement],
    sessions: Sequence[Mapping[str, Any]],
) -> xr.Dataset:
    """Lay measurements out on the grid; cells without one hold NaN.

    Of the sessions, only the machines are kept: sweeps that are the same end in the same file.
    """
    import xarray as xr

    keys = [cell_key(cell) for cell in grid.cells()]
    variables = {}
    for name in dict.fromkeys(name for m in measurements.values() for name in m):
        variables[name] = _lay_out(name, keys, grid, measurements)
    attributes = {
        "sweep": json.dumps(description),
        "finished_cells": sum(key in measurements for key in keys),
        "provenance": json.dumps(describe_machines(sessions, description["binnet"])),
    }
    coordinates = {name: list(values) for name, values in grid.axes.items()}
    return xr.Dataset(variables, coordinates, attributes)


def _lay_out(
    name: str, keys: list[str], grid: Grid, measurements: Mapping[str, Measurement]
) -> tuple[tuple[str, ...], np.ndarray[Any, Any]]:
    present = [(k, *measurements[key][name]) for k, key in enumerate(keys)
               if key in measurements and name in measurements[key]]  # fmt: skip
    _, dims, first = present[0]
    for k, other_dims, values in present:
        if other_dims != dims or values.shape != first.shape:
            raise ValueError(
                f"{name} must have the same dimensions in every cell: {dims} {first.shape} and "
                f"{other_dims} {values.shape} at {keys[k]}"
            )
    dtype = np.result_type(*(values.dtype for _, _, values in present))
    if len(present) < len(keys):
        dtype = np.result_type(dtype, np.float32 if dtype.kind == "f" else np.float64)
        table = np.full((len(keys), *first.shape), np.nan, dtype)
    else:
        table = np.empty((len(keys), *first.shape), dtype)
    for k, _, values in present:
        table[k] = values
    return (*grid.axes, *dims), table.reshape(*grid.shape, *first.shape)


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a result under a temporary name and rename it when it is complete."""
    try:
        if path.suffix == ".nc":
            with atomic_path(path) as temporary:
                dataset.to_netcdf(temporary, engine="h5netcdf")
            return
        temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
        try:
            dataset.to_zarr(temporary, mode="w-", consolidated=False)
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
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
        packages (of several, the further ones under "others").

    Raises
    ------
    FileNotFoundError
        If neither is there.
    """
    dataset, sessions = read(Path(path))
    description, machine = (
        json.loads(dataset.attrs.get(name, "{}")) for name in ("sweep", "provenance")
    )
    note_sweep(SweepRecord(Path(path), description, sessions, machine))
    return dataset


def read(path: Path) -> tuple[xr.Dataset, list[dict[str, Any]] | None]:
    """Return what `load` does, and the sessions of a sweep that is not finished."""
    import xarray as xr

    if path.exists():
        if path.suffix == ".zarr":
            return _rename(xr.load_dataset(path, engine="zarr", consolidated=False)), None
        try:
            return _rename(xr.load_dataset(path, engine="h5netcdf")), None
        except OSError as error:
            raise OSError(f"{path} is not a NetCDF file of a sweep ({error})") from None
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
        return assemble(grid, description, dict(journal.items()), sessions), sessions
    finally:
        journal.close()


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
