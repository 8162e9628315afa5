"""What the commands that run a study share: lists of numbers, where results go, how they stop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from binnet.cli._figures import check_output


class Numbers(click.ParamType[Any]):
    """Numbers with commas between them."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = f"{'integer' if kind is int else 'float'},..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return a tuple."""
        if not isinstance(value, str):
            return value
        try:
            return tuple(self.kind(part) for part in value.split(","))
        except ValueError:
            kind = "integers" if self.kind is int else "numbers"
            self.fail(f"{value!r} is not a list of {kind} with commas between them", param, ctx)


def output_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the figure, beside which the data go."""
    return click.option(
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=True,
        callback=lambda ctx, param, value: _check_figure(value),
        help="figure (.png); NetCDF and JSON of the same name go beside it",
    )


def _check_figure(output: Path) -> Path:
    if output.suffix != ".png":
        raise click.BadParameter(f"{output} must end in .png")
    return check_output(output, (".png",))


workers_option = click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="processes"
)


@contextmanager
def stopping_is_safe() -> Iterator[None]:
    """Say how a sweep goes on when Ctrl-C stops it, and show in one line why one failed."""
    from binnet.sweeps import SweepError

    try:
        yield
    except SweepError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("\nstopped; what is finished is kept, the same command goes on from there")
        sys.exit(130)
