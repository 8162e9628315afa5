"""Graded inputs: equal to plain references, the same bits however they come, clear refusals."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive
import naive_rules
import naive_third_factor
from binnet import BinaryNetwork, Configuration, fixed_points, predict, relax, resume, train
from binnet._validation import check_inputs
from binnet.dynamics import stream_key
from binnet.landscape import LandscapePlan, measure_landscape
from binnet.landscape.networks import drive
from binnet.learning import OnlineLearner, Run
from binnet.learning.run import _NOISE_STREAM
from binnet.networks import quantize
from binnet.studies.representations import measure_representations
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.relaxation.graded_fields import accumulate_graded
from binnet_kernels.structs import allocate_rows, to_banks
from library_cases import TINY, hidden_fields, make_network
from test_more_rules import ROUND_OFF, SHARP, X, Y, replay, synapses

#: Pixels: the prototypes' spins as light and dark, of many shades, two thirds of them 0.
PIXELS = np.where(
    np.random.default_rng(7).random(X.shape) < 2 / 3,
    0,
    128 + 60 * X.astype(int) + np.arange(203)[:, None] % 50,
).astype(np.uint8)
REALS = PIXELS.astype(np.float32) / np.float32(255)
DENSE = (REALS + 0.5 * X - 0.3).astype(np.float32)
THIRD = {"rule": "third-factor", "third_factor": "fixed", "error_threshold": 0.02}
BLOCKS = ("couplings", "input_weights", "readout", "feedback")


def assert_same_bits(first: BinaryNetwork, second: BinaryNetwork) -> None:
    for name in BLOCKS:
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


def learn_third(settings: Configuration, *arguments: Any) -> tuple[naive.Network, int, int]:
    rule: Any = settings.rule
    net, plain, *rest = arguments
    third = naive_third_factor.ThirdFactor(rule.error_temperature, rule.error_threshold)
    return naive_third_factor.learn_batch(net, plain, third, *rest)


# ---- the product and the update


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_inputs", [1, 6, 1030])
def test_a_field_does_not_depend_on_the_other_samples(dtype: type, n_inputs: int) -> None:
    """More inputs than fit a panel, more samples than are taken at once, a width of 3 x 32."""
    rng = np.random.default_rng(n_inputs)
    weights = rng.standard_normal((n_inputs, 90)).astype(dtype)
    bank = to_banks(weights, 1)[0]
    x = (rng.random((22, n_inputs)) * (rng.random((22, n_inputs)) < 0.3)).astype(dtype)
    together, alone = (allocate_rows(22, 90, 1, dtype) for _ in range(2))
    invoke(accumulate_graded, bank, x, 0, np.arange(3, 22), 19, together, 0)
    for b in range(3, 22):
        invoke(accumulate_graded, bank, x, 0, np.array([b]), 1, alone, 0)
    assert together.tobytes() == alone.tobytes()
    assert not together[:3].any()
    expected = x.astype(float) @ weights.astype(float)
    # A sum of n rounded terms of order one: n eps / 2, and its root where they are random.
    np.testing.assert_allclose(
        together[3:, :90], expected[3:], rtol=0, atol=n_inputs * np.finfo(dtype).eps
    )


@pytest.mark.parametrize(("inputs", "batch_size"), [(REALS, 40), (DENSE, 7)], ids=["40", "7"])
@pytest.mark.parametrize("rule", [{}, {"rule": "symmetric"}, SHARP, THIRD], ids=lambda r: str(r))
def test_equals_the_reference(rule: dict[str, Any], inputs: np.ndarray, batch_size: int) -> None:
    """One and two banks; a batch of more than 32 samples; a last group of less than four."""
    settings = TINY.replace(
        n_hidden=37, dtype="float64", batch_size=batch_size, decay_input=0.05, **rule
    )
    learn: Any = {
        "perceptron": naive.learn_batch,
        "symmetric": naive_rules.learn_batch_symmetric,
        "soft": partial(naive_rules.learn_batch_soft, 3.0),
        "third-factor": partial(learn_third, settings),
    }[settings.rule.name]
    expected = replay(Run.start(settings, len(X)), learn, 2, inputs)
    for threads in (1, 2):
        run = Run.start(settings, len(X))
        drawn = run.network().input_weights
        run.learn(inputs, Y, 2, threads)
        network = run.network()
        for found, wanted in (
            (network.couplings, expected.net.J),
            (network.input_weights, expected.net.W_in),
            (network.readout, expected.net.W_out),
        ):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=ROUND_OFF)
    assert np.abs(network.input_weights - drawn).max() > 0.01  # something was learned


@pytest.mark.parametrize("order", ["async", "random-subset", "block-sequential:3"])
def test_any_update_order_learns(order: str) -> None:
    settings = TINY.replace(update_order=order)
    one, two = (train(DENSE, Y, settings, threads=n) for n in (1, 2))
    assert_same_bits(one.network, two.network)
    assert one.history[-1].accuracy["train"] > 0.8  # four classes: chance is 0.25


def test_noise_blanks_inputs() -> None:
    settings = TINY.replace(n_hidden=17, dtype="float64", input_noise=0.2)
    key = naive.derive_key(int(stream_key(settings.training.seed, _NOISE_STREAM)), 0)
    blanked = naive.blank_inputs(DENSE, 0.2, key)
    assert 0.1 < (blanked == 0).mean() < 0.3
    run = Run.start(settings, len(X))
    expected = replay(run, naive.learn_batch, 3, blanked)
    run.learn(DENSE, Y, 3, 1)
    found = synapses(run).network().input_weights
    np.testing.assert_allclose(found, expected.net.W_in, rtol=0, atol=ROUND_OFF)


# ---- the same bits


@pytest.mark.parametrize("rule", [{}, {"rule": "symmetric"}, SHARP, THIRD], ids=lambda r: str(r))
@pytest.mark.parametrize("changes", [{"dtype": "float64"}, {"bias_strength": 0.3, "n_hidden": 70}])
def test_pixels_are_their_fractions_of_255(rule: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever the rule, on one thread and on two."""
    settings = TINY.replace(epochs=2, input_noise=0.1, **rule, **changes)
    pixels = train(PIXELS, Y, settings, threads=1, evaluate_on={"test": (PIXELS, Y)})
    reals = train(REALS, Y, settings, threads=2, evaluate_on={"test": (REALS, Y)})
    assert_same_bits(pixels.network, reals.network)
    assert pixels.history[-1].accuracy == reals.history[-1].accuracy
    first, second = (relax(pixels.network, x, Y, threads=1) for x in (PIXELS, REALS))
    assert first.stabilities.tobytes() == second.stabilities.tobytes()


