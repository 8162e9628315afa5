"""How rules follow the exact gradient: measures against their definitions in plain NumPy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from binnet.rate import (
    Alignment,
    DivergenceError,
    RateConfiguration,
    RateRNN,
    alignment,
    gradient,
    tasks,
    train,
)
from binnet.rate.alignments import BLOCKS, MEASURES
from binnet.rate.model import WEIGHTS
from binnet.rate.rules import _exact, _gradients
from binnet.rate.rules._pass import Pass

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

LOCAL = ("eprop", "eprop-self")


def make(n: int = 6, **options: Any) -> tuple[RateRNN, tuple[Any, ...]]:
    network = RateRNN.initialise(1, 2, n, gain=1.2, dtype="float64", seed=3, **options)
    trials = tasks.romo(batch_size=3, seed=1)
    return network, (trials.inputs, trials.targets, trials.mask)


def join(grads: dict[str, Any], block: str) -> Any:
    names = WEIGHTS if block == "all" else (block,)
    return np.concatenate([grads[name].ravel() for name in names])


def noisy(sigma: float, shift: float) -> Any:
    """Return a rule: the exact gradient, a shift of all entries, and normal noise."""

    def compute(p: Pass) -> dict[str, Any]:
        rng = np.random.default_rng(p.seed)
        return {
            name: grad + shift + sigma * rng.standard_normal(grad.shape)
            for name, grad in _exact.bptt(p).items()
        }

    return compute


@pytest.fixture
def add_rule(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that adds a stochastic rule "noisy"."""

    def add(sigma: float, shift: float = 0.0) -> None:
        compute = noisy(sigma, shift)

        def draw(p: Pass, seeds: Any) -> dict[str, Any]:
            drawn = [compute(replace(p, seed=seed)) for seed in seeds]
            return {name: np.stack([grads[name] for grads in drawn]) for name in drawn[0]}

        kind = _gradients.Kind(compute, draw=draw)
        monkeypatch.setitem(_gradients.KINDS, "noisy", kind)
        monkeypatch.setitem(_gradients.LETTERS, "noisy", None)

    return add


def pick(found: Alignment, measure: str, rule: str, block: str) -> float:
    value = getattr(found, measure)[found.rules.index(rule), found.blocks.index(block)]
    return float(value)


def test_exact_rules_follow_the_gradient() -> None:
    network, trials = make()
    found = alignment(network, *trials, rules=["bptt", "rtrl"])
    for name in ("cosine", "norm_ratio", "single_cosine"):
        np.testing.assert_allclose(getattr(found, name), 1.0, rtol=1e-12)
    assert (found.squared_bias < 1e-24).all()
    assert (found.bias < 1e-12).all()
    assert not found.variance.any()
    assert not found.squared_bias_error.any()
    assert found.loss == gradient(network, *trials).loss


def test_local_rules_by_the_definition() -> None:
    network, trials = make()
    found = alignment(network, *trials, rules=LOCAL)
    exact = gradient(network, *trials).grads
    for rule in LOCAL:
        grads = gradient(network, *trials, rule=rule).grads
        for k, block in enumerate(BLOCKS):
            g, e = join(grads, block), join(exact, block)
            lengths = np.linalg.norm(g), np.linalg.norm(e)
            expected = {
                "cosine": g @ e / (lengths[0] * lengths[1]),
                "single_cosine": g @ e / (lengths[0] * lengths[1]),
                "norm_ratio": lengths[0] / lengths[1],
                "single_norm_ratio": lengths[0] / lengths[1],
                "squared_bias": (np.linalg.norm(g - e) / lengths[1]) ** 2,
                "squared_bias_error": 0.0,
                "variance": 0.0,
            }
            assert set(expected) == set(MEASURES)
            for name, value in expected.items():
                assert pick(found, name, rule, block) == pytest.approx(value, rel=1e-12, abs=1e-24)
            assert found.exact_norm[k] == pytest.approx(lengths[1], rel=1e-12)
        assert pick(found, "cosine", rule, "readout") == pytest.approx(1.0, rel=1e-12)
        assert pick(found, "cosine", rule, "recurrent") < 0.98


