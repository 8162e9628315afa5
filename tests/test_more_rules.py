"""The symmetric and the soft rule: equal to plain references, on any threads; what they refuse."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import naive
import naive_rules
from binnet import Configuration, train
from binnet.dynamics import stream_key
from binnet.learning import READOUT_TARGETS, RULES, Run
from binnet.learning.rules import SoftPerceptron, SymmetricPerceptron
from binnet.learning.rules._float import FloatSynapses
from binnet.learning.run import _DYNAMICS_STREAM
from binnet.networks import BinaryNetwork
from library_cases import TINY, make_task

X, Y = make_task(203)
# Float64 sums of some ten terms of order one, in another order: rounding errors of 1e-16 each.
ROUND_OFF = 1e-12
SHARP = {"rule": "soft", "sharpness": 3.0}


def synapses(run: Run) -> FloatSynapses:
    assert isinstance(run.synapses, FloatSynapses)
    return run.synapses


def replay(run: Run, learn: Any, n_batches: int, inputs: np.ndarray = X) -> naive.Trained:
    """Learn the next batches of a run in plain loops."""
    configuration, w = run.configuration, synapses(run).weights
    plasticity, p = configuration.plasticity, configuration.network
    size, seed = configuration.training.batch_size, configuration.training.seed
    net = naive.Network(
        w.couplings, w.self_couplings, w.input_weights, w.readout, w.feedback, w.connectivity,
        gains=plasticity.gains(p),
    )  # fmt: skip
    if w.partners is not None:
        partners, excitations = w.partners
        there = np.where(excitations > 0, partners, -1)
        net = net._replace(partners=there.tolist(), excitation=excitations.max(axis=0))
    rule = naive.Rule(
        tuple(plasticity.scaled_rates(p)),
        tuple(plasticity.losses(p)),
        plasticity.margin + plasticity.fixed_help(w) * plasticity.margin_excludes_self_coupling,
        plasticity.readout_margin,
        tuple(plasticity.target_sizes(p.n_outputs)),
    )
    order = run._order()
    key = naive.derive_key(int(stream_key(seed, _DYNAMICS_STREAM)), 0)
    total = run.batches_per_epoch * configuration.training.epochs
    return naive.train_batches(
        net, rule, inputs, Y, [order[b * size : (b + 1) * size].tolist() for b in range(n_batches)],
        plasticity.rate_factors(0, n_batches, total), configuration.schedule.amplitudes,
        [naive.derive_key(key, k) for k in range(n_batches * size)], learn=learn,
        stop_at_cycle=False,
    )  # fmt: skip


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("targets", READOUT_TARGETS)
@pytest.mark.parametrize("rule", ["symmetric", "soft"])
def test_equals_the_reference(rule: str, targets: str, batch_size: int) -> None:
    chosen = {"rule": rule} if rule == "symmetric" else SHARP
    configuration = TINY.replace(
        n_hidden=17, dtype="float64", batch_size=batch_size, rate_schedule="linear",
        decay_couplings=0.05, readout_targets=targets, **chosen,
    )  # fmt: skip
    learn: Any = naive_rules.learn_batch_symmetric
    if rule == "soft":
        learn = partial(naive_rules.learn_batch_soft, 3.0)
    expected = replay(Run.start(configuration, len(X)), learn, 3)
    for threads in (1, 2):
        run = Run.start(configuration, len(X))
        run.learn(X, Y, 3, threads)
        network = run.network()
        for found, wanted in (
            (network.couplings, expected.net.J),
            (network.input_weights, expected.net.W_in),
            (network.readout, expected.net.W_out),
        ):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=ROUND_OFF)
        assert run.totals.tolist() == expected.totals
    drawn = BinaryNetwork.random(configuration.network, configuration.training.seed, np.float64)
    assert np.abs(network.readout - drawn.readout).max() > 0.01  # something was learned


@pytest.mark.parametrize("rule", list(RULES))
def test_threads_change_no_bit(rule: str) -> None:
    fixed = {"third_factor": "fixed"} if rule == "third-factor" else {}
    settings = TINY.replace(rule=rule, epochs=2, **fixed)
    one = train(X, Y, settings, threads=1).network
    run = Run.start(settings, len(X))
    while not run.finished:
        run.learn(X, Y, 10**6, 3)
        if run.epoch_is_complete:
            run.next_epoch()
    three = run.network()
    for name in ("couplings", "input_weights", "readout", "feedback"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes(), name


@pytest.mark.parametrize("changes", [{}, {"density": 0.3}, {"n_modules": 2, "excitation": 0.3}])
def test_couplings_stay_symmetric_to_the_last_bit(changes: dict[str, Any]) -> None:
    settings = TINY.replace(rule="symmetric", epochs=2, decay_couplings=0.05, **changes)
    network = train(X, Y, settings, threads=2).network
    drawn = BinaryNetwork.random(settings.network, settings.training.seed, np.float32)
    assert np.array_equal(network.couplings, network.couplings.T)
    assert np.abs(network.couplings - drawn.couplings).max() > 0
    if network.connectivity is not None:
        assert np.array_equal(network.connectivity, network.connectivity.T)
        assert not network.couplings[~network.connectivity].any()
        assert 0 < network.connectivity.mean() < 1


def test_a_sharp_margin_is_that_of_the_perceptron() -> None:
    hard, sharp = (
        train(X, Y, TINY.replace(epochs=1, dtype="float64", **rule), threads=1).network
        for rule in ({}, {"rule": "soft", "sharpness": 1e9})
    )
    np.testing.assert_allclose(hard.couplings, sharp.couplings, atol=1e-9)
    np.testing.assert_allclose(hard.readout, sharp.readout, atol=1e-9)


@pytest.mark.parametrize("rule", [{"rule": "symmetric"}, SHARP])
def test_learns(rule: dict[str, Any]) -> None:
    result = train(X, Y, TINY.replace(**rule), evaluate_on={"test": make_task(200)}, threads=1)
    assert result.history[-1].accuracy["test"] > 0.9  # four classes: chance is 0.25


@pytest.mark.parametrize(("rule", "why"), [("symmetric", "half a level"), ("soft", "between 0 an")])
def test_integers_are_refused(rule: str, why: str) -> None:
    message = rf'the rule "{rule}" learns in floating point only, .*{why}.*; got arithmetic = .int8'
    with pytest.raises(ValueError, match=message):
        TINY.replace(rule=rule, arithmetic="int8")


def test_parameters() -> None:
    with pytest.raises(ValueError, match="sharpness must be a finite number > 0, got 0"):
        SoftPerceptron(sharpness=0)
    settings = TINY.replace(**SHARP)
    assert settings.rule == SoftPerceptron(3.0)
    assert Configuration.from_dict(settings.to_dict()) == settings
    assert settings.replace(rule="symmetric").rule == SymmetricPerceptron()
