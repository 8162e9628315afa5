"""`binnet sweep`: values on the command line, files and pictures, dry runs and errors."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from binnet import RandomNetwork, fixed_points, sweeps
from binnet.cli import main
from binnet.cli._axes import parse_axis

AXES = ["self_coupling=0:2:3", "n_neurons=20,40", "seed=0..2", "replicas=4", "max_sweeps=30"]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def binnet(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sweep", *arguments])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("x=1,2,3", [1, 2, 3]),
        ("x=1,2.5", [1.0, 2.5]),
        ("x=a,b", ["a", "b"]),
        ("x=0..3", [0, 1, 2, 3]),
        ("x=-1..1", [-1, 0, 1]),
        ("x=0.1:0.7:7", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("x=5", [5]),
    ],
)
def test_values(text: str, values: list[object]) -> None:
    assert parse_axis(text) == ("x", values)
    assert [type(value) for value in parse_axis(text)[1]] == [type(value) for value in values]


def test_a_sweep_leaves_a_file_a_picture_and_thresholds(tmp_path: Path) -> None:
    done = binnet("relaxation", *AXES, "--output", "out.nc")
    assert done.exit_code == 0, done.output
    assert "18 cells in out.nc" in done.output
    assert "threshold_error" in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.nc", "out.png"]
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    assert dict(sweeps.load("out.nc").sizes)["n_neurons"] == 2


def test_counts_of_fixed_points_are_those_of_the_enumeration() -> None:
    done = binnet("fixed_points", "self_coupling=0,1", "n_neurons=8,10", "seed=0..2")
    assert done.exit_code == 0, done.output
    counts = sweeps.load("sweep.nc")["n_fixed_points"]
    network = RandomNetwork.draw(10, 1.0, seed=2)
    expected = fixed_points.enumerate(network).count
    assert int(counts.sel(self_coupling=1, n_neurons=10, seed=2)) == expected > 0


def test_a_dry_run_prints_grid_and_time_and_leaves_nothing(tmp_path: Path) -> None:
    done = binnet("relaxation", *AXES, "--dry-run", "--workers", "2")
    assert done.exit_code == 0, done.output
    assert "18 cells, 0 of them finished" in done.output
    assert "replicas             fixed: 4" in done.output
    assert "estimated time left" in done.output
    assert not list(tmp_path.iterdir())


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "my_observable.py").write_text("def area(a, b):\n    return {'area': a * b}\n")
    done = binnet("my_observable:area", "a=1,2", "b=3,4,5")
    assert done.exit_code == 0, done.output
    assert sweeps.load("sweep.nc")["area"].values.tolist() == [[3, 4, 5], [6, 8, 10]]
    assert not (tmp_path / "sweep.png").exists()


def test_a_single_cell_is_a_result(tmp_path: Path) -> None:
    done = binnet("relaxation", "n_neurons=20", "self_coupling=1", "seed=0", *AXES[3:])
    assert done.exit_code == 0, done.output
    assert "1 cells in sweep.nc" in done.output
    assert dict(sweeps.load("sweep.nc").sizes) == {"replica": 4, "sweep": 30}


def test_one_threshold_alone_is_a_line(tmp_path: Path) -> None:
    done = binnet("relaxation", "n_neurons=20", *(axis for axis in AXES if "n_neurons" not in axis))
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    header = lines.index(["threshold", "width", "threshold_error"])
    assert len(lines[header + 1]) == 3


def test_more_values_and_other_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = (
        "def area(a):\n    with open('calls', 'a') as calls:\n        calls.write('x')\n"
        "    return {{'area': {} * a}}\n"
    )
    module = tmp_path / "my_edited_observable.py"
    for factor, axis, options, words, values in (
        (1, "a=1,2", [], "2 cells in sweep.nc", [1, 2]),
        (1, "a=0..2", [], "3 cells in sweep.nc", [0, 1, 2]),
        (1, "a=0..2", [], "was read, not measured", [0, 1, 2]),
        (10, "a=0..3", [], "changed since is area; ", None),
        (10, "a=0..3", ["--dry-run", "--adopt"], "4 cells, 3 of them finished", None),
        (10, "a=0..3", ["--adopt"], "4 cells in sweep.nc", [0, 1, 2, 30]),
    ):
        module.write_text(source.format(factor))
        sys.modules.pop(module.stem, None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        done = binnet(f"{module.stem}:area", axis, *options)
        assert words in done.output + caplog.text
        assert "Traceback" not in done.output
        if values is not None:
            assert done.exit_code == 0
            assert sweeps.load("sweep.nc")["area"].values.tolist() == values
    assert len((tmp_path / "calls").read_text()) == 2 + 1 + 2 + 1  # a pilot runs twice


def test_a_plan_that_fails_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "my_failing_observable.py").write_text(
        "def fail(a):\n    return {'y': 1 / 0 * a}\n"
    )
    done = binnet("my_failing_observable:fail", "a=1,2", "--dry-run")
    assert done.exit_code == 1
    assert done.output.startswith('Error: the cell {"a": 1} raised:')


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["relaxed", "seed=0..1"], "OBSERVABLE must be one of relaxation"),
        (["no_such_module:f", "seed=0..1"], "cannot load no_such_module:f"),
        (["relaxation", "seed"], "write PARAMETER=VALUES"),
        (["relaxation", "seed=3..1"], "the range is empty"),
        (["relaxation", "seed=0..x"], "cannot read the values '0..x' of seed"),
        (["relaxation", "self_coupling=0:1"], "FIRST:LAST:COUNT"),
        (["relaxation", "seed=0"], "needs n_neurons, self_coupling"),
        (["relaxation"], "with at least one parameter"),
        (["relaxation", "seed=0..1", "seed=2..3"], "a parameter is given twice"),
        (["relaxation", "seed=0..1", "colour=red"], "unknown parameter 'colour'"),
        (["relaxation", "seed=0..1"], "needs n_neurons, self_coupling"),
        (["fixed_points", "n_neurons=20,31", "self_coupling=0,1", "seed=0"], "in 1..30, got 31"),
        (["relaxation", *AXES, "--output", "out.csv"], "must end in .nc or .zarr, got out.csv"),
        (["relaxation", *AXES, "--output", "no/out.nc"], "does not exist; create it first"),
        (["relaxation", *AXES, "--workers", "0"], "0 is not in the range 1<=x<=1024"),
        (["relaxation", "self_coupling=-1,1", *AXES[1:]], "self_coupling must be a finite number"),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = binnet(*arguments)
    assert done.exit_code != 0
    assert words in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())
