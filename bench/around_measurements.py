"""Measurements behind docs/results/replicas.md: fixed points around a state, of single networks.

    python bench/around_measurements.py enumeration | trained | exact | damping

Everything is seeded; --help of a command shows its sizes.  Samples are from the last 10 000
training samples, of which the networks have not learned.
"""

import time
from typing import Any

import click
import numpy as np
from scipy import special

from binnet import theory
from binnet.datasets import load_entangled_mnist
from binnet.learning import preset, train
from binnet.networks import BinaryNetwork
from binnet.theory.message_passing import Around, around, belief_propagation

OPEN = 18  # neurons that are enumerated, the least polarised ones
NONE = 3.0  # a bound below -NONE/N means no fixed points
SEEDS = (1, 2, 3)
CELLS = ((0.5, 0.0), (0.5, 0.9), (0.1, 0.0), (0.1, 0.9))  # J_D and the margin of the rule
FLIPS = (1, 2, 4, 8, 16, 32)


@click.group()
def main() -> None:
    """Fixed points around a state."""


def draw(n: int, j: float, margin: float, seed: int, samples: int, trained: bool = True) -> Any:
    """Couplings, fields of some samples and the states that inference reaches."""
    data = load_entangled_mnist()
    chosen = preset("source").replace(
        n_hidden=n, epochs=3, self_coupling=j, margin=margin, seed=seed
    )
    network = BinaryNetwork.random(chosen.network, seed)
    if trained:
        network = train(data.X_train[:20_000], data.y_train[:20_000], chosen, threads=1).network
    couplings = network.couplings.astype(np.float64)
    inputs = data.X_train[50_000 : 50_000 + samples].astype(np.float64)
    fields = inputs @ network.input_weights.T.astype(np.float64)
    states = np.where(fields > 0.0, 1.0, -1.0)
    for _ in range(chosen.training.inference_sweeps):
        states = np.where(states @ couplings.T + j * states + fields > 0.0, 1.0, -1.0)
    return couplings, fields, states


def compare(states: Any, found: Around, state: Any, distances: Any) -> list[tuple[float, float]]:
    """Exact and Bethe log of the sum over fixed points with the weight of the tie."""
    overlaps, n = states.astype(np.float64) @ state, len(state)
    return [
        (special.logsumexp(tie * overlaps) - tie * n * (1.0 - 2.0 * d), n * entropy)
        for d, tie, entropy in zip(distances, found.tie, found.entropy, strict=True)
        if len(states) and n * entropy > 1.0
    ]


def describe(pairs: Any) -> str:
    if len(pairs) < 3:
        return f"{len(pairs)} only"
    exact, bethe = np.transpose(pairs)
    rest = bethe - exact
    return (
        f"{len(rest)}: {rest.mean():+.3f} (spread {rest.std(ddof=1):.3f}), correlation "
        f"{np.corrcoef(exact, bethe)[0, 1]:.3f}"
    )


@main.command()
@click.option("--networks", default=30)
@click.option("--neurons", default=18)
def enumeration(networks: int, neurons: int) -> None:
    """Random networks: logarithms of counts, exact and Bethe."""
    distances = np.array([0.5, 0.4, 0.3, 0.2, 0.1])
    for j, std, margin in (
        (0.5, 0, 0), (1, 0, 0), (0.5, 1, 0), (1, 1, 0), (1, 1, 0.3), (0.5, 5, 0), (1, 5, 0),
    ):  # fmt: skip
        pairs, settled = [], 0
        for k in range(networks):
            rng = np.random.default_rng([k, 5])
            couplings = theory.random_couplings(neurons, rng)
            field, state = std * rng.standard_normal(neurons), rng.choice([-1.0, 1.0], neurons)
            if k % 2:
                state = np.where(couplings @ state + field > 0.0, 1.0, -1.0)
            options: Any = {"field": field, "margin": margin}
            found = around(couplings, j, state, distances, **options)
            states = theory.enumerate_fixed_points(couplings, j, **options)
            settled += found.converged.sum()
            pairs += compare(states, found, state, distances)
        click.echo(
            f"J_D {j} field {std} margin {margin} N {neurons}: settled {settled} of "
            f"{networks * len(distances)}; Bethe less exact, {describe(pairs)}"
        )


