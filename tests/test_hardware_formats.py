"""Q formats and networks in integers: rounding, saturation, reports, files, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binnet import BinaryNetwork
from binnet.hardware import (
    ACCUMULATOR_LIMIT,
    BITS,
    NetworkFormats,
    QFormat,
    choose_fraction_bits,
    dequantize,
    load_quantized,
    quantize,
    save_quantized,
)
from library_cases import make_network

FORMATS = {name: QFormat(8, 5) for name in ("couplings", "input_weights", "readout", "feedback")}


@pytest.mark.parametrize(
    ("bits", "low", "high"),
    [(1, -1, 1), (2, -1, 1), (4, -8, 7), (8, -128, 127), (16, -32768, 32767)],
)
def test_ranges(bits: int, low: int, high: int) -> None:
    q = QFormat(bits, 3)
    assert (q.low, q.high, q.resolution) == (low, high, 1 / 8)
    integers, saturated = q.quantize([-1e6, low / 8, high / 8, 1e6])
    assert integers.tolist() == [low, low, high, high]
    assert saturated == 2
    assert q.dequantize(integers).tolist() == [low / 8, low / 8, high / 8, high / 8]


def test_halves_go_to_the_even_integer_and_zero_to_plus_one() -> None:
    assert QFormat(8, 0).quantize([0.5, 1.5, -0.5, -2.5])[0].tolist() == [0, 2, 0, -2]
    assert QFormat(1, 0).quantize([0.0, -0.0, -0.1, 3.0])[0].tolist() == [1, 1, -1, 1]


@pytest.mark.parametrize("bits", BITS)
def test_stochastic_rounding_is_right_in_the_mean(bits: int) -> None:
    q, value = QFormat(bits, 2), 0.1
    integers, _ = q.quantize(np.full(20000, value), "stochastic", seed=1)
    spread = q.step * q.resolution / 2 / math.sqrt(20000)  # at most: a coin of two levels
    assert abs(q.dequantize(integers).mean() - value) < 4 * spread
    assert np.array_equal(integers, q.quantize(np.full(20000, value), "stochastic", seed=1)[0])


@pytest.mark.parametrize("bits", BITS)
def test_chosen_fraction_bits_have_the_least_error(bits: int) -> None:
    values = np.random.default_rng(0).normal(0, 0.05, 1000)

    def error(fraction_bits: int) -> float:
        q = QFormat(bits, fraction_bits)
        return float(np.square(q.dequantize(q.quantize(values)[0]) - values).sum())

    assert choose_fraction_bits(values, bits) == min(range(-16, 31), key=error)


@pytest.mark.parametrize("bits", BITS)
def test_report_says_what_was_lost(bits: int) -> None:
    network = make_network(30, np.float64, self_coupling=0.4)
    integers, report = quantize(network, bits, margin=0.6, readout_margin=2.0)
    values = dequantize(integers)
    block, fmt = report.blocks["input_weights"], integers.formats.input_weights
    error = np.square(values.input_weights - network.input_weights).sum()
    signal = np.square(network.input_weights).sum()
    assert block.snr_db == pytest.approx(10 * math.log10(signal / error))
    ends = fmt.low * fmt.resolution, fmt.high * fmt.resolution
    beyond = (network.input_weights < ends[0]) | (network.input_weights > ends[1])
    assert block.saturated == beyond.sum()
    assert (block.minimum, block.maximum) == (
        network.input_weights.min(),
        network.input_weights.max(),
    )
    assert report.blocks["couplings"].weights == 30 * 29
    # The worst field, neuron by neuron, with the feedback that a chip would add.
    f = integers.formats
    worst = max(
        (sum(abs(int(w)) for w in integers.couplings[i]) << f.coupling_shift)
        + (sum(abs(int(w)) for w in integers.input_weights[i]) << f.input_shift)
        + max(abs(int(h)) for h in integers.feedback_fields[:, i])
        + integers.self_coupling
        for i in range(30)
    )
    assert report.worst_field == worst
    unit = 2.0**-f.fraction_bits
    assert integers.margin == math.floor(0.6 / unit) + integers.self_coupling
    assert abs(integers.self_coupling * unit - 0.4) <= unit / 2
    assert json.loads(json.dumps(report.to_dict()))["worst_field"] == worst


def test_values_of_integers_quantise_to_the_same_integers() -> None:
    integers, _ = quantize(make_network(30), 4)
    again, report = quantize(dequantize(integers), formats=integers.formats)
    for name in FORMATS:
        assert np.array_equal(getattr(again, name), getattr(integers, name))
        assert report.blocks[name].snr_db == math.inf
    assert report.to_dict()["blocks"]["couplings"]["snr_db"] is None


def far_apart() -> tuple[BinaryNetwork, NetworkFormats]:
    """Input weights need 27 bits more than the couplings' format leaves them."""
    formats = NetworkFormats(QFormat(16, 27), QFormat(16, 0), QFormat(16, 8), QFormat(16, 8))
    return make_network(30, input_strength=50.0), formats


