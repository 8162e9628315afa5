"""Sums of events, and weights rounded at random, 64 synapses at a time, as LLVM vectors.

The events of a batch are bits (`bits`): sample b is bit b of a word. A tile holds the words of 64
postsynaptic neurons byte by byte, so that one exclusive or and one count of bits serve 8 samples of
64 synapses. Draws are those of `rng`, from the keys of a tile, which advance by GAMMA from one
presynaptic neuron to the next; the highest 16 bits are all that is needed, so the last step of the
mixer, which leaves them as they are, is left out. tests/naive_integer.py has the loops.

Numba finds no such vectors in a plain loop. These are LLVM's own: whatever the CPU lacks, LLVM
expresses in what it has, with the same integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.bits import popcount
from binnet_kernels.lowlevel.building import SECOND_LEVEL, prefetch, spread, step
from binnet_kernels.lowlevel.rng import GAMMA, MIX_1, MIX_2
from binnet_kernels.lowlevel.simd import TILE, compiles_for

# Whether the bytes of a vector are permuted by one instruction.
HAS_PERMUTE = compiles_for("avx512vbmi", "avx512bw", "avx512f")
PLANES = 4  # bytes of a word
ENTRY = 2 * TILE  # bytes that say where a tile of weights has its levels
TILE_BYTES = TILE * (2 * PLANES + 1)  # signs, masks, and how many samples count
_WORDS = 8  # of 64 bits in a vector
LINE = 64  # bytes
_BAND = 4  # rows

_BIT, _I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
_BYTES, _SHORTS = ir.VectorType(_I8, TILE), ir.VectorType(_I16, TILE)
_HALF, _KEYS = ir.VectorType(_I16, TILE // 2), ir.VectorType(_I64, _WORDS)
_DWORDS = ir.VectorType(_I32, TILE // 4)


def _long(value: int) -> Any:
    return ir.Constant(_I64, value)


def _splat(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _fill(builder: Any, kind: Any, scalar: Any) -> Any:
    """Return a vector (of that type) whose lanes all hold an integer, cut to their width."""
    if scalar.type != kind.element:
        scalar = builder.trunc(scalar, kind.element)
    return spread(builder, kind, scalar)


def _shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(order)), order))


def _pointer(builder: Any, kind: Any, address: Any, offset: int = 0) -> Any:
    return builder.inttoptr(builder.add(address, _long(offset)), kind.as_pointer())


def _load(builder: Any, kind: Any, address: Any, offset: int = 0) -> Any:
    return builder.load(_pointer(builder, kind, address, offset), align=1)


def _call(builder: Any, name: str, kind: Any, *arguments: Any) -> Any:
    form = ir.FunctionType(kind, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, form, name), arguments)


def _allocate(builder: Any, kind: Any, value: Any) -> Any:
    """Return a variable that holds `value`; a register once it is compiled."""
    variable = cgutils.alloca_once(builder, kind)
    builder.store(value, variable)
    return variable


def _count(builder: Any, total: Any, lanes: Any) -> None:
    """Add the number of lanes that are not 0 to the int64 that a variable holds."""
    mask = builder.icmp_unsigned("!=", lanes, _splat(lanes.type, 0))
    n_set = _call(builder, "llvm.ctpop.i64", _I64, builder.bitcast(mask, _I64))
    builder.store(builder.add(builder.load(total), n_set), total)


class _Draws:
    """The draws of 64 synapses, one presynaptic neuron after the other."""

    def __init__(self, builder: Any, keys: Any, first: Any, exponent: Any) -> None:
        self._builder = builder
        step = builder.mul(builder.add(first, _long(1)), _long(int(GAMMA)))
        start = _fill(builder, _KEYS, step)
        self._words = [
            _allocate(builder, _KEYS, builder.add(_load(builder, _KEYS, keys, TILE * n), start))
            for n in range(TILE // _WORDS)
        ]
        self._left = _fill(builder, _SHORTS, builder.sub(_long(16), exponent))

    def _mix(self, variable: Any) -> Any:
        """Return draws whose highest 16 bits are those of `rng.derive_key`, and advance."""
        builder = self._builder
        word = builder.load(variable)
        builder.store(builder.add(word, _splat(_KEYS, int(GAMMA))), variable)
        for shift, factor in ((30, MIX_1), (27, MIX_2)):
            word = builder.xor(word, builder.lshr(word, _splat(_KEYS, shift)))
            word = builder.mul(word, _splat(_KEYS, int(factor)))
        return builder.bitcast(word, _HALF)

    def _gather(self, words: list[Any]) -> Any:
        """Return the highest 16 bits of four vectors of words: word l of vector g in lane 4 l + g.

        `locate_key` puts the keys where this order wants them.
        """
        builder, lanes = self._builder, range(TILE // 2)
        pairs = [
            _shuffle(builder, a, b, [i // 4 * 4 + 3 + (TILE // 2 if i % 2 else 0) for i in lanes])
            for a, b in (words[:2], words[2:])
        ]
        order = [i if i % 4 < 2 else TILE // 2 + i for i in lanes]
        return _shuffle(builder, pairs[0], pairs[1], order)

    def are_below(self, rest: Any) -> Any:
        """Return where the next `exponent` bits are below `rest`, 64 numbers of 16 bits."""
        builder = self._builder
        words = [self._mix(variable) for variable in self._words]
        halves = [self._gather(words[:4]), self._gather(words[4:])]
        draws = _shuffle(builder, halves[0], halves[1], list(range(TILE)))
        return builder.icmp_unsigned("<", draws, builder.shl(rest, self._left))


@inner_kernel
def locate_key(lane):
    """Return where a tile's 64 keys have that of a lane."""
    half, word, g = lane // 32, lane % 32 // 4, lane % 4
    return 8 * (4 * half + g) + word


