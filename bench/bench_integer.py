"""Integer kernels against NumPy and PyTorch: dense sweeps with 1- and 8-bit couplings, plasticity.

A sweep takes ±1 states to the next states under the same couplings; peers hold them in float32, and
for 8 bits also in int8 (``torch._int_mm``). Both sides must find the same states; the fields must
be those of NumPy's int64 product. Both run on one thread and take turns in this process, where the
machine's limits are measured, too.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from binnet._provenance import describe_run
from binnet_kernels.integer.fields import (
    Packed,
    pack_spins,
    spread_bits,
    sweep_tiles,
    to_packed,
    unpack_spins,
)
from binnet_kernels.rules import integer as plasticity
from kernel_limits import measure_limits

N = 1600
ROUNDS = 30
SELF_COUPLING = 3  # in units of the accumulator


def take_turns(
    ours: Callable[[], Any], peers: dict[str, Callable[[], Any]], rounds: int
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


def measure_tile_peak(packed: Packed, words: np.ndarray) -> float:
    """Return couplings per second of the same code on one tile that stays in the first cache."""
    tile = packed._replace(
        planes=np.ascontiguousarray(packed.planes[:, :, :64]),
        octets=np.ascontiguousarray(packed.octets[:, :64]),
        sums=packed.sums[:64],
        n_targets=64,
    )
    n = min(len(words), 16)
    out, fields = np.zeros((n, 1), np.uint64), np.zeros((n, 64), np.int32)
    external, states = np.zeros((n, 64), np.int32), np.ascontiguousarray(words[:n])
    octets, room = np.zeros((n, 64 * words.shape[1]), np.uint8), np.zeros((2, 64), np.int32)
    one, none = np.int32(1), np.int32(0)
    times = []
    for _ in range(200):
        begun = time.perf_counter()
        for _ in range(10):
            sweep_tiles(tile, states, octets, external, one, none, 0, 1, out, fields, room)
        times.append((time.perf_counter() - begun) / 10)
    return n * 64 * N / min(times)


@pytest.mark.parametrize("n_samples", [1, 16, 256])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_dense_sweep(benchmark: Any, bits: int, n_samples: int) -> None:
    """One synchronous sweep of N = 1600 neurons, J_D in the field."""
    rng = np.random.default_rng(0)
    low, high = {1: (-1, 1), 2: (-1, 1), 4: (-8, 7), 8: (-128, 127)}[bits]
    couplings = rng.integers(low, high, (N, N), endpoint=True).astype(np.int8)
    if bits == 1:
        couplings[couplings == 0] = 1
    np.fill_diagonal(couplings, -1)  # what one bit has there; taken out of the self-coupling again
    spins = rng.choice(np.array([-1, 1], np.int8), (n_samples, N))
    own = SELF_COUPLING + 1
    packed, words = to_packed(couplings, bits), pack_spins(spins)
    external, fields = (np.zeros((n_samples, N), np.int32) for _ in range(2))
    out, octets = np.zeros_like(words), np.zeros((n_samples, N), np.uint8)
    room, one, own_coupling = np.zeros((2, 64), np.int32), np.int32(1), np.int32(own)

    def ours() -> None:
        if packed.is_bytes:
            spread_bits(words, octets)
        sweep_tiles(
            packed, words, octets, external, one, own_coupling, 0, N // 64, out, fields, room
        )

    matrix = couplings.astype(np.float32) + own * np.eye(N, dtype=np.float32)
    states = spins.astype(np.float32)
    transposed = np.ascontiguousarray(matrix.T)
    torch_states, torch_transposed = torch.from_numpy(states), torch.from_numpy(transposed)
    torch_columns = torch.from_numpy(np.ascontiguousarray(states.T))
    torch_matrix = torch.from_numpy(matrix)
    product, columns = torch.empty(n_samples, N), torch.empty(N, n_samples)
    sums = np.empty((n_samples, N), np.float32)
    plus = torch.ones(1)

    def with_numpy() -> np.ndarray:
        np.matmul(states, transposed, out=sums)
        return np.where(sums >= 0, np.float32(1), np.float32(-1))

    def with_torch() -> np.ndarray:
        torch.mm(torch_states, torch_transposed, out=product)
        return torch.where(product >= 0, plus, -plus).numpy()

    def with_torch_columns() -> np.ndarray:
        torch.mm(torch_matrix, torch_columns, out=columns)
        return torch.where(columns >= 0, plus, -plus).numpy().T

    peers = {"numpy": with_numpy, "torch": with_torch, "torch_columns": with_torch_columns}
    if bits == 8 and n_samples > 16:  # torch._int_mm wants more than 16 rows
        clipped = np.clip(couplings.astype(int) + own * np.eye(N, dtype=int), -128, 127)
        int8_states = torch.from_numpy(spins)
        int8_matrix = torch.from_numpy(clipped.astype(np.int8).T.copy())
        unit = torch.ones(1, dtype=torch.int8)

        def with_int_mm() -> np.ndarray:
            h = torch._int_mm(int8_states, int8_matrix)
            return torch.where(h >= 0, unit, -unit).numpy()

        peers["torch_int_mm"] = with_int_mm

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            ours()
            found = unpack_spins(out, N)
            expected = spins.astype(np.int64) @ couplings.T.astype(np.int64)
            assert np.array_equal(fields, expected)
            for name, peer in peers.items():
                assert np.array_equal(peer(), found), name
            seconds = take_turns(ours, peers, 1 if benchmark.disabled else ROUNDS)
            benchmark.pedantic(ours, rounds=1 if benchmark.disabled else 20)
            facts = summarise(seconds)
            if not benchmark.disabled:
                n_bytes = packed.planes.nbytes + packed.octets.nbytes
                limits = measure_limits(2 * int((n_bytes / 16) ** 0.5))
                peak = measure_tile_peak(packed, words)
                facts["couplings_per_second"] = n_samples * N * N / facts["binnet_min"]
                facts["fraction_of_tile_peak"] = facts["couplings_per_second"] / peak
                facts["fraction_of_bandwidth"] = n_bytes / facts["binnet_min"] / limits["bandwidth"]
                facts["limit"] = "bandwidth" if n_samples == 1 else "arithmetic"
    finally:
        torch.set_num_threads(before)
    benchmark.extra_info.update(facts)
    report(f"dense sweep, {bits} bits, B={n_samples}", facts)


@pytest.mark.parametrize("rounding", ["whole", "per-event", "per-weight"])
@pytest.mark.parametrize("unstable_fraction", [0.05, 1.0])
def test_plasticity(benchmark: Any, unstable_fraction: float, rounding: str) -> None:
    """A batch of 16 samples updates J, N = 1600, int8; the peer is addmm_ with decay in float32."""
    rng = np.random.default_rng(1)
    n_samples, period = 16, 256
    spins = rng.choice(np.array([-1, 1], np.int8), (n_samples, N))
    unstable = (spins * (rng.random(spins.shape) < unstable_fraction)).astype(np.int8)
    weights = rng.integers(-60, 61, (N, N)).astype(np.int8)
    kind = plasticity.PER_EVENT if rounding == "per-event" else plasticity.PER_WEIGHT
    levels = plasticity.Levels(-128, 127, 1, 0 if rounding == "whole" else 3, kind, False)
    registers, total = np.ones(N, np.uint16), np.zeros(N, np.int8)
    key = np.uint64(7)

    def update(target: np.ndarray) -> None:
        plasticity.update_rows_integer(
            target, levels, key, 0, False, unstable, spins, registers, total
        )

    check = weights.copy()
    update(check)
    change = unstable.T.astype(np.int64) @ spins.astype(np.int64)
    if rounding == "whole":
        assert np.array_equal(check, weights + change)  # |w| <= 76: nothing saturates
    else:  # each weight moves by at most its events, and by an eighth of them in the mean
        moved = (check.astype(int) - weights) * np.sign(change)
        assert moved.min() >= 0 or rounding == "per-event"
        assert abs(moved.sum() / np.abs(change).sum() - 1 / 8) < 0.02

    dense, left = (
        torch.from_numpy(weights.astype(np.float32)),
        torch.from_numpy(unstable.T.astype(np.float32).copy()),
    )
    right = torch.from_numpy(spins.astype(np.float32))
    decay = plasticity.Levels(-128, 127, 1, 12, plasticity.PER_WEIGHT, False)
    begun = time.perf_counter()
    plasticity.decay_integer(weights.T.copy(), decay, key, 0, registers)
    begun = time.perf_counter()
    plasticity.decay_integer(weights.T.copy(), decay, key, 0, registers)
    decay_seconds = time.perf_counter() - begun
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        peers = {"torch_addmm": lambda: dense.addmm_(left, right, beta=1 - 1e-6, alpha=1e-3)}
        seconds = take_turns(lambda: update(weights), peers, 1 if benchmark.disabled else ROUNDS)
        benchmark.pedantic(lambda: update(weights), rounds=1 if benchmark.disabled else 20)
    finally:
        torch.set_num_threads(before)
    # The decay comes every `period` batches: its share is added to every update.
    share = decay_seconds / period
    facts = summarise({**seconds, "binnet": [s + share for s in seconds["binnet"]]})
    touched = float((unstable != 0).any(axis=0).mean())
    facts |= {"rows_touched": touched, "decay_share": share / facts["binnet_min"]}
    if not benchmark.disabled:
        bandwidth = measure_limits(N // 2)["bandwidth"]
        facts["fraction_of_bandwidth"] = 2 * touched * N * N / facts["binnet_min"] / bandwidth
        facts["limit"] = "bandwidth" if rounding != "per-weight" else "arithmetic (hashes)"
    benchmark.extra_info.update(facts)
    report(f"plasticity, {unstable_fraction:.0%} unstable, {rounding}", facts)
