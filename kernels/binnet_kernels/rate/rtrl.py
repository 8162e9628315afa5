"""Real-time recurrent learning: the influence matrix, step by step, in panels of columns.

The influence P_t = dh_t/dW of all weights W = [W_h W_x] (N x K, K = N + N_in) has N rows and N K
columns, and follows ``P_{t+1} = D_t P_t + immediate``, D_t = a I + (1 - a) W_h diag f'(h_t). Its
columns do not mix, so it is kept in panels of 48 of them, [sample, panel, N, 48]: a panel fits the
first-level cache, where any number of steps can be taken with it. Column c belongs to the weight
of row c // K and column c % K; the last panel is padded. Silent neurons are left out of the
product.
"""

from __future__ import annotations

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.tiles import make_row_sum

PANEL = 48
# Rows of the result that one pass over the active neurons accumulates in registers.
_ROWS = 4
_sum_rows = make_row_sum(_ROWS, PANEL)


@kernel
def _advance_panel(panel, first_column, weights, slopes, activity, leak, scaled, active, counting):
    """Take one step with one panel: P = D P + immediate."""
    n, n_presynaptic = panel.shape[0], len(activity)
    gain = panel.dtype.type(1) - leak
    n_active = 0
    for m in range(n):
        if slopes[m] != 0:
            factor, source, target = gain * slopes[m], panel[m], scaled[n_active]
            for c in range(PANEL):
                target[c] = factor * source[c]
            active[n_active] = m
            n_active += 1
    n_full = n - n % _ROWS
    for i in range(0, n_full, _ROWS):
        _sum_rows(panel, i, 0, leak, scaled, counting, weights, active, i, n_active)
    for i in range(n_full, n):
        row = panel[i]
        for c in range(PANEL):
            row[c] *= leak
        for k in range(n_active):
            weight, source = weights[active[k], i], scaled[k]
            for c in range(PANEL):
                row[c] += weight * source[c]
    # The immediate term (1 - a) z_k is block diagonal: weight (i, k) moves neuron i alone.
    i, k = first_column // n_presynaptic, first_column % n_presynaptic
    for c in range(PANEL):
        if i == n:
            break
        panel[i, c] += gain * activity[k]
        k += 1
        if k == n_presynaptic:
            i, k = i + 1, 0


@kernel
def advance_influence(
    influence,
    weights,
    slopes,
    activity,
    signals,
    leak,
    first,
    stop,
    grads,
    scaled,
    active,
    counting,
):
    """Take T steps with some panels of each sample, and add up the gradient along the way.

    Parameters
    ----------
    influence : array (B, N_panels, N, 48)
        P_t; overwritten with P_{t+T}. Zeros at the beginning of a trial.
    weights : array (N, N)
        ``weights[j, i]`` = W_h[i, j].
    slopes : array (B, T, N)
        f'(h_t), ..., f'(h_{t+T-1}).
    activity : array (B, T, K)
        z = [r x] of the same times.
    signals : array (B, T, N)
        dloss/dh_{t+1}, ..., dloss/dh_{t+T} through the output alone.
    leak : float
        a, in the arrays' precision.
    first, stop : int
        The panels are first..stop-1.
    grads : array (N_panels, 48)
        Added to: sum over samples and steps of signal^T P.
    scaled : array (N, 48)
        Scratch.
    active : int array (N,)
        Scratch.
    counting : int array (N,)
        0..N-1.
    """
    n_samples, _, n, _ = influence.shape
    n_steps = slopes.shape[1]
    for p in range(first, stop):
        total = grads[p]
        for b in range(n_samples):
            panel = influence[b, p]
            for t in range(n_steps):
                _advance_panel(
                    panel, p * PANEL, weights, slopes[b, t], activity[b, t], leak, scaled, active,
                    counting,
                )  # fmt: skip
                for i in range(n):
                    signal, row = signals[b, t, i], panel[i]
                    if signal != 0:
                        for c in range(PANEL):
                            total[c] += signal * row[c]
