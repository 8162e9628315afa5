"""Measurements of the dynamics behind docs/results/theory.md: the dynamical cavity against
simulated networks, and where it freezes.

    python bench/dynamics_measurements.py dmft | networks | plateaus | freezing | finite

Everything is seeded; --help of a command shows its sizes.
"""

import time
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from binnet import theory
from binnet.dynamics import relax_free
from binnet.networks import RandomNetwork

Array = NDArray[Any]
# name: J_D, sigma_b, eta, update order
CASES: dict[str, tuple[float, float, float, str]] = {
    "driven-1": (0.4, 1.0, 0.0, "sync"),
    "driven-5": (0.05, 5.0, 0.0, "sync"),
    "driven-5-freezing": (0.1, 5.0, 0.0, "sync"),
    "symmetric": (0.3, 0.0, 0.5, "sync"),
    "antisymmetric": (0.3, 0.0, -0.5, "sync"),
    "async": (0.5, 0.0, 0.0, "async"),
    "async-driven": (0.3, 1.0, 0.0, "async"),
    "async-symmetric": (0.3, 0.0, 0.5, "async"),
}


@click.group()
def main() -> None:
    """The dynamical cavity against simulated networks."""


def synchronous_flips(
    couplings: Array, j: float, sweeps: int, starts: int, rng: np.random.Generator
) -> Array:
    """Fraction of neurons that flip in every sweep from random starts, (sweeps, starts)."""
    state = rng.choice(np.array([-1, 1], np.float32), (len(couplings), starts))
    flips = np.empty((sweeps, starts))
    for t in range(sweeps):
        field = couplings @ state + np.float32(j) * state
        new = np.where(field >= 0, np.float32(1), np.float32(-1))
        flips[t], state = np.mean(new != state, axis=0), new
    return flips


@main.command()
@click.option("--neurons", default=10_000)
@click.option("--sweeps", default=30)
@click.option("--starts", default=4)
@click.option("--networks", default=8)
def dmft(neurons: int, sweeps: int, starts: int, networks: int) -> None:
    """Flip fractions of simulated networks, sweep by sweep, against the dynamical cavity."""
    self_couplings = (0.3, 0.6, 0.9)
    means = np.zeros((len(self_couplings), networks, sweeps))
    for k in range(networks):
        rng = np.random.default_rng([3, k])
        couplings = theory.random_couplings(neurons, rng, np.float32)
        for index, j in enumerate(self_couplings):
            means[index, k] = synchronous_flips(couplings, j, sweeps, starts, rng).mean(axis=1)
        click.echo(f"network {k + 1} of {networks}", err=True)
    for j, measured in zip(self_couplings, means, strict=True):
        result = theory.dynamical_cavity(j, sweeps, n_trajectories=20_000, n_batches=8)
        error = measured.std(axis=0, ddof=1) / np.sqrt(networks)
        error = np.hypot(error, result.flip_error)
        pull = (measured.mean(axis=0) - result.flip_fraction) / error
        shown = " ".join(
            f"{t}:{measured[:, t].mean():.5f}/{result.flip_fraction[t]:.5f}({error[t]:.5f})"
            for t in (0, 1, 2, 4, 9, 19, sweeps - 1)
        )
        click.echo(
            f"J_D {j}  sweep:simulated/theory(error) {shown}\n   largest |difference|/error "
            f"{np.abs(pull).max():.2f}, root mean square {np.sqrt(np.mean(pull**2)):.2f}"
        )


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--neurons", default=10_000)
@click.option("--starts", default=4)
@click.option("--n-networks", default=8)
@click.option("--first", default=0, help="Seed of the first network.")
@click.option("--trajectories", default=20_000)
def networks(
    names: tuple[str, ...],
    neurons: int,
    starts: int,
    n_networks: int,
    first: int,
    trajectories: int,
) -> None:
    """Driven, correlated and asynchronous networks, sweep by sweep, against the theory."""
    for name in names or CASES:
        j, std, eta, order = CASES[name]
        sweeps = 30 if order == "sync" else 20
        measured = np.empty((n_networks, 2, sweeps))
        start = time.process_time()
        for k in range(n_networks):
            network = RandomNetwork.draw(
                neurons, j, symmetry=eta, field_std=std, dtype="int16", seed=first + k
            )
            options: dict[str, Any] = {
                "replicas": starts,
                "stop_at_cycle": False,
                "threads": 1,
                "seed": first + k,
            }
            result = relax_free(network, update_order=order, max_sweeps=sweeps, **options)
            measured[k, 0] = result.flips.mean(axis=0) / neurons
            measured[k, 1] = result.unstable_fraction.mean(axis=0)
        simulated = time.process_time() - start
        theoretical, error = _predict(CASES[name], sweeps, trajectories)
        error = np.hypot(measured.std(axis=0, ddof=1) / np.sqrt(n_networks), error)
        mean = measured.mean(axis=0)
        click.echo(
            f"{name}: J_D {j} sigma_b {std} eta {eta} {order}; {simulated:.0f} s of CPU simulated, "
            f"{time.process_time() - start - simulated:.0f} s theory"
        )
        for row, what in enumerate(("flips", "unstable")):
            exact = theoretical[row] == mean[row]  # no error, no difference
            pull = np.where(exact, 0.0, (mean[row] - theoretical[row]) / error[row])
            shown = " ".join(
                f"{t + 1}:{mean[row, t]:.5f}/{theoretical[row, t]:.5f}({error[row, t] * 1e5:.0f})"
                for t in (0, 1, 2, 4, 9, 19, 29)
                if t < sweeps
            )
            click.echo(
                f"   {what}  sweep:simulated/theory(error) {shown}\n   largest |difference|/error "
                f"{np.abs(pull).max():.2f}, root mean square {np.sqrt(np.mean(pull**2)):.2f}"
            )


