"""The training step against the plain reference, and that only the data decide its bits."""

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import naive
from binnet_kernels import structs
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.rules import perceptron, third_factor
from binnet_kernels.rules.events import FloatRule, make_memory
from binnet_kernels.training.records import Batches, Counts, Model
from kernel_cases import (
    ROUND_OFF,
    assert_padding_is_zero,
    draw_spins,
    from_model,
    learn,
    make_modules,
    make_network,
    to_model,
    to_rows,
)

KEY, FIRST = np.uint64(11), 1000
NOISE_KEY = np.uint64(12)
DYNAMICS: dict[str, dict[str, Any]] = {
    "sync": {},
    "subset": {"probability": 0.3},
    "async": {"asynchronous": True},
}
# Decays far larger than any that is used, so that a decay at the wrong moment is seen.
RULE = naive.Rule(
    rates=(0.05, 0.2, 0.1), decays=(0.1, 0.0, 0.3), threshold=0.9 + 0.5, readout_threshold=1.5
)


class Third(NamedTuple):
    """A third factor: its parameters, and W_back."""

    rate: float
    temperature: float
    threshold: float
    memory: third_factor.ThirdFactorMemory


@dataclass
class Run:
    """`n` presentations of random samples to a network, and the two ways to learn them."""

    net: naive.Network
    n: int
    batch_size: int
    rule: naive.Rule = RULE
    amplitudes: list[float] = field(default_factory=lambda: naive.anneal(1, 4, 4))
    dynamics: dict[str, Any] = field(default_factory=dict)
    rate_factors: Any = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        n_known = self.n // 2 + 1  # each sample is presented about twice
        self.inputs = draw_spins(rng, (n_known, self.net.W_in.shape[1]))
        self.labels = rng.integers(0, len(self.net.W_out), n_known)
        self.order = rng.integers(0, n_known, self.n)
        if self.rate_factors is None:
            self.rate_factors = np.linspace(1.0, 0.5, -(-self.n // self.batch_size))

    def run_naive(self) -> naive.Trained:
        batches = [
            self.order[k : k + self.batch_size].tolist() for k in range(0, self.n, self.batch_size)
        ]
        keys = [naive.derive_key(int(KEY), FIRST + k) for k in range(self.n)]
        return naive.train_batches(
            self.net, self.rule, naive.flip_inputs(self.inputs, self.noise, int(NOISE_KEY)),
            self.labels, batches, self.rate_factors,
            self.amplitudes, keys, **self.dynamics,
        )  # fmt: skip

    def run_kernel(
        self,
        dtype: type = np.float64,
        n_banks: int = 2,
        threads: int = 1,
        pieces: int = 1,
        third: Third | None = None,
    ) -> tuple[Model, Counts, structs.Outcome]:
        """Learn in one call, or in several that follow each other."""
        n_hidden, n_sweeps = len(self.net.J), len(self.amplitudes)
        model = to_model(self.net, n_banks, dtype)
        thresholds = np.broadcast_to(self.rule.threshold, n_hidden)
        rule: Any = FloatRule(
            np.array(self.rule.rates),
            np.array(self.rule.decays),
            to_rows(thresholds[None], n_banks, dtype)[0],
            self.rule.readout_threshold / np.array(self.rule.sizes),
            np.array(self.rule.sizes),
        )
        kernels, memory = perceptron.KERNELS, make_memory(model.scales)
        if third:
            kernels, memory = third_factor.KERNELS, third.memory
            rule = third_factor.ThirdFactorRule(*rule, *third[:3])
        counts = Counts(np.zeros(n_sweeps, np.int64), np.zeros(4, np.int64))
        for factors in np.array_split(np.arange(len(self.rate_factors)), pieces):
            presented = slice(factors[0] * self.batch_size, (factors[-1] + 1) * self.batch_size)
            batches = Batches(
                self.inputs,
                self.labels,
                self.order[presented],
                self.batch_size,
                self.rate_factors[factors],
                KEY,
                FIRST + presented.start,
                self.noise,
                NOISE_KEY,
            )
            work = learn(
                kernels, model, rule, memory, batches, self.amplitudes, counts, threads=threads,
                **self.dynamics,
            )  # fmt: skip
        # Those that belong to the weights as they are now; the last batch relaxed with others.
        return model._replace(scales=memory.scales), counts, work.outcome


def assert_equals_reference(
    run: Run, *dtypes: type, exact: bool, banks: tuple[int, ...] = (2,)
) -> None:
    expected = run.run_naive()
    n_hidden = len(run.net.J)
    for dtype, n_banks in itertools.product(dtypes, banks):
        model, counts, _ = run.run_kernel(dtype, n_banks)
        learned = from_model(model, run.net)
        assert counts.changes.tolist() == expected.changes
        assert counts.totals.tolist() == expected.totals
        for name in ("J", "W_in", "W_out"):
            np.testing.assert_allclose(
                getattr(learned, name), getattr(expected.net, name), rtol=0,
                atol=0 if exact else ROUND_OFF, err_msg=f"{name}, {n_banks} banks of {dtype}",
            )  # fmt: skip
        assert not np.diagonal(learned.J).any()
        for array in (model.couplings, model.input_weights, model.readout):
            assert_padding_is_zero(array, n_hidden)


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize(
    ("n", "batch_size"), [(3, 1), (40, 16), (41, 33), (75, 70)], ids=lambda size: str(size)
)
def test_equals_the_reference(n: int, batch_size: int, dynamics: str) -> None:
    """The last batch is shorter, but for the first case."""
    net = make_network("gaussian", 33, 11, 3, seed=1)
    run = Run(net, n, batch_size, dynamics=DYNAMICS[dynamics])
    assert_equals_reference(run, np.float64, exact=False)


@pytest.mark.parametrize(
    "amplitudes", [naive.anneal(0, 3, 4, "linear"), naive.anneal(3, 4, 4), [0.0] * 6, [1.0]]
)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_schedules(amplitudes: list[float], dynamics: str) -> None:
    net = make_network("gaussian", 33, 11, 3, seed=2)
    run = Run(net, 24, 16, amplitudes=amplitudes, dynamics=DYNAMICS[dynamics])
    assert_equals_reference(run, np.float64, exact=False)


@pytest.mark.parametrize("sizes", [(1.0, 1.0), (0.75, 2.0)])
@pytest.mark.parametrize(("n", "batch_size"), [(40, 16), (75, 70)], ids=lambda size: str(size))
def test_readout_learns_from_spins_of_two_sizes(
    sizes: tuple[float, float], n: int, batch_size: int
) -> None:
    """Margins are divided and rates multiplied, of the right class and of wrong ones."""
    net = make_modules("gaussian", (20, 31), 9, 4, seed=6)
    run = Run(net, n, batch_size, rule=RULE._replace(threshold=0.9 + net.J_D, sizes=sizes))
    assert_equals_reference(run, np.float64, exact=False, banks=(1, 3))


def test_inputs_are_flipped_as_they_are_presented() -> None:
    run = Run(make_network("gaussian", 33, 11, 3, seed=1), 41, 16, noise=0.2)
    flipped = naive.flip_inputs(run.inputs, 0.2, int(NOISE_KEY)) != run.inputs
    assert 0.1 < flipped.mean() < 0.3
    assert_equals_reference(run, np.float64, exact=False)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_modules(dynamics: str) -> None:
    """Windows, excitation, gains and missing couplings; modules of unequal sizes, across banks."""
    sizes = (20, 31, 16)
    net = make_modules("gaussian", sizes, 9, 4, seed=6)
    rule = RULE._replace(threshold=0.9 + net.J_D)
    run = Run(net, 30, 16, rule=rule, dynamics=DYNAMICS[dynamics])
    assert_equals_reference(run, np.float64, exact=False, banks=(1, 3))


@pytest.mark.long
def test_absent_couplings_stay_absent() -> None:
    net = make_modules("gaussian", (20, 31, 16), 9, 4, seed=7)
    model, _, _ = Run(net, 48, 16).run_kernel(np.float32, n_banks=3)
    learned = from_model(model, net)
    assert not learned.J[~net.connectivity].any()
    assert np.count_nonzero(learned.J != net.J) > net.connectivity.sum() / 2
    assert not learned.W_in[-16:].any()
    assert not learned.W_out[:, :20].any()


@pytest.mark.long
def test_dyadic_numbers_are_learned_exactly() -> None:
    """1/sqrt(16), the rates and the decays are powers of two: there is nothing to round."""
    rule = naive.Rule((0.5, 0.25, 0.5), (0.5, 0.0, 0.5), threshold=1.5, readout_threshold=2.0)
    net = make_network("dyadic", 40, 9, 4, seed=3)
    run = Run(net, 48, 16, rule=rule, rate_factors=np.ones(3))
    assert_equals_reference(run, np.float32, np.float64, exact=True, banks=(1, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize(("n", "batch_size"), [(37, 16), (41, 33)])
def test_banks_and_threads_change_no_bit(
    dtype: type, dynamics: str, n: int, batch_size: int
) -> None:
    """Neither a bank's share of neurons nor a thread's of samples is a whole number of anything."""
    n_hidden = 70
    run = Run(make_network("gaussian", n_hidden, 12, 5, 4), n, batch_size)
    run.dynamics = DYNAMICS[dynamics]
    results = []
    for threads in (1, 2):
        for n_banks in (1, 2, 3):
            model, counts, outcome = run.run_kernel(dtype, n_banks, threads)
            results.append(
                (
                    structs.from_windows(model.couplings, model.windows, n_hidden).tobytes(),
                    structs.from_banks(model.input_weights, n_hidden).tobytes(),
                    model.readout[:, :n_hidden].tobytes(),
                    model.scales.tobytes(),
                    outcome.state[:, :n_hidden].tobytes(),
                    outcome.field[:, :n_hidden].tobytes(),
                    *(array.tobytes() for array in (*counts, *outcome[2:])),
                )
            )
    assert len(set(results)) == 1


def test_calls_may_be_split_anywhere() -> None:
    """As a run that is stopped between two batches and resumed."""
    run = Run(make_network("gaussian", 40, 9, 4, seed=5), 70, 16, dynamics={"probability": 0.5})
    whole, whole_counts, _ = run.run_kernel()
    parts, part_counts, _ = run.run_kernel(pieces=3)
    for one, other in zip((*whole[:4], *whole_counts), (*parts[:4], *part_counts), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("still", [0, 1, 2])
def test_rate_zero_leaves_a_block_untouched(still: int) -> None:
    """Also where it decays: that is the scale's part."""
    rates = [0.05, 0.2, 0.1]
    rates[still] = 0.0
    run = Run(make_network("gaussian", 40, 9, 4, seed=6), 40, 16)
    run.rule = RULE._replace(rates=tuple(rates), decays=(0.1, 0.1, 0.1))
    before = to_model(run.net, 2, np.float64)
    after, _, _ = run.run_kernel()
    for block in range(3):
        assert (before[block].tobytes() == after[block].tobytes()) == (block == still)
        assert after.scales[block] < before.scales[block]
    assert before.feedback.tobytes() == after.feedback.tobytes()
    assert_equals_reference(run, np.float64, exact=False)


def test_without_rates_and_decays_nothing_changes() -> None:
    run = Run(make_network("gaussian", 40, 9, 4, seed=7), 40, 16)
    run.rule = RULE._replace(rates=(0.0, 0.0, 0.0), decays=(0.0, 0.0, 0.0))
    before = to_model(run.net, 2, np.float32)
    after, counts, _ = run.run_kernel(np.float32)
    for one, other in zip(before[:4], after[:4], strict=True):
        assert one.tobytes() == other.tobytes()
    assert counts.totals[2] > 0  # there was something to learn


def test_keys_follow_the_presentation() -> None:
    """The draws of the k-th presentation do not depend on the batches that came before it."""
    run = Run(make_network("gaussian", 20, 5, 3, seed=8), 1, 1, dynamics={"probability": 0.5})
    _, _, outcome = run.run_kernel()
    x, label = run.inputs[run.order[0]], int(run.labels[run.order[0]])
    key = int(derive_keys(KEY, FIRST, 1)[0])
    expected = naive.relax(run.net, x.tolist(), label, run.amplitudes, key, probability=0.5)
    assert outcome.state[0, :20].tolist() == expected.s
