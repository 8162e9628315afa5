"""Exact enumeration against brute force, and the theory of counts and pairs against exact
enumeration."""

import itertools

import numpy as np
import pytest
from scipy import special

from binnet import theory


def states(n, j, seed):
    """All fixed points of one random network."""
    couplings = theory.random_couplings(n, np.random.default_rng(seed))
    return theory.enumerate_fixed_points(couplings, j)


def brute_force(couplings, j, field=0.0):
    """Plain reference: test every configuration in turn."""
    n = len(couplings)
    found = set()
    for s in itertools.product([-1, 1], repeat=n):
        if np.all(np.array(s) * (couplings @ s + field) + j > 0):
            found.add(s)
    return found


@pytest.mark.parametrize("n", [2, 5, 9])
@pytest.mark.parametrize("j", [0.0, 0.5])
def test_enumeration_finds_what_brute_force_finds(n, j):
    rng = np.random.default_rng(n)
    couplings, field = theory.random_couplings(n, rng), rng.standard_normal(n)
    for b in (0.0, field):
        states = theory.enumerate_fixed_points(couplings, j, field=b)
        assert {tuple(map(int, s)) for s in states} == brute_force(couplings, j, b)
        assert len(states) == len({tuple(s) for s in states})


def test_enumeration_across_blocks():
    """17 neurons need several blocks; every state is checked, and none is missing by symmetry and
    count."""
    couplings = theory.random_couplings(17, np.random.default_rng(1))
    states = theory.enumerate_fixed_points(couplings, 0.6)
    assert np.all(states * (states @ couplings.T) + 0.6 > 0)
    assert {tuple(s) for s in states} == {tuple(-s) for s in states}
    codes = np.arange(2**17)[:, None] >> np.arange(17) & 1
    spins = 2.0 * codes - 1.0
    assert len(states) == np.count_nonzero(np.all(spins * (spins @ couplings.T) + 0.6 > 0, axis=1))


@pytest.mark.parametrize(("n", "j", "draws"), [(12, 0.5, 1000), (16, 1.0, 150), (20, 0.3, 100)])
def test_mean_count_within_its_standard_error(n, j, draws):
    counts = np.array([len(states(n, j, [9, n, k])) for k in range(draws)])
    standard_error = counts.std(ddof=1) / np.sqrt(draws)
    assert abs(counts.mean() - np.exp(theory.log_expected_count(n, j))) < 3.5 * standard_error


@pytest.mark.long
def test_pair_overlap_histogram_within_its_standard_error():
    n, j, draws = 20, 0.5, 120
    histograms = np.array([theory.overlap_histogram(states(n, j, [4, k])) for k in range(draws)])
    expected = np.exp(theory.log_expected_pairs(n, j))
    standard_error = histograms.std(axis=0, ddof=1) / np.sqrt(draws)
    seen = expected * draws > 50  # enough pairs for a Gaussian error
    assert np.count_nonzero(seen) >= 17
    pull = (histograms.mean(axis=0) - expected)[seen] / standard_error[seen]
    # all draws share networks, so the bins fluctuate together: bound each and their mean square
    assert np.max(np.abs(pull)) < 4.0
    assert np.mean(pull**2) < 4.0


@pytest.mark.parametrize("overlap", [0.0, 0.5, -0.5])
def test_finite_size_pairs_approach_the_pair_entropy(overlap):
    """log E[N_2] - N S2(q) tends to -log(pi N (1 - q^2)/2)/2 plus a constant: the finite-N
    prefactor."""
    rest = []
    for n in (100, 400, 1600):
        k = round(n * (1 - overlap) / 2)
        log_pairs = theory.log_expected_pairs(n, 0.5)[k]
        prefactor = -0.5 * np.log(np.pi * n * (1 - overlap**2) / 2)
        rest.append(log_pairs - n * theory.pair_entropy(overlap, 0.5) - prefactor)
    assert abs(rest[2] - rest[1]) < 0.3 * abs(rest[1] - rest[0]) + 1e-9


def test_pairs_sum_to_the_second_moment():
    n, j = 10, 0.4
    log_pairs = theory.log_expected_pairs(n, j)
    assert log_pairs[0] == pytest.approx(theory.log_expected_count(n, j))
    assert log_pairs[n] == pytest.approx(theory.log_expected_count(n, j))  # s and -s
    draws = [
        len(
            theory.enumerate_fixed_points(
                theory.random_couplings(n, np.random.default_rng([8, k])), j
            )
        )
        ** 2
        for k in range(2000)
    ]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - np.exp(special.logsumexp(log_pairs))) < 4 * error


@pytest.mark.parametrize(
    ("couplings", "words"),
    [
        (np.zeros((3, 4)), "square"),
        (np.eye(3), "zero diagonal"),
        (np.full((2, 2), np.nan), "finite"),
        (np.zeros((31, 31)), r"number of neurons must be an integer in 2\.\.30, got 31; log_expec"),
    ],
)
def test_bad_couplings_are_refused(couplings, words):
    with pytest.raises(ValueError, match=words):
        theory.enumerate_fixed_points(couplings, 0.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: theory.overlap_histogram([1, -1]), ValueError, "pass sample"),
        (lambda: theory.overlap_histogram([[1, 0]]), ValueError, r"must be -1 or \+1, got 0"),
        (lambda: theory.random_couplings(5, 0), TypeError, r"got 0; pass numpy.random.default_rng"),
        (
            lambda: theory.random_couplings(5, np.random.default_rng(0), np.int8),
            TypeError,
            "float32 or float64, got int8",
        ),
        (
            lambda: theory.enumerate_fixed_points(np.zeros((30, 30)), 3.0),
            ValueError,
            "fixed points are expected, .* GB of memory; lower",
        ),
        (lambda: theory.phase_diagram([]), ValueError, r"got shape \(0,\)"),
    ],
)
def test_other_impossible_requests_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
