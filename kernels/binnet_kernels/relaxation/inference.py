"""Relaxation of many samples at once: blocks of samples on all threads, nothing is learned."""

from __future__ import annotations

import numpy as np
from numba import prange

from binnet_kernels._jit import kernel, parallel_kernel
from binnet_kernels.relaxation.fields import accumulate_couplings, accumulate_fields
from binnet_kernels.relaxation.relax_async import relax_async
from binnet_kernels.relaxation.relax_sync import relax_sync
from binnet_kernels.rules.perceptron import read_out

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
def _relax_block(recurrence, drive, update, outcome, scratch, start, stop):
    n_awake = 0
    for b in range(start, stop):  # the field of a silent state is 0 as it stands
        if _is_awake(outcome.state[b]):
            scratch.rows[start + n_awake] = b
            n_awake += 1
    accumulate_couplings(
        recurrence.couplings,
        recurrence.windows,
        outcome.state,
        scratch.rows[start:stop],
        n_awake,
        outcome.field,
    )
    if update.asynchronous:
        relax_async(recurrence, drive, update, outcome, scratch, start, stop)
    else:
        relax_sync(recurrence, drive, update, outcome, scratch, np.int64(0), start, stop)


@kernel
def _drive_block(input_weights, inputs, external, everyone, start, stop):
    for bank in range(input_weights.shape[0]):
        accumulate_fields(
            input_weights[bank],
            inputs,
            0,
            everyone[start:stop],
            stop - start,
            external,
            bank * input_weights.shape[2],
        )


@parallel_kernel
def relax_samples(
    recurrence, input_weights, inputs, readout, drive, update, outcome, scratch, readout_fields
):
    """Relax all samples from `outcome.state`; add their inputs to `drive.external`; read them out.

    Parameters
    ----------
    recurrence, drive, update, outcome, scratch
        See `structs`; `outcome.field` must be 0 on entry.
    input_weights : array (S, N, W)
    inputs : array (B, N)
        Spins, in the dtype of the weights.
    readout : array (C, H + padding)
    readout_fields : array (B, C)
        Written.
    """
    n_samples = outcome.state.shape[0]
    n_hidden = scratch.linked.shape[1]
    everyone = np.arange(n_samples)
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        start, stop = block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)
        _drive_block(input_weights, inputs, drive.external, everyone, start, stop)
        _relax_block(recurrence, drive, update, outcome, scratch, start, stop)
        for b in range(start, stop):
            read_out(readout, 1.0, outcome.state[b], n_hidden, readout_fields[b])
