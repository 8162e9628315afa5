"""Groups whose commands are loaded when they are called, or when their help is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that knows where its commands are; each may load much that the others do not need.

    Parameters
    ----------
    *arguments, **options : Any
        As of `click.Group`.
    where : callable
        Returns for each command, by its name, the module and its name there:
        ``"package.module:name"``.
    """

    def __init__(
        self, *arguments: Any, where: Callable[[], Mapping[str, str]], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return sorted({*super().list_commands(ctx), *self._where()})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        place = self._where().get(name)
        if place is None:
            return super().get_command(ctx, name)
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command
