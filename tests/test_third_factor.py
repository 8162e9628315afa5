"""The third-factor rule in the library: what it learns, its checkpoints, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import BinaryNetwork, Configuration, ThirdFactor, load_checkpoint, preset, resume, train
from binnet.cli import main
from binnet.learning import Perceptron, Run, save_checkpoint
from library_cases import draw_spins
from test_training import assert_same_weights

N_INPUTS, N_CLASSES, PROTOTYPES = 40, 4, 6
SMALL = preset("third-factor").replace(
    n_hidden=40, n_inputs=N_INPUTS, n_outputs=N_CLASSES, epochs=10, batch_size=8
)


def draw_task(n_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Several random prototypes a class, of which each sample flips some bits."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, N_CLASSES * PROTOTYPES, n_samples)
    noise = np.where(rng.random((n_samples, N_INPUTS)) < 0.15, -1, 1)
    return draw_spins(N_CLASSES * PROTOTYPES, N_INPUTS)[kind] * noise, kind % N_CLASSES


X, Y = draw_task(600, 1)
SETS = {"test": draw_task(400, 2)}


def learn(**changes: Any) -> float:
    run = train(X, Y, SMALL.replace(**changes), evaluate_on=SETS, threads=1)
    return run.history[-1].accuracy["test"]


@pytest.mark.parametrize("kind", ["fixed", "learned"])
def test_learns_the_hidden_neurons(kind: str) -> None:
    """Better than with hidden neurons that stay as they were drawn."""
    accuracy = learn(third_factor=kind)
    without = learn(third_factor=kind, rate_couplings=0.0, rate_input=0.0)
    assert accuracy > without + 0.15


def alignment(network: BinaryNetwork) -> float:
    return float(np.corrcoef(network.feedback.ravel(), network.readout.T.ravel())[0, 1])


def test_learned_feedback_aligns_with_the_readout() -> None:
    fixed, learned = (
        train(X, Y, SMALL.replace(third_factor=kind), threads=1).network
        for kind in ("fixed", "learned")
    )
    drawn = BinaryNetwork.random(SMALL.network, SMALL.training.seed, np.float32)
    assert fixed.feedback.tobytes() == drawn.feedback.tobytes()
    assert alignment(learned) > alignment(drawn) + 0.3


@pytest.mark.parametrize("kind", ["fixed", "learned"])
def test_resumed_run_ends_like_an_unstopped_one(kind: str, tmp_path: Path) -> None:
    """On another number of threads, too: learned feedback weights are in the checkpoint."""
    configuration = SMALL.replace(third_factor=kind, epochs=2)
    unstopped = train(X, Y, configuration, threads=1)
    path = tmp_path / "run.safetensors"
    train(X, Y, configuration, threads=1, checkpoint=path)
    stopped = Run.start(configuration, len(X), load_checkpoint(path).fingerprint)
    stopped.learn(X.astype(np.int8), Y.astype(np.int64), 20, 2)
    save_checkpoint(path, stopped)
    assert_same_weights(resume(path, X, Y, threads=1).network, unstopped.network)


def test_off_is_the_default() -> None:
    assert {preset(name).rule for name in ("source", "default")} == {Perceptron()}


def test_the_spelling_before_rules() -> None:
    """`third_factor` alone chooses the rule, and "none" the source's."""
    learned = preset("third-factor")
    assert learned.replace(third_factor="none").rule == Perceptron()
    assert preset().replace(third_factor="fixed").rule == ThirdFactor("fixed")
    tables = learned.to_dict()
    old = {**tables, "third_factor": {k: v for k, v in tables["rule"].items() if k != "name"}}
    del old["rule"]
    assert Configuration.from_dict(old) == learned
    old["third_factor"] = {**old["third_factor"], "third_factor": "none"}
    assert Configuration.from_dict(old).rule == Perceptron()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"third_factor": "random"},
            r"third_factor must be one of learned, fixed, got 'rand",
        ),
        ({"error_threshold": -0.1}, r"error_threshold must be a finite number >= 0, got -0.1"),
        ({"error_temperature": 0.0}, r"error_temperature must be a finite number > 0, got 0"),
        ({"rate_feedback": -1.0}, r"rate_feedback must be a finite number >= 0, got -1"),
        (
            {"feedback_strength": 0.0},
            r"feedback_strength must be > 0 with third_factor = 'learned'",
        ),
        ({"feedback": 5}, r"no feedback .* got a\(t\) = \[0.0, 0.0, 1"),
    ],
)
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset("third-factor").replace(**arguments)


def test_error_of_a_type() -> None:
    with pytest.raises(TypeError, match=r"error_threshold must be a finite number >= 0, got '1'"):
        ThirdFactor(error_threshold="1")  # type: ignore[arg-type]


def test_parameters_of_another_rule_are_refused() -> None:
    message = r'error_threshold is a parameter of the rule "third-factor", but the rule is "perce'
    with pytest.raises(TypeError, match=message):
        preset().replace(error_threshold=0.1)
    with pytest.raises(ValueError, match="rule must be one of perceptron, third-factor"):
        preset().replace(rule="backpropagation")
    with pytest.raises(TypeError, match="rule must be a PlasticityRule or the name of one, got 3"):
        preset().replace(rule=3)


@pytest.mark.parametrize("kind", ["fixed", "learned"])
def test_learns_in_integers(kind: str) -> None:
    """Within the spread of floating point, and better than with hidden neurons as drawn."""
    accuracy = learn(third_factor=kind, arithmetic="int8")
    without = learn(third_factor=kind, arithmetic="int8", rate_couplings=0.0, rate_input=0.0)
    assert accuracy > without + 0.1


def test_options(tmp_path: Path) -> None:
    """Refused in one line, before anything is read or written."""
    run = tmp_path / "run"
    for arguments in (
        ["--third-factor", "learned"],
        ["--preset", "third-factor", "--schedule", "2", "5", "5"],
    ):
        result = CliRunner().invoke(main, ["train", *arguments, "--out", str(run)])
        assert result.exit_code == 1
        assert "--third-factor" in result.output.splitlines()[-1]
        assert not run.exists()
