"""Relaxation of many samples at once: as the reference, on any number of threads and banks."""

from typing import Any

import numpy as np
import pytest

import naive
from binnet._threads import share_out
from binnet_kernels import structs
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.relaxation import orders
from binnet_kernels.relaxation.inference import find_relax, relax_samples
from kernel_cases import (
    SCALES,
    assert_padding_is_zero,
    draw_spins,
    feedback_table,
    make_network,
    to_model,
    to_recurrence,
    to_rows,
)

DYNAMICS: dict[str, dict[str, Any]] = {
    "sync": {},
    "subset": {"probability": 0.3},
    "async": {"asynchronous": True},
}
# One dtype only, as each is compiled for seconds; test_kernels_relax.py has both.
DTYPE = np.float32


def run_kernel(
    net: naive.Network, start: np.ndarray, inputs: np.ndarray, labels: np.ndarray,
    amplitudes: list[float], keys: np.ndarray, *, n_banks: int = 2, threads: int = 1,
    asynchronous: bool = False, probability: float = 1.0, sweeps_per_call: int = 1000,
) -> tuple[structs.Outcome, np.ndarray, np.ndarray]:  # fmt: skip
    n_samples, n_hidden = start.shape
    model = to_model(net, n_banks, DTYPE)
    outcome = structs.make_outcome(n_samples, n_hidden, len(amplitudes), n_banks, DTYPE)
    outcome.state[:, :n_hidden] = start
    external = structs.allocate_rows(n_samples, n_hidden, n_banks, DTYPE)
    readout_fields = np.zeros((n_samples, len(net.W_out)), DTYPE)
    recurrence = to_recurrence(model, SCALES[0])
    input_weights = structs.to_banks(net.W_in.T.astype(DTYPE), n_banks)
    readout, feedback = to_rows(net.W_out, n_banks, DTYPE), feedback_table(net).astype(DTYPE)
    size = -(-n_samples // threads)

    def relax(first: int) -> None:
        """Relax a share of the samples, by a call of their own."""
        share = slice(first, first + size)
        drive = structs.Drive(external[share], feedback, labels[share], np.array(amplitudes, DTYPE))
        order = orders.ASYNC if asynchronous else orders.SYNC
        update = structs.Update(order, probability, 5, True, keys[share])
        ends = structs.Outcome(*(array[share] for array in outcome))
        scratch = structs.make_scratch(len(ends.state), n_hidden, DTYPE)
        for first_sweep in range(0, len(amplitudes), sweeps_per_call):
            until = drive.amplitudes[: first_sweep + sweeps_per_call]
            relax_samples(
                find_relax(recurrence, drive, update, ends, scratch), recurrence.product,
                recurrence, input_weights, inputs[share].astype(DTYPE), readout,
                drive._replace(amplitudes=until), update, ends, scratch, first_sweep,
                readout_fields[share],
            )  # fmt: skip

    share_out(threads, relax, range(0, n_samples, size))
    return outcome, external, readout_fields


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("start_from", ["silence", "partly silent", "spins"])
def test_equals_the_reference(dynamics: str, start_from: str) -> None:
    n_samples, n_hidden = 19, 40  # more than a block of samples
    net = make_network("dyadic", n_hidden, 9, 4, seed=1)
    rng = np.random.default_rng(1)
    inputs, labels = draw_spins(rng, (n_samples, 9)), rng.integers(0, 4, n_samples)
    start = draw_spins(rng, (n_samples, n_hidden))
    start *= {"silence": 0, "spins": 1}.get(start_from, rng.integers(0, 2, start.shape))
    amplitudes, keys = naive.anneal(1, 3, 4), derive_keys(np.uint64(3), 0, n_samples)
    outcome, external, readout_fields = run_kernel(
        net, start, inputs, labels, amplitudes, keys, **DYNAMICS[dynamics]
    )
    expected = [
        naive.relax(
            net, inputs[b].tolist(), int(labels[b]), amplitudes, int(keys[b]),
            start=start[b].tolist(), **DYNAMICS[dynamics],
        )
        for b in range(n_samples)
    ]  # fmt: skip
    assert outcome.state[:, :n_hidden].tolist() == [one.s for one in expected]
    assert outcome.changes.tolist() == [one.changes for one in expected]
    assert outcome.sweeps.tolist() == [one.sweeps for one in expected]
    assert outcome.status.tolist() == [one.status for one in expected]
    assert readout_fields.tolist() == [
        [naive.readout_field(net, c, one.s) for c in range(4)] for one in expected
    ]
    np.testing.assert_array_equal(external[:, :n_hidden], inputs @ net.W_in.T)
    for rows in (outcome.state, outcome.field, external):
        assert_padding_is_zero(rows, n_hidden)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_threads_banks_and_neighbours_change_no_bit(dynamics: str) -> None:
    n_samples, n_hidden = 300, 70  # more than share a pass over the weights
    net = make_network("gaussian", n_hidden, 9, 4, seed=2)
    rng = np.random.default_rng(2)
    inputs, labels = draw_spins(rng, (n_samples, 9)), rng.integers(0, 4, n_samples)
    start, keys = np.zeros((n_samples, n_hidden)), derive_keys(np.uint64(3), 0, n_samples)
    few = 33  # samples to compare
    results = set()
    for threads in (1, 2):
        for n_banks in (1, 2, 3):
            for n in (few, n_samples):
                outcome, external, readout_fields = run_kernel(
                    net, start[:n], inputs[:n], labels[:n], naive.anneal(1, 3, 4), keys[:n],
                    n_banks=n_banks, threads=threads, sweeps_per_call=1000 // n_banks**6,
                    **DYNAMICS[dynamics],
                )  # fmt: skip
                rows = (outcome.state, outcome.field, external)
                results.add(
                    (
                        *(array[:few, :n_hidden].tobytes() for array in rows),
                        *(array[:few].tobytes() for array in (readout_fields, *outcome[2:])),
                    )
                )
    assert len(results) == 1


@pytest.mark.parametrize("importance", [0.0, 0.3])
def test_silent_samples_wake_alike_beside_others(importance: float) -> None:
    """Where all samples of a pass are silent, their first sweep has a kernel of its own."""
    n_samples, n_hidden = 40, 70
    net = make_network("gaussian", n_hidden, 9, 4, seed=3)
    rng = np.random.default_rng(3)
    inputs, labels = draw_spins(rng, (n_samples, 9)), rng.integers(0, 4, n_samples)
    keys, amplitudes = derive_keys(np.uint64(3), 0, n_samples), [importance] * 5
    results = []
    for spin in (0, 1):
        start = np.zeros((n_samples, n_hidden))
        start[-1, 3] = spin
        outcome, external, readout_fields = run_kernel(net, start, inputs, labels, amplitudes, keys)
        results.append([array[:-1].tobytes() for array in (*outcome, external, readout_fields)])
    assert results[0] == results[1]
