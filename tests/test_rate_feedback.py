"""Learned feedback (Kolen and Pollack 1994), and masks of the loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet.cli import main
from binnet.rate import (
    LOCAL_RULES,
    RateConfiguration,
    gradient,
    load_result,
    resume,
    start_network,
    tasks,
    train,
    trainer,
)
from binnet.rate._losses import compute_error, make_goal
from binnet.rate._state import State
from binnet.rate._trajectories import Workspace
from binnet.rate.tasks import Trials

SMALL = RateConfiguration(
    n_hidden=16, iterations=30, batch_size=8, rule="eprop", learning_rate=1e-3
)
LEARNED = replace(SMALL, feedback="learned", feedback_decay=20.0, dtype="float64")


def begin(configuration: RateConfiguration) -> State:
    return State(configuration, start_network(configuration).copy(), np.empty(0))


def feedback_of(state: State) -> Any:
    assert state.feedback is not None
    return state.feedback


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("rule", LOCAL_RULES)
def test_feedback_and_readout_come_together_by_the_decay_alone(rule: str, optimiser: str) -> None:
    state, work = begin(replace(LEARNED, rule=rule, optimiser=optimiser)), Workspace()
    first = feedback_of(state) - state.network.readout
    assert np.abs(first).max() > 0.1
    before = state.network.readout.copy()
    for n in range(1, 13):
        state.learn(tasks.romo, 1, work)
        difference = feedback_of(state) - state.network.readout
        np.testing.assert_allclose(difference, (1 - 1e-3 * 20) ** n * first, rtol=1e-11)
    assert not np.allclose(state.network.readout, (1 - 1e-3 * 20) ** 12 * before, rtol=1e-3)


@pytest.mark.parametrize("rule", LOCAL_RULES)
def test_one_update_by_hand(rule: str) -> None:
    c = replace(LEARNED, rule=rule, optimiser="sgd")
    state = begin(c)
    feedback, start = feedback_of(state).copy(), state.network.copy()
    state.learn(tasks.romo, 1, Workspace())
    trials = tasks.romo(c.batch_size, (c.seed, 1, 0))
    arguments = (start, trials.inputs, trials.targets, trials.mask)
    grads = gradient(*arguments, rule=rule, feedback=feedback, seed=(c.seed, 4, 0)).grads
    with_readout = gradient(*arguments, rule=rule, seed=(c.seed, 4, 0)).grads
    assert not np.allclose(grads["recurrent"], with_readout["recurrent"])
    rate, keep = c.learning_rate, 1 - c.learning_rate * c.feedback_decay
    for name, decay in (("recurrent", 1.0), ("input_weights", 1.0), ("readout", keep)):
        expected = decay * getattr(start, name) - rate * grads[name]
        np.testing.assert_allclose(getattr(state.network, name), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        feedback_of(state), keep * feedback - rate * grads["readout"], rtol=1e-12, atol=1e-15
    )


def test_without_decay_the_difference_stays_and_random_feedback_does_not_learn() -> None:
    state = begin(replace(LEARNED, feedback_decay=0.0))
    first = feedback_of(state) - state.network.readout
    state.learn(tasks.romo, 1, Workspace())
    np.testing.assert_allclose(feedback_of(state) - state.network.readout, first, atol=1e-15)
    random = begin(replace(LEARNED, feedback="random"))
    drawn, readout = feedback_of(random).copy(), random.network.readout.copy()
    assert np.array_equal(drawn, begin(LEARNED).feedback)  # both begin alike
    random.learn(tasks.romo, 1, Workspace())
    assert np.array_equal(random.feedback, drawn)
    assert np.abs(random.network.readout - readout).max() < 1.1e-3  # Adam's step, and no decay
    assert train(replace(SMALL, iterations=1)).feedback is None


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_stopped_run_with_learned_feedback_ends_like_an_unstopped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimiser: str
) -> None:
    c, path = replace(LEARNED, optimiser=optimiser, dtype="float32"), tmp_path / "run.safetensors"
    unstopped = train(c)
    learn = State.learn

    def learn_and_stop(self: State, *arguments: Any) -> float:
        if self.iteration == 17:
            raise KeyboardInterrupt
        return learn(self, *arguments)

    monkeypatch.setattr(trainer, "_ITERATIONS_PER_CHECKPOINT", 9)
    with monkeypatch.context() as patch:
        patch.setattr(State, "learn", learn_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(c, checkpoint=path)
    kept = load_result(path)
    assert len(kept.losses) == 9
    assert kept.feedback is not None
    assert unstopped.feedback is not None
    assert not np.array_equal(kept.feedback, unstopped.feedback)
    ended = resume(path)
    assert np.array_equal(ended.losses, unstopped.losses)
    assert np.array_equal(ended.feedback, unstopped.feedback)
    for name, weights in ended.network.weights().items():
        assert np.array_equal(weights, unstopped.network.weights()[name])


def test_a_checkpoint_without_its_feedback_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.safetensors"
    state = begin(LEARNED)
    with monkeypatch.context() as patch:
        patch.setattr(State, "learned", property(lambda self: self.network.weights()))
        state.save(path)
    with pytest.raises(ValueError, match=r"lacks the learned feedback, float64 of shape \(2, 16\)"):
        load_result(path)


def test_exact_rules_and_decays_above_one_are_refused() -> None:
    with pytest.raises(ValueError, match="feedback 'learned' needs one of the rules eprop"):
        replace(SMALL, rule="bptt", feedback="learned")
    with pytest.raises(ValueError, match=r"feedback_decay must be a finite number >= 0, got -1"):
        replace(SMALL, feedback_decay=-1.0)
    with pytest.raises(ValueError, match=r"feedback_decay must be 0\.\.1000, 1 over the learning"):
        replace(LEARNED, feedback_decay=1001.0)
    assert replace(LEARNED, feedback_decay=1000.0).feedback_decay == 1000


# Steps of the response of the built-in tasks, as sections 3.1 to 3.3 of docs/model/rate.md say.
def expected_response(name: str, trials: Trials) -> Any:
    expected = np.zeros(trials.mask.shape)
    if name == "romo":
        for row, x in zip(expected, trials.inputs[..., 0], strict=True):
            d = np.flatnonzero(x)[2] - 8
            row[20 + d : 40 + d] = 1
    else:
        expected[:, -1 if name == "two-alternative" else -9 :] = 1
    return expected


@pytest.mark.parametrize("name", tasks.TASKS)
def test_masks_of_the_response(name: str) -> None:
    trials = tasks.get(name)(50, 3)
    assert trials.masked("task") is trials
    masked = trials.masked("response")
    assert np.array_equal(masked.mask, expected_response(name, trials))
    assert masked.mask.dtype == np.float32
    assert (trials.mask != masked.mask).any()
    assert masked.targets is trials.targets


@pytest.mark.parametrize(
    ("name", "chance"), [("romo", 0.03125), ("two-alternative", 0.6931), ("delayed-match", 0.6931)]
)
def test_chance_with_the_mask_of_the_response(name: str, chance: float) -> None:
    trials = tasks.get(name)(50, 3).masked("response")
    outputs = np.zeros((*trials.mask.shape, trials.n_outputs))
    if name == "romo":
        outputs += 0.25
    else:
        outputs[..., 0] = -40  # no fixation, and either answer alike
    goal = make_goal(trials.loss, trials.targets, trials.mask, outputs.shape, np.dtype(np.float64))
    assert compute_error(outputs, goal)[0] == pytest.approx(chance, abs=1e-4)


def test_weights_of_the_response_and_masks_of_each_output() -> None:
    trials = tasks.romo(4, 0)
    weights = np.arange(trials.mask.size).reshape(trials.mask.shape) / 100
    of_outputs = replace(
        trials, mask=np.stack([trials.mask, 0 * trials.mask], axis=2), response=weights
    )
    masked = of_outputs.masked("response").mask
    np.testing.assert_allclose(masked[..., 0], trials.mask * weights, rtol=1e-6)
    assert not masked[..., 1].any()


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
def test_training_with_the_mask_of_the_response(rule: str) -> None:
    c = replace(SMALL, rule=rule, loss_mask="response", iterations=1, optimiser="sgd")
    start = start_network(c)
    trials = tasks.romo(c.batch_size, (c.seed, 1, 0))
    result = train(c)
    step = gradient(
        start, trials.inputs, trials.targets, expected_response("romo", trials), rule=rule
    )
    assert result.final_loss == step.loss
    for name, grad in step.grads.items():
        np.testing.assert_array_equal(
            getattr(result.network, name), getattr(start, name) - c.learning_rate * grad
        )
    assert train(replace(c, loss_mask="task")).final_loss != step.loss


def test_tasks_that_do_not_say_their_response_are_refused_before_any_work(tmp_path: Path) -> None:
    def draw(batch_size: int, seed: Any) -> Trials:
        return replace(tasks.romo(batch_size, seed), response=None)

    c = replace(SMALL, task="custom", iterations=2)
    path = tmp_path / "run.safetensors"
    with pytest.raises(ValueError, match=r"of shape \(B, T\) = \(1, 56\), got None; let the task"):
        train(replace(c, loss_mask="response"), task=draw, checkpoint=path)
    assert not path.exists()
    assert train(c, task=draw).completed
    with pytest.raises(ValueError, match=r"got of shape \(2, 5\)"):
        replace(tasks.romo(2), response=np.ones((2, 5))).masked("response")
    with pytest.raises(ValueError, match="loss_mask must be one of task, response, got 'all'"):
        tasks.romo(2).masked("all")


def test_options_of_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["--hidden", 16, "--iterations", 3, "--rule", "eprop", "--loss-mask", "response",
               "--feedback", "learned", "--feedback-decay", 2.5, "--out", folder]  # fmt: skip
    done = CliRunner().invoke(main, ["rnn", "train", *map(str, options)])
    assert done.exit_code == 0, done.output
    c = load_result(folder / "checkpoint.safetensors").configuration
    assert (c.loss_mask, c.feedback, c.feedback_decay) == ("response", "learned", 2.5)
