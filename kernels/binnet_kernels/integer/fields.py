"""Dense sums of integer couplings over packed ±1 states: bit planes and popcounts, or bytes.

A state is packed: bit 1 codes +1, little-endian in words of 64 bits. With u = (s + 1) / 2 in {0, 1}
a sum over couplings is ``sum_j w_j s_j = 2 sum_j w_j u_j - sum_j w_j``. Bit planes turn
``sum_j w_j u_j`` into popcounts, one for each plane of w in two's complement; one-bit couplings
need a single exclusive or. Weights of 8 bits are cheaper as dot products of bytes. All is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.simd import (
    QUAD,
    TILE,
    address_of,
    count_common,
    count_common_quad,
    count_differences,
    count_differences_quad,
    dot_bytes,
    dot_bytes_quad,
    find_signs,
)
from binnet_kernels.structs import Array

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Packed(NamedTuple):
    """Weights (H, K) laid out for packed states, in the order in which a sweep reads them.

    A word holds 32 neighbouring bits of a plane, or 4 neighbouring bytes, of one neuron's weights.
    """

    words: Array  # (H / 64, P, K / 32 or K / 4, 64) uint32: highest plane first; bytes: P = 1
    sums: Array  # (H + padding,) int32: sum_j w_ij; for one bit, -K
    n_targets: int  # H
    is_bytes: bool
    is_binary: bool  # one bit: -1 and +1


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
    spins: Array = 2 * bits.astype(np.int8) - 1
    return spins


def split_words(words: Array) -> Array:
    """Return words (n, W) of 64 bits as (n, 2 W) words of 32 bits, the low half first."""
    return np.ascontiguousarray(words.astype("<u8")).view("<u4").astype(np.uint32)


def find_planes(weights: Array, bits: int) -> list[Array]:
    """Return the bits of integers (H, K), the lowest first; one bit is set where it is +1."""
    if bits == 1:
        return [weights > 0]
    return [(weights >> p) & 1 for p in range(bits)]


def to_packed(weights: Array, bits: int) -> Packed:
    """Lay weights (H, K) out for `sum_packed`; a 0 among one-bit weights counts as -1."""
    n_targets, n_pre = weights.shape
    width, n_bytes = -(-n_targets // TILE) * TILE, 64 * -(-n_pre // 64)
    sums = np.zeros(width, np.int32)
    sums[:n_targets] = -n_pre if bits == 1 else weights.sum(axis=1, dtype=np.int32)
    if bits == 8:
        octets = np.zeros((n_targets, n_bytes), np.int8)
        octets[:, :n_pre] = weights
        planes = [octets.view("<u4").astype(np.uint32)]
    else:
        planes = [split_words(pack_spins(plane)) for plane in find_planes(weights, bits)[::-1]]
    words = np.zeros((len(planes), width, planes[0].shape[1]), np.uint32)
    words[:, :n_targets] = planes
    words = words.reshape(len(planes), -1, TILE, words.shape[2]).transpose(1, 0, 3, 2)
    return Packed(np.ascontiguousarray(words), sums, n_targets, bits == 8, bits == 1)


@kernel
def spread_bits(words, octets):
    """Write the bits of packed states (n, W) as bytes 0 and 1 (n, 64 W)."""
    for b in range(words.shape[0]):
        for k in range(words.shape[1]):
            word, out = words[b, k], octets[b, 64 * k : 64 * k + 64]
            for bit in range(64):
                out[bit] = (word >> np.uint64(bit)) & np.uint64(1)


@kernel
def sum_packed(packed, words, octets, start, out):
    """Write sum_j w_ij s_j of packed states for neurons start..start+TILE-1.

    Parameters
    ----------
    packed : Packed
    words : uint64 array (n, K / 64)
        States.
    octets : uint8 array (n, K + padding)
        The same states by `spread_bits`, where the weights are bytes; else not read.
    start : int
        A multiple of TILE.
    out : int32 array (n, H + padding)
    """
    tile = packed.words[start // TILE]
    n_planes, n_words, n_samples = tile.shape[0], tile.shape[1], words.shape[0]
    here, sums = address_of(tile), address_of(packed.sums) + 4 * start
    state, stride = address_of(words), 8 * words.shape[1]
    if packed.is_bytes:
        state, stride = address_of(octets), octets.shape[1]
    row, out_stride = address_of(out) + 4 * start, 4 * out.shape[1]
    n_quads = n_samples - n_samples % QUAD
    for b in range(0, n_quads, QUAD):
        s, o = state + b * stride, row + b * out_stride
        if packed.is_bytes:
            dot_bytes_quad(here, n_planes, n_words, s, stride, sums, o, out_stride)
        elif packed.is_binary:
            count_differences_quad(here, n_planes, n_words, s, stride, sums, o, out_stride)
        else:
            count_common_quad(here, n_planes, n_words, s, stride, sums, o, out_stride)
    for b in range(n_quads, n_samples):
        s, o = state + b * stride, row + b * out_stride
        if packed.is_bytes:
            dot_bytes(here, n_planes, n_words, s, stride, sums, o, out_stride)
        elif packed.is_binary:
            count_differences(here, n_planes, n_words, s, stride, sums, o, out_stride)
        else:
            count_common(here, n_planes, n_words, s, stride, sums, o, out_stride)


@kernel
def turn_spins(packed, field, self_coupling, old, start):
    """Return the word of the next spins of a tile, given their fields without the self-coupling.

    A +1 stays where h + J_D >= 0, a -1 rises where h - J_D >= 0. A one-bit weight from a neuron to
    itself cannot be 0: it was counted as -1, which the caller's `self_coupling` has to make good.
    """
    here, own = address_of(field) + 4 * start, np.int32(self_coupling)
    word = (old & find_signs(here, own)) | (~old & find_signs(here, np.int32(-own)))
    n_left = packed.n_targets - start
    return word if n_left >= TILE else word & ~(_ALL << np.uint64(n_left))


@kernel
def sweep_tiles(packed, states, octets, external, factor, self_coupling, first, last, out, fields):
    """Do one synchronous sweep of packed states with dense sums, for tiles first..last-1.

    Parameters
    ----------
    packed : Packed
        Couplings.
    states : uint64 array (B, H / 64)
    octets : uint8 array (B, K + padding)
        As of `sum_packed`.
    external : int32 array (B, H + padding)
    factor, self_coupling : int
        The field is ``factor * sum_j w_ij s_j + self_coupling s_i + external[b, i]``.
    first, last : int
    out : uint64 array (B, H / 64)
        Next states.
    fields : int32 array (B, H + padding)
        Their fields without the self-coupling.
    """
    for block in range(first, last):
        start = block * TILE
        sum_packed(packed, states, octets, start, fields)
        for b in range(states.shape[0]):
            field, more = fields[b, start : start + TILE], external[b, start : start + TILE]
            for i in range(TILE):
                field[i] = factor * field[i] + more[i]
            out[b, block] = turn_spins(packed, fields[b], self_coupling, states[b, block], start)
