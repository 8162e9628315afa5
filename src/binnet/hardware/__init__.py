"""Chip-style arithmetic: the same network in integers, its formats, dynamics, files and cost.

What needs an optional package is not listed here: import it from its module, `nir_export` and
`nir_import` (extra "hardware"). Circuits are in `binnet.chips`.
"""

from binnet.hardware.cost import CostReport, LearningEvents, report_cost
from binnet.hardware.cost_text import format_cost
from binnet.hardware.energy import EnergyTable, find_table
from binnet.hardware.files import load_learning, load_quantized, save_quantized
from binnet.hardware.golden_vectors import GoldenVectors, record_golden_vectors
from binnet.hardware.learning_design import LearningDesign
from binnet.hardware.learning_image import LearningImage
from binnet.hardware.memory_images import MemoryImages, read_memory_images, write_memory_images
from binnet.hardware.network_files import load_network, save_network
from binnet.hardware.packed import relax_packed
from binnet.networks import (
    ACCUMULATOR_LIMIT,
    BITS,
    BlockReport,
    NetworkFormats,
    QFormat,
    QuantizationReport,
    QuantizedNetwork,
    choose_formats,
    choose_fraction_bits,
    dequantize,
    quantize,
)

__all__ = [
    "ACCUMULATOR_LIMIT",
    "BITS",
    "BlockReport",
    "CostReport",
    "EnergyTable",
    "GoldenVectors",
    "LearningDesign",
    "LearningEvents",
    "LearningImage",
    "MemoryImages",
    "NetworkFormats",
    "QFormat",
    "QuantizationReport",
    "QuantizedNetwork",
    "choose_formats",
    "choose_fraction_bits",
    "dequantize",
    "find_table",
    "format_cost",
    "load_learning",
    "load_network",
    "load_quantized",
    "quantize",
    "read_memory_images",
    "record_golden_vectors",
    "relax_packed",
    "report_cost",
    "save_network",
    "save_quantized",
    "write_memory_images",
]
