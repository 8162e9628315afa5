"""The sweep engine in one process: labels, files, resumption, refusals."""

import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import sweep_cases
from binnet import sweeps
from binnet.sweeps import _journal as journal
from binnet.sweeps import _results as results
from sweep_cases import GRID, measure


def run(*arguments: Any, **options: Any) -> xr.Dataset:
    return sweeps.run(*arguments, progress=False, **options)


def test_every_cell_is_where_its_labels_say() -> None:
    result = run(GRID, measure)
    assert dict(result.sizes) == {"x": 3, "kind": 2, "seed": 4, "bin": 3}
    for x, kind, seed in itertools.product(*GRID.values()):
        cell = result.sel(x=x, kind=kind, seed=seed)
        assert float(cell["value"]) == sweep_cases.expected(x, kind, seed)
        assert int(cell["count"]) == seed + int(8 * x)
        assert cell["histogram"].values.tolist() == [0, seed, 2 * seed]
    assert result["count"].dtype.kind == "i"


def test_fixed_parameters_reach_every_cell(tmp_path: Path) -> None:
    run(GRID, sweep_cases.measure_and_log, fixed={"folder": str(tmp_path), "pause": 0.0})
    assert len(sweep_cases.executions(tmp_path)) == 24


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_files_hold_the_result_and_where_it_came_from(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sweep{suffix}"
    result = run(GRID, measure, path=path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    loaded = sweeps.load(path)
    xr.testing.assert_identical(loaded, result)
    sweep = json.loads(loaded.attrs["sweep"])
    assert sweep["observable"] == "sweep_cases:measure"
    assert sweep["grid"] == GRID
    assert json.loads(loaded.attrs["provenance"])["packages"]["numpy"] == np.__version__
    assert loaded.attrs["finished_cells"] == 24


def test_an_interrupted_sweep_ends_in_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole.nc", tmp_path / "stopped.nc"
    logs = tmp_path / "logs"
    logs.mkdir()
    options = {"fixed": {"folder": str(logs)}}
    calls = itertools.count()

    def interrupt(*arguments: Any) -> None:
        if next(calls) == 10:
            raise KeyboardInterrupt
        add(*arguments)

    add = journal.Journal.add
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "add", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(GRID, sweep_cases.measure_and_log, path=stopped, **options)
    partial = sweeps.load(stopped)
    assert partial.attrs["finished_cells"] == 10
    assert int(np.isfinite(partial["count"]).sum()) == 10
    run(GRID, sweep_cases.measure_and_log, path=stopped, **options)
    assert len(sweep_cases.executions(logs)) == 24 + 1  # the one that was not kept
    run(GRID, sweep_cases.measure_and_log, path=whole, **options)
    assert stopped.read_bytes() == whole.read_bytes()
    assert not results.journal_path(stopped).exists()


def test_a_finished_sweep_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    options = {"fixed": {"folder": str(tmp_path)}, "path": path}
    first = run(GRID, sweep_cases.measure_and_log, **options)
    again = run(GRID, sweep_cases.measure_and_log, **options)
    xr.testing.assert_identical(first, again)
    assert len(sweep_cases.executions(tmp_path)) == 24


def test_a_cell_that_raises_stops_the_sweep_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    with pytest.raises(sweeps.SweepError, match=r"(?s)\"x\": 2\.0.*no square of two.*goes on"):
        run(GRID, sweep_cases.fail_at_two, path=path)
    assert sweeps.load(path).attrs["finished_cells"] == 20
    with pytest.raises(sweeps.SweepError, match="3 more cells raised"):
        run(GRID, sweep_cases.fail_at_two, path=path, errors="continue")
    left = sweeps.load(path)
    assert left.attrs["finished_cells"] == 20
    assert bool(left["value"].sel(x=2.0, kind="squared").isnull().all())


def test_a_full_disk_is_said_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit of pages stands for the disk: it ends in the same SQLITE_FULL."""
    path = tmp_path / "sweep.nc"
    connect = sqlite3.connect

    def connect_to_small_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_to_small_disk)
        with pytest.raises(OSError, match=r"(?s)disk is full.*make room and.*again"):
            run(GRID, measure, path=path)
    done = sweeps.load(path).attrs["finished_cells"]
    assert 0 < done < 24
    xr.testing.assert_identical(run(GRID, measure, path=path), run(GRID, measure))


def test_a_disk_that_fills_at_the_end_keeps_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sweep.nc"

    def fill(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_netcdf", fill)
        with pytest.raises(OSError, match=r"No space left.*safe in .*partial"):
            run(GRID, measure, path=path)
    assert not path.exists()
    assert sweeps.load(path).attrs["finished_cells"] == 24
    run(GRID, measure, path=path)
    assert [p.name for p in tmp_path.iterdir()] == ["sweep.nc"]


@pytest.mark.parametrize("finished", [True, False])
def test_the_file_of_another_sweep_is_refused(tmp_path: Path, finished: bool) -> None:
    path = tmp_path / "sweep.nc"
    if finished:
        run(GRID, measure, path=path)
    else:
        with pytest.raises(sweeps.SweepError):
            run(GRID, sweep_cases.fail_at_two, path=path)
    other = {**GRID, "x": [0.5, 1.0]}
    function = measure if finished else sweep_cases.fail_at_two
    with pytest.raises(ValueError, match=r"holds another sweep: its grid is .*name another file"):
        run(other, function, path=path)
    reordered = {name: GRID[name] for name in ("seed", "x", "kind")}
    with pytest.raises(ValueError, match="holds another sweep"):
        run(reordered, function, path=path)


def test_other_settings_are_another_sweep(tmp_path: Path) -> None:
    """What a preset's name stands for may change; its results may not be taken for new ones."""

    def depends_on(rate: float) -> sweeps.Observable:
        return sweeps.Observable(measure, settings={"preset": {"rate": rate, "sizes": (1, 2)}})

    path = tmp_path / "sweep.nc"
    result = run(GRID, depends_on(0.1), path=path)
    xr.testing.assert_identical(run(GRID, depends_on(0.1), path=path), result)
    with pytest.raises(ValueError, match=r"holds another sweep: its settings is .*name another"):
        run(GRID, depends_on(0.2), path=path)


def test_files_that_are_no_sweep_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("not NetCDF")
    with pytest.raises(OSError, match="is not a NetCDF file"):
        run(GRID, measure, path=tmp_path / "text.nc")
    (tmp_path / "new.nc.partial").write_text("no journal, " * 100)
    with pytest.raises(OSError, match="cannot use the journal"):
        run(GRID, measure, path=tmp_path / "new.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="holds another sweep"):
        run(GRID, measure, path=tmp_path / "other.nc")
    with pytest.raises(FileNotFoundError, match="there is no result"):
        sweeps.load(tmp_path / "nowhere.nc")


@pytest.mark.parametrize(
    ("grid", "options", "words"),
    [
        ({}, {}, "at least one parameter"),
        ({"x": []}, {}, "axis 'x' has no values"),
        ({"x": 3}, {}, r"must be a sequence of values, got 3; write \[3\]"),
        ({"x": "abc"}, {}, "must be a sequence of values"),
        ({"x": [1, "a"]}, {}, "only strings or only numbers"),
        ({"x": [0.1, float("nan")]}, {}, "finite numbers, got nan"),
        ({"x": [1, 1]}, {}, "holds 1 twice"),
        ({**GRID, "y": [1]}, {}, "unknown parameter 'y'; .*takes x, kind, seed, pause"),
        ({"x": [1.0]}, {}, "needs kind, seed: add an axis"),
        (GRID, {"fixed": {"seed": 1}}, "seed is both an axis of the grid and fixed"),
        (GRID, {"fixed": {"pause": float("inf")}}, "plain finite values"),
        (GRID, {"fixed": {"pause": object()}}, "plain finite values"),
        (GRID, {"path": "sweep.csv"}, r"must end in .nc or .zarr, got sweep.csv"),
        (GRID, {"path": "no/such/folder/sweep.nc"}, "does not exist; create it first"),
        (GRID, {"workers": 0}, "workers must be an integer >= 1, got 0"),
        (GRID, {"errors": "ignore"}, "errors must be one of stop, continue"),
    ],
)
def test_bad_input_is_refused_before_any_work(
    grid: Any, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    called = []

    def observe(x: float, kind: str, seed: int, pause: float = 0.0) -> dict[str, float]:
        called.append(x)
        return {"y": 0.0}

    with pytest.raises((TypeError, ValueError, OSError), match=words):
        run(grid, observe, **options)
    assert not called


def test_a_check_refuses_a_cell_before_any_work() -> None:
    def check(x: float, **others: Any) -> None:
        if x > 1:
            raise ValueError(f"x must be <= 1, got {x:g}")

    with pytest.raises(ValueError, match="x must be <= 1, got 2"):
        run(GRID, sweeps.Observable(measure, check=check))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (sweep_cases.return_nothing, "must return a mapping"),
        (lambda x: {"y": "text"}, "y must be numbers"),
        (lambda x: {"y": np.zeros(3)}, "3"),
        (lambda x: {"y": (("a", "b"), np.zeros(3))}, "1 axes but the dimensions"),
    ],
)
def test_what_is_no_measurement_is_refused(function: Any, words: str) -> None:
    with pytest.raises(sweeps.SweepError, match=words):
        run({"x": [1.0]}, function)


def test_shapes_that_differ_between_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="same dimensions in every cell"):
        run({"x": [1, 2]}, sweep_cases.change_shape)


def test_a_plan_measures_the_cheapest_cell_and_says_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "sweep.nc"
    observable = sweeps.Observable(measure, cost=lambda x, **others: 8 * x)
    planned = sweeps.plan(GRID, observable, fixed={"pause": 0.01}, path=path, workers=2)
    assert planned.pilot is not None
    assert planned.pilot["x"] == 0.5
    weights = sum(8 * x for x in GRID["x"]) * 8 / 4
    assert planned.seconds == pytest.approx(planned.pilot_seconds * weights / 2)
    assert planned.pilot_seconds > 0.01
    assert "24 cells, 0 of them finished" in str(planned)
    assert not list(tmp_path.iterdir())
    run(GRID, observable, fixed={"pause": 0.01}, path=path)
    assert sweeps.plan(GRID, observable, fixed={"pause": 0.01}, path=path).n_finished == 24
