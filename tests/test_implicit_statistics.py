"""Implicit couplings have the statistics of stored Gaussian ones, but for what must differ.

A coupling is the sum of P random signs: its fourth moment is 3 - 2/P, not 3, and fields lie on
a lattice. All else is tested against the exact expectation, and against stored couplings, to a few
standard errors. Seeds are fixed: a test passes always or never.
"""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from binnet import FreeRelaxation, ImplicitNetwork, RandomNetwork, relax

DISTRIBUTIONS = ("gaussian", "sign")
N = 800
ERRORS = 4.0  # standard errors that a mean may be off: one in 16 000 by chance


def draw(kind: str, n_neurons: int, seed: int = 0) -> np.ndarray:
    """Couplings J_ij in float64, "stored" or of an implicit distribution."""
    if kind == "stored":
        return RandomNetwork.draw(n_neurons, dtype="float64", seed=seed).couplings
    return ImplicitNetwork(n_neurons, distribution=kind, seed=seed).materialise().couplings


@pytest.fixture(scope="module", params=["stored", *DISTRIBUTIONS])
def couplings(request: pytest.FixtureRequest) -> tuple[str, np.ndarray]:
    return request.param, draw(request.param, N)


def deviation(values: np.ndarray, expected: float = 0.0) -> float:
    """How many of its standard errors the mean of independent values is off."""
    return (values.mean() - expected) * math.sqrt(values.size) / values.std()


def test_moments(couplings: tuple[str, np.ndarray]) -> None:
    kind, J = couplings
    x = math.sqrt(N) * J[~np.eye(N, dtype=bool)]
    n_signs = {"stored": math.inf, "gaussian": 16, "sign": 1}[kind]
    assert abs(deviation(x)) < ERRORS
    assert abs(deviation(x**3)) < ERRORS
    if kind == "sign":
        assert x**2 == pytest.approx(1.0, abs=1e-6)  # the strength has 24 bits
    else:
        assert abs(deviation(x**2, 1.0)) < ERRORS
        assert abs(deviation(x**4, 3.0 - 2.0 / n_signs)) < ERRORS
        # The sixth moment of a sum of P signs: 15 - 30/P + 16/P^2.
        assert abs(deviation(x**6, 15.0 - 30.0 / n_signs + 16.0 / n_signs**2)) < ERRORS
    assert not np.diagonal(J).any()


# (i, j) and (i + a, j + b): along a column within and across words of 64 rows, along a row, askew.
SHIFTS = [*((a, 0) for a in (1, 2, 32, 63, 64, 128)), (0, 1), (0, 2), (0, 64), (1, 1), (64, 1)]


def test_correlations(couplings: tuple[str, np.ndarray]) -> None:
    kind, J = couplings
    x = math.sqrt(N) * J
    for a, b in SHIFTS:
        products = (x[a:, b:] * x[: N - a, : N - b]).ravel()
        assert abs(deviation(products[products != 0])) < ERRORS, (a, b)
    upper = np.triu_indices(N, 1)
    assert abs(deviation(x[upper] * x.T[upper])) < ERRORS  # J_ij and J_ji: eta = 0
    if kind != "sign":  # whose squares are all the same
        assert abs(deviation(x[upper] ** 2 * x.T[upper] ** 2, 1.0)) < ERRORS


def test_rows_and_columns_are_independent(couplings: tuple[str, np.ndarray]) -> None:
    """Overlaps of all pairs of rows, and of columns, are N(0, 1/N)."""
    _, J = couplings
    for matrix in (J, J.T):
        overlaps = (matrix @ matrix.T)[np.triu_indices(N, 1)] * math.sqrt(N)
        assert abs(deviation(overlaps)) < ERRORS
        assert overlaps.var() == pytest.approx(1.0, abs=0.01)
        assert np.abs(overlaps).max() < 6.0  # 720 000 pairs: 5.5 is expected once in 40 draws


def test_spectrum(couplings: tuple[str, np.ndarray]) -> None:
    """Singular values: the quarter circle, the largest at its Tracy-Widom edge."""
    _, J = couplings
    values = np.linalg.svd(J, compute_uv=False)
    edge = (values[0] ** 2 - 4.0) * N ** (2 / 3) / 2 ** (4 / 3)
    assert abs(edge + 1.2065) < ERRORS * 1.268  # mean and deviation of Tracy-Widom, beta = 1

    def quarter_circle(x: np.ndarray) -> np.ndarray:
        x = np.minimum(x, 2.0)
        return (x * np.sqrt(4.0 - x**2) / 2 + 2.0 * np.arcsin(x / 2)) / math.pi

    # Singular values repel each other: the distance is of order 1/N, not 1/sqrt(N).
    assert stats.kstest(values, quarter_circle).statistic < 5.0 / N


