"""Replica entropies: identities, derivatives, convergence, and both sides of the transition."""

from functools import cache

import numpy as np
import pytest
from scipy import integrate, special

from binnet import theory
from binnet.theory._quadrature import SharedField


@pytest.mark.parametrize("j", [0.0, 0.06, 0.5, 2.0])
@pytest.mark.parametrize("q", [0.0, 1e-3, 0.4, 0.9, 0.999, 1 - 1e-7])
def test_one_replica_is_the_complexity_and_two_are_the_pairs(j, q):
    entropy = theory.cluster_entropy(j, q, np.array([1.0, 2.0]), rtol=1e-10)
    assert entropy.free_entropy[0] == pytest.approx(theory.complexity(j), abs=1e-8)
    assert entropy.free_entropy[1] == pytest.approx(theory.pair_entropy(q, j), abs=1e-8)
    assert np.all(entropy.error < 1e-9)


@pytest.mark.parametrize(
    ("j", "q", "y"), [(0.0, 0.5, 1.5), (0.06, 0.97, 4.0), (0.5, 0.8, 30.0), (0.3, 0.2, 300.0)]
)
def test_internal_entropy_is_the_derivative_in_the_number_of_replicas(j, q, y):
    h = 1e-4 * y
    around = theory.cluster_entropy(j, q, np.array([y - h, y, y + h]), rtol=1e-11)
    difference = (around.free_entropy[2] - around.free_entropy[0]) / (2 * h)
    assert around.internal[1] == pytest.approx(difference, abs=1e-6)
    assert around.external[1] == pytest.approx(
        around.free_entropy[1] - y * around.internal[1], abs=1e-9
    )


@pytest.mark.parametrize(("j", "q", "y", "conjugate"), [(0.1, 0.6, 3.0, 0.2), (0.5, 0.9, 7.5, 0.1)])
def test_site_integral_against_adaptive_quadrature(j, q, y, conjugate):
    """The same integral by scipy's adaptive quadrature, straight from the formula, without
    symmetry or zoom."""
    root = np.sqrt(conjugate)

    def site(u, z):
        total = sum(
            np.exp(root * u * s) * special.ndtr((j + s * np.sqrt(q) * z) / np.sqrt(1 - q))
            for s in (1, -1)
        )
        return total**y * np.exp(-0.5 * (u * u + z * z)) / (2 * np.pi)

    reach = y * root + 8
    expected, _ = integrate.dblquad(site, -8, 8, -reach, reach, epsabs=1e-10, epsrel=1e-9)
    value = SharedField(j, (1 - q) / 2, 20).averages(conjugate, y).log_norm
    assert value == pytest.approx(np.log(expected), abs=1e-7)


def test_converges_under_grid_refinement():
    reference = SharedField(0.06, 0.016, 40).averages(0.3, 4.0)
    errors = []
    for order in (4, 7, 10, 14):
        averages = SharedField(0.06, 0.016, order).averages(0.3, 4.0)
        errors.append(np.max(np.abs(np.subtract(averages, reference))))
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-8


def test_external_entropy_falls_with_the_number_of_replicas():
    external = theory.cluster_entropy(0.2, 0.8, np.geomspace(1.0, 1000.0, 12)).external
    assert np.all(np.diff(external[1:]) < 0)
    assert external[-1] < 0


def test_local_entropy_is_where_the_external_entropy_vanishes_and_a_minimum():
    point = theory.local_entropy(0.07, 0.05, rtol=1e-9)
    y = point.replicas
    around = theory.cluster_entropy(0.07, 0.9, y * np.array([0.8, 1.0, 1.25]))
    assert around.external[1] == pytest.approx(0.0, abs=1e-6)
    assert around.internal[1] == pytest.approx(point.value, abs=1e-7)
    per_replica = around.free_entropy / (y * np.array([0.8, 1.0, 1.25]))
    assert per_replica[1] < min(per_replica[0], per_replica[2])
    assert around.conjugate[1] == pytest.approx(point.conjugate, rel=1e-4)


@pytest.mark.parametrize(("j", "d"), [(0.0, 0.1), (0.06, 0.01), (0.5, 0.3)])
def test_slope_of_the_local_entropy_against_finite_differences(j, d):
    h = 1e-3 * d
    values = theory.local_entropy(j, [d - h, d, d + h], rtol=1e-9)
    difference = (values.value[2] - values.value[0]) / (2 * h)
    assert values.slope[1] == pytest.approx(difference, rel=1e-4, abs=1e-5)


