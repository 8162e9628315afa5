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
from binnet.studies import self_coupling as study

TINY: dict[str, Any] = {
    "n_hidden": 30,
    "epochs": 2,
    "samples": 400,
    "trained": (0.0, 0.5),
    "relaxed": (0.0, 0.4, 2.0),
    "max_sweeps": 50,
    "calculated": (0.0, 0.1),
    "n_trajectories": 500,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def result(folder: Path) -> study.SelfCouplingResult:
    plan = study.SelfCouplingPlan.quick(**TINY)
    with studies.record_study(folder / "figure.json"):
        return study.run_self_coupling(folder / "figure.png", plan, progress=False)


def test_learning_is_what_train_says(result: study.SelfCouplingResult) -> None:
    data = load_entangled_mnist()
    configuration = preset("source").replace(self_coupling=0.5, n_hidden=30, epochs=2, seed=0)
    direct = train(
        data.X_train[:400],
        data.y_train[:400],
        configuration,
        evaluate_on={"test": (data.X_test, data.y_test)},
    )
    measured = result.learning.sel(self_coupling=0.5, seed=0)
    assert measured["accuracy"].values.tolist() == [m.accuracy["test"] for m in direct.history]
    assert measured["fixed_points"].values.tolist() == [m.fixed_points for m in direct.history]


def test_theory_and_dynamics_are_those_of_the_library(result: study.SelfCouplingResult) -> None:
    at = result.entropies.sel(self_coupling=0.1)
    assert float(at["complexity"]) == theory.complexity(0.1)
    np.testing.assert_array_equal(
        at["local_entropy"], theory.local_entropy(0.1, study.DISTANCES).value
    )
    np.testing.assert_array_equal(at["distance"], study.DISTANCES)
    summary = study.summarise_self_coupling(result)
    assert summary["transitions"]["gap closes"][0] == theory.critical_self_coupling().self_coupling
    assert summary["transitions"]["monotone"][0] == theory.monotone_self_coupling().self_coupling
    one = studies.relaxation(30, 0.4, 1, "async", replicas=8, max_sweeps=50)
    cell = result.convergence.sel(self_coupling=0.4, seed=1, update_order="async")
    assert int(cell["n_converged"]) == one["n_converged"]
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

    monkeypatch.setattr(study, "train_whole", refuse)
    plan = study.SelfCouplingPlan.quick(**TINY)
    again = study.run_self_coupling(folder / "figure.png", plan, progress=False)
    assert again.learning.equals(result.learning)
    with pytest.raises(ValueError, match="epochs"):
        study.run_self_coupling(
            folder / "figure.png", study.SelfCouplingPlan.quick(**TINY | {"epochs": 3})
        )


def test_the_figure_shares_one_axis_and_marks_every_transition(
    result: study.SelfCouplingResult,
) -> None:
    figure = draw_self_coupling(result, "title")
    assert len(figure.axes) == 4
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    accuracy = figure.axes[0].containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(accuracy, result.learning["accuracy"].isel(epoch=-1, seed=0))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    places = (
        *result.transitions["threshold"].values,
        *result.thresholds.sel(update_order=["sync", "async"])["threshold"].values,
    )
    for label, place in zip(labels, places, strict=True):
        assert f"{place:.3f}" in label
    drawn = [line.get_xdata()[0] for line in figure.axes[3].lines if len(line.get_xdata()) == 2]
    assert all(any(place == x for x in drawn) for place in places)


def test_a_threshold_out_of_range_is_none_and_not_drawn(result: study.SelfCouplingResult) -> None:
    axes = {"update_order": ["sync", "async"], "self_coupling": [3.0, 4.0], "seed": [0, 1]}
    fixed = {"n_neurons": 30, "replicas": 4, "max_sweeps": 50}
    frozen = sweeps.run(axes, studies.RELAXATION, fixed=fixed, progress=False)
    beyond = dataclasses.replace(result, convergence=frozen)
    assert study.summarise_self_coupling(beyond)["thresholds"]["sync"] == [None, None]
    assert len(draw_self_coupling(beyond).legends[0].get_texts()) == 3


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"epochs": 0}, "epochs"),
        ({"trained": (-0.1,)}, "self_coupling"),
        ({"preset": "best"}, "preset"),
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
    assert record["parameters"]["n_hidden"] == 30
    seeds = {part["file"].split(".")[1]: part["seeds"] for part in record["run"]["sweeps"]}
    assert seeds == {"transitions": [], "entropies": [], "convergence": [0, 1], "learning": [0]}
    assert record["run"]["seeds"] == [0, 1]
    assert record["run"]["workers"] == 1
    assert record["run"]["threads"] >= 1
    assert "half of the runs converge, async: J_D =" in run.output
    assert output.stat().st_size > 20_000
    bad = CliRunner().invoke(main, ["study", "self-coupling", "--output", str(folder / "no.txt")])
    assert bad.exit_code == 2
    assert ".png" in bad.output