@pytest.mark.long  # compiles the kernels of many rules
def test_the_default_is_one_rule_of_each_kind_but_the_exact_ones() -> None:
    network, trials = make()
    found = alignment(network, *trials, n_draws=3)
    assert set(found.rules) == set(_gradients.RULES) - {"bptt", "rtrl"}
    index = [found.blocks.index("readout")]
    np.testing.assert_allclose(found.cosine[:, index], 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.norm_ratio[:, index], 1.0, rtol=1e-12)


def test_feedback_of_the_opposite_sign() -> None:
    network, trials = make()
    plain, against = (
        alignment(network, *trials, rules=["bptt", *LOCAL], feedback=feedback)
        for feedback in (None, -network.readout)
    )
    for rule in LOCAL:
        for block in ("recurrent", "input_weights"):
            there = pick(plain, "cosine", rule, block)
            assert there > 0.1
            assert pick(against, "cosine", rule, block) == pytest.approx(-there, rel=1e-12)
        assert pick(against, "cosine", rule, "readout") == pytest.approx(1.0, rel=1e-12)
    assert pick(against, "cosine", "bptt", "all") == pytest.approx(1.0, rel=1e-12)


def test_nothing_to_compare_with_is_nan() -> None:
    # After one step from h_0 = 0 no coupling has carried anything.
    network = RateRNN.initialise(2, 1, 5, dtype="float64", seed=1)
    x, y = np.ones((2, 1, 2)), np.ones((2, 1, 1))
    found = alignment(network, x, y, rules=["eprop"])
    for name in MEASURES:
        assert np.isnan(pick(found, name, "eprop", "recurrent"))
        assert not np.isnan(pick(found, name, "eprop", "all"))
    assert pick(found, "cosine", "eprop", "input_weights") == pytest.approx(1.0, rel=1e-12)
    # Feedback of 0: the gradient of a rule has no direction, but it has a norm and a bias.
    found = alignment(network, x, y, rules=["eprop"], feedback=np.zeros((1, 5)))
    assert np.isnan(pick(found, "cosine", "eprop", "input_weights"))
    assert np.isnan(pick(found, "single_cosine", "eprop", "input_weights"))
    assert pick(found, "norm_ratio", "eprop", "input_weights") == 0
    assert pick(found, "squared_bias", "eprop", "input_weights") == 1
    # A loss of 0.
    found = alignment(network, x, network.run(x).outputs, rules=["eprop"])
    assert not found.exact_norm.any()
    assert np.isnan(found.cosine).all()
    assert np.isnan(found.bias).all()


def test_small_and_large_gradients_have_squares() -> None:
    network, (x, y, _) = make()
    x = x.astype(np.float64)
    ordinary, small, large = (
        alignment(network, x * scale, y * 0, rules=LOCAL) for scale in (1.0, 1e-100, 1e90)
    )
    assert 0 < small.exact_norm[0] < 1e-190
    for name in ("cosine", "norm_ratio", "squared_bias"):
        for found in (small, large):
            np.testing.assert_allclose(
                getattr(found, name), getattr(ordinary, name), rtol=1e-9, atol=1e-20
            )


