"""Capacity: how many random associations networks of L modules learn by heart.

The capacity is the largest load P / H at which at least 95 % (or all) of P associations are
recalled without feedback before a budget of presentations is used up; H counts the neurons of one
module (docs/model/network.md, section 10.1).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet._validation import check_integer, check_real
from binnet.studies._bisection import geometric_grid
from binnet.studies._capacity_bounds import bound_capacity
from binnet.studies._parts import Part, run_parts
from binnet.studies.associations import (
    ATTACHMENTS,
    CAPACITY,
    HIGHEST,
    LOWEST,
    RECALL,
    configure_depth,
    measure_capacity,
    recall_associations,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ATTACHMENTS",
    "CAPACITY",
    "LEVELS",
    "RECALL",
    "average_capacity",
    "bound_capacity",
    "configure_depth",
    "find_capacity",
    "measure_capacity",
    "recall_associations",
    "run_capacity",
    "run_capacity_and_recall",
    "run_recall",
    "summarise_capacity",
]

#: At least these fractions of the associations are to be recalled.
LEVELS = (0.95, 1.0)


def run_capacity(output: Path, **options: Any) -> xr.Dataset:
    """Find the capacity of networks of each depth and size; a stopped study goes on.

    Parameters
    ----------
    output : path
        Result, .nc.
    **options
        As of `run_capacity_and_recall`.

    Returns
    -------
    xarray.Dataset
        What `measure_capacity` measured, over seed, attachment, n_hidden, n_modules and level.
    """
    return run_capacity_and_recall(output, **options)[0]


def run_capacity_and_recall(
    output: Path,
    loads: Sequence[float] = (),
    *,
    n_modules: Sequence[int] = (1, 2, 3),
    n_hidden: Sequence[int] = (100,),
    levels: Sequence[float] = LEVELS,
    seeds: int = 3,
    epochs: int = 60,
    attachments: Sequence[str] = ("last", "all"),
    accuracy: float = 0.05,
    n_inputs: int = 100,
    n_classes: int = 10,
    workers: int = 1,
    progress: bool = True,
) -> tuple[xr.Dataset, xr.Dataset | None]:
    """Find capacities, and how many networks reach a level at given loads; refuse both at once.

    Parameters
    ----------
    output : path
        Result, .nc.
    loads : sequence of float, optional
        P / H at which `run_recall` measures, with the lowest level; its result is the file of the
        same name with the suffix .loads.nc.
    n_modules, n_hidden : sequence of int
        Depths L and sizes H.
    levels : sequence of float, default (0.95, 1)
        Fractions to be recalled.
    seeds : int, default 3
        Independent associations and networks.
    epochs : int, default 60
        Of each training, at most.
    attachments : sequence of str, default ("last", "all")
        See `configure_depth`.
    accuracy, n_inputs, n_classes : optional
        As of `measure_capacity`.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    capacity : xarray.Dataset
        What `measure_capacity` measured, over seed, attachment, n_hidden, n_modules and level.
    recall : xarray.Dataset or None
        From `run_recall`; None without loads.
    """
    shared: dict[str, Any] = {"epochs": epochs, "n_inputs": n_inputs, "n_classes": n_classes}
    axes = _axes(seeds, attachments, n_hidden, n_modules)
    grid, fixed = {**axes, "level": sorted(levels)}, {**shared, "accuracy": accuracy}
    parts = [Part(output, grid, CAPACITY, fixed)]
    if loads:
        beside = output.with_suffix(".loads.nc")
        fixed = {**shared, "level": grid["level"][0]}
        parts.append(Part(beside, {**axes, "load": sorted(loads)}, RECALL, fixed))
    found, *others = run_parts(parts, workers=workers, progress=progress)
    found = found.assign_coords(load=geometric_grid(LOWEST, HIGHEST, accuracy)[0])
    return found, (others[0] if others else None)


def run_recall(
    output: Path,
    loads: Sequence[float],
    *,
    level: float = 0.95,
    n_modules: Sequence[int] = (1, 2, 3),
    n_hidden: Sequence[int] = (100,),
    seeds: int = 3,
    epochs: int = 60,
    attachments: Sequence[str] = ("last", "all"),
    n_inputs: int = 100,
    n_classes: int = 10,
    workers: int = 1,
    progress: bool = True,
) -> xr.Dataset:
    """Train networks of each depth and size at each load; count those that reach the level.

    Parameters
    ----------
    output : path
        Result, .nc.
    loads : sequence of float
        P / H.
    level : float, default 0.95
        Fraction to be recalled.
    n_modules, n_hidden, seeds, epochs, attachments, n_inputs, n_classes : optional
        As of `run_capacity`.
    workers, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    xarray.Dataset
        What `recall_associations` measured, over seed, attachment, n_hidden, n_modules and load;
        ``sweeps.scaling.thresholds(result, "reached", parameter="load", size="n_hidden")`` is the
        load that half of the networks reach.
    """
    fixed = {"epochs": epochs, "n_inputs": n_inputs, "n_classes": n_classes, "level": level}
    grid = {**_axes(seeds, attachments, n_hidden, n_modules), "load": sorted(loads)}
    (found,) = run_parts([Part(output, grid, RECALL, fixed)], workers=workers, progress=progress)
    return found


def _axes(seeds: int, *others: Sequence[Any]) -> dict[str, Sequence[Any]]:
    names = ("attachment", "n_hidden", "n_modules")
    return {
        "seed": range(check_integer("seeds", seeds, 1)),
        **dict(zip(names, others, strict=True)),
    }


def average_capacity(result: xr.Dataset) -> xr.Dataset:
    """Return the mean capacity over seeds and its error.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_capacity`, or a part of it.

    Returns
    -------
    xarray.Dataset
        "mean" of the middle of the brackets, NaN where a seed's is beyond the loads; and "error",
        the standard error over seeds with that of an equal distribution over the brackets.
    """
    import xarray as xr

    low, high = result["capacity"], result["upper"]
    middle, n = (low * high) ** 0.5, low.sizes["seed"]
    variance = middle.var("seed", ddof=1, skipna=False) if n > 1 else middle.mean("seed") * np.nan
    within = ((high - low) ** 2).mean("seed", skipna=False) / 12.0
    error = ((variance + within) / n) ** 0.5
    return xr.Dataset({"mean": middle.mean("seed", skipna=False), "error": error})


def summarise_capacity(result: xr.Dataset) -> list[dict[str, Any]]:
    """Return capacities as plain values, one record for each kind of network and level.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_capacity`.

    Returns
    -------
    list of dict
        attachment, n_hidden, n_modules, level; of each seed "capacity" and "upper", the bracket
        (None where it is beyond the loads), "where" and "n_epochs"; "mean" and "error" as of
        `average_capacity` (None where a seed's is missing).
    """
    axes = ("attachment", "n_hidden", "n_modules", "level")
    lists = ("capacity", "upper", "n_epochs")
    averaged = average_capacity(result)
    stacked = result[[*lists, "where"]].assign(averaged).stack(network=axes)
    records = []
    for network in stacked["network"].values:
        here = stacked.sel(network=network)
        record: dict[str, Any] = dict(zip(axes, network, strict=True))
        record |= {name: [_or_none(v) for v in here[name].values] for name in lists}
        record |= {name: _or_none(here[name]) for name in ("mean", "error")}
        records.append({**record, "where": [int(v) for v in here["where"].values]})
    return records


def _or_none(value: Any) -> float | None:
    """Return a float, None for NaN."""
    return None if np.isnan(value) else float(value)


def find_capacity(result: xr.Dataset, level: float = 0.95) -> xr.Dataset:
    """Read the capacity off recall curves of fixed loads; deprecated: `run_capacity` bisects.

    Parameters
    ----------
    result : xarray.Dataset
        From `run_recall`, or of `run_capacity` when it had fixed loads.
    level : float, default 0.95
        The fraction asked for, in (0, 1).

    Returns
    -------
    xarray.Dataset
        "capacity" over the axes of the result but the load: where straight lines over the logarithm
        of the load first fall below the level; NaN where these loads do not hold it. "where", -1
        where it is below the smallest load, +1 where it is above the largest, else 0.
    """
    import xarray as xr

    message = "find_capacity is deprecated: run_capacity finds the capacity by bisection"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    level = check_real("level", level, 0.0, 1.0, above=True, below=True)
    loads = np.log(result["load"].values)

    def cross(recalled: np.ndarray[Any, Any]) -> tuple[float, int]:
        below = np.flatnonzero(recalled < level)
        if np.isnan(recalled).any():
            return np.nan, 0
        if not len(below) or below[0] == 0:
            return np.nan, -1 if len(below) else 1
        k = int(below[0])
        part = (recalled[k - 1] - level) / (recalled[k - 1] - recalled[k])
        return float(np.exp(loads[k - 1] + part * (loads[k] - loads[k - 1]))), 0

    capacity, where = xr.apply_ufunc(
        cross,
        result["recalled"],
        input_core_dims=[["load"]],
        output_core_dims=[[], []],
        vectorize=True,
    )
    return xr.Dataset({"capacity": capacity, "where": where})
