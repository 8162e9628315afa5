"""The study of rich and lazy learning: its cells, what is read off them, and its figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

xr = pytest.importorskip("xarray", reason="needs the extra for sweeps")

from click.testing import CliRunner  # noqa: E402

from binnet.cli import main  # noqa: E402
from binnet.plotting._style import make_panels  # noqa: E402
from binnet.plotting.rate_regimes import list_figures, plot_measure  # noqa: E402
from binnet.rate import (  # noqa: E402
    STRUCTURES,
    DivergenceError,
    RateConfiguration,
    learning_regime,
    start_network,
    tasks,
    train,
)
from binnet.studies import rate_regimes as study  # noqa: E402
from binnet.studies.rate import Experiment  # noqa: E402

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

SMALL = {"n_hidden": 8, "iterations": 40, "batch_size": 4, "structure": "sparse-3"}


def test_a_cell_is_what_its_functions_say() -> None:
    found = study.measure_regime(**SMALL, seed=3)
    assert found.keys() == {"loss", *study.MEASURES}
    c = RateConfiguration(**SMALL, seed=3)  # type: ignore[arg-type]
    before, result = start_network(c), train(c)
    probe = tasks.romo(32, (3, 10**9 + 2))
    regime = learning_regime(before, result.network, probe.inputs, probe.response)
    assert found["recurrent_change"] == regime.weight_change["recurrent"]
    assert found["input_change"] == regime.weight_change["input_weights"]
    assert found["readout_change"] == regime.weight_change["readout"]
    assert found["kernel_alignment"] == regime.kernel_alignment
    assert found["change_entropy_rank"] == regime.change_entropy_rank
    assert found["final_loss"] == result.final_loss
    assert found["loss"][1].shape == (2,)
    assert np.isfinite([found[name] for name in study.MEASURES]).all()


def test_a_cell_that_diverged_is_nan() -> None:
    found = study.measure_regime(**SMALL, optimiser="sgd", learning_rate=1e6)
    assert np.isfinite(found.pop("exponent_before"))
    assert np.isnan(found.pop("loss")[1]).all()
    assert np.isnan(list(found.values())).all()


def diverge(*_: Any) -> Any:
    raise DivergenceError("flossing diverged")


def test_a_cell_whose_flossing_diverged_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "start_network", diverge)
    found = study.measure_regime(**SMALL)
    assert np.isnan(found.pop("loss")[1]).all()
    assert np.isnan(list(found.values())).all()


def test_the_plan() -> None:
    for experiment, rule in zip(study.plan_regimes(), ("bptt", "eprop"), strict=True):
        assert experiment.name == f"regimes-{rule}"
        assert list(experiment.axes) == ["seed", "structure", "gain"]
        assert experiment.axes["structure"] == STRUCTURES
        assert experiment.axes["gain"] == (0.2, 0.5, 1.0, 1.5)
        assert experiment.fixed["rule"] == rule
    with pytest.raises(ValueError, match="seeds"):
        study.plan_regimes(seeds=0)


def run_small(folder: Path) -> Any:
    experiment = study.plan_regimes(quick=True)[0]
    axes = {"seed": (0, 1), "structure": ("gaussian", "sparse-3"), "gain": (0.5, 1.0)}
    fixed = {**experiment.fixed, "n_hidden": 8, "iterations": 20, "batch_size": 4}
    small = Experiment(experiment.name, axes, fixed, experiment.observable)
    return small.run(folder, progress=False)


def test_a_grid_its_table_and_its_figure(tmp_path: Path) -> None:
    result = run_small(tmp_path)
    rows = study.summarise(result)
    conditions = [(row["structure"], row["gain"], row["runs"]) for row in rows]
    assert conditions == [
        ("gaussian", 0.5, 2), ("gaussian", 1.0, 2), ("sparse-3", 0.5, 2), ("sparse-3", 1.0, 2),
    ]  # fmt: skip
    here = result["kernel_alignment"].sel(structure="sparse-3", gain=1.0).values
    assert rows[3]["kernel_alignment"] == pytest.approx(here.mean())
    assert rows[3]["kernel_alignment_std"] == pytest.approx(here.std())
    figures = list_figures({"regimes-bptt": result})
    assert list(figures) == ["regimes"]
    figure = figures["regimes"]()
    assert len(figure.axes) == 5
    assert list_figures({}) == {}


def test_conditions_that_are_not_measured_and_runs_that_diverged(tmp_path: Path) -> None:
    result = run_small(tmp_path)
    part = result.where((result["gain"] == 1.0) & (result["structure"] == "gaussian"))
    rows = study.summarise(part)
    assert [(row["structure"], row["gain"]) for row in rows] == [("gaussian", 1.0)]
    losses = result["final_loss"].where(result["seed"] == 1)
    diverged = result.assign(final_loss=losses)
    assert [row["runs"] for row in study.summarise(diverged)] == [1] * 4
    _, (ax,) = make_panels()
    plot_measure(diverged["final_loss"], "final_loss", ax)
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), losses.sel(structure="gaussian", seed=1).values
    )
    assert list_figures({"regimes-bptt": result.where(result["gain"] > 2)}) == {}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = study.plan_regimes

    def plan(**_: Any) -> list[Experiment]:
        small = {"n_hidden": 8, "iterations": 20, "batch_size": 4}
        axes = {"seed": (0, 1), "structure": ("dale", "block-2"), "gain": (0.5, 1.0)}
        return [
            Experiment(e.name, axes, {**e.fixed, **small}, e.observable)
            for e in original(quick=True)
        ]

    monkeypatch.setattr(study, "plan_regimes", plan)
    folder = tmp_path / "study"
    arguments = ["rnn", "study", "--study", "regimes", "--quick", "--out", str(folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    names = {path.name for path in folder.iterdir()}
    assert names == {"regimes-bptt.nc", "regimes-eprop.nc", "regimes.png", "summary.json"}
    assert "kernel_alignment" in result.stdout
    assert "block-2" in result.stdout
