"""`fixed_points.enumerate` finds exactly the fixed points.

Against plain loops in rational numbers, against the theory package's own enumeration, and, for the
mean count, against the closed form.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_fixed_points as naive
from binnet import RandomNetwork, fixed_points, pack_states, theory
from binnet._threads import watch_threads
from binnet.fixed_points import _conditions, _search, results

METHODS = ("gray", "bounded")

drawn = st.fixed_dictionaries(
    {
        "n_neurons": st.integers(1, 8),
        "self_coupling": st.sampled_from([0.0, 0.25, 0.7, 2.0, 1e3]),
        "distribution": st.sampled_from(["gaussian", "sign"]),
        "symmetry": st.sampled_from([0.0, 1.0, -1.0, 0.5]),
        "density": st.sampled_from([1.0, 0.3]),
        "field_std": st.sampled_from([0.0, 0.5]),
        "dtype": st.sampled_from(["float32", "float64", "int16"]),
        "seed": st.integers(0, 2**32),
    }
)


def find_plainly(network: RandomNetwork, margin: float = 0.0) -> set[tuple[int, ...]]:
    self_coupling, external = network.in_field_units()
    return naive.find_fixed_points(
        network.couplings, self_coupling, external, network.scale, margin
    )


def as_set(found: fixed_points.FixedPoints) -> set[tuple[int, ...]]:
    return {tuple(map(int, state)) for state in found.unpacked()}


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(parameters=drawn, margin=st.sampled_from([0.0, 0.0, 0.25, -0.1]))
def test_finds_what_plain_loops_find(
    method: str, parameters: dict[str, object], margin: float
) -> None:
    network = RandomNetwork.draw(**parameters)  # type: ignore[arg-type]
    found = fixed_points.enumerate(network, method=method, margin=margin)
    assert as_set(found) == find_plainly(network, margin)
    assert found.count == len(as_set(found)) == len(found.states)
    assert found.method == method


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 7), self_coupling=st.sampled_from([0, 1]), seed=st.integers(0, 999))
def test_a_field_of_zero_holds_a_neuron_that_is_up(
    method: str, dtype: type, n: int, self_coupling: int, seed: int
) -> None:
    """Small integers: fields of exactly 0 are common. Some rows are empty, fields included."""
    rng = np.random.default_rng(seed)
    J = rng.integers(-1, 2, (n, n)) * rng.integers(0, 2, (n, 1))
    np.fill_diagonal(J, 0)
    for b in (np.zeros(n), rng.integers(-1, 2, n).astype(float)):
        network = RandomNetwork(J.astype(dtype), self_coupling, b)
        expected = find_plainly(network)
        assert as_set(fixed_points.enumerate(network, method=method)) == expected
        if not b.any():  # the strict condition of the theory leaves out just these
            strict = theory.enumerate_fixed_points(J, self_coupling)
            fields = {s: np.array(s) * (J @ np.array(s)) + self_coupling for s in expected}
            assert {tuple(s) for s in strict} == {s for s in expected if (fields[s] > 0).all()}


def test_a_tie_settled_by_sign_zero() -> None:
    """Two neurons without input, J_D = 0: all fields are 0, and only (+1, +1) stays."""
    for dtype in (np.int16, np.float32):
        found = fixed_points.enumerate(RandomNetwork(np.zeros((2, 2), dtype)))
        assert found.unpacked().tolist() == [[1, 1]]
    assert len(theory.enumerate_fixed_points(np.zeros((2, 2)), 0.0)) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [0.0, 2.0**-52, -(2.0**-52)])
def test_near_ties_of_real_couplings_are_decided_exactly(method: str, shift: float) -> None:
    """The three couplings of each row sum to 0 but for `shift`, far below the integer grid."""
    a, b = 0.3, 0.1
    J = np.array([[0, a, b, -(a + b)]] * 4)
    J = np.array([np.roll(J[0], k) for k in range(4)]) + 0.0
    J[0, 1] += shift
    network = RandomNetwork(J)
    assert fixed_points.enumerate(network, method=method).count > 0
    assert as_set(fixed_points.enumerate(network, method=method)) == find_plainly(network)


def test_doubts_of_real_couplings_do_arise() -> None:
    """The kernel marks near ties; without a decision the mirrored states would both be kept."""
    J = np.array([[0, 0.3, -0.3, 1e-12], [0.5, 0, 0.2, 0.1], [0.1, 0.7, 0, 0.4], [1, 2, 3, 0.0]])
    conditions = _conditions.make_conditions(RandomNetwork(J), 0.0)
    assert conditions.symmetric
    assert (conditions.doubt > 0).all()
    assert as_set(fixed_points.enumerate(RandomNetwork(J))) == find_plainly(RandomNetwork(J))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
@pytest.mark.parametrize(("n", "self_coupling"), [(17, 0.5), (19, 0.0), (20, 1.0)])
def test_methods_threads_and_the_theory_package_agree(
    n: int, self_coupling: float, dtype: str
) -> None:
    network = RandomNetwork.draw(n, self_coupling, dtype=dtype, seed=n)
    found = fixed_points.enumerate(network, method="gray", threads=1)
    words = found.states[:, 0]
    assert (words[1:] > words[:-1]).all()  # sorted, none twice
    for method in METHODS:
        for threads in (1, 2):
            other = fixed_points.enumerate(network, method=method, threads=threads)
            np.testing.assert_array_equal(other.states, found.states)
    own = float(network.in_field_units()[0]) * network.scale  # as rounded for this dtype
    independent = theory.enumerate_fixed_points(network.to_float(), own)
    stabilities = found.stabilities()
    assert stabilities.shape == (found.count, n)
    assert (stabilities >= 0).all()
    strict = (stabilities > 0).all(axis=1)  # as the theory package asks; integers know ties
    assert dtype == "int16" or strict.all()
    np.testing.assert_array_equal(np.sort(pack_states(independent), axis=0), found.states[strict])


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**900])
def test_squares_of_couplings_need_not_fit(factor: float) -> None:
    couplings = RandomNetwork.draw(12, dtype="float64", seed=2).couplings
    expected = fixed_points.enumerate(RandomNetwork(couplings))
    found = fixed_points.enumerate(RandomNetwork(factor * couplings))
    assert found.method == expected.method == "bounded"
    np.testing.assert_array_equal(found.states, expected.states)
    assert found.count > 0


@pytest.mark.parametrize(("serial", "used"), [(0.0, {1, 2}), (1e9, {1})])
def test_threads_share_a_search_that_lasts(
    serial: float, used: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_search, "_TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(_search, "_SERIAL_SECONDS", serial)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    network = RandomNetwork.draw(23, 0.3, field_std=0.3, seed=2)
    one = fixed_points.enumerate(network, threads=1, method="gray")
    assert one.count > 5
    for method in ("gray", "bounded"):
        with watch_threads() as threads:
            two = fixed_points.enumerate(network, threads=2, method=method)
        assert threads == used
        np.testing.assert_array_equal(one.states, two.states)


@pytest.mark.parametrize("n", [10, 16])
@pytest.mark.parametrize("self_coupling", [0.0, 0.25, 0.5, 1.0])
def test_mean_count_is_the_closed_form(n: int, self_coupling: float) -> None:
    """400 networks, within 3.5 standard errors; 2000 and N = 20 in docs/results/fixed_points.md."""
    draws = 400
    counts = np.array([
        fixed_points.enumerate(RandomNetwork.draw(n, self_coupling, seed=k)).count
        for k in range(draws)
    ])  # fmt: skip
    expected = np.exp(theory.log_expected_count(n, self_coupling))
    error = counts.std(ddof=1) / np.sqrt(draws)
    assert abs(counts.mean() - expected) < 3.5 * error
    assert error < 0.25 * expected


def test_mean_count_with_external_fields() -> None:
    """Gaussian fields add their variance to that of the couplings."""
    n, draws, std = 12, 400, 0.8
    counts = np.array([
        fixed_points.enumerate(RandomNetwork.draw(n, 0.8, field_std=std, seed=k)).count
        for k in range(draws)
    ])  # fmt: skip
    expected = np.exp(theory.log_expected_count(n, 0.8 / np.sqrt(1 + std**2 * n / (n - 1))))
    assert abs(counts.mean() - expected) < 3.5 * counts.std(ddof=1) / np.sqrt(draws)


@pytest.mark.parametrize(("n", "self_coupling"), [(14, 0.5), (15, 1.2), (12, 0.0), (6, 3.0)])
def test_overlap_histogram(n: int, self_coupling: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of counting pairs, and the theory package's."""
    found = fixed_points.enumerate(RandomNetwork.draw(n, self_coupling, seed=4))
    expected = theory.overlap_histogram(found.unpacked())
    np.testing.assert_array_equal(found.overlap_histogram(), expected)
    pairs = results._count_distances(found.states, n, 2, False)
    np.testing.assert_array_equal(pairs, expected)
    for bits in (22, 10):  # in one transform, and in several
        monkeypatch.setattr(results, "_TRANSFORM_BITS", bits)
        pairs = results._transform_distances(found.states[:, 0], n, False)
        np.testing.assert_array_equal(pairs, expected)
    assert expected.sum() == found.count**2


