"""Every picture with error bars or bands says in words what they are.

Bars and bands of errors are drawn by two functions that say so; no other code draws any. What the
plot functions draw is looked at, too: bars without such words are found.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from binnet.plotting import draw_curves, finish, make_panels, plot_band, plot_bars
from binnet.plotting.capacity import draw_capacity
from binnet.plotting.fixed_points import plot_pair_overlaps
from binnet.plotting.rate import plot_exponents, plot_learning_curves
from binnet.plotting.representations import draw_representations
from binnet.plotting.self_coupling import plot_learning
from binnet.plotting.sweeps import plot_convergence, plot_thresholds
from binnet.plotting.theory import plot_comparison

ROOT = Path(__file__).parents[1]
HOME = ROOT / "src" / "binnet" / "plotting" / "_style.py"
FOLDERS = ("src", "bench", "notebooks")


def find_silent(figure: Figure) -> list[str]:
    """Return the kinds of bars and bands in a figure that no legend of it explains."""
    legends = [ax.get_legend() for ax in figure.axes] + figure.legends
    words = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    drawn = set()
    for ax in figure.axes:
        if any(isinstance(c, ErrorbarContainer) and c[2] for c in ax.containers):
            drawn.add("bars: ")
        # A filled region with a label of its own is explained by it.
        if any(isinstance(c, PolyCollection) and c.get_label().startswith("_")
               for c in ax.collections):  # fmt: skip
            drawn.add("bands: ")
    return sorted(
        kind for kind in drawn if not any(w.startswith(kind) and w != kind for w in words)
    )


def new_axes() -> Axes:
    return make_panels()[1][0]


def seeds(**axes: int) -> xr.DataArray:
    """Some numbers for three seeds, over axes of a size, each with coordinates 1, 2..."""
    sizes = {"seed": 3, **axes}
    values = np.random.default_rng(0).uniform(0.2, 0.9, tuple(sizes.values()))
    return xr.DataArray(values, {name: np.arange(1, n + 1) for name, n in sizes.items()})


def capacity_figure() -> Figure:
    recalled = seeds(n_hidden=1, n_modules=2, load=3).expand_dims(attachment=["last"], axis=1)
    recalled[..., 0], recalled[..., 2] = 1.0, 0.2
    return draw_capacity(xr.Dataset({"recalled": recalled}))


def representations_figure() -> Figure:
    axes = {"network": ["initial", "trained"], "module": [1], "sweep": [1, 2]}
    table = xr.DataArray(np.full((2, 1, 2), 0.3), axes)
    names = ("within", "within_std", "between", "between_std", "clustering")
    similarity = xr.DataArray(
        np.zeros((2, 1, 4, 4)), {"network": axes["network"], "module": [1]},
        ("network", "module", "sample", "other"),
    )  # fmt: skip
    return draw_representations(xr.Dataset(
        dict.fromkeys(names, table)
        | {"similarity": similarity, "label": ("sample", [0, 0, 1, 1]), "input_clustering": 0.1}
    ))  # fmt: skip


def convergence() -> xr.Dataset:
    return xr.Dataset(
        {"n_converged": (("self_coupling", "seed"), [[1, 2], [3, 4]])},
        {"self_coupling": [0.4, 0.5], "replica": range(5)},
    )


def thresholds() -> xr.Dataset:
    columns = {"threshold": [0.5, 0.6], "threshold_error": [0.01, 0.02], "width": [0.05, 0.04]}
    return xr.Dataset(
        {name: ("n_neurons", values) for name, values in columns.items()}, {"n_neurons": [100, 200]}
    )


def learning() -> xr.Dataset:
    return xr.Dataset({"accuracy": seeds(margin=2, self_coupling=2, epoch=1)})


PICTURES = {
    "curves": lambda: draw_curves({"a": seeds(load=3)}, "load"),
    "curves of several kinds": lambda: draw_curves({"a": seeds(load=3, L=2)}, "load", along="L"),
    "capacity": capacity_figure,
    "representations": representations_figure,
    "learning": lambda: plot_learning(learning(), "accuracy", new_axes()).figure,
    "convergence": lambda: plot_convergence(convergence(), new_axes()).figure,
    "thresholds": lambda: plot_thresholds(thresholds(), new_axes()).figure,
    "pair overlaps": lambda: plot_pair_overlaps([4, 2, 6], new_axes(), error=[1, 1, 2]).figure,
    "rate curves": lambda: plot_learning_curves({"x": seeds(block=4)}, 10, new_axes()).figure,
    "exponents": lambda: plot_exponents([1, 2], {"x": seeds(gain=2).T}, new_axes()).figure,
    "comparison": lambda: plot_comparison(
        [1, 2], [1, 2], [1, 2], new_axes(), error=[0.1, 0.2]
    ).figure,
}  # fmt: skip


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_say_what_their_error_bars_are(picture):
    figure = PICTURES[picture]()
    assert any(
        isinstance(c, ErrorbarContainer) for ax in figure.axes for c in ax.containers
    ) or any(isinstance(c, PolyCollection) for ax in figure.axes for c in ax.collections)
    assert find_silent(figure) == []


def test_bars_without_words_are_found():
    ax = new_axes()
    ax.errorbar([1, 2], [1, 2], [0.1, 0.1], label="measured")
    ax.fill_between([1, 2], [0, 1], [2, 3])
    finish(ax)
    assert find_silent(ax.figure) == ["bands: ", "bars: "]
    ax.clear()
    ax.errorbar([1, 2], [1, 2], label="no bars")
    ax.fill_between([1, 2], [0, 1], [2, 3], label="5 % to 95 %")
    assert find_silent(finish(ax).figure) == []


def test_the_words_come_once_and_last():
    ax = new_axes()
    for k in range(3):
        plot_bars(ax, [1, 2], [k, k + 1], [0.1, 0.2], "standard error", label=f"curve {k}")
        plot_band(ax, [1, 2], [k, k], [k + 1, k + 1], "standard deviation")
    legend = finish(ax).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "curve 0", "curve 1", "curve 2", "bars: standard error", "bands: standard deviation",
    ]  # fmt: skip
    plain = finish(new_axes())
    assert plain.get_legend() is None


def test_nothing_else_draws_error_bars():
    """A region or quantiles may be filled directly, with a label or in the colour of a ground."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == HOME:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                names = {keyword.arg for keyword in node.keywords}
                bare = node.func.attr == "fill_between" and not names & {"label", "where"}
                if bare or node.func.attr == "errorbar" or names & {"yerr", "xerr"}:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found, (
        f"use binnet.plotting.plot_bars or plot_band, which say what they are: {found}"
    )
