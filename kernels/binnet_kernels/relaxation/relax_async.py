"""Asynchronous relaxation: one neuron at a time, in random order; each sees the newest state.

The fields are kept up to date, so a visit costs O(1) and only a flip costs O(H).
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import inner_kernel
from binnet_kernels.lowlevel.rng import derive_key, shuffle_sites
from binnet_kernels.relaxation.fields import add_event_to_fields
from binnet_kernels.relaxation.relax_sync import find_settled
from binnet_kernels.structs import FIXED_POINT, UNSETTLED


@inner_kernel
def relax_async(recurrence, drive, update, outcome, scratch, first_sweep, start, stop):
    """Relax samples start..stop-1; a sweep is H updates in a random order drawn for that sweep.

    Same arguments as `relax_sync`; of `update` only the keys are read.
    """
    couplings, windows = recurrence.couplings, recurrence.windows
    one = outcome.state.dtype.type(1)
    scale = outcome.state.dtype.type(recurrence.scale)
    partners, excitations = recurrence.partners, recurrence.excitations
    for b in range(start, stop):
        state, field, external = outcome.state[b], outcome.field[b], drive.external[b]
        feedback = drive.feedback[drive.labels[b]]
        order = scratch.sites[0, b]
        settled_at = find_settled(drive, outcome, first_sweep, b)
        for t in range(first_sweep, drive.amplitudes.shape[0]):
            amplitude = drive.amplitudes[t]
            if settled_at == amplitude:
                continue
            shuffle_sites(derive_key(update.keys[b], t), order)
            n_changes = 0
            for i in order:
                h = (
                    external[i]
                    + scale * field[i]
                    + recurrence.self_couplings[i] * state[i]
                    + amplitude * feedback[i]
                )
                for k in range(partners.shape[0]):
                    h += excitations[k, i] * state[partners[k, i]]
                spin = one if h >= 0 else -one
                change = spin - state[i]
                if change != 0:
                    state[i] = spin
                    add_event_to_fields(couplings, windows, i, change, field)
                    n_changes += 1
            outcome.sweeps[b] += 1
            outcome.changes[b, t] = n_changes
            if n_changes == 0:
                outcome.status[b] = FIXED_POINT
                settled_at = amplitude
            else:
                outcome.status[b] = UNSETTLED
                settled_at = np.nan
