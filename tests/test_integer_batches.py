"""Updates of more than 32 samples equal the plain reference, and those of one piece, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

import naive_integer
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.rules import integer_batches
from binnet_kernels.rules import integer_synapses as plasticity
from binnet_kernels.rules.integer_updates import update_couplings_integer
from integer_rule_cases import ENDS, ROUNDINGS, dtype_of
from kernel_cases import draw_spins

EVERYWHERE = np.zeros((0, 0, 0), np.uint8)
PLACE, KEY, N = plasticity.Place(0, 0, True, EVERYWHERE, 0, 0), np.uint64(12345), 70


def make_levels(bits: int, k: int, rounding: str, use_register: bool) -> plasticity.Levels:
    step = 2 if bits == 1 else 1
    return plasticity.Levels(*ENDS[bits], step, k, ROUNDINGS[rounding], use_register)


def draw_case(bits: int, n_samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw weights (N, N), states and unstable neurons (n_samples, N)."""
    rng = np.random.default_rng(n_samples)
    ends = np.array(ENDS[bits])
    spread = rng.integers(max(ends[0], -9), min(ends[1], 9) + 1, (N, N))
    weights = np.where(rng.random((N, N)) < (0.8 if bits > 1 else 0.0), spread, rng.choice(ends))
    spins = draw_spins(rng, (n_samples, N))
    unstable = (spins * (rng.random((n_samples, N)) < 0.1)).astype(np.int8)
    unstable[:, 5] = 0  # never learns: its register must not step
    return weights.astype(dtype_of(bits)), spins, unstable


def update(
    weights: np.ndarray, spins: np.ndarray, unstable: np.ndarray, levels: plasticity.Levels
) -> tuple[np.ndarray, list[int], list[int]]:
    """Return weights (N, N), registers and counts after an update in pieces of 32."""
    n_samples = len(spins)
    words, listed = (array[0] for array in integer_batches.make_words(1, n_samples, N))
    targets = plasticity.make_targets(plasticity.seed_registers(np.uint64(9), N))
    for row, array in ((0, spins), (2, unstable)):
        invoke(integer_batches.pack_pieces, array, n_samples, 0, N, row, words)
    for p in range(len(words)):
        plasticity.thin_events(levels, KEY, 0, words[p, 2, 1], targets, 32 * p)
    by_column, counts = np.ascontiguousarray(weights.T), np.zeros(2, np.int64)
    if len(words) == 1:
        update_couplings_integer(
            by_column, PLACE, levels, KEY, *words[0, 0], *words[0, 2], targets, counts
        )
    else:
        integer_batches.update_couplings_pieces(
            by_column, PLACE, levels, KEY, words[:, 0], words[:, 2], targets, listed,
            np.zeros(N, np.int32), counts,
        )  # fmt: skip
    return by_column.T, targets.registers.tolist(), counts.tolist()


@pytest.mark.parametrize("use_register", [False, True])
@pytest.mark.parametrize("rounding", list(ROUNDINGS))
@pytest.mark.parametrize(("bits", "k"), [(1, 5), (4, 3), (8, 0), (16, -3), (8, 15)])
@pytest.mark.parametrize("n_samples", [33, 64, 100])
def test_a_large_batch_is_rounded_once(
    n_samples: int, bits: int, k: int, rounding: str, use_register: bool
) -> None:
    levels = make_levels(bits, k, rounding, use_register and rounding != "nearest")
    weights, spins, unstable = draw_case(bits, n_samples)
    registers = plasticity.seed_registers(np.uint64(9), N).tolist()
    expected, changed, saturated = naive_integer.update_block(
        weights.tolist(), naive_integer.Levels(*levels[:4], rounding, levels.use_register),
        int(KEY), unstable, spins, registers, True,
    )  # fmt: skip
    found, found_registers, counts = update(weights, spins, unstable, levels)
    assert found.tolist() == expected
    assert found_registers == registers
    assert counts == [changed, saturated]
    assert changed > 0 or k == 15 or rounding == "nearest"


@pytest.mark.parametrize("rounding", list(ROUNDINGS))
def test_samples_in_which_nobody_learns_change_nothing(rounding: str) -> None:
    """So that the sums of one piece and of two are the same: 20 samples, and 20 among 60."""
    levels = make_levels(4, 3, rounding, False)
    weights, spins, unstable = draw_case(4, 20)
    more = draw_spins(np.random.default_rng(1), (40, N))
    first = update(weights, spins, unstable, levels)
    second = update(
        weights, np.vstack([spins, more]), np.vstack([unstable, np.zeros_like(more)]), levels
    )
    assert np.array_equal(first[0], second[0])
    assert first[1:] == second[1:]
    assert first[2][0] > 0


def test_many_events_of_many_levels_do_not_wrap() -> None:
    """70000 events of 2**14 levels of 2: more than 32 bits hold, cut at the end of the range."""
    levels = plasticity.Levels(-32768, 32767, 2, -14, ROUNDINGS["per-weight"], False)
    ones = np.ones((70000, N), np.int8)
    weights, _, counts = update(np.zeros((N, N), np.int16), ones, ones, levels)
    off = ~np.eye(N, dtype=bool)
    assert (weights[off] == 32767).all()
    assert counts == [N * (N - 1)] * 2
