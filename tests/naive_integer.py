"""Plain references of the integer kernels: Python integers, one loop for each index.

The layout is that of the equations, as in naive.py, from which the random numbers, the sign and the
targets of the readout come. Nothing is packed and no field is remembered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

import naive
import naive_third_factor

Array = np.ndarray[Any, Any]


class Network(NamedTuple):
    J: list[list[int]]  # its diagonal is not read
    W_in: list[list[int]]
    W_out: list[list[int]]
    W_back: list[list[int]]
    fractions: tuple[int, int, int, int]  # fraction bits of the four
    J_D: int | Sequence[int]  # of all neurons, or of each
    margin: int | Sequence[int]
    readout_margin: int
    # Several modules, as in naive.Network:
    connectivity: Array | None = None
    partners: Sequence[Sequence[int]] = ()
    excitation: Sequence[int] = ()
    input_fraction: int = 0  # fraction bits of graded inputs, which come as integers


def of_neuron(value: int | Sequence[int], i: int) -> int:
    return value if isinstance(value, int) else value[i]


def from_quantized(network: Any) -> Network:
    blocks = (network.couplings, network.input_weights, network.readout, network.feedback)
    f = network.formats
    return Network(
        *(block.tolist() for block in blocks),
        fractions=tuple(
            block.fraction_bits for block in (f.couplings, f.input_weights, f.readout, f.feedback)
        ),
        J_D=network.self_coupling,
        margin=network.margin,
        readout_margin=network.readout_margin,
        input_fraction=f.inputs.fraction_bits,
    )


# ---- inputs


def round_input(x: float, bits: int, fraction: int, signed: bool) -> int:
    """x 2**f in whole steps, halves to the even one, cut off at the ends of the range."""
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return min(max(round(Fraction(x) * 2**fraction), ends[0]), ends[1])


# ---- fields


def accumulator_fraction(net: Network) -> int:
    return max(net.fractions[0], net.fractions[1] + net.input_fraction, net.fractions[3])


def feedback_field(net: Network, i: int, label: int) -> int:
    """sum_c W_back g, g with 6 fraction bits, in the accumulator; halves are rounded up."""
    n_classes = len(net.W_out)
    total = 0
    for c in range(n_classes):
        g = round(64 * math.sqrt(n_classes) / 2) if c == label else -32
        total += net.W_back[i][c] * g
    value = total * 2.0 ** (accumulator_fraction(net) - net.fractions[3] - 6)
    return math.floor(value + 0.5)


def hidden_field(
    net: Network, i: int, s: Sequence[int], x: Sequence[int], a: int, label: int
) -> int:
    F = accumulator_fraction(net)
    recurrent = sum(net.J[i][j] * s[j] for j in range(len(s)) if j != i)
    external = sum(net.W_in[i][n] * x[n] for n in range(len(x)))
    f_in = net.fractions[1] + net.input_fraction
    h = recurrent * 2 ** (F - net.fractions[0]) + external * 2 ** (F - f_in)
    help_ = sum(net.excitation[i] * s[row[i]] for row in net.partners if row[i] >= 0)
    return h + help_ + of_neuron(net.J_D, i) * s[i] + a * feedback_field(net, i, label)


def readout_field(net: Network, c: int, s: Sequence[int]) -> int:
    return sum(net.W_out[c][i] * s[i] for i in range(len(s)))


# ---- relaxation from silence


def relax(
    net: Network, x: Sequence[int], label: int, amplitudes: Sequence[int], key: int,
    asynchronous: bool = False, stop_at_cycle: bool = True,
) -> naive.Relaxed:  # fmt: skip
    n = len(net.J)
    s = [0] * n
    path = [s]
    changes = [0] * len(amplitudes)
    sweeps, status, is_settled = 0, naive.UNSETTLED, False
    for t, a in enumerate(amplitudes):
        if t > 0 and a != amplitudes[t - 1]:
            is_settled = False
        if not is_settled:
            new = list(s)
            if asynchronous:
                for i in naive.shuffle_sites(naive.derive_key(key, t), n):
                    new[i] = naive.sign(hidden_field(net, i, new, x, a, label))
            else:
                new = [naive.sign(hidden_field(net, i, s, x, a, label)) for i in range(n)]
            changes[t] = sum(new[i] != s[i] for i in range(n))
            sweeps += 1
            is_cycle = (
                stop_at_cycle
                and not asynchronous
                and t > 1
                and a == amplitudes[t - 1]
                and new == path[t - 1]
            )
            is_fixed = changes[t] == 0
            status = (
                naive.FIXED_POINT if is_fixed else naive.TWO_CYCLE if is_cycle else naive.UNSETTLED
            )
            is_settled = is_fixed or is_cycle
            s = new
        path.append(s)
    return naive.Relaxed(s, changes, sweeps, status)


# ---- plasticity


def step_lfsr(register: int) -> int:
    """x^16 + x^14 + x^13 + x^11 + 1, Galois form: the bit that leaves is fed back to the taps."""
    leaving = register & 1
    register >>= 1
    if leaving:
        register ^= (1 << 15) | (1 << 13) | (1 << 12) | (1 << 10)
    return register


class Levels(NamedTuple):
    low: int
    high: int
    step: int
    k: int
    rounding: str  # "nearest", "per-weight", "per-event"
    use_register: bool = False


def round_amount(n: int, levels: Levels, draw: int) -> int:
    """n 2**-k in whole levels; `draw` is uniform on 0..2**k - 1."""
    whole, rest = divmod(abs(n), 2**levels.k)
    if levels.rounding == "nearest":
        whole = round(abs(n) / 2**levels.k)  # Python rounds halves to the even number
    elif draw < rest:
        whole += 1
    return whole if n > 0 else -whole


def update_block(
    W: list[list[int]], levels: Levels, key: int, targets: Array, sources: Array,
    registers: list[int], is_square: bool, present: Array | None = None,
    rows: Sequence[int] | None = None, columns: Sequence[int] | None = None,
    fraction: int = 0,
) -> tuple[list[list[int]], int, int]:  # fmt: skip
    """Return W[i][j] after a batch; count its changes and the sums that saturated.

    ``targets[b, i]`` is the spin of target i where it is unstable in sample b, else 0;
    ``sources[b, j]`` are presynaptic spins, or graded inputs, as integers with `fraction` bits.
    `registers` go on. Only weights that are `present`, in these rows i and columns j, learn.
    """
    W = [list(row) for row in W]
    changed = saturated = 0
    for i in range(len(W)) if rows is None else rows:
        events = [b for b in range(len(targets)) if targets[b][i] != 0]
        if not events:
            continue
        key_i = naive.derive_key(key, i)

        def draw(counter: int, n_bits: int, i: int = i, key_i: int = key_i) -> int:
            if levels.use_register:
                registers[i] = step_lfsr(registers[i])
                return registers[i] * 2**n_bits // 2**16
            return naive.derive_key(key_i, counter) >> (64 - n_bits)

        thresholds = dict.fromkeys(events, 0)
        if levels.rounding == "per-event" and max(levels.k, 0) + fraction > 0:
            draws = {b: draw(b, max(levels.k, 0) + fraction) for b in events}
            events = [b for b in events if draws[b] < 2**fraction]
            thresholds = {b: draws[b] % 2**fraction for b in events}
            if not events:
                continue
        fine = levels._replace(k=levels.k + fraction)  # what an input of the integer 1 moves
        for j in range(len(W[i])) if columns is None else columns:
            if present is not None and not present[i, j]:
                continue
            n = sum(int(targets[b][i]) * int(sources[b][j]) for b in events)
            if levels.rounding == "per-event":
                x = {b: (int(sources[b][j]) + thresholds[b]) // 2**fraction for b in events}
                n = sum(int(targets[b][i]) * x[b] for b in events)
                amount = n * 2 ** max(-levels.k, 0)
            elif fine.k <= 0:
                amount = n * 2**-fine.k
            else:
                chance = 0 if levels.rounding == "nearest" else draw(j, fine.k)
                amount = round_amount(n, fine, chance)
            if is_square and i == j:
                continue
            asked = W[i][j] + levels.step * amount
            new = min(max(asked, levels.low), levels.high)
            changed += new != W[i][j]
            saturated += new != asked
            W[i][j] = new
    return W, changed, saturated


def expose(W: list[list[int]], unseen: int, low: int, high: int) -> list[list[int]]:
    """Return what fields see of latent weights: halves are rounded up; of one bit the sign."""
    if (low, high) == (1, -1):
        return [[1 if w >= 0 else -1 for w in row] for row in W]
    return [[min(max(math.floor(w / 2**unseen + 0.5), low), high) for w in row] for row in W]


def decay_block(
    W: list[list[int]], levels: Levels, key: int, registers: list[int],
    present: Array | None = None, rows: Sequence[int] | None = None,
    columns: Sequence[int] | None = None,
) -> list[list[int]]:  # fmt: skip
    """Return W after each weight moved by |w| 2**-k towards 0, rounded."""
    W = [list(row) for row in W]
    for i in range(len(W)) if rows is None else rows:
        key_i = naive.derive_key(key, i)
        for j in range(len(W[i])) if columns is None else columns:
            if present is not None and not present[i, j]:
                continue
            if levels.use_register:
                registers[i] = step_lfsr(registers[i])
                chance = registers[i] >> (16 - levels.k)
            else:
                chance = naive.derive_key(key_i, j) >> (64 - levels.k)
            W[i][j] -= round_amount(W[i][j], levels, chance)
    return W


# ---- the third factor


class ThirdFactor(NamedTuple):
    scale: int  # sixteenths of the temperature in a unit of the readout fields, 16 fraction bits
    threshold: int  # of |delta|


def readout_errors(fields: Sequence[int], label: int, scale: int) -> list[int]:
    """[c is the label] - softmax_c with 15 fraction bits, by steps of a sixteenth."""
    powers = [round(math.exp(-((max(fields) - f) * scale // 2**16) / 16) * 2**15) for f in fields]
    return [2**15 * (c == label) - 2**15 * powers[c] // sum(powers) for c in range(len(fields))]


# ---- training


class Trained(NamedTuple):
    net: Network
    totals: list[int]  # sweeps, samples at a fixed point, unstable neurons, unstable readouts
    synapses: list[list[int]]  # changed and saturated, for each block that may learn
    latent: list[list[list[int]]]  # their latent weights, or the weights


def train_batches(
    net: Network,
    levels: Sequence[Levels | None],  # of J, W_in, W_out, perhaps W_back; None: not learned
    decays: Sequence[int],  # k of the decay of J, W_in, W_out, negative: none
    period: int,
    inputs: Array,
    labels: Array,
    batches: Sequence[Sequence[int]],
    shifts: Sequence[int],  # added to every k, for each batch
    amplitudes: Sequence[int],
    keys: Sequence[int],
    key: int,
    registers: tuple[list[int], list[int]],  # of the hidden neurons and of the readouts
    asynchronous: bool = False,
    latent: Sequence[list[list[int]]] | None = None,  # weights of the blocks
    unseen: Sequence[int] = (),  # bits of them that the fields do not see
    exposed_ranges: Sequence[tuple[int, int]] = (),
    sizes: Sequence[int] = (),  # of modules
    raised: Sequence[
        Sequence[int | None]
    ] = (),  # each block's k, in each module; None: not learned
    third: ThirdFactor | None = None,
    first_batch: int = 0,
) -> Trained:
    n_blocks = len(levels)
    blocks = list(latent or (net.J, net.W_in, net.W_out, net.W_back)[:n_blocks])
    totals, synapses = [0] * 4, [[0, 0] for _ in levels]
    owners = (registers[0], registers[0], registers[1], registers[0])
    present = (net.connectivity, None, None, None)
    sizes = sizes or (len(net.J),)
    edges = [sum(sizes[:m]) for m in range(len(sizes) + 1)]
    raised = raised or [[0] * len(sizes)] * n_blocks
    n_presented = 0
    for number, (batch, shift) in enumerate(zip(batches, shifts, strict=True), first_batch):
        states, unstable, wrong = [], [], []
        for p in batch:
            x, label = inputs[p].tolist(), int(labels[p])
            relaxed = relax(net, x, label, amplitudes, keys[n_presented], asynchronous, False)
            n_presented += 1
            states.append(relaxed.s)
            totals[0] += relaxed.sweeps
            totals[1] += relaxed.status == naive.FIXED_POINT
            unstable.append(find_learning(net, relaxed.s, x, label, third))
            wrong.append(find_wrong(net, relaxed.s, label))
        totals[2] += int(np.count_nonzero(unstable))
        totals[3] += int(np.count_nonzero(wrong))
        step_key = naive.derive_key(key, number)
        for block in range(3):
            here = levels[block]
            if number % period == 0 and decays[block] >= 0 and here is not None:
                blocks[block] = decay_block(
                    blocks[block],
                    here._replace(k=min(decays[block] + shift, 15)),
                    naive.derive_key(naive.derive_key(step_key, 0), block),
                    owners[block],
                    present[block],
                )
        sources = (np.array(states), inputs[list(batch)], np.array(states), np.array(wrong))
        targets = (np.array(unstable), np.array(unstable), np.array(wrong), np.array(states))
        batch_key = naive.derive_key(step_key, 1)
        for block, here in enumerate(levels):
            if here is None:
                continue
            for m, raise_ in enumerate(raised[block]):
                if raise_ is None:
                    continue
                # A module's neurons are the targets, but of the readout the sources.
                neurons = range(edges[m], edges[m + 1])
                blocks[block], changed, saturated = update_block(
                    blocks[block],
                    here._replace(k=min(min(here.k + shift, 15) + raise_, 15)),
                    naive.derive_key(batch_key, block),
                    targets[block],
                    sources[block],
                    owners[block],
                    block == 0,
                    present[block],
                    None if block == 2 else neurons,
                    neurons if block == 2 else None,
                    net.input_fraction if block == 1 else 0,
                )
                synapses[block][0] += changed
                synapses[block][1] += saturated
        exposed = [
            expose(W, unseen[block], *exposed_ranges[block]) if unseen and unseen[block] else W
            for block, W in enumerate(blocks)
        ]
        for i in range(len(net.J)):  # no weights, where a weight of one bit has no 0
            for j in range(len(net.J)):
                if i == j or (net.connectivity is not None and not net.connectivity[i, j]):
                    exposed[0][i][j] = 0
        net = net._replace(**dict(zip(("J", "W_in", "W_out", "W_back"), exposed, strict=False)))
    return Trained(net, totals, synapses, blocks)


def find_learning(
    net: Network, s: Sequence[int], x: Sequence[int], label: int, third: ThirdFactor | None
) -> list[int]:
    """What each neuron learns in a sample: its spin where it is unstable, or what it is asked."""
    n, n_classes = len(s), len(net.W_out)
    learning = [
        s[i] if s[i] * hidden_field(net, i, s, x, 0, 0) <= of_neuron(net.margin, i) else 0
        for i in range(n)
    ]
    if third is None:
        return learning
    fields = [readout_field(net, c, s) for c in range(n_classes)]
    errors = readout_errors(fields, label, third.scale)
    deltas = naive_third_factor.broadcast(np.array(net.W_back), errors)
    return [naive_third_factor.gate(learning[i], deltas[i], third.threshold) for i in range(n)]


def find_wrong(net: Network, s: Sequence[int], label: int) -> list[int]:
    """y_c of each unstable readout, else 0."""
    y = naive.target(label, len(net.W_out))
    return [
        y[c] if y[c] * readout_field(net, c, s) <= net.readout_margin else 0 for c in range(len(y))
    ]
