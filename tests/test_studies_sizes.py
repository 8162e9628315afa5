"""The study of sizes: its table of models, its peers, that it goes on, and what it draws."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import load_entangled_mnist, preset, train
from binnet.cli import main
from binnet.plotting.sizes import plot_sizes
from binnet.studies import sizes


def test_sizes_train_the_models_of_the_table(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    options: dict[str, Any] = {
        "sizes": (20, 40), "epochs": 1, "samples": 1000, "seeds": 2, "progress": False,
    }  # fmt: skip
    hidden, linear = sizes.run_sizes(tmp_path / "s.png", **options)
    assert hidden is not None
    assert linear is not None
    assert set(hidden["model"].values) == {*sizes.MODELS, "MLP"}
    assert set(linear["model"].values) == set(sizes.LINEAR)
    for result in (hidden, linear):
        assert bool((result["accuracy"].mean("seed") > 0.11).all())  # chance is 0.1
        assert bool((result["seconds"] > 0).all())
    configuration = preset("default").replace(n_hidden=40, epochs=1, seed=1)
    data = load_entangled_mnist()
    test = {"test": (data.X_test, data.y_test)}
    direct = train(data.X_train[:1000], data.y_train[:1000], configuration, evaluate_on=test)
    cell = hidden["accuracy"].sel(model="full", n_hidden=40, seed=1)
    assert float(cell) == direct.history[-1].accuracy["test"]
    from matplotlib.figure import Figure

    ax = plot_sizes(hidden, linear, Figure().subplots(), source=sizes.SOURCE)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(labels) == len(sizes.MODELS) + 1 + len(sizes.SOURCE) + len(sizes.LINEAR)


def test_a_model_added_later_is_the_only_one_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "sizes": (20,), "epochs": 1, "samples": 200, "seeds": 1, "progress": False,
    }  # fmt: skip
    first, _ = sizes.run_sizes(tmp_path / "s.png", models=["full"], **options)
    trained: list[float] = []

    def builder(n_hidden: int) -> Any:
        trained.append(n_hidden)
        return preset("source")

    monkeypatch.setitem(sizes.MODELS, "another", builder)
    both, none = sizes.run_sizes(tmp_path / "s.png", models=["full", "another"], **options)
    assert trained == [20]
    assert none is None
    assert first is not None
    assert both is not None
    assert both.sel(model="full")["accuracy"].equals(first.sel(model="full")["accuracy"])


def test_peers_without_scikit_learn_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"binnet\[sklearn\]"):
        sizes.run_sizes(models=["MLP"], sizes=(20,))
    with pytest.raises(ValueError, match="models"):
        sizes.run_sizes(models=["transformer"])


def test_commands_draw_and_go_on(tmp_path: Path) -> None:
    picture = tmp_path / "sizes.png"
    arguments = (
        f"study sizes --model reservoir --hidden 20,30 --epochs 1 --seeds 2 --samples 200 "
        f"--output {picture}"
    ).split()
    for _ in range(2):
        run = CliRunner().invoke(main, arguments)
        assert run.exit_code == 0, run.output
    assert picture.stat().st_size > 10_000
    table = json.loads(picture.with_suffix(".json").read_text())["table"]
    assert [row["n_hidden"] for row in table] == [20, 30]
    assert f"{np.mean(table[0]['accuracy']):.4f} ±" in run.output
