"""Measurements behind docs/results/replicas.md: the replica calculation against single networks.

    python bench/replicas_measurements.py groups | enumeration | networks | fields

Everything is seeded; --help of a command shows its sizes.
"""

import time
from typing import Any

import click
import numpy as np

from binnet import theory
from binnet.theory.message_passing import Replicated, replicated, replicated_limit

SELF_COUPLINGS = (0.04, 0.07, 0.2)
# Two neurons of one coupling each are like all neurons of an infinite network without fields.
UNIFORM = np.array([[0.0, 1.0], [-1.0, 0.0]])


@click.group()
def main() -> None:
    """Coupled replicas of single networks."""


def densest_entropy(result: Replicated) -> float:
    """phi_y / y, stationary at y*: what is left of S_E does not count."""
    return result.free_entropy / result.replicas


@main.command()
@click.option("--self-coupling", "grid", multiple=True, type=float,
              default=(0.02, 0.04, 0.0601, 0.07, 0.2, 0.5))  # fmt: skip
def groups(grid: tuple[float, ...]) -> None:
    """Densest clusters of an infinite network: what grows, and S_loc with correlated groups."""
    for j in grid:
        for d in (0.005, 0.01, 0.0159, 0.03, 0.05, 0.1, 0.3):
            start = time.process_time()
            plain = replicated(UNIFORM, j, 1 - 2 * d)
            text = ""
            if plain.bias_growth > 1:
                limit = replicated_limit(j, 1 - 2 * d, rtol=1e-4, n_nodes=16, max_iterations=300)
                text = (
                    f"; correlated: {densest_entropy(limit):.5f} at y {limit.replicas:.2f}, groups "
                    f"{limit.group_overlap:.3f}, growth {limit.bias_growth:.3f}, replicon "
                    f"{limit.replicon:.3f}, S_E {limit.external:.1e}"
                )
            click.echo(
                f"J_D {j} d {d}: S_loc {plain.internal:.5f} y* {plain.replicas:.2f} growth "
                f"{plain.bias_growth:.3f} replicon {plain.replicon:.3f}{text}"
                f"  [{time.process_time() - start:.1f} s]"
            )


@main.command()
@click.option("--networks", default=30)
def enumeration(networks: int) -> None:
    """Bethe free entropies against exact sums over pairs and triples of fixed points."""
    for y in (2, 3):
        for std in (0.0, 0.5):
            for n in (10, 14, 18, 20):
                exact, bethe = [], []
                for k in range(networks):
                    rng = np.random.default_rng([k, 7])
                    couplings, field = theory.random_couplings(n, rng), std * rng.standard_normal(n)
                    result = replicated(
                        couplings, 0.5, 0.5, replicas=y, field=field, rtol=1e-5, damping=0.4,
                        max_iterations=300,
                    )  # fmt: skip
                    states = theory.enumerate_fixed_points(couplings, 0.5, field=field)
                    if not (result.converged and len(states)):
                        continue
                    kernel = np.exp(result.tie * (states.astype(np.float64) @ states.T))
                    total = kernel.sum() if y == 2 else np.sum(kernel * (kernel @ kernel))
                    exact.append(np.log(total))
                    pairs = 0.5 * y * (y - 1)
                    bethe.append(n * (result.free_entropy + pairs * result.tie * result.overlap))
                rest = np.subtract(bethe, exact)
                click.echo(
                    f"y {y} field {std} N {n}: {len(rest)} of {networks} settled, log difference "
                    f"{rest.mean():+.3f} +- {rest.std(ddof=1) / np.sqrt(len(rest)):.3f}, spread per"
                    f" neuron {rest.std(ddof=1) / n:.4f}, correlation "
                    f"{np.corrcoef(bethe, exact)[0, 1]:.3f}"
                )


def draw(n: int, k: int, std: float) -> tuple[Any, Any]:
    rng = np.random.default_rng([11, n, k])
    return theory.random_couplings(n, rng, np.float32), std * rng.standard_normal(n)


