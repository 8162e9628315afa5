"""Training: it learns, it repeats bit by bit, it can be stopped, and it says when it diverges."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binnet.rate import (
    RULES,
    SGD,
    DivergenceError,
    RateConfiguration,
    RateRNN,
    RateTrainingResult,
    floss,
    gradient,
    load_result,
    resume,
    start_network,
    tasks,
    train,
    trainer,
)
from binnet.rate._state import State

SMALL = RateConfiguration(n_hidden=16, iterations=60, batch_size=8)


def same(one: RateTrainingResult, other: RateTrainingResult) -> bool:
    pairs = zip(one.network.weights().values(), other.network.weights().values(), strict=True)
    return np.array_equal(one.losses, other.losses) and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.long
def test_bptt_solves_romo_from_a_large_gain_before_it_does_from_a_small_one() -> None:
    large, small = (
        train(RateConfiguration(gain=gain, iterations=500, learning_rate=1e-3, seed=1))
        for gain in (1.0, 0.2)
    )
    assert large.completed
    assert large.final_loss < 0.0025
    assert small.final_loss > 3 * large.final_loss
    assert 0.012 < small.final_loss < 0.02  # about the plateau of chance, 0.0158


def test_eprop_leaves_chance_from_gain_1() -> None:
    c = RateConfiguration(rule="eprop", gain=1.0, iterations=900, learning_rate=1e-3, seed=0)
    assert train(c).lowest_loss < 0.0145


@pytest.mark.parametrize("rule", ["bptt", "rtrl", "eprop", "eprop-self"])
@pytest.mark.parametrize("task", tasks.TASKS)
def test_every_rule_lowers_the_loss_of_every_task(task: str, rule: str) -> None:
    configuration = replace(SMALL, task=task, rule=rule, learning_rate=3e-3)
    losses = train(configuration).losses
    assert losses[-10:].mean() < 0.9 * losses[:3].mean()


def test_exact_rules_learn_the_same() -> None:
    c = replace(SMALL, iterations=10, dtype="float64")
    one, other = (train(replace(c, rule=rule)) for rule in ("bptt", "rtrl"))
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-9)


def test_a_seed_repeats_a_run_and_another_does_not() -> None:
    assert same(train(SMALL), train(SMALL))
    assert not same(train(SMALL), train(replace(SMALL, seed=1)))


def test_sgd_and_random_feedback() -> None:
    c = replace(SMALL, rule="eprop", feedback="random", optimiser="sgd", iterations=1)
    network = start_network(c)
    trials = tasks.romo(8, (0, 1, 0))
    result = train(c)
    changed = result.network.readout - network.readout
    exact = gradient(network, trials.inputs, trials.targets, trials.mask, rule="eprop")
    np.testing.assert_allclose(changed, -1e-3 * exact.grads["readout"], rtol=1e-3, atol=1e-8)
    with_readout = train(replace(c, feedback="readout")).network
    assert np.array_equal(with_readout.readout, result.network.readout)
    assert not np.array_equal(with_readout.recurrent, result.network.recurrent)
    with pytest.raises(ValueError, match="learning_rate must be a finite number > 0"):
        SGD(0.0)


def test_a_network_of_ones_own_and_flossing() -> None:
    network = RateRNN.initialise(1, 2, 16, gain=0.7, seed=5)
    before = network.recurrent.copy()
    result = train(replace(SMALL, iterations=3), network=network)
    assert np.array_equal(network.recurrent, before)
    assert not np.array_equal(result.network.recurrent, before)
    flossed = replace(SMALL, floss_exponents=1, floss_iterations=3, gain=0.2)
    plain, start = start_network(flossed, flossed=False), start_network(flossed)
    assert np.array_equal(plain.readout, start.readout)
    assert not np.array_equal(plain.recurrent, start.recurrent)
    assert same(train(flossed), train(flossed))


def interrupt_after(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Deliver Ctrl-C while update n is at work."""
    import signal

    learn, calls = State.learn, []

    def learn_and_interrupt(self: Any, *arguments: Any) -> float:
        calls.append(1)
        if len(calls) == n:
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments)

    monkeypatch.setattr(State, "learn", learn_and_interrupt)


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": "bptt", "dtype": "float64"},
        {"rule": "eprop", "feedback": "random", "activation": "tanh"},
        {"rule": "eprop-self", "optimiser": "sgd", "floss_exponents": 1, "floss_iterations": 2},
    ],
)
def test_a_stopped_run_ends_like_an_unstopped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    assert threading.current_thread() is threading.main_thread()
    configuration, path = replace(SMALL, **changes), tmp_path / "run.safetensors"
    unstopped = train(configuration)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 23)
        stopped = train(configuration, checkpoint=path)
    assert not stopped.completed
    assert len(stopped.losses) == 23
    assert same(load_result(path), stopped)
    ended = resume(path)
    assert ended.completed
    assert same(ended, unstopped)
    assert same(resume(path), unstopped)  # nothing is left to do


