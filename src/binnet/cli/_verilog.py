"""What `binnet export --format verilog` writes beside memory images: a core, and what tests it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from binnet._files import name_temporary
from binnet._validation import check_integer
from binnet.cli._common import clear_errors
from binnet.cli._learning_images import Kept
from binnet.hardware.golden_vectors import GoldenVectors
from binnet.networks import QuantizedNetwork

ELEMENTS = 16  # where the user does not say


def check_options(format: str, elements: int | None, event_driven: bool) -> None:
    """Refuse options of a core where none is written; say what to install where it cannot be."""
    if format == "verilog":
        import binnet.chips.core  # noqa: F401
    elif elements is not None or event_driven:
        option = "--event-driven" if elements is None else f"--elements {elements}"
        raise ValueError(f"{option} is of a core; add --format verilog, or leave it out")


def choose_elements(network: QuantizedNetwork, elements: int | None) -> int:
    """Return P: as given, else at most 16."""
    if elements is None:
        return min(ELEMENTS, network.n_neurons)
    with clear_errors({"elements": "--elements"}):
        return check_integer("elements", elements, 1, network.n_neurons)


def write_with_core(
    output: Path,
    network: QuantizedNetwork,
    golden: GoldenVectors,
    kept: Kept,
    elements: int,
    event_driven: bool,
    write_images: Callable[[], Path],
) -> Path:
    """Write memory images with the core that does what they hold; return their manifest.

    The core comes first, in a folder that is gone if it fails: a new folder then holds nothing.
    """
    from binnet.chips.contents import fill_memories
    from binnet.chips.design import design_core
    from binnet.chips.learning_vectors import play_vectors
    from binnet.chips.model import CoreModel
    from binnet.chips.test_bench import inference_stimulus
    from binnet.chips.verilog import write_core

    latent, registers = (None, None)
    if kept.learning is not None and kept.image is not None:
        latent, registers = kept.image.latent, kept.image.registers
    design = design_core(network, elements, learning=kept.learning, event_driven=event_driven)
    contents = fill_memories(design, network, latent, registers)
    stimulus = inference_stimulus(design, contents, golden)
    if kept.vectors is not None:
        stimulus += play_vectors(design, kept.vectors)
    expected = CoreModel(design, contents).run(stimulus)
    folder = name_temporary(output)  # beside it; what a kill leaves is known and removed later
    folder.mkdir()
    try:
        n_sweeps = golden.states.shape[1]
        write_core(folder, design, contents, stimulus, expected, max_sweeps=n_sweeps)
        manifest = write_images()
        for path in folder.iterdir():
            os.replace(path, output / path.name)
    finally:
        shutil.rmtree(folder)
    return manifest
