"""Training in integers: equal to the plain reference, on any threads, through stops and commands.

Also that integers learn, that rounding to the nearest stalls where random rounding does not, and
which arithmetic is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive
import naive_integer
from binnet import (
    Configuration,
    TrainingResult,
    load_checkpoint,
    preset,
    relax,
    resume,
    train,
)
from binnet.dynamics import stream_key
from binnet.hardware import dequantize
from binnet.learning import Run
from binnet.learning.rules._integer import IntegerSynapses
from binnet.learning.rules._levels import (
    FASTER,
    derive_decays,
    derive_exponents,
    exposed_range,
    find_unseen_bits,
    latent_formats,
)
from binnet.learning.run import _DYNAMICS_STREAM
from binnet.networks import BLOCKS
from library_cases import TINY, make_task

X, Y = make_task(203)
LEARNED = BLOCKS[:3]
INTEGERS = ("int16", "int8", "int4", "int2", "int1")


def configure(arithmetic: str, **changes: Any) -> Configuration:
    free = {"decay_couplings": 0.0, "decay_readout": 0.0} if arithmetic == "int1" else {}
    return TINY.replace(arithmetic=arithmetic, **{**free, **changes})


@pytest.mark.parametrize(("n_hidden", "raised"), [(100, -1), (400, 0), (1600, 1)])
def test_rates_of_couplings_follow_their_scaling(n_hidden: int, raised: int) -> None:
    """An event that moves a field by as much at every H moves a coupling by 20 / sqrt(H) of it."""
    by_weights, by_fields = (
        Run.start(
            preset().replace(n_hidden=n_hidden, arithmetic="int8", rate_scaling=scaling), 60, ""
        )
        for scaling in ("weights", "fields")
    )
    first, second = (
        derive_exponents(run.configuration, integers(run).weights.formats)
        for run in (by_weights, by_fields)
    )
    assert second == (first[0] + raised, *first[1:])


def present(configuration: Configuration) -> np.ndarray:
    """Return the inputs of the task: spins, or graded ones about them, in the range of a format."""
    arithmetic = configuration.arithmetic
    if arithmetic.input_bits == 1:
        return X
    graded = X * np.random.default_rng(3).random(X.shape).astype(np.float32)
    return graded if arithmetic.input_format == "signed" else (1 + graded) / 2


def integers(run: Run) -> IntegerSynapses:
    assert isinstance(run.synapses, IntegerSynapses)
    return run.synapses


def replay(run: Run, n_batches: int) -> naive_integer.Trained:
    """Learn the next batches of a run in plain loops."""
    configuration, formats = run.configuration, integers(run).weights.formats
    arithmetic, size = configuration.arithmetic, configuration.training.batch_size
    exponents = derive_exponents(configuration, formats)
    levels = []
    synapses = latent_formats(configuration, formats)
    for block, k in zip(synapses[:3], exponents[:3], strict=True):
        levels.append(
            None
            if k is None
            else naive_integer.Levels(
                block.low, block.high, block.step, k, arithmetic.rounding,
                arithmetic.generator == "lfsr",
            )
        )  # fmt: skip
    decays, period = derive_decays(configuration)
    order = run._order()
    seed = configuration.training.seed
    key = naive.derive_key(int(stream_key(seed, _DYNAMICS_STREAM)), 0)
    factors = configuration.plasticity.rate_factors(
        0, n_batches, run.batches_per_epoch * configuration.training.epochs
    )
    registers = integers(run).registers.tolist()
    n_hidden = integers(run).weights.n_neurons
    inputs = present(configuration)
    if configuration.arithmetic.input_bits > 1:
        inputs, _ = configuration.arithmetic.inputs.quantize(inputs)
    return naive_integer.train_batches(
        naive_integer.from_quantized(integers(run).weights),
        levels,
        decays,
        period,
        inputs,
        Y,
        [order[b * size : (b + 1) * size].tolist() for b in range(n_batches)],
        [round(-np.log2(factor)) for factor in factors],
        configuration.schedule.amplitudes.astype(int).tolist(),
        [naive.derive_key(key, k) for k in range(n_batches * size)],
        int(stream_key(seed, 3)),
        (registers[:n_hidden], registers[n_hidden:]),
        configuration.training.update_order == "async",
        [
            getattr(integers(run).weights, n).tolist()
            if n not in integers(run).latent
            else integers(run).latent[n].tolist()
            for n in LEARNED
        ],
        find_unseen_bits(configuration)[:3],
        [exposed_range(getattr(formats, name)) for name in LEARNED],
    )


CASES: dict[str, dict[str, Any]] = {
    "int16": {"arithmetic": "int16"},
    "int8": {"arithmetic": "int8", "rate_schedule": "linear"},
    "int4 by events": {"arithmetic": "int4", "rounding": "per-event", "rate_exponents": (2, 1, 1)},
    "int4 by registers": {"arithmetic": "int4", "generator": "lfsr"},
    "int2 by events and registers": {
        "arithmetic": "int2",
        "rounding": "per-event",
        "generator": "lfsr",
        "rate_exponents": (2, 1, 1),
    },
    "int1": {"arithmetic": "int1", "rate_exponents": (2, 1, 1)},
    "int8 to the nearest": {"arithmetic": "int8", "rounding": "nearest"},
    "int8 asynchronous": {"arithmetic": "int8", "update_order": "async"},
    "int8, 40 samples at once": {"arithmetic": "int8", "batch_size": 40},
    "int4, 64 samples at once by events and registers": {
        "arithmetic": "int4",
        "batch_size": 64,
        "rounding": "per-event",
        "generator": "lfsr",
        "rate_exponents": (2, 1, 1),
    },
    "int2, W_in and W_out of 8 bits": {"arithmetic": "int2", "block_bits": (2, 8, 8, 4)},
    "one bit of J, with 4 latent ones, W_in of 8": {
        "arithmetic": "int8",
        "block_bits": (1, 8, 4, 8),
        "block_latent_bits": (4, 16, 0),
        "batch_size": 33,
    },
    "int8 with decay in every batch": {
        "arithmetic": "int8",
        "rate_couplings": 1.0,
        "decay_couplings": 0.5,
        "decay_readout": 0.9,
        "rate_readout": 1.0,
        "rate_exponents": (1, 2, 0),
    },
    "int4 with latent weights of 8 bits": {"arithmetic": "int4", "latent_bits": 8},
    "int8 with latent weights of 16 bits, asynchronous": {
        "arithmetic": "int8",
        "latent_bits": 16,
        "update_order": "async",
    },
    "int2 with latent weights of 4 bits, with decay": {
        "arithmetic": "int2",
        "latent_bits": 4,
        "rate_couplings": 1.0,
        "decay_couplings": 0.5,
        "rate_exponents": (1, 2, 0),
    },
    "int1 with latent weights of 8 bits": {"arithmetic": "int1", "latent_bits": 8},
    "int8, J fixed": {"arithmetic": "int8", "rate_couplings": 0.0},
    "int8, inputs of 8 bits": {"arithmetic": "int8", "input_bits": 8, "batch_size": 40},
    "int4 with latent weights, signed inputs of 3 bits": {
        "arithmetic": "int4",
        "latent_bits": 8,
        "input_bits": 3,
        "input_format": "signed",
        "generator": "lfsr",
    },
    "int4 by events, inputs of 4 bits": {
        "arithmetic": "int4",
        "rounding": "per-event",
        "input_bits": 4,
        "rate_exponents": (2, 1, 1),
    },
}


# Types of weights that hardly another test compiles kernels for.
LONG = ("int16", "one bit of J, with 4 latent ones, W_in of 8")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.long] * (case in LONG)) for case in CASES]
)
def test_training_equals_the_reference(case: str) -> None:
    changes = dict(CASES[case])
    configuration = configure(changes.pop("arithmetic"), n_hidden=17, **changes)
    n_batches = 3
    reference = Run.start(configuration, len(X), "")
    expected = replay(reference, n_batches)
    for threads in (1, 2):
        run = Run.start(configuration, len(X), "")
        run.learn(present(configuration), Y, n_batches, threads)
        found = naive_integer.from_quantized(integers(run).weights)
        for name in ("J", "W_in", "W_out"):
            assert getattr(found, name) == getattr(expected.net, name), (name, threads)
        latent = dict(zip(LEARNED, expected.latent, strict=True))
        for name, block in integers(run).latent.items():
            assert block.tolist() == latent[name], (name, threads)
        assert run.totals.tolist() == expected.totals
        assert integers(run).counts.tolist() == expected.synapses
    assert expected.synapses[2][0] > 0  # something was learned


def last_accuracy(result: TrainingResult) -> float:
    return result.history[-1].accuracy["test"]


@pytest.mark.parametrize("arithmetic", ["int16", "int8", "int4"])
def test_integers_learn(arithmetic: str) -> None:
    result = train(X, Y, configure(arithmetic), evaluate_on={"test": make_task(200)}, threads=1)
    assert last_accuracy(result) > 0.9  # four classes: chance is 0.25


def test_the_nearest_level_stalls() -> None:
    """With increments of an eighth of a level no sum of a batch of 4 reaches half a level."""
    slow = {"batch_size": 4, "rate_exponents": (4, 4, 4), "epochs": 1}
    stalled = Run.start(configure("int4", rounding="nearest", **slow), len(X), "")
    moving = Run.start(configure("int4", **slow), len(X), "")
    for run in (stalled, moving):
        run.learn(X, Y, 50, 1)
    assert not integers(stalled).counts.any()
    assert integers(moving).counts[:, 0].all()


def test_synapses_keep_what_the_weights_do_not_show() -> None:
    """Events of 2**-4 of a weight's level add up, though each is too small to be seen."""
    fine = {"latent_bits": 8, "rate_exponents": (0, 0, 0), "rounding": "nearest"}
    run = Run.start(configure("int4", **fine), len(X), "")
    before, synapses = integers(run).weights, integers(run).latent
    run.learn(X, Y, 1, 1)
    moved = integers(run).latent["input_weights"] != synapses["input_weights"]
    seen = integers(run).weights.input_weights != before.input_weights
    assert moved.sum() > 2 * seen.sum() > 0
    assert (
        integers(run).weights.couplings.max() <= 7
    )  # in the format of the weights, to be exported


