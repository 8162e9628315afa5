"""The study of self-coupling: what it measures, that it goes on, and what the figure shows."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import load_entangled_mnist, preset, studies, sweeps, theory, train
from binnet.cli import main
from binnet.plotting.self_coupling import draw_self_coupling
from binnet.studies import _cells
from binnet.studies import self_coupling as study

TINY: dict[str, Any] = {
    "n_hidden": 30,
    "epochs": 2,
    "samples": 400,
    "margin": (0.0, 0.5),
    "input_strength": 2.0,
    "trained": (0.0, 0.5),
    "relaxed": (0.0, 0.4, 2.0),
    "max_sweeps": 50,
    "calculated": (0.0, 0.7),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def result(folder: Path) -> study.SelfCouplingResult:
    plan = study.SelfCouplingPlan.quick(**TINY)
    with studies.record_study(folder / "figure.json"):
        return study.run_self_coupling(folder / "figure.png", plan, progress=False)


@pytest.mark.parametrize("name", ["learning", "control"])
def test_learning_is_what_train_says(result: study.SelfCouplingResult, name: str) -> None:
    data = load_entangled_mnist()
    configuration = preset("source").replace(
        self_coupling=0.5, input_strength=2.0, n_hidden=30, epochs=2, seed=0
    )
    measured = getattr(result, name).sel(self_coupling=0.5, seed=0)
    if name == "learning":
        configuration = configuration.replace(margin=0.5)
        measured = measured.sel(margin=0.5)
    else:
        configuration = configuration.replace(
            rate_couplings=0.0, rate_input=0.0, feedback_strength=0.0
        )
    direct = train(
        data.X_train[:400],
        data.y_train[:400],
        configuration,
        evaluate_on={"test": (data.X_test, data.y_test)},
    )
    assert measured["accuracy"].values.tolist() == [m.accuracy["test"] for m in direct.history]


def test_theory_has_the_margin_and_the_fields_of_the_training(
    result: study.SelfCouplingResult,
) -> None:
    at = result.entropies.sel(field_std=2.0, margin=0.5, self_coupling=0.7)
    assert float(at["complexity"]) == theory.complexity(0.7, 0.5, 2.0)
    local = theory.local_entropy(0.7, study.DISTANCE, margin=0.5, field_std=2.0).value
    assert float(at["local_entropy"]) == local
    free, driven = study.summarise_self_coupling(result)["transitions"]
    assert free["gap closes"][0] == theory.critical_self_coupling().self_coupling
    assert driven["gap closes"][0] == theory.critical_self_coupling(field_std=2.0).self_coupling
    assert driven["field_std"] == 2.0
    assert driven["freezing"] == [None, None]  # the quick form leaves it out


def test_dynamics_is_that_of_the_library(result: study.SelfCouplingResult) -> None:
    one = studies.relaxation(30, 0.4, 1, "async", replicas=8, max_sweeps=50)
    cell = result.convergence.sel(self_coupling=0.4, seed=1, update_order="async")
    assert int(cell["n_converged"]) == one["n_converged"]
    summary = study.summarise_self_coupling(result)
    thresholds = studies.convergence_thresholds(result.convergence)
    for name in ("sync", "async"):
        expected = float(thresholds["threshold"].sel(update_order=name))
        assert summary["thresholds"][name][0] == expected
        assert 0.0 < expected < 2.0
    json.dumps(summary, allow_nan=False)


def test_a_finished_study_is_not_run_again(
    result: study.SelfCouplingResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(_cells, "train_whole", refuse)
    plan = study.SelfCouplingPlan.quick(**TINY)
    again = study.run_self_coupling(folder / "figure.png", plan, progress=False)
    assert again.learning.equals(result.learning)
    with pytest.raises(ValueError, match="epochs"):
        study.run_self_coupling(
            folder / "figure.png", study.SelfCouplingPlan.quick(**TINY | {"epochs": 3})
        )


def test_the_figure_shares_one_axis_and_marks_the_theory(
    result: study.SelfCouplingResult,
) -> None:
    places = {"freezing": [0.8, 0.3], "freezing_error": [0.01, 0.02]}
    table = result.transitions.assign({k: ("field_std", v) for k, v in places.items()})
    figure = draw_self_coupling(dataclasses.replace(result, transitions=table), "title")
    assert len(figure.axes) == 6
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    accuracy = figure.axes[0].containers[1].lines[0].get_ydata()  # the first is the control's
    expected = result.learning["accuracy"].isel(epoch=-1, seed=0).sel(margin=0.0)
    np.testing.assert_allclose(accuracy, expected)
    # The gap closes at the same margins, under the fields of the input.
    triangles = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    drawn = [line.get_xdata()[0] for line in triangles if len(line.get_xdata()) == 1]
    critical = theory.critical_self_coupling(field_std=2.0).self_coupling
    np.testing.assert_allclose(drawn, [critical, 0.5 + critical])
    legend = figure.axes[4].get_legend()
    assert legend is not None
    texts = " ".join(text.get_text() for text in legend.get_texts())
    assert "no fields: freezes above 0.800 ± 0.010" in texts
    assert "freezes above 0.300 ± 0.020" in texts


def test_a_threshold_out_of_range_is_none(result: study.SelfCouplingResult) -> None:
    axes = {"update_order": ["sync", "async"], "self_coupling": [3.0, 4.0], "seed": [0, 1]}
    fixed = {"n_neurons": 30, "replicas": 4, "max_sweeps": 50}
    frozen = sweeps.run(axes, studies.RELAXATION, fixed=fixed, progress=False)
    beyond = dataclasses.replace(result, convergence=frozen)
    assert study.summarise_self_coupling(beyond)["thresholds"]["sync"] == [None, None]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"epochs": 0}, "epochs"),
        ({"trained": (-0.1,)}, "self_coupling"),
        ({"preset": "best"}, "preset"),
        ({"margin": (-0.1,)}, "margin"),
    ],
)
def test_bad_plans_are_refused_before_work(changes: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        study.SelfCouplingPlan(**changes)


def test_the_command_of_the_figure(
    result: study.SelfCouplingResult, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = study.SelfCouplingPlan
    tiny = full.quick(**TINY)
    monkeypatch.setattr(full, "quick", lambda **_: tiny)
    output = folder / "figure.png"
    run = CliRunner().invoke(main, ["study", "self-coupling", "--quick", "--output", str(output)])
    assert run.exit_code == 0, run.output
    record = json.loads(output.with_suffix(".json").read_text())
    assert record["learning"] == study.summarise_self_coupling(result)["learning"]
    assert record["parameters"]["margin"] == [0.0, 0.5]
    seeds = {part["file"].split(".")[1]: part["seeds"] for part in record["run"]["sweeps"]}
    assert seeds == {
        "transitions": [], "entropies": [], "convergence": [0, 1], "untrained": [0],
        "control": [0], "learning": [0],
    }  # fmt: skip
    assert record["run"]["workers"] == 1
    assert record["run"]["threads"] >= 1
    assert "half of the runs converge, async: J_D =" in run.output
    assert output.stat().st_size > 20_000
    bad = CliRunner().invoke(main, ["study", "self-coupling", "--output", str(folder / "no.txt")])
    assert bad.exit_code == 2
    assert ".png" in bad.output
