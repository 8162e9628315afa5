"""The study: what is read off its grids, its figures, and the command that runs it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

xr = pytest.importorskip("xarray", reason="needs the extra for sweeps")

from binnet.cli import main  # noqa: E402
from binnet.plotting import rate as plotting  # noqa: E402
from binnet.studies import rate as study  # noqa: E402


def make_result(final: Any, lowest: Any = None) -> Any:
    """Two gains, two learning rates, three seeds."""
    final = np.asarray(final, float)
    shape = final.shape
    dims = ("gain", "learning_rate", "seed")
    curves = np.linspace(1.0, 0.1, 10) * np.ones((*shape, 10))
    return xr.Dataset(
        {
            "loss": ((*dims, "block"), curves),
            "final_loss": (dims, final),
            "lowest_loss": (dims, final if lowest is None else np.asarray(lowest, float)),
            "exponents_before": ((*dims, "exponent"), np.full((*shape, 2), -0.5)),
            "exponents_after": ((*dims, "exponent"), np.full((*shape, 2), -0.1)),
        },
        {"gain": [0.2, 1.0], "learning_rate": [1e-3, 3e-3], "seed": [0, 1, 2]},
    )


FINAL = [[[3, 3, 3], [1, 2, 3]], [[2, 2, 2], [1, 1, np.nan]]]
LOWEST = [[[1, 1, 1], [2, 2, 3]], [[2, 2, 2], [1, 1, np.nan]]]


def test_the_best_learning_rate_is_that_of_the_lowest_mean() -> None:
    best = study.select_best(make_result(FINAL))
    # At gain 1 a seed diverged at the higher rate, which is therefore not chosen.
    assert best["learning_rate"].values.tolist() == [3e-3, 1e-3]
    assert best["final_loss"].sel(gain=0.2).values.tolist() == [1, 2, 3]
    lowest = study.select_best(make_result(FINAL, LOWEST), "lowest_loss")
    assert lowest["learning_rate"].values.tolist() == [1e-3, 1e-3]


def test_cells_that_are_not_measured_do_not_count() -> None:
    result = make_result(FINAL)
    missing = (result["seed"] == 2) & (result["gain"] == 1.0)
    best = study.select_best(result.where(~missing))
    assert best["learning_rate"].values.tolist() == [3e-3, 3e-3]
    only_first = result.where(result["gain"] == 0.2)
    assert [row["gain"] for row in study.summarise(only_first)] == [0.2]


def test_the_summary() -> None:
    first, second = study.summarise(make_result(FINAL, LOWEST))
    assert first["gain"] == 0.2
    assert first["learning_rate"] == 3e-3
    assert first["runs"] == 3
    assert first["final_loss"] == 2
    assert first["final_loss_std"] == pytest.approx(np.std([1, 2, 3]))
    assert first["lowest_loss"] == 1  # at the other learning rate
    assert first["exponent_before"] == -0.5
    assert first["exponent_after"] == pytest.approx(-0.1)
    assert second["gain"] == 1.0


def test_updates_until_a_loss() -> None:
    result = make_result(FINAL)
    assert (study.count_until(result, 0.75) == 4 * study.BLOCK).all()
    assert study.count_until(result, 0.01).isnull().all()


def test_the_full_plan_is_that_of_the_source() -> None:
    plan = {experiment.name: experiment for experiment in study.plan_study()}
    for rule in ("bptt", "eprop"):
        axes = plan[f"romo-{rule}"].axes
        assert axes == {
            "gain": (0.2, 0.5, 1.0, 1.5),
            "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3),
            "seed": (0, 1, 2, 3, 4),
        }
        assert {f"{task}-{rule}" for task in ("two-alternative", "delayed-match")} <= plan.keys()
        assert f"romo-{rule}-more-gains" in plan
    assert plan["romo-eprop-flossed"].axes["floss_exponents"] == (1, 8, 16, 64)


def test_measure_training_is_nan_after_divergence() -> None:
    common = {"n_hidden": 8, "iterations": 60, "batch_size": 4, "n_exponents": 2}
    good = study.measure_training(**common)
    assert good["loss"][1].shape == (3,)
    assert good["exponents_before"][1].shape == good["exponents_after"][1].shape == (2,)
    assert good["final_loss"] >= good["lowest_loss"] > 0
    bad = study.measure_training(**common, optimiser="sgd", learning_rate=1e6)
    assert np.isnan(bad["final_loss"])
    assert np.isnan(bad["loss"][1]).all()
    assert np.array_equal(bad["exponents_before"][1], good["exponents_before"][1])


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quick study train tiny networks for a moment."""
    original = study._plan_quick

    def plan() -> Any:
        small = {"iterations": 40, "n_hidden": 8, "batch_size": 4, "floss_iterations": 2}
        for experiment in original():
            own = small if "flossed" in experiment.name else dict(list(small.items())[:3])
            yield study.Experiment(
                experiment.name, experiment.axes, {**experiment.fixed, "n_exponents": 2, **own}
            )

    monkeypatch.setattr(study, "_plan_quick", lambda: list(plan()))


@pytest.mark.long
def test_the_command_runs_goes_on_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch)
    arguments = ["rnn", "study", "--quick", "--out", str(tmp_path / "study")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "study").iterdir()}
    assert names == {
        "romo-bptt.nc", "romo-eprop.nc", "romo-eprop-flossed.nc", "summary.json",
        "curves-romo.png", "exponents.png", "flossing.png",
    }  # fmt: skip
    tables = json.loads((tmp_path / "study" / "summary.json").read_text())["tables"]
    assert [row["gain"] for row in tables["romo-bptt"]] == [0.2, 1.0]
    assert {row["floss_exponents"] for row in tables["romo-eprop-flossed"]} == {1, 8}
    # What is finished is not run again, and the figures come from the stored results.
    monkeypatch.setattr(study, "measure_training", None)
    again = CliRunner().invoke(main, [*arguments, "--draw-only"])
    assert again.exit_code == 0, again.output
    assert again.stdout == result.stdout


def test_the_command_without_results(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["rnn", "study", "--draw-only", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no results; run the study without --draw-only" in result.output


def test_figures_leave_out_runs_that_diverged() -> None:
    ax = Figure().subplots()
    curves = {"good": np.ones((2, 5)), "half": np.array([[1.0] * 5, [np.nan] * 5]),
              "none": np.full((2, 5), np.nan)}  # fmt: skip
    assert plotting.plot_learning_curves(curves, 20, ax, task="romo") is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["good", "half", "bands: ± std. dev. of runs"]
    assert ax.get_yscale() == "log"
    levels = {line.get_ydata()[0] for line in ax.lines if len(line.get_ydata()) == 2}
    assert {0.0317, 0.0158} <= levels
    ax = plotting.plot_exponents([0.2, 1.0], {"before": np.zeros((2, 3))}, Figure().subplots())
    assert ax.get_xlabel() == "initial gain"
    ax = plotting.plot_spectra({"k = 1": np.zeros((3, 4))}, Figure().subplots())
    assert ax.get_xscale() == "log"
