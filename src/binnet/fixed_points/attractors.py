"""`census`: every attractor of a small network, exactly, and how all 2**N states lead to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory, describe_bytes
from binnet._threads import resolve_threads, share_out
from binnet._validation import check_choice
from binnet.fixed_points._conditions import decide_successors, make_thresholds
from binnet.networks import RandomNetwork
from binnet.states import unpack_states

if TYPE_CHECKING:
    import xarray

#: For each update order, the most neurons of a census.
MOST_NEURONS = {"sync": 28, "async": 16, "random-subset": 16}
_LOW_SPINS = 8  # of a block of states whose fields differ by a table
_BLOCKS = 4096  # of a call: some milliseconds
_SERIAL_WORDS = 2**14  # of 64 states: fewer are dealt with before other threads have woken up
_MOST_SHARES = 4  # each counts in 2**N bytes of its own, which is to stay in the cache
_DOUBTFUL = 1024  # states of a call that there is room for at first
# Bytes: of a state, beside one for each share; of a state that has a predecessor; of a state on a
# cycle, and of a cycle, which the result holds; of a state, where dynamics draw random numbers.
_STATE_BYTES, _INNER_BYTES, _MEMBER_BYTES, _CYCLE_BYTES, _ABSORBING_BYTES = 5, 24, 12, 40, 32
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
    network: RandomNetwork, update_order: str = "sync", *, threads: int | None = None
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
    For N = 24 "sync" takes a fifth of a second and 6 to 9 bytes for each state, besides 24 for each
    that has a predecessor (at J_D <= 1 a quarter of all, or less), and for those on cycles, which
    are few but at a large self-coupling, 16 and 40 for a cycle. Each further neuron doubles both.

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
    per_state = _STATE_BYTES + 1 if update_order == "sync" else _ABSORBING_BYTES
    if n > most:
        factor, base = _SECONDS[update_order]
        raise ValueError(
            f"a census follows all 2**N states, under {update_order!r} for n_neurons <= {most}, "
            f"got {n}: {describe_bytes(per_state * 2.0**n)} of memory at the least, about "
            f"{factor * base**n:.2g} seconds; for larger networks relax random starts "
            "(binnet.relax)"
        )
    if update_order == "sync":
        per_state = _STATE_BYTES + len(_share_words(2**n, n_threads))
    check_memory(f"n_neurons = {n}: all states", per_state * 2.0**n, "take fewer")
    successors = _map_states(network, n_threads)
    if update_order == "sync":
        return _follow(network, successors, n_threads)
    return _find_absorbing(network, successors, update_order)


def _map_states(network: RandomNetwork, threads: int) -> NDArray[np.uint32]:
    """Return the successor of each state when all neurons are updated at once."""
    from binnet_kernels.enumeration.census import make_map, map_states

    n = network.n_neurons
    n_low = min(_LOW_SPINS, n)
    n_blocks = 2 ** (n - n_low)
    description = make_map(*make_thresholds(network), n_low)
    successors = np.empty(2**n, np.uint32)

    def map_part(first: int) -> None:
        stop = min(first + _BLOCKS, n_blocks)
        room = _DOUBTFUL
        while True:
            doubtful = np.empty(room, np.uint32)
            fields, beside = (np.empty(len(description.bits), np.int32) for _ in range(2))
            near = np.empty(2**n_low, np.uint32)
            found = map_states(description, first, stop, fields, beside, near, successors, doubtful)
            if found <= room:
                break
            room = found
        if found:
            words = doubtful[:found]
            up = decide_successors(network, unpack_states(words.astype(np.uint64)[:, None], n))
            successors[words] = (up.astype(np.uint32) << np.arange(n, dtype=np.uint32)).sum(
                axis=1, dtype=np.uint32
            )

    share_out(threads, map_part, range(0, n_blocks, _BLOCKS))
    return successors


def _follow(network: RandomNetwork, successors: NDArray[np.uint32], threads: int) -> Census:
    """Return the cycles of a map, and what leads to them."""
    from binnet_kernels.enumeration import census as kernels

    n_states = len(successors)
    shares = _share_words(n_states, threads)
    # Each share counts for itself.
    counts = np.zeros((len(shares), n_states), np.uint8)
    full = [np.empty(0, np.uint32)] * len(shares)

    def count(row: int) -> None:
        first, stop = (min(64 * word, n_states) for word in shares[row])
        spilled = np.empty((stop - first) // kernels.SPILLED + 1, np.uint32)
        n = kernels.count_predecessors(successors, first, stop, counts[row], spilled)
        full[row] = spilled[:n]

    share_out(threads, count, range(len(shares)))
    inner, n_inner = _mark(counts)
    check_memory(
        f"n_neurons = {network.n_neurons}: the {n_inner} states that have a predecessor",
        _INNER_BYTES * float(n_inner),
        "take fewer, or a lower self-coupling",
    )
    states, following, leaves, labels = (np.empty(n_inner, np.uint32) for _ in range(4))

    def compact(share: tuple[int, int]) -> None:
        kernels.compact(*share, successors, inner, counts, states, following, leaves)

    share_out(threads, compact, shares)
    kernels.add_spilled(inner, np.concatenate(full), leaves)
    distances, order = np.zeros(n_inner, np.uint32), np.empty(n_inner + 1, np.uint32)
    n_transient = kernels.peel(following, distances, leaves, order)
    lengths = np.empty(n_inner - n_transient, np.uint32)
    n_cycles = kernels.find_cycles(following, n_transient, order, distances, labels, lengths)
    check_memory(
        f"n_neurons = {network.n_neurons}: the {n_cycles} attractors",
        _MEMBER_BYTES * float(n_inner - n_transient) + _CYCLE_BYTES * float(n_cycles),
        "take fewer, or a lower self-coupling",
    )
    basins, total, longest = (np.zeros(n_cycles, np.int64) for _ in range(3))
    by_steps = np.zeros(int(distances.max()) + 2, np.int64)
    kernels.count_basins(distances, labels, leaves, basins, total, longest, by_steps)
    return Census(
        network=network,
        update_order="sync",
        states=states[order[n_transient:n_inner]].astype(np.uint64)[:, None],
        lengths=lengths[:n_cycles].astype(np.int64),
        basins=basins,
        mean_transients=total / basins,
        longest_transients=longest,
        transients=np.trim_zeros(by_steps, "b"),
        n_without_predecessor=n_states - n_inner,
    )


def _share_words(n_states: int, threads: int) -> list[tuple[int, int]]:
    """Cut the words of 64 states into a share for each thread, where that pays."""
    n_words = max(1, n_states // 64)
    n_shares = min(threads, _MOST_SHARES) if n_words >= _SERIAL_WORDS else 1
    edges = [n_words * k // n_shares for k in range(n_shares + 1)]
    return list(pairwise(edges))


def _mark(counts: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], int]:
    """Return a bit for each state that has a predecessor, and how many come before each word."""
    bits = np.packbits(np.bitwise_or.reduce(counts, axis=0), bitorder="little")
    inner = np.zeros((max(1, len(bits) // 8), 2), np.uint64)
    inner[:, 0] = np.pad(bits, (0, -len(bits) % 8)).view("<u8")
    ones = np.bitwise_count(inner[:, 0])
    np.cumsum(ones[:-1], out=inner[1:, 1])
    return inner, int(inner[-1, 1]) + int(ones[-1])


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
