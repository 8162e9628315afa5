"""Integer kernels equal their plain references bit by bit, on one thread and on two.

Also: packed weights give what integer arrays give, whatever the CPU is taken to be able to do.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import naive
import naive_integer
from binnet import BinaryNetwork, FeedbackSchedule, NetworkParameters, relax
from binnet.dynamics import stream_key
from binnet.hardware import BITS, QuantizedNetwork, quantize, relax_packed
from binnet_kernels.integer.fields import (
    pack_spins,
    spread_bits,
    sweep_tiles,
    to_packed,
    unpack_spins,
)
from binnet_kernels.lowlevel.bits import pack_samples
from binnet_kernels.rules import integer_synapses as plasticity
from binnet_kernels.rules.integer_updates import update_couplings_integer
from kernel_cases import draw_spins

EVERYWHERE = np.zeros((0, 0, 0), np.uint8)
ROUNDINGS = {
    "nearest": plasticity.NEAREST,
    "per-weight": plasticity.PER_WEIGHT,
    "per-event": plasticity.PER_EVENT,
}


def make_quantized(bits: int, n_hidden: int, n_inputs: int = 21, seed: int = 0) -> QuantizedNetwork:
    parameters = NetworkParameters(n_hidden, n_inputs, 10, 0.3, 1.0, 0.9)
    network, _ = quantize(
        BinaryNetwork.random(parameters, seed), bits, margin=0.5, readout_margin=1
    )
    return network


def fields_of(result: object) -> list[np.ndarray]:
    names = ("states", "stabilities", "readout_fields", "sweeps", "changes", "status")
    return [getattr(result, name) for name in names]


def test_spins_survive_packing() -> None:
    spins = draw_spins(np.random.default_rng(0), (3, 130))
    words = pack_spins(spins)
    assert words.shape == (3, 3)
    assert (words[0, 0] >> np.uint64(5)) & np.uint64(1) == (spins[0, 5] > 0)
    assert np.array_equal(unpack_spins(words, 130), spins)


@pytest.mark.parametrize("update_order", ["sync", "async"])
@pytest.mark.parametrize("bits", BITS)
def test_relaxations_equal_the_reference(bits: int, update_order: str) -> None:
    network = make_quantized(bits, 19)
    rng = np.random.default_rng(1)
    X, y = draw_spins(rng, (5, 21)), rng.integers(0, 10, 5)
    schedule = FeedbackSchedule(1, 4, 4)
    results = [relax_packed(network, X, y, schedule=schedule, update_order=update_order, seed=3)]
    results += [
        relax(network, X, y, schedule=schedule, update_order=update_order, seed=3, threads=threads)
        for threads in (1, 2)
    ]
    plain = naive_integer.from_quantized(network)
    keys = [naive.derive_key(int(stream_key(3, 0)), b) for b in range(5)]
    a = schedule.amplitudes.astype(int).tolist()
    for b in range(5):
        expected = naive_integer.relax(
            plain, X[b].tolist(), int(y[b]), a, keys[b], update_order == "async"
        )
        h = [
            naive_integer.hidden_field(plain, i, expected.s, X[b].tolist(), 0, 0) for i in range(19)
        ]
        for result in results:
            assert result.states[b].tolist() == expected.s
            assert result.changes[b].tolist() == expected.changes
            assert (result.sweeps[b], result.status[b]) == (expected.sweeps, expected.status)
            unit = 2.0**-network.formats.fraction_bits
            assert np.array_equal(result.stabilities[b], np.array(h) * expected.s * unit)


@pytest.mark.parametrize("update_order", ["sync", "async"])
@pytest.mark.parametrize("bits", BITS)
def test_packed_weights_give_the_same_relaxation(bits: int, update_order: str) -> None:
    """Beyond one word, one tile and one block of samples; with cycles, and without feedback."""
    network = make_quantized(bits, 147, 40)
    rng = np.random.default_rng(2)
    X, y = draw_spins(rng, (19, 40)), rng.integers(0, 10, 19)
    for labels in (None, y):
        for stop_at_cycle in (True, False):
            options = {"update_order": update_order, "seed": 1, "stop_at_cycle": stop_at_cycle}
            expected = fields_of(relax(network, X, labels, **options))
            for threads in (1, 2):
                found = fields_of(relax_packed(network, X, labels, threads=threads, **options))
                for left, right in zip(found, expected, strict=True):
                    assert np.array_equal(left, right)


@pytest.mark.parametrize("n_shares", [1, 2])
@pytest.mark.parametrize("bits", BITS)
def test_a_dense_sweep_equals_the_reference(bits: int, n_shares: int) -> None:
    network = make_quantized(bits, 70)
    plain = naive_integer.from_quantized(network)
    spins = draw_spins(np.random.default_rng(3), (3, 70))
    packed, factor = to_packed(network.couplings, bits), 1 << network.formats.coupling_shift
    own = network.self_coupling + factor * (bits == 1)
    out, fields = np.zeros((3, 2), np.uint64), np.zeros((3, 128), np.int32)
    external = np.zeros((3, 128), np.int32)
    words, octets = pack_spins(spins), np.zeros((3, 128), np.uint8)
    spread_bits(words, octets)
    for tile in range(0, 2, 2 // n_shares):
        sweep_tiles(
            packed, words, octets, external, np.int32(factor), np.int32(own), tile,
            tile + 2 // n_shares, out, fields,
        )  # fmt: skip
    for b in range(3):
        s = spins[b].tolist()
        h = [naive_integer.hidden_field(plain, i, s, [], 0, 0) for i in range(70)]
        assert unpack_spins(out, 70)[b].tolist() == [naive.sign(value) for value in h]
        assert (fields[b, :70] + own * spins[b].astype(np.int32)).tolist() == h
    assert not (out[:, 1] >> np.uint64(6)).any()  # no bits where there are no neurons


_DIGEST = """
import hashlib, json
from test_integer_kernels import digest_of_results
from binnet_kernels.lowlevel.simd import HAS_BYTE_DOT
print(json.dumps([digest_of_results(), HAS_BYTE_DOT]))
"""


def digest_of_results() -> str:
    """Hash of what the tiles of all widths compute, in relaxation and in updates."""
    digest = hashlib.sha256()
    for bits, k in ((1, 0), (8, 2), (8, -1), (16, 2)):
        digest.update(update_random_weights(bits, k).tobytes())
    for bits in BITS:
        network = make_quantized(bits, 147, 40)
        X = draw_spins(np.random.default_rng(2), (19, 40))
        for array in fields_of(relax_packed(network, X)):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def update_random_weights(bits: int, k: int) -> np.ndarray:
    """Update and decay 100 x 101 weights."""
    rng, levels = np.random.default_rng(8), make_update(bits, k, "per-weight", False)
    weights = rng.integers(levels.low, levels.high + 1, (100, 101))
    weights = weights.astype(np.int8 if bits < 16 else np.int16)
    words = [rng.integers(0, 2**32, n, np.uint32) for n in (100, 101, 101)]
    words[2] *= rng.random(101) < 0.5
    place = plasticity.Place(3, 0, True, EVERYWHERE, 0, 0)
    targets = plasticity.make_targets(np.ones(101, np.uint16))
    everyone, counts = np.full(100, 2**32 - 1, np.uint32), np.zeros(2, np.int64)
    update_couplings_integer(
        weights, place, levels, np.uint64(5), words[0], everyone, *words[1:], targets, counts
    )
    plasticity.decay_integer(weights, place, levels._replace(exponent=3), np.uint64(6), targets)
    return np.append(weights, counts)


@pytest.mark.long
def test_a_lesser_cpu_computes_the_same_integers() -> None:
    """Compiled for a CPU without AVX-512, AVX2, popcnt and byte dot products."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    }
    run = subprocess.run(
        [sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True, check=True
    )
    digest, has_byte_dot = json.loads(run.stdout)
    assert not has_byte_dot
    assert digest == digest_of_results()


def test_the_register_visits_every_state() -> None:
    register, seen = 1, set()
    while register not in seen:
        seen.add(register)
        following = int(plasticity.step_register(np.uint16(register)))
        assert following == naive_integer.step_lfsr(register)
        register = following
    assert len(seen) == 2**16 - 1


def make_update(bits: int, k: int, rounding: str, use_register: bool) -> plasticity.Levels:
    low, high = {1: (-1, 1), 2: (-1, 1), 4: (-8, 7), 8: (-128, 127), 16: (-32768, 32767)}[bits]
    step = 2 if bits == 1 else 1
    return plasticity.Levels(low, high, step, k, ROUNDINGS[rounding], use_register)


@pytest.mark.parametrize("use_register", [False, True])
@pytest.mark.parametrize("rounding", list(ROUNDINGS))
@pytest.mark.parametrize(
    ("bits", "k"), [(1, 4), (2, 1), (4, 3), (8, -2), (8, 0), (16, 2), (16, -3), (16, 11)]
)
@pytest.mark.parametrize(("n", "n_samples"), [(37, 13), (101, 8), (101, 29)])
def test_updates_equal_the_reference(
    bits: int, k: int, rounding: str, use_register: bool, n: int, n_samples: int
) -> None:
    """One by one, and in tiles of 64: more than one of them, more than 16 samples."""
    if rounding == "nearest" and use_register:
        pytest.skip("nothing is drawn")
    rng = np.random.default_rng(bits + k)
    levels = make_update(bits, k, rounding, use_register)
    plain_levels = naive_integer.Levels(*levels[:4], rounding, use_register)
    dtype = np.int16 if bits == 16 else np.int8
    # Near both ends of the range, so that sums saturate; and all integers between.
    weights = rng.integers(levels.low, levels.high + 1, (n, n)).astype(dtype)
    ends = rng.choice(np.array([levels.low, levels.high], dtype), (n, n))
    weights = np.where(rng.random((n, n)) < (0.5 if bits > 1 else 1.0), ends, weights)
    spins = draw_spins(rng, (n_samples, n))
    unstable = (spins * (rng.random((n_samples, n)) < 0.1)).astype(np.int8)
    key = np.uint64(12345)
    registers = plasticity.seed_registers(np.uint64(9), n)
    plain_registers = registers.tolist()
    expected, changed, saturated = naive_integer.update_block(
        weights.tolist(), plain_levels, int(key), unstable, spins, plain_registers, True
    )

    by_column, targets = np.ascontiguousarray(weights.T), plasticity.make_targets(registers.copy())
    signs, mask, pre_signs, pre_mask = (np.zeros(n, np.uint32) for _ in range(4))
    pack_samples(unstable, 0, n_samples, 0, n, signs, mask)
    pack_samples(spins, 0, n_samples, 0, n, pre_signs, pre_mask)
    counts = np.zeros(2, np.int64)
    plasticity.thin_events(levels, key, 0, mask, targets, 0)
    update_couplings_integer(
        by_column, plasticity.Place(0, 0, True, EVERYWHERE, 0, 0), levels, key, pre_signs, pre_mask,
        signs, mask, targets, counts,
    )  # fmt: skip
    assert by_column.T.tolist() == expected
    assert targets.registers.tolist() == plain_registers
    assert counts.tolist() == [changed, saturated]
    if rounding != "nearest" and k < 11:
        assert saturated > 0


@pytest.mark.parametrize("n", [9, 150])
@pytest.mark.parametrize(("bits", "k"), [(8, 5), (8, 12), (16, 6), (16, 15)])
@pytest.mark.parametrize("use_register", [False, True])
def test_decay_equals_the_reference(use_register: bool, bits: int, k: int, n: int) -> None:
    """Targets one by one, and in tiles of 64 and some more."""
    levels = make_update(bits, k, "per-weight", use_register)
    plain_levels = naive_integer.Levels(*levels[:4], "per-weight", use_register)
    rng, dtype = np.random.default_rng(4), np.int8 if bits == 8 else np.int16
    weights = rng.integers(levels.low, levels.high + 1, (n, 14)).astype(dtype)
    weights[:, 3] = levels.low
    registers = plasticity.seed_registers(np.uint64(2), n)
    plain_registers = registers.tolist()
    expected = naive_integer.decay_block(weights.tolist(), plain_levels, 77, plain_registers)
    by_column = np.ascontiguousarray(weights.T)
    place = plasticity.Place(0, 0, False, EVERYWHERE, 0, 0)
    plasticity.decay_integer(
        by_column, place, levels, np.uint64(77), plasticity.make_targets(registers)
    )
    assert by_column.T.tolist() == expected
    assert registers.tolist() == plain_registers


def find_window(n: int) -> tuple[slice, slice]:
    """Return the sources and the targets of a block of a bank of a diluted network."""
    return slice(4, n - 7), slice(7, n - 4)


def make_window(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, plasticity.Place]:
    """Draw weights (n, n) with couplings missing, and the place of the block of them above."""
    rng, (sources, targets) = np.random.default_rng(seed), find_window(n)
    connectivity = rng.random((n, n)) < 0.6
    np.fill_diagonal(connectivity, False)
    weights = (rng.integers(-8, 8, (n, n)) * connectivity).astype(np.int8)
    # The second of two banks; its column 2 is that of the first target.
    present = np.zeros((2, n - 9, n - 6), np.uint8)
    present[1, : n - 11, 2 : n - 9] = connectivity[targets, sources].T
    return weights, connectivity, plasticity.Place(7, 4, True, present, 1, 2)


@pytest.mark.parametrize("n", [20, 120])
@pytest.mark.parametrize("use_register", [False, True])
@pytest.mark.parametrize("rounding", list(ROUNDINGS))
def test_updates_of_a_block_with_gaps_equal_the_reference(
    rounding: str, use_register: bool, n: int
) -> None:
    """What there is not stays 0, draws nothing, and counts neither as changed nor as saturated."""
    weights, connectivity, place = make_window(n, 6)
    rng, (sources_at, targets_at) = np.random.default_rng(7), find_window(n)
    levels = make_update(4, 2, rounding, use_register and rounding != "nearest")
    plain_levels = naive_integer.Levels(*levels[:4], rounding, levels.use_register)
    spins = draw_spins(rng, (13, n))
    unstable = (spins * (rng.random((13, n)) < 0.2)).astype(np.int8)
    registers = plasticity.seed_registers(np.uint64(9), n)
    plain_registers = registers.tolist()
    expected, changed, saturated = naive_integer.update_block(
        weights.tolist(), plain_levels, 321, unstable, spins, plain_registers, True,
        connectivity, range(*targets_at.indices(n)), range(*sources_at.indices(n)),
    )  # fmt: skip
    signs, mask, pre_signs, pre_mask = (np.zeros(n, np.uint32) for _ in range(4))
    pack_samples(unstable, 0, 13, 0, n, signs, mask)
    pack_samples(spins, 0, 13, 0, n, pre_signs, pre_mask)
    block = np.ascontiguousarray(weights[targets_at, sources_at].T)
    targets = plasticity.make_targets(registers[targets_at])
    key, counts = np.uint64(321), np.zeros(2, np.int64)
    plasticity.thin_events(levels, key, place.first, mask[targets_at], targets, 0)
    update_couplings_integer(
        block, place, levels, key, pre_signs[sources_at], pre_mask[sources_at], signs[targets_at],
        mask[targets_at], targets, counts,
    )  # fmt: skip
    weights[targets_at, sources_at] = block.T
    assert weights.tolist() == expected
    assert not weights[~connectivity].any()
    assert registers.tolist() == plain_registers
    assert counts.tolist() == [changed, saturated]
    assert changed > 0


@pytest.mark.parametrize("n", [20, 120])
@pytest.mark.parametrize("use_register", [False, True])
def test_decay_of_a_block_with_gaps_equals_the_reference(use_register: bool, n: int) -> None:
    weights, connectivity, place = make_window(n, 8)
    sources_at, targets_at = find_window(n)
    levels = make_update(4, 2, "per-weight", use_register)
    plain_levels = naive_integer.Levels(*levels[:4], "per-weight", use_register)
    registers = plasticity.seed_registers(np.uint64(2), n)
    plain_registers = registers.tolist()
    expected = naive_integer.decay_block(
        weights.tolist(),
        plain_levels,
        77,
        plain_registers,
        connectivity,
        range(*targets_at.indices(n)),
        range(*sources_at.indices(n)),
    )
    block = np.ascontiguousarray(weights[targets_at, sources_at].T)
    plasticity.decay_integer(
        block, place, levels, np.uint64(77), plasticity.make_targets(registers[targets_at])
    )
    weights[targets_at, sources_at] = block.T
    assert weights.tolist() == expected
    assert registers.tolist() == plain_registers


@pytest.mark.parametrize("ends", [(-8, 7), (1, -1)], ids=["4 bits", "1 bit"])
def test_latent_weights_expose_their_top_where_there_is_a_coupling(ends: tuple[int, int]) -> None:
    """One bit has no 0, so that an absent coupling must not get a sign; nor one to itself."""
    _, connectivity, place = make_window(20, 9)
    sources_at, targets_at = find_window(20)
    latent = np.random.default_rng(9).integers(-128, 128, (20, 20)) * connectivity
    expected = np.array(naive_integer.expose(latent.tolist(), 4, *ends)) * connectivity
    exposed = np.zeros((9, 9), np.int8)
    block = np.ascontiguousarray(latent[targets_at, sources_at].T.astype(np.int8))
    plasticity.expose_weights(block, exposed, place, 4, *ends)
    assert exposed.T.tolist() == expected[targets_at, sources_at].tolist()
    whole, everywhere = np.zeros((20, 20), np.int8), place._replace(present=EVERYWHERE)
    plasticity.expose_weights(
        latent.T.astype(np.int8), whole, everywhere._replace(first=0, pre_first=0), 4, *ends
    )
    assert not np.diagonal(whole).any()


@pytest.mark.parametrize("rounding", ["per-weight", "per-event"])
def test_random_rounding_is_right_in_the_mean(rounding: str) -> None:
    """2**-3 levels per event: over 2000 steps a weight moves by 250, with a binomial spread."""
    levels = make_update(16, 3, rounding, False)
    weights = np.zeros((400, 1), np.int16)
    one, ones = np.ones(1, np.uint32), np.ones(400, np.uint32)  # of one sample, +1 at both ends
    targets, counts = plasticity.make_targets(np.ones(1, np.uint16)), np.zeros(2, np.int64)
    place = plasticity.Place(0, 0, False, EVERYWHERE, 0, 0)
    for step in range(2000):
        key = np.uint64(naive.derive_key(5, step))
        mask = one.copy()
        plasticity.thin_events(levels, key, 0, mask, targets, 0)
        update_couplings_integer(
            weights, place, levels, key, ones, ones, one, mask, targets, counts
        )
    spread = np.sqrt(2000 * (1 / 8) * (7 / 8))
    # Whole events move all weights together: one draw of the binomial; else the mean of 400.
    n_draws = 400 if rounding == "per-weight" else 1
    assert abs(weights.mean() - 250) < 4 * spread / np.sqrt(n_draws)
