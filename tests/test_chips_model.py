"""The model of a core: its words, and its inferences, which are those of the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from binnet import relax
from binnet.chips.bit_strings import pack_codes, unpack_codes
from binnet.chips.model import CoreModel
from binnet.chips.protocol import (
    infer,
    read_result,
    set_register,
    split_answers,
)
from chip_cases import draw_case, draw_inputs

MEMORY = {"lanes": 5}


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


@pytest.mark.parametrize("seed", range(40))
def test_inference_is_that_of_the_simulator(seed: int) -> None:
    """From silence and from given states, with and without a stop at cycles."""
    rng = np.random.default_rng(seed)
    case = draw_case(rng, learns=False)
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
