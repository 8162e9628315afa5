"""The option of the commands that let neurons be updated in one order or another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from binnet.update_orders import Use, describe_orders, find_order, list_orders


class UpdateOrderChoice(click.Choice[str]):
    """One of the update orders for a use, with its number if it takes one."""

    def __init__(self, use: Use) -> None:
        super().__init__(list_orders(use))
        self.use = use

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the text of the order."""
        super().convert(str(value).partition(":")[0], param, ctx)
        try:
            return find_order(value, self.use).text
        except ValueError as error:
            self.fail(str(error), param, ctx)


def renamed_option(old: str, new: str, name: str, **attributes: Any) -> Callable[..., Any]:
    """Add an option that had another name before; the old one is understood, with a warning."""
    key = f"binnet{old}"

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            click.echo(f"DeprecationWarning: {old} is now called {new}", err=True)
            ctx.meta[key] = value

    def choose(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if key in ctx.meta and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{old} is the old name of {new}: give {new} alone")
        return ctx.meta.get(key, value)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option(
            old, f"old_{name}", type=attributes["type"], hidden=True, is_eager=True,
            expose_value=False, callback=keep,
        )(command)  # fmt: skip
        return click.option(new, name, callback=choose, **attributes)(command)

    return decorate


def update_order_option(use: Use) -> Callable[..., Any]:
    """Add the option --update-order, by default sync."""
    return renamed_option(
        "--dynamics", "--update-order", "update_order", type=UpdateOrderChoice(use),
        default="sync", show_default=True, help=f"In a sweep: {describe_orders(use)}.",
    )  # fmt: skip
