"""Relaxation of packed states with packed weights: what a chip does, and a check of `relax`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._threads import resolve_threads, running_on
from binnet._validation import check_integer, check_labels, check_spins
from binnet.dynamics import INFERENCE_SWEEPS, Relaxation, check_amplitudes, stream_key
from binnet.networks import QuantizedNetwork
from binnet.schedules import FeedbackSchedule
from binnet.update_orders import find_order


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
    products sum). `binnet.relax` follows the flips instead and is faster for a whole relaxation;
    the result is the same, bit by bit.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.
    inputs : array_like, shape (B, N_in)
        Inputs, -1 or +1.
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
        Seed of the random orders.
    threads : int, optional
        Threads to run on. Default: all cores. The result does not depend on it.
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
    from binnet_kernels.integer.fields import (
        find_planes,
        pack_spins,
        split_words,
        to_packed,
        unpack_spins,
    )
    from binnet_kernels.integer.relax_packed import relax_packed_async, relax_packed_sync, sum_all
    from binnet_kernels.lowlevel.rng import derive_keys
    from binnet_kernels.structs import Drive

    X = check_spins("inputs", inputs, network.n_inputs)
    network.refuse_structure("relax_packed")
    order = find_order(update_order, "packed")
    n_samples, n_hidden, formats = len(X), network.n_neurons, network.formats
    targets, amplitudes = _choose_feedback(network, n_samples, labels, schedule, max_sweeps)
    couplings = to_packed(network.couplings, formats.couplings.bits)
    readout = to_packed(network.readout, formats.readout.bits)
    factor = 1 << formats.coupling_shift
    # The diagonal of one-bit couplings, which cannot be 0, is -1 there.
    own = int(network.self_couplings[0]) + factor * couplings.is_binary
    width = len(couplings.sums)
    external, fields, readout_fields = (
        np.zeros((n_samples, n), np.int32) for n in (width, width, len(readout.sums))
    )
    feedback = np.zeros((network.n_outputs, width), np.int32)
    feedback[:, :n_hidden] = network.feedback_fields
    words = np.zeros((n_samples, width // 64), np.uint64)
    changes = np.zeros((n_samples, len(amplitudes)), np.int64)
    sweeps, status = (np.zeros(n_samples, np.int64) for _ in range(2))
    with running_on(resolve_threads(threads)):
        sum_all(
            to_packed(network.input_weights, formats.input_weights.bits), pack_spins(X), external
        )
        external <<= formats.input_shift
        drive = Drive(external, feedback, targets, amplitudes.astype(np.int32))
        if order.name == "sync":
            awake = np.zeros(n_samples, np.bool_)
            relax_packed_sync(
                couplings, np.int32(factor), np.int32(own), drive, stop_at_cycle, words, awake,
                changes, sweeps, status,
            )  # fmt: skip
        else:
            planes = find_planes(network.couplings, formats.couplings.bits)
            rows = np.stack([split_words(pack_spins(plane)) for plane in planes], axis=1)
            signs, mask = (np.zeros((n_samples, 2 * words.shape[1]), np.uint32) for _ in range(2))
            relax_packed_async(
                rows, couplings.is_binary, factor, own, drive,
                derive_keys(stream_key(seed, 0), 0, n_samples), signs, mask, changes, sweeps,
                status,
            )  # fmt: skip
            words = np.ascontiguousarray(signs.astype("<u4")).view("<u8").astype(np.uint64)
        sum_all(couplings, words, fields)
        sum_all(readout, words, readout_fields)
    states = unpack_spins(words, n_hidden)
    hidden = factor * fields[:, :n_hidden] + external[:, :n_hidden] + np.int32(own) * states
    return Relaxation(
        states,
        _as_values(states * hidden, formats.fraction_bits),
        _as_values(readout_fields[:, : network.n_outputs], formats.readout.fraction_bits),
        sweeps,
        changes,
        status,
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
