"""Rate networks: trajectories, the backward pass through time, and eligibility traces.

The network is that of docs/model/rate.md, eq. (1.1)::

    h_{t+1} = a h_t + (1 - a) (W_h r_t + u_t),   r_t = f(h_t),   u_t = W_x x_t

with f = ReLU, or tanh where `is_tanh`. Unlike the binary kernels, these keep the orientation of the
equations, ``recurrent[i, j]`` couples j to i, as every autodiff framework does; ``recurrent_t`` is
the transposed copy. Arrays of trajectories have shape (sample, time, neuron) with T + 1 times,
t = 0..T. One sample is followed at a time: the weights stay in the cache, and a ReLU that is silent
costs nothing.
"""

from __future__ import annotations

import math

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.tiles import make_row_sum

#: Weights that are multiplied by states have a multiple of this many columns, 0 beyond N.
WIDTH = 64
_sum_rows = make_row_sum(1, WIDTH)


@kernel
def run_rate(recurrent_t, drive, leak, is_tanh, states, rates, field, active, counting):
    """Follow the network from ``states[:, 0]``.

    Parameters
    ----------
    recurrent_t : array (N, N_padded)
        ``recurrent_t[j, i]`` = W_h[i, j]; N_padded is a multiple of WIDTH.
    drive : array (B, T, N)
        u_t.
    leak : float
        a, in the arrays' precision.
    is_tanh : bool
    states, rates : array (B, T + 1, N)
        h_t and f(h_t), written for t >= 1; both are read at t = 0.
    field : array (1, N_padded)
        Scratch.
    active : int array (N,)
        Scratch: the neurons that are not silent.
    counting : int array (N,)
        0..N-1.
    """
    n_samples, n_steps, n = drive.shape
    zero, one = drive.dtype.type(0), drive.dtype.type(1)  # the literals would be float64
    gain = one - leak
    for b in range(n_samples):
        for t in range(n_steps):
            before, rate, u = states[b, t], rates[b, t : t + 1].T, drive[b, t]
            after, rate_after = states[b, t + 1], rates[b, t + 1]
            n_active = 0
            for j in range(n):
                active[n_active] = j
                n_active += rate[j, 0] != 0
            field[0] = 0
            for start in range(0, field.shape[1], WIDTH):
                _sum_rows(field, 0, start, one, recurrent_t, active, rate, active, 0, n_active)
            for i in range(n):
                after[i] = leak * before[i] + gain * (field[0, i] + u[i])
            if is_tanh:
                for i in range(n):
                    rate_after[i] = math.tanh(after[i])
            else:
                for i in range(n):
                    rate_after[i] = zero if after[i] <= zero else after[i]  # a NaN stays one


@kernel
def backpropagate_rate(recurrent, signals, slopes, leak, deltas, field, counting):
    """Carry the gradient of the loss back through time (reverse mode, exact).

    ``g_t = s_t + a g_{t+1} + (1 - a) f'(h_t) * (W_h^T g_{t+1})`` with g_{T+1} = 0, where s_t is
    the part of dloss/dh_t that does not pass through later states. The gradients are then
    dloss/dW_h = sum_t delta_t r_t^T and dloss/dW_x = sum_t delta_t x_t^T.

    Parameters
    ----------
    recurrent : array (N, N_padded)
        ``recurrent[i, j]`` = W_h[i, j]; N_padded is a multiple of WIDTH.
    signals : array (B, T + 1, N)
        s_t; that of t = 0 is not read.
    slopes : array (B, T + 1, N)
        f'(h_t).
    leak : float
    deltas : array (B, T + 1, N)
        Written: delta_t = (1 - a) g_{t+1} for t < T, and 0 at T.
    field : array (1, N_padded)
        Scratch.
    counting : int array (N,)
        0..N-1.
    """
    n_samples, n_times, n = signals.shape
    one = signals.dtype.type(1)
    gain = one - leak
    for b in range(n_samples):
        deltas[b, n_times - 1] = 0
        for t in range(n_times - 1, 0, -1):
            signal, slope, later, delta = (
                signals[b, t],
                slopes[b, t],
                deltas[b, t],
                deltas[b, t - 1],
            )
            column = deltas[b, t : t + 1].T
            field[0] = 0
            for start in range(0, field.shape[1], WIDTH):  # (1 - a) W_h^T g_{t+1}
                _sum_rows(field, 0, start, one, recurrent, counting, column, counting, 0, n)
            for j in range(n):
                delta[j] = gain * (signal[j] + slope[j] * field[0, j]) + leak * later[j]


@kernel
def filter_traces(activity, leak, traces):
    """Filter a presynaptic activity: p_0 = 0, p_{t+1} = a p_t + (1 - a) z_t (e-prop, leak only).

    `activity` has shape (B, >= T, K), `traces` (B, T + 1, K).
    """
    n_samples, n_times, n = traces.shape
    gain = traces.dtype.type(1) - leak
    for b in range(n_samples):
        traces[b, 0] = 0
        for t in range(n_times - 1):
            trace, after, z = traces[b, t], traces[b, t + 1], activity[b, t]
            for k in range(n):
                after[k] = leak * trace[k] + gain * z[k]


@kernel
def accumulate_self_traces(self_weights, signals, slopes, activity, leak, trace, grads):
    """Add the gradient of e-prop with self term to `grads` (Liu et al. 2024, Eq. 8).

    The trace of synapse k -> i keeps the neuron's own past, with its coupling to itself::

        e_ik(t+1) = (a + (1 - a) W_ii f'(h_i(t))) e_ik(t) + (1 - a) z_k(t)
        grads_ik += sum_t s_i(t) e_ik(t)

    Parameters
    ----------
    self_weights : array (N,)
        W_ii.
    signals, slopes : array (B, T + 1, N)
        Learning signals s_i(t) = f'(h_i) sum_k w_ki dloss/dy_k, and f'(h_t).
    activity : array (B, >= T, K)
        Presynaptic activity z_t: rates or inputs.
    leak : float
    trace : array (K,)
        Scratch.
    grads : array (N, K)
        Added to.
    """
    n_samples, n_times, n = signals.shape
    gain = signals.dtype.type(1) - leak
    for b in range(n_samples):
        for i in range(n):
            own, row = gain * self_weights[i], grads[i]
            trace[:] = 0
            for t in range(n_times - 1):
                keep = leak + own * slopes[b, t, i]
                signal, z = signals[b, t + 1, i], activity[b, t]
                for k in range(len(trace)):
                    trace[k] = keep * trace[k] + gain * z[k]
                    row[k] += signal * trace[k]


@kernel
def write_slopes(rates, is_tanh, slopes):
    """Write f'(h) from f(h), for flat arrays; that of a silent ReLU is 0."""
    one, zero = rates.dtype.type(1), rates.dtype.type(0)
    for k in range(len(rates)):
        slopes[k] = one - rates[k] * rates[k] if is_tanh else (one if rates[k] > 0 else zero)


@kernel
def step_adam(weights, grads, means, squares, beta1, beta2, rate, scale, epsilon):
    """Change flat `weights` by one step of Adam, in place, and its running means.

    ``w -= rate m / (scale sqrt(v) + epsilon)``: `rate` and `scale` carry the bias corrections. All
    numbers are in the arrays' precision.
    """
    one = weights.dtype.type(1)
    for k in range(len(weights)):
        means[k] = beta1 * means[k] + (one - beta1) * grads[k]
        squares[k] = beta2 * squares[k] + (one - beta2) * grads[k] * grads[k]
        weights[k] -= rate * means[k] / (scale * math.sqrt(squares[k]) + epsilon)
