"""`binnet hardware`: what a network costs on a chip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from binnet._files import check_file, write_json
from binnet._provenance import get_version
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._lazy import LazyGroup
from binnet.cli._networks import Source, input_options, load_inputs, load_source

_COMMANDS = {
    "synthesise": "binnet.cli.synthesise:synthesise",
    # By the name that it had before there was `binnet study`.
    "bits": "binnet.cli.studies.bits:bits",
}


@click.group(cls=LazyGroup, where=lambda: _COMMANDS)
def hardware() -> None:
    """Chip-style arithmetic: what it costs, and what it loses."""


@hardware.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--bits", type=int,
              help="quantise a floating-point network first  [1, 2, 4, 8 or 16]")  # fmt: skip
@input_options
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(1),
              help="held-out samples to measure inference on, and training samples to measure "
              "learning on")  # fmt: skip
@click.option("--max-sweeps", default=10, show_default=True, type=click.IntRange(1),
              help="sweeps of an inference at most")  # fmt: skip
@click.option(
    "--energy", default="45nm", show_default=True, metavar="45nm|7nm|TABLE.toml",
    help="energies of operations: of a published table, or of your own, whose entries are in the "
    "\"table\" of --json",
)  # fmt: skip
@click.option(
    "--elements", type=click.IntRange(1), metavar="P",
    help="processing elements, 1..H: cycles are counted, at least those of the memory",
)  # fmt: skip
@click.option(
    "--frequency", type=click.FloatRange(0, min_open=True), metavar="MHZ",
    help="of the clock, with --elements: cycles are given in microseconds, too",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="print JSON instead of text")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="write the JSON into this file, too")  # fmt: skip
@force_option
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
def report(
    run: Path,
    bits: int | None,
    input_bits: int,
    input_format: str,
    samples: int,
    max_sweeps: int,
    energy: str,
    elements: int | None,
    frequency: float | None,
    as_json: bool,
    output: Path | None,
    threads: int | None,
) -> None:
    """Report memory, synaptic operations, saturation, updates and energy of RUN's network.

    RUN is a run folder of `binnet train` or a network file. Of a run, a training sample is counted
    as an inference is, with its relaxation, memory traffic and random numbers.
    """
    from binnet.cli._learning_design import find_design
    from binnet.hardware.cost import report_cost
    from binnet.hardware.cost_text import format_cost
    from binnet.hardware.energy import find_table

    with clear_errors():
        if output is not None:
            check_file(output)
        if frequency is not None and elements is None:
            raise ValueError(
                f"--frequency {frequency:g} needs --elements P, which gives the cycles; add it, or "
                "leave out --frequency"
            )
        table = find_table(energy)
        source = load_source(run, bits, input_bits, input_format)
        design, not_counted = find_design(run, source, samples)
        with clear_errors({"elements": "--elements"}):
            result = report_cost(
                source.network,
                load_inputs(run, source, samples),
                table=table,
                max_sweeps=max_sweeps,
                design=design,
                elements=elements,
                threads=threads,
                **read_training(source),
            )
        record = {"binnet": get_version(), **result.to_dict()}
        record |= {"frequency": frequency, "training_not_counted": not_counted}
        if output is not None:
            write_json(output, record)
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(format_cost(result, frequency))
    if not_counted is not None:
        click.echo(f"the cost of a training sample is missing: {not_counted}")


def read_training(source: Source) -> dict[str, Any]:
    """Return what a report takes of the run's training and of the rounding afterwards."""
    from binnet.hardware.cost import LearningEvents
    from binnet.networks import BLOCKS

    found: dict[str, Any] = {}
    training, quantization = source.training, source.quantization
    if quantization is not None:
        blocks = quantization.blocks
        found["saturation_events"] = {name: block.saturated for name, block in blocks.items()}
    if training is not None and training.history:
        presented = training.n_samples * len(training.history)
        hidden, readout = (
            training.n_samples * sum(epoch.unstable[name] for epoch in training.history)
            for name in ("hidden", "readout")
        )
        found["learning"] = LearningEvents(presented, hidden, readout)
    counts = None if training is None else training.synapses.count_updates()
    if training is not None and counts is not None:
        changes, saturated = counts.T.tolist()
        found["weight_changes"] = dict(zip(BLOCKS, changes, strict=True))
        found["saturation_events"] = dict(zip(BLOCKS, saturated, strict=True))
        stored = training.configuration.arithmetic.stored_bits_of_blocks
        found["latent_bits"] = dict(zip(BLOCKS, stored, strict=True))
    return found
