"""Files that commands write: where they may go, what they may replace, pictures that fail."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import check_file, name_beside, overwriting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def refuse_input(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse a file that the command reads: binnet wrote it, so that it might be replaced."""
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise click.BadParameter(f"{output} is read by this command; name another file")


@functools.cache
def load_in_background() -> Callable[[], None]:
    """Begin to load what draws, as kernels that run meanwhile leave Python to others.

    To be called when nothing else is going to be imported. What fails is met again when drawing,
    which first calls what is returned: it waits, as settings of matplotlib are those of the
    process.
    """

    def load() -> None:
        with suppress(Exception):
            from binnet.plotting._style import load_matplotlib

            load_matplotlib()

    thread = threading.Thread(target=load)
    try:
        thread.start()
    except RuntimeError:  # the system has no thread left
        return load
    return thread.join


def save_pictures(pictures: Mapping[Path, Callable[[], Figure]], **options: Any) -> list[Path]:
    """Draw pictures, write them as `binnet.plotting.save_figure` does, and return those written.

    One that fails is a warning at the end of the command: it must not cost the numbers.
    """
    written = []
    load_in_background()()
    for path, draw in pictures.items():
        try:
            from binnet.plotting import default_settings, save_figure

            with default_settings():
                save_figure(draw(), path, **options)
            written.append(path)
        except Exception as error:  # whatever matplotlib and the user's machine come up with
            reason = str(error).partition("\n")[0] or type(error).__name__
            _warn_at_the_end(f"warning: the picture {path} could not be drawn: {reason}")
    return written


def _warn_at_the_end(line: str) -> None:
    click.get_current_context().call_on_close(lambda: click.echo(line, err=True))
