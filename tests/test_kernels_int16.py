"""Sums of 16-bit couplings against plain loops: dense products, events, and who is unstable."""

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.lowlevel.unstable import LANES, find_unstable
from binnet_kernels.relaxation.events_int16 import add_lists_in_turn_int16, add_lists_int16
from binnet_kernels.relaxation.fields_int16 import accumulate_fields_int16
from kernel_cases import draw_spins

Pair = tuple[np.ndarray, np.ndarray]


def draw_couplings(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return couplings over the whole range of 16 bits."""
    return rng.integers(-32768, 32768, (n, n)).astype(np.int16)


def choose_columns(n: int, seed: int) -> tuple[int, int]:
    """Return all columns, or those from some strip on up to another."""
    if seed % 2:
        return 0, n
    return n // 96 * 32, max(n // 96, 2 * n // 96) * 32 or n


# ---- dense products


def multiply(n: int, n_rows: int, seed: int) -> Pair:
    """Return what the kernel adds to some rows, and what it should."""
    rng = np.random.default_rng(seed)
    couplings = draw_couplings(rng, n)
    states = draw_spins(rng, (n_rows + 2, n)).astype(np.int16)
    rows = rng.permutation(n_rows + 2)
    out = rng.integers(-9, 10, (n_rows + 2, n)).astype(np.int32)
    sums = np.array(
        naive.accumulate_fields(
            couplings.astype(int), states.astype(int), rows[:n_rows].tolist(), out
        )
    )
    begin, stop = choose_columns(n, seed)
    expected = out.copy()
    expected[:, begin:stop] = sums[:, begin:stop]
    accumulate_fields_int16(couplings, states, rows, n_rows, out, begin, stop)
    return out, expected


@settings(deadline=None, max_examples=15, derandomize=True)
@given(n=st.integers(1, 40), n_rows=st.integers(0, 17), seed=st.integers(0, 2**32))
def test_products(n: int, n_rows: int, seed: int) -> None:
    found, expected = multiply(n, n_rows, seed)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("n", [63, 64, 97, 132])
@pytest.mark.parametrize("n_rows", [1, 9])
def test_products_of_several_strips_and_blocks(n: int, n_rows: int) -> None:
    for seed in (n, n + 1):
        found, expected = multiply(n, n_rows, seed)
        assert np.array_equal(found, expected)


# ---- events


class Lists(NamedTuple):
    """What `add_lists_int16` reads of a `Workspace`."""

    sites: np.ndarray
    changes: np.ndarray
    n_events: np.ndarray


def add_events(n: int, n_rows: int, fraction: float, seed: int, way: str) -> Pair:
    """Return what the kernel adds to some fields, and what it should."""
    rng = np.random.default_rng(seed)
    couplings = draw_couplings(rng, n)
    lists = Lists(
        np.zeros((n_rows + 1, n), np.int32),
        np.zeros((n_rows + 1, n), np.int16),
        np.zeros(n_rows + 1, np.int64),
    )
    fields = rng.integers(-9, 10, (n_rows + 1, n)).astype(np.int32)
    expected = fields.copy()
    begin, stop = choose_columns(n, seed)
    rows = rng.permutation(n_rows + 1)
    for b in rows[:n_rows]:
        sites = np.flatnonzero(rng.random(n) < fraction)
        changes = 2 * draw_spins(rng, (len(sites),))
        lists.sites[b, : len(sites)], lists.changes[b, : len(sites)] = sites, changes
        lists.n_events[b] = len(sites)
        for j, change in zip(sites, changes, strict=True):
            expected[b, begin:stop] += np.int32(change) * couplings[j, begin:stop].astype(np.int32)
    if way == "turns":
        cursors = np.zeros((n_rows + 1, 2), np.int64)
        invoke(
            add_lists_in_turn_int16, couplings, 5, lists, cursors, rows, n_rows, fields, begin, stop
        )
    else:
        invoke(add_lists_int16, couplings, way == "far", lists, rows, n_rows, fields, begin, stop)
    return fields, expected


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    n=st.integers(1, 200),
    n_rows=st.integers(1, 5),
    fraction=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
    way=st.sampled_from(["near", "far", "turns"]),
)
def test_events(n: int, n_rows: int, fraction: float, seed: int, way: str) -> None:
    found, expected = add_events(n, n_rows, fraction, seed, way)
    assert np.array_equal(found, expected)


# ---- who is unstable


@kernel
def _find(external, field, state, J_D, first, out):  # type: ignore[no-untyped-def]
    out[0] = find_unstable(external, field, state, J_D, first)


def look(seed: int) -> Pair:
    """Return who is unstable by the bits of the kernel, and by a plain loop."""
    rng = np.random.default_rng(seed)
    n = LANES + 5
    external, field = rng.integers(-3, 4, (2, n)).astype(np.int32)
    state, J_D = draw_spins(rng, (n,)).astype(np.int16), np.int32(rng.integers(0, 4))
    word = np.zeros(1, np.uint64)
    _find(external, field, state, J_D, 3, word)
    found = [int(word[0]) >> i & 1 for i in range(LANES)]
    h = (external + field + J_D * state).tolist()
    expected = [naive.sign(h[i]) != state[i] for i in range(3, 3 + LANES)]
    return np.array(found), np.array(expected)


@pytest.mark.parametrize("seed", range(8))
def test_unstable(seed: int) -> None:
    found, expected = look(seed)
    assert np.array_equal(found, expected)


@pytest.mark.long
def test_the_same_without_avx512() -> None:
    """The same integers from the code for a processor that has nothing special."""
    code = (
        "import numpy as np, test_kernels_int16 as t\n"
        "pairs = [t.multiply(n, 9, n) for n in (1, 33, 70)]\n"
        "pairs += [t.add_events(n, 2, 0.5, n, way) for n in (1, 165) for way in ('far', 'turns')]\n"
        "pairs += [t.look(1)]\n"
        "assert all(np.array_equal(*pair) for pair in pairs)\n"
        "print('equal')"
    )
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "equal", done.stderr
