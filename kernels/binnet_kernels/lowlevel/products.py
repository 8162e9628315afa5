"""Products of rows whose numbers belong to samples side by side, in LLVM's own vectors.

A row of a block is a multiple of `lanes` numbers, sample by sample within each of its columns; a
row of factors has one number for each sample. Plain loops over so few numbers are not vectorised,
as their arrays might overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import find_item


def make_product(lanes: int, adds: bool) -> Callable[..., None]:
    """Return a function for compiled code that multiplies the columns of a row by factors.

    It has the arguments ``(out, out_row, source, source_row, factors, factor_row, n_columns)`` and
    sets, for c < n_columns and b < lanes::

        out[out_row, lanes c + b] = factors[factor_row, b] * source[source_row, lanes c + b]

    or adds that product if it `adds`. The matrices are of one floating type, their rows contiguous;
    the numbers are int64.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def multiply(
        typingctx: Any, out: Any, out_row: Any, source: Any, source_row: Any, factors: Any,
        factor_row: Any, n_columns: Any,
    ) -> Any:  # fmt: skip
        intp = types.intp
        signature = types.void(out, intp, source, intp, factors, intp, intp)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            size = context.get_abi_sizeof(context.get_value_type(out.dtype))
            begins = [
                _find_row(context, builder, signature, arguments, k, lanes) for k in (0, 2, 4)
            ]
            into, origin, factor_address = begins
            factor = builder.load(factor_address, align=size)
            with cgutils.for_range(builder, arguments[6]) as loop:
                address = builder.gep(into, [loop.index])
                value = builder.load(builder.gep(origin, [loop.index]), align=size)
                result = builder.fmul(factor, value, flags=("contract",))
                if adds:
                    before = builder.load(address, align=size)
                    result = builder.fadd(before, result, flags=("contract",))
                builder.store(result, address, align=size)
            return context.get_dummy_value()

        return signature, generate

    return multiply  # type: ignore[no-any-return]


def make_any(lanes: int) -> Callable[..., bool]:
    """Return a function ``(factors, row)`` for compiled code: whether a number is not 0."""

    @intrinsic  # type: ignore[untyped-decorator]
    def is_any(typingctx: Any, factors: Any, row: Any) -> Any:
        signature = types.intp(factors, types.intp)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            size = context.get_abi_sizeof(context.get_value_type(factors.dtype))
            address = _find_row(context, builder, signature, arguments, 0, lanes)
            value = builder.load(address, align=size)
            differs = builder.fcmp_unordered("!=", value, ir.Constant(value.type, None))
            bits = builder.bitcast(differs, ir.IntType(lanes))  # a NaN counts as not 0
            found = builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))
            return builder.zext(found, context.get_value_type(types.intp))

        return signature, generate

    return is_any  # type: ignore[no-any-return]


def _find_row(
    context: Any, builder: Any, signature: Any, arguments: Any, position: int, lanes: int
) -> Any:
    """Return where the row of the matrix at a position begins, as a pointer to vectors."""
    kind, row = signature.args[position], arguments[position + 1]
    address = find_item(context, builder, kind, arguments[position], row, ir.Constant(row.type, 0))
    number = context.get_value_type(kind.dtype)
    return builder.inttoptr(address, ir.VectorType(number, lanes).as_pointer())
