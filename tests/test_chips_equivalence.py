"""Circuits and their model: the same words come out, whatever goes in, and however it is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("amaranth")

from binnet.chips import equivalence
from binnet.chips.core import Core
from binnet.chips.equivalence import compare_core, simulate_core
from binnet.chips.protocol import infer, set_register
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
    monkeypatch.setattr(equivalence, "_PATIENCE", 200)
    core = draw_core(np.random.default_rng(1), learns=False, sizes=SMALL, elements=2)
    circuit = Core(core.design, core.contents)
    words = infer(core.design, np.ones(4, int))
    with pytest.raises(ValueError, match=r"the core hangs: 2 of 2 words went in, 1 of 2 came out"):
        simulate_core(circuit, words, 2)


def test_answers_beyond_those_expected_are_seen() -> None:
    core = draw_core(np.random.default_rng(1), learns=False, sizes=SMALL, elements=2)
    circuit = Core(core.design, core.contents)
    words = set_register(core.design, "CONTROL", 1) + infer(core.design, np.ones(4, int))
    answers, _ = simulate_core(circuit, words, 1)
    assert len(answers) > 1
