"""e-prop: the influence cut down to traces that a synapse can keep."""

from __future__ import annotations

import numpy as np

from binnet.rate._trajectories import Floats, cut_trials
from binnet.rate.rules._pass import Pass
from binnet.rate.rules._sums import Sums


def eprop(p: Pass) -> dict[str, Floats]:
    """Return the gradient by presynaptic traces that leak (eq. (2.4)).

    O(N K) of time per step and trial, K = N + N_in, the sum over time, and O(K T) of memory beside
    the trajectories, of one trial.
    """
    from binnet_kernels.rate.sums import accumulate_eprop

    rates, sums = p.trajectory.rates, Sums(p)
    for b in cut_trials(rates):
        accumulate_eprop(
            rates[b], p.inputs[b], p.error[b], p.carrier, sums.leak, sums.is_tanh, sums.scratch,
            sums.lists[0], sums.grads, sums.input_grads_t,
        )  # fmt: skip
    return sums.gradients()


def eprop_self(p: Pass) -> dict[str, Floats]:
    """Return the gradient by traces with the coupling of a neuron to itself (eq. (2.5)).

    O(N K) of time per step and trial, K = N + N_in; beside the trajectories O(K) of memory, as the
    traces of one neuron are taken through a trial at a time.
    """
    from binnet_kernels.rate.steps import accumulate_self_traces

    own = np.ascontiguousarray(p.network.recurrent.diagonal())
    grads = {}
    for name, activity in (("recurrent", p.trajectory.rates), ("input_weights", p.inputs)):
        n_presynaptic = activity.shape[2]
        grads[name] = np.zeros((p.network.n_neurons, n_presynaptic), p.network.dtype)
        for b in cut_trials(p.signals):
            accumulate_self_traces(
                own, p.signals[b], p.slopes[b], activity[b], p.network.dtype.type(p.network.leak),
                np.empty(n_presynaptic, p.network.dtype), grads[name],
            )  # fmt: skip
    return grads
