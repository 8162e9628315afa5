"""What the training step takes: the weights, the samples, the arrays of one batch, the counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.structs import (
    Array,
    Outcome,
    Scratch,
    allocate_aligned,
    allocate_rows,
    make_outcome,
    make_scratch,
)


class Model(NamedTuple):
    """The weights (see the package for banks) and their scales; they are learned but `feedback`."""

    couplings: Any  # (S, K, W), see Recurrence; or SparseWeights
    input_weights: Any  # (S, N, W), or SparseWeights
    readout: Array  # (C, H + padding)
    scales: Array  # (3,): of couplings, input weights, readout
    windows: Array  # these four are a Structure's, as in Recurrence
    self_couplings: Array
    partners: Array
    excitations: Array
    feedback: Array  # (C, H + padding): field of the feedback, the readout clamped to each label
    gains: Array  # (3, H + padding): multiply the rates of each neuron; 0 where nothing is attached
    connectivity: Array  # (S, K, W) uint8: which couplings there are; (0, 0, 0): all
    ties: Array  # (H + padding,): W_back over W_out, which it follows; (0,): it does not


@kernel
def bank_size(model):
    """Return how many neurons a bank of a model holds, padding included."""
    return model.self_couplings.shape[0] // model.windows.shape[0]


class Batches(NamedTuple):
    """Which samples are learned, in which order and how fast."""

    inputs: Array  # (P, N): int8 spins; uint8 pixels, of which 255 is 1; float32; int16 integers
    labels: Array  # (P,) int64
    order: Array  # (n,) int64: rows of `inputs` in the order of presentation
    batch_size: int
    rate_factors: Array  # (ceil(n / batch_size),): multiplies all rates
    key: np.uint64  # sample k draws its random numbers from sub-stream first + k
    first: int
    noise: float  # probability that a spin of an input is flipped, or a graded one blanked
    noise_key: np.uint64  # row p of `inputs` draws its noise from sub-stream p


class Counts(NamedTuple):
    """Sums over the samples of a call."""

    changes: Array  # (T,) int64: neurons that changed in each sweep
    totals: Array  # (4,) int64: sweeps, fixed points, neurons that learned, unstable readouts


class Workspace(NamedTuple):
    """Arrays of one batch, allocated once."""

    inputs: Array  # (B, N)
    external: Array  # (B, H + padding)
    labels: Array  # (B,) int64
    keys: Array  # (B,) uint64
    outcome: Outcome
    scratch: Scratch
    unstable: Array  # (B, H + padding): spins of unstable neurons, else 0; a rule may change them
    readout_fields: Array  # (B, C)
    unstable_readouts: Array  # (B, C): y_c of unstable readouts, else 0
    n_unstable_readouts: Array  # (B,) int64
    n_unstable: Array  # (B,) int64: unstable neurons; silent ones count
    n_learning: Array  # (S,) int64: unstable ones of a bank that a rule lets learn; -1: all do
    everyone: Array  # (B,) int64: 0, 1, 2, ...
    words: Array  # (S, 4, 2, ...) uint32, a bank's signs and masks of s, x, unstable, readouts


def make_workspace(
    batch_size: int,
    n_hidden: int,
    n_inputs: int,
    n_outputs: int,
    n_sweeps: int,
    n_banks: int,
    dtype: Any,
) -> Workspace:
    """Allocate the arrays of one batch."""
    external = allocate_rows(batch_size, n_hidden, n_banks, dtype)
    n_words = max(external.shape[1], n_inputs, n_outputs)
    return Workspace(
        inputs=allocate_aligned((batch_size, n_inputs), dtype),
        external=external,
        labels=allocate_aligned((batch_size,), np.int64),
        keys=allocate_aligned((batch_size,), np.uint64),
        outcome=make_outcome(batch_size, n_hidden, n_sweeps, n_banks, dtype),
        scratch=make_scratch(batch_size, n_hidden, dtype),
        unstable=allocate_rows(batch_size, n_hidden, n_banks, dtype),
        readout_fields=allocate_aligned((batch_size, n_outputs), dtype),
        unstable_readouts=allocate_aligned((batch_size, n_outputs), dtype),
        n_unstable_readouts=allocate_aligned((batch_size,), np.int64),
        n_unstable=allocate_aligned((batch_size,), np.int64),
        n_learning=np.full(n_banks, -1, np.int64),
        everyone=np.arange(batch_size, dtype=np.int64),
        words=allocate_aligned((n_banks, 4, 2, n_words), np.uint32),
    )
