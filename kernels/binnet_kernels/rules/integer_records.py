"""What the rule in integers takes: formats and plasticity, what it changes, its work space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from binnet_kernels.rules.integer_batches import make_words
from binnet_kernels.rules.integer_inputs import make_input_room
from binnet_kernels.rules.integer_synapses import make_room
from binnet_kernels.structs import Array, allocate_rows, bank_width

# Blocks: couplings, input weights, readout; the feedback where a rule changes it.
N_BLOCKS = 4
NEVER = 127  # in IntegerRule.shifts: the block does not learn there


class IntegerRule(NamedTuple):
    """Formats of the synapses and their plasticity; arrays (4,) have an entry for each block."""

    learns: Array  # (4,) bool
    low: Array  # (4,) int64
    high: Array  # (4,) int64
    step: Array  # (4,) int64
    exponents: Array  # (n, 5) int64: k of each block in each batch, and what decays' k is raised by
    decay_exponents: Array  # (4,) int64: k of the decay; negative: none
    decay_period: int  # batches from one decay to the next
    rounding: int
    use_register: bool
    edges: Array  # (L + 1,) int64: neurons that the modules begin at, and H
    shifts: Array  # (4, L) int64: k of a module's neurons is raised by it; NEVER: they stay
    thresholds: Array  # (H + padding,) int32: kappa (and help) in units of the accumulator
    readout_thresholds: Array  # (2,) int64: of wrong classes and of the right one
    key: np.uint64  # each (batch, block) has its own sub-stream
    first_batch: int
    error_scale: int  # of a third factor, see `integer_third_factor`
    error_threshold: int
    input_fraction: int = -1  # fraction bits of graded inputs; negative: they are spins


class IntegerMemory(NamedTuple):
    """What plasticity changes, its random numbers and its work space.

    Synapses are the weights themselves, or latent weights: wider integers whose top they expose;
    block by block.
    """

    couplings: Array  # (S, K, W)
    input_weights: Array  # (S, N_in, W)
    readout: Array  # (C, >= H)
    feedback: Array  # (S, C, W) banks of W_back, from readout to hidden neurons
    exposed_feedback: Array  # (S, C, W): the weights that `feedback` exposes
    # These three of each block, (4,) int64:
    n_unseen_bits: Array  # of a latent weight, below those of a weight; 0: there are none
    low: Array  # of the weights exposed; high < low: their signs
    high: Array
    hidden: Array  # (H,) uint16: shift registers of the hidden neurons
    readouts: Array  # (C,) uint16
    sites: Array  # as those of Targets, from here on: a bank owns one entry of each
    words: Array
    bytes: Array
    keys: Array
    spread: Array
    levels: Array
    tiles: Array
    packed: Array  # (S, P, 4, 2, ...) uint32, P pieces: signs, masks of s, x, unstable, readouts
    listed: Array  # of those who learn, as in `make_words`
    sums: Array  # (S, W) int32: of events on the targets
    posts: Array  # these two: `integer_inputs.make_input_room`
    input_thresholds: Array
    counts: Array  # (S, 4, 2) int64: weights changed, sums saturated
    now: Array  # (6,) int64: k of the blocks, what decays' k is raised by, number of the batch
    everywhere: Array  # (0, 0, 0) uint8: the Place.present of blocks that are whole
    errors: Array  # (S, B, C) int64, of a third factor
    deltas: Array  # (B, H + padding) int64, of a third factor


class Parts(NamedTuple):
    """Addresses of what the update of a bank is made of; 0 where it is not needed."""

    decay: int
    update: tuple[int, int, int, int]  # of each block: their weights may differ in type
    update_graded: int  # of the input weights, in place of theirs
    expose: int


def make_work(
    n_hidden: int,
    n_inputs: int,
    n_outputs: int,
    n_banks: int,
    batch_size: int,
    *,
    is_graded: bool = False,
) -> tuple[Array, ...]:
    """Return all fields of an `IntegerMemory` after its registers."""
    width = bank_width(n_hidden, n_banks)
    return (
        *make_room(n_banks, max(width, n_outputs)),
        *make_words(n_banks, batch_size, max(width * n_banks, n_inputs, n_outputs)),
        np.zeros((n_banks, max(width, n_outputs)), np.int32),
        *make_input_room(n_banks, batch_size if is_graded else 0, width),
        np.zeros((n_banks, N_BLOCKS, 2), np.int64),
        np.zeros(N_BLOCKS + 2, np.int64),
        np.zeros((0, 0, 0), np.uint8),
        np.zeros((n_banks, batch_size, n_outputs), np.int64),
        allocate_rows(batch_size, n_hidden, n_banks, np.int64),
    )
