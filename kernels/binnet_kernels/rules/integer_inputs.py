"""The update of input weights in integers where inputs are graded: events weighted by x.

What spins do with bits, 32 samples at a time (`integer_updates`), takes a product for each sample
and synapse here. An input x is an integer with f fraction bits, so that an event moves a weight by
``x 2**-(k + f)`` levels (docs/model/arithmetic.md, section 3.1).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, inner_kernel, kernel
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.rules.integer_synapses import (
    NEAREST,
    PER_EVENT,
    PER_WEIGHT,
    draw_counter,
    round_nearest,
    round_random,
    step_register,
)
from binnet_kernels.structs import Array

_REGISTER_BITS = 16


def make_input_room(n_banks: int, n_samples: int, width: int) -> tuple[Array, Array]:
    """Return room of each bank for spins and thresholds of its events, (S, n_samples, width)."""
    return (
        np.zeros((n_banks, n_samples, width), np.int32),
        np.zeros((n_banks, n_samples, width), np.int32),
    )


@inner_kernel
def _draw(levels, registers, key, i, counter, n_bits):
    """Return a draw of `n_bits` bits; those that a shift register does not have are 0."""
    if n_bits == 0:
        return np.int32(0)
    if not levels.use_register:
        return draw_counter(key, counter, n_bits)
    register = np.int32(step_register(registers[i]))
    registers[i] = register
    if n_bits > _REGISTER_BITS:
        return np.int32(register << (n_bits - _REGISTER_BITS))
    return np.int32(register >> (_REGISTER_BITS - n_bits))


@inlined_kernel
def _list_learners(place, key, unstable, targets, posts):
    """Copy who learns, and list those that learn in a sample at least, with their keys."""
    n_samples, width = unstable.shape
    n_sites = np.int64(0)
    for b in range(n_samples):
        for i in range(width):
            posts[b, i] = unstable[b, i]
    for i in range(width):
        n_events = 0
        for b in range(n_samples):
            n_events += posts[b, i] != 0
        if n_events > 0:
            targets.sites[n_sites] = i
            targets.keys[n_sites] = derive_key(key, place.first + i)
            n_sites += 1
    return n_sites


@inlined_kernel
def _thin(levels, fraction_bits, targets, n_sites, posts, thresholds, n_samples):
    """Keep each event with probability 2**-k; one that is kept has a random threshold, in 2**-f."""
    exponent = max(np.int32(levels.exponent), 0)
    for t in range(n_sites):
        i = targets.sites[t]
        for b in range(n_samples):
            if posts[b, i] == 0:
                continue
            draw = _draw(levels, targets.registers, targets.keys[t], i, b, exponent + fraction_bits)
            if draw >> fraction_bits != 0:
                posts[b, i] = 0
            thresholds[b, i] = draw & ((1 << fraction_bits) - 1)


@inlined_kernel
def _sum_events(levels, fraction_bits, inputs, j, posts, thresholds, sums):
    """Write sum_b x_bj s_bi; of whole events, x rounded up where the threshold takes it there.

    Return in how many samples there is an input.
    """
    shift, width, n_inputs = np.int32(fraction_bits), sums.shape[0], 0
    sums[:] = 0
    for b in range(inputs.shape[0]):
        x, post = inputs[b, j], posts[b, :width]
        if x == 0:  # most pixels are
            continue
        n_inputs += 1
        if levels.rounding == PER_EVENT:
            threshold = thresholds[b, :width]
            for i in range(width):
                sums[i] += np.int32(np.int32(np.int32(x + threshold[i]) >> shift) * post[i])
        else:
            for i in range(width):
                sums[i] += np.int32(x * post[i])
    return n_inputs


@kernel
def update_inputs_integer(
    weights, place, levels, fraction_bits, key, inputs, unstable, targets, sums, posts, thresholds,
    counts,
):  # fmt: skip
    """Add the rounded events of a batch with graded inputs to weights (N, W), in place.

    Parameters
    ----------
    weights : int8 or int16 array (N, W)
    place : Place
        Of a block that is whole.
    levels : Levels
        Its exponent is that of an input of 1.
    fraction_bits : int
        f of the inputs.
    key : uint64
        Of the step and the block.
    inputs : int32 array (n, N)
        Graded inputs of the samples, as integers.
    unstable : int32 array (n, W)
        What the targets learn in each sample: a spin, or 0 where they do not.
    targets : Targets
        Work space and shift registers.
    sums : int32 array (>= W,)
        Work space, as the next two.
    posts, thresholds : int32 array (>= n, >= W)
    counts : int64 array (2,)
        Raised by the weights that changed, and by the sums that saturated.
    """
    n_samples, width = unstable.shape
    sums = sums[:width]
    n_sites = _list_learners(place, key, unstable, targets, posts)
    exponent = np.int32(levels.exponent + fraction_bits)
    if levels.rounding == PER_EVENT:
        _thin(levels, fraction_bits, targets, n_sites, posts, thresholds, n_samples)
        exponent = min(np.int32(levels.exponent), np.int32(0))  # x is rounded
    is_rounded = exponent > 0 and levels.rounding == PER_WEIGHT
    is_nearest = exponent > 0 and levels.rounding == NEAREST
    factor = np.int32(np.int32(levels.step) << np.int32(-exponent if exponent < 0 else 0))
    low, high, changed, saturated = np.int32(levels.low), np.int32(levels.high), 0, 0
    for j in range(weights.shape[0]):
        n_inputs = _sum_events(levels, fraction_bits, inputs, j, posts, thresholds, sums)
        if n_inputs == 0 and not (is_rounded and levels.use_register):
            continue
        row = weights[j]
        for t in range(n_sites):
            i = targets.sites[t]
            amount = sums[i]
            # A register steps for every synapse, a counter is asked where there is a remainder.
            if is_rounded and (amount != 0 or levels.use_register):
                draw = _draw(
                    levels, targets.registers, targets.keys[t], i, place.pre_first + j, exponent
                )
                amount = round_random(amount, exponent, draw)
            elif is_nearest:
                amount = round_nearest(amount, exponent)
            if amount == 0:
                continue
            old = np.int32(row[i])
            asked = np.int32(old + np.int32(factor * amount))
            new = min(max(asked, low), high)
            row[i] = new
            changed += new != old
            saturated += new != asked
    counts[0] += changed
    counts[1] += saturated