@main.command()
@click.option("--neurons", multiple=True, default=(100, 400))
@click.option("--samples", default=10)
@click.option("--asked/--not-asked", default=False, help="Count with the margin of the rule.")
@click.option("--untrained", is_flag=True)
def trained(neurons: tuple[int, ...], samples: int, asked: bool, untrained: bool) -> None:
    """How many samples settle, what they count, and how long that takes."""
    for n in neurons:
        for j, margin in CELLS:
            if asked and not margin:
                continue
            rows, seconds, plain = [], 0.0, []
            for seed in SEEDS:
                couplings, fields, states = draw(n, j, margin, seed, samples, not untrained)
                single = couplings.astype(np.float32)
                for field, state in zip(fields, states, strict=True):
                    options: Any = {"field": field, "margin": margin if asked else 0.0}
                    start = time.process_time()
                    rows.append(around(single, j, state, np.array(FLIPS) / n, rtol=1e-5, **options))
                    seconds += time.process_time() - start
                    total = belief_propagation(single, j, rtol=1e-5, **options)
                    plain.append(n * total.entropy if total.converged else np.nan)
            settled = np.array([row.converged for row in rows])
            empty = ~settled & np.array([row.bound < -NONE / n for row in rows])
            value = n * np.array([row.entropy for row in rows])
            click.echo(
                f"N {n} J_D {j} margin {margin}: all fixed points {np.nanmean(plain):.2f} (spread "
                f"{np.nanstd(plain, ddof=1):.2f}, {np.isfinite(plain).sum()} of {len(plain)}); "
                f"{seconds / len(rows):.3f} s a sample"
            )
            for k, flips in enumerate(FLIPS):
                text = f"   {flips} flips: settled {settled[:, k].sum()} empty {empty[:, k].sum()}"
                if settled[:, k].sum() > 1:
                    column = value[settled[:, k], k]
                    text += f", N S {column.mean():.2f} (spread {column.std(ddof=1):.2f})"
                click.echo(text)


@main.command()
@click.option("--neurons", multiple=True, default=(20, 100, 400))
@click.option("--samples", default=10)
def exact(neurons: tuple[int, ...], samples: int) -> None:
    """Trained networks: the neurons that messages leave open are enumerated, others held."""
    for n in neurons:
        for j, margin in CELLS:
            totals, near, left_out = [], [], 0
            for seed in SEEDS:
                couplings, fields, states = draw(n, j, margin, seed, samples)
                for field, state in zip(fields, states, strict=True):
                    plain = belief_propagation(couplings, j, field=field, rtol=1e-5)
                    found = enumerate_open(couplings, j, field, plain.magnetisations)
                    if not plain.converged or found is None or not len(found):
                        left_out += 1
                        continue
                    totals.append((np.log(len(found)), n * plain.entropy))
                    distances = np.array(FLIPS[:4]) / n
                    result = around(couplings, j, state, distances, field=field, rtol=1e-5)
                    near += compare(found, result, state, distances)
            click.echo(
                f"N {n} J_D {j} margin {margin}: left out {left_out}; Bethe less exact, all, "
                f"{describe(totals)}; at a distance, {describe(near)}"
            )


def enumerate_open(couplings: Any, j: float, field: Any, magnetisations: Any) -> Any:
    """Fixed points in which all but the open neurons are as they mostly are; None if that would
    leave out more than one in ten."""
    order = np.argsort(np.abs(magnetisations))
    chosen, held = np.sort(order[:OPEN]), order[OPEN:]
    if len(couplings) <= OPEN + 2:
        return theory.enumerate_fixed_points(couplings, j, field=field)
    if np.sum(1.0 - np.abs(magnetisations[held])) / 2.0 > 0.1:
        return None
    signs = np.sign(magnetisations[held])
    shared = field[chosen] + couplings[np.ix_(chosen, held)] @ signs
    inner = theory.enumerate_fixed_points(couplings[np.ix_(chosen, chosen)], j, field=shared)
    states = np.empty((len(inner), len(couplings)))
    states[:, chosen], states[:, held] = inner, signs
    stable = states * (states @ couplings.T + field) + j > 0.0
    return states[stable.all(axis=1)]


@main.command()
@click.option("--neurons", default=400)
@click.option("--samples", default=10)
def damping(neurons: int, samples: int) -> None:
    """Trained networks: other dampings, orders of distances and random starts."""
    for j, margin in CELLS[:3]:
        first: list[Around] = []
        for share, iterations, seed in ((0.3, 300, None), (0.0, 300, None), (0.6, 300, None),
                                        (0.9, 1000, None), (0.3, 300, 1)):  # fmt: skip
            found, seconds = [], 0.0
            for k in SEEDS:
                couplings, fields, states = draw(neurons, j, margin, k, samples)
                for field, state in zip(fields, states, strict=True):
                    flips = FLIPS if seed is None else FLIPS[::-1]
                    start = time.process_time()
                    result = around(
                        couplings.astype(np.float32), j, state, np.array(flips) / neurons,
                        field=field, rtol=1e-5, damping=share, max_iterations=iterations, rng=seed,
                    )  # fmt: skip
                    seconds += time.process_time() - start
                    found.append(result if seed is None else Around(*(x[::-1] for x in result)))
            first = first or found
            value, other = (neurons * np.array([r.entropy for r in rs]) for rs in (found, first))
            bound = neurons * np.array([r.bound for r in found])
            click.echo(
                f"J_D {j} margin {margin} damping {share} iterations {iterations} "
                f"{'random start, distances reversed' if seed else ''}: settled "
                f"{np.isfinite(value).sum(axis=0)}, undecided "
                f"{(np.isnan(value) & (bound > -NONE)).sum(axis=0)}, largest difference of N S "
                f"{np.nanmax(np.abs(value - other)):.3f}, {seconds / len(found):.3f} s a sample"
            )


if __name__ == "__main__":
    main()
