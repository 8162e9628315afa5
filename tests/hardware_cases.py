"""Small networks in integers, and golden vectors: for the tests of export, circuit and cost."""

import numpy as np

from binnet import BinaryNetwork, NetworkParameters
from binnet.hardware import QuantizedNetwork, quantize
from binnet.hardware.golden_vectors import GoldenVectors, record_golden_vectors
from library_cases import draw_spins

N_HIDDEN, N_INPUTS, N_OUTPUTS = 12, 8, 3
BLOCKS = ("couplings", "input_weights", "readout", "feedback")


def make_float(dtype: type = np.float32, **parameters: float) -> BinaryNetwork:
    sizes = NetworkParameters(N_HIDDEN, N_INPUTS, N_OUTPUTS, **parameters)
    return BinaryNetwork.random(sizes, 1, dtype)


def make_quantized(bits: int) -> QuantizedNetwork:
    # A weak input, so that relaxations take several sweeps; a weaker feedback, whose finer format
    # makes the others shift, each by another number of bits.
    network = make_float(input_strength=2.0, feedback_strength=0.2)
    return quantize(network, bits, margin=0.3, readout_margin=1.0)[0]


def make_vectors(network: QuantizedNetwork, n: int = 6, sweeps: int = 6) -> GoldenVectors:
    start = draw_spins(n, network.n_neurons, 1)
    start[: n // 2] = 0
    return record_golden_vectors(network, draw_spins(n, network.n_inputs, 2), start, sweeps=sweeps)


def same_network(a: object, b: object) -> bool:
    """Whether all weights, their dtypes and all parameters are the same."""
    assert type(a) is type(b)
    scalars = {"self_coupling", "formats", "margin", "readout_margin"} & vars(a).keys()
    return all(getattr(a, name) == getattr(b, name) for name in scalars) and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        and getattr(a, name).dtype == getattr(b, name).dtype
        for name in BLOCKS
    )
