"""Maps of learning: a panel for each measurement, with lines of the theory and of the dynamics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet.plotting._style import BLACK, BLUE, GREEN, LEGEND, PURPLE, RED, make_panels
from binnet.studies.map import LEVELS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from binnet.studies.map import MapResult

_TITLES = {
    "accuracy": "test accuracy",
    "training_convergence": "training relaxations\nat a fixed point",
    "inference_convergence": "inferences at a fixed point",
    "unstable": "unstable (sample, neuron) pairs",
    "flips": "flips per neuron in training\nafter the first sweep",
    "margin_q05": r"5 % quantile of $s_i h_i - J_D$",
    "margin_median": r"median of $s_i h_i - J_D$",
    "sample_overlap": "overlap of two test samples' states",
}
_WIDEST = 5  # panels in a row, without a third axis
_SYMBOLS = {
    "margin": r"margin of the rule $\kappa$",
    "self_coupling": r"self-coupling $J_D$",
    "input_strength": r"strength of the input $\lambda_{in}$",
    "excitation": r"excitation $\lambda$",
    "n_hidden": r"hidden neurons $H$",
}


@dataclass(frozen=True)
class _Line:
    """A line J_D = [kappa] + offset; offsets are a line's own numbers at each value of x."""

    label: str
    offset: Any
    with_margin: bool
    style: dict[str, Any]


