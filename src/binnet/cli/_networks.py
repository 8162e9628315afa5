"""Networks that commands take as RUN: run folders of `binnet train`, and files of one network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet.cli import _runs
from binnet.hardware.network_files import load_network
from binnet.learning import Run, load_best
from binnet.networks import BinaryNetwork, QuantizationReport, QuantizedNetwork, quantize
from binnet.networks.inputs import INPUT_BITS, INPUT_FORMATS


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of how a network that is quantised here takes its inputs."""
    command = click.option(
        "--input-format", type=click.Choice(INPUT_FORMATS), default=INPUT_FORMATS[0],
        show_default=True, help="of inputs of more bits: pixels in [0, 1], or features of mean 0 "
        "and variance 1",
    )(command)  # fmt: skip
    return click.option(
        "--input-bits", type=click.IntRange(*INPUT_BITS), default=1, show_default=True,
        help="of an input, where the network is quantised: 1 takes spins, more graded inputs",
    )(command)  # fmt: skip


class Source(NamedTuple):
    """A network, how it was quantised here, and the training that it comes from."""

    network: BinaryNetwork | QuantizedNetwork
    quantization: QuantizationReport | None
    training: Run | None


def load_source(
    run: Path, bits: int | None, input_bits: int = 1, input_format: str = INPUT_FORMATS[0]
) -> Source:
    """Load the network of RUN, and quantise it if `bits` are given."""
    if run.is_dir():
        training = load_best(_runs.find_checkpoint(run))
        network = training.relaxable()
    elif run.is_file():
        training, network = None, load_network(run)
    else:
        raise FileNotFoundError(
            f"there is no {run}; name a run folder of `binnet train`, or a network file of "
            "`binnet import` or `binnet quantize`"
        )
    if bits is None:
        if input_bits > 1:
            raise ValueError(
                f"--input-bits {input_bits} is of a network that is quantised here; add --bits, or "
                "leave it out: a network in integers knows its inputs"
            )
        return Source(network, None, training)
    if isinstance(network, QuantizedNetwork):
        raise ValueError(f"{run} is in integers already; leave out --bits")
    if training is None:
        inputs: dict[str, Any] = {"input_bits": input_bits, "input_format": input_format}
        return Source(*quantize(network, bits, **inputs), None)
    plasticity = training.configuration.plasticity
    quantized, report = quantize(
        network,
        bits,
        margin=plasticity.margin,
        readout_margin=plasticity.readout_margin,
        margin_excludes_self_coupling=plasticity.margin_excludes_self_coupling,
        input_bits=input_bits,
        input_format=input_format,
    )
    return Source(quantized, report, training)


def load_inputs(run: Path, source: Source, samples: int) -> NDArray[np.int8]:
    """Return inputs that the network was not trained on: the run's test or validation samples."""
    if source.training is None:
        network = source.network
        if isinstance(network, QuantizedNetwork) and network.formats.inputs.bits > 1:
            raise ValueError(
                f"{run} takes graded inputs, and a file of a network does not say of which data; "
                "name the run folder, or, to export, add --inputs random"
            )
        _, sets = _runs.load_samples(source.network.n_inputs, 0)
    else:
        _, sets = _runs.load_samples_of(run, source.training)
    ((X, _),) = sets.values()
    return np.asarray(X[:samples])


def draw_inputs(network: QuantizedNetwork, n: int, seed: int) -> NDArray[Any]:
    """Return random inputs of a network: spins, or values of the integers of its format."""
    format, shape = network.formats.inputs, (n, network.n_inputs)
    if format.bits == 1:
        return draw_spins(shape, seed, 0)
    check_memory(f"--vectors {n}", 16.0 * n * network.n_inputs, "take fewer")
    generator = np.random.default_rng([0, seed])
    return format.dequantize(generator.integers(format.low, format.high + 1, shape))


def draw_spins(shape: tuple[int, int], seed: int, stream: int) -> NDArray[np.int8]:
    """Return random spins, independent for each stream of a seed."""
    check_memory(f"--vectors {shape[0]}", 9.0 * shape[0] * shape[1], "take fewer")
    generator: Any = np.random.default_rng([stream, seed])
    spins: NDArray[np.int8] = generator.choice(np.array([-1, 1], np.int8), shape)
    return spins
