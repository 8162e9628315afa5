"""The studies of rate networks by name: their plans, tasks, tables, figures, and the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

xr = pytest.importorskip("xarray", reason="needs the extra for sweeps")

from binnet import sweeps  # noqa: E402
from binnet.cli import main  # noqa: E402
from binnet.cli.studies._rate_studies import STUDIES, tabulate  # noqa: E402
from binnet.plotting import rate_flossing, rate_rules, rate_tasks  # noqa: E402
from binnet.rate import RateConfiguration, tasks, train  # noqa: E402
from binnet.studies import rate as study  # noqa: E402
from binnet.studies.rate_flossing import plan_flossing  # noqa: E402
from binnet.studies.rate_rules import plan_rules  # noqa: E402
from binnet.studies.rate_tasks import (  # noqa: E402
    judge_order,
    make_task,
    measure_task,
    plan_tasks,
    summarise,
)

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_grids_that_can_run(name: str, quick: bool) -> None:
    entry = STUDIES[name]
    plan = entry.find(entry.plan)(quick=quick, seeds=1)
    assert len({grid.name for grid in plan}) == len(plan) > 0
    for grid in plan:
        sweeps.check(grid.axes, grid.observable, fixed=grid.fixed)
    assert callable(entry.find("summarise"))
    assert callable(entry.find("list_figures"))


def test_the_grid_of_flossing_is_that_of_the_stored_runs() -> None:
    first = plan_flossing()[0]
    assert first.name == "romo-eprop-flossing"
    assert list(first.axes.items()) == [
        ("seed", (0, 1, 2, 3, 4)),
        ("floss_version", ("local", "full")),
        ("floss_exponents", (1, 4, 8, 16, 32)),
        ("gain", (0.2, 0.5, 1.0, 1.5)),
        ("learning_rate", (3e-4, 1e-3)),
    ]
    assert first.fixed == {
        "task": "romo", "rule": "eprop", "iterations": 4400, "n_exponents": 32
    }  # fmt: skip


def test_the_loss_of_the_decision_alone() -> None:
    whole, response = (make_task("delayed-match", mask)(3, 5) for mask in ("task", "response"))
    assert np.array_equal(whole.inputs, response.inputs)
    assert np.array_equal(response.mask, whole.targets != 0)
    assert (whole.mask == 1).all()
    assert np.array_equal(whole.inputs, tasks.delayed_match(3, 5).inputs)


def test_long_sequences_are_trials_in_a_row() -> None:
    trials = make_task("two-alternative", n_steps=100)(40, (3, 1))
    assert trials.inputs.shape == (40, 100, 3)
    assert trials.targets.shape == trials.mask.shape == (40, 100)
    decisions = trials.targets != 0
    # A decision is the last of 22 steps, and the fixation input is 0 in it alone.
    assert np.array_equal(decisions, trials.inputs[..., 0] == 0)
    gaps = np.diff(np.flatnonzero(decisions[0]))
    assert (gaps == 22).all()
    begins = {int(np.flatnonzero(row)[0]) for row in decisions}
    assert len(begins) > 10  # they begin anywhere in a trial
    assert np.array_equal(
        trials.inputs, make_task("two-alternative", n_steps=100)(40, (3, 1)).inputs
    )
    # Not one trial again and again.
    n = begins.pop()
    row = trials.inputs[[int(np.flatnonzero(r)[0]) == n for r in decisions]][0]
    assert not np.array_equal(row[n + 1 : n + 23], row[n + 23 : n + 45])


def test_a_single_trial_is_measured_as_the_task_itself() -> None:
    common: dict[str, Any] = {
        "n_hidden": 8, "iterations": 40, "batch_size": 4, "rule": "eprop", "seed": 1
    }  # fmt: skip
    found = measure_task("delayed-match", n_exponents=1, **common)
    result = train(RateConfiguration(task="delayed-match", **common))
    assert found["final_loss"] == result.final_loss


def test_networks_that_are_measured_at_once_are_as_alone() -> None:
    common = {"n_hidden": 8, "iterations": 60, "batch_size": 4, "n_exponents": 3}
    cells = [
        {**common, "rule": "bptt", "seed": 1},
        {**common, "rule": "eprop", "gain": 0.2, "learning_rate": 3e-3},
        {**common, "optimiser": "sgd", "learning_rate": 1e6},  # diverges
        {**common, "rule": "uoro", "floss_exponents": 2, "floss_iterations": 3},
        {**common, "task": "delayed-match", "n_exponents": 1, "rule": "kf-rtrl"},
    ]
    together = study.measure_trainings(cells)
    for cell, found in zip(cells, together, strict=True):
        alone = study.measure_training(**cell)
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            assert np.array_equal(
                value[1] if isinstance(value, tuple) else value,
                found[name][1] if isinstance(value, tuple) else found[name],
                equal_nan=True,
            ), (cell, name)
    assert np.isnan(together[2]["final_loss"])


def test_tasks_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="variant must be"):
        make_task("romo")
    with pytest.raises(ValueError, match="loss_mask must be"):
        make_task("delayed-match", "all")
    with pytest.raises(ValueError, match="n_steps must be"):
        make_task("delayed-match", n_steps=-1)


def invent(axes: dict[str, tuple[Any, ...]]) -> Any:
    """Results of a grid as `measure_training` gives them."""
    shape = tuple(len(values) for values in axes.values())
    dims = tuple(axes)
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "loss": ((*dims, "block"), rng.uniform(0.001, 0.02, (*shape, 6))),
            "final_loss": (dims, rng.uniform(0.001, 0.02, shape)),
            "lowest_loss": (dims, rng.uniform(0.001, 0.02, shape)),
            "exponents_before": ((*dims, "exponent"), np.full((*shape, 1), -0.5)),
            "exponents_after": ((*dims, "exponent"), np.full((*shape, 1), -0.1)),
        },
        {name: list(values) for name, values in axes.items()},
    )


@pytest.mark.parametrize(
    ("plan", "plotting", "expected"),
    [
        (plan_rules, rate_rules, {"rules-curves", "rules-final"}),
        (plan_flossing, rate_flossing, {"flossing-final", "flossing-recipes"}),
        (plan_tasks, rate_tasks, {grid.name for grid in plan_tasks()}),
    ],
    ids=["rules", "flossing", "tasks"],
)
def test_figures_of_whole_and_of_begun_studies(
    plan: Any, plotting: Any, expected: set[str]
) -> None:
    results = {grid.name: invent(grid.axes) for grid in plan(seeds=2)}
    figures = plotting.list_figures(results)
    assert figures.keys() == expected
    for draw in figures.values():
        assert all(ax.has_data() for ax in draw().axes)
    first = next(iter(results))
    begun = results[first].copy(deep=True)
    begun = begun.where(begun["seed"] == 0)  # and of the last condition nothing
    last = {name: -1 for name in begun["final_loss"].dims if name not in ("seed", "learning_rate")}
    for name in ("final_loss", "loss", "lowest_loss", "exponents_before"):
        begun[name][last] = np.nan
    for draw in plotting.list_figures({first: begun}).values():
        draw()


def test_the_order_of_gains() -> None:
    clear = np.array([[3.0, 3.1], [2.0, 2.1], [1.0, 1.1]])
    assert judge_order(clear) == "yes"
    assert judge_order(clear[::-1]) == "no"
    assert judge_order(clear[[0, 2, 1]]) == "no"
    assert judge_order(np.array([[3.0, 3.1], [2.0, 2.1], [1.9, 2.1]])) == "ends"
    assert judge_order(np.array([[3.0, 0.1], [2.0, 0.2], [1.0, 0.1]])) == "no"
    assert judge_order(np.array([[3.0, np.nan], [2.0, 2.1], [1.9, 2.1]])) == "one seed"


def test_the_summary_of_the_scan() -> None:
    result = invent({"seed": (0, 1), "leak": (0.0, 0.5), "gain": (0.2, 1.0),
                     "learning_rate": (1e-3,)})  # fmt: skip
    result["final_loss"][0, 1] = 0.5
    result["final_loss"][1, 1, 1] = np.nan  # one run is missing, at leak 0.5
    result["final_loss"][:, 0, 0] = [[0.3], [0.4]]
    result["final_loss"][:, 0, 1] = [[0.01], [0.02]]
    rows = {(row["leak"], row["loss"]): row for row in summarise(result)}
    assert rows.keys() == {(a, b) for a in (0.0, 0.5) for b in ("first 500", "first 1000", "final")}
    assert rows[0.0, "final"]["gain 0.2"] == pytest.approx(0.35)
    assert rows[0.0, "final"]["gain 0.2_std"] == pytest.approx(0.05)
    assert rows[0.0, "final"]["order"] == "yes"
    assert (rows[0.5, "final"]["runs"], rows[0.5, "final"]["order"]) == (1, "one seed")
    assert rows[0.0, "first 500"]["learning_rate"] == 1e-3


def test_tables() -> None:
    rows = [{"rule": "eprop", "cosine": 0.123456, "cosine_std": 0.01, "runs": 3}]
    assert [line.split() for line in tabulate(rows)] == [
        ["rule", "cosine", "runs"],
        ["eprop", "0.1235", "±", "0.01", "3"],
    ]
    assert tabulate([]) == ["nothing is measured yet"]
    (head, row) = tabulate(study.summarise(invent({
        "seed": (0, 1), "variant": ("two-alternative-first-step",), "learning_rate": (1e-3,)
    })))  # fmt: skip
    assert row.split()[:3] == ["two-alternative-first-step", "0.001", "2"]
    assert head.index("rate") + 4 == row.index("0.001") + 5


SMALL = {"iterations": 40, "n_hidden": 8, "batch_size": 4, "n_exponents": 8}


@pytest.mark.parametrize("name", ["rules", "flossing", "tasks"])
def test_the_command_runs_a_study_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = STUDIES[name]
    plan = entry.find(entry.plan)(quick=True)
    small = [
        study.Experiment(grid.name, grid.axes, grid.fixed | SMALL, grid.observable) for grid in plan
    ]
    monkeypatch.setattr(f"{entry.module}.{entry.plan}", lambda **_: small)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["rnn", "study", "--study", name, "--quick"])
    assert result.exit_code == 0, result.output
    folder = tmp_path / f"rnn-study-{name}"
    names = {path.name for path in folder.iterdir()}
    assert {f"{grid.name}.nc" for grid in plan} | {"summary.json"} < names
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["tables"].keys() == {grid.name for grid in plan}
    again = CliRunner().invoke(main, ["study", "rate", "--study", name, "--quick", "--draw-only"])
    assert again.exit_code == 0, again.output
    assert again.stdout == result.stdout


def test_unknown_studies_are_refused() -> None:
    result = CliRunner().invoke(main, ["rnn", "study", "--study", "nothing"])
    assert result.exit_code == 2
    assert "'gains', 'rules', 'flossing', 'tasks', 'alignment', 'regimes'" in result.output
