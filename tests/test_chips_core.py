"""The circuit of a core answers as its model does, word by word."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from binnet.chips.model import CoreModel
from binnet.chips.protocol import Operation, get_register, infer, learn, pack_header, set_register
from binnet.chips.random_cores import RandomCore, draw_commands, draw_core, draw_inputs
from binnet.chips.registers import list_registers

pytest.importorskip("amaranth")

from binnet.chips.core import Core
from binnet.chips.equivalence import compare_core, simulate_core


def check(case: RandomCore, words: Sequence[int], stalls: float = 0.0) -> list[tuple[int, bool]]:
    """Compare circuit and model; return the words."""
    compare_core(case.design, case.contents, words, stalls=stalls)
    return CoreModel(case.design, case.contents).run(words)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("learns", [False, True])
def test_random_cores(seed: int, learns: bool) -> None:
    rng = np.random.default_rng([seed, learns])
    case = draw_core(rng, learns=learns)
    check(case, draw_commands(rng, case, 3), stalls=0.3 * (seed % 2))


@pytest.mark.long
@pytest.mark.parametrize("learns", [False, True])
def test_many_random_cores(learns: bool) -> None:
    for seed in range(6, 26):
        rng = np.random.default_rng([seed, learns])
        case = draw_core(rng, learns=learns)
        check(case, draw_commands(rng, case, 3), stalls=0.3 * (seed % 2))


@pytest.mark.parametrize(
    ("sizes", "elements"),
    [((1, 1, 2), 1), ((9, 6, 4), 9), ((7, 3, 3), 1)],
    ids=["one neuron", "all at once", "one at a time"],
)
@pytest.mark.parametrize("learns", [False, True])
def test_edges_of_sizes(sizes: tuple[int, int, int], elements: int, learns: bool) -> None:
    rng = np.random.default_rng(elements)
    case = draw_core(rng, learns=learns, sizes=sizes, elements=elements)
    check(case, draw_commands(rng, case, 2))


@pytest.mark.long
@pytest.mark.parametrize("learns", [False, True])
def test_states_of_two_words(learns: bool) -> None:
    rng = np.random.default_rng(33)
    case = draw_core(rng, learns=learns, sizes=(34, 33, 2), elements=33)
    check(case, draw_commands(rng, case, 2))


def test_wrong_commands_are_passed_over_and_noted() -> None:
    rng = np.random.default_rng(3)
    case = draw_core(rng, learns=True, sizes=(4, 3, 2))
    words = []
    for header in (
        pack_header(99),
        pack_header(Operation.LEARN, 0, 2),
        pack_header(Operation.GET, 200),
        pack_header(Operation.WRITE, 17),
    ):
        words += [header, *get_register(case.design, "STATUS")]
        words += set_register(case.design, "CONTROL", 1)
        words += get_register(case.design, "STATUS")
    words += [pack_header(Operation.READ, 0), 3, 10_000 % 7, *get_register(case.design, "STATUS")]
    words += [pack_header(Operation.READ, 0), 1 << 30, 2, *get_register(case.design, "STATUS")]
    words += set_register(case.design, "NEURONS", 3) + get_register(case.design, "NEURONS")
    answers = check(case, words)
    assert [word for word, _ in answers[:8]] == [1, 0] * 4
    assert answers[-2] == (2, True)
    assert answers[-1] == (4, True)


def test_a_settled_state_waits_until_the_feedback_changes() -> None:
    rng = np.random.default_rng(7)
    case = draw_core(rng, learns=True, sizes=(5, 4, 3), elements=2)
    words = set_register(case.design, "CONTROL", 1)
    # J of 0 settles in the second sweep of each part: of the warm-up, with feedback and without.
    zeros = dict(case.contents, couplings=np.zeros_like(case.contents["couplings"]))
    zeros["feedback"] = np.sign(case.contents["feedback"]) * case.contents["feedback"].max()
    case = replace(case, contents=zeros)
    for name, value in (("WARMUP", 5), ("FEEDBACK", 11), ("SWEEPS", 17), ("SELF_COUPLING", 0)):
        words += set_register(case.design, name, value)
    for x in draw_inputs(rng, case.network, 4):
        words += learn(case.design, x, 1)
    sweeps = {word >> 16 for word, last in check(case, words) if last}
    assert sweeps == {6}  # the feedback changes a state, and so does its end


@pytest.mark.parametrize("size", [0, 1, 31])
def test_a_batch_has_room_for_the_samples_of_its_design(size: int) -> None:
    """BATCH_SIZE of 0 counts as 1, and beyond what the core was built for as that."""
    case = draw_core(np.random.default_rng(8), learns=True, sizes=(4, 3, 2), elements=2)
    assert case.design.learning is not None
    learning = replace(case.design.learning, batch_size=3)
    design = replace(case.design, learning=learning)
    words = set_register(design, "BATCH_SIZE", size)
    for x in draw_inputs(np.random.default_rng(9), case.network, 7):
        words += learn(design, x, 1) + get_register(design, "BATCHES")
    answers = check(replace(case, design=design), words)
    batches = [word for word, _ in answers[1::2]]
    assert batches == ([0, 0, 1, 1, 1, 2, 2] if size > 3 else [1, 2, 3, 4, 5, 6, 7])


def test_an_inference_core_does_not_learn() -> None:
    rng = np.random.default_rng(4)
    case = draw_core(rng, learns=False, sizes=(4, 3, 2))
    words = [pack_header(Operation.LEARN), *get_register(case.design, "STATUS")]
    words += [pack_header(Operation.UPDATE), *get_register(case.design, "STATUS")]
    assert check(case, words) == [(1, True)] * 2


def test_every_register_is_what_it_was_set_to() -> None:
    rng = np.random.default_rng(5)
    case = draw_core(rng, learns=True, sizes=(4, 3, 2))
    words = []
    for value in (0x12345678, -2):
        for row in list_registers(case.design):
            words += set_register(case.design, row.name, value)
            words += get_register(case.design, row.name)
    check(case, words)


def test_a_wrong_weight_is_found() -> None:
    """The comparison can fail: another weight gives other words."""
    rng = np.random.default_rng(6)
    case = draw_core(rng, learns=False, sizes=(5, 4, 3), elements=2)
    words = set_register(case.design, "CONTROL", 1)
    words += infer(case.design, draw_inputs(rng, case.network, 1)[0])
    changed = dict(case.contents, readout=case.contents["readout"].copy())
    changed["readout"][0, 0] = -changed["readout"][0, 0] or 1
    expected = CoreModel(case.design, case.contents).run(words)
    answers, _ = simulate_core(Core(case.design, changed), words, len(expected))
    assert answers != expected
