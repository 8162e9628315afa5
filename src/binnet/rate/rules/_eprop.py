"""e-prop: the influence cut down to traces that a synapse can keep."""

from __future__ import annotations

import numpy as np

from binnet.rate._trajectories import Floats, cut_trials
from binnet.rate.rules._pass import Pass


def eprop(p: Pass) -> dict[str, Floats]:
    """Return the gradient by presynaptic traces that leak (eq. (2.4))."""
    from binnet_kernels.rate.steps import filter_traces

    n_samples, n_times, n = p.signals.shape
    grads = {}
    for name, activity in (("recurrent", p.trajectory.rates), ("input_weights", p.inputs)):
        traces = p.work.take(
            f"traces of {name}", (n_samples, n_times, activity.shape[2]), p.network.dtype
        )
        filter_traces(activity, p.network.dtype.type(p.network.leak), traces)
        # A trace is the same for all targets: the sum over time is one matrix product.
        grads[name] = p.signals.reshape(-1, n).T @ traces.reshape(-1, traces.shape[2])
    return grads


def eprop_self(p: Pass) -> dict[str, Floats]:
    """Return the gradient by traces with the coupling of a neuron to itself (eq. (2.5))."""
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
