"""Measurements behind docs/results/theory.md: each command prints one table of theory against
ground truth.

    python bench/theory_measurements.py transition | pairs | bethe | solvers | lowest | clusters

Everything is seeded; --help of a command shows its sizes.
"""

import time
from typing import Any, Literal

import click
import numpy as np
from numpy.typing import NDArray
from scipy import special

from binnet import theory
from binnet.theory.message_passing import belief_propagation, count_unstable, solve

Array = NDArray[Any]
METHODS: tuple[Literal["reinforced", "focusing"], ...] = ("reinforced", "focusing")


@click.group()
def main() -> None:
    """Theory against ground truth."""


def asynchronous(
    couplings: Array, j: float, state: Array, rng: np.random.Generator, max_sweeps: int = 300
) -> tuple[Array, bool]:
    """Random sequential dynamics with incremental fields; returns the state and whether it is
    fixed."""
    columns = np.ascontiguousarray(couplings.T)
    state = state.astype(np.float64)
    field = couplings @ state
    for sweep in range(max_sweeps):
        if sweep % 20 == 0:
            field = couplings @ state  # rounding of the increments does not pile up
        quiet = True
        for i in rng.permutation(len(state)):
            if state[i] * field[i] + j <= 0:
                state[i] = -state[i]
                field += 2 * state[i] * columns[i]
                quiet = False
        if quiet:
            return state, count_unstable(couplings, j, state) == 0
    return state, False


@main.command()
def transition() -> None:
    """Critical self-coupling, where it is reached, and convergence with the accuracy asked for."""
    for rtol in (1e-5, 1e-7, 1e-9):
        critical, monotone = (
            theory.critical_self_coupling(rtol=rtol),
            theory.monotone_self_coupling(rtol=rtol),
        )
        click.echo(
            f"rtol {rtol:.0e}  J_D^c = {critical.self_coupling:.9f} +- {critical.error:.1e}"
            f"  d_c = {critical.distance:.8f} +- {critical.distance_error:.1e}"
            f"  J_mono = {monotone.self_coupling:.9f} +- {monotone.error:.1e}"
            f"  d_mono = {monotone.distance:.7f} +- {monotone.distance_error:.1e}"
        )
    for j in (0.0, 0.01, 0.04, 0.055, 0.06, 0.0602, 0.065, 0.07, 0.08):
        gap = theory.overlap_gap(j)
        click.echo(
            f"J_D {j:<7g} gap {gap.lower:.7f} .. {gap.upper:.6f} (+- {gap.error:.0e})"
            f"  lowest S_loc {gap.depth:.6f} at d = {gap.distance:.5f}"
        )
    for m in (2, 3, 4, 6, 8):
        gap = theory.replica_gap(0.04, m)
        click.echo(
            f"J_D 0.04  no {m} fixed points mutually at d = {gap.lower:.5f} .. {gap.upper:.5f}"
        )
    start = time.perf_counter()
    curve = theory.local_entropy(0.04, np.geomspace(1e-3, 0.5, 30), rtol=1e-5)
    click.echo(
        f"30 distances at J_D = 0.04: {time.perf_counter() - start:.2f} s, "
        f"error {curve.error.max():.0e}"
    )


