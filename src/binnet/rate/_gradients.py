"""The gradient of each learning rule, for arguments that are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from binnet._threads import cut_for, in_pieces, share_out
from binnet.rate._losses import Goal, compute_error
from binnet.rate._trajectories import (
    Floats,
    Trajectory,
    Workspace,
    compute_slopes,
    cut_trials,
    pad_columns,
)
from binnet.rate.model import RateRNN, follow

RULES = ("bptt", "rtrl", "eprop", "eprop-self")
_WORK_PER_CALL = 10**9  # products: a fraction of a second


class Gradient(NamedTuple):
    """Loss, gradient and outputs of a batch of trials.

    Attributes
    ----------
    loss : float
        The loss.
    grads : dict of str to ndarray
        Its gradient by "recurrent", "input_weights" and "readout"; for e-prop, its approximation.
    outputs : ndarray, shape (B, T, N_out)
        What the network answers.
    """

    loss: float
    grads: dict[str, Floats]
    outputs: Floats


def compute_gradient(
    network: RateRNN,
    inputs: Floats,
    goal: Goal,
    rule: str,
    feedback: Floats | None,
    threads: int,
    work: Workspace,
) -> Gradient:
    """Return the gradient for arguments that are checked; outputs are of the workspace."""
    trajectory = follow(network, inputs, work)
    n_samples, n_times, n = trajectory.rates.shape
    loss, output_error = compute_error(trajectory.outputs, goal)
    error = work.take("error", (n_samples, n_times, network.n_outputs), network.dtype)
    error[:, 1:] = output_error  # h_0 has no output: its row stays 0
    error = error.reshape(-1, network.n_outputs)
    slopes = compute_slopes(network.activation, trajectory.rates, work)
    # s_t, the part of dloss/dh_t that does not pass through later states.
    signals = work.take("signals", slopes.shape, network.dtype)
    np.matmul(error, network.readout if feedback is None else feedback, out=signals.reshape(-1, n))
    signals *= slopes
    grads = _RULES[rule](network, inputs, trajectory, slopes, signals, threads, work)
    grads["readout"] = error.T @ trajectory.rates.reshape(-1, n)
    return Gradient(loss, grads, trajectory.outputs)


def _bptt(
    network: RateRNN,
    inputs: Floats,
    trajectory: Trajectory,
    slopes: Floats,
    signals: Floats,
    threads: int,
    work: Workspace,
) -> dict[str, Floats]:
    from binnet_kernels.rate.steps import backpropagate_rate

    n = network.n_neurons
    deltas = work.take("deltas", signals.shape, network.dtype)
    leak = network.dtype.type(network.leak)
    recurrent = pad_columns(network.recurrent, "recurrent", work)
    field = work.take("field", (1, recurrent.shape[1]), network.dtype)
    for b in cut_trials(signals):
        backpropagate_rate(
            recurrent, signals[b], slopes[b], leak, deltas[b], field, np.arange(n)
        )  # fmt: skip
    return {
        "recurrent": deltas.reshape(-1, n).T @ trajectory.rates.reshape(-1, n),
        "input_weights": np.tensordot(deltas[:, :-1], inputs, ((0, 1), (0, 1))),
    }


def _rtrl(
    network: RateRNN,
    inputs: Floats,
    trajectory: Trajectory,
    slopes: Floats,
    signals: Floats,
    threads: int,
    work: Workspace,
) -> dict[str, Floats]:
    from binnet_kernels.rate.rtrl import PANEL, advance_influence

    (n_samples, n_times, n), dtype = slopes.shape, network.dtype
    activity = np.concatenate([trajectory.rates[:, :-1], inputs], axis=2)
    n_columns = n * activity.shape[2]
    n_panels = -(-n_columns // PANEL)
    # One sample after the other: the memory is that of one influence matrix.
    influence = work.take("influence", (1, n_panels, n, PANEL), dtype)
    grads = np.zeros((n_panels, PANEL), dtype)
    weights = np.ascontiguousarray(network.recurrent.T)
    work_of_panel = n_times * n * n * PANEL
    size = max(1, min(cut_for(threads, n_panels), _WORK_PER_CALL // work_of_panel))

    def advance(first: int) -> None:
        """Take all steps of all samples with some panels."""
        stop = min(first + size, n_panels)
        scaled, active = np.empty((n, PANEL), dtype), np.empty(n, np.int64)
        for begin, end in in_pieces(n_samples):
            for b in range(begin, end):
                influence[:, first:stop] = 0
                advance_influence(
                    influence, weights, slopes[b : b + 1, :-1], activity[b : b + 1],
                    signals[b : b + 1, 1:], dtype.type(network.leak), first, stop, grads, scaled,
                    active, np.arange(n),
                )  # fmt: skip

    share_out(threads, advance, range(0, n_panels, size))
    both = grads.reshape(-1)[:n_columns].reshape(n, -1)
    return {"recurrent": both[:, :n].copy(), "input_weights": both[:, n:].copy()}


def _eprop(
    network: RateRNN,
    inputs: Floats,
    trajectory: Trajectory,
    slopes: Floats,
    signals: Floats,
    threads: int,
    work: Workspace,
) -> dict[str, Floats]:
    from binnet_kernels.rate.steps import filter_traces

    n_samples, n_times, n = signals.shape
    grads = {}
    for name, activity in (("recurrent", trajectory.rates), ("input_weights", inputs)):
        traces = work.take(
            f"traces of {name}", (n_samples, n_times, activity.shape[2]), network.dtype
        )
        filter_traces(activity, network.dtype.type(network.leak), traces)
        # A trace is the same for all targets: the sum over time is one matrix product.
        grads[name] = signals.reshape(-1, n).T @ traces.reshape(-1, traces.shape[2])
    return grads


def _eprop_self(
    network: RateRNN,
    inputs: Floats,
    trajectory: Trajectory,
    slopes: Floats,
    signals: Floats,
    threads: int,
    work: Workspace,
) -> dict[str, Floats]:
    from binnet_kernels.rate.steps import accumulate_self_traces

    own = np.ascontiguousarray(network.recurrent.diagonal())
    grads = {}
    for name, activity in (("recurrent", trajectory.rates), ("input_weights", inputs)):
        n_presynaptic = activity.shape[2]
        grads[name] = np.zeros((network.n_neurons, n_presynaptic), network.dtype)
        for b in cut_trials(signals):
            accumulate_self_traces(
                own, signals[b], slopes[b], activity[b], network.dtype.type(network.leak),
                np.empty(n_presynaptic, network.dtype), grads[name],
            )  # fmt: skip
    return grads


_RULES: dict[str, Callable[..., dict[str, Floats]]] = dict(
    zip(RULES, (_bptt, _rtrl, _eprop, _eprop_self), strict=True)
)
