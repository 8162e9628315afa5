"""Vector code that LLVM does not find in a plain loop: rows of 16-bit integers, summed in pairs.

``a * x + b * y`` of 16-bit factors into 32 bits is one machine instruction where the processor has
AVX-512 (32 products at a time); the vectors are plain LLVM IR, so that any other processor
computes the same integers with what it has. Numba compiles for the processor it runs on and keys
its cache with it: the choice is made anew on every machine.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import SECOND_LEVEL, find_item, prefetch, spread

STRIP = 32  # columns: a cache line
WIDE = 4 * STRIP  # columns whose sums stay in registers together

_BYTE, _INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_SHORTS, _LONGS = ir.VectorType(_INT16, STRIP), ir.VectorType(_INT32, STRIP // 2)
_LINE = 64  # bytes
# Rows a and b interleaved, a0 b0 a1 b1 ..., in the way of one instruction: of each group of 8
# columns the lower half, and the upper. The sums then have to be put back in order.
_LOWER = [8 * group + i + row for group in range(4) for i in range(4) for row in (0, STRIP)]
_UPPER = [k + 4 for k in _LOWER]
_IN_ORDER = [
    [4 * group + 16 * half + i for group in groups for half in (0, 1) for i in range(4)]
    for groups in ((0, 1), (2, 3))
]


def _indices(values: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, len(values)), values)


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


def _add_in_order(builder: Any, halves: Any, address: Any, column: Any) -> None:
    """Add the sums of a strip, by `_LOWER` and `_UPPER`, to what ``address(column)`` points to."""
    lower, upper = (builder.load(total) for total in halves)
    for half, order in enumerate(_IN_ORDER):
        i = builder.add(column, _INT64(STRIP // 2 * half))
        where = _pointer(builder, address(i), _LONGS)
        sums = builder.shuffle_vector(lower, upper, _indices(order))
        builder.store(builder.add(builder.load(where, align=4), sums), where, align=4)


@intrinsic  # type: ignore[untyped-decorator]
def add_strip_products(
    typingctx: Any, couplings: Any, first: Any, n_pairs: Any, column: Any, states: Any, rows: Any,
    out: Any, ahead: Any,
) -> Any:  # fmt: skip
    """Add ``states[b, j] * couplings[j, i]`` to ``out[b, i]`` for 32 columns, some rows each way.

    The columns are ``column..column + 31``, j runs over ``first..first + 2 n_pairs - 1``, b over
    the tuple `rows`; int16 couplings and states, int32 `out`. Meanwhile the same columns of as many
    rows from `ahead` on are asked for (an address that is not there does no harm).
    """
    signature = types.void(
        couplings, types.intp, types.intp, types.intp, states, rows, out, types.intp
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = dict(zip(("couplings", "states", "out"), (couplings, states, out), strict=True))
        j_first, pairs_here, i_first, j_ahead = (arguments[k] for k in (1, 2, 3, 7))
        arrays = {"couplings": arguments[0], "states": arguments[4], "out": arguments[6]}

        def address(name: str, row: Any, column: Any) -> Any:
            return find_item(context, builder, kinds[name], arrays[name], row, column)

        def load(name: str, row: Any, column: Any, kind: Any) -> Any:
            size = {"couplings": 2, "states": 2, "out": 4}[name]
            return builder.load(_pointer(builder, address(name, row, column), kind), align=size)

        samples = cgutils.unpack_tuple(builder, arguments[5])
        zeros = ir.Constant(_LONGS, [0] * (STRIP // 2))
        totals = [[cgutils.alloca_once(builder, _LONGS) for _ in range(2)] for _ in samples]
        for halves in totals:
            for total in halves:  # not at the alloca, which a loop around this passes only once
                builder.store(zeros, total)
        row_bytes = cgutils.unpack_tuple(
            builder, context.make_array(couplings)(context, builder, arguments[0]).strides
        )[0]
        to_prefetch = address("couplings", j_ahead, i_first)
        with cgutils.for_range(builder, pairs_here) as loop:
            two_back = builder.mul(loop.index, _INT64(2))
            j = builder.add(j_first, two_back)
            line = builder.add(to_prefetch, builder.mul(two_back, row_bytes))
            for where in (line, builder.add(line, row_bytes)):
                prefetch(builder, where, SECOND_LEVEL)
            a = load("couplings", j, i_first, _SHORTS)
            b = load("couplings", builder.add(j, _INT64(1)), i_first, _SHORTS)
            interleaved = [
                builder.shuffle_vector(a, b, _indices(order)) for order in (_LOWER, _UPPER)
            ]
            for sample, halves in zip(samples, totals, strict=True):
                two_spins = load("states", sample, j, _INT32)
                factors = builder.bitcast(spread(builder, _LONGS, two_spins), _SHORTS)
                for half, total in zip(interleaved, halves, strict=True):
                    product = _multiply_pairs(context, builder, half, factors)
                    builder.store(builder.add(builder.load(total), product), total)
        for sample, halves in zip(samples, totals, strict=True):
            _add_in_order(builder, halves, partial(address, "out", sample), i_first)
        return context.get_dummy_value()

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator]
def subtract_strip(
    typingctx: Any, rows: Any, source: Any, target: Any, losses: Any, loss: Any, column: Any
) -> Any:
    """Set ``rows[target]`` to ``rows[source] - losses[loss]`` in the 32 columns from `column` on.

    Both arrays are int16; `source`, `target` and `loss` are tuples of all indices but the last.
    Returns a uint64 with a bit for each column, from bit 0 on: whether the difference is negative.
    """
    indices = [types.UniTuple(types.intp, kind.count) for kind in (source, target, loss)]
    signature = types.uint64(rows, *indices[:2], losses, indices[2], types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def point(array: int, index: int) -> Any:
            where = (*cgutils.unpack_tuple(builder, arguments[index]), arguments[5])
            address = find_item(context, builder, signature.args[array], arguments[array], *where)
            return _pointer(builder, address, _SHORTS)

        before, loss = (builder.load(point(*at), align=2) for at in ((0, 1), (3, 4)))
        after = builder.sub(before, loss)
        builder.store(after, point(0, 2), align=2)
        negative = builder.icmp_signed("<", after, ir.Constant(_SHORTS, [0] * STRIP))
        return builder.zext(builder.bitcast(negative, _INT32), _INT64)

    return signature, generate


def _make_asker(n_strips: int) -> Any:
    """Return what has some columns of a few rows brought into the second-level cache."""

    def ask(typingctx: Any, couplings: Any, sites: Any, first: Any, last: Any, column: Any) -> Any:
        """Ask for columns `column`.. of the rows ``sites[k]``, k in first..last-1."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, last, column = arguments[2:5]
            with cgutils.for_range(builder, builder.sub(last, first)) as loop:
                where = find_item(
                    context, builder, sites, arguments[1], builder.add(first, loop.index)
                )
                site = builder.load(_pointer(builder, where, _INT32), align=4)
                row = find_item(
                    context, builder, couplings, arguments[0], builder.sext(site, _INT64), column
                )
                for strip in range(n_strips):
                    prefetch(builder, builder.add(row, _INT64(_LINE * strip)), SECOND_LEVEL)
            return context.get_dummy_value()

        return types.void(couplings, sites, types.intp, types.intp, types.intp), generate

    return intrinsic(ask)


