"""Plain reference of the third-factor rule: loops in the layout of the equations, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import naive
from naive import Array


class ThirdFactor(NamedTuple):
    temperature: float
    threshold: float  # theta
    rate: float = 0.0  # of W_back; contains the prefactor, but 1/sqrt(B)


def readout_errors(fields: Sequence[float], label: int, temperature: float) -> list[float]:
    """e_c = y_c - softmax(f / temperature)_c with y_c = 1 for the label, else 0."""
    powers = [math.exp((f - max(fields)) / temperature) for f in fields]
    return [int(c == label) - powers[c] / sum(powers) for c in range(len(fields))]


def broadcast(W_back: Array, errors: Sequence[float]) -> list[float]:
    """delta_i = sum_c W_back[i, c] e_c."""
    return [sum(row[c] * errors[c] for c in range(len(errors))) for row in W_back.tolist()]


def gate(unstable: int, delta: float, threshold: float) -> int:
    """What takes the place of s_i in the update: the sign asked for, or 0."""
    if not unstable or abs(delta) <= threshold:
        return 0
    return 1 if delta > 0 else -1


def learn_batch(
    net: naive.Network,
    rule: naive.Rule,
    third: ThirdFactor,
    inputs: Array,
    labels: Sequence[int],
    states: Sequence[Sequence[int]],
) -> tuple[naive.Network, int, int]:
    """W <- (1 - decay) W + dW of one batch; count the neurons and readouts that learn."""
    n_hidden, n_inputs, n_classes = len(net.J), inputs.shape[1], len(net.W_out)
    batch, s, x = range(len(labels)), states, inputs.tolist()
    post, v, y = [], [], []
    for b in batch:
        fields = [naive.readout_field(net, c, s[b]) for c in range(n_classes)]
        errors = readout_errors(fields, labels[b], third.temperature)
        u = naive.unstable_hidden(net, s[b], x[b], rule.threshold)
        deltas = broadcast(net.W_back, errors)
        # A silent neuron, s_i = 0, has never been updated: it does not learn either.
        post.append([gate(u[i] * s[b][i], deltas[i], third.threshold) for i in range(n_hidden)])
        v.append(naive.unstable_readouts(net, s[b], labels[b], rule))
        y.append(naive.target(labels[b], n_classes))
    scale = 1 / math.sqrt(len(labels))
    J, W_in, W_out, W_back = (np.zeros_like(w) for w in (net.J, net.W_in, net.W_out, net.W_back))
    for i in range(n_hidden):
        for j in range(n_hidden):
            if j != i:
                total = sum(post[b][i] * s[b][j] for b in batch)
                J[i, j] = (1 - rule.decays[0]) * net.J[i, j] + rule.rates[0] * scale * total
        for n in range(n_inputs):
            total = sum(post[b][i] * x[b][n] for b in batch)
            W_in[i, n] = (1 - rule.decays[1]) * net.W_in[i, n] + rule.rates[1] * scale * total
        for c in range(n_classes):
            total = sum(v[b][c] * y[b][c] * s[b][i] for b in batch)
            W_out[c, i] = (1 - rule.decays[2]) * net.W_out[c, i] + rule.rates[2] * scale * total
            W_back[i, c] = net.W_back[i, c] + third.rate * scale * total
    n_learning = sum(abs(p) for row in post for p in row)
    return net._replace(J=J, W_in=W_in, W_out=W_out, W_back=W_back), n_learning, sum(map(sum, v))


def train_batches(
    net: naive.Network,
    rule: naive.Rule,
    third: ThirdFactor,
    inputs: Array,
    labels: Array,
    batches: Sequence[Sequence[int]],
    rate_factors: Sequence[float],
    amplitudes: Sequence[float],
    keys: Sequence[int],
    **dynamics: Any,
) -> tuple[naive.Network, int, int]:
    """Relax and learn batch by batch; count the neurons and readouts that learned."""
    presented, totals = iter(keys), [0, 0]
    for batch, factor in zip(batches, rate_factors, strict=True):
        known = [int(labels[p]) for p in batch]
        states = [
            naive.relax(net, inputs[p].tolist(), label, amplitudes, next(presented), **dynamics).s
            for p, label in zip(batch, known, strict=True)
        ]
        scaled = rule._replace(
            rates=tuple(factor * rate for rate in rule.rates),
            decays=tuple(factor * decay for decay in rule.decays),
        )
        faster = third._replace(rate=factor * third.rate)
        net, *learned = learn_batch(net, scaled, faster, inputs[batch], known, states)
        totals = [total + n for total, n in zip(totals, learned, strict=True)]
    return net, totals[0], totals[1]