def test_tasks_that_find_much_more_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many neurons without input: few tasks hold all fixed points, more than there was room for."""
    J = np.zeros((20, 20))
    J[:6, :6] = np.random.default_rng(1).normal(size=(6, 6))
    np.fill_diagonal(J, 0)
    monkeypatch.setattr(_search, "_FOUND_WORDS", 1000)
    b = np.where(np.arange(20) < 6, 0.1, 0.0)
    for method in METHODS:
        network = RandomNetwork(J, 0.1, b)
        found = fixed_points.enumerate(network, method=method)
        small = find_plainly(RandomNetwork(np.ascontiguousarray(J[:6, :6]), 0.1, b[:6]))
        assert found.count == len(small) * 2**14
        assert {tuple(map(int, s)) for s in found.unpacked()[:, :6]} == small


def test_chain_of_modules() -> None:
    network = RandomNetwork.draw(8, 0.2, n_modules=2, excitation=0.7, seed=1)
    assert as_set(fixed_points.enumerate(network)) == find_plainly(network)


def test_more_neurons_are_refused_with_the_time_unless_told_to_go_on() -> None:
    network = RandomNetwork.draw(34, 0.0, seed=1)
    with pytest.raises(
        ValueError, match=r"about \d+ (seconds|minutes) .*to go on, set max_neurons to 34"
    ):
        fixed_points.enumerate(network)
    found = fixed_points.enumerate(network, max_neurons=34)
    assert (found.unpacked() == np.where(found.stabilities() * found.unpacked() >= 0, 1, -1)).all()
    with pytest.raises(ValueError, match=r"about .* years"):
        fixed_points.enumerate(RandomNetwork.draw(62, 1.0, seed=1))
    with pytest.raises(ValueError, match="at most 62 neurons can be enumerated, got 63"):
        fixed_points.enumerate(RandomNetwork.draw(63, 1.0, seed=1), max_neurons=62)


def test_too_many_states_for_the_memory_allowed() -> None:
    network = RandomNetwork.draw(16, 3.0, seed=1)
    with pytest.raises(MemoryError, match=r"more than max_states = 1000 .* are expected"):
        fixed_points.enumerate(network, max_states=1000)
    with pytest.raises(MemoryError, match=r"about .* GB of memory; lower"):  # long before 1 GB
        fixed_points.enumerate(RandomNetwork.draw(30, 3.0, seed=1))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "grey"}, ValueError, "method must be one of auto, gray, bounded, got 'grey'"),
        ({"margin": float("nan")}, ValueError, "margin must be a finite number, got nan"),
        ({"max_neurons": 63}, ValueError, r"max_neurons must be an integer in 1\.\.62, got 63"),
        ({"max_states": -1}, ValueError, "max_states must be an integer >= 0, got -1"),
        ({"threads": 0}, ValueError, "threads must be"),
    ],
)
def test_bad_requests_are_refused(
    arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        fixed_points.enumerate(RandomNetwork.draw(8, seed=1), **arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="network must be a RandomNetwork, got ndarray"):
        fixed_points.enumerate(np.zeros((3, 3)))  # type: ignore[arg-type]
