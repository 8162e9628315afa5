"""`relax` for random networks: settling, records, seeds, energy, physics, and what is refused."""

import dataclasses
import json
from collections.abc import Iterable
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import naive
import naive_free
from binnet import FreeRelaxation, ImplicitNetwork, RandomNetwork, energy, pack_states, relax
from binnet._threads import watch_threads
from binnet.dynamics import stream_key
from binnet.update_orders import list_orders
from library_cases import draw_spins

ARRAYS = [
    field.name
    for field in dataclasses.fields(FreeRelaxation)
    if field.name not in ("n_neurons", "provenance")
]
DTYPES = ["int16", "float32", "float64"]
SINGLE_FLIPS = ["async", "async-fixed", "greedy", "reluctant"]
# Float32 fields of some hundred terms of order 0.1, against float64 sums.
ROUND_OFF = {"int16": 1e-12, "float32": 1e-5, "float64": 1e-12}


def assert_same(first: FreeRelaxation, second: FreeRelaxation, rows: slice = slice(None)) -> None:
    for name in ARRAYS:
        one, other = getattr(first, name), getattr(second, name)[rows]
        n_sweeps = one.shape[1] if name in ("flips", "unstable_fraction", "overlap") else None
        assert np.array_equal(one, other[:, :n_sweeps] if n_sweeps else other, equal_nan=True), name


def fields(network: RandomNetwork, states: np.ndarray) -> np.ndarray:
    """h_i in float64, J_D and b_i in the format of the network's fields."""
    J_D, b = (np.float64(value) for value in network.in_field_units())
    return states @ network.to_float().T + network.scale * (J_D * states + b)


@pytest.mark.parametrize("update_order", list_orders("free"))
@pytest.mark.parametrize(
    "dtype", [pytest.param(name, marks=[pytest.mark.long] * (name != "float64")) for name in DTYPES]
)
def test_settles_at_fixed_points_and_keeps_records(dtype: str, update_order: str) -> None:
    network = RandomNetwork.draw(150, 1.2, field_std=0.2, dtype=dtype, seed=4)
    result = relax(network, update_order=update_order, replicas=6, threads=1)
    assert result.converged.all()
    assert (result.cycle_length == 1).all()
    stabilities = result.states * fields(network, result.states)
    np.testing.assert_allclose(result.stabilities, stabilities, rtol=0, atol=ROUND_OFF[dtype])
    assert (result.stabilities > 0).all()
    density, edges = result.stability_histogram(20)
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0)
    n_sweeps = result.flips.shape[1]
    assert n_sweeps == result.sweeps.max()
    if update_order in ("sync", "random-subset"):
        at_start = result.unstable_fraction[:, 0]
        assert (at_start * 150 >= result.flips[:, 0]).all()
    for r, sweeps in enumerate(result.sweeps):
        assert result.unstable_fraction[r, sweeps - 1] == 0
        assert (result.unstable_fraction[r, : sweeps - 1] > 0).all()
        assert not result.flips[r, sweeps - 1 :].any()
        assert (result.overlap[r, sweeps - 1 :] == result.overlap[r, -1]).all()


@pytest.mark.parametrize("update_order", list_orders("free"))
def test_equals_the_reference(update_order: str) -> None:
    """The whole path from the seed on, in the integers of the network."""
    network = RandomNetwork.draw(40, 0.8, field_std=0.3, dtype="int16", seed=5)
    start = draw_spins(3, 40)
    result = relax(
        network, update_order=update_order, initial_states=start, max_sweeps=30,
        update_probability=0.3, seed=9, threads=1,
    )  # fmt: skip
    J_D, b = network.in_field_units()
    net = naive_free.FreeNetwork(network.couplings.tolist(), int(J_D), b.tolist())
    n_sweeps = result.flips.shape[1]
    for r in range(3):
        key = naive.derive_key(int(stream_key(9, 0)), r)
        one = naive_free.relax_free(net, start[r].tolist(), update_order, 30, key, probability=0.3)
        assert result.states[r].tolist() == one.s
        assert result.flips[r].tolist() == one.flips[:n_sweeps]
        assert (result.sweeps[r], result.status[r]) == (one.sweeps, one.status)
        assert result.cycle_length[r] == one.cycle_length
        run = slice(0, one.sweeps)
        assert np.array_equal(result.unstable_fraction[r, run], np.array(one.unstable[run]) / 40)
        assert np.array_equal(result.overlap[r, run], 1 - np.array(one.distance[run]) / 20)
        stabilities = [s * naive_free.field(net, one.s, i) for i, s in enumerate(one.s)]
        assert np.array_equal(result.stabilities[r], np.array(stabilities) * network.scale)


