"""`binnet study`: the experiments behind the figures, each resumable.

Every module here is a command, found by its name: chain.py is `binnet study chain` and holds the
command `chain`. A module is imported when its command is called, or its help is asked for.

A new study takes two files: binnet/studies/NAME.py measures (`run_NAME`, over `sweeps.run`), and
NAME.py here asks for its parameters and hands its findings to `_shared.run_study`, which writes
figure, data and provenance. Curves with seeds are drawn by `binnet.plotting.draw_curves`.
"""

from __future__ import annotations

import pkgutil

import click

from binnet.cli._lazy import LazyGroup


def _find_modules() -> dict[str, str]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"]
    return {name.replace("_", "-"): f"{__name__}.{name}:{name}" for name in names}


@click.group(cls=LazyGroup, where=_find_modules)
def study() -> None:
    """Run an experiment: train over a grid, print its table, and draw its figure."""
