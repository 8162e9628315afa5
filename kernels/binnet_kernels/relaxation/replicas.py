"""The groups of arrays and scalars for relaxation without input: R replicas of a network.

Couplings are one bank, (1, N, N), of int16, float32 or float64; states have their dtype and fields
the *format* of the sums: int32 for int16 couplings, else the same. Status codes are those of
`structs`; a cycle may be of any length.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels.structs import TWO_CYCLE, Array, allocate_aligned

CYCLE = TWO_CYCLE


class FreeNetwork(NamedTuple):
    """The fields are h_i = external_i + sum_j s_j couplings[0, j, i] + J_D s_i."""

    couplings: Any  # (1, N, N), presynaptic-major, zero diagonal; or implicit.ImplicitCouplings
    external: Array  # (N,), in the format of the fields
    self_coupling: Any  # J_D, a scalar of that format


class FreeUpdate(NamedTuple):
    """How the neurons are updated, whatever the order (`orders`) is."""

    number: int  # of the order's own, if it has one
    probability: float  # that an unstable neuron flips in a sweep: less than 1 in random subsets
    dense_above: int  # flips in a sweep beyond which the fields are recomputed densely
    turns_above: int  # flips in a sweep beyond which replicas take turns at presynaptic rows,
    window: int  # so many of which stay in the cache
    is_far: bool  # whether the couplings come from memory: they do not stay in a cache
    refresh_every: int  # sweeps after which the fields are recomputed; 0: they are exact
    stop_at_cycle: bool
    keys: Array  # (R,) uint64: each replica's key for random numbers


class Replicas(NamedTuple):
    """Where the replicas are; `state` and `field` agree on exit."""

    state: Array  # (R, N): -1, +1
    field: Array  # (R, N): sum_j J_ij s_j, without J_D and the external field
    start: Array  # (R, N) int8: the first state


class Records(NamedTuple):
    """What is written down; T is the number of sweeps at most."""

    flips: Array  # (R, T) int32: neurons that flipped in each sweep
    unstable: Array  # (R, T) int32: neurons that were unstable at its beginning
    distance: Array  # (R, T) int32: neurons that differ from the start, at its end
    sweeps: Array  # (R,) int: sweeps that were run
    status: Array  # (R,) int: UNSETTLED, FIXED_POINT, CYCLE
    cycle_length: Array  # (R,) int: 1 at a fixed point; of a cycle, in sweeps (or single flips)


class CycleSearch(NamedTuple):
    """Brent's search for a cycle: has the state returned to where the anchor was dropped.

    The hash of a state, the XOR of the keys of its neurons that flipped so far, says when to look.
    """

    site_keys: Array  # (N,) uint64
    hashes: Array  # (2, R) uint64: of the state, of the anchor
    anchor: Array  # (R, N) int8
    steps: Array  # (2, R) int: since the anchor was dropped, and after which it is dropped anew


class Workspace(NamedTuple):
    """Work space, one row or entry per replica so that threads share one in step only."""

    sites: Array  # (R, N) int32: who flips in this sweep, or the order of the visits
    changes: Array  # (R, N): new minus old spin of `sites`, in the dtype of the states
    n_events: Array  # (R,) int: how many of them
    cursor: Array  # (P, R, 2) int: where a replica is in its list, and where its turn ends
    flip: Array  # (R, 2) int32: the neuron that flips, and the one that may be next
    found: Array  # (R, P, 2) int: who is unstable and who flips, in each of P pieces of the neurons
    rows: Array  # (4, R) int: lists of replicas, at the place of the first that threads share
    n_rows: Array  # (4, R) int: how many are in the list that begins there
    sizes: Array  # (R, N): |h_i| of the unstable neurons, else -1
    ranks: Array  # (R, N): the same memory as integers, whose order is the same


def make_replicas(start: Array, coupling_type: Any, field_type: Any) -> Replicas:
    """Return replicas at the states `start` (R, N) int8, with fields of 0."""
    return Replicas(start.astype(coupling_type), allocate_aligned(start.shape, field_type), start)


def make_records(n_replicas: int, n_sweeps: int) -> Records:
    """Return empty records."""
    counts = (np.zeros((n_replicas, n_sweeps), np.int32) for _ in range(3))
    return Records(*counts, *(np.zeros(n_replicas, np.int64) for _ in range(3)))


def make_search(start: Array, site_keys: Array) -> CycleSearch:
    """Return a search that has dropped its anchor at the states `start` (R, N) int8."""
    n_replicas = len(start)
    steps = np.zeros((2, n_replicas), np.int64)
    steps[1] = 1
    return CycleSearch(site_keys, np.zeros((2, n_replicas), np.uint64), start.copy(), steps)


def make_workspace(
    n_replicas: int, n_neurons: int, coupling_type: Any, field_type: Any, n_pieces: int = 1
) -> Workspace:
    """Return work space for `n_replicas` relaxations at once, the neurons in pieces."""
    sizes = np.zeros((n_replicas, n_neurons), field_type)
    return Workspace(
        sites=np.zeros((n_replicas, n_neurons), np.int32),
        changes=np.zeros((n_replicas, n_neurons), coupling_type),
        n_events=np.zeros(n_replicas, np.int64),
        cursor=np.zeros((n_pieces, n_replicas, 2), np.int64),
        flip=np.zeros((n_replicas, 2), np.int32),
        found=np.zeros((n_replicas, n_pieces, 2), np.int64),
        rows=np.tile(np.arange(n_replicas), (4, 1)),
        n_rows=np.zeros((4, n_replicas), np.int64),
        sizes=sizes,
        ranks=sizes.view(f"i{sizes.itemsize}"),
    )
