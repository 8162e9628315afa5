"""SnAp-n: it is its definition in loops, e-prop at n = 1, and RTRL where nothing is struck out.

And couplings that do not exist have no gradient, in every rule, and stay 0 in training.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import naive_snap as naive
from binnet import _memory
from binnet.rate import (
    RULES,
    RateConfiguration,
    RateRNN,
    RateTrainingResult,
    gradient,
    load_result,
    resume,
    tasks,
    train,
    trainer,
)
from binnet.rate._trajectories import Workspace
from binnet_kernels.rate import snap

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's

CASES = [(f, loss) for f in ("relu", "tanh") for loss in ("squared", "cross_entropy")]
N_IN, N_OUT, B, T = 2, 3, 5, 12
HIDDEN = ("recurrent", "input_weights")
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


def close(ours: Any, reference: Any, relative: float) -> None:
    """The largest difference is small beside the largest entry."""
    assert np.abs(ours - reference).max() <= relative * np.abs(reference).max()


def same_gradient(one: Any, other: Any, relative: float = 1e-11) -> None:
    for name in HIDDEN:
        close(one.grads[name], other.grads[name], relative)


def chain(n: int) -> Any:
    return np.eye(n, k=-1, dtype=bool)  # 0 -> 1 -> ... -> n - 1


def ring(n: int) -> Any:
    return np.roll(np.eye(n, dtype=bool), 1, axis=0)


def sparse(n: int, density: float, seed: int) -> Any:
    return np.random.default_rng(seed).random((n, n)) < density


def find_diameter(connections: Any) -> int:
    """The longest of the shortest ways between two neurons of which one reaches the other."""
    there = np.eye(len(connections), dtype=bool)
    for length in range(len(connections)):
        further = there | (connections.astype(int) @ there > 0)
        if np.array_equal(further, there):
            return length
        there = further
    raise AssertionError("a way without repeats is shorter than this")


def make(
    connections: Any, activation: str = "tanh", loss: str = "squared", dtype: str = "float64"
) -> tuple[RateRNN, dict[str, Any]]:
    """A network whose couplings are of order 1, each of them, and a batch of trials."""
    rng, n = np.random.default_rng(7), len(connections)
    weights = rng.uniform(0.3, 0.6, (n, n)) * rng.choice([-1, 1], (n, n), p=[0.3, 0.7])
    network = RateRNN(
        (weights * connections).astype(dtype),
        rng.standard_normal((n, N_IN)).astype(dtype),
        rng.standard_normal((N_OUT, n)).astype(dtype),
        0.6,
        activation,
        connections,
    )
    targets = rng.standard_normal((B, T, N_OUT))
    return network, {
        "inputs": rng.standard_normal((B, T, N_IN)),
        "targets": targets if loss == "squared" else targets.argmax(axis=2),
        "mask": rng.integers(0, 3, (B, T)).astype(float),
        "loss": loss,
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_samples", [3, 16, 19])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_kernel_equals_the_plain_loop(number: int, n_samples: int, dtype: str) -> None:
    """Silent neurons, unconnected neurons, more columns than fit in a block, and lanes to spare."""
    n, n_in, n_steps, leak = 11, 2, 4, 0.3
    rng = np.random.default_rng(number)
    connections = rng.random((n, n)) < 0.25
    connections[4] = rng.random(n) < 0.9
    connections[5], connections[:, 6] = False, False
    w = (connections * rng.standard_normal((n, n))).astype(dtype)
    slopes = rng.random((n_samples, n_steps, n)) * (rng.random((n_samples, n_steps, n)) < 0.5)
    slopes[:, 2:, :5] = 0
    signals = rng.standard_normal(slopes.shape) * (rng.random((1, n_steps, 1)) < 0.7)
    activity = rng.standard_normal((n_samples, n_steps, n + n_in))
    slopes, signals, activity = (a.astype(dtype) for a in (slopes, signals, activity))

    reach, scratch = np.empty((n, n), np.bool_), np.empty(n, np.int64)
    senders, targets = np.nonzero(connections.T)
    snap.find_reach(np.searchsorted(senders, np.arange(n + 1)), targets, number - 1, reach, scratch)
    assert [set(np.flatnonzero(r)) for r in reach] == naive.find_reach(connections, number - 1)

    n_chunks = -(-n_samples // snap.LANES)
    lanes = []
    for array in (slopes, activity, signals):
        padded = np.zeros((n_chunks * snap.LANES, *array.shape[1:]), dtype)
        padded[:n_samples] = array
        cut = padded.reshape(n_chunks, snap.LANES, *array.shape[1:])
        lanes.append(np.ascontiguousarray(cut.transpose(0, 2, 3, 1)))
    receivers, sources = np.nonzero(connections)
    starts = np.searchsorted(receivers, np.arange(n + 1))
    couplings = w.dtype.type(1 - leak) * w[connections][:, None]
    grads = np.full((n, n + n_in), np.nan, dtype)  # what it and scratch hold must not matter
    blocks = np.full((2, n + 1, snap.COLUMNS * snap.LANES), np.nan, dtype)
    lists = np.full((8, max(len(sources), n + 1)), -1)
    for first, stop in ((0, 5), (5, n)):
        snap.advance_blocks(
            reach, starts, sources, couplings, *lanes, w.dtype.type(leak), first,
            stop, grads, blocks, lists,
        )  # fmt: skip
    expected = sum(
        naive.snap(w.astype(float), connections, number, *parts, leak)
        for parts in zip(slopes.astype(float), activity.astype(float), signals.astype(float),
                         strict=True)
    )  # fmt: skip
    assert grads.dtype == dtype
    close(grads, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("activation", "loss"), CASES)
@pytest.mark.parametrize("number", [1, 2, 4])
def test_gradient_equals_the_plain_loop(
    number: int, activation: str, loss: str, dtype: str
) -> None:
    network, trials = make(sparse(9, 0.2, 3), activation, loss, dtype)
    feedback = np.random.default_rng(6).standard_normal(network.readout.shape).astype(dtype)
    for matrix in (None, feedback):
        ours = gradient(network, **trials, rule=f"snap-{number}", feedback=matrix)
        states = network.run(trials["inputs"])
        rates, outputs = states.rates.astype(float), states.outputs.astype(float)
        slopes = 1 - rates**2 if activation == "tanh" else (rates > 0).astype(float)
        error = find_error(outputs, trials)
        carried = (network.readout if matrix is None else matrix).astype(float)
        signals = slopes[:, 1:] * (error @ carried)
        expected = sum(
            naive.snap(
                network.recurrent.astype(float),
                network.connections,
                number,
                slopes[b, :-1],
                np.hstack([rates[b, :-1], trials["inputs"][b]]),
                signals[b],
                network.leak,
            )
            for b in range(B)
        )
        assert ours.grads["recurrent"].dtype == dtype
        close(ours.grads["recurrent"], expected[:, :9], TOLERANCE[dtype])
        close(ours.grads["input_weights"], expected[:, 9:], TOLERANCE[dtype])


def find_error(outputs: Any, trials: dict[str, Any]) -> Any:
    """dloss/dy, by eq. (3.1)."""
    mask = trials["mask"][..., None]
    if trials["loss"] == "squared":
        return mask * (outputs - trials["targets"]) / (mask.sum() * N_OUT)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=2, keepdims=True)
    return mask * (shares - np.eye(N_OUT)[trials["targets"]]) / mask.sum()


@pytest.mark.parametrize(("activation", "loss"), CASES)
@pytest.mark.parametrize("connections", [None, sparse(14, 0.3, 1), sparse(40, 0.8, 2)])
def test_snap_1_is_eprop_with_self_term(connections: Any, activation: str, loss: str) -> None:
    network, trials = make(sparse(14, 1.1, 1) if connections is None else connections,
                           activation, loss)  # fmt: skip
    if connections is None:
        network = replace(network, connections=None)
    one, other = (gradient(network, **trials, rule=r) for r in ("snap-1", "eprop-self"))
    same_gradient(one, other)
    assert np.abs(one.grads["recurrent"]).max() > 1e-4


@pytest.mark.parametrize(
    "connections",
    [chain(5), ring(6), sparse(16, 0.1, 0), sparse(16, 0.2, 1), sparse(24, 0.1, 2)],
    ids=["chain", "ring", "random 0", "random 1", "random 2"],
)
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_it_is_exact_from_the_diameter_plus_1_on_and_not_before(
    connections: Any, activation: str, loss: str
) -> None:
    network, trials = make(connections, activation, loss)
    if activation == "relu":  # all active: the longest way carries something
        network = replace(network, recurrent=np.abs(network.recurrent) / 4)
        network = replace(network, input_weights=np.abs(network.input_weights))
        trials["inputs"] = np.abs(trials["inputs"])
    exact = gradient(network, **trials, rule="rtrl")
    same_gradient(gradient(network, **trials, rule="bptt"), exact)
    enough = find_diameter(connections) + 1
    assert enough >= 4
    for number in (enough, enough + 1, 10**9):
        same_gradient(gradient(network, **trials, rule=f"snap-{number}"), exact)
    # One less: the difference is far above rounding, if small, as it came the longest way.
    less = gradient(network, **trials, rule=f"snap-{enough - 1}")
    difference = np.abs(less.grads["input_weights"] - exact.grads["input_weights"]).max()
    assert difference > 1e-9 * np.abs(exact.grads["input_weights"]).max()
    # And the more are kept, the closer it comes.
    distances = [
        np.linalg.norm(gradient(network, **trials, rule=f"snap-{number}").grads["recurrent"]
                       - exact.grads["recurrent"])
        for number in (1, enough - 1, enough)
    ]  # fmt: skip
    assert distances[0] > distances[1] >= distances[2]


@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_on_a_network_of_all_couplings_snap_2_is_rtrl(activation: str, loss: str) -> None:
    network, trials = make(np.ones((7, 7), bool), activation, loss)
    exact = gradient(network, **trials, rule="rtrl")
    nearly = network.connections.copy()  # by blocks, as one coupling does not exist
    nearly[2, 3] = False
    without = replace(network, recurrent=network.recurrent * nearly, connections=nearly)
    for one, expected in (
        (network, exact),
        (replace(network, connections=None), exact),
        (without, gradient(without, **trials, rule="rtrl")),
    ):
        same_gradient(gradient(one, **trials, rule="snap-3"), expected)
    same_gradient(gradient(network, **trials, rule="snap-2"), exact)
    feedback = np.random.default_rng(1).standard_normal(network.readout.shape)
    other = gradient(network, **trials, rule="snap-2", feedback=feedback)
    assert not np.allclose(other.grads["recurrent"], exact.grads["recurrent"])


def test_without_couplings_it_is_exact_for_every_n() -> None:
    network, trials = make(np.zeros((5, 5), bool))
    exact = gradient(network, **trials)
    for rule in ("snap-1", "snap-2"):
        ours = gradient(network, **trials, rule=rule)
        close(ours.grads["input_weights"], exact.grads["input_weights"], 1e-12)
        assert not ours.grads["recurrent"].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_no_bit(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    network, trials = make(sparse(21, 0.2, 5), dtype=dtype)
    one, two, three = (
        gradient(network, **trials, rule="snap-2", threads=threads) for threads in (1, 2, 3)
    )
    for name in HIDDEN:
        assert np.array_equal(one.grads[name], two.grads[name])
        assert np.array_equal(one.grads[name], three.grads[name])


def test_batches_of_other_sizes_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lanes of a batch that the next one does not fill are cleared."""
    from binnet.rate import rules

    network, trials = make(sparse(11, 0.3, 5))
    fewer = {k: v[:2] if k != "loss" else v for k, v in trials.items()}
    alone = gradient(network, **fewer, rule="snap-2")
    shared = Workspace()
    monkeypatch.setattr(rules, "Workspace", lambda: shared)
    gradient(network, **trials, rule="snap-2")
    after = gradient(network, **fewer, rule="snap-2")
    for name in HIDDEN:
        assert np.array_equal(alone.grads[name], after.grads[name])


