"""The rate network: its weights, and its trajectories."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from binnet._deprecation import renamed_attribute
from binnet._memory import check_memory
from binnet._validation import check_choice, check_integer, check_matrix, check_real
from binnet.rate._trajectories import (
    Floats,
    Trajectory,
    Workspace,
    check_finite,
    check_leak,
    cut_trials,
    pad_width,
)
from binnet.rate.structures import check_structure, draw_recurrent

ACTIVATIONS = ("relu", "tanh")
DTYPES = ("float32", "float64")
#: The trained weights, by the names of RateRNN's fields.
WEIGHTS = ("recurrent", "input_weights", "readout")


@dataclass(frozen=True, eq=False)
class RateRNN:
    """A recurrent network of leaky rate neurons (docs/model/rate.md, section 1).

    ::

        h_{t+1} = a h_t + (1 - a) (W_h f(h_t) + W_x x_t),   h_0 = 0
        y_t     = w f(h_t),   t = 1..T

    Parameters
    ----------
    recurrent : ndarray, shape (N, N)
        W_h; ``recurrent[i, j]`` couples neuron j to neuron i.
    input_weights : ndarray, shape (N, N_in)
        W_x.
    readout : ndarray, shape (N_out, N)
        w.
    leak : float, default 0.5
        a = 1 - dt/tau, in [0, 1).
    activation : {"relu", "tanh"}, default "relu"
        f.
    connections : ndarray of bool, shape (N, N), optional
        Couplings that exist: the others are 0 and have no gradient. Default: all exist.

    Raises
    ------
    TypeError, ValueError
        If an array or value has the wrong type, shape or range, the dtypes differ, or a coupling
        that does not exist is not 0.

    Examples
    --------
    >>> from binnet.rate import RateRNN
    >>> RateRNN.initialise(n_inputs=1, n_outputs=2, gain=0.5).recurrent.shape
    (64, 64)
    """

    recurrent: Floats
    input_weights: Floats
    readout: Floats
    leak: float = 0.5
    activation: str = "relu"
    connections: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in WEIGHTS:
            if np.ndim(getattr(self, name)) != 2:
                raise ValueError(
                    f"{name} must be a matrix, got shape {np.shape(getattr(self, name))}"
                )
        n = len(self.recurrent)
        check_matrix("recurrent", self.recurrent, (n, n), "(N, N)")
        n_inputs, n_outputs = self.input_weights.shape[1], len(self.readout)
        check_matrix("input_weights", self.input_weights, (n, n_inputs), "(N, N_in)")
        check_matrix("readout", self.readout, (n_outputs, n), "(N_out, N)")
        for name in WEIGHTS:
            if getattr(self, name).dtype != self.recurrent.dtype:
                raise TypeError(
                    f"{name} must be {self.recurrent.dtype} as recurrent is, "
                    f"got {getattr(self, name).dtype}; convert one with .astype"
                )
        object.__setattr__(self, "leak", check_leak(self.leak))
        check_choice("activation", self.activation, ACTIVATIONS)
        self._check_connections()

    def _check_connections(self) -> None:
        if self.connections is None:
            return
        there = np.asarray(self.connections)
        if there.shape != self.recurrent.shape or there.dtype != np.bool_:
            raise ValueError(
                f"connections must be booleans of shape (N, N) = {self.recurrent.shape}, got "
                f"{there.dtype} of shape {there.shape}"
            )
        if self.recurrent[~there].any():
            i, j = np.argwhere((self.recurrent != 0) & ~there)[0].tolist()
            raise ValueError(
                f"recurrent[{i}, {j}] is {self.recurrent[i, j]:g}, but connections says that this "
                "coupling does not exist: set it to 0, or let it exist"
            )

    @classmethod
    def initialise(
        cls,
        n_inputs: int,
        n_outputs: int,
        n_hidden: int = 64,
        *,
        gain: float = 1.0,
        structure: str = "gaussian",
        leak: float = 0.5,
        activation: str = "relu",
        dtype: str = "float32",
        seed: int | tuple[int, ...] = 0,
    ) -> RateRNN:
        """Draw W_h from N(0, gain²/N) or with another structure, W_x and w uniformly in ±1/√fan_in.

        Every structure has E sum_j W_ij² = gain², and the same W_x and w for the same seed.

        Parameters
        ----------
        n_inputs, n_outputs : int
            N_in and N_out, at least 1.
        n_hidden : int, default 64
            N, at least 1.
        gain : float, default 1.0
            Initial gain, at least 0.
        structure : str, default "gaussian"
            How W_h is drawn: "gaussian"; "orthogonal", uniformly distributed times the gain;
            "low-rank-R", of rank R, the product of two Gaussian matrices; "block-B", B groups of
            neurons with couplings only within them; "sparse-K", K couplings per neuron, where the
            others never come to exist; or "dale", 80 % excitatory and 20 % inhibitory neurons,
            each row with mean 0. Of all but "sparse-K" learning may leave the structure.
        leak : float, default 0.5
            a, in [0, 1).
        activation : {"relu", "tanh"}, default "relu"
            f.
        dtype : {"float32", "float64"}, default "float32"
            Precision of the weights and of all that is computed with them.
        seed : int or tuple of int, default 0
            The same seed draws the same weights, in either precision up to rounding.

        Returns
        -------
        RateRNN
            The network.

        Raises
        ------
        TypeError, ValueError
            If a value is out of its range.
        """
        sizes = {"n_inputs": n_inputs, "n_outputs": n_outputs, "n_hidden": n_hidden}
        n_inputs, n_outputs, n = (check_integer(name, size, 1) for name, size in sizes.items())
        check_memory(f"n_hidden = {n}: the weights", 16.0 * n * (n + n_inputs), "take fewer")
        gain = check_real("gain", gain, 0.0)
        check_choice("dtype", dtype, DTYPES)
        kind = check_structure(structure, n)
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((n, n))
        input_weights = rng.uniform(-1, 1, (n, n_inputs)) / math.sqrt(n_inputs)
        readout = rng.uniform(-1, 1, (n_outputs, n)) / math.sqrt(n)
        # Last, as structures draw more or less: input weights and readout are the same for all.
        recurrent, connections = draw_recurrent(kind, normal, gain, rng)
        return cls(
            recurrent.astype(dtype),
            input_weights.astype(dtype),
            readout.astype(dtype),
            leak,
            activation,
            connections,
        )

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons N."""
        return len(self.recurrent)

    n_hidden = renamed_attribute("n_hidden", "n_neurons")

    @property
    def n_inputs(self) -> int:
        """N_in."""
        return int(self.input_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        """N_out."""
        return len(self.readout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the weights."""
        return self.recurrent.dtype

    def copy(self) -> RateRNN:
        """Return the same network with weights of its own."""
        weights = (self.recurrent.copy(), self.input_weights.copy(), self.readout.copy())
        return RateRNN(*weights, self.leak, self.activation, self.connections)

    def weights(self) -> dict[str, Floats]:
        """Return the trained arrays by name: the arrays themselves, not copies."""
        return {name: getattr(self, name) for name in WEIGHTS}

    def run(self, inputs: ArrayLike) -> Trajectory:
        """Follow the network through a batch of trials.

        Parameters
        ----------
        inputs : array_like, shape (B, T, N_in)
            x_0..x_{T-1} of each trial.

        Returns
        -------
        Trajectory
            States, rates and outputs.

        Raises
        ------
        TypeError, ValueError
            If the inputs have the wrong shape or are not finite.
        DivergenceError
            If the activity overflows: an ArithmeticError that names trial and step.
        """
        return follow(self, check_inputs(self, inputs), Workspace())


def follow(network: RateRNN, inputs: Floats, work: Workspace) -> Trajectory:
    """Return the trajectory for inputs that are checked, in arrays of the workspace.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : ndarray, shape (B, T, N_in)
        What `check_inputs` returned.
    work : Workspace
        Owns the arrays of the result: the next call with it writes into them again.

    Returns
    -------
    Trajectory
        States, rates and outputs.

    Raises
    ------
    DivergenceError
        If they are not finite.
    """
    from binnet_kernels.rate.steps import run_rate

    n_samples, n_steps, n_inputs = inputs.shape
    n, dtype = network.n_neurons, network.dtype
    states = work.take("states", (n_samples, n_steps + 1, n), dtype)
    rates = work.take("rates", states.shape, dtype)
    states[:, 0] = rates[:, 0] = 0
    n_sources = n + n_inputs
    weights_t = work.take("weights_t", (n_sources, pad_width(n)), dtype)
    weights_t[:n, :n], weights_t[n:, :n] = network.recurrent.T, network.input_weights.T
    field = work.take("field", (1, weights_t.shape[1]), dtype)
    sources = work.take("sources", (n_sources, 1), dtype)
    bits = sources.view(f"i{dtype.itemsize}")
    active = work.take("active", (n_sources,), np.int64)
    is_tanh = network.activation == "tanh"
    for b in cut_trials(states):
        run_rate(
            weights_t, inputs[b], dtype.type(network.leak), is_tanh, states[b], rates[b], field,
            sources, bits, active,
        )  # fmt: skip
    outputs = work.take("outputs", (n_samples, n_steps + 1, network.n_outputs), dtype)
    trajectory = Trajectory(states, rates, outputs[:, 1:])
    with np.errstate(over="ignore", invalid="ignore"):  # told in one sentence
        np.matmul(
            rates.reshape(-1, n), network.readout.T, out=outputs.reshape(-1, network.n_outputs)
        )
        check_finite(trajectory)
    return trajectory


def check_inputs(network: RateRNN, inputs: ArrayLike) -> Floats:
    """Return inputs as a finite C-contiguous array of the network's precision.

    Parameters
    ----------
    network : RateRNN
        The network.
    inputs : array_like, shape (B, T, N_in)
        x_0..x_{T-1} of each trial.

    Returns
    -------
    ndarray, shape (B, T, N_in)
        The inputs.

    Raises
    ------
    TypeError, ValueError
        If they are not real numbers, not finite, or of another shape.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"inputs must be real numbers, got an array of {array.dtype}")
    n_inputs = network.n_inputs
    if array.ndim != 3 or array.shape[2] != n_inputs or 0 in array.shape:
        raise ValueError(
            f"inputs must have shape (B, T, N_in) with N_in = {n_inputs}, the network's inputs, "
            f"and B, T >= 1, got {array.shape}"
        )
    with np.errstate(over="ignore"):  # told in one sentence
        array = np.ascontiguousarray(array, network.dtype)
    return check_matrix("inputs", array, array.shape, "(B, T, N_in)")


def to_double(network: RateRNN) -> RateRNN:
    """Return the network in float64: itself if it is, else a copy.

    Parameters
    ----------
    network : RateRNN
        The network.

    Returns
    -------
    RateRNN
        The same in float64.
    """
    if network.dtype == np.float64:
        return network
    recurrent, input_weights, readout = (w.astype(np.float64) for w in network.weights().values())
    return replace(network, recurrent=recurrent, input_weights=input_weights, readout=readout)
