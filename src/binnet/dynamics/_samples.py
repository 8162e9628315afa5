"""Samples under an input, chunk after chunk on the threads that are free.

A chunk is as many samples as share a pass over the weights and stay in the caches. Its arrays are
used again for the next one: what is left of a chunk is what `finish` takes from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from binnet._threads import cut_for, in_pieces, share_out
from binnet._validation import Inputs, to_reals
from binnet.networks import LaidOut, Weights

if TYPE_CHECKING:
    from binnet_kernels.structs import Drive, Outcome, Recurrence, Scratch, Update

INFERENCE_SWEEPS = 10
_CHUNK = 256  # samples in work at a time, at most,
_LEAST = 64  # and at least, where threads share them out,
_COUPLINGS = 2**30  # or where a sweep of so many would last for a second


class Job(NamedTuple):
    """What is relaxed; B samples, H hidden neurons, T sweeps."""

    network: LaidOut
    inputs: Inputs  # (B, N), without those of the biases
    start: NDArray[np.int8] | None  # (B, H): initial states; None: silent
    feedback: Weights  # (C, H)
    labels: NDArray[np.int64]  # (B,)
    amplitudes: Weights  # (T,)
    make_update: Callable[[NDArray[np.uint64]], Update]  # from the samples' keys
    key: np.uint64  # of the stream that the samples' keys are drawn from


class Work(NamedTuple):
    """The arrays of a chunk, and the addresses of what is compiled for them."""

    recurrence: Recurrence
    inputs: NDArray[Any]  # (B, N)
    drive: Drive  # its labels and amplitudes are those of the chunk in work
    outcome: Outcome
    scratch: Scratch
    readout_fields: NDArray[Any]  # (B, C)
    relax: int
    product: int  # address of the dense product with the input weights


Finish = Callable[[LaidOut, Work], tuple[NDArray[Any], ...]]


def relax_all(job: Job, threads: int, finish: Finish) -> tuple[NDArray[Any], ...]:
    """Relax all samples of a job; return what `finish` makes of a chunk, of all chunks.

    Parameters
    ----------
    job : Job
        The samples.
    threads : int
        Threads to run on.
    finish : callable
        Takes the network and a chunk's arrays; returns new arrays with a row for each sample.

    Returns
    -------
    tuple of ndarray
        The rows of all samples.
    """
    n_samples, n_hidden = len(job.inputs), job.network.feedback.shape[1]
    size = min(_COUPLINGS // n_hidden**2, cut_for(threads, n_samples))
    size = min(_CHUNK, max(_LEAST, size))
    spare: list[Work] = []

    def relax_chunk(first: int) -> tuple[NDArray[Any], ...]:
        n_here = min(size, n_samples - first)
        if n_here < size:
            return _relax_chunk(job, first, _make_work(job, n_here), finish)
        try:
            work = spare.pop()
        except IndexError:
            work = _make_work(job, size)
        result = _relax_chunk(job, first, work, finish)
        spare.append(work)
        return result

    parts = share_out(threads, relax_chunk, range(0, max(n_samples, 1), size))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _make_work(job: Job, n_samples: int) -> Work:
    from binnet_kernels.integer.inputs import accumulate_integers
    from binnet_kernels.relaxation.fields import accumulate_fields, find_product
    from binnet_kernels.relaxation.graded_fields import accumulate_graded
    from binnet_kernels.relaxation.inference import find_relax
    from binnet_kernels.structs import (
        Drive,
        Recurrence,
        allocate_rows,
        count_sources,
        make_outcome,
        make_scratch,
    )

    network, dtype = job.network, job.network.dtype
    n_hidden = network.feedback.shape[1]
    external = allocate_rows(n_samples, n_hidden, 1, dtype)
    drive = Drive(external, job.feedback, job.labels[:n_samples], job.amplitudes)
    update = job.make_update(np.zeros(n_samples, np.uint64))
    outcome = make_outcome(n_samples, n_hidden, len(job.amplitudes), 1, dtype)
    scratch = make_scratch(n_samples, n_hidden, dtype)
    inputs = np.ones((n_samples, count_sources(network.input_weights)), dtype)  # 1: of the biases
    recurrence = Recurrence(
        network.couplings, network.coupling_scale, *network.structure,
        find_product(network.couplings, outcome.state, scratch.rows, outcome.field),
    )  # fmt: skip
    kinds = {np.dtype(np.int8): accumulate_fields, np.dtype(np.int16): accumulate_integers}
    product = kinds.get(job.inputs.dtype, accumulate_graded)
    return Work(
        recurrence,
        inputs,
        drive,
        outcome,
        scratch,
        np.empty((n_samples, len(network.readout)), dtype),
        find_relax(recurrence, drive, update, outcome, scratch),
        find_product(network.input_weights, inputs, scratch.rows, external, product),
    )


def _relax_chunk(job: Job, first: int, work: Work, finish: Finish) -> tuple[NDArray[Any], ...]:
    """Relax as many samples as `work` is made for, from number `first` on."""
    from binnet_kernels.lowlevel.rng import derive_keys
    from binnet_kernels.relaxation.inference import relax_samples

    network, outcome = job.network, work.outcome
    chunk = slice(first, first + len(work.inputs))
    work.inputs[:, : job.inputs.shape[1]] = to_reals(job.inputs[chunk])
    outcome.state[:, : job.feedback.shape[1]] = 0 if job.start is None else job.start[chunk]
    for counts in (outcome.changes, outcome.sweeps, outcome.status):
        counts[:] = 0
    update = job.make_update(derive_keys(job.key, first, len(work.inputs)))
    for begin, stop in in_pieces(len(job.amplitudes), first=INFERENCE_SWEEPS):
        drive = work.drive._replace(labels=job.labels[chunk], amplitudes=job.amplitudes[:stop])
        relax_samples(
            work.relax, work.product, work.recurrence, network.input_weights, work.inputs,
            network.readout, drive, update, outcome, work.scratch, begin, work.readout_fields,
        )  # fmt: skip
    return finish(network, work)