@inner_kernel
def spread_word(word, has_many, out):
    """Write what a tile's PLANES are compared with, a presynaptic neuron's word, to `out`.

    Plane q has in lane i the samples of byte (i + q) % 4 of a word, or % 2 without `has_many`: so
    that four lanes compare with the same 32 bits, which need no more than a load.
    """
    if not has_many:
        low = np.uint32(word & np.uint32(0xFFFF))
        word = np.uint32(low | np.uint32(low << np.uint32(16)))
    out[0] = word
    for q in range(1, PLANES):
        shift = np.uint32(8 * q)
        out[q] = np.uint32(word >> shift) | np.uint32(word << np.uint32(np.uint32(32) - shift))


@inner_kernel
def lay_lane(signs, mask, has_many, lane, tile):
    """Write the words of a postsynaptic neuron into a lane of a tile (TILE_BYTES,)."""
    n_planes = PLANES if has_many else PLANES // 2
    for q in range(n_planes):
        shift = np.uint32(8 * ((lane + q) & (n_planes - 1)))
        tile[TILE * q + lane] = np.uint32(signs >> shift) & np.uint32(255)
        tile[TILE * (PLANES + q) + lane] = np.uint32(mask >> shift) & np.uint32(255)
    tile[TILE * 2 * PLANES + lane] = popcount(mask)


def _round(builder: Any, amount: Any, exponent: Any, draws: _Draws) -> Any:
    """Return bytes times 2**-exponent, rounded at random."""
    size = _call(builder, "llvm.abs.v64i8", _BYTES, amount, ir.Constant(_BIT, 0))
    # There is no shift of bytes: pairs are shifted, and what comes from the neighbour masked.
    pairs = builder.lshr(builder.bitcast(size, _HALF), _fill(builder, _HALF, exponent))
    kept = _fill(builder, _BYTES, builder.lshr(_long(255), exponent))
    whole = builder.and_(builder.bitcast(pairs, _BYTES), kept)
    low = builder.sub(builder.shl(_long(1), exponent), _long(1))
    rest = builder.and_(size, _fill(builder, _BYTES, low))
    is_up = draws.are_below(builder.zext(rest, _SHORTS))
    rounded = builder.select(is_up, builder.add(whole, _splat(_BYTES, 1)), whole)
    zero = _splat(_BYTES, 0)
    is_negative = builder.icmp_signed("<", amount, zero)
    return builder.select(is_negative, builder.sub(zero, rounded), rounded)


