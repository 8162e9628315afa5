"""Chip-style arithmetic: the same network in integers, its formats, dynamics and files."""

from binnet.hardware.files import load_quantized, save_quantized
from binnet.hardware.formats import (
    BITS,
    QFormat,
    choose_fraction_bits,
)
from binnet.hardware.network import (
    ACCUMULATOR_LIMIT,
    BlockReport,
    NetworkFormats,
    QuantizationReport,
    QuantizedNetwork,
    choose_formats,
    dequantize,
    quantize,
)
from binnet.hardware.packed import relax_packed

__all__ = [
    "ACCUMULATOR_LIMIT",
    "BITS",
    "BlockReport",
    "NetworkFormats",
    "QFormat",
    "QuantizationReport",
    "QuantizedNetwork",
    "choose_formats",
    "choose_fraction_bits",
    "dequantize",
    "load_quantized",
    "quantize",
    "relax_packed",
    "save_quantized",
]
