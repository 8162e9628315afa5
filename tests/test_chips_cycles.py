"""The circuit takes the cycles that are counted."""

import dataclasses

import numpy as np
import pytest

from binnet.chips.cycles import (
    count_inference_cycles,
    count_training_cycles,
    count_update_cycles,
)
from binnet.chips.model import CoreModel
from binnet.chips.protocol import (
    Result,
    get_register,
    infer,
    learn,
    read_result,
    set_register,
    split_answers,
    update,
)
from binnet.chips.random_cores import RandomCore, draw_core, draw_inputs

pytest.importorskip("amaranth")

from binnet.chips.core import Core
from binnet.chips.equivalence import simulate_core


def relax(case: RandomCore, words: list[int], *, learned: bool) -> tuple[Result, list[int]]:
    """What the model says of a command, with trace, and the neurons that change in each sweep."""
    model = CoreModel(case.design, case.contents)
    answers = split_answers(model.run(set_register(case.design, "CONTROL", 1) + words))
    result = read_result(case.design, answers[0], trace=True, learned=learned)
    before = np.vstack([np.zeros(case.design.n_neurons, np.int8), result.states[:-1]])
    return result, (result.states != before).sum(axis=1).tolist()


def measure(case: RandomCore, words: list[int]) -> int:
    """Cycles of commands, as far as they keep the one behind them from its answer."""
    get = get_register(case.design, "STATUS")
    ends = []
    for sent in (get, words + get):
        expected = CoreModel(case.design, case.contents).run(sent)
        circuit = Core(case.design, case.contents)
        answers, cycles = simulate_core(circuit, sent, len(expected))
        assert answers == expected
        ends.append(cycles)
    return ends[1] - ends[0]


@pytest.mark.parametrize("event_driven", [False, True])
@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(("sizes", "elements"), [((9, 35, 5), 4), ((6, 3, 2), 6), ((1, 1, 2), 1)])
def test_inference(
    sizes: tuple[int, int, int], elements: int, silent: bool, event_driven: bool
) -> None:
    rng = np.random.default_rng(elements)
    case = draw_core(rng, learns=False, sizes=sizes, elements=elements)
    design = dataclasses.replace(case.design, event_driven=event_driven)
    case = dataclasses.replace(case, design=design)
    start = None if silent else rng.choice([-1, 1], sizes[0])
    words = infer(case.design, draw_inputs(rng, case.network, 1)[0], start)
    result, changes = relax(case, words, learned=False)
    if start is not None:
        changes[0] = int((result.states[0] != start).sum())
    counted = count_inference_cycles(case.design, result.sweeps, silent=silent, changes=changes)
    assert measure(case, words) == counted


@pytest.mark.parametrize("event_driven", [False, True])
@pytest.mark.parametrize(("sizes", "elements"), [((9, 5, 5), 4), ((1, 1, 2), 1)])
def test_learning(sizes: tuple[int, int, int], elements: int, event_driven: bool) -> None:
    rng = np.random.default_rng(elements + 10)
    case = draw_core(rng, learns=True, sizes=sizes, elements=elements)
    learning = case.design.learning
    assert learning is not None
    learning = dataclasses.replace(
        learning,
        batch_size=2,
        exponents=(2, 1, None),
        decays=(3, None, None),
        rounding="per-weight",
    )
    design = dataclasses.replace(case.design, event_driven=event_driven, learning=learning)
    case = dataclasses.replace(case, design=design)
    words = learn(design, draw_inputs(rng, case.network, 1)[0], 1)
    result, changes = relax(case, words, learned=True)
    counted = count_training_cycles(
        design, 1, result.sweeps, turns=learning.sweeps, changes=changes
    )
    assert measure(case, words) == counted
    busy = [bool(result.learns[g : g + elements].any()) for g in range(0, sizes[0], elements)]
    groups = (sum(busy), sum(busy), 0)
    decaying = 1 + count_update_cycles(design, 1, decays=True, groups=groups)  # and the header
    assert measure(case, words + update()) == counted + decaying
    words = set_register(design, "DECAYS", 0) + words
    learning_alone = 1 + count_update_cycles(design, 1, groups=groups)
    assert measure(case, words + update()) == 2 + counted + learning_alone


def test_what_is_missing_is_named() -> None:
    rng = np.random.default_rng(1)
    design = draw_core(rng, learns=False).design
    with pytest.raises(ValueError, match="must be of a core that learns"):
        count_update_cycles(design, 1)
    with pytest.raises(ValueError, match="changes must be given of each of the 3 sweeps"):
        count_inference_cycles(dataclasses.replace(design, event_driven=True), 3, changes=(1, 2))
