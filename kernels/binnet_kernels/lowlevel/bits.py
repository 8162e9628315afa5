"""Spins as bits, a bit 1 for +1: how they are laid out in words, and counting them.

A *packed state* holds one sample's neurons in 64-bit words: neuron i is bit i % 64 of word i // 64,
and bits beyond the last neuron are 0 (little-endian: the same bytes as with one bit after the
other). :mod:`binnet.states` packs and unpacks them.

Within the plasticity many samples of one neuron share a word: sample b of a batch is bit b of a
neuron's word. Two words hold a neuron: its signs, and a mask of the samples in which it counts at
all. Then sum_b x_b y_b over the samples in both masks is ``popcount(mask) - 2 popcount((x ^ y) &
mask)``: 32 products for a handful of instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.building import find_item

WORD_BITS = 32


@intrinsic  # type: ignore[untyped-decorator]
def popcount(typingctx: Any, word: Any) -> Any:
    """Return the number of bits set in a uint32, as an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])  # the one LLVM operation; vectorised where the CPU can

    return types.int32(types.uint32), generate


@intrinsic  # type: ignore[untyped-decorator]
def popcount_word(typingctx: Any, word: Any) -> Any:
    """Return the number of bits set in a uint64, as an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """Return the number of zero bits below the lowest bit set of a uint64, as an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def find_highest(typingctx: Any, word: Any) -> Any:
    """Return the place of the highest bit set of a uint64, as an int64; -1 of 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = builder.ctlz(arguments[0], context.get_constant(types.boolean, False))
        return builder.sub(context.get_constant(types.int64, 63), zeros)

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def mark_changes(typingctx: Any, numbers: Any, first: Any) -> Any:
    """Return a uint64 with bit i set where ``numbers[first + i]``, i < 64, is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_data_type(numbers.dtype)
        wide = ir.VectorType(number, 64)
        address = find_item(context, builder, numbers, *arguments)
        pointer = builder.inttoptr(address, wide.as_pointer())
        values = builder.load(pointer, align=context.get_abi_sizeof(number))
        zeros = ir.Constant(wide, None)
        if isinstance(numbers.dtype, types.Float):
            changed = builder.fcmp_unordered("!=", values, zeros)
        else:
            changed = builder.icmp_signed("!=", values, zeros)
        return builder.bitcast(changed, ir.IntType(64))

    return types.uint64(numbers, types.int64), generate


@kernel
def pack_samples(spins, first, n_samples, start, stop, signs, mask):
    """Pack rows first..first+n_samples-1 (at most 32) of `spins` (B, K), columns start..stop-1.

    Bit b of ``signs[k]`` is set where the spin is +1; bit b of ``mask[k]`` where it is not 0.
    """
    signs[start:stop] = 0
    mask[start:stop] = 0
    signs_here, mask_here = signs[start:stop], mask[start:stop]
    for b in range(n_samples):
        bit = np.uint32(np.uint32(1) << np.uint32(b))
        spins_here = spins[first + b, start:stop]
        for k in range(stop - start):
            signs_here[k] |= bit if spins_here[k] > 0 else np.uint32(0)
            mask_here[k] |= bit if spins_here[k] != 0 else np.uint32(0)
