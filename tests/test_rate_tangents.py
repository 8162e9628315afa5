"""Tangent vectors: the kernels against plain references, and where the Jacobian is singular."""

from typing import Any

import numpy as np
import pytest

import naive_rate_tangents as naive
from binnet.rate import DivergenceError, RateRNN, floss, flossing_gradient, lyapunov_spectrum, tasks
from binnet.rate._tangents import first_basis, measure_tangents, pad
from binnet.rate._trajectories import Workspace
from binnet.rate.flossing import _pull_back

pytestmark = pytest.mark.long  # kernels, or studies of tiny networks: CI's


def factorise(q: Any, k: int, tolerance: float, spare: Any) -> Any:
    """Q in place; R is returned."""
    from binnet_kernels.rate.tangents import orthonormalise

    n, width = q.shape
    r, most = np.zeros((width, width)), max(n, width)
    orthonormalise(
        q, r, k, tolerance, spare, np.zeros((width, n)), np.zeros((2, width + 1, width)),
        np.zeros(most), np.arange(most + 1),
    )  # fmt: skip
    return r


def orthonormalise(vectors: Any, tolerance: float = 0.0) -> tuple[Any, Any]:
    n, k = vectors.shape
    q, spare = np.zeros((n, pad(k))), np.zeros((n, pad(k)))
    q[:, :k], spare[:, :k] = vectors, first_basis(n, k, 5)
    r = factorise(q, k, tolerance, spare)
    assert not q[:, k:].any()
    return q[:, :k], r[:k, :k]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (6, 1), (6, 6), (9, 8), (64, 8), (50, 13), (64, 64)])