@main.command()
@click.option("--draws", default=200)
@click.option("--self-coupling", "j", default=0.5)
def pairs(draws: int, j: float) -> None:
    """Pair-overlap histograms from enumeration against the exact finite-N formula and S2(q)."""
    for n in (20, 22, 24, 26):
        histograms, start = [], time.perf_counter()
        for k in range(draws if n < 26 else draws // 2):
            couplings = theory.random_couplings(n, np.random.default_rng([1, n, k]))
            histograms.append(theory.overlap_histogram(theory.enumerate_fixed_points(couplings, j)))
        mean = np.mean(histograms, axis=0)
        error = np.std(histograms, axis=0, ddof=1) / np.sqrt(len(histograms))
        expected = np.exp(theory.log_expected_pairs(n, j))
        click.echo(
            f"N = {n}: {len(histograms)} networks, mean count {mean[0]:.1f} +- {error[0]:.1f}, "
            f"expected {expected[0]:.1f}; {time.perf_counter() - start:.0f} s"
        )
        for k in (2, n // 4, n // 2):
            q = 1 - 2 * k / n
            prefactor = np.log(mean[k]) / n - theory.pair_entropy(q, j)
            predicted = -0.5 * np.log(np.pi * n * (1 - q * q) / 2) / n
            click.echo(
                f"   q {q:+.3f}  pairs {mean[k]:10.1f} +- {error[k]:7.1f}"
                f"  exact {expected[k]:10.1f}"
                f"  log/N - S2 {prefactor:+.4f}  (prefactor alone {predicted:+.4f},"
                f" exact {np.log(expected[k]) / n - theory.pair_entropy(q, j):+.4f})"
            )
        seen = expected * len(histograms) > 50
        pull = (mean - expected)[seen] / error[seen]
        click.echo(
            f"   {seen.sum()} bins, largest |difference|/error {np.abs(pull).max():.2f}, "
            f"root mean square {np.sqrt(np.mean(pull**2)):.2f}"
        )


@main.command()
def bethe() -> None:
    """Bethe entropy of plain BP against the logarithm of exact counts."""
    for n, draws in ((16, 100), (20, 100), (24, 50)):
        for j, std in ((0.5, 0.0), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)):
            exact, estimate, converged = [], [], 0
            for k in range(draws):
                rng = np.random.default_rng([k, 7])
                couplings, field = theory.random_couplings(n, rng), std * rng.standard_normal(n)
                count = len(theory.enumerate_fixed_points(couplings, j, field=field))
                result = belief_propagation(couplings, j, field=field)
                converged += result.converged
                if count:
                    exact.append(np.log(count))
                    estimate.append(n * result.entropy)
            rest = np.subtract(exact, estimate)
            click.echo(
                f"N {n} J_D {j} field {std}: log count {np.mean(exact):.3f} "
                f"BP {np.mean(estimate):.3f}"
                f" difference {rest.mean():+.3f} +- {rest.std() / np.sqrt(len(rest)):.3f} spread "
                f"{rest.std():.3f} correlation {np.corrcoef(exact, estimate)[0, 1]:.3f} converged "
                f"{converged}/{draws} N Sigma {n * theory.complexity(j, 0.0, std):.3f}"
            )


@main.command()
@click.option("--neurons", default=2000)
@click.option("--networks", default=10)
def solvers(neurons: int, networks: int) -> None:
    """Success of the solvers where the asynchronous dynamics finds nothing."""
    for j in (0.2, 0.3, 0.4):
        found = {"reinforced": 0, "focusing": 0, "asynchronous": 0}
        seconds = dict.fromkeys(found, 0.0)
        for k in range(networks):
            couplings = theory.random_couplings(
                neurons, np.random.default_rng([2000, k]), np.float32
            )
            for method in METHODS:
                start = time.perf_counter()
                found[method] += solve(couplings, j, method=method).found
                seconds[method] += (time.perf_counter() - start) / networks
            rng, start = np.random.default_rng([6, k]), time.perf_counter()
            state = rng.choice([-1, 1], neurons)
            found["asynchronous"] += asynchronous(couplings, j, state, rng, 200)[1]
            seconds["asynchronous"] += (time.perf_counter() - start) / networks
        click.echo(
            f"N {neurons} J_D {j}: "
            + ", ".join(f"{m} {found[m]}/{networks} ({seconds[m]:.2f} s each)" for m in found)
        )


@main.command()
@click.option("--neurons", multiple=True, default=(1000, 2000, 4000))
@click.option("--networks", default=8)
@click.option("--attempts", default=4)
@click.option("--rate", default=5e-4)
@click.option("--method", "methods", multiple=True, default=("reinforced", "focusing"))
@click.option("--self-coupling", "grid", multiple=True, type=float,
              default=(0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10, 0.09))  # fmt: skip
def lowest(
    neurons: tuple[int, ...],
    networks: int,
    attempts: int,
    rate: float,
    methods: tuple[Literal["reinforced", "focusing"], ...],
    grid: tuple[float, ...],
) -> None:
    """How low in J_D each solver goes: networks solved, with attempts that all use the same rate.

    Each row ends at the first self-coupling where no network is solved.
    """
    for n in neurons:
        for method in methods:
            for j in grid:
                found, used, nearest, start = 0, 0, [], time.perf_counter()
                for k in range(networks):
                    couplings = theory.random_couplings(
                        n, np.random.default_rng([n, k]), np.float32
                    )
                    best = n
                    for seed in range(attempts):
                        used += 1
                        result = solve(
                            couplings, j, method=method, rate=rate, n_attempts=1, seed=seed
                        )
                        best = min(best, result.n_unstable)
                        if result.found:
                            found += 1
                            break
                    if best:
                        nearest.append(best)
                click.echo(
                    f"N {n} {method:<10} J_D {j:.2f}: {found} of {networks} networks, "
                    f"{found} of {used} attempts; fewest unstable neurons elsewhere "
                    f"{nearest or '-'}; {(time.perf_counter() - start) / used:.1f} s an attempt"
                )
                if found == 0:
                    break


@main.command()
@click.option("--neurons", default=1000)
def clusters(neurons: int) -> None:
    """What the solvers find: overlaps between solutions, and whether fixed points surround them."""
    couplings = theory.random_couplings(neurons, np.random.default_rng([5, 0]), np.float32)
    for j in (0.2, 0.3, 0.4):
        for method in METHODS:
            results = [solve(couplings, j, method=method, seed=s) for s in range(10)]
            states = np.array([r.state for r in results if r.found], dtype=np.float64)
            overlap = (states @ states.T)[np.triu_indices(len(states), 1)] / neurons
            rng = np.random.default_rng(8)
            text = []
            for share in (0.002, 0.01, 0.03):
                back = []
                for state in states[:5]:
                    kick = np.where(
                        rng.permutation(neurons) < round(share * neurons), -state, state
                    )
                    end, fixed = asynchronous(couplings, j, kick, rng, 100)
                    back.append((fixed, np.mean(end != state)))
                inside = [d for fixed, d in back if fixed]
                distance = f"{np.mean(inside):.4f}" if inside else "-"
                text.append(f"{share}: {len(inside)}/5 fixed at {distance}")
            stability = states * (states @ couplings.T.astype(np.float64)) + j
            nearest = np.sort(stability, axis=1)[:, 0].mean()
            click.echo(
                f"J_D {j} {method:<10} found {len(states)}/10  "
                f"|overlap| {np.abs(overlap).mean():.3f}"
                f" (max {np.abs(overlap).max():.3f}, random {np.sqrt(2 / np.pi / neurons):.3f})"
                f"  smallest stability {nearest:.4f}  density below 0.1 "
                f"{np.mean(stability < 0.1):.4f} (typical "
                f"{1 - special.ndtr(j - 0.1) / special.ndtr(j):.4f})  kicked {'; '.join(text)}"
            )


if __name__ == "__main__":
    main()