def test_local_entropy_at_half_is_the_complexity_and_is_continuous_there():
    j = np.array([0.0, 0.06, 0.5])
    at_half, near = theory.local_entropy(j, 0.5), theory.local_entropy(j, 0.4998)
    np.testing.assert_allclose(at_half.value, theory.complexity(j), atol=1e-9)
    np.testing.assert_allclose(near.value, at_half.value - 2e-4 * near.slope, atol=1e-7)
    assert np.all(np.isinf(at_half.replicas))
    gap_to_half = np.array([2e-4, 3e-5, 1e-5])  # solved, scaled, scaled
    across = theory.local_entropy(0.06, 0.5 - gap_to_half)
    for scaled in (across.replicas * gap_to_half, across.conjugate / gap_to_half):
        np.testing.assert_allclose(scaled, scaled[0], rtol=1e-3)


def test_accuracy_asked_for_is_the_accuracy_reached():
    j, d = 0.3, np.array([0.001, 0.02, 0.1, 0.4])
    exact = theory.local_entropy(j, d, rtol=1e-8)
    quick = theory.local_entropy(j, d, rtol=1e-4)
    assert np.all(np.abs(quick.value - exact.value) <= quick.error + exact.error)
    assert np.all(exact.error <= 1e-8 * np.maximum(np.abs(exact.value), 0.01))


@pytest.mark.parametrize(("j", "q", "y"), [(0.06, 0.97, 4.0), (0.5, 0.8, 30.0), (1.0, 0.99, 60.0)])
def test_every_cluster_entropy_lies_within_its_error(j, q, y):
    exact = theory.cluster_entropy(j, q, y, rtol=1e-12)
    quick = theory.cluster_entropy(j, q, y, rtol=1e-3)
    for value, error in zip(range(4), range(4, 8), strict=True):
        assert abs(quick[value] - exact[value]) <= 1.2 * (quick[error] + exact[error])


@pytest.mark.parametrize(("j", "d"), [(0.06, 0.016), (0.3, 0.001), (1.0, 0.1), (0.1, 0.49)])
def test_every_number_of_the_densest_clusters_lies_within_its_error(j, d):
    exact = theory.local_entropy(j, d, rtol=1e-9)
    quick = theory.local_entropy(j, d, rtol=1e-3)
    for value, error in zip(range(4), range(4, 8), strict=True):
        assert abs(quick[value] - exact[value]) <= 1.2 * (quick[error] + exact[error])
        assert exact[error] < 1e-4 * (abs(exact[value]) + 0.1)


@cache
def gap_of_clusters():
    """The gap at J_D = 0.04, which several tests look at."""
    return theory.overlap_gap(0.04)


@pytest.mark.long
def test_gap_numbers_lie_within_their_errors():
    for exact, quick in (
        (gap_of_clusters(), theory.overlap_gap(0.04, rtol=1e-2)),
        (theory.replica_gap(0.04, 3.0), theory.replica_gap(0.04, 3.0, rtol=1e-3)),
    ):
        pairs = (("lower", "error"), ("upper", "error"), ("distance", "distance_error"),
                 ("depth", "depth_error"))  # fmt: skip
        for value, error in pairs:
            difference = abs(getattr(quick, value) - getattr(exact, value))
            assert difference <= getattr(quick, error) + getattr(exact, error), value
            assert getattr(exact, error) < 1e-7


@pytest.mark.long
def test_critical_self_coupling_to_three_decimals():
    point = theory.critical_self_coupling()
    assert point.error < 5e-4
    assert point.self_coupling == pytest.approx(0.0601, abs=1e-4)
    assert point.distance == pytest.approx(0.01586, abs=1e-4)
    below = theory.overlap_gap(point.self_coupling - 1e-3)
    above = theory.overlap_gap(point.self_coupling + 1e-3)
    assert below.lower < point.distance < below.upper
    assert below.depth < 0 < above.depth
    assert np.isnan(above.lower)


@pytest.mark.long
def test_monotone_self_coupling_lies_above_the_critical_one():
    point = theory.monotone_self_coupling()
    assert point.self_coupling == pytest.approx(0.0731, abs=1e-4)
    d = point.distance * np.geomspace(0.2, 5.0, 9)
    assert np.all(theory.local_entropy(point.self_coupling + 2e-3, d).slope > 0)
    assert np.any(theory.local_entropy(point.self_coupling - 2e-3, d).slope < 0)


