"""The dynamics under input: relax samples towards fixed points, and see how they got there.

`relax_driven` runs any schedule under any update order (`binnet.update_orders`); `predict` is the
inference of a trained network: no feedback, no clamp, and the readout with the largest field
wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_parameter
from binnet._memory import check_memory
from binnet._threads import resolve_threads
from binnet._validation import check_inputs, check_integer, check_labels, check_spins
from binnet.dynamics._samples import INFERENCE_SWEEPS as INFERENCE_SWEEPS
from binnet.dynamics._samples import Finish, Job, Work, relax_all
from binnet.dynamics._updates import check_amplitudes, make_update, stream_key
from binnet.networks import AnyNetwork, LaidOut, Weights, lay_out, read_inputs
from binnet.schedules import FeedbackSchedule
from binnet.update_orders import check_probability, find_order

if TYPE_CHECKING:
    pass


STATUS = ("unsettled", "fixed point", "2-cycle")


@dataclass(frozen=True, eq=False)
class Relaxation:
    """What `relax_driven` found; B samples, H hidden neurons, C readouts, T sweeps.

    Attributes
    ----------
    states : ndarray of int8, shape (B, H)
        Final spins; 0 for a neuron that random-subset updates never reached.
    stabilities : ndarray, shape (B, H)
        s_i h_i of the final state, without feedback; the self-coupling counts. Negative: unstable.
    readout_fields : ndarray, shape (B, C)
        f_c of the final state.
    sweeps : ndarray of int64, shape (B,)
        Sweeps that were run; a sample that has settled rests until the feedback changes.
    changes : ndarray of int64, shape (B, T)
        Neurons that changed in each sweep (waking from silence counts).
    status : ndarray of int64, shape (B,)
        Index into ``STATUS``: 0 unsettled when the sweeps ran out, 1 fixed point (a whole sweep
        changed nothing), 2 a 2-cycle of an order that draws no random numbers.
    """

    states: NDArray[np.int8]
    stabilities: Weights
    readout_fields: Weights
    sweeps: NDArray[np.int64]
    changes: NDArray[np.int64]
    status: NDArray[np.int64]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each sample is at a fixed point, shape (B,)."""
        return np.asarray(self.status == 1)

    @property
    def unstable_fraction(self) -> NDArray[np.float64]:
        """Fraction of neurons with s_i h_i <= 0 in the final state, shape (B,)."""
        return np.asarray((self.stabilities <= 0).mean(axis=1))


@renamed_parameter("dynamics", "update_order")
def relax_driven(
    network: AnyNetwork,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    schedule: FeedbackSchedule | None = None,
    max_sweeps: int | None = None,
    update_order: str = "sync",
    update_probability: float = 0.5,
    initial_states: ArrayLike | None = None,
    seed: int = 0,
    threads: int | None = None,
    stop_at_cycle: bool = True,
) -> Relaxation:
    """Relax samples under their input, with the readout's feedback where labels are given.

    The fields are those of docs/model/network.md, section 1; the dynamics and when they stop are in
    its section 2.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network. One in integers is relaxed in integers; its fields are returned as values.
    inputs : array_like, shape (B, N_in)
        Inputs: -1 and +1, or graded (docs/model/network.md, section 1.1): uint8 pixels, of which
        255 stands for 1, or any other finite numbers, used in single precision.
    labels : array_like of int, shape (B,), optional
        Labels 0..C-1 that the readout is clamped to. Without them there is no feedback, a = 0.
    schedule : FeedbackSchedule, optional
        Importance of the feedback in each sweep. Default with labels: ``FeedbackSchedule()``.
    max_sweeps : int, optional
        Sweeps at most, at least those of the schedule; further ones keep its last importance.
        Default: the schedule's, or 10 without labels.
    update_order : str, default "sync"
        Which neurons are updated in a sweep, and when: one of
        `binnet.update_orders.list_orders("driven")`. Default: all at once.
    update_probability : float, default 0.5
        For random-subset, in (0, 1].
    initial_states : array_like, shape (B, H), optional
        Spins to start from (-1, +1, or 0 for silent). Default: all silent.
    seed : int, default 0
        Seed of the random orders and subsets. Row b draws the same whatever B and `threads` are,
        but another row draws other numbers: where the order is random, what a sample relaxes to
        may depend on its place among the rows. For orders without chance it does not.
    threads : int, optional
        Threads to run on at most. Default: all cores. The result does not depend on it.
    stop_at_cycle : bool, default True
        Whether a sample in a 2-cycle stops.

    Returns
    -------
    Relaxation
        Final states, stabilities and readout fields; sweeps, changes per sweep and status.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Examples
    --------
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=64, n_inputs=20))
    >>> result = relax_driven(network, np.ones((3, 20)), max_sweeps=50)
    >>> result.states.shape
    (3, 64)
    """
    found = _relax(
        _describe,
        network,
        inputs,
        labels,
        schedule,
        initial_states,
        max_sweeps=max_sweeps,
        update_order=update_order,
        update_probability=update_probability,
        seed=seed,
        threads=threads,
        stop_at_cycle=stop_at_cycle,
    )
    return Relaxation(*found)