@pytest.mark.parametrize("rule", ["bptt", "rtrl", "snap-9"])
@pytest.mark.parametrize(("activation", "loss"), CASES)
def test_exact_rules_equal_central_differences_over_couplings_that_exist(
    activation: str, loss: str, rule: str
) -> None:
    network, trials = make(sparse(7, 0.4, 2), activation, loss)
    assert network.connections is not None
    grads, step = gradient(network, **trials, rule=rule).grads["recurrent"], 1e-6
    differences = np.zeros_like(grads)
    for index in np.argwhere(network.connections):
        sides = []
        for sign in (1, -1):
            weights = network.recurrent.copy()
            weights[tuple(index)] += sign * step
            sides.append(gradient(replace(network, recurrent=weights), **trials).loss)
        differences[tuple(index)] = (sides[0] - sides[1]) / (2 * step)
    close(grads, differences, 1e-6)
    assert not grads[~network.connections].any()


@pytest.mark.parametrize("rule", RULES)
def test_couplings_that_do_not_exist_have_no_gradient(rule: str) -> None:
    network, trials = make(sparse(12, 0.3, 4))
    assert network.connections is not None
    grads = gradient(network, **trials, rule=rule).grads["recurrent"]
    assert np.array_equal(grads[~network.connections], np.zeros((~network.connections).sum()))
    assert (grads[network.connections] != 0).all()
    # Where all exist they have one: it is the mask that says so.
    dense = gradient(replace(network, connections=None), **trials, rule=rule).grads["recurrent"]
    assert (dense[~network.connections] != 0).any()


