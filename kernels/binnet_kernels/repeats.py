"""Kernels called many times in a row, for benchmarks of small networks.

Their work takes microseconds, and a call from Python as long. Each of these does what its namesake
does, with nothing between but what makes the next time do the same work again.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.integer.fields import spread_bits, sweep_tiles
from binnet_kernels.lowlevel.simd import TILE
from binnet_kernels.relaxation.fields import accumulate_fields
from binnet_kernels.relaxation.fields_int16 import accumulate_fields_int16
from binnet_kernels.rules.events import update_couplings_perceptron
from binnet_kernels.rules.integer_synapses import thin_events
from binnet_kernels.rules.integer_updates import update_couplings_integer


@kernel
def repeat_sweeps(packed, states, octets, external, factor, self_coupling, n_sweeps, fields):
    """Do synchronous sweeps of all neurons, by `integer.fields.sweep_tiles`.

    Parameters
    ----------
    packed : Packed
    states : uint64 array (2, B, H / 64)
        Sweep t reads ``states[t % 2]`` and writes the other.
    octets : uint8 array (B, K + padding)
        Work space, where the weights are bytes.
    external : int32 array (B, H + padding)
    factor, self_coupling, n_sweeps : int
    fields : int32 array (B, H + padding)
    """
    n_tiles = fields.shape[1] // TILE
    for t in range(n_sweeps):
        old, new = states[t % 2], states[1 - t % 2]
        if packed.is_bytes:
            spread_bits(old, octets)
        sweep_tiles(
            packed, old, octets, external, factor, self_coupling, np.int64(0), n_tiles, new, fields
        )


@kernel
def sweep_columns_int16(couplings, old, external, self_coupling, rows, begin, stop, fields, new):
    """Do one synchronous sweep of int16 couplings for neurons begin..stop-1.

    The field is ``sum_j J_ij s_j + self_coupling s_i + external[i]``.

    Parameters
    ----------
    couplings : int16 array (N, N)
        Presynaptic-major.
    old : int16 array (B, N)
        States.
    external : int32 array (N,)
    self_coupling : int
    rows : int array (B,)
        0..B-1.
    begin, stop : int
    fields : int32 array (B, N)
        Their fields without the self-coupling.
    new : int16 array (B, N)
        Next states.
    """
    own, up, down = np.int32(self_coupling), np.int16(1), np.int16(-1)
    n, more = stop - begin, external[begin:stop]
    for b in range(old.shape[0]):
        field = fields[b, begin:stop]
        for i in range(n):
            field[i] = more[i]
    accumulate_fields_int16(couplings, old, rows, rows.shape[0], fields, begin, stop)
    for b in range(old.shape[0]):
        field, before, after = fields[b, begin:stop], old[b, begin:stop], new[b, begin:stop]
        for i in range(n):
            h = np.int32(field[i] + np.int32(own * np.int32(before[i])))
            after[i] = up if h >= 0 else down


@kernel
def repeat_sweeps_int16(couplings, states, external, self_coupling, rows, n_sweeps, fields):
    """Do synchronous sweeps of all neurons; `states` (2, B, N) are as in `repeat_sweeps`."""
    n_neurons = couplings.shape[0]
    for t in range(n_sweeps):
        sweep_columns_int16(
            couplings, states[t % 2], external, self_coupling, rows, np.int64(0), n_neurons,
            fields, states[1 - t % 2],
        )  # fmt: skip


@kernel
def repeat_fields(weights, states, rows, n_times, out):
    """Set `out` (B, W) to the fields of `states` (B, K), by `relaxation.fields`, as often as asked.

    `rows` (B,) are 0..B-1.
    """
    for _ in range(n_times):
        out[:] = 0
        accumulate_fields(weights, states, np.int64(0), rows, rows.shape[0], out, np.int64(0))


@kernel
def repeat_updates(weights, rate, gains, pre, post, n_times):
    """Add the events of a batch to weights (K, W) and take them back, by turns.

    `pre` (2, K) and `post` (2, W) are spins and masks by `pack_samples`; `rate` is that of the
    first time, and of every other.
    """
    for t in range(n_times):
        update_couplings_perceptron(
            weights, rate if t % 2 == 0 else -rate, gains, pre[0], pre[1], post[0], post[1],
            np.int64(0),
        )  # fmt: skip


@kernel
def repeat_updates_integer(
    weights, place, levels, key, pre, post, is_back, left, targets, counts, n_times
):
    """Add the events of a batch to integers (K, W) and take them back, by turns.

    Parameters
    ----------
    weights : int8 array (K, W)
    place : Place
    levels : Levels
    key : uint64
        The same every time: the same events are left.
    pre : uint32 array (2, K)
        Spins of presynaptic neurons and their masks, by `pack_samples`.
    post : uint32 array (3, W)
        Spins of the targets, the same turned around, and who is unstable.
    is_back : int
        0: the first time events are added; 1: taken back.
    left : uint32 array (W,)
        Work space.
    targets : Targets
    counts : int64 array (2,)
    n_times : int
    """
    for t in range(n_times):
        for i in range(left.shape[0]):
            left[i] = post[2, i]
        thin_events(levels, key, np.int64(place.first), left, targets, np.int64(0))
        update_couplings_integer(
            weights, place, levels, key, pre[0], pre[1], post[(t + is_back) % 2], left, targets,
            counts,
        )  # fmt: skip
