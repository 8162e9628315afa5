"""Dense sums of integer couplings over packed ±1 states: bit planes and popcounts, or bytes.

A state is packed: bit 1 codes +1, little-endian in words of 64 bits, read here as 32-bit words. With
u = (s + 1) / 2 in {0, 1} a sum over couplings is ``sum_j w_j s_j = 2 sum_j w_j u_j - sum_j w_j``.
Bit planes turn ``sum_j w_j u_j`` into popcounts, one per plane of w in two's complement; one-bit
couplings need a single exclusive or. Bytes turn it into dot products of unsigned with signed bytes,
for which LLVM emits the CPU's instruction where it has one (VNNI). The loops are plain: LLVM widens
popcounts and products to what the CPU has (AVX-512, AVX2, NEON, scalar), and all are exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from binnet_kernels._bits import popcount
from binnet_kernels._jit import kernel, parallel_kernel, reassociating_kernel
from binnet_kernels.structs import Array

COLUMNS = 64  # neurons that are summed together: their planes stay in the first-level cache
_BYTES = 64  # rows of bytes are padded to whole vectors


class Planes(NamedTuple):
    """Couplings as bit planes, presynaptic-major: word k of plane p of neuron i."""

    words: Array  # (P, K / 32, H + padding) uint32
    sums: Array  # (H + padding,) int32: sum_j w_ij; for one bit the number of couplings
    is_binary: bool  # one bit: -1 and +1


class Bytes(NamedTuple):
    """Couplings of up to 8 bits as signed bytes, a row for each neuron."""

    weights: Array  # (H, K + padding) int8
    sums: Array  # (H,) int32: sum_j w_ij


def pack_spins(spins: Array) -> Array:
    """Return ±1 spins (n, K) as words (n, ceil(K / 64)) uint64: bit 1 codes +1, little-endian."""
    n, n_spins = spins.shape
    bits = np.zeros((n, -(-n_spins // 64) * 64), np.uint8)
    bits[:, :n_spins] = spins > 0
    words: Array = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return words


def unpack_spins(words: Array, n_spins: int) -> Array:
    """Return the first `n_spins` spins of each row that `pack_spins` packed, as int8."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=n_spins, bitorder="little")
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def halves(words: Array) -> Array:
    """Return words (n, W) as (n, 2 W) words of 32 bits, the low half first."""
    return np.ascontiguousarray(words.astype("<u8")).view("<u4").astype(np.uint32)


