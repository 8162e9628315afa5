"""Basins of attraction: where each of all 2**N states ends under an update order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binnet._deprecation import renamed_attribute
from binnet._progress import progress_bar
from binnet._threads import resolve_threads
from binnet._validation import check_integer
from binnet.dynamics import FreeRelaxation, relax_free
from binnet.networks import RandomNetwork
from binnet.states import unpack_states
from binnet.update_orders import find_order

MOST_NEURONS = 20
# Starts relaxed in one call; seeds belong to calls, so it is a part of what a seed means.
_STARTS = 2**13


@dataclass(frozen=True, eq=False)
class Basins:
    """How many of all 2**N states end in each fixed point.

    Parameters
    ----------
    update_order : str
        As in `binnet.relax`.
    sizes : ndarray of int64, shape (n,)
        Starts that end in each fixed point, itself included, in the order of the fixed points.
    n_cycles : int
        Starts that end in a cycle, of any length; 0 for the orders that draw random numbers.
    n_unsettled : int
        Other starts: the sweeps ran out, or a floating-point field within rounding of 0 holds a
        state that is no fixed point exactly.
    """

    update_order: str
    sizes: NDArray[np.int64]
    n_cycles: int
    n_unsettled: int

    dynamics = renamed_attribute("dynamics", "update_order")

    @property
    def fraction(self) -> float:
        """Fraction of all states that end in a fixed point."""
        n_settled = int(self.sizes.sum())
        return n_settled / (n_settled + self.n_cycles + self.n_unsettled)


def measure_basins(
    network: RandomNetwork,
    states: NDArray[np.uint64],
    margin: float,
    update_order: str,
    update_probability: float,
    max_sweeps: int,
    seed: int,
    threads: int | None,
    progress: bool,
) -> Basins:
    """Return the basins of all fixed points of a network.

    Parameters
    ----------
    network : RandomNetwork
        The network.
    states : ndarray of uint64, shape (n, 1)
        All its fixed points, packed, in ascending order.
    margin : float
        kappa, the stability that was asked of them.
    update_order : str
        This and what follows as in `FixedPoints.basins`.
    update_probability : float
        Of random-subset.
    max_sweeps : int
        Of a random run.
    seed : int
        Of the random runs.
    threads : int or None
        Threads.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Basins
        Their sizes.
    """
    is_random = find_order(update_order, "free").is_random
    check_integer("max_sweeps", max_sweeps, 1)
    check_integer("seed", seed, 0, None)
    n = network.n_neurons
    if n > MOST_NEURONS:
        raise ValueError(
            f"basins follow all 2**N states, for n_neurons <= {MOST_NEURONS}, got {n}; for larger "
            "networks relax random starts (binnet.relax) and look their ends up among the states"
        )
    if margin != 0.0:
        raise ValueError(
            f"basins need every fixed point, but these have margin = {margin:g}; "
            "enumerate the network without a margin"
        )
    ends, at_rest = np.empty(2**n, np.int64), np.empty(2**n, bool)
    n_threads = resolve_threads(threads)
    shown = None if progress else True
    for first in progress_bar(
        range(0, 2**n, _STARTS), unit="part", disable=shown, delay=1.0, leave=False
    ):
        part = slice(first, min(first + _STARTS, 2**n))
        words = np.arange(part.start, part.stop, dtype=np.uint64)
        result: FreeRelaxation = relax_free(
            network,
            update_order=update_order,
            initial_states=unpack_states(words[:, None], n),
            # A deterministic order is followed sweep by sweep below, to its very end.
            max_sweeps=max_sweeps if is_random else 1,
            update_probability=update_probability,
            stop_at_cycle=False,
            packed=True,
            seed=_seed_of(seed, first // _STARTS),
            threads=n_threads,
        )
        ends[part], at_rest[part] = result.states[:, 0], result.converged
    if not is_random:
        # Twice as many sweeps with each look-up; after 2**N of them a state is at rest or in a
        # cycle, where one more sweep does not bring it to rest.
        for _ in range(n):
            ends = ends[ends]
        at_rest = at_rest[ends]
    words = states[:, 0].astype(np.int64)
    index = np.searchsorted(words, ends)
    listed = at_rest & (np.append(words, -1)[index] == ends)
    return Basins(
        update_order=update_order,
        sizes=np.bincount(index[listed], minlength=len(words)),
        n_cycles=0 if is_random else int(np.count_nonzero(~at_rest)),
        n_unsettled=int(np.count_nonzero(~listed & (at_rest | is_random))),
    )


def _seed_of(seed: int, part: int) -> int:
    """Return the seed of a part of the starts."""
    return int(np.random.SeedSequence(seed, spawn_key=(part,)).generate_state(1)[0])
