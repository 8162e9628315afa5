"""Where the time of a census goes, beside what its accesses to memory alone take.

    python bench/census_phases.py --neurons 24

Processor time of one thread, least of several rounds. A bare loop makes the same accesses at the
same places, in the same order, and nothing else: a phase cannot be faster on one thread.
"""

import time
from collections.abc import Callable
from typing import Any

import click
import numba
import numpy as np

import binnet_kernels.enumeration.census as kernels
from binnet import RandomNetwork, fixed_points

bare: Any = numba.njit(nogil=True, error_model="numpy")
PHASES = ("map_states", "count_predecessors", "compact", "count_degrees", "find_ends", "peel",
          "find_cycles", "walk_back", "count_basins")  # fmt: skip


@bare  # type: ignore[untyped-decorator]
def count_at(places: np.ndarray, counts: np.ndarray) -> None:
    """Add 1 at each place."""
    for k in range(places.shape[0]):
        counts[places[k]] += counts.dtype.type(1)


@bare  # type: ignore[untyped-decorator]
def follow_places(places: np.ndarray, following: np.ndarray, degrees: np.ndarray) -> int:
    """Read what follows on each place, and then there."""
    total = 0
    for k in range(places.shape[0]):
        total += degrees[following[places[k]]]
    return total


@bare  # type: ignore[untyped-decorator]
def copy_back(sources: np.ndarray, targets: np.ndarray, ends: np.ndarray) -> None:
    """Copy from place to place, the last one first."""
    for k in range(sources.shape[0] - 1, -1, -1):
        ends[targets[k]] = ends[sources[k]]


def record_calls(network: RandomNetwork) -> tuple[dict[str, float], dict[str, tuple[Any, ...]]]:
    """Return the seconds in each kernel, and what it was last called with."""
    seconds, called = dict.fromkeys(PHASES, 0.0), {}
    originals = {name: getattr(kernels, name) for name in PHASES}

    def watch(name: str) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            begun = time.thread_time()
            result = originals[name](*arguments)
            seconds[name] += time.thread_time() - begun
            called[name] = arguments
            return result

        return run

    for name in PHASES:
        setattr(kernels, name, watch(name))
    try:
        begun = time.thread_time()
        fixed_points.census(network, threads=1)
        seconds["all"] = time.thread_time() - begun
    finally:
        for name, original in originals.items():
            setattr(kernels, name, original)
    return seconds, called


def time_bare(work: Callable[..., Any], *arguments: Any) -> float:
    begun = time.thread_time()
    work(*arguments)
    return time.thread_time() - begun


def time_accesses(called: dict[str, tuple[Any, ...]], n_states: int) -> dict[str, float]:
    """Return the seconds of the bare loops of a census that was recorded."""
    successors, following, ends = called["compact"][2], called["peel"][0], called["walk_back"][2]
    rows = called["peel"][2].base  # what is peeled, in order, and what follows on it
    order, images = rows[:, : np.count_nonzero(ends & np.uint64(2**32 - 1))]
    return {
        "count_predecessors": time_bare(count_at, successors, np.zeros(n_states, np.uint8)),
        "count_degrees": time_bare(count_at, following, np.zeros(len(following), np.uint32)),
        "peel": time_bare(follow_places, order, following, called["peel"][1]),
        "walk_back": time_bare(copy_back, images, order, ends.copy()),
    }


@click.command()
@click.option("--neurons", default=24)
@click.option("--rounds", default=5)
def main(neurons: int, rounds: int) -> None:
    """Print milliseconds by phase."""
    names = (*PHASES, "other", "all")
    click.echo(f"| J_D | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for j in (0.0, 0.5, 1.0):
        network = RandomNetwork.draw(neurons, j, dtype="int16", seed=1)
        best: dict[str, float] = {}
        least: dict[str, float] = {}
        for _ in range(rounds + 1):  # the first one compiles
            seconds, called = record_calls(network)
            seconds["other"] = seconds["all"] - sum(seconds[name] for name in PHASES)
            best = {name: min(best.get(name, np.inf), x) for name, x in seconds.items()}
            for name, x in time_accesses(called, 2**neurons).items():
                least[name] = min(least.get(name, np.inf), x)
        cells = [
            f"{1e3 * best[name]:.1f}" + (f" ({1e3 * least[name]:.1f})" if name in least else "")
            for name in names
        ]
        click.echo(f"| {j:g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