def _predict(
    case: tuple[float, float, float, str], sweeps: int, trajectories: int
) -> tuple[Array, Array]:
    """Flips per sweep and unstable fraction before it, and their errors, (2, sweeps)."""
    j, std, eta, order = case
    options: dict[str, Any] = {
        "field_std": std, "symmetry": eta, "n_trajectories": trajectories
    }  # fmt: skip
    if order == "sync":
        sync = theory.dynamical_cavity(j, sweeps, n_batches=16, **options)
        return (
            np.stack([sync.flip_fraction, sync.unstable_fraction]),
            np.stack([sync.flip_error, sync.unstable_error]),
        )
    limit = theory.asynchronous_cavity(j, sweeps, **options)
    for n, flips, error in zip(
        limit.n_groups, limit.group_flip_fraction, limit.group_flip_error, strict=True
    ):
        shown = " ".join(f"{t + 1}:{flips[t]:.5f}({error[t] * 1e5:.0f})" for t in (0, 1, 2, 4, 9))
        click.echo(f"   {n:.0f} groups {shown}")
    shown = " ".join(
        f"{t + 1}:{limit.flip_fraction[t]:.5f}({limit.flip_error[t] * 1e5:.0f})"
        f"({limit.flip_extrapolation[t] * 1e5:.0f})"
        for t in (0, 1, 2, 4, 9)
    )
    click.echo(f"   limit (sampling)(extrapolation) {shown}")
    return (
        np.stack([limit.flip_fraction, limit.unstable_fraction]),
        np.stack(
            [
                np.hypot(limit.flip_error, limit.flip_extrapolation),
                np.hypot(limit.unstable_error, limit.unstable_extrapolation),
            ]
        ),
    )


