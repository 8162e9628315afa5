"""Integer kernels beyond the workloads of `binnet bench`: 2 and 4 bits, 256 states, all unstable.

A sweep takes ±1 states to the next states under the same couplings; peers hold them in float32, and
for 8 bits also in int8 (``torch._int_mm``). Plasticity is what a thread does to the couplings of
its bank in training: `thin_events` and `update_couplings_integer`. Both sides must find the same
states; the fields must be those of NumPy's int64 product. Both run on one thread and take turns in
this process. Without PyTorch NumPy is the only peer.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from binnet._provenance import describe_run
from binnet_kernels._jit import kernel
from binnet_kernels.integer.fields import (
    Packed,
    pack_spins,
    spread_bits,
    sweep_tiles,
    to_packed,
    unpack_spins,
)
from binnet_kernels.lowlevel.bits import pack_samples
from binnet_kernels.lowlevel.rounding import round_tile
from binnet_kernels.lowlevel.simd import address_of
from binnet_kernels.rules import integer_synapses as plasticity
from binnet_kernels.rules.integer_updates import update_couplings_integer
from binnet_kernels.structs import to_banks
from sides import fastest, has_torch

Array = NDArray[Any]
Work = Callable[[], Array]

N = 1600
ROUNDS = 30
SELF_COUPLING = 3  # in units of the accumulator


def take_turns(
    ours: Callable[[], object], peers: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of every side's calls, interleaved; the first call of each is left out."""
    sides = {"binnet": ours, **peers}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for k in range(rounds + 1):
        for name, work in sides.items():
            begun = time.perf_counter()
            work()
            if k > 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def summarise(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Return times and ratios: each peer against binnet, by the shortest and the median time."""
    facts: dict[str, Any] = {"threads": 1, "rounds": len(seconds["binnet"])}
    for name, times in seconds.items():
        facts[f"{name}_min"], facts[f"{name}_median"] = min(times), statistics.median(times)
        if name != "binnet":
            facts[f"{name}_ratio_of_min"] = min(times) / facts["binnet_min"]
            facts[f"{name}_ratio_of_median"] = facts[f"{name}_median"] / facts["binnet_median"]
    facts["load_average"] = os.getloadavg() if hasattr(os, "getloadavg") else None
    facts["cpu"] = describe_run(0, 1)["cpu"]
    return facts


def report(title: str, facts: dict[str, Any]) -> None:
    """Print what pytest-benchmark keeps as JSON."""
    numbers = {k: v for k, v in facts.items() if isinstance(v, int | float)}
    print(f"\n{title}: " + ", ".join(f"{k} {v:.3g}" for k, v in numbers.items()))


def measure_tile_peak(packed: Packed, words: Array) -> float:
    """Return couplings per second of the same code on one tile and 256 samples, in near caches."""
    tile = packed._replace(words=packed.words[:1], sums=packed.sums[:64], n_targets=64)
    n = 256
    states = np.resize(words, (n, words.shape[1]))
    out, fields = np.zeros((n, 1), np.uint64), np.zeros((n, 64), np.int32)
    external, octets = np.zeros((n, 64), np.int32), np.zeros((n, 64 * words.shape[1]), np.uint8)
    one, none = np.int32(1), np.int32(0)
    spread_bits(states, octets)
    seconds = fastest(
        lambda: sweep_tiles(tile, states, octets, external, one, none, 0, 1, out, fields)
    )
    return float(n * 64 * 64 * words.shape[1] / seconds)


@kernel
def round_rows(targets: Any, n_tiles: int, n_rows: int) -> None:
    """Round the same sums of events of `n_tiles` tiles, `n_rows` rows: as many draws."""
    here, keys = address_of(targets.bytes), address_of(targets.keys)
    spread, out = address_of(targets.spread), address_of(targets.levels)
    for _ in range(n_tiles):
        round_tile(here, spread, n_rows, 0, keys, 0, 3, out, 0, here, 0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS, and PyTorch where it is installed, run on one thread."""
    if not has_torch():
        with threadpool_limits(1):
            yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def numpy_sweeps(matrix: Array, spins: Array) -> dict[str, Work]:
    """Return the sweep in NumPy."""
    states, transposed = spins.astype(np.float32), np.ascontiguousarray(matrix.T)
    sums = np.empty((len(spins), len(matrix)), np.float32)

    def with_numpy() -> Array:
        np.matmul(states, transposed, out=sums)
        return np.where(sums >= 0, np.float32(1), np.float32(-1))

    return {"numpy": with_numpy}


def torch_sweeps(matrix: Array, spins: Array, bits: int) -> dict[str, Work]:
    """Return the sweep in PyTorch, in two layouts and in int8; nothing without it."""
    if not has_torch():
        return {}
    import torch

    n_samples, n = spins.shape
    states = torch.from_numpy(spins.astype(np.float32))
    transposed = torch.from_numpy(np.ascontiguousarray(matrix.T))
    state_columns, couplings = states.T.contiguous(), torch.from_numpy(matrix)
    product, columns = torch.empty(n_samples, n), torch.empty(n, n_samples)
    plus = torch.ones(1)

    def with_rows() -> Array:
        torch.mm(states, transposed, out=product)
        return np.asarray(torch.where(product >= 0, plus, -plus))

    def with_columns() -> Array:
        torch.mm(couplings, state_columns, out=columns)
        return np.asarray(torch.where(columns >= 0, plus, -plus)).T

    sweeps = {"torch": with_rows, "torch_columns": with_columns}
    if bits == 8 and n_samples > 16:  # torch._int_mm wants more than 16 rows
        int8_states = torch.from_numpy(spins)
        int8_matrix = torch.from_numpy(np.clip(matrix, -128, 127).astype(np.int8).T.copy())
        unit = torch.ones(1, dtype=torch.int8)

        def with_int_mm() -> Array:
            h = torch._int_mm(int8_states, int8_matrix)
            return np.asarray(torch.where(h >= 0, unit, -unit))

        sweeps["torch_int_mm"] = with_int_mm
    return sweeps


@pytest.mark.parametrize(
    ("bits", "n_samples"), [(2, 1), (2, 16), (4, 1), (4, 16), (1, 256), (8, 256)]
)
def test_dense_sweep(benchmark: Any, quick: bool, bits: int, n_samples: int) -> None:
    """One synchronous sweep of N = 1600 neurons, J_D in the field."""
    n = 256 if quick else N
    rng = np.random.default_rng(0)
    low, high = {1: (-1, 1), 2: (-1, 1), 4: (-8, 7), 8: (-128, 127)}[bits]
    couplings = rng.integers(low, high, (n, n), endpoint=True).astype(np.int8)
    if bits == 1:
        couplings[couplings == 0] = 1
    np.fill_diagonal(couplings, -1)  # what one bit has there; taken out of the self-coupling again
    spins = rng.choice(np.array([-1, 1], np.int8), (n_samples, n))
    own = SELF_COUPLING + 1
    packed, words = to_packed(couplings, bits), pack_spins(spins)
    external, fields = (np.zeros((n_samples, n), np.int32) for _ in range(2))
    out, octets = np.zeros_like(words), np.zeros((n_samples, n), np.uint8)
    one, own_coupling = np.int32(1), np.int32(own)

    def ours() -> None:
        if packed.is_bytes:
            spread_bits(words, octets)
        sweep_tiles(packed, words, octets, external, one, own_coupling, 0, n // 64, out, fields)

    matrix = couplings.astype(np.float32) + own * np.eye(n, dtype=np.float32)
    peers = numpy_sweeps(matrix, spins) | torch_sweeps(matrix, spins, bits)
    with one_thread():
        ours()
        found = unpack_spins(out, n)
        expected = spins.astype(np.int64) @ couplings.T.astype(np.int64)
        assert np.array_equal(fields, expected)
        for name, peer in peers.items():
            assert np.array_equal(peer(), found), name
        seconds = take_turns(ours, peers, 1 if quick else ROUNDS)
        benchmark.pedantic(ours, rounds=1 if quick else 20)
        facts = summarise(seconds)
        if not quick:
            peak = measure_tile_peak(packed, words)
            facts["couplings_per_second"] = n_samples * n * n / facts["binnet_min"]
            facts["fraction_of_tile_peak"] = facts["couplings_per_second"] / peak
            # One after the other, each with its couplings where it left them.
            facts["in_cache"] = fastest(ours)
            facts["ratio_in_cache"] = min(fastest(peer) for peer in peers.values())
            facts["ratio_in_cache"] /= facts["in_cache"]
    benchmark.extra_info.update(facts)
    report(f"dense sweep, {bits} bits, B={n_samples}", facts)


def addmm(weights: Array, unstable: Array, spins: Array) -> dict[str, Callable[[], object]]:
    """Return the update with decay in float32; nothing where PyTorch is not installed."""
    if not has_torch():
        return {}
    import torch

    dense = torch.from_numpy(weights.astype(np.float32))
    left = torch.from_numpy(spins.T.astype(np.float32).copy())
    right = torch.from_numpy(unstable.astype(np.float32))
    return {"torch_addmm": lambda: dense.addmm_(left, right, beta=1 - 1e-6, alpha=1e-3)}


@pytest.mark.parametrize(
    ("unstable_fraction", "rounding"),
    [(1.0, "whole"), (1.0, "per-event"), (1.0, "per-weight"), (0.05, "per-weight")],
)
def test_plasticity(benchmark: Any, quick: bool, unstable_fraction: float, rounding: str) -> None:
    """A batch of 16 samples updates J, N = 1600, int8; the peer is addmm_ with decay in float32."""
    rng = np.random.default_rng(1)
    n_samples, period = 16, 256
    spins = rng.choice(np.array([-1, 1], np.int8), (n_samples, N))
    unstable = (spins * (rng.random(spins.shape) < unstable_fraction)).astype(np.int8)
    weights = to_banks(rng.integers(-60, 61, (N, N)).astype(np.int8), 1)[0]  # as in training
    kind = plasticity.PER_EVENT if rounding == "per-event" else plasticity.PER_WEIGHT
    levels = plasticity.Levels(-128, 127, 1, 0 if rounding == "whole" else 3, kind, False)
    place = plasticity.Place(0, 0, True, np.zeros((0, 0, 0), np.uint8), 0, 0)
    targets, counts = plasticity.make_targets(np.ones(N, np.uint16)), np.zeros(2, np.int64)
    key = np.uint64(7)
    pre_signs, pre_mask, signs, mask, left = (np.zeros(N, np.uint32) for _ in range(5))
    pack_samples(spins, 0, n_samples, 0, N, pre_signs, pre_mask)
    pack_samples(unstable, 0, n_samples, 0, N, signs, mask)

    def update(target: Array) -> None:
        left[:] = mask  # what is thinned is drawn again in every batch
        plasticity.thin_events(levels, key, 0, left, targets, 0)
        update_couplings_integer(
            target, place, levels, key, pre_signs, pre_mask, signs, left, targets, counts
        )

    check = weights.copy()
    update(check)
    change = spins.T.astype(np.int64) @ unstable.astype(np.int64)
    np.fill_diagonal(change, 0)
    if rounding == "whole":
        assert np.array_equal(check, weights + change)  # |w| <= 76: nothing saturates
    else:  # each weight moves by at most its events, and by an eighth of them in the mean
        moved = (check.astype(int) - weights) * np.sign(change)
        assert moved.min() >= 0 or rounding == "per-event"
        assert abs(moved.sum() / np.abs(change).sum() - 1 / 8) < 0.02

    decay = plasticity.Levels(-128, 127, 1, 12, plasticity.PER_WEIGHT, False)
    copy = weights.copy()
    decay_seconds = fastest(
        lambda: plasticity.decay_integer(copy, place, decay, key, targets), 0.0 if quick else 0.1
    )
    with one_thread():
        seconds = take_turns(
            lambda: update(weights), addmm(weights, unstable, spins), 1 if quick else ROUNDS
        )
        benchmark.pedantic(lambda: update(weights), rounds=1 if quick else 20)
    # The decay comes every `period` batches: its share is added to every update.
    share = decay_seconds / period
    facts = summarise({**seconds, "binnet": [s + share for s in seconds["binnet"]]})
    facts |= {
        "targets_touched": float((unstable != 0).any(axis=0).mean()),
        "decay_share": share / facts["binnet_min"],
    }
    if not quick:
        facts["in_cache"] = fastest(lambda: update(weights)) + share
        for peer in addmm(weights, unstable, spins).values():
            facts["ratio_in_cache"] = fastest(peer) / facts["in_cache"]
        n_tiles = -(-int((unstable != 0).any(axis=0).sum()) // 64)
        # As many draws as there are synapses onto those that learn, and nothing else.
        facts["draws"] = fastest(lambda: round_rows(targets, n_tiles * N // 64, 64))
    benchmark.extra_info.update(facts)
    report(f"plasticity, {unstable_fraction:.0%} unstable, {rounding}", facts)
