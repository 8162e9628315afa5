"""Schedules of the readout feedback: how a(t), its importance, goes over a relaxation.

The readout, clamped to the label, steers the hidden neurons for some sweeps; then the steering is
annealed away, and the state that remains is held by the input and the couplings alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from binnet._memory import check_memory
from binnet._validation import check_choice, keep_integer, keep_real

ANNEALINGS = ("step", "linear", "exponential", "none")


@dataclass(frozen=True)
class FeedbackSchedule:
    """Importance a(t) of the readout feedback in each sweep (docs/model/network.md, eq. (2.2)).

    The first `warmup` sweeps have the input alone, a = 0. Up to sweep `feedback` (counted with the
    warm-up) a = 1. In the last `free` sweeps, k = 1..free, the feedback is annealed:

    ========================  =============================================
    ``"step"`` (the source)   a = 0
    ``"linear"``              a = 1 - k / free
    ``"exponential"``         a = exp(-k / time_constant), and 0 in the last
    ``"none"``                a = 1
    ========================  =============================================

    Parameters
    ----------
    warmup : int, default 1
        Sweeps with the input alone, 0..feedback.
    feedback : int, default 5
        T: sweeps until the annealing starts, the warm-up among them; at least 0.
    free : int, default 5
        Sweeps of the annealing; at least 0. A relaxation has ``feedback + free`` >= 1 sweeps.
    annealing : {"step", "linear", "exponential", "none"}, default "step"
        How a(t) goes to 0.
    time_constant : float, default 1.0
        Of the exponential annealing, in sweeps, > 0.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.

    Examples
    --------
    >>> FeedbackSchedule().amplitudes
    array([0., 1., 1., 1., 1., 0., 0., 0., 0., 0.])
    >>> FeedbackSchedule(1, 3, 4, "linear").amplitudes
    array([0.  , 1.  , 1.  , 0.75, 0.5 , 0.25, 0.  ])
    """

    warmup: int = 1
    feedback: int = 5
    free: int = 5
    annealing: str = "step"
    time_constant: float = 1.0

    def __post_init__(self) -> None:
        for name in ("warmup", "feedback", "free"):
            keep_integer(self, name, 0)
        if self.warmup > self.feedback:
            raise ValueError(
                f"warmup must be <= feedback = {self.feedback} sweeps, of which it is the first "
                f"part, got {self.warmup}; shorten the warm-up or lengthen feedback"
            )
        check_memory(
            f"feedback + free = {self.n_sweeps} sweeps", 16.0 * self.n_sweeps, "take fewer"
        )
        if self.n_sweeps == 0:
            raise ValueError("feedback + free must be >= 1 sweep, got 0 + 0")
        check_choice("annealing", self.annealing, ANNEALINGS)
        keep_real(self, "time_constant", 0.0, above=True)

    @property
    def n_sweeps(self) -> int:
        """Number of sweeps of a relaxation."""
        return self.feedback + self.free

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """Importance a(t) of the feedback in each sweep, shape (n_sweeps,)."""
        k = np.arange(1, self.free + 1)
        if self.annealing == "step":
            annealed = np.zeros(self.free)
        elif self.annealing == "linear":
            annealed = 1.0 - k / max(self.free, 1)
        elif self.annealing == "exponential":
            annealed = np.exp(-k / self.time_constant)
            annealed[-1:] = 0.0
        else:
            annealed = np.ones(self.free)
        steered = np.ones(self.feedback)
        steered[: self.warmup] = 0.0
        return np.concatenate([steered, annealed])
