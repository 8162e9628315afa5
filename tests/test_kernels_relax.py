"""The relaxation kernels against the plain reference of the whole model, and against themselves.

The reference simulates the readout and a clamp that wins; the kernels get a table of its feedback.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from binnet_kernels import structs
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.relaxation import orders
from binnet_kernels.relaxation.relax_async import relax_async
from binnet_kernels.relaxation.relax_sync import relax_sync
from binnet_kernels.structs import FIXED_POINT, TWO_CYCLE, UNSETTLED
from kernel_cases import (
    ROUND_OFF,
    SCALES,
    assert_padding_is_zero,
    draw_spins,
    make_modules,
    make_network,
    to_model,
    to_recurrence,
    to_rows,
)

KINDS = [("dyadic", np.float32), ("dyadic", np.float64), ("gaussian", np.float64)]
SCHEDULES = {
    "no feedback": naive.anneal(0, 0, 12),
    "step": naive.anneal(1, 5, 5),
    "step without warm-up": naive.anneal(0, 4, 6),
    "step after a long warm-up": naive.anneal(5, 6, 6),
    "linear": naive.anneal(1, 4, 8, "linear"),
    "no annealing": naive.anneal(1, 6, 6, "none"),
    "there and back": [1, 1, 1, 1, 0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0, 0],
}
DYNAMICS: dict[str, dict[str, Any]] = {
    "sync": {},
    "sync through cycles": {"stop_at_cycle": False},
    "subset": {"probability": 0.3},
    "async": {"asynchronous": True},
}
KEY = np.uint64(77)


class Samples:
    """Inputs, labels and keys of B samples of a network."""

    def __init__(self, net: naive.Network, n_samples: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.net = net
        self.inputs = draw_spins(rng, (n_samples, net.W_in.shape[1]))
        self.labels = rng.integers(0, len(net.W_out), n_samples)
        self.keys = derive_keys(KEY, 0, n_samples)

    def run_naive(self, amplitudes: Sequence[float], **dynamics: Any) -> list[naive.Relaxed]:
        return [
            naive.relax(self.net, x.tolist(), int(label), amplitudes, int(key), **dynamics)
            for x, label, key in zip(self.inputs, self.labels, self.keys, strict=True)
        ]

    def run_kernel(
        self,
        amplitudes: Sequence[float],
        *,
        dtype: type = np.float64,
        n_banks: int = 2,
        dense_above: int = 5,
        ranges: Sequence[tuple[int, int]] | None = None,
        outcome: structs.Outcome | None = None,
        asynchronous: bool = False,
        probability: float = 1.0,
        stop_at_cycle: bool = True,
    ) -> structs.Outcome:
        model = to_model(self.net, n_banks, dtype)
        n_samples, n_hidden = len(self.inputs), len(self.net.J)
        recurrence = to_recurrence(model, SCALES[0])
        drive = structs.Drive(
            to_rows(self.inputs @ self.net.W_in.T, n_banks, dtype),
            model.feedback,
            self.labels,
            np.array(amplitudes, dtype),
        )
        order = orders.ASYNC if asynchronous else orders.SYNC
        update = structs.Update(order, probability, dense_above, stop_at_cycle, self.keys)
        if outcome is None:
            outcome = structs.make_outcome(n_samples, n_hidden, len(amplitudes), n_banks, dtype)
        scratch = structs.make_scratch(n_samples, n_hidden, dtype)
        for start, stop in ranges or [(0, n_samples)]:
            relax = relax_async if asynchronous else relax_sync
            invoke(relax, recurrence, drive, update, outcome, scratch, 0, start, stop)
        return outcome


def assert_equals_reference(
    samples: Samples, outcome: structs.Outcome, expected: list[naive.Relaxed], *, exact: bool
) -> None:
    n_hidden = len(samples.net.J)
    assert outcome.state[:, :n_hidden].tolist() == [one.s for one in expected]
    assert outcome.changes.tolist() == [one.changes for one in expected]
    assert outcome.sweeps.tolist() == [one.sweeps for one in expected]
    assert outcome.status.tolist() == [one.status for one in expected]
    J = samples.net.J - np.diag(np.diagonal(samples.net.J))
    states = outcome.state[:, :n_hidden].astype(float)
    np.testing.assert_allclose(
        SCALES[0] * outcome.field[:, :n_hidden],
        states @ J.T,
        rtol=0,
        atol=0 if exact else ROUND_OFF,
    )
    assert_padding_is_zero(outcome.state, n_hidden)
    assert_padding_is_zero(outcome.field, n_hidden)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("kind", "dtype"), KINDS)
def test_equals_the_reference(kind: str, dtype: type, schedule: str, dynamics: str) -> None:
    samples = Samples(make_network(kind, 40, 9, 4, seed=1), 6)
    amplitudes, options = SCHEDULES[schedule], DYNAMICS[dynamics]
    outcome = samples.run_kernel(amplitudes, dtype=dtype, **options)
    expected = samples.run_naive(amplitudes, **options)
    assert_equals_reference(samples, outcome, expected, exact=kind == "dyadic")


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_modules(dynamics: str) -> None:
    """A chain with excitation, missing couplings and unequal modules, which banks cut anywhere."""
    samples = Samples(make_modules("dyadic", (20, 31, 16), 9, 4, seed=5), 6)
    amplitudes, options = SCHEDULES["step"], DYNAMICS[dynamics]
    expected = samples.run_naive(amplitudes, **options)
    for n_banks in (1, 3):
        for dense_above in (0, 5, 67):
            outcome = samples.run_kernel(
                amplitudes, dtype=np.float32, n_banks=n_banks, dense_above=dense_above, **options
            )
            assert_equals_reference(samples, outcome, expected, exact=True)


@pytest.mark.parametrize("kind", ["dyadic", "gaussian"])
@pytest.mark.parametrize("stop_at_cycle", [True, False])
def test_two_cycles(kind: str, stop_at_cycle: bool) -> None:
    """Symmetric couplings without self-coupling end in fixed points or 2-cycles (Goles, 1981)."""
    net = make_network(kind, 40, 9, 4, seed=2, self_coupling=0.0)
    net = net._replace(J=net.J + net.J.T, W_in=net.W_in / 4)
    samples = Samples(net, 12)
    for amplitudes in (SCHEDULES["no feedback"], [1.0] * 8 + [0.0] * 12):
        expected = samples.run_naive(amplitudes, stop_at_cycle=stop_at_cycle)
        outcome = samples.run_kernel(amplitudes, stop_at_cycle=stop_at_cycle)
        assert_equals_reference(samples, outcome, expected, exact=kind == "dyadic")
        assert (TWO_CYCLE in outcome.status) == stop_at_cycle
        assert (UNSETTLED if not stop_at_cycle else TWO_CYCLE) in outcome.status


@pytest.mark.parametrize("probability", [0.3, 0.9])
def test_random_subsets_have_no_two_cycles(probability: float) -> None:
    """A neuron that flips twice in a row may do so by chance."""
    net = make_network("dyadic", 12, 9, 4, seed=2, self_coupling=0.0)
    samples = Samples(net._replace(J=net.J + net.J.T, W_in=net.W_in / 4), 12)
    amplitudes = [0.0] * 12
    outcome = samples.run_kernel(amplitudes, probability=probability)
    expected = samples.run_naive(amplitudes, probability=probability)
    assert_equals_reference(samples, outcome, expected, exact=True)
    assert TWO_CYCLE not in outcome.status


def test_all_silent_neurons_wake_with_probability_one() -> None:
    samples = Samples(make_network("gaussian", 40, 9, 4, seed=4), 5)
    amplitudes = SCHEDULES["step"]
    outcome = samples.run_kernel(amplitudes)
    assert (outcome.changes[:, 0] == 40).all()
    assert (np.abs(outcome.state[:, :40]) == 1).all()
    partly = samples.run_kernel(amplitudes[:1], probability=0.3)
    assert 0 < (partly.state[:, :40] == 0).mean() < 1


# ---- how the work is shared out and done makes no difference


@pytest.fixture(scope="module")
def seventy() -> tuple[Samples, dict[str, list[naive.Relaxed]]]:
    """70 samples of 70 neurons, which are not a whole number of cache lines, and their ends."""
    samples = Samples(make_network("gaussian", 70, 12, 3, seed=5), 70)
    amplitudes = SCHEDULES["step"]
    return samples, {
        "sync": samples.run_naive(amplitudes),
        "subset": samples.run_naive(amplitudes, probability=0.3),
    }


@pytest.mark.parametrize("n_samples", [1, 16, 33, 70])
@pytest.mark.parametrize("dense_above", [0, 7, 70])
@pytest.mark.parametrize("dynamics", ["sync", "subset"])
def test_batch_size_and_dense_products_do_not_matter(
    seventy: Any, n_samples: int, dense_above: int, dynamics: str
) -> None:
    samples, expected = seventy
    part = Samples(samples.net, 70)
    part.inputs, part.labels = samples.inputs[:n_samples], samples.labels[:n_samples]
    part.keys = samples.keys[:n_samples]
    outcome = part.run_kernel(
        SCHEDULES["step"], dense_above=dense_above, n_banks=3, **DYNAMICS[dynamics]
    )
    assert_equals_reference(part, outcome, expected[dynamics][:n_samples], exact=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_banks_and_ranges_change_no_bit(dtype: type, dynamics: str) -> None:
    samples = Samples(make_network("gaussian", 70, 12, 3, seed=5), 33)
    results = []
    for n_banks in (1, 2, 3):
        for ranges in ([(0, 33)], [(20, 33), (0, 7), (7, 20)]):
            outcome = samples.run_kernel(
                SCHEDULES["step"], dtype=dtype, n_banks=n_banks, ranges=ranges, **DYNAMICS[dynamics]
            )
            rows = (outcome.state[:, :70].tobytes(), outcome.field[:, :70].tobytes())
            results.append((*rows, *(counts.tobytes() for counts in outcome[2:])))
    assert len(set(results)) == 1


def test_one_bank_may_be_all_padding() -> None:
    samples = Samples(make_network("gaussian", 33, 5, 3, seed=6), 4)
    assert 2 * structs.bank_width(33, 3) >= 33
    for options in DYNAMICS.values():
        outcome = samples.run_kernel(SCHEDULES["step"], n_banks=3, **options)
        expected = samples.run_naive(SCHEDULES["step"], **options)
        assert_equals_reference(samples, outcome, expected, exact=False)


@pytest.mark.parametrize("dynamics", ["sync", "async"])
def test_goes_on_from_where_it_stopped(dynamics: str) -> None:
    """A second call from a woken state equals the reference started there."""
    samples = Samples(make_network("gaussian", 40, 9, 4, seed=8), 5)
    options = DYNAMICS[dynamics]
    first = samples.run_kernel([0.0] * 2, **options)
    start = first.state[:, :40].astype(int).tolist()
    outcome = structs.make_outcome(5, 40, 6, 2, np.float64)
    outcome.state[:], outcome.field[:] = first.state, first.field
    samples.run_kernel([1.0] * 6, outcome=outcome, **options)
    expected = [
        naive.relax(
            samples.net, samples.inputs[b].tolist(), int(samples.labels[b]), [1.0] * 6,
            int(samples.keys[b]), start=start[b], **options,
        )
        for b in range(5)
    ]  # fmt: skip
    assert_equals_reference(samples, outcome, expected, exact=False)
    assert FIXED_POINT in outcome.status


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    n_hidden=st.integers(1, 36),
    n_inputs=st.integers(1, 6),
    n_classes=st.sampled_from([1, 4]),  # g(+1) = sqrt(C) / 2 is dyadic too
    n_samples=st.integers(1, 4),
    n_banks=st.integers(1, 3),
    dense_above=st.integers(0, 36),
    self_coupling=st.sampled_from([-0.25, 0.0, 0.25, 1.0]),
    schedule=st.sampled_from(sorted(SCHEDULES)),
    dynamics=st.sampled_from(sorted(DYNAMICS)),
    seed=st.integers(0, 2**32),
)
def test_any_size(
    n_hidden: int, n_inputs: int, n_classes: int, n_samples: int, n_banks: int, dense_above: int,
    self_coupling: float, schedule: str, dynamics: str, seed: int,
) -> None:  # fmt: skip
    net = make_network("dyadic", n_hidden, n_inputs, n_classes, seed, self_coupling)
    samples = Samples(net, n_samples, seed)
    outcome = samples.run_kernel(
        SCHEDULES[schedule],
        dtype=np.float32,
        n_banks=n_banks,
        dense_above=dense_above,
        **DYNAMICS[dynamics],
    )
    expected = samples.run_naive(SCHEDULES[schedule], **DYNAMICS[dynamics])
    assert_equals_reference(samples, outcome, expected, exact=True)
