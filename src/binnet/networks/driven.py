"""The binary recurrent network: its weights.

Hidden spins couple to each other asymmetrically, to themselves by one positive constant, to the
input, and to a readout that feeds back while the network learns. They may form a chain of modules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from binnet._deprecation import renamed_attribute
from binnet._validation import Inputs, check_integer, check_matrix, check_real, to_reals
from binnet.networks.modules import NetworkParameters, PerModule, check_per_module, spread
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

Weights = NDArray[np.floating[Any]]
_BIAS_STREAM = 2  # of a seed; stream 1 draws the connectivity


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
    couplings : ndarray, shape (H, H)
        J_ij, from neuron j to neuron i; the diagonal must be 0.
    input_weights : ndarray, shape (H, N_in)
        W_in.
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
        Which couplings there are; the others must be 0 and are never learned. Default: all.
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

    couplings: Weights
    input_weights: Weights
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
        n_neurons, n_outputs = len(self.couplings), len(self.readout)
        check_biases(self.has_biases, self.input_weights)
        n_columns = np.shape(self.input_weights)[1]
        for name, value, shape, axes in (
            ("couplings", self.couplings, (n_neurons, n_neurons), "(H, H)"),
            ("input_weights", self.input_weights, (n_neurons, n_columns), "(H, N_in)"),
            ("readout", self.readout, (n_outputs, n_neurons), "(C, H)"),
            ("feedback", self.feedback, (n_neurons, n_outputs), "(H, C)"),
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
        couplings = draw((n_neurons, n_neurons))
        _correlate(couplings, p)
        std = _coupling_std(p)
        connectivity = _connect(p, std, seed)
        couplings *= std
        if connectivity is not None:
            couplings *= connectivity
        np.fill_diagonal(couplings, 0.0)
        inputs, readouts, feedbacks = (
            spread(p.each(name), p.sizes)
            for name in ("input_strength", "readout_strength", "feedback_strength")
        )
        input_weights = draw((n_neurons, p.n_inputs)) * (inputs[:, None] / math.sqrt(p.n_inputs))
        if p.has_biases:
            stream = np.random.SeedSequence(seed, spawn_key=(_BIAS_STREAM,))
            biases = np.random.default_rng(stream).standard_normal(n_neurons)
            biases *= spread(p.each("bias_strength"), p.sizes)
            input_weights = np.column_stack([input_weights, biases])
        readout, feedback = _pair_readouts(
            draw((p.n_outputs, n_neurons)), draw((n_neurons, p.n_outputs)), p
        )
        readout *= readouts / math.sqrt(p.n_read)
        feedback *= feedbacks[:, None] / math.sqrt(p.n_outputs)
        return cls(
            couplings.astype(dtype),
            input_weights.astype(dtype),
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
        return len(self.couplings)

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
        return self.couplings.dtype

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
        return fields + weights[:, -1] if self.has_biases else fields

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


def _pair_readouts(
    readout: NDArray[np.float64], feedback: NDArray[np.float64], p: NetworkParameters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return W_out (C, H) and W_back (H, C), of variance 1, as `feedback_weights` says."""
    if p.feedback_weights == "independent":
        return readout, feedback
    index = np.concatenate([np.arange(size) for size in p.sizes])  # in its module
    readout, feedback = readout[:, index], feedback[index]
    return readout, feedback if p.feedback_weights == "repeated" else readout.T.copy()


def _correlate(couplings: NDArray[np.float64], p: NetworkParameters) -> None:
    """Give J_ij and J_ji of the same module, of variance 1, the correlation eta, in place."""
    if not p.symmetry:
        return
    rest = math.sqrt(1 - p.symmetry**2)
    for module in find_modules(p.sizes):
        block = couplings[module, module]
        upper = np.triu(block, 1)
        block[:] = upper + p.symmetry * upper.T + rest * np.tril(block, -1)


def _coupling_std(p: NetworkParameters) -> NDArray[np.float64]:
    """Return the standard deviation of each coupling, (H, H); a number for one dense module."""
    densities, strengths = p.each("density"), p.each("neighbour_strength")
    if p.n_modules == 1:
        return np.asarray(1 / math.sqrt(p.sizes[0] * (densities[0] or 1.0)))
    std = np.zeros((p.n_neurons, p.n_neurons))
    edges = np.cumsum((0, *p.sizes))
    modules = [slice(a, b) for a, b in pairwise(edges)]
    for k, module in enumerate(modules):
        if densities[k]:
            std[module, module] = 1 / math.sqrt(p.sizes[k] * densities[k])
        for neighbour in (k - 1, k + 1):
            if 0 <= neighbour < p.n_modules:
                std[module, modules[neighbour]] = strengths[k] / math.sqrt(p.sizes[neighbour])
    return std


def _connect(p: NetworkParameters, std: NDArray[np.float64], seed: int) -> NDArray[np.bool_] | None:
    """Draw which couplings there are, or return None for one dense module."""
    densities = p.each("density")
    if p.n_modules == 1 and densities[0] == 1.0:
        return None
    connectivity = np.zeros((p.n_neurons, p.n_neurons), bool)
    connectivity |= std > 0
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    start = 0
    for size, density in zip(p.sizes, densities, strict=True):
        module = slice(start, start + size)
        connectivity[module, module] = rng.random((size, size)) < density
        if p.symmetry:
            upper = np.triu(connectivity[module, module], 1)
            connectivity[module, module] = upper | upper.T
        start += size
    np.fill_diagonal(connectivity, False)
    return connectivity
