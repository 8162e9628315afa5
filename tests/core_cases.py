"""Small cores with their folders, and Verilog simulators, for tests."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from binnet import BinaryNetwork, NetworkParameters
from binnet.chips.contents import fill_memories
from binnet.chips.design import CoreDesign, CoreLearning, design_core
from binnet.chips.model import CoreModel
from binnet.chips.test_bench import inference_stimulus, learning_stimulus
from binnet.chips.verilog import write_core
from binnet.hardware import quantize
from binnet.hardware.golden_vectors import record_golden_vectors
from binnet.networks import BLOCKS, QFormat
from library_cases import draw_spins

H, N_INPUTS, N_OUTPUTS, ELEMENTS = 7, 6, 3, 3
ICARUS = (["iverilog", "-g2012", "-Wall", "-o", "core_tb.vvp", "core_tb.v", "core.v"],
          ["vvp", "-N", "core_tb.vvp"])  # fmt: skip
VERILATOR = (
    ["verilator", "--binary", "--timing", "--top-module", "core_tb", "core_tb.v", "core.v"],
    ["obj_dir/Vcore_tb"],
)
LINT = ["verilator", "--lint-only", "--timing", "-Wall", "--top-module", "core_tb",
        "core_tb.v", "core.v"]  # fmt: skip
# In some CI a tool that is missing must not let its tests pass unseen.
MUST_RUN = os.environ.get("CI", "") not in ("", "0", "false")


def need(*tools: str) -> None:
    """Skip the test where a tool is missing, or, in CI, fail."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        message = f"needs {' and '.join(missing)} on the PATH (Debian: iverilog, verilator)"
        if MUST_RUN:
            pytest.fail(message)
        pytest.skip(message)


def make_learning(network: object, rounding: str, latent: int) -> CoreLearning:
    """Plasticity that uses all of a core: it decays every other batch, and rounds."""
    formats = tuple(
        QFormat(latent, format.fraction_bits + latent - format.bits)
        for format in (getattr(network.formats, name) for name in BLOCKS[:3])
    )
    return CoreLearning(3, 1, 3, 6, 12, 6, (1, 1, 1), (3, None, 2), 2, rounding, formats)


def make_core(
    bits: int = 4,
    *,
    learns: bool = False,
    rounding: str = "per-weight",
    latent: int = 8,
    elements: int = ELEMENTS,
    event_driven: bool = False,
) -> tuple[CoreDesign, dict[str, np.ndarray], list[int]]:
    """Return a small core, what its memories hold, and a stimulus."""
    sizes = NetworkParameters(H, N_INPUTS, N_OUTPUTS, input_strength=2.0, feedback_strength=0.4)
    network, _ = quantize(BinaryNetwork.random(sizes, 1), bits, margin=0.3, readout_margin=1.0)
    learning = make_learning(network, rounding, latent) if learns else None
    design = design_core(network, elements, learning=learning, event_driven=event_driven)
    stored, registers = None, None
    if learns:
        # Any weights of their formats must do; only the feedback is the network's.
        rng = np.random.default_rng(5)
        shapes = {name: getattr(network, name).shape for name in BLOCKS[:3]}
        low, high = -1 << latent - 1, (1 << latent - 1) - 1
        stored = {name: rng.integers(low, high + 1, size) for name, size in shapes.items()}
        for weights in stored.values():  # some saturate soon
            weights[:, 0], weights[:, 1] = high, low
        registers = 1 + 4999 * np.arange(1, 1 + H + N_OUTPUTS)
    contents = fill_memories(design, network, stored, registers)
    start = draw_spins(6, H, 1)
    start[:3] = 0
    vectors = record_golden_vectors(network, draw_spins(6, N_INPUTS, 2), start, sweeps=6)
    stimulus = inference_stimulus(design, contents, vectors)
    if learns:
        n = 60
        labels = np.random.default_rng(3).integers(N_OUTPUTS, size=n)
        stimulus += learning_stimulus(design, draw_spins(n, N_INPUTS, 4), labels)
    return design, contents, stimulus


def write_folder(folder: Path, core: tuple[CoreDesign, dict[str, np.ndarray], list[int]]) -> None:
    """Write a core with what its model answers."""
    design, contents, stimulus = core
    folder.mkdir(exist_ok=True)
    expected = CoreModel(design, contents).run(stimulus)
    write_core(folder, design, contents, stimulus, expected)


def call(folder: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """Run commands in a folder, up to the first that fails, and return how the last one ended."""
    # These tests' paths to Python modules are none of the simulator's business.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            break
    return done