def report(n: int, results: list[Replicated]) -> None:
    settled = [r for r in results if r.converged]
    text = f"   N {n}: {len(settled)} of {len(results)} settled"
    if settled:
        value = [densest_entropy(r) for r in settled]
        spread = np.std(value, ddof=1) if len(value) > 1 else np.nan
        text += (
            f", S_loc {np.mean(value):.5f} (spread {spread:.1e}), y* "
            f"{np.mean([r.replicas for r in settled]):.3f}"
        )
    click.echo(
        f"{text}, groups {np.mean([r.group_overlap for r in results]):.1e}, growth "
        f"{np.mean([r.bias_growth for r in results]):.3f}, replicon "
        f"{np.mean([r.replicon for r in results]):.3f}, iterations "
        f"{np.mean([r.n_iterations for r in results]):.0f}"
    )


@main.command()
@click.option("--neurons", multiple=True, default=(1000, 2000, 4000))
@click.option("--networks", multiple=True, default=(3, 2, 1), help="As many as --neurons.")
@click.option("--distance", "distances", multiple=True, default=(0.01, 0.03, 0.05, 0.1, 0.3))
@click.option("--self-coupling", "grid", multiple=True, default=SELF_COUPLINGS)
@click.option("--iterations", default=250)
def networks(
    neurons: tuple[int, ...],
    networks: tuple[int, ...],
    distances: tuple[float, ...],
    grid: tuple[float, ...],
    iterations: int,
) -> None:
    """Local entropies of single networks without fields, from random messages."""
    for j in grid:
        for d in distances:
            expected = theory.local_entropy(j, d)
            click.echo(f"J_D {j} d {d}: S_loc {expected.value:.5f} y* {expected.replicas:.3f}")
            for n, count in zip(neurons, networks, strict=True):
                start, results = time.process_time(), []
                for k in range(count):
                    results.append(
                        replicated(
                            draw(n, k, 0.0)[0], j, 1 - 2 * d, rtol=2e-4, max_iterations=iterations,
                            rng=np.random.default_rng([12, k]),
                        )
                    )  # fmt: skip
                report(n, results)
                click.echo(f"      {(time.process_time() - start) / count:.1f} s each")


@main.command()
@click.option("--neurons", multiple=True, default=(1000, 2000, 4000))
@click.option("--networks", multiple=True, default=(3, 1, 1), help="As many as --neurons.")
@click.option("--std", default=1.0)
@click.option("--distance", "distances", multiple=True, default=(0.01, 0.03))
@click.option("--self-coupling", "grid", multiple=True, default=SELF_COUPLINGS)
def fields(
    neurons: tuple[int, ...],
    networks: tuple[int, ...],
    std: float,
    distances: tuple[float, ...],
    grid: tuple[float, ...],
) -> None:
    """Local entropies of single networks with external fields."""
    for j in grid:
        for d in distances:
            annealed = theory.local_entropy(j, d, field_std=std)
            limit = replicated_limit(j, 1 - 2 * d, field_std=std, rtol=1e-4, max_iterations=400)
            click.echo(
                f"J_D {j} d {d} field {std}: uncorrelated groups {annealed.value:.5f} y* "
                f"{annealed.replicas:.3f}; limit {densest_entropy(limit):.5f} y* "
                f"{limit.replicas:.3f} groups {limit.group_overlap:.3f} growth "
                f"{limit.bias_growth:.3f} replicon {limit.replicon:.3f} settled {limit.converged}"
            )
            for n, count in zip(neurons, networks, strict=True):
                start, results = time.process_time(), []
                for k in range(count):
                    couplings, field = draw(n, k, std)
                    results.append(
                        replicated(couplings, j, 1 - 2 * d, field=field, rtol=2e-4,
                                   max_iterations=400)
                    )  # fmt: skip
                report(n, results)
                click.echo(f"      {(time.process_time() - start) / count:.1f} s each")


if __name__ == "__main__":
    main()
