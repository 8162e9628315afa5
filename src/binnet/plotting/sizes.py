"""Picture of the test accuracy against the number of hidden neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from binnet.plotting._style import curve_style, finish_beside, label_values, make_panels
from binnet.plotting.curves import plot_curves

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_sizes(
    result: xr.Dataset, peers: xr.Dataset | None, source_figure: Mapping[int, float], ax: Axes
) -> Axes:
    """Plot the test accuracy of each model against H, with the source's figure.

    Parameters
    ----------
    result, peers : xarray.Dataset
        From `binnet.studies.sizes.run_sizes`; bars reach from the lowest to the highest seed.
    source_figure : mapping of int to float
        Accuracy of the source by H.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes.
    """
    sizes, n_models = result["n_hidden"].values, result.sizes["model"]
    label_values(ax, sizes)
    names = {"xlabel": "hidden neurons H", "ylabel": "test accuracy"}
    plot_curves(result["accuracy"], "n_hidden", ax, along="model", **names)
    shown = {n: accuracy for n, accuracy in source_figure.items() if n in sizes}
    if shown:
        ax.plot(list(shown), list(shown.values()), "k*", ms=8, ls="", label="source, 200 epochs")
    for k, model in enumerate([] if peers is None else peers["model"].values):
        assert peers is not None
        ax.axhline(
            float(peers["accuracy"].sel(model=model).mean()),
            **(curve_style(n_models + k) | {"marker": ""}),
            label=f"{model} (no hidden units)",
        )
    return finish_beside(ax)


def draw_sizes(
    result: xr.Dataset,
    peers: xr.Dataset | None,
    source_figure: Mapping[int, float],
    title: str = "",
) -> Figure:
    """Draw the test accuracy of each model against H, with the source's figure.

    Parameters
    ----------
    result, peers : xarray.Dataset
        From `binnet.studies.sizes.run_sizes`; bars reach from the lowest to the highest seed.
    source_figure : mapping of int to float
        Accuracy of the source by H.
    title : str, default ""
        Of the figure.

    Returns
    -------
    Figure
        The figure.
    """
    figure, (ax,) = make_panels(title=title, size=(8.2, 4.4))
    plot_sizes(result, peers, source_figure, ax)
    return figure
