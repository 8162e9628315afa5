"""Files of sweeps: what they can hold, axes that grow, damage that is noticed."""

import json
import shutil
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import sweep_cases
from binnet import UncheckedFileWarning, sweeps
from binnet.sweeps import _results as results
from binnet.sweeps import _store as store
from sweep_cases import GRID, measure


def run(*arguments: Any, **options: Any) -> xr.Dataset:
    return sweeps.run(*arguments, progress=False, **options)


# ---- cells are their own


@pytest.mark.parametrize("path", [None, "a.nc"])
def test_no_cell_changes_the_parameters_of_the_next(tmp_path: Path, path: str | None) -> None:
    def pop(x: int, rest: list[int]) -> dict[str, int]:
        return {"y": rest.pop()}

    options = {} if path is None else {"path": tmp_path / path}
    result = run({"x": [1, 2, 3]}, pop, fixed={"rest": [10, 20, 30]}, **options)
    assert result["y"].values.tolist() == [30, 30, 30]


def test_no_cell_changes_the_result_of_the_last_one() -> None:
    kept = np.zeros(2)

    def fill(x: int) -> dict[str, object]:
        kept[:] = x
        return {"y": ("bin", kept)}

    assert run({"x": [1, 2]}, fill)["y"].values.tolist() == [[1, 1], [2, 2]]


# ---- integers


@pytest.mark.parametrize("values", [[1, 2**63, 2**64 - 1], [-(2**63), 2**63 - 1]])
def test_integers_are_kept_exactly(tmp_path: Path, values: list[int]) -> None:
    kind = np.uint64 if values[-1] >= 2**63 else np.int64
    path = tmp_path / "a.nc"
    run({"seed": np.array(values, kind)}, lambda seed: {"y": seed}, path=path)
    loaded = sweeps.load(path)
    for array in (loaded["seed"], loaded["y"]):
        assert array.dtype == kind
        assert array.values.tolist() == values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([2**64], r"axis 'x' must hold integers in .*, or in 0\.\.18446744073709551615, got 18"),
        ([-1, 2**63], "got -1 to 9223372036854775808"),
        ([0.5, 2**53 + 1], "which is no float"),
        ([0.5, 10**400], "which is no float"),
    ],
)
def test_numbers_that_no_file_holds_are_refused(values: list[Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sweeps.Grid({"x": values})


def test_integers_that_no_type_holds_together_are_refused() -> None:
    with pytest.raises(ValueError, match="no integer type holds both"):
        run({"x": [0, 1]}, lambda x: {"y": [-1, 2**63][x]})


# ---- what a file can hold is found with the first cell


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({"x": 1}, "'x' is called like an axis"),
        ({"a/b": 1}, "cannot hold the variable 'a/b'"),
        ({"": 1}, "cannot hold the variable ''"),
        ({"y\n": 1}, "cannot hold the variable"),
        ({"y": np.float16(1)}, "y is float16, which .* files do not hold; return float32"),
        ({"y": np.longdouble(1)}, "return float32"),
        ({"bin": ("bin", [1, 2])}, "'bin' is called like a dimension"),
        ({"y": ("x", [1, 2])}, "dimension 'x', an axis of the grid"),
        ({"y": (("a", "a"), np.eye(2))}, "has a dimension twice"),
        ({"y": ("a", [1]), "z": ("a", [1, 2])}, "a of 1 and a of 2"),
    ],
    ids=str,
)
def test_what_no_file_holds_is_refused_before_the_second_cell(
    tmp_path: Path, returned: dict[str, Any], words: str, suffix: str
) -> None:
    folder = str(tmp_path)

    def observe(x: int) -> dict[str, Any]:
        with (Path(folder) / "calls.log").open("a") as log:
            log.write(f"{x}\n")
        return returned

    for errors in ("stop", "continue"):
        with pytest.raises(ValueError, match=f'cannot hold the cell .*"x": 1.*{words}'):
            run({"x": [1, 2]}, observe, path=tmp_path / f"a{suffix}", errors=errors)
    assert len(sweep_cases.executions(tmp_path)) == 2
    # The observable is mended, and goes on in the same file.
    assert run({"x": [1, 2]}, lambda x: {"y": x}, path=tmp_path / f"a{suffix}").y.sum() == 3


