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


# `bits` by the name that it had before there was `binnet study`.
@click.group(cls=LazyGroup, where=lambda: {"bits": "binnet.cli.studies.bits:bits"})
def hardware() -> None:
    """Chip-style arithmetic: what it costs, and what it loses."""


@hardware.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--bits", type=int,
              help="quantise a floating-point network first  [1, 2, 4, 8 or 16]")  # fmt: skip
@input_options
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(1),
              help="held-out samples to measure inference on")  # fmt: skip
@click.option("--max-sweeps", default=10, show_default=True, type=click.IntRange(1),
              help="sweeps of an inference at most")  # fmt: skip
@click.option(
    "--energy", type=click.Path(path_type=Path),
    help="TOML table of energies; the \"table\" of --json has its entries  [default: 45 nm]",
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
    energy: Path | None,
    as_json: bool,
    output: Path | None,
    threads: int | None,
) -> None:
    """Report memory, synaptic operations, saturation, updates and energy of RUN's network.

    RUN is a run folder of `binnet train` or a network file.
    """
    from binnet.hardware.cost import report_cost
    from binnet.hardware.cost_text import format_cost
    from binnet.hardware.energy import EnergyTable

    with clear_errors():
        if output is not None:
            check_file(output)
        table = EnergyTable() if energy is None else EnergyTable.from_toml(energy)
        source = load_source(run, bits, input_bits, input_format)
        result = report_cost(
            source.network,
            load_inputs(run, source, samples),
            table=table,
            max_sweeps=max_sweeps,
            threads=threads,
            **_read_training(source),
        )
        record = {"binnet": get_version(), **result.to_dict()}
        if output is not None:
            write_json(output, record)
    click.echo(json.dumps(record, indent=2) if as_json else format_cost(result))


def _read_training(source: Source) -> dict[str, Any]:
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
        found["latent_bits"] = training.configuration.arithmetic.latent_bits or None
    return found
