"""What commands of `binnet bench` that measure have in common: threads, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from binnet._files import check_file

_OPTIONS = {
    "time_limit": "--time-limit",
    "threads must": "--threads must",
    "peer must": "--peer must",
}  # how an error of a plan begins, and as what


def parse_threads(text: str) -> list[int | str]:
    """Return the numbers of threads that an option names, and "all" as it is."""
    return [int(word) if word.strip().isdecimal() else word.strip() for word in text.split(",")]


@contextmanager
def naming_options() -> Iterator[None]:
    """Turn errors about a plan into wrong usage, with options in place of parameters."""
    try:
        yield
    except (ValueError, TypeError) as error:
        line = str(error)
        for name, option in _OPTIONS.items():
            line = re.sub(rf"^{re.escape(name)}\b", option, line)
        raise click.UsageError(line) from None


def check_result_file(output: Path) -> None:
    """Refuse a file that a result could not be written to, before anything is measured."""
    try:
        check_file(output)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--output") from None
