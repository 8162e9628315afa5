"""Implicit couplings: the kernels equal the plain references, on any threads and CPU."""

import os
import subprocess
import sys
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest

import naive
import naive_implicit
from binnet._threads import running_on
from binnet_kernels import implicit
from binnet_kernels._rng import shuffle_sites
from kernel_cases import draw_spins

KEY = np.uint64(20240601)


def draw_couplings(n_neurons: int, n_signs: int) -> np.ndarray:
    n = np.full((n_neurons, n_neurons), 99, np.int8)
    implicit.draw_couplings_implicit(KEY, n_signs, n)
    return n


def make_field(n_neurons: int) -> np.ndarray:
    n_tiles = -(-n_neurons // implicit.TILE_NEURONS)
    return np.zeros(n_tiles * implicit.TILE_NEURONS, np.int32)


@pytest.mark.parametrize("n_signs", [1, 3, 16])
@pytest.mark.parametrize("n_neurons", [1, 5, 63, 64, 65, 90])
def test_draw_couplings(n_neurons: int, n_signs: int) -> None:
    expected = naive_implicit.couplings(int(KEY), n_neurons, n_signs)
    assert draw_couplings(n_neurons, n_signs).tolist() == expected.tolist()


# Across the borders of groups of 8 and 32 streams, tiles (2048 neurons), blocks (4064 streams) and
# slabs (32 512 streams, less than 2100 x 16).
@pytest.mark.parametrize("n_signs", [1, 16])
@pytest.mark.parametrize("n_neurons", [1, 30, 64, 100, 2048, 2100, 4200])
def test_add_columns(n_neurons: int, n_signs: int) -> None:
    rng = np.random.default_rng(n_neurons)
    n = draw_couplings(n_neurons, n_signs).astype(np.int32)
    scratch = implicit.make_scratch_implicit(n_neurons)
    for n_events in {0, 1, 7, 8, 31, 33, 300, n_neurons - 1, n_neurons}:
        if not 0 <= n_events <= n_neurons:
            continue
        sites = rng.permutation(n_neurons)
        spins = draw_spins(rng, (n_neurons,))
        start = rng.integers(-50, 50, n_neurons, np.int32)
        for factor in (1, 2):
            expected = start + factor * (n[:, sites[:n_events]] @ spins[:n_events])
            for threads in (1, 2):
                field = make_field(n_neurons)
                field[:n_neurons] = start
                with running_on(threads):
                    implicit.add_columns_implicit(
                        KEY, n_neurons, n_signs, sites, spins, n_events, factor, scratch, field
                    )
                assert (field[:n_neurons] == expected).all()


def relax(
    n_neurons: int, n_signs: int, start: np.ndarray, theta: Fraction, asynchronous: bool
) -> tuple[list[int], list[int]]:
    """Drive the kernels for 30 sweeps, or until nothing flips."""
    field, scratch = make_field(n_neurons), implicit.make_scratch_implicit(n_neurons)
    state, thresholds = start.copy(), (floor(theta), ceil(theta))
    sites, spins = np.arange(n_neurons), start.copy()
    column_keys = np.zeros(5, np.uint64)  # few, so that the list of flips is often full
    common = KEY, n_neurons, n_signs, sites, spins
    implicit.add_columns_implicit(*common, n_neurons, 1, scratch, field)
    flips = []
    for t in range(30):
        flips.append(0)
        if asynchronous:
            order = np.empty(n_neurons, np.int64)
            shuffle_sites(naive_key(t), order)
            k = 0
            while k < n_neurons:
                k, n_flips = implicit.visit_sites_implicit(
                    KEY, n_signs, order, k, field, state, thresholds, sites, spins, column_keys
                )
                implicit.add_columns_implicit(*common, n_flips, 2, scratch, field)
                flips[-1] += n_flips
        else:
            flips[-1] = implicit.find_flips_implicit(field, state, *thresholds, sites, spins)
            state[sites[: flips[-1]]] = spins[: flips[-1]]
            implicit.add_columns_implicit(*common, flips[-1], 2, scratch, field)
        if flips[-1] == 0:
            break
    return state.tolist(), flips


def naive_key(t: int) -> np.uint64:
    return np.uint64(naive.derive_key(7, t))


# J_D on the lattice of the fields (ties are common: sign(0) = +1) and off it.
@pytest.mark.parametrize("theta", [Fraction(0), Fraction(4), Fraction(9, 2), Fraction(10**9)])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("n_signs", [1, 2])
def test_relaxation(n_signs: int, asynchronous: bool, theta: Fraction) -> None:
    n_neurons = 66
    n = naive_implicit.couplings(int(KEY), n_neurons, n_signs)
    rng = np.random.default_rng(3)
    for _ in range(3):
        start = draw_spins(rng, (n_neurons,))
        state, flips = relax(n_neurons, n_signs, start, theta, asynchronous)
        expected = naive_implicit.relax(
            n, start.tolist(), theta, 7, 30, dynamics="async" if asynchronous else "sync"
        )
        assert flips[: len(expected.flips)] == expected.flips
        if expected.status == naive.FIXED_POINT:
            assert state == expected.s


SUM = """
import numpy as np
from binnet_kernels import implicit
from binnet_kernels._rng import shuffle_sites
n = 300
field, scratch = np.zeros(implicit.TILE_NEURONS, np.int32), implicit.make_scratch_implicit(n)
spins = np.where(np.arange(n) % 3 == 0, 1, -1).astype(np.int8)
implicit.add_columns_implicit(np.uint64(5), n, 4, np.arange(n), spins, n, 1, scratch, field)
print(field[:n].tolist())
"""


def test_same_on_a_plain_cpu(tmp_path) -> None:
    """Compiled for a CPU without wide vectors, the integers are the same."""
    printed = []
    for name in ("generic", "host"):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": name}
        if name == "generic":
            environment["NUMBA_CPU_FEATURES"] = ""
        else:
            del environment["NUMBA_CPU_NAME"]
        code = f"import sys; sys.path[:] = {sys.path!r}\n{SUM}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
