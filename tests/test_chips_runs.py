"""Runs on a core: its model learns the same, bit by bit; what it cannot do is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from binnet import predict
from binnet.chips.contents import fill_memories
from binnet.chips.design import design_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import infer, set_register, split_answers
from binnet.chips.runs import describe_learning, take_run, training_words
from binnet.learning import Run
from binnet.networks import BLOCKS
from library_cases import TINY, make_task

X, Y = make_task(203)
SMALL = TINY.replace(n_hidden=17, generator="lfsr", epochs=2)
NO_DECAY = {"decay_couplings": 0.0, "decay_readout": 0.0}
SILENT = {"warmup": 2, "feedback": 2}  # no feedback
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
    "bits by block": {
        "arithmetic": "int4",
        "block_bits": (1, 2, 8, 4),
        "block_latent_bits": (4, 0, 16),
        "rate_schedule": "linear",
    },
    "int8 in 16 bits, another schedule": {
        "arithmetic": "int8",
        "latent_bits": 16,
        "warmup": 0,
        "feedback": 3,
        "free": 2,
        "annealing": "none",
    },
}

# Of types that few others use, for which the simulator is compiled.
COMPILES = ("int16", "bits by block", "int8 in 16 bits, another schedule")


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


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.long] * (case in COMPILES)) for case in CASES]
)
def test_a_core_learns_what_the_run_learns(case: str) -> None:
    configuration = SMALL.replace(**CASES[case])
    run = Run.start(configuration, len(X))
    model = start_core(run, 5)
    before = [model.read_block(block) for block in range(3)]
    # In two parts, the second of which begins within a batch.
    first, rest = 1 + configuration.training.batch_size // 2, 2 * len(X)
    words, beginning = (training_words(run, X, Y, n) for n in (rest, first))
    assert words[: len(beginning)] == beginning
    assert len(split_answers(model.run(beginning))) == first
    assert len(split_answers(model.run(words[len(beginning) :]))) == rest - first
    finish(run)
    assert_same(model, run)
    assert model.values["BATCHES"] == 2 * -(-len(X) // configuration.training.batch_size)
    changed = [np.any(model.read_block(block) != old) for block, old in enumerate(before)]
    assert changed == [k is not None for k in model.design.learning.exponents]


def test_a_core_goes_on_where_a_run_stands() -> None:
    """Within an epoch, where rates have fallen and a decay is not due at once."""
    configuration = SMALL.replace(
        arithmetic="int8", rate_schedule="linear", batch_size=16, rate_exponents=(1, 2, 0)
    )
    assert describe_learning(Run.start(configuration, len(X))).decay_period > 1
    run = Run.start(configuration, len(X))
    run.learn(X, Y, 9, 1)
    model = start_core(run, 4)
    words = training_words(run, X, Y, 2 * len(X) - 9 * 16)
    assert len(split_answers(model.run(words))) == 2 * len(X) - 9 * 16
    finish(run)
    assert_same(model, run)


def test_a_trained_core_infers_as_predict() -> None:
    run = Run.start(SMALL.replace(arithmetic="int4", latent_bits=8, inference_sweeps=7), len(X))
    model = start_core(run, 17)
    words = training_words(run, X, Y, 2 * len(X))
    model.run(words)
    finish(run)
    model.run(set_register(model.design, "MAX_SWEEPS", 7))
    answers = model.run(word for x in X for word in infer(model.design, x))
    labels = [word & 0xFF for word, _ in answers]
    expected = predict(run.relaxable(), X, **run.configuration.training.inference_options())
    assert labels == expected.tolist()
    assert np.mean(expected == Y) > 0.7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arithmetic": "float"}, "arithmetic .* 'float': a core computes in integers; train with"),
        ({"rule": "third-factor", **SILENT}, "rule .* 'third-factor': a core has the perceptron"),
        ({"n_modules": 2, "n_hidden": 8}, "n_modules .* 2: a core holds one module; set n_modules"),
        ({"bias_strength": 0.1}, "bias_strength .* 0.1: a core has no input that is always"),
        ({"density": 0.5}, "density .* 0.5: a core does not know which couplings are missing"),
        ({"input_bits": 4}, "input_bits .* 4: the events of a core that learns are those of spins"),
        ({"update_order": "async"}, "update_order .* 'async': a core updates all neurons at once"),
        ({"batch_size": 33}, "batch_size .* 33: a core keeps the states of at most 32 samples"),
        ({"rounding": "nearest"}, "rounding .* 'nearest': a core rounds at random"),
        ({"generator": "counter"}, "generator .* 'counter': a draw by counter takes three"),
        ({"averaging": 1.0}, "averaging .* 1.0: a core keeps no mean"),
        ({"input_noise": 0.1}, "input_noise .* 0.1: a core is given its inputs as they are"),
        ({"curriculum_start": 0.5}, "curriculum_start .* 0.5: which samples an epoch leaves out"),
        ({"free": 70000}, r"feedback \+ free must be within 1..65535 sweeps for a core, got 70005"),
        (
            {"rate_exponents": (0, 0, -14), "readout_strength": 2.0},
            r"must change the readout of a core by 2\*\*-15..2\*\*14 levels, got 2\*\*15; lower",
        ),
    ],
)
def test_what_a_core_does_not_do_is_refused(changes: dict[str, Any], message: str) -> None:
    run = Run.start(SMALL.replace(**{"arithmetic": "int8", **changes}), len(X))
    with pytest.raises(ValueError, match=message):
        take_run(run)


def test_samples_that_are_not_those_of_the_run_are_refused() -> None:
    run = Run.start(SMALL.replace(arithmetic="int8"), len(X))
    with pytest.raises(ValueError, match="X must hold the 203 samples of the run, got 202"):
        training_words(run, X[1:], Y[1:], 1)
    with pytest.raises(ValueError, match=r"n_samples must be an integer in 0..406, got 407"):
        training_words(run, X, Y, 407)
