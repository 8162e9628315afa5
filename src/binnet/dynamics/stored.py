"""Relaxation of replicas of a network whose couplings are stored.

Threads share out the replicas. Where there are fewer replicas than threads and the couplings come
from memory, a team of threads shares the neurons of each instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import be_cautious, in_pieces, is_cautious, run_in_step, share_out
from binnet.networks import RandomNetwork
from binnet.update_orders import UpdateOrder

if TYPE_CHECKING:
    from binnet_kernels.lowlevel.team import Team
    from binnet_kernels.relaxation.relax_free import Steps
    from binnet_kernels.relaxation.replicas import CycleSearch, FreeUpdate, Records

BLOCK = 16  # replicas that share a pass over the couplings,
_BLOCK_COUPLINGS = 2**32  # but fewer where a sweep of so many would last for seconds
# Couplings beyond this come from memory in every sweep: our share of the last-level cache.
_CACHE_BYTES = 2**24
# Couplings beyond which threads share a replica: starting them takes some 0.3 ms, the first fields
# a pass over the couplings.
_TEAM_BYTES = 2**25
# Presynaptic rows that replicas take turns at should stay in the last-level cache; for integers a
# window has so many rows, of few columns each, in the second level.
_WINDOW_BYTES, _WINDOW_ROWS = 2**22, 64
# Float32 fields drift by some 1e-7 per flip of the network, integers do not. Most relaxations are
# over by then and need one dense product to confirm it.
_REFRESH_EVERY = 64


def relax_stored(
    network: RandomNetwork,
    start: NDArray[np.int8],
    order: UpdateOrder,
    update: FreeUpdate,
    records: Records,
    search: CycleSearch,
    threads: int,
    tell: Callable[[], None],
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Relax replicas; arguments and results are those of `relax_implicit`.

    Parameters
    ----------
    network : RandomNetwork
        The network.
    start : ndarray of int8, shape (R, N)
        First states.
    order : UpdateOrder
        The update order.
    update : FreeUpdate
        How it updates the neurons; in which ways the fields follow is chosen here.
    records, search : Records, CycleSearch
        Where it is written down, and how cycles are found.
    threads : int
        Threads that share the work.
    tell : callable
        Called between pieces of it.

    Returns
    -------
    states : ndarray of int8, shape (R, N)
        Final states.
    fields : ndarray of float64, shape (R, N)
        h_i in them.
    """
    from binnet_kernels.relaxation.replicas import FreeNetwork, make_replicas, make_workspace

    n_replicas, n_neurons = start.shape
    couplings = network.presynaptic[None]
    is_exact = network.dtype == np.int16
    J_D, b = network.in_field_units()
    replicas = make_replicas(start, network.dtype, b.dtype)
    # Of floating-point couplings, a thread adds whole rows.
    has_team = (
        is_exact and n_replicas < threads and couplings.nbytes > _TEAM_BYTES and not is_cautious()
    )
    n_pieces = threads if has_team else 1
    groups = (
        FreeNetwork(couplings, b, J_D),
        _choose_ways(update, n_neurons, couplings.itemsize, is_exact),
        replicas,
        records,
        search,
        make_workspace(n_replicas, n_neurons, network.dtype, b.dtype, n_pieces),
    )
    steps = _find_steps(order.code, groups)
    if not has_team:
        _share_replicas(steps, groups, threads, tell, begun=False)
    elif order.name in ("sync", "random-subset"):
        _relax_in_step(steps, groups, threads, tell)
    else:  # a neuron at a time: threads can only share the first fields
        _begin_fields(steps, groups, threads)
        _share_replicas(steps, groups, threads, tell, begun=True)
    fields = replicas.field + b + J_D * replicas.state  # in their own format: integers stay exact
    return replicas.state.astype(np.int8), fields.astype(np.float64) * network.scale


