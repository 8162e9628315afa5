"""Representations: overlaps are those of a plain count, per module and per sweep, and learning
gathers the classes.

The states of a sweep are those of one longer relaxation; the network that a run began with is
compared; the command reads a run's folder and leaves figure, data and table beside it.
"""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from binnet import BinaryNetwork, NetworkParameters, preset, train
from binnet.cli import main
from binnet.dynamics import relax_driven
from binnet.studies.representations import (
    choose_samples,
    compare_with_start,
    measure_representations,
    overlap_matrix,
)

SIZES = (12, 20)


@pytest.fixture(scope="module")
def samples():
    """Three classes of inputs around three random centres."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(3), 30))
    centres = np.where(rng.random((3, 40)) < 0.5, -1, 1)
    flips = np.where(rng.random((90, 40)) < 0.25, -1, 1)
    return centres[y] * flips, y


@pytest.fixture(scope="module")
def network():
    parameters = NetworkParameters(
        n_hidden=SIZES, n_modules=2, n_inputs=40, n_outputs=3, neighbour_strength=1.0
    )
    return BinaryNetwork.random(parameters, seed=2)


def test_graded_inputs_are_compared_by_cosines(network, samples):
    X, y = samples
    spins = measure_representations(network, X, y, max_sweeps=1)
    graded = measure_representations(
        network, np.where(y[:, None] == 1, 3.0, 0.5) * X, y, max_sweeps=1
    )
    np.testing.assert_allclose(graded["input_clustering"], spins["input_clustering"], rtol=1e-5)
    assert measure_representations(network, 0.0 * X, y, max_sweeps=1)["input_clustering"] == 0.0


@pytest.mark.parametrize("update_order", ["sync", "async", "random-subset"])
def test_overlaps_are_those_of_a_plain_count(network, samples, update_order):
    X, y = samples[0][:12], samples[1][:12]
    result = measure_representations(network, X, y, max_sweeps=3, update_order=update_order, seed=5)
    for sweep in (1, 3):
        states = relax_driven(
            network, X, max_sweeps=sweep, update_order=update_order, seed=5, stop_at_cycle=False
        ).states
        # Sorted by class, samples draw other random numbers: compare where there are none.
        if update_order != "sync":
            order = np.argsort(y, kind="stable")
            states = relax_driven(
                network, X[order], max_sweeps=sweep, update_order=update_order, seed=5,
                stop_at_cycle=False,
            ).states[np.argsort(order)]  # fmt: skip
        for module, (start, stop) in enumerate([(0, 12), (12, 32)], 1):
            pairs = {True: [], False: []}
            for a in range(12):
                for b in range(a):
                    products = [int(states[a, i]) * int(states[b, i]) for i in range(start, stop)]
                    pairs[bool(y[a] == y[b])].append(sum(products) / (stop - start))
            here = result.sel(module=module, sweep=sweep)
            for name, same in (("within", True), ("between", False)):
                # Sums of spins are exact; their quotients are rounded to float32.
                assert float(here[name]) == pytest.approx(np.mean(pairs[same]), abs=1e-6)
                assert float(here[f"{name}_std"]) == pytest.approx(np.std(pairs[same]), abs=1e-6)
            difference = np.mean(pairs[True]) - np.mean(pairs[False])
            assert float(here["clustering"]) == pytest.approx(difference, abs=1e-6)


def test_similarity_is_sorted_by_class(network, samples):
    result = measure_representations(network, *samples, max_sweeps=2)
    labels = result["label"].values
    assert (np.diff(labels) >= 0).all()
    similarity = result["similarity"].values
    assert similarity.shape == (2, 90, 90)
    np.testing.assert_array_equal(similarity, similarity.transpose(0, 2, 1))
    np.testing.assert_array_equal(similarity[:, range(90), range(90)], 1)
    within = labels[:, None] == labels
    np.fill_diagonal(within, False)
    mean = similarity[:, within].mean(axis=1)
    np.testing.assert_allclose(result["within"].isel(sweep=-1), mean, atol=1e-5)


def test_overlaps_of_equal_and_opposite_states():
    states = np.array([[1, 1, -1, 1], [1, 1, -1, 1], [-1, -1, 1, -1], [1, -1, -1, -1]], np.int8)
    expected = [[1, 1, -1, 0], [1, 1, -1, 0], [-1, -1, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(overlap_matrix(states), expected)


def test_learning_gathers_the_classes(samples):
    X, y = samples
    sizes = {"n_hidden": SIZES, "n_inputs": 40, "n_outputs": 3}
    configuration = preset("deep", 2).replace(epochs=40, **sizes)
    trained = train(X, y, configuration).network
    result = compare_with_start(trained, configuration, X, y)
    assert result["network"].values.tolist() == ["initial", "trained"]
    last = result["clustering"].isel(sweep=-1)
    assert (last.sel(network="trained") > last.sel(network="initial") + 0.05).all()
    start = BinaryNetwork.random(configuration.network, configuration.training.seed)
    alone = measure_representations(start, X, y)
    xr.testing.assert_equal(alone["within"], result["within"].sel(network="initial", drop=True))


def test_choose_samples_takes_the_first_of_each_class():
    X, y = np.arange(12).reshape(6, 2), np.array([1, 0, 1, 1, 0, 1])
    chosen, labels = choose_samples(X, y, 3)
    assert labels.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(chosen, X[[1, 4, 0, 2, 3]])
    with pytest.raises(ValueError, match="per_class must be"):
        choose_samples(X, y, 1)


def test_one_class_or_no_pair_is_refused(network, samples):
    X = samples[0]
    for labels in ([0, 0], [0, 1]):
        with pytest.raises(ValueError, match="at least two classes, and two samples"):
            measure_representations(network, X[:2], labels)


def test_command_reads_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    words = "train --preset deep --modules 2 --hidden 10 --epochs 1 --validation 59800 --out run"
    trained = runner.invoke(main, words.split())
    assert trained.exit_code == 0, trained.output
    result = runner.invoke(main, ["representations", "run", "--samples", "4", "--sweeps", "3"])
    assert result.exit_code == 0, result.output
    assert "clustering of the inputs" in result.output
    assert (tmp_path / "run" / "representations.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "run" / "representations.json").read_text())
    assert record["set"] == "validation"
    assert [r["module"] for r in record["overlaps"]] == [1, 2, 1, 2]
    with xr.open_dataset(tmp_path / "run" / "representations.nc", engine="h5netcdf") as stored:
        assert stored["similarity"].shape == (2, 2, 40, 40)
        assert stored.sizes["sweep"] == 3
    missing = runner.invoke(main, ["representations", str(tmp_path / "nowhere")])
    assert missing.exit_code == 1
    assert "is not a run folder" in missing.output
