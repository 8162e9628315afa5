"""Graded inputs of networks in integers: their formats, and relaxations equal to the reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

import naive
import naive_integer
from binnet import BinaryNetwork, FeedbackSchedule, NetworkParameters, predict, relax
from binnet.dynamics import stream_key
from binnet.hardware import QuantizedNetwork, dequantize, quantize, relax_packed
from binnet.hardware.files import load_quantized, save_quantized
from binnet.networks import InputFormat, choose_input_format, read_inputs
from binnet.networks.quantised import ACCUMULATOR_LIMIT

N_HIDDEN, N_INPUTS = 19, 21
FORMATS = {
    "u8": choose_input_format(8),
    "u4": choose_input_format(4),
    "u2": choose_input_format(2),
    "s5": choose_input_format(5, "signed"),
    "s2": choose_input_format(2, "signed"),
    "s8 coarse": InputFormat(8, 0),
}


def make_network(bits: int, format: InputFormat, n_hidden: int = N_HIDDEN) -> QuantizedNetwork:
    parameters = NetworkParameters(n_hidden, N_INPUTS, 10, 0.3, 4.0, 0.9)
    network = BinaryNetwork.random(parameters, 0)
    formats = replace(quantize(network, bits)[0].formats, inputs=format)
    return quantize(network, bits, formats, margin=0.5, readout_margin=1)[0]


def draw_inputs(format: InputFormat, n: int) -> np.ndarray:
    """Draw inputs that fill the range and go beyond it; some are 0, some halves of a step."""
    rng = np.random.default_rng(7)
    low, high = format.low - 1, format.high + 1
    halves = rng.integers(2 * low, 2 * high + 1, (n, N_INPUTS)) / 2
    X = np.where(rng.random(halves.shape) < 0.5, halves, rng.uniform(low, high, halves.shape))
    X[rng.random(X.shape) < 0.2] = 0.0
    return np.ldexp(X, -format.fraction_bits).astype(np.float32)


def round_plainly(X: np.ndarray, format: InputFormat) -> list[list[int]]:
    f = format
    return [
        [naive_integer.round_input(float(x), f.bits, f.fraction_bits, f.signed) for x in row]
        for row in X
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_inputs_are_rounded_as_in_the_reference(name: str) -> None:
    format = FORMATS[name]
    X = draw_inputs(format, 3000)  # more than are rounded at a time
    integers, saturated = format.quantize(X)
    assert integers.tolist() == round_plainly(X, format)
    assert {integers.min(), integers.max()} == {format.low, format.high}
    assert saturated == 0  # no further beyond the ends than a step
    again, _ = format.quantize(format.dequantize(integers))
    assert np.array_equal(again, integers)
    X[:5, 0] = np.ldexp(format.high + 1.5, -format.fraction_bits)
    assert format.quantize(X)[1] == 5


@pytest.mark.parametrize("bits", range(2, 9))
def test_bytes_are_the_numbers_that_they_stand_for(bits: int) -> None:
    octets = np.arange(256, dtype=np.uint8)[None]
    for format in (choose_input_format(bits), choose_input_format(bits, "signed")):
        integers, _ = format.quantize(octets)
        assert np.array_equal(integers, format.quantize((octets / 255).astype(np.float32))[0])
    if bits == 8:  # a shift and an addition
        shifted = np.minimum(octets.astype(int) + (octets >> 7), 255)
        assert np.array_equal(choose_input_format(8).quantize(octets)[0], shifted)


@pytest.mark.parametrize("bits", range(2, 9))
def test_default_formats_have_the_least_error(bits: int) -> None:
    """Of numbers in [0, 1], and of a standard normal variable."""
    p = (np.arange(20001, dtype=np.float32) + 0.5)[None] / 20001
    for signed, x in ((False, p), (True, norm.ppf(p).astype(np.float32))):
        errors = []
        for fraction_bits in range(9):
            format = InputFormat(bits, fraction_bits, signed)
            errors.append(np.square(format.dequantize(format.quantize(x)[0]) - x).mean())
        best = choose_input_format(bits, "signed" if signed else "unsigned")
        assert (best.bits, best.signed) == (bits, signed)
        assert best.fraction_bits == np.argmin(errors)


@pytest.mark.parametrize("update_order", ["sync", "async"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_relaxations_equal_the_reference(bits: int, name: str, update_order: str) -> None:
    format = FORMATS[name]
    network = make_network(bits, format)
    assert network.formats.inputs == format
    X, y = draw_inputs(format, 12), np.random.default_rng(1).integers(0, 10, 12)
    options: dict[str, Any] = {"schedule": FeedbackSchedule(1, 4, 4), "update_order": update_order}
    results = [relax_packed(network, X, y, seed=3, **options)]
    results += [relax(network, X, y, seed=3, threads=k, **options) for k in (1, 2)]
    plain, integers = naive_integer.from_quantized(network), round_plainly(X, format)
    a = options["schedule"].amplitudes.astype(int).tolist()
    for b, x in enumerate(integers):
        key = naive.derive_key(int(stream_key(3, 0)), b)
        expected = naive_integer.relax(plain, x, int(y[b]), a, key, update_order == "async")
        h = [
            naive_integer.hidden_field(plain, i, expected.s, x, 0, 0) * expected.s[i]
            for i in range(N_HIDDEN)
        ]
        for result in results:
            assert result.states[b].tolist() == expected.s
            assert result.changes[b].tolist() == expected.changes
            unit = 2.0**-network.formats.fraction_bits
            assert np.array_equal(result.stabilities[b], np.array(h) * unit)
    assert len({tuple(state) for state in results[0].states.tolist()}) > 1


@pytest.mark.parametrize("name", ["u8", "s5"])
def test_fields_are_those_of_the_values(name: str) -> None:
    """Integers in float64 and the values of the inputs: the same states and stabilities."""
    format = FORMATS[name]
    network = make_network(8, format, 40)
    integers, _ = format.quantize(draw_inputs(format, 6))
    X = format.dequantize(integers)
    found, real = relax(network, X), dequantize(network)
    fields = network.input_weights.astype(int) @ integers.T << network.formats.input_shift
    values = real.input_weights @ X.T.astype(np.float64)
    assert np.array_equal(values, np.ldexp(fields.astype(float), -network.formats.fraction_bits))
    for b in range(6):
        s = found.states[b].astype(float)
        h = real.couplings @ s + real.self_coupling * s + values[:, b]
        assert np.array_equal(found.stabilities[b], s * h)


def test_all_inputs_that_are_whole_are_spins() -> None:
    """Integers 1 and -1 take the spins' sums; others between them must not."""
    network = make_network(8, InputFormat(3, 0), 64)
    rng = np.random.default_rng(2)
    spins = rng.choice([-1.0, 1.0], (16, N_INPUTS)).astype(np.float32)
    mixed = spins.copy()
    mixed[3, 5] = 2.0
    plain = replace(network, formats=replace(network.formats, inputs=InputFormat()))
    assert np.array_equal(relax(network, spins).stabilities, relax(plain, spins).stabilities)
    first, second = relax(network, mixed), relax(network, spins)
    same = (first.stabilities == second.stabilities).all(axis=1)
    assert same.sum() == 15
    assert not same[3]