@pytest.mark.parametrize("shift", [0.0, 0.02])
def test_stochastic_rules_by_the_definition(add_rule: Any, shift: float) -> None:
    add_rule(0.01, shift)
    network, trials = make()
    n = 24
    found = alignment(network, *trials, rules=["noisy"], n_draws=n, seed=(4, 2))
    exact = gradient(network, *trials).grads
    drawn = [gradient(network, *trials, rule="noisy", seed=(4, 2, k)).grads for k in range(n)]
    for block in ("recurrent", "input_weights", "all"):
        draws, e = np.stack([join(grads, block) for grads in drawn]), join(exact, block)
        norm, mean = np.linalg.norm(e), draws.mean(axis=0)
        noise = draws.var(axis=0, ddof=1).sum()
        cosines = [g @ e / np.linalg.norm(g) / norm for g in draws]

        def estimate(draws: Any, e: Any = e) -> float:
            square = np.square(draws.mean(axis=0) - e).sum()
            return float(square - draws.var(axis=0, ddof=1).sum() / len(draws)) / float(e @ e)

        left_out = np.array([estimate(np.delete(draws, k, axis=0)) for k in range(n)])
        expected = {
            "cosine": mean @ e / np.linalg.norm(mean) / norm,
            "norm_ratio": np.linalg.norm(mean) / norm,
            "single_cosine": np.mean(cosines),
            "single_norm_ratio": np.sqrt(np.square(draws).sum(axis=1).mean()) / norm,
            "variance": noise / norm**2,
            "squared_bias": estimate(draws),
            "squared_bias_error": np.sqrt((n - 1) * left_out.var()),
        }
        for name, value in expected.items():
            assert pick(found, name, "noisy", block) == pytest.approx(value, rel=1e-9), name
        error = expected["squared_bias_error"]
        true = shift**2 * sum(exact[b].size for b in WEIGHTS[:2] if block in (b, "all")) / norm**2
        assert abs(expected["squared_bias"] - true) < 4 * error
        # What is not corrected for the noise of the mean is off by more than its error.
        assert noise / norm**2 / n > 2 * error or shift > 0 or block == "input_weights"
    assert pick(found, "variance", "noisy", "readout") == 0
    assert pick(found, "squared_bias", "noisy", "readout") == 0


def test_the_bias_is_estimated_without_bias(add_rule: Any) -> None:
    """Over many repetitions with three draws, as few as there may be."""
    add_rule(0.03, 0.01)
    network, trials = make(n=4)
    norm = np.linalg.norm(gradient(network, *trials).grads["recurrent"])
    found = [
        alignment(network, *trials, rules=["noisy"], n_draws=3, seed=seed) for seed in range(400)
    ]
    values, errors, variances = (
        np.array([getattr(one, name)[0, 0] for one in found])
        for name in ("squared_bias", "squared_bias_error", "variance")
    )
    standard_error = values.std(ddof=1) / np.sqrt(len(values))
    true = 16 * 0.01**2 / norm**2
    assert abs(values.mean() - true) < 4 * standard_error
    assert 16 * 0.03**2 / norm**2 / 3 > 10 * standard_error  # what the noise would add
    assert variances.mean() == pytest.approx(16 * 0.03**2 / norm**2, rel=0.05)
    # The jackknife is right or errs to the large side.
    assert 0.9 < np.sqrt((errors**2).mean()) / values.std(ddof=1) < 2.5


def test_draws_depend_on_the_seed_alone(add_rule: Any) -> None:
    add_rule(0.05)
    network, trials = make()
    one, again, other = (
        alignment(network, *trials, rules=rules, n_draws=4, seed=seed)
        for rules, seed in ((["noisy"], 1), (["eprop", "noisy"], 1), (["noisy"], 2))
    )
    assert one.cosine[0].tolist() == again.cosine[1].tolist()
    assert one.cosine[0, 0] != other.cosine[0, 0]


def test_as_a_labelled_data_set() -> None:
    pytest.importorskip("xarray", reason="needs the extra for sweeps")
    network, trials = make()
    found = alignment(network, *trials, rules=LOCAL, n_draws=5)
    table = found.to_dataset()
    for name in MEASURES:
        assert np.array_equal(table[name].values, getattr(found, name))
    assert float(table["cosine"].sel(rule="eprop-self", block="all")) == found.cosine[1, 3]
    assert table["exact_norm"].dims == ("block",)
    assert table.attrs == {"loss": found.loss, "n_draws": 5}


