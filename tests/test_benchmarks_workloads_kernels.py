"""Workloads of the kernels: small sizes through the same functions, against sums in plain integers.

Data are drawn again by the functions that workloads draw them with; what is made of them is worked
out here by NumPy's 64-bit integers or in plain loops.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import naive
import naive_free
import naive_implicit
import naive_integer
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Task, Work, Workload
from binnet.benchmarks.workloads import (
    _drawing,
    all_workloads,
    fields,
    implicit,
    plasticity,
    relaxation,
    sweeps,
)
from binnet.dynamics import relax, stream_key
from binnet.networks import ImplicitNetwork
from binnet_kernels.integer.fields import pack_spins

Array = np.ndarray[Any, Any]
Prepare = Callable[[int], Task]

MODULES = (relaxation, sweeps, plasticity, fields, implicit)
OURS = [workload for module in MODULES for workload in module.WORKLOADS]


def check(prepare: Prepare, expected: tuple[Array, ...]) -> Task:
    """On one thread and two, and however often: the answer is what is expected, no matter when."""
    answer = make_answer(*expected)
    for threads in (2, 1):
        task = prepare(threads)
        for _ in range(2):
            assert task.answer() == answer
            task.call()
        task.call()
        assert task.answer() == answer
    return task


# ---- data


def test_bytes_are_counter_based() -> None:
    key = naive.derive_key(_drawing.SEED, 3)
    words = [naive.derive_key(key, k).to_bytes(8, "little") for k in range(3)]
    assert _drawing.draw_bytes(20, 3).tobytes() == b"".join(words)[:20]
    assert _drawing.draw_bytes(20, 4).tobytes() != b"".join(words)[:20]
    numbers = _drawing.draw_integers((2, 5), np.int16, 3)
    assert numbers.tolist() == np.frombuffer(b"".join(words)[:20], "<i2").reshape(2, 5).tolist()
    spins = _drawing.draw_spins((100, 100), 3)
    assert set(spins.ravel().tolist()) == {-1, 1}
    assert abs(spins.mean()) < 0.05  # five standard deviations


# ---- relaxation


@pytest.mark.parametrize("update_order", ["sync", "async"])
def test_relaxation(update_order: str) -> None:
    n, n_replicas = 48, 5
    network = relaxation.draw_network(n)
    J, own = network.couplings.astype(int), int(network.self_coupling / network.scale)
    assert abs(J.std() * np.sqrt(n) / own - 1) < 0.05  # J_D = 1
    start = _drawing.draw_spins((n_replicas, n), 1)
    net = naive_free.FreeNetwork(J.tolist(), own, [0] * n)
    found = [
        naive_free.relax_free(
            net, start[r].tolist(), update_order, 60,
            naive.derive_key(int(stream_key(_drawing.SEED, 0)), r),
        )
        for r in range(n_replicas)
    ]  # fmt: skip
    assert all(one.status == naive_free.FIXED_POINT for one in found)
    flips = np.array([one.flips for one in found])[:, : max(one.sweeps for one in found)]
    task = check(
        lambda threads: relaxation._prepare(update_order, n, n_replicas, threads),
        (np.array([one.s for one in found]), flips),
    )
    assert task.work.amount == flips.sum() > 0
    columns = relaxation.count_columns(flips, n, update_order)
    assert task.work.n_bytes == 2 * n * columns
    # A flip takes a column; none are shared but by replicas that flip the same neuron in a sweep.
    assert n < columns <= n + flips.sum()
    assert (columns == n + flips.sum()) == (update_order == "async")


def test_columns_that_replicas_share() -> None:
    """Of neurons drawn at random, so many are different ones."""
    n, rng = 200, np.random.default_rng(0)
    flips = np.array([[60], [20], [0]])
    found = [
        len(set(np.concatenate([rng.permutation(n)[:f] for f in flips[:, 0]]))) for _ in range(400)
    ]
    expected = relaxation.count_columns(flips, n, "sync") - n
    assert abs(np.mean(found) - expected) < 5 * np.std(found) / 20
    assert relaxation.count_columns(flips, n, "async") == n + 80
    # 17 replicas are two blocks, each of which goes through all couplings first.
    assert relaxation.count_columns(np.zeros((17, 1), int), n, "sync") == 2 * n


@pytest.mark.parametrize("n_neurons", [96, 600])
@pytest.mark.parametrize("update_order", ["sync", "async"])
def test_all_replicas_converge(n_neurons: int, update_order: str) -> None:
    start = _drawing.draw_spins((64, n_neurons), 1)
    network = relaxation.draw_network(n_neurons)
    assert relax(network, update_order=update_order, initial_states=start).converged.all()


# ---- sweeps


def unpack_couplings(bits: int, n: int) -> Array:
    """Return the couplings (N, N) from j to i at [i, j] that `draw_packed` laid out."""
    words = sweeps.draw_packed(bits, n).words
    J, per_word = np.zeros((n, n), int), 32 // bits
    for i in range(n):
        for j in range(n):
            word = int(words[i // 64, 0, j // per_word, i % 64]) >> (j % per_word * bits)
            number = word & (2**bits - 1)
            J[i, j] = 2 * number - 1 if bits == 1 else number - 256 * (number > 127)
    return J


def sweep_plainly(J: Array, own: int, external: Array, states: Array, n_sweeps: int) -> Array:
    """Return states (..., N) after some sweeps of all neurons at once."""
    for _ in range(n_sweeps):
        h = states @ J.T + own * states + external
        states = np.where(h >= 0, 1, -1)
    return states


@pytest.mark.parametrize(("n_groups", "n_samples", "n_sweeps"), [(3, 2, 3), (1, 5, 2), (1, 1, 1)])
@pytest.mark.parametrize("bits", [1, 8, 16])
def test_sweeps(bits: int, n_groups: int, n_samples: int, n_sweeps: int) -> None:
    n = 192
    own, external = sweeps.find_self_coupling(bits, n), sweeps.draw_external(bits, n)
    start = _drawing.draw_spins((n_groups, n_samples, n), 1)
    if bits == 16:
        J = _drawing.draw_integers((n, n), np.int16, 0).T.astype(int)
        np.fill_diagonal(J, 0)
    else:
        J = unpack_couplings(bits, n)
        assert (np.diagonal(J) == (-1 if bits == 1 else 0)).all()
        own += bits == 1
    assert own > 0
    assert external.std() > 0
    assert len(np.unique(J)) > (1 if bits == 1 else 200)
    states = sweep_plainly(J, own, external, start.astype(int), n_sweeps)
    assert 0.1 < (states != start).mean() < 0.9
    prepare = sweeps._prepare_int16 if bits == 16 else None
    task = check(
        lambda threads: (
            prepare(n, n_samples, n_groups, n_sweeps, threads)
            if prepare is not None
            else sweeps._prepare_packed(bits, n, n_samples, n_groups, n_sweeps, threads)
        ),
        (states if bits == 16 else np.stack([pack_spins(group) for group in states]),),
    )
    assert task.work.amount == n_groups * n_samples * n_sweeps * J.size
    assert task.work.n_bytes == n_groups * n_sweeps * J.size * bits / 8
    assert task.work.operations == (0 if bits == 16 else 2 * task.work.amount)


# ---- plasticity


@pytest.mark.parametrize(("n_networks", "n_times"), [(1, 1), (1, 3), (3, 3)])
@pytest.mark.parametrize("kind", ["whole", "per-event", "float32"])
def test_plasticity(kind: str, n_networks: int, n_times: int) -> None:
    n = 130
    events = plasticity.draw_events(n)
    dtype = "float32" if kind == "float32" else "int8"
    weights = plasticity.draw_weights(n_networks, n, dtype)
    if kind == "float32":
        change = 4 * (events.spins.T.astype(int) @ events.unstable)
        expected = weights.astype(float) / plasticity._UNIT + change
        assert np.array_equal(expected, np.rint(expected))
        assert np.abs(expected).max() < 2**12  # far from the 2**24 units that float32 holds
    else:
        k = 0 if kind == "whole" else 3
        levels = naive_integer.Levels(-128, 127, 1, k, "per-event", False)
        # Only the changes: these do not depend on the weights, as none saturates.
        zeros = np.zeros((n, n), int).tolist()
        found, n_changed, n_saturated = naive_integer.update_block(
            zeros, levels, _drawing.SEED, events.unstable, events.spins, [1] * n, True
        )
        assert n_changed > 0 == n_saturated
        change = np.array(found).T
        expected = weights.astype(int) + change
        assert np.abs(weights).max() + 16 < 127
    assert change.any()
    task = check(
        lambda threads: plasticity._prepare(kind, n, n_networks, n_times, threads),
        (expected.sum(axis=1).astype(int), expected.sum(axis=2).astype(int)),
    )
    learning = (events.unstable != 0).any(axis=0).sum()
    assert n / 4 < learning < n
    assert task.work.amount == n_networks * n_times * n * learning
    assert task.work.n_bytes == n_networks * n_times * 2 * weights[0].nbytes


def test_events_are_those_of_a_twentieth() -> None:
    events = plasticity.draw_events(2000)
    assert abs((events.unstable != 0).mean() - 0.05) < 0.007
    assert ((events.unstable == 0) | (events.unstable == events.spins)).all()


@pytest.mark.parametrize("workload", plasticity.WORKLOADS, ids=lambda w: str(w.name))
def test_a_call_does_not_take_back_what_it_added(workload: Workload) -> None:
    assert workload.sizes["n_times"] % 2 == 1


# ---- fields


@pytest.mark.parametrize(("n_groups", "n_times"), [(3, 2), (1, 1)])
def test_fields(n_groups: int, n_times: int) -> None:
    n, n_samples = 70, 16
    integers = fields.draw_weights(n).astype(float) * 128
    assert np.array_equal(integers, np.rint(integers))
    states = _drawing.draw_spins((n_groups, n_samples, n), 1).astype(int)
    task = check(
        lambda threads: fields._prepare(n, n_groups, n_times, threads),
        (states @ integers.astype(int),),
    )
    assert task.work.amount == n_groups * n_times * n_samples * n
    assert task.work.n_bytes == n_groups * n_times * 4 * n * n
    assert task.work.operations == n_groups * n_times * 2 * n_samples * n * n


@pytest.mark.parametrize("workload", fields.WORKLOADS, ids=lambda w: str(w.name))
def test_fields_are_exact(workload: Workload) -> None:
    """A sum of all weights, at most 128 units each, is within float32's 2**24."""
    assert 128 * workload.sizes["n_neurons"] <= 2**24