def _make_sums(is_rounded: bool) -> Any:
    def sums(
        typingctx: Any, tile: Any, spread: Any, n_rows: Any, has_many: Any, keys: Any, first: Any,
        exponent: Any, levels: Any, stride: Any, ahead: Any, n_lines: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (
                tile,
                spread,
                n_rows,
                has_many,
                keys,
                first,
                exponent,
                levels,
                stride,
                ahead,
                n_lines,
            ) = arguments
            signs = [_load(builder, _BYTES, tile, TILE * q) for q in range(PLANES)]
            masks = [_load(builder, _BYTES, tile, TILE * (PLANES + q)) for q in range(PLANES)]
            n_events = _load(builder, _BYTES, tile, TILE * 2 * PLANES)
            draws = _Draws(builder, keys, first, exponent) if is_rounded else None

            def differ_in(row: Any, q: int) -> Any:
                word = _fill(builder, _DWORDS, _load(builder, _I32, row, 4 * q))
                differ = builder.xor(signs[q], builder.bitcast(word, _BYTES))
                return _call(builder, "llvm.ctpop.v64i8", _BYTES, builder.and_(differ, masks[q]))

            differing = cgutils.alloca_once(builder, _BYTES)
            with cgutils.for_range(builder, n_rows) as loop:
                row = step(builder, spread, loop.index, _long(4 * PLANES))
                builder.store(builder.add(differ_in(row, 0), differ_in(row, 1)), differing)
                with builder.if_then(builder.icmp_signed("!=", has_many, _long(0))):
                    more = builder.add(differ_in(row, 2), differ_in(row, 3))
                    builder.store(builder.add(builder.load(differing), more), differing)
                n = builder.load(differing)
                amount = builder.sub(builder.sub(n_events, n), n)
                if draws is not None:
                    amount = _round(builder, amount, exponent, draws)
                out = _pointer(builder, _BYTES, step(builder, levels, loop.index, stride))
                builder.store(amount, out, align=1)
                with cgutils.for_range(builder, n_lines) as lines:
                    line = builder.add(builder.mul(loop.index, n_lines), lines.index)
                    prefetch(builder, step(builder, ahead, line, _long(LINE)), SECOND_LEVEL)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 11), generate

    return intrinsic(sums)


# Both take the addresses of a tile (TILE_BYTES,) and of spread words (n, PLANES) uint32
# (`spread_word`), how many rows n, whether samples beyond 16 count, the address of the tile's keys
# (64,) as `locate_key` places them, the number of the first row's neuron, k, the address of the
# levels (n, >= 64) int8 to be written, their stride, and an address from which on each row asks for
# some lines of memory, how many. The first writes the sums of events as they are, the second times
# 2**-k, k = 1..15, rounded at random.
sum_tile = _make_sums(False)
round_tile = _make_sums(True)


@intrinsic  # type: ignore[untyped-decorator]
def add_levels(
    typingctx: Any, weights: Any, first: Any, n_rows: Any, levels: Any, stride: Any, tiles: Any,
    n_tiles: Any, low: Any, high: Any, shift: Any, counts: Any,
) -> Any:  # fmt: skip
    """Add levels to rows of weights, with saturation, tile by tile.

    `weights` (K, W) are signed integers, from row `first` on; `levels`, the address of (n, L) int8,
    and their stride. `tiles` is the address of T entries of ENTRY bytes: the column that a tile
    begins at, where its levels begin, its lanes that have levels, three int64, and their 64 places
    among these. A level counts 2**shift, at most 2**9, so that 32 levels are summed in 16 bits.
    `counts`, the address of (2,) int64, is raised by weights that changed and sums that saturated.
    """
    signature = types.void(weights, *[types.int64] * 10)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first, n_rows, levels, stride, tiles, n_tiles, low, high, shift, counts = arguments[1:]
        size = context.get_abi_sizeof(array.data.type.pointee)
        row_bytes = builder.extract_value(array.strides, 0)
        data = step(builder, builder.ptrtoint(array.data, _I64), first, row_bytes)
        changed, saturated = (_allocate(builder, _I64, _long(0)) for _ in range(2))

        def add_all(bits: int) -> None:
            """Add in lanes of so many bits, at least those of a weight."""
            stored = ir.VectorType(ir.IntType(8 * size), TILE)
            kind = ir.VectorType(ir.IntType(bits), TILE)
            lows, highs = _fill(builder, kind, low), _fill(builder, kind, high)
            shifts = _fill(builder, kind, shift)

            def add_row(row: Any, amounts: Any, places: Any, lanes: Any) -> None:
                amount = _spread(builder, amounts, lanes, places)
                if bits > 8:
                    amount = builder.shl(builder.sext(amount, kind), shifts)
                here = _pointer(builder, stored, row)
                old = builder.load(here, align=size)
                if bits > 8 * size:
                    old = builder.sext(old, kind)
                new = _call(builder, f"llvm.sadd.sat.v64i{bits}", kind, old, amount)
                new = _call(builder, f"llvm.smin.v64i{bits}", kind, new, highs)
                new = _call(builder, f"llvm.smax.v64i{bits}", kind, new, lows)
                _count(builder, changed, builder.xor(new, old))
                # What wraps around does not come out at an end of the range.
                _count(builder, saturated, builder.xor(new, builder.add(old, amount)))
                if bits > 8 * size:
                    new = builder.trunc(new, stored)
                builder.store(new, here, align=size)

            # Some rows share what is read of a tile; more would be too far apart in memory.
            n_bands = builder.sdiv(builder.add(n_rows, _long(_BAND - 1)), _long(_BAND))
            with cgutils.for_range(builder, n_bands) as bands:
                band = builder.mul(bands.index, _long(_BAND))
                left = builder.sub(n_rows, band)
                is_last = builder.icmp_signed("<", left, _long(_BAND))
                n_here = builder.select(is_last, left, _long(_BAND))
                with cgutils.for_range(builder, n_tiles) as loop:
                    tile = step(builder, tiles, loop.index, _long(ENTRY))
                    column, offset, lanes = (_load(builder, _I64, tile, 8 * k) for k in range(3))
                    places = _load(builder, _BYTES, tile, TILE)
                    with cgutils.for_range(builder, n_here) as rows:
                        k = builder.add(band, rows.index)
                        start = step(
                            builder, step(builder, data, column, _long(size)), k, row_bytes
                        )
                        amounts = step(builder, builder.add(levels, offset), k, stride)
                        add_row(start, amounts, places, lanes)

        if size == 1:
            with builder.if_else(builder.icmp_signed("==", shift, _long(0))) as (one, more):
                with one:
                    add_all(8)
                with more:
                    add_all(16)
        else:
            add_all(8 * size)
        for k, total in enumerate((changed, saturated)):
            place = _pointer(builder, _I64, counts, 8 * k)
            builder.store(builder.add(builder.load(place), builder.load(total)), place)
        return context.get_dummy_value()

    return signature, generate


