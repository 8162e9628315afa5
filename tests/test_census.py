"""The census: attractors, basins and transients as a plain walk through all states finds them."""

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import naive_fixed_points as naive
from binnet import RandomNetwork, fixed_points, theory
from binnet.fixed_points import Census

ENSEMBLES: list[dict[str, Any]] = [
    {"dtype": "int16"},
    {"dtype": "float32", "field_std": 0.3},
    {"dtype": "float64", "symmetry": 1.0},
    {"distribution": "sign", "dtype": "float32"},  # fields of 0 are common
    {"distribution": "sign", "dtype": "int16", "density": 0.5},
]


def draw_networks(*sizes: int) -> list[RandomNetwork]:
    return [
        RandomNetwork.draw(n, self_coupling, seed=n, **ensemble)
        for ensemble in ENSEMBLES
        for n, self_coupling in zip(sizes, (0.0, 0.5, 0.0, 0.2), strict=False)
    ]


def describe(network: RandomNetwork) -> str:
    return f"{network.n_neurons}-{network.dtype}"


def follow(network: RandomNetwork) -> dict[int, int]:
    self_coupling, external = network.in_field_units()
    return naive.map_states(network.couplings, float(self_coupling), external)


def split(found: Census) -> list[tuple[int, ...]]:
    ends = np.cumsum(found.lengths)[:-1]
    return [tuple(part.tolist()) for part in np.split(found.states[:, 0], ends)]


@pytest.mark.parametrize("network", draw_networks(1, 3, 7, 9), ids=describe)
def test_cycles_are_those_of_a_plain_walk(network: RandomNetwork) -> None:
    successors = follow(network)
    expected = naive.find_cycles(successors)
    found = fixed_points.census(network)
    cycles = split(found)
    assert cycles == sorted(expected)
    steps = [expected[cycle] for cycle in cycles]
    assert found.basins.tolist() == [len(s) for s in steps]
    assert found.longest_transients is not None
    assert found.mean_transients is not None
    assert found.transients is not None
    assert found.longest_transients.tolist() == [max(s) for s in steps]
    assert found.mean_transients.tolist() == [sum(s) / len(s) for s in steps]
    assert found.transients.tolist() == np.bincount(np.concatenate(steps)).tolist()
    assert found.n_without_predecessor == len(set(successors) - set(successors.values()))
    assert found.n_undecided == 0


@pytest.mark.parametrize("update_order", ["async", "random-subset"])
@pytest.mark.parametrize("network", draw_networks(1, 3, 5, 6), ids=describe)
def test_absorbing_sets_are_those_of_a_plain_search(
    network: RandomNetwork, update_order: str
) -> None:
    expected, undecided = naive.find_absorbing(follow(network), update_order == "random-subset")
    found = fixed_points.census(network, update_order)
    sets = [frozenset(members) for members in split(found)]
    assert len(sets) == len(expected)
    assert dict(zip(sets, found.basins.tolist(), strict=True)) == expected
    assert found.n_undecided == undecided
    assert found.transients is None
    assert found.n_without_predecessor is None


