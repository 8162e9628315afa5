"""What a learning rule is given: a batch of trials that the network has gone through."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from binnet.rate._trajectories import Floats, Trajectory, Workspace, compute_slopes
from binnet.rate.model import RateRNN


@dataclass(frozen=True, eq=False)
class Pass:
    """A batch of trials, and what their loss says about each state.

    Attributes
    ----------
    network : RateRNN
        The network.
    inputs : ndarray, shape (B, T, N_in)
        x_0..x_{T-1}.
    trajectory : Trajectory
        States, rates and outputs.
    error : ndarray, shape (B, T + 1, N_out)
        dloss/dy_t; that of t = 0 is 0.
    carrier : ndarray, shape (N_out, N)
        What carries the error back: the readout, or a feedback matrix.
    number : int or None
        The number in the rule's name, such as 2 in "snap-2".
    seed : int or tuple of int
        Of what a stochastic rule draws.
    threads : int
        How many there may be.
    work : Workspace
        Arrays that are used again at the next call.
    lock : RLock
        Held while slopes and signals are computed, for the first thread that asks for them.
    """

    network: RateRNN
    inputs: Floats
    trajectory: Trajectory
    error: Floats
    carrier: Floats
    number: int | None
    seed: int | tuple[int, ...]
    threads: int
    work: Workspace
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def slopes(self) -> Floats:
        """f'(h_t) as (B, T + 1, N)."""
        with self.lock:
            return self._slopes

    @property
    def signals(self) -> Floats:
        """s_t as (B, T + 1, N), what of dloss/dh_t does not pass through later states; s_0 = 0."""
        with self.lock:
            return self._signals

    @cached_property
    def _slopes(self) -> Floats:
        return compute_slopes(self.network.activation, self.trajectory.rates, self.work)

    @cached_property
    def _signals(self) -> Floats:
        from binnet_kernels.rate.steps import send_back

        slopes = self._slopes
        n_rows, n = slopes.shape[0] * slopes.shape[1], slopes.shape[2]
        signals = self.work.take("signals", slopes.shape, slopes.dtype)
        send_back(
            self.error.reshape(n_rows, -1), self.carrier, slopes.reshape(n_rows, n),
            signals.reshape(n_rows, n), self.work.take("steps", (n_rows,), np.int64),
        )  # fmt: skip
        return signals
