"""What the commands of `binnet theory` share: options, and figures with the data behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import name_beside, write_json
from binnet._provenance import describe_run
from binnet.cli._figures import FIGURE_SUFFIXES, check_output, save_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _check_output(context: click.Context, parameter: click.Parameter, output: Path) -> Path:
    return check_output(output, FIGURE_SUFFIXES, (".json",))


RTOL: dict[str, Any] = {
    "type": click.FloatRange(1e-13, 0.1),
    "default": 1e-5,
    "show_default": True,
    "help": "Relative accuracy of the local entropies.",
}
MARGIN: dict[str, Any] = {
    "type": click.FloatRange(0.0),
    "default": 0.0,
    "show_default": True,
    "help": "Stability kappa that every neuron must exceed.",
}
FIELD: dict[str, Any] = {
    "type": click.FloatRange(0.0),
    "default": 0.0,
    "show_default": True,
    "help": "Standard deviation sigma_b of Gaussian external fields.",
}
OPTIONS = {"margin": "--margin", "field_std": "--field"}
DYNAMICS: dict[str, Any] = {
    "default": True,
    "show_default": True,
    "help": "Also estimate where the dynamics freezes.",
}
SEED: dict[str, Any] = {
    "type": click.IntRange(0),
    "default": 0,
    "show_default": True,
    "help": "Seed of the dynamical estimate.",
}
POINTS = click.IntRange(2, 10000)
OUTPUT: dict[str, Any] = {
    "type": click.Path(dir_okay=False, path_type=Path),
    "callback": _check_output,
    "show_default": True,
    "help": "Figure; its data go beside it as JSON.",
}


def to_plain(values: Any) -> list[Any]:
    """Return numbers, or rows of them, for JSON, which knows neither nan nor infinity."""
    return [
        to_plain(v) if getattr(v, "ndim", 0) else float(v) if abs(v) < float("inf") else None
        for v in values
    ]


def save(
    draw: Callable[[], Figure], output: Path, record: dict[str, Any], seed: int = 0
) -> list[str]:
    """Write numbers and where they come from, and their figure; return lines that say where."""
    data = name_beside(output, ".json")
    write_json(data, {"run": describe_run(seed, threads=1), **record})
    written = save_pictures({output: draw}, dpi=200, bbox_inches="tight")
    return [*(f"figure: {path}" for path in written), f"data:   {data}"]
