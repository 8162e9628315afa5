"""Learning rules: exact ones equal each other and finite differences; e-prop is what it says.

e-prop is compared with PyTorch's autograd where the recurrent input is detached: with a file made
by tests/golden/make_eprop.py, and with PyTorch itself where it is installed. All in float64.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binnet.rate import RULES, Adam, RateRNN, gradient, tasks
from binnet.rate._losses import compute_error, make_goal
from golden import make_eprop

CASES = make_eprop.CASES
EPROP = ("eprop", "eprop-self")
WEIGHTS = ("recurrent", "input_weights", "readout")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(Path(make_eprop.__file__).with_name("eprop_torch.npz")) as file:
        return dict(file)


def make(activation: str, loss: str) -> tuple[RateRNN, dict[str, Any]]:
    case = make_eprop.make_case(loss)
    weights = [case[name] for name in WEIGHTS]
    network = RateRNN(*weights, leak=make_eprop.LEAK, activation=activation)
    return network, {k: case[k] for k in ("inputs", "targets", "mask")} | {"loss": loss}


def close(ours: Any, reference: Any, relative: float) -> None:
    """The largest difference is small beside the largest entry."""
    assert np.abs(ours - reference).max() <= relative * np.abs(reference).max()


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_rtrl_equals_bptt(activation: str, loss: str) -> None:
    network, trials = make(activation, loss)
    exact, forward = (gradient(network, **trials, rule=rule) for rule in ("bptt", "rtrl"))
    for name in WEIGHTS:
        close(forward.grads[name], exact.grads[name], 1e-10)
    assert forward.loss == exact.loss


def test_rtrl_equals_bptt_on_a_whole_romo_trial_on_any_threads() -> None:
    trials = tasks.romo(batch_size=3, seed=1)
    network = RateRNN.initialise(1, 2, 20, gain=1.5, dtype="float64")
    arguments = (network, trials.inputs, trials.targets, trials.mask)
    exact = gradient(*arguments, rule="bptt")
    forward = gradient(*arguments, rule="rtrl")
    on_all = gradient(*arguments, rule="rtrl", threads=None)
    for name in WEIGHTS:
        close(forward.grads[name], exact.grads[name], 1e-10)
        assert np.array_equal(forward.grads[name], on_all.grads[name])


@pytest.mark.parametrize("rule", ["bptt", "rtrl"])
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_exact_rules_equal_central_differences(activation: str, loss: str, rule: str) -> None:
    network, trials = make(activation, loss)
    grads = gradient(network, **trials, rule=rule).grads
    step = 1e-6
    for name in WEIGHTS:
        differences = np.zeros_like(grads[name])
        for index in np.ndindex(differences.shape):
            sides = []
            for sign in (1, -1):
                weights = getattr(network, name).copy()
                weights[index] += sign * step
                sides.append(gradient(replace(network, **{name: weights}), **trials).loss)
            differences[index] = (sides[0] - sides[1]) / (2 * step)
        close(grads[name], differences, 1e-6)


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_truncated_bptt_is_bptt_of_chunks_whose_first_state_is_a_given(
    activation: str, loss: str
) -> None:
    network, trials = make(activation, loss)
    n_steps = trials["inputs"].shape[1]
    exact = gradient(network, **trials).grads
    for k in (n_steps, n_steps + 1):
        whole = gradient(network, **trials, rule=f"tbptt-{k}").grads
        assert all(np.array_equal(whole[name], exact[name]) for name in WEIGHTS)
    for k in (1, 4):
        # By its definition: central differences of the loss of each chunk, from a first state that
        # does not depend on the weights.
        ours = gradient(network, **trials, rule=f"tbptt-{k}").grads
        assert np.array_equal(ours["readout"], exact["readout"])
        states = network.run(trials["inputs"]).states
        expected, step = np.zeros_like(network.recurrent), 1e-6
        for index in np.ndindex(expected.shape):
            for sign in (1, -1):
                weights = network.recurrent.copy()
                weights[index] += sign * step
                changed = replace(network, recurrent=weights)
                outputs = run_in_chunks(changed, trials["inputs"], states, k)
                shape = outputs.shape
                goal = make_goal(loss, trials["targets"], trials["mask"], shape, network.dtype)
                expected[index] += sign * compute_error(outputs, goal)[0] / (2 * step)
        close(ours["recurrent"], expected, 1e-6)
        assert np.abs(ours["recurrent"] - exact["recurrent"]).max() > 1e-3 * np.abs(expected).max()


def run_in_chunks(network: RateRNN, inputs: Any, states: Any, chunk: int) -> Any:
    """Return the outputs where each chunk of steps begins with the given state."""
    a, outputs, h = network.leak, [], states[:, 0]
    f = np.tanh if network.activation == "tanh" else lambda x: np.maximum(x, 0)
    for t in range(inputs.shape[1]):
        h = states[:, t] if t % chunk == 0 else h
        drive = f(h) @ network.recurrent.T + inputs[:, t] @ network.input_weights.T
        h = a * h + (1 - a) * drive
        outputs.append(f(h) @ network.readout.T)
    return np.stack(outputs, 1)


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_eprop_equals_autodiff_with_the_recurrent_input_detached(
    golden: dict[str, Any], activation: str, loss: str
) -> None:
    network, trials = make(activation, loss)
    ours = gradient(network, **trials, rule="eprop")
    assert ours.loss == pytest.approx(float(golden[f"{activation}.{loss}.loss"]), rel=1e-12)
    for name in WEIGHTS:
        close(ours.grads[name], golden[f"{activation}.{loss}.{name}"], 1e-12)
        if name != "readout":  # it is an approximation: not nearly the gradient
            exact = gradient(network, **trials).grads[name]
            assert np.abs(ours.grads[name] - exact).max() > 0.05 * np.abs(exact).max()


@pytest.mark.parametrize(("activation", "loss"), CASES)
@pytest.mark.parametrize(("rule", "detach"), [("eprop", True), ("bptt", False), ("rtrl", False)])
def test_rules_equal_torch(activation: str, loss: str, rule: str, detach: bool) -> None:
    pytest.importorskip("torch", reason="compares with PyTorch, an optional extra (bench)")
    network, trials = make(activation, loss)
    value, grads = make_eprop.compute_gradients(
        make_eprop.make_case(loss), activation, loss, detach
    )
    ours = gradient(network, **trials, rule=rule)
    assert ours.loss == pytest.approx(value, rel=1e-12)
    for name in WEIGHTS:
        close(ours.grads[name], grads[name], 1e-12)


def test_adam_equals_torch(golden: dict[str, Any]) -> None:
    start, grads = make_eprop.make_adam_case()
    weights, adam = {"w": start.copy()}, Adam(make_eprop.LEARNING_RATE)
    for grad, expected in zip(grads, golden["adam"], strict=True):
        adam.step(weights, {"w": grad})
        close(weights["w"], expected, 1e-12)


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_eprop_with_self_term_is_exact_where_only_the_self_term_exists(
    activation: str, loss: str
) -> None:
    network, trials = make(activation, loss)
    diagonal = replace(network, recurrent=np.diag(network.recurrent.diagonal()))
    with_self, exact, leak_only = (
        gradient(diagonal, **trials, rule=rule).grads for rule in ("eprop-self", "bptt", "eprop")
    )
    for name in WEIGHTS:
        close(with_self[name], exact[name], 1e-12)
    assert np.abs(leak_only["recurrent"] - exact["recurrent"]).max() > 1e-3
    # One coupling off the diagonal, and it is no longer exact.
    coupled = diagonal.recurrent.copy()
    coupled[1, 2] = 0.8
    coupled_network = replace(diagonal, recurrent=coupled)
    with_self, exact = (
        gradient(coupled_network, **trials, rule=rule).grads for rule in ("eprop-self", "bptt")
    )
    assert np.abs(with_self["recurrent"] - exact["recurrent"]).max() > 1e-6


@pytest.mark.parametrize("rule", EPROP)
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_eprop_is_exact_for_a_single_step_and_not_for_three(
    activation: str, loss: str, rule: str
) -> None:
    network, trials = make(activation, loss)
    trials["mask"] = np.ones_like(trials["mask"])
    for n_steps, same in ((1, True), (3, False)):
        short = {k: v[:, :n_steps] if k != "loss" else v for k, v in trials.items()}
        local, exact = (gradient(network, **short, rule=r).grads for r in (rule, "bptt"))
        for name in WEIGHTS:
            difference = np.abs(local[name] - exact[name]).max()
            if same or name == "readout":
                assert difference <= 1e-12
            else:
                assert difference > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_more_inputs_than_neurons(dtype: str) -> None:
    """Without couplings all rules that draw nothing are exact, and scratch must hold 100 inputs."""
    rng = np.random.default_rng(4)
    network = RateRNN(
        np.zeros((3, 3), dtype), rng.standard_normal((3, 100)).astype(dtype),
        rng.standard_normal((2, 3)).astype(dtype), activation="tanh",
    )  # fmt: skip
    inputs, targets = rng.standard_normal((2, 5, 100)) / 10, rng.standard_normal((2, 5, 2))
    exact = gradient(network, inputs, targets).grads["input_weights"]
    for rule in RULES:
        if rule not in ("uoro", "kf-rtrl"):
            ours = gradient(network, inputs, targets, rule=rule).grads["input_weights"]
            close(ours, exact, 1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("rule", EPROP)
def test_random_feedback_replaces_the_readout_in_the_learning_signal(rule: str) -> None:
    network, trials = make("relu", "squared")
    feedback = np.random.default_rng(6).standard_normal(network.readout.shape)
    symmetric = gradient(network, **trials, rule=rule)
    assert np.array_equal(
        gradient(network, **trials, rule=rule, feedback=network.readout).grads["recurrent"],
        symmetric.grads["recurrent"],
    )
    random = gradient(network, **trials, rule=rule, feedback=feedback)
    assert random.loss == symmetric.loss
    assert np.array_equal(random.grads["readout"], symmetric.grads["readout"])
    # RFLO by its definition: the learning signal L = f'(h) B^T error, times the trace.
    trajectory = network.run(trials["inputs"])
    mask = trials["mask"][..., None]
    error = mask * (trajectory.outputs - trials["targets"]) / (2 * trials["mask"].sum())
    expected, a = np.zeros_like(network.recurrent), network.leak
    for b in range(len(error)):
        trace = np.zeros_like(expected)  # e_ij: one row per target, all alike for `eprop`
        for t in range(error.shape[1]):
            slope = trajectory.rates[b, t] > 0
            keep = a + (1 - a) * network.recurrent.diagonal() * slope * (rule == "eprop-self")
            trace = keep[:, None] * trace + (1 - a) * trajectory.rates[b, t]
            signal = (trajectory.rates[b, t + 1] > 0) * (error[b, t] @ feedback)
            expected += signal[:, None] * trace
    close(random.grads["recurrent"], expected, 1e-12)
    assert not np.allclose(random.grads["recurrent"], symmetric.grads["recurrent"])


@pytest.mark.parametrize("rule", RULES)
def test_float32_is_float64_up_to_rounding(rule: str) -> None:
    trials = tasks.delayed_match(batch_size=4, seed=2)
    arguments = (trials.inputs, trials.targets, trials.mask)
    single, double = (
        gradient(
            RateRNN.initialise(3, 3, 24, gain=1.0, dtype=dtype),
            *arguments, rule=rule, loss="cross_entropy",
        )
        for dtype in ("float32", "float64")
    )  # fmt: skip
    for name in WEIGHTS:
        assert single.grads[name].dtype == np.float32
        close(single.grads[name], double.grads[name], 1e-4)


def test_gradient_changes_nothing_and_returns_fresh_arrays() -> None:
    network, trials = make("relu", "squared")
    before = {name: getattr(network, name).copy() for name in WEIGHTS}
    first = gradient(network, **trials)
    kept = first.outputs.copy(), first.grads["recurrent"].copy()
    gradient(network, **(trials | {"inputs": 2 * trials["inputs"]}))
    assert np.array_equal(first.outputs, kept[0])
    assert np.array_equal(first.grads["recurrent"], kept[1])
    for name in WEIGHTS:
        assert np.array_equal(getattr(network, name), before[name])


def bad(**changes: Any) -> Any:
    network, trials = make("relu", "squared")
    return gradient(network, **(trials | changes))


def test_bad_input_is_refused_with_the_reason() -> None:
    network, trials = make("relu", "squared")
    inputs, mask = trials["inputs"], trials["mask"]
    with pytest.raises(ValueError, match=r"rule must be one of bptt, .*rtrl.*got 'backprop'"):
        bad(rule="backprop")
    for rule in ("snap", "snap-0", "tbptt-0", "uoro-3", "tbptt-" + 19 * "9", "tbptt-" + 5000 * "9"):
        with pytest.raises(ValueError, match=r"rule must be one of bptt, .* numbers >= 1"):
            bad(rule=rule)
    assert bad(rule="tbptt-" + 18 * "9").loss == bad().loss
    with pytest.raises(ValueError, match="loss must be one of"):
        bad(loss="hinge")
    with pytest.raises(ValueError, match="mask is all zeros: no step would count"):
        bad(mask=0 * mask)
    with pytest.raises(ValueError, match="mask is all zeros: no step would count"):
        bad(mask=1e-320 * mask)
    with pytest.raises(ValueError, match="mask must hold finite weights >= 0"):
        bad(mask=-mask)
    with pytest.raises(ValueError, match="mask must be real weights of shape"):
        bad(mask=mask[:, 1:])
    hole = inputs.copy()
    hole[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match=r"inputs must be finite, got nan at \[1, 2, 0\]"):
        bad(inputs=hole)
    with pytest.raises(ValueError, match=r"inputs must have shape \(B, T, N_in\) with N_in = 3"):
        bad(inputs=inputs[..., :2])
    with pytest.raises(TypeError, match="inputs must be real numbers"):
        bad(inputs=inputs.astype(str))
    with pytest.raises(ValueError, match="targets must be finite"):
        bad(targets=np.full_like(trials["targets"], np.inf))
    with pytest.raises(ValueError, match="targets must be real numbers of shape"):
        bad(targets=trials["targets"][:, 1:])
    with pytest.raises(ValueError, match="targets must be integer labels"):
        bad(loss="cross_entropy")
    labels = np.zeros(mask.shape, int)
    with pytest.raises(ValueError, match=r"labels 0..1, one for each output, got 0..2"):
        bad(loss="cross_entropy", targets=labels + 2 * (np.arange(9) == 3))
    with pytest.raises(ValueError, match="rule 'bptt' has none"):
        bad(feedback=network.readout)
    with pytest.raises(ValueError, match="feedback must have shape"):
        bad(rule="eprop", feedback=network.readout.T)


def test_bad_networks_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match=r"gain must be a finite number >= 0, got -0\.5"):
        RateRNN.initialise(1, 2, gain=-0.5)
    with pytest.raises(ValueError, match="at 1 no state changes"):
        RateRNN.initialise(1, 2, leak=1.0)
    with pytest.raises(ValueError, match="activation must be one of relu, tanh"):
        RateRNN.initialise(1, 2, activation="gelu")
    with pytest.raises(ValueError, match="n_hidden must be an integer >= 1, got 0"):
        RateRNN.initialise(1, 2, 0)
    network = RateRNN.initialise(1, 2, 8)
    with pytest.raises(TypeError, match="readout must be float32 as recurrent is"):
        replace(network, readout=network.readout.astype(float))
    with pytest.raises(ValueError, match="input_weights must have shape"):
        replace(network, input_weights=network.input_weights[1:])
    with pytest.raises(ValueError, match="readout must be a matrix"):
        replace(network, readout=network.readout[0])
    broken = network.recurrent.copy()
    broken[0, 1] = np.nan
    with pytest.raises(ValueError, match="recurrent must be finite"):
        replace(network, recurrent=broken)


def test_initial_weights_have_the_spread_asked_for() -> None:
    network = RateRNN.initialise(4, 2, 400, gain=0.5, seed=3)
    # Standard error of a standard deviation from n samples: sigma / sqrt(2 n); four of them.
    assert network.recurrent.std() == pytest.approx(0.5 / 20, rel=4 / np.sqrt(2 * 160_000))
    for weights, fan_in in ((network.input_weights, 4), (network.readout, 400)):
        assert np.abs(weights).max() <= 1 / np.sqrt(fan_in)
        assert weights.std() == pytest.approx(1 / np.sqrt(3 * fan_in), rel=0.1)
    again = RateRNN.initialise(4, 2, 400, gain=0.5, seed=3)
    assert np.array_equal(network.recurrent, again.recurrent)
