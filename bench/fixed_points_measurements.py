"""Measurements behind docs/results/fixed_points.md: each command prints one table.

    python bench/fixed_points_measurements.py counts | exactness | crossover | basins | census

Everything is seeded; --help of a command shows its sizes.
"""

import time

import click
import numpy as np

from binnet import RandomNetwork, fixed_points, theory
from binnet.update_orders import list_orders


@click.group()
def main() -> None:
    """Enumeration of fixed points."""


@main.command()
@click.option("--draws", default=2000)
def counts(draws: int) -> None:
    """Mean number of fixed points against the closed form."""
    click.echo("| N | J_D | mean count | closed form | standard errors |\n|---|---|---|---|---|")
    seeds = iter(range(10**9))  # no two rows share a network
    for n in (10, 16, 20):
        for j in (0.0, 0.25, 0.5, 1.0):
            found = np.array([
                fixed_points.enumerate(RandomNetwork.draw(n, j, seed=next(seeds))).count
                for _ in range(draws)
            ])  # fmt: skip
            error = found.std(ddof=1) / np.sqrt(draws)
            expected = np.exp(theory.log_expected_count(n, j))
            click.echo(
                f"| {n} | {j:g} | {found.mean():.5g} +- {error:.2g} | {expected:.5g} "
                f"| {(found.mean() - expected) / error:+.2f} |"
            )


@main.command()
@click.option("--networks", default=10)
def exactness(networks: int) -> None:
    """How often the integers leave a doubt, and how often a field is exactly 0 (J_D = 1)."""
    from binnet.fixed_points._conditions import make_conditions
    from binnet.fixed_points._search import Search
    from binnet_kernels.enumeration.common import DOUBTFUL

    n_found = n_doubtful = n_states = n_ties = 0
    for seed in range(networks):
        conditions = make_conditions(RandomNetwork.draw(24, 1.0, seed=seed), 0.0)
        found = Search(conditions, "gray", threads=2).run(2**27, progress=False)
        n_found, n_doubtful = n_found + len(found), n_doubtful + (found >= DOUBTFUL).sum()
        exact = fixed_points.enumerate(RandomNetwork.draw(20, 1.0, dtype="int16", seed=seed))
        n_states += exact.count
        n_ties += (exact.stabilities() == 0).any(axis=1).sum()
    click.echo(f"N = 24, float32: {n_doubtful} of {n_found} states found were in doubt")
    click.echo(f"N = 20, int16: {n_ties} of {n_states} fixed points have a field of 0")


@main.command()
@click.option("--repeats", default=3)
def crossover(repeats: int) -> None:
    """Processor time of both methods on one thread, in ms: Gray code / branch and bound."""
    couplings = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5)
    click.echo("| N | " + " | ".join(f"{j:g}" for j in couplings) + " |")
    click.echo("|---" * (len(couplings) + 1) + "|")
    for n in (12, 16, 20, 24, 28):
        cells = []
        for j in couplings:
            best = {"gray": np.inf, "bounded": np.inf}
            for seed in range(repeats):
                network = RandomNetwork.draw(n, j, seed=seed)
                for method in best:
                    begun = time.process_time()
                    fixed_points.enumerate(network, method=method, threads=1)
                    best[method] = min(best[method], time.process_time() - begun)
            cells.append(f"{1e3 * best['gray']:.3g} / {1e3 * best['bounded']:.3g}")
        click.echo(f"| {n} | " + " | ".join(cells) + " |")


@main.command()
@click.option("--neurons", default=16)
@click.option("--networks", default=10)
def basins(neurons: int, networks: int) -> None:
    """Where all starts end, by update order: in fixed points, and how unequal their basins are."""
    click.echo(
        "| J_D | update order | in fixed points | in cycles | unsettled "
        "| largest basin | smallest |\n"
        "|---|---|---|---|---|---|---|"
    )
    for j in (0.25, 0.5, 1.0):
        all_found = [
            fixed_points.enumerate(RandomNetwork.draw(neurons, j, dtype="int16", seed=k))
            for k in range(networks)
        ]
        for update_order in list_orders("free"):
            measured = [found.basins(update_order, max_sweeps=200) for found in all_found]
            total = networks * 2**neurons
            sizes = np.concatenate([one.sizes for one in measured])
            click.echo(
                f"| {j:g} | {update_order} | {sizes.sum() / total:.4f} "
                f"| {sum(one.n_cycles for one in measured) / total:.4f} "
                f"| {sum(one.n_unsettled for one in measured) / total:.4f} "
                f"| {sizes.max()} | {sizes.min()} |"
            )


@main.command()
@click.option("--neurons", default=24)
@click.option("--networks", default=10)
def census(neurons: int, networks: int) -> None:
    """All attractors of the synchronous dynamics, averaged over networks."""
    click.echo(
        "| J_D | fixed points | 2-cycles, theory | longer | longest cycle | in fixed points "
        "| mean transient | longest | without predecessor |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for j in (0.0, 0.1, 0.25, 0.5, 1.0):
        found = [
            fixed_points.census(RandomNetwork.draw(neurons, j, seed=k)) for k in range(networks)
        ]
        lengths = np.concatenate([one.lengths for one in found])
        basins = np.concatenate([one.basins for one in found])
        two = np.array([np.count_nonzero(one.lengths == 2) for one in found])
        error = two.std(ddof=1) / np.sqrt(networks)
        expected = np.exp(theory.log_expected_cycles(neurons, j))[1:].sum()
        total = networks * 2**neurons
        data = [one.to_dataset() for one in found]
        by_steps = [one["transients"].values for one in data]
        steps = sum(int(counts @ np.arange(len(counts))) for counts in by_steps)
        click.echo(
            f"| {j:g} | {np.count_nonzero(lengths == 1) / networks:.5g} "
            f"| {two.mean():.3g} +- {error:.1g}, {expected:.3g} "
            f"| {np.count_nonzero(lengths > 2) / networks:.3g} | {lengths.max()} "
            f"| {basins[lengths == 1].sum() / total:.4f} | {steps / total:.3g} "
            f"| {max(map(len, by_steps)) - 1} "
            f"| {sum(one.attrs['n_without_predecessor'] for one in data) / total:.4f} |"
        )


if __name__ == "__main__":
    main()
