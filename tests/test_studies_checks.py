"""What fails in every cell of a study for a reason that they share is found before the first."""

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from binnet import sweeps
from binnet.cli import main
from binnet.datasets import DataFileError
from binnet.studies import (
    _training,
    capacity,
    chains,
    map,
    rate,
    self_coupling,
    sizes,
    symmetry,
    tuning,
)
from binnet.studies import weight_bits as bits
from binnet.sweeps import _pieces

RUNS: dict[str, Any] = {
    "capacity": capacity.run_capacity,
    "chain": chains.run_chains,
    "bits": bits.run_weight_bits,
    "sizes": sizes.run_sizes,
    "symmetry": symmetry.run_symmetry,
    "rate": rate.run_rate,
    "map": lambda output, **changes: map.run_map(
        output, **{"over": {"margin": (0.0, 1.0), "self_coupling": (0.0, 1.0)}, **changes}
    ),
    "tuning": tuning.run_tuning,
    "self-coupling": lambda output, **changes: self_coupling.run_self_coupling(
        output,
        self_coupling.SelfCouplingPlan.quick(
            **{k: v for k, v in changes.items() if k not in ("workers", "progress")}
        ),
    ),
}


@pytest.fixture(autouse=True)
def no_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(*arguments: Any) -> None:
        raise AssertionError("a cell was measured")

    monkeypatch.setattr(_pieces, "measure_cell", measure)
    _training.find_data.cache_clear()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("capacity", {"n_inputs": 0}, "n_inputs must be"),
        ("capacity", {"n_classes": 1}, "n_classes must be"),
        ("capacity", {"epochs": 0}, "epochs must be"),
        ("capacity", {"loads": (1.0, 1e308)}, "load must be"),
        ("capacity", {"n_modules": (1, 0)}, "n_modules must be"),
        ("chain", {"excitations": (0.0, -1.0)}, "excitation must be"),
        ("chain", {"n_modules": (2, 0)}, "n_modules must be"),
        ("chain", {"samples": 60001}, "samples must be"),
        ("bits", {"n_hidden": 0}, "n_hidden must be"),
        ("bits", {"samples": 0}, "samples must be"),
        ("sizes", {"models": ("default", "mlp"), "sizes": (10, 0)}, "sizes must be"),
        ("sizes", {"epochs": 0}, "epochs must be"),
        ("symmetry", {"presets": ("default", "none")}, "none"),
        ("symmetry", {"n_hidden": 0}, "n_hidden must be"),
        ("self-coupling", {"relaxed": (0.0, -1.0)}, "self_coupling must be"),
        ("self-coupling", {"calculated": (-1.0,)}, "self_coupling must be"),
        ("self-coupling", {"margin": (0.0, -1.0)}, "margin must be"),
        ("self-coupling", {"input_strength": 0.0}, "input_strength must be"),
        ("map", {"over": {"margin": (0.0, 1.0)}}, "two or three axes, got 1"),
        ("map", {"over": {"margin": (0.0, 1.0), "epochs": (1, 2)}}, "epochs is no axis"),
        ("map", {"over": {"margin": (0.0, 1.0), "seed": (1, 2)}}, "seed is no axis"),
        ("map", {"over": {"margin": (0.0,), "excitation": (1, 2)}}, "at least two values"),
        ("map", {"over": {"margin": (0.0, 1.0), "excitation": (0, -1)}}, "excitation must be"),
        ("map", {"settings": {"margin": 0.5}}, "margin is an axis and has a fixed value"),
        ("map", {"samples": 50001, "validation": True}, "samples must be an integer in 1..50000"),
        ("self-coupling", {"replicas": 0}, "replicas must be"),
    ],
    ids=str,
)
def test_bad_values_are_found_before_the_first_cell(
    tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        RUNS[name](tmp_path / "a.nc", progress=False, **options)
    assert not list(tmp_path.iterdir())


def test_bad_grids_of_rate_networks_are_found_before_the_first_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where it is the last grid that is bad."""
    good = rate.plan_study(quick=True)
    bad = rate.Experiment("bad", {"seed": (0,)}, {"task": "romo", "rule": "bptt"})
    for fixed in ({"n_exponents": 10**6}, {"gain": -1.0}, {"task": "none"}):
        last = rate.Experiment(bad.name, bad.axes, {**bad.fixed, **fixed})
        monkeypatch.setattr(rate, "plan_study", lambda last=last, **_: [*good, last])
        with pytest.raises(ValueError, match=next(iter(fixed))):
            rate.run_rate(tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["chain", "bits", "sizes", "symmetry", "tuning", "self-coupling", "map"]
)
def test_missing_data_are_found_before_the_first_cell(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DataFileError("the embedded data are damaged; install binnet again")

    monkeypatch.setattr(_training, "load_entangled_mnist", refuse)
    with pytest.raises(DataFileError, match="install binnet again"):
        RUNS[name](tmp_path / "a.nc", progress=False)
    assert not list(tmp_path.iterdir())


def test_a_map_over_something_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="unknown parameter 'margins'; known are"):
        RUNS["map"](tmp_path / "a.nc", over={"margins": (0, 1), "excitation": (0, 1)})


def test_a_missing_extra_is_found_before_the_first_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"binnet\[sklearn\]"):
        sizes.run_sizes(tmp_path / "a.nc", models=("default",), progress=False)
    assert not list(tmp_path.iterdir())


def test_the_file_of_another_study_is_found_before_the_first_cell(tmp_path: Path) -> None:
    """Of the last of its sweeps."""
    other = tmp_path / "a.integers.nc"
    other.write_text("no sweep")
    with pytest.raises(OSError, match=r"a\.integers\.nc is not a NetCDF file"):
        bits.run_weight_bits(tmp_path / "a.png", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == [other.name]


@pytest.mark.parametrize(
    "words",
    [["hardware", "bits"], ["capacity"], ["rnn", "study"], ["study", "chain"], ["study", "sizes"]],
    ids=str,
)
def test_a_cell_that_fails_is_no_traceback(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise sweeps.SweepError("the cell 1 raised: no")

    monkeypatch.setattr(sweeps, "run", fail)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert done.output == "Error: the cell 1 raised: no\n"


def test_studies_adopt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(*arguments: Any, **options: Any) -> None:
        seen.append(sweeps._sameness.is_adopting())
        raise sweeps.SweepError("enough")

    monkeypatch.setattr(sweeps, "run", look)
    monkeypatch.chdir(tmp_path)
    for options in (["--adopt"], []):
        CliRunner().invoke(main, ["study", "symmetry", *options])
    assert seen == [True, False]
