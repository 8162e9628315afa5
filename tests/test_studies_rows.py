"""One row of couplings: what it learns, what it can hold at most, and the capacity of long rows.

The kernel equals a loop that knows its couplings; a row is done only where an exact solver says
that it can be; that solver agrees with a linear programme; rows hold what theory says.
"""

import numpy as np
import pytest
from scipy.optimize import linprog

import naive_rules
from binnet import sweeps, theory
from binnet.studies.rows import (
    LARGEST_MARGIN,
    TRAINED_ROW,
    _draw_patterns,
    largest_margin,
    train_row,
)


@pytest.mark.parametrize(("self_coupling", "margin"), [(0.0, 0.0), (0.0, 0.4), (0.25, 0.5)])
@pytest.mark.parametrize("load", [0.5, 1.1, 2.5])
def test_a_row_learns_like_the_plain_reference(self_coupling, margin, load):
    patterns = _draw_patterns(17, load, seed=4).tolist()
    expected = naive_rules.learn_row(patterns, self_coupling, margin, 50)
    result = train_row(17, load, 4, self_coupling, margin, max_epochs=50)
    np.testing.assert_equal((result["n_epochs"], result["n_events"]), expected[:2])


def test_more_epochs_go_on_from_fewer():
    few, more = (train_row(40, 1.6, 2, max_epochs=n) for n in (3, 5000))
    assert np.isnan(few["n_epochs"])
    assert 3 < more["n_epochs"] < 5000
    assert few["n_events"] < more["n_events"]


def test_a_larger_load_has_the_patterns_of_a_smaller_one():
    small, large = (_draw_patterns(30, load, seed=1) for load in (0.5, 2.0))
    assert (small.shape, large.shape) == ((15, 30), (60, 30))
    np.testing.assert_array_equal(large[:15], small)
    assert set(np.unique(large)) == {-1, 1}
    assert abs(large.mean()) < 5 / np.sqrt(large.size)


@pytest.mark.parametrize("seed", range(12))
def test_the_solver_separates_what_a_linear_programme_does(seed):
    n, load = 40, 1.6 + 0.07 * seed
    patterns = _draw_patterns(n, load, seed)
    programme = linprog(np.zeros(n), -patterns, -np.ones(len(patterns)), bounds=(None, None))
    found = largest_margin(n, load, seed)
    assert (found["largest_margin"] > 0.0) == (programme.status == 0)
    assert found["upper_bound"] - found["largest_margin"] < 1e-7


def test_a_row_is_done_only_where_there_is_a_row_with_that_margin():
    grid = {"load": [0.5, 0.7, 0.9, 1.1], "seed": range(10)}
    trained = sweeps.run(
        grid, TRAINED_ROW, fixed={"n_couplings": 60, "margin": 0.5}, progress=False
    )
    solved = sweeps.run(grid, LARGEST_MARGIN, fixed={"n_couplings": 60}, progress=False)
    done, possible = trained["n_epochs"].notnull(), solved["largest_margin"] > 0.5
    assert not (done & ~possible).any()
    clear = abs(solved["largest_margin"] - 0.5) > 0.05  # the closer, the longer it takes
    assert (done == possible).where(clear, True).all()
    assert 0.3 < possible.mean() < 0.9


def test_self_coupling_and_margin_enter_by_their_difference():
    plain, helped = (
        [train_row(60, 0.6, seed, j, 0.5 + j)["n_events"] for seed in range(8)] for j in (0.0, 0.5)
    )
    assert plain == helped
    assert plain != [train_row(60, 0.6, seed, 0.5, 0.5)["n_events"] for seed in range(8)]


@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5, 1.0])
def test_rows_hold_what_theory_says(margin):
    # Half of the rows of N = 100 hold loads up to 3 % above alpha_c (docs/results/row_capacity.md).
    critical = theory.capacity(0.0, margin).load
    below, above = (
        np.mean(
            [largest_margin(100, f * critical, k)["largest_margin"] > margin for k in range(40)]
        )
        for f in (0.85, 1.2)
    )
    assert below > 0.75
    assert above < 0.25


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"n_couplings": 0}, "n_couplings must be"),
        ({"load": 0.0}, "load must be"),
        ({"self_coupling": -0.1}, "self_coupling must be"),
        ({"margin": np.nan}, "margin must be"),
        ({"max_epochs": 0}, "max_epochs must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_rows_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        train_row(**{"n_couplings": 10, "load": 1.0, "seed": 0, **bad})


def test_patterns_that_do_not_fit_into_memory_are_refused():
    with pytest.raises(MemoryError, match=r"P = load \* n_couplings = 10,000,000 patterns"):
        train_row(10_000_000, 1.0, 0)