def test_checkpoints_come_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_ITERATIONS_PER_CHECKPOINT", 20)
    path, seen = tmp_path / "run.safetensors", []

    def note(result: RateTrainingResult) -> None:
        assert same(load_result(path), result)
        seen.append(len(result.losses))

    train(SMALL, checkpoint=path, on_checkpoint=note)
    assert seen == [0, 20, 40, 60]


def test_no_learning_rate_is_blamed_before_the_first_update() -> None:
    configuration = RateConfiguration(gain=1e25, iterations=3, n_hidden=16)
    with pytest.raises(DivergenceError, match="before the first update, whatever the learning rat"):
        train(configuration)


def test_divergence_is_told_and_the_last_good_checkpoint_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_ITERATIONS_PER_CHECKPOINT", 2)
    path = tmp_path / "run.safetensors"
    # Plain gradient descent with a far too large step grows for a few updates, then overflows.
    c = replace(SMALL, optimiser="sgd", learning_rate=300.0, gain=1.5)
    with pytest.raises(DivergenceError) as caught:
        train(c, checkpoint=path)
    kept = load_result(path)
    message = str(caught.value)
    assert "training diverged: the activity grows beyond float32 at step" in message
    assert "with learning_rate 300; try a lower one" in message
    assert f"the checkpoint of iteration {len(kept.losses)} is kept" in message
    iteration = int(message.split("at iteration ")[1].split()[0])
    assert 0 < iteration < 60
    assert iteration - 2 <= len(kept.losses) <= iteration
    for weights in kept.network.weights().values():
        assert np.isfinite(weights).all()
    with pytest.raises(DivergenceError, match=r"try a lower one$"):
        train(c)


@pytest.mark.parametrize(
    ("optimiser", "what"),
    [("sgd", "the update leaves weights recurrent"), ("adam", "the optimiser's square")],
)
def test_a_divergence_in_the_last_update_keeps_the_last_good_checkpoint(
    tmp_path: Path, optimiser: str, what: str
) -> None:
    def draw(batch_size: int, seed: Any) -> tasks.Trials:
        trials = tasks.romo(batch_size, seed)
        if optimiser == "adam":  # gradients whose squares overflow, behind a loss that does not
            return replace(trials, targets=trials.targets + np.float32(1e16))
        return trials

    path = tmp_path / "run.safetensors"
    rate, gain = (1e30, 2.0) if optimiser == "sgd" else (1e-3, 3.0)
    c = replace(
        SMALL, task="custom", gain=gain, optimiser=optimiser, learning_rate=rate, iterations=1
    )
    with pytest.raises(DivergenceError, match=f"training diverged: {what}.*at iteration 1 with"):
        train(c, task=draw, checkpoint=path)
    kept = load_result(path)
    assert len(kept.losses) == 0
    assert np.array_equal(kept.network.recurrent, start_network(c, draw).recurrent)


def test_a_divergence_is_not_saved_at_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.safetensors"
    interrupt_after(monkeypatch, 1)
    c = replace(SMALL, gain=2.0, optimiser="sgd", learning_rate=1e30)
    with pytest.raises(DivergenceError, match="the checkpoint of iteration 0 is kept"):
        train(c, checkpoint=path)
    assert len(load_result(path).losses) == 0


