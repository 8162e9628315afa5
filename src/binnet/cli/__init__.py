"""The `binnet` command: thin, it parses, calls the library and prints."""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from functools import cache
from io import TextIOWrapper
from typing import Any

import click

from binnet._provenance import get_version
from binnet.cli._common import open_missing_streams
from binnet.cli._lazy import LazyGroup

_COMMANDS = {
    "bench": "bench:bench",
    "count": "count:count",
    "evaluate": "evaluate:evaluate",
    "export": "export:export_network",
    "hardware": "hardware:hardware",
    "import": "export:import_network",
    "landscape": "landscape:landscape",
    "predict": "predict:predict",
    "quantize": "quantize:quantize_run",
    "relax": "relax:relax",
    "representations": "representations:representations",
    "rnn": "rnn:rnn",
    "study": "studies:study",
    "sweep": "sweep:sweep",
    "theory": "theory:theory",
    "train": "train:train",
    # By the name that it had before there was `binnet study`.
    "capacity": "studies.capacity:capacity",
}


@click.group(
    cls=LazyGroup,
    where=lambda: {name: f"{__name__}.{place}" for name, place in _COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(get_version(), prog_name="binnet")
def main() -> None:
    """Learning without backpropagation in binary recurrent networks."""
    open_missing_streams()
    _collect_less()
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files are shown as they are, also those that are not UTF-8.
        sys.stdout.reconfigure(errors="surrogateescape")
    warnings.formatwarning = _format_warning


@cache
def _collect_less() -> None:
    """Look for garbage seldom, and not at the end, where the memory is given back anyway.

    Imports and pictures make many objects, and they stay: looking through them again and again
    took half a second of a run.
    """
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)


def _format_warning(
    message: Warning | str, category: type[Warning], *where: Any, **line: Any
) -> str:
    """Show a warning in one line: a user does not know the line of the code that gives it."""
    from binnet._records import UncheckedFileWarning

    return f"{'note' if issubclass(category, UncheckedFileWarning) else 'warning'}: {message}\n"
