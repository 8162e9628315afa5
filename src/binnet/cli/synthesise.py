"""`binnet hardware synthesise`: what a core takes of an FPGA, and how many samples it learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import check_file, write_json
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._networks import Source, input_options, load_inputs, load_source
from binnet.cli.hardware import read_training

if TYPE_CHECKING:
    from binnet.chips.design import CoreDesign
    from binnet.chips.synthesis import Contents, SynthesisReport
    from binnet.hardware.cost import CostReport

_AUTO = "auto"
_OPTIONS = {"elements": "--elements", "device": "--device"}


def _read_elements(context: click.Context, option: click.Parameter, value: str) -> int | None:
    """Return P, or None for auto."""
    if value == _AUTO:
        return None
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise click.BadParameter(f"{value!r} is neither a number from 1 nor {_AUTO}")
    return int(value)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--target", type=click.Choice(["ecp5", "ice40", "generic"]), required=True,
              help="FPGA; generic counts LUTs of 4 inputs and places nothing")  # fmt: skip
@click.option("--device", help="25k, 45k, 85k (ecp5); hx1k, hx8k (ice40)  [default: 25k; hx8k]")
@click.option("--elements", callback=_read_elements, required=True, metavar=f"P|{_AUTO}",
              help="processing elements, 1..H; auto: the most of 1, 2, 4, .., H that fit the "
              "device at the frequency")  # fmt: skip
@click.option("--learning", is_flag=True, help="the core that goes on learning as RUN does")
@click.option("--event-driven", is_flag=True, help="sweeps walk the neurons that flipped alone")
@click.option("--frequency", default=60.0, show_default=True, metavar="MHZ",
              type=click.FloatRange(0, min_open=True), help="to aim at")  # fmt: skip
@click.option("--place/--no-place", default=True, show_default=True,
              help="place and route, which gives the frequency, or count cells alone")  # fmt: skip
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0),
              help="of the placement")  # fmt: skip
@click.option("--bits", type=int,
              help="quantise a floating-point network first  [1, 2, 4, 8 or 16]")  # fmt: skip
@input_options
@click.option("--samples", default=1000, show_default=True, type=click.IntRange(1),
              help="held-out samples, and training samples, to measure sweeps on")  # fmt: skip
@click.option("--max-sweeps", default=10, show_default=True, type=click.IntRange(1),
              help="sweeps of an inference at most")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="print JSON instead of text")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              help="write the JSON into this file, too")  # fmt: skip
@force_option
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
def synthesise(run: Path, as_json: bool, output: Path | None, **options: Any) -> None:
    """Synthesise a core for RUN's network: cells, frequency, cycles, samples per second.

    RUN is a run folder of `binnet train` or a network file. Yosys and nextpnr come with the extra
    "fpga"; they take minutes, and some more when they run for the first time.
    """
    with clear_errors(_OPTIONS):
        if output is not None:
            check_file(output)
        record, text = _work(run, **options)
        if output is not None:
            write_json(output, record)
    click.echo(json.dumps(record, indent=2) if as_json else text)


def _work(
    run: Path,
    *,
    target: str,
    device: str | None,
    elements: int | None,
    learning: bool,
    event_driven: bool,
    frequency: float,
    place: bool,
    seed: int,
    bits: int | None,
    input_bits: int,
    input_format: str,
    **measuring: Any,
) -> tuple[dict[str, Any], str]:
    """Return the record, and the text."""
    from binnet.chips.synthesis import check_extras, synthesise, synthesise_largest
    from binnet.chips.synthesis_text import format_beside, format_synthesis
    from binnet.chips.throughput import count_throughput
    from binnet.hardware.published import PUBLISHED_CHIPS

    check_extras(target, device, place)
    if elements is None and (target == "generic" or not place):
        raise click.UsageError(
            "--elements auto fills a device at a frequency: it needs the target ecp5 or ice40, and "
            "no --no-place; or name P"
        )
    source = load_source(run, bits, input_bits, input_format)
    build = _find_builder(run, source, learning, event_driven)
    design, contents = build(1 if elements is None else elements)
    cost = _measure(run, source, learning, **measuring)
    tried: list[SynthesisReport] = []
    with _showing() as progress:
        if elements is not None:
            report = synthesise(
                design, contents, target, device=device, place=place, frequency=frequency,
                seed=seed, progress=progress,
            )  # fmt: skip
        else:
            report, tried = synthesise_largest(
                build, design.n_neurons, target, device=device, frequency=frequency, seed=seed,
                progress=progress,
            )  # fmt: skip
            design, _ = build(report.elements)
    training = cost.training
    throughput = count_throughput(
        design, report.frequency, cost.sweeps, None if training is None else training.sweeps,
        flips=cost.flips, flips_learning=0.0 if training is None else training.flips,
    )  # fmt: skip
    record = {
        **describe_run(seed),
        "design": asdict(design),
        "synthesis": report.to_dict(),
        "tried": [own.to_dict() for own in tried],
        "throughput": throughput.to_dict(),
        "cost": cost.to_dict(),
        "published": [asdict(chip) for chip in PUBLISHED_CHIPS],
    }
    text = format_synthesis(design, report, throughput, tried)
    return record, f"{text}\n\n{format_beside(cost, event_driven)}"


def _find_builder(
    run: Path, source: Source, learning: bool, event_driven: bool
) -> Callable[[int], tuple[CoreDesign, Contents]]:
    """Return what makes the core of so many elements, and the contents of its memories."""
    from binnet.chips.contents import fill_memories
    from binnet.chips.design import design_core
    from binnet.chips.runs import take_run
    from binnet.networks import QuantizedNetwork

    network, plasticity, latent, registers = source.network, None, None, None
    if learning:
        if source.training is None or source.quantization is not None:
            raise ValueError(
                f"--learning goes on with a run in integers, got {run}"
                f"{'' if source.training is None else ' and --bits'}; name the folder of `binnet "
                "train --arithmetic int4`, say, or leave out --learning"
            )
        network, plasticity, latent, registers = take_run(source.training)
    if not isinstance(network, QuantizedNetwork):
        raise ValueError(
            f"{run} is in floating point and a core holds integers; add --bits 1, 2, 4, 8 or 16"
        )

    def build(elements: int) -> tuple[CoreDesign, Contents]:
        design = design_core(network, elements, learning=plasticity, event_driven=event_driven)
        return design, fill_memories(design, network, latent, registers)

    return build


def _measure(
    run: Path,
    source: Source,
    learning: bool,
    *,
    samples: int,
    max_sweeps: int,
    threads: int | None,
) -> CostReport:
    """Return the figures of the cost model, with sweeps as measured on the run's samples."""
    from binnet.cli._learning_design import find_design
    from binnet.hardware.cost import report_cost

    return report_cost(
        source.network,
        load_inputs(run, source, samples),
        max_sweeps=max_sweeps,
        design=find_design(run, source, samples).found if learning else None,
        threads=threads,
        **read_training(source),
    )


@contextmanager
def _showing() -> Iterator[Callable[[str, float], None]]:
    """Show what is done, and how long it may take, on a terminal."""
    form = "{desc}: {percentage:3.0f} %, {elapsed}, some {remaining} left"
    with progress_bar(total=1.0, bar_format=form, disable=None, leave=False) as bar:

        def show(what: str, share: float) -> None:
            if share < bar.n:
                bar.reset()
            bar.set_description_str(what, refresh=False)
            bar.update(share - bar.n)
            bar.refresh()

        yield show
