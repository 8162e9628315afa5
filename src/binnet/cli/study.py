"""`binnet study`: the experiments behind the figures, each resumable."""

from __future__ import annotations

import click


@click.group()
def study() -> None:
    """Run an experiment: train over a grid, print its table, and draw its figure."""
