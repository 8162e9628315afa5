"""Landscapes: counts equal brute force, basins a plain loop, and J = 0 has its exact answer."""

import dataclasses
from itertools import product

import numpy as np
import pytest
import xarray as xr

from binnet import BinaryNetwork, FeedbackSchedule, NetworkParameters, fixed_points, preset, train
from binnet.dynamics import relax_driven
from binnet.landscape import (
    Dynamics,
    LandscapePlan,
    choose_samples,
    drive,
    measure_basin,
    measure_landscape,
    measure_overlaps,
    measure_state,
    positive_entropy,
    shuffle_couplings,
)
from binnet.learning import QUANTILES
from library_cases import TINY, hidden_fields, make_network, make_task, sign

X, Y = make_task(200)
SMALL = LandscapePlan(distances=(0.1, 0.2), flipped=(0.1, 0.5), trials=5, max_sweeps=20)


@pytest.fixture(scope="module")
def trained() -> BinaryNetwork:
    """Ten neurons, so weakly driven that there are some fixed points."""
    small = TINY.replace(n_hidden=10, input_strength=0.5, self_coupling=1.0)
    return train(X, Y, small, threads=1).network


def all_states(n: int) -> np.ndarray:
    return np.array(list(product((-1, 1), repeat=n)), np.int8)


def without_couplings(b: np.ndarray, self_coupling: float) -> BinaryNetwork:
    """A network whose input field is b where all inputs are +1."""
    n = len(b)
    return BinaryNetwork(
        np.zeros((n, n)), np.diag(b), np.ones((2, n)), np.ones((n, 2)), self_coupling
    )


def test_exact_counts_are_those_of_brute_force(trained: BinaryNetwork) -> None:
    states, n_found = all_states(10), 0
    for k in range(4):
        x = np.tile(X[k], (len(states), 1))
        stabilities = states * hidden_fields(trained, x, states)
        is_fixed = (stabilities > 0).all(axis=1)
        n_found += is_fixed.sum()
        found = measure_state(trained, X[k], plan=SMALL)
        assert found["n_fixed_points"] == is_fixed.sum()
        reached = Dynamics().infer(trained, X[k : k + 1])[0]
        n_flips = (states[is_fixed] != reached).sum(axis=1)
        np.testing.assert_array_equal(found["n_at_flips"][1], np.bincount(n_flips, minlength=11))
        margins = np.quantile(stabilities[is_fixed] - 1.0, QUANTILES)
        np.testing.assert_allclose(found["fixed_point_margin"][1], margins, atol=1e-5)
        own = (states == reached).all(axis=1)
        margins = np.quantile(stabilities[own] - 1.0, QUANTILES)
        np.testing.assert_allclose(found["margin"][1], margins, atol=1e-5)
        assert found["fixed"] == is_fixed[own].item()
        assert found["unstable"] == (stabilities[own] <= 0).mean()
    assert n_found > 8


def test_a_basin_is_that_of_a_plain_loop(trained: BinaryNetwork) -> None:
    x, state = X[0], Dynamics().infer(trained, X[:1])[0]
    flipped, trials = (0.1, 0.3, 0.6), 15
    probability, overlap = measure_basin(
        trained, x, state, flipped, trials=trials, max_sweeps=30, dynamics=Dynamics(),
        rng=np.random.default_rng(5),
    )  # fmt: skip
    rng = np.random.default_rng(5)
    for f, p, q in zip(flipped, probability, overlap, strict=True):
        ends = []
        for _ in range(trials):
            spins = state.astype(float)
            spins[rng.choice(10, round(10 * f), replace=False)] *= -1
            before = spins
            for _ in range(30):
                last, spins = before, spins
                before, spins = spins, sign(hidden_fields(trained, x[None], spins[None])[0])
                if (spins == before).all() or (spins == last).all():
                    break
            ends.append(spins @ state / 10)
        assert p == np.mean(np.array(ends) == 1.0)
        assert q == pytest.approx(np.mean(ends))
    assert 0.0 < probability.mean() < 1.0