@main.command()
@click.option("--neurons", multiple=True, default=(1000, 2000, 4000))
@click.option("--sweeps", default=200)
@click.option("--starts", default=8)
@click.option("--networks", default=4)
def plateaus(neurons: tuple[int, ...], sweeps: int, starts: int, networks: int) -> None:
    """Plateaus of simulated networks, extrapolated to freezing exactly as those of the theory."""
    grid = np.linspace(0.5, 0.7, 5)
    for n in neurons:
        measured = np.zeros((networks, grid.size))
        for k in range(networks):
            rng = np.random.default_rng([7, n, k])
            couplings = theory.random_couplings(n, rng, np.float32)
            for index, j in enumerate(grid):
                flips = synchronous_flips(couplings, j, sweeps, starts, rng)
                measured[k, index] = flips[sweeps // 2 :].mean()
        error = measured.std(axis=0, ddof=1) / np.sqrt(networks)
        result = theory.freezing_from_plateaus(
            grid, measured.mean(axis=0), error, slope=theory.plateau_slope()
        )
        shown = zip(grid, result.plateau, error, strict=True)
        click.echo(
            f"N {n}: freezing at {result.self_coupling:.3f} +- {result.error:.3f}; plateaus "
            + " ".join(f"{j:.2f}:{f:.4f}({e:.4f})" for j, f, e in shown)
        )


@main.command()
@click.option("--field-std", "stds", multiple=True, default=(0.0, 0.5, 1.0, 2.0, 5.0))
@click.option("--n-groups", "groups", multiple=True, default=(1, 2, 4, 8))
@click.option("--trajectories", default=16_000)
@click.option("--sweeps", default=200)
def freezing(
    stds: tuple[float, ...], groups: tuple[int, ...], trajectories: int, sweeps: int
) -> None:
    """Freezing of the infinite network, with derived and with fitted slope c."""
    for std in stds:
        for n in groups:
            start = time.process_time()
            result = theory.freezing_self_coupling(
                n_groups=n, field_std=std, n_sweeps=sweeps, n_trajectories=trajectories
            )
            fitted = theory.freezing_from_plateaus(*result[2:])
            slope = -1 / np.polyfit(result.grid, np.sqrt(result.plateau), 1)[0]
            derived = theory.plateau_slope(n_groups=n)
            click.echo(
                f"sigma_b {std:g}, {n} groups: J_D = {result.self_coupling:.4f} +- "
                f"{result.error:.4f}; slope fitted {fitted.self_coupling:.4f} +- "
                f"{fitted.error:.4f}, c = {slope:.3f} (derived {derived:.3f}); plateau "
                + " ".join(f"{j:.4f}:{f:.5f}({e:.5f})" for j, f, e in zip(*result[2:], strict=True))
                + f"; {time.process_time() - start:.0f} s of CPU"
            )


@main.command()
@click.option("--sweeps", default=1000)
@click.option("--starts", default=40)
def finite(sweeps: int, starts: int) -> None:
    """Self-couplings from which half of the runs of finite networks reach a fixed point."""
    grid = np.arange(0.4, 1.01, 0.05)
    for n in (250, 500, 1000, 2000, 4000):
        rng = np.random.default_rng([4, n])
        couplings = theory.random_couplings(n, rng, np.float32)
        shares = []
        for j in grid:
            state = rng.choice(np.array([-1, 1], np.float32), (n, starts))
            active = np.arange(starts)
            for _ in range(sweeps):
                now = state[:, active]
                new = np.where(
                    couplings @ now + np.float32(j) * now >= 0, np.float32(1), np.float32(-1)
                )
                state[:, active] = new
                active = active[np.any(new != now, axis=0)]
                if active.size == 0:
                    break
            shares.append(1 - active.size / starts)
        half = np.interp(0.5, np.maximum.accumulate(shares), grid)
        click.echo(
            f"N {n:5d}: half of the runs reach a fixed point within {sweeps} sweeps at "
            f"J_D = {half:.3f};"
            f" shares {' '.join(f'{j:.2f}:{s:.2f}' for j, s in zip(grid, shares, strict=True))}"
        )


if __name__ == "__main__":
    main()
