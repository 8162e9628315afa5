"""What a core can do at best: kernels that only read, only multiply and add, or only count bits.

Each is the inner loop of a kind of work and nothing else. What it multiplies or counts stays in
registers and in the L1 cache, in as many independent sums as hide how long an instruction takes.
Vectors are as wide as the registers of the CPU that is compiled for. Every sum is written out, and
each pass reads memory that LLVM must take to be other than before, so that no work can be left out;
tests/naive_peaks.py has the same sums as plain loops.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.building import spread
from binnet_kernels.lowlevel.simd import HAS_BYTE_DOT, compiles_for

_I8, _I16, _I32, _I64, _F32 = (
    *(ir.IntType(bits) for bits in (8, 16, 32, 64)),
    ir.FloatType(),
)
_IS_ARM = platform.machine().lower() in ("aarch64", "arm64")
_BITS = 512 if compiles_for("avx512f", "avx512bw") else 256 if compiles_for("avx2") else 128
BYTES = _BITS // 8  # of a vector

# Sums that are independent: a few additions, or products as many as two units take 5 cycles over;
# with what they are made from they fit into the 16 registers that the least of these CPUs has.
READ_SUMS, FMA_SUMS = 8, 24 if _IS_ARM else 12
READ_BLOCK = READ_SUMS * BYTES  # bytes, of which what is read is a multiple
# What products of floats and of bytes are made by; without any, LLVM's own vectors.
_HAS_FMA = compiles_for("fma") or _IS_ARM
_BYTE_DOT = (
    "vpdpbusd" if HAS_BYTE_DOT or compiles_for("avxvnni")
    else "vpmaddubsw" if _BITS >= 256
    else "sdot" if compiles_for("dotprod")
    else ""
)  # fmt: skip
# Of bytes and of bits: vectors that are fixed, and those that each step reads and combines with all
# of these. Where an instruction adds its products itself, sums must hide how long it takes; else
# only an addition, and what is not a sum has registers too.
FIXED, DOT_STREAMS, COUNT_STREAMS = 4, 3 if _BYTE_DOT in ("vpdpbusd", "sdot") else 2, 1


def name_instructions() -> dict[str, str]:
    """Return what each kind of work is made by on this CPU: "read", "fma32", "dot8", "popcount"."""
    products = {
        "vpdpbusd": "vpdpbusd",
        "vpmaddubsw": "vpmaddubsw, vpmaddwd and vpaddd",
        "sdot": "sdot",
        "": "bytes widened to 32 bits, multiplied and added",
    }
    count = (
        "count" if _IS_ARM or compiles_for("avx512vpopcntdq")
        else "counts looked up" if _BITS >= 256 or compiles_for("ssse3")
        else "counts by shifts and sums"
    )  # fmt: skip
    return {
        "read": f"vectors of {_BITS} bits",
        "fma32": f"{'fused multiply-add' if _HAS_FMA else 'multiply and add'}, {_BITS} bits",
        "dot8": f"{products[_BYTE_DOT]}, {_BITS} bits",
        "popcount": f"and, {count}, {_BITS} bits",
    }


def _vector(kind: Any) -> Any:
    width = 32 if isinstance(kind, ir.FloatType) else kind.width
    return ir.VectorType(kind, _BITS // width)


def _find(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Return the address of an array's first entry."""
    return builder.ptrtoint(context.make_array(kind)(context, builder, array).data, _I64)


def _load(builder: Any, kind: Any, address: Any) -> Any:
    """Return what lies at an address, aligned as its entries are."""
    width = _BITS // kind.count
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=width // 8)


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def _offset(builder: Any, address: Any, n_bytes: int) -> Any:
    return builder.add(address, ir.Constant(_I64, n_bytes))


def _call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, arguments)


def _forget_memory(builder: Any) -> None:
    """Let LLVM think that all memory has changed, without an instruction: passes read anew."""
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)


def _start_sums(builder: Any, starts: list[Any]) -> list[Any]:
    """Return places for sums, which become registers."""
    places = [cgutils.alloca_once(builder, start.type) for start in starts]
    for place, start in zip(places, starts, strict=True):
        builder.store(start, place)
    return places