def test_overflow_is_refused_or_saturated_and_counted() -> None:
    network, formats = far_apart()
    with pytest.raises(ValueError, match=f"holds at most {ACCUMULATOR_LIMIT} in 32 bits"):
        quantize(network, formats=formats)
    integers, report = quantize(network, formats=formats, overflow="saturate")
    assert report.clipped > 0
    assert report.worst_field <= ACCUMULATOR_LIMIT
    free, _ = quantize(network, formats=dataclasses.replace(formats, couplings=QFormat(16, 12)))
    changed = (integers.input_weights != free.input_weights).sum()
    assert 0 < changed <= report.clipped  # couplings may be clipped, too


@pytest.mark.parametrize("bits", BITS)
def test_files(bits: int, tmp_path: Path) -> None:
    integers, _ = quantize(make_network(30), bits, margin=0.5, readout_margin=1.0)
    path = tmp_path / "net.safetensors"
    save_quantized(path, integers)
    back = load_quantized(path)
    for name in FORMATS:
        assert getattr(back, name).dtype == getattr(integers, name).dtype
        assert np.array_equal(getattr(back, name), getattr(integers, name))
    assert back.formats == integers.formats
    assert (back.self_coupling, back.margin, back.readout_margin) == (
        integers.self_coupling,
        integers.margin,
        integers.readout_margin,
    )
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged or not a safetensors file"):
        load_quantized(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_quantized(tmp_path / "other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 0), "bits must be one of 1, 2, 4, 8, 16, got 3"),
        ((True, 0), "bits must be one of 1, 2, 4, 8, 16, got True"),
        ((8, 31), "fraction_bits must be an integer in -16..30, got 31"),
    ],
)
def test_bad_formats_are_refused(arguments: tuple[Any, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QFormat(*arguments)


def test_numbers_that_cannot_be_rounded_are_refused() -> None:
    with pytest.raises(ValueError, match="only finite numbers"):
        QFormat(8, 0).quantize([math.nan])
    with pytest.raises(ValueError, match="rounding must be one of nearest-even, stochastic"):
        QFormat(8, 0).quantize([1.0], "up")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"readout": np.zeros((4, 29), np.int8)}, ValueError, r"readout must have shape \(C, H\)"),
        ({"readout": np.zeros((4, 30), np.int16)}, TypeError, "int8 for weights of 4 bits"),
        ({"readout": np.full((4, 30), 8, np.int8)}, ValueError, "in -8..7 in 4 bits, got 8"),
        ({"couplings": np.ones((30, 30), np.int8)}, ValueError, "the diagonal of couplings"),
        ({"self_coupling": -1}, ValueError, "self_coupling must be an integer in 0.."),
    ],
)
def test_networks_that_do_not_fit_their_formats_are_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    integers, _ = quantize(make_network(30), 4)
    with pytest.raises(error, match=message):
        dataclasses.replace(integers, **change)


def test_one_bit_is_never_zero() -> None:
    integers, _ = quantize(make_network(30), 1)
    assert set(np.unique(integers.couplings)) == {-1, 0, 1}  # 0 on the diagonal alone
    with pytest.raises(ValueError, match=r"readout must be -1 or \+1 in 1 bits, got 0"):
        dataclasses.replace(integers, readout=np.zeros((4, 30), np.int8))
