"""Stochastic rules: the loops of the equations, the gradient in expectation, and their limits.

That an average is the gradient is tested by two numbers for each block of weights, both of which
have a known distribution if it is (see `measure`); a rule that forgets 3 % more in each step fails.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import naive_rate_stochastic as naive
from binnet.rate import RateConfiguration, RateRNN, gradient, resume, train
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Workspace
from binnet.rate.rules import _stochastic
from binnet.rate.rules._gradients import go_through
from binnet.rate.rules._stochastic import draw_gradients, make_key
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.rate import stochastic

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

RULES = tuple(naive.RULES)
CASES = [(a, loss) for a in ("relu", "tanh") for loss in ("squared", "cross_entropy")]
BLOCKS = ("recurrent", "input_weights")
N_IN, N_OUT, LEAK = 2, 3, 0.3


def make(
    activation: str, loss: str, n: int = 6, n_trials: int = 2, n_steps: int = 8
) -> tuple[RateRNN, dict[str, Any]]:
    rng = np.random.default_rng(3)
    weights = (
        rng.standard_normal((n, n)) / np.sqrt(n),
        rng.standard_normal((n, N_IN)),
        rng.standard_normal((N_OUT, n)),
    )
    targets = rng.standard_normal((n_trials, n_steps, N_OUT))
    trials = {
        "inputs": rng.standard_normal((n_trials, n_steps, N_IN)),
        "targets": targets if loss == "squared" else targets.argmax(axis=2),
        "mask": rng.integers(0, 3, (n_trials, n_steps)).astype(float),
        "loss": loss,
    }
    return RateRNN(*weights, leak=LEAK, activation=activation), trials


def make_pass(network: RateRNN, trials: dict[str, Any], threads: int = 1) -> Any:
    """What draws read of a pass, in a form that tests can change."""
    inputs = np.ascontiguousarray(trials["inputs"], network.dtype)
    shape = (*inputs.shape[:2], network.n_outputs)
    goal = make_goal(trials["loss"], trials["targets"], trials.get("mask"), shape, network.dtype)
    p = go_through(network, inputs, goal, "uoro", None, threads, Workspace())[0]
    fields = ("network", "inputs", "trajectory", "slopes", "signals", "threads", "work")
    return SimpleNamespace(**{name: getattr(p, name) for name in fields})


def change(p: Any, **changes: Any) -> Any:
    return SimpleNamespace(**(vars(p) | changes))


def expect(p: Any, rule: str, seed: Any) -> dict[str, Any]:
    """The gradient by loops."""
    n = p.network.n_neurons
    total = 0
    for b in range(len(p.inputs)):
        z = np.concatenate([p.trajectory.rates[b, :-1], p.inputs[b]], axis=1)
        given = (p.network.recurrent, p.slopes[b, :-1], z, p.signals[b, 1:], p.network.leak)
        total = total + naive.RULES[rule](*given, seed, b)[0]
    return {"recurrent": total[:, :n], "input_weights": total[:, n:]}


def close(ours: Any, reference: Any, relative: float) -> None:
    assert np.isfinite(ours).all()
    assert np.abs(ours - reference).max() <= relative * np.abs(reference).max()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_gradient_equals_the_loops(activation: str, loss: str, rule: str) -> None:
    network, trials = make(activation, loss, n_trials=5)  # two groups
    for seed in (0, (5, 4, 17)):
        ours = gradient(network, **trials, rule=rule, seed=seed)
        expected = expect(make_pass(network, trials), rule, seed)
        for name in BLOCKS:
            close(ours.grads[name], expected[name], 1e-12)
        exact = gradient(network, **trials)
        assert ours.loss == exact.loss
        assert np.array_equal(ours.outputs, exact.outputs)
        close(ours.grads["readout"], exact.grads["readout"], 1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [1, 4, 33, 65])
def test_sizes_that_do_not_fit_the_tiles_equal_the_loops(n: int, rule: str) -> None:
    # At 65 the signs take a second word.
    network, trials = make("relu", "squared", n, n_trials=1, n_steps=4)
    p = make_pass(network, trials)
    expected = expect(p, rule, 1)
    single = RateRNN(*(w.astype(np.float32) for w in network.weights().values()), leak=LEAK)
    for of_precision, relative in ((network, 1e-12), (single, 1e-4)):
        ours = gradient(of_precision, **trials, rule=rule, seed=1).grads
        for name in BLOCKS:
            assert ours[name].dtype == of_precision.dtype
            close(ours[name], expected[name], relative)


def measure(drawn: Any, exact: Any) -> tuple[float, float]:
    """How far the mean of draws (D, ...) is from the gradient, by two numbers.

    The first is the mean square of the z-scores of all entries, less 1, over its standard
    deviation, sqrt(2 tr C²) / n with the correlations C of the entries; the second the z-score of
    the projection on the gradient.
    """
    drawn, exact = drawn.reshape(len(drawn), -1), exact.ravel()
    varies = drawn.std(axis=0) > 1e-9 * np.abs(exact).max()
    close(drawn[0, ~varies], exact[~varies], 1e-6) if not varies.all() else None
    of_varying, right = drawn[:, varies], exact[varies]
    errors = of_varying.std(axis=0, ddof=1) / np.sqrt(len(drawn))
    z = (of_varying.mean(axis=0) - right) / errors
    correlations = np.corrcoef(of_varying.T)
    spread = np.sqrt(2 * (correlations**2).sum()) / len(z)
    projected = of_varying @ right
    aside = projected.mean() - right @ right
    return (
        float(((z**2).mean() - 1) / spread),
        float(aside / (projected.std(ddof=1) / np.sqrt(len(drawn)))),
    )


N_SEEDS, N_COPIES = 2_000, 50


def draw_many(p: Any, rule: str) -> dict[str, Any]:
    """10^5 draws of a pass with N_COPIES copies of its trials, as N_SEEDS means of so many."""
    return draw_gradients(p, rule, [(7, k) for k in range(N_SEEDS)])


def copy_trials(trials: dict[str, Any]) -> dict[str, Any]:
    """Copies draw signs of their own; the loss, a mean over trials, has the same gradient."""
    return {
        key: value if key == "loss" else np.concatenate([value] * N_COPIES)
        for key, value in trials.items()
    }


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_mean_of_many_draws_is_the_gradient(activation: str, loss: str, rule: str) -> None:
    network, trials = make(activation, loss)
    exact = gradient(network, **trials, rule="rtrl").grads
    drawn = draw_many(make_pass(network, copy_trials(trials)), rule)
    for name in BLOCKS:
        aside, along = measure(drawn[name], exact[name])
        assert aside < 3
        assert abs(along) < 3


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_forgets_too_much_fails_the_same_statistics(rule: str) -> None:
    network, trials = make("tanh", "squared")
    exact = gradient(network, **trials, rule="rtrl").grads
    p = make_pass(network, copy_trials(trials))
    # The same immediate influence, with 0.97 D in place of D.
    keep = 0.97
    leak = keep * LEAK
    shrink = (1 - LEAK) / (1 - leak)
    forgetful = RateRNN(
        keep * shrink * network.recurrent, network.input_weights, network.readout, leak, "tanh"
    )
    trajectory = p.trajectory._replace(rates=p.trajectory.rates * shrink)
    wrong = change(p, network=forgetful, trajectory=trajectory, inputs=p.inputs * shrink)
    drawn = draw_many(wrong, rule)
    found = [measure(drawn[name], exact[name]) for name in BLOCKS]
    assert max(aside for aside, _ in found) > 3
    assert max(abs(along) for _, along in found) > 3


@pytest.mark.parametrize("rule", RULES)
def test_draws_are_those_of_the_seed_alone_on_any_threads(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, trials = make("relu", "squared", n_trials=11)
    arguments = (network, *(trials[k] for k in ("inputs", "targets", "mask")))
    one, again, other, on_all = (
        gradient(*arguments, rule=rule, seed=seed, threads=threads).grads
        for seed, threads in (((3, 4), 1), ((3, 4), 1), ((3, 5), 1), ((3, 4), None))
    )
    seeds = [(3, 5), (3, 4)]
    drawn, on_two = (
        draw_gradients(make_pass(network, trials, threads), rule, seeds) for threads in (1, 2)
    )
    for name in BLOCKS:
        assert np.array_equal(one[name], again[name])
        assert np.array_equal(one[name], on_all[name])
        assert not np.allclose(one[name], other[name], rtol=0.01)
        assert np.array_equal(drawn[name], [other[name], one[name]])
        assert np.array_equal(drawn[name], on_two[name])
    monkeypatch.setattr(_stochastic, "_MOST_AT_ONCE", 1)
    one_by_one = draw_gradients(make_pass(network, trials), rule, seeds)
    for name in BLOCKS:
        assert np.array_equal(drawn[name], one_by_one[name])


@pytest.mark.parametrize("rule", RULES)
def test_trials_draw_signs_of_their_own_wherever_the_batch_is_cut(rule: str) -> None:
    network, trials = make("tanh", "squared", n_trials=8)
    trials["mask"][:] = 1
    p = make_pass(network, trials)
    whole = draw_gradients(p, rule, [1])["recurrent"][0]
    first = change(
        p,
        inputs=p.inputs[:4],
        slopes=p.slopes[:4],
        signals=p.signals[:4],
        trajectory=p.trajectory._replace(rates=p.trajectory.rates[:4]),
    )
    part = draw_gradients(first, rule, [1])["recurrent"][0]
    silent = p.signals.copy()
    silent[4:] = 0
    assert np.array_equal(
        part, draw_gradients(change(p, signals=silent), rule, [1])["recurrent"][0]
    )
    assert not np.array_equal(part, whole)


def run_case(case: str) -> tuple[RateRNN, dict[str, Any]]:
    """Networks whose influence, input or Jacobian is 0 at some steps, or at all of them."""
    network, trials = make("relu", "squared", n_steps=9)
    trials["mask"][:] = 1
    inputs = trials["inputs"]
    if case == "nothing at first, as in Romo's task":
        inputs[:, :4] = 0
    elif case == "nothing ever":
        inputs[:] = 0
    elif case == "no Jacobian at one step, with an input":  # without a leak, and all are silent
        network = replace(
            network,
            leak=0.0,
            recurrent=-np.abs(network.recurrent),
            input_weights=np.abs(network.input_weights),
        )
        inputs[:] = np.abs(inputs)
        inputs[:, 3] = -1
        assert not make_pass(network, trials).slopes[:, 4].any()
    elif case == "an input that ends, and rates that end":
        network = replace(network, recurrent=-np.abs(network.recurrent), leak=0.0)
        inputs[:, 3:] = 0
    return network, trials


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "case",
    [
        "nothing at first, as in Romo's task",
        "nothing ever",
        "no Jacobian at one step, with an input",
        "an input that ends, and rates that end",
    ],
)
def test_where_a_norm_is_0_draws_stay_finite_and_unbiased(case: str, rule: str) -> None:
    network, trials = run_case(case)
    exact = gradient(network, **trials, rule="rtrl").grads
    ours = gradient(network, **trials, rule=rule).grads
    expected = expect(make_pass(network, trials), rule, 0)
    drawn = draw_many(make_pass(network, copy_trials(trials)), rule)
    for name in BLOCKS:
        close(ours[name], expected[name], 1e-12)
        if case == "nothing ever":
            assert not drawn[name].any()
            continue
        assert exact[name].any()
        aside, along = measure(drawn[name], exact[name])
        assert aside < 3
        assert abs(along) < 3


@pytest.mark.parametrize("rule", RULES)
def test_an_influence_that_fades_does_not_overflow_its_factors(rule: str) -> None:
    # Half of it is left after each step: 2^-400 after the last, beyond float32.
    network, trials = make("relu", "squared", n_steps=400)
    trials["inputs"][:, 1:] = 0
    trials["mask"][:] = 1
    network = replace(network, recurrent=-np.abs(network.recurrent), leak=0.5)
    single = RateRNN(*(w.astype(np.float32) for w in network.weights().values()), leak=0.5)
    for name in BLOCKS:
        ours, double = (gradient(of, **trials, rule=rule).grads[name] for of in (single, network))
        close(ours, double, 1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_state_that_is_not_finite_is_not_passed_over(rule: str) -> None:
    network, trials = make("relu", "squared")
    p = make_pass(network, trials)
    rates = p.trajectory.rates.copy()
    rates[1, 2, 3] = np.nan
    drawn = draw_gradients(change(p, trajectory=p.trajectory._replace(rates=rates)), rule, [0])
    assert np.isnan(drawn["recurrent"]).any()


@pytest.mark.parametrize("rule", RULES)
def test_couplings_that_do_not_exist_do_not_learn(rule: str) -> None:
    network, trials = make("relu", "squared")
    there = np.random.default_rng(0).random(network.recurrent.shape) < 0.5
    sparse = replace(network, recurrent=network.recurrent * there, connections=there)
    drawn = gradient(sparse, **trials, rule=rule).grads["recurrent"]
    assert not drawn[~there].any()
    assert drawn[there].any()


@pytest.mark.parametrize("rule", RULES)
def test_training_draws_anew_at_each_update_and_resumes_bit_by_bit(
    rule: str, tmp_path: Path
) -> None:
    configuration = RateConfiguration(rule=rule, n_hidden=8, batch_size=5, iterations=6, gain=1.0)
    unstopped = train(configuration)
    path = tmp_path / "run.safetensors"
    train(replace(configuration, iterations=3), checkpoint=path)
    resumed = resume(path, iterations=6)
    for name, weights in unstopped.network.weights().items():
        assert np.array_equal(resumed.network.weights()[name], weights)
    assert np.array_equal(resumed.losses, unstopped.losses)
    other = train(replace(configuration, seed=1))
    assert not np.array_equal(other.losses, unstopped.losses)


@pytest.mark.parametrize("rule", RULES)
def test_random_feedback_replaces_the_readout(rule: str) -> None:
    network, trials = make("tanh", "squared")
    feedback = np.random.default_rng(6).standard_normal(network.readout.shape)
    random = gradient(network, **trials, rule=rule, feedback=feedback)
    symmetric = gradient(network, **trials, rule=rule, feedback=network.readout)
    plain = gradient(network, **trials, rule=rule)
    assert np.array_equal(symmetric.grads["recurrent"], plain.grads["recurrent"])
    assert not np.allclose(random.grads["recurrent"], plain.grads["recurrent"])
    close(random.grads["readout"], plain.grads["readout"], 1e-12)


@pytest.mark.parametrize("seed", [-1, (0, -2), 1.5])
def test_a_bad_seed_is_refused(seed: Any) -> None:
    network, trials = make("relu", "squared")
    with pytest.raises((TypeError, ValueError), match="seed must be an integer >= 0"):
        gradient(network, **trials, rule="uoro", seed=seed)


def test_signs_are_those_of_the_loops() -> None:
    signs = np.empty(130)
    key = make_key((1, 2))
    for trial, step in ((0, 0), (3, 17)):
        at = derive_keys(derive_keys(key, trial, 1)[0], step, 1)[0]
        stochastic.draw_signs(at, 130, signs)
        assert signs.tolist() == naive.draw_signs((1, 2), trial, step, 130)


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_kf_rtrl_is_exact_for_a_single_step_and_uoro_is_not(activation: str, loss: str) -> None:
    network, trials = make(activation, loss, n_steps=1)
    trials["mask"][:] = 1
    exact, kronecker, of_rank_one = (
        gradient(network, **trials, rule=rule).grads for rule in ("bptt", "kf-rtrl", "uoro")
    )
    name = "input_weights"  # h_0 = 0: the couplings have no gradient yet
    close(kronecker[name], exact[name], 1e-12)
    assert np.abs(of_rank_one[name] - exact[name]).max() > 0.1 * np.abs(exact[name]).max()
