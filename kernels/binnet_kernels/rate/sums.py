"""Gradients that are sums over time of an outer product, trial by trial: e-prop and BPTT.

What a trial needs on the way - slopes, signals, traces or what comes back through time - is of one
trial, and stays in the cache; only the gradient is of the batch. The sum over time is one matrix
product of a trial, in tiles of 2 rows and 32 columns whose sums stay in registers. Steps without an
error add nothing and are left out.
"""

from __future__ import annotations

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.tiles import make_row_sum
from binnet_kernels.rate.steps import backpropagate_trial, send_back, write_slopes

_ROWS, _COLUMNS = 2, 32
_sum_tile = make_row_sum(_ROWS, _COLUMNS)


@kernel
def _add_products(left, right, n, steps, n_steps, grads):
    """Add ``sum_t left_t right_t^T`` over the first of `steps` to `grads` (N_padded, N_padded)."""
    one = grads.dtype.type(1)
    for i in range(0, n, _ROWS):
        for c in range(0, n, _COLUMNS):
            _sum_tile(grads, i, c, one, right, steps, left, steps, i, n_steps)


@kernel
def _add_inputs(left, right, steps, n_steps, grads_t):
    """Add ``sum_t right_t left_t^T`` to `grads_t` (N_in, N): few rows, and inputs are often 0."""
    n_inputs, n = grads_t.shape
    for k in range(n_steps):
        row = left[steps[k]]
        for m in range(n_inputs):
            factor, total = right[steps[k], m], grads_t[m]
            if factor != 0:
                for i in range(n):
                    total[i] += factor * row[i]


@kernel
def _filter_trace(activity, leak, n, traces):
    """Filter a presynaptic activity: p_0 = 0, p_{t+1} = a p_t + (1 - a) z_t."""
    gain = traces.dtype.type(1) - leak
    for k in range(n):
        traces[0, k] = 0
    for t in range(len(traces) - 1):
        trace, after, z = traces[t], traces[t + 1], activity[t]
        for k in range(n):
            after[k] = leak * trace[k] + gain * z[k]


@kernel
def accumulate_eprop(
    rates, inputs, error, carrier, leak, is_tanh, scratch, steps, grads, input_grads_t
):
    """Add the gradient of e-prop, sum_t s_t p_t^T with traces p that leak (eq. (2.4)).

    Parameters
    ----------
    rates : array (B, T + 1, N)
        f(h_t).
    inputs : array (B, T, N_in)
        x_t.
    error : array (B, T + 1, N_out)
        dloss/dy_t.
    carrier : array (N_out, N)
        What carries the error back.
    leak : float
        a, in the arrays' precision.
    is_tanh : bool
    scratch : array (4, T + 1, W)
        Scratch, 0 from N on but for the last, the traces of inputs; W is a multiple of 32, and not
        less than N_padded or N_in.
    steps : int array (T + 1,)
        Scratch.
    grads : array (N_padded, N_padded)
        Added to; N_padded is a multiple of 32.
    input_grads_t : array (N_in, N)
        Added to: the gradient of W_x, transposed.
    """
    n, n_inputs = rates.shape[2], inputs.shape[2]
    slopes, signals, traces, input_traces = scratch[0], scratch[1], scratch[2], scratch[3]
    for b in range(len(rates)):
        for t in range(rates.shape[1]):
            write_slopes(rates[b, t], is_tanh, slopes[t])
        n_steps = send_back(error[b], carrier, slopes, signals, steps)
        _filter_trace(rates[b], leak, n, traces)
        _filter_trace(inputs[b], leak, n_inputs, input_traces)
        _add_products(signals, traces, n, steps, n_steps, grads)
        _add_inputs(signals, input_traces, steps, n_steps, input_grads_t)


@kernel
def accumulate_traces(signals, rates, inputs, leak, scratch, counting, grads, input_grads_t):
    """Add sum_t s_t p_t^T with traces p as of e-prop, for signals s that are given.

    Parameters
    ----------
    signals : array (B, T + 1, N)
        s_t.
    rates, inputs, leak, scratch, grads, input_grads_t
        As of `accumulate_eprop`.
    counting : int array (>= T + 1,)
        0, 1, 2, ...
    """
    n, n_inputs, n_times = rates.shape[2], inputs.shape[2], rates.shape[1]
    padded, traces, input_traces = scratch[1], scratch[2], scratch[3]
    for b in range(len(rates)):
        for t in range(n_times):
            row, signal = padded[t], signals[b, t]
            for i in range(n):
                row[i] = signal[i]
        _filter_trace(rates[b], leak, n, traces)
        _filter_trace(inputs[b], leak, n_inputs, input_traces)
        _add_products(padded, traces, n, counting, n_times, grads)
        _add_inputs(padded, input_traces, counting, n_times, input_grads_t)


@kernel
def accumulate_bptt(
    recurrent, rates, inputs, error, carrier, leak, is_tanh, chunk, scratch, field, lists, grads,
    input_grads_t,
):  # fmt: skip
    """Add the gradient of BPTT, sum_t delta_t z_t^T (eq. (2.2)), whole or in chunks of steps.

    Parameters
    ----------
    recurrent : array (N, N_padded)
        As of `backpropagate_rate`.
    rates, inputs, error, carrier, leak, is_tanh
        As of `accumulate_eprop`.
    chunk : int
        Steps after which nothing flows back: at its multiples; T or more for the whole.
    scratch : array (4, T + 1, W)
        Scratch, 0 from N on but for the last; W is a multiple of 32, and not less than N_padded.
    field : array (1, N_padded)
        Scratch.
    lists : int array (2, >= max(N, T + 1))
        Scratch, and 0, 1, 2, ...
    grads : array (N_padded, N_padded)
        Added to.
    input_grads_t : array (N_in, N)
        Added to: the gradient of W_x, transposed.
    """
    n = rates.shape[2]
    slopes, signals, deltas, padded = scratch[0], scratch[1], scratch[2], scratch[3]
    steps, counting = lists[0], lists[1]
    for b in range(len(rates)):
        for t in range(rates.shape[1]):
            write_slopes(rates[b, t], is_tanh, slopes[t])
        n_steps = send_back(error[b], carrier, slopes, signals, steps)
        if n_steps == 0:
            continue
        last = steps[n_steps - 1]  # nothing comes from later steps
        n_times = last + 1
        backpropagate_trial(
            recurrent, signals[:n_times], slopes[:n_times], leak, chunk, deltas[:n_times], field,
            counting,
        )  # fmt: skip
        for t in range(last):
            row, rate = padded[t], rates[b, t]
            for i in range(n):
                row[i] = rate[i]
        _add_products(deltas, padded, n, counting, last, grads)
        _add_inputs(deltas, inputs[b], counting, last, input_grads_t)
