"""Speed of the theory calculator: run with  pytest bench/bench_theory.py --benchmark-only

Targets: a local-entropy curve (30 distances, converged to 1e-5) in under 10 s, and the phase
diagram over 40 self-couplings in a few minutes; the same curve with external fields in under 60 s.
The peers are what a user would write instead with scipy.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy import optimize, special

from binnet import theory
from binnet.theory._driven import DrivenField
from binnet.theory._quadrature import Neuron, SharedField
from binnet.theory.message_passing import belief_propagation, solve


@pytest.mark.parametrize("j", [0.04, 0.2, 1.0])
def test_local_entropy_curve(benchmark: Any, quick: bool, j: float) -> None:
    """The full curve for one self-coupling."""
    distance = np.linspace(1 / 60, 0.5, 3 if quick else 30)
    curve = benchmark.pedantic(
        theory.local_entropy, (j, distance), {"rtol": 1e-5}, rounds=3, iterations=1
    )
    benchmark.extra_info["largest_error"] = float(curve.error.max())


@pytest.mark.parametrize(("std", "last"), [(1.0, 0.25), (5.0, 0.045)])
def test_driven_local_entropy_curve(benchmark: Any, quick: bool, std: float, last: float) -> None:
    """The full curve with external fields, up to nearly the distance of unrelated fixed points."""
    distance = np.linspace(last / 30, last, 3 if quick else 30)
    curve = benchmark.pedantic(
        theory.local_entropy,
        (0.2, distance),
        {"field_std": std, "rtol": 1e-5},
        rounds=3,
        iterations=1,
    )
    assert np.isfinite(curve.value).all()
    benchmark.extra_info["largest_error"] = float(curve.error.max())


DRIVEN = (0.3, 2.0, 0.02, 0.1, 20.0)  # reach, sigma_b, distance, q-hat, y


def average_on_a_grid(
    reach: float, std: float, distance: float, conjugate: float, y: float, n: int = 200
) -> float:
    """Return the log of the integral over (u, z), averaged over b, on a grid in all three."""
    x, weight = special.roots_legendre(n)
    u_max = y * np.sqrt(conjugate) + 9.0
    u, log_u = x * u_max, np.log(weight * u_max) - 0.5 * (x * u_max) ** 2
    z, log_z = 9.0 * x, np.log(9.0 * weight) - 0.5 * (9.0 * x) ** 2
    polarised = np.sqrt(conjugate) * u[:, None]
    total = 0.0
    for node, share in zip(x, weight, strict=True):
        b = 9.0 * std * node
        h = np.sqrt(1.0 - 2.0 * distance) * z + b
        up, down = (special.log_ndtr((reach + s * h) / np.sqrt(2.0 * distance)) for s in (1, -1))
        site = y * np.logaddexp(up + polarised, down - polarised) + log_u[:, None] + log_z
        density = np.exp(-0.5 * (b / std) ** 2) / np.sqrt(2.0 * np.pi) / std
        log_norm = special.logsumexp(site) - np.log(2.0 * np.pi)
        total += 9.0 * std * share * density * log_norm
    return float(total)


def test_driven_average(benchmark: Any) -> None:
    """One average over fields and polarisations, of the hundreds that a curve takes."""
    reach, std, distance, conjugate, y = DRIVEN
    field = DrivenField(Neuron(reach, std), distance, 14)
    benchmark.pedantic(field.averages, (conjugate, y), rounds=20, iterations=1)


def test_driven_average_on_a_grid(benchmark: Any) -> None:
    """Peer: the same by numpy on a product of three grids."""
    reach, std, distance, conjugate, y = DRIVEN
    value = benchmark.pedantic(average_on_a_grid, DRIVEN, rounds=1, iterations=1)
    ours = DrivenField(Neuron(reach, std), distance, 14).averages(conjugate, y).log_norm
    assert value == pytest.approx(ours, abs=1e-4)  # the error of the grid


def test_local_entropy_by_nested_searches(benchmark: Any) -> None:
    """Peer: one distance by scipy's scalar searches in q-hat inside y, on the same grid."""

    def nested(distance: float = 0.1, j: float = 0.2) -> float:
        field = SharedField(j, distance, 14)

        def per_replica(log_y: float) -> float:
            y = np.exp(log_y)

            def free(log_conjugate: float) -> float:
                conjugate = np.exp(log_conjugate)
                log_norm = field.averages(conjugate, y).log_norm
                return float(log_norm - 0.5 * y * conjugate * ((y - 1) * (1 - 2 * distance) + 1))

            least = optimize.minimize_scalar(free, bounds=(-8, 2), method="bounded")
            return float(least.fun / y)

        least = optimize.minimize_scalar(per_replica, bounds=(0.1, 6), method="bounded")
        return float(least.fun)

    value = benchmark.pedantic(nested, rounds=3, iterations=1)
    assert value == pytest.approx(theory.local_entropy(0.2, 0.1).value, abs=1e-6)


def test_phase_diagram_40(benchmark: Any, quick: bool) -> None:
    """Complexity, isolation and gap at 40 self-couplings."""
    grid = np.array([1.0]) if quick else np.geomspace(0.002, 2.0, 40)
    benchmark.pedantic(theory.phase_diagram, (grid,), rounds=1, iterations=1)


def test_critical_self_coupling(benchmark: Any) -> None:
    """The transition to 1e-9."""
    benchmark.pedantic(theory.critical_self_coupling, rounds=3, iterations=1)


def test_dynamical_cavity(benchmark: Any, quick: bool) -> None:
    """100 sweeps of 8 x 4000 trajectories."""
    n_sweeps = 10 if quick else 100
    benchmark.pedantic(theory.dynamical_cavity, (0.5, n_sweeps), rounds=3, iterations=1)


@pytest.mark.parametrize("n", [20, 24])
def test_enumeration(benchmark: Any, quick: bool, n: int) -> None:
    """All fixed points of one network."""
    n = n - 8 if quick else n
    couplings = theory.random_couplings(n, np.random.default_rng(0))
    states = benchmark.pedantic(
        theory.enumerate_fixed_points, (couplings, 0.5), rounds=3, iterations=1
    )
    if not quick:
        benchmark.extra_info["ns_per_configuration"] = benchmark.stats.stats.min / 2**n * 1e9
    benchmark.extra_info["fixed_points"] = len(states)


@pytest.mark.parametrize("method", ["reinforced", "focusing"])
def test_solver(benchmark: Any, method: Literal["reinforced", "focusing"]) -> None:
    """One fixed point at N = 2000, J_D = 0.3."""
    couplings = theory.random_couplings(2000, np.random.default_rng(0), np.float32)
    result = benchmark.pedantic(solve, (couplings, 0.3), {"method": method}, rounds=3, iterations=1)
    assert result.found
    benchmark.extra_info["iterations"] = result.n_iterations


def test_belief_propagation(benchmark: Any) -> None:
    """Bethe entropy of one network with fields, N = 1000."""
    rng = np.random.default_rng(0)
    couplings, field = theory.random_couplings(1000, rng), rng.standard_normal(1000)
    benchmark.pedantic(
        belief_propagation, (couplings, 0.5), {"field": field}, rounds=3, iterations=1
    )
