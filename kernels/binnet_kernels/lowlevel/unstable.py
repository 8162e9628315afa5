"""Who is unstable, 64 neurons at a time: a comparison of vectors gives bits."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from binnet_kernels.lowlevel.building import spread

LANES = 64

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_NUMBERS = ir.VectorType(_INT32, LANES)


def _load(context: Any, builder: Any, kind: Any, array: Any, first: Any) -> Any:
    """Return `LANES` integers of a contiguous array."""
    item = ir.IntType(kind.dtype.bitwidth)
    start = builder.gep(context.make_array(kind)(context, builder, array).data, [first])
    vector = builder.bitcast(start, ir.VectorType(item, LANES).as_pointer())
    return builder.load(vector, align=item.width // 8)


@intrinsic  # type: ignore[untyped-decorator]
def find_unstable(
    typingctx: Any, external: Any, field: Any, state: Any, self_coupling: Any, first: Any
) -> Any:
    """Return bits, one for each of neurons first..first + 63: whether it is unstable.

    That is where ``external + field + self_coupling * state >= 0`` and ``state > 0`` differ. Fields
    and self-coupling are int32, states of -1 and +1 integers of any width.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given, sums, spins = (
            _load(context, builder, kind, array, arguments[4])
            for kind, array in zip((external, field, state), arguments[:3], strict=True)
        )
        J_D = spread(builder, _NUMBERS, arguments[3])
        is_up = builder.icmp_signed(">", spins, ir.Constant(spins.type, [0] * LANES))
        zeros = ir.Constant(_NUMBERS, [0] * LANES)
        own = builder.select(is_up, J_D, builder.sub(zeros, J_D))
        h = builder.add(builder.add(given, sums), own)
        differs = builder.xor(builder.icmp_signed(">=", h, zeros), is_up)
        return builder.bitcast(differs, _INT64)

    return types.uint64(external, field, state, types.int32, types.intp), generate
