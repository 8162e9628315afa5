"""Options of the source's code: equal to plain references, on any threads, stopped or not."""

import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import naive
from binnet import Configuration, load_checkpoint, predict, preset, relax, train
from binnet.cli import main
from binnet.dynamics import stream_key
from binnet.hardware import load_network, save_network
from binnet.landscape import drive
from binnet.learning import QUANTILES, OnlineLearner, Run, save_checkpoint
from binnet.learning.run import _NOISE_STREAM
from binnet.networks import BinaryNetwork, NetworkParameters, dequantize, quantize
from binnet.studies._cells import find_local_entropy
from binnet.theory.message_passing import around
from library_cases import TINY
from test_more_rules import ROUND_OFF, X, Y, replay, synapses

SMALL = TINY.replace(n_hidden=17, dtype="float64", epochs=1, decay_readout=0.05)
PAIR: dict[str, Any] = {"n_modules": 2, "n_hidden": (12, 9), "readout_strength": (1.0, 2.0)}
OPTIONS: dict[str, dict[str, Any]] = {
    "noise": {"input_noise": 0.1},
    "noise in int8": {"input_noise": 0.1, "arithmetic": "int8"},
    "biases": {"bias_strength": 0.7, "input_noise": 0.1},
    "biases in int8": {"bias_strength": 0.7, "arithmetic": "int8", "latent_bits": 16},
    "curriculum": {"curriculum_start": 0.0, "curriculum_wrong": 0.7, "rate_schedule": "linear"},
    "symmetric start": {"symmetry": 1.0},
    "balanced": {"readout_targets": "balanced"},
    "tied": {"feedback_weights": "tied"},
    "modules": {**PAIR, "excitation": 2.0, "margin_excludes_excitation": "once"},
}


def follow(ties: np.ndarray, net: naive.Network, *batch: Any) -> tuple[naive.Network, int, int]:
    """Learn a batch; W_back then is that multiple of W_out, transposed."""
    learned, *counts = naive.learn_batch(net, *batch)
    return learned._replace(W_back=ties[:, None] * learned.W_out.T), *counts


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("modules", [{}, PAIR])
def test_tied_feedback_equals_the_reference(modules: dict[str, Any], batch_size: int) -> None:
    settings = SMALL.replace(feedback_weights="tied", batch_size=batch_size, **modules)
    p = settings.network
    ratios = [0.9 * np.sqrt(p.n_read / p.n_outputs) / r for r in p.each("readout_strength")]
    ties = np.repeat(ratios, p.sizes)
    np.testing.assert_allclose(p.ties, ties)
    expected = replay(Run.start(settings, len(X)), partial(follow, ties), 3)
    for threads in (1, 2):
        run = Run.start(settings, len(X))
        run.learn(X, Y, 3, threads)
        network = run.network()
        for found, wanted in (
            (network.couplings, expected.net.J),
            (network.readout, expected.net.W_out),
            (network.feedback, expected.net.W_back),
        ):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=ROUND_OFF)
        assert run.changes.tolist() == expected.changes
    drawn = synapses(Run.start(settings, len(X))).weights.feedback
    assert np.abs(network.feedback - drawn).max() > 0.1  # it did follow


