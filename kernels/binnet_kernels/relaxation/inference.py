"""Relaxation of many samples at once; nothing is learned."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inlined_kernel, kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.relaxation.fields import accumulate_couplings, read_out, take_bank
from binnet_kernels.relaxation.orders import DRIVEN_SWEEPS, WAKING
from binnet_kernels.structs import UNSETTLED, Drive, Outcome, Recurrence, Scratch, Update

# Samples that share a pass over the weights in the first dense products, and in those of later
# sweeps, when what a sample needs had better stay in the cache. Results do not depend on them.
_PASS, _BLOCK = 256, 16


@inlined_kernel
def _is_awake(state):
    n_awake = 0
    for spin in state:
        n_awake += spin != 0
    return n_awake > 0


@inlined_kernel
def _wake(drive, outcome, n_hidden, start, stop):
    """Do the first sweep of silent samples: all neurons change, and the couplings add nothing."""
    one, amplitude = outcome.state.dtype.type(1), drive.amplitudes[0]
    for b in range(start, stop):
        external, feedback = drive.external[b], drive.feedback[drive.labels[b]]
        state = outcome.state[b]
        for i in range(n_hidden):
            state[i] = one if external[i] + amplitude * feedback[i] >= 0 else -one
        outcome.sweeps[b] = 1
        outcome.changes[b, 0] = n_hidden
        outcome.status[b] = UNSETTLED


@inlined_kernel
def _begin(
    product, recurrence, input_weights, inputs, drive, update, outcome, scratch, start, stop
):
    """Write the fields of samples start..stop-1; return how many sweeps that took."""
    n_hidden, n_banks = scratch.excited.shape[1], recurrence.windows.shape[0]
    width = recurrence.self_couplings.shape[0] // n_banks
    rows, n_awake = scratch.rows[start:stop], np.int64(0)
    for b in range(start, stop):
        drive.external[b, :] = 0
        outcome.field[b, :] = 0
        rows[b - start] = b
    for bank in range(n_banks):
        call(
            product, take_bank(input_weights, bank, inputs.shape[1]), inputs, np.int64(0), rows,
            stop - start, drive.external, bank * width,
        )  # fmt: skip
    for b in range(start, stop):  # the field of a silent state is 0 as it stands
        if _is_awake(outcome.state[b]):
            rows[n_awake] = b
            n_awake += 1
    n_sweeps = np.int64(0)
    if n_awake == 0 and update.order in WAKING and update.probability >= 1.0:
        _wake(drive, outcome, n_hidden, start, stop)
        n_sweeps, n_awake = np.int64(1), stop - start  # all of them, as `rows` still says
    accumulate_couplings(recurrence, outcome.state, rows, n_awake, outcome.field)
    return n_sweeps


@kernel
def relax_samples(
    relax, product, recurrence, input_weights, inputs, readout, drive, update, outcome, scratch,
    first_sweep, readout_fields,
):  # fmt: skip
    """Relax all samples from `outcome.state` under their inputs, and read them out.

    Where `drive.amplitudes` has sweeps after `first_sweep` alone, the earlier calls have done the
    others, and added the inputs.

    Parameters
    ----------
    relax : int
        Address of the sweeps, from `find_relax`.
    product : int
        Address of the dense product with a bank of the input weights, from `fields.find_product`.
    recurrence, drive, update, outcome, scratch
        See `structs`; `drive.external` and `outcome.field` are written by the first call.
    input_weights : array (S, N, W)
    inputs : array (B, N)
        Spins, in the dtype of the weights.
    readout : array (C, H + padding)
    readout_fields : array (B, C)
        Written.
    """
    n_samples, n_hidden = outcome.state.shape[0], scratch.excited.shape[1]
    for start in range(0, n_samples, _PASS):
        stop = min(n_samples, start + _PASS)
        next_sweep = np.int64(first_sweep)
        if first_sweep == 0:
            next_sweep = _begin(
                product, recurrence, input_weights, inputs, drive, update, outcome, scratch, start,
                stop,
            )  # fmt: skip
        for first in range(start, stop, _BLOCK):
            last = min(stop, first + _BLOCK)
            call(relax, recurrence, drive, update, outcome, scratch, next_sweep, first, last)
        for b in range(start, stop):
            read_out(readout, 1.0, outcome.state[b], n_hidden, readout_fields[b])


def find_relax(
    recurrence: Recurrence, drive: Drive, update: Update, outcome: Outcome, scratch: Scratch
) -> int:
    """Return the address of the sweeps of an update's order, compiled where needed."""
    return find_address(
        DRIVEN_SWEEPS[update.order], recurrence, drive, update, outcome, scratch, 0, 0, 1
    )
