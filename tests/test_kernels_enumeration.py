"""The enumeration kernels find exactly what a plain loop over all states finds, doubts included.

So do the kernels that count distances. Everything is in integers, compared exactly.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_fixed_points as naive
from binnet._threads import share_out
from binnet_kernels.enumeration import blocks, common
from binnet_kernels.enumeration.bounded import enumerate_bounded, make_bounds, make_tree
from binnet_kernels.enumeration.gray import enumerate_gray
from binnet_kernels.enumeration.overlaps import (
    add_powers,
    add_signed,
    count_distances,
    transform_walsh,
)

METHODS = ("gray", "bounded")


def draw_conditions(
    n: int, size: int, seed: int, ease: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Integer couplings (small ones make ties and doubts common), slack, doubt and an order."""
    rng = np.random.default_rng(seed)
    G = rng.integers(-size, size + 1, (n, n)).astype(np.int32)
    np.fill_diagonal(G, 0)
    most = np.abs(G).sum(axis=1) + 1
    slack = np.clip(rng.integers(-size, 2 * ease * size + 1, (2, n)), -most, most).astype(np.int32)
    doubt = rng.integers(0, size // 2 + 2, n).astype(np.int32)
    return G, slack, doubt, rng.permutation(n)


def run(
    method: str,
    conditions: Any,
    n_low: int,
    tasks: np.ndarray,
    n_held: int,
    room: int,
    workers: int,
) -> tuple[np.ndarray, np.ndarray]:
    rows = common.make_conditions(*conditions)
    scratch = common.make_scratch(rows, workers)
    found = np.zeros((len(tasks), room), np.uint64)
    counts = np.full(len(tasks), -1)
    if method == "gray":
        block = blocks.make_block(rows, n_low)
        work = partial(enumerate_gray, rows, block, tasks, n_held, scratch, found, counts)
    else:
        bounds, tree = make_bounds(rows), make_tree(rows, workers)
        work = partial(enumerate_bounded, rows, bounds, tasks, n_held, tree, scratch, found, counts)
    share_out(workers, work, range(workers))
    return found, counts


def read(words: np.ndarray) -> dict[int, bool]:
    mark = int(common.DOUBTFUL)
    found = {int(word) & ~mark: bool(int(word) & mark) for word in words}
    assert len(found) == len(words)  # none twice
    return found


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 8),
    size=st.sampled_from([1, 3, 50, 2**24]),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_all_states_that_meet_the_conditions(
    method: str, n: int, size: int, seed: int, data: st.DataObject
) -> None:
    G, slack, doubt, order = draw_conditions(n, size, seed)
    n_low = data.draw(st.integers(0, n - 1))
    n_held = data.draw(st.integers(1, n - n_low))
    tasks = np.arange(2**n_held, dtype=np.uint64)
    found, counts = run(method, (G, slack, doubt, order), n_low, tasks, n_held, 2**n, 1)
    together = np.concatenate([found[k, : counts[k]] for k in range(len(tasks))])
    assert read(together) == naive.find_in_conditions(G, slack, doubt, {})
    task = data.draw(st.integers(0, 2**n_held - 1))
    held = {int(order[n - n_held + k]): 2 * (task >> k & 1) - 1 for k in range(n_held)}
    assert read(found[task, : counts[task]]) == naive.find_in_conditions(G, slack, doubt, held)


@pytest.mark.parametrize("method", METHODS)
def test_blocks_of_several_chunks_and_any_number_of_workers(method: str) -> None:
    conditions = draw_conditions(12, 40, 5, ease=3)
    tasks = np.array([3, 0, 5, 1], np.uint64)
    expected, expected_counts = run(method, conditions, 8, tasks, 3, 600, 1)
    assert expected_counts.sum() > 20
    for n_low, workers in ((8, 2), (9, 1), (5, 2)):
        found, counts = run(method, conditions, n_low, tasks, 3, 600, workers)
        np.testing.assert_array_equal(counts, expected_counts)
        for k in range(len(tasks)):
            assert read(found[k, : counts[k]]) == read(expected[k, : counts[k]])
            if n_low == 8:  # the same order, too
                np.testing.assert_array_equal(found[k], expected[k])


