"""Plasticity of a batch of 16 samples: synaptic updates a second, in 8-bit integers and float32.

An update adds the events of the batch to the weights: each neuron is unstable in a twentieth of the
samples, and an event changes all weights onto it. Updates are counted for synapses onto neurons
that have events, before any is dropped by rounding.

So that each does the same work for ever, events are added and taken back by turns, exactly: the
integers are far from saturation, and events that rounding drops are the same each time; floats are
multiples of 2**-12, as are their changes, of few enough bits to be exact. After a call the weights
are those at the start, or these with the events of the batch; the answer is always the latter.

What an update has to do at least: read and write the weights onto all neurons with events, which
lie side by side in lines with those of others. A line of 64 of which none learns is rare, so these
are all N x N weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._threads import share_out
from binnet.benchmarks._answers import make_answer
from binnet.benchmarks._workload import Answer, Level, Task, Work, Workload
from binnet.benchmarks.workloads._drawing import SEED, draw_bytes, draw_integers, draw_spins

Array = NDArray[Any]

N_SAMPLES = 16
_UNSTABLE = 13  # of 256 (sample, neuron) pairs: a twentieth
_UNIT = 2.0**-12  # of float weights; a change is a multiple of four units
RATE = 4 * _UNIT
_EXPONENT = 3  # of rounding at random: an event is kept with probability 1/8


@dataclass(frozen=True)
class Events:
    """The batch, N neurons: its spins, and those of unstable neurons, packed by samples."""

    spins: NDArray[np.int8]  # (16, N)
    unstable: NDArray[np.int8]  # (16, N): the spin, 0 where the neuron is stable
    pre: NDArray[np.uint32]  # (2, N): signs and masks
    post: NDArray[np.uint32]  # (2, N): those of `unstable`

    @property
    def n_learning(self) -> int:
        """Neurons that are unstable in any sample."""
        return int((self.post[1] != 0).sum())


def draw_events(n_neurons: int) -> Events:
    """Return the events of a batch.

    Parameters
    ----------
    n_neurons : int
        N.

    Returns
    -------
    Events
        Of 16 samples.
    """
    from binnet_kernels.lowlevel.bits import pack_samples

    spins = draw_spins((N_SAMPLES, n_neurons), stream=1)
    chances = draw_bytes(spins.size, stream=2).reshape(spins.shape)
    unstable = np.asarray(spins * (chances < _UNSTABLE), np.int8)
    pre, post = (np.zeros((2, n_neurons), np.uint32) for _ in range(2))
    pack_samples(spins, 0, N_SAMPLES, 0, n_neurons, pre[0], pre[1])
    pack_samples(unstable, 0, N_SAMPLES, 0, n_neurons, post[0], post[1])
    return Events(spins, unstable, pre, post)


def draw_weights(n_networks: int, n_neurons: int, dtype: str) -> Array:
    """Return weights of some networks, presynaptic-major.

    Parameters
    ----------
    n_networks, n_neurons : int
        G and N.
    dtype : {"int8", "float32"}
        The type of the weights.

    Returns
    -------
    ndarray, shape (G, N, N)
        From -32 to 31; of floats in units of 2**-12.
    """
    integers = draw_integers((n_networks, n_neurons, n_neurons), np.int8, stream=0)
    integers >>= 2
    return integers if dtype == "int8" else integers.astype(np.float32) * np.float32(_UNIT)


# Updates a bank of weights, whose first neuron has the number given, 0: adding, or 1: taking back.
_Update = Callable[[Array, int, int, int], None]


def _make_update_float(events: Events) -> _Update:
    from binnet_kernels.repeats import repeat_updates

    gains = np.ones(events.pre.shape[1] + 64, np.float32)  # with the padding of banks

    def update(weights: Array, first: int, is_back: int, n_times: int) -> None:
        post = _pad(events.post[:, first:], weights.shape[1])
        repeat_updates(weights, -RATE if is_back else RATE, gains, events.pre, post, n_times)

    return update


def _make_update_integer(events: Events, rounding: str) -> _Update:
    from binnet_kernels.repeats import repeat_updates_integer
    from binnet_kernels.rules.integer_synapses import PER_EVENT, Levels, Place, make_targets

    exponent = 0 if rounding == "whole" else _EXPONENT
    levels = Levels(-128, 127, 1, exponent, PER_EVENT, False)
    everywhere, key = np.zeros((0, 0, 0), np.uint8), np.uint64(SEED)

    def update(weights: Array, first: int, is_back: int, n_times: int) -> None:
        width = weights.shape[1]
        signs, mask = _pad(events.post[:, first:], width)
        repeat_updates_integer(
            weights, Place(first, 0, True, everywhere, 0, 0), levels, key, events.pre,
            np.stack([signs, ~signs & mask, mask]), is_back, np.zeros(width, np.uint32),
            make_targets(np.ones(width, np.uint16)), np.zeros(2, np.int64), n_times,
        )  # fmt: skip

    return update


def _pad(words: Array, width: int) -> Array:
    """Return the first `width` columns, with zeros where there are not so many."""
    padded = np.zeros((len(words), width), words.dtype)
    padded[:, : words.shape[1]] = words[:, :width]
    return padded


def _prepare(kind: str, n_neurons: int, n_networks: int, n_times: int, threads: int) -> Task:
    from binnet_kernels.structs import to_banks

    events = draw_events(n_neurons)
    dtype = "float32" if kind == "float32" else "int8"
    # As in training a thread has a bank of neurons; of small networks it has whole ones.
    n_banks = threads if n_networks == 1 else 1
    banks = [
        bank
        for matrix in draw_weights(n_networks, n_neurons, dtype)
        for bank in to_banks(matrix, n_banks)
    ]
    update = _make_update_float(events) if kind == "float32" else _make_update_integer(events, kind)
    is_back = 0

    def update_bank(k: int) -> None:
        weights = banks[k]
        update(weights, k % n_banks * weights.shape[1], is_back, n_times)

    def call() -> None:
        nonlocal is_back
        share_out(threads, update_bank, range(len(banks)))
        is_back = (is_back + n_times) % 2

    def answer() -> Answer:
        if is_back == 0:  # weights are those at the start
            call()
        return describe_weights(banks, n_neurons, n_networks)

    call()
    n_updates = n_networks * n_times
    n_bytes = 2 * n_updates * n_neurons**2 * banks[0].itemsize
    return Task(call, answer, Work(n_updates * n_neurons * events.n_learning, n_bytes))


def describe_weights(banks: list[Array], n_neurons: int, n_networks: int) -> Answer:
    """Return exact sums of weights as the answer: onto each neuron and from each.

    Parameters
    ----------
    banks : list of ndarray, shape (N, W)
        Weights onto some neurons, of one network after the other.
    n_neurons, n_networks : int
        N and G.

    Returns
    -------
    Answer
        Weights themselves, as 64-bit integers, would take a gigabyte.
    """
    unit = _UNIT if banks[0].dtype == np.float32 else 1
    onto = np.concatenate([bank.sum(axis=0, dtype=np.float64) for bank in banks]) / unit
    each = np.stack([bank.sum(axis=1, dtype=np.float64) for bank in banks]) / unit
    onto = onto.reshape(n_networks, -1)[:, :n_neurons]
    from_ = each.reshape(n_networks, -1, n_neurons).sum(axis=1)
    return make_answer(onto.astype(np.int64), from_.astype(np.int64))


_SUMMARIES = {
    "whole": "whole levels, int8",
    "per-event": "an event kept with probability 1/8, int8",
    "float32": "float32",
}


def _make(
    kind: str, level: Level, n_neurons: int, n_networks: int, n_times: int, is_quick: bool = False
) -> Workload:
    name = {"whole": "int8", "per-event": "rounded", "float32": "float32"}[kind]
    return Workload(
        name=f"plasticity-{name}-{level.lower()}",
        suite="plasticity",
        summary=f"events of 16 samples added to weights, N = {n_neurons}, {_SUMMARIES[kind]}",
        unit="synaptic updates",
        level=level,
        operation="none",
        is_exact=True,
        sizes={
            "n_neurons": n_neurons, "n_samples": N_SAMPLES, "n_networks": n_networks,
            "n_times": n_times,
        },
        prepare=partial(_prepare, kind, n_neurons, n_networks, n_times),
        is_quick=is_quick,
    )  # fmt: skip


# Weights of 640 to 800 KB a network, 10 to 14 MB, and 136 MB or more. An odd number of times: a
# call then ends with other weights than it began with.
WORKLOADS = (
    _make("whole", "L2", 800, 64, 3, is_quick=True),
    _make("whole", "memory", 11648, 1, 1),
    _make("per-event", "L3", 3200, 1, 3),
    _make("float32", "L2", 448, 64, 11, is_quick=True),
    _make("float32", "L3", 1856, 1, 3),
    _make("float32", "memory", 5888, 1, 1),
)
