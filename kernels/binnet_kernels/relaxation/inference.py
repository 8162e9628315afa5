"""Relaxation of many samples at once; nothing is learned."""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.calls import call, find_address
from binnet_kernels.relaxation.fields import accumulate_couplings, accumulate_fields, read_out
from binnet_kernels.relaxation.orders import DRIVEN_SWEEPS
from binnet_kernels.structs import Drive, Outcome, Recurrence, Scratch, Update

# Samples that share a pass over the couplings in a dense product. A sample's result does not depend
# on it.
_BLOCK = 16


@kernel
def _is_awake(state):
    for spin in state:
        if spin != 0:
            return True
    return False


@kernel
def relax_samples(
    relax, recurrence, input_weights, inputs, readout, drive, update, outcome, scratch, first_sweep,
    readout_fields,
):  # fmt: skip
    """Relax all samples from `outcome.state`; add their inputs to `drive.external`; read them out.

    Where `drive.amplitudes` has sweeps after `first_sweep` alone, the earlier calls have done the
    others, and added the inputs.

    Parameters
    ----------
    relax : int
        Address of the sweeps, from `find_relax`.
    recurrence, drive, update, outcome, scratch
        See `structs`; `outcome.field` must be 0 at the first call.
    input_weights : array (S, N, W)
    inputs : array (B, N)
        Spins, in the dtype of the weights.
    readout : array (C, H + padding)
    readout_fields : array (B, C)
        Written.
    """
    n_samples = outcome.state.shape[0]
    n_hidden, width = scratch.excited.shape[1], input_weights.shape[2]
    rows = scratch.rows
    for start in range(0, n_samples, _BLOCK):
        stop = min(n_samples, start + _BLOCK)
        for b in range(start, stop):
            rows[b] = b
        if first_sweep == 0:
            for bank in range(input_weights.shape[0]):
                accumulate_fields(
                    input_weights[bank], inputs, np.int64(0), rows[start:stop], stop - start,
                    drive.external, bank * width,
                )  # fmt: skip
            n_awake = np.int64(0)
            for b in range(start, stop):  # the field of a silent state is 0 as it stands
                if _is_awake(outcome.state[b]):
                    rows[start + n_awake] = b
                    n_awake += 1
            accumulate_couplings(
                recurrence.couplings, recurrence.windows, outcome.state, rows[start:stop], n_awake,
                outcome.field,
            )  # fmt: skip
        call(relax, recurrence, drive, update, outcome, scratch, first_sweep, start, stop)
        for b in range(start, stop):
            read_out(readout, 1.0, outcome.state[b], n_hidden, readout_fields[b])


def find_relax(
    recurrence: Recurrence, drive: Drive, update: Update, outcome: Outcome, scratch: Scratch
) -> int:
    """Return the address of the sweeps of an update's order, compiled where needed."""
    return find_address(
        DRIVEN_SWEEPS[update.order], recurrence, drive, update, outcome, scratch, 0, 0, 1
    )