@pytest.mark.parametrize(
    ("arithmetic", "generator"), [("int8", "counter"), ("int8", "lfsr"), ("int4 latent", "counter")]
)
def test_a_stopped_run_ends_alike(
    arithmetic: str, generator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent = {"latent_bits": 8} if arithmetic.endswith("latent") else {}
    configuration = configure(
        arithmetic.split()[0], generator=generator, rate_schedule="linear", **latent
    )
    whole = tmp_path / "whole.safetensors"
    train(X, Y, configuration, threads=1, checkpoint=whole)
    monkeypatch.setattr("binnet.learning.run._WORK_PER_CALL", 5 * 8 * 40 * 1040)
    run = Run.start(configuration, len(X), load_checkpoint(whole).fingerprint)
    run.learn(X, Y, 7, 1)
    from binnet.learning import save_checkpoint

    part = tmp_path / "part.safetensors"
    save_checkpoint(part, run)
    resume(part, X, Y, threads=2)
    first, second = load_checkpoint(whole), load_checkpoint(part)
    for name, array in first.synapses.tensors().items():
        assert np.array_equal(array, second.synapses.tensors()[name]), name
    assert integers(first).weights.formats == integers(second).weights.formats
    assert [m.accuracy for m in first.history] == [m.accuracy for m in second.history]


def test_relaxing_integers_is_relaxing_their_values() -> None:
    """In float64 every sum of the values is exact, so both are the same relaxation."""
    run = Run.start(configure("int8"), len(X), "")
    weights = integers(run).weights
    exact, values = relax(weights, X), relax(dequantize(weights), X)
    assert np.array_equal(exact.states, values.states)
    assert np.array_equal(exact.stabilities, values.stabilities)
    assert np.array_equal(exact.readout_fields, values.readout_fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arithmetic": "int3"}, "arithmetic must be one of float, int16, int8, int4, int2, int1"),
        ({"rounding": "up"}, "rounding must be one of per-weight, per-event, nearest"),
        ({"generator": "dice"}, "generator must be one of counter, lfsr"),
        ({"fraction_bits": (1, 2)}, "fraction_bits must be 4 integers or none, got 2"),
        ({"fraction_bits": (1, 2, 3, 31)}, "fraction_bits must be an integer in -16..30, got 31"),
        ({"arithmetic": "int4", "latent_bits": 2}, "latent_bits must be 0 or 4 or 8 or 16 for"),
        ({"latent_bits": 8}, "latent_bits must be 0 for arithmetic 'float', got 8"),
        ({"arithmetic": "int8", "block_bits": (4, 8, 8)}, "block_bits must be 4 integers or none"),
        ({"arithmetic": "int8", "block_bits": (3, 8, 8, 8)}, "block_bits must be one of 1, 2, 4"),
        ({"block_bits": (4, 8, 8, 8)}, "block_bits must be left out for arithmetic 'float'"),
        (
            {"arithmetic": "int8", "block_bits": (4, 8, 8, 8), "block_latent_bits": (2, 0, 0)},
            "block_latent_bits must be 0 or 4 or 8 or 16 for weights of 4 bits, got 2",
        ),
        (
            {"arithmetic": "int4", "block_bits": (8, 16, 8, 4), "latent_bits": 4},
            "latent_bits must be 0 or 8 or 16 for block_bits of which the least is 8, got 4",
        ),
        ({"rate_exponents": (16, 0, 0)}, "rate_exponents must be an integer in -14..15, got 16"),
    ],
)
def test_bad_arithmetic_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TINY.replace(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arithmetic": "int16", "fraction_bits": (30, 0, 8, 8)}, "which holds at most 2147483647"),
        ({"arithmetic": "int8", "annealing": "linear"}, 'choose the annealing "step" or "none"'),
        ({"arithmetic": "int1", "decay_readout": 0.1}, "cannot decay towards 0"),
        (
            {"arithmetic": "int8", "block_bits": (8, 8, 1, 8), "decay_readout": 0.1},
            "cannot decay towards 0",
        ),
        ({"arithmetic": "int8", "rate_input": 1e-9}, "choose other fraction bits, another rate"),
    ],
)
def test_arithmetic_that_cannot_work_is_refused_before_training(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train(X, Y, TINY.replace(**changes))


def test_every_width_has_its_rates() -> None:
    assert {f"int{bits}" for bits in FASTER} == set(INTEGERS)
