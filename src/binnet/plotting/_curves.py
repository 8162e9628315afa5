"""The curves of a sweep's result: one for each combination of its other axes, in one style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from binnet.plotting._style import colour, dash, marker

if TYPE_CHECKING:
    import xarray as xr

BOOTSTRAP = "standard error, bootstrap over networks"


def each_curve(result: xr.Dataset, *own: str) -> Iterator[tuple[str, dict[str, Any], xr.Dataset]]:
    """Yield label, style and data for each combination of the axes that a curve is drawn for.

    The first axis is told by colour and marker, the others by dash and filling.
    """
    inner = {"self_coupling", "seed", "replica", "sweep", *own}
    names = [name for name in result.coords if name in result.dims and name not in inner]
    names.sort(key=lambda name: name != "n_neurons")
    if not names:
        yield "all runs", curve_style(0, 0), result
        return
    for values in np.ndindex(*(result.sizes[name] for name in names)):
        where = dict(zip(names, values, strict=True))
        parts = [(name, result[name].values[k]) for name, k in where.items()]
        label = ", ".join(describe_value(str(name), value) for name, value in parts)
        rest = 0
        for name, value in zip(names[1:], values[1:], strict=True):
            rest = rest * result.sizes[name] + value
        yield label, curve_style(values[0], rest), result.isel(where)


def describe_value(name: str, value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"N = {text}" if name == "n_neurons" else f"{name} {text}"


def curve_style(first: int, rest: int) -> dict[str, Any]:
    return {
        "color": colour(first),
        "marker": marker(first),
        "markerfacecolor": colour(first) if rest % 2 == 0 else "white",
        "linestyle": dash(rest),
        "markersize": 4,
        "linewidth": 1.4,
    }
