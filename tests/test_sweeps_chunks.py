"""Cells that are measured together: the same file as cell by cell, and whose the errors are."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep_cases
from binnet import sweeps
from binnet.sweeps import Observable
from binnet.sweeps._pieces import cut
from sweep_cases import GRID

SINGLE = Observable(sweep_cases.measure)


def together(chunk: int = 5, **changes: Any) -> Observable:
    return Observable(
        **{"function": sweep_cases.measure, "many": sweep_cases.measure_many, "chunk": chunk}
        | changes
    )


def log_of(folder: Path) -> list[list[str]]:
    return [line.split() for path in folder.glob("*.log") for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def importable_in_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def measure_logged(
    x: float, kind: str, seed: int, folder: str = "", pause: float = 0.0
) -> dict[str, object]:
    return sweep_cases.measure(x, kind, seed, pause)


@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_the_values_are_those_of_cell_by_cell(tmp_path: Path, chunk: int) -> None:
    one = sweeps.run(GRID, SINGLE, progress=False)
    many = sweeps.run(GRID, together(chunk), progress=False)
    assert one.drop_attrs().identical(many.drop_attrs())
    assert one.value.sel(x=2.0, kind="squared", seed=3) == sweep_cases.expected(2.0, "squared", 3)


def test_pieces_hold_a_group_and_no_more_than_a_chunk(tmp_path: Path) -> None:
    observable = together(3, function=measure_logged, group=lambda kind, **_: kind)
    sweeps.run(GRID, observable, fixed={"folder": str(tmp_path)}, progress=False)
    pieces = log_of(tmp_path)
    assert sorted(len(piece) for piece in pieces) == [3] * 8
    assert all(len({cell.split("-")[1] for cell in piece}) == 1 for piece in pieces)
    assert len({cell for piece in pieces for cell in piece}) == 24


def test_all_workers_get_a_piece() -> None:
    pending = [(k, {"x": k}) for k in range(10)]
    observable = Observable(lambda x: {"y": x}, many=lambda cells: [])
    assert [len(piece) for piece in cut(pending, observable, 4)] == [3, 3, 3, 1]
    assert cut(pending, Observable(lambda x: {"y": x}), 4) == [[cell] for cell in pending]


def test_workers_write_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "one.nc", tmp_path / "two.nc"]
    for path, workers in zip(paths, (1, 2), strict=True):
        sweeps.run(GRID, together(5), path=path, workers=workers, progress=False)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_stopped_sweep_keeps_its_finished_pieces(tmp_path: Path) -> None:
    path, logs = tmp_path / "stopped.nc", tmp_path / "logs"
    logs.mkdir()
    fixed = {"folder": str(logs)}
    stopping = together(8, function=measure_logged, many=sweep_cases.stop_at_two)
    with pytest.raises(KeyboardInterrupt):
        sweeps.run(GRID, stopping, fixed=fixed, path=path, progress=False)
    kept = sweeps.load(path)
    assert int(kept.value.notnull().sum()) == 16  # x = 2 is the last third of the grid
    with sweeps.adopting():  # the function that measures many is another now
        again = together(8, function=measure_logged)
        whole = sweeps.run(GRID, again, fixed=fixed, path=path, progress=False)
    assert [len(piece) for piece in log_of(logs)] == [8, 8, 8]  # none twice
    assert np.array_equal(whole.value, sweeps.run(GRID, SINGLE, progress=False).value)


def test_a_changed_many_is_another_observable(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    sweeps.run(GRID, together(), path=path, progress=False)
    sweeps.check(GRID, together(), path=path)
    with pytest.raises(ValueError, match="many: fail_together"):
        sweeps.check(GRID, together(many=sweep_cases.fail_together), path=path)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_that_of_its_cell(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "sweep.nc"
    observable = Observable(sweep_cases.fail_at_two, many=sweep_cases.fail_many_at_two, chunk=6)
    with pytest.raises(sweeps.SweepError) as raised:
        sweeps.run(GRID, observable, path=path, errors="continue", workers=workers, progress=False)
    text = str(raised.value)
    assert '"kind": "squared"' in text
    assert '"x": 2.0' in text
    assert "no square of two today" in text
    assert "3 more cells raised or died" in text
    assert int(sweeps.load(path).value.notnull().sum()) == 20


def test_what_fails_together_alone_is_said(caplog: pytest.LogCaptureFixture) -> None:
    observable = together(many=sweep_cases.fail_together, chunk=24)
    with caplog.at_level(logging.WARNING, "binnet"):
        result = sweeps.run(GRID, observable, progress=False)
    assert int(result.value.notnull().sum()) == 24
    (record,) = caplog.records
    assert "24 cells could not be measured together" in record.getMessage()
    assert "too many at once" in record.getMessage()


def test_too_few_results_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    observable = Observable(lambda x: {"y": x}, many=lambda cells: [{"y": 5}])
    with caplog.at_level(logging.WARNING, "binnet"):
        result = sweeps.run({"x": [1, 2]}, observable, progress=False)
    assert result.y.values.tolist() == [1, 2]
    assert "returned 1 results for 2 cells" in caplog.records[0].getMessage()


@pytest.mark.long
def test_a_cell_that_kills_its_worker_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    observable = Observable(sweep_cases.die_at_two, many=sweep_cases.die_many_at_two, chunk=12)
    with pytest.raises(sweeps.SweepError, match="a worker process died of it"):
        sweeps.run(GRID, observable, path=path, errors="continue", workers=2, progress=False)
    assert int(sweeps.load(path).value.notnull().sum()) == 16


def test_the_size_is_checked() -> None:
    with pytest.raises(ValueError, match="chunk must be"):
        together(0)