@pytest.mark.parametrize("condition", [1.0, 1e12])
def test_the_factorisation_is_lapacks(n: int, k: int, condition: float) -> None:
    rng = np.random.default_rng(n + k)
    scales = np.logspace(0, -np.log10(condition), k)
    vectors = np.linalg.qr(rng.standard_normal((n, k)))[0] * scales
    vectors = vectors @ np.linalg.qr(rng.standard_normal((k, k)))[0]
    q, r = orthonormalise(vectors)
    np.testing.assert_allclose(q.T @ q, np.eye(k), atol=1e-13)
    np.testing.assert_allclose(q @ r, vectors, atol=1e-13)
    assert not np.tril(r, -1).any()
    assert (np.diagonal(r) > 0).all()
    if condition == 1.0:  # else both lose digits
        for ours, theirs in zip((q, r), naive.orthonormalise(vectors), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("lost", [(0,), (2,), (4,), (0, 1, 2, 3, 4), (1, 9)])
def test_columns_that_depend_on_others_are_drawn_anew(lost: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    k = max(5, max(lost) + 1)
    vectors = rng.standard_normal((12, k))
    for j in lost:
        vectors[:, j] = vectors[:, :j] @ rng.standard_normal(j)  # 0 for the first
    q, r = orthonormalise(vectors, 1e-12)
    np.testing.assert_allclose(q.T @ q, np.eye(k), atol=1e-13)
    np.testing.assert_allclose(q @ r, vectors, atol=1e-12)
    assert np.flatnonzero(np.diagonal(r) == 0).tolist() == list(lost)
    # The others are those of a basis without them.
    kept = [j for j in range(k) if j not in lost]
    if kept:
        alone = naive.orthonormalise(vectors[:, kept])
        np.testing.assert_allclose(q[:, kept], alone[0], atol=1e-12)
        np.testing.assert_allclose(r[np.ix_(kept, kept)], alone[1], atol=1e-12)
    if len(lost) == k:
        np.testing.assert_allclose(q, first_basis(12, k, 5), atol=1e-13)


def test_a_stand_in_that_depends_on_the_others_too() -> None:
    q, spare = np.zeros((3, 8)), np.zeros((3, 8))
    q[:, 0], spare[0, 1], spare[0, 0] = (2, 0, 0), 1, 1  # the second column is lost, and its spare
    r = factorise(q, 2, 0.0, spare)
    np.testing.assert_allclose(q[:, :2], np.eye(3)[:, :2])
    assert np.diagonal(r).tolist() == [2, 0] + [0] * 6


@pytest.mark.parametrize(("n", "k"), [(6, 3), (17, 9), (17, 17)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_kernels_equal_the_plain_references(activation: str, n: int, k: int) -> None:
    network = RateRNN.initialise(
        2, 1, n, gain=1.2, leak=0.4, activation=activation, dtype="float64"
    )
    x = np.random.default_rng(1).standard_normal((2, 12, 2))
    found = measure_tangents(network, x, k, 0, 4, Workspace(), keep=True)
    pulls = np.random.default_rng(2).standard_normal((12, k))
    pulls[:3] = 0
    rates = network.run(x).rates[:, :-1]
    slopes = (rates > 0).astype(float) if activation == "relu" else 1 - rates**2
    np.testing.assert_allclose(found.slopes, slopes, atol=1e-15)
    expected = [
        naive.follow_tangents(network.recurrent, s, 0.4, first_basis(n, k, 4)) for s in slopes
    ]
    for b, (bases, factors) in enumerate(expected):
        np.testing.assert_allclose(found.bases[b, :, :, :k], bases, atol=1e-10)
        np.testing.assert_allclose(found.factors[b, :, :k, :k], factors, atol=1e-10)
        assert np.array_equal(
            found.diagonals[b], np.diagonal(found.factors[b, :, :k, :k], axis1=1, axis2=2)
        )
    for full in (False, True):
        recurrent_bar, slopes_bar = _pull_back(found, pulls, full, Workspace())
        theirs = [
            naive.pull_back_tangents(network.recurrent, s, 0.4, *e, pulls, full)
            for s, e in zip(slopes, expected, strict=True)
        ]
        total = sum(each[0] for each in theirs)
        size = np.abs(total).max()
        np.testing.assert_allclose(recurrent_bar, total, atol=1e-10 * size)
        if full:
            slopes_of = np.array([each[1] for each in theirs])
            np.testing.assert_allclose(slopes_bar, slopes_of, atol=1e-10 * np.abs(slopes_of).max())


# Romo shows nothing at first: h = 0 up to step 6, and without a leak the Jacobian is 0.
SINGULAR = RateRNN.initialise(1, 2, gain=1.0, leak=0.0)


def test_vectors_that_are_lost_in_the_warm_up_do_no_harm() -> None:
    """They were [-inf, -inf, -0.322]."""
    x = tasks.romo(8, 0).inputs
    slopes = (SINGULAR.run(x).rates[:, :-1] > 0).astype(float)
    assert not slopes[:, :7].any()
    assert slopes[:, 7].any(axis=1).all()

    def measure(first: int) -> Any:
        """Exponents of steps 8 to 55 of a basis that is drawn at a step."""
        logs = []
        for s in slopes:
            w_h = SINGULAR.recurrent.astype(float)
            factors = naive.follow_tangents(w_h, s[first:], 0.0, first_basis(64, 3, 0))[1]
            logs.append(np.log(np.diagonal(factors, axis1=1, axis2=2))[8 - first :])
        return np.sort(np.mean(logs, axis=(0, 1)))[::-1]

    exponents = lyapunov_spectrum(SINGULAR, x, 3).exponents
    np.testing.assert_allclose(exponents, measure(7), atol=1e-9)
    # One that is drawn a step later, after the warm-up, differs by what 48 steps leave open.
    after = measure(8)
    np.testing.assert_allclose(after, [-0.274, -0.280, -0.317], atol=5e-4)
    np.testing.assert_allclose(exponents, after, atol=0.03)


def test_a_singular_step_that_counts_is_minus_infinity_for_what_it_takes() -> None:
    """Of four neurons two are silent: with leak = 0 the rank of each Jacobian is 2."""
    rng = np.random.default_rng(0)
    recurrent = rng.uniform(0.2, 0.6, (4, 4))
    recurrent[2:] = -1.0
    drive = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    network = RateRNN(recurrent, drive, np.ones((1, 4)), leak=0.0)
    x = np.ones((2, 300, 1))
    spectrum = lyapunov_spectrum(network, x, 4, warmup=100)
    # The silent neurons add rows, not eigenvalues.
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(recurrent[:2, :2]))))[::-1]
    np.testing.assert_allclose(spectrum.exponents[:2], expected, atol=1e-9)
    assert np.array_equal(spectrum.exponents[2:], [-np.inf, -np.inf])
    assert np.array_equal(spectrum.per_trial, np.repeat(spectrum.exponents[None], 2, 0))
    assert np.isnan(spectrum.errors[2:]).all()
    assert (spectrum.errors[:2] < 1e-12).all()
    for version in ("local", "full"):
        with pytest.raises(
            DivergenceError, match=r"2 of 4 Lyapunov exponents are -inf.*rank of 2, as fewer ReLUs"
        ):
            flossing_gradient(network, x, 4, version=version, warmup=100)
        assert flossing_gradient(network, x, 2, version=version, warmup=100).loss > 0


@pytest.mark.parametrize("version", ["local", "full"])
def test_flossing_without_a_leak(version: str) -> None:
    """It ended in "Singular matrix"."""
    result = floss(SINGULAR, "romo", 3, version=version, iterations=30, batch_size=4)
    first, last = (np.abs(result.exponents[i]).sum() for i in (0, -1))
    assert last < 0.5 * first
    with pytest.raises(DivergenceError, match="floss at most 28 exponents, drop more first steps"):
        floss(SINGULAR, "romo", 30, version=version, iterations=1, batch_size=4)


def test_the_gradient_without_a_leak_equals_central_differences() -> None:
    """No gradient passes a step where the basis was lost: what was drawn does not depend on W."""
    network = RateRNN.initialise(1, 1, 6, gain=1.5, leak=0.0, dtype="float64", seed=1)
    x = np.concatenate([np.zeros((2, 3, 1)), np.ones((2, 9, 1))], axis=1)
    x[1] *= 0.5
    step = flossing_gradient(network, x, 1, version="full", warmup=5)
    size, differences = 1e-6, np.zeros((6, 6))
    for index in np.ndindex(6, 6):
        losses = []
        for sign in (1, -1):
            weights = network.recurrent.copy()
            weights[index] += sign * size
            changed = RateRNN(weights, network.input_weights, network.readout, 0.0)
            losses.append((lyapunov_spectrum(changed, x, 1, warmup=5).exponents ** 2).sum())
        differences[index] = (losses[0] - losses[1]) / (2 * size)
    assert np.abs(differences).max() > 1e-3
    np.testing.assert_allclose(step.grads["recurrent"], differences, atol=1e-7)


def test_activity_beyond_float32_is_followed_and_beyond_float64_refused() -> None:
    """The first was -0.003: the slope of a NaN counted as 0."""
    network = RateRNN.initialise(1, 2, 16, gain=5.0)
    spectrum = lyapunov_spectrum(network, np.ones((1, 200, 1)), 1)
    assert spectrum.exponents[0] == pytest.approx(1.201, abs=5e-4)
    double = RateRNN(
        network.recurrent.astype(float), network.input_weights.astype(float),
        network.readout.astype(float),
    )  # fmt: skip
    active = double.run(np.ones((1, 200, 1))).rates[0, -1] > 0  # those that grow for ever
    moduli = np.abs(np.linalg.eigvals(0.5 * np.eye(16) + 0.5 * double.recurrent * active))
    assert spectrum.exponents[0] == pytest.approx(np.log(moduli.max()), abs=2e-3)
    x = np.ones((2, 1000, 1))
    for measure in (lyapunov_spectrum, flossing_gradient):
        with pytest.raises(DivergenceError, match=r"beyond float64 at step 592 of trial 0; take a"):
            measure(network, x, 1)
    with pytest.raises(DivergenceError, match=r"at step \d+ of trial 1; take a smaller gain"):
        lyapunov_spectrum(network, np.concatenate([0 * x[:1], x[:1]]), 1)


def test_flossing_that_drives_a_network_out_of_bounds_says_so() -> None:
    network = RateRNN.initialise(1, 2, 16, gain=0.5)
    with pytest.raises(
        DivergenceError,
        match=r"flossing diverged: the activity grows beyond float64 at step \d+ of trial \d+ after"
        r" 1 steps of learning_rate 1e\+20; try a lower one",
    ):
        floss(network, "romo", 1, iterations=5, learning_rate=1e20, batch_size=2)


def test_exponents_fall() -> None:
    """Along one trial of few steps the basis often has close ones the other way round."""
    turned = 0
    for seed in range(5):
        network = RateRNN.initialise(1, 2, 12, gain=1.0, seed=seed)
        x = tasks.romo(3, seed).inputs
        spectrum = lyapunov_spectrum(network, x, 12)
        assert (np.diff(spectrum.exponents) <= 0).all()
        np.testing.assert_allclose(spectrum.per_trial.mean(axis=0), spectrum.exponents)
        np.testing.assert_allclose(
            spectrum.errors, spectrum.per_trial.std(axis=0, ddof=1) / np.sqrt(3)
        )
        found = measure_tangents(network, x, 12, 8, 0, Workspace(), keep=False)
        plain = np.log(found.diagonals[:, 8:]).mean(axis=(0, 1))
        turned += (np.diff(plain) > 0).any()
        np.testing.assert_allclose(np.sort(plain)[::-1], spectrum.exponents)
        assert (np.diff(flossing_gradient(network, x, 12).exponents) <= 0).all()
    assert turned >= 2
