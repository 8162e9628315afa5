"""Capacity of a readout: rows of a sign condition, and the largest field of several.

Two classes are one row; probabilities sum to one and are those of drawn fields; linear programmes
separate below the capacity and not above it; rows of rare labels hold what others do.
"""

import numpy as np
import pytest
from scipy import integrate
from scipy.optimize import linprog

from binnet import theory
from binnet.theory.capacity import _level_probabilities


def can_be_separated(conditions: np.ndarray) -> bool:
    """Whether there are weights w with conditions @ w > 0."""
    n = conditions.shape[1]
    programme = linprog(np.zeros(n), -conditions, -np.ones(len(conditions)), bounds=(None, None))
    return programme.status == 0


def draw_spins(shape, rng):
    return rng.choice([-1.0, 1.0], shape)


def test_two_classes_are_one_row():
    assert theory.argmax_capacity(2).load == pytest.approx(theory.capacity(0.0).load, rel=1e-12)
    assert theory.argmax_capacity(2).exact
    # Gardner and Derrida: the patterns whose field is below -x are the wrong ones.
    for errors, x in ((0.05, 1.6448536269514722), (0.15865525393145707, 1.0)):
        square, _ = integrate.quad(lambda z: z**2 * np.exp(-(z**2) / 2), 0.0, x)
        found = theory.argmax_capacity(2, errors)
        assert found.load == pytest.approx(np.sqrt(2 * np.pi) / square, rel=1e-9)
        assert not found.exact


def test_three_classes_by_hand():
    # The right field must exceed two: an angle of 120 degrees, its polar one of 60.
    np.testing.assert_allclose(_level_probabilities(3), [1 / 3, 1 / 2, 1 / 6], rtol=1e-12)
    assert theory.argmax_capacity(3).load == pytest.approx(2.4, rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 10, 40, 300])
def test_probabilities_are_probabilities(n_classes):
    found = _level_probabilities(n_classes)
    assert found.sum() == pytest.approx(1.0, abs=1e-11)
    assert found[0] == pytest.approx(1 / n_classes, rel=1e-12)
    assert (found >= 0).all()


def test_probabilities_and_distances_are_those_of_drawn_fields():
    n, n_classes, errors = 100_000, 10, 0.05
    fields = np.random.default_rng(0).standard_normal((n, n_classes))
    others = np.sort(fields[:, 1:])[:, ::-1]
    sums = fields[:, :1] + np.pad(np.cumsum(others, axis=1), ((0, 0), (1, 0)))
    level = sums / np.arange(1, n_classes + 1)  # if k wrong ones are brought level
    k = (np.pad(others, ((0, 0), (0, 1)), constant_values=-np.inf) <= level).argmax(axis=1)
    counts = np.bincount(k, minlength=n_classes)
    expected = n * _level_probabilities(n_classes)
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected) + 1).all()
    t = level[np.arange(n), k]
    d2 = (t - fields[:, 0]) ** 2 + (np.maximum(fields[:, 1:] - t[:, None], 0.0) ** 2).sum(axis=1)
    kept = d2 * (d2 <= np.quantile(d2, 1 - errors))
    for part, allowed in ((d2, 0.0), (kept, errors)):
        found = theory.argmax_capacity(10, allowed)
        error = part.std() / np.sqrt(n) / part.mean()
        assert (n_classes - 1) / part.mean() == pytest.approx(found.load, rel=5 * error)


@pytest.mark.parametrize(("fraction", "separable"), [(0.8, True), (1.25, False)])
def test_programmes_separate_three_classes_up_to_the_capacity(fraction, separable):
    n, rng = 60, np.random.default_rng(1)
    n_patterns = round(fraction * theory.argmax_capacity(3).load * n)
    for _ in range(3):
        patterns, labels = draw_spins((n_patterns, n), rng), rng.integers(0, 3, n_patterns)
        conditions = []
        for wrong in range(3):
            rows = np.zeros((n_patterns, 3, n))
            rows[np.arange(n_patterns), labels] = patterns
            rows[:, wrong] -= patterns
            conditions.append(rows[labels != wrong].reshape(-1, 3 * n))
        assert can_be_separated(np.concatenate(conditions)) == separable


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize(("load", "separable"), [(1.6, True), (2.4, False)])
def test_a_row_without_threshold_does_not_mind_rare_labels(share, load, separable):
    """The capacity 2 holds for 1 of C labels; with a threshold rare ones would be cheaper."""
    n, rng = 100, np.random.default_rng(2)
    n_patterns = round(load * n)
    for _ in range(3):
        targets = np.where(np.arange(n_patterns) < share * n_patterns, 1.0, -1.0)[:, None]
        patterns = draw_spins((n_patterns, n), rng)
        assert can_be_separated(targets * patterns) == separable
        if share < 0.5:
            assert can_be_separated(targets * np.hstack([patterns, np.ones((n_patterns, 1))]))


def test_more_errors_or_classes_hold_more():
    loads = [theory.argmax_capacity(10, e).load for e in (0.0, 1e-6, 0.01, 0.05, 0.5)]
    assert loads == sorted(loads)
    assert loads[1] == pytest.approx(loads[0], rel=1e-3)
    assert theory.argmax_capacity(11).load > theory.argmax_capacity(10).load


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1,), "n_classes must be an integer in 2..300, got 1"),
        ((10, 0.9), "errors must be"),
        ((10, -0.1), "errors must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.argmax_capacity(*arguments)