def test_a_divergence_is_not_saved_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_ITERATIONS_PER_CHECKPOINT", 1)
    path = tmp_path / "run.safetensors"
    with pytest.raises(DivergenceError, match="the checkpoint of iteration 0 is kept"):
        train(replace(SMALL, gain=2.0, optimiser="sgd", learning_rate=1e30), checkpoint=path)
    assert len(load_result(path).losses) == 0


REFLOSSED = replace(
    SMALL, iterations=25, gain=0.3, floss_exponents=2, floss_iterations=3, floss_every=7
)


def test_flossing_between_updates() -> None:
    """By its definition: rounds of flossing and stretches of plain training, put together."""
    c, plain = REFLOSSED, replace(REFLOSSED, floss_every=0, optimiser="sgd")
    seeds: list[Any] = []

    def draw(batch_size: int, seed: Any) -> tasks.Trials:
        seeds.append(seed)
        return tasks.romo(batch_size, seed)

    train(replace(c, task="custom"), task=draw)
    flossing = [seed[2] for seed in seeds if seed[1] == 3]
    assert flossing == list(range(4 * 3))  # before training, and after 7, 14 and 21 updates
    # Plain gradient descent has no memory, so the pieces can be trained one by one.
    network = start_network(plain)
    for stretch in range(4):
        if stretch:
            network = floss(
                network,
                lambda n, seed, s=stretch: tasks.romo(n, (c.seed, 3, 3 * s + seed[1])),
                2, iterations=3, batch_size=c.floss_batch_size, seed=c.seed,
            ).network  # fmt: skip
        updates = min(7, 25 - 7 * stretch)
        piece = replace(plain, task="custom", iterations=updates)
        network = train(
            piece,
            network=network,
            task=lambda n, seed, s=stretch: tasks.romo(n, (*seed[:2], seed[2] + 7 * s)),
        ).network
    whole = train(replace(c, optimiser="sgd"))
    for ours, theirs in zip(
        whole.network.weights().values(), network.weights().values(), strict=True
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("n", [7, 10])
def test_a_run_with_flossing_between_updates_is_taken_up_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    path, unstopped = tmp_path / "run.safetensors", train(REFLOSSED)
    with monkeypatch.context() as patch:
        interrupt_after(patch, n)
        assert len(train(REFLOSSED, checkpoint=path).losses) == n
    assert same(resume(path), unstopped)
    assert not same(unstopped, train(replace(REFLOSSED, floss_every=0)))
    rate = replace(REFLOSSED, floss_learning_rate=2e-3)
    assert not same(unstopped, train(rate))
    # A run that ends where a round is due, and goes on.
    short = tmp_path / "short.safetensors"
    train(replace(REFLOSSED, iterations=14), checkpoint=short)
    assert same(resume(short, iterations=25), unstopped)


def test_activity_that_overflows_is_refused_by_every_function() -> None:
    network = RateRNN.initialise(1, 2, 16, gain=5.0)
    x = np.zeros((3, 200, 1), np.float32)
    x[1] = 1
    goal = np.zeros((3, 200, 2), np.float32)
    where = r"the activity grows beyond float32 at step \d+ of trial 1; take a smaller gain"
    with pytest.raises(DivergenceError, match=where):
        network.run(x)
    for rule in RULES:
        with pytest.raises(DivergenceError, match=where):
            gradient(network, x, goal, rule=rule)
    short = network.run(x[:, :50])
    assert np.isfinite(short.states).all()
    recurrent, input_weights, readout = (w.astype(float) for w in network.weights().values())
    double = RateRNN(recurrent, input_weights, readout)
    states = double.run(x).states  # as the message says, float64 helps
    assert np.isfinite(states).all()
    with pytest.raises(DivergenceError, match=where) as caught:
        network.run(x)
    step = int(str(caught.value).split("at step ")[1].split()[0])
    largest = np.abs(states[1]).max(axis=1)
    assert largest[step] < np.finfo(np.float32).max < 10 * largest[step + 1]


@pytest.mark.parametrize("leak", [0.0, 0.5])
def test_a_silent_neuron_that_overflows_is_not_silence(leak: float) -> None:
    """ReLU of -inf is 0, and no output knows of it."""
    recurrent = np.array([[2.0, 0.0], [-1e10, 0.0]], np.float32)
    drive = np.array([[1e30], [0.0]], np.float32)
    network = RateRNN(recurrent, drive, np.array([[1e-30, 0.0]], np.float32), leak)
    x = np.zeros((1, 6, 1), np.float32)
    x[0, 0] = 1
    with pytest.raises(DivergenceError, match=r"beyond float32 at step [12] of trial 0"):
        network.run(x)


def test_a_gradient_that_overflows_is_refused() -> None:
    """Activity and loss are small numbers, or differences of large ones."""
    drive = np.full((2, 1), 1e15, np.float32)
    readout = np.array([[1e15, -1e15]], np.float32)
    network = RateRNN(np.zeros((2, 2), np.float32), drive, readout, 0.0)
    x, goal = np.ones((1, 3, 1)), np.full((1, 3, 1), 1e10)
    assert not network.run(x).outputs.any()
    for rule in set(RULES) - {"uoro"}:  # whose random signs may cancel the error
        with pytest.raises(
            DivergenceError, match=f"the gradient of recurrent by {rule} is not finite; take a"
        ):
            gradient(network, x, goal, rule=rule)
    with pytest.raises(DivergenceError, match=r"the loss is inf; take a smaller gain"):
        gradient(network, x, 1e20 * goal)


def test_inputs_with_a_nan_are_refused() -> None:
    def draw(batch_size: int, seed: Any) -> tasks.Trials:
        trials = tasks.romo(batch_size, seed)
        trials.inputs[0, 3] = np.nan
        return trials

    with pytest.raises(ValueError, match=r"inputs must be finite, got nan at \[0, 3, 0\]"):
        train(replace(SMALL, task="custom"), task=draw)


def test_a_task_of_ones_own() -> None:
    c = replace(SMALL, task="custom")
    result = train(c, task=lambda batch_size, seed: tasks.delayed_match(batch_size, seed))
    assert same(result, train(replace(SMALL, task="delayed-match")))
    with pytest.raises(ValueError, match="pass a function as task with, and only with"):
        train(c)
    with pytest.raises(ValueError, match="pass a function as task with, and only with"):
        train(SMALL, task=tasks.romo)


def test_lowest_and_final_loss() -> None:
    network = RateRNN.initialise(1, 2, 4)
    losses = np.concatenate([np.full(150, 3.0), np.full(100, 1.0), np.full(50, 2.0)])
    result = RateTrainingResult(network, losses, SMALL, {}, True)
    assert result.final_loss == pytest.approx(1.5)
    assert result.lowest_loss == pytest.approx(1.0)
    assert np.isnan(RateTrainingResult(network, losses[:0], SMALL, {}, True).final_loss)


def test_configurations_are_checked_and_written_and_read() -> None:
    c = replace(SMALL, rule="eprop", feedback="random")
    assert RateConfiguration.from_dict(c.to_dict()) == c
    with pytest.raises(ValueError, match="unknown parameter 'gian'; known are task, loss_mask"):
        RateConfiguration.from_dict({"gian": 1.0})
    for changes, message in (
        ({"task": "go"}, "task must be one of romo, two-alternative, delayed-match, custom"),
        ({"rule": "hebb"}, "rule must be one of bptt"),
        ({"gain": -0.1}, r"gain must be a finite number >= 0, got -0\.1"),
        ({"gain": float("nan")}, "gain must be a finite number >= 0, got nan"),
        ({"leak": 1.0}, "at 1 no state changes"),
        ({"iterations": 0}, "iterations must be an integer >= 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number > 0, got 0"),
        ({"floss_exponents": 17}, r"floss_exponents must be 0\.\.16"),
        ({"floss_every": 5}, "needs floss_exponents >= 1 and floss_iterations >= 1, got 0 and 100"),
        ({"floss_every": 5, "floss_exponents": 1, "floss_iterations": 0}, "got 1 and 0; or take"),
        ({"floss_learning_rate": 0.0}, "floss_learning_rate must be a finite number > 0, got 0"),
        ({"feedback": "random"}, "feedback 'random' needs one of the rules eprop, eprop-self"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(SMALL, **changes)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        resume(path)
    train(replace(SMALL, iterations=1), checkpoint=path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="is damaged or not a safetensors file"):
        resume(path)
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        train(SMALL, checkpoint=tmp_path / "nowhere" / "run.safetensors")
