"""Implicit couplings: the kernels equal the plain references, on any threads and CPU."""

import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import naive
import naive_implicit
from binnet._threads import share_out
from binnet_kernels.lowlevel.rng import shuffle_sites
from binnet_kernels.relaxation import implicit
from binnet_kernels.relaxation.replicas import FreeNetwork, Replicas, make_search
from kernel_cases import draw_spins

KEY = np.uint64(20240601)


def draw_couplings(n_neurons: int, n_signs: int) -> np.ndarray:
    n = np.full((n_neurons, n_neurons), 99, np.int8)
    half = n_neurons // 2
    for first, stop in ((0, half), (half, n_neurons)):
        implicit.draw_couplings_implicit(KEY, n_signs, first, stop, n)
    return n.T


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
    n_tiles = implicit.count_tiles(n_neurons)
    for n_events in {0, 1, 7, 8, 31, 33, 300, n_neurons - 1, n_neurons}:
        if not 0 <= n_events <= n_neurons:
            continue
        sites = rng.permutation(n_neurons)
        state = draw_spins(rng, (n_neurons,))
        start = rng.integers(-50, 50, n_neurons, np.int32)
        listed = sites[:n_events]
        for factor, threads in ((1, 1), (2, 2)):
            field = make_field(n_neurons)
            field[:n_neurons] = start
            size = -(-n_tiles // threads)

            def add(
                tile: int,
                size: int = size,
                arguments: tuple[Any, ...] = (
                    implicit.ImplicitCouplings(KEY, n_signs),
                    sites,
                    n_events,
                    factor,
                    state,
                ),
                field: np.ndarray = field,
            ) -> None:
                stop = min(tile + size, n_tiles)
                scratch = implicit.make_scratch_implicit()
                implicit.add_columns_implicit(*arguments, tile, stop, scratch, field)

            share_out(threads, add, range(0, n_tiles, size))
            expected = start + factor * (n[:, listed] @ state[listed])
            assert (field[:n_neurons] == expected).all()


@pytest.mark.parametrize("theta", [0, 3, 8])
@pytest.mark.parametrize("n_listed", [1, 5, 100])
@pytest.mark.parametrize("n_signs", [1, 2])
def test_visit_sites(n_signs: int, n_listed: int, theta: int) -> None:
    """A sweep in several calls is a sweep in which each visit sees all flips before it."""
    n_neurons, t = 100, 5
    n = draw_couplings(n_neurons, n_signs).astype(np.int32)
    start = draw_spins(np.random.default_rng(3), (1, n_neurons))
    field = make_field(n_neurons)
    field[:n_neurons] = n @ start[0]
    replicas = Replicas(start.copy(), field[None], start)
    site_keys = np.arange(n_neurons).astype(np.uint64)
    search = make_search(start, site_keys)
    order = np.empty(n_neurons, np.int64)
    shuffle_sites(np.uint64(naive.derive_key(7, t)), order)
    network = FreeNetwork(
        implicit.ImplicitCouplings(KEY, n_signs), np.zeros(n_neurons, np.int32), np.int32(theta)
    )
    sites, listed = np.zeros(n_listed, np.int32), np.zeros((2, n_listed), np.uint64)
    k, flipped, distance = 0, [], 0
    while k < n_neurons:
        k, n_flips, farther = implicit.visit_sites_implicit(
            network, order, k, replicas, search, 0, sites, listed
        )
        assert n_flips <= n_listed
        field[:n_neurons] += 2 * n[:, sites[:n_flips]] @ replicas.state[0, sites[:n_flips]]
        flipped += sites[:n_flips].tolist()
        distance += farther
    expected = naive_implicit.sweep_async(
        n, start[0].tolist(), Fraction(theta), naive.derive_key(7, t)
    )
    assert replicas.state[0].tolist() == expected
    assert sorted(flipped) == np.flatnonzero(start[0] != expected).tolist()
    assert distance == len(flipped)
    assert search.hashes[0, 0] == np.bitwise_xor.reduce(site_keys[flipped])


SUM = """
import numpy as np
from binnet_kernels.relaxation import implicit
from binnet_kernels.lowlevel.rng import shuffle_sites
from binnet_kernels.relaxation.replicas import FreeNetwork, Replicas, make_search
n = 300
field, scratch = np.zeros(implicit.TILE_NEURONS, np.int32), implicit.make_scratch_implicit()
spins = np.where(np.arange(n) % 3 == 0, 1, -1).astype(np.int8)
couplings = implicit.ImplicitCouplings(np.uint64(5), 4)
implicit.add_columns_implicit(couplings, np.arange(n), n, 1, spins, 0, 1, scratch, field)
print(field[:n].tolist())
"""


@pytest.mark.long
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
