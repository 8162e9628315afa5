"""Trajectories of a rate network: checked inputs in, arrays that are used again out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._validation import check_matrix, check_real

if TYPE_CHECKING:
    from binnet.rate.model import RateRNN

Floats = NDArray[np.floating[Any]]


class Trajectory(NamedTuple):
    """What a network does on a batch of trials, starting from h_0 = 0.

    Attributes
    ----------
    states, rates : ndarray, shape (B, T + 1, N)
        h_t and f(h_t) for t = 0..T.
    outputs : ndarray, shape (B, T, N_out)
        ``outputs[:, t]`` = w f(h_{t+1}), the first output that input x_t reaches.
    """

    states: Floats
    rates: Floats
    outputs: Floats


class Workspace:
    """Arrays that are used again at each call: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any] | type) -> NDArray[Any]:
        """Return the array of that name; what it holds is what was last written into it."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self._arrays[name] = np.zeros(shape, dtype)
        return array


def follow(network: RateRNN, inputs: Floats, work: Workspace) -> Trajectory:
    """Return the trajectory for inputs that are checked, in arrays of the workspace."""
    from binnet_kernels.rate.steps import run_rate

    n_samples, n_steps, n_inputs = inputs.shape
    n, dtype = network.n_hidden, network.dtype
    drive = work.take("drive", (n_samples, n_steps, n), dtype)
    np.matmul(inputs.reshape(-1, n_inputs), network.input_weights.T, out=drive.reshape(-1, n))
    states = work.take("states", (n_samples, n_steps + 1, n), dtype)
    rates = work.take("rates", states.shape, dtype)
    states[:, 0] = rates[:, 0] = 0
    recurrent_t = pad_columns(network.recurrent.T, "recurrent_t", work)
    run_rate(
        recurrent_t,
        drive,
        dtype.type(network.leak),
        network.activation == "tanh",
        states,
        rates,
        work.take("field", (1, recurrent_t.shape[1]), dtype),
        work.take("active", (n,), np.int64),
        np.arange(n),
    )
    outputs = work.take("outputs", (n_samples, n_steps + 1, network.n_outputs), dtype)
    np.matmul(rates.reshape(-1, n), network.readout.T, out=outputs.reshape(-1, network.n_outputs))
    return Trajectory(states, rates, outputs[:, 1:])


def pad_columns(weights: Floats, name: str, work: Workspace) -> Floats:
    """Return weights as the kernels of a trajectory take them, with columns of 0 at the end."""
    from binnet_kernels.rate.steps import WIDTH

    n_rows, n_columns = weights.shape
    padded = work.take(name, (n_rows, -(-n_columns // WIDTH) * WIDTH), weights.dtype)
    padded[:, :n_columns] = weights
    return padded


def compute_slopes(network: RateRNN, rates: Floats, work: Workspace) -> Floats:
    """Return f'(h) from f(h); that of a ReLU at 0 is 0."""
    from binnet_kernels.rate.steps import write_slopes

    slopes = work.take("slopes", rates.shape, rates.dtype)
    write_slopes(rates.reshape(-1), network.activation == "tanh", slopes.reshape(-1))
    return slopes


def check_leak(leak: float) -> float:
    """Return the leak factor if it is in [0, 1)."""
    leak = check_real("leak", leak, 0.0, 1.0)
    if leak == 1.0:
        raise ValueError("leak (a = 1 - dt/tau) must be >= 0 and < 1: at 1 no state changes; got 1")
    return leak


def check_inputs(network: RateRNN, inputs: ArrayLike) -> Floats:
    """Return inputs as a finite C-contiguous array of the network's precision."""
    array = np.asarray(inputs)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"inputs must be real numbers, got an array of {array.dtype}")
    n_inputs = network.n_inputs
    if array.ndim != 3 or array.shape[2] != n_inputs or 0 in array.shape:
        raise ValueError(
            f"inputs must have shape (B, T, N_in) with N_in = {n_inputs}, the network's inputs, "
            f"and B, T >= 1, got {array.shape}"
        )
    array = np.ascontiguousarray(array, network.dtype)
    return check_matrix("inputs", array, array.shape, "(B, T, N_in)")
