"""Files that commands write: where they may go."""

from __future__ import annotations

from pathlib import Path

import click

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