def test_gap_ends_are_zeros_with_clusters_on_both_sides():
    gap = gap_of_clusters()
    ends = theory.local_entropy(
        0.04, [gap.lower / 2, gap.lower, gap.distance, gap.upper, 1.5 * gap.upper]
    )
    assert ends.value[0] > 0 > ends.value[2]
    assert ends.value[4] > 0
    np.testing.assert_allclose(ends.value[[1, 3]], 0.0, atol=1e-8)
    assert gap.error < 1e-6
    whole = theory.overlap_gap(0.0)
    assert (whole.lower, whole.upper) == (0.0, 0.5)


def test_gaps_of_few_replicas_lie_inside_the_gap_of_clusters():
    full = gap_of_clusters()
    few = theory.replica_gap(0.04, np.array([2.0, 3.0, 4.0]))
    assert np.all(few.lower > full.lower)
    assert np.all(few.upper < full.upper)
    assert np.all(np.diff(few.depth) < 0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.cluster_entropy(0.5, 1.0, 2.0), "overlap must be .* >= 0 and < 1, got 1;"),
        (lambda: theory.cluster_entropy(0.5, -0.2, 2.0), "got -0.2; .*pair_entropy"),
        (lambda: theory.cluster_entropy(0.5, 0.2, 0.5), "replicas must be .* >= 1 .*, got 0.5;"),
        (lambda: theory.cluster_entropy(-0.5, 0.2, 2.0), "self_coupling must be .* >= 0, got -0.5"),
        (lambda: theory.local_entropy(0.5, 0.0), "distance must be .* > 0 and <= 0.5, got 0;"),
        (lambda: theory.local_entropy(0.5, [0.2, 0.7]), r"distance must .* got 0.7 at \[1\];"),
        (lambda: theory.replica_gap(0.5, 1.0), "replicas must be .* >= 2 .*, got 1; a group"),
        (lambda: theory.local_entropy(2.0, 1e-5, rtol=1e-12), "ask for less accuracy"),
    ],
)
def test_impossible_requests_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.long
def test_phase_diagram_has_one_row_per_self_coupling():
    seen = []
    table = theory.phase_diagram(
        [0.02, 0.5], progress=lambda rows: (seen.append(x) or x for x in rows)
    )
    assert len(seen) == 2
    assert {len(column) for column in table.values()} == {2}
    assert table["gap_lower"][0] < table["gap_upper"][0]
    assert np.isnan(table["gap_upper"][1])


@pytest.mark.long
def test_margins_shift_the_self_coupling():
    """Only J_D - kappa counts: entropies, gap and threshold are those of a smaller J_D."""
    shifted, plain = (
        theory.cluster_entropy(j, 0.7, 3.0, margin=m) for j, m in ((0.5, 0.2), (0.3, 0))
    )
    np.testing.assert_allclose(shifted, plain, rtol=1e-12, atol=1e-14)
    assert theory.cluster_entropy(0.3, 0.4, 1.0, margin=0.1).free_entropy == pytest.approx(
        theory.complexity(0.3, 0.1), abs=1e-9
    )
    shifted, plain = (theory.local_entropy(j, 0.1, margin=m) for j, m in ((0.7, 0.5), (0.2, 0)))
    np.testing.assert_allclose(shifted[:4], plain[:4], rtol=1e-9)
    found = theory.critical_self_coupling(margin=0.9)
    assert found.self_coupling == pytest.approx(0.9 + 0.0600992019, abs=1e-9)
    assert theory.overlap_gap(0.34, margin=0.3).lower == pytest.approx(
        theory.overlap_gap(0.04).lower, rel=1e-6
    )


def test_no_clusters_with_a_margin_above_the_self_coupling():
    entropy = theory.local_entropy(0.2, [0.01, 0.5], margin=0.5)
    assert np.all(entropy.value == theory.complexity(0.2, 0.5))
    gap = theory.overlap_gap(0.2, margin=0.5)
    assert (gap.lower, gap.upper) == (0.0, 0.5)
    with pytest.raises(ValueError, match="margin must be a finite number >= 0, got -1"):
        theory.critical_self_coupling(margin=-1)
