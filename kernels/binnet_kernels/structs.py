"""The groups of arrays and scalars that the kernels pass around, as named tuples."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Entries of Outcome.status.
UNSETTLED, FIXED_POINT, TWO_CYCLE = 0, 1, 2

# The width of a bank is a multiple of this: whole cache lines, whole steps of a vectorised loop.
_LANES = 32
_LINE = 64  # bytes


def allocate_aligned(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return zeros that begin on a cache line.

    Where threads write to halves of such arrays, a line seldom belongs to two of them.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.zeros(n_bytes + _LINE, np.uint8)
    offset = -buffer.__array_interface__["data"][0] % _LINE  # `ctypes` takes longer than the rest
    aligned: Array = buffer[offset : offset + n_bytes].view(dtype).reshape(shape)
    return aligned


def allocate_apart(n_rows: int, n: int, dtype: Any) -> Array:
    """Return zeros (n_rows, n + padding) for threads that write a row each.

    Between what two of them write lies a line at least: processors fetch lines in pairs.
    """
    n_bytes = -(-n * np.dtype(dtype).itemsize // _LINE) * _LINE + _LINE
    return allocate_aligned((n_rows, n_bytes // np.dtype(dtype).itemsize), dtype)


def make_structure(
    windows: Array,
    self_couplings: Array,
    n_banks: int,
    dtype: Any,
    partners: Array | None = None,
    excitations: Array | None = None,
) -> Structure:
    """Return the structure of a network, with J_D of each neuron (H,) padded for the banks."""
    n_hidden = len(self_couplings)
    padded = allocate_rows(1, n_hidden, n_banks, dtype)[0]
    padded[:n_hidden] = self_couplings
    if partners is None or excitations is None:
        partners, excitations = np.zeros((0, n_hidden), np.int64), np.zeros((0, n_hidden))
    return Structure(windows, padded, partners, excitations.astype(dtype))


def find_windows(connectivity: Array | None, n_hidden: int, n_banks: int) -> Array:
    """Return the range of presynaptic neurons of each bank, (S, 2).

    `connectivity` (H, H), from column j to row i, says which couplings there are; None: all.
    """
    windows = np.zeros((n_banks, 2), np.int64)
    width = bank_width(n_hidden, n_banks)
    for s in range(n_banks):
        if connectivity is None:
            windows[s, 1] = n_hidden
            continue
        sources = np.flatnonzero(connectivity[s * width : (s + 1) * width].any(axis=0))
        if sources.size:
            windows[s] = sources[0], sources[-1] + 1
    return windows


def to_windows(matrix: Array, windows: Array) -> Array:
    """Cut a presynaptic-major matrix (H, H) into banks (S, K, W) of the rows in their windows."""
    n_banks, n_hidden = len(windows), matrix.shape[1]
    width = bank_width(n_hidden, n_banks)
    n_rows = max(1, int((windows[:, 1] - windows[:, 0]).max()))
    banks = allocate_aligned((n_banks, n_rows, width), matrix.dtype)
    for s, (first, stop) in enumerate(windows):
        part = matrix[first:stop, s * width : (s + 1) * width]
        banks[s, : stop - first, : part.shape[1]] = part
    return banks


def from_windows(banks: Array, windows: Array, n_hidden: int) -> Array:
    """Return the matrix (H, H) that `to_windows` cut up."""
    n_banks, _, width = banks.shape
    matrix = np.zeros((n_hidden, n_banks * width), banks.dtype)
    for s, (first, stop) in enumerate(windows):
        matrix[first:stop, s * width : (s + 1) * width] = banks[s, : stop - first]
    return matrix[:, :n_hidden]


def bank_width(n_hidden: int, n_banks: int) -> int:
    """Return how many neurons a bank holds, padding included."""
    return -(-n_hidden // (n_banks * _LANES)) * _LANES


def allocate_rows(n_rows: int, n_hidden: int, n_banks: int, dtype: Any) -> Array:
    """Return zeros (n_rows, H + padding), with a column for each neuron of each bank."""
    return allocate_aligned((n_rows, n_banks * bank_width(n_hidden, n_banks)), dtype)


def to_banks(matrix: Array, n_banks: int) -> Array:
    """Cut a presynaptic-major matrix (K, H) into banks (S, K, W).

    Bank s holds neurons s*W..(s+1)*W-1.
    """
    n_pre, n_hidden = matrix.shape
    width = bank_width(n_hidden, n_banks)
    banks = allocate_aligned((n_banks, n_pre, width), matrix.dtype)
    for s in range(n_banks):
        part = matrix[:, s * width : (s + 1) * width]
        banks[s, :, : part.shape[1]] = part
    return banks


def from_banks(banks: Array, n_hidden: int) -> Array:
    """Return the matrix (K, H) that `to_banks` cut up."""
    return np.concatenate(list(banks), axis=1)[:, :n_hidden]


class SparseWeights(NamedTuple):
    """Weights onto some neurons from those sources that there are couplings from.

    Those of target i are numbers ``starts[i]`` to ``starts[i + 1] - 1``, their sources ascending. A
    flip of a neuron is followed by ``target_starts``, which of all neurons' weights are left empty
    where nothing flips, as of inputs.
    """

    values: Array  # (n,)
    sources: Array  # (n,) int32
    starts: Array  # (targets + 1,) int64; those of a bank, or of all with the padding
    n_sources: int
    width: int  # of a bank
    target_starts: Array  # (sources + 1,) int64, and of each source,
    targets: Array  # (n,) int32: its targets,
    places: Array  # (n,) int32: and which of `values` are the weights


def count_sources(banks: Any) -> int:
    """Return how many neurons or inputs the weights of banks come from, (S, K, W) or sparse."""
    return int(banks.n_sources if isinstance(banks, SparseWeights) else banks.shape[1])


class Structure(NamedTuple):
    """How the modules of a network hang together; nothing of it is learned."""

    windows: Array  # (S, 2) int64: first and last + 1 neuron that couple to the neurons of a bank
    self_couplings: Array  # (H + padding,): J_D of each neuron
    partners: Array  # (2, H) int64: same-index neurons of the neighbours; (0, H) without excitation
    excitations: Array  # (2, H): lambda, what each of the two adds to the field; 0: no neighbour


class Recurrence(NamedTuple):
    """What couples the hidden neurons: J_ij is scale times the weight from j to i, J_ii is J_D."""

    # (S, K, W) banks, zero diagonal; row k is that of neuron windows[s, 0] + k. Or SparseWeights.
    couplings: Any
    scale: float
    windows: Array  # these four are a Structure's: tuples in tuples do not enter parallel regions
    self_couplings: Array
    partners: Array
    excitations: Array
    product: int  # address of the dense product with a bank, see `relaxation.fields.find_product`


class Drive(NamedTuple):
    """What else enters the fields: h_i = ... + external[b, i] + a(t) feedback[labels[b], i]."""

    external: Array  # (B, H + padding)
    feedback: Array  # (C, >= H): the readout feedback while the readout is clamped to each label
    labels: Array  # (B,) int
    amplitudes: Array  # (T,): a(t), the importance of the feedback in sweep t


class Update(NamedTuple):
    """How the neurons are updated."""

    order: int  # code of the update order, see `relaxation.orders`
    probability: float  # of each neuron in a sweep of random-subset, else 1
    dense_above: int  # changes in a sweep beyond which the fields are recomputed densely
    stop_at_cycle: bool  # stop a sample that is in a synchronous 2-cycle
    keys: Array  # (B,) uint64: each sample's key for random numbers
    number: int = 0  # of the order's own, if it has one


class Outcome(NamedTuple):
    """What a relaxation reads and writes; `state` and `field` agree on entry and on exit."""

    state: Array  # (B, H + padding): -1, 0 (silent), +1
    field: Array  # (B, H + padding): the recurrent field without scale and self-coupling
    changes: Array  # (B, T) int: neurons that changed in each sweep
    sweeps: Array  # (B,) int: sweeps that were run (a settled sample skips the rest)
    status: Array  # (B,) int: UNSETTLED, FIXED_POINT, TWO_CYCLE


class Scratch(NamedTuple):
    """Work space of the relaxation, one row per sample so that threads never share one."""

    sites: Array  # (2, B, H) int: neurons that changed in this sweep, and in the last one
    changes: Array  # (B, H): new minus old spin of `sites`
    settled_at: Array  # (B,): amplitude at which the sample was seen to be settled, else NaN
    rows: Array  # (B,) int: samples whose fields are due for a dense product
    next_sweep: Array  # (B,) int
    excited: Array  # (B, H): external field and the excitation by the neighbouring modules


def make_outcome(n_samples: int, n_hidden: int, n_sweeps: int, n_banks: int, dtype: Any) -> Outcome:
    """Return an all-silent outcome with zero counts."""
    return Outcome(
        state=allocate_rows(n_samples, n_hidden, n_banks, dtype),
        field=allocate_rows(n_samples, n_hidden, n_banks, dtype),
        changes=allocate_aligned((n_samples, n_sweeps), np.int64),
        sweeps=allocate_aligned((n_samples,), np.int64),
        status=allocate_aligned((n_samples,), np.int64),
    )


def make_scratch(n_samples: int, n_hidden: int, dtype: Any) -> Scratch:
    """Return work space for `n_samples` relaxations at once."""
    return Scratch(
        sites=allocate_aligned((2, n_samples, n_hidden), np.int64),
        changes=allocate_aligned((n_samples, n_hidden), dtype),
        settled_at=allocate_aligned((n_samples,), np.result_type(dtype, np.float32)),
        rows=allocate_aligned((n_samples,), np.int64),
        next_sweep=allocate_aligned((n_samples,), np.int64),
        excited=allocate_aligned((n_samples, n_hidden), dtype),
    )
