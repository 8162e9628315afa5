"""Readouts that are trained anew on final states: the rule itself, and that the network stays."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from binnet import BinaryNetwork, Configuration, preset, relax, train
from binnet.learning import RULES, Run, fit_readouts
from library_cases import N_CLASSES, N_INPUTS, TINY, make_task

X, Y = make_task(203)
SETS = {"test": make_task(80, noise=0.3, seed=3)}
THIRD = preset("third-factor").replace(
    n_hidden=40, n_inputs=N_INPUTS, n_outputs=N_CLASSES, epochs=3, batch_size=8
)


def learn_naively(run: Run, epochs: int) -> np.ndarray:
    """W_out by docs/model/network.md, eqs. (3.2), (3.5) and (3.6), sample by sample."""
    c = run.configuration
    p, plasticity, training = c.network, c.plasticity, c.training
    options = training.inference_options()
    states = relax(run.relaxable(), X, stop_at_cycle=False, **options).states.astype(float)
    W = BinaryNetwork.random(p, training.seed, training.dtype).readout.astype(float)
    eta = plasticity.rate_readout / np.sqrt(p.n_neurons)
    fresh = Run.start(c, len(X))
    per_epoch = -(-len(X) // training.batch_size)
    for epoch in range(epochs):
        fresh.epoch = epoch
        order = fresh._order()
        for batch in range(per_epoch):
            chosen = order[batch * training.batch_size :][: training.batch_size]
            phi = 1.0
            if plasticity.rate_schedule == "linear":
                phi = 1.0 - (epoch * per_epoch + batch) / (epochs * per_epoch)
            change = np.zeros_like(W)
            for b in chosen:
                y = np.where(np.arange(p.n_outputs) == Y[b], 1.0, -1.0)
                unstable = y * (W @ states[b]) <= plasticity.readout_margin
                change += np.outer(unstable * y, states[b])
            W = (1 - phi * eta * plasticity.decay_readout) * W
            W += phi * eta / np.sqrt(len(chosen)) * change
    return W


@pytest.mark.parametrize(
    "configuration",
    [
        TINY.replace(dtype="float64", decay_readout=0.2),
        THIRD.replace(averaging=0.0, rate_schedule="linear"),
    ],
    ids=["source", "third-factor"],
)
def test_the_local_readout_is_the_rule_on_final_states(configuration: Configuration) -> None:
    run = train(X, Y, configuration, threads=1).run
    found = fit_readouts(run, X, Y, readouts=("local",), epochs=2, threads=1)
    assert found.logistic is None
    assert found.local is not None
    local = found.local.network()
    # Sums in another order, and the decay in a scale; the largest weight is of order 1.
    exact = configuration.training.dtype == "float64"
    assert np.abs(local.readout - learn_naively(run, 2)).max() < (1e-12 if exact else 1e-5)
    assert np.array_equal(local.couplings, run.network().couplings)
    assert np.array_equal(local.input_weights, run.network().input_weights)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"arithmetic": "int8"},
        {"arithmetic": "int8", "latent_bits": 16},
        {"n_modules": 2, "neighbour_strength": 0.7, "readout_strength": (0.0, 1.0)},
        {"update_order": "async"},
        {"averaging": 5.0},
        {"averaging": 5.0, "arithmetic": "int8", "latent_bits": 16},
        {"update_order": "random-subset", "update_probability": 0.3},
    ],
    ids=["float", "int8", "latent", "modules", "async", "means", "means-int8", "random-subset"],
)
def test_nothing_but_the_readout_changes(changes: dict[str, object]) -> None:
    run = train(X, Y, TINY.replace(**changes), evaluate_on=SETS, threads=1)
    before = run.run.synapses.tensors()
    found = fit_readouts(run.best, X, Y, evaluate_on=SETS, threads=1)
    assert found.accuracy["own"] == run.history[-1].accuracy
    assert list(found.accuracy) == ["own", "local", "logistic"]
    assert found.accuracy["logistic"]["train"] > 0.9  # chance: 0.25
    assert found.accuracy["local"]["train"] > 0.9
    assert all(np.array_equal(before[k], v) for k, v in run.run.synapses.tensors().items())
    assert found.local is not None
    own, local = run.run.relaxable(), found.local.relaxable()
    for name in ("couplings", "input_weights", "feedback"):
        assert np.array_equal(getattr(own, name), getattr(local, name)), name
    assert not np.array_equal(own.readout, local.readout)
    if "arithmetic" in changes:
        assert own.formats == local.formats  # type: ignore[union-attr]
    again = fit_readouts(run.best, X, Y, evaluate_on=SETS, threads=2)
    assert again.accuracy == found.accuracy


def test_of_every_rule_and_of_a_run_inside_an_epoch() -> None:
    for name in RULES:
        settings = THIRD if name == "third-factor" else TINY.replace(rule=name)
        if name == "symmetric":
            settings = TINY.replace(rule=name, symmetry=1.0)
        run = Run.start(settings.replace(epochs=2, decay_couplings=0.5), len(X))
        run.learn(X, Y, 5, 1)  # the scales of the weights are not multiplied in yet
        found = fit_readouts(run, X, Y, readouts=("local",), threads=1)
        assert found.local is not None
        assert np.array_equal(found.local.network().couplings, run.network().couplings)
        assert run.batch == 5


def test_the_logistic_regression_is_that_of_the_states() -> None:
    run = train(X, Y, TINY, threads=1).run
    states = relax(run.relaxable(), X, **TINY.training.inference_options()).states
    expected = LogisticRegression(max_iter=1000).fit(states.astype(np.float32), Y)
    found = fit_readouts(run, X, Y, readouts=("logistic",), threads=1)
    assert np.array_equal(found.logistic.coef_, expected.coef_)
    assert found.accuracy["logistic"] == {"train": expected.score(states, Y)}
    assert found.settings["logistic"]["iterations"] == expected.n_iter_[0]
    assert found.to_dict()["run"]["packages"]["scikit-learn"] != "not installed"


def test_what_cannot_be_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.start(TINY, len(X))
    with pytest.raises(ValueError, match="readouts must be one of local, logistic, got 'svm'"):
        fit_readouts(run, X, Y, readouts=("svm",))
    with pytest.raises(ValueError, match="epochs must be an integer >= 1, got 0"):
        fit_readouts(run, X, Y, epochs=0)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ImportError, match=r"needs scikit-learn.*binnet\[sklearn\]"):
        fit_readouts(run, X, Y)
