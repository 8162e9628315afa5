"""Pictures of chip-style arithmetic: what accuracy is left with few bits in a weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet._deprecation import renamed_parameter
from binnet.plotting._style import colour, finish, finish_beside, make_panels, marker, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {
    "per-weight": "trained, stochastic rounding",
    "per-event": "trained, whole events at random",
    "nearest": "trained, rounding to the nearest",
}
_STYLES = {"per-weight": "-", "per-event": "-.", "nearest": ":"}


@renamed_parameter("wide", "latent")
def plot_accuracy_of_bits(
    floats: xr.Dataset, integers: xr.Dataset, latent: xr.Dataset, ax: Axes
) -> Axes:
    """Plot the accuracy after the last epoch against the bits of a weight.

    Parameters
    ----------
    floats, integers, latent : xarray.Dataset
        From `binnet.studies.weight_bits.run_weight_bits`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes; bars reach from the lowest to the highest seed.
    """
    bits = integers.bits.values
    position = np.arange(len(bits))
    curves = [
        (
            _LABELS[str(name)],
            integers.accuracy.isel(epoch=-1).sel(rounding=name),
            _STYLES[str(name)],
        )
        for name in integers.rounding.values
    ]
    quantized = floats.quantized_accuracy.assign_coords(bits=bits)
    curves.append(("trained in float32, then quantised", quantized, "--"))
    last = latent.accuracy.isel(epoch=-1)
    curves.append(("trained, latent weights of 8 bits (of 8: 16)", last, "-."))
    for k, (label, values, style) in enumerate(curves):
        places = position[np.isin(bits, values.bits)]
        plot_seeds(ax, places, values.transpose(..., "seed"), k, label, linestyle=style)
    reference = float(floats.accuracy.isel(epoch=-1).mean())
    ax.axhline(reference, color="black", linewidth=1, label=f"float32: {reference:.4f}")
    ax.set_xticks(position, [str(value) for value in bits])
    ax.set(xlabel="bits of a weight", ylabel="test accuracy")
    return finish(ax, loc="lower right")


def plot_learning_in_bits(floats: xr.Dataset, integers: xr.Dataset, ax: Axes) -> Axes:
    """Plot the accuracy against the epoch for each width, with and without random rounding.

    Parameters
    ----------
    floats, integers : xarray.Dataset
        From `binnet.studies.weight_bits.run_weight_bits`.
    ax : Axes
        Where to draw.

    Returns
    -------
    Axes
        The same Axes; curves are means over the seeds.
    """
    epochs = 1 + np.arange(integers.sizes["epoch"])
    ax.plot(epochs, floats.accuracy.mean("seed"), color="black", label="float32")
    for k, bits in enumerate(integers.bits.values[::-1]):
        for name in integers.rounding.values:
            values = integers.accuracy.sel(bits=bits, rounding=name).mean("seed")
            ax.plot(
                epochs,
                values,
                color=colour(k),
                linestyle=_STYLES[str(name)],
                marker=marker(k),
                markersize=3,
                label=f"{bits} bits" if name == integers.rounding.values[0] else None,
            )
    ax.set(xlabel="epoch", ylabel="test accuracy")
    ax.set_xticks(epochs)
    return finish_beside(ax, title="dotted: to the nearest")


@renamed_parameter("wide", "latent")
def draw_weight_bits(
    floats: xr.Dataset, integers: xr.Dataset, latent: xr.Dataset, title: str = ""
) -> Figure:
    """Draw both panels.

    Parameters
    ----------
    floats, integers, latent : xarray.Dataset
        From `binnet.studies.weight_bits.run_weight_bits`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    figure, (left, right) = make_panels(2, title=title, size=(12, 4.5), sharey=True)
    plot_accuracy_of_bits(floats, integers, latent, left)
    plot_learning_in_bits(floats, integers, right)
    right.set_ylabel("")
    return figure
