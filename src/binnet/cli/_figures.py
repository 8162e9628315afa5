"""Files that commands write: where they may go, and what they may replace."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import check_file, name_beside, overwriting

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def _let_overwrite(context: click.Context, parameter: click.Parameter, force: bool) -> None:
    context.with_resource(overwriting(force))


# Eager: it is known before the callbacks of other options check where files go.
force_option = click.option(
    "--force",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_let_overwrite,
    help="also replace files that binnet did not write",
)


def check_output(output: Path, suffixes: tuple[str, ...], beside: tuple[str, ...] = ()) -> Path:
    """Refuse a file that could or may not be written, before anything is computed.

    `beside` are the suffixes of what is written beside it.
    """
    if output.suffix not in suffixes:
        *others, last = suffixes
        choice = f"{', '.join(others)} or {last}" if others else last
        raise click.BadParameter(f"{output} must end in {choice}")
    try:
        for path in (output, *(name_beside(output, suffix) for suffix in beside)):
            check_file(path)
    except OSError as error:
        raise click.BadParameter(str(error)) from None
    return output