def to_planes(weights: Array, bits: int) -> Planes:
    """Lay integer couplings (H, K) out as bit planes; one bit is -1 or +1, a 0 there counts as -1."""
    n_hidden, n_pre = weights.shape
    width = -(-n_hidden // COLUMNS) * COLUMNS
    planes = [weights > 0] if bits == 1 else [(weights >> p) & 1 for p in range(bits)]
    packed = [halves(pack_spins(np.asarray(plane, np.int8))).T for plane in planes]
    words = np.zeros((len(planes), packed[0].shape[0], width), np.uint32)
    for p, plane in enumerate(packed):
        words[p, :, :n_hidden] = plane
    sums = np.zeros(width, np.int32)
    sums[:n_hidden] = n_pre if bits == 1 else weights.sum(axis=1, dtype=np.int32)
    return Planes(words, sums, bits == 1)


def to_bytes(weights: Array) -> Bytes:
    """Lay integer couplings (H, K) of up to 8 bits out as rows of bytes."""
    n_hidden, n_pre = weights.shape
    rows = np.zeros((n_hidden, -(-n_pre // _BYTES) * _BYTES), np.int8)
    rows[:, :n_pre] = weights
    return Bytes(rows, weights.sum(axis=1, dtype=np.int32))


@kernel
def _count_differences(words, state, start, stop, out):
    """Add the bits in which a state differs from the single plane of each neuron."""
    n_words = words.shape[0]
    n_quads = n_words - n_words % 4
    for k in range(0, n_quads, 4):
        w0, w1 = words[k, start:stop], words[k + 1, start:stop]
        w2, w3 = words[k + 2, start:stop], words[k + 3, start:stop]
        s0, s1, s2, s3 = state[k], state[k + 1], state[k + 2], state[k + 3]
        for i in range(stop - start):
            out[i] += (
                popcount(np.uint32(w0[i] ^ s0)) + popcount(np.uint32(w1[i] ^ s1))
                + popcount(np.uint32(w2[i] ^ s2)) + popcount(np.uint32(w3[i] ^ s3))
            )  # fmt: skip
    for k in range(n_quads, n_words):
        w0, s0 = words[k, start:stop], state[k]
        for i in range(stop - start):
            out[i] += popcount(np.uint32(w0[i] ^ s0))


@kernel
def _count_common(words, state, start, stop, out):
    """Add the bits that a state has in common with one plane of each neuron."""
    n_words = words.shape[0]
    n_quads = n_words - n_words % 4
    for k in range(0, n_quads, 4):
        w0, w1 = words[k, start:stop], words[k + 1, start:stop]
        w2, w3 = words[k + 2, start:stop], words[k + 3, start:stop]
        s0, s1, s2, s3 = state[k], state[k + 1], state[k + 2], state[k + 3]
        for i in range(stop - start):
            out[i] += (
                popcount(np.uint32(w0[i] & s0)) + popcount(np.uint32(w1[i] & s1))
                + popcount(np.uint32(w2[i] & s2)) + popcount(np.uint32(w3[i] & s3))
            )  # fmt: skip
    for k in range(n_quads, n_words):
        w0, s0 = words[k, start:stop], state[k]
        for i in range(stop - start):
            out[i] += popcount(np.uint32(w0[i] & s0))


@kernel
def sum_planes(planes, state, start, stop, out):
    """Write sum_j w_ij s_j of a packed state (K / 32,) for neurons start..stop-1 into `out`."""
    out[:] = 0
    sums = planes.sums[start:stop]
    if planes.is_binary:
        _count_differences(planes.words[0], state, start, stop, out)
        for i in range(stop - start):
            out[i] = sums[i] - 2 * out[i]
    else:
        highest = planes.words.shape[0] - 1
        for k in range(highest + 1):  # Horner's scheme; the highest plane counts negative
            _count_common(planes.words[highest - k], state, start, stop, out)
            factor = np.int32(2 if k > 0 else -2)
            if k < highest:
                for i in range(stop - start):
                    out[i] *= factor
        # The last step of the scheme doubles the weight of the lowest plane too: 2 sum_j w_j u_j.
        for i in range(stop - start):
            out[i] = 2 * out[i] - sums[i]


@reassociating_kernel
def _dot_bytes(weights, octets):
    total = np.int32(0)
    for k in range(weights.shape[0]):
        total = np.int32(total + np.int32(np.int32(weights[k]) * np.int32(octets[k])))
    return total


@kernel
def _dot_four(weights, a, b, c, d, out):
    """Write the dot products of a row with four states: each weight is loaded once."""
    sum_a, sum_b, sum_c, sum_d = np.int32(0), np.int32(0), np.int32(0), np.int32(0)
    for k in range(weights.shape[0]):
        w = np.int32(weights[k])
        sum_a = np.int32(sum_a + np.int32(w * np.int32(a[k])))
        sum_b = np.int32(sum_b + np.int32(w * np.int32(b[k])))
        sum_c = np.int32(sum_c + np.int32(w * np.int32(c[k])))
        sum_d = np.int32(sum_d + np.int32(w * np.int32(d[k])))
    out[0], out[1], out[2], out[3] = sum_a, sum_b, sum_c, sum_d


@parallel_kernel
def sweep_planes(planes, states, external, shift, self_coupling, out, fields):
    """Do one synchronous sweep of packed states (B, W) with couplings in bit planes.

    The new states go to `out` (B, W), their fields without the self-coupling to `fields` (B, H +
    padding) int32: ``(sum_j w_ij s_j << shift) + external[b, i]``. Neurons beyond H, whose external
    fields must be negative, get the bit 0. Work is shared out by neurons.
    """
    n_samples, width = fields.shape
    for block in prange(width // COLUMNS):
        start = block * COLUMNS
        stop = start + COLUMNS
        for b in range(n_samples):
            field = fields[b, start:stop]
            sum_planes(planes, states[b], start, stop, field)
            finish_sweep(
                field, external[b, start:stop], shift, self_coupling, states[b], out[b], start
            )


@kernel
def finish_sweep(field, external, shift, self_coupling, state, out, start):
    """Complete fields of whole words of neurons and write the bits of their next spins."""
    factor = np.int32(1 << shift)
    for i in range(field.shape[0]):
        field[i] = field[i] * factor + external[i]
    for word in range(field.shape[0] // 32):
        old, new = state[start // 32 + word], np.uint32(0)
        here = field[32 * word : 32 * word + 32]
        for i in range(32):
            spin = np.int32(2 * np.int32((old >> np.uint32(i)) & np.uint32(1)) - 1)
            is_up = here[i] + np.int32(self_coupling * spin) >= 0
            new |= np.uint32(np.uint32(is_up) << np.uint32(i))
        out[start // 32 + word] = new


@parallel_kernel
def sweep_bytes(weights, sums, states, octets, external, shift, self_coupling, out, fields):
    """Do one synchronous sweep as `sweep_planes` does, with couplings in rows of bytes.

    `octets` (B, K + padding) uint8 are the states as bytes 0 and 1.
    """
    n_samples, width = fields.shape
    n_hidden = weights.shape[0]
    for block in prange(width // COLUMNS):
        start = block * COLUMNS
        stop = min(start + COLUMNS, n_hidden)
        n_quads = n_samples - n_samples % 4
        four = np.empty(4, np.int32)
        for b in range(0, n_quads, 4):
            for i in range(start, stop):
                _dot_four(weights[i], octets[b], octets[b + 1], octets[b + 2], octets[b + 3], four)
                for k in range(4):
                    fields[b + k, i] = 2 * four[k] - sums[i]
        for b in range(n_quads, n_samples):
            for i in range(start, stop):
                fields[b, i] = 2 * _dot_bytes(weights[i], octets[b]) - sums[i]
        for b in range(n_samples):
            finish_sweep(
                fields[b, start : start + COLUMNS], external[b, start : start + COLUMNS],
                shift, self_coupling, states[b], out[b], start,
            )  # fmt: skip