# ---- implicit couplings


@pytest.mark.parametrize("distribution", ["sign", "gaussian"])
def test_implicit(distribution: str) -> None:
    n, n_columns = 70, 9
    network = ImplicitNetwork(n, distribution=distribution, seed=_drawing.SEED)
    state = _drawing.draw_spins((n,), 1).astype(int)
    couplings = np.array(
        [
            [
                naive_implicit.sign_sum(int(network.key), n, network.n_signs, i, j)
                for j in range(n_columns)
            ]
            for i in range(n)
        ]
    )
    task = check(
        lambda threads: implicit._prepare(distribution, n, n_columns, threads),
        (couplings @ state[:n_columns],),
    )
    assert task.work == Work(couplings.size)


def test_implicit_on_two_threads() -> None:
    """More than a tile of neurons, which threads share."""
    answers = {
        implicit._prepare("sign", 70_000, 40, threads).answer().checksum for threads in (1, 2)
    }
    assert len(answers) == 1


# ---- the list


BYTES = {
    "relax": 2, "sweep-1bit": 1 / 8, "sweep-int8": 1, "sweep-int16": 2, "plasticity-int8": 1,
    "plasticity-rounded": 1, "plasticity-float32": 4, "fields": 4,
}  # fmt: skip


def find_working_set(workload: Workload) -> float:
    """Return the bytes that are in use at a time: weights, and what there is for each sample."""
    n = workload.sizes["n_neurons"]
    (size,) = {size for start, size in BYTES.items() if workload.name.startswith(start)}
    # Of 16 samples or replicas at a time: states of 2 bytes or, where they are floats, 4; fields of
    # 4; and in sweeps external fields of 4. Events of plasticity are bits.
    each = {"relaxation": 6, "sweeps": 10, "plasticity": 1, "fields": 8}[workload.suite]
    return size * n * n + each * n * min(16, workload.sizes.get("n_samples", 16))


