"""The `binnet` command: thin, it parses, calls the library and prints."""

from __future__ import annotations

import click

from binnet._provenance import get_version
from binnet.cli.capacity import capacity
from binnet.cli.count import count
from binnet.cli.evaluate import evaluate
from binnet.cli.export import export_network, import_network
from binnet.cli.hardware import hardware
from binnet.cli.hardware_bits import bits
from binnet.cli.quantize import quantize_run
from binnet.cli.relax import relax
from binnet.cli.representations import representations
from binnet.cli.rnn import rnn
from binnet.cli.study import study
from binnet.cli.study_chain import chain
from binnet.cli.study_self_coupling import self_coupling
from binnet.cli.study_sizes import sizes
from binnet.cli.study_symmetry import symmetry
from binnet.cli.sweep import sweep
from binnet.cli.theory import theory
from binnet.cli.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(get_version(), prog_name="binnet")
def main() -> None:
    """Learning without backpropagation in binary recurrent networks."""


main.add_command(train)
main.add_command(evaluate)
main.add_command(theory)
main.add_command(count)
main.add_command(relax)
main.add_command(export_network)
main.add_command(import_network)
main.add_command(quantize_run)
main.add_command(hardware)
hardware.add_command(bits)
main.add_command(sweep)
main.add_command(rnn)
main.add_command(capacity)
main.add_command(representations)
main.add_command(study)
study.add_command(symmetry)
study.add_command(chain)
study.add_command(self_coupling)
study.add_command(sizes)
