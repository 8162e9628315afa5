"""The binary recurrent network: its weights.

Hidden spins couple to each other asymmetrically, to themselves by one positive constant, to the
input, and to a readout that feeds back while the network learns. They may form a chain of modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet._deprecation import renamed_attribute
from binnet._validation import Inputs, check_integer, check_matrix, check_real, to_reals
from binnet.networks.drawing import draw_couplings, draw_input_weights, pair_readouts
from binnet.networks.modules import NetworkParameters, PerModule, check_per_module, spread
from binnet.networks.sparse import check_weights, densify, is_sparse
from binnet.networks.structure import (
    check_biases,
    check_connectivity,
    check_sizes,
    find_help,
    find_modules,
    find_partners,
    refuse_biases,
    refuse_modules,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weights = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class BinaryNetwork:
    """The weights of a binary recurrent network.

    The hidden field of neuron i and the readout field of class c are (docs/model/network.md, eqs.
    (1.1), (1.2) and (5.1))::

        h_i = sum_{j != i} J_ij s_j + J_D s_i + sum_n W_in[i, n] x_n
              + a(t) sum_c W_back[i, c] g(y_c)
              + lambda (s_i of the module before + s_i of the module behind)
        f_c = sum_i W_out[c, i] s_i

    Parameters
    ----------
    couplings : ndarray or scipy.sparse.csr_array, shape (H, H)
        J_ij, from neuron j to neuron i; the diagonal must be 0, or have no entries. Where they are
        sparse, the entries are the couplings that there are, 0 or not.
    input_weights : ndarray or scipy.sparse.csr_array, shape (H, N_in)
        W_in, dense or sparse likewise.
    readout : ndarray, shape (C, H)
        W_out.
    feedback : ndarray, shape (H, C)
        W_back.
    self_coupling : float or tuple of float
        J_D >= 0, of all modules or of each.
    sizes : tuple of int, optional
        Neurons of each module, one after the other, H in total. Default: one module, (H,).
    excitation : float or tuple of float, default 0
        lambda >= 0, what the neurons of a module receive from the neuron of the same index in each
        neighbouring module (docs/model/network.md, section 5.1).
    connectivity : ndarray of bool, shape (H, H), optional
        Which couplings there are; the others must be 0 and are never learned. Default: all, or
        the entries of sparse ones, with which it is not taken.
    has_biases : bool, default False
        Whether the last column of `input_weights` are biases b_i, added to every hidden field: its
        input is always +1, and not one of the N_in that are presented.

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

    couplings: Weights | csr_array
    input_weights: Weights | csr_array
    readout: Weights
    feedback: Weights
    self_coupling: PerModule
    sizes: tuple[int, ...] = ()
    excitation: PerModule = 0.0
    connectivity: NDArray[np.bool_] | None = None
    has_biases: bool = False

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
        n_neurons, n_outputs = np.shape(self.couplings)[0], len(self.readout)
        check_biases(self.has_biases, self.input_weights)
        n_columns = np.shape(self.input_weights)[1]
        for name, value, shape, axes in (
            ("couplings", self.couplings, (n_neurons, n_neurons), "(H, H)"),
            ("input_weights", self.input_weights, (n_neurons, n_columns), "(H, N_in)"),
            ("readout", self.readout, (n_outputs, n_neurons), "(C, H)"),
            ("feedback", self.feedback, (n_neurons, n_outputs), "(H, C)"),
        ):
            if name in ("couplings", "input_weights"):
                array = check_weights(name, value, shape, axes, diagonal=name != "couplings")
            else:
                array = check_matrix(name, value, shape, axes)
            if array.dtype != self.couplings.dtype:
                raise TypeError(
                    f"{name} is {array.dtype} but couplings are {self.couplings.dtype}; convert "
                    "one with .astype()"
                )
        sizes = check_sizes(self.sizes, n_neurons)
        object.__setattr__(self, "sizes", sizes)
        for name in ("self_coupling", "excitation"):
            value = check_per_module(name, getattr(self, name), len(sizes), check_real, 0.0)
            object.__setattr__(self, name, value)
        check_connectivity(self.connectivity, self.couplings)

    @classmethod
    def random(
        cls, parameters: NetworkParameters, seed: int = 0, dtype: DTypeLike = np.float32
    ) -> BinaryNetwork:
        """Draw the initial network: independent normal weights, J_ij and J_ji independent.

        Standard deviations are 1/sqrt(H) for J and W_out, lambda_in/sqrt(N_in) for W_in and
        lambda_back/sqrt(C) for W_back (docs/model/network.md, eq. (1.4)); those of modules as
        `NetworkParameters` says.

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
        p.check_memory(np.dtype(dtype).name)
        n_neurons = p.n_neurons
        draw = np.random.default_rng(check_integer("seed", seed, 0, None)).standard_normal
        couplings, connectivity = draw_couplings(p, draw, seed, dtype)
        readouts, feedbacks = (
            spread(p.each(name), p.sizes) for name in ("readout_strength", "feedback_strength")
        )
        input_weights = draw_input_weights(p, draw, seed, dtype)
        readout, feedback = pair_readouts(
            draw((p.n_outputs, n_neurons)), draw((n_neurons, p.n_outputs)), p
        )
        readout *= readouts / math.sqrt(p.n_read)
        feedback *= feedbacks[:, None] / math.sqrt(p.n_outputs)
        return cls(
            couplings,
            input_weights,
            readout.astype(dtype),
            feedback.astype(dtype),
            p.self_coupling,
            p.sizes,
            p.excitation,
            connectivity,
            p.has_biases,
        )

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons H, of all modules."""
        return int(self.couplings.shape[0])

    n_hidden = renamed_attribute("n_hidden", "n_neurons")

    @property
    def n_inputs(self) -> int:
        """Number of inputs N_in that are presented."""
        return int(self.input_weights.shape[1]) - self.has_biases

    @property
    def n_outputs(self) -> int:
        """Number of readout neurons C."""
        return len(self.readout)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating-point type of the weights."""
        return np.dtype(self.couplings.dtype)

    def to_dense(self) -> BinaryNetwork:
        """Return the network with arrays in the place of sparse weights.

        Returns
        -------
        BinaryNetwork
            The same weights, `connectivity` saying which couplings there are; this network itself
            where nothing is sparse.

        Raises
        ------
        MemoryError
            If there is no memory for them.
        """
        changes: dict[str, Any] = {}
        for name in ("couplings", "input_weights"):
            weights = getattr(self, name)
            if is_sparse(weights):
                changes[name] = densify(name, weights)
                if name == "couplings":
                    present = np.ones(weights.nnz, bool)
                    there = type(weights)((present, weights.indices, weights.indptr), weights.shape)
                    changes["connectivity"] = densify("connectivity", there)
        return replace(self, **changes) if changes else self

    @property
    def modules(self) -> tuple[slice, ...]:
        """Columns of a state that belong to each module."""
        return find_modules(self.sizes)

    @property
    def self_couplings(self) -> NDArray[np.float64]:
        """J_D of each neuron, shape (H,)."""
        return self._of_each_neuron(self.self_coupling)

    @property
    def fixed_help(self) -> NDArray[np.float64]:  # numpydoc ignore=RT01
        """What fixed excitation adds to a neuron's stability, shape (H,).

        J_D, and lambda of the module before (docs/model/network.md, eq. (3.1)).
        """
        return find_help(self.sizes, self.self_couplings, self._of_each_neuron(self.excitation))

    @property
    def partners(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:  # numpydoc ignore=RT01
        """Same-index neurons of the neighbouring modules and lambda, each (2, H); None without.

        The first row is the module before, the second the one behind; where there is no such
        neuron, lambda is 0.
        """
        return find_partners(self.sizes, self._of_each_neuron(self.excitation))

    links = renamed_attribute("links", "partners")

    def refuse_modules(self, purpose: str) -> None:
        """Raise an error if there is more than one module, or biases.

        Parameters
        ----------
        purpose : str
            What takes one module only, for the message.

        Raises
        ------
        ValueError
            If there is more than one module, or biases.
        """
        refuse_modules(purpose, self.sizes)
        refuse_biases(purpose, self.has_biases)

    def input_fields(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the fields of the input and of the biases, W_in x + b.

        Parameters
        ----------
        inputs : ndarray of int8, uint8 or float32, shape (B, N_in)
            Inputs: spins, pixels of which 255 stands for 1, or other graded ones.

        Returns
        -------
        ndarray, shape (B, H)
            One row for each input.
        """
        weights = self.input_weights.astype(np.float64)
        fields: NDArray[np.float64] = to_reals(inputs) @ weights[:, : self.n_inputs].T
        if self.has_biases:
            fields = fields + densify("input_weights", weights[:, [-1]])[:, 0]
        return fields

    def _of_each_neuron(self, value: PerModule) -> NDArray[np.float64]:
        values = value if isinstance(value, tuple) else (value,) * len(self.sizes)
        return spread(values, self.sizes)

    @property
    def feedback_fields(self) -> Weights:  # numpydoc ignore=RT01
        """Fields of the feedback with the readout clamped to each label, shape (C, H).

        Row l is sum_c W_back[i, c] g(y_c) with y_l = +1 and the rest -1. g(+1) = sqrt(C) / 2 and
        g(-1) = -1/2 balance one active class against C - 1 inactive ones (docs/model/network.md,
        eq. (1.3)).
        """
        gain = np.full((self.n_outputs, self.n_outputs), -0.5)
        np.fill_diagonal(gain, math.sqrt(self.n_outputs) / 2)
        fields: Weights = (gain @ self.feedback.T.astype(np.float64)).astype(self.dtype)
        return fields
