"""Pictures: the Axes that are given are drawn on and returned, files are PNG, pyplot stays out."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from binnet.learning import EpochMetrics
from binnet.learning.metrics import QUANTILES
from binnet.plotting import (
    draw_learning_curves,
    draw_stabilities,
    plot_accuracy,
    plot_activity,
    plot_stabilities,
    save_figure,
)

Plot = Callable[[list[EpochMetrics], Axes], Axes]


def make_history(n_epochs: int) -> list[EpochMetrics]:
    quantiles = [float(k) for k in range(len(QUANTILES))]
    return [
        EpochMetrics(
            epoch=epoch,
            accuracy={"train": 0.5 + 0.1 * epoch, "test": 0.4 + 0.1 * epoch},
            unstable={"hidden": 0.1 / epoch, "readout": 0.2 / epoch},
            sweeps=6.0,
            fixed_points=0.9,
            flips=[1.0, 0.1, 0.0],
            saturation=0.0,  # cannot be drawn on a log scale
            stability_quantiles={"hidden": quantiles, "readout": quantiles},
            rate_factor=1.0,
            seconds=1.0,
            samples_per_second=1000.0,
        )
        for epoch in range(1, n_epochs + 1)
    ]


def new_axes() -> Axes:
    figure = Figure()
    FigureCanvasAgg(figure)
    return figure.subplots()


@pytest.mark.parametrize("n_epochs", [1, 3])
@pytest.mark.parametrize(
    "plot",
    [
        plot_accuracy,
        plot_activity,
        lambda history, ax: plot_stabilities(history, "hidden", 0.9, ax),
        lambda history, ax: plot_stabilities(history, "readout", 3.0, ax),
    ],
)
def test_plots_return_the_given_axes(plot: Plot, n_epochs: int) -> None:
    ax = new_axes()
    assert plot(make_history(n_epochs), ax) is ax
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel()
    assert ax.get_title()
    assert len(set(ax.get_legend_handles_labels()[1])) > 1
    ax.figure.draw_without_rendering()  # warnings are errors


def test_accuracy_shows_the_data() -> None:
    ax = plot_accuracy(make_history(3), new_axes())
    lines = {str(line.get_label()).split(":")[0]: line for line in ax.get_lines()}
    assert set(lines) == {"train", "test"}
    assert list(lines["test"].get_xdata()) == [1, 2, 3]
    assert list(lines["test"].get_ydata()) == pytest.approx([0.5, 0.6, 0.7])


def test_sets_that_were_not_always_measured() -> None:
    history = make_history(3)
    del history[2].accuracy["test"]
    history[2].accuracy.update({f"set {k}": 0.5 for k in range(9)})
    ax = plot_accuracy(history, new_axes())
    assert len(ax.get_lines()) == 11
    ax.figure.draw_without_rendering()


def test_stabilities_show_the_margin() -> None:
    ax = plot_stabilities(make_history(2), "hidden", 0.75, new_axes())
    assert any(set(line.get_ydata()) == {0.75} for line in ax.get_lines())


@pytest.mark.parametrize("n_epochs", [1, 3])
def test_files_are_png(n_epochs: int, tmp_path: Path) -> None:
    history = make_history(n_epochs)
    for figure, name in (
        (draw_learning_curves(history, "a title"), "curves.png"),
        (draw_stabilities(history, 0.9, 3.0, "a title"), "stabilities.png"),
    ):
        save_figure(figure, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "stabilities.png"]


def test_pyplot_is_left_alone(tmp_path: Path) -> None:
    save_figure(draw_learning_curves(make_history(2), "a title"), tmp_path / "curves.png")
    pyplot = sys.modules.get("matplotlib.pyplot")  # another test may have loaded it
    assert pyplot is None or pyplot.get_fignums() == []


def test_missing_folder(tmp_path: Path) -> None:
    figure = draw_learning_curves(make_history(1), "a title")
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist; create it first"):
        save_figure(figure, tmp_path / "nowhere" / "curves.png")
