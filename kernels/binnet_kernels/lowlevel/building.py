"""What the vector code of several modules is built from, in LLVM's terms."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

_BYTE, _INT32, _INT64 = (ir.IntType(bits) for bits in (8, 32, 64))
_TO_READ, _AS_DATA = _INT32(0), _INT32(1)
FIRST_LEVEL, SECOND_LEVEL = _INT32(3), _INT32(2)


def find_item(context: Any, builder: Any, kind: Any, array: Any, *index: Any) -> Any:
    """Return the address of ``array[*index]`` as an integer; `kind` is the array's type."""
    fields = context.make_array(kind)(context, builder, array)
    address = builder.ptrtoint(fields.data, _INT64)
    for k, n_bytes in zip(index, cgutils.unpack_tuple(builder, fields.strides), strict=True):
        address = step(builder, address, k, n_bytes)
    return address


def step(builder: Any, address: Any, k: Any, n_bytes: Any) -> Any:
    """Return the address (an integer) k times `n_bytes` further on."""
    return builder.add(address, builder.mul(k, n_bytes))


def prefetch(builder: Any, address: Any, level: Any) -> None:
    """Ask for the line of memory at an address (an integer), which need not be there."""
    kinds = (_BYTE.as_pointer(), _INT32, _INT32, _INT32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0"
    )
    pointer = builder.inttoptr(address, _BYTE.as_pointer())
    builder.call(function, (pointer, _TO_READ, level, _AS_DATA))


def spread(builder: Any, kind: Any, number: Any) -> Any:
    """Return a vector of the type `kind` whose lanes all hold the number."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _INT32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_INT32, kind.count), None))
