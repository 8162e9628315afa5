"""What training of rate networks leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet.rate._trajectories import Floats
from binnet.rate.configuration import RateConfiguration
from binnet.rate.model import RateRNN

#: Updates that a loss is averaged over when a run is judged.
WINDOW = 100


@dataclass(frozen=True, eq=False)
class RateTrainingResult:
    """What training leaves.

    Attributes
    ----------
    network : RateRNN
        The network as it was learned so far.
    losses : ndarray, shape (iterations,)
        Loss of each update's batch, before the update.
    configuration : RateConfiguration
        All parameters of the run.
    provenance : dict
        Version, seed, threads, CPU and packages.
    completed : bool
        False if Ctrl-C (or SIGTERM, SIGHUP) stopped the run.
    feedback : ndarray, shape (N_out, N), optional
        What carries the error back; None: the readout.
    diverged : bool
        True if `train_together` ended it early, as something was no longer finite.
    """

    network: RateRNN
    losses: NDArray[np.float64]
    configuration: RateConfiguration
    provenance: dict[str, Any]
    completed: bool
    feedback: Floats | None = None
    diverged: bool = False

    @property
    def final_loss(self) -> float:
        """Mean loss of the last 100 updates."""
        return float(self.losses[-WINDOW:].mean()) if len(self.losses) else math.nan

    @property
    def lowest_loss(self) -> float:
        """Lowest mean loss of 100 updates in a row: what a run reached that later lost it."""
        if len(self.losses) <= WINDOW:
            return self.final_loss
        sums = np.cumsum(np.concatenate([[0.0], self.losses]))
        return float((sums[WINDOW:] - sums[:-WINDOW]).min() / WINDOW)
