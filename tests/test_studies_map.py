"""Maps of learning: what a cell measures, what is the same map, and where the lines are drawn."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from binnet import BinaryNetwork, load_entangled_mnist, preset, relax, sweeps, theory, train
from binnet.cli import main
from binnet.plotting.maps import draw_map
from binnet.studies import _cells
from binnet.studies import map as study
from binnet.theory import message_passing

TINY: dict[str, Any] = {"n_hidden": 20, "epochs": 2}
OVER = {"margin": [0, 1], "self_coupling": [0.0, 0.5]}


def run(output: Path | None, over: dict[str, Any] = OVER, **options: Any) -> study.MapResult:
    options = {"settings": TINY, "samples": 200, "seeds": 2, "dynamics": False} | options
    return study.run_map(output, over, **options, progress=False)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps") / "map.png"


@pytest.fixture(scope="module")
def result(path: Path) -> study.MapResult:
    return run(path)


def test_a_cell_is_what_training_and_inference_say(result: study.MapResult) -> None:
    data = load_entangled_mnist()
    configuration = preset("source").replace(**TINY, margin=1.0, self_coupling=0.5, seed=1)
    sets = {"test": (data.X_test, data.y_test)}
    direct = train(data.X_train[:200], data.y_train[:200], configuration, evaluate_on=sets)
    cell = result.learning.sel(margin=1.0, self_coupling=0.5, seed=1)
    history = direct.history
    assert cell["accuracy"].values.tolist() == [m.accuracy["test"] for m in history]
    assert cell["training_convergence"].values.tolist() == [m.fixed_points for m in history]
    assert cell["unstable"].values.tolist() == [m.unstable["hidden"] for m in history]
    assert cell["flips"].values.tolist() == [sum(m.flips[1:]) for m in history]
    found = relax(direct.network, data.X_test, max_sweeps=10, stop_at_cycle=False)
    assert float(cell["inference_convergence"][-1]) == found.converged.mean()
    states = found.states[:1000].astype(float)  # margins, without the self-coupling
    learned = states @ direct.network.couplings.T + data.X_test[:1000] @ (
        direct.network.input_weights.T.astype(float)
    )
    quantiles = np.quantile(states * learned, [0.05, 0.5])
    np.testing.assert_allclose(cell["margin_q05"][-1], quantiles[0], atol=1e-4)
    np.testing.assert_allclose(cell["margin_median"][-1], quantiles[1], atol=1e-4)


def test_validation_measures_what_was_not_trained_on() -> None:
    data = load_entangled_mnist()
    cell = study.train_cell("source", 0, 200, validation=True, **TINY)
    held = data.X_train[50000:], data.y_train[50000:]
    direct = train(
        data.X_train[:200], data.y_train[:200], preset("source").replace(**TINY),
        evaluate_on={"held": held},
    )  # fmt: skip
    assert cell["accuracy"][1] == [m.accuracy["held"] for m in direct.history]


def test_the_overlap_of_samples_is_that_of_all_pairs() -> None:
    states = np.random.default_rng(1).choice([-1, 0, 1], (7, 12)).astype(np.int8)
    pairs = [a @ b.astype(float) / 12 for a, b in itertools.combinations(states, 2)]
    assert _cells.average_overlap(states) == pytest.approx(np.mean(pairs))


def test_untrained_networks_are_those_that_training_begins_with(result: study.MapResult) -> None:
    assert result.untrained["convergence"].dims == ("seed", "self_coupling")  # kappa: no matter
    p = preset("source").replace(**TINY, self_coupling=0.5)
    network = BinaryNetwork.random(p.network, seed=1)
    found = relax(network, load_entangled_mnist().X_test[:500], max_sweeps=200)
    measured = result.untrained["convergence"].sel(self_coupling=0.5, seed=1)
    assert float(measured) == found.converged.mean()


def test_local_entropy_is_that_of_the_trained_couplings_under_the_input() -> None:
    data = load_entangled_mnist()
    around = {"local_entropy": 2, "distances": [0.1, 0.05]}
    settings = {"n_hidden": 100, "epochs": 1}
    cell = study.train_cell("source", 0, 200, **around, **settings)
    p = preset("source").replace(**settings)
    trained = train(data.X_train[:200], data.y_train[:200], p).network
    drawn = BinaryNetwork.random(p.network, seed=0)
    before = study.relax_untrained("source", 0, **around, **settings)
    for measured, network in ((cell, trained), (before, drawn)):
        found = [
            message_passing.around(
                network.couplings, 0.5, relax(network, x[None], max_sweeps=10).states[0],
                [0.1, 0.05], field=network.input_weights @ x,
            ).entropy
            for x in data.X_test[:2].astype(np.float32)
        ]  # fmt: skip
        assert np.isfinite(found).all()
        np.testing.assert_allclose(measured["local_entropy"][1], np.mean(found, axis=0), rtol=1e-4)
        np.testing.assert_array_equal(measured["settled"][1], [1.0, 1.0])
        np.testing.assert_array_equal(measured["empty"][1], [0.0, 0.0])
    with pytest.raises(ValueError, match="local_entropy must be 0 for more than one module"):
        run(None, {"margin": [0, 1], "excitation": [0, 1]}, local_entropy=1,
            settings=TINY | {"n_modules": 2})  # fmt: skip


def test_lines_of_the_theory(result: study.MapResult) -> None:
    assert result.theory is not None
    assert result.theory["field_std"].values.tolist() == [0.0, 5.0]
    at = result.theory.sel(field_std=5.0)
    assert float(at["critical"]) == theory.critical_self_coupling(field_std=5.0).self_coupling
    reaches = theory.complexity(at["reach"].values + 0.3, 0.3, 5.0)
    np.testing.assert_allclose(reaches, at["level"], rtol=1e-9)


def test_a_map_is_extended_and_not_trained_again(
    result: study.MapResult, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Any] = []
    inner = _cells.train_whole

    def note(configuration: Any, *rest: Any, **options: Any) -> Any:
        trained.append((configuration.plasticity.margin, configuration.training.seed))
        return inner(configuration, *rest, **options)

    monkeypatch.setattr(_cells, "train_whole", note)
    wider = run(path, {"margin": [0, 0.5, 1], "self_coupling": [0, 0.5]})
    assert sorted(trained) == [(0.5, 0), (0.5, 0), (0.5, 1), (0.5, 1)]
    kept = wider.learning.sel(margin=[0.0, 1.0])
    assert kept["accuracy"].equals(result.learning["accuracy"])
    with pytest.raises(ValueError, match="holds another sweep"):
        run(path, samples=300)


def test_the_command_passes_on_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def look(axes: Any, observable: Any, **options: Any) -> None:
        seen.append({"axes": axes, **options})
        raise sweeps.SweepError("enough")

    monkeypatch.setattr(sweeps, "run", look)
    words = (
        "study map --over margin=0:1:3 --over update_order=sync,async --set rate_input=1 "
        "--set density=0.5 --hidden 20 --epochs 1 --validation --local-entropy 1 --distance 0.1 "
        "--scheduler tcp://here:1 --workers 2"
    )
    done = CliRunner().invoke(main, [*words.split(), "--output", str(tmp_path / "a.png")])
    assert done.output == "Error: enough\n"
    (first,) = seen
    assert first["axes"] == {
        "seed": range(3), "margin": [0.0, 0.5, 1.0], "update_order": ["sync", "async"]
    }  # fmt: skip
    assert first["fixed"] == {
        "preset_name": "source", "validation": True, "samples": 50000, "n_hidden": 20, "epochs": 1,
        "rate_input": 1.0, "density": 0.5, "local_entropy": 1, "distances": [0.1],
    }  # fmt: skip
    assert (first["scheduler"], first["workers"]) == ("tcp://here:1", 2)
    twice = ["study", "map", "--over", "margin=0,1", "--over", "margin=0,1"]
    assert "given twice" in CliRunner().invoke(main, twice).output


def test_the_record_has_every_seed(result: study.MapResult) -> None:
    summary = study.summarise_map(result)
    assert len(summary["cells"]) == 4
    cell = summary["cells"][-1]
    assert (cell["margin"], cell["self_coupling"]) == (1.0, 0.5)
    accuracy = result.learning["accuracy"].sel(margin=1.0, self_coupling=0.5, epoch=1)
    np.testing.assert_allclose(cell["accuracy"], accuracy, atol=1e-6)
    assert summary["theory"][0]["freezing"] is None  # it was not asked for
    assert [row["self_coupling"] for row in summary["untrained"]] == [0.0, 0.5]


def test_axes_without_a_plane_of_the_theory() -> None:
    source = preset("source")
    assert study.knows_theory(source, ["self_coupling", "input_strength"])
    assert not study.knows_theory(source, ["margin", "input_strength"])
    assert not study.knows_theory(source, ["margin", "self_coupling", "excitation"])
    assert not study.knows_theory(preset("chain"), ["margin", "self_coupling"])


def made_up(over: dict[str, list[Any]], lines: bool = True) -> study.MapResult:
    """Return a map that nobody trained: accuracy is the number of the cell."""
    shape = [len(values) for values in over.values()]
    numbers = np.arange(np.prod(shape), dtype=float).reshape(shape)
    axes = {"seed": [0, 1], **over, "epoch": [0]}
    cells = xr.DataArray(np.stack([numbers, numbers])[..., None], axes, list(axes))
    convergence = xr.DataArray(
        [[0.0, 0.25, 0.75, 1.0]] * 2, {"seed": [0, 1], "self_coupling": [0.0, 0.1, 0.5, 1.0]}
    )
    theory_lines = xr.Dataset(
        {
            "critical": ("field_std", [0.06, 0.01]),
            "freezing": ("field_std", [0.8, 0.1]),
            "reach": (("field_std", "complexity"), [[0.02, 0.1], [0.1, 0.7]]),
            "level": (("field_std", "complexity"), [[0.02, 0.1]] * 2),
        },
        {"field_std": [0.0, 5.0]},
    )
    return study.MapResult(
        xr.Dataset({"accuracy": cells, "margin_q05": -cells, "seconds": cells}),
        xr.Dataset({"convergence": convergence}),
        theory_lines if lines else None,
        tuple(over),
        preset("source"),
        100,
        False,
    )


def test_lines_lie_among_the_cells() -> None:
    """Cells are of equal size: 0.3 lies in the middle between the cells 1 (0.1) and 2 (0.5)."""
    over = {"margin": [0.0, 0.3], "self_coupling": [0.0, 0.1, 0.5, 1.0]}
    figure = draw_map(made_up(over))
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 4], [1, 5], [2, 6], [3, 7]])
    legend = figure.legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    drawn = {
        label: np.asarray(line.get_ydata(), float)
        for label, line in zip(labels, ax.lines, strict=True)
    }

    def find(*words: str) -> Any:
        (label,) = [label for label in labels if all(word in label for word in words)]
        return drawn[label]

    np.testing.assert_allclose(find("no fixed points")[[0, -1]], [0.0, 1.5])
    np.testing.assert_allclose(find("no fields", "gap closes")[[0, -1]], [0.6, 1.65])
    np.testing.assert_allclose(find("lambda_{in}", "gap closes")[[0, -1]], [0.1, 1.525])
    np.testing.assert_allclose(find("lambda_{in}", "freezes"), 1.0)  # whatever the margin is
    np.testing.assert_allclose(find("lambda_{in}", "0.02")[[0, -1]], [1.0, 1.75])
    np.testing.assert_allclose(find("untrained"), 1.5)


def test_a_third_axis_has_rows_and_other_axes_no_theory() -> None:
    over = {"margin": [0.0, 0.3], "self_coupling": [0.0, 0.1, 0.5, 1.0], "n_hidden": [50, 100]}
    figure = draw_map(made_up(over))
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_ylabel().split("\n")[0] for ax in panels[::2]] == [
        "hidden neurons $H$ = 50", "hidden neurons $H$ = 100"
    ]  # fmt: skip
    np.testing.assert_array_equal(panels[2].images[0].get_array()[0], [1, 9])
    other = made_up({"rate_input": [0.1, 0.2], "update_order": ["async", "sync"]}, lines=False)
    before = xr.Dataset({"convergence": ("seed", [0.1, 0.2])})
    figure = draw_map(dataclasses.replace(other, untrained=before))
    assert not figure.axes[0].lines
    assert "no plane" in figure.legends[0].get_title().get_text()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["async", "sync"]


def test_local_entropies_are_drawn_beside_those_before_learning() -> None:
    plain = made_up({"margin": [0.0, 0.3], "self_coupling": [0.0, 0.1, 0.5, 1.0]})
    cells = plain.learning["accuracy"].expand_dims(distance=[0.05, 0.02], axis=-1)
    before = xr.DataArray(
        np.ones((2, 4, 2)), {**plain.untrained.coords, "distance": [0.05, 0.02]},
        ("seed", "self_coupling", "distance"),
    )  # fmt: skip
    result = dataclasses.replace(
        plain,
        learning=plain.learning.assign(local_entropy=cells),
        untrained=plain.untrained.assign(local_entropy=before),
    )
    figure = draw_map(result)
    assert "white: known for no input" in figure.legends[0].get_title().get_text()
    panels = [ax for ax in figure.axes if ax.images]
    cell = study.summarise_map(result)["cells"][3]
    assert cell["local_entropy"] == [[3.0, 3.0]] * 2  # seeds, distances
    assert len(panels) == 6
    after, gained = (ax.images[0].get_array() for ax in panels[-2:])
    np.testing.assert_array_equal(after - gained, np.ones((4, 2)))
    assert panels[-1].get_title().endswith("d = 0.02")
