"""The networks: their weights, in floating point and in integers, drawn at random or on demand.

A driven network (:mod:`binnet.networks.driven`) has inputs and a readout and learns; its integers
are in :mod:`binnet.networks.quantised`, their number formats in :mod:`binnet.networks.formats`. The
networks without input are :mod:`binnet.networks.random` and :mod:`binnet.networks.implicit`. What
the kernels take is made in :mod:`binnet.networks.layout`.
"""

from binnet.networks.driven import BinaryNetwork, Weights
from binnet.networks.formats import BITS, NetworkFormats, QFormat, choose_fraction_bits
from binnet.networks.implicit import ImplicitNetwork
from binnet.networks.inputs import InputFormat, choose_input_format, read_inputs
from binnet.networks.layout import AnyNetwork, LaidOut, is_driven, lay_out, lay_out_structure
from binnet.networks.modules import FEEDBACK_WEIGHTS, STORAGES, NetworkParameters
from binnet.networks.quantisation import (
    BlockReport,
    QuantizationReport,
    choose_formats,
    dequantize,
    quantize,
)
from binnet.networks.quantised import (
    ACCUMULATOR_LIMIT,
    BLOCKS,
    QuantizedNetwork,
)
from binnet.networks.random import RandomNetwork

__all__ = [
    "ACCUMULATOR_LIMIT",
    "BITS",
    "BLOCKS",
    "FEEDBACK_WEIGHTS",
    "STORAGES",
    "AnyNetwork",
    "BinaryNetwork",
    "BlockReport",
    "ImplicitNetwork",
    "InputFormat",
    "LaidOut",
    "NetworkFormats",
    "NetworkParameters",
    "QFormat",
    "QuantizationReport",
    "QuantizedNetwork",
    "RandomNetwork",
    "Weights",
    "choose_formats",
    "choose_fraction_bits",
    "choose_input_format",
    "dequantize",
    "is_driven",
    "lay_out",
    "lay_out_structure",
    "quantize",
    "read_inputs",
]