def test_without_couplings_every_neuron_follows_its_input_or_keeps_either_spin() -> None:
    b = np.array([0.3, -0.2, 0.1, -0.45, 2.0, -1.5, 0.9, 3.0, -0.8, 1.1, -2.2, 0.7])
    network, ones = without_couplings(b, 0.5), np.ones(12)  # four neurons are free
    plan = dataclasses.replace(SMALL, distances=(1 / 12, 2 / 12, 5 / 12))
    found = measure_state(network, ones, plan=plan)
    assert found["n_fixed_points"] == 2**4
    np.testing.assert_array_equal(found["n_at_flips"][1], [1, 4, 6, 4, 1, *[0] * 8])
    assert found["entropy"] == pytest.approx(4 / 12 * np.log(2))
    assert found["typical_distance"] == pytest.approx(2 / 12)
    assert found["input_share"] == 1.0
    np.testing.assert_allclose(found["margin"][1], np.quantile(np.abs(b), QUANTILES))
    # 4/12 of the entropy of a coin that is tails with the probability 1/4, or 1/2; and none.
    p = np.array([0.25, 0.5])
    coin = -p * np.log(p) - (1 - p) * np.log(1 - p)
    np.testing.assert_allclose(found["local_entropy"][1][:2], 4 / 12 * coin, rtol=1e-5)
    assert np.isnan(found["local_entropy"][1][2])
    assert found["local_bound"][1][2] < 0.0
    assert (found["local_bound"][1][:2] >= found["local_entropy"][1][:2] - 1e-9).all()

    pinned = measure_state(without_couplings(np.abs(b) + 0.5, 0.5), ones, plan=plan)
    assert pinned["n_fixed_points"] == 1
    assert pinned["entropy"] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_array_equal(pinned["return_probability"][1], 1.0)
    np.testing.assert_array_equal(pinned["return_overlap"][1], 1.0)


def test_a_random_start_draws_its_own_numbers_for_each_sample(trained: BinaryNetwork) -> None:
    free = without_couplings(np.full(40, 1e-3), 0.5)  # every state is a fixed point
    ends = [
        measure_state(free, np.ones(40), "random", plan=SMALL, draw=k)["overlap_with_inference"]
        for k in (0, 1, 0)
    ]
    assert ends[0] == ends[2] != ends[1]
    assert max(map(abs, ends)) < 0.7


def test_excitation_between_modules_becomes_couplings() -> None:
    network = make_network((4, 5), n_modules=2, self_coupling=0.2, excitation=(0.7, 0.4))
    states, x = all_states(9), X[3]
    changes = relax_driven(
        network, np.tile(x, (len(states), 1)), initial_states=states, max_sweeps=1
    ).changes[:, 0]
    found = fixed_points.enumerate(drive(network, x)).unpacked()
    expected = states[changes == 0]
    assert len(expected) > 0
    assert {tuple(row) for row in found} == {tuple(row) for row in expected}
    measured = measure_state(network, x, plan=SMALL)
    assert measured["n_fixed_points"] == len(expected)
    assert np.isnan(measured["entropy"])  # message passing would say 0, and be wrong
    assert np.isnan(measured["local_entropy"][1]).all()
    two = make_network((4, 5), n_modules=2, self_coupling=(0.2, 0.3))
    with pytest.raises(ValueError, match=r"self_coupling must be the same .* got 0\.2, 0\.3"):
        drive(two, x)


def test_biases_are_fields_of_the_landscape_too() -> None:
    network = make_network(10, self_coupling=0.5, input_strength=0.5, bias_strength=2.0)
    states, x = all_states(10), np.append(X[5], 1)
    stabilities = states * hidden_fields(network, np.tile(x, (len(states), 1)), states)
    found = fixed_points.enumerate(drive(network, X[5])).unpacked()
    expected = states[(stabilities > 0).all(axis=1)]
    assert len(expected) > 0
    assert {tuple(row) for row in found} == {tuple(row) for row in expected}
    reached = measure_state(network, X[5], plan=SMALL)
    assert (reached["n_fixed_points"], reached["fixed"]) == (len(expected), 1.0)


def test_graded_inputs_are_fields_of_the_landscape_too() -> None:
    network = make_network(12)
    pixels = np.arange(20, dtype=np.uint8) * 13
    expected = pixels / 255 @ network.input_weights.astype(float).T
    np.testing.assert_allclose(drive(network, pixels).external_field, expected, rtol=1e-5)
    found = [measure_state(network, x, plan=SMALL) for x in (pixels, pixels / 255)]
    count = fixed_points.enumerate(drive(network, pixels)).count
    assert [each["n_fixed_points"] for each in found] == [count, count]
    np.testing.assert_allclose(*(each["entropy"] for each in found), rtol=1e-3)


def test_shuffled_couplings_keep_their_row_and_module() -> None:
    network = make_network((12, 20), n_modules=2, density=(0.5, 1.0), neighbour_strength=1.0)
    shuffled = shuffle_couplings(network, 3)
    again = shuffle_couplings(network, 3)
    other = shuffle_couplings(network, 4)
    J = network.couplings
    np.testing.assert_array_equal(shuffled.couplings, again.couplings)
    assert (shuffled.couplings != other.couplings).any()
    assert (shuffled.couplings != J)[network.connectivity].mean() > 0.8
    np.testing.assert_array_equal(shuffled.couplings == 0, J == 0)
    for module in network.modules:
        before, after = (np.sort(c[:, module], axis=1) for c in (J, shuffled.couplings))
        np.testing.assert_array_equal(before, after)
    assert shuffled.input_weights is network.input_weights


