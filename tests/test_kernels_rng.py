"""Counter-based random numbers and packed spins: exactly the references, and fit for use."""

from collections import Counter

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import naive
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples, popcount
from binnet_kernels.lowlevel.rng import (
    derive_key,
    derive_keys,
    draw_below,
    draw_uniform,
    mix,
    shuffle_sites,
)

KEY = np.uint64(20240601)
words = st.integers(0, 2**64 - 1)


# ---- the draws


def test_is_splitmix64() -> None:
    # The first outputs of SplitMix64 from seed 0, by its authors' C code (splitmix64.c).
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert [derive_key(np.uint64(0), k) for k in range(4)] == published
    assert [naive.derive_key(0, k) for k in range(4)] == published


@settings(deadline=None)
@given(word=words, counter=st.integers(0, 2**40), bound=st.integers(1, 2**31))
def test_equals_the_reference(word: int, counter: int, bound: int) -> None:
    key = np.uint64(word)
    assert mix(key) == naive.mix(word)
    assert derive_key(key, counter) == naive.derive_key(word, counter)
    assert draw_uniform(key, counter) == naive.draw_uniform(word, counter)
    assert draw_below(key, counter, bound) == naive.draw_below(word, counter, bound)


@settings(deadline=None)
@given(word=words, n=st.integers(0, 50))
def test_shuffle_is_a_permutation(word: int, n: int) -> None:
    order = np.full(n, -1, np.int64)
    shuffle_sites(np.uint64(word), order)
    assert sorted(order) == list(range(n))
    assert order.tolist() == naive.shuffle_sites(word, n)


def test_derive_keys_are_the_keys() -> None:
    keys = derive_keys(KEY, 5, 3)
    assert keys.dtype == np.uint64
    assert keys.tolist() == [naive.derive_key(int(KEY), k) for k in (5, 6, 7)]


def assert_uniform(values: list, n_cells: int) -> None:
    """Chi-square against equal cells; the seed is fixed, so this passes always or never."""
    counts = Counter(values)
    observed = [*counts.values(), *[0] * (n_cells - len(counts))]
    assert len(observed) == n_cells
    assert 0.001 < stats.chisquare(observed).pvalue < 0.999


def test_uniform_within_a_stream() -> None:
    draws = np.array([draw_uniform(KEY, k) for k in range(40_000)])
    assert draws.min() >= 0
    assert draws.max() < 1
    cells = (draws * 16).astype(int)
    assert_uniform(cells.tolist(), 16)
    assert_uniform(list(zip(cells[:-1:2], cells[1::2], strict=True)), 256)


def test_uniform_across_streams() -> None:
    # As the kernels draw: for a site, in sweep t, of sample b.
    cells = np.empty((20_000, 2), int)
    for b in range(len(cells)):
        for t in range(2):
            key = np.uint64(derive_key(np.uint64(derive_key(KEY, b)), t))
            cells[b, t] = 8 * draw_uniform(key, 3)
    assert_uniform(list(zip(cells[:, 0], cells[:, 1], strict=True)), 64)
    assert_uniform(list(zip(cells[::2, 0], cells[1::2, 0], strict=True)), 64)


def test_uniform_below_a_bound() -> None:
    draws = [draw_below(KEY, k, 7) for k in range(30_000)]
    assert_uniform(draws, 7)


def test_every_permutation_is_as_likely() -> None:
    order = np.empty(4, np.int64)
    orders = []
    for k in range(20_000):
        shuffle_sites(np.uint64(derive_key(KEY, k)), order)
        orders.append(tuple(order))
    assert_uniform(orders, 24)


# ---- bits


@numba.njit
def popcounts(words: np.ndarray) -> np.ndarray:
    counts = np.zeros(words.shape[0], np.int64)
    for k in range(words.shape[0]):
        counts[k] = popcount(words[k])
    return counts


def test_popcount() -> None:
    rng = np.random.default_rng(0)
    some = [0, 1, 2**31, 2**32 - 1, *rng.integers(0, 2**32, 200).tolist()]
    assert popcounts(np.array(some, np.uint32)).tolist() == [word.bit_count() for word in some]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [1, 7, WORD_BITS])
def test_pack_samples(dtype: type, n_samples: int) -> None:
    first, start, stop, n_columns = 2, 3, 40, 45
    rng = np.random.default_rng(n_samples)
    spins = rng.integers(-1, 2, (first + n_samples + 1, n_columns)).astype(dtype)
    signs, mask = np.full((2, n_columns), 0xDEAD, np.uint32)  # what was there is overwritten ...
    pack_samples(spins, first, n_samples, start, stop, signs, mask)
    expected = naive.pack_samples(spins[first : first + n_samples, start:stop])
    assert signs[start:stop].tolist() == expected[0]
    assert mask[start:stop].tolist() == expected[1]
    for column in {*range(n_columns)} - {*range(start, stop)}:  # ... and nothing beside it
        assert signs[column] == mask[column] == 0xDEAD