SMALL = RateConfiguration(rule="snap-2", n_hidden=16, iterations=40, batch_size=8, seed=3)


def start_sparse(c: RateConfiguration, density: float = 0.3) -> RateRNN:
    network = RateRNN.initialise(1, 2, c.n_hidden, gain=1.0, dtype=c.dtype, seed=2)
    connections = sparse(c.n_hidden, density, 9)
    return replace(
        network,
        recurrent=np.where(connections, network.recurrent, 0) / np.float32(np.sqrt(density)),
        connections=connections,
    )


def same(one: RateTrainingResult, other: RateTrainingResult) -> bool:
    pairs = zip(one.network.weights().values(), other.network.weights().values(), strict=True)
    return np.array_equal(one.losses, other.losses) and all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("rule", ["bptt", "eprop", "snap-1", "snap-2", "snap-3"])
def test_training_keeps_couplings_that_do_not_exist_at_0(rule: str, optimiser: str) -> None:
    c = replace(SMALL, rule=rule, optimiser=optimiser, learning_rate=3e-3, activation="tanh")
    network = replace(start_sparse(c), activation="tanh")  # where no neuron is silent
    after = train(c, network=network).network
    assert network.connections is not None
    assert after.connections is not None
    assert np.array_equal(after.connections, network.connections)
    assert np.array_equal(after.recurrent != 0, network.connections)
    assert (after.recurrent != network.recurrent)[network.connections].all()


