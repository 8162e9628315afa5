"""Networks of several modules: their parameters, their draw, and that they learn and are kept."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet import (
    BinaryNetwork,
    NetworkParameters,
    load_checkpoint,
    predict,
    preset,
    relax,
    resume,
    train,
)
from binnet.cli import main
from binnet.hardware import dequantize, quantize, save_quantized
from binnet.hardware.network_files import load_network, save_network
from binnet.learning import PRESETS

CHAIN: dict[str, Any] = {
    "n_modules": 3,
    "n_hidden": (20, 12, 16),
    "self_coupling": (0.5, 0.0, 0.25),
    "excitation": (0.3, 0.6, 0.9),
    "density": (0.5, 0.0, 1.0),
    "neighbour_strength": (0.0, 0.0, 0.5),
    "input_strength": (5.0, 2.5, 0.0),
    "feedback_strength": (0.0, 0.0, 0.9),
    "readout_strength": (0.0, 1.0, 2.0),
    "n_inputs": 30,
    "n_outputs": 4,
}


def draw_samples(n: int, n_inputs: int = 30, n_outputs: int = 4) -> tuple[Any, Any]:
    """Classes are noisy versions of one prototype each."""
    rng = np.random.default_rng(0)
    prototypes = rng.choice([-1, 1], (n_outputs, n_inputs))
    y = rng.integers(0, n_outputs, n)
    return prototypes[y] * np.where(rng.random((n, n_inputs)) < 0.1, -1, 1), y


def test_excitation_is_a_self_coupling_where_modules_are_alike() -> None:
    """What docs/results/excitation.md rests on: lambda then stands exactly where J_D does."""
    options: dict[str, Any] = {
        "n_hidden": 60,
        "n_inputs": 30,
        "n_outputs": 4,
        "input_strength": 2.0,
    }
    one = BinaryNetwork.random(NetworkParameters(self_coupling=0.8, **options), 3, np.float64)
    pair = BinaryNetwork.random(
        NetworkParameters(self_coupling=0.0, excitation=0.8, n_modules=2, **options), 4, np.float64
    )
    couplings, inputs = np.zeros_like(pair.couplings), np.tile(one.input_weights, (2, 1))
    for module in pair.modules:
        couplings[module, module] = one.couplings
    alike = dataclasses.replace(pair, couplings=couplings, input_weights=inputs)
    X = draw_samples(50)[0]
    expected = relax(one, X, max_sweeps=10).states
    np.testing.assert_array_equal(relax(alike, X, max_sweeps=10).states, np.tile(expected, (1, 2)))


def test_a_number_stands_for_all_modules() -> None:
    p = NetworkParameters(n_modules=2, n_hidden=30, excitation=0.5, input_strength=[5, 0])
    assert p.sizes == (30, 30)
    assert p.n_neurons == 60
    assert p.each("excitation") == (0.5, 0.5)
    assert p.input_strength == (5.0, 0.0)
    assert NetworkParameters(self_coupling=(0.3,)).self_coupling == 0.3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_modules": 0}, "n_modules must be an integer in 1..65536, got 0"),
        ({"n_modules": 2, "n_hidden": (3, 4, 5)}, "one for each of the 2 modules, got 3"),
        ({"n_modules": 2, "excitation": (0.1, -1)}, "excitation must be a finite number >= 0"),
        ({"density": 1.5}, "density must be a finite number >= 0 and <= 1, got 1.5"),
        ({"n_modules": 2, "readout_strength": 0}, "at least one module, got 0.0; attach one"),
    ],
)
def test_bad_parameters(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkParameters(**changes)


def test_the_draw_follows_the_parameters() -> None:
    sizes = (300, 200, 250)
    p = NetworkParameters(**{**CHAIN, "n_hidden": sizes})
    network = BinaryNetwork.random(p, seed=3, dtype=np.float64)
    first, second, third = network.modules
    J = network.couplings
    assert network.sizes == sizes
    assert abs((J[first, first] != 0).mean() - 0.5) < 0.01
    present = J[first, first][J[first, first] != 0]
    assert abs(present.std() * np.sqrt(0.5 * 300) - 1) < 0.02
    for to, source in ((second, second), (first, second), (second, third), (first, third)):
        assert not J[to, source].any()
    assert not J[third, first].any()
    assert abs(J[third, second].std() * np.sqrt(200) / 0.5 - 1) < 0.03
    assert abs(J[third, third].std() * np.sqrt(250) - 1) < 0.03
    stds = [network.input_weights[module].std() * np.sqrt(30) for module in network.modules]
    np.testing.assert_allclose(stds, [5.0, 2.5, 0.0], rtol=0.05)
    stds = [network.readout[:, module].std() * np.sqrt(450) for module in network.modules]
    np.testing.assert_allclose(stds, [0.0, 1.0, 2.0], rtol=0.1)
    assert not network.feedback[:500].any()


def test_partners_and_fixed_help_by_hand() -> None:
    p = NetworkParameters(n_modules=3, n_hidden=(2, 3, 2), self_coupling=(0.1, 0.2, 0.3),
                          excitation=(1.0, 2.0, 4.0), n_inputs=2, n_outputs=2)  # fmt: skip
    network = BinaryNetwork.random(p)
    partners = network.partners
    assert partners is not None
    before, behind = (
        [(j, s) for j, s in zip(*rows, strict=True) if s > 0]
        for rows in zip(*partners, strict=True)
    )
    assert before == [(0, 2.0), (1, 2.0), (2, 4.0), (3, 4.0)]
    assert behind == [(2, 1.0), (3, 1.0), (5, 2.0), (6, 2.0)]
    np.testing.assert_allclose(network.fixed_help, [0.1, 0.1, 2.2, 2.2, 0.2, 4.3, 4.3])


def test_relaxation_reports_the_stabilities_of_the_whole_field() -> None:
    p = NetworkParameters(**CHAIN)
    network = BinaryNetwork.random(p, seed=1, dtype=np.float64)
    X, _ = draw_samples(7)
    result = relax(network, X, max_sweeps=30)
    s = result.states.astype(float)
    partners = network.partners
    assert partners is not None
    excitation = sum(strength * s[:, partner] for partner, strength in zip(*partners, strict=True))
    h = s @ network.couplings.T + network.self_couplings * s + excitation
    h += X @ network.input_weights.T
    np.testing.assert_allclose(result.stabilities, s * h, atol=1e-12)
    assert (result.stabilities[result.converged] >= 0).all()


@pytest.mark.parametrize("update_order", ["sync", "async"])
def test_learns_and_resumes_on_any_number_of_threads(tmp_path: Path, update_order: str) -> None:
    X, y = draw_samples(200)
    configuration = preset("source").replace(
        **CHAIN, epochs=4, update_order=update_order, rate_schedule="linear"
    )
    whole = train(X, y, configuration, threads=1)
    assert whole.history[-1].accuracy["train"] > 0.8  # chance is 0.25; measured 0.93 and 0.895
    path = tmp_path / "checkpoint.safetensors"

    def stop(result: Any) -> None:
        if len(result.history) == 2:
            path.with_name("half.safetensors").write_bytes(path.read_bytes())

    train(X, y, configuration, threads=2, checkpoint=path, on_epoch=stop)
    half = path.with_name("half.safetensors")
    assert load_checkpoint(half).epoch == 2
    resumed = resume(half, X, y, threads=1)
    for other in (resumed.network, load_checkpoint(path).network()):
        for name in ("couplings", "input_weights", "readout", "connectivity"):
            np.testing.assert_array_equal(getattr(other, name), getattr(whole.network, name))
        assert other.sizes == (20, 12, 16)
    learned = whole.network
    start = BinaryNetwork.random(configuration.network, configuration.training.seed)
    assert learned.connectivity is not None
    assert not learned.couplings[~learned.connectivity].any()
    assert (learned.couplings != start.couplings)[learned.connectivity].mean() > 0.5
    assert not learned.input_weights[32:].any()
    assert not learned.readout[:, :20].any()


def test_rates_that_move_fields_reach_the_couplings() -> None:
    """One batch: the same neurons learn, each by 20 / sqrt(its couplings in its module)."""
    X, y = draw_samples(16)
    configuration = preset("source").replace(
        **CHAIN, epochs=1, decay_couplings=0.0, decay_readout=0.0, dtype="float64"
    )
    start = BinaryNetwork.random(configuration.network, 0, np.float64).couplings
    by_weights, by_fields = (
        train(X, y, configuration.replace(rate_scaling=scaling), threads=1).network.couplings
        - start
        for scaling in ("weights", "fields")
    )
    assert np.count_nonzero(by_weights) > 100
    present = np.repeat([0.5 * 20, 12, 16], [20, 12, 16])  # a module without couplings counts all
    np.testing.assert_allclose(by_fields, (20 / np.sqrt(present))[:, None] * by_weights, atol=1e-12)


def test_one_module_of_a_list_is_one_module() -> None:
    """A network given as modules of which there is one learns what the plain one does."""
    X, y = draw_samples(100)
    plain = preset("source").replace(n_hidden=40, n_inputs=30, n_outputs=4, epochs=1)
    listed = plain.replace(n_modules=1, n_hidden=(40,), self_coupling=(0.5,))
    one, other = (train(X, y, c, threads=1).network for c in (plain, listed))
    np.testing.assert_array_equal(one.couplings, other.couplings)


def test_files_keep_the_modules(tmp_path: Path) -> None:
    network = BinaryNetwork.random(NetworkParameters(**CHAIN), seed=1)
    save_network(tmp_path / "network.safetensors", network)
    loaded = load_network(tmp_path / "network.safetensors")
    X, _ = draw_samples(20)
    np.testing.assert_array_equal(predict(loaded, X), predict(network, X))
    assert isinstance(loaded, BinaryNetwork)
    assert loaded.partners is not None


def test_integers_have_modules_too_but_chips_as_yet_one(tmp_path: Path) -> None:
    network = BinaryNetwork.random(NetworkParameters(**CHAIN))
    integers, _ = quantize(network, 8)
    assert integers.sizes == network.sizes
    values = dequantize(integers)
    assert values.partners is not None
    X, _ = draw_samples(20)
    exact, relaxed = relax(integers, X), relax(values, X)  # in float64 every sum is exact
    np.testing.assert_array_equal(exact.states, relaxed.states)
    np.testing.assert_array_equal(exact.stabilities, relaxed.stabilities)
    with pytest.raises(ValueError, match=r"takes a network of one module, got 3 of sizes"):
        save_quantized(tmp_path / "network.safetensors", integers)


def test_one_bit_invents_no_couplings() -> None:
    parameters = NetworkParameters(40, 30, 4, density=0.1, storage="dense")
    network = BinaryNetwork.random(parameters, seed=1)
    integers, report = quantize(network, 1)
    assert np.array_equal(integers.couplings != 0, network.connectivity)
    assert report.blocks["couplings"].weights == np.count_nonzero(network.connectivity)
    with pytest.raises(
        ValueError, match=r"that are all there, got a density of 0.0917; use 2 bits"
    ):
        integers.refuse_structure("a chip")


@pytest.mark.parametrize("arithmetic", ["int8", "int4", "int1"])
def test_modules_learn_in_integers(arithmetic: str) -> None:
    X, y = draw_samples(100)
    latent = {"latent_bits": 8} if arithmetic != "int8" else {}
    for name in ("chain", "deep"):
        configuration = preset(name).replace(
            n_hidden=30, n_inputs=30, n_outputs=4, epochs=3, arithmetic=arithmetic, **latent
        )
        if arithmetic == "int1":  # -1 and +1 cannot stand for what is not attached
            with pytest.raises(ValueError, match=r"_strength must be > 0 for all modules in int1"):
                train(X, y, configuration, threads=1)
            configuration = configuration.replace(
                input_strength=5.0, readout_strength=1.0, feedback_strength=1.5
            )
        result = train(X, y, configuration, threads=1)
        assert result.history[-1].accuracy["train"] > 0.5
        absent = ~np.asarray(result.network.connectivity)
        assert not result.network.couplings[absent].any()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_learn(name: str) -> None:
    X, y = draw_samples(100)
    configuration = preset(name).replace(n_hidden=30, n_inputs=30, n_outputs=4, epochs=2)
    assert train(X, y, configuration, threads=1).history[-1].accuracy["train"] > 0.5


def test_command(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = (
        "train --preset chain --modules 2 --hidden 30,20 --input 5,0 --readout 0,1 --epochs 1 "
        f"--validation 59000 --threads 1 --out {out}"
    )
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    again = CliRunner().invoke(main, ["evaluate", str(out)])
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--hidden 30,x", "'30,x' is not an integer"),
        ("--modules 2 --excitation 1,2,3", "one for each of the 2 modules, got 3"),
    ],
)
def test_bad_options(option: str, message: str) -> None:
    result = CliRunner().invoke(main, ["train", *option.split()])
    assert result.exit_code != 0
    assert message in " ".join(result.output.split())
