"""Files that commands write: where they may go, and what they may replace."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from binnet._files import check_file, name_beside, overwriting

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


def force_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that lets a command replace files that binnet did not write."""

    # Eager: it is known when the callbacks of other options check where files go.
    @click.option(
        "--force", is_flag=True, is_eager=True, help="also replace files that binnet did not write"
    )
    @functools.wraps(command)
    def run(*arguments: Any, force: bool, **options: Any) -> Any:
        with overwriting(force):
            return command(*arguments, **options)

    return run


def check_output(output: Path, suffixes: tuple[str, ...], beside: tuple[str, ...] = ()) -> Path:
    """Refuse a file that could or may not be written, before anything is computed.

    `beside` are the suffixes of what is written beside it.
    """
    if output.suffix not in suffixes:
        *others, last = suffixes
        choice = f"{', '.join(others)} or {last}" if others else last
        raise click.BadParameter(f"{output} must end in {choice}")
    force = click.get_current_context().params.get("force", False)
    try:
        for path in (output, *(name_beside(output, suffix) for suffix in beside)):
            check_file(path, overwrite=force)
    except OSError as error:
        raise click.BadParameter(str(error)) from None
    return output
