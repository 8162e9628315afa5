"""The binary recurrent network: its parameters, and its weights.

Hidden spins couple to each other asymmetrically, to themselves by one positive constant, to the
input, and to a readout that feeds back while the network learns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet._validation import check_integer, check_matrix, keep_integer, keep_real

Weights = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class NetworkParameters:
    """Sizes and strengths of a network (learning.md, section 1).

    Parameters
    ----------
    n_hidden : int, default 400
        Hidden neurons H, at least 1.
    n_inputs : int, default 100
        Inputs N_in, at least 1.
    n_outputs : int, default 10
        Readout neurons C, one a class, at least 2.
    self_coupling : float, default 0.5
        J_D >= 0, the coupling of each hidden neuron to itself.
    input_strength : float, default 5.0
        lambda_in >= 0: the input field of a neuron has this standard deviation.
    feedback_strength : float, default 0.9
        lambda_back >= 0, of the readout feedback; 0 switches the feedback off.

    Raises
    ------
    TypeError, ValueError
        If a value is out of its range.
    """

    n_hidden: int = 400
    n_inputs: int = 100
    n_outputs: int = 10
    self_coupling: float = 0.5
    input_strength: float = 5.0
    feedback_strength: float = 0.9

    def __post_init__(self) -> None:
        for name, low in (("n_hidden", 1), ("n_inputs", 1), ("n_outputs", 2)):
            keep_integer(self, name, low)
        for name in ("self_coupling", "input_strength", "feedback_strength"):
            keep_real(self, name, 0.0)


@dataclass(frozen=True, eq=False)
class BinaryNetwork:
    """The weights of a binary recurrent network.

    The hidden field of neuron i and the readout field of class c are (learning.md, section 1)::

        h_i = sum_{j != i} J_ij s_j + J_D s_i + sum_n W_in[i, n] x_n
              + a(t) sum_c W_back[i, c] g(y_c)
        f_c = sum_i W_out[c, i] s_i

    Parameters
    ----------
    couplings : ndarray, shape (H, H)
        J_ij, from neuron j to neuron i; the diagonal must be 0.
    input_weights : ndarray, shape (H, N_in)
        W_in.
    readout : ndarray, shape (C, H)
        W_out.
    feedback : ndarray, shape (H, C)
        W_back.
    self_coupling : float
        J_D >= 0.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, a weight is not finite, or the dtypes are not all float32 or all
        float64.

    Examples
    --------
    >>> network = BinaryNetwork.random(NetworkParameters(n_hidden=50), seed=1)
    >>> network.couplings.shape, network.input_weights.shape
    ((50, 50), (50, 100))
    """

    couplings: Weights
    input_weights: Weights
    readout: Weights
    feedback: Weights
    self_coupling: float

    def __post_init__(self) -> None:
        for name, value, axes in (
            ("couplings", self.couplings, "(H, H)"),
            ("input_weights", self.input_weights, "(H, N_in)"),
            ("readout", self.readout, "(C, H)"),
        ):
            if np.ndim(value) != 2 or 0 in np.shape(value):
                raise ValueError(
                    f"{name} must have shape {axes} with no empty axis, got {np.shape(value)}"
                )
        n_hidden, n_outputs = len(self.couplings), len(self.readout)
        n_inputs = np.shape(self.input_weights)[1]
        for name, value, shape, axes in (
            ("couplings", self.couplings, (n_hidden, n_hidden), "(H, H)"),
            ("input_weights", self.input_weights, (n_hidden, n_inputs), "(H, N_in)"),
            ("readout", self.readout, (n_outputs, n_hidden), "(C, H)"),
            ("feedback", self.feedback, (n_hidden, n_outputs), "(H, C)"),
        ):
            array = check_matrix(name, value, shape, axes)
            if array.dtype != self.couplings.dtype:
                raise TypeError(
                    f"{name} is {array.dtype} but couplings are {self.couplings.dtype}; convert "
                    "one with .astype()"
                )
        if np.diagonal(self.couplings).any():
            raise ValueError(
                "the diagonal of couplings must be 0: pass the self-coupling as self_coupling"
            )
        keep_real(self, "self_coupling", 0.0)

    @classmethod
    def random(
        cls, parameters: NetworkParameters, seed: int = 0, dtype: DTypeLike = np.float32
    ) -> BinaryNetwork:
        """Draw the initial network: independent normal weights, J_ij and J_ji independent.

        Standard deviations are 1/sqrt(H) for J and W_out, lambda_in/sqrt(N_in) for W_in and
        lambda_back/sqrt(C) for W_back (learning.md, section 1).

        Parameters
        ----------
        parameters : NetworkParameters
            Sizes and strengths.
        seed : int, default 0
            Seed of the draw.
        dtype : dtype, default float32
            float32 or float64; both get the same draw, rounded.

        Returns
        -------
        BinaryNetwork
            The network.
        """
        p = parameters
        draw = np.random.default_rng(check_integer("seed", seed, 0)).standard_normal
        couplings = draw((p.n_hidden, p.n_hidden)) / math.sqrt(p.n_hidden)
        np.fill_diagonal(couplings, 0.0)
        input_weights = draw((p.n_hidden, p.n_inputs)) * (p.input_strength / math.sqrt(p.n_inputs))
        readout = draw((p.n_outputs, p.n_hidden)) / math.sqrt(p.n_hidden)
        feedback = draw((p.n_hidden, p.n_outputs)) * (p.feedback_strength / math.sqrt(p.n_outputs))
        return cls(
            couplings.astype(dtype),
            input_weights.astype(dtype),
            readout.astype(dtype),
            feedback.astype(dtype),
            p.self_coupling,
        )

    @property
    def n_hidden(self) -> int:
        """Number of hidden neurons H."""
        return len(self.couplings)

    @property
    def n_inputs(self) -> int:
        """Number of inputs N_in."""
        return int(self.input_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of readout neurons C."""
        return len(self.readout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating-point type of the weights."""
        return self.couplings.dtype

    @property
    def feedback_fields(self) -> Weights:  # numpydoc ignore=RT01
        """Fields of the feedback with the readout clamped to each label, shape (C, H).

        Row l is sum_c W_back[i, c] g(y_c) with y_l = +1 and the rest -1. g(+1) = sqrt(C) / 2 and
        g(-1) = -1/2 balance one active class against C - 1 inactive ones (learning.md, section 1).
        """
        gain = np.full((self.n_outputs, self.n_outputs), -0.5)
        np.fill_diagonal(gain, math.sqrt(self.n_outputs) / 2)
        fields: Weights = (gain @ self.feedback.T.astype(np.float64)).astype(self.dtype)
        return fields
