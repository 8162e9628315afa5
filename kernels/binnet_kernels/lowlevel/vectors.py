"""Vector code that LLVM does not find in a plain loop: products of 16-bit integers in pairs.

``a * x + b * y`` of 16-bit factors into 32 bits is one machine instruction where the processor has
AVX-512 (32 products at a time); the vectors are plain LLVM IR, so that any other processor
computes the same integers with what it has. Numba compiles for the processor it runs on and keys
its cache with it: the choice is made anew on every machine.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

STRIP = 32  # columns that one call handles

_BYTE, _INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_SHORTS, _LONGS = ir.VectorType(_INT16, STRIP), ir.VectorType(_INT32, STRIP // 2)
# a and b interleaved: a0 b0 a1 b1 ..., the first half of the columns and the second.
_INTERLEAVE = [[k for i in half for k in (i, STRIP + i)] for half in (range(16), range(16, 32))]
_LINE = 64  # bytes


def _indices(values: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, len(values)), values)


def _address(context: Any, builder: Any, kind: Any, array: Any, row: Any, column: Any) -> Any:
    """Return the address of ``array[row, column]`` as an integer."""
    fields = context.make_array(kind)(context, builder, array)
    row_bytes, column_bytes = cgutils.unpack_tuple(builder, fields.strides)
    offset = builder.add(builder.mul(row, row_bytes), builder.mul(column, column_bytes))
    return builder.add(builder.ptrtoint(fields.data, _INT64), offset)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _multiply_pairs(context: Any, builder: Any, pairs: Any, factors: Any) -> Any:
    """Return the 16 sums ``pairs[2k] factors[2k] + pairs[2k+1] factors[2k+1]`` in 32 bits."""
    _, _, features = context.codegen().magic_tuple()
    if "+avx512bw" in features.split(","):
        kind = ir.FunctionType(_LONGS, (_SHORTS, _SHORTS))
        multiply = cgutils.get_or_insert_function(
            builder.module, kind, "llvm.x86.avx512.pmaddw.d.512"
        )
        return builder.call(multiply, (pairs, factors))
    total = None
    for first in (0, 1):
        every_other = _indices(list(range(first, STRIP, 2)))
        a, x = (
            builder.sext(builder.shuffle_vector(v, v, every_other), _LONGS)
            for v in (pairs, factors)
        )
        product = builder.mul(a, x)
        total = product if total is None else builder.add(total, product)
    return total


def _prefetch(builder: Any, address: Any) -> None:
    kinds = (_BYTE.as_pointer(), _INT32, _INT32, _INT32)
    prefetch = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0"
    )
    to_read, into_second_level, as_data = _INT32(0), _INT32(2), _INT32(1)
    builder.call(prefetch, (_pointer(builder, address, _BYTE), to_read, into_second_level, as_data))


@intrinsic  # type: ignore[untyped-decorator]
def add_strip_products(
    typingctx: Any, couplings: Any, first: Any, n_pairs: Any, column: Any, states: Any, rows: Any,
    out: Any, ahead: Any,
) -> Any:  # fmt: skip
    """Add ``states[b, j] * couplings[j, i]`` to ``out[b, i]`` for 32 columns, some rows each way.

    The columns are ``column..column + 31``, j runs over ``first..first + 2 n_pairs - 1``, b over
    the tuple `rows`; int16 couplings and states, int32 `out`. Meanwhile as many bytes as the strip
    has are asked for from ``couplings[ahead]`` on, so that a sweep over all strips of these rows
    brings the next ones, in the order of memory (an address that is not there does no harm).
    """
    signature = types.void(
        couplings, types.intp, types.intp, types.intp, states, rows, out, types.intp
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = dict(zip(("couplings", "states", "out"), (couplings, states, out), strict=True))
        j_first, pairs_here, i_first, j_ahead = (arguments[k] for k in (1, 2, 3, 7))
        arrays = {"couplings": arguments[0], "states": arguments[4], "out": arguments[6]}

        def address(name: str, row: Any, column: Any) -> Any:
            return _address(context, builder, kinds[name], arrays[name], row, column)

        def load(name: str, row: Any, column: Any, kind: Any) -> Any:
            size = {"couplings": 2, "states": 2, "out": 4}[name]
            return builder.load(_pointer(builder, address(name, row, column), kind), align=size)

        samples = cgutils.unpack_tuple(builder, arguments[5])
        zeros = ir.Constant(_LONGS, [0] * (STRIP // 2))
        totals = [[cgutils.alloca_once(builder, _LONGS) for _ in range(2)] for _ in samples]
        for halves in totals:
            for total in halves:  # not at the alloca, which a loop around this passes only once
                builder.store(zeros, total)
        strip = builder.udiv(i_first, _INT64(STRIP))
        lines_before = builder.mul(strip, builder.mul(pairs_here, _INT64(2)))
        to_prefetch = builder.add(
            address("couplings", j_ahead, _INT64(0)), builder.mul(lines_before, _INT64(_LINE))
        )
        with cgutils.for_range(builder, pairs_here) as loop:
            two_back = builder.mul(loop.index, _INT64(2))
            j = builder.add(j_first, two_back)
            line = builder.add(to_prefetch, builder.mul(two_back, _INT64(_LINE)))
            for offset in (0, _LINE):
                _prefetch(builder, builder.add(line, _INT64(offset)))
            a = load("couplings", j, i_first, _SHORTS)
            b = load("couplings", builder.add(j, _INT64(1)), i_first, _SHORTS)
            interleaved = [builder.shuffle_vector(a, b, _indices(half)) for half in _INTERLEAVE]
            for sample, halves in zip(samples, totals, strict=True):
                two_spins = load("states", sample, j, _INT32)
                vector = builder.insert_element(
                    ir.Constant(_LONGS, ir.Undefined), two_spins, _INT32(0)
                )
                vector = builder.shuffle_vector(vector, vector, _indices([0] * (STRIP // 2)))
                factors = builder.bitcast(vector, _SHORTS)
                for half, total in zip(interleaved, halves, strict=True):
                    product = _multiply_pairs(context, builder, half, factors)
                    builder.store(builder.add(builder.load(total), product), total)
        for sample, halves in zip(samples, totals, strict=True):
            for k, total in enumerate(halves):
                i = builder.add(i_first, _INT64(k * STRIP // 2))
                where = _pointer(builder, address("out", sample, i), _LONGS)
                summed = builder.add(builder.load(where, align=4), builder.load(total))
                builder.store(summed, where, align=4)
        return context.get_dummy_value()

    return signature, generate
