"""Pictures of how symmetric the couplings become while they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from binnet.plotting._style import (
    colour,
    dash,
    finish,
    finish_beside,
    make_panels,
    mark_epochs,
    marker,
    plot_seeds,
)
from binnet.studies.symmetry import list_settings

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_symmetry(values: xr.DataArray, ax: Axes, *, legend: bool = True) -> Axes:
    """Plot one measurement of the study of symmetry against the epoch, a curve for each setting.

    The last setting that varies is told by dash and filling, the others by colour and marker.

    Parameters
    ----------
    values : xarray.DataArray
        A variable of the result of `binnet.studies.symmetry.run_symmetry`, or a part of it.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    legend : bool, default True
        Whether the curves are named, to the right of the Axes.

    Returns
    -------
    Axes
        The same Axes.
    """
    varied = [str(d) for d in values.dims if d not in ("seed", "epoch") and values.sizes[d] > 1]
    n_last = values.sizes[varied[-1]] if varied else 1
    for k, settings in enumerate(list_settings(values)):
        first, last = divmod(k, n_last)
        label = ", ".join(_describe(name, settings[name]) for name in varied)
        style = {"color": colour(first), "marker": marker(first), "linestyle": dash(last)}
        filled = {"markerfacecolor": colour(first) if last == 0 else "white"}
        curve = values.sel(settings).transpose("epoch", "seed")
        plot_seeds(ax, range(len(curve)), curve, k, label or None, **style, **filled)
    mark_epochs(ax)
    ax.set(xlabel="epoch")
    return finish_beside(ax) if legend else finish(ax, legend=False)


def _describe(name: str, value: Any) -> str:
    """Return a setting as the legend names it."""
    if name == "annealing":
        return {"none": "feedback stays", "step": "annealed"}.get(value, f"annealed, {value}")
    if name == "symmetry":
        return {0.0: "independent", 1.0: "symmetric"}.get(value, rf"$\eta(0)$ = {value:g}")
    symbol = {"self_coupling": "$J_D$ = ", "input_strength": r"$\lambda_{in}$ = "}.get(name, "")
    return f"{symbol}{value:g}" if symbol else str(value)


def draw_symmetry(result: xr.Dataset, title: str = "") -> Figure:
    """Draw both measures of the symmetry of J, that of what was learned, and the accuracy.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.symmetry.run_symmetry`; a row for each strength of the input.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    strengths = result["input_strength"].values
    columns = {
        "index": "source's index of $J$, with $J_D$",
        "eta": r"$\eta$ of $J$, without $J_D$",
        "learned_eta": r"$\eta$ of what was learned",
        "accuracy": "test accuracy",
    }
    n_rows = len(strengths)
    figure, places = make_panels(
        len(columns), n_rows, title=title, size=(17, 0.6 + 3.6 * n_rows), sharex=True, sharey="col"
    )
    for k, strength in enumerate(strengths):
        for place, (name, label) in enumerate(columns.items()):
            ax = places[k * len(columns) + place]
            values = result[name].sel(input_strength=strength)
            plot_symmetry(values, ax, legend=k == 0 and place == len(columns) - 1)
            ax.set(ylabel=label, title=rf"$\lambda_{{in}}$ = {strength:g}")
    return figure