def test_a_name_for_an_axis_that_no_file_holds_is_refused_at_once(tmp_path: Path) -> None:
    def observe(**parameters: int) -> dict[str, int]:
        raise AssertionError("called")

    with pytest.raises(ValueError, match="cannot hold the axis 'a/b'"):
        run({"a/b": [1, 2]}, observe, path=tmp_path / "a.nc")
    with pytest.raises(ValueError, match="axis 'x' holds values that a file changes"):
        run({"x": ["a", "b\0"]}, observe, path=tmp_path / "a.nc")


def test_cells_of_other_shapes_fail_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    with pytest.raises(sweeps.SweepError, match=r"cannot be held: y must have the same dim"):
        run({"x": [1, 2, 1.5]}, sweep_cases.change_shape, path=path, errors="continue")
    assert sweeps.load(path).attrs["finished_cells"] == 2


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_journal_goes_only_when_the_file_was_read_back(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what is written: the result is not taken for written."""
    path = tmp_path / f"a{suffix}"
    write = store._write

    def lose(dataset: xr.Dataset, where: Path) -> None:
        write(dataset.assign(count=dataset["count"] + 1) if "count" in dataset else dataset, where)
        if "count" in dataset and where.suffix == ".nc":
            with h5py.File(where, "r+") as file:
                file["count"][0, 0, 0] += 1
        if "count" in dataset and where.suffix == ".zarr":
            shutil.rmtree(where / "count" / "c")

    monkeypatch.setattr(sweeps._layout, "try_to_hold", lambda *arguments: None)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_write", lose)
        with pytest.raises(OSError, match=r"not what is read back.*cells are safe in .*partial"):
            run(GRID, measure, path=path)
    assert not path.exists()
    assert sweeps.load(path).attrs["finished_cells"] == 24
    run(GRID, measure, path=path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


# ---- a single cell, and axes that grow


def test_a_single_cell_is_a_result(tmp_path: Path) -> None:
    fixed = {"x": 0.5, "kind": "plain", "seed": 1}
    result = run({}, measure, fixed=fixed, path=tmp_path / "a.nc")
    assert float(result["value"]) == sweep_cases.expected(0.5, "plain", 1)
    assert dict(result.sizes) == {"bin": 3}
    xr.testing.assert_identical(sweeps.load(tmp_path / "a.nc"), result)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_finished_sweep_gets_more_values(tmp_path: Path, suffix: str) -> None:
    path, logs = tmp_path / f"a{suffix}", tmp_path / "logs"
    logs.mkdir()
    fixed = {"folder": str(logs)}
    first = {"x": [0.5, 2.0], "seed": [3, 1]}
    larger = {"x": [0.5, 1.0, 2.0], "kind": ["plain", "squared"], "seed": [0, 1, 2, 3]}
    run(first, sweep_cases.measure_and_log, fixed={**fixed, "kind": "squared"}, path=path)
    assert sweeps.plan(
        larger, sweep_cases.measure_and_log, fixed=fixed, path=path
    ).n_finished == 4  # fmt: skip
    assert not results.journal_path(path).exists()
    result = run(larger, sweep_cases.measure_and_log, fixed=fixed, path=path)
    assert len(sweep_cases.executions(logs)) == 4 + 2 + 20  # a pilot is measured twice
    whole = run(larger, sweep_cases.measure_and_log, fixed=fixed)
    xr.testing.assert_identical(result, whole)
    xr.testing.assert_identical(sweeps.load(path), whole)
    assert not results.journal_path(path).exists()
    with pytest.raises(ValueError, match="holds another sweep"):
        run(first, sweep_cases.measure_and_log, fixed={**fixed, "kind": "squared"}, path=path)


def test_a_sweep_that_was_stopped_gets_more_values_and_keeps_the_old_file_till_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nc"
    run({"x": [1, 2]}, sweep_cases.fail_on_demand, path=path)
    monkeypatch.setenv("BINNET_TEST_FAIL", "1")
    with pytest.raises(sweeps.SweepError):
        run({"x": [0, 1, 2, 3]}, sweep_cases.fail_on_demand, path=path)
    assert sweeps.load(path).attrs["finished_cells"] == 2
    assert sweeps.load(results.journal_path(path)).attrs["finished_cells"] == 3
    monkeypatch.setenv("BINNET_TEST_FAIL", "")
    grid = {"x": [5, 0, 1, 2, 3, 4]}
    assert sweeps.plan(grid, sweep_cases.fail_on_demand, path=path).n_finished == 3
    result = run(grid, sweep_cases.fail_on_demand, path=path)
    assert result["y"].values.tolist() == grid["x"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc"]


def test_whole_numbers_are_not_taken_for_others(tmp_path: Path) -> None:
    """A cell at 1 is not that at 1.0, whatever Python says."""
    run({"x": [1, 2]}, sweep_cases.fail_on_demand, path=tmp_path / "a.nc")
    with pytest.raises(ValueError, match="holds another sweep"):
        run({"x": [1.0, 1.5, 2.0]}, sweep_cases.fail_on_demand, path=tmp_path / "a.nc")


# ---- damage


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of 20 cells; the other four fail."""
    with pytest.raises(sweeps.SweepError):
        run(GRID, sweep_cases.fail_at_two, path=tmp_path / "a.nc")
    return tmp_path / "a.nc.partial"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cells SET data = x'504b' || substr(data, 3, length(data) - 9) WHERE rowid = 3",
        "UPDATE cells SET data = x'' WHERE rowid = 3",
        "UPDATE cells SET data = 'text' WHERE rowid = 3",
        "UPDATE cells SET key = replace(key, '\"seed\": 2', '\"seed\": 9') WHERE rowid = 3",
        "UPDATE cells SET key = CAST(x'ff00ff' AS TEXT) WHERE rowid = 3",
        "UPDATE cells SET data = (SELECT data FROM cells WHERE rowid = 1) WHERE rowid = 3",
        "UPDATE cells SET data = zeroblob(100), digest = NULL WHERE rowid = 3",
    ],
)
def test_a_damaged_cell_is_measured_again(journal: Path, change: str, caplog: Any) -> None:
    with sqlite3.connect(journal) as connection:
        connection.execute(change)
    connection.close()
    path = journal.with_suffix("")
    assert sweeps.load(path).attrs["finished_cells"] == 19
    assert "1 damaged cells, which are left out" in caplog.text
    with pytest.raises(sweeps.SweepError, match="no square of two"):
        run(GRID, sweep_cases.fail_at_two, path=path, errors="continue")
    assert "1 cells in " in caplog.text
    left = sweeps.load(path)
    assert left.attrs["finished_cells"] == 20
    for x, kind, seed in ((x, k, s) for x in (0.5, 1.0) for k in GRID["kind"] for s in range(4)):
        cell = left["value"].sel(x=x, kind=kind, seed=seed)
        assert float(cell) == sweep_cases.expected(x, kind, seed)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sweep SET value = '[1' WHERE name = 'description'",
        "UPDATE sweep SET value = replace(value, '0.5', '0.7') WHERE name = 'description'",
        "UPDATE sweep SET value = 'null', digest = NULL WHERE name = 'description'",
        "DROP TABLE cells",
        None,
    ],
)
def test_a_damaged_journal_is_one_clear_line(journal: Path, change: str | None) -> None:
    if change is None:
        data = bytearray(journal.read_bytes())
        data[4000:9000] = bytes(5000)
        journal.write_bytes(data)
    else:
        with sqlite3.connect(journal) as connection:
            connection.execute(change)
        connection.close()
    for attempt in (lambda: run(GRID, measure, path=journal.with_suffix("")),
                    lambda: sweeps.load(journal)):  # fmt: skip
        if change == "DROP TABLE cells":
            continue
        with pytest.raises(OSError, match=r"^cannot use the journal .*(damaged|lost).*") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_what_can_be_read_of_a_damaged_journal_is_kept(tmp_path: Path, caplog: Any) -> None:
    path, logs = tmp_path / "a.nc", tmp_path / "logs"
    logs.mkdir()
    grid = {**GRID, "seed": list(range(20))}
    options: dict[str, Any] = {"fixed": {"folder": str(logs)}, "path": path}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "save", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(grid, sweep_cases.measure_and_log, **options)
    journal = results.journal_path(path)
    data = bytearray(journal.read_bytes())
    middle = data.index(b'"seed": 10')  # a page in the middle of the table
    page = middle // 4096 * 4096
    data[page : page + 64] = bytes(64)
    journal.write_bytes(data)
    result = run(grid, sweep_cases.measure_and_log, **options)
    assert "of its cells could be read and are kept" in caplog.text
    assert 120 < len(sweep_cases.executions(logs)) < 160
    xr.testing.assert_identical(
        result, run(grid, sweep_cases.measure_and_log, fixed=options["fixed"])
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc", "a.nc.partial.damaged", "logs"]


@pytest.mark.parametrize("with_bytes", [True, False])
def test_single_bits_of_a_result_are_noticed(tmp_path: Path, with_bytes: bool) -> None:
    path = tmp_path / "a.nc"
    result = run(GRID, measure, path=path)
    # Without the digest of all bytes, as a tool that copies NetCDF leaves it, and with it.
    whole = path.read_bytes()
    data = whole if with_bytes else whole[: whole.rindex(b"\nwritten by binnet")]
    rng = np.random.default_rng(0)
    begin = data.index(result["value"].values.tobytes())
    tries = [
        *(begin + k for k in range(0, 192, 24)),
        *rng.integers(0, len(data), 60 if with_bytes else 0).tolist(),
    ]
    noticed = []
    for place in tries:
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            xr.testing.assert_equal(sweeps.load(path), result)  # never a number nobody wrote
        except OSError as error:
            noticed.append(str(error))
    assert len(noticed) == len(tries) if not with_bytes else len(noticed) >= len(tries) - 4
    assert all(str(path) in line and "\n" not in line for line in noticed)


@pytest.mark.parametrize("kind", ["axis", "chunked", "contiguous", "attribute"])
def test_a_file_that_declares_terabytes_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.nc"
    run(GRID, measure, path=path)
    with h5py.File(path, "r+") as file:
        if kind == "attribute":
            space = h5py.h5s.create_simple((2**20,))
            h5py.h5a.create(file.id, b"large", h5py.h5t.NATIVE_DOUBLE, space)
        else:
            name = "x" if kind == "axis" else "value"
            del file[name]
            chunks = None if kind == "contiguous" else (1024,)
            file.create_dataset(name, (10**14,), "f8", chunks=chunks)
    if kind == "attribute":  # of which HDF5 writes nothing until it is filled
        data = path.read_bytes()
        path.write_bytes(data.replace((2**20).to_bytes(8, "little"), (2**47).to_bytes(8, "little")))
    with pytest.raises(OSError, match="damaged"):
        sweeps.load(path)


@pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_zarr_folder_that_declares_terabytes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    run({"x": [1, 2]}, lambda x: {"y": 0.5 * x}, path=path)
    file = path / "y" / "zarr.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "shape": [10**14]}))
    with pytest.raises(MemoryError, match=r"what it declares would take .* of memory"):
        sweeps.load(path)
    file.write_text(json.dumps({**told, "shape": "many"}))
    with pytest.raises(OSError, match="not a Zarr folder of a sweep, or it is damaged"):
        sweeps.load(path)


def test_results_of_earlier_commits_are_read_with_a_note() -> None:
    folder = Path(__file__).parents[1] / "docs" / "results"
    # That file was written by a script of bench/, and is no result of a sweep.
    files = sorted(path for path in folder.rglob("*.nc") if path.stem != "row_capacity")
    n_older = 0
    for path in files:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            assert sweeps.load(path).attrs["finished_cells"] > 0
        n_older += len(notes)
        for note in notes:
            assert note.category is UncheckedFileWarning
            assert f"{path} is of an older version" in str(note.message)
    assert 10 < n_older < len(files)


def test_integers_that_are_rounded_while_cells_are_missing_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("BINNET_TEST_FAIL", "1")
    with pytest.raises(sweeps.SweepError):
        run({"x": [2**53 + 1, 3]}, sweep_cases.fail_on_demand, path=tmp_path / "a.nc")
    sweeps.load(tmp_path / "a.nc")
    assert "y holds integers beyond 2**53" in caplog.text
