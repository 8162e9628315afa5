"""Plain references: every kernel once more, in loops that follow the equations of the model.

Nothing here is fast, and nothing is shared with the kernels: the readout spins, their feedback and
the clamp of the label are simulated, no field is remembered, random numbers are Python integers.
The layout is that of the equations: ``J[i, j]`` couples neuron j to neuron i, ``W_in[i, n]``,
``W_out[c, i]``, ``W_back[i, c]``. All arithmetic is float64. Sections are those of
docs/model/network.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

UNSETTLED, FIXED_POINT, TWO_CYCLE = 0, 1, 2


# ---- random numbers: SplitMix64, one output of it per (key, counter)

MASK = 2**64 - 1


def mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def derive_key(key: int, counter: int) -> int:
    return mix((key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK)


def draw_uniform(key: int, counter: int) -> float:
    return (derive_key(key, counter) >> 11) / 2**53


def draw_below(key: int, counter: int, bound: int) -> int:
    return ((derive_key(key, counter) >> 32) * bound) >> 32


def shuffle_sites(key: int, n: int) -> list[int]:
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = draw_below(key, last, last + 1)
        order[last], order[other] = order[other], order[last]
    return order


# ---- bits


def pack_samples(spins: Array) -> tuple[list[int], list[int]]:
    """Signs and masks of each column: bit b belongs to row b."""
    signs, mask = [], []
    for k in range(spins.shape[1]):
        signs.append(sum(2**b for b in range(spins.shape[0]) if spins[b, k] > 0))
        mask.append(sum(2**b for b in range(spins.shape[0]) if spins[b, k] != 0))
    return signs, mask


# ---- sums over a matrix of weights[j, i], from j to i


def accumulate_fields(weights: Array, states: Array, rows: Sequence[int], out: Array) -> Array:
    out = out.astype(float)
    for b in rows:
        for i in range(weights.shape[1]):
            for j in range(weights.shape[0]):
                out[b, i] += weights[j, i] * states[b, j]
    return out


def add_events(
    weights: Array, sites: Sequence[int], changes: Sequence[float], field: Array
) -> Array:
    field = field.astype(float)
    for site, change in zip(sites, changes, strict=True):
        for i in range(weights.shape[1]):
            field[i] += weights[site, i] * change
    return field


def update_couplings_perceptron(
    weights: Array, rate: float, gains: Array, pre: Array, post: Array
) -> Array:
    weights = weights.astype(float)
    for j in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            total = sum(int(pre[b, j]) * int(post[b, i]) for b in range(pre.shape[0]))
            weights[j, i] += rate * gains[i] * total
    return weights


# ---- section 1: the network


class Network(NamedTuple):
    J: Array  # (H, H); its diagonal is not read
    J_D: float | Array  # of all neurons, or of each
    W_in: Array  # (H, N)
    W_out: Array  # (C, H)
    W_back: Array  # (H, C)
    # Several modules (docs/model/network.md, section 5):
    connectivity: Array | None = None  # (H, H) bool: which J there are; the others are 0 for ever
    partners: Sequence[Sequence[int]] | None = None  # of the same index before, and behind; or -1
    excitation: Sequence[float] = ()  # lambda of each neuron
    gains: Array | None = None  # (3, H): of the rates of J, W_in, W_out at each neuron


def sign(h: float) -> int:
    return 1 if h >= 0 else -1


def g(spin: int, n_classes: int) -> float:
    return {+1: math.sqrt(n_classes) / 2, -1: -0.5, 0: 0.0}[spin]


def target(label: int, n_classes: int) -> list[int]:
    """The label as spins y_c."""
    return [+1 if c == label else -1 for c in range(n_classes)]


def readout_field(net: Network, c: int, s: Sequence[int]) -> float:
    f = 0.0
    for i in range(len(s)):
        f += net.W_out[c, i] * s[i]
    return f


def clamped_readout(net: Network, s: Sequence[int], label: int, clamp: float) -> list[int]:
    y = target(label, len(net.W_out))
    return [sign(readout_field(net, c, s) + clamp * y[c]) for c in range(len(y))]


def hidden_field(
    net: Network, i: int, s: Sequence[int], x: Sequence[int], a: float, y_hat: Sequence[int]
) -> float:
    h = 0.0
    for j in range(len(s)):
        if j != i:
            h += net.J[i, j] * s[j]
    h += np.broadcast_to(net.J_D, len(s))[i] * s[i]
    if net.partners is not None:
        for partners in net.partners:
            if partners[i] >= 0:
                h += net.excitation[i] * s[partners[i]]
    for n in range(len(x)):
        h += net.W_in[i, n] * x[n]
    for c in range(len(y_hat)):
        h += a * net.W_back[i, c] * g(y_hat[c], len(y_hat))
    return h


# ---- section 2: the dynamics


def anneal(
    warmup: int, feedback: int, free: int, annealing: str = "step", time_constant: float = 1.0
) -> list[float]:
    """a(t): without feedback in the warm-up, 1 up to sweep `feedback`, annealed to 0 then."""
    a = []
    for t in range(feedback + free):
        k = t - feedback + 1  # 1, 2, ... in the free sweeps
        if t < warmup:
            a.append(0.0)
        elif k < 1 or annealing == "none":
            a.append(1.0)
        elif annealing == "step" or k == free:
            a.append(0.0)
        elif annealing == "linear":
            a.append(1.0 - k / free)
        elif annealing == "exponential":
            a.append(math.exp(-k / time_constant))
    return a


class Relaxed(NamedTuple):
    s: list[int]
    changes: list[int]  # neurons that changed in each sweep
    sweeps: int  # that were run
    status: int


def sweep_sync(
    net: Network, s: list[int], x: Sequence[int], a: float, label: int, clamp: float,
    probability: float, key: int,
) -> tuple[list[int], bool]:  # fmt: skip
    """Return the state after neurons updated, each with `probability`; would none change?"""
    y_hat = clamped_readout(net, s, label, clamp)
    wanted = [sign(hidden_field(net, i, s, x, a, y_hat)) for i in range(len(s))]
    new = list(s)
    for i in range(len(s)):
        if draw_uniform(key, i) < probability:
            new[i] = wanted[i]
    return new, wanted == s


def sweep_async(
    net: Network, s: list[int], x: Sequence[int], a: float, label: int, clamp: float, key: int
) -> tuple[list[int], bool]:
    """Return the state after all neurons were updated in random order; did none change?"""
    new = list(s)
    n_changes = 0
    for i in shuffle_sites(key, len(s)):
        y_hat = clamped_readout(net, new, label, clamp)
        spin = sign(hidden_field(net, i, new, x, a, y_hat))
        n_changes += spin != new[i]
        new[i] = spin
    return new, n_changes == 0


def sweep_blocks(
    net: Network, s: list[int], x: Sequence[int], a: float, label: int, clamp: float, n_blocks: int
) -> tuple[list[int], bool]:
    """Return the state after one block of neurons after the other; did none change?"""
    new, n = list(s), len(s)
    n_blocks = min(n_blocks, n)
    n_changes = 0
    for k in range(n_blocks):
        y_hat = clamped_readout(net, new, label, clamp)
        block = range(k * n // n_blocks, (k + 1) * n // n_blocks)
        spins = [sign(hidden_field(net, i, new, x, a, y_hat)) for i in block]
        for i, spin in zip(block, spins, strict=True):
            n_changes += spin != new[i]
            new[i] = spin
    return new, n_changes == 0


def relax(
    net: Network,
    x: Sequence[int],
    label: int,
    amplitudes: Sequence[float],
    key: int,
    *,
    start: Sequence[int] | None = None,
    asynchronous: bool = False,
    probability: float = 1.0,
    n_blocks: int = 0,
    stop_at_cycle: bool = True,
    clamp: float = 1e6,
) -> Relaxed:
    """Relax one sample, by default from silence; once settled, it rests until a(t) changes."""
    s = [0] * len(net.J) if start is None else list(start)
    path = [s]  # the state before each sweep, and the last one
    changes = [0] * len(amplitudes)
    sweeps, status, is_settled = 0, UNSETTLED, False
    for t, a in enumerate(amplitudes):
        if t > 0 and a != amplitudes[t - 1]:
            is_settled = False
        if not is_settled:
            sweep_key = derive_key(key, t)
            if asynchronous:
                new, is_fixed = sweep_async(net, s, x, a, label, clamp, sweep_key)
            elif n_blocks:
                new, is_fixed = sweep_blocks(net, s, x, a, label, clamp, n_blocks)
            else:
                new, is_fixed = sweep_sync(net, s, x, a, label, clamp, probability, sweep_key)
            changes[t] = sum(new[i] != s[i] for i in range(len(s)))
            sweeps += 1
            # Two sweeps of the same map led back to where they began; the first sweep, which wakes
            # silent neurons, does not count.
            is_cycle = (
                stop_at_cycle
                and not asynchronous
                and probability == 1
                and t > 1
                and a == amplitudes[t - 1]
                and new == path[t - 1]
            )
            status = FIXED_POINT if is_fixed else TWO_CYCLE if is_cycle else UNSETTLED
            is_settled = is_fixed or is_cycle
            s = new
        path.append(s)
    return Relaxed(s, changes, sweeps, status)


def flip_inputs(inputs: Array, noise: float, key: int) -> Array:
    """Flip each spin with that probability, as it is presented in an epoch of that key."""
    flipped = inputs.copy()
    for p in range(inputs.shape[0]):
        for n in range(inputs.shape[1]):
            if draw_uniform(derive_key(key, p), n) < noise:
                flipped[p, n] *= -1
    return flipped


def blank_inputs(inputs: Array, noise: float, key: int) -> Array:
    """Set each graded input to 0 with that probability, as `flip_inputs` flips spins."""
    return np.where(flip_inputs(np.ones_like(inputs), noise, key) < 0, 0, inputs)


# ---- section 3: plasticity


class Rule(NamedTuple):
    rates: tuple[float, float, float]  # of J, W_in, W_out: eta times the prefactor, but 1/sqrt(B)
    decays: tuple[float, float, float]  # fraction of the block that is lost per batch
    threshold: float | Array  # kappa + J_D (+ lambda of the module before), of all or of each
    readout_threshold: float  # kappa_out
    sizes: tuple[float, float] = (1.0, 1.0)  # |y_c| of wrong classes and of the right one


def unstable_hidden(
    net: Network, s: Sequence[int], x: Sequence[int], threshold: float | Array
) -> list[int]:
    """1 where s_i h_i <= threshold, feedback and clamp removed."""
    limits = np.broadcast_to(threshold, len(s))
    return [int(s[i] * hidden_field(net, i, s, x, 0.0, []) <= limits[i]) for i in range(len(s))]


def sized_target(rule: Rule, label: int, n_classes: int) -> list[float]:
    """The label as spins of the sizes that the readout learns from."""
    return [rule.sizes[c == label] * y for c, y in enumerate(target(label, n_classes))]


def unstable_readouts(net: Network, s: Sequence[int], label: int, rule: Rule) -> list[int]:
    y = sized_target(rule, label, len(net.W_out))
    return [int(readout_field(net, c, s) * y[c] <= rule.readout_threshold) for c in range(len(y))]


def learn_batch(
    net: Network, rule: Rule, inputs: Array, labels: Sequence[int], states: Sequence[Sequence[int]]
) -> tuple[Network, int, int]:
    """W <- (1 - decay) W + dW after one batch was relaxed; count unstable neurons and readouts."""
    n_hidden, n_inputs, n_classes = len(net.J), inputs.shape[1], len(net.W_out)
    batch, s, x = range(len(labels)), states, inputs.tolist()
    u = [unstable_hidden(net, s[b], x[b], rule.threshold) for b in batch]
    v = [unstable_readouts(net, s[b], labels[b], rule) for b in batch]
    y = [sized_target(rule, labels[b], n_classes) for b in batch]
    rates = [rate / math.sqrt(len(labels)) for rate in rule.rates]
    keep = [1.0 - decay for decay in rule.decays]
    gains = np.ones((3, n_hidden)) if net.gains is None else net.gains
    J, W_in, W_out = np.zeros_like(net.J), np.zeros_like(net.W_in), np.zeros_like(net.W_out)
    for i in range(n_hidden):
        for j in range(n_hidden):
            if j != i and (net.connectivity is None or net.connectivity[i, j]):
                total = sum(u[b][i] * s[b][i] * s[b][j] for b in batch)
                J[i, j] = keep[0] * net.J[i, j] + rates[0] * gains[0, i] * total
        for n in range(n_inputs):
            total = sum(u[b][i] * s[b][i] * x[b][n] for b in batch)
            W_in[i, n] = keep[1] * net.W_in[i, n] + rates[1] * gains[1, i] * total
        for c in range(n_classes):
            total = sum(v[b][c] * y[b][c] * s[b][i] for b in batch)
            W_out[c, i] = keep[2] * net.W_out[c, i] + rates[2] * gains[2, i] * total
    learned = net._replace(J=J, W_in=W_in, W_out=W_out)
    return learned, sum(map(sum, u)), sum(map(sum, v))


class Trained(NamedTuple):
    net: Network
    changes: list[int]  # per sweep, summed over the samples
    totals: list[int]  # sweeps, samples at a fixed point, unstable neurons, unstable readouts


def train_batches(
    net: Network,
    rule: Rule,
    inputs: Array,
    labels: Array,
    batches: Sequence[Sequence[int]],
    rate_factors: Sequence[float],
    amplitudes: Sequence[float],
    keys: Sequence[int],
    learn: Callable[..., tuple[Network, int, int]] = learn_batch,
    **dynamics: Any,
) -> Trained:
    """Relax and learn batch by batch; ``keys[k]`` is for the k-th sample that is presented."""
    changes, totals = [0] * len(amplitudes), [0] * 4
    n_presented = 0
    for batch, factor in zip(batches, rate_factors, strict=True):
        states = []
        for p in batch:
            key = keys[n_presented]
            n_presented += 1
            relaxed = relax(net, inputs[p].tolist(), int(labels[p]), amplitudes, key, **dynamics)
            states.append(relaxed.s)
            changes = [old + new for old, new in zip(changes, relaxed.changes, strict=True)]
            totals[0] += relaxed.sweeps
            totals[1] += relaxed.status == FIXED_POINT
        scaled = rule._replace(
            rates=tuple(factor * rate for rate in rule.rates),
            decays=tuple(factor * decay for decay in rule.decays),
        )
        net, n_unstable, n_unstable_readouts = learn(
            net, scaled, inputs[batch], [int(labels[p]) for p in batch], states
        )
        totals[2] += n_unstable
        totals[3] += n_unstable_readouts
    return Trained(net, changes, totals)