@pytest.mark.parametrize("workload", OURS, ids=lambda w: str(w.name))
def test_data_lie_where_they_are_said_to(workload: Workload) -> None:
    if workload.suite == "implicit":
        fields_bytes = 4 * workload.sizes["n_neurons"]
        assert (workload.level, 2**15 < fields_bytes < 2**20) == ("L2", True)
        return
    least, most = {
        "L1": (0, 2**15), "L2": (2**18, 2**20), "L3": (2**23, 2**24), "memory": (2**27, 2**30)
    }[workload.level]  # fmt: skip
    assert least <= find_working_set(workload) <= most
    assert workload.name.endswith(f"-{workload.level.lower()}")


def test_all_are_listed() -> None:
    known = all_workloads()
    assert [w.name for w in OURS] == [name for name in known if known[name] in OURS]
    assert len({w.name for w in OURS}) == len(OURS)
    assert all(w.is_exact and w.sizes for w in OURS)
    for suite in {w.suite for w in OURS}:
        assert any(w.is_quick for w in OURS if w.suite == suite)


@pytest.mark.parametrize(
    "workload", [w for w in OURS if w.level == "L1"], ids=lambda w: str(w.name)
)
def test_the_smallest_as_they_are(workload: Workload) -> None:
    """The same answer on two threads; those of all sizes are compared when the benchmark runs."""
    one, two = (workload.prepare(threads).answer() for threads in (1, 2))
    assert one == two
