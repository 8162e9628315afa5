"""Run a sweep: resume it from its journal, measure the cells that are left, lay them out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet._files import check_folder
from binnet._progress import progress_bar
from binnet._validation import check_choice, check_integer
from binnet.sweeps import _results as results
from binnet.sweeps import _workers as pool
from binnet.sweeps._journal import Journal, Measurement
from binnet.sweeps._sessions import SweepRecord, begin_session, note_cell, note_sweep
from binnet.sweeps.grid import Cell, Grid, Observable, cell_key

if TYPE_CHECKING:
    import xarray as xr

Function = Callable[..., Mapping[str, Any]]
ERRORS = ("stop", "continue")


class SweepError(RuntimeError):
    """A sweep that could not be finished; what was measured is in its journal."""


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


def plan(
    grid: Mapping[str, Sequence[Any]] | Grid,
    observable: Function | Observable,
    *,
    fixed: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] | None = None,
    workers: int = 1,
) -> Plan:
    """Say what `run` would do and about how long it would take, by timing one cell.

    Parameters
    ----------
    grid, observable, fixed, path, workers : optional
        As for `run`; without `path`, no cell counts as finished.

    Returns
    -------
    Plan
        Grid, finished cells and estimated time; ``print`` shows it. The estimate scales the time of
        the cheapest cell by the observable's cost, so it is as good as that is.

    Raises
    ------
    TypeError, ValueError
        As for `run`.
    """
    sweep = _Sweep(grid, observable, fixed, path)
    n_workers = check_integer("workers", workers, 1)
    pending = sweep.pending()
    n_finished = sweep.grid.n_cells - len(pending)
    if not pending:
        return Plan(sweep.grid, n_finished, None, 0.0, 0.0, n_workers)
    costs = [sweep.cost(cell) for _, cell in pending]
    pilot = pending[costs.index(min(costs))][1]
    for _ in range(2):  # the first call may compile
        outcome = pool.measure_cell(sweep.observable.function, 0, pilot)
        if outcome.measurement is None:
            raise SweepError(f"the cell {cell_key(pilot)} raised:\n{outcome.error}")
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
        journal PATH.partial; the same call goes on from there and ends in the same file.
        Default: nothing is written.
    workers : int, default 1
        Processes on this machine, which share its cores; 1 measures in this process.
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://127.0.0.1:8786"; its workers measure then, and
        must be able to import the observable. Needs the extra ``cluster``.
    errors : {"stop", "continue"}, default "stop"
        Whether a cell that raises ends the sweep, or the others are measured first.
    progress : bool, default True
        Whether to show a progress bar with the time left.

    Returns
    -------
    xarray.Dataset
        One dimension for each axis of the grid, then those of each variable; see `load`.

    Raises
    ------
    TypeError, ValueError
        If the grid, a parameter or the path is not valid, or the path holds another sweep.
    SweepError
        If a cell raised or a worker process died; finished cells are kept.

    Examples
    --------
    >>> def square(x, seed):
    ...     return {"y": x * x + seed}
    >>> result = run({"x": [1, 2, 3], "seed": [0, 1]}, square, progress=False)
    >>> result.y.sel(x=3).values
    array([ 9, 10])
    """
    sweep = _Sweep(grid, observable, fixed, path)
    n_workers = check_integer("workers", workers, 1)
    check_choice("errors", errors, ERRORS)
    if sweep.path is not None and sweep.path.exists():
        return results.load(sweep.path)
    with ExitStack() as stack:
        journal = None if sweep.path is None else stack.enter_context(closing(sweep.open_journal()))
        sessions = [] if journal is None else journal.sessions()
        note_sweep(SweepRecord(sweep.path, sweep.description, sessions))
        measurements: dict[str, Measurement] = {}

        def keep(key: str, measurement: Measurement) -> None:
            if journal is None:
                measurements[key] = measurement
            else:
                journal.add(key, measurement, sessions)

        sweep.measure(n_workers, scheduler, errors, progress, keep, sessions)
        if journal is not None:
            measurements = dict(journal.items())
        dataset = results.assemble(sweep.grid, sweep.description, measurements, sessions)
    if sweep.path is not None:
        results.save(dataset, sweep.path)
        results.journal_path(sweep.path).unlink()
    return dataset


