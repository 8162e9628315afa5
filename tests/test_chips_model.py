"""The model of a core: its words, and its inferences, which are those of the simulator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from binnet import relax
from binnet.chips.bit_strings import pack_codes, pack_states, unpack_codes
from binnet.chips.contents import fill_memories
from binnet.chips.design import design_core
from binnet.chips.model import BEYOND_THE_END, UNKNOWN_COMMAND, CoreModel
from binnet.chips.protocol import (
    Operation,
    get_register,
    infer,
    learn,
    pack_header,
    read_memory,
    read_memory_words,
    read_result,
    set_register,
    split_answers,
    update,
    write_memory,
)
from binnet.chips.random_cores import (
    RandomCore,
    draw_commands,
    draw_core,
    draw_inputs,
    draw_network,
)
from binnet.chips.registers import MAGIC, list_registers
from binnet.hardware.learning_image import expose
from binnet.networks import NetworkFormats, QFormat, QuantizedNetwork

SIZES = (7, 5, 3)


def make_core(seed: int, elements: int = 3) -> tuple[RandomCore, CoreModel]:
    """A core that learns, with fixed sizes."""
    case = draw_core(np.random.default_rng(seed), learns=True, elements=elements, sizes=SIZES)
    return case, CoreModel(case.design, case.contents)


def make_ring(self_coupling: int = 0) -> QuantizedNetwork:
    """Two neurons that copy each other: where they differ, a 2-cycle."""
    format = QFormat(4, 0)
    weights = {
        "couplings": [[0, 3], [3, 0]],
        "input_weights": [[1], [-1]],
        "readout": [[1, 1], [1, 1], [-1, -1]],
        "feedback": [[1, 0, 0], [0, 1, 0]],
    }
    blocks: dict[str, Any] = {name: np.array(block, np.int8) for name, block in weights.items()}
    return QuantizedNetwork(
        **blocks, formats=NetworkFormats(*(format,) * 4), self_coupling=self_coupling
    )


@pytest.mark.parametrize("bits", [1, 3, 16, 32])
def test_codes_are_one_string_of_bits(bits: int) -> None:
    rng = np.random.default_rng(bits)
    codes = rng.integers(0, 1 << bits, (4, 7))
    words = pack_codes(codes, bits)
    assert words.shape == (4, -(-7 * bits // 32))
    for row, line in zip(codes.tolist(), words.tolist(), strict=True):
        number = sum(code << bits * n for n, code in enumerate(row))
        assert line == [number >> 32 * k & 0xFFFFFFFF for k in range(len(line))]
    assert np.array_equal(unpack_codes(words, 7, bits), codes)


@pytest.mark.parametrize("seed", range(24))
def test_inference_is_that_of_the_simulator(seed: int) -> None:
    """From silence and from given states, with and without a stop at cycles."""
    rng = np.random.default_rng(seed)
    case = draw_core(rng, learns=False)
    design, network = case.design, case.network
    model = CoreModel(design, case.contents)
    X = draw_inputs(rng, network, 6)
    start = rng.choice([-1, 1], (len(X), network.n_neurons))
    start[::2] = 0
    T = int(rng.integers(1, 12))
    values = network.formats.inputs.dequantize(X) if network.formats.inputs.bits > 1 else X
    model.run(set_register(design, "MAX_SWEEPS", T))
    for stops in (False, True):
        model.run(set_register(design, "CONTROL", 1 | stops << 1))
        expected = relax(
            network, values, initial_states=start, max_sweeps=T, stop_at_cycle=stops, threads=1
        )
        for n, x in enumerate(X):
            words = infer(design, x, start[n] if start[n].any() else None)
            (answer,) = split_answers(model.run(words))
            found = read_result(design, answer, trace=True, learned=False)
            assert np.array_equal(found.states[-1], expected.states[n])
            assert found.sweeps == expected.sweeps[n]
            assert found.is_fixed == expected.converged[n]
            fields = expected.readout_fields[n] / network.formats.readout.resolution
            assert np.array_equal(found.readout_fields, fields)
            assert found.label == fields.argmax()
            if stops:
                assert found.is_cycle == (expected.status[n] == 2)
            path = np.vstack([start[n], found.states])
            flips = (path[1:] != path[:-1]).sum(axis=1)
            assert np.array_equal(flips, expected.changes[n, : found.sweeps])


def read_ring(model: CoreModel, states: list[int] | None, **changes: int) -> tuple[int, bool, bool]:
    for name, value in changes.items():
        model.run(set_register(model.design, name, value))
    trace = bool(model.values["CONTROL"] & 1)
    (answer,) = split_answers(model.run(infer(model.design, [1], states)))
    found = read_result(model.design, answer, trace=trace, learned=False)
    assert len(found.states) == found.sweeps * trace
    return found.sweeps, found.is_fixed, found.is_cycle


def test_a_cycle_is_looked_for_from_the_third_sweep_on() -> None:
    design = design_core(make_ring(), 2)
    model = CoreModel(design, fill_memories(design, make_ring()))
    # Silence becomes (1, -1) by the input, which the couplings exchange for ever.
    assert read_ring(model, None, CONTROL=0) == (10, False, True)
    assert read_ring(model, None, CONTROL=2) == (3, False, True)
    assert read_ring(model, None, CONTROL=3) == (3, False, True)
    assert read_ring(model, None, MAX_SWEEPS=2) == (2, False, False)
    assert read_ring(model, [1, -1], MAX_SWEEPS=0) == (3, False, True)
    assert read_ring(model, [-1, -1], MAX_SWEEPS=5) == (1, True, False)
    # The self-coupling holds it: the second sweep changes nothing.
    design = design_core(make_ring(4), 1)
    model = CoreModel(design, fill_memories(design, make_ring(4)))
    assert read_ring(model, None) == (2, True, False)
    assert read_ring(model, None, SELF_COUPLING=0, MAX_SWEEPS=0, CONTROL=2) == (3, False, True)


def test_no_limit_is_65535_sweeps() -> None:
    design = design_core(make_ring(), 2)
    model = CoreModel(design, fill_memories(design, make_ring()))
    assert read_ring(model, None, MAX_SWEEPS=0) == (65535, False, True)


def test_the_lowest_of_the_largest_fields_is_the_label() -> None:
    design = design_core(make_ring(4), 1)
    model = CoreModel(design, fill_memories(design, make_ring(4)))
    labels = [
        model.run(infer(design, [1], states))[0][0] & 0xFF for states in ([1, 1], [-1, -1], None)
    ]
    assert labels == [0, 2, 0]


@pytest.mark.parametrize("seed", range(4))
def test_words_may_come_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = draw_core(rng, learns=True)
    words = draw_commands(rng, case, 8)
    whole = CoreModel(case.design, case.contents).run(words)
    model = CoreModel(case.design, case.contents)
    assert [answer for word in words for answer in model.run([word])] == whole
    assert len(split_answers(whole)) >= 8
    assert whole[-1][1]


def test_registers_are_those_of_the_map() -> None:
    case, model = make_core(1)
    for register in list_registers(case.design):
        header = get_register(case.design, register.name)
        ((reset, last),) = model.run(header)
        assert (reset, last) == (register.reset & 0xFFFFFFFF, True)
        model.run(set_register(case.design, register.name, -1))
        ((found, _),) = model.run(header)
        ones = 0xFFFFFFFF if register.signed else (1 << register.bits) - 1
        assert found == (ones if register.writable else reset)
    ((identity, _),) = model.run(get_register(case.design, "IDENTITY"))
    assert identity >> 16 == MAGIC


def test_memories_are_written_and_read_back() -> None:
    rng = np.random.default_rng(5)
    for seed in range(6):
        case, model = make_core(seed, 1 + seed)
        for memory in case.design.memories:
            lanes = rng.integers(0, 1 << memory.bits, (memory.words, memory.lanes))
            if memory.is_signed:
                lanes = 2 * lanes - 1 if memory.bits == 1 else lanes - (1 << memory.bits - 1)
            first = memory.words // 2
            before = model.memories[memory.name].copy()
            assert model.run(write_memory(memory, first, lanes[first:])) == []
            (answer,) = split_answers(model.run(read_memory(memory, 0, memory.words)))
            found = read_memory_words(memory, answer)
            assert np.array_equal(found[:first], before[:first])
            assert np.array_equal(found[first:], lanes[first:])
        assert model.values["STATUS"] == 0


def test_written_weights_are_those_that_count() -> None:
    case, model = make_core(3)
    lanes = np.where(case.contents["readout"] > 0, -1, 1)
    begun_so = CoreModel(case.design, {**case.contents, "readout": lanes})
    answers = []
    for core in (model, begun_so):
        core.run(set_register(case.design, "CONTROL", 1))
        answers.append(core.run(infer(case.design, np.ones(SIZES[1], int))))
    assert answers[0] != answers[1]
    model.run(write_memory(case.design.memories[2], 0, lanes))
    assert model.run(infer(case.design, np.ones(SIZES[1], int))) == answers[1]


def ask_status(model: CoreModel) -> int:
    ((status, last),) = model.run(get_register(model.design, "STATUS"))
    assert last
    return status


@pytest.mark.parametrize(
    ("words", "learns"),
    [
        ([0], True),
        ([8], True),
        ([pack_header(Operation.SET, 9)], True),
        ([pack_header(Operation.GET, 255)], True),
        ([pack_header(Operation.WRITE, 6)], True),
        ([pack_header(Operation.READ, 3)], False),
        ([pack_header(Operation.SET, 16)], False),
        ([pack_header(Operation.LEARN, 0, SIZES[2])], True),
        ([pack_header(Operation.LEARN, 0, 0)], False),
        ([pack_header(Operation.UPDATE)], False),
    ],
)
def test_unknown_commands_are_passed_over_by_their_header(words: list[int], learns: bool) -> None:
    case = draw_core(np.random.default_rng(2), learns=learns, elements=2, sizes=SIZES)
    model = CoreModel(case.design, case.contents)
    assert model.run(words) == []
    assert ask_status(model) == UNKNOWN_COMMAND
    model.run(set_register(case.design, "CONTROL", 1))
    assert ask_status(model) == 0


def test_addresses_beyond_the_end_are_dropped_and_read_as_0() -> None:
    case, model = make_core(1)
    memory = case.design.memories[1]
    contents = model.memories[memory.name].copy()
    lanes = -np.ones((3, memory.lanes), int)
    for first in (memory.words - 1, memory.words, 0xFFFFFFFF):
        model.run(set_register(case.design, "CONTROL", 0))
        assert model.run(write_memory(memory, first, lanes)) == []
        assert ask_status(model) == BEYOND_THE_END
        model.run(set_register(case.design, "CONTROL", 0))
        (answer,) = split_answers(model.run(read_memory(memory, first, 3)))
        assert ask_status(model) == BEYOND_THE_END
        assert len(answer) == 3 * memory.stream_words
        there = first < memory.words
        assert not any(answer[there * memory.stream_words :])
    assert np.array_equal(model.memories[memory.name][:-1], contents[:-1])
    assert np.array_equal(model.memories[memory.name][-1], lanes[0])
    assert model.run(read_memory(memory, 0, 0)) == []


def test_batches_end_where_they_are_full_or_with_update() -> None:
    case = next(
        case
        for case, _ in map(make_core, range(50))
        if case.design.learning.batch_size == 3 and None not in case.design.learning.exponents
    )
    design, model = case.design, CoreModel(case.design, case.contents)
    model.run(set_register(design, "THRESHOLD", (1 << design.accumulator_bits - 1) - 1))
    x = np.ones(SIZES[1], int)
    done = []
    for command in (update(), *[learn(design, x, 1)] * 4, update(), update()):
        model.run(command)
        done.append(model.values["BATCHES"])
    assert done == [0, 0, 0, 1, 1, 2, 2]
    model.run(learn(design, x, 0) + learn(design, x, 0) + set_register(design, "BATCH_SIZE", 1))
    model.run(learn(design, x, 0))
    assert model.values["BATCHES"] == 3


def test_traces_of_learning_say_who_learns() -> None:
    case, model = make_core(2)
    design = case.design
    end = (1 << design.accumulator_bits - 1) - 1
    x = np.ones(SIZES[1], int)
    model.run(set_register(design, "CONTROL", 1))
    for threshold in (-end, end):
        for name in ("THRESHOLD", "READOUT_THRESHOLD"):
            model.run(set_register(design, name, threshold))
        (answer,) = split_answers(model.run(learn(design, x, 2)))
        found = read_result(design, answer, trace=True, learned=True)
        assert len(found.states) == found.sweeps <= design.learning.sweeps
        assert found.learns.tolist() == [threshold > 0] * SIZES[0]
        assert found.readout_learns.tolist() == [threshold > 0] * SIZES[2]
        assert not found.is_cycle
        assert found.label == found.readout_fields.argmax()


def test_lanes_beyond_the_last_neuron_stay() -> None:
    rng = np.random.default_rng(8)
    for seed in range(8):
        case, model = make_core(seed, 4)
        for x in draw_inputs(rng, case.network, 12):
            model.run(learn(case.design, x, int(rng.integers(SIZES[2]))))
        for name, n in (("hidden_registers", SIZES[0]), ("readout_registers", SIZES[2])):
            assert np.all(model.memories[name].ravel()[n:] == 1)
        start = CoreModel(case.design, case.contents).memories
        groups = model.memories["couplings"].reshape(-1, SIZES[0], 4)
        assert np.array_equal(groups[-1, :, 3], start["couplings"].reshape(groups.shape)[-1, :, 3])


def test_states_are_packed_by_groups() -> None:
    network = draw_network(np.random.default_rng(0), spins=True, sizes=(70, 3, 2))
    design = design_core(network, 40)
    bits = np.zeros(70, int)
    bits[[0, 33, 39, 40, 69]] = 1
    assert pack_states(design, bits) == [1, 1 << 1 | 1 << 7, 1 | 1 << 29, 0]


@pytest.mark.parametrize(
    ("stored", "bits", "expected"),
    [
        (4, 4, [-8, -1, 0, 1, 7]),
        (8, 4, [-8, 0, 0, 1, 7]),
        (8, 1, [-1, -1, 1, 1, 1]),
        (8, 2, [-1, 0, 0, 0, 1]),
    ],
)
def test_latent_weights_are_exposed_by_their_highest_bits(
    stored: int, bits: int, expected: list[int]
) -> None:
    words = np.array([-8, -1, 0, 1, 7] if stored == 4 else [-128, -8, 7, 8, 127])
    assert expose(words, QFormat(bits, 0), stored - bits).tolist() == expected


def test_a_result_of_another_length_is_refused() -> None:
    case, model = make_core(1)
    (answer,) = split_answers(model.run(infer(case.design, np.ones(SIZES[1], int))))
    with pytest.raises(ValueError, match=r"must have .* words, got 1; see whether trace was set"):
        read_result(case.design, answer, trace=True, learned=False)
    with pytest.raises(ValueError, match="the last answer does not end: 1 words"):
        split_answers([(1, True), (2, False)])
    with pytest.raises(ValueError, match="x must be the 5 inputs of one sample"):
        infer(case.design, np.ones(4, int))
    with pytest.raises(ValueError, match="register must be one of IDENTITY"):
        get_register(case.design, "NAME")
    wrong = {**case.contents, "readout": case.contents["readout"][1:]}
    with pytest.raises(ValueError, match="readout must have shape"):
        CoreModel(case.design, wrong)
    small = replace(case.design, elements=1)
    with pytest.raises(ValueError, match="couplings must have shape"):
        CoreModel(small, case.contents)