def test_arguments_out_of_range(add_rule: Any) -> None:
    add_rule(0.1)
    network, trials = make()
    for options, error, message in (
        ({"rules": ["epropp"]}, ValueError, "rule must be one of bptt"),
        ({"rules": []}, ValueError, "at least one name, each once"),
        ({"rules": ["eprop", "eprop"]}, ValueError, "each once, got"),
        ({"rules": "eprop"}, TypeError, r"pass \['eprop'\]"),
        ({"n_draws": 2}, ValueError, "n_draws must be"),
        ({"loss": "absolute"}, ValueError, "loss must be one of"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"feedback": np.ones((2, 5))}, ValueError, "feedback must have shape"),
        ({"feedback": network.readout, "rules": ["bptt"]}, ValueError, "none of the rules bptt"),
    ):
        with pytest.raises(error, match=message):
            alignment(network, *trials, **options)
    with pytest.raises(MemoryError, match="n_draws = 100000000000: the gradients"):
        alignment(network, *trials, rules=["noisy"], n_draws=10**11)


def test_gradients_that_are_not_finite_are_refused(add_rule: Any) -> None:
    add_rule(np.inf)
    network, trials = make()
    with pytest.raises(DivergenceError, match="the gradient of recurrent by noisy is not finite"):
        alignment(network, *trials, rules=["noisy"])


def test_networks_seen_on_the_way_are_those_of_runs_that_end_there() -> None:
    c = RateConfiguration(n_hidden=8, iterations=12, batch_size=4, rule="eprop")
    seen = {}

    def look(n: int, network: RateRNN) -> None:
        assert n not in seen
        seen[n] = network.copy()

    result = train(c, on_update=look)
    assert list(seen) == list(range(13))
    for n in (1, 5, 12):
        there = train(replace(c, iterations=n)).network
        for one, other in zip(seen[n].weights().values(), there.weights().values(), strict=True):
            assert np.array_equal(one, other)
    assert np.array_equal(train(c).losses, result.losses)


@pytest.mark.long  # compiles their kernels
@pytest.mark.parametrize("rule", ["uoro", "kf-rtrl"])
def test_unbiased_rules_have_no_bias_and_the_variance_of_their_draws(rule: str) -> None:
    network, trials = make()
    n = 400
    found = alignment(network, *trials, rules=[rule], n_draws=n, seed=7)
    exact = gradient(network, *trials).grads
    drawn = [gradient(network, *trials, rule=rule, seed=(7, k)).grads for k in range(n)]
    for block in ("recurrent", "input_weights", "all"):
        draws, e = np.stack([join(grads, block) for grads in drawn]), join(exact, block)
        variance = draws.var(axis=0, ddof=1).sum() / (e @ e)
        assert pick(found, "variance", rule, block) == pytest.approx(variance, rel=1e-9)
        error = pick(found, "squared_bias_error", rule, block)
        assert abs(pick(found, "squared_bias", rule, block)) < 3 * error
        assert error < 0.04  # so that a bias would be seen: that of e-prop here is above 0.2
    assert pick(found, "variance", rule, "readout") == 0
    local = alignment(network, *trials, rules=["eprop"])
    assert pick(local, "squared_bias", "eprop", "recurrent") > 0.2


@pytest.mark.long  # compiles the kernels of many rules
def test_couplings_that_do_not_exist_do_not_count() -> None:
    network, trials = make(n=12, structure="sparse-3")
    assert network.connections is not None
    found = alignment(network, *trials, rules=["snap-1", "snap-12", "uoro"], n_draws=5)
    np.testing.assert_allclose(found.cosine[1], 1.0, rtol=1e-12)  # as rtrl
    assert pick(found, "cosine", "snap-1", "recurrent") < 0.99
    exact = gradient(network, *trials).grads["recurrent"]
    assert not exact[~network.connections].any()
    drawn = gradient(network, *trials, rule="uoro", seed=(0, 3)).grads["recurrent"]
    assert not drawn[~network.connections].any()
