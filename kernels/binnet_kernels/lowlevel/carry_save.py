"""Counting random bits in vertical counters: hashes are drawn, added and dropped in registers.

A vertical counter keeps bit q of 64 counts in one word, ``counter[q]``. To add 32 words to it, two
words of equal weight at a time are joined with the counter's word by a full adder (carry-save
addition): 31 adders of five logical operations for 32 x 64 bits, and one carry that is left. The
hash is SplitMix64, as in `rng`; nothing of it is written to memory.

This is written as LLVM vectors because Numba does not vectorise the equivalent loop: eight words at
a time, in one AVX-512 register, two of AVX2 or four of NEON. tests/naive_implicit.py has the loop.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from binnet_kernels.lowlevel.rng import GAMMA, MIX_1, MIX_2

LANES = 8  # words in a vector
TILE_WORDS = 32  # words of a counter that a thread works on at a time: it stays in the L1 cache
COUNT_BITS = 12  # of a counter

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_I64, LANES)
_FIELDS = ir.VectorType(_I32, 2 * LANES)


def _constant(values: list[int]) -> Any:
    return ir.Constant(_WORDS, [value % 2**64 for value in values])


def _fill(builder: Any, vector: Any, scalar: Any) -> Any:
    """Return a vector (of that type) whose lanes all hold `scalar`."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, zeros)


def _get_data(context: Any, builder: Any, kinds: Any, arrays: Any) -> list[Any]:
    """Return the pointers to the arrays' first elements."""
    return [
        context.make_array(kind)(context, builder, array).data
        for kind, array in zip(kinds, arrays, strict=True)
    ]


def _mix(builder: Any, x: Any) -> Any:
    """Return the finaliser of SplitMix64 of each lane (`rng.mix`)."""
    for shift, factor in ((30, MIX_1), (27, MIX_2), (31, None)):
        x = builder.xor(x, builder.lshr(x, _constant([shift] * LANES)))
        if factor is not None:
            x = builder.mul(x, _constant([int(factor)] * LANES))
    return x


def _add_fully(builder: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Return the sum bit and the carry of three bits, in each of the 64 positions of each lane."""
    differ = builder.xor(a, b)
    carry = builder.or_(builder.and_(a, b), builder.and_(differ, c))
    return builder.xor(differ, c), carry


def _make_adder(levels: int) -> Any:
    """Return the intrinsic that adds 2**levels streams, whose carry then runs up the counter."""

    def add(
        typingctx: Any, counter: Any, streams: Any, flips: Any, k: Any, first: Any, w: Any
    ) -> Any:
        signature = types.void(counter, streams, flips, types.intp, types.intp, types.intp)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            counter, streams, flips = _get_data(context, builder, signature.args[:3], arguments[:3])
            k, first, w = arguments[3:]
            # SplitMix64 advances by GAMMA from word to word, hence from lane to lane.
            step = builder.mul(
                builder.add(builder.add(first, w), ir.Constant(_I64, 1)),
                ir.Constant(_I64, int(GAMMA)),
            )
            steps = builder.add(
                _fill(builder, _WORDS, step),
                _constant([lane * int(GAMMA) for lane in range(LANES)]),
            )

            def locate(row: int) -> Any:
                place = builder.add(w, ir.Constant(_I64, row * TILE_WORDS))
                return builder.bitcast(builder.gep(counter, [place]), _WORDS.as_pointer())

            bits = [builder.load(locate(level), align=8) for level in range(levels)]
            waiting: list[Any] = [None] * levels
            for n in range(2**levels):
                stream = builder.add(k, ir.Constant(_I64, n))
                key = _fill(builder, _WORDS, builder.load(builder.gep(streams, [stream])))
                flip = _fill(builder, _WORDS, builder.load(builder.gep(flips, [stream])))
                carry = builder.xor(_mix(builder, builder.add(key, steps)), flip)
                for level in range(levels):
                    if waiting[level] is None:
                        waiting[level] = carry
                        break
                    bits[level], carry = _add_fully(builder, bits[level], waiting[level], carry)
                    waiting[level] = None
            for level in range(levels):
                builder.store(bits[level], locate(level), align=8)
            for level in range(levels, COUNT_BITS):
                bit = builder.load(locate(level), align=8)
                builder.store(builder.xor(bit, carry), locate(level), align=8)
                carry = builder.and_(bit, carry)
            return context.get_dummy_value()

        return signature, generate

    return intrinsic(add)


# All take (counter, streams, flips, k, first, w). To words w..w+LANES-1 of `counter` (COUNT_BITS,
# TILE_WORDS) they add words first+w.. of each of the streams with keys ``streams[k]``, ..., XORed
# with ``flips[k]`` (all bits or none).
add_32_streams = _make_adder(5)
add_8_streams = _make_adder(3)
add_1_stream = _make_adder(0)


@intrinsic  # type: ignore[untyped-decorator]
def add_counts(
    typingctx: Any, counter: Any, w: Any, n_bits: Any, factor: Any, offset: Any, field: Any
) -> Any:
    """Add factor * count - offset to 64 entries of `field` (64 TILE_WORDS,), the counts of word w.

    `counter` is (COUNT_BITS, TILE_WORDS), of which the lowest `n_bits` bits are read.
    """
    signature = types.void(counter, types.intp, types.intp, types.int32, types.int32, field)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counter, w, n_bits, factor, offset, field = arguments
        counter, field = _get_data(
            context, builder, (signature.args[0], signature.args[5]), (counter, field)
        )
        lanes = _FIELDS.count
        quarters = []  # of a word: 16 bits, 16 neurons
        for n in range(64 // lanes):
            place = builder.add(builder.mul(w, ir.Constant(_I64, 64)), ir.Constant(_I64, n * lanes))
            where = builder.bitcast(builder.gep(field, [place]), _FIELDS.as_pointer())
            total = cgutils.alloca_once(builder, _FIELDS)  # a register once it is compiled
            sums = builder.load(where, align=4)
            builder.store(builder.sub(sums, _fill(builder, _FIELDS, offset)), total)
            quarters.append((where, total))
        with cgutils.for_range(builder, n_bits) as loop:
            place = builder.add(w, builder.mul(loop.index, ir.Constant(_I64, TILE_WORDS)))
            word = builder.load(builder.gep(counter, [place]))
            weight = _fill(builder, _FIELDS, builder.shl(factor, builder.trunc(loop.index, _I32)))
            zero = ir.Constant(_FIELDS, [0] * lanes)
            for n, (_, total) in enumerate(quarters):
                part = builder.trunc(builder.lshr(word, ir.Constant(_I64, n * lanes)), _I32)
                masks = ir.Constant(_FIELDS, [1 << lane for lane in range(lanes)])
                bits = builder.and_(_fill(builder, _FIELDS, part), masks)
                term = builder.select(builder.icmp_unsigned("!=", bits, zero), weight, zero)
                builder.store(builder.add(builder.load(total), term), total)
        for where, total in quarters:
            builder.store(builder.load(total), where, align=4)
        return context.get_dummy_value()

    return signature, generate
