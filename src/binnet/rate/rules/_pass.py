"""What a learning rule is given: a batch of trials that the network has gone through."""

from __future__ import annotations

from dataclasses import dataclass

from binnet.rate._trajectories import Floats, Trajectory, Workspace
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
    slopes : ndarray, shape (B, T + 1, N)
        f'(h_t).
    signals : ndarray, shape (B, T + 1, N)
        s_t, the part of dloss/dh_t that does not pass through later states; that of t = 0 is 0.
    number : int or None
        The number in the rule's name, such as 2 in "snap-2".
    seed : int or tuple of int
        Of what a stochastic rule draws.
    threads : int
        How many there may be.
    work : Workspace
        Arrays that are used again at the next call.
    """

    network: RateRNN
    inputs: Floats
    trajectory: Trajectory
    slopes: Floats
    signals: Floats
    number: int | None
    seed: int | tuple[int, ...]
    threads: int
    work: Workspace
