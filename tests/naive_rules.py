"""Plain references of the symmetric and the soft rule, and of a row: loops as in the equations.

Each is a batch's learning, for `naive.train_batches`; what both do not change is that of `naive`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import naive
from naive import Array


def learn_batch_symmetric(
    net: naive.Network,
    rule: naive.Rule,
    inputs: Array,
    labels: Sequence[int],
    states: Sequence[Sequence[int]],
) -> tuple[naive.Network, int, int]:
    """dJ_ij = dJ_ji = (D_ij + D_ji) / 2, with D the update of the perceptron rule."""
    learned, n_unstable, n_readouts = naive.learn_batch(net, rule, inputs, labels, states)
    kept = (1 - rule.decays[0]) * net.J
    np.fill_diagonal(kept, 0)
    D = learned.J - kept
    J = np.zeros_like(D)
    for i in range(len(J)):
        for j in range(len(J)):
            J[i, j] = kept[i, j] + (D[i, j] + D[j, i]) / 2
    return learned._replace(J=J), n_unstable, n_readouts


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def learn_batch_soft(
    sharpness: float,
    net: naive.Network,
    rule: naive.Rule,
    inputs: Array,
    labels: Sequence[int],
    states: Sequence[Sequence[int]],
) -> tuple[naive.Network, int, int]:
    """Events weighted by sigmoid(-beta (s h - kappa)) in place of a step."""
    n_hidden, n_classes = len(net.J), len(net.W_out)
    batch, x = range(len(labels)), inputs.tolist()
    limits = np.broadcast_to(rule.threshold, n_hidden)
    events, targets = np.zeros((len(labels), n_hidden)), np.zeros((len(labels), n_classes))
    for b in batch:
        for i in range(n_hidden):
            h = naive.hidden_field(net, i, states[b], x[b], 0.0, [])
            s = states[b][i]
            events[b, i] = s * sigmoid(-sharpness * (s * h - limits[i]))
        for c, y in enumerate(naive.sized_target(rule, labels[b], n_classes)):
            f = naive.readout_field(net, c, states[b])
            targets[b, c] = y * sigmoid(-sharpness * (y * f - rule.readout_threshold))
    counted = naive.learn_batch(net, rule, inputs, labels, states)[1:]
    keep = [1 - decay for decay in rule.decays]
    rates = [rate / math.sqrt(len(labels)) for rate in rule.rates]
    J, W_in, W_out = keep[0] * net.J, keep[1] * net.W_in, keep[2] * net.W_out
    for b in batch:
        for i in range(n_hidden):
            for j in range(n_hidden):
                J[i, j] += rates[0] * events[b, i] * states[b][j]
            for n in range(len(x[b])):
                W_in[i, n] += rates[1] * events[b, i] * x[b][n]
            for c in range(n_classes):
                W_out[c, i] += rates[2] * targets[b, c] * states[b][i]
    np.fill_diagonal(J, 0)
    return net._replace(J=J, W_in=W_in, W_out=W_out), *counted


def learn_row(
    patterns: Sequence[Sequence[int]], self_coupling: float, margin: float, max_epochs: int
) -> tuple[float, int, list[int]]:
    """Return epochs (nan if not done), events and couplings of a row; patterns times own state."""
    row, n_events = [0] * len(patterns[0]), 0
    for epoch in range(max_epochs):
        before = n_events
        for pattern in patterns:
            norm = math.sqrt(sum(w * w for w in row))
            field = sum(w * x for w, x in zip(row, pattern, strict=True))
            if field + self_coupling * norm <= margin * norm:
                row = [w + x for w, x in zip(row, pattern, strict=True)]
                n_events += 1
        if n_events == before:
            return epoch + 1, n_events, row
    return math.nan, n_events, row
