"""Structures of the initial recurrent weights: what each promises, and how each is refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from binnet.cli import main
from binnet.rate import (
    STRUCTURES,
    RateConfiguration,
    RateRNN,
    floss,
    load_result,
    resume,
    start_network,
    train,
)

GAIN = 1.3


def draw(structure: str, n: int = 60, seed: int = 0, **options: Any) -> RateRNN:
    options = {"gain": GAIN, "dtype": "float64"} | options
    return RateRNN.initialise(2, 3, n, structure=structure, seed=seed, **options)


def spectral_radius(network: RateRNN) -> float:
    return float(np.abs(np.linalg.eigvals(network.recurrent)).max())


def test_gaussian_draws_are_those_of_before_there_were_structures() -> None:
    rng = np.random.default_rng((3, 0))
    recurrent = (rng.standard_normal((20, 20)) * (GAIN / math.sqrt(20))).astype("float32")
    input_weights = (rng.uniform(-1, 1, (20, 2)) / math.sqrt(2)).astype("float32")
    readout = (rng.uniform(-1, 1, (3, 20)) / math.sqrt(20)).astype("float32")
    for options in ({}, {"structure": "gaussian"}):
        network = RateRNN.initialise(2, 3, 20, gain=GAIN, seed=(3, 0), **options)  # type: ignore[arg-type]
        assert np.array_equal(network.recurrent, recurrent)
        assert np.array_equal(network.input_weights, input_weights)
        assert np.array_equal(network.readout, readout)
        assert network.connections is None


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_has_rows_of_mean_square_norm_gain(structure: str) -> None:
    squares = [(draw(structure, 40, seed).recurrent ** 2).sum(axis=1) for seed in range(60)]
    mean = np.mean(squares)
    error = np.std(np.mean(squares, axis=1)) / math.sqrt(60)  # independent networks, not rows
    assert abs(mean - GAIN**2) < 4 * error + 1e-12
    assert error < 0.06 * GAIN**2


@pytest.mark.parametrize("structure", STRUCTURES)
def test_seeds_precisions_and_the_other_weights(structure: str) -> None:
    one = draw(structure)
    assert np.array_equal(one.recurrent, draw(structure).recurrent)
    assert not np.array_equal(one.recurrent, draw(structure, seed=1).recurrent)
    single = draw(structure, dtype="float32")
    assert single.dtype == np.float32
    assert np.array_equal(single.recurrent, one.recurrent.astype(np.float32))
    plain = draw("gaussian")
    assert np.array_equal(one.readout, plain.readout)
    assert np.array_equal(one.input_weights, plain.input_weights)
    assert not draw(structure, gain=0.0).recurrent.any()
    assert RateRNN.initialise(1, 1, 8, structure=structure).n_neurons == 8


def test_orthogonal() -> None:
    w = draw("orthogonal").recurrent / GAIN
    np.testing.assert_allclose(w @ w.T, np.eye(60), atol=1e-13)
    # Uniformly distributed: without the signs, LAPACK's diagonal would not have mean 0.
    first = [draw("orthogonal", 4, seed).recurrent[0, 0] / GAIN for seed in range(400)]
    assert abs(np.mean(first)) < 4 * 0.5 / math.sqrt(400)  # a component has variance 1/N
    assert np.std(first) == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("rank", [1, 4, 60])
def test_low_rank(rank: int) -> None:
    network = draw(f"low-rank-{rank}")
    assert np.linalg.matrix_rank(network.recurrent) == rank
    assert network.connections is None


@pytest.mark.parametrize(("n", "sizes"), [(60, [15] * 4), (62, [16, 16, 15, 15])])
def test_block(n: int, sizes: list[int]) -> None:
    network = draw("block-4", n)
    group = np.repeat(np.arange(4), sizes)
    assert np.array_equal(network.recurrent != 0, group[:, None] == group)
    assert network.connections is None  # all couplings exist and learn
    assert np.array_equal(draw("block-1").recurrent, draw("gaussian").recurrent)


def test_sparse() -> None:
    network = draw("sparse-8")
    assert network.connections is not None
    assert (network.connections.sum(axis=1) == 8).all()
    assert np.array_equal(network.recurrent != 0, network.connections)
    assert network.connections.any(axis=0).all()  # places are drawn in all columns
    everything = draw("sparse-60")
    assert np.array_equal(everything.recurrent, draw("gaussian").recurrent)


def test_dale() -> None:
    w = draw("dale").recurrent
    assert (w[:, :48] > 0).all()
    assert (w[:, 48:] < 0).all()
    np.testing.assert_allclose(w.mean(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), GAIN)
    np.testing.assert_allclose(draw("dale", dtype="float32").recurrent.mean(axis=1), 0, atol=1e-7)


@pytest.mark.parametrize("structure", ["gaussian", "sparse-20", "block-2"])
def test_spectral_radius_is_about_the_gain(structure: str) -> None:
    radii = [spectral_radius(draw(structure, 200, seed)) for seed in range(4)]
    np.testing.assert_allclose(radii, GAIN, rtol=0.15)


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
def test_absent_couplings_stay_absent(rule: str, tmp_path: Path) -> None:
    c = RateConfiguration(
        structure="sparse-3", rule=rule, n_hidden=16, iterations=4, batch_size=4,
        floss_exponents=2, floss_iterations=2, gain=0.5,
    )  # fmt: skip
    path = tmp_path / "run.safetensors"
    start, result = start_network(c, flossed=False), train(c, checkpoint=path)
    there = start.connections
    assert there is not None
    assert (there.sum(axis=1) == 3).all()
    for network in (start_network(c), result.network, load_result(path).network):
        assert np.array_equal(network.connections, there)
        assert not network.recurrent[~there].any()
    moved = result.network.recurrent != start.recurrent
    assert moved.sum() > 0.5 * there.sum()
    longer = resume(path, iterations=6).network
    assert not longer.recurrent[~there].any()


def test_block_and_dale_networks_may_leave_their_structure() -> None:
    for structure in ("block-4", "dale"):
        c = RateConfiguration(structure=structure, n_hidden=16, iterations=30, batch_size=4,
                              learning_rate=1e-2)  # fmt: skip
        start, end = start_network(c).recurrent, train(c).network.recurrent
        assert (np.sign(start) != np.sign(end)).any()


def test_flossing_moves_only_couplings_that_exist() -> None:
    network = RateRNN.initialise(1, 2, 20, structure="sparse-4", gain=0.5)
    for version in ("local", "full"):
        after = floss(network, "romo", 2, version=version, iterations=2, batch_size=2).network
        changed = after.recurrent != network.recurrent
        assert changed.any()
        assert not changed[~network.connections].any()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("structure", "n", "message"),
    [
        ("low-rank-9", 8, r"rank R must be 1\.\.8 in a network of n_hidden = 8 neurons, got 9"),
        ("block-9", 8, "number of groups B must be 1..8"),
        ("sparse-9", 8, "couplings K must be 1..8 .* take a smaller number or more neurons"),
        ("dale", 2, "needs n_hidden >= 3"),
        ("sparse", 8, "must be one of gaussian, orthogonal, low-rank-R, block-B, sparse-K, dale"),
        ("sparse-0", 8, "whole numbers >= 1 .* for R, B, K, got 'sparse-0'"),
        ("gaussian-2", 8, "got 'gaussian-2'"),
        (None, 8, "got None"),
    ],
)
def test_structures_that_cannot_be(structure: Any, n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RateRNN.initialise(1, 1, n, structure=structure)
    with pytest.raises(ValueError, match=message):
        RateConfiguration(structure=structure, n_hidden=n)


def test_the_command_takes_a_structure(tmp_path: Path) -> None:
    arguments = ["rnn", "train", "--hidden", "16", "--iterations", "2", "--batch-size", "2"]
    folder = tmp_path / "run"
    result = CliRunner().invoke(main, [*arguments, "--structure", "sparse-3", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    network = load_result(folder / "checkpoint.safetensors").network
    assert network.connections is not None
    refused = CliRunner().invoke(
        main, [*arguments, "--structure", "sparse-17", "--out", str(tmp_path / "other")]
    )
    assert refused.exit_code != 0
    assert "couplings K must be 1..16" in refused.output
    assert not (tmp_path / "other").exists()
