"""Relaxation with couplings that are drawn again for every neuron that flips.

The dynamics is that of stored couplings, by the same kernels; only the fields are kept up to date
in another way: the columns of the neurons that flipped are drawn and added, by all threads at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import ThreadChoice, running_on
from binnet.networks import ImplicitNetwork

if TYPE_CHECKING:
    from binnet_kernels.relaxation.replicas import Records, Rule, Watch

# Flips that visits look ahead to before they are added to all fields.
_LISTED_FLIPS = 256
# Signs below which waking a second thread costs more than it saves.
_SIGNS_FOR_THREADS = 100_000_000


def relax_implicit(
    network: ImplicitNetwork,
    start: NDArray[np.int8],
    rule: Rule,
    records: Records,
    watch: Watch,
    threads: int | None,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Relax replicas one after the other; their order of updates is the rule's.

    Parameters
    ----------
    network : ImplicitNetwork
        The network.
    start : ndarray of int8, shape (R, N)
        First states.
    rule : Rule
        How the neurons are updated; what it says about dense products is not needed.
    records, watch : Records, Watch
        Where it is written down, and how cycles are found; see
        :mod:`binnet_kernels.relaxation.replicas`.
    threads : int, optional
        Threads that share out the fields. Default: all cores or one, whichever is faster.

    Returns
    -------
    states : ndarray of int8, shape (R, N)
        Final states.
    fields : ndarray of float64, shape (R, N)
        h_i in them.
    """
    run = _Run(network, start, rule, records, watch, threads)
    for b in range(len(start)):
        run.relax(b)
    states = run.replicas.state
    sums = run.replicas.field[:, : network.n_neurons].astype(np.float64)
    return states, network.strength * sums + network.self_coupling * states


class _Run:
    """Replicas of a network under a rule: one of `relax_implicit`."""

    def __init__(
        self,
        network: ImplicitNetwork,
        start: NDArray[np.int8],
        rule: Rule,
        records: Records,
        watch: Watch,
        threads: int | None,
    ) -> None:
        from binnet_kernels.relaxation.implicit import (
            TILE_NEURONS,
            ImplicitCouplings,
            make_scratch_implicit,
        )
        from binnet_kernels.relaxation.replicas import FreeNetwork, Replicas, make_workspace

        n_replicas, n = start.shape
        self.network = FreeNetwork(
            ImplicitCouplings(network.key, network.n_signs),
            np.zeros(n, np.int32),
            np.int32(network.integer_self_coupling),
        )
        padded = -(-n // TILE_NEURONS) * TILE_NEURONS
        self.replicas = Replicas(start.copy(), np.zeros((n_replicas, padded), np.int32), start)
        self.rule, self.records, self.watch = rule, records, watch
        self.workspace = make_workspace(n_replicas, n, np.int8, np.int32)
        self._scratch = make_scratch_implicit(n)
        self._threads = ThreadChoice(threads)

    def relax(self, b: int) -> None:
        """Relax replica b."""
        from binnet_kernels.relaxation.replicas import ALL_AT_ONCE, FIXED_ORDER, RANDOM_ORDER
        from binnet_kernels.structs import UNSETTLED

        everybody = np.arange(self.replicas.state.shape[1], dtype=np.int32)
        self._add_columns(b, everybody, len(everybody), 1)
        for t in range(self.records.flips.shape[1]):
            if self.records.status[b] != UNSETTLED:
                break
            if self.rule.order == ALL_AT_ONCE:
                self._sweep_sync(b)
            elif self.rule.order in (RANDOM_ORDER, FIXED_ORDER):
                self._sweep_in_turn(b, t)
            else:
                self._sweep_worst(b, t)

    def _add_columns(self, b: int, sites: NDArray[Any], n_events: int, factor: int) -> None:
        from binnet_kernels.relaxation.implicit import SLAB, add_columns_implicit

        state, couplings = self.replicas.state[b], self.network.couplings
        at_a_time = SLAB // couplings.n_signs
        for first in range(0, n_events, at_a_time):
            n_here = min(at_a_time, n_events - first)
            n_drawn = n_here * len(state) * couplings.n_signs
            is_long = n_drawn > _SIGNS_FOR_THREADS
            threads = self._threads.next() if is_long else 1
            began = time.perf_counter()
            with running_on(threads):
                add_columns_implicit(
                    couplings, sites[first : first + n_here], n_here, factor, state,
                    self._scratch, self.replicas.field[b],
                )  # fmt: skip
            if is_long:
                self._threads.record(threads, n_drawn / (time.perf_counter() - began))

    def _sweep_sync(self, b: int) -> None:
        from binnet_kernels.relaxation.free_sync import flip_replica

        n_flips = flip_replica(
            self.network, self.rule, self.replicas, self.records, self.watch, self.workspace, b
        )
        self._add_columns(b, self.workspace.sites[b], n_flips, 2)

    def _sweep_in_turn(self, b: int, t: int) -> None:
        from binnet_kernels.relaxation.free_async import begin_sweep, set_order
        from binnet_kernels.structs import UNSETTLED

        order = self.workspace.sites[b]
        set_order(self.rule, b, t, order)
        distance = begin_sweep(self.network, self.replicas, self.records, b, t)
        if self.records.status[b] == UNSETTLED:
            distance += self._visit_all(b, t, order)
        self.records.distance[b, t] = distance

    def _visit_all(self, b: int, t: int, order: NDArray[Any]) -> int:
        from binnet_kernels.relaxation.free_async import note_return
        from binnet_kernels.relaxation.implicit import visit_sites_implicit
        from binnet_kernels.relaxation.replicas import FIXED_ORDER

        sites, listed = np.empty(_LISTED_FLIPS, np.int32), np.empty((2, _LISTED_FLIPS), np.uint64)
        k, distance = 0, 0
        while k < len(order):
            k, n_flips, farther = visit_sites_implicit(
                self.network, order, k, self.replicas, self.watch, b, sites, listed
            )
            self._add_columns(b, sites, n_flips, 2)
            self.records.flips[b, t] += n_flips
            distance += farther
        if self.rule.order == FIXED_ORDER and self.rule.stop_at_cycle:
            note_return(self.records, self.watch, b, self.replicas.state[b])
        return distance

    def _sweep_worst(self, b: int, t: int) -> None:
        """Do a sweep of up to N single flips."""
        from binnet_kernels.relaxation.free_async import begin_sweep, note_return
        from binnet_kernels.relaxation.implicit import flip_worst_implicit
        from binnet_kernels.structs import UNSETTLED

        state, site = self.replicas.state[b], np.empty(1, np.int32)
        distance = begin_sweep(self.network, self.replicas, self.records, b, t)
        while self.records.flips[b, t] < len(state) and self.records.status[b] == UNSETTLED:
            site[0], farther = flip_worst_implicit(
                self.network, self.rule, self.replicas, self.watch, self.workspace, b
            )
            if site[0] < 0:
                break
            self._add_columns(b, site, 1, 2)
            self.records.flips[b, t] += 1
            distance += farther
            if self.rule.stop_at_cycle:
                note_return(self.records, self.watch, b, state)
        self.records.distance[b, t] = distance