@intrinsic  # type: ignore[untyped-decorator]
def _add_words(typingctx: Any, words: Any, n_passes: Any) -> Any:
    """Return the sum of all words modulo 2**64, `n_passes` times over."""
    kind = _vector(_I64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        fields = context.make_array(words)(context, builder, arguments[0])
        first = builder.ptrtoint(fields.data, _I64)
        n_blocks = builder.udiv(fields.nitems, ir.Constant(_I64, READ_BLOCK // 8))
        sums = _start_sums(builder, [ir.Constant(kind, None)] * READ_SUMS)
        with cgutils.for_range(builder, arguments[1]):
            _forget_memory(builder)
            with cgutils.for_range(builder, n_blocks) as loop:
                block = builder.add(first, builder.mul(loop.index, ir.Constant(_I64, READ_BLOCK)))
                for k, place in enumerate(sums):
                    here = _load(builder, kind, _offset(builder, block, k * BYTES))
                    builder.store(builder.add(builder.load(place), here), place)
        total = ir.Constant(_I64, 0)
        for place in sums:
            vector = builder.load(place)
            for lane in range(kind.count):
                entry = builder.extract_element(vector, ir.Constant(_I32, lane))
                total = builder.add(total, entry)
        return total

    return types.uint64(words, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _iterate(typingctx: Any, numbers: Any, factor: Any, addend: Any, n_steps: Any) -> Any:
    """Replace each of the FMA_SUMS vectors of numbers by its product plus the addend, often."""
    kind = _vector(_F32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = _find(context, builder, numbers, arguments[0])
        a, b = (spread(builder, kind, number) for number in arguments[1:3])
        where = [_offset(builder, first, k * BYTES) for k in range(FMA_SUMS)]
        sums = _start_sums(builder, [_load(builder, kind, address) for address in where])
        with cgutils.for_range(builder, arguments[3]):
            for place in sums:
                x = builder.load(place)
                if _HAS_FMA:
                    name = f"llvm.fma.v{kind.count}f32"
                    x = _call(builder, name, kind, x, a, b)
                else:  # LLVM would call a function of C for each number
                    x = builder.fadd(builder.fmul(x, a), b)
                builder.store(x, place)
        for place, address in zip(sums, where, strict=True):
            _store(builder, builder.load(place), address)
        return context.get_dummy_value()

    return types.void(numbers, types.float32, types.float32, types.int64), generate


def _multiply_bytes(builder: Any, total: Any, bits: Any, weights: Any) -> Any:
    """Return the total plus products of bytes, four to a lane of 32 bits; `bits` are 0 or 1."""
    sums = total.type
    if _BYTE_DOT == "vpdpbusd":
        bits, weights = (builder.bitcast(operand, sums) for operand in (bits, weights))
        return _call(builder, f"llvm.x86.avx512.vpdpbusd.{_BITS}", sums, total, bits, weights)
    if _BYTE_DOT == "vpmaddubsw":
        family, dot = ("avx512", ".512") if _BITS == 512 else ("avx2", "")
        names = ("pmaddubs.w", "pmaddw.d") if _BITS == 512 else ("pmadd.ub.sw", "pmadd.wd")
        pairs, ones = _vector(_I16), ir.Constant(_vector(_I16), [1] * (_BITS // 16))
        halves = _call(builder, f"llvm.x86.{family}.{names[0]}{dot}", pairs, bits, weights)
        fours = _call(builder, f"llvm.x86.{family}.{names[1]}{dot}", sums, halves, ones)
        return builder.add(total, fours)
    if _BYTE_DOT == "sdot":
        return _call(builder, "llvm.aarch64.neon.sdot.v4i32.v16i8", sums, total, bits, weights)
    for byte in range(4):
        left = ir.Constant(sums, [24 - 8 * byte] * sums.count)
        right = ir.Constant(sums, [24] * sums.count)
        a, b = (builder.shl(builder.bitcast(v, sums), left) for v in (bits, weights))
        product = builder.mul(builder.lshr(a, right), builder.ashr(b, right))
        total = builder.add(total, product)
    return total


def _count_common(builder: Any, total: Any, words: Any, masks: Any) -> Any:
    """Return the total plus the numbers of bits that words and masks have in common."""
    common = builder.and_(words, masks)
    counts = _call(builder, f"llvm.ctpop.v{common.type.count}i64", common.type, common)
    return builder.add(total, counts)


def _make_product(combine: Callable[..., Any], kind: Any, sums: Any, n_streams: int) -> Any:
    """Return what adds combinations of all that streams past with all that is fixed.

    ``totals[v, s] += combine(stream[n_streams * k + v], fixed[s])`` over all k, `n_passes` times;
    entries are of the LLVM type `kind`, totals of the type `sums`, of as many bytes.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def multiply(typingctx: Any, stream: Any, fixed: Any, totals: Any, n_passes: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            fields = context.make_array(stream)(context, builder, arguments[0])
            first = builder.ptrtoint(fields.data, _I64)
            block = ir.Constant(_I64, n_streams * BYTES)
            n_blocks = builder.udiv(builder.mul(fields.nitems, fields.itemsize), block)
            beside, out = (_find(context, builder, signature.args[k], arguments[k]) for k in (1, 2))
            met = [_load(builder, kind, _offset(builder, beside, s * BYTES)) for s in range(FIXED)]
            where = [_offset(builder, out, k * BYTES) for k in range(n_streams * FIXED)]
            places = _start_sums(builder, [_load(builder, sums, address) for address in where])
            with cgutils.for_range(builder, arguments[3]):
                _forget_memory(builder)
                with cgutils.for_range(builder, n_blocks) as loop:
                    here = builder.add(first, builder.mul(loop.index, block))
                    for v in range(n_streams):
                        vector = _load(builder, kind, _offset(builder, here, v * BYTES))
                        for s in range(FIXED):
                            place = places[v * FIXED + s]
                            total = combine(builder, builder.load(place), vector, met[s])
                            builder.store(total, place)
            for place, address in zip(places, where, strict=True):
                _store(builder, builder.load(place), address)
            return context.get_dummy_value()

        return types.void(stream, fixed, totals, types.int64), generate

    return multiply


_dot = _make_product(_multiply_bytes, _vector(_I8), _vector(_I32), DOT_STREAMS)
_count = _make_product(_count_common, _vector(_I64), _vector(_I64), COUNT_STREAMS)


@kernel
def read_words(words, n_passes):
    """Return the sum of all words (uint64, a multiple of READ_BLOCK bytes), `n_passes` times.

    Modulo 2**64.
    """
    return _add_words(words, n_passes)


@kernel
def iterate_products(numbers, factor, addend, n_steps):
    """Replace each number by ``factor * number + addend``, `n_steps` times; FMA_SUMS vectors.

    All are float32. Where the CPU has no fused multiply-add, the product is rounded before the sum.
    """
    _iterate(numbers, factor, addend, n_steps)


@kernel
def dot_bytes(bits, weights, totals, n_passes):
    """Add products of bytes to int32 totals (DOT_STREAMS, FIXED, BYTES / 4), `n_passes` times.

    Bits (K, DOT_STREAMS, BYTES), uint8, are 0 or 1; weights (FIXED, BYTES) are int8. To
    ``totals[v, s, i]`` goes the sum over k of ``bits[k, v, j] * weights[s, j]``, j from 4 i to
    4 i + 3.
    """
    _dot(bits, weights, totals, n_passes)


@kernel
def count_bits(words, masks, totals, n_passes):
    """Add numbers of bits to uint64 totals (COUNT_STREAMS, FIXED, BYTES / 8), `n_passes` times.

    Words (K, COUNT_STREAMS, BYTES / 8) and masks (FIXED, BYTES / 8) are uint64. To
    ``totals[v, s, i]`` goes the sum over k of the bits set in ``words[k, v, i] & masks[s, i]``.
    """
    _count(words, masks, totals, n_passes)
