"""Fields from states: the dense product, and the event-driven correction after a few flips.

Both take four presynaptic neurons at a time: this keeps the accumulator's traffic low enough that a
plain loop runs at the speed of a tuned BLAS for the products of a batch (16 samples); for large
batches it reaches two thirds of it.
"""

from __future__ import annotations

from binnet_kernels._jit import kernel


@kernel
def accumulate_fields(weights, states, rows, n_rows, out, start):
    """Add ``states[b] @ weights`` to ``out[b, start : start + W]`` for each listed row b.

    Parameters
    ----------
    weights : array (K, W)
        One bank.
    states : array (B, >= K)
        Entries -1, 0, +1: products are exact, so a row's result does not depend on how it is
        paired.
    rows : int array (>= n_rows,)
        Which rows of `states` and `out`.
    n_rows : int
    out : array (B, >= start + W)
    start : int
        Column of `out` that the bank begins at.
    """
    n_pre, width = weights.shape
    stop = start + width
    n_quads = n_pre - n_pre % 4
    n_pairs = n_rows - n_rows % 2
    for j in range(0, n_quads, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        for k in range(0, n_pairs, 2):  # two samples share each weight that is loaded
            b, c = rows[k], rows[k + 1]
            b0, b1, b2, b3 = states[b, j], states[b, j + 1], states[b, j + 2], states[b, j + 3]
            c0, c1, c2, c3 = states[c, j], states[c, j + 1], states[c, j + 2], states[c, j + 3]
            out_b, out_c = out[b, start:stop], out[c, start:stop]
            for i in range(width):
                out_b[i] += (b0 * w0[i] + b1 * w1[i]) + (b2 * w2[i] + b3 * w3[i])
                out_c[i] += (c0 * w0[i] + c1 * w1[i]) + (c2 * w2[i] + c3 * w3[i])
        for k in range(n_pairs, n_rows):
            b = rows[k]
            b0, b1, b2, b3 = states[b, j], states[b, j + 1], states[b, j + 2], states[b, j + 3]
            out_b = out[b, start:stop]
            for i in range(width):
                out_b[i] += (b0 * w0[i] + b1 * w1[i]) + (b2 * w2[i] + b3 * w3[i])
    for j in range(n_quads, n_pre):
        w0 = weights[j]
        for k in range(n_rows):
            b0 = states[rows[k], j]
            out_b = out[rows[k], start:stop]
            for i in range(width):
                out_b[i] += b0 * w0[i]


@kernel
def add_events(banks, sites, changes, n_events, field):
    """Add ``changes[k]`` times the couplings of neuron ``sites[k]`` to `field`, for each event k.

    A flip of neuron j from s to -s is the event (j, -2s); a silent neuron's first spin s is (j, s).
    `banks` has shape (S, H, W), `field` (S * W,), `sites` and `changes` at least (n_events,).
    Integers are summed in the format of `field`, hence the casts: Numba would widen each step to
    64 bits.
    """
    kind = field.dtype.type
    n_banks, _, width = banks.shape
    n_quads = n_events - n_events % 4
    for s in range(n_banks):
        weights, out = banks[s], field[s * width : (s + 1) * width]
        for k in range(0, n_quads, 4):
            w0, w1 = weights[sites[k]], weights[sites[k + 1]]
            w2, w3 = weights[sites[k + 2]], weights[sites[k + 3]]
            c0, c1 = kind(changes[k]), kind(changes[k + 1])
            c2, c3 = kind(changes[k + 2]), kind(changes[k + 3])
            for i in range(width):
                first = kind(kind(c0 * kind(w0[i])) + kind(c1 * kind(w1[i])))
                second = kind(kind(c2 * kind(w2[i])) + kind(c3 * kind(w3[i])))
                out[i] += kind(first + second)
        for k in range(n_quads, n_events):
            w0, c0 = weights[sites[k]], kind(changes[k])
            for i in range(width):
                out[i] += kind(c0 * kind(w0[i]))