def _choose_ways(update: FreeUpdate, n_neurons: int, itemsize: int, is_exact: bool) -> FreeUpdate:
    """Say in which ways the fields follow the flips; measured with 16 replicas."""
    is_far = n_neurons**2 * itemsize > _CACHE_BYTES
    return update._replace(
        # Beyond that fraction the dense product wins.
        dense_above=n_neurons // (4 if is_exact else 2),
        # Where few flip, replicas rarely share a row, and long lists of events are faster. So they
        # are for integers that come from a cache.
        turns_above=n_neurons // 20 if is_far or not is_exact else n_neurons,
        window=_WINDOW_ROWS if is_exact else max(_WINDOW_BYTES // (n_neurons * itemsize), 4),
        is_far=is_far,
        refresh_every=0 if is_exact else _REFRESH_EVERY,
    )


# Looking them up by the types of all arguments takes as long as a small relaxation.
_steps: dict[tuple[object, ...], Steps] = {}


def _find_steps(code: int, groups: tuple[Any, ...]) -> Steps:
    """Return the kernels of this update order for the types of these arguments."""
    from binnet_kernels.relaxation.relax_free import find_steps

    couplings = groups[0].couplings  # all other arrays are made to fit it
    key = (code, couplings.dtype, couplings.flags.writeable, couplings.flags.aligned)
    if key not in _steps:
        _steps[key] = find_steps(code, *groups)
    return _steps[key]


def _count_sweeps(n_replicas: int, n_neurons: int) -> int:
    """Return how many sweeps a first call does: a part of a second, whatever the order."""
    return int(max(1, 2**31 // (n_replicas * n_neurons**2)))


def _begin_fields(steps: Steps, groups: tuple[Any, ...], threads: int) -> None:
    """Compute the first fields of all replicas, each thread at a piece of the neurons."""
    from binnet_kernels.relaxation.relax_free import begin_replicas

    network, _, replicas, _, _, workspace = groups

    def begin_piece(piece: int) -> None:
        begin_replicas(steps, network, replicas, workspace, 0, len(replicas.state), piece)

    share_out(threads, begin_piece, range(workspace.found.shape[1]))


def _share_replicas(
    steps: Steps, groups: tuple[Any, ...], threads: int, tell: Callable[[], None], begun: bool
) -> None:
    """Relax some replicas after the other, whichever thread is free; `begun`: have they fields."""
    from binnet_kernels.lowlevel.team import make_team
    from binnet_kernels.relaxation.relax_free import relax_replicas

    n_replicas, n_neurons = groups[2].state.shape
    at_a_time = max(1, min(BLOCK, -(-n_replicas // threads), _BLOCK_COUPLINGS // n_neurons**2))
    alone = make_team(1)

    def relax_some(first: int) -> None:
        stop = min(first + at_a_time, n_replicas)
        round_ = np.full(2, stop - first if begun else -1)
        for begin, end in in_pieces(first=_count_sweeps(at_a_time, n_neurons)):
            arguments = (*groups, first, stop, end - begin, round_, alone, 0)
            if relax_replicas(steps, *arguments) == 0:
                break
            tell()

    share_out(threads, relax_some, range(0, n_replicas, at_a_time))


def _relax_in_step(
    steps: Steps, groups: tuple[Any, ...], threads: int, tell: Callable[[], None]
) -> None:
    """Relax all replicas at once, each thread at a piece of the neurons."""
    from binnet_kernels.lowlevel.team import count_members, join, make_team
    from binnet_kernels.relaxation.relax_free import relax_replicas

    n_replicas, n_neurons = groups[2].state.shape
    round_ = np.full(2, -1)

    def relax_pieces(team: Team, n_sweeps: int, rank: int) -> None:
        join(team, rank)
        arguments = (*groups, 0, n_replicas, n_sweeps, round_, team, rank)
        relax_replicas(steps, *arguments)

    for begin, end in in_pieces(first=_count_sweeps(n_replicas, n_neurons)):
        team = make_team(threads)
        run_in_step(threads, partial(relax_pieces, team, end - begin))
        if count_members(team, 0) < threads:
            be_cautious()
        if round_[0] == 0:
            break
        tell()
