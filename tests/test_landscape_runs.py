"""Landscapes of runs: along training, gone on with where they were stopped, and the command."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner, Result

from binnet import load_checkpoint, load_entangled_mnist, preset, train
from binnet.cli import main
from binnet.landscape import (
    Dynamics,
    LandscapePlan,
    along_training,
    measure_state,
    run_landscape,
    summarise_landscape,
)
from binnet.learning import Run, save_checkpoint
from binnet.plotting.landscape import draw_landscape

# So weakly driven that messages settle soon.
SMALL = preset("source").replace(n_hidden=12, epochs=2, self_coupling=1.0, input_strength=0.5)
PLAN = LandscapePlan(distances=(0.1,), flipped=(0.2,), trials=3, max_sweeps=10)
HELD_OUT = 59800
OPTIONS = ["--samples", "2", "--distances", "0.1", "--flipped", "0.2", "--trials", "3",
           "--max-sweeps", "10"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, as `binnet train --validation 59800 --keep-every 1` leaves it."""
    folder = tmp_path_factory.mktemp("landscape") / "run"
    folder.mkdir()
    (folder / "config.toml").write_text(f"[data]\nvalidation = {HELD_OUT}\n")
    data = load_entangled_mnist()
    n = len(data.y_train) - HELD_OUT
    train(
        data.X_train[:n], data.y_train[:n], SMALL, threads=1,
        checkpoint=folder / "checkpoint.safetensors", keep_every=1,
    )  # fmt: skip
    return folder


def landscape(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["landscape", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def measure(run: Path, output: Path | None = None, **options: Any) -> xr.Dataset:
    options = {"samples": 2, "held_out": HELD_OUT, "plan": PLAN, "progress": False} | options
    return run_landscape(run / "checkpoint.safetensors", output, **options)


@pytest.fixture(scope="module")
def measured(run: Path) -> xr.Dataset:
    return measure(run)


def test_a_run_is_measured_at_every_checkpoint(run: Path, measured: xr.Dataset) -> None:
    assert measured["epoch"].values.tolist() == [0, 1, 2]
    assert json.loads(measured.attrs["configuration"]) == json.loads(json.dumps(SMALL.to_dict()))
    data = load_entangled_mnist()
    X, y = data.X_train[-HELD_OUT:], data.y_train[-HELD_OUT:]
    for epoch, state, name in (
        (0, "random", "checkpoint-epoch-0000"),
        (1, "shuffled", "checkpoint-epoch-0001"),
        (2, "inference", "checkpoint"),
    ):
        network = load_checkpoint(run / f"{name}.safetensors").network()
        sample = int(measured["sample"][-1])
        direct = measure_state(
            network, X[sample], state, label=y[sample], plan=PLAN, draw=sample,
            dynamics=Dynamics.of(SMALL),
        )  # fmt: skip
        part = measured.sel(epoch=epoch, sample=sample, state=state)
        for variable, value in direct.items():
            array = value[1] if isinstance(value, tuple) else value
            np.testing.assert_array_equal(part[variable], array, variable)


def test_the_network_as_drawn_needs_no_file(
    run: Path, measured: xr.Dataset, tmp_path: Path
) -> None:
    checkpoint = "checkpoint.safetensors"
    (tmp_path / checkpoint).write_bytes((run / checkpoint).read_bytes())
    sample = [int(measured["sample"][0])]
    ends = measured.sel(epoch=[0, 2], sample=sample)
    xr.testing.assert_equal(measure(tmp_path, samples=sample), ends)
    xr.testing.assert_equal(measure(run, samples=sample, last=True), ends)


def test_a_stopped_measurement_goes_on(
    run: Path, measured: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, stop_after = [], 4

    def count(*arguments: Any, **options: Any) -> Any:
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(options["draw"])
        return measure_state(*arguments, **options)

    monkeypatch.setattr(along_training, "measure_state", count)
    sample = [int(measured["sample"][0])]
    with pytest.raises(KeyboardInterrupt):
        measure(run, tmp_path / "cells.nc", samples=sample)
    stop_after = 3 * 3
    for _ in range(2):  # the second time there is nothing left to do
        found = measure(run, tmp_path / "cells.nc", samples=sample)
        assert len(calls) == 3 * 3
        xr.testing.assert_equal(found, measured.sel(sample=sample))


def test_means_have_their_errors(measured: xr.Dataset) -> None:
    found = measured.copy(deep=True)
    found["entropy"][1, 0, 0] = np.nan
    (record,) = [
        r for r in summarise_landscape(found) if (r["epoch"], r["state"]) == (1, "inference")
    ]
    values = found["margin"].sel(epoch=1, state="inference").values
    np.testing.assert_allclose(record["margin"], values.mean(axis=0))
    np.testing.assert_allclose(record["margin_error"], values.std(axis=0, ddof=1) / np.sqrt(2))
    assert record["entropy"] == float(found["entropy"][1, 1, 0])
    assert (record["entropy_error"], record["entropy_samples"]) == (None, 1)
    json.dumps(record, allow_nan=False)


def test_the_figure_is_drawn_where_messages_know_nothing(measured: xr.Dataset) -> None:
    """As of modules that excite each other."""
    names = ("entropy", "local_entropy", "local_bound")
    unknown = measured.assign({name: np.nan * measured[name] for name in names})
    figure = draw_landscape(unknown)
    figure.canvas.draw()
    assert figure.axes[2].get_xscale() == "log"


def test_the_command_leaves_figure_data_and_table(run: Path, measured: xr.Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = landscape(run, *OPTIONS, "--last")
    assert result.output.count("shuffled") == 2
    assert (run / "landscape.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((run / "landscape.json").read_text())
    assert record["set"] == "validation"
    assert record["configuration"]["network"]["n_hidden"] == 12
    assert len(record["means"]) == 6
    with xr.open_dataset(run / "landscape.nc", engine="h5netcdf") as found:
        xr.testing.assert_equal(found.load(), measured.sel(epoch=[0, 2]))
        assert found["margin"].attrs["units"] == "field"
        assert "binnet" in found.attrs


def test_errors_of_the_command_are_one_line(run: Path, tmp_path: Path) -> None:
    def complain(folder: Path, *options: object) -> str:
        output = landscape(folder, *OPTIONS, *options, code=1).output
        assert output.count("\n") == 1
        return output

    assert "is not a run folder" in complain(tmp_path / "nowhere")
    assert "samples must be an integer in 1..59800, got 59801" in complain(run, "--samples", 59801)
    assert "distances must be" in complain(run, "--distances", "0.1,1")
    assert "flipped must be" in complain(run, "--flipped", "1.5")
    for name, configuration in (
        ("fresh", SMALL),
        ("integer", SMALL.replace(arithmetic="int8")),
        ("several", SMALL.replace(n_modules=2, self_coupling=(0.1, 0.2))),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").write_text(f"[data]\nvalidation = {HELD_OUT}\n")
        state = Run.start(configuration, 200)
        state.epoch = 0 if name == "fresh" else 2
        save_checkpoint(tmp_path / name / "checkpoint.safetensors", state)
    assert "has not finished an epoch" in complain(tmp_path / "fresh")
    assert "learned in integers" in complain(tmp_path / "integer")
    assert "self_coupling must be the same in all modules" in complain(tmp_path / "several")
