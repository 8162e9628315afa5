"""Tasks against their specification, against neurogym's own trials, and the losses they allow.

tests/golden/neurogym_VERSION.npz hold trials of neurogym (made by make_neurogym.py in an
environment of its own, which neurogym needs): of 2.0.0, whose fixation input we have by default,
and of 2.3.1, where it ends with the first step.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from binnet.rate import RateConfiguration, resume, tasks, train
from binnet.rate._losses import compute_error, make_goal
from binnet.rate.tasks import _delayed_match, _two_alternative
from binnet.rate.tasks._trials import Trials

MODULES = {"two-alternative": _two_alternative, "delayed-match": _delayed_match}


def compute_loss(trials: Trials, outputs: Any) -> float:
    goal = make_goal(trials.loss, trials.targets, trials.mask, outputs.shape, np.dtype(np.float64))
    return compute_error(outputs, goal)[0]


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_same_seed_draws_the_same_batch(name: str) -> None:
    draw = tasks.get(name)
    one, same, other = draw(8, 3), draw(8, 3), draw(8, 4)
    assert np.array_equal(one.inputs, same.inputs)
    assert np.array_equal(one.targets, same.targets)
    assert not np.array_equal(one.inputs, other.inputs)
    assert not np.array_equal(draw(8, (3, 1)).inputs, one.inputs)
    assert np.array_equal(draw(8, np.random.default_rng([3])).inputs, one.inputs)
    for array in (one.inputs, one.targets, one.mask):
        assert len(array) == 8
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1"):
        draw(0)
    with pytest.raises(ValueError, match="seed must be an integer >= 0"):
        draw(4, -1)


def test_romo_step_by_step() -> None:
    trials = tasks.romo(2000, 0)
    assert trials.inputs.shape == (2000, 56, 1)
    assert trials.targets.shape == (2000, 56, 2)
    delays = []
    for x, target, mask in zip(trials.inputs[..., 0], trials.targets, trials.mask, strict=True):
        on = np.flatnonzero(x)
        d = on[2] - 8
        delays.append(d)
        assert on.tolist() == [6, 7, 8 + d, 9 + d]
        first, second = x[6], x[8 + d]
        assert x[7] == first
        assert x[9 + d] == second
        assert 0.5 <= min(first, second) <= max(first, second) <= 1.5
        assert abs(first - second) >= 0.2 - 1e-6  # float32
        channel = int(second > first)
        response = np.arange(20 + d, 40 + d)
        expected = np.zeros((56, 2))
        expected[response, channel] = 0.5
        assert np.array_equal(target, expected)
        counted = np.zeros(56)
        counted[: 10 + d] = 1
        counted[response] = 1
        assert np.array_equal(mask, counted)
    # int(U(2, 8) / 0.5): 4..15, all alike.
    counts = np.bincount(delays, minlength=16)
    assert counts[:4].sum() == 0
    assert len(counts) == 16
    assert np.abs(counts[4:] - 2000 / 12).max() < 5 * np.sqrt(2000 / 12)


def test_romo_losses_of_no_answer_and_of_chance() -> None:
    trials = tasks.romo(20_000, 1)
    nothing = np.zeros(trials.targets.shape)
    assert compute_loss(trials, nothing) == pytest.approx(0.0317, abs=1e-4)
    responding = trials.targets.any(axis=2, keepdims=True)
    assert compute_loss(trials, 0.25 * responding + nothing) == pytest.approx(0.0158, abs=1e-4)
    assert compute_loss(trials, trials.targets.astype(float)) == 0


def choose(trials: Trials, log_odds: Any) -> Any:
    """Outputs of an observer that fixates without error, and gives these odds of 2 against 1."""
    outputs = np.full((*trials.targets.shape, 3), -40.0)
    deciding = trials.targets != 0
    outputs[..., 0] = np.where(deciding, -40.0, 40.0)
    outputs[..., 1] = np.where(deciding, 0.0, -40.0)
    outputs[..., 2] = np.where(deciding, log_odds, -40.0)
    return outputs


def test_two_alternative_losses_of_chance_and_of_the_best_observer() -> None:
    trials = tasks.two_alternative(40_000, 2)
    assert trials.inputs.shape[1:] == (22, 3)
    assert compute_loss(trials, choose(trials, 0.0)) == pytest.approx(0.0315, abs=1e-4)
    # The sum of the differences is sufficient: normal around ± 20 c/100 with variance 20 * 2 s².
    difference = (trials.inputs[:, 1:21, 2] - trials.inputs[:, 1:21, 1]).sum(axis=1).astype(float)
    variance = 20 * 2 * 0.1**2
    means = 20 * np.array([0, 6.4, 12.8, 25.6, 51.2])[:, None] / 100
    right, left = (np.exp(-((difference - s * means) ** 2) / (2 * variance)).sum(axis=0)
                   for s in (1, -1))  # fmt: skip
    odds = np.log(right + 1e-300) - np.log(left + 1e-300)
    # Standard error of the mean of 40000 trials, of which chance decides a fifth: 1e-4.
    assert compute_loss(trials, choose(trials, odds[:, None])) == pytest.approx(0.0089, abs=3e-4)


def test_two_alternative_fixation_input() -> None:
    until, first = (
        tasks.two_alternative(5, 0, fixation=fixation)
        for fixation in ("until-decision", "first-step")
    )
    assert np.array_equal(until.inputs[..., 0], np.repeat([[1] * 21 + [0]], 5, 0))
    assert np.array_equal(first.inputs[..., 0], np.repeat([[1] + [0] * 21], 5, 0))
    assert np.array_equal(until.inputs[..., 1:], first.inputs[..., 1:])
    with pytest.raises(ValueError, match="fixation must be one of until-decision, first-step"):
        tasks.two_alternative(5, fixation="always")


EPOCHS = ((3, 8), (18, 23))  # of sample and test


def test_delayed_match_step_by_step() -> None:
    trials = tasks.delayed_match(4000, 3)
    x, labels = trials.inputs, trials.targets
    assert x.shape == (4000, 32, 3)
    assert np.array_equal(x[..., 0], np.repeat([[1] * 23 + [0] * 9], 4000, 0))
    shown = np.r_[3:8, 18:23]
    silent = np.setdiff1d(np.arange(32), shown)
    assert not x[:, silent, 1:].any()
    sample, test = (x[:, first:last, 1:].mean(axis=1).argmax(axis=1) for first, last in EPOCHS)
    assert np.array_equal(labels[:, 23:], np.where(sample == test, 1, 2)[:, None].repeat(9, 1))
    assert not labels[:, :23].any()
    assert (sample == test).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))
    one_hot = np.eye(2)[sample][:, None]
    noise = x[:, 3:8, 1:] - one_hot
    assert noise.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * noise.size))
    assert compute_loss(trials, choose(trials, 0.0)) == pytest.approx(0.195, abs=1e-3)
    assert compute_loss(trials, choose(trials, 80.0 * (labels == 2) - 40)) < 1e-10


VERSIONS = {"2.0.0": "until-decision", "2.3.1": "first-step"}


def load_neurogym(version: str) -> dict[str, Any]:
    with np.load(Path(__file__).parent / "golden" / f"neurogym_{version}.npz") as file:
        return dict(file)


def draw_like_neurogym(name: str, version: str, batch_size: int) -> Trials:
    options = {"fixation": VERSIONS[version]} if name == "two-alternative" else {}
    return tasks.get(name)(batch_size, 5, **options)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MODULES)
def test_without_noise_trials_are_exactly_those_of_neurogym(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    monkeypatch.setattr(MODULES[name], "NOISE", 0.0)
    golden, trials = load_neurogym(version), draw_like_neurogym(name, version, 300)

    def distinct(ob: Any, gt: Any) -> Any:
        rows = np.concatenate([ob.reshape(len(ob), -1), gt], axis=1)
        return np.unique(rows.round(5), axis=0)

    theirs = distinct(golden[f"{name}.noiseless.ob"], golden[f"{name}.noiseless.gt"])
    np.testing.assert_allclose(distinct(trials.inputs, trials.targets), theirs, atol=2e-5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MODULES)
def test_noise_is_that_of_neurogym(name: str, version: str) -> None:
    golden, trials = load_neurogym(version), draw_like_neurogym(name, version, 200)
    theirs, labels = golden[f"{name}.noisy.ob"], golden[f"{name}.noisy.gt"]
    # Differences of neighbouring steps of the same epoch: no mean, twice the variance.
    steps = np.arange(1, 20) if name == "two-alternative" else np.r_[3:7, 18:22]
    for x in (theirs, trials.inputs):
        noise = x[:, steps + 1, 1:] - x[:, steps, 1:]
        assert noise.std() / np.sqrt(2) == pytest.approx(0.1, rel=4 / np.sqrt(noise.size))
        assert abs(noise.mean()) < 4 * 0.15 / np.sqrt(noise.size)
    zero_ours, zero_theirs = (x == 0 for x in (trials.inputs, theirs))
    assert np.array_equal(zero_ours.all(axis=0), zero_theirs.all(axis=0))
    assert np.array_equal(np.unique(labels, axis=0), np.unique(trials.targets, axis=0))


class OddEnvironment:
    """What the adapter needs of a neurogym environment; trials have 3 or 5 steps."""

    action_space = SimpleNamespace(n=2)

    def seed(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def new_trial(self) -> None:
        n_steps = int(self.rng.choice([3, 5]))
        self.ob = self.rng.standard_normal((n_steps, 4))
        self.gt = np.arange(n_steps) % 2


def test_the_adapter_pads_trials_and_is_seeded() -> None:
    draw = tasks.from_neurogym(SimpleNamespace(unwrapped=OddEnvironment()))
    trials, same = draw(20, 1), draw(20, 1)
    assert trials.inputs.shape == (20, 5, 4)
    assert trials.n_outputs == 2
    assert np.array_equal(trials.inputs, same.inputs)
    lengths = trials.mask.sum(axis=1)
    assert set(lengths) == {3, 5}
    short = lengths == 3
    assert not trials.inputs[short, 3:].any()
    assert np.array_equal(trials.mask[short], np.repeat([[1, 1, 1, 0, 0]], short.sum(), 0))
    with pytest.raises(TypeError, match="env must be a neurogym TrialEnv"):
        tasks.from_neurogym(object())


class BlockEnvironment(OddEnvironment):
    """It also keeps what no seed resets: trials are counted, and their number is shown."""

    def __init__(self) -> None:
        self.count = [0]

    def new_trial(self) -> None:
        super().new_trial()
        self.count[0] += 1
        self.ob[:, 0] = self.count[0]


def test_batches_do_not_depend_on_those_before() -> None:
    env = BlockEnvironment()
    draw = tasks.from_neurogym(env)
    first = draw(4, 1)
    assert first.inputs[:, 0, 0].tolist() == [1, 2, 3, 4]  # within a batch it is kept
    draw(5, 2)
    env.count[0] = 100  # nor on what the user does with it
    assert np.array_equal(draw(4, 1).inputs, first.inputs)
    assert not hasattr(env, "ob")


def test_a_run_on_an_environment_that_keeps_state_is_taken_up_bit_by_bit(tmp_path: Path) -> None:
    def make() -> Any:
        return tasks.from_neurogym(BlockEnvironment())

    c = RateConfiguration(n_hidden=4, iterations=6, batch_size=3, task="custom")
    unstopped = train(c, task=make())
    path = tmp_path / "run.safetensors"
    train(replace(c, iterations=2), task=make(), checkpoint=path)
    resumed = resume(path, iterations=6, task=make())
    assert np.array_equal(resumed.losses, unstopped.losses)
    assert np.array_equal(resumed.network.recurrent, unstopped.network.recurrent)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("gt", None, r"has an array of shape \(4, 3\) and none"),
        ("ob", None, r"has none and an array of shape \(4,\)"),
        ("gt", np.zeros((4, 2)), r"and an array of shape \(4, 2\): choose a supervised env"),
        ("gt", np.zeros(3, int), r"and an array of shape \(3,\)"),
    ],
    ids=["no-gt", "no-ob", "gt-of-two", "short-gt"],
)
def test_environments_without_targets_are_refused_at_once(
    name: str, value: object, found: str
) -> None:
    env = SimpleNamespace(
        action_space=SimpleNamespace(n=2), seed=lambda seed: None, new_trial=lambda: None,
        ob=np.zeros((4, 3)), gt=np.zeros(4, int),
    )  # fmt: skip
    assert tasks.from_neurogym(env)(2, 0).inputs.shape == (2, 4, 3)
    if value is None:
        delattr(env, name)
    else:
        setattr(env, name, value)
    with pytest.raises(TypeError, match=found):
        tasks.from_neurogym(env)


@pytest.mark.filterwarnings("default")  # gymnasium's, on neurogym's metadata
@pytest.mark.parametrize(
    ("name", "environment"),
    [("two-alternative", "PerceptualDecisionMaking-v0"), ("delayed-match", "DelayMatchSample-v0")],
)
def test_the_adapter_on_neurogym_itself(name: str, environment: str) -> None:
    neurogym = pytest.importorskip(
        "neurogym", reason="neurogym needs an environment of its own", exc_type=ImportError
    )
    trials = tasks.from_neurogym(neurogym.make(environment))(16, 0)
    ours = tasks.get(name)(16, 0)
    assert trials.inputs.shape == ours.inputs.shape
    assert np.array_equal(trials.mask, ours.mask)
    assert set(map(tuple, trials.targets)) == set(map(tuple, ours.targets))


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="task must be one of romo, two-alternative, delayed-mat"):
        tasks.get("go-nogo")
