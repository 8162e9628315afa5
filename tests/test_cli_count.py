"""`binnet count` as users meet it: counts beside the closed form, files, clear refusals, Ctrl-C."""

import json
from pathlib import Path

import pytest
import xarray
from click.testing import CliRunner, Result

from binnet import RandomNetwork, fixed_points, theory
from binnet.cli import main


def run(*arguments: object, code: int = 0) -> str:
    result: Result = CliRunner().invoke(main, ["count", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def test_one_network() -> None:
    output = run("--neurons", 12, "--self-coupling", 0.5, "--seed", 3)
    count = fixed_points.enumerate(RandomNetwork.draw(12, 0.5, seed=3)).count
    assert f"fixed points  {count}\n" in output
    assert "closed form   55.9654, mean over networks\n" in output


def test_counts_and_overlaps_of_several_networks(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    output = run("--neurons", 11, "--self-coupling", 0.6, "--draws", 30, "--output", path)
    data = json.loads(path.read_text())
    found = [fixed_points.enumerate(RandomNetwork.draw(11, 0.6, seed=k)) for k in range(30)]
    assert data["counts"] == [one.count for one in found]
    assert f"fixed points  {data['mean']:.6g} +- {data['standard_error']:.2g} per net" in output
    assert data["closed_form"] == pytest.approx(2.71828 ** theory.log_expected_count(11, 0.6), 1e-4)
    assert f"({(data['mean'] - data['closed_form']) / data['standard_error']:+.1f} stand" in output
    assert data["pairs"]["mean"][0] == data["mean"]
    assert sum(data["pairs"]["mean"]) == pytest.approx(sum(k**2 for k in data["counts"]) / 30)
    assert len(data["pairs"]["closed_form"]) == 12
    assert data["run"]["seed"] == 0
    assert data["completed"]


def test_closed_form_with_fields_and_where_there_is_none() -> None:
    quick = ("--neurons", 9, "--self-coupling", 0.5, "--draws", 4)
    assert "standard errors" in run(*quick, "--field", 0.5)
    assert "standard errors" in run(*quick, "--distribution", "sign", "--dtype", "int16")
    assert "none: one neuron" in run("--neurons", 1, "--self-coupling", 0.5)
    mixed = run(*quick, "--symmetry", 0.5, "--density", 0.4)
    assert "none: no formula for correlated couplings (symmetry 0.5) that are diluted" in mixed


@pytest.mark.parametrize(
    "ensemble",
    [
        {"symmetry": -0.5},
        {"symmetry": 0.5, "field_std": 0.5},
        {"symmetry": 1.0},
        {"distribution": "sign"},
        {"distribution": "sign", "density": 0.5, "field_std": 0.3},
        {"density": 0.3},
    ],
    ids=str,
)
def test_closed_form_of_each_ensemble(ensemble: dict[str, object]) -> None:
    options = {"field_std": "--field"}
    given = [x for k, v in ensemble.items() for x in (options.get(k, f"--{k}"), v)]
    output = run("--neurons", 9, "--self-coupling", 0.5, "--draws", 400, *given)
    closed = float(output.split("closed form   ")[1].split(",")[0])
    assert closed == pytest.approx(float(theory.expected_count(9, 0.5, **ensemble)), rel=1e-5)
    pull = float(output.split("(")[-1].split()[0])
    assert abs(pull) < 4


def test_figure(tmp_path: Path) -> None:
    path = tmp_path / "overlaps.png"
    output = run("--neurons", 10, "--self-coupling", 0.5, "--draws", 5, "--output", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"figure: {path}" in output
    assert json.loads(path.with_suffix(".json").read_text())["draws"] == 5


def test_states_of_one_network_as_netcdf(tmp_path: Path) -> None:
    path = tmp_path / "states.nc"
    assert f"states: {path}" in run("--neurons", 9, "--self-coupling", 0.7, "--output", path)
    found = fixed_points.enumerate(RandomNetwork.draw(9, 0.7, seed=0))
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert (data["state"].values == found.states).all()
        assert (data["pairs"].values == found.overlap_histogram()).all()
        assert json.loads(data.attrs["provenance"])["seed"] == 0
        assert json.loads(data.attrs["network"])["self_coupling"] == 0.7


def test_interrupted_draws_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, drawn = RandomNetwork.draw, []

    def draw_three(*arguments: object, **parameters: object) -> RandomNetwork:
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(parameters["seed"])
        return draw(*arguments, **parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(RandomNetwork, "draw", draw_three)
    path = tmp_path / "counts.json"
    output = run("--neurons", 8, "--self-coupling", 1, "--draws", 9, "--output", path, code=130)
    assert "3 of 9 networks" in output
    data = json.loads(path.read_text())
    assert len(data["counts"]) == 3
    assert not data["completed"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--neurons", 0], 1, "--neurons must be an integer >= 1, got 0"),
        (["--self-coupling", -1], 1, "--self-coupling must be a finite number >= 0, got -1"),
        (["--self-coupling", "nan"], 1, "--self-coupling must be a finite number >= 0, got nan"),
        (["--density", 0], 1, "--density must be"),
        (["--neurons", 40], 1, "to go on, set --max-neurons to 40"),
        (["--neurons", 63, "--max-neurons", 62], 1, "at most 62 neurons"),
        (["--draws", 2, "--output", "states.nc"], 2, "drop --draws"),
        (["--max-neurons", 70], 2, "70 is not in the range 1<=x<=62"),
        (["--output", "counts.txt"], 2, "must end in .json, .nc, .png, .pdf or .svg"),
        (["--output", "no/such/folder/x.json"], 2, "create it first"),
        (["--method", "fast"], 2, "'fast' is not one of"),
        (["--threads", 0], 1, "--threads must be"),
    ],
)
def test_wrong_requests_end_with_one_clear_line(
    arguments: list[object], code: int, words: str
) -> None:
    given = {"--neurons": 8, "--self-coupling": 0.5} | dict(
        zip(arguments[::2], arguments[1::2], strict=True)
    )
    output = run(*(part for pair in given.items() for part in pair), code=code)
    assert words in output.replace("\n", " ")