def states(n: int) -> Iterator[tuple[str, np.ndarray]]:
    site = np.arange(n)
    yield "random", np.random.default_rng(0).choice([-1, 1], n)
    yield "uniform", np.ones(n, int)
    yield "alternating", 1 - 2 * (site % 2)
    yield "words", 1 - 2 * (site // 64 % 2)
    yield "halves", 1 - 2 * (2 * site // n)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_fields_are_normal(distribution: str) -> None:
    """Also those of states as regular as the counters that couplings are drawn from."""
    from binnet_kernels.relaxation import implicit

    network = ImplicitNetwork(20_000, distribution=distribution, seed=3)
    n, scratch = network.n_neurons, implicit.make_scratch_implicit()
    n_tiles = implicit.count_tiles(n)
    couplings = implicit.ImplicitCouplings(network.key, network.n_signs)
    rng = np.random.default_rng(1)
    fields, patterns = [], dict(states(n))
    for name, state in patterns.items():
        sums = np.zeros(n_tiles * implicit.TILE_NEURONS, np.int32)
        implicit.add_columns_implicit(
            couplings, np.arange(n), n, 1, state.astype(np.int8), 0, n_tiles, scratch, sums
        )
        # The lattice has spacing 2; noise of that width makes it continuous.
        h = network.strength * (sums[:n] + rng.uniform(-1, 1, n))
        assert 1e-3 < stats.kstest(h, "norm").pvalue < 1 - 1e-3, name
        assert abs(deviation(h)) < ERRORS
        assert abs(deviation(h**2, 1.0)) < ERRORS
        fields.append(h)
    # Fields correlate as their states do, q: with an error of (1 - q^2) / sqrt(N).
    overlaps = np.array(list(patterns.values())) @ np.array(list(patterns.values())).T / n
    assert np.abs(np.corrcoef(fields) - overlaps).max() * math.sqrt(n) < ERRORS


def test_seeds_are_independent() -> None:
    matrices = [math.sqrt(N) * draw("gaussian", N, seed=seed) for seed in (0, 1, 2, 2**40)]
    for a in range(len(matrices)):
        for b in range(a):
            assert abs(deviation((matrices[a] * matrices[b]).ravel())) < ERRORS


def count_fixed_points(J: np.ndarray, self_coupling: float) -> int:
    """Count by trying all states."""
    n = len(J)
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    s = 2.0 * bits - 1.0
    return int((s * (s @ J.T) + self_coupling > 0).all(axis=1).sum())


@pytest.mark.parametrize(("n", "n_draws"), [(10, 800), (13, 150)])
@pytest.mark.parametrize("kind", ["stored", *DISTRIBUTIONS])
def test_number_of_fixed_points(kind: str, n: int, n_draws: int) -> None:
    """Mean count [2 P(field > -J_D)]^N: docs/model/theory.md, eq. (2.1), with the fields' law."""
    n_signs = ImplicitNetwork(n, distribution="sign" if kind == "sign" else "gaussian").n_signs
    strength = 1.0 / math.sqrt(n_signs * n)
    n_fields = n_signs * (n - 1)
    # J_D near 0.5, halfway between two values of the field, where none is 0.
    steps = 2 * round((0.5 / strength - n_fields % 2 + 1) / 2) - 1 + n_fields % 2
    J_D = steps * strength
    gaussian = 2.0 * stats.norm.cdf(J_D * math.sqrt(n / (n - 1)))
    binomial = 2.0 * stats.binom.cdf((n_fields + steps) // 2, n_fields, 0.5)
    counts = np.array(
        [count_fixed_points(draw(kind, n, seed=seed), J_D) for seed in range(n_draws)]
    )
    expected = (gaussian if kind == "stored" else binomial) ** n
    assert abs(deviation(counts, expected)) < 3.5
    if kind == "gaussian":  # sixteen signs differ from the normal law by less than can be seen here
        assert binomial**n == pytest.approx(gaussian**n, rel=2e-3)


def relax_many(kind: str, n_neurons: int, n_networks: int) -> list[FreeRelaxation]:
    """One synchronous relaxation at J_D = 1 in each of many networks."""
    results = []
    for seed in range(n_networks):
        if kind == "stored":
            network = RandomNetwork.draw(n_neurons, 1.0, seed=seed)
        else:
            network = ImplicitNetwork(n_neurons, 1.0, kind, seed)
        results.append(relax(network, seed=seed))
    assert all(result.converged.all() for result in results)
    return results


def summarise(results: list[FreeRelaxation], spacing: float = 0.0) -> dict[str, np.ndarray]:
    """Observables of the dynamics and of the fixed points, one value a network.

    Noise as wide as the `spacing` of the fields makes their lattice continuous.
    """
    n = results[0].n_neurons
    observables = {
        f"flips in sweep {t}": np.array([result.flips[0, t] / n for result in results])
        for t in range(6)
    }
    stabilities = np.array([result.stabilities[0] for result in results])
    stabilities += spacing * np.random.default_rng(0).uniform(-0.5, 0.5, stabilities.shape)
    observables["sweeps"] = np.array([float(result.sweeps[0]) for result in results])
    observables["overlap with the start"] = np.array([r.overlap[0, -1] for r in results])
    observables["mean stability"] = stabilities.mean(axis=1)
    observables["variance of stabilities"] = stabilities.var(axis=1)
    for edge in (0.3, 0.6, 1.0):
        observables[f"stabilities below {edge}"] = (stabilities < edge).mean(axis=1)
    return observables


@pytest.fixture(scope="module")
def stored_observables() -> dict[str, np.ndarray]:
    return summarise(relax_many("stored", 1000, 40))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_dynamics_and_fixed_points(
    distribution: str, stored_observables: dict[str, np.ndarray]
) -> None:
    """Flips per sweep, relaxation times and stabilities are those of stored Gaussian couplings."""
    spacing = 2.0 * ImplicitNetwork(1000, distribution=distribution).strength
    for name, ours in summarise(relax_many(distribution, 1000, 60), spacing).items():
        theirs = stored_observables[name]
        error = math.hypot(ours.std() / math.sqrt(len(ours)), theirs.std() / math.sqrt(len(theirs)))
        assert abs(ours.mean() - theirs.mean()) < 3.5 * error, name
        # The samples are large enough to see a difference of a few per cent.
        assert 3.5 * error < 0.3 * abs(theirs.mean()), name
