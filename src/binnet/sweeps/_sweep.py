"""A sweep that is asked for: what there is of it in file and journal, and how the rest is done."""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from binnet._files import check_folder, remove_leftovers
from binnet._progress import progress_bar
from binnet.sweeps import _results as results
from binnet.sweeps import _workers as pool
from binnet.sweeps._identity import list_changes
from binnet.sweeps._journal import Journal, JournalGoneError, KeptCell, Measurement, identify_file
from binnet.sweeps._layout import Layout
from binnet.sweeps._pieces import Measure, Outcome, Piece, cut
from binnet.sweeps._sameness import Match, is_adopting, match
from binnet.sweeps._sessions import SweepRecord, begin_session, note_cell, note_sweep
from binnet.sweeps._store import SUFFIXES
from binnet.sweeps._workers import SweepError
from binnet.sweeps.grid import Cell, Grid, Observable, cell_key

if TYPE_CHECKING:
    import xarray as xr

_logger = logging.getLogger("binnet")


class Sweep:
    """A valid grid and observable, and the file that they go to."""

    def __init__(
        self,
        grid: Mapping[str, Sequence[Any]] | Grid,
        observable: Callable[..., Mapping[str, Any]] | Observable,
        fixed: Mapping[str, Any] | None,
        path: str | os.PathLike[str] | None,
        adopt: bool = False,
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
        self.path = None if path is None else Path(path)
        self.description = self.grid.describe(self.observable)
        try:
            code = self.observable.identify()
        except TypeError:
            if self.path is not None:  # else there is nothing that could be stale
                raise
            code = None
        if code is not None:
            self.description["code"] = code
        self.layout = Layout(
            self.grid, self.description, None if self.path is None else self.path.suffix
        )
        self._adopt = adopt or is_adopting()
        self._any_kept = False  # whether there are cells in the journal
        self._earlier: dict[str, KeptCell] = {}  # cells of a finished sweep that this one extends
        self._earlier_machines: list[dict[str, Any]] = []
        self._looked_at: tuple[int, int] | None = None  # which file that was
        self.finished: xr.Dataset | None = None
        if self.path is not None:
            self._check_path(self.path)

    def _check_path(self, path: Path) -> None:
        if path.suffix not in SUFFIXES:
            raise ValueError(f"the result must end in .nc or .zarr, got {path}")
        if path.suffix == ".zarr":
            try:
                import zarr  # noqa: F401
            except ImportError:
                raise ImportError(
                    'Zarr needs the package zarr: pip install "binnet[zarr]", or write .nc'
                ) from None
        check_folder(path)
        remove_leftovers(path.parent)
        self._look_for_result()
        if self.finished is None:
            self.layout.accept(cell.measurement for cell in self._read_journal().values())
            self.layout.try_coordinates()

    def _look_for_result(self) -> None:
        """Read the result, or the cells of a finished sweep that this one goes on from."""
        assert self.path is not None
        there = identify_file(self.path)
        if there == self._looked_at:
            return
        self._looked_at = there
        dataset = results.read_finished(self.path)
        text = dataset.attrs.get("sweep")
        found = self._match(self.path, None if text is None else json.loads(text))
        if found.is_same:
            self.finished = dataset
            return
        self._earlier = {
            key: cell if cell.origin is not None else cell._replace(origin=found.origin)
            for key, cell in results.take_apart(dataset).items()
        }
        machine = json.loads(dataset.attrs.get("provenance", "{}"))
        self._earlier_machines = [machine, *machine.pop("others", [])]
        self.layout.accept(cell.measurement for cell in self._earlier.values())

    def _match(self, path: Path, found: Mapping[str, Any] | None) -> Match:
        belongs = match(path, found, self.description, self._adopt)
        if belongs.is_older:
            _logger.warning(
                "note: %s is of a version that did not note the code that measures; its cells are "
                "taken for those of %s as it is now", path, self.observable.name,
            )  # fmt: skip
        return belongs

    def _read_journal(self) -> dict[str, KeptCell]:
        """Return the cells that are kept, and change nothing; refuse the journal of another."""
        assert self.path is not None
        path = results.journal_path(self.path)
        if not path.exists():
            return self._earlier
        with closing(Journal(path)) as journal:
            cells, damaged = journal.read()
            if cells or damaged:
                self._match(path, journal.description())
            self._any_kept = bool(cells)
            return {**self._earlier, **cells}

    @contextmanager
    def _open_journal(self) -> Iterator[Journal]:
        """Open this sweep's journal, begun and without damaged cells; refuse that of another."""
        assert self.path is not None
        with closing(self._find_sound_journal(results.journal_path(self.path))) as journal:
            damaged = journal.drop_damaged()
            if damaged:
                _logger.warning(
                    "note: %d cells in %s are damaged and are measured again", damaged, journal.path
                )
            if damaged or journal.read()[0]:
                found = self._match(journal.path, journal.description())
                journal.renew(self.description, found.origin)
            else:  # new, or of a sweep of which nothing was finished
                session = {"cells": len(self._earlier), "machines": self._earlier_machines}
                journal.begin(self.description, self._earlier, [session] if self._earlier else [])
            yield journal

    def _find_sound_journal(self, path: Path) -> Journal:
        """Open the journal; what can be read of a damaged one goes into a new one in its place."""
        journal = Journal(path)
        if journal.is_sound():
            return journal
        with closing(journal):
            description, (cells, _) = journal.description(), journal.read()
            sessions = journal.sessions()
        if description is None:
            raise OSError(f"cannot use the journal {path}: it is damaged; move it away")
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        _logger.warning(
            "note: %s was damaged and is now %s; %d of its cells could be read and are kept",
            path, aside, len(cells),
        )  # fmt: skip
        journal = Journal(path)
        journal.begin(description, cells, sessions)
        return journal

    def cost(self, cell: Cell) -> float:
        """Relative work of a cell."""
        cost = self.observable.cost
        return 1.0 if cost is None else float(cost(**copy.deepcopy(cell)))

    def pending(self) -> Piece:
        """Return the cells that are not measured yet, with their numbers."""
        if self.finished is not None:
            return []
        done = {} if self.path is None else self._read_journal()
        cells = enumerate(self.grid.cells())
        return [(index, cell) for index, cell in cells if cell_key(cell) not in done]

    def run(self, n_workers: int, scheduler: str | None, errors: str, progress: bool) -> xr.Dataset:
        """Measure what is left, and write the result."""
        if self.path is None:
            sessions: list[dict[str, Any]] = []
            note_sweep(SweepRecord(None, self.description, sessions))
            cells: dict[str, KeptCell] = {}
            for key, measurement in self._measure(n_workers, scheduler, errors, progress, sessions):
                cells[key] = KeptCell(measurement, None)
            return results.assemble(self.grid, self.description, cells, sessions)
        if self.finished is not None:
            return self._read(progress, "read, not measured")
        with self._open_journal() as journal:
            # Another process may have finished it between our first look and the journal's opening.
            self._look_for_result()
            if self.finished is None:
                with suppress(JournalGoneError):
                    return self._fill(journal, n_workers, scheduler, errors, progress)
                self._look_for_result()
        if self.finished is None:
            raise SweepError(f"{journal.path} was removed while the sweep ran; run it again")
        journal.path.unlink(missing_ok=True)
        return self._read(progress, "finished by another process meanwhile")

    def _fill(
        self, journal: Journal, n_workers: int, scheduler: str | None, errors: str, progress: bool
    ) -> xr.Dataset:
        """Measure what is left into the journal, and write the result in its place."""
        assert self.path is not None
        sessions = journal.sessions()
        note_sweep(SweepRecord(self.path, self.description, sessions))
        measured = self._measure(n_workers, scheduler, errors, progress, sessions)
        with closing(measured):
            for key, measurement in measured:
                journal.add(key, measurement, sessions[-1])
                self._any_kept = True
        journal.check_ours()
        cells, damaged = journal.read()
        lost = self.grid.n_cells - len(cells)
        if damaged or lost:
            raise SweepError(
                f"{max(damaged, lost)} cells were damaged on the disk; run the same sweep again"
                f"{self._what_is_left()}"
            )
        dataset = results.assemble(self.grid, self.description, cells, journal.sessions())
        results.save(dataset, self.path)
        journal.close()
        journal.path.unlink(missing_ok=True)
        return dataset

    def _read(self, progress: bool, how: str) -> xr.Dataset:
        assert self.finished is not None
        attributes = self.finished.attrs
        description, machine = (json.loads(attributes[name]) for name in ("sweep", "provenance"))
        note_sweep(SweepRecord(self.path, description, None, machine))
        _logger.log(
            logging.WARNING if progress else logging.INFO, "note: %s was %s", self.path, how
        )
        return self.finished

    def _measure(
        self,
        n_workers: int,
        scheduler: str | None,
        errors: str,
        progress: bool,
        sessions: list[dict[str, Any]],
    ) -> Generator[tuple[str, Measurement]]:
        """Measure the pending cells; count and hand on each as soon as it is finished."""
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
                if outcome.note:
                    _logger.warning("note: %s", outcome.note)
                error = outcome.error or self._check_layout(key, outcome, errors)
                if error:
                    failures.append(f"the cell {key} {error}")
                    if errors == "stop":
                        break
                else:
                    assert outcome.surroundings is not None
                    assert outcome.measurement is not None
                    note_cell(sessions[-1], outcome.surroundings)
                    yield key, outcome.measurement
                bar.set_description_str(f"{n} of {len(pending)} cells", refresh=False)
                bar.update(self.cost(cells[outcome.number]))
        if pending:
            self._tell_of_changes()
        if failures:
            more = f"\n{len(failures) - 1} more cells raised or died" if len(failures) > 1 else ""
            raise SweepError(f"{failures[0]}{more}{self._what_is_left()}")

    def _tell_of_changes(self) -> None:
        """Say that cells changed what later ones read: their order then counts, and nobody sees."""
        before = self.description.get("code")
        if before is None:
            return
        now = self.observable.identify()
        if now != before:
            _logger.warning(
                "note: the cells changed %s: on other workers, or gone on with after a stop, they "
                "may measure other things; give each its own, as a fixed parameter or from a seed",
                list_changes(before, now),
            )  # fmt: skip

    def _check_layout(self, key: str, outcome: Outcome, errors: str) -> str:
        """Return what is wrong with a measurement; of the first one, it is so with all."""
        assert outcome.measurement is not None
        try:
            self.layout.check(outcome.measurement)
        except ValueError as error:
            if errors == "stop" or not self.layout.is_known:
                where = "" if self.path is None else f"{self.path} cannot hold "
                raise ValueError(f"{where}the cell {key}: {error}{self._what_is_left()}") from None
            return f"cannot be held: {error}"
        return ""

    def _outcomes(
        self, pending: Piece, n_workers: int, scheduler: str | None
    ) -> Generator[Outcome]:
        if not pending:
            return
        measure = Measure(self.observable.function, self.observable.many)
        pieces = cut(pending, self.observable, n_workers)
        if scheduler is not None:
            yield from pool.measure_on_cluster(measure, pieces, scheduler)
        elif n_workers == 1:
            yield from pool.measure_here(measure, pieces)
        else:
            yield from pool.measure_locally(measure, pieces, n_workers)

    def _what_is_left(self) -> str:
        if self.path is None or not self._any_kept:
            return ""
        return (
            f"\nfinished cells are in {results.journal_path(self.path)} (binnet.sweeps.load reads "
            "them); the same sweep goes on from there"
        )
