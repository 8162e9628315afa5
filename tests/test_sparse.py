"""Sparse weights: kernels against plain loops, networks against the same ones stored densely."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.sparse import csc_array, csr_array, random_array

import naive_sparse
from binnet import BinaryNetwork, NetworkParameters, load_checkpoint, relax
from binnet.hardware import load_network, save_network
from binnet.learning import Configuration, Run, preset, save_checkpoint
from binnet.networks import quantize
from binnet.networks.sparse import lay_out_sparse
from binnet.studies.associations import _row_norm
from binnet.studies.capacity import bound_capacity, configure_depth
from binnet_kernels.lowlevel.bits import pack_samples
from binnet_kernels.relaxation.fields import find_product
from binnet_kernels.relaxation.sparse_fields import accumulate_sparse, add_sparse_events
from binnet_kernels.rules.sparse import update_sparse_perceptron, update_sparse_soft

# Float64 sums of tens of terms of order one, which the two storages add in another order: see
# kernel_cases.ROUND_OFF. Learning carries it on for as long as no spin differs.
ROUND_OFF = 1e-12


def draw_weights(shape: tuple[int, int], density: float, dtype: Any = np.float64) -> csr_array:
    rng = np.random.default_rng(5)
    weights = csr_array(
        random_array(shape, density=density, dtype=dtype, rng=rng, data_sampler=rng.standard_normal)
    ).astype(dtype)
    weights.sum_duplicates()
    return weights


def draw_states(kind: str, n: int, dtype: Any = np.float64) -> np.ndarray:
    rng = np.random.default_rng(6)
    if kind == "numbers":
        return np.array(rng.normal(size=(19, n)) * (rng.random((19, n)) < 0.3), dtype)
    return rng.choice([-1, 1] if kind == "spins" else [-1, 0, 1], (19, n)).astype(dtype)


def multiply(weights: csr_array, states: np.ndarray, rows: Any, n_banks: int = 1) -> np.ndarray:
    laid_out = lay_out_sparse(weights, n_banks, with_targets=False)
    out = np.zeros((len(states), n_banks * laid_out.width), states.dtype)
    where = np.array(rows, np.int64)
    find_product(laid_out, states, where, out)  # its address is that of a run
    for bank in range(n_banks):
        starts = laid_out.starts[bank * laid_out.width : (bank + 1) * laid_out.width + 1]
        here = laid_out._replace(starts=starts)
        accumulate_sparse(here, states, 0, where, len(where), out, bank * laid_out.width)
    return out[:, : weights.shape[0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["spins", "spins or silent", "numbers"])
def test_fields_are_the_bits_of_plain_loops(kind: str, dtype: Any) -> None:
    weights, states = draw_weights((70, 45), 0.2, dtype), draw_states(kind, 45, dtype)
    rows = [*range(18, -1, -1)]
    fields = multiply(weights, states, rows)
    if kind == "numbers":  # products are fused with their sum
        exact = states.astype(np.float64) @ weights.T.astype(np.float64)
        np.testing.assert_allclose(fields, exact, rtol=0, atol=50 * np.finfo(dtype).eps)
    else:
        np.testing.assert_array_equal(fields, naive_sparse.multiply(weights, states))
    for b in (0, 7, 18):  # whatever shares the pass, and however the neurons are cut
        np.testing.assert_array_equal(multiply(weights, states, [b])[b], fields[b])
    np.testing.assert_array_equal(multiply(weights, states, rows, n_banks=2), fields)


def test_a_row_has_its_bits_beside_rows_of_other_kinds() -> None:
    weights = draw_weights((40, 45), 0.3)
    states = np.concatenate([draw_states("spins", 45)[:5], draw_states("numbers", 45)[:5]])
    both = multiply(weights, states, range(10))
    np.testing.assert_array_equal(both[:5], multiply(weights, states, range(5))[:5])


def test_more_sources_than_a_table_holds() -> None:
    weights, states = draw_weights((3, 9001), 0.01), draw_states("spins", 9001)
    mixed = states.copy()
    mixed[1, 17] = 0.5  # numbers, in tiles; the other rows do not notice
    fields = multiply(weights, mixed, [0, 1, 2])
    np.testing.assert_array_equal(fields[[0, 2]], multiply(weights, states, [0, 2])[[0, 2]])
    np.testing.assert_allclose(fields[1], weights @ mixed[1], rtol=0, atol=ROUND_OFF)


def test_events_correct_the_fields() -> None:
    weights, states = draw_weights((50, 50), 0.2), draw_states("spins", 50)
    laid_out = lay_out_sparse(weights, 2, with_targets=True)
    flipped = np.array([3, 4, 20, 49])
    after = states[0].copy()
    after[flipped] *= -1
    field = multiply(weights, states, [0])[0]
    windows = np.zeros((2, 2), np.int64)
    add_sparse_events(laid_out, windows, flipped, 2 * after[flipped], 4, field)
    np.testing.assert_allclose(field, weights @ after, rtol=0, atol=ROUND_OFF)


@pytest.mark.parametrize("kind", ["spins", "spins or silent"])
def test_update_equals_plain_loops(kind: str) -> None:
    weights, pre = draw_weights((40, 400), 0.7), draw_states(kind, 400)  # rows longer than a pass
    rng = np.random.default_rng(7)
    post = rng.choice([-1.0, 0.0, 0.0, 1.0], (19, 64))
    post[:, 5] = 0.0
    gains = np.append(rng.random(40), np.zeros(24))
    words = np.zeros((2, 2, 400), np.uint32)
    pack_samples(pre, 0, 19, 0, 400, *words[0])
    pack_samples(post, 0, 19, 0, 40, *words[1])
    expected = naive_sparse.update(weights, 0.1, gains, pre, post)
    counted = lay_out_sparse(weights, 1, with_targets=False)
    update_sparse_perceptron(counted, 0.1, gains, *words[0], *words[1], 0)
    np.testing.assert_allclose(counted.values, expected, rtol=0, atol=ROUND_OFF)
    summed = lay_out_sparse(weights, 1, with_targets=False)
    update_sparse_soft(summed, 0.1, gains, pre, 0, post, 19, 0)
    np.testing.assert_allclose(summed.values, expected, rtol=0, atol=ROUND_OFF)


# ---- networks and runs


def configure(rule: str = "perceptron", **changes: Any) -> Configuration:
    start = (
        preset("third-factor") if rule == "third-factor" else preset("source").replace(rule=rule)
    )
    small = {"n_hidden": 90, "n_inputs": 30, "density": 0.1, "storage": "sparse"}
    return start.replace(**({**small, "dtype": "float64"} | changes))


def make_samples(kind: str, n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 10, n)
    if kind == "graded":
        return (rng.random((n, 30)) * (rng.random((n, 30)) < 0.4)).astype(np.float32), y
    return rng.choice(np.array([-1, 1], np.int8), (n, 30)), y


def learn(run: Run, X: np.ndarray, y: np.ndarray, n_batches: int = 100, threads: int = 1) -> Run:
    while not run.epoch_is_complete:
        run.learn(X, y, n_batches, threads)
    return run


def assert_same_bits(first: BinaryNetwork, second: BinaryNetwork) -> None:
    for name in ("couplings", "input_weights", "readout", "feedback"):
        one, other = getattr(first.to_dense(), name), getattr(second.to_dense(), name)
        np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize(
    ("rule", "update_order"),
    [
        ("perceptron", "async"),
        pytest.param("third-factor", "random-subset", marks=pytest.mark.long),
        ("symmetric", "sync"),
        pytest.param("soft", "block-sequential", marks=pytest.mark.long),
    ],
)
def test_learning_equals_that_of_the_masked_dense_network(rule: str, update_order: str) -> None:
    X, y = make_samples("spins")
    probability = 0.7 if update_order == "random-subset" else 1.0
    configuration = configure(rule, update_order=update_order, update_probability=probability)
    sparse, dense = (Run.start(configuration, len(X)) for _ in range(2))
    dense.synapses.weights = dense.synapses.weights.to_dense()  # type: ignore[attr-defined]
    learn(sparse, X, y, 3)
    learn(dense, X, y, 3)
    assert sparse.changes.tolist() == dense.changes.tolist()
    assert sparse.totals.tolist() == dense.totals.tolist()
    one, other = sparse.network().to_dense(), dense.network()
    for name in ("couplings", "input_weights", "readout"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=0, atol=ROUND_OFF, err_msg=name
        )
    assert not np.array_equal(one.couplings, Run.start(configuration, 1).network().to_dense())


@pytest.mark.long
@pytest.mark.parametrize("kind", ["spins", "graded"])
def test_input_weights_that_are_all_there_learn_like_dense_ones(kind: str) -> None:
    X, y = make_samples(kind)
    sparse, dense = (Run.start(configure(bias_strength=0.3), len(X)) for _ in range(2))
    weights = sparse.synapses.weights  # type: ignore[attr-defined]
    sparse.synapses.weights = replace(  # type: ignore[attr-defined]
        weights, input_weights=csr_array(weights.input_weights)
    )
    learn(sparse, X, y)
    learn(dense, X, y)
    assert sparse.totals.tolist() == dense.totals.tolist()
    one, other = sparse.network().to_dense(), dense.network().to_dense()
    np.testing.assert_allclose(one.input_weights, other.input_weights, rtol=0, atol=ROUND_OFF)
    assert not np.array_equal(one.input_weights, weights.input_weights)
    np.testing.assert_array_equal(
        relax(sparse.network(), inputs=X).states, relax(dense.network(), inputs=X).states
    )


@pytest.mark.parametrize("kind", ["spins", "graded"])
def test_bits_do_not_depend_on_threads_or_calls(kind: str) -> None:
    X, y = make_samples(kind)
    configuration = configure(input_density=0.3, bias_strength=0.2, batch_size=40)
    runs = [
        learn(Run.start(configuration, len(X)), X, y, n, threads) for n, threads in ((9, 1), (1, 2))
    ]
    assert_same_bits(*(run.network() for run in runs))


def test_symmetric_couplings_stay_symmetric_and_none_appear() -> None:
    X, y = make_samples("spins")
    run = Run.start(configure("symmetric"), len(X))
    pattern = run.network().couplings.indices.copy()
    couplings = learn(run, X, y).network().couplings
    np.testing.assert_array_equal(couplings.indices, pattern)
    np.testing.assert_array_equal(couplings.toarray(), couplings.T.toarray())


def replace_mean(run: Run, network: BinaryNetwork) -> Run:
    changed = copy.deepcopy(run)
    changed.mean.network = network
    return changed


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    X, y = make_samples("spins")
    configuration = configure(input_density=0.4, averaging=1.0)
    whole = learn(Run.start(configuration, len(X)), X, y)
    run = Run.start(configuration, len(X))
    run.learn(X, y, 3, 1)
    path = tmp_path / "run.safetensors"
    save_checkpoint(path, run)
    assert {"couplings.data", "input_weights.indptr"} <= load_file(path).keys()
    assert_same_bits(learn(load_checkpoint(path), X, y).network(), whole.network())
    save_checkpoint(path, whole)  # means and all
    assert_same_bits(load_checkpoint(path).network(), whole.network())
    assert whole.mean.network is not None
    few = replace(whole.mean.network, couplings=csr_array(whole.mean.network.couplings.shape))
    save_checkpoint(tmp_path / "few.safetensors", replace_mean(whole, few))
    with pytest.raises(ValueError, match=r"mean_couplings\.data must have shape \(.*got \(0,\)"):
        load_checkpoint(tmp_path / "few.safetensors")
    save_network(tmp_path / "network.safetensors", whole.network())
    assert_same_bits(load_network(tmp_path / "network.safetensors"), whole.network())  # type: ignore[arg-type]


def test_a_checkpoint_of_couplings_that_were_stored_densely(tmp_path: Path) -> None:
    run = Run.start(configure(storage="dense"), 100)
    run.configuration = configure(storage="auto")  # as a file says that knows no storage
    save_checkpoint(tmp_path / "run.safetensors", run)
    read = load_checkpoint(tmp_path / "run.safetensors")
    assert isinstance(read.network().couplings, np.ndarray)
    assert_same_bits(read.network(), run.network())


def test_associations_are_stored_by_the_weights_that_there_are() -> None:
    changes = {"density": 0.5, "storage": "sparse", "input_density": 0.25}
    configuration = configure_depth(1, n_hidden=21, n_inputs=40, **changes)
    network = BinaryNetwork.random(configuration.network)
    row_norm = _row_norm(network)
    assert row_norm == pytest.approx(_row_norm(network.to_dense()), rel=1e-6)
    assert 1.0 < row_norm < 2.0  # inputs and couplings of strength 1: sqrt(2)
    # Gardner's two for each weight, of which there are 10 couplings and 10 inputs a neuron.
    assert bound_capacity(configuration)["hidden"] == pytest.approx(2 * 20 / 21)


# ---- drawing and checks


def test_drawn_weights_have_their_density_and_variance() -> None:
    p = NetworkParameters(n_hidden=(600, 400), n_modules=2, n_inputs=80, density=(0.05, 0.3),
                          input_density=(0.2, 0.5), input_strength=(5.0, 2.0), storage="sparse",
                          neighbour_strength=(0.0, 0.7))  # fmt: skip
    network = BinaryNetwork.random(p, seed=3)
    J, W_in = network.couplings, network.input_weights
    for module, density in zip(network.modules, (0.05, 0.3), strict=True):
        n = module.stop - module.start
        block = J[module, module]
        assert abs(block.nnz - density * n * (n - 1)) < 5 * n * np.sqrt(density)
        assert block.data.var() * density * n == pytest.approx(1, abs=5 * np.sqrt(2 / block.nnz))
        assert not block.diagonal().any()
    second, first = network.modules[1], network.modules[0]
    assert J[second, first].nnz == 600 * 400
    assert J[first, second].nnz == 0
    assert J[second, first].data.std() == pytest.approx(0.7 / np.sqrt(600), rel=0.01)
    for module, density, strength in zip(network.modules, (0.2, 0.5), (5.0, 2.0), strict=True):
        block = W_in[module]
        assert block.nnz == pytest.approx(density * np.prod(block.shape), rel=0.05)
        assert block.data.std() == pytest.approx(strength / np.sqrt(80 * density), rel=0.05)
    assert p.n_couplings == pytest.approx(J.nnz, rel=0.02)
    assert p.n_input_weights == pytest.approx(W_in.nnz, rel=0.05)
    gains = p.rate_gains[1]
    assert gains[0] == pytest.approx(1 / np.sqrt(0.2))
    assert gains[-1] == pytest.approx(0.4 / np.sqrt(0.5))


def test_drawn_pairs_have_their_correlation() -> None:
    p = NetworkParameters(n_hidden=500, density=0.1, symmetry=0.6)
    assert p.has_sparse_couplings
    J = BinaryNetwork.random(p, seed=2).couplings
    other = J.T.tocsr()
    np.testing.assert_array_equal(J.indices, other.indices)  # in pairs
    assert np.mean(J.data * other.data) * 50 == pytest.approx(0.6, abs=5 * np.sqrt(2 / J.nnz))
    assert np.var(J.data) * 50 == pytest.approx(1, abs=5 * np.sqrt(4 / J.nnz))


def test_what_is_sparse_by_default() -> None:
    for changes, is_sparse in (
        ({}, False), ({"density": 0.1}, True), ({"density": 0.2}, False),
        ({"density": 0.1, "storage": "dense"}, False),
        ({"density": 0.05, "n_modules": 2}, False), ({"storage": "sparse"}, True),
    ):  # fmt: skip
        drawn = BinaryNetwork.random(NetworkParameters(n_hidden=30, **changes))
        assert isinstance(drawn.couplings, csr_array) is is_sparse, changes
        assert isinstance(drawn.input_weights, np.ndarray)


def edit(**changes: Any) -> BinaryNetwork:
    network = BinaryNetwork.random(NetworkParameters(n_hidden=20, density=0.1, n_inputs=6))
    parts = {name: make(network.couplings.copy()) for name, make in changes.items()}
    return replace(network, **parts)


def set_entry(name: str, k: int, value: Any) -> Any:
    def make(couplings: csr_array) -> csr_array:
        getattr(couplings, name)[k] = value
        return couplings

    return make


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (csc_array, TypeError, r"couplings must be a NumPy array or .*csr_array\(couplings\)"),
        (lambda J: J.astype(np.int32), TypeError, "couplings must be float32 or float64"),
        (lambda J: J[:, :19], ValueError, r"couplings must have shape \(H, H\) = \(20, 20\)"),
        (set_entry("data", 2, np.nan), ValueError, r"couplings must be finite, got nan at \["),
        (set_entry("indices", 2, 20), ValueError, "couplings must be a valid csr_array"),
        (lambda J: csr_array(np.eye(20, dtype="f")), ValueError, "no entry on the diagonal"),
        (
            lambda J: csr_array((np.ones(2, "f"), [5, 3], np.r_[0, np.full(20, 2)]), J.shape),
            ValueError,
            r"columns of couplings must ascend .* \.sum_duplicates\(\)",
        ),
    ],
)
def test_wrong_couplings_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        edit(couplings=make)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(TypeError, match="connectivity must be None with sparse couplings"):
        edit(connectivity=lambda J: J.toarray() != 0)
    for changes in ({"storage": "sparse"}, {"storage": "auto", "input_density": 0.5}):
        with pytest.raises(ValueError, match="needs floating point, as integers are stored dense"):
            configure(arithmetic="int8", **changes)
    with pytest.raises(ValueError, match="input_density must be a finite number > 0 and <= 1"):
        NetworkParameters(input_density=0.0)
    with pytest.raises(ValueError, match="storage must be one of"):
        NetworkParameters(storage="csr")
    with pytest.raises(ValueError, match='input_density must be 1 with storage = "dense"'):
        NetworkParameters(input_density=0.5, storage="dense")


@pytest.mark.parametrize("bits", [2, 8])
def test_integers_have_0_where_there_is_no_weight(bits: int) -> None:
    p = NetworkParameters(n_hidden=40, density=0.1, n_inputs=20, input_density=0.3)
    network = BinaryNetwork.random(p)
    integers, _ = quantize(network, bits)
    same, _ = quantize(network.to_dense(), bits)
    for name in ("couplings", "input_weights"):
        there = getattr(network, name).toarray() != 0
        assert not getattr(integers, name)[~there].any()
        np.testing.assert_array_equal(getattr(integers, name), getattr(same, name))
    np.testing.assert_array_equal(integers.connectivity, network.couplings.toarray() != 0)
    with pytest.raises(ValueError, match=r"input weights of one bit, .* are sparse; use 2 bits"):
        quantize(network, bits=1)


def test_a_network_too_large_to_be_dense() -> None:
    n = 2_000_000
    J = csr_array((np.ones(1, "f"), np.array([5]), np.r_[0, np.ones(n, int)]), shape=(n, n))
    ones = np.ones((n, 1), np.float32)
    network = BinaryNetwork(J, ones, ones.T, ones, 0.5)
    with pytest.raises(MemoryError, match=r"couplings of shape \(2000000, 2000000\) as a dense"):
        network.to_dense()


def test_to_dense_says_which_couplings_there_are() -> None:
    network = edit(couplings=set_entry("data", 0, 0.0))
    dense = network.to_dense()
    assert dense.connectivity is not None
    assert dense.connectivity.sum() == network.couplings.nnz
    assert dense.to_dense() is dense
