"""Runs on a core: its model learns what the run learns, bit by bit; what it cannot do is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from binnet import Configuration, predict
from binnet.chips.contents import fill_memories
from binnet.chips.design import design_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import infer, read_result, set_register, split_answers
from binnet.chips.runs import describe_learning, take_run, training_words
from binnet.learning import Run
from binnet.networks import BLOCKS
from library_cases import TINY, make_task

X, Y = make_task(203)
SMALL = TINY.replace(n_hidden=17, generator="lfsr", epochs=2)
NO_DECAY = {"decay_couplings": 0.0, "decay_readout": 0.0}
FAST_DECAY = {"rate_couplings": 1.0, "decay_couplings": 0.5, "rate_readout": 1.0}

CASES: dict[str, dict[str, Any]] = {
    "int16": {"arithmetic": "int16"},
    "int8, rates that fall": {"arithmetic": "int8", "rate_schedule": "linear"},
    "int8, batches of 1": {"arithmetic": "int8", "batch_size": 1},
    "int8, batches of 32": {"arithmetic": "int8", "batch_size": 32},
    "int8, decay in every batch": {
        "arithmetic": "int8",
        **FAST_DECAY,
        "decay_readout": 0.9,
        "decay_input": 0.01,
        "rate_exponents": (1, 2, 0),
        "rate_schedule": "linear",
    },
    "int8, J fixed": {"arithmetic": "int8", "rate_couplings": 0.0},
    "int8, margins that do not exclude J_D": {
        "arithmetic": "int8",
        "margin_excludes_self_coupling": False,
        "readout_margin": -0.5,
    },
    "int8, a strong readout": {"arithmetic": "int8", "readout_strength": 3.0},
    "int4, events": {"arithmetic": "int4", "rounding": "per-event", "rate_exponents": (2, 1, 1)},
    "int4, events of many levels": {
        "arithmetic": "int4",
        "rounding": "per-event",
        "rate_exponents": (-1, 0, 1),
        "batch_size": 16,
    },
    "int4 in 8 bits": {"arithmetic": "int4", "latent_bits": 8, "batch_size": 3},
    "int2, events": {"arithmetic": "int2", "rounding": "per-event", "rate_exponents": (2, 1, 1)},
    "int2 in 4 bits, decay": {"arithmetic": "int2", "latent_bits": 4, **FAST_DECAY},
    "int1": {"arithmetic": "int1", "rate_exponents": (2, 1, 1), **NO_DECAY},
    "int1 in 8 bits": {"arithmetic": "int1", "latent_bits": 8, "batch_size": 16},
    "int8 in 16 bits, another schedule": {
        "arithmetic": "int8",
        "latent_bits": 16,
        "warmup": 0,
        "feedback": 3,
        "free": 2,
        "annealing": "none",
    },
}


def start_core(run: Run, elements: int) -> CoreModel:
    network, learning, latent, registers = take_run(run)
    design = design_core(network, elements, learning=learning)
    return CoreModel(design, fill_memories(design, network, latent, registers))


def finish(run: Run) -> None:
    """Train to the end, without measuring anything."""
    while not run.finished:
        run.learn(X, Y, 1000, 1)
        run.next_epoch()


def assert_same(model: CoreModel, run: Run) -> None:
    tensors = run.synapses.tensors()
    for block, name in enumerate(BLOCKS[:3]):
        expected = tensors.get(f"latent_{name}", tensors[name])
        found = model.read_block(block)
        if block == 0:  # of one bit there is no 0
            assert model.design.stored_bits[0] == 1 or not np.diagonal(found).any()
            np.fill_diagonal(found, np.diagonal(expected))
        assert np.array_equal(found, expected), name
    registers = [
        model.memories[f"{name}_registers"].ravel()[:n]
        for name, n in (("hidden", model.design.n_neurons), ("readout", model.design.n_outputs))
    ]
    assert np.array_equal(np.concatenate(registers), tensors["registers"])


@pytest.mark.parametrize("case", list(CASES))
def test_a_core_learns_what_the_run_learns(case: str) -> None:
    configuration = SMALL.replace(**CASES[case])
    run = Run.start(configuration, len(X))
    model = start_core(run, 5)
    before = [model.read_block(block) for block in range(3)]
    # In two calls, the second of which begins within a batch.
    first, rest = 1 + configuration.training.batch_size // 2, 2 * len(X)
    words = training_words(run, X, Y, rest)
    assert words[: len(training_words(run, X, Y, first))] == training_words(run, X, Y, first)
    answers = split_answers(model.run(words))
    assert len(answers) == rest
    finish(run)
    assert_same(model, run)
    assert model.values["BATCHES"] == 2 * -(-len(X) // configuration.training.batch_size)
    changed = [np.any(model.read_block(block) != old) for block, old in enumerate(before)]
    assert changed == [k is not None for k in model.design.learning.exponents]
