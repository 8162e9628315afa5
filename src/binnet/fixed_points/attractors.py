"""`census`: every attractor of a small network, exactly, and how all 2**N states lead to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory, describe_bytes
from binnet._threads import resolve_threads
from binnet._validation import check_choice
from binnet.fixed_points._map import count_state_bytes, follow, map_states, showing_progress
from binnet.networks import RandomNetwork
from binnet.states import unpack_states

if TYPE_CHECKING:
    import xarray

#: For each update order, the most neurons of a census.
MOST_NEURONS = {"sync": 28, "async": 16, "random-subset": 16}
_ABSORBING_BYTES = 32  # of a state, where dynamics draw random numbers
# Measured, one thread: (a, b) of a b^N. What a random subset leads to are 3^N pairs at J_D = 0.
_SECONDS = {"sync": (1.5e-8, 2.0), "async": (1e-7, 2.0), "random-subset": (6e-10, 3.0)}


@dataclass(frozen=True, eq=False)
class Census:
    """Every attractor of a network, as `binnet.fixed_points.census` returns it.

    Attractors are in the order of their lowest states (as packed words) under "sync".

    Parameters
    ----------
    network : RandomNetwork
        The network.
    update_order : str
        "sync", "async" or "random-subset".
    states : ndarray of uint64, shape (lengths.sum(), 1)
        Packed states (`binnet.pack_states`) of the attractors, one attractor after the other; those
        of a cycle in its order, from its lowest state on.
    lengths : ndarray of int64, shape (n,)
        States of each attractor: the length of a cycle, or the size of an absorbing set.
    basins : ndarray of int64, shape (n,)
        States that end there, its own included; with chance, those that end nowhere else.
    n_undecided : int
        States that can end in several attractors; 0 under "sync".
    mean_transients : ndarray of float64, shape (n,), optional
        Steps from a state of the basin to the attractor, on average; "sync" only, as what follows.
    longest_transients : ndarray of int64, shape (n,), optional
        The largest of these numbers of steps.
    transients : ndarray of int64, shape (T + 1,), optional
        States by their steps to the attractor, 0 for the attractors themselves.
    n_without_predecessor : int, optional
        States that are the successor of none.
    """

    network: RandomNetwork
    update_order: str
    states: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    basins: NDArray[np.int64]
    n_undecided: int = 0
    mean_transients: NDArray[np.float64] | None = None
    longest_transients: NDArray[np.int64] | None = None
    transients: NDArray[np.int64] | None = None
    n_without_predecessor: int | None = None

    @property
    def count(self) -> int:
        """Number of attractors n."""
        return len(self.lengths)

    @property
    def n_fixed_points(self) -> int:
        """Number of attractors of one state."""
        return int(np.count_nonzero(self.lengths == 1))

    def count_lengths(self) -> dict[int, int]:
        """Return the number of attractors of each length that there is.

        Returns
        -------
        dict of int to int
            In ascending order of the lengths.
        """
        lengths, counts = np.unique(self.lengths, return_counts=True)
        return dict(zip(lengths.tolist(), counts.tolist(), strict=True))

    def unpacked(self, attractor: int) -> NDArray[np.int8]:
        """Return the states of one attractor as spins.

        Parameters
        ----------
        attractor : int
            Its number, from 0.

        Returns
        -------
        ndarray of int8, shape (lengths[attractor], N)
            Rows of -1 and +1, in the order of the cycle.
        """
        end = np.cumsum(self.lengths)[attractor]
        rows = self.states[end - self.lengths[attractor] : end]
        return unpack_states(rows, self.network.n_neurons)

    def to_dataset(self) -> xarray.Dataset:
        """Return the census as a labelled data set.

        Returns
        -------
        xarray.Dataset
            ``length`` and ``basin`` (attractor,), ``state`` (member, word) as
            `binnet.unpack_states` reads it, the attractor of each ``member``, and under "sync" the
            transients; what the network was drawn with is JSON in the attributes.
        """
        import xarray

        coding = "neuron i is bit i % 64 of word i // 64, 1 is +1"
        variables: dict[str, Any] = {
            "length": ("attractor", self.lengths),
            "basin": ("attractor", self.basins),
            "state": (("member", "word"), self.states, {"coding": coding}),
            "member_attractor": ("member", np.repeat(np.arange(self.count), self.lengths)),
        }
        attributes: dict[str, Any] = {"n_undecided": self.n_undecided}
        if self.transients is not None:
            variables |= {
                "mean_transient": ("attractor", self.mean_transients),
                "longest_transient": ("attractor", self.longest_transients),
                "transients": ("steps", self.transients),
            }
            attributes["n_without_predecessor"] = self.n_without_predecessor
        attributes |= {
            "n_neurons": self.network.n_neurons,
            "update_order": self.update_order,
            "network": json.dumps(dict(self.network.parameters)),
        }
        return xarray.Dataset(variables, attrs=attributes)


def census(
    network: RandomNetwork,
    update_order: str = "sync",
    *,
    threads: int | None = None,
    progress: bool = False,
) -> Census:
    """Find every attractor of a network, exactly, and how many states lead to each.

    Under "sync" every state has one successor, and all end in cycles; a fixed point is a cycle of
    length 1. With chance, states end in absorbing sets: smallest sets of states that no update
    leaves (docs/model/network.md, section 9.4). Fields are compared with 0 exactly, and sign(0) =
    +1, as in `enumerate`.

    Parameters
    ----------
    network : RandomNetwork
        N <= 28 neurons under "sync", N <= 16 under the others.
    update_order : {"sync", "async", "random-subset"}, default "sync"
        All neurons at once; one neuron at a time, whichever; or any of the unstable ones at once,
        as for an update probability below 1.
    threads : int, optional
        Threads; the result does not depend on it. Default: all cores.
    progress : bool, default False
        Whether to show a progress bar with the time left, on a terminal.

    Returns
    -------
    Census
        The attractors, their basins, and the transients.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of its range, or the network is too large.
    MemoryError
        If it takes more memory than there is.

    Notes
    -----
    For N = 24 "sync" takes a fifth of a second and 6 to 9 bytes for each state, besides 12 for each
    that has a predecessor (at J_D <= 1 a quarter of all, or less); when the first ones are done
    with, 20 more of the latter. A cycle takes 40, and 12 for each of its states, which are few but
    at a large self-coupling. Each further neuron doubles both.

    Examples
    --------
    Two neurons that couple to each other go round, unless they agree.

    >>> import numpy as np
    >>> from binnet import RandomNetwork, fixed_points
    >>> found = fixed_points.census(RandomNetwork(np.array([[0, 1], [1, 0]], np.int16)))
    >>> found.count_lengths()
    {1: 2, 2: 1}
    >>> found.basins
    array([1, 2, 1])
    """
    if not isinstance(network, RandomNetwork):
        raise TypeError(f"network must be a RandomNetwork, got {type(network).__name__}")
    check_choice("update_order", update_order, tuple(MOST_NEURONS))
    n, most = network.n_neurons, MOST_NEURONS[update_order]
    n_threads = resolve_threads(threads)
    if n > most:
        raise ValueError(
            f"a census follows all 2**N states, under {update_order!r} for n_neurons <= {most}, "
            f"got {n}: {describe_cost(n, update_order, 1)}; for larger networks relax random "
            "starts (binnet.relax)"
        )
    n_bytes = _count_bytes(n, update_order, n_threads)
    check_memory(f"n_neurons = {n}: all states", n_bytes, "take fewer")
    with showing_progress(progress) as shown:
        if update_order == "sync":
            found = follow(network, n_threads, shown)
            return Census(network=network, update_order="sync", **found)
        successors = map_states(network, n_threads, shown)
    return _find_absorbing(network, successors, update_order)


def describe_cost(n_neurons: int, update_order: str, threads: int) -> str:
    """Return what a census takes, as a person would say it.

    Parameters
    ----------
    n_neurons : int
        N.
    update_order : {"sync", "async", "random-subset"}
        The dynamics.
    threads : int
        Threads that it runs on: each counts in memory of its own.

    Returns
    -------
    str
        Memory and seconds, as measured on one machine.
    """
    factor, base = _SECONDS[update_order]
    n_bytes = _count_bytes(n_neurons, update_order, threads)
    return (
        f"{describe_bytes(n_bytes)} of memory at the least, about "
        f"{factor * base**n_neurons:.2g} seconds"
    )


def _count_bytes(n_neurons: int, update_order: str, threads: int) -> float:
    """Return the bytes that a census takes at the least."""
    if update_order == "sync":
        return count_state_bytes(n_neurons, threads)
    return _ABSORBING_BYTES * 2.0**n_neurons


def _find_absorbing(
    network: RandomNetwork, successors: NDArray[np.uint32], update_order: str
) -> Census:
    """Return the absorbing sets of an order with chance."""
    from binnet_kernels.enumeration.absorbing import NOWHERE, UNDECIDED, find_absorbing

    n_states = len(successors)
    times = np.zeros(n_states, np.uint32)
    ends = np.full(n_states, NOWHERE)
    lowest, masks, path, stack, members = (np.empty(n_states, np.uint32) for _ in range(5))
    n_sets, n_members = find_absorbing(
        successors, update_order == "random-subset", times, lowest, masks, ends, path, stack,
        members,
    )  # fmt: skip
    members = members[:n_members]
    decided = ends[ends != UNDECIDED]
    return Census(
        network=network,
        update_order=update_order,
        states=members.astype(np.uint64)[:, None],
        lengths=np.bincount(ends[members], minlength=n_sets),
        basins=np.bincount(decided, minlength=n_sets),
        n_undecided=n_states - len(decided),
    )