def test_a_field_within_rounding_of_0_is_decided_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of 0.1, 0.2, -0.3 are tiny or 0; more of them than there is room for at first."""
    monkeypatch.setattr("binnet.fixed_points._map._DOUBTFUL", 2)
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        couplings = rng.choice([0.1, 0.2, -0.3, 0.7], (8, 8)).astype(dtype)
        np.fill_diagonal(couplings, 0)
        network = RandomNetwork(couplings, 0.0)
        assert split(fixed_points.census(network)) == sorted(naive.find_cycles(follow(network)))


@pytest.mark.parametrize("ensemble", ENSEMBLES, ids=str)
def test_identities_at_a_size_that_nobody_walks(
    ensemble: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = RandomNetwork.draw(18, 0.4, seed=2, **ensemble)
    found = fixed_points.census(network, threads=1)
    assert found.basins.sum() == found.transients.sum() == 2**18
    assert found.transients[0] == found.lengths.sum() == len(found.states)
    fixed = found.states[np.repeat(found.lengths, found.lengths) == 1]
    np.testing.assert_array_equal(fixed, fixed_points.enumerate(network).states)
    assert found.n_fixed_points == len(fixed) == found.count_lengths().get(1, 0)
    # In many pieces, which threads share, each with counts of its own.
    monkeypatch.setattr("binnet.fixed_points._map._PIECE", 2**12)
    monkeypatch.setattr("binnet.fixed_points._map._SERIAL_STATES", 0)
    again = [fixed_points.census(network, threads=3)]
    # Where no other thread finds a core, the caller does it all, in one of the rows.
    monkeypatch.setattr(
        "binnet.fixed_points._map.share_out", lambda _, work, items: [work(item) for item in items]
    )
    again.append(fixed_points.census(network, threads=3))
    for name in ("states", "lengths", "basins", "mean_transients", "transients"):
        for one in again:
            np.testing.assert_array_equal(getattr(one, name), getattr(found, name))


@pytest.mark.long
def test_states_with_more_predecessors_than_a_byte_counts() -> None:
    """In a ferromagnet all states but those near the middle agree on what comes next."""
    couplings = np.ones((13, 13), np.int16) - np.eye(13, dtype=np.int16)
    for external in (0.0, 100.0):
        network = RandomNetwork(couplings, 0.0, np.full(13, external))
        found = fixed_points.census(network)
        expected = naive.find_cycles(follow(network))
        assert split(found) == sorted(expected)
        assert found.basins.tolist() == [len(expected[cycle]) for cycle in split(found)]


def test_fixed_points_are_absorbing_under_every_order() -> None:
    network = RandomNetwork.draw(14, 0.3, seed=4)
    expected = fixed_points.enumerate(network).states[:, 0]
    for update_order in ("async", "random-subset"):
        found = fixed_points.census(network, update_order)
        alone = [members[0] for members in split(found) if len(members) == 1]
        assert sorted(alone) == expected.tolist()
        assert found.basins.sum() + found.n_undecided == 2**14


def test_the_mean_number_of_2_cycles_is_that_of_theory() -> None:
    n, draws = 10, 400
    counts = [
        fixed_points.census(RandomNetwork.draw(n, 0.3, seed=seed)).count_lengths().get(2, 0)
        for seed in range(draws)
    ]
    error = np.std(counts) / np.sqrt(draws)
    expected = np.exp(theory.log_expected_cycles(n, 0.3))[1:].sum()
    assert abs(np.mean(counts) - expected) < 4 * error


def test_a_data_set_holds_everything() -> None:
    found = fixed_points.census(RandomNetwork.draw(9, 0.1, dtype="int16", seed=1))
    data = found.to_dataset()
    np.testing.assert_array_equal(data["length"], found.lengths)
    np.testing.assert_array_equal(data["transients"], found.transients)
    assert data.attrs["n_without_predecessor"] == found.n_without_predecessor
    members = data["state"][data["member_attractor"] == found.count - 1]
    np.testing.assert_array_equal(members, np.array(split(found)[-1], np.uint64)[:, None])
    assert found.unpacked(found.count - 1).shape == (found.lengths[-1], 9)
    chance = fixed_points.census(found.network, "async").to_dataset()
    assert "transients" not in chance


def test_attractors_are_drawn_by_length() -> None:
    from binnet.plotting.fixed_points import plot_attractors

    found = fixed_points.census(RandomNetwork.draw(10, 0.1, seed=1))
    ax = plot_attractors(found.lengths, found.basins, Figure().subplots())
    (points,) = ax.get_lines()
    assert sorted(points.get_ydata()) == sorted(found.basins / 2**10)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="RandomNetwork"):
        fixed_points.census(np.eye(3))  # type: ignore[arg-type]
    network = RandomNetwork.draw(30, dtype="int16")
    message = (
        r"n_neurons <= 28, got 30: 6\.4 GB .* 16 seconds at the least, 90 GB and 1\.6e\+02 seconds "
        r"where .*; .* relax random starts"
    )
    with pytest.raises(ValueError, match=message):
        fixed_points.census(network)
    for update_order, cost in (
        ("async", "0.034 GB of memory, up to about 0.1 seconds"),
        ("random-subset", "0.034 GB of memory, up to about 8.7 seconds"),
    ):
        message = f"{update_order!r} for n_neurons <= 16, got 20: {cost}"
        with pytest.raises(ValueError, match=re.escape(message)):
            fixed_points.census(RandomNetwork.draw(20), update_order)
    for update_order in ("sync", "async", "random-subset"):
        with pytest.raises(ValueError, match="got 2000: more than "):
            fixed_points.census(RandomNetwork.draw(2000, dtype="int16"), update_order)
    with pytest.raises(ValueError, match="update_order must be"):
        fixed_points.census(network, "greedy")


@pytest.mark.parametrize(
    ("left", "refused"),
    [
        (6 * 2**18 - 1, "n_neurons = 18: all states"),
        (12 * 2**18 - 1, "the 262144 states that have a predecessor"),
        (20 * 2**18 - 1, "the 262144 states that have a predecessor"),
        (52 * 2**18 - 1, "the 262144 attractors"),
    ],
)
def test_memory_is_refused_beforehand(
    monkeypatch: pytest.MonkeyPatch, left: int, refused: str
) -> None:
    """With such a self-coupling every state is a fixed point."""
    network = RandomNetwork.draw(18, 1e3)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: left)
    with pytest.raises(MemoryError, match=refused):
        fixed_points.census(network)


@pytest.mark.parametrize("n", [2, 18])
def test_a_progress_bar_comes_to_its_end(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[float] = []

    class Bar:
        def __init__(self, total: float, **options: Any) -> None:
            updates.append(-total)

        def __enter__(self) -> "Bar":
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def update(self, percent: float) -> None:
            updates.append(percent)

    monkeypatch.setattr("binnet.fixed_points._map.progress_bar", Bar)
    monkeypatch.setattr("binnet.fixed_points._map._PIECE", 2**12)
    fixed_points.census(RandomNetwork.draw(n, 0.4, seed=1), progress=True)
    assert len(updates) > 8
    assert sum(updates) == pytest.approx(0, abs=1e-6)


def test_threads_count_in_memory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("binnet._threads.count_cores", lambda: 8)
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 9 * 2**20 - 1)
    network = RandomNetwork.draw(20, 0.5)
    with pytest.raises(MemoryError, match="n_neurons = 20: all states"):
        fixed_points.census(network, threads=4)
    assert fixed_points.census(network, threads=1).basins.sum() == 2**20