@pytest.mark.parametrize(("name", "factor"), [("u8", 255), ("s5", 16), ("s2", 2)])
def test_the_worst_field_takes_the_largest_input(name: str, factor: int) -> None:
    network = make_network(4, FORMATS[name])
    formats = network.formats
    sums = np.abs(network.input_weights.astype(int)).sum(axis=1) * factor << formats.input_shift
    sums += np.abs(network.couplings.astype(int)).sum(axis=1) << formats.coupling_shift
    sums += np.abs(network.feedback_fields).max(axis=0) + network.self_coupling
    assert network.worst_field == sums.max()


def test_fields_that_could_overflow_are_refused_or_clipped() -> None:
    network = BinaryNetwork.random(NetworkParameters(40, 4000, 10), 0)
    with pytest.raises(ValueError, match="choose fewer bits of weights or inputs"):
        quantize(network, 16, input_bits=8)
    quantize(network, 16, input_bits=4)
    clipped, report = quantize(network, 16, input_bits=8, overflow="saturate")
    assert 0 < report.clipped < network.input_weights.size
    assert 0.99 * ACCUMULATOR_LIMIT < clipped.worst_field <= ACCUMULATOR_LIMIT


def test_inputs_that_do_not_fit_are_named(tmp_path: Any) -> None:
    X = draw_inputs(FORMATS["u4"], 4)
    with pytest.raises(ValueError, match="for a network in integers with input_bits = 1"):
        predict(make_network(8, InputFormat()), X)
    graded = make_network(8, FORMATS["u4"])
    with pytest.warns(UserWarning, match="1 of 84 inputs lie beyond 0 to 0.9375, .* input_format"):
        predict(graded, np.where(np.arange(N_INPUTS) == 3, [[-0.2], [0], [0], [1]], X.clip(0, 1)))
    with pytest.raises(ValueError, match="inputs of 1 bit are spins"):
        InputFormat(1, 2)
    with pytest.raises(ValueError, match=r"input_bits must be an integer in 1\.\.8, got 9"):
        choose_input_format(9)
    with pytest.raises(ValueError, match="takes a network without biases"):
        replace(graded, has_biases=True)
    assert read_inputs("inputs", np.ones((1, 2), np.int8), InputFormat()).dtype == np.int8
    for network in (graded, make_network(8, InputFormat())):
        save_quantized(tmp_path / "network.safetensors", network, overwrite=True)
        assert load_quantized(tmp_path / "network.safetensors").formats == network.formats
