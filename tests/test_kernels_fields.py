"""The kernels that a sweep and an update are made of, each against its plain reference."""

import numpy as np
import pytest

import naive
from binnet_kernels.lowlevel.bits import WORD_BITS, pack_samples
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.relaxation.fields import (
    accumulate_by_tables,
    accumulate_fields,
    accumulate_plainly,
    add_events,
    read_out,
)
from binnet_kernels.relaxation.relax_sync import find_changes
from binnet_kernels.rules.events import update_couplings_perceptron
from binnet_kernels.structs import bank_width, from_banks, to_banks
from binnet_kernels.training.stability import find_unstable_neurons, find_unstable_readouts
from kernel_cases import ROUND_OFF, assert_padding_is_zero, draw_spins, to_rows

# Dyadic numbers make sums exact, so that float32 can be compared without a tolerance.
KINDS = [("dyadic", np.float32), ("dyadic", np.float64), ("gaussian", np.float64)]


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-9, 10, shape) / 8 if kind == "dyadic" else rng.normal(size=shape)


def assert_equal(result: np.ndarray, expected: np.ndarray, kind: str) -> None:
    """Exactly for dyadic numbers; else up to the rounding of sums in another order."""
    np.testing.assert_allclose(result, expected, rtol=0, atol=0 if kind == "dyadic" else ROUND_OFF)


# ---- layout


