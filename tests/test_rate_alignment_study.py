"""The study of alignment along training: what its grids measure, their tables and figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

xr = pytest.importorskip("xarray", reason="needs the extra for sweeps")

from binnet.cli import main  # noqa: E402
from binnet.plotting.rate_alignment import list_figures  # noqa: E402
from binnet.rate import RateConfiguration, alignment, gradient, tasks, train  # noqa: E402
from binnet.rate.alignments import BLOCKS, MEASURES  # noqa: E402
from binnet.rate.starting import draw_feedback  # noqa: E402
from binnet.studies import rate_alignment as study  # noqa: E402
from binnet.studies.rate import Experiment  # noqa: E402

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

SMALL: dict[str, Any] = {"n_hidden": 8, "batch_size": 4, "learning_rate": 1e-2, "seed": 3}
COMPARED, UPDATES = ("bptt", "rflo", "eprop"), (0, 3, 7)


def test_a_cell_is_what_alignment_says_of_runs_that_end_there() -> None:
    found = study.measure_alignment(COMPARED, UPDATES, **SMALL)
    trials = tasks.romo(study.TRIALS, (3, study._PROBE))
    batch = (trials.inputs, trials.targets, trials.mask)
    assert set(found) == {*MEASURES, "exact_norm", "probe_loss"}
    for k, n in enumerate(UPDATES[1:], 1):
        network = train(RateConfiguration(iterations=n, **SMALL)).network
        here = alignment(network, *batch, rules=["bptt", "eprop"])
        for name in MEASURES:
            dims, values = found[name]
            assert dims == ("update", "compared", "block")
            assert np.array_equal(values[k, [0, 2]], getattr(here, name))
        assert np.array_equal(found["exact_norm"][1][k], here.exact_norm)
        assert found["probe_loss"][1][k] == here.loss == gradient(network, *batch).loss
        np.testing.assert_allclose(found["cosine"][1][k, 0], 1.0, rtol=1e-6)
        # The readout is exact whatever carries the error back, and the rest is another gradient.
        assert found["cosine"][1][k, 1, BLOCKS.index("readout")] == pytest.approx(1.0, rel=1e-6)
        assert found["cosine"][1][k, 1, 0] != pytest.approx(found["cosine"][1][k, 2, 0], abs=1e-3)


def test_rflo_has_the_feedback_that_training_has() -> None:
    """So that a network which random feedback trains is compared with its own rule."""
    c = RateConfiguration(rule="eprop", feedback="random", optimiser="sgd", iterations=1, **SMALL)
    start, trials = None, tasks.romo(4, (3, 1, 0))

    def keep(n: int, network: Any) -> None:
        nonlocal start
        start = start or network.copy()

    end = train(c, on_update=keep).network
    assert start is not None
    moved = (start.recurrent - end.recurrent) / 1e-2
    feedback = draw_feedback(3, start)
    grads = gradient(
        start, trials.inputs, trials.targets, trials.mask, rule="eprop", feedback=feedback
    ).grads
    np.testing.assert_allclose(moved, grads["recurrent"], rtol=1e-2, atol=1e-4)


def test_what_diverges_is_nan_from_there_on() -> None:
    options = {**SMALL, "learning_rate": 1e30, "optimiser": "sgd"}
    found = study.measure_alignment(("eprop",), (0, 5), **options)
    assert np.isfinite(found["cosine"][1][0]).all()
    assert np.isnan(found["cosine"][1][1]).all()
    assert np.isnan(found["probe_loss"][1][1])


def test_cells_out_of_range_are_refused_before_any_is_measured() -> None:
    for compared, updates, n_draws, message in (
        ((), (0,), 8, "at least one rule"),
        (("eprop", "eprop"), (0,), 8, "each once"),
        (("epropp",), (0,), 8, "rule must be one of"),
        (("eprop",), (), 8, "rising order"),
        (("eprop",), (3, 0), 8, "rising order"),
        (("eprop",), (0, -1), 8, "updates must be"),
        (("eprop",), (0, 1), 2, "n_draws must be"),
    ):
        with pytest.raises(ValueError, match=message):
            study.ALIGNMENT.check(compared, updates, n_draws, **SMALL)
    study.ALIGNMENT.check(COMPARED, UPDATES, **SMALL)


def test_the_plan() -> None:
    plan = {grid.name: grid for grid in study.plan_alignment(seeds=4)}
    for rule in ("bptt", "eprop"):
        grid = plan[f"trained-by-{rule}"]
        assert grid.axes == {"seed": (0, 1, 2, 3), "task": tasks.TASKS}
        assert grid.fixed["updates"] == (0, 100, 300, 1000, 3000)
        assert grid.fixed["rule"] == rule
        assert "gain" not in grid.fixed  # the default, 1
        assert plan[f"trained-by-{rule}-gain-0.2"].fixed["gain"] == 0.2
    assert plan["trained-by-bptt-sparse"].fixed["structure"] == "sparse-8"
    assert plan["start"].axes["gain"] == (0.2, 1.0)
    assert plan["start"].fixed["updates"] == (0,)
    for plan_of in (list(plan.values()), study.plan_alignment(quick=True)):
        for grid in plan_of:
            grid.observable.check(**grid.fixed, task="romo")
    quick = study.plan_alignment(quick=True)
    assert all(grid.axes["task"] == ("romo",) for grid in quick)


def test_over_gains_before_training(tmp_path: Path) -> None:
    fixed = {"compared": ("eprop",), "updates": (0,), "n_hidden": 8}
    axes = {"seed": (0, 1), "task": ("romo", "delayed-match"), "gain": (0.2, 1.0)}
    result = Experiment("start", axes, fixed, study.ALIGNMENT).run(tmp_path, progress=False)
    table = study.summarise(result)
    assert [(row["task"], row["gain"], row["runs"]) for row in table] == [
        (task, gain, 2) for task in axes["task"] for gain in axes["gain"]
    ]
    figures = {name: draw() for name, draw in list_figures({"start": result}).items()}
    assert list(figures) == ["cosine-start"]
    ax = figures["cosine-start"].axes[-1]
    assert ax.get_xlabel() == "initial gain"
    means = study.label(result)["cosine"].sel(task="delayed-match", block="input_weights")
    curve = next(line for line in ax.lines if line.get_label() == "eprop")
    np.testing.assert_allclose(curve.get_ydata(), means.mean("seed").values.ravel(), rtol=1e-12)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = {"compared": ("eprop", "rflo"), "updates": (0, 2), "n_hidden": 8, "batch_size": 4}
    grid = Experiment("tried", {"seed": (0,), "task": ("romo",)}, fixed, study.ALIGNMENT)
    monkeypatch.setattr(study, "plan_alignment", lambda **options: [grid])
    arguments = ["rnn", "study", "--study", "alignment", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"tried.nc", "summary.json", "cosine-tried.png", "ends-tried.png"}
    again = CliRunner().invoke(main, [*arguments, "--draw-only"])
    assert again.exit_code == 0, again.output
    assert again.stdout == result.stdout


def test_the_table_and_the_figures(tmp_path: Path) -> None:
    fixed = {"compared": COMPARED, "updates": UPDATES, **SMALL}
    del fixed["seed"]
    grid = Experiment("tried", {"seed": (0, 1), "task": ("romo",)}, fixed, study.ALIGNMENT)
    result = grid.run(tmp_path, progress=False)
    labelled = study.label(result)
    assert labelled["compared"].values.tolist() == list(COMPARED)
    assert labelled["update"].values.tolist() == list(UPDATES)
    table = study.summarise(result)
    assert [(row["updates"], row["compared"]) for row in table] == [
        (n, rule) for n in (0, 7) for rule in COMPARED
    ]
    cell = labelled["cosine"].sel(update=7, compared="eprop", block="recurrent")
    assert table[-1]["cosine_recurrent"] == pytest.approx(float(cell.values.mean()))
    assert table[-1]["cosine_recurrent_std"] == pytest.approx(float(cell.values.std()))
    assert table[-1]["runs"] == 2
    figures = {name: draw() for name, draw in list_figures({"tried": result}).items()}
    assert list(figures) == ["cosine-tried", "ends-tried"]
    recurrent, inputs = figures["cosine-tried"].axes
    assert recurrent.get_title() == "romo: recurrent weights"
    curve = next(line for line in inputs.lines if line.get_label() == "eprop")
    expected = labelled["cosine"].sel(compared="eprop", block="input_weights").mean("seed")
    np.testing.assert_allclose(curve.get_ydata(), expected.values.ravel(), rtol=1e-12)
    assert [text.get_text() for text in inputs.get_xticklabels()] == ["0", "3", "7"]
    # Nothing is measured: no row, no figure.
    empty = labelled.where(labelled["seed"] > 5)
    assert study.summarise(empty) == []
    assert list_figures({"tried": empty}) == {}
