"""Pieces of a sweep: the cells that are handed to a worker at once, and how it measures them."""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from binnet._threads import watch_threads
from binnet.sweeps._journal import Measurement
from binnet.sweeps._sessions import Surroundings, describe_surroundings
from binnet.sweeps.grid import Cell, Observable

Piece = list[tuple[int, Cell]]  # cells with their numbers


class Outcome(NamedTuple):
    """What became of a cell."""

    number: int  # of the cell
    measurement: Measurement | None  # None where the function raised
    error: str  # what became of it, then
    seconds: float
    surroundings: Surroundings | None = None  # None where the function raised
    note: str = ""  # for the user, if something went wrong that did not cost the cell


class Measure(NamedTuple):
    """The functions of an observable, as a worker needs them."""

    function: Callable[..., Mapping[str, Any]]
    many: Callable[[Sequence[Cell]], Sequence[Mapping[str, Any]]] | None = None

    def __call__(self, piece: Piece) -> list[Outcome]:
        """Measure the cells of a piece; what the functions raise is part of the outcomes."""
        if self.many is None or len(piece) == 1:
            return [measure_cell(self.function, number, cell) for number, cell in piece]
        begun = time.perf_counter()
        try:
            with watch_threads() as threads:
                results = self.many([copy.deepcopy(cell) for _, cell in piece])
                if len(results) != len(piece):
                    raise ValueError(f"returned {len(results)} results for {len(piece)} cells")
                measurements = [_to_measurement(result) for result in results]
        except Exception:  # whose error it is shows when each is measured by itself
            told = traceback.format_exc()
            outcomes = [measure_cell(self.function, number, cell) for number, cell in piece]
            note = f"{len(piece)} cells could not be measured together and were one by one:\n{told}"
            if not any(outcome.error for outcome in outcomes):
                outcomes[0] = outcomes[0]._replace(note=note)
            return outcomes
        seconds, surroundings = time.perf_counter() - begun, describe_surroundings(threads)
        return [
            Outcome(number, measurement, "", seconds / len(piece), surroundings)
            for (number, _), measurement in zip(piece, measurements, strict=True)
        ]


def cut(pending: Piece, observable: Observable, workers: int) -> list[Piece]:
    """Return the cells in pieces, each of one group; every worker gets one if there are enough."""
    if observable.many is None:
        return [[cell] for cell in pending]
    groups: dict[Hashable, Piece] = {}
    for number, cell in pending:
        key = None if observable.group is None else observable.group(**copy.deepcopy(cell))
        groups.setdefault(key, []).append((number, cell))
    share = -(-len(pending) // workers)
    size = max(1, min(observable.chunk, share))
    pieces = [group[k : k + size] for group in groups.values() for k in range(0, len(group), size)]
    return sorted(pieces, key=lambda piece: piece[0][0])


def measure_cell(
    function: Callable[..., Mapping[str, Any]], number: int, parameters: Cell
) -> Outcome:
    """Call the function; what it raises is part of the outcome."""
    begun = time.perf_counter()
    try:
        with watch_threads() as threads:
            # Its own copy: what the function does to its parameters must not reach the next cell.
            measurement = _to_measurement(function(**copy.deepcopy(parameters)))
    except Exception:
        error = f"raised:\n{traceback.format_exc()}"
        return Outcome(number, None, error, time.perf_counter() - begun)
    seconds = time.perf_counter() - begun
    return Outcome(number, measurement, "", seconds, describe_surroundings(threads))


def _to_measurement(result: Any) -> Measurement:
    if not isinstance(result, Mapping) or not result:
        raise TypeError(
            "an observable must return a mapping from names to numbers or (dims, array), got "
            f"{result!r}"
        )
    measurement = {}
    for name, value in result.items():
        if not isinstance(name, str):
            raise TypeError(f"names of variables must be strings, got {name!r}")
        dims, values = value if isinstance(value, tuple) else ((), value)
        dims = (dims,) if isinstance(dims, str) else tuple(dims)
        array = np.array(values)  # a copy: the function may fill the same array in the next cell
        if array.dtype.kind not in "biuf" or not all(isinstance(dim, str) for dim in dims):
            raise TypeError(f"{name} must be numbers, with names of dimensions, got {value!r}")
        if array.ndim != len(dims):
            raise ValueError(
                f"{name} has {array.ndim} axes but the dimensions {dims}, for the shape "
                f"{array.shape}; return (dims, array)"
            )
        measurement[name] = (dims, array.astype(array.dtype.newbyteorder("="), copy=False))
    return measurement
