"""Picture of the test accuracy against the number of hidden neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from binnet.plotting._curves import curve_style, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


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
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 4.4), layout="constrained")
    ax = figure.subplots()
    sizes = result["n_hidden"].values
    models = result["model"].values
    for k, model in enumerate(models):
        plot_seeds(ax, sizes, result["accuracy"].sel(model=model), k, str(model))
    shown = {n: accuracy for n, accuracy in source_figure.items() if n in sizes}
    if shown:
        ax.plot(list(shown), list(shown.values()), "k*", ms=8, ls="", label="source, 200 epochs")
    for k, model in enumerate([] if peers is None else peers["model"].values):
        assert peers is not None
        ax.axhline(
            float(peers["accuracy"].sel(model=model).mean()),
            **(curve_style(len(models) + k) | {"marker": ""}),
            label=f"{model} (no hidden units)",
        )
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="hidden neurons H", ylabel="test accuracy")
    ax.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper")
    if title:
        ax.set_title(title, fontsize=10)
    return figure
