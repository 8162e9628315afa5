"""Calls of compiled kernels by address: each is compiled once, whoever calls it.

A kernel that another one calls by name becomes part of it: LLVM optimises its code again for every
caller, and for the callers of those. That pays for small functions. The large steps of a batch are
called by address instead, so that a run compiles each of them once, and only those that it uses:
the caller takes their addresses as numbers (`find_address`) and calls them with `call`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils, typing
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from binnet_kernels._jit import kernel

_found: dict[tuple[Any, Any], int] = {}  # looking one up at Numba takes long


@intrinsic  # type: ignore[untyped-decorator]
def call(typingctx: Any, address: Any, *arguments: Any) -> Any:
    """Call the kernel at `address` (int64) with these arguments; it returns nothing.

    The arguments must be of the very types that `find_address` was given: nothing checks them.
    """
    kinds = tuple(types.unliteral(argument) for argument in arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        form = context.call_conv.get_function_type(types.none, kinds)
        function = builder.inttoptr(values[0], form.as_pointer())
        unpacked = cgutils.unpack_tuple(builder, values[1], len(kinds))
        context.call_conv.call_function(builder, function, types.none, kinds, unpacked)
        return context.get_dummy_value()

    return typing.signature(types.none, address, types.StarArgTuple(kinds)), generate


def find_address(compiled: Any, *arguments: Any) -> int:
    """Return the address of a kernel for arguments of these types, compiled if it is not yet."""
    key = compiled, _describe(arguments)
    address = _found.get(key)
    if address is None:
        kinds = tuple(numba.typeof(argument) for argument in arguments)
        with global_compiler_lock:  # which a fork waits for (`_jit`)
            compiled.compile(kinds)
            result = compiled.overloads[kinds]
            address = int(result.library.get_pointer_to_function(result.fndesc.llvm_func_name))
        _found[key] = address
    return address


def _describe(argument: Any) -> Any:
    """Return what tells the types of arguments apart; asking Numba takes a millisecond a tuple."""
    if isinstance(argument, tuple):
        return type(argument), *map(_describe, argument)
    if type(argument) is np.ndarray:
        return argument.dtype, argument.ndim, argument.flags.num  # layout, alignment, writability
    return numba.typeof(argument)


@kernel
def _call(address, arguments):
    call(address, *arguments)


def invoke(compiled: Any, *arguments: Any) -> None:
    """Call a kernel that has no entry from Python (see `_jit.inner_kernel`)."""
    _call(find_address(compiled, *arguments), arguments)