class _Sweep:
    """A valid grid and observable, and the file that they go to."""

    def __init__(
        self,
        grid: Mapping[str, Sequence[Any]] | Grid,
        observable: Function | Observable,
        fixed: Mapping[str, Any] | None,
        path: str | os.PathLike[str] | None,
    ) -> None:
        self.observable = (
            observable if isinstance(observable, Observable) else Observable(observable)
        )
        if isinstance(grid, Grid):
            if fixed is not None:
                raise ValueError("pass fixed parameters as Grid(axes, fixed), not beside a Grid")
        else:
            grid = Grid(grid, fixed or {})
        rename = self.observable.rename_parameters
        self.grid = Grid(rename(grid.axes), rename(grid.fixed))
        self.observable.check_parameters([*self.grid.axes, *self.grid.fixed])
        if self.observable.check is not None:
            for cell in self.grid.cells():
                self.observable.check(**cell)
        self.description = self.grid.describe(self.observable)
        self.path = None if path is None else Path(path)
        if self.path is not None:
            self._check_path(self.path)

    def _check_path(self, path: Path) -> None:
        if path.suffix not in results.SUFFIXES:
            raise ValueError(f"the result must end in .nc or .zarr, got {path}")
        if path.suffix == ".zarr":
            try:
                import zarr  # noqa: F401
            except ImportError:
                raise ImportError(
                    'Zarr needs the package zarr: pip install "binnet[zarr]", or write .nc'
                ) from None
        check_folder(path)
        if path.exists():
            found = results.read(path)[0].attrs.get("sweep")
            self._check_same(path, None if found is None else json.loads(found))
        elif results.journal_path(path).exists():
            self.open_journal().close()

    def _check_same(self, path: Path, found: Mapping[str, Any] | None) -> None:
        """Refuse a file that another sweep wrote."""
        for part, wanted in self.description.items():
            there = None if found is None else found.get(part)
            if there != wanted or (part == "grid" and list(there) != list(wanted)):
                raise ValueError(
                    f"{path} holds another sweep: its {part} is {there}, this one's {wanted}; name "
                    "another file, or remove this one"
                )

    def open_journal(self) -> Journal:
        """Open this sweep's journal, and refuse that of another."""
        assert self.path is not None
        path = results.journal_path(self.path)
        journal = Journal(path)
        try:
            found = journal.description()
            if found is None:
                journal.describe(self.description)
            else:
                self._check_same(path, found)
        except BaseException:
            journal.close()
            raise
        return journal

    def cost(self, cell: Cell) -> float:
        """Relative work of a cell."""
        return 1.0 if self.observable.cost is None else float(self.observable.cost(**cell))

    def pending(self) -> list[tuple[int, Cell]]:
        """Return the cells that are not measured yet, with their numbers."""
        if self.path is not None and self.path.exists():
            return []
        done: set[str] = set()
        if self.path is not None and results.journal_path(self.path).exists():
            with closing(self.open_journal()) as journal:
                done = journal.keys()
        cells = enumerate(self.grid.cells())
        return [(index, cell) for index, cell in cells if cell_key(cell) not in done]

    def measure(
        self,
        n_workers: int,
        scheduler: str | None,
        errors: str,
        progress: bool,
        keep: Callable[[str, Measurement], None],
        sessions: list[dict[str, Any]],
    ) -> None:
        """Measure the pending cells, and count and keep each as soon as it is finished."""
        pending = self.pending()
        if pending:
            sessions.append(begin_session(n_workers, scheduler))
        cells = dict(pending)
        failures = []
        bar = progress_bar(
            total=sum(self.cost(cell) for _, cell in pending),
            disable=not progress or not pending,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]",
            desc=f"0 of {len(pending)} cells",
        )
        with bar, closing(self._outcomes(pending, n_workers, scheduler)) as outcomes:
            for n, outcome in enumerate(outcomes, 1):
                key = cell_key(cells[outcome.number])
                if outcome.measurement is None:
                    failures.append(f"the cell {key} raised:\n{outcome.error}")
                    if errors == "stop":
                        break
                else:
                    assert outcome.surroundings is not None
                    note_cell(sessions[-1], outcome.surroundings)
                    keep(key, outcome.measurement)
                bar.set_description_str(f"{n} of {len(pending)} cells", refresh=False)
                bar.update(self.cost(cells[outcome.number]))
        if failures:
            more = f"\n{len(failures) - 1} more cells raised" if len(failures) > 1 else ""
            raise SweepError(f"{failures[0]}{more}{self._what_is_left()}")

    def _outcomes(
        self, pending: Sequence[tuple[int, Cell]], n_workers: int, scheduler: str | None
    ) -> Generator[pool.Outcome]:
        function = self.observable.function
        if not pending:
            return
        if scheduler is not None:
            yield from pool.measure_on_cluster(function, pending, scheduler)
        elif n_workers == 1:
            yield from pool.measure_here(function, pending)
        else:
            from joblib.externals.loky.process_executor import BrokenProcessPool

            try:
                yield from pool.measure_locally(function, pending, n_workers)
            except BrokenProcessPool as error:
                raise SweepError(
                    f"a worker process died, perhaps for lack of memory ({error}); try fewer "
                    f"workers{self._what_is_left()}"
                ) from None

    def _what_is_left(self) -> str:
        if self.path is None:
            return ""
        return (
            f"\nfinished cells are in {results.journal_path(self.path)} (binnet.sweeps.load reads "
            "them); the same sweep goes on from there"
        )
