"""ModProp (Liu et al. 2022): what neurons broadcast, summed over types of cells, back through time.

Neurons of one type are alike to a modulator: of the broadcasts s_j(t) only the sums over a type
count. A sum that arrives at time t has gone along the mean couplings A between types, with a mean
slope mu, through any number of steps. Its recursion over C types takes O(C² + N) per step in place
of the O(N²) of backpropagation.
"""

from __future__ import annotations

from binnet_kernels._jit import kernel


@kernel
def add_modulation(
    couplings, carry, types, signals, slopes, leak, total, received, modulated
):  # fmt: skip
    """Add to each learning signal what modulators bring from later times.

    With Q_{T+1} = 0 and n_b neurons of type b, for t = T, ..., 1::

        R_b(t)   = sum_c A_cb Q_c(t+1)
        q_p(t)   = s_p(t) + (1 - a) f'(h_p(t)) R_b(t),   p of type b
        Q_b(t)   = sum_{j of type b} s_j(t) + a Q_b(t+1) + (1 - a) mu n_b R_b(t)

    Parameters
    ----------
    couplings : array (C, C)
        A; ``couplings[c, b]`` is the mean coupling from type b to type c.
    carry : array (C,)
        mu n_b.
    types : int array (N,)
        Type of each neuron.
    signals : array (B, T + 1, N)
        s_t; that of t = 0 is not read.
    slopes : array (B, T + 1, N)
        f'(h_t).
    leak : float
        a, in the arrays' precision.
    total, received : array (C,)
        Scratch: Q and R.
    modulated : array (B, T + 1, N)
        Written: q_t, and 0 at t = 0.
    """
    n_samples, n_times, n = signals.shape
    n_types = len(couplings)
    gain = signals.dtype.type(1) - leak
    for b in range(n_samples):
        modulated[b, 0] = 0
        total[:] = 0
        for t in range(n_times - 1, 0, -1):
            signal, slope, out = signals[b, t], slopes[b, t], modulated[b, t]
            received[:] = 0
            for c in range(n_types):
                later, row = gain * total[c], couplings[c]
                for d in range(n_types):
                    received[d] += row[d] * later
            for c in range(n_types):
                total[c] = leak * total[c] + carry[c] * received[c]
            for i in range(n):
                out[i] = signal[i] + slope[i] * received[types[i]]
                total[types[i]] += signal[i]
