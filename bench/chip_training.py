"""A core that learns, in a Verilog simulator, against `binnet.train`.

A folder with the core, its stimulus and what must come out is written and built, and its test bench
run. The stimulus trains on entangled MNIST, reads all memories, and infers test samples. What must
come out of the last two follows from the run that `binnet.train` made; the results of samples that
learn follow from the core's model. The bench fails if one word differs.

    python bench/chip_training.py --hidden 64 --samples 200 --simulator icarus
    python bench/chip_training.py --hidden 100 --samples 2000 --epochs 2 --simulator verilator
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from binnet import load_entangled_mnist, predict, preset, train
from binnet.chips.contents import fill_memories
from binnet.chips.design import CoreDesign, design_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import infer, read_memory, set_register
from binnet.chips.runs import take_run, training_words
from binnet.chips.verilog import write_core
from binnet.learning import Run

BENCH = {
    "icarus": (
        ["iverilog", "-g2012", "-o", "core_tb.vvp", "core_tb.v", "core.v"],
        ["vvp", "-N", "core_tb.vvp"],
    ),
    "verilator": (
        [
            "verilator",
            "--binary",
            "--timing",
            "-O3",
            "--top-module",
            "core_tb",
            "core_tb.v",
            "core.v",
        ],
        ["obj_dir/Vcore_tb"],
    ),
}
LINT = ["verilator", "--lint-only", "--timing", "-Wall", "--top-module", "core_tb"]


@click.command()
@click.option("--hidden", default=64, show_default=True, help="H.")
@click.option("--samples", default=200, show_default=True, help="Samples of an epoch.")
@click.option("--epochs", default=1, show_default=True, help="Epochs.")
@click.option("--batch-size", default=16, show_default=True, help="Samples of a batch.")
@click.option("--elements", default=16, show_default=True, help="P.")
@click.option("--arithmetic", default="int4", show_default=True)
@click.option(
    "--latent-bits", default=8, show_default=True, help="Bits of stored weights; 0: as many."
)
@click.option("--rounding", default="per-weight", show_default=True)
@click.option("--event-driven", is_flag=True, help="Walk flipped neurons alone.")
@click.option("--test-samples", default=1000, show_default=True, help="Inferences at the end.")
@click.option("--simulator", default="icarus", show_default=True, type=click.Choice(list(BENCH)))
@click.option(
    "--folder", type=click.Path(path_type=Path), help="To write to and keep; it must exist."
)
def main(
    samples: int,
    elements: int,
    event_driven: bool,
    test_samples: int,
    simulator: str,
    folder: Path | None,
    **changes: Any,
) -> None:
    """Let a core learn entangled MNIST in a Verilog simulator, and compare it with binnet.train."""
    X_train, y_train, X_test, y_test = load_entangled_mnist(return_X_y=True)
    X, y, X_test, y_test = (
        X_train[:samples],
        y_train[:samples],
        X_test[:test_samples],
        y_test[:test_samples],
    )
    changes["n_hidden"] = changes.pop("hidden")
    changes = {
        name: value for name, value in changes.items() if (name, value) != ("latent_bits", 0)
    }
    configuration = preset("single").replace(generator="lfsr", **changes)
    run = Run.start(configuration, samples)
    network, learning, latent, registers = take_run(run)
    design = design_core(network, elements, learning=learning, event_driven=event_driven)
    contents = fill_memories(design, network, latent, registers)
    trained = train(X, y, configuration, threads=1).run
    options = configuration.training.inference_options()
    labels = predict(trained.relaxable(), X_test, **options)
    words = training_words(run, X, y, samples * configuration.training.epochs)
    asks = ask_all(design, X_test, configuration.training.inference_sweeps)
    expected = CoreModel(design, contents).run(words)
    # What a core answers that has never learned, but was given the trained weights.
    network, _, latent, registers = take_run(trained)
    answers = CoreModel(design, fill_memories(design, network, latent, registers)).run(asks)
    assert [word & 0xFF for word, _ in answers[-len(X_test) :]] == labels.tolist()
    with tempfile.TemporaryDirectory() as scratch:
        where = folder or Path(scratch)
        write_core(where, design, contents, words + asks, expected + answers)
        for command in ([*LINT, "core_tb.v", "core.v"], BENCH[simulator][0]):
            call(command, where)
        begun = time.perf_counter()
        said = call([*BENCH[simulator][1], "+full_speed"], where)
        seconds = time.perf_counter() - begun
    found = re.search(r"PASS .* (\d+) cycles", said)
    if found is None:
        raise click.ClickException(said)
    click.echo(
        f"H = {design.n_neurons}, P = {elements}, batches of {learning.batch_size}, {simulator}: "
        f"{len(expected)} samples learned, {len(answers) - len(X_test)} words of memories and "
        f"{len(X_test)} inferences equal to training's (accuracy {np.mean(labels == y_test):.4f}); "
        f"{found[1]} cycles, {seconds:.0f} s; no warning of verilator -Wall"
    )


def ask_all(design: CoreDesign, X: np.ndarray, sweeps: int) -> list[int]:
    """Return the words that read all memories and infer some samples."""
    words = [word for memory in design.memories for word in read_memory(memory, 0, memory.words)]
    words += set_register(design, "MAX_SWEEPS", sweeps)
    return words + [word for x in X for word in infer(design, x)]


def call(command: list[str], folder: Path) -> str:
    """Run a program in the folder; return what it says."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