def _spread(builder: Any, address: Any, lanes: Any, places: Any) -> Any:
    """Return in the lanes that are set the bytes at these places from an address on, else 0.

    Without HAS_PERMUTE every lane has its byte at the address, whether it is set or not.
    """
    found = _load(builder, _BYTES, address)
    if HAS_PERMUTE:
        found = _call(builder, "llvm.x86.avx512.permvar.qi.512", _BYTES, found, places)
    mask = builder.bitcast(lanes, ir.VectorType(_BIT, TILE))
    return builder.select(mask, found, _splat(_BYTES, 0))


@intrinsic  # type: ignore[untyped-decorator]
def decay_tile(
    typingctx: Any, weights: Any, column: Any, n_rows: Any, keys: Any, first: Any, exponent: Any
) -> Any:
    """Move 64 columns of weights (K, W) towards 0 by |w| 2**-exponent, rounded at random.

    `keys` is the address of 64 keys as `locate_key` places them, `first` the number of row 0's
    neuron; the exponent is 1..15.
    """
    signature = types.void(weights, *[types.int64] * 5)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        column, n_rows, keys, first, exponent = arguments[1:]
        size = context.get_abi_sizeof(array.data.type.pointee)
        kind = ir.VectorType(ir.IntType(8 * size), TILE)
        row_bytes = builder.extract_value(array.strides, 0)
        data = step(builder, builder.ptrtoint(array.data, _I64), column, _long(size))
        draws, zero = _Draws(builder, keys, first, exponent), _splat(_SHORTS, 0)
        shifts = _fill(builder, _SHORTS, exponent)
        low = _fill(builder, _SHORTS, builder.sub(builder.shl(_long(1), exponent), _long(1)))
        with cgutils.for_range(builder, n_rows) as loop:
            here = _pointer(builder, kind, step(builder, data, loop.index, row_bytes))
            weight = builder.load(here, align=size)
            if size == 1:
                weight = builder.sext(weight, _SHORTS)
            n = _call(builder, "llvm.abs.v64i16", _SHORTS, weight, ir.Constant(_BIT, 0))
            whole = builder.lshr(n, shifts)  # unsigned: the size of the lowest integer has 16 bits
            is_up = draws.are_below(builder.and_(n, low))
            lost = builder.select(is_up, builder.add(whole, _splat(_SHORTS, 1)), whole)
            is_negative = builder.icmp_signed("<", weight, zero)
            weight = builder.sub(weight, builder.select(is_negative, builder.sub(zero, lost), lost))
            if size == 1:
                weight = builder.trunc(weight, kind)
            builder.store(weight, here, align=size)
        return context.get_dummy_value()

    return signature, generate
