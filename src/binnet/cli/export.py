"""`binnet export` and `binnet import`: networks for other tools and for hardware, and back."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from binnet._files import check_file
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._graphs import FORMS, check_graph, graph_options, write_graph
from binnet.cli._learning_images import describe_kept, keep_learning
from binnet.cli._networks import (
    draw_inputs,
    draw_spins,
    input_options,
    load_inputs,
    load_source,
)
from binnet.cli._verilog import ELEMENTS, check_options, choose_elements, write_with_core
from binnet.networks import BinaryNetwork

FORMATS = (*FORMS, "memh", "verilog")


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format", "format", type=click.Choice(FORMATS), required=True,
    help="nir: a graph for neuromorphic tools; onnx: one for ONNX Runtime and other tools; memh: a "
    "folder of memory images and golden vectors; verilog: such a folder, with a core and its test "
    "benches",
)  # fmt: skip
@click.option(
    "--output", required=True, type=click.Path(path_type=Path),
    help="file (nir, onnx) or new folder (memh, verilog) to write",
)  # fmt: skip
@click.option(
    "--bits", type=int,
    help="quantise a floating-point network to this many bits a weight  [1, 2, 4, 8 or 16]",
)  # fmt: skip
@input_options
@click.option("--vectors", default=16, show_default=True, type=click.IntRange(1),
              help="golden vectors; the second half begins with random states")  # fmt: skip
@click.option("--sweeps", default=10, show_default=True, type=click.IntRange(1),
              help="of a golden vector; at most so many of an ONNX or unrolled graph")  # fmt: skip
@click.option(
    "--inputs", type=click.Choice(["data", "random"]), default="data", show_default=True,
    help="golden vectors of held-out samples of entangled MNIST, or of random inputs",
)  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0),
              help="of random inputs and initial states")  # fmt: skip
@click.option(
    "--learning", metavar="N", type=click.IntRange(1),
    help="golden vectors of learning, too: the next N training samples, from where the run stands, "
    "every state, and every weight and register after each update",
)  # fmt: skip
@click.option(
    "--elements", metavar="P", type=click.IntRange(1),
    help="verilog: processing elements, 1 to H: neurons that are computed at once  "
    f"[default: {ELEMENTS}, or H if that is less]",
)  # fmt: skip
@click.option("--event-driven", is_flag=True,
              help="verilog: sweeps walk only the neurons that have flipped")  # fmt: skip
@graph_options
@force_option
def export_network(
    run: Path,
    format: str,
    output: Path,
    bits: int | None,
    input_bits: int,
    input_format: str,
    vectors: int,
    sweeps: int,
    inputs: str,
    seed: int,
    learning: int | None,
    elements: int | None,
    event_driven: bool,
    form: str | None,
    dtype: str,
) -> None:
    """Write the network of RUN for other tools or for hardware.

    RUN is a run folder of `binnet train` or a network file. What learning goes on from (latent
    weights, registers, rates) is kept in memory images, where RUN has it. --learning needs a run
    that a core can go on with, such as one of --arithmetic int8 --generator lfsr --averaging 0.
    """
    from binnet.hardware.golden_vectors import record_golden_vectors
    from binnet.hardware.memory_images import check_new_folder, write_memory_images
    from binnet.networks import QuantizedNetwork

    with clear_errors():
        if format in FORMS and learning is not None:
            raise ValueError(
                f"--learning {learning} is of memory images, and a graph has no place for it; "
                "choose --format memh or verilog, or leave it out"
            )
        check_options(format, elements, event_driven)
        check_graph(format, form, dtype)
        if format in FORMS:
            check_file(output)
        else:
            check_new_folder(output)
        source = load_source(run, bits, input_bits, input_format)
        network = source.network
        if format in FORMS:
            click.echo(write_graph(format, output, source, form, dtype, sweeps))
            return
        if not isinstance(network, QuantizedNetwork):
            raise ValueError(
                f"{run} is in floating point and memories hold integers; add --bits 1, 2, 4, 8 or "
                "16"
            )
        P = choose_elements(network, elements)
        kept = keep_learning(run, source, learning, P if format == "verilog" else None)
        if inputs == "random":
            X = draw_inputs(network, vectors, seed)
        else:
            X = load_inputs(run, source, vectors)
        start = draw_spins((len(X), network.n_neurons), seed, 1)
        start[: (len(X) + 1) // 2] = 0  # the first half begins silent, as inference does
        golden = record_golden_vectors(network, X, start, sweeps=sweeps)
        write_images = partial(
            write_memory_images,
            output,
            network,
            golden,
            describe_run(seed, threads=1),
            learning=kept.image,
            learning_files=None if kept.vectors is None else kept.vectors.to_files(),
        )
        if format == "verilog":
            manifest = write_with_core(output, network, golden, kept, P, event_driven, write_images)
        else:
            manifest = write_images()
    click.echo(f"memory images and {len(X)} golden vectors: {manifest}")
    for line in kept.lines:
        click.echo(line)
    if format == "verilog":
        does = "infers" if learning is None else "infers and learns"
        click.echo(f"Verilog of a core that {does}, {P} processing elements: {output / 'core.v'}")
        click.echo(f"its test bench: make -C {output}; see README.md there")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="network file to write (.safetensors)")  # fmt: skip
@force_option
def import_network(file: Path, output: Path) -> None:
    """Read a network from FILE, a NIR graph or a folder of memory images, into a network file.

    What is read is checked in full; `binnet export` and `binnet hardware report` take the result.
    """
    from binnet.hardware.memory_images import read_memory_images
    from binnet.hardware.network_files import save_network
    from binnet.networks import QuantizedNetwork

    with clear_errors():
        check_file(output)
        learning = None
        if file.is_dir() or file.suffix == ".json":
            images = read_memory_images(file)
            network: BinaryNetwork | QuantizedNetwork = images.network
            learning = images.learning
        else:
            from binnet.hardware.nir_import import read_nir

            network = read_nir(file)
        save_network(output, network, learning=learning)
    integer = isinstance(network, QuantizedNetwork)
    sizes = f"{network.n_inputs} inputs, {network.n_neurons} hidden, {network.n_outputs} outputs"
    click.echo(f"{'integer' if integer else 'floating-point'} network of {sizes}: {output}")
    if learning is not None:
        click.echo(f"kept beside it: {describe_kept(learning)}")
