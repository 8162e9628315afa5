"""Run a sweep: resume it from its journal, measure the cells that are left, lay them out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from binnet._validation import check_choice, check_integer
from binnet.sweeps._pieces import measure_cell
from binnet.sweeps._sweep import Sweep
from binnet.sweeps._workers import SweepError
from binnet.sweeps.grid import Cell, Grid, Observable, cell_key

if TYPE_CHECKING:
    import xarray as xr

Function = Callable[..., Mapping[str, Any]]
ERRORS = ("stop", "continue")


@dataclass(frozen=True)
class Plan:
    """What a sweep would do.

    Attributes
    ----------
    grid : Grid
        The grid.
    n_finished : int
        Cells that are in the journal or in the finished file already.
    pilot : dict or None
        Parameters of the cell that was timed, the cheapest; None where nothing is left to do.
    pilot_seconds : float
        Time that it took, compiled code in place.
    seconds : float
        Estimated time of the cells that are left, on `workers` workers.
    workers : int
        Workers counted on.
    """

    grid: Grid
    n_finished: int
    pilot: Cell | None
    pilot_seconds: float
    seconds: float
    workers: int

    def __str__(self) -> str:
        lines = [
            f"{name:<20} {len(values):>5} values: {_shorten(values)}"
            for name, values in self.grid.axes.items()
        ]
        lines += [f"{name:<20} fixed: {value}" for name, value in self.grid.fixed.items()]
        lines.append(f"{self.grid.n_cells} cells, {self.n_finished} of them finished")
        if self.pilot is not None:
            lines.append(
                f"estimated time left: {self.seconds:.3g} s on {self.workers} worker(s), from "
                f"{self.pilot_seconds:.3g} s for the cheapest cell"
            )
        return "\n".join(lines)


def _shorten(values: Sequence[Any]) -> str:
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    return " ".join(shown if len(shown) <= 8 else [*shown[:5], "...", *shown[-2:]])


def check(
    grid: Mapping[str, Sequence[Any]] | Grid,
    observable: Function | Observable,
    *,
    fixed: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] | None = None,
    adopt: bool = False,
) -> None:
    """Refuse now what `run` would refuse before its first cell; measure and change nothing.

    Parameters
    ----------
    grid, observable, fixed, path, adopt : optional
        As for `run`.

    Raises
    ------
    TypeError, ValueError, OSError, ImportError
        As for `run`.
    """
    Sweep(grid, observable, fixed, path, adopt)


def plan(
    grid: Mapping[str, Sequence[Any]] | Grid,
    observable: Function | Observable,
    *,
    fixed: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] | None = None,
    workers: int = 1,
    adopt: bool = False,
) -> Plan:
    """Say what `run` would do and about how long it would take, by timing one cell.

    Parameters
    ----------
    grid, observable, fixed, path, workers, adopt : optional
        As for `run`; without `path`, no cell counts as finished.

    Returns
    -------
    Plan
        Grid, finished cells and estimated time; ``print`` shows it. The estimate scales the time of
        the cheapest cell by the observable's cost, so it is as good as that is; cells that are
        measured together take less.

    Raises
    ------
    TypeError, ValueError
        As for `run`.
    """
    sweep = Sweep(grid, observable, fixed, path, adopt)
    n_workers = check_integer("workers", workers, 1)
    pending = sweep.pending()
    n_finished = sweep.grid.n_cells - len(pending)
    if not pending:
        return Plan(sweep.grid, n_finished, None, 0.0, 0.0, n_workers)
    costs = [sweep.cost(cell) for _, cell in pending]
    pilot = pending[costs.index(min(costs))][1]
    for _ in range(2):  # the first call may compile
        outcome = measure_cell(sweep.observable.function, 0, pilot)
        if outcome.measurement is None:
            raise SweepError(f"the cell {cell_key(pilot)} {outcome.error}")
    seconds = outcome.seconds * sum(costs) / min(costs) / n_workers
    return Plan(sweep.grid, n_finished, pilot, outcome.seconds, seconds, n_workers)


def run(
    grid: Mapping[str, Sequence[Any]] | Grid,
    observable: Function | Observable,
    *,
    fixed: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    errors: str = "stop",
    adopt: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Measure an observable at every cell of a grid.

    Parameters
    ----------
    grid : mapping of str to sequence, or Grid
        Values of each parameter; ``seed`` is a parameter like any other.
    observable : callable or Observable
        Called as ``observable(**parameters)``; returns a mapping from names to numbers or to
        ``(dims, array)``, of the same dimensions in every cell.
    fixed : mapping, optional
        Parameters that are the same in every cell.
    path : path, optional
        Result file, .nc (NetCDF) or .zarr. Until it is complete, every finished cell is kept in the
        journal PATH.partial; the same call goes on from there and ends in the same file. A result
        that is complete is read, not measured; of one that has a part of the grid's cells, all else
        being equal, only the others are measured. Default: nothing is written.
    workers : int, default 1
        Processes on this machine, which share its cores; 1 measures in this process.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://127.0.0.1:8786"; its workers measure then, and
        must be able to import the observable. Needs the extra ``cluster``.
    errors : {"stop", "continue"}, default "stop"
        Whether a cell that raises, or that kills its worker process again and again, ends the
        sweep, or the others are measured first.
    adopt : bool, default False
        Whether to keep cells at `path` that another version of binnet or other code measured, as
        they are; the result's attribute "adopted" says which.
    progress : bool, default True
        Whether to show a progress bar with the time left.

    Returns
    -------
    xarray.Dataset
        One dimension for each axis of the grid, then those of each variable; see `load`.

    Raises
    ------
    TypeError, ValueError
        If the grid, a parameter or the path is not valid, the path holds another sweep, the
        observable's code cannot be told from other code, or a cell's measurement cannot be held.
    OSError
        If the file or the journal is damaged, or cannot be written.
    SweepError
        If a cell raised or killed its worker process; finished cells are kept.

    Notes
    -----
    A file belongs to the observable's code: to its bytecode, to that of the user's functions and
    classes that it refers to, and to the values of globals, defaults and enclosed variables that
    they read; of installed packages, to the version. Globals that a function assigns itself, and
    names that it looks up by a string, are not seen; a global that cells fill is another one
    afterwards. What belongs to other code is refused, or adopted.

    Examples
    --------
    >>> def square(x, seed):
    ...     return {"y": x * x + seed}
    >>> result = run({"x": [1, 2, 3], "seed": [0, 1]}, square, progress=False)
    >>> result.y.sel(x=3).values
    array([ 9, 10])
    """
    n_workers = check_integer("workers", workers, 1)
    check_choice("errors", errors, ERRORS)
    sweep = Sweep(grid, observable, fixed, path, adopt)
    return sweep.run(n_workers, scheduler, errors, progress)
