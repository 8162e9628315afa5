"""Networks that commands take as RUN: run folders of `binnet train`, and files of one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet.cli import _runs
from binnet.hardware.network_files import load_network
from binnet.learning import Run, load_best
from binnet.networks import BinaryNetwork, QuantizationReport, QuantizedNetwork, quantize


class Source(NamedTuple):
    """A network, how it was quantised here, and the training that it comes from."""

    network: BinaryNetwork | QuantizedNetwork
    quantization: QuantizationReport | None
    training: Run | None


def load_source(run: Path, bits: int | None) -> Source:
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
        return Source(network, None, training)
    if isinstance(network, QuantizedNetwork):
        raise ValueError(f"{run} is in integers already; leave out --bits")
    if training is None:
        return Source(*quantize(network, bits), None)
    plasticity = training.configuration.plasticity
    quantized, report = quantize(
        network,
        bits,
        margin=plasticity.margin,
        readout_margin=plasticity.readout_margin,
        margin_excludes_self_coupling=plasticity.margin_excludes_self_coupling,
    )
    return Source(quantized, report, training)


def load_inputs(run: Path, source: Source, samples: int) -> NDArray[np.int8]:
    """Return inputs that the network was not trained on: the run's test or validation samples."""
    if source.training is None:
        _, sets = _runs.load_samples(source.network.n_inputs, 0)
    else:
        _, sets = _runs.load_samples_of(run, source.training)
    ((X, _),) = sets.values()
    return np.asarray(X[:samples])


def draw_spins(shape: tuple[int, int], seed: int, stream: int) -> NDArray[np.int8]:
    """Return random spins, independent for each stream of a seed."""
    check_memory(f"--vectors {shape[0]}", 9.0 * shape[0] * shape[1], "take fewer")
    generator: Any = np.random.default_rng([stream, seed])
    spins: NDArray[np.int8] = generator.choice(np.array([-1, 1], np.int8), shape)
    return spins
