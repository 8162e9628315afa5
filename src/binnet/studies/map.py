"""Maps of learning: what becomes of a network over a grid of two or three of its parameters.

`run_map` trains a network at every cell, with seeds, and measures how it learns and how it
relaxes. Beside it are the same networks before they learn, and the transitions that the theory of
random networks has at the same margin and strength of fields.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer
from binnet.learning import Configuration, PerceptronPlasticity, preset
from binnet.schedules import FeedbackSchedule
from binnet.studies._cells import (
    FIND_LINES,
    configure,
    observe_training,
    observe_untrained,
)
from binnet.studies._cells import LEVELS as LEVELS
from binnet.studies._cells import find_lines as find_lines
from binnet.studies._cells import relax_untrained as relax_untrained
from binnet.studies._cells import train_cell as train_cell
from binnet.studies._parts import Part, run_parts
from binnet.studies._training import count_samples

if TYPE_CHECKING:
    import xarray as xr

#: At which fixed points are counted around the state of a sample.
DISTANCES = (0.02, 0.01, 0.005)
#: What the theory's plane has beside the self-coupling: kappa, or sigma_b.
THEORY_AXES = ("margin", "input_strength")

_OF_THE_CELL = ("seed", "samples", "validation", "preset_name", "local_entropy", "distances")
# What a network that has not learned does not depend on; beside rates, margins and the schedule.
_OF_LEARNING = {
    *PerceptronPlasticity.__dataclass_fields__,
    *FeedbackSchedule.__dataclass_fields__,
    *("epochs", "batch_size", "inference_sweeps", "feedback_strength", "readout_strength"),
}


@dataclass(frozen=True)
class MapResult:
    """A map, and what is drawn into it.

    Attributes
    ----------
    learning : xarray.Dataset
        What `train_cell` measured, over seed, the axes of the map and epoch.
    untrained : xarray.Dataset
        What `relax_untrained` measured, over seed and those axes that matter before learning.
    theory : xarray.Dataset or None
        What `find_lines` found (field_std); None where the theory knows not both axes.
    over : tuple of str
        The axes of the map, as they were given.
    configuration : Configuration
        Of all cells, but for the axes and the seed.
    samples : int
        Training samples, the first of all.
    validation : bool
        Whether the last 10000 training samples were measured in place of the test set.
    """

    learning: xr.Dataset
    untrained: xr.Dataset
    theory: xr.Dataset | None
    over: tuple[str, ...]
    configuration: Configuration
    samples: int
    validation: bool

    @property
    def layout(self) -> tuple[str, ...]:
        """The axes as they are drawn: vertical, horizontal, and the one that has a row for each."""
        first = "self_coupling" if "self_coupling" in self.over else self.over[1]
        return (first, *(name for name in self.over if name != first))


def run_map(
    output: str | Path | None,
    over: Mapping[str, Sequence[Any]],
    *,
    preset_name: str = "source",
    settings: Mapping[str, Any] | None = None,
    samples: int | None = None,
    seeds: int = 3,
    validation: bool = False,
    dynamics: bool = True,
    local_entropy: int = 0,
    distances: Sequence[float] = DISTANCES,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> MapResult:
    """Train a network at every cell of a grid, with seeds; a stopped study goes on.

    Parameters
    ----------
    output : path or None
        The map is written as this with the suffix .nc, the rest beside it, with .untrained.nc and
        .theory.nc. None: nothing is written.
    over : mapping of str to sequence
        Values of two or three parameters of the configuration, by name.
    preset_name : str, default "source"
        Where all other parameters come from.
    settings : mapping, optional
        Parameters of all cells that are to be otherwise.
    samples : int, optional
        Training samples, the first of all. Default: 60000, with `validation` 50000.
    seeds : int, default 3
        Trainings of each cell, from seed 0 on.
    validation : bool, default False
        Whether to measure on the last 10000 training samples in place of the test set.
    dynamics : bool, default True
        Whether to estimate where random networks freeze.
    local_entropy : int, default 0
        Count the fixed points around the inference states of so many measured samples, before and
        after learning; for networks of one module. At H = 400 a state takes up to 0.1 s.
    distances : sequence of float, default (0.02, 0.01, 0.005)
        Distances from the state at which they are counted; in steps, as messages go on from one
        to the next.
    workers, scheduler, progress : optional
        As of `binnet.sweeps.run`.

    Returns
    -------
    MapResult
        The map.

    Raises
    ------
    TypeError, ValueError
        If there are not two or three axes, or a value of any cell is out of its range.
    """
    name = functools.partial(_beside, output)
    base, axes, fixed = _lay_out(preset_name, over, settings or {})
    every = {"seed": range(check_integer("seeds", seeds, 1))}
    cell: dict[str, Any] = {"preset_name": preset_name, "validation": validation}
    if local_entropy:  # without, it is the sweep of those who never heard of it
        cell |= {"local_entropy": local_entropy, "distances": list(distances)}
    n_samples = count_samples(validation) if samples is None else samples
    before = {key: values for key, values in axes.items() if key not in _OF_LEARNING}
    parts = [
        Part(
            name("nc"),
            {**every, **axes},  # a study that is stopped has every cell once
            observe_training(preset_name),
            {**cell, "samples": n_samples, **fixed},
        ),
        Part(
            name("untrained.nc"), {**every, **before}, observe_untrained(preset_name), cell | fixed
        ),
    ]
    if knows_theory(base, axes):
        fields = axes.get("input_strength", [base.network.input_strength])
        strengths = sorted({0.0, *map(float, fields)})
        parts.append(
            Part(
                name("theory.nc"),
                {"field_std": strengths},
                FIND_LINES,
                {"estimate_freezing": dynamics},
            )
        )
    found = run_parts(parts, workers=workers, scheduler=scheduler, progress=progress)
    lines = found[2] if len(found) > 2 else None
    if local_entropy:
        found = [part.assign_coords(distance=list(distances)) for part in found[:2]]
    return MapResult(found[0], found[1], lines, tuple(axes), base, n_samples, validation)


def _beside(output: str | Path | None, suffix: str) -> Path | None:
    return None if output is None else Path(output).with_suffix(f".{suffix}")


def _lay_out(
    preset_name: str, over: Mapping[str, Sequence[Any]], settings: Mapping[str, Any]
) -> tuple[Configuration, dict[str, list[Any]], dict[str, Any]]:
    """Return the configuration of all cells, the axes and the fixed parameters, or refuse them."""
    if len(over) not in (2, 3):
        raise ValueError(
            f"a map has two or three axes, got {len(over)} ({', '.join(over) or 'none'}); name "
            "parameters of a configuration, such as margin and self_coupling"
        )
    for name in (*over, *settings):
        if name in _OF_THE_CELL or (name == "epochs" and name in over):
            raise ValueError(
                f"{name} is no axis or setting of a map: all cells have the same; see the "
                "arguments of run_map"
            )
    for name in over:
        if name in settings:
            raise ValueError(f"{name} is an axis and has a fixed value, too; leave one out")
        if len(over[name]) < 2:
            raise ValueError(
                f"the axis {name} needs at least two values, got {list(over[name])}; hold a "
                "parameter fixed in settings"
            )
    fixed = dict(_convert(preset(preset_name), settings))
    base = configure(preset_name, 0, **fixed)
    axes = {name: [dict(_convert(base, {name: v}))[name] for v in over[name]] for name in over}
    return base, axes, fixed


def _convert(base: Configuration, values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield values in the type of the parameter: 1 and 1.0 are the same cell."""
    known = {k: v for table in base.to_dict().values() for k, v in table.items()}
    for name, value in values.items():
        there = known.get(name)
        kind = there[0] if isinstance(there, tuple) else there
        parts = value if isinstance(value, list | tuple) else [value]
        if isinstance(kind, float):
            parts = [float(v) if isinstance(v, int) else v for v in parts]
        elif isinstance(kind, bool):
            words = {"true": True, "false": False}
            parts = [words.get(v.lower(), v) if isinstance(v, str) else v for v in parts]
        yield name, parts[0] if len(parts) == 1 else list(parts)


