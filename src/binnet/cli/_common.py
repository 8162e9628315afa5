"""What the commands share: how errors are shown, and what is said of a stopped run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

ADOPT_HELP = "keep cells that another version of binnet, or other code, has measured"


def open_missing_streams() -> None:
    """Put the null device where standard output or error are closed (``2>&-``, pythonw).

    Else the first files that are opened take their numbers, and whatever compiled code prints.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


@contextmanager
def clear_errors(options: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn errors about what the user passed, or has not installed, into one line.

    `options` says which option stands for a parameter of the library that the line may name.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads any more: click ends the process without a word
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        line = str(error)
        for name, option in (options or {}).items():
            line = re.sub(rf"\b{re.escape(name)}\b", option, line)
        raise click.ClickException(line) from error


def refuse_changes(options: Mapping[str, Any], *allowed: str) -> None:
    """Refuse the options of the present command that are given, as it resumes a run.

    `allowed` are the options that may be given, as they change nothing that was learned.
    """
    command = click.get_current_context().command
    given = [p.opts[0] for p in command.params if options.get(p.name or "") is not None]
    if set(given) - set(allowed):
        raise click.UsageError(
            "--resume goes on with the run's own parameters; it cannot change "
            + ", ".join(option for option in given if option not in allowed)
        )


def tell_how_to_resume(folder: Path, command: str) -> NoReturn:
    """End the process of a run that Ctrl-C has stopped."""
    click.echo(f"stopped before the end; go on with: {command} --resume {folder}")
    sys.exit(130)
