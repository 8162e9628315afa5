"""Sums of four weights under all sixteen choices of their signs, looked up by many states.

Four spins of -1 or +1 are one of sixteen *patterns*: bit k is 1 where spin k is +1. What the four
presynaptic neurons, a *quad*, add to the field of a neuron, ``(s0 w0 + s1 w1) + (s2 w2 + s3 w3)``,
is one of sixteen sums. A *table* has them for a vector of neurons, an entry for each pattern; a
state then costs one addition of an entry in the place of four products, and rounds as they do.

The vectors are LLVM's own, 64 bytes wide. Narrower machines split them, with the same results, but
lack the registers that make it pay (`HAS_WIDE_VECTORS`). Tables, patterns and places are at
addresses that the caller gives (`make_reserve`), of the sizes below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import FIRST_LEVEL, find_item, prefetch, step
from binnet_kernels.lowlevel.simd import compiles_for

# 32 registers of 64 bytes: they hold the sums of a group, and a table while it is made.
HAS_WIDE_VECTORS = compiles_for("avx512f")

GROUP = 16  # states that are summed for at once
ENTRY_BYTES = 64
TABLE_BYTES = 16 * ENTRY_BYTES
PLACE_BYTES = 8
RING = 4  # tables that `add_products` goes round in

_BYTE, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 32, 64))
_AHEAD = 2 * ENTRY_BYTES  # how far to the right weights are asked for, of columns yet to come


def make_reserve(n_bytes: int) -> Callable[[], int]:
    """Return a function for compiled code: the address of `n_bytes` of its stack, not zeroed."""

    @intrinsic  # type: ignore[untyped-decorator]
    def reserve(typingctx: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            with builder.goto_entry_block():  # once, whatever loop this is in
                room = builder.alloca(ir.ArrayType(_BYTE, n_bytes))
            room.align = ENTRY_BYTES
            return builder.ptrtoint(room, _INT64)

        return types.int64(), generate

    return reserve  # type: ignore[no-any-return]


# ---- what the functions below have in common


def _step(builder: Any, address: Any, index: Any, n_bytes: int) -> Any:
    return step(builder, address, index, _INT64(n_bytes))


def _at(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    moved = builder.add(address, _INT64(offset))
    return builder.inttoptr(moved, kind.as_pointer())


class _Sums:
    """The code that sums in one format of numbers, that of an array `out`."""

    def __init__(self, context: Any, builder: Any, out: Any) -> None:
        number, self.context, self.builder = context.get_data_type(out.dtype), context, builder
        self.size = context.get_abi_sizeof(number)
        self.vector = ir.VectorType(number, ENTRY_BYTES // self.size)
        real = isinstance(out.dtype, types.Float)
        self.add, self.subtract, self.negative = (
            (builder.fadd, builder.fsub, builder.fneg)
            if real
            else (builder.add, builder.sub, builder.neg)
        )

    def write_table(self, kind: Any, weights: Any, row: Any, column: Any, table: Any) -> None:
        """Write the table of four rows of an array of this kind, for the columns of a vector."""
        builder, stored = self.builder, self.context.get_data_type(kind.dtype)
        size, narrow = self.context.get_abi_sizeof(stored), stored != self.vector.element
        loaded = ir.VectorType(stored, self.vector.count)
        w = []
        for k in range(4):
            j = builder.add(row, _INT64(k))
            address = find_item(self.context, builder, kind, weights, j, column)
            prefetch(builder, builder.add(address, _INT64(_AHEAD)), FIRST_LEVEL)
            value = builder.load(_at(builder, address, 0, loaded), align=size)
            w.append(builder.sext(value, self.vector) if narrow else value)
        left = {3: self.add(w[0], w[1]), 1: self.subtract(w[0], w[1])}  # by the spins' bits
        right = {3: self.add(w[2], w[3]), 1: self.subtract(w[2], w[3])}
        for a in left:
            for b in right:
                entries = {
                    a | b << 2: self.add(left[a], right[b]),
                    a | (3 - b) << 2: self.subtract(left[a], right[b]),
                }
                for pattern, entry in entries.items():
                    for place, value in ((pattern, entry), (15 - pattern, self.negative(entry))):
                        where = _at(builder, table, ENTRY_BYTES * place, self.vector)
                        builder.store(value, where, align=ENTRY_BYTES)

    def load(self, places: Any, offset: Any) -> tuple[list[Any], list[Any]]:
        """Return where a group's sums are in memory, and variables that have them."""
        builder = self.builder
        homes, totals = [], []
        for k in range(GROUP):
            place = builder.load(_at(builder, places, PLACE_BYTES * k, _INT64))
            homes.append(_at(builder, builder.add(place, offset), 0, self.vector))
            totals.append(cgutils.alloca_once(builder, self.vector))
        for home, total in zip(homes, totals, strict=True):
            builder.store(builder.load(home, align=self.size), total)
        return homes, totals

    def add_entries(self, table: Any, patterns: Any, totals: list[Any]) -> None:
        """Add the entries of a group's patterns."""
        builder = self.builder
        for k, total in enumerate(totals):
            pattern = builder.zext(builder.load(_at(builder, patterns, k, _BYTE)), _INT64)
            entry = _at(builder, _step(builder, table, pattern, ENTRY_BYTES), 0, self.vector)
            added = self.add(builder.load(total), builder.load(entry, align=ENTRY_BYTES))
            builder.store(added, total)

    def store(self, homes: list[Any], totals: list[Any]) -> None:
        """Write the sums back to memory."""
        for home, total in zip(homes, totals, strict=True):
            self.builder.store(self.builder.load(total), home, align=self.size)