def test_draws_of_the_readouts() -> None:
    strengths = {"readout_strength": (1.0, 2.0), "feedback_strength": (0.5, 1.5)}
    networks = {}
    for kind in ("independent", "repeated", "shared", "tied"):
        p = NetworkParameters(
            n_hidden=(300, 200), n_modules=2, feedback_weights=kind, **strengths
        )  # fmt: skip
        network = BinaryNetwork.random(p, seed=4, dtype=np.float64)
        first, second = network.modules
        W_out, W_back = network.readout.T * np.sqrt(500), network.feedback * np.sqrt(10)
        out, back = [W_out[first], W_out[second] / 2], [W_back[first] / 0.5, W_back[second] / 1.5]
        networks[kind] = network, out, back
        np.testing.assert_allclose([w.std() for w in (*out, *back)], 1.0, atol=0.05)
    base, out, back = networks["independent"]
    assert abs(np.corrcoef(out[0].ravel(), back[0].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(out[0][:200].ravel(), out[1].ravel())[0, 1]) < 0.05
    for kind in ("repeated", "shared", "tied"):
        network, outs, backs = networks[kind]
        np.testing.assert_array_equal(network.couplings, base.couplings)
        np.testing.assert_array_equal(network.input_weights, base.input_weights)
        np.testing.assert_allclose(outs[0], out[0])
        np.testing.assert_allclose(outs[1], outs[0][:200])
        np.testing.assert_allclose(backs[1], backs[0][:200])
        np.testing.assert_allclose(backs[0], back[0] if kind == "repeated" else outs[0])


def test_excitation_that_does_not_count() -> None:
    """lambda of each neuron, once, where it has a neighbour; J_D always."""
    p = NetworkParameters(n_modules=3, n_hidden=(2, 3, 2), self_coupling=(0.5, 1.0, 2.0),
                          excitation=(4.0, 8.0, 16.0), n_inputs=2, n_outputs=2)  # fmt: skip
    network = BinaryNetwork.random(p)
    before, once = (
        TINY.replace(margin_excludes_excitation=kind).plasticity for kind in ("before", "once")
    )
    assert before.fixed_help(network).tolist() == [0.5, 0.5, 9.0, 9.0, 1.0, 18.0, 18.0]
    assert once.fixed_help(network).tolist() == [4.5, 4.5, 9.0, 9.0, 1.0, 18.0, 18.0]
    integers, _ = quantize(network, 8)
    unit = 2.0**integers.formats.fraction_bits
    np.testing.assert_allclose(once.fixed_help(integers) / unit, once.fixed_help(network))
    assert once.fixed_help(integers).dtype.kind == "i"


@pytest.mark.parametrize("symmetry", [-0.4, 0.7, 1.0])
@pytest.mark.parametrize("density", [1.0, 0.5])
def test_initial_couplings_of_a_given_symmetry(symmetry: float, density: float) -> None:
    p = NetworkParameters(
        n_hidden=(300, 200), n_modules=2, neighbour_strength=1.0, symmetry=symmetry, density=density
    )  # fmt: skip
    network = BinaryNetwork.random(p, seed=1, dtype=np.float64)
    first, second = network.modules
    for module in network.modules:
        J = network.couplings[module, module]
        assert abs((J * J.T).sum() / (J**2).sum() - symmetry) < 0.02
        assert abs(J.std() * np.sqrt(len(J)) - 1) < 0.02
        np.testing.assert_array_equal(J != 0, J.T != 0)
        assert symmetry < 1.0 or np.array_equal(J, J.T)
    J, back = network.couplings[first, second], network.couplings[second, first].T
    assert abs((J * back).mean() / (J.std() * back.std())) < 0.02


def test_noise_of_an_epoch_is_that_of_the_equations() -> None:
    """Other flips in every epoch, by the key of the seed; none where accuracies are measured."""
    settings = SMALL.replace(input_noise=0.2)
    run = Run.start(settings, len(X))
    key = naive.derive_key(int(stream_key(settings.training.seed, _NOISE_STREAM)), 0)
    expected = replay(run, naive.learn_batch, 3, naive.flip_inputs(X, 0.2, key))
    run.learn(X, Y, 3, 1)
    np.testing.assert_allclose(run.network().couplings, expected.net.J, rtol=0, atol=ROUND_OFF)
    assert run.changes.tolist() == expected.changes


def test_curriculum_keeps_samples_by_their_predictions() -> None:
    """p = 1: those that are wrong before the epoch; p = 0: the others; from its start on."""
    easy, hard = (
        TINY.replace(epochs=4, curriculum_start=0.5, curriculum_wrong=p) for p in (0.0, 1.0)
    )
    for settings in (easy, hard):
        run = Run.start(settings, len(X))
        while run.epoch < 2:
            assert run.samples_per_epoch == len(X)
            run.learn(X, Y, 10**6, 1)
            run.next_epoch()
        is_wrong = predict(run.relaxable(), X, **settings.training.inference_options()) != Y
        assert 0 < is_wrong.sum() < len(X)
        run.learn(X, Y, 1, 1)
        assert run.kept is not None
        np.testing.assert_array_equal(run.kept, is_wrong == (settings is hard))
        order = run._order()
        whole = Run._order(replace_kept(run))
        np.testing.assert_array_equal(order, whole[run.kept[whole]])
        run.learn(X, Y, 10**6, 2)
        assert run.epoch_is_complete
        assert run.totals[1] <= len(order) == run.samples_per_epoch
        assert run.samples_seen == 3 * len(X)  # progress reaches its end


def test_a_curriculum_starts_at_its_epoch_and_never_online() -> None:
    settings = TINY.replace(epochs=10, curriculum_start=0.7, curriculum_wrong=0.3)
    run = Run.start(settings, len(X))
    run.epoch = 6
    run.learn(X, Y, 1, 1)
    assert run.kept is None
    run.begin_epoch()
    run.epoch = 7
    run.learn(X, Y, 1, 1)
    assert run.kept is not None
    short, long = (OnlineLearner(settings.replace(epochs=n), 1) for n in (1, 10))
    for _ in range(3):
        short.learn(X, Y)
        long.learn(X, Y)
    assert short.network.couplings.tobytes() == long.network.couplings.tobytes()


def test_stabilities_of_the_readout_are_those_that_the_margin_is_asked_of() -> None:
    settings = TINY.replace(epochs=1, readout_targets="balanced")
    result = train(X, Y, settings, threads=1)
    options = settings.training.inference_options()
    fields = relax(result.network, X, stop_at_cycle=False, **options).readout_fields
    C = settings.network.n_outputs
    targets = np.where(np.arange(C) == Y[:, None], C / 4, -np.sqrt(C) / 4)
    found = result.history[-1].stability_quantiles["readout"]
    np.testing.assert_allclose(found, np.quantile(fields * targets, QUANTILES), atol=1e-6)


def replace_kept(run: Run) -> Run:
    other = copy.copy(run)
    other.kept = None
    return other


def with_ones(inputs: np.ndarray) -> np.ndarray:
    return np.column_stack([inputs, np.ones(len(inputs), np.int8)])


@pytest.mark.parametrize("modules", [{}, {**PAIR, "bias_strength": (0.0, 0.7)}])
def test_biases_are_the_weights_of_an_input_that_is_always_on(modules: dict[str, Any]) -> None:
    settings = SMALL.replace(**{"bias_strength": 0.7, **modules})
    expected = replay(Run.start(settings, len(X)), naive.learn_batch, 3, with_ones(X))
    for threads in (1, 2):
        run = Run.start(settings, len(X))
        run.learn(X, Y, 3, threads)
        found = run.network()
        np.testing.assert_allclose(found.input_weights, expected.net.W_in, rtol=0, atol=ROUND_OFF)
        np.testing.assert_allclose(found.couplings, expected.net.J, rtol=0, atol=ROUND_OFF)
    assert (found.n_inputs, found.input_weights.shape[1]) == (20, 21)
    # Relaxation, in floating point and in integers, and what becomes of the network.
    integers, _ = quantize(found, 8)
    for network in (found, integers, dequantize(integers)):
        without = replace(network, has_biases=False)
        one, other = relax(network, X), relax(without, with_ones(X))
        assert one.states.tobytes() == other.states.tobytes()
        np.testing.assert_array_equal(one.stabilities, other.stabilities)


def test_drawn_biases_leave_all_else(tmp_path: Path) -> None:
    p = NetworkParameters(n_hidden=(900, 600), n_modules=2, n_inputs=5, density=0.0,
                          bias_strength=(0.5, 2.0))  # fmt: skip
    network = BinaryNetwork.random(p, 3)
    plain = BinaryNetwork.random(replace(p, bias_strength=0.0), 3)
    np.testing.assert_array_equal(network.input_weights[:, :-1], plain.input_weights)
    np.testing.assert_array_equal(network.readout, plain.readout)
    for module, strength in zip(network.modules, (0.5, 2.0), strict=True):
        biases = network.input_weights[module, -1]
        assert abs(biases.std() / strength - 1) < 0.08
        assert abs(biases.mean()) < 0.25
    small = BinaryNetwork.random(NetworkParameters(9, 5, 2, bias_strength=1.0))
    save_network(tmp_path / "net.safetensors", small)
    read = load_network(tmp_path / "net.safetensors")
    assert isinstance(read, BinaryNetwork)
    assert read.has_biases
    assert (read.n_inputs, read.input_weights.tolist()) == (5, small.input_weights.tolist())
    with pytest.raises(ValueError, match="a file of integers takes a network without biases"):
        save_network(tmp_path / "int.safetensors", quantize(small, 8)[0])
    with pytest.raises(ValueError, match="a chip takes a network without biases"):
        small.refuse_modules("a chip")
    with pytest.raises(ValueError, match="a column for each input and one for the biases"):
        BinaryNetwork(*(np.ones((n, m)) - np.eye(n, m) for n, m in
                        ((2, 2), (2, 1), (2, 2), (2, 2))), 0.0, has_biases=True)  # fmt: skip


def test_biases_are_in_the_field_under_which_fixed_points_are_counted(tmp_path: Path) -> None:
    run = Run.start(SMALL.replace(n_hidden=60, self_coupling=2.0, bias_strength=0.7), len(X))
    network, x = run.network(), X[0]
    without = replace(network, has_biases=False)
    driven = drive(network, x)
    np.testing.assert_allclose(driven.fields, drive(without, [*x, 1]).fields)
    state = relax(network, x[None], **run.configuration.training.inference_options()).states[0]
    expected = around(network.couplings, 2.0, state, [0.1], field=driven.fields).entropy
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(
        find_local_entropy(run, X[:1], [0.1])["local_entropy"][1], expected
    )
    # The command refuses before it measures accuracies, for which this folder has no samples.
    save_checkpoint(tmp_path / "checkpoint.safetensors", run)
    result = CliRunner().invoke(main, ["quantize", str(tmp_path)])
    assert "a file of integers takes a network without biases" in result.output


def finish(run: Run, threads: int) -> BinaryNetwork:
    while not run.finished:
        run.learn(X, Y, 10**6, threads)
        if run.epoch_is_complete:
            run.next_epoch()
    return run.network()


@pytest.mark.parametrize("option", OPTIONS)
def test_a_stopped_run_ends_in_the_same_bits_on_any_threads(option: str, tmp_path: Path) -> None:
    settings, path = TINY.replace(epochs=2, **OPTIONS[option]), tmp_path / "run.safetensors"
    whole = finish(Run.start(settings, len(X)), 1)
    run = Run.start(settings, len(X))
    run.learn(X, Y, 7, 2)
    assert not run.epoch_is_complete
    save_checkpoint(path, run)
    stopped = load_checkpoint(path)
    assert stopped.configuration == settings
    network = finish(stopped, 2)
    for name in ("couplings", "input_weights", "readout", "feedback"):
        assert getattr(whole, name).tobytes() == getattr(network, name).tobytes(), name
    arithmetic = settings.arithmetic.arithmetic
    plain = finish(Run.start(TINY.replace(epochs=2, arithmetic=arithmetic), len(X)), 1)
    assert plain.readout.tobytes() != whole.readout.tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout_targets": "balanced", "arithmetic": "int8"}, "readout_targets = 'balanced' ne"),
        ({"feedback_weights": "tied", "arithmetic": "int8"}, "feedback_weights = 'tied' needs fl"),
        ({"feedback_weights": "tied", "rule": "third-factor"}, 'feedback_weights must not be "tie'),
        ({"readout_targets": "balanced", "rule": "third-factor"}, 'readout_targets must be "equa'),
        (
            {"feedback_weights": "tied", "n_modules": 2, "readout_strength": (1.0, 0.0)},
            "readout_strength must be > 0 where feedback_strength is",
        ),
        ({"curriculum_start": 1.5}, "curriculum_start must be a finite number >= 0 and <= 1"),
        ({"curriculum_wrong": -1}, "curriculum_wrong must be a finite number >= 0 and <= 1"),
        ({"input_noise": 0.6}, "input_noise must be a finite number >= 0 and <= 0.5"),
        ({"symmetry": 0.5, "rule": "symmetric"}, "symmetry must be 1, or 0 as for other rules"),
        ({"symmetry": 2}, "symmetry must be a finite number >= -1 and <= 1"),
        ({"feedback_weights": "same"}, "feedback_weights must be one of"),
        ({"readout_targets": "same"}, "readout_targets must be one of"),
        ({"margin_excludes_excitation": "all"}, "margin_excludes_excitation must be one of"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TINY.replace(warmup=2, feedback=2, free=0, **changes)


def test_presets_of_the_code() -> None:
    """Each module of the source has the readout of one module: its variance, rate and decay."""
    one, two = preset("source-code"), preset("source-modules")
    assert two.network.n_modules == 2
    assert preset("source-modules", 5).schedule.warmup == 6
    for configuration in (one, two):
        assert Configuration.from_dict(configuration.to_dict()) == configuration
        p, plasticity = configuration.network, configuration.plasticity
        network = BinaryNetwork.random(p, dtype=np.float64)
        np.testing.assert_allclose(network.readout.std() * np.sqrt(400), 1.0, atol=0.05)
        rates = plasticity.scaled_rates(p)[2] * plasticity.gains(p)[2]
        np.testing.assert_allclose(rates, 0.1 / np.sqrt(400))
        np.testing.assert_allclose(plasticity.losses(p)[2], 0.005 * 0.1 / np.sqrt(400))