@pytest.mark.parametrize("rule", ["snap-1", "snap-2"])
@pytest.mark.parametrize("task", tasks.TASKS)
def test_it_lowers_the_loss_of_every_task(task: str, rule: str) -> None:
    trials = tasks.get(task)(1, 0)
    c = replace(SMALL, task=task, rule=rule, learning_rate=3e-3, iterations=60)
    network = replace(
        start_sparse(c),
        input_weights=RateRNN.initialise(trials.n_inputs, 1, c.n_hidden).input_weights,
        readout=RateRNN.initialise(1, trials.n_outputs, c.n_hidden).readout,
    )
    losses = train(c, network=network).losses
    assert losses[-10:].mean() < 0.9 * losses[:3].mean()


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_resumed_run_of_a_sparse_network_is_one_that_was_never_stopped(
    tmp_path: Path, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "_ITERATIONS_PER_CHECKPOINT", 7)
    c, path = replace(SMALL, optimiser=optimiser), tmp_path / "run.safetensors"
    network = start_sparse(c)
    whole = train(c, network=network)
    train(replace(c, iterations=15), network=network, checkpoint=path)
    kept = load_result(path).network
    assert kept.connections is not None
    assert kept.connections.dtype == np.bool_
    assert np.array_equal(kept.connections, network.connections)
    again = resume(path, iterations=c.iterations)
    assert same(whole, again)
    assert np.array_equal(again.network.connections, network.connections)


