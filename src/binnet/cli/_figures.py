"""Figures that commands write: where they may go, and a canvas that needs no display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def check_output(output: Path, suffixes: tuple[str, ...]) -> Path:
    """Refuse a file that could not be written, before anything is computed."""
    if output.suffix not in suffixes:
        *others, last = suffixes
        choice = f"{', '.join(others)} or {last}" if others else last
        raise click.BadParameter(f"{output} must end in {choice}")
    if not output.parent.is_dir():
        raise click.BadParameter(f"the folder {output.parent} does not exist; create it first")
    return output


def new_figure(**options: Any) -> tuple[Figure, Any]:
    """Return a figure on a canvas without display, whatever the user's backend is, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=options.pop("figsize"), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(**options)
