"""Relaxation of packed states with dense sums in every sweep, as a chip would do it.

The results are those of `relax_sync` and `relax_async` on integer arrays, bit by bit; those follow
the few flips of a sweep and are faster for a whole relaxation, these show what packed weights cost
and check the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.integer.fields import spread_bits, sum_packed, turn_spins
from binnet_kernels.lowlevel.bits import popcount
from binnet_kernels.lowlevel.rng import derive_key, shuffle_sites
from binnet_kernels.lowlevel.simd import TILE
from binnet_kernels.structs import FIXED_POINT, TWO_CYCLE, UNSETTLED, Array

_BLOCK = 16  # samples that share a pass over the couplings
_NEVER = -1  # amplitude at which a sample has settled


class Share(NamedTuple):
    """What a thread's samples keep from sweep to sweep, and the work space of a pass."""

    settled_at: Array  # (n,) int64: amplitude
    before: Array  # (n, W) uint64: states before the last sweep
    rows: Array  # (16,) int64: who of a pass is not at rest
    words: Array  # (16, W) uint64: their states
    octets: Array  # (16, 64 W) uint8: the same as bytes, where the weights are bytes
    fields: Array  # (16, K + padding) int32


def make_share(n_samples: int, n_words: int, width: int, is_bytes: bool) -> Share:
    """Return the share of so many samples before their first sweep."""
    return Share(
        settled_at=np.full(n_samples, _NEVER, np.int64),
        before=np.zeros((n_samples, n_words), np.uint64),
        rows=np.zeros(_BLOCK, np.int64),
        words=np.zeros((_BLOCK, n_words), np.uint64),
        octets=np.zeros((_BLOCK if is_bytes else 0, 64 * n_words), np.uint8),
        fields=np.zeros((_BLOCK, width), np.int32),
    )


@kernel
def sum_all(packed, words, share, out):
    """Write sum_j w_ij s_j of packed states (n, K / 64) into `out` (n, H + padding) int32."""
    for start in range(0, words.shape[0], _BLOCK):
        stop = min(words.shape[0], start + _BLOCK)
        octets = share.octets[: stop - start]
        if packed.is_bytes:
            spread_bits(words[start:stop], octets)
        for column in range(0, out.shape[1], TILE):
            sum_packed(packed, words[start:stop], octets, column, out[start:stop])


@kernel
def _count_flips(first, second):
    n_flips = 0
    for k in range(first.shape[0]):
        differ = first[k] ^ second[k]
        n_flips += popcount(np.uint32(differ & np.uint64(0xFFFFFFFF)))
        n_flips += popcount(np.uint32(differ >> np.uint64(32)))
    return n_flips


@kernel
def _is_equal(first, second):
    for k in range(first.shape[0]):
        if first[k] != second[k]:
            return False
    return True


@kernel
def _copy(source, target):
    for k in range(source.shape[0]):
        target[k] = source[k]


@kernel
def relax_packed_sync(
    packed, factor, self_coupling, drive, stop_at_cycle, first_sweep, last_sweep, start, share,
    states, awake, changes, sweeps, status,
):  # fmt: skip
    """Do sweeps first_sweep..last_sweep-1 of a share of packed states, synchronously.

    Parameters
    ----------
    packed : Packed
        Couplings.
    factor, self_coupling : int
        As of `sweep_tiles`.
    drive : Drive
        Integer arrays: external (B, H + padding), feedback (C, H + padding), amplitudes 0 or 1.
    stop_at_cycle : bool
    first_sweep, last_sweep : int
    start : int
        The first sample of the share.
    share : Share
        From `make_share`, and the same for each sweep.
    states : uint64 array (B, H / 64)
        Changed in place.
    awake : bool array (B,)
        False where all neurons are silent: couplings and self-coupling are then left out of the
        first fields.
    changes : int64 array (B, T)
    sweeps, status : int64 array (B,)
    """
    for base in range(0, share.settled_at.shape[0], _BLOCK):
        _relax_block(
            packed, factor, self_coupling, drive, stop_at_cycle, first_sweep, last_sweep, start,
            base, share, states, awake, changes, sweeps, status,
        )  # fmt: skip


