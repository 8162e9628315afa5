"""Stochastic rules: the loops of the equations, the gradient in expectation, and their limits.

That an average is the gradient is tested by two numbers for each block of weights, both of which
have a known distribution if it is (see `measure`); a rule that forgets 3 % more in each step fails.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import naive_rate_stochastic as naive
from binnet.rate import RateRNN, gradient
from binnet.rate._losses import make_goal
from binnet.rate._trajectories import Workspace
from binnet.rate.rules._gradients import go_through
from binnet.rate.rules._pass import Pass
from binnet.rate.rules._stochastic import draw_gradients

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


def make_pass(network: RateRNN, trials: dict[str, Any], threads: int = 1) -> Pass:
    inputs = np.ascontiguousarray(trials["inputs"], network.dtype)
    shape = (*inputs.shape[:2], network.n_outputs)
    goal = make_goal(
        trials["loss"], trials["targets"], trials.get("mask"), shape, network.dtype
    )
    return go_through(network, inputs, goal, "uoro", None, threads, Workspace())[0]


def expect(p: Pass, rule: str, seed: Any) -> dict[str, Any]:
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


N_DRAWS = 100_000


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_mean_of_many_draws_is_the_gradient(activation: str, loss: str, rule: str) -> None:
    network, trials = make(activation, loss)
    exact = gradient(network, **trials, rule="rtrl").grads
    p = make_pass(network, trials)
    drawn = draw_gradients(p, rule, [(7, k) for k in range(N_DRAWS)])
    for name in BLOCKS:
        aside, along = measure(drawn[name], exact[name])
        assert aside < 3
        assert abs(along) < 3


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_forgets_too_much_fails_the_same_statistics(rule: str) -> None:
    network, trials = make("tanh", "squared")
    exact = gradient(network, **trials, rule="rtrl").grads
    p = make_pass(network, trials)
    # The same immediate influence, with 0.97 D in place of D.
    keep = 0.97
    leak = keep * LEAK
    shrink = (1 - LEAK) / (1 - leak)
    forgetful = RateRNN(
        keep * shrink * network.recurrent, network.input_weights, network.readout, leak, "tanh"
    )
    trajectory = p.trajectory._replace(rates=p.trajectory.rates * shrink)
    wrong = replace(p, network=forgetful, trajectory=trajectory, inputs=p.inputs * shrink)
    drawn = draw_gradients(wrong, rule, [(7, k) for k in range(N_DRAWS)])
    found = [measure(drawn[name], exact[name]) for name in BLOCKS]
    print(found)
    assert max(aside for aside, _ in found) > 3
    assert max(abs(along) for _, along in found) > 3