def draw_map(result: MapResult, title: str = "") -> Figure:
    """Draw a map: a heat map of each measurement after the last epoch, mean over seeds.

    Cells are drawn in equal sizes, whatever lies between their values. Where the axes are a
    self-coupling and a margin or the strength of the input, the transitions of the theory of
    random networks at the same margin and strength of fields are drawn over them, with those
    without fields dashed; and where half of the inputs of the untrained networks converge.

    Parameters
    ----------
    result : MapResult
        From `binnet.studies.map.run_map`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        For `binnet.plotting.save_figure`. With three axes, a row of panels for each value of the
        third.
    """
    layers = _list_layers(result)
    rows, columns, *rest = result.layout
    third = layers[0][1][rest[0]].values.tolist() if rest else []
    places = [{rest[0]: value} for value in third] if rest else [{}]
    height = len(places) if rest else -(-(len(layers) + 1) // _WIDEST)  # one is for the legend
    width = len(layers) if rest else -(-(len(layers) + 1) // height)
    figure, panels = make_panels(
        width, height, title=title, size=(3.1 * width, 0.6 + 2.9 * height + bool(rest))
    )
    handles: dict[str, Any] = {}
    for k, here in enumerate(places):
        for (name, values), ax in zip(layers, panels[k * width :], strict=False):
            part = values.sel(here).transpose(rows, columns)
            bar = figure.colorbar(_plot_cells(part, _find_limits(values), ax))
            bar.ax.tick_params(labelsize=7)
            ax.set_title(name, fontsize=9)
            ax.set(xlabel=_name_axis(columns))
            handles |= _plot_lines(result, here, ax)
        for ax in panels[k * width : (k + 1) * width if rest else None : width]:
            lines = [
                f"{_name_axis(name)} = {value if isinstance(value, str) else format(value, 'g')}"
                for name, value in here.items()
            ]
            ax.set_ylabel("\n".join([*lines, _name_axis(rows)]))
    for ax in panels[len(layers) * len(places) :]:
        ax.remove()
    where: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (0.995, 0.03)}
    if rest:  # no panel is empty
        where = {"loc": "outside lower center", "ncols": max(1, width // 2)}
    figure.legend(
        handles=list(handles.values()), title=_describe(result), title_fontsize=8,
        **LEGEND, **where,
    )  # fmt: skip
    return figure


def _list_layers(result: MapResult) -> list[tuple[str, xr.DataArray]]:
    """Return name and values of each panel, means over seeds."""
    numeric = [name for name in result.over if result.learning[name].dtype.kind in "if"]
    last = result.learning.isel(epoch=-1)
    mean = last.mean("seed", skipna=False).sortby(numeric)
    layers = [(_name_layer(name, result), mean[name]) for name in _TITLES if name in mean]
    if "local_entropy" in last:
        before = result.untrained["local_entropy"]
        gained = (last["local_entropy"] - before).mean("seed", skipna=False).sortby(numeric)
        for k, d in enumerate(last["distance"].values):
            name = f"local entropy around\ninference states, d = {d:g}"
            layers.append((name, mean["local_entropy"].isel(distance=k)))
            layers.append((f"the same less that of the\nuntrained network, d = {d:g}",
                           gained.isel(distance=k)))  # fmt: skip
    return layers


def _name_axis(name: str) -> str:
    return _SYMBOLS.get(name, name.replace("_", " "))


def _name_layer(name: str, result: MapResult) -> str:
    title = _TITLES[name]
    return title.replace("test", "validation") if result.validation else title


def _describe(result: MapResult) -> str:
    """Return what stands above the lines in the legend."""
    text = (
        "colours: mean over seeds after the last epoch;\ncells of equal size, whatever their values"
    )
    if result.theory is None:
        text += ";\nthe theory has no plane of these axes"
    if "local_entropy" in result.learning:
        text += ";\nwhite: known for no input of some seed"
    return text


def _find_limits(values: xr.DataArray) -> tuple[float, float]:
    """Return the ends of the colours of a measurement: the same in all rows of panels."""
    known = values.values[np.isfinite(values.values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return min(low, high - 0.01 * abs(high)), high  # what differs in the fourth digit looks alike


def _plot_cells(values: xr.DataArray, limits: tuple[float, float], ax: Axes) -> Any:
    """Draw one measurement, cells by their number; return what a colour bar is made of."""
    rows, columns = values.dims
    low, high = limits
    image = ax.imshow(
        values.values, origin="lower", aspect="auto", cmap="cividis", vmin=low, vmax=high
    )
    for axis, name in ((ax.xaxis, columns), (ax.yaxis, rows)):
        labels = [v if isinstance(v, str) else f"{v:g}" for v in values[name].values.tolist()]
        axis.set_ticks(range(len(labels)), labels, fontsize=8)
    return image


def _plot_lines(result: MapResult, here: dict[str, Any], ax: Axes) -> dict[str, Any]:
    """Draw what is compared into a panel; return entries of a legend by their labels."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3.0, foreground="white")]
    rows, columns, *_ = result.layout
    handles: dict[str, Any] = {}
    limits = ax.get_xlim(), ax.get_ylim()

    def draw(x: NDArray[Any], y: NDArray[Any], label: str, style: dict[str, Any]) -> None:
        if np.isfinite(y).any():
            ax.plot(x, y, path_effects=halo, **style)
            handles[label] = Line2D([], [], label=label, **style)

    axis = np.sort(result.learning[columns].values)
    if result.theory is not None and columns in ("margin", "input_strength"):
        steps = 20 if columns == "margin" else 1  # fields: lines between what was calculated
        fine = np.arange(steps * (len(axis) - 1) + 1) / steps
        at = np.interp(fine, np.arange(len(axis)), axis)
        heights = np.sort(result.learning[rows].values)
        for line in _list_lines(result, here, columns, at):
            kappa = _find(result, "margin", here, columns, at) if line.with_margin else 0.0
            y = _place(np.broadcast_to(kappa + line.offset, at.shape), heights)
            draw(fine, y, line.label, line.style)
    before = result.untrained["convergence"].mean("seed")
    before = before.sel({name: value for name, value in here.items() if name in before.dims})
    if rows in before.dims:
        before = before.sortby([name for name in before.dims if before[name].dtype.kind in "if"])
        style = {"color": GREEN, "linestyle": (0, (5, 1, 1, 1, 1, 1)), "linewidth": 2.0}
        label = "untrained network: half of the inputs settle"
        if columns in before.dims:
            before = before.transpose(columns, rows)
        height = np.array([_cross(part) for part in np.atleast_2d(before.values)])
        draw(np.arange(len(axis)), np.broadcast_to(height, axis.shape), label, style)
    ax.set(xlim=limits[0], ylim=limits[1])
    return handles


def _cross(fraction: NDArray[Any]) -> float:
    """Return at which cell, counted from 0, a fraction rises through one half; nan if nowhere."""
    above = fraction >= 0.5
    if above.all() or not above.any() or above[0]:
        return float("nan")
    k = int(np.argmax(above))
    return float(k - (fraction[k] - 0.5) / (fraction[k] - fraction[k - 1]))


def _place(values: NDArray[Any], heights: NDArray[Any]) -> NDArray[np.float64]:
    """Return where values of an axis lie among its cells; nan outside of them."""
    places = np.interp(values, heights, np.arange(len(heights)), np.nan, np.nan)
    return np.asarray(places, np.float64)


def _find(
    result: MapResult, name: str, here: dict[str, Any], columns: str, at: NDArray[Any]
) -> Any:
    """Return a parameter along the horizontal axis: an axis, the row's value, or all cells'."""
    if name == columns:
        return at
    if name in here:
        return here[name]
    configuration = result.configuration
    owner = configuration.plasticity if name == "margin" else configuration.network
    return getattr(owner, name)


def _list_lines(
    result: MapResult, here: dict[str, Any], columns: str, at: NDArray[Any]
) -> Iterator[_Line]:
    """Yield the lines of the theory, at the fields of the input, and dashed without any."""
    assert result.theory is not None
    std = np.broadcast_to(_find(result, "input_strength", here, columns, at), at.shape)
    driven = result.theory.sel(field_std=np.asarray(std, float))
    free = result.theory.sel(field_std=np.zeros(at.shape))
    for table, what, dashes in (
        (driven, r"theory, $\sigma_b = \lambda_{in}$", "-"), (free, "theory, no fields", "--")
    ):  # fmt: skip
        yield _Line(rf"{what}: overlap gap closes at $J_D^c$", table["critical"].values, True,
                    _style(BLUE, dashes))  # fmt: skip
        yield _Line(f"{what}: dynamics freezes above", table["freezing"].values, False,
                    _style(RED, dashes))  # fmt: skip
    for k, level in enumerate(LEVELS):
        yield _Line(rf"theory, $\sigma_b = \lambda_{{in}}$: complexity $\Sigma$ = {level:g}",
                    driven["reach"].isel(complexity=k).values, True,
                    _style(PURPLE, ("-", "-.")[k]))  # fmt: skip
    yield _Line(r"theory: $\Sigma = 0$, no fixed points below", 0.0, True, _style(BLACK, ":"))


def _style(shade: str, dashes: str, width: float = 1.6) -> dict[str, Any]:
    return {"color": shade, "linestyle": dashes, "linewidth": width}