def test_overlaps_are_those_of_the_states_of_training_and_inference() -> None:
    network, x, label = make_network(60, self_coupling=0.3, seed=2), X[:1], int(Y[0])
    dynamics = Dynamics(schedule=FeedbackSchedule(1, 4, 3), inference_sweeps=6)
    amplitudes, states, spins = dynamics.schedule.amplitudes, [], np.zeros((1, 60))
    for a in amplitudes:
        spins = sign(hidden_fields(network, x, spins, Y[:1], a))
        states.append(spins[0])
    spins = np.zeros((1, 60))
    for _ in range(6):
        spins = sign(hidden_fields(network, x, spins))
    clamped, free, inference = states[3], states[-1], spins[0]
    found = measure_overlaps(network, x[0], label, dynamics)
    assert found == {
        "clamped_free": pytest.approx(clamped @ free / 60),
        "clamped_inference": pytest.approx(clamped @ inference / 60),
        "free_inference": pytest.approx(free @ inference / 60),
    }
    assert found["clamped_free"] < 1.0
    unsteered = dataclasses.replace(dynamics, schedule=FeedbackSchedule(0, 0, 3))
    assert np.isnan(measure_overlaps(network, x[0], label, unsteered)["clamped_free"])


def test_the_data_set_holds_the_states_and_says_what_they_are(trained: BinaryNetwork) -> None:
    found = measure_landscape(trained, X[:3], Y[:3], plan=SMALL)
    assert found.margin.dims == ("sample", "state", "quantile")
    assert found.local_entropy.attrs["units"] == "nats per neuron"
    assert all("long_name" in found[name].attrs for name in {*found.data_vars, "flipped"})
    np.testing.assert_array_equal(found.flipped, SMALL.flipped)
    one = measure_state(trained, X[2], "shuffled", label=int(Y[2]), plan=SMALL, draw=2)
    for name, value in one.items():
        array = value[1] if isinstance(value, tuple) else value
        np.testing.assert_array_equal(found[name].sel(sample=2, state="shuffled"), array, name)
    assert "right" not in measure_landscape(trained, X[:1], plan=SMALL)


def test_where_no_fixed_points_are_expected_their_entropy_is_no_gap_in_a_mean() -> None:
    entropy, bound = [0.2, -0.1, np.nan, np.nan, np.nan], [0.2, 0.1, -0.3, 0.4, np.nan]
    result = xr.Dataset({"local_entropy": ("d", entropy), "local_bound": ("d", bound)})
    np.testing.assert_array_equal(positive_entropy(result), [0.2, 0.0, 0.0, np.nan, np.nan])


def test_random_subsets_are_relaxed_as_the_run_does() -> None:
    configuration = preset("source").replace(
        update_order="random-subset", update_probability=0.85, inference_sweeps=7, seed=4
    )
    dynamics = Dynamics.of(configuration)
    network = make_network(50)
    expected = relax_driven(network, X[:2], **configuration.training.inference_options()).states
    np.testing.assert_array_equal(dynamics.infer(network, X[:2]), expected)
    seldom = dataclasses.replace(dynamics, update_probability=1e-6)
    np.testing.assert_array_equal(seldom.infer(network, X[:2]), 1)  # silent neurons: sign(0) = +1


def test_samples_are_the_first_of_each_class() -> None:
    y = np.array([2, 0, 0, 1, 1, 1, 0, 2])
    assert choose_samples(y, 3) == [0, 1, 3]
    assert choose_samples(y, 4) == [0, 1, 2, 3]
    assert choose_samples(y, 8) == list(range(8))
    with pytest.raises(ValueError, match=r"samples must be an integer in 1\.\.8, got 9"):
        choose_samples(y, 9)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"distances": (0.1, 1.0)}, "distances must be"),
        ({"distances": ()}, "distances must hold at least one number"),
        ({"flipped": (0.0,)}, "flipped must be"),
        ({"trials": 0}, "trials must be"),
        ({"max_sweeps": 0}, "max_sweeps must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_plans_are_refused(bad: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        LandscapePlan(**bad)  # type: ignore[arg-type]


def test_bad_arguments_are_refused(trained: BinaryNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="state must be one of"):
        measure_state(trained, X[0], "final")
    with pytest.raises(ValueError, match="inputs must"):
        measure_state(trained, X[0, :-1])
    with pytest.raises(ValueError, match="inputs must hold at least one sample"):
        measure_landscape(trained, X[:0])
    with pytest.raises(ValueError, match="inputs must be one input"):
        drive(trained, X[:2])
    large = BinaryNetwork.random(NetworkParameters(n_hidden=1000, n_inputs=20), 0)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 1e7)
    with pytest.raises(MemoryError, match="n_hidden = 1000"):
        measure_state(large, X[0], plan=SMALL)
    many = LandscapePlan(trials=10**6)
    with pytest.raises(MemoryError, match=r"7000000 starts of max_sweeps = 100: .* fewer trials"):
        measure_state(trained, X[0], plan=many)
