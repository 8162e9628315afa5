"""The perceptron rule for one row of couplings whose states are given, its margin that of a norm.

A row that begins at 0 and learns at rate 1 is a sum of patterns, so that their overlaps say how its
fields change: an event costs P sums instead of the N of each field, and all of them are integers.
"""

from __future__ import annotations

import numpy as np

from binnet_kernels._jit import kernel


@kernel
def learn_row(overlaps, n_couplings, self_coupling, margin, n_epochs, fields, totals):
    """Present all patterns until the row is stable in every one, `n_epochs` times at most.

    The rule is that of docs/model/network.md, eqs. (3.1) and (3.3), with batches of one pattern and
    kappa in units of the norm of the row.

    Parameters
    ----------
    overlaps : int32 array (P, P)
        Sums over the couplings' inputs of the products of two patterns, each times its own target.
    n_couplings : int
        N.
    self_coupling, margin : float
        J_D and kappa, for a row of norm 1.
    n_epochs : int
        Passes over all patterns, at most.
    fields : int64 array (P,)
        Field times target of every pattern; changed.
    totals : int64 array (2,)
        Squared norm of the row, and its events; changed.

    Returns
    -------
    int
        Passes that were made, the last of them without an event; 0 if none was.
    """
    norm = np.sqrt(np.float64(totals[0]))
    for epoch in range(n_epochs):
        before = totals[1]
        for mu in range(len(fields)):
            if fields[mu] + self_coupling * norm <= margin * norm:
                totals[0] += 2 * fields[mu] + n_couplings
                totals[1] += 1
                norm = np.sqrt(np.float64(totals[0]))
                overlap = overlaps[mu]
                for nu in range(len(fields)):
                    fields[nu] += overlap[nu]
        if totals[1] == before:
            return epoch + 1
    return 0
