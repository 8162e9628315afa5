"""`binnet count` as users meet it: counts beside the closed form, files, clear refusals, Ctrl-C."""

import json
from pathlib import Path

import numpy as np
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


def test_census_of_one_network(tmp_path: Path) -> None:
    path = tmp_path / "attractors.nc"
    quick = ("--neurons", 11, "--self-coupling", 0.1, "--seed", 5)
    output = run(*quick, "--census", "--output", path)
    found = fixed_points.census(RandomNetwork.draw(11, 0.1, seed=5))
    table = [line.split() for line in output.splitlines() if line[:1].isdigit()]
    assert {int(length): int(number) for length, number, _ in table} == found.count_lengths()
    for length, _, fraction in table:
        states = found.basins[found.lengths == int(length)].sum()
        assert float(fraction) == pytest.approx(states / 2**11, rel=1e-3)
    assert found.transients is not None
    mean = found.transients @ range(len(found.transients)) / 2**11
    longest = len(found.transients) - 1
    assert f"transients              {mean:.4g} sweeps on average, {longest} at most\n" in output
    assert f"{found.n_without_predecessor / 2**11:.4g} of the states (Garden of Eden)" in output
    expected = theory.expected_count(11, 0.1)
    cycles = 2.718281828 ** theory.log_expected_cycles(11, 0.1)[1:]
    assert f"{expected:.6g} fixed points, {cycles.sum():.4g}"[:-1] in output
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert (data["state"].values == found.states).all()
        assert json.loads(data.attrs["provenance"])["seed"] == 5
    output = run(*quick, "--census", "async", "--field", 0.2, "--output", path)
    found = fixed_points.census(RandomNetwork.draw(11, 0.1, field_std=0.2, seed=5), "async")
    assert f"{found.n_undecided / 2**11:.4g} of the states: they can end in several" in output
    assert "2-cycles" not in output


def test_census_of_several_networks(tmp_path: Path) -> None:
    path = tmp_path / "attractors.json"
    quick = ("--neurons", 8, "--self-coupling", 0.2, "--census", "--output")
    output = run("--draws", 12, *quick, path)
    data = json.loads(path.read_text())
    found = [fixed_points.census(RandomNetwork.draw(8, 0.2, seed=k)) for k in range(12)]
    fixed = [one.n_fixed_points for one in found]
    assert data["lengths"] == sorted({k for one in found for k in one.count_lengths()})
    assert data["attractors"][0] == pytest.approx(sum(fixed) / 12)
    assert sum(data["fractions"]) == pytest.approx(1)
    error = np.std(fixed, ddof=1) / 12**0.5
    assert data["standard_error"][0] == pytest.approx(error)
    assert f"{data['attractors'][0]:.6g} +- {error:.2g}" in output
    assert [one["seed"] for one in data["networks"]] == list(range(12))
    assert data["completed"]
    assert data["run"]["seed"] == 0


def test_figure_of_a_census(tmp_path: Path) -> None:
    path = tmp_path / "attractors.png"
    run("--neurons", 9, "--self-coupling", 0.2, "--census", "--output", path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert sum(json.loads(path.with_suffix(".json").read_text())["basin"]) == 2**9


def test_a_table_of_many_lengths_is_cut_and_a_large_census_says_its_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("binnet.cli._census._MOST_LINES", 1)
    monkeypatch.setattr("binnet.cli._census._LARGE", 9)
    output = run("--neurons", 9, "--self-coupling", 0, "--census", "--threads", 1)
    lengths = fixed_points.census(RandomNetwork.draw(9, 0.0, seed=0)).count_lengths()
    others = sorted(lengths)[1:]
    assert f"longer, up to {others[-1]}" in output
    assert f"{sum(lengths[k] for k in others)}" in output.split("longer, up to")[1]
    assert output.startswith("2**9 states: 3.1e-06 GB of memory and about ")


def test_a_census_says_where_there_is_no_closed_form() -> None:
    quick = ("--neurons", 9, "--self-coupling", 0.5, "--census", "--symmetry", 0.5)
    assert "none: no formula for correlated couplings" in run(*quick, "--density", 0.4)
    assert "none" not in run(*quick)


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
        (["--census", "sync", "--neurons", 30], 1, "--neurons <= 28, got 30: 6.4 GB of memory"),
        (["--census", "async", "--neurons", 17], 1, "under 'async' for --neurons <= 16, got 17"),
        (["--census", "greedy"], 2, "'greedy' is not one of"),
        (["--census", "sync", "--margin", 0.1], 2, "--margin is for fixed points"),
        (["--census", "sync", "--max-neurons", 40], 2, "--max-neurons is for fixed points"),
        (["--census", "sync", "--draws", 2, "--output", "x.png"], 2, "drop --draws"),
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
