"""Sums of scaled rows whose accumulators stay in registers, in LLVM's own vectors.

A plain loop stores and loads its accumulators at every step, and checks each time whether its
arrays overlap; for rows of a few dozen numbers that takes longer than the arithmetic. The vectors
are 64 bytes wide; LLVM splits them for narrower machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import find_item, spread

_VECTOR_BYTES = 64
# Positions of the arrays among the arguments of the function that `make_row_sum` returns.
_OUT, _SOURCE, _SOURCE_ROWS, _WEIGHTS, _WEIGHT_ROWS = 0, 4, 5, 6, 7


def make_list(n: int) -> Callable[[], Any]:
    """Return a function for compiled code: an int64 array (n,) on its stack, not zeroed."""

    @intrinsic  # type: ignore[untyped-decorator]
    def reserve(typingctx: Any) -> Any:
        kind = types.Array(types.int64, 1, "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            from numba.np.arrayobj import populate_array  # slow to load: only where it compiles

            number = context.get_data_type(types.int64)
            with builder.goto_entry_block():  # once, whatever loop this is in
                room = builder.alloca(ir.ArrayType(number, n))
            array = context.make_array(kind)(context, builder)
            populate_array(
                array,
                data=builder.bitcast(room, number.as_pointer()),
                shape=[ir.Constant(number, n)],
                strides=[ir.Constant(number, 8)],
                itemsize=ir.Constant(number, 8),
                meminfo=None,
            )
            return array._getvalue()

        return kind(), generate

    return reserve  # type: ignore[no-any-return]


def make_row_sum(n_rows: int, n_columns: int) -> Callable[..., None]:
    """Return a function for compiled code that sums scaled rows into a tile.

    It has the arguments ``(out, first_row, first_column, keep, source, source_rows, weights,
    weight_rows, first_weight, n_terms)`` and sets, for r < n_rows and c < n_columns::

        out[first_row + r, first_column + c] = keep * out[first_row + r, first_column + c]
            + sum_k weights[weight_rows[k], first_weight + r]
                    * source[source_rows[k], first_column + c]

    with k < n_terms. `out`, `source` and `weights` are matrices of one floating type, of which
    `keep` is too; the rows of the first two are contiguous. The two lists of rows and the other
    numbers are int64. A row of the tile is a multiple of 64 bytes. Every sum is taken in the order
    of its terms, whatever the size of the tile.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def sum_rows(
        typingctx: Any, out: Any, first_row: Any, first_column: Any, keep: Any, source: Any,
        source_rows: Any, weights: Any, weight_rows: Any, first_weight: Any, n_terms: Any,
    ) -> Any:  # fmt: skip
        signature = types.void(
            out, types.intp, types.intp, keep, source, source_rows, weights, weight_rows,
            types.intp, types.intp,
        )  # fmt: skip
        return signature, lambda *given: _generate(n_rows, n_columns, *given)

    return sum_rows  # type: ignore[no-any-return]


def _generate(
    n_rows: int, n_columns: int, context: Any, builder: Any, signature: Any, arguments: Any
) -> Any:
    first_row, first_column, keep = arguments[1:4]
    first_weight, n_terms = arguments[8:]
    intp, size = first_row.type, context.get_abi_sizeof(keep.type)
    lanes = _VECTOR_BYTES // size
    vector = ir.VectorType(keep.type, lanes)

    def constant(number: int) -> Any:
        return ir.Constant(intp, number)

    def place(position: int, *index: Any) -> Any:
        """Return the address of an element of the argument at a position."""
        kind = signature.args[position]
        address = find_item(context, builder, kind, arguments[position], *index)
        return builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer())

    def row_vectors(position: int, row: Any) -> list[Any]:
        base = builder.gep(place(position, row, constant(0)), [first_column])
        return [
            builder.bitcast(builder.gep(base, [constant(c)]), vector.as_pointer())
            for c in range(0, n_columns, lanes)
        ]

    kept = spread(builder, vector, keep)
    tile = [row_vectors(_OUT, builder.add(first_row, constant(r))) for r in range(n_rows)]
    sums = [[cgutils.alloca_once(builder, vector) for _ in row] for row in tile]
    for row, totals in zip(tile, sums, strict=True):
        for address, total in zip(row, totals, strict=True):
            builder.store(builder.fmul(kept, builder.load(address, align=size)), total)
    with cgutils.for_range(builder, n_terms, intp=intp) as loop:
        source_row = builder.load(place(_SOURCE_ROWS, loop.index))
        terms = [builder.load(address, align=size) for address in row_vectors(_SOURCE, source_row)]
        weight_row = builder.load(place(_WEIGHT_ROWS, loop.index))
        for r in range(n_rows):
            column = builder.add(first_weight, constant(r))
            weight = spread(builder, vector, builder.load(place(_WEIGHTS, weight_row, column)))
            for total, term in zip(sums[r], terms, strict=True):
                product = builder.fmul(weight, term, flags=("contract",))
                added = builder.fadd(builder.load(total), product, flags=("contract",))
                builder.store(added, total)
    for row, totals in zip(tile, sums, strict=True):
        for address, total in zip(row, totals, strict=True):
            builder.store(builder.load(total), address, align=size)
    return context.get_dummy_value()