@kernel
def _relax_block(
    packed, factor, self_coupling, drive, stop_at_cycle, first_sweep, last_sweep, start, base,
    share, states, awake, changes, sweeps, status,
):  # fmt: skip
    """Do the sweeps of the samples that share a pass, number `base` of the share and after it."""
    rows, words, octets, fields = share.rows, share.words, share.octets, share.fields
    stop = min(share.settled_at.shape[0], base + _BLOCK)
    width = fields.shape[1]
    for t in range(first_sweep, last_sweep):
        amplitude = drive.amplitudes[t]
        n_rows = 0
        for k in range(base, stop):
            if share.settled_at[k] != amplitude:
                rows[n_rows] = k
                _copy(states[start + k], words[n_rows])
                n_rows += 1
        if packed.is_bytes:
            spread_bits(words[:n_rows], octets)
        for column in range(0, width, TILE):
            sum_packed(packed, words[:n_rows], octets[:n_rows], column, fields)
        for k in range(n_rows):
            own_row, b = rows[k], start + rows[k]
            external, feedback = drive.external[b], drive.feedback[drive.labels[b]]
            scale, own = (factor, self_coupling) if awake[b] else (0 * factor, 0 * self_coupling)
            for i in range(width):
                fields[k, i] = scale * fields[k, i] + external[i] + amplitude * feedback[i]
            for word in range(states.shape[1]):
                states[b, word] = turn_spins(packed, fields[k], own, words[k, word], word * TILE)
            sweeps[b] += 1
            n_flips = _count_flips(states[b], words[k]) if awake[b] else packed.n_targets
            is_cycle = (
                stop_at_cycle
                and t > 1
                and drive.amplitudes[t - 1] == amplitude
                and _is_equal(states[b], share.before[own_row])
            )
            changes[b, t] = n_flips
            status[b] = UNSETTLED
            share.settled_at[own_row] = _NEVER
            if n_flips == 0:
                status[b] = FIXED_POINT
                share.settled_at[own_row] = amplitude
            elif is_cycle:
                status[b] = TWO_CYCLE
                share.settled_at[own_row] = amplitude
            _copy(words[k], share.before[own_row])
            awake[b] = True


@kernel
def _sum_row(row, is_binary, signs, mask):
    """Return sum_j w_j s_j over the neurons that are not silent; `row` (P, K / 32) are planes."""
    total = np.int64(0)
    n_planes = row.shape[0]
    for p in range(n_planes):
        plane = row[p]
        n_up, n_all = np.int64(0), np.int64(0)
        for k in range(plane.shape[0]):
            here = np.uint32(plane[k] & mask[k])
            n_all += popcount(here)
            n_up += popcount(np.uint32(here & signs[k]))
        value = np.int64(1) << p
        if p == n_planes - 1 and not is_binary:
            value = -value
        total += value * (2 * n_up - n_all)
    if is_binary:  # the bit b stands for 2 b - 1
        n_up, n_all = np.int64(0), np.int64(0)
        for k in range(mask.shape[0]):
            n_all += popcount(mask[k])
            n_up += popcount(np.uint32(mask[k] & signs[k]))
        total = 2 * total - (2 * n_up - n_all)
    return total


@kernel
def relax_packed_async(
    rows, is_binary, factor, self_coupling, drive, keys, first_sweep, last_sweep, start, settled_at,
    order, signs, mask, changes, sweeps, status,
):  # fmt: skip
    """Do sweeps first_sweep..last_sweep-1 of some packed states, asynchronously.

    A visit sums the row of its neuron from bit planes.

    Parameters
    ----------
    rows : uint32 array (H, P, K / 32)
        Bit planes of the couplings, a row for each neuron.
    is_binary : bool
        Whether the couplings are -1 and +1.
    factor, self_coupling : int
        As of `sweep_tiles`.
    drive : Drive
        As of `relax_packed_sync`.
    keys : uint64 array (B,)
        Each sample's key for random numbers.
    first_sweep, last_sweep : int
    start : int
        The first of the samples.
    settled_at : int64 array (n,)
        Of `make_share`: amplitude at which each of them rests.
    order : int64 array (H,)
        Work space.
    signs, mask : uint32 array (B, H / 32)
        Spins, and who is not silent; changed in place.
    changes : int64 array (B, T)
    sweeps, status : int64 array (B,)
    """
    for b in range(start, start + settled_at.shape[0]):
        external, feedback = drive.external[b], drive.feedback[drive.labels[b]]
        for t in range(first_sweep, last_sweep):
            amplitude = np.int64(drive.amplitudes[t])
            if settled_at[b - start] == amplitude:
                continue
            shuffle_sites(derive_key(keys[b], t), order)
            n_changes = 0
            for i in order:
                word, bit = i // 32, np.uint32(np.uint32(1) << np.uint32(i % 32))
                is_awake = (mask[b, word] & bit) != 0
                spin = 1 if signs[b, word] & bit else -1
                h = factor * _sum_row(rows[i], is_binary, signs[b], mask[b])
                h += external[i] + amplitude * feedback[i]
                if is_awake:
                    h += self_coupling * spin
                new = 1 if h >= 0 else -1
                if not is_awake or new != spin:
                    mask[b, word] |= bit
                    signs[b, word] = signs[b, word] | bit if new > 0 else signs[b, word] & ~bit
                    n_changes += 1
            sweeps[b] += 1
            changes[b, t] = n_changes
            status[b] = FIXED_POINT if n_changes == 0 else UNSETTLED
            settled_at[b - start] = amplitude if n_changes == 0 else _NEVER