@pytest.mark.parametrize("n_hidden", [1, 31, 32, 33, 70])
@pytest.mark.parametrize("n_banks", [1, 2, 3])
def test_banks_hold_the_matrix(n_hidden: int, n_banks: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(5, n_hidden))
    banks = to_banks(matrix, n_banks)
    width = bank_width(n_hidden, n_banks)
    assert banks.shape == (n_banks, 5, width)
    assert width % 32 == 0
    assert n_banks * width >= n_hidden
    assert banks.ctypes.data % 64 == 0
    for i in range(n_hidden):
        np.testing.assert_array_equal(banks[i // width, :, i % width], matrix[:, i])
    assert_padding_is_zero(banks, n_hidden)
    np.testing.assert_array_equal(from_banks(banks, n_hidden), matrix, strict=True)


# ---- fields


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
@pytest.mark.parametrize("n_pre", [1, 4, 7])
@pytest.mark.parametrize("rows", [[], [2], [3, 0], [4, 1, 2]])
def test_accumulate_fields(kind: str, dtype: type, n_pre: int, rows: list[int]) -> None:
    rng = np.random.default_rng(n_pre)
    weights = draw(rng, kind, (n_pre, 32)).astype(dtype)
    states = rng.integers(-1, 2, (5, n_pre + 2)).astype(dtype)
    out = draw(rng, kind, (5, 64)).astype(dtype)
    expected = out.astype(float)
    expected[:, 32:] = naive.accumulate_fields(weights, states, rows, out[:, 32:])
    padded = np.array([*rows, 99])  # rows beyond n_rows are not looked at
    accumulate_fields(weights, states, 0, padded, len(rows), out, 32)
    assert_equal(out, expected, kind)


# Around a group of 16 samples, two of them (which share no tables), a pass of 256.
@pytest.mark.parametrize("n_rows", [7, 8, 16, 17, 32, 33, 256, 290])
@pytest.mark.parametrize("silent", [False, True])
def test_accumulate_fields_of_many_samples(n_rows: int, silent: bool) -> None:
    """As the reference; the rows are out of order, and those that are not listed stay."""
    rng = np.random.default_rng(n_rows)
    n_pre, rows = 11, rng.permutation(300)
    weights = draw(rng, "dyadic", (n_pre, 64)).astype(np.float32)
    states = draw_spins(rng, (300, n_pre + 5)).astype(np.float32)
    states[:, [0, 1, 2, -2, -1]] = 0  # not the neurons that the weights couple from
    if silent:
        states[rows[3], 8] = 0
    out = draw(rng, "dyadic", (300, 96)).astype(np.float32)
    expected = out.astype(float)
    expected[:, 32:] = naive.accumulate_fields(weights, states[:, 3:], rows[:n_rows], out[:, 32:])
    accumulate_fields(weights, states, 3, rows, n_rows, out, 32)
    np.testing.assert_array_equal(out, expected)


FORMATS = [
    (np.float32, np.float32), (np.float64, np.float64), (np.int8, np.int32), (np.int32, np.int32)
]  # fmt: skip


@pytest.mark.parametrize(("stored", "summed"), FORMATS)
@pytest.mark.parametrize("n_rows", [1, 16, 30, 33, 273])
@pytest.mark.parametrize("n_pre", [4, 76, 1400])
def test_tables_change_no_bit(stored: type, summed: type, n_rows: int, n_pre: int) -> None:
    """Whatever the CPU: the machine's choice is between these two."""
    rng = np.random.default_rng(n_pre)
    weights = (rng.normal(0, 50, (n_pre, 32))).astype(stored)
    states = draw_spins(rng, (n_rows, n_pre)).astype(summed)
    plainly = rng.normal(0, 100, (n_rows, 64)).astype(summed)
    by_tables, rows = plainly.copy(), np.arange(n_rows)
    invoke(accumulate_by_tables, weights, states, 0, rows, n_rows, by_tables, 16)
    invoke(accumulate_plainly, weights, states, 0, rows, n_rows, plainly, 16)
    assert by_tables.tobytes() == plainly.tobytes()


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
@pytest.mark.parametrize("n_events", [0, 1, 4, 6])
@pytest.mark.parametrize("n_banks", [1, 3])
def test_add_events(kind: str, dtype: type, n_events: int, n_banks: int) -> None:
    n_hidden = 40
    rng = np.random.default_rng(n_events)
    weights = draw(rng, kind, (n_hidden, n_hidden)).astype(dtype)
    field = to_rows(draw(rng, kind, (1, n_hidden)), n_banks, dtype)
    sites = rng.permutation(n_hidden)
    changes = rng.choice([-2.0, -1.0, 1.0, 2.0], n_hidden).astype(dtype)
    expected = naive.add_events(weights, sites[:n_events], changes[:n_events], field[0, :n_hidden])
    add_events(to_banks(weights, n_banks), sites, changes, n_events, field[0])
    assert_equal(field[0, :n_hidden], expected, kind)
    assert_padding_is_zero(field, n_hidden)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_hidden", [1, 64, 150])
@pytest.mark.parametrize("spread", [0.0, 0.05, 1.0])
def test_find_changes(dtype: type, n_hidden: int, spread: float) -> None:
    """No neuron, a few (in few of the stretches that are searched) or half of them disagree."""
    rng = np.random.default_rng(n_hidden)
    external, field, feedback = draw(rng, "dyadic", (3, n_hidden)).astype(dtype)
    scale, self_coupling, amplitude = 0.5, 0.25, dtype(0.5)
    state = np.ones(n_hidden, dtype)
    for i in range(n_hidden):
        agreeing = [
            s
            for s in (-1, 0, 1)
            if s == naive.sign(
                external[i] + scale * field[i] + self_coupling * s + amplitude * feedback[i]
            )
        ]  # fmt: skip
        state[i] = agreeing[0]
    odd = rng.random(n_hidden) < spread
    state[odd] = rng.choice([-1, 0, 1], odd.sum())
    h = external + scale * field + self_coupling * state + amplitude * feedback
    new = [naive.sign(h[i]) for i in range(n_hidden)]
    expected = [i for i in range(n_hidden) if new[i] != state[i]]
    sites, changes = np.zeros(n_hidden, np.int64), np.zeros(n_hidden, dtype)
    n_found = find_changes(
        n_hidden,
        external,
        field,
        feedback,
        state,
        scale,
        np.full(n_hidden, self_coupling, dtype),
        amplitude,
        sites,
        changes,
    )
    assert sites[:n_found].tolist() == expected
    assert changes[:n_found].tolist() == [new[i] - state[i] for i in expected]
    assert spread or n_found == 0


# ---- readout


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
@pytest.mark.parametrize("n_hidden", [1, 31, 150])
def test_read_out(kind: str, dtype: type, n_hidden: int) -> None:
    rng = np.random.default_rng(n_hidden)
    readout = draw(rng, kind, (3, n_hidden + 10)).astype(dtype)
    state = rng.integers(-1, 2, n_hidden + 10).astype(dtype)
    net = naive.Network(None, 0.0, None, 0.5 * readout.astype(float), None)
    expected = [naive.readout_field(net, c, state[:n_hidden].astype(int)) for c in range(3)]
    out = np.zeros(3, dtype)
    read_out(readout, 0.5, state, n_hidden, out)
    assert_equal(out, np.array(expected), kind)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("site", [0, 63, 149])
def test_reassociated_sum_keeps_nan_and_infinity(dtype: type, site: int) -> None:
    """The flags of `reassociating_kernel` leave out `nnan` and `ninf`."""
    n_hidden = 150
    readout, state = np.ones((4, n_hidden), dtype), np.ones(n_hidden, dtype)
    readout[0, site] = np.nan
    readout[1, site] = np.inf
    readout[2, site] = -np.inf
    readout[3, [site, 75]] = [np.inf, -np.inf]
    out = np.zeros(4, dtype)
    read_out(readout, 1.0, state, n_hidden, out)
    np.testing.assert_array_equal(out, [np.nan, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_find_unstable_readouts(dtype: type) -> None:
    fields = np.array([-4.0, -1.0, -0.5, 0.0, 0.5, 1.0, 4.0], dtype)
    for label in range(7):
        unstable = np.full(7, 9, dtype)
        thresholds = np.array([0.5, 1.0])  # of wrong classes, of the right one
        count = find_unstable_readouts(fields, label, thresholds, unstable)
        y = naive.target(label, 7)
        expected = [
            y[c] if fields[c] * y[c] <= thresholds[int(c == label)] else 0 for c in range(7)
        ]
        assert unstable.tolist() == expected
        assert count == np.count_nonzero(expected)


# ---- plasticity


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_find_unstable_neurons(dtype: type) -> None:
    rng = np.random.default_rng(3)
    external, field = draw(rng, "dyadic", (2, 6, 50)).astype(dtype)
    state = rng.integers(-1, 2, (6, 50)).astype(dtype)  # silent neurons too
    n_samples, n_hidden, threshold = 5, 45, 1.0
    unstable = np.full((6, 50), 9, dtype)
    own, thresholds = np.full(50, 0.25, dtype), np.full(50, threshold, dtype)
    count = 0
    for b in range(n_samples):
        count += find_unstable_neurons(
            external[b], field[b], state[b], 0.5, own, thresholds, n_hidden, unstable[b]
        )
    stabilities = state * (external + 0.5 * field + 0.25 * state)
    assert (stabilities == threshold).any()  # the edge counts as unstable
    seen = np.zeros((6, 50), bool)
    seen[:n_samples, :n_hidden] = True
    np.testing.assert_array_equal(
        unstable, np.where(seen, np.where(stabilities <= threshold, state, 0), 9)
    )
    assert count == (seen & (stabilities <= threshold)).sum()


@pytest.mark.parametrize(("kind", "dtype"), KINDS)
@pytest.mark.parametrize("n_samples", [1, 5, WORD_BITS])
def test_update_couplings_perceptron(kind: str, dtype: type, n_samples: int) -> None:
    n_pre, start = 7, 32
    rate = 0.125 if kind == "dyadic" else 0.1
    rng = np.random.default_rng(n_samples)
    weights = draw(rng, kind, (n_pre, 32)).astype(dtype)
    pre = rng.integers(-1, 2, (n_samples, n_pre)).astype(dtype)
    post = draw_spins(rng, (n_samples, 64)) * (rng.random((n_samples, 64)) < 0.3).astype(dtype)
    gains = rng.integers(0, 3, 64) / 2
    expected = naive.update_couplings_perceptron(weights, rate, gains[start:], pre, post[:, start:])
    packed_pre, packed_post = np.zeros((2, n_pre), np.uint32), np.zeros((2, 64), np.uint32)
    pack_samples(pre, 0, n_samples, 0, n_pre, *packed_pre)
    pack_samples(post.astype(dtype), 0, n_samples, 0, 64, *packed_post)
    update_couplings_perceptron(
        weights, rate, gains.astype(dtype), *packed_pre, *packed_post, start
    )
    assert_equal(weights, expected, kind)