def knows_theory(configuration: Configuration, over: Iterable[str]) -> bool:
    """Return whether the theory of random networks has a plane for these axes.

    Parameters
    ----------
    configuration : Configuration
        Of all cells.
    over : iterable of str
        Axes of the map.

    Returns
    -------
    bool
        True for a self-coupling against a margin or the strength of the input, in one module.
    """
    axes = set(over)
    network = configuration.network
    single = network.n_modules == 1 and not axes & {"n_modules", "excitation"}
    return single and "self_coupling" in axes and bool(axes & set(THEORY_AXES))


def summarise_map(result: MapResult) -> dict[str, Any]:
    """Return the numbers of a map as plain values, for JSON.

    Parameters
    ----------
    result : MapResult
        From `run_map`.

    Returns
    -------
    dict
        "cells", a record for each: its parameters, and of each measurement after the last epoch
        a list over seeds, of local entropies with a list over distances for each; "untrained", the
        same of the networks before they learn; "theory", a record for each strength of fields,
        None where there is none.
    """
    last = result.learning.isel(epoch=-1)
    axes = [name for name in result.untrained.dims if name != "seed"]
    lines = result.theory
    return {
        "cells": _list_cells(last, result.over),
        "untrained": _list_cells(result.untrained, axes),
        "theory": None if lines is None else _list_cells(lines, ["field_std"]),
    }


def _list_cells(data: xr.Dataset, axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return a record for each combination of the axes; JSON has no NaN."""
    records = []
    for place in np.ndindex(*(data.sizes[name] for name in axes)):
        cell = data.isel(dict(zip(axes, place, strict=True)))
        record = {str(name): cell[name].item() for name in axes}
        record |= {str(name): _to_plain(part.values) for name, part in cell.data_vars.items()}
        records.append(record)
    return records


def _to_plain(values: NDArray[Any]) -> Any:
    """Return numbers, or lists of them over each axis; None for what is no number."""
    if values.ndim:
        return [_to_plain(part) for part in values]
    return round(float(values), 6) if np.isfinite(values) else None