@pytest.mark.parametrize("size", [3, 2**21])
@pytest.mark.parametrize("method", METHODS)
def test_more_neurons_than_a_vector_holds(method: str, size: int) -> None:
    n, n_held = 40, 31
    G, slack, doubt, order = draw_conditions(n, size, 3, ease=3)
    rng = np.random.default_rng(4)
    tasks = rng.integers(0, 2**n_held, 30, dtype=np.uint64)
    found, counts = run(method, (G, slack + 9 * size, doubt, order), 4, tasks, n_held, 2**9, 2)
    assert counts.sum() > 20
    for k in np.flatnonzero(counts)[:4]:
        bits = [int(tasks[k]) >> i & 1 for i in range(n_held)]
        held = {int(order[n - n_held + i]): 2 * bit - 1 for i, bit in enumerate(bits)}
        expected = naive.find_in_conditions(G, slack + 9 * size, doubt, held)
        assert read(found[k, : counts[k]]) == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 2**12, 2**24])
def test_a_state_whose_conditions_just_hold_is_found(method: str, size: int) -> None:
    n, rng = 12, np.random.default_rng(5)
    for seed in range(10):
        G, slack, doubt, order = draw_conditions(n, size, seed)
        spins = rng.choice([-1, 1], n)
        slack[:] = -spins * (G @ spins)
        word = sum(2**i for i in range(n) if spins[i] > 0)
        for below, n_expected in ((0, 1), (1, 0)):
            conditions = (G, slack - below, 0 * doubt, order)
            found, counts = run(method, conditions, 4, np.arange(2, dtype=np.uint64), 1, 2**11, 1)
            words = [w for k in range(2) for w in read(found[k, : counts[k]])]
            assert words.count(word) == n_expected


@pytest.mark.parametrize("method", METHODS)
def test_what_there_is_no_room_for_is_counted_and_not_written(method: str) -> None:
    conditions = draw_conditions(8, 40, 3)
    tasks = np.arange(2, dtype=np.uint64)
    everything, counts = run(method, conditions, 4, tasks, 1, 256, 1)
    assert counts.min() > 2
    found, again = run(method, conditions, 4, tasks, 1, 2, 1)
    np.testing.assert_array_equal(again, counts)
    np.testing.assert_array_equal(found, everything[:, :2])


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.integers(0, 2**64 - 1), max_size=12),
    n_words=st.sampled_from([1, 2]),
    workers=st.sampled_from([1, 2]),
)
def test_distances_pair_by_pair(words: list[int], n_words: int, workers: int) -> None:
    used = words[: len(words) // n_words * n_words]
    packed = np.array(used, np.uint64).reshape(-1, n_words)
    states = [sum(int(word) << 64 * k for k, word in enumerate(row)) for row in packed]
    counts = np.zeros((workers, 64 * n_words + 1), np.int64)
    half = len(packed) // 2
    for first, stop in ((0, half), (half, len(packed))):
        work = partial(count_distances, packed, first, stop, counts)
        share_out(workers, work, range(workers))
    histogram = 2 * counts.sum(axis=0)
    histogram[0] += len(packed)
    assert histogram.tolist() == naive.count_distances(states, 64 * n_words)


@pytest.mark.parametrize("n", [0, 1, 4, 7])
def test_walsh_transform(n: int) -> None:
    values = np.random.default_rng(n).integers(-5, 6, 2**n).astype(np.int32)
    expected = naive.transform_walsh(values.tolist())
    transform_walsh(values)
    assert values.tolist() == expected


@pytest.mark.parametrize("n_low", [0, 3, 6])
def test_powers_of_the_transform_block_by_block(n_low: int) -> None:
    n = 6
    words = np.random.default_rng(1).permutation(2**n)[:20].astype(np.uint64)
    powers = np.zeros(n + 1, np.int64)
    for high in range(2 ** (n - n_low)):
        values = np.zeros(2**n_low, np.int32)
        add_signed(words, np.uint64(high), n_low, values)
        transform_walsh(values)
        add_powers(values, high.bit_count(), powers)
    assert powers.tolist() == naive.sum_powers(words.tolist(), n)