# ---- for compiled code


@intrinsic  # type: ignore[untyped-decorator]
def write_place(typingctx: Any, out: Any, row: Any, column: Any, places: Any, k: Any) -> Any:
    """Write the address of ``out[row, column]`` as number k of the places."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *element, places, k = arguments
        where = _at(builder, _step(builder, places, k, PLACE_BYTES), 0, _INT64)
        builder.store(find_item(context, builder, signature.args[0], *element), where)
        return context.get_dummy_value()

    return types.void(out, *[types.int64] * 4), generate


@intrinsic  # type: ignore[untyped-decorator]
def write_patterns(
    typingctx: Any, states: Any, row: Any, column: Any, n_quads: Any, patterns: Any
) -> Any:
    """Write the patterns of ``states[row, column : column + 4 n_quads]``, a byte each.

    They are ``GROUP`` bytes apart: between them are those of the other states of the group.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, (array, row, column, n_quads, patterns) = signature.args[0], arguments
        number = context.get_data_type(kind.dtype)
        size, four = context.get_abi_sizeof(number), ir.VectorType(number, 4)
        real = isinstance(kind.dtype, types.Float)
        compare = builder.fcmp_ordered if real else builder.icmp_signed
        spins = find_item(context, builder, kind, array, row, column)
        with cgutils.for_range(builder, n_quads) as loop:
            here = _at(builder, _step(builder, spins, loop.index, 4 * size), 0, four)
            is_up = compare(">", builder.load(here, align=size), ir.Constant(four, None))
            pattern = builder.zext(builder.bitcast(is_up, ir.IntType(4)), _BYTE)
            where = _at(builder, _step(builder, patterns, loop.index, GROUP), 0, _BYTE)
            builder.store(pattern, where)
        return context.get_dummy_value()

    return types.void(states, *[types.int64] * 4), generate


@intrinsic  # type: ignore[untyped-decorator]
def write_tables(
    typingctx: Any, weights: Any, row: Any, column: Any, n_quads: Any, out: Any, tables: Any
) -> Any:
    """Write the tables of ``weights[row : row + 4 n_quads]`` for 64 bytes of columns of `out`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, row, column, n_quads, _, tables = arguments
        code = _Sums(context, builder, signature.args[4])
        with cgutils.for_range(builder, n_quads) as loop:
            table = _step(builder, tables, loop.index, TABLE_BYTES)
            here = _step(builder, row, loop.index, 4)
            code.write_table(signature.args[0], weights, here, column, table)
        return context.get_dummy_value()

    return types.void(weights, types.int64, types.int64, types.int64, out, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_entries(
    typingctx: Any, tables: Any, n_quads: Any, patterns: Any, out: Any, places: Any, offset: Any
) -> Any:
    """Add the entries of a group's patterns, quad after quad, to 64 bytes at each of its places.

    `offset`, in bytes, is added to the places. Places may be the same if their patterns are.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tables, n_quads, patterns, _, places, offset = arguments
        code = _Sums(context, builder, signature.args[3])
        homes, totals = code.load(places, offset)
        with cgutils.for_range(builder, n_quads) as loop:
            table = _step(builder, tables, loop.index, TABLE_BYTES)
            code.add_entries(table, _step(builder, patterns, loop.index, GROUP), totals)
        code.store(homes, totals)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3, out, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def add_products(
    typingctx: Any, weights: Any, row: Any, column: Any, n_quads: Any, tables: Any, patterns: Any,
    out: Any, places: Any, offset: Any,
) -> Any:  # fmt: skip
    """Do both for a single group, with `RING` tables: one is written while another is read.

    So what bounds it is the slower of the two, the stores, and not their sum.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, row, column, n_quads, tables, patterns, _, places, offset = arguments
        code = _Sums(context, builder, signature.args[6])
        lead, last = RING // 2, builder.sub(n_quads, _INT64(1))

        def write(quad: Any) -> None:
            """Write the table of a quad, at most the last one, to its place in the ring."""
            table = _step(builder, tables, builder.and_(quad, _INT64(RING - 1)), TABLE_BYTES)
            quad = builder.select(builder.icmp_signed("<", quad, last), quad, last)
            here = _step(builder, row, quad, 4)
            code.write_table(signature.args[0], weights, here, column, table)

        homes, totals = code.load(places, offset)
        with cgutils.for_range(builder, _INT64(lead)) as loop:
            write(loop.index)
        with cgutils.for_range(builder, n_quads) as loop:
            write(builder.add(loop.index, _INT64(lead)))
            slot = builder.and_(loop.index, _INT64(RING - 1))
            table = _step(builder, tables, slot, TABLE_BYTES)
            code.add_entries(table, _step(builder, patterns, loop.index, GROUP), totals)
        code.store(homes, totals)
        return context.get_dummy_value()

    return types.void(weights, *[types.int64] * 5, out, types.int64, types.int64), generate
