"""Basins: every start ends where a plain simulation of it ends, under each update order."""

import itertools

import numpy as np
import pytest

import naive_fixed_points as naive
from binnet import RandomNetwork, fixed_points, relax, unpack_states
from binnet.fixed_points import basins as basins_module
from binnet.update_orders import UPDATE_ORDERS

DETERMINISTIC = [order.name for order in UPDATE_ORDERS if order.free and not order.is_random]


@pytest.mark.parametrize("update_order", DETERMINISTIC)
@pytest.mark.parametrize(
    ("n", "self_coupling", "seed"), [(6, 0.3, 1), (7, 0.0, 2), (8, 0.2, 3), (5, 1.0, 4)]
)
def test_deterministic_dynamics_are_followed_to_their_end(
    update_order: str, n: int, self_coupling: float, seed: int
) -> None:
    network = RandomNetwork.draw(n, self_coupling, dtype="int16", seed=seed)
    found = fixed_points.enumerate(network)
    basins = found.basins(update_order)
    J_D = float(network.in_field_units()[0])
    starts = itertools.product([-1, 1], repeat=n)
    ends = [naive.find_end(network.couplings.astype(float), J_D, update_order, s) for s in starts]
    expected = [ends.count(tuple(map(int, state))) for state in found.unpacked()]
    assert basins.sizes.tolist() == expected
    assert basins.n_cycles == ends.count(None)
    assert basins.n_unsettled == 0
    assert basins.fraction == pytest.approx(sum(expected) / 2**n)


def test_a_cycle_of_flips_that_divides_a_sweep_is_no_fixed_point() -> None:
    """Neuron 0 follows neuron 1, which flees it: four flips lead around, and N = 4 are a sweep."""
    J = np.zeros((4, 4), np.int16)
    J[0, 1], J[1, 0] = 1, -1
    network = RandomNetwork(J, 0.0, np.array([0, 0, 1.0, 1.0]))
    found = fixed_points.enumerate(network)
    assert found.count == 0
    for update_order in DETERMINISTIC:
        basins = found.basins(update_order)
        assert (basins.n_cycles, basins.n_unsettled, basins.fraction) == (16, 0, 0.0)


@pytest.mark.parametrize("update_order", ["async", "random-subset"])
def test_random_dynamics_are_those_of_relax(
    update_order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basins_module, "_STARTS", 300)  # several parts, the last one shorter
    n = 10
    network = RandomNetwork.draw(n, 0.5, seed=3)
    found = fixed_points.enumerate(network)
    basins = found.basins(update_order, seed=5, max_sweeps=20, threads=1)
    assert basins.sizes.sum() + basins.n_unsettled == 2**n
    assert basins.n_cycles == 0
    assert (basins.sizes > 0).all()  # a fixed point is in its own basin
    sizes = np.zeros(found.count, int)
    for part in range(4):
        words = np.arange(300 * part, min(300 * (part + 1), 2**n), dtype=np.uint64)
        result = relax(
            network,
            update_order=update_order,
            initial_states=unpack_states(words[:, None], n),
            max_sweeps=20,
            packed=True,
            seed=basins_module._seed_of(5, part),
        )
        for word in result.states[result.converged, 0]:
            sizes[np.flatnonzero(found.states[:, 0] == word)] += 1
    np.testing.assert_array_equal(basins.sizes, sizes)
    again = found.basins(update_order, seed=5, max_sweeps=20, threads=2)
    np.testing.assert_array_equal(again.sizes, basins.sizes)
    other = found.basins(update_order, seed=6, max_sweeps=20)
    assert (other.sizes != basins.sizes).any()


def test_symmetric_couplings_always_settle_asynchronously() -> None:
    found = fixed_points.enumerate(RandomNetwork.draw(12, 0.1, symmetry=1.0, seed=1))
    for update_order in ("async", "async-fixed", "greedy", "reluctant"):
        assert found.basins(update_order).fraction == 1.0
    assert found.basins("sync").n_cycles > 0


def test_bad_requests_are_refused() -> None:
    found = fixed_points.enumerate(RandomNetwork.draw(21, 0.0, seed=1))
    with pytest.raises(ValueError, match=r"n_neurons <= 20, got 21; .*relax random starts"):
        found.basins()
    found = fixed_points.enumerate(RandomNetwork.draw(5, 1.0, seed=1), margin=0.5)
    with pytest.raises(ValueError, match=r"these have margin = 0\.5; enumerate .* without"):
        found.basins()
    found = fixed_points.enumerate(RandomNetwork.draw(5, 1.0, seed=1))
    with pytest.raises(ValueError, match="update_order must be one of sync, async"):
        found.basins("slow")
    with pytest.raises(ValueError, match="max_sweeps must be"):
        found.basins("async", max_sweeps=0)
    with pytest.raises(ValueError, match="update_probability must be"):
        found.basins("random-subset", update_probability=0.0)
