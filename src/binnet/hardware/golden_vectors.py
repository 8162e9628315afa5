"""Golden vectors: what a correct chip does on given inputs, state by state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._memory import check_memory
from binnet._validation import check_inputs, check_integer, check_spins
from binnet.dynamics import relax
from binnet.networks import QuantizedNetwork, read_inputs

States = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class GoldenVectors:
    """Inputs, initial states, and every state of the synchronous dynamics; K vectors, T sweeps.

    Attributes
    ----------
    inputs : ndarray of int8 or int16, shape (K, N_in)
        Inputs: -1 or +1, or graded ones as integers of the network's format.
    initial_states : ndarray of int8, shape (K, H)
        States before the first sweep. A vector that begins silent, as inference does, has a row
        of zeros: its first fields are those of the input alone.
    states : ndarray of int8, shape (K, T, H)
        State after each sweep. A fixed point is repeated to the end.
    readout_fields : ndarray of int64, shape (K, C)
        f_c of the final states, in units of the readout's accumulator.
    """

    inputs: NDArray[Any]
    initial_states: States
    states: States
    readout_fields: NDArray[np.int64]

    @property
    def final_states(self) -> States:
        """State after the last sweep, shape (K, H)."""
        return self.states[:, -1]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Predicted class of each vector, shape (K,); the lowest where readout fields tie."""
        return np.asarray(self.readout_fields.argmax(axis=1), dtype=np.int64)

    @property
    def silent(self) -> NDArray[np.bool_]:
        """Whether each vector begins silent, shape (K,)."""
        return np.logical_not(self.initial_states.any(axis=1))


def record_golden_vectors(
    network: QuantizedNetwork,
    inputs: ArrayLike,
    initial_states: ArrayLike | None = None,
    *,
    sweeps: int = 10,
) -> GoldenVectors:
    """Run the synchronous dynamics and keep every state.

    Parameters
    ----------
    network : QuantizedNetwork
        The network in integers.
    inputs : array_like, shape (K, N_in)
        Inputs, as the network's format takes them.
    initial_states : array_like, shape (K, H), optional
        States to begin with, -1 or +1; a row of zeros begins silent. Default: all begin silent.
    sweeps : int, default 10
        Sweeps to record, at least 1.

    Returns
    -------
    GoldenVectors
        The vectors.

    Raises
    ------
    TypeError, ValueError
        If a shape or a value is wrong, or a state is silent in part.
    """
    X = check_inputs("inputs", inputs, network.n_inputs)
    integers = read_inputs("inputs", X, network.formats.inputs)
    n_sweeps = check_integer("sweeps", sweeps, 1)
    if len(X) == 0:
        raise ValueError("inputs must hold at least one vector, got none")
    if initial_states is None:
        start = np.zeros((len(X), network.n_neurons), np.int8)
    else:
        start = check_spins("initial_states", initial_states, network.n_neurons, silent=True)
    if len(start) != len(X):
        raise ValueError(
            f"initial_states must have one row for each of the {len(X)} inputs, got {len(start)}"
        )
    awake = (start != 0).sum(axis=1)
    partly = np.flatnonzero((awake != 0) & (awake != network.n_neurons))
    if partly.size:
        raise ValueError(
            f"initial_states must be silent as a whole or not at all, got {awake[partly[0]]} of "
            f"{network.n_neurons} spins awake in row {partly[0]}: a chip has one bit per spin"
        )
    what = f"sweeps = {n_sweeps} of {len(X)} vectors: the states"
    check_memory(what, float(len(X)) * n_sweeps * network.n_neurons, "take fewer of either")
    states = np.empty((len(X), n_sweeps, network.n_neurons), np.int8)
    state = start
    for t in range(n_sweeps):
        state = relax(network, X, initial_states=state, max_sweeps=1).states
        states[:, t] = state
    readout_fields = state.astype(np.int64) @ network.readout.T.astype(np.int64)
    return GoldenVectors(integers, start, states, readout_fields)
