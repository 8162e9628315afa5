"""Small tiles of integer arithmetic written as LLVM vectors, where plain loops stay behind.

A tile is `TILE` neurons wide. Its sums live in vector registers while it walks over the presynaptic
words, which LLVM does not do for loops over arrays. The vectors are LLVM's own: whatever the CPU
lacks, LLVM expresses in what it has, with the same integers. Only `dot_bytes` names an instruction
of one family of CPUs: where the CPU that is compiled for lacks it (`HAS_BYTE_DOT`), the same
products are built from shifts and masks. Words are little-endian, as on every CPU that Numba knows.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import spread

TILE = 64  # neurons: four vectors of 512 bits
_LANES = 16
_VECTORS = TILE // _LANES
_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_I32, _LANES)


def compiles_for(*features: str) -> bool:
    """Return whether the CPU that Numba compiles for has these features."""
    chosen = numba.config.CPU_FEATURES
    if chosen is not None:
        return all(f"+{name}" in chosen.split(",") for name in features)
    if numba.config.CPU_NAME not in (None, "", "host"):
        return False  # another CPU than this one: promise nothing
    found = binding.get_host_cpu_features()
    return all(found.get(name, False) for name in features)


# vpdpbusd on 512 bits: four products of unsigned and signed bytes, added to an int32 lane.
HAS_BYTE_DOT = compiles_for("avx512vnni", "avx512f")


def _load(builder: Any, address: Any, offset: int = 0) -> Any:
    pointer = builder.inttoptr(builder.add(address, ir.Constant(_I64, offset)), _WORDS.as_pointer())
    return builder.load(pointer, align=4)


def _store(builder: Any, value: Any, address: Any, offset: int) -> None:
    pointer = builder.inttoptr(builder.add(address, ir.Constant(_I64, offset)), _WORDS.as_pointer())
    builder.store(value, pointer, align=4)


def _broadcast(builder: Any, address: Any) -> Any:
    word = builder.load(builder.inttoptr(address, _I32.as_pointer()), align=4)
    return spread(builder, _WORDS, word)


def _accumulate(
    builder: Any, arguments: Any, n_samples: int, combine: Any, is_signed: bool
) -> None:
    """Build ``out_b[i] = 2 sum_p 2**p sum_k combine(words[p, k, i], state_b[k]) - sums[i]``.

    For a tile and some samples. `arguments` are the addresses of the words, the highest p first,
    how many p, how many k, the address of the first state, the states' stride in bytes, the address
    of `sums`, that of the first row of `out`, and their stride. Where it `is_signed`, the highest p
    counts negative.
    """
    words, n_planes, n_words, states, state_stride, sums, out, out_stride = arguments
    zero, one = ir.Constant(_WORDS, None), ir.Constant(_WORDS, [1] * _LANES)
    totals = [cgutils.alloca_once(builder, _WORDS) for _ in range(n_samples * _VECTORS)]
    for pointer in totals:  # not at the alloca, which a loop around this passes only once
        builder.store(zero, pointer)
    plane_bytes = builder.mul(n_words, ir.Constant(_I64, 4 * TILE))
    with cgutils.for_range(builder, n_planes) as planes:
        for pointer in totals:
            builder.store(builder.shl(builder.load(pointer), one), pointer)
        plane = builder.add(words, builder.mul(planes.index, plane_bytes))
        with cgutils.for_range(builder, n_words) as loop:
            here = builder.add(plane, builder.mul(loop.index, ir.Constant(_I64, 4 * TILE)))
            offset = builder.mul(loop.index, ir.Constant(_I64, 4))
            vectors = [_load(builder, here, 64 * v) for v in range(_VECTORS)]
            for b in range(n_samples):
                state = builder.add(
                    states, builder.add(builder.mul(state_stride, ir.Constant(_I64, b)), offset)
                )
                spins = _broadcast(builder, state)
                for v in range(_VECTORS):
                    pointer = totals[b * _VECTORS + v]
                    total = combine(builder, builder.load(pointer), vectors[v], spins)
                    builder.store(total, pointer)
        if is_signed:
            with builder.if_then(builder.icmp_signed("==", planes.index, ir.Constant(_I64, 0))):
                for pointer in totals:
                    builder.store(builder.sub(zero, builder.load(pointer)), pointer)
    for b in range(n_samples):
        row = builder.add(out, builder.mul(out_stride, ir.Constant(_I64, b)))
        for v in range(_VECTORS):
            twice = builder.shl(builder.load(totals[b * _VECTORS + v]), one)
            _store(builder, builder.sub(twice, _load(builder, sums, 64 * v)), row, 64 * v)


def _call(builder: Any, name: str, *arguments: Any) -> Any:
    """Call an LLVM intrinsic from vectors to a vector."""
    kind = ir.FunctionType(_WORDS, [_WORDS] * len(arguments))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def _add_differences(builder: Any, total: Any, words: Any, spins: Any) -> Any:
    return builder.add(total, _call(builder, "llvm.ctpop.v16i32", builder.xor(words, spins)))


def _add_common(builder: Any, total: Any, words: Any, spins: Any) -> Any:
    return builder.add(total, _call(builder, "llvm.ctpop.v16i32", builder.and_(words, spins)))


def _add_products(builder: Any, total: Any, words: Any, spins: Any) -> Any:
    """Add the products of the four bytes of each word with those of `spins`, which are 0 or 1."""
    if HAS_BYTE_DOT:
        return _call(builder, "llvm.x86.avx512.vpdpbusd.512", total, spins, words)
    for byte in range(4):
        left = ir.Constant(_WORDS, [24 - 8 * byte] * _LANES)
        right = ir.Constant(_WORDS, [24] * _LANES)
        weight = builder.ashr(builder.shl(words, left), right)  # the byte with its sign
        bit = builder.ashr(
            builder.shl(spins, ir.Constant(_WORDS, [31 - 8 * byte] * _LANES)),
            ir.Constant(_WORDS, [31] * _LANES),
        )  # all ones where the byte of `spins` is 1
        total = builder.add(total, builder.and_(weight, bit))
    return total


def _make_tile(combine: Any, n_samples: int, is_signed: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typingctx: Any, words: Any, n_planes: Any, n_words: Any, states: Any, state_stride: Any,
        sums: Any, out: Any, out_stride: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _accumulate(builder, arguments, n_samples, combine, is_signed)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 8), generate

    return tile


# For one sample and for QUAD of them, which share what is read of the words.
QUAD = 4
count_differences, count_differences_quad = (
    _make_tile(_add_differences, n, True) for n in (1, QUAD)
)
count_common, count_common_quad = (_make_tile(_add_common, n, True) for n in (1, QUAD))
dot_bytes, dot_bytes_quad = (_make_tile(_add_products, n, False) for n in (1, QUAD))


@intrinsic  # type: ignore[untyped-decorator]
def address_of(typingctx: Any, array: Any) -> Any:
    """Return the address of the first entry of an array, as an int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(view.data, _I64)

    return types.int64(array), generate


@intrinsic  # type: ignore[untyped-decorator]
def find_signs(typingctx: Any, field: Any, shift: Any) -> Any:
    """Return a word with bit i set where the i-th int32 at an address, plus `shift`, is >= 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.VectorType(_I32, TILE)
        pointer = builder.inttoptr(arguments[0], wide.as_pointer())
        values = builder.load(pointer, align=4)
        shifts = spread(builder, wide, arguments[1])
        is_up = builder.icmp_signed(">=", builder.add(values, shifts), ir.Constant(wide, None))
        return builder.bitcast(is_up, _I64)

    return types.uint64(types.int64, types.int32), generate
