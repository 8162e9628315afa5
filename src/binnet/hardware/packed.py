"""Relaxation of packed states with packed weights: what a chip does, and a check of `relax`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._threads import cut_for, in_pieces, resolve_threads, share_out
from binnet._validation import check_inputs, check_integer, check_labels
from binnet.dynamics import INFERENCE_SWEEPS, Relaxation, check_amplitudes, stream_key
from binnet.networks import QuantizedNetwork, read_inputs
from binnet.schedules import FeedbackSchedule
from binnet.update_orders import find_order

if TYPE_CHECKING:
    from binnet_kernels.integer.fields import Packed
    from binnet_kernels.integer.relax_packed import Share
    from binnet_kernels.structs import Drive

_CHUNK, _LEAST = 1024, 64  # samples of a share, at most and, where threads share them, at least
_SUMS = 2**31  # couplings that are summed in a tenth of a second or two
_WORTH = 2**28  # to be summed that threads are worth their start


@renamed_parameter("dynamics", "update_order")
def relax_packed(
    network: QuantizedNetwork,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    schedule: FeedbackSchedule | None = None,
    max_sweeps: int = INFERENCE_SWEEPS,
    update_order: str = "sync",
    seed: int = 0,
    threads: int | None = None,
    stop_at_cycle: bool = True,
) -> Relaxation:
    """Relax samples from silence on packed spins, with every field summed anew.

    Couplings, input weights and readout are bit planes that popcounts sum (8 bits: bytes that dot
    products sum); graded inputs are summed bit after bit. `binnet.relax` follows the flips instead
    and is faster for a whole relaxation; the result is the same, bit by bit.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.
    inputs : array_like, shape (B, N_in)
        Inputs, as the network's format takes them.
    labels : array_like of int, shape (B,), optional
        Labels that the readout is clamped to. Without them there is no feedback.
    schedule : FeedbackSchedule, optional
        Importance of the feedback, 0 or 1 in each sweep. Default with labels:
        ``FeedbackSchedule()``.
    max_sweeps : int, default 10
        Sweeps at most, where there are no labels.
    update_order : str, default "sync"
        One of `binnet.update_orders.list_orders("packed")`.
    seed : int, default 0
        Seed of the random orders, which go with the row of a sample as in `binnet.relax`.
    threads : int, optional
        Threads to run on at most. Default: all cores. The result does not depend on it.
    stop_at_cycle : bool, default True
        Whether a sample in a synchronous 2-cycle stops.

    Returns
    -------
    Relaxation
        As of `binnet.relax`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    """
    from binnet_kernels.integer.fields import find_planes, pack_spins, split_words, to_packed
    from binnet_kernels.lowlevel.rng import derive_keys
    from binnet_kernels.structs import Drive

    X = check_inputs("inputs", inputs, network.n_inputs)
    X = read_inputs("inputs", X, network.formats.inputs)
    network.refuse_structure("relax_packed")
    order = find_order(update_order, "packed")
    n_threads, keys = resolve_threads(threads), derive_keys(stream_key(seed, 0), 0, len(X))
    targets, amplitudes = _choose_feedback(network, len(X), labels, schedule, max_sweeps)
    formats = network.formats
    couplings = to_packed(network.couplings, formats.couplings.bits)
    factor = 1 << formats.coupling_shift
    # The diagonal of one-bit couplings, which cannot be 0, is -1 there.
    own = int(network.self_couplings[0]) + factor * couplings.is_binary
    external = _sum_inputs(network, X, n_threads)
    external <<= formats.input_shift
    feedback = np.zeros((network.n_outputs, external.shape[1]), np.int32)
    feedback[:, : network.n_neurons] = network.feedback_fields
    drive = Drive(external, feedback, targets, amplitudes.astype(np.int32))
    if order.name == "sync":
        found = _relax_sync(couplings, factor, own, drive, stop_at_cycle, n_threads)
    else:
        planes = find_planes(network.couplings, formats.couplings.bits)
        rows = np.stack([split_words(pack_spins(plane)) for plane in planes], axis=1)
        found = _relax_async(rows, couplings.is_binary, factor, own, drive, keys, n_threads)
    return _as_relaxation(network, couplings, (factor, own), external, found, n_threads)


class _Found(NamedTuple):
    words: NDArray[np.uint64]
    sweeps: NDArray[np.int64]
    changes: NDArray[np.int64]
    status: NDArray[np.int64]


def _share_samples(
    n_samples: int, is_bytes: bool, shape: tuple[int, int], threads: int, work: Callable[..., None]
) -> None:
    """Call ``work(samples, share)`` for the samples of each share; `shape` is words and columns."""
    from binnet_kernels.integer.relax_packed import make_share

    size = min(max(_LEAST, cut_for(threads, n_samples)), _CHUNK)

    def do(start: int) -> None:
        samples = slice(start, min(start + size, n_samples))
        work(samples, make_share(samples.stop - start, *shape, is_bytes))

    share_out(threads, do, range(0, n_samples, size))


def _cut(n_sweeps: int, width: int, n_samples: int) -> Iterator[tuple[int, int]]:
    """Cut sweeps into calls; the first holds those of inference where they are quickly done."""
    return in_pieces(n_sweeps, first=min(INFERENCE_SWEEPS, max(1, _SUMS // (width**2 * n_samples))))


def _sum_all(packed: Packed, words: NDArray[np.uint64], threads: int) -> NDArray[np.int32]:
    """Return sum_j w_ij s_j of packed states, (B, H + padding)."""
    from binnet_kernels.integer.relax_packed import sum_all

    sums = np.zeros((len(words), len(packed.sums)), np.int32)

    def work(samples: slice, share: Share) -> None:
        sum_all(packed, words[samples], share, sums[samples])

    if words.size * 64 * sums.shape[1] < _WORTH:
        threads = 1
    _share_samples(len(words), packed.is_bytes, (words.shape[1], 0), threads, work)
    return sums


def _sum_inputs(network: QuantizedNetwork, X: NDArray[Any], threads: int) -> NDArray[np.int32]:
    """Return sum_n w_in x_n, (B, H + padding): of spins, or of graded inputs bit after bit.

    Bit p of all inputs, as spins, sums to ``2 sum_n w_in bit_p - sum_n w_in``.
    """
    from binnet_kernels.integer.fields import pack_spins, to_packed

    formats = network.formats
    packed = to_packed(network.input_weights, formats.input_weights.bits)
    if formats.inputs.bits == 1:
        return _sum_all(packed, pack_spins(X), threads)
    external = np.zeros((len(X), len(packed.sums)), np.int64)
    whole = network.input_weights.sum(axis=1, dtype=np.int64)
    for p in range(formats.inputs.bits):
        is_sign = formats.inputs.signed and p == formats.inputs.bits - 1
        sums = _sum_all(packed, pack_spins((X >> p) & 1), threads)[:, : network.n_neurons]
        external[:, : network.n_neurons] += ((sums + whole) >> 1) * (-1 if is_sign else 1) << p
    return external.astype(np.int32)


def _relax_sync(
    packed: Packed, factor: int, own: int, drive: Drive, stop_at_cycle: bool, threads: int
) -> _Found:
    from binnet_kernels.integer.relax_packed import relax_packed_sync

    (n_samples, width), n_sweeps = drive.external.shape, len(drive.amplitudes)
    found = _make_found(n_samples, width, n_sweeps)
    awake = np.zeros(n_samples, np.bool_)

    def work(samples: slice, share: Share) -> None:
        for first, last in _cut(n_sweeps, width, samples.stop - samples.start):
            relax_packed_sync(
                packed, np.int32(factor), np.int32(own), drive, stop_at_cycle, first, last,
                samples.start, share, found.words, awake, found.changes, found.sweeps, found.status,
            )  # fmt: skip

    _share_samples(n_samples, packed.is_bytes, (width // 64, width), threads, work)
    return found


def _relax_async(
    rows: NDArray[np.uint32], is_binary: bool, factor: int, own: int, drive: Drive,
    keys: NDArray[np.uint64], threads: int,
) -> _Found:  # fmt: skip
    from binnet_kernels.integer.relax_packed import relax_packed_async

    (n_samples, width), n_sweeps = drive.external.shape, len(drive.amplitudes)
    found = _make_found(n_samples, width, n_sweeps)
    signs, mask = (np.zeros((n_samples, width // 32), np.uint32) for _ in range(2))

    def work(samples: slice, share: Share) -> None:
        order = np.empty(len(rows), np.int64)
        for first, last in _cut(n_sweeps, width, samples.stop - samples.start):
            relax_packed_async(
                rows, is_binary, factor, own, drive, keys, first, last, samples.start,
                share.settled_at, order, signs, mask, found.changes, found.sweeps, found.status,
            )  # fmt: skip

    _share_samples(n_samples, False, (0, 0), threads, work)
    words = np.ascontiguousarray(signs.astype("<u4")).view("<u8").astype(np.uint64)
    return found._replace(words=words)


def _make_found(n_samples: int, width: int, n_sweeps: int) -> _Found:
    """Return silent states, and empty records."""
    return _Found(
        np.zeros((n_samples, width // 64), np.uint64),
        np.zeros(n_samples, np.int64),
        np.zeros((n_samples, n_sweeps), np.int64),
        np.zeros(n_samples, np.int64),
    )


def _as_relaxation(
    network: QuantizedNetwork,
    couplings: Packed,
    factors: tuple[int, int],
    external: NDArray[np.int32],
    found: _Found,
    threads: int,
) -> Relaxation:
    """Return the final states as spins, with their fields; `factors` are of J and of the spin."""
    from binnet_kernels.integer.fields import to_packed, unpack_spins

    n, formats = network.n_neurons, network.formats
    readout = to_packed(network.readout, formats.readout.bits)
    readout_fields = _sum_all(readout, found.words, threads)[:, : network.n_outputs]
    sums, states = _sum_all(couplings, found.words, threads), unpack_spins(found.words, n)
    hidden = factors[0] * sums[:, :n] + external[:, :n] + np.int32(factors[1]) * states
    return Relaxation(
        states,
        _as_values(states * hidden, formats.fraction_bits),
        _as_values(readout_fields, formats.readout.fraction_bits),
        found.sweeps,
        found.changes,
        found.status,
    )


def _choose_feedback(
    network: QuantizedNetwork,
    n_samples: int,
    labels: ArrayLike | None,
    schedule: FeedbackSchedule | None,
    max_sweeps: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the class that each sample is steered to, and a(t) of each sweep."""
    targets = np.zeros(n_samples, np.int64)
    n_sweeps = check_integer("max_sweeps", max_sweeps, 1)
    what = f"max_sweeps = {n_sweeps}: the records of {n_samples} samples"
    check_memory(what, 8.0 * n_sweeps * (n_samples + 1), "take fewer")
    amplitudes = np.zeros(n_sweeps)
    if labels is not None:
        targets = check_labels("labels", labels, n_samples, network.n_outputs)
        amplitudes = (schedule or FeedbackSchedule()).amplitudes
        check_amplitudes(amplitudes, np.dtype(np.int32))
    elif schedule is not None:
        raise ValueError("schedule needs labels: without a clamped readout there is no feedback")
    return targets, amplitudes


def _as_values(integers: NDArray[Any], fraction_bits: int) -> NDArray[np.float64]:
    return np.asarray(np.ldexp(integers.astype(np.float64), -fraction_bits))
