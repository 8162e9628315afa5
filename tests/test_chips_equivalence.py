"""Circuits and their model: the same words come out, whatever goes in, and however it is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth")

from binnet.chips import equivalence
from binnet.chips.core import Core
from binnet.chips.equivalence import compare_core, simulate_core
from binnet.chips.model import CoreModel
from binnet.chips.protocol import get_register, infer, learn, set_register
from binnet.chips.random_cores import Sizes, draw_commands, draw_core

SMALL: Sizes = (5, 4, 3)


def compare(
    seed: int, learns: bool, sizes: Sizes | None, elements: int | None = None, n_samples: int = 4
) -> None:
    rng = np.random.default_rng(seed)
    core = draw_core(rng, learns=learns, sizes=sizes, elements=elements)
    words = draw_commands(rng, core, n_samples)
    n_words, cycles = compare_core(
        core.design, core.contents, words, stalls=float(rng.choice([0.0, 0.3])), rng=rng
    )
    assert n_words > n_samples
    assert cycles > len(words)


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize(
    ("seed", "sizes", "elements"),
    [(1, SMALL, 1), (2, SMALL, 2), (3, SMALL, 5), (4, (1, 1, 2), 1), (5, (3, 1, 5), 2)],
)
def test_a_circuit_answers_as_the_model(
    seed: int, sizes: Sizes, elements: int, learns: bool
) -> None:
    compare(seed, learns, sizes, elements)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("learns", [False, True])
def test_more_circuits_answer_as_the_model(seed: int, learns: bool) -> None:
    compare(100 + seed, learns, None, None, 6)


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    core = draw_core(np.random.default_rng(1), learns=False, sizes=SMALL, elements=2)

    def build(design: Any, contents: Any) -> Core:
        lanes = contents["input_weights"].copy()
        lanes[0, 0] ^= 1
        return Core(design, contents | {"input_weights": lanes})

    monkeypatch.setattr(equivalence, "Core", build)
    words = draw_commands(np.random.default_rng(2), core, 2)
    with pytest.raises(ValueError, match=r"word \d+ of \d+ must be 0x[0-9a-f]{8} \(last: "):
        compare_core(core.design, core.contents, words)


def test_a_core_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "_STALLED", 100)
    core = draw_core(np.random.default_rng(1), learns=False, sizes=SMALL, elements=2)
    circuit = Core(core.design, core.contents)
    words = infer(core.design, np.ones(4, int))
    with pytest.raises(ValueError, match=r"the core hangs: 2 of 2 words went in, 1 of 2 came out"):
        simulate_core(circuit, words, 2)


@pytest.mark.parametrize("event_driven", [False, True])
@pytest.mark.parametrize("learns", [False, True])
def test_no_command_lasts_longer_than_a_core_is_waited_for(
    learns: bool, event_driven: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with more sweeps than it was designed for, and in cycles, which use them all."""
    monkeypatch.setattr(equivalence, "_STALLED", 0)
    core = draw_core(np.random.default_rng(3), learns=learns, sizes=SMALL, elements=2)
    design = replace(core.design, event_driven=event_driven)
    J = np.full_like(core.contents["couplings"], -1)  # all flip in each sweep
    contents = core.contents | {
        "couplings": J,
        "input_weights": np.zeros_like(core.contents["input_weights"]),
    }
    x, start = np.ones(4, int), np.ones(5, int)
    words = set_register(design, "SELF_COUPLING", 0) + set_register(design, "MAX_SWEEPS", 20)
    words += infer(design, x, start)
    if learns:
        words += set_register(design, "SWEEPS", 24) + set_register(design, "BATCHES", 0)
        words += learn(design, x, design.n_outputs - 1)
    expected = CoreModel(design, contents).run([*words, *get_register(design, "STATUS")])
    words += get_register(design, "STATUS")
    answers, _ = simulate_core(Core(design, contents), words, len(expected))
    assert answers == expected
    assert answers[0][0] >> 16 == 20


def test_answers_beyond_those_expected_are_seen() -> None:
    core = draw_core(np.random.default_rng(1), learns=False, sizes=SMALL, elements=2)
    circuit = Core(core.design, core.contents)
    words = set_register(core.design, "CONTROL", 1) + infer(core.design, np.ones(4, int))
    answers, _ = simulate_core(circuit, words, 1)
    assert len(answers) > 1
