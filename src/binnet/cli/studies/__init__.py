"""`binnet study`: the experiments behind the figures, each resumable.

Every module here is a command, found by its name: chain.py is `binnet study chain` and holds the
command `chain`. A module is imported when its command is called, or its help is asked for.

A new study takes two files: binnet/studies/NAME.py measures (`run_NAME`, over `sweeps.run`), and
NAME.py here asks for its parameters and hands its findings to `_shared.run_study`, which writes
figure, data and provenance. Curves with seeds are drawn by `binnet.plotting.draw_curves`.
"""

from __future__ import annotations

import importlib
import pkgutil

import click


class StudyGroup(click.Group):
    """A group whose commands are the modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        if name not in self.list_commands(ctx):
            return None
        stem = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{stem}"), stem)
        return command


@click.group(cls=StudyGroup)
def study() -> None:
    """Run an experiment: train over a grid, print its table, and draw its figure."""