def test_spins_in_any_format_are_spins() -> None:
    settings = TINY.replace(epochs=1)
    expected = train(X, Y, settings, threads=1).network
    for kind in (np.int64, np.float32, np.float64):
        assert_same_bits(train(X.astype(kind), Y, settings, threads=1).network, expected)
    # One value more is not one of them: the fields of the others are the same, up to rounding.
    mixed = X.astype(np.float32)
    mixed[0, 0] = 0.5
    found, wanted = (relax(expected, x, max_sweeps=1).stabilities for x in (mixed, X))
    np.testing.assert_allclose(found[1:], wanted[1:], rtol=0, atol=1e-5)
    assert not np.allclose(found[0], wanted[0])


def test_pixels_are_kept_as_they_are() -> None:
    """60000 images of 784 pixels are 47 MB, and are not copied."""
    assert np.shares_memory(check_inputs("X", PIXELS, 20), PIXELS)
    doubles = check_inputs("X", PIXELS / 255, 20)
    assert doubles.dtype == np.float32
    first = PIXELS.copy()
    first[0] = 1  # a first row like this is no reason to warn
    train(first, Y, TINY.replace(epochs=1), threads=1)


def test_resume_is_as_if_never_stopped(tmp_path: Path) -> None:
    settings = TINY.replace(rate_schedule="constant")
    path = tmp_path / "run.safetensors"
    whole = train(PIXELS, Y, settings, threads=1)
    train(PIXELS, Y, settings.replace(epochs=1), checkpoint=path, threads=1)
    resumed = resume(path, PIXELS, Y, epochs=settings.training.epochs, threads=2)
    assert_same_bits(whole.network, resumed.network)
    learner = OnlineLearner(settings, threads=1)
    for _ in range(settings.training.epochs):
        learner.learn(PIXELS, Y)
    assert_same_bits(learner.network, whole.network)


