"""Rate networks: trajectories, the backward pass through time, and eligibility traces.

The network is that of docs/model/rate.md, eq. (1.1)::

    h_{t+1} = a h_t + (1 - a) (W_h r_t + W_x x_t),   r_t = f(h_t)

with f = ReLU, or tanh where `is_tanh`. Unlike the binary kernels, these keep the orientation of the
equations, ``recurrent[i, j]`` couples j to i, as every autodiff framework does; where a copy is
transposed its name says so. Arrays of trajectories have shape (sample, time, neuron) with T + 1
times, t = 0..T. One sample is followed at a time: the weights stay in the cache, and a ReLU that is
silent costs nothing.
"""

from __future__ import annotations

import math

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.tiles import make_row_sum

#: Weights that are multiplied by states have a multiple of this many columns, 0 beyond N.
WIDTH = 64
_sum_rows = make_row_sum(1, WIDTH)


@kernel
def run_rate(weights_t, inputs, leak, is_tanh, states, rates, field, sources, bits, active):
    """Follow the network from ``states[:, 0]``.

    Parameters
    ----------
    weights_t : array (N + N_in, N_padded)
        Transposed: ``weights_t[j, i]`` = W_h[i, j] and ``weights_t[N + n, i]`` = W_x[i, n];
        N_padded is a multiple of WIDTH.
    inputs : array (B, T, N_in)
        x_t.
    leak : float
        a, in the arrays' precision.
    is_tanh : bool
    states, rates : array (B, T + 1, N)
        h_t and f(h_t), written for t >= 1; both are read at t = 0.
    field : array (1, N_padded)
        Scratch.
    sources : array (N + N_in, 1)
        Scratch: [r_t x_t].
    bits : int array (N + N_in, 1)
        The memory of `sources` as integers: what is not 0 is found in half the instructions.
    active : int array (N + N_in,)
        Scratch: those of them that are not 0.
    """
    n_samples, n_steps, n_inputs = inputs.shape
    n = states.shape[2]
    zero, one = states.dtype.type(0), states.dtype.type(1)  # the literals would be float64
    gain = one - leak
    for b in range(n_samples):
        for i in range(n):
            sources[i, 0] = rates[b, 0, i]
        for t in range(n_steps):
            before, after, rate_after = states[b, t], states[b, t + 1], rates[b, t + 1]
            for k in range(n_inputs):
                sources[n + k, 0] = inputs[b, t, k]
            n_active = 0
            for j in range(n + n_inputs):
                active[n_active] = j
                n_active += bits[j, 0] != 0
            field[0] = 0
            for start in range(0, field.shape[1], WIDTH):
                _sum_rows(field, 0, start, one, weights_t, active, sources, active, 0, n_active)
            for i in range(n):
                after[i] = leak * before[i] + gain * field[0, i]
            if is_tanh:
                for i in range(n):
                    rate_after[i] = sources[i, 0] = math.tanh(after[i])
            else:
                for i in range(n):  # a NaN stays one
                    rate_after[i] = sources[i, 0] = zero if after[i] <= zero else after[i]


@kernel
def write_slopes(rates, is_tanh, slopes):
    """Write f'(h) from f(h), for flat arrays; that of a silent ReLU is 0."""
    one, zero = rates.dtype.type(1), rates.dtype.type(0)
    if is_tanh:
        for k in range(len(rates)):
            slopes[k] = one - rates[k] * rates[k]
    else:
        for k in range(len(rates)):
            slopes[k] = one if rates[k] > 0 else zero


@kernel
def send_back(error, carrier, slopes, signals, steps):
    """Write the learning signals s = f'(h) * (w^T e) of each step, and return how many have any.

    Parameters
    ----------
    error : array (n_steps, N_out)
        dloss/dy.
    carrier : array (N_out, N)
        What carries the error back: the readout, or a feedback matrix.
    slopes : array (n_steps, N)
        f'(h).
    signals : array (n_steps, >= N)
        Written, the first N columns.
    steps : int array (n_steps,)
        Written: the steps with an error, in order.
    """
    n_outputs, n = carrier.shape
    n_found = 0
    for t in range(len(error)):
        signal, slope = signals[t], slopes[t]
        for i in range(n):
            signal[i] = 0
        steps[n_found] = t
        found = False
        for k in range(n_outputs):
            e, row = error[t, k], carrier[k]
            if e != 0:
                found = True
                for i in range(n):
                    signal[i] += e * row[i]
        if found:
            n_found += 1
            for i in range(n):
                signal[i] *= slope[i]
    return n_found


@kernel
def backpropagate_trial(recurrent, signals, slopes, leak, chunk, deltas, field, counting):
    """Do with one trial what `backpropagate_rate` does with each.

    Nothing flows back over steps that are multiples of `chunk`.
    """
    n_times, n = len(slopes), len(recurrent)
    one = signals.dtype.type(1)
    gain = one - leak
    deltas[n_times - 1] = 0
    for t in range(n_times - 1, 0, -1):
        signal, slope, later, delta = signals[t], slopes[t], deltas[t], deltas[t - 1]
        if t % chunk == 0:  # nothing comes from the chunk behind
            for j in range(n):
                delta[j] = gain * signal[j]
            continue
        column = deltas[t : t + 1].T
        field[0] = 0
        for start in range(0, field.shape[1], WIDTH):  # (1 - a) W_h^T g_{t+1}
            _sum_rows(field, 0, start, one, recurrent, counting, column, counting, 0, n)
        for j in range(n):
            delta[j] = gain * (signal[j] + slope[j] * field[0, j]) + leak * later[j]


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
    for b in range(len(signals)):
        backpropagate_trial(
            recurrent, signals[b], slopes[b], leak, signals.shape[1], deltas[b], field, counting
        )


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
