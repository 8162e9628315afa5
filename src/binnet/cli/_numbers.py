"""Options that take several numbers with commas between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:  # before click 8.4 there is no click.ParamType[...]
    ParamType = click.ParamType


class Numbers(ParamType):
    """Numbers with commas between them."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = f"{'integer' if kind is int else 'float'}[,...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a tuple."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            kind = "an integer" if self.kind is int else "a number"
            self.fail(f"{value!r} is not {kind}, or several with commas between them", param, ctx)


class PerModule(Numbers):
    """A number for all modules, or one for each with commas between them."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a number or a tuple."""
        numbers = super().convert(value, param, ctx)
        return numbers[0] if isinstance(numbers, tuple) and len(numbers) == 1 else numbers