def test_a_learner_may_change_the_kind_of_its_inputs() -> None:
    learner = OnlineLearner(TINY, threads=1)
    for inputs in (X, PIXELS, DENSE):
        before = learner.network.input_weights
        learner.learn(inputs, Y)
        assert (learner.network.input_weights != before).any()


# ---- the dynamics


@pytest.mark.parametrize("inputs", [PIXELS, DENSE, DENSE[:1], DENSE[:0]])
def test_relaxation_is_that_of_the_equations(inputs: np.ndarray) -> None:
    network = make_network(dtype=np.float64, self_coupling=0.5, bias_strength=0.5)
    found = relax(network, inputs, max_sweeps=50, threads=1)
    x = inputs / np.float32(255) if inputs.dtype == np.uint8 else inputs
    h = hidden_fields(network, np.column_stack([x, np.ones(len(x))]), found.states)
    np.testing.assert_allclose(found.stabilities, found.states * h, rtol=0, atol=1e-12)
    assert found.converged.sum() >= 0.9 * len(x)
    fields = network.input_fields(inputs)
    np.testing.assert_allclose(
        fields, x @ network.input_weights[:, :-1].T + network.input_weights[:, -1], atol=1e-12
    )


def test_landscape_and_representations_under_graded_inputs() -> None:
    """A field from pixels is a field: counts are exact, and overlaps of inputs are cosines."""
    network = make_network(12, np.float64, self_coupling=0.5)
    driven = drive(network, PIXELS[0])
    np.testing.assert_allclose(driven.fields, REALS[0] @ network.input_weights.T, atol=1e-12)
    plan = LandscapePlan(trials=2)
    found, same = (measure_landscape(network, x[:2], Y[:2], plan=plan) for x in (PIXELS, REALS))
    assert found.identical(same)
    for k in range(2):
        exact = fixed_points.enumerate(drive(network, PIXELS[k])).count
        assert (found.n_fixed_points.sel(sample=k, state=["inference", "random"]) == exact).all()
    x, y = REALS[:40].astype(float), Y[:40]
    cosines = x @ x.T / np.sqrt(np.outer((x * x).sum(axis=1), (x * x).sum(axis=1)))
    pairs, alike = np.triu_indices(40, 1), y[:, None] == y
    within, between = (cosines[pairs][alike[pairs] == kind].mean() for kind in (True, False))
    measured = measure_representations(network, PIXELS[:40], y, max_sweeps=1).input_clustering
    assert measured.item() == pytest.approx(within - between, abs=1e-6)


# ---- refusals


def test_errors_name_what_is_wrong() -> None:
    network, bad = make_network(), DENSE.copy()
    bad[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"inputs must be finite .* got nan at \[3, 4\]; fill in"):
        predict(network, bad)
    with pytest.raises(ValueError, match=r"up to 1e\+30, got -inf at \[1, 0\]"):
        predict(network, np.array([[0.5] * 20, [-np.inf] * 20]))
    with pytest.raises(
        TypeError, match=r"X must be real numbers, .* bool; for bits pass 2 \* bits"
    ):
        train(X > 0, Y, TINY)
    with pytest.raises(TypeError, match="inputs must be real numbers, got an array of <U"):
        relax(network, X.astype(str))
    with pytest.raises(ValueError, match=r"\(n_samples, 20\), got \(20,\); for one sample, pass"):
        predict(network, DENSE[0])
    with pytest.warns(UserWarning, match=r"inputs are uint8, .* none is above 1: for bits pass"):
        predict(network, (X > 0).astype(np.uint8))


def test_integers_refuse_graded_inputs() -> None:
    with pytest.raises(ValueError, match=r"X must be -1 or \+1 .* integers with input_bits = 1"):
        train(PIXELS, Y, TINY.replace(arithmetic="int8"))
    with pytest.raises(ValueError, match=r"inputs must be -1 or \+1 .* take input_bits = 2 to 8"):
        predict(quantize(make_network(), 8)[0], REALS)