@pytest.mark.parametrize("update_order", list_orders("free"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_replicas_and_parts_change_no_bit(
    dtype: str, update_order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = RandomNetwork.draw(100, 0.4, dtype=dtype, seed=1)
    options: dict[str, Any] = {"update_order": update_order, "max_sweeps": 60, "seed": 3}
    result = relax(network, replicas=35, threads=1, **options)
    assert_same(relax(network, replicas=35, threads=2, **options), result)
    assert_same(relax(network, replicas=7, threads=1, **options), result, slice(7))
    monkeypatch.setattr("binnet.dynamics.free._CHUNK_BYTES", 1)
    seen: list[slice] = []

    def watch(parts: Iterable[slice]) -> Iterable[slice]:
        for part in parts:
            seen.append(part)
            yield part

    assert_same(relax(network, replicas=35, threads=1, progress=watch, **options), result)
    assert [part.start for part in seen] == [0, 16, 32]
    other = relax(network, replicas=35, threads=1, **(options | {"seed": 4}))
    assert (other.states != result.states).any()


@pytest.mark.parametrize("update_order", list_orders("free"))
def test_threads_that_share_a_replica_change_no_bit(
    update_order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    network = RandomNetwork.draw(150, 0.4, dtype="int16", seed=1)
    options: dict[str, Any] = {"update_order": update_order, "max_sweeps": 60, "seed": 3}
    result = relax(network, replicas=2, threads=1, **options)
    monkeypatch.setattr("binnet.dynamics.stored._TEAM_BYTES", 0)
    for threads in (3, 7):
        with watch_threads() as used:
            assert_same(relax(network, replicas=2, threads=threads, **options), result)
        assert max(used) == threads


@pytest.mark.parametrize("couplings", ["stored", "implicit"])
def test_a_bar_says_how_far_a_long_part_has_come(
    couplings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network: Any = ImplicitNetwork(50, 0.0)
    if couplings == "stored":
        network = RandomNetwork.draw(50, 0.0, dtype="int16")
    told: list[str] = []

    class Bar(list[slice]):
        def set_postfix_str(self, text: str, refresh: bool) -> None:
            told.append(text)

    pieces = ((k, k + 1) for k in count())
    monkeypatch.setattr("binnet.dynamics.stored.in_pieces", lambda first: pieces)
    options = {"replicas": 2, "max_sweeps": 30, "update_order": "async"}
    result = relax(network, threads=1, progress=Bar, **options)
    assert "sweep 1, 0 of 2 settled" in told
    assert f"sweep {result.sweeps.max() - 1}, 0 of 2 settled" in told


@pytest.mark.parametrize("J_D", [0.0, 0.6])
def test_blocks_go_from_all_at_once_to_one_at_a_time(J_D: float) -> None:
    """One block is sync, N are async-fixed, to the last record; more than N are as N."""
    network = RandomNetwork.draw(60, J_D, dtype="int16", seed=2)
    options: dict[str, Any] = {"replicas": 9, "max_sweeps": 80, "threads": 1}
    for text, same in (("1", "sync"), ("60", "async-fixed"), ("1000", "async-fixed")):
        found = relax(network, update_order=f"block-sequential:{text}", **options)
        assert_same(relax(network, update_order=same, **options), found)
    found = relax(network, update_order="block-sequential", **options)
    assert_same(relax(network, update_order="block-sequential:2", **options), found)
    assert found.provenance["options"]["update_order"] == "block-sequential:2"


@pytest.mark.parametrize("n_blocks", [1, 3, 7, 40])
def test_blocks_equal_the_reference(n_blocks: int) -> None:
    network = RandomNetwork.draw(40, 0.2, field_std=0.3, dtype="int16", seed=5)
    start, text = draw_spins(4, 40), f"block-sequential:{n_blocks}"
    result = relax(network, update_order=text, initial_states=start, max_sweeps=60, threads=1)
    J_D, b = network.in_field_units()
    net = naive_free.FreeNetwork(network.couplings.tolist(), int(J_D), b.tolist())
    for r in range(4):
        one = naive_free.relax_free(net, start[r].tolist(), text, 60, 0)
        assert result.states[r].tolist() == one.s
        assert result.flips[r].tolist() == one.flips[: result.flips.shape[1]]
        assert (result.status[r], result.cycle_length[r]) == (one.status, one.cycle_length)


def test_couplings_in_either_order_and_packed_states() -> None:
    drawn = RandomNetwork.draw(130, 1.0, dtype="int16", seed=2)
    assert np.shares_memory(drawn.presynaptic, drawn.couplings)
    copied = dataclasses.replace(drawn, couplings=np.ascontiguousarray(drawn.couplings))
    result = relax(drawn, replicas=3, threads=1)
    assert_same(relax(copied, replicas=3, threads=1), result)
    packed = relax(drawn, replicas=3, threads=1, packed=True)
    assert packed.states.shape == (3, 3)
    assert np.array_equal(packed.states, pack_states(result.states))
    assert np.array_equal(packed.unpacked_states(), result.unpacked_states())


def test_data_set_and_provenance() -> None:
    xarray = pytest.importorskip("xarray")
    network = RandomNetwork.draw(50, 1.0, symmetry=0.2, seed=6)
    result = relax(network, replicas=4, packed=True, seed=8, threads=1)
    data = result.to_dataset()
    assert isinstance(data, xarray.Dataset)
    assert dict(data.sizes) == {"replica": 4, "neuron": 50, "sweep": result.flips.shape[1]}
    assert np.array_equal(data["state"], result.unpacked_states())
    provenance = json.loads(data.attrs["provenance"])
    assert provenance["seed"] == 8
    assert provenance["threads"] == 1
    assert provenance["network"]["symmetry"] == 0.2
    assert provenance["network"]["seed"] == 6
    assert provenance["options"]["update_order"] == "sync"
    assert {"binnet", "cpu", "packages"} <= set(provenance)


def test_records_of_what_does_not_settle() -> None:
    network = RandomNetwork.draw(100, 0.0, symmetry=-1.0, seed=1)
    cycling = relax(network, replicas=3, threads=1)
    assert (cycling.status == 2).all()
    assert (cycling.cycle_length == 4).all()
    r = int(cycling.sweeps.argmin())
    assert cycling.sweeps[r] == cycling.flips.shape[1] or np.isnan(cycling.overlap[r, -1])
    step = relax(network, initial_states=cycling.states, max_sweeps=4, threads=1)
    assert np.array_equal(step.states, cycling.states)
    unsettled = relax(network, replicas=3, max_sweeps=2, threads=1)
    assert (unsettled.status == 0).all()
    assert unsettled.flips.shape == (3, 2)
    assert (unsettled.cycle_length == 0).all()


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    n=st.integers(1, 80),
    J_D=st.sampled_from([0.0, 0.3, 1.0]),
    update_order=st.sampled_from(SINGLE_FLIPS),
    distribution=st.sampled_from(["gaussian", "sign"]),
    density=st.sampled_from([1.0, 0.4]),
    seed=st.integers(0, 2**32),
)
def test_symmetric_couplings_converge_down_the_energy(
    n: int, J_D: float, update_order: str, distribution: str, density: float, seed: int
) -> None:
    """Exactly: the energy of integer couplings has no round-off in float64."""
    network = RandomNetwork.draw(
        n, J_D, symmetry=1.0, distribution=distribution, density=density, dtype="int16", seed=seed
    )
    per_flip = 2 * network.scale * float(network.in_field_units()[0])
    states = draw_spins(2, n, seed)
    before = energy(network, states)
    for sweep in range(200):
        result = relax(
            network,
            update_order=update_order,
            initial_states=states,
            max_sweeps=1,
            seed=sweep,
            threads=1,
        )
        after, flips = energy(network, result.states), result.flips[:, 0]
        assert (after <= before - per_flip * flips).all()
        # Else there are fields of 0, where -1 flips at no cost.
        if J_D > 0 or (distribution == "gaussian" and density == 1.0 and n > 1):
            assert (after < before)[flips > 0].all()
        if result.converged.all():
            break
        states, before = result.states, after
    assert result.converged.all()


@pytest.mark.parametrize("update_order", SINGLE_FLIPS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_symmetric_couplings_converge_at_any_self_coupling(dtype: str, update_order: str) -> None:
    for J_D in (0.0, 0.5):
        network = RandomNetwork.draw(200, J_D, symmetry=1.0, field_std=0.3, dtype=dtype, seed=7)
        result = relax(network, update_order=update_order, replicas=10, threads=1)
        assert result.converged.all()


def test_energy() -> None:
    network = RandomNetwork.draw(30, 0.7, field_std=0.5, dtype="int16", seed=2)
    net = naive_free.FreeNetwork(network.to_float().tolist(), 0.7, network.fields.tolist())
    states = draw_spins(4, 30)
    expected = [naive_free.energy(net, s) for s in states.tolist()]
    np.testing.assert_allclose(energy(network, states), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("J_D", [0.0, 0.5, 1.5])
def test_first_flip_fraction(J_D: float) -> None:
    """Phi(-J_D) from a random start (docs/model/theory.md, eq. (5.3))."""
    network = RandomNetwork.draw(1000, J_D, dtype="int16", seed=1)
    result = relax(network, replicas=40, max_sweeps=1, threads=1)
    expected = norm.cdf(-J_D * np.sqrt(1000 / 999))
    error = np.sqrt(expected * (1 - expected) / (40 * 1000))
    assert abs(result.unstable_fraction.mean() - expected) < 5 * error


def test_chain_of_one_module_is_a_plain_network() -> None:
    """And a strong chain aligns the neurons of the same index."""
    plain = RandomNetwork.draw(60, 0.5, seed=3)
    one = RandomNetwork.draw(60, 0.5, n_modules=1, excitation=5.0, seed=3)
    assert np.array_equal(plain.couplings, one.couplings)
    chain = RandomNetwork.draw(150, 0.0, n_modules=3, excitation=5.0, seed=3)
    result = relax(chain, replicas=5, update_order="async", threads=1)
    assert result.converged.all()
    first, second, third = np.split(result.states, 3, axis=1)
    assert (first * second).mean() > 0.5
    assert (second * third).mean() > 0.5


NETWORK = RandomNetwork.draw(10)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"update_order": "parallel"},
            ValueError,
            "one of sync, async, async-fixed, .* got 'parallel'",
        ),
        ({"replicas": 0}, ValueError, "replicas must be an integer >= 1, got 0"),
        ({"replicas": 2.5}, TypeError, "replicas must be an integer >= 1, got 2.5"),
        ({"max_sweeps": 0}, ValueError, "max_sweeps must be an integer >= 1, got 0"),
        ({"update_probability": 0.0}, ValueError, "update_probability .* > 0 and <= 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0, got -1"),
        ({"threads": 0}, ValueError, "threads must be an integer >= 1, got 0"),
        ({"initial_states": np.ones(10)}, ValueError, r"\(n_samples, 10\), .*\[None, :\]"),
        ({"initial_states": np.ones((2, 9))}, ValueError, r"initial_states must have shape"),
        ({"initial_states": np.zeros((2, 10))}, ValueError, r"-1 or \+1, got 0.0 at \[0, 0\]"),
        (
            {"initial_states": np.ones((2, 10)), "replicas": 3},
            ValueError,
            "one row for each replica, got 2 rows for 3",
        ),
        ({"initial_states": np.ones((0, 10))}, ValueError, "got 0 rows for at least 1"),
    ],
)
def test_errors(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        relax(NETWORK, **arguments)


def test_refuses_what_is_no_network() -> None:
    with pytest.raises(TypeError, match="RandomNetwork or ImplicitNetwork, got ndarray"):
        relax(np.zeros((3, 3)))  # type: ignore[call-overload]