def _make_adder(n_strips: int) -> Any:
    """Return what adds events to the fields of `n_strips` strips."""

    def add(
        typingctx: Any, couplings: Any, sites: Any, changes: Any, first: Any, last: Any,
        column: Any, field: Any,
    ) -> Any:  # fmt: skip
        """Add ``changes[k] * couplings[sites[k], i]`` to ``field[i]``, for k in first..last-1.

        The columns i begin with `column`. Couplings (N, N) and changes are int16, sites and field
        int32, each contiguous.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, last, column = arguments[3:6]

            def address(array: int, index: Any) -> Any:
                return find_item(context, builder, signature.args[array], arguments[array], index)

            def load(array: int, index: Any, kind: Any) -> Any:
                return builder.load(
                    _pointer(builder, address(array, index), kind), align=kind.width // 8
                )

            def find_row(event: Any) -> Any:
                site = builder.sext(load(1, event, _INT32), _INT64)
                return find_item(context, builder, couplings, arguments[0], site, column)

            zeros = ir.Constant(_LONGS, [0] * (STRIP // 2))
            totals = [[cgutils.alloca_once(builder, _LONGS) for _ in "ab"] for _ in range(n_strips)]
            for halves in totals:
                for total in halves:  # not at the alloca, which a loop around this passes only once
                    builder.store(zeros, total)
            n_pairs = builder.lshr(builder.add(builder.sub(last, first), _INT64(1)), _INT64(1))
            with cgutils.for_range(builder, n_pairs) as loop:
                event = builder.add(first, builder.mul(loop.index, _INT64(2)))
                next_one = builder.add(event, _INT64(1))
                has_next = builder.icmp_signed("<", next_one, last)
                other = builder.select(has_next, next_one, event)
                two = [builder.zext(load(2, k, _INT16), _INT32) for k in (event, other)]
                upper = builder.select(has_next, builder.shl(two[1], _INT32(16)), _INT32(0))
                factors = builder.bitcast(
                    spread(builder, _LONGS, builder.or_(two[0], upper)), _SHORTS
                )
                rows = [find_row(k) for k in (event, other)]
                for strip, halves in enumerate(totals):
                    offset = _INT64(_LINE * strip)
                    a, b = (
                        builder.load(_pointer(builder, builder.add(row, offset), _SHORTS), align=2)
                        for row in rows
                    )
                    for order, total in zip((_LOWER, _UPPER), halves, strict=True):
                        pairs = builder.shuffle_vector(a, b, _indices(order))
                        product = _multiply_pairs(context, builder, pairs, factors)
                        builder.store(builder.add(builder.load(total), product), total)
            for strip, halves in enumerate(totals):
                at = builder.add(column, _INT64(STRIP * strip))
                _add_in_order(builder, halves, partial(address, 6), at)
            return context.get_dummy_value()

        indices = (types.intp, types.intp, types.intp)
        return types.void(couplings, sites, changes, *indices, field), generate

    return intrinsic(add)


add_events_to_strip = _make_adder(1)
add_events_to_wide = _make_adder(WIDE // STRIP)
ask_for_strip = _make_asker(1)
ask_for_wide = _make_asker(WIDE // STRIP)