def test_damaged_connections_in_a_checkpoint_are_refused(tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    from binnet._tensors import read_tensors, write_tensors

    path = tmp_path / "run.safetensors"
    c = replace(SMALL, iterations=1)
    train(c, network=start_sparse(c), checkpoint=path)
    with safe_open(path, "np") as file:  # one bit, without the digest
        tensors, metadata = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()  # noqa: SIM118
    flipped = tensors["connections"].copy()
    flipped[0, 0] ^= True
    save_file(tensors | {"connections": flipped}, tmp_path / "bit.safetensors", metadata)
    with pytest.raises(ValueError, match=r"bit.safetensors"):
        load_result(tmp_path / "bit.safetensors")
    # With a digest, but not of this network: too small, numbers, and a coupling that is not 0.
    tensors, info = read_tensors(path, "binnet-rate", "checkpoint")
    configuration = {"configuration": info.table("configuration").values}
    there = tensors["connections"]
    for k, bad in enumerate((there[1:].copy(), there.astype(np.int8), np.zeros_like(there))):
        damaged = tmp_path / f"{k}.safetensors"
        write_tensors(damaged, "binnet-rate", tensors | {"connections": bad}, configuration)
        with pytest.raises(ValueError, match=rf"{k}.safetensors.*connection"):
            load_result(damaged)


def test_an_influence_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = RateRNN.initialise(1, 2, 100)
    trials = tasks.romo(batch_size=2, seed=0)
    arguments = (network, trials.inputs, trials.targets, trials.mask)
    monkeypatch.setattr(_memory, "find_memory", lambda: 3e6)
    for rule in ("snap-2", "rtrl"):
        with pytest.raises(MemoryError, match=r"n_hidden = 100: the influence .* rule 'snap-1'"):
            gradient(*arguments, rule=rule)
    with pytest.raises(MemoryError, match="n_hidden = 100: the influence of all weights, by rule"):
        train(RateConfiguration(rule="rtrl", n_hidden=100))
    gradient(*arguments, rule="snap-1")
    # What is there already takes no more: the second update has it, whatever is left.
    left = iter([5e6])
    monkeypatch.setattr(_memory, "find_memory", lambda: next(left, 1e5))
    work = Workspace()
    for _ in range(2):
        work.take("influence", (1000, 1000), np.float32, ("the influence", "take fewer"))
    with pytest.raises(MemoryError, match="the influence would take"):
        work.take("another", (1000, 1000), np.float32, ("the influence", "take fewer"))
    monkeypatch.setattr(_memory, "find_memory", lambda: 3e6)
    # A sparse network holds the block of one neuron at a time.
    connections = sparse(100, 0.1, 0)
    few = replace(network, recurrent=network.recurrent * connections, connections=connections)
    gradient(few, *arguments[1:], rule="snap-2")
