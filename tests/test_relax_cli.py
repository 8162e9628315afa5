"""`binnet relax` as users meet it: a summary, a NetCDF file with its picture, clear refusals."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from binnet import RandomNetwork
from binnet import relax as relax_network
from binnet.cli import main
from binnet.plotting.dynamics import plot_flips_per_sweep, plot_relaxation_times

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["relax", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_writes_what_the_library_finds(tmp_path: Path) -> None:
    output = tmp_path / "result.nc"
    text = run(
        "--neurons", 90, "--self-coupling", 1.2, "--update-order", "async", "--replicas", 5,
        "--symmetry", 0.3, "--density", 0.5, "--modules", 3, "--excitation", 0.4, "--field",
        0.2, "--distribution", "sign", "--seed", 4, "--threads", 1, "--output", output,
    )  # fmt: skip
    network = RandomNetwork.draw(
        90, 1.2, symmetry=0.3, density=0.5, n_modules=3, excitation=0.4, field_std=0.2,
        distribution="sign", dtype="int16", seed=4,
    )  # fmt: skip
    expected = relax_network(network, update_order="async", replicas=5, seed=4, threads=1)
    assert f"fixed point  {expected.converged.sum()} of 5 replicas" in text
    assert f"longest {expected.sweeps.max()}" in text
    with xarray.open_dataset(output, engine="h5netcdf") as data:
        assert np.array_equal(data["state"], expected.states)
        assert np.array_equal(data["flips"], expected.flips)
        provenance = json.loads(data.attrs["provenance"])
    assert provenance["network"]["n_modules"] == 3
    assert provenance["options"]["update_order"] == "async"
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"result.nc", "result.png"}


def test_tells_cycles(tmp_path: Path) -> None:
    output = tmp_path / "cycles.nc"
    text = run("--neurons", 60, "--self-coupling", 0, "--symmetry", -1, "--output", output)
    assert "cycle        16 of length 4" in text
    assert "unsettled    0" in text


def test_float_couplings_and_random_subsets(tmp_path: Path) -> None:
    text = run(
        "--neurons", 60, "--self-coupling", 1.5, "--dtype", "float32", "--update-order",
        "random-subset", "--update-probability", 0.7, "--max-sweeps", 300, "--replicas", 3,
        "--output", tmp_path / "subset.nc",
    )  # fmt: skip
    assert "fixed point  3 of 3 replicas" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--neurons", 0], 1, "--neurons must be an integer >= 1, got 0"),
        (["--neurons", 10, "--self-coupling", -1], 1, "--self-coupling must be .* >= 0, got -1"),
        (["--neurons", 10, "--self-coupling", "nan"], 1, "--self-coupling must be .* got nan"),
        (["--neurons", 10, "--symmetry", 2], 1, "--symmetry must be .* <= 1, got 2"),
        (["--neurons", 10, "--density", 0], 1, "--density must be .* > 0 and <= 1, got 0"),
        (["--neurons", 10, "--modules", 3], 1, "--neurons .* multiple of --modules = 3, got 10"),
        (["--neurons", 10, "--field", -1], 1, "--field must be .* >= 0, got -1"),
        (["--neurons", 10, "--replicas", 0], 1, "--replicas must be .* got 0"),
        (["--neurons", 10, "--max-sweeps", 0], 1, "--max-sweeps must be .* got 0"),
        (["--neurons", 10, "--threads", 0], 1, "--threads must be"),
        (["--neurons", 10, "--seed", -1], 1, "--seed must be an integer >= 0, got -1"),
        (["--neurons", 10, "--output", "no/such/r.nc"], 2, "create it first"),
        (["--neurons", 10, "--output", "r.txt"], 2, "must end in .nc"),
        (["--neurons", 10, "--update-order", "parallel"], 2, "is not one of 'sync', 'async'"),
        ([], 2, "Missing option '--neurons'"),
    ],
)
def test_errors(
    arguments: list[object], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = run(*arguments, code=code)
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("Error")]
    assert re.search(words, line), line
    assert not list(tmp_path.iterdir())


def test_pictures() -> None:
    figure = Figure()
    FigureCanvasAgg(figure)
    left, right = figure.subplots(ncols=2)
    fractions = {"a": [[0.2, 0.1, 0.0], [0.4, np.nan, np.nan]], "b": [[0.1, 0.1, 0.1]]}
    assert plot_flips_per_sweep(fractions, left) is left
    means = {
        line.get_label().split(",")[0]: line.get_ydata()
        for line in left.get_lines()
        if "mean" in line.get_label()
    }
    np.testing.assert_allclose(means["a"], [0.3, 0.1, np.nan])
    np.testing.assert_allclose(means["b"], [0.1, 0.1, 0.1])
    times = {"a": [3, 5, np.inf, 10], "none": [np.inf, np.inf]}
    assert plot_relaxation_times(times, right) is right
    first, none = right.get_lines()
    at = dict(zip(first.get_xdata(), first.get_ydata(), strict=True))
    assert (at[1.0], at[3.0], at[5.0], at[10.0]) == (1.0, 0.75, 0.5, 0.25)
    assert set(none.get_ydata()) == {1.0}
    assert none.get_label() == "none: 0 of 2 settled"
    figure.canvas.draw()
