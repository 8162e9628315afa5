"""Relaxation with couplings that are drawn again for every neuron that flips.

The dynamics is that of stored couplings, by the same kernels; only the fields are kept up to date
in another way: the columns of the neurons that flipped are drawn and added, by all threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import cut_for, resolve_threads, share_out
from binnet.networks import ImplicitNetwork
from binnet.update_orders import UpdateOrder

if TYPE_CHECKING:
    from binnet_kernels.relaxation.replicas import CycleSearch, FreeUpdate, Records

# Flips that visits look ahead to before they are added to all fields.
_LISTED_FLIPS = 256
# Signs below which waking a second thread costs more than it saves.
_SIGNS_FOR_THREADS = 100_000_000
# Signs in a call of a kernel: a fraction of a second.
_SIGNS_PER_CALL = 10_000_000_000


def relax_implicit(
    network: ImplicitNetwork,
    start: NDArray[np.int8],
    order: UpdateOrder,
    update: FreeUpdate,
    records: Records,
    search: CycleSearch,
    threads: int | None,
    tell: Callable[[], None],
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Relax replicas one after the other.

    Parameters
    ----------
    network : ImplicitNetwork
        The network.
    start : ndarray of int8, shape (R, N)
        First states.
    order : UpdateOrder
        The update order.
    update : FreeUpdate
        How it updates the neurons; what it says about dense products is not needed.
    records, search : Records, CycleSearch
        Where it is written down, and how cycles are found; see
        :mod:`binnet_kernels.relaxation.replicas`.
    threads : int, optional
        Threads that share out the fields. Default: all cores or one, whichever is faster.
    tell : callable
        Called after each sweep.

    Returns
    -------
    states : ndarray of int8, shape (R, N)
        Final states.
    fields : ndarray of float64, shape (R, N)
        h_i in them.
    """
    run = _Run(network, start, order, update, records, search, threads, tell)
    for b in range(len(start)):
        run.relax(b)
    states = run.replicas.state
    sums = run.replicas.field[:, : network.n_neurons].astype(np.float64)
    return states, network.strength * sums + network.self_coupling * states


