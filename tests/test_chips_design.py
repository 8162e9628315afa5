"""Designs of cores: their sizes, their memories, and that no field is beyond the accumulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from binnet.chips.contents import fill_memories
from binnet.chips.design import count_signed_bits, design_core
from binnet.chips.model import CoreModel
from binnet.chips.random_cores import draw_core, draw_learning, draw_network
from binnet.chips.registers import list_registers
from binnet.networks import BLOCKS, NetworkFormats, QFormat, QuantizedNetwork, choose_input_format


@pytest.mark.parametrize(("largest", "bits"), [(0, 2), (1, 2), (2, 3), (127, 8), (128, 9)])
def test_signed_bits_hold_both_ends(largest: int, bits: int) -> None:
    assert count_signed_bits(largest) == bits


def fill(network: QuantizedNetwork, value: int) -> QuantizedNetwork:
    """The same network, all of whose weights but those of the feedback are at an end."""
    blocks = {}
    for name in BLOCKS[:3]:
        format = getattr(network.formats, name)
        end = format.low if value < 0 else format.high
        blocks[name] = np.full_like(getattr(network, name), end)
    np.fill_diagonal(blocks["couplings"], 0)
    return replace(network, **blocks)


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_field_needs_all_bits_of_the_accumulator(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = draw_network(rng, spins=seed % 2 == 1)
    design = design_core(network, 1)
    worst = max(network.worst_field, network.worst_readout_field)
    assert worst < 1 << design.accumulator_bits - 1
    assert 2 * worst >= 1 << design.accumulator_bits - 1 or design.accumulator_bits == 2
    if seed % 2 == 1:
        learns = design_core(network, 1, learning=draw_learning(rng, network))
        most = max(
            max(full.worst_field, full.worst_readout_field)
            for full in (fill(network, -1), fill(network, 1))
        )
        assert most < 1 << learns.accumulator_bits - 1
        assert 4 * most >= 1 << learns.accumulator_bits - 1  # not much wider than that
        assert abs(network.feedback_fields).max() < 1 << learns.feedback_bits - 1


@pytest.mark.parametrize("elements", [1, 3, 7])
def test_memories_hold_each_weight_where_the_design_says(elements: int) -> None:
    case = draw_core(
        np.random.default_rng(elements), learns=True, elements=elements, sizes=(7, 5, 4)
    )
    design, contents = case.design, case.contents
    model = CoreModel(design, contents)
    J, W_in, W_out = (model.read_block(block) for block in range(3))
    for i in range(7):
        g, lane = divmod(i, elements)
        assert all(contents["couplings"][g * 7 + j, lane] == J[i, j] for j in range(7) if j != i)
        assert all(contents["input_weights"][g * 5 + n, lane] == W_in[i, n] for n in range(5))
        fields = case.network.feedback_fields[:, i].tolist()
        G = design.n_groups
        assert [contents["feedback"][label * G + g, lane] for label in range(4)] == fields
    for c in range(4):
        g, lane = divmod(c, elements)
        assert all(contents["readout"][g * 7 + i, lane] == W_out[c, i] for i in range(7))
    assert contents["hidden_registers"].size == design.n_groups * elements >= 7
    assert contents["readout_registers"].size == design.n_readout_groups * elements >= 4
    for memory in design.memories:
        assert contents[memory.name].shape == (memory.words, memory.lanes)
        assert 32 * memory.stream_words >= elements * memory.bits > 32 * (memory.stream_words - 1)


def test_a_core_that_infers_has_no_memories_of_learning() -> None:
    network = draw_network(np.random.default_rng(1))
    design = design_core(network, 1)
    assert [memory.name for memory in design.memories] == list(BLOCKS[:3])
    assert all(not register.learning for register in list_registers(design))


def test_thresholds_beyond_all_fields_say_always_or_never() -> None:
    rng = np.random.default_rng(2)
    network = draw_network(rng, spins=True)
    learning = replace(draw_learning(rng, network), threshold=10**9, readout_threshold=-(10**9))
    design = design_core(network, 1, learning=learning)
    end = 1 << design.accumulator_bits - 1
    assert design.learning is not None
    assert (design.learning.threshold, design.learning.readout_threshold) == (end - 1, -end)
    resets = {register.name: register.reset for register in list_registers(design)}
    assert (resets["THRESHOLD"], resets["READOUT_THRESHOLD"]) == (end - 1, -end)


def test_resets_fit_their_registers() -> None:
    for seed in range(20):
        design = draw_core(np.random.default_rng(seed), learns=seed % 2 == 0).design
        registers = list_registers(design)
        assert len({register.number for register in registers}) == len(registers)
        for register in registers:
            half = 1 << register.bits - 1
            low, high = (-half, half) if register.signed else (0, 2 * half)
            assert low <= register.reset < high, register.name


def test_what_a_core_has_no_room_for_is_refused() -> None:
    rng = np.random.default_rng(3)
    network = draw_network(rng, spins=True, sizes=(2, 3, 257))
    with pytest.raises(ValueError, match=r"n_outputs must be within 1\.\.256 for a core, got 257"):
        design_core(network, 1)
    network = draw_network(rng, spins=True, sizes=(2, 65536, 2))
    with pytest.raises(ValueError, match=r"n_inputs must be within 1\.\.65535 for a core"):
        design_core(network, 1)
    network = draw_network(rng, spins=True, sizes=(2, 3, 4))
    with pytest.raises(ValueError, match=r"elements must be an integer in 1\.\.2, got 3"):
        design_core(network, 3)


def test_plasticity_that_is_not_that_of_the_network_is_refused() -> None:
    rng = np.random.default_rng(4)
    network = draw_network(rng, spins=True, sizes=(2, 3, 4))
    learning = draw_learning(rng, network)
    with pytest.raises(ValueError, match=r"batch_size must be an integer in 1\.\.32, got 33"):
        design_core(network, 1, learning=replace(learning, batch_size=33))
    for change, message in (
        ({"sweeps": 0}, r"sweeps must be an integer in 1\.\.65535, got 0"),
        ({"exponents": (None, 16, 0)}, r"exponents must be an integer in -14\.\.15, got 16"),
        ({"decays": (0, None, 3)}, r"decays must be an integer in 1\.\.15, got 0"),
        ({"decay_period": 6}, r"decay_period must be a power of two .* got 6.*; take 4 or 8"),
        ({"rounding": "nearest"}, "rounding must be .*per-weight.*, got 'nearest'"),
    ):
        with pytest.raises(ValueError, match=message):
            design_core(network, 1, learning=replace(learning, **change))
    other = (QFormat(16, -3), *learning.formats[1:])
    with pytest.raises(ValueError, match="learning must store couplings with as many fraction"):
        design_core(network, 1, learning=replace(learning, formats=other))
    graded = NetworkFormats(
        *(getattr(network.formats, name) for name in BLOCKS), inputs=choose_input_format(3)
    )
    with pytest.raises(ValueError, match="takes spins as inputs, got 3 bits; design one"):
        design_core(replace(network, formats=graded), 1, learning=learning)


def test_contents_that_are_missing_are_named() -> None:
    rng = np.random.default_rng(5)
    network = draw_network(rng, spins=True, sizes=(2, 3, 4))
    learning = draw_learning(rng, network)
    wide = [getattr(network.formats, name) for name in BLOCKS[:3]]
    design = design_core(network, 1, learning=replace(learning, formats=tuple(wide)))
    with pytest.raises(ValueError, match=r"registers must be 6 integers in 1\.\.65535"):
        fill_memories(design, network)
    with pytest.raises(ValueError, match="registers must be 6 integers"):
        fill_memories(design, network, registers=np.zeros(6, int))
    wide[1] = QFormat(16, wide[1].fraction_bits + 16 - wide[1].bits)
    design = design_core(network, 1, learning=replace(learning, formats=tuple(wide)))
    with pytest.raises(ValueError, match="latent must hold input_weights, of which the core"):
        fill_memories(design, network, registers=np.ones(6, int))
    other = draw_network(rng, spins=True, sizes=(3, 3, 4))
    with pytest.raises(ValueError, match=r"sizes of the core, \(2, 3, 4\), got \(3, 3, 4\)"):
        fill_memories(design, other, registers=np.ones(6, int))
