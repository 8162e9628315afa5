"""The `binnet` command: thin, it parses, calls the library and prints."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper
from typing import Any

import click

from binnet._provenance import get_version
from binnet._records import UncheckedFileWarning
from binnet.cli._common import open_missing_streams
from binnet.cli.count import count
from binnet.cli.evaluate import evaluate
from binnet.cli.export import export_network, import_network
from binnet.cli.hardware import hardware
from binnet.cli.quantize import quantize_run
from binnet.cli.relax import relax
from binnet.cli.representations import representations
from binnet.cli.rnn import rnn
from binnet.cli.studies import study
from binnet.cli.studies.bits import bits
from binnet.cli.studies.capacity import capacity
from binnet.cli.studies.rate import rate
from binnet.cli.sweep import sweep
from binnet.cli.theory import theory
from binnet.cli.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(get_version(), prog_name="binnet")
def main() -> None:
    """Learning without backpropagation in binary recurrent networks."""
    open_missing_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        # Names of files are shown as they are, also those that are not UTF-8.
        sys.stdout.reconfigure(errors="surrogateescape")
    warnings.formatwarning = _format_warning


def _format_warning(
    message: Warning | str, category: type[Warning], *where: Any, **line: Any
) -> str:
    """Show a warning in one line: a user does not know the line of the code that gives it."""
    return f"{'note' if issubclass(category, UncheckedFileWarning) else 'warning'}: {message}\n"


main.add_command(train)
main.add_command(evaluate)
main.add_command(theory)
main.add_command(count)
main.add_command(relax)
main.add_command(export_network)
main.add_command(import_network)
main.add_command(quantize_run)
main.add_command(hardware)
main.add_command(sweep)
main.add_command(rnn)
main.add_command(representations)
main.add_command(study)
# Studies by the names that they had before there was `binnet study`.
main.add_command(capacity)
hardware.add_command(bits)
rnn.add_command(rate, "study")
