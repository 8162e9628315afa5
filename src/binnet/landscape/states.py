"""States that the dynamics reaches under an input, and from how far away it comes back to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet.dynamics import INFERENCE_SWEEPS, relax_driven
from binnet.learning import Configuration
from binnet.networks import BinaryNetwork
from binnet.schedules import FeedbackSchedule

Spins = NDArray[np.int8]


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """How the states are reached that a landscape is about.

    Parameters
    ----------
    update_order : str, default "sync"
        As for `binnet.dynamics.relax_driven`.
    update_probability : float, default 0.5
        Of random subsets.
    inference_sweeps : int, default 10
        Sweeps from silence to the state of inference.
    seed : int, default 0
        Of random orders and subsets.
    schedule : FeedbackSchedule, optional
        Of the training relaxation. Default: the source's.
    """

    update_order: str = "sync"
    update_probability: float = 0.5
    inference_sweeps: int = INFERENCE_SWEEPS
    seed: int = 0
    schedule: FeedbackSchedule = dataclasses.field(default_factory=FeedbackSchedule)

    @classmethod
    def of(cls, configuration: Configuration) -> Dynamics:
        """Return the dynamics of a run.

        Parameters
        ----------
        configuration : Configuration
            Of the run.

        Returns
        -------
        Dynamics
            Its update order, inference and schedule.
        """
        training = configuration.training
        return cls(
            training.update_order,
            training.update_probability,
            training.inference_sweeps,
            training.seed,
            configuration.schedule,
        )

    def relax(self, network: BinaryNetwork, inputs: ArrayLike, **options: Any) -> Spins:
        """Relax samples in this dynamics and return their states.

        Parameters
        ----------
        network : BinaryNetwork
            The network.
        inputs : array_like, shape (B, N_in)
            Inputs, as `binnet.relax` takes them.
        **options : Any
            Further options of `binnet.dynamics.relax_driven`.

        Returns
        -------
        ndarray of int8, shape (B, H)
            Final spins; a neuron that no random subset held is +1, the sign of a field of 0.
        """
        states = relax_driven(
            network,
            inputs,
            update_order=self.update_order,
            update_probability=self.update_probability,
            seed=self.seed,
            **options,
        ).states
        return np.where(states == 0, np.int8(1), states)

    def infer(self, network: BinaryNetwork, inputs: ArrayLike) -> Spins:
        """Return the states that inference reaches: from silence, without feedback.

        Parameters
        ----------
        network : BinaryNetwork
            The network.
        inputs : array_like, shape (B, N_in)
            Inputs, as `binnet.relax` takes them.

        Returns
        -------
        ndarray of int8, shape (B, H)
            The states.
        """
        return self.relax(network, inputs, max_sweeps=self.inference_sweeps, stop_at_cycle=False)


def measure_basin(
    network: BinaryNetwork,
    inputs: ArrayLike,
    state: ArrayLike,
    flipped: Sequence[float],
    *,
    trials: int,
    max_sweeps: int,
    dynamics: Dynamics,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flip random spins of a state, relax with the input on, and see how much of it comes back.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    inputs : array_like, shape (N_in,)
        One input.
    state : array_like, shape (H,)
        The state.
    flipped : sequence of float, length F
        Fractions of the spins that are flipped: of each, the nearest number of spins, at least one.
    trials : int
        Starts for each fraction.
    max_sweeps : int
        Sweeps of each start at most.
    dynamics : Dynamics
        The update order.
    rng : numpy.random.Generator
        Draws the spins that are flipped.

    Returns
    -------
    return_probability : ndarray of float64, shape (F,)
        Fraction of the starts that end in the state itself; says little of one that is no fixed
        point, which the dynamics leaves again.
    return_overlap : ndarray of float64, shape (F,)
        Mean overlap of their last state with it.
    """
    spins = np.asarray(state, np.int8)
    n = len(spins)
    starts = np.tile(spins, (len(flipped) * trials, 1))
    for row, fraction in zip(starts, np.repeat(flipped, trials), strict=True):
        row[rng.choice(n, max(1, round(fraction * n)), replace=False)] *= -1
    x = np.tile(np.asarray(inputs), (len(starts), 1))
    ends = dynamics.relax(network, x, initial_states=starts, max_sweeps=max_sweeps)
    overlaps = (ends @ spins.astype(np.int64) / n).reshape(len(flipped), trials)
    return (overlaps == 1.0).mean(axis=1), overlaps.mean(axis=1)


def measure_overlaps(
    network: BinaryNetwork, inputs: ArrayLike, label: int, dynamics: Dynamics
) -> dict[str, float]:
    """Return the overlaps of the states that training and inference reach with one sample.

    *Clamped* is the state after the sweeps with feedback of the right label, *free* that at the end
    of the training relaxation, *inference* that from silence without feedback.

    Parameters
    ----------
    network : BinaryNetwork
        The network.
    inputs : array_like, shape (N_in,)
        One input.
    label : int
        Its class.
    dynamics : Dynamics
        Of the run, with its schedule.

    Returns
    -------
    dict of str to float
        "clamped_free", "clamped_inference" and "free_inference", each (1/H) sum_i s_i s'_i; those
        of the clamped state are NaN where the schedule has no sweep before the annealing.
    """
    x, y, schedule = np.atleast_2d(inputs), np.array([label]), dynamics.schedule
    options: dict[str, Any] = {"labels": y, "stop_at_cycle": False}
    inference = dynamics.infer(network, x)[0].astype(np.float64)
    free = dynamics.relax(network, x, schedule=schedule, **options)[0]
    clamped = np.full(len(inference), np.nan)
    if schedule.feedback:
        # The same random numbers: this is the beginning of the relaxation before.
        steered = dataclasses.replace(schedule, free=0)
        clamped[:] = dynamics.relax(network, x, schedule=steered, **options)[0]
    return {
        "clamped_free": float(np.mean(clamped * free)),
        "clamped_inference": float(np.mean(clamped * inference)),
        "free_inference": float(np.mean(free * inference)),
    }
