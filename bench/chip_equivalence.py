"""Cores in Amaranth's simulator against their model, and against training itself.

`python bench/chip_equivalence.py networks 1000` draws so many cores (sizes, formats, elements,
plasticity, event-driven or not), sends each some commands with random pauses on both streams, and
compares every word that comes out, all memories at the end among them. It stops at the first that
differs, with the seed that repeats it. About a second each.

`python bench/chip_equivalence.py mnist` lets a core learn samples of entangled MNIST, and compares
its weights, latent weights, registers and labels with those of `binnet.train`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import click
import numpy as np

from binnet import load_entangled_mnist, predict, preset
from binnet.chips.contents import fill_memories
from binnet.chips.core import Core
from binnet.chips.design import CoreDesign, design_core
from binnet.chips.equivalence import compare_core, simulate_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import infer, read_memory, set_register
from binnet.chips.random_cores import draw_commands, draw_core
from binnet.chips.runs import take_run, training_words
from binnet.learning import Run

_STALLS = (0.0, 0.1, 0.5)


@click.group()
def main() -> None:
    """Compare cores in Amaranth's simulator with what they must do."""


def describe(design: CoreDesign) -> Iterator[str]:
    """Yield what is special about a core."""
    learning = design.learning
    rare = {
        "learn": learning is not None,
        "event-driven": design.event_driven,
        "graded inputs": design.input_bits > 1,
        "latent weights": design.stored_bits != design.weight_bits,
        "per event": learning is not None and learning.rounding == "per-event",
        "P = 1": design.elements == 1,
        "P does not divide H": design.n_neurons % design.elements > 0,
        "H = 1": design.n_neurons == 1,
        "N_in = 1": design.n_inputs == 1,
        **{f"J of {bits} bits": design.weight_bits[0] == bits for bits in (1, 2, 4, 8, 16)},
    }
    yield from (name for name, is_so in rare.items() if is_so)


def compare_one(n_samples: int, seed: tuple[int, int]) -> tuple[int, int, list[str], str]:
    """Return the words and cycles of a random core, what it is, and how it differs ("": not)."""
    rng = np.random.default_rng(seed)
    core = draw_core(rng, learns=bool(rng.integers(2)))
    words = draw_commands(rng, core, n_samples)
    stalls = float(rng.choice(_STALLS))
    names = list(describe(core.design))
    try:
        n_words, cycles = compare_core(core.design, core.contents, words, stalls=stalls, rng=rng)
    except ValueError as error:
        return 0, 0, names, f"{error}; {core.design}"
    return n_words, cycles, names, ""


@main.command()
@click.argument("number", type=click.IntRange(1))
@click.option("--seed", default=0, help="Of the first core, with its number.", show_default=True)
@click.option("--first", default=0, help="Number of the first core.", show_default=True)
@click.option("--samples", default=6, help="Samples of each.", show_default=True)
@click.option("--processes", default=1, help="Processes.", show_default=True)
def networks(number: int, seed: int, first: int, samples: int, processes: int) -> None:
    """Compare NUMBER random cores with the model, word by word."""
    begun = time.perf_counter()
    n_words = n_cycles = 0
    kinds: Counter[str] = Counter()
    seeds = [(seed, first + k) for k in range(number)]
    with ProcessPoolExecutor(processes) as pool:
        found = pool.map(compare_one, [samples] * number, seeds)
        for n, (words, cycles, names, difference) in enumerate(found, first):
            if difference:
                pool.shutdown(cancel_futures=True)
                raise click.ClickException(
                    f"core {n} differs: {difference}; repeat it with networks 1 --seed {seed} "
                    f"--first {n} --samples {samples}"
                )
            n_words, n_cycles = n_words + words, n_cycles + cycles
            kinds.update(names)
    click.echo(
        f"{number} cores equal to the model: {n_words} words in {n_cycles} cycles, "
        f"{time.perf_counter() - begun:.0f} s; "
        + ", ".join(f"{kinds[name]} {name}" for name in sorted(kinds))
    )


@main.command()
@click.option("--preset", "name", default="single", show_default=True, help="Of a run.")
@click.option("--hidden", default=64, show_default=True, help="H.")
@click.option("--samples", default=200, show_default=True, help="Samples of an epoch.")
@click.option("--epochs", default=1, show_default=True, help="Epochs.")
@click.option("--elements", default=16, show_default=True, help="P.")
@click.option("--arithmetic", default="int4", show_default=True)
@click.option("--latent-bits", default=8, show_default=True)
@click.option("--rounding", default="per-weight", show_default=True)
@click.option("--event-driven", is_flag=True, help="Walk flipped neurons alone.")
@click.option("--inferences", default=50, show_default=True, help="Test samples at the end.")
def mnist(
    name: str, samples: int, elements: int, event_driven: bool, inferences: int, **changes: Any
) -> None:
    """Let a core learn entangled MNIST, and compare it with binnet.train."""
    begun = time.perf_counter()
    X_train, y_train, X_test, _ = load_entangled_mnist(return_X_y=True)
    X, y, X_test = X_train[:samples], y_train[:samples], X_test[:inferences]
    changes["n_hidden"] = changes.pop("hidden")
    run = Run.start(preset(name).replace(generator="lfsr", **changes), samples)
    n_learned = samples * run.configuration.training.epochs
    network, learning, latent, registers = take_run(run)
    design = design_core(network, elements, learning=learning, event_driven=event_driven)
    circuit = Core(design, fill_memories(design, network, latent, registers))
    asks = [word for memory in design.memories for word in read_memory(memory, 0, memory.words)]
    asks += set_register(design, "MAX_SWEEPS", run.configuration.training.inference_sweeps)
    asks += [word for x in X_test for word in infer(design, x)]
    words = training_words(run, X, y, n_learned)
    while not run.finished:
        run.learn(X, y, samples, 1)
        run.next_epoch()
    trained, _, latent, registers = take_run(run)
    # What the memories of a core hold that has never learned, but was given the trained weights.
    expected = CoreModel(design, fill_memories(design, trained, latent, registers)).run(asks)
    answers, cycles = simulate_core(circuit, words + asks, n_learned + len(expected))
    labels = [word & 0xFF for word, _ in answers[len(answers) - len(X_test) :]]
    right = predict(trained, X_test, **run.configuration.training.inference_options()).tolist()
    n_wrong = sum(a != b for a, b in zip(answers[n_learned:], expected, strict=True))
    if n_wrong or labels != right:
        raise click.ClickException(
            f"{n_wrong} of {len(expected)} words of memories and inferences differ from training"
        )
    click.echo(
        f"H = {network.n_neurons}, P = {elements}: {n_learned} samples learned, {len(X_test)} "
        f"inferred; all memories ({len(expected) - len(X_test)} words) and labels equal to "
        f"training's, {cycles} cycles, {time.perf_counter() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
