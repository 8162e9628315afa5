"""The block-sequential order under an input and in training (free: test_dynamics_free.py)."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import naive
from binnet import BinaryNetwork, NetworkParameters, preset, relax, train
from binnet.networks.quantisation import quantize
from binnet_kernels import structs
from binnet_kernels.lowlevel.calls import invoke
from binnet_kernels.lowlevel.rng import derive_keys
from binnet_kernels.relaxation import orders
from kernel_cases import (
    SCALES,
    draw_spins,
    make_modules,
    make_network,
    to_model,
    to_recurrence,
    to_rows,
)

SCHEDULES = {
    "step": naive.anneal(1, 5, 5),
    "linear": naive.anneal(1, 4, 8, "linear"),
    "there and back": [1, 1, 1, 1, 0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0, 0],
    "no feedback": [0.0] * 12,
}
NETWORKS = {
    "one module": lambda: make_network("dyadic", 40, 9, 4, seed=1, self_coupling=0.0),
    "modules": lambda: make_modules("dyadic", (13, 9, 11), 5, 3, seed=2),
}


@pytest.mark.parametrize("n_blocks", [1, 3, 40, 1000])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_the_reference(network: str, schedule: str, n_blocks: int) -> None:
    """Sums are exact: states, changes, sweeps and status agree for every sample."""
    net, amplitudes, n_samples = NETWORKS[network](), SCHEDULES[schedule], 12
    rng = np.random.default_rng(3)
    inputs = draw_spins(rng, (n_samples, net.W_in.shape[1]))
    labels = rng.integers(0, len(net.W_out), n_samples)
    n_hidden, dtype = len(net.J), np.float64
    model = to_model(net, 2, dtype)
    for stop_at_cycle in (True, False):
        outcome = structs.make_outcome(n_samples, n_hidden, len(amplitudes), 2, dtype)
        invoke(
            orders.DRIVEN_SWEEPS[orders.BLOCK_SEQUENTIAL],
            to_recurrence(model, SCALES[0]),
            structs.Drive(
                to_rows(inputs @ net.W_in.T, 2, dtype), model.feedback, labels,
                np.array(amplitudes, dtype),
            ),
            structs.Update(
                orders.BLOCK_SEQUENTIAL, 1.0, 5, stop_at_cycle,
                derive_keys(np.uint64(1), 0, n_samples), n_blocks,
            ),
            outcome,
            structs.make_scratch(n_samples, n_hidden, dtype),
            0, 0, n_samples,
        )  # fmt: skip
        for b in range(n_samples):
            one = naive.relax(
                net, inputs[b].tolist(), int(labels[b]), amplitudes, 0, n_blocks=n_blocks,
                stop_at_cycle=stop_at_cycle,
            )  # fmt: skip
            assert outcome.state[b, :n_hidden].tolist() == one.s
            assert outcome.changes[b].tolist() == one.changes
            assert (outcome.sweeps[b], outcome.status[b]) == (one.sweeps, one.status)


def test_some_end_in_cycles() -> None:
    """As under sync: without a self-coupling, in few blocks; never with one neuron at a time."""
    p = NetworkParameters(n_hidden=60, n_inputs=10, self_coupling=0.0, input_strength=0.1)
    network = BinaryNetwork.random(p, seed=2, dtype=np.float64)
    network = dataclasses.replace(network, couplings=network.couplings + network.couplings.T)
    X = draw_spins(np.random.default_rng(1), (40, 10))
    status = {
        n: relax(network, X, max_sweeps=300, update_order=f"block-sequential:{n}").status
        for n in (1, 60)
    }
    assert (status[1] == 2).any()
    assert (status[60] == 1).all()


@pytest.mark.parametrize("J_D", [0.0, 0.5])
def test_one_block_is_sync(J_D: float) -> None:
    """In integers, to the last bit of every result."""
    p = NetworkParameters(n_hidden=50, n_inputs=20, self_coupling=J_D)
    network, _ = quantize(BinaryNetwork.random(p, seed=1), 8)
    rng = np.random.default_rng(0)
    X, y = draw_spins(rng, (30, 20)), rng.integers(0, p.n_outputs, 30)
    for labels in (None, y):
        one = relax(network, X, labels, update_order="block-sequential:1", threads=1)
        sync = relax(network, X, labels, update_order="sync", threads=1)
        for name in ("states", "stabilities", "readout_fields", "sweeps", "changes", "status"):
            assert np.array_equal(getattr(one, name), getattr(sync, name)), name


@pytest.mark.parametrize("threads", [1, 2])
def test_training_with_one_block_is_training_in_sync(threads: int) -> None:
    rng = np.random.default_rng(2)
    X, y = draw_spins(rng, (90, 20)), rng.integers(0, 10, 90)

    def learn(order: str, **changes: Any) -> Any:
        configuration = preset().replace(
            n_hidden=40, n_inputs=20, epochs=2, update_order=order, **changes
        )
        return train(X, y, configuration, threads=threads, progress=False).network

    one, sync = (learn(o, arithmetic="int8") for o in ("block-sequential:1", "sync"))
    assert np.array_equal(one.couplings, sync.couplings)
    assert np.array_equal(one.readout, sync.readout)
    two = learn("block-sequential:2", arithmetic="int8")
    assert not np.array_equal(two.couplings, sync.couplings)
    floats = learn("block-sequential:4")
    assert np.array_equal(floats.couplings, learn("block-sequential:4").couplings)