class _Run:
    """One call of `relax_implicit`."""

    def __init__(
        self,
        network: ImplicitNetwork,
        start: NDArray[np.int8],
        order: UpdateOrder,
        update: FreeUpdate,
        records: Records,
        search: CycleSearch,
        threads: int | None,
        tell: Callable[[], None],
    ) -> None:
        from binnet_kernels.relaxation.implicit import (
            TILE_NEURONS,
            ImplicitCouplings,
            count_tiles,
            make_scratch_implicit,
        )
        from binnet_kernels.relaxation.replicas import FreeNetwork, Replicas, make_workspace

        n_replicas, n = start.shape
        self.network = FreeNetwork(
            ImplicitCouplings(network.key, network.n_signs),
            np.zeros(n, np.int32),
            np.int32(network.integer_self_coupling),
        )
        padded = count_tiles(n) * TILE_NEURONS
        self.replicas = Replicas(start.copy(), np.zeros((n_replicas, padded), np.int32), start)
        self.update, self.records, self.search = update, records, search
        self._sweep = self._choose_sweep(order)
        self.workspace = make_workspace(n_replicas, n, np.int8, np.int32)
        self._scratch = make_scratch_implicit()
        self._threads = resolve_threads(threads)
        self._tell = tell

    def relax(self, b: int) -> None:
        """Relax replica b."""
        from binnet_kernels.structs import UNSETTLED

        everybody = np.arange(self.replicas.state.shape[1], dtype=np.int32)
        self._add_columns(b, everybody, len(everybody), 1)
        for t in range(self.records.flips.shape[1]):
            if self.records.status[b] != UNSETTLED:
                break
            self._sweep(b, t)
            self._tell()

    def _choose_sweep(self, order: UpdateOrder) -> Callable[[int, int], None]:
        """Return what does sweep t of replica b, called with (b, t)."""
        from binnet_kernels.relaxation import orders

        sweeps: dict[int, Callable[[int, int], None]] = {
            orders.SYNC: self._sweep_sync,
            orders.RANDOM_SUBSET: self._sweep_sync,
            orders.ASYNC: partial(self._sweep_in_turn, True),
            orders.ASYNC_FIXED: partial(self._sweep_in_turn, False),
            orders.GREEDY: partial(self._sweep_worst, True),
            orders.RELUCTANT: partial(self._sweep_worst, False),
            orders.BLOCK_SEQUENTIAL: self._sweep_blocks,
        }
        return sweeps[order.code]

    def _add_columns(self, b: int, sites: NDArray[Any], n_events: int, factor: int) -> None:
        from binnet_kernels.relaxation.implicit import (
            SLAB,
            TILE_NEURONS,
            add_columns_implicit,
            count_tiles,
            make_scratch_implicit,
        )

        state, couplings = self.replicas.state[b], self.network.couplings
        at_a_time, n_tiles = SLAB // couplings.n_signs, count_tiles(len(state))
        for first in range(0, n_events, at_a_time):
            n_here = min(at_a_time, n_events - first)
            here = sites[first : first + n_here]
            n_drawn = n_here * len(state) * couplings.n_signs
            if n_drawn <= _SIGNS_FOR_THREADS:
                add_columns_implicit(
                    couplings, here, n_here, factor, state, 0, n_tiles, self._scratch,
                    self.replicas.field[b],
                )  # fmt: skip
                continue
            n_signs = n_here * TILE_NEURONS * couplings.n_signs  # of a tile
            size = min(cut_for(self._threads, n_tiles), max(1, _SIGNS_PER_CALL // n_signs))

            def add_tiles(tile: int, here: NDArray[Any] = here, size: int = size) -> None:
                add_columns_implicit(
                    couplings, here, len(here), factor, state, tile, min(tile + size, n_tiles),
                    make_scratch_implicit(), self.replicas.field[b],
                )  # fmt: skip

            share_out(self._threads, add_tiles, range(0, n_tiles, size))

    def _sweep_sync(self, b: int, t: int) -> None:
        from binnet_kernels.relaxation.implicit import flip_replica_implicit

        n_flips = flip_replica_implicit(
            self.network, self.update, self.replicas, self.records, self.search, self.workspace, b
        )
        self._add_columns(b, self.workspace.sites[b], n_flips, 2)

    def _begin_sweep(self, b: int, t: int) -> bool:
        from binnet_kernels.relaxation.free_async import begin_sweep

        return bool(begin_sweep(self.network, self.replicas, self.records, b, t))

    def _note_return(self, b: int) -> None:
        from binnet_kernels.relaxation.cycles import note_return

        if self.update.stop_at_cycle:
            note_return(self.records, self.search, b, self.replicas.state[b])

    def _sweep_in_turn(self, is_random: bool, b: int, t: int) -> None:
        from binnet_kernels.relaxation.free_async import set_order
        from binnet_kernels.relaxation.implicit import visit_sites_implicit

        order = self.workspace.sites[b]
        set_order(self.update, is_random, b, t, order)
        if not self._begin_sweep(b, t):
            return
        sites, listed = np.empty(_LISTED_FLIPS, np.int32), np.empty((2, _LISTED_FLIPS), np.uint64)
        k = 0
        while k < len(order):
            k, n_flips, farther = visit_sites_implicit(
                self.network, order, k, self.replicas, self.search, b, sites, listed
            )
            self._add_columns(b, sites, n_flips, 2)
            self.records.flips[b, t] += n_flips
            self.records.distance[b, t] += farther
        if not is_random:
            self._note_return(b)

    def _sweep_worst(self, largest: bool, b: int, t: int) -> None:
        """Do a sweep of up to N single flips."""
        from binnet_kernels.relaxation.implicit import flip_worst_implicit
        from binnet_kernels.structs import UNSETTLED

        if not self._begin_sweep(b, t):
            return
        n_neurons, site = self.replicas.state.shape[1], np.empty(1, np.int32)
        while self.records.flips[b, t] < n_neurons and self.records.status[b] == UNSETTLED:
            site[0], farther = flip_worst_implicit(
                self.network, largest, self.replicas, self.search, self.workspace, b
            )
            if site[0] < 0:
                break
            self._add_columns(b, site, 1, 2)
            self.records.flips[b, t] += 1
            self.records.distance[b, t] += farther
            self._note_return(b)

    def _sweep_blocks(self, b: int, t: int) -> None:
        from binnet_kernels.relaxation.block_sequential import flip_block

        if not self._begin_sweep(b, t):
            return
        n_blocks = min(self.update.number, self.replicas.state.shape[1])
        for k in range(n_blocks):
            n_flips = flip_block(
                self.network, self.replicas, self.records, self.search, self.workspace, b, t, k,
                n_blocks,
            )  # fmt: skip
            self._add_columns(b, self.workspace.sites[b], n_flips, 2)
        self._note_return(b)