@renamed_parameter("dynamics", "update_order")
def predict(
    network: AnyNetwork,
    inputs: ArrayLike,
    *,
    max_sweeps: int = INFERENCE_SWEEPS,
    update_order: str = "sync",
    update_probability: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[np.int64]:
    """Predict the class of each input: relax without feedback, the largest readout field wins.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        A trained network.
    inputs : array_like, shape (B, N_in)
        Inputs, as for `relax_driven`.
    max_sweeps : int, default 10
        Sweeps at most; a sample stops at its fixed point.
    update_order, update_probability, seed, threads : optional
        As for `relax_driven`: under a random order the answer may depend on the row of the sample.

    Returns
    -------
    ndarray of int64, shape (B,)
        Classes 0..C-1; the lowest where fields tie.
    """
    (classes,) = _relax(
        _classify,
        network,
        inputs,
        max_sweeps=max_sweeps,
        update_order=update_order,
        update_probability=update_probability,
        seed=seed,
        threads=threads,
        stop_at_cycle=False,
    )
    return np.asarray(classes, dtype=np.int64)


def sum_states(
    network: AnyNetwork,
    inputs: ArrayLike,
    *,
    max_sweeps: int = INFERENCE_SWEEPS,
    update_order: str = "sync",
    update_probability: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> tuple[NDArray[np.int64], Weights]:
    """Relax like `predict`, and return what is small for any number of samples.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    inputs : array_like, shape (B, N_in)
        Inputs, as `predict` takes them.
    max_sweeps, update_order, update_probability, seed, threads : optional
        As for `predict`.

    Returns
    -------
    sums : ndarray of int64, shape (H,)
        Final spins of each neuron, summed over the samples.
    readout_fields : ndarray, shape (B, C)
        f_c of the final states.
    """
    sums, fields = _relax(
        _sum_states, network, inputs, max_sweeps=max_sweeps, update_order=update_order,
        update_probability=update_probability, seed=seed, threads=threads, stop_at_cycle=False,
    )  # fmt: skip
    return sums.sum(axis=0), fields


def _relax(
    finish: Finish,
    network: AnyNetwork,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    schedule: FeedbackSchedule | None = None,
    initial_states: ArrayLike | None = None,
    *,
    max_sweeps: int | None,
    update_order: str,
    update_probability: float,
    seed: int,
    threads: int | None,
    stop_at_cycle: bool,
) -> tuple[NDArray[Any], ...]:
    """Check the arguments of `relax_driven` and relax; return what `finish` makes of it."""
    X = check_inputs("inputs", inputs, network.n_inputs)
    n_samples = len(X)
    targets = np.zeros(n_samples, np.int64)
    laid_out: LaidOut = lay_out(network)
    if laid_out.inputs is not None:
        X = read_inputs("inputs", X, laid_out.inputs)
    feedback = np.zeros((1, network.n_neurons), laid_out.dtype)
    amplitudes = np.zeros(INFERENCE_SWEEPS)
    if labels is not None:
        targets = check_labels("labels", labels, n_samples, network.n_outputs)
        feedback = laid_out.feedback
        amplitudes = (schedule or FeedbackSchedule()).amplitudes
        check_amplitudes(amplitudes, laid_out.dtype)
    elif schedule is not None:
        raise ValueError("schedule needs labels: without a clamped readout there is no feedback")
    if max_sweeps is not None:
        n_sweeps = check_integer("max_sweeps", max_sweeps, 1)
        if labels is not None and n_sweeps < len(amplitudes):
            raise ValueError(
                f"max_sweeps must be >= {len(amplitudes)}, the sweeps of the schedule, got "
                f"{n_sweeps}; shorten the schedule or allow more sweeps"
            )
        check_memory(
            f"max_sweeps = {n_sweeps}: the records of {n_samples} samples",
            8.0 * n_sweeps * (n_samples + 3),
            "take fewer",
        )
        amplitudes = np.append(amplitudes, np.full(n_sweeps, amplitudes[-1]))[:n_sweeps]
    start = None
    if initial_states is not None:
        start = check_spins("initial_states", initial_states, network.n_neurons, silent=True)
        if len(start) != n_samples:
            raise ValueError(
                f"initial_states must have one row for each of the {n_samples} inputs, got "
                f"{len(start)}"
            )
    order = find_order(update_order, "driven")
    probability = check_probability(order, update_probability)
    n_threads = resolve_threads(threads)
    job = Job(
        laid_out, X, start, feedback, targets, amplitudes.astype(laid_out.dtype),
        lambda keys: make_update(
            order, probability, network.n_neurons, keys, stop_at_cycle=stop_at_cycle,
            couplings=laid_out.couplings,
        ),
        stream_key(seed, 0),
    )  # fmt: skip
    return relax_all(job, n_threads, finish)


def _describe(network: LaidOut, work: Work) -> tuple[NDArray[Any], ...]:
    """Return what a `Relaxation` says of the samples of a chunk."""
    from binnet_kernels.relaxation.fields import add_excitation

    outcome, external, readout_fields = work.outcome, work.drive.external, work.readout_fields
    n_samples, n_hidden, dtype = len(external), network.feedback.shape[1], network.dtype
    states = outcome.state[:, :n_hidden]
    for b in range(n_samples if len(network.structure.partners) else 0):
        add_excitation(
            network.structure.partners, network.structure.excitations, external[b],
            outcome.state[b], external[b],
        )  # fmt: skip
    scale, self_couplings = dtype.type(network.coupling_scale), network.structure.self_couplings
    fields = (external + scale * outcome.field)[:, :n_hidden] + self_couplings[:n_hidden] * states
    stabilities = states * fields
    if dtype.kind == "i":
        stabilities = stabilities * network.unit
        readout_fields = readout_fields * network.readout_unit
    return (
        states.astype(np.int8),
        stabilities,
        readout_fields.copy(),
        outcome.sweeps.copy(),
        outcome.changes.copy(),
        outcome.status.copy(),
    )


def _sum_states(network: LaidOut, work: Work) -> tuple[NDArray[Any], ...]:
    """Return the sum of the states of a chunk, as one row, and its readout fields."""
    states = work.outcome.state[:, : work.scratch.excited.shape[1]]
    return states.sum(axis=0)[None].astype(np.int64), work.readout_fields.copy()


def _classify(network: LaidOut, work: Work) -> tuple[NDArray[Any], ...]:
    """Return the classes of the samples of a chunk: the readout with the largest field wins."""
    return (work.readout_fields.argmax(axis=1),)
