"""The dynamics without input: replicas of a random network, from random states to fixed points.

Under which update order it reaches a fixed point, after how many sweeps, or falls into a cycle
instead: that is what `relax_free` measures. With int16 couplings every field is an exact integer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet._validation import check_integer, check_spins
from binnet.dynamics._updates import stream_key
from binnet.dynamics.free_relaxation import FreeRelaxation
from binnet.dynamics.implicit import relax_implicit
from binnet.dynamics.stored import BLOCK, relax_stored
from binnet.networks import ImplicitNetwork, RandomNetwork
from binnet.states import pack_states
from binnet.update_orders import UpdateOrder, check_probability, find_order

Progress = Callable[[Iterable[slice]], Iterable[slice]]

_CHUNK_BYTES = 2**24  # of arrays for the replicas in work at a time; progress is seen between


class _Options(NamedTuple):
    order: UpdateOrder
    probability: float
    max_sweeps: int
    stop_at_cycle: bool


class _Part(NamedTuple):
    states: NDArray[np.int8]
    stabilities: NDArray[np.float64]
    flips: NDArray[np.int32]
    unstable: NDArray[np.int32]
    distance: NDArray[np.int32]
    sweeps: NDArray[np.int64]
    status: NDArray[np.int64]
    cycle_length: NDArray[np.int64]


@renamed_parameter("dynamics", "update_order")
def relax_free(
    network: RandomNetwork | ImplicitNetwork,
    *,
    update_order: str = "sync",
    replicas: int | None = None,
    initial_states: ArrayLike | None = None,
    max_sweeps: int = 1000,
    update_probability: float = 0.5,
    stop_at_cycle: bool = True,
    packed: bool = False,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FreeRelaxation:
    """Relax replicas of a random network until they settle (docs/model/network.md, section 9.2).

    A neuron is unstable where ``s_i != sign(h_i)``, with ``sign(0) = +1`` and
    ``h_i = sum_j J_ij s_j + J_D s_i + b_i``. A replica stops where none is: at a fixed point.

    Parameters
    ----------
    network : RandomNetwork or ImplicitNetwork
        The network.
    update_order : str, default "sync"
        Which neurons are updated in a sweep, and when: one of
        `binnet.update_orders.list_orders("free")`. Default: all unstable neurons flip, at once.
    replicas : int, optional
        R. Default: as many as `initial_states` has rows, or 1.
    initial_states : array_like, shape (R, N), optional
        Spins -1 and +1 to start from. Default: random ones.
    max_sweeps : int, default 1000
        Sweeps at most.
    update_probability : float, default 0.5
        For random-subset, in (0, 1].
    stop_at_cycle : bool, default True
        Whether a replica in a cycle stops there; orders that draw random numbers have none.
    packed : bool, default False
        Whether the states are returned as bits, see `binnet.pack_states`.
    seed : int, default 0
        Seed of the initial states, and of the random orders and subsets. Replica r draws the same
        whatever R and `threads` are.
    threads : int, optional
        Threads to run on at most; they share out the replicas, or, of a large int16 network, the
        neurons of fewer replicas than threads. Default: all cores. Of an
        ImplicitNetwork they share out the neurons, by default on all cores or one, whichever is
        faster: all wait where other processes keep a core busy. The result does not depend on it.
    progress : callable, optional
        Wraps the iterable of the parts of the work, as ``tqdm.tqdm`` does. Where what it returns
        has the method ``set_postfix_str`` of a bar, this says how far a long part has come.

    Returns
    -------
    FreeRelaxation
        Final states, how and when each replica settled, and its records per sweep.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Notes
    -----
    Fields follow the flips. With int16 or implicit couplings they are exact integers, and the
    result is that of recomputing them in every sweep, bit for bit. Floating-point fields are
    recomputed every 64 sweeps, and before a fixed point is declared.

    Cycles are found by Brent's method on a hash of the state, and confirmed by comparing states: no
    collision of hashes can report a wrong one. The sweeps of that search count.

    The first call keeps a copy of the couplings in the layout of the kernels, unless the network
    was drawn by `RandomNetwork.draw`, which has that layout.

    Examples
    --------
    >>> network = RandomNetwork.draw(100, self_coupling=1.5, seed=1)
    >>> result = relax_free(network, replicas=3, threads=1)
    >>> result.converged.all(), (result.stabilities > 0).all()
    (np.True_, np.True_)
    """
    if not isinstance(network, RandomNetwork | ImplicitNetwork):
        raise TypeError(
            f"network must be a RandomNetwork or ImplicitNetwork, got {type(network).__name__}"
        )
    order = find_order(update_order, "free")
    probability = check_probability(order, update_probability)
    n_sweeps = check_integer("max_sweeps", max_sweeps, 1)
    start = _choose_start(network.n_neurons, replicas, initial_states, seed)
    n_threads = resolve_threads(threads)
    options = _Options(order, probability, n_sweeps, bool(stop_at_cycle))
    parts = []
    chunks: Sequence[slice] = _cut(len(start), network.n_neurons, n_threads)
    at_once = chunks[0].stop
    check_memory(
        f"max_sweeps = {n_sweeps}: the records of {at_once} replicas",
        12.0 * at_once * n_sweeps,
        "take fewer",
    )
    shown: Iterable[slice] = chunks if progress is None else progress(chunks)
    for chunk in shown:
        parts.append(
            _relax_chunk(network, options, start[chunk], (seed, chunk.start), threads, shown)
        )
    described = {
        "update_order": order.text, "max_sweeps": n_sweeps, "stop_at_cycle": bool(stop_at_cycle),
        "initial_states": "random" if initial_states is None else "given",
    }  # fmt: skip
    if order.name == "random-subset":
        described["update_probability"] = probability
    provenance = {
        **describe_run(seed, n_threads), "network": _describe(network), "options": described
    }  # fmt: skip
    return _assemble(parts, packed, network.n_neurons, provenance)


def energy(network: RandomNetwork, states: ArrayLike) -> NDArray[np.float64]:
    """Return E = -1/2 sum_{i != j} s_i J_ij s_j - sum_i b_i s_i of each state.

    With symmetric couplings and J_D >= 0 the flip of a single unstable neuron lowers it by
    ``2 |h_i| + 2 J_D`` (h_i with the self-coupling), so that one-at-a-time orders end in a fixed
    point.

    Parameters
    ----------
    network : RandomNetwork
        The network.
    states : array_like, shape (R, N)
        Spins -1 and +1.

    Returns
    -------
    ndarray of float64, shape (R,)
        Energies.

    Raises
    ------
    TypeError, ValueError
        If `states` is not a matrix of -1 and +1 with N columns.
    """
    spins = check_spins("states", states, network.n_neurons).astype(np.float64)
    pairs = np.zeros(len(spins))
    for first in range(0, network.n_neurons, 256):  # bounds the memory of the couplings as float64
        rows = slice(first, first + 256)
        fields = spins @ network.couplings[rows].T.astype(np.float64)
        pairs += network.scale * np.einsum("ri,ri->r", spins[:, rows], fields)
    return np.asarray(-0.5 * pairs - spins @ network.fields)


def _choose_start(
    n_neurons: int, replicas: int | None, initial_states: ArrayLike | None, seed: int
) -> NDArray[np.int8]:
    """Return the first states (R, N)."""
    n = None if replicas is None else check_integer("replicas", replicas, 1)
    if initial_states is not None:
        start = check_spins("initial_states", initial_states, n_neurons)
        if len(start) == 0 or n not in (None, len(start)):
            raise ValueError(
                f"initial_states must have one row for each replica, got {len(start)} rows for "
                f"{'at least 1' if n is None else n}"
            )
        return start
    # States, and stabilities in float64.
    check_memory(f"replicas = {n or 1}: their states", 9.0 * (n or 1) * n_neurons, "take fewer")
    sequence = np.random.SeedSequence(check_integer("seed", seed, 0, None), spawn_key=(1,))
    bits = np.random.default_rng(sequence).integers(0, 2, (n or 1, n_neurons), np.int8)
    return np.asarray(2 * bits - 1, dtype=np.int8)


def _cut(n_replicas: int, n_neurons: int, threads: int) -> list[slice]:
    """Cut the replicas into parts whose arrays fit into the memory that is meant for them."""
    bytes_each = 32 * n_neurons
    size = max(_CHUNK_BYTES // bytes_each, BLOCK * threads)
    return [slice(first, min(first + size, n_replicas)) for first in range(0, n_replicas, size)]


def _relax_chunk(
    network: RandomNetwork | ImplicitNetwork,
    options: _Options,
    start: NDArray[np.int8],
    stream: tuple[int, int],
    threads: int | None,
    shown: object,
) -> _Part:
    """Relax replicas with the draws of `stream`: the seed, and the number of the first of them.

    `shown` is the bar that says how far they are, if it is one.
    """
    from binnet_kernels.lowlevel.rng import derive_keys
    from binnet_kernels.relaxation import replicas as kernels

    (n_replicas, n_neurons), (seed, first) = start.shape, stream
    update = kernels.FreeUpdate(
        number=options.order.number or 0,
        probability=options.probability,
        dense_above=0,
        turns_above=0,
        window=0,
        is_far=False,
        refresh_every=0,
        stop_at_cycle=options.stop_at_cycle,
        keys=derive_keys(stream_key(seed, 0), first, n_replicas),
    )
    records = kernels.make_records(n_replicas, options.max_sweeps)
    search = kernels.make_search(start, derive_keys(np.uint64(0), 0, n_neurons))
    show = getattr(shown, "set_postfix_str", None)

    def tell() -> None:
        if show is not None:
            n_settled = np.count_nonzero(records.status)
            show(
                f"sweep {records.sweeps.max()}, {n_settled} of {n_replicas} settled", refresh=False
            )

    groups = (start, options.order, update, records, search)
    if isinstance(network, ImplicitNetwork):
        states, fields = relax_implicit(network, *groups, threads, tell)
    else:
        states, fields = relax_stored(network, *groups, resolve_threads(threads), tell)
    last = records.sweeps.max()
    return _Part(
        states,
        states * fields,
        records.flips[:, :last],
        records.unstable[:, :last],
        records.distance[:, :last],
        records.sweeps,
        records.status,
        records.cycle_length,
    )


def _assemble(
    parts: list[_Part], packed: bool, n_neurons: int, provenance: dict[str, Any]
) -> FreeRelaxation:
    """Put the parts together, and let the records of replicas that have stopped go on."""
    n_sweeps = max(part.flips.shape[1] for part in parts)

    def collect(name: str) -> NDArray[Any]:
        rows = [getattr(part, name) for part in parts]
        if name in ("flips", "unstable", "distance") and len(parts) > 1:
            rows = [np.pad(row, ((0, 0), (0, n_sweeps - row.shape[1]))) for row in rows]
        return np.concatenate(rows)

    states, sweeps, status = (collect(name) for name in ("states", "sweeps", "status"))
    unstable_fraction = collect("unstable") / n_neurons
    overlap = 1.0 - 2.0 * collect("distance") / n_neurons
    is_over = np.arange(n_sweeps) >= sweeps[:, None]
    at_rest = (status == 1)[:, None]
    at_end = overlap[np.arange(len(sweeps)), sweeps - 1][:, None]
    return FreeRelaxation(
        states=pack_states(states) if packed else states,
        status=status,
        cycle_length=collect("cycle_length"),
        sweeps=sweeps,
        flips=collect("flips").astype(np.int64),
        unstable_fraction=np.where(is_over & ~at_rest, np.nan, unstable_fraction),
        overlap=np.where(is_over, np.where(at_rest, at_end, np.nan), overlap),
        stabilities=collect("stabilities"),
        n_neurons=n_neurons,
        provenance=provenance,
    )


def _describe(network: RandomNetwork | ImplicitNetwork) -> dict[str, Any]:
    if isinstance(network, ImplicitNetwork):
        return {"couplings": "implicit", **asdict(network)}
    return {
        "n_neurons": network.n_neurons,
        "self_coupling": network.self_coupling,
        "dtype": str(network.dtype),
        "scale": network.scale,
        **network.parameters,
    }
