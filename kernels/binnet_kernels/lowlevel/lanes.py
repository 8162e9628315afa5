"""Sums over the couplings of one neuron for sixteen samples at once, a sample in each vector lane.

A row of sparse weights is read once for all lanes. What the lanes have of a source neuron is found
in a table: a bit each where all are spins (set: +1), two where some may be silent, else a number
each. A weight is added with the sign that the bit says, or times the number; with spins the three
are the same bits.

The vectors are LLVM's own, with the same results on machines that lack some of their width.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from binnet_kernels.lowlevel.building import FIRST_LEVEL, find_item, prefetch, spread, step

LANES = 16
# Sums of a neuron that take turns: an addition need not wait for the one before. Their own sum is
# the field.
CHAINS = 2
SPINS, SPINS_OR_SILENT, NUMBERS = range(3)

_INT16, _INT32, _INT64 = (ir.IntType(bits) for bits in (16, 32, 64))
_BITS = ir.VectorType(ir.IntType(1), LANES)


@intrinsic  # type: ignore[untyped-decorator]
def view_at(typingctx: Any, address: Any, n_rows: Any, n_columns: Any, like: Any) -> Any:
    """Return the memory at an address as an array (n_rows, n_columns) of the type of `like`."""
    kind = types.Array(like, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, *shape, _ = arguments
        view = context.make_array(kind)(context, builder)
        size = context.get_abi_sizeof(context.get_data_type(like))
        populate_array(
            view,
            data=builder.inttoptr(start, view.data.type),
            shape=shape,
            strides=[builder.mul(shape[1], _INT64(size)), _INT64(size)],
            itemsize=_INT64(size),
            meminfo=None,
        )
        return view._getvalue()

    return kind(types.int64, types.int64, types.int64, like), generate


@intrinsic  # type: ignore[untyped-decorator]
def ask_for_item(typingctx: Any, array: Any, k: Any) -> Any:
    """Have ``array[k]`` brought into the cache, and go on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        prefetch(builder, find_item(context, builder, array, *arguments), FIRST_LEVEL)
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


class _Row:
    """The code that adds products of one row's weights, of one kind of table."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder = context, builder
        self.kinds, self.arrays, self.table = signature.args[:2], arguments[:2], arguments[4]
        self.number = context.get_data_type(self.kinds[0].dtype)
        self.size = context.get_abi_sizeof(self.number)
        self.lanes = ir.VectorType(self.number, LANES)

    def load(self, array: int, k: Any, kind: Any, size: int) -> Any:
        """Return entry k of the weights, or of the sources."""
        where = find_item(self.context, self.builder, self.kinds[array], self.arrays[array], k)
        return self.builder.load(self.builder.inttoptr(where, kind.as_pointer()), align=size)

    def look_up(self, source: Any, place: int, n_places: int, kind: Any, size: int) -> Any:
        """Return what the table has of a source, number `place` of `n_places` things of a kind."""
        builder = self.builder
        entry = builder.add(builder.mul(source, _INT64(n_places)), _INT64(place))
        where = step(builder, self.table, entry, _INT64(size))
        return builder.load(builder.inttoptr(where, kind.as_pointer()), align=size)

    def multiply(self, k: Any, table: int) -> Any:
        """Return weight k times what the lanes have of its source."""
        builder = self.builder
        source = builder.sext(self.load(1, k, _INT32, 4), _INT64)
        weights = spread(builder, self.lanes, self.load(0, k, self.number, self.size))
        if table == NUMBERS:
            n_bytes = LANES * self.size
            where = step(builder, self.table, source, _INT64(n_bytes))
            numbers = builder.load(
                builder.inttoptr(where, self.lanes.as_pointer()), align=self.size
            )
            return builder.fmul(weights, numbers, ("contract",))
        n_words = 1 + (table == SPINS_OR_SILENT)
        up = builder.bitcast(self.look_up(source, 0, n_words, _INT16, 2), _BITS)
        signed = builder.select(up, weights, builder.fneg(weights))
        if table == SPINS_OR_SILENT:
            awake = builder.bitcast(self.look_up(source, 1, n_words, _INT16, 2), _BITS)
            signed = builder.select(awake, signed, ir.Constant(self.lanes, None))
        return signed


def _make_adder(table: int) -> Any:
    """Return what adds a part of a row to the sums of a neuron, by one kind of table."""

    @intrinsic  # type: ignore[untyped-decorator]
    def add_row(
        typingctx: Any, weights: Any, sources: Any, begin: Any, stop: Any, entries: Any, sums: Any,
        others: Any,
    ) -> Any:  # fmt: skip
        """Add ``weights[k] * entries[sources[k]]``, k in begin..stop-1, to sixteen sums.

        Every other product, the first among them, goes to those at the address `sums`, the rest to
        those at `others`. `weights` (n,) and `sources` (n,) int32 are arrays, `entries` the address
        of the table.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, _, begin, stop, _, *places = arguments
            row = _Row(context, builder, signature, arguments)
            homes = [builder.inttoptr(place, row.lanes.as_pointer()) for place in places]
            totals = [cgutils.alloca_once(builder, row.lanes) for _ in homes]
            for home, total in zip(homes, totals, strict=True):
                builder.store(builder.load(home, align=row.size), total)

            def add(k: Any, total: Any) -> None:
                product = row.multiply(k, table)
                builder.store(builder.fadd(builder.load(total), product, ("contract",)), total)

            n = builder.sub(stop, begin)
            n_rounds = builder.udiv(n, _INT64(CHAINS))
            with cgutils.for_range(builder, n_rounds) as loop:
                first = builder.add(begin, builder.mul(loop.index, _INT64(CHAINS)))
                for c, total in enumerate(totals):
                    add(builder.add(first, _INT64(c)), total)
            last = builder.add(begin, builder.mul(n_rounds, _INT64(CHAINS)))
            with builder.if_then(builder.icmp_signed("<", last, stop)):
                add(last, totals[0])
            for home, total in zip(homes, totals, strict=True):
                builder.store(builder.load(total), home, align=row.size)
            return context.get_dummy_value()

        return types.void(weights, sources, *[types.int64] * 5), generate

    return add_row


add_row_of_spins, add_row_with_silent, add_row_of_numbers = (
    _make_adder(table) for table in (SPINS, SPINS_OR_SILENT, NUMBERS)
)
