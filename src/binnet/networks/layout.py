"""Networks as the kernels take them: each kind of network registers its own layout."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from binnet.networks.driven import BinaryNetwork
from binnet.networks.inputs import InputFormat
from binnet.networks.sparse import is_sparse, lay_out_sparse

if TYPE_CHECKING:
    from binnet_kernels.structs import Structure


class AnyNetwork(Protocol):
    """What every network that can be relaxed says of itself; `lay_out` knows the rest."""

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons H, of all modules."""

    @property
    def n_inputs(self) -> int:
        """Number of inputs N_in."""

    @property
    def n_outputs(self) -> int:
        """Number of readout neurons C."""


class Structured(Protocol):
    """What a network says of how its modules hang together."""

    @property
    def n_neurons(self) -> int:
        """Number of hidden neurons H, of all modules."""

    @property
    def connectivity(self) -> NDArray[np.bool_] | None:
        """Which couplings there are, (H, H); None: all."""

    @property
    def self_couplings(self) -> NDArray[Any]:
        """J_D of each neuron, (H,)."""

    @property
    def partners(self) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
        """Same-index neurons of the neighbouring modules and lambda, each (2, H)."""


class LaidOut(NamedTuple):
    """A network as the kernels take it; fields are in units of `unit`, 1 but for integers."""

    couplings: Any  # (1, K, W) bank, or SparseWeights
    structure: Structure
    coupling_scale: Any  # factor of the sum over the couplings in the field
    input_weights: Any  # (1, N, W) bank, in units of the field, or SparseWeights
    readout: NDArray[Any]  # (C, H + padding)
    feedback: NDArray[Any]  # (C, H): field of the feedback, the readout clamped to each label
    dtype: np.dtype[Any]  # of states and fields
    unit: float
    readout_unit: float
    inputs: InputFormat | None = None  # None: real numbers as they are


@singledispatch
def lay_out(network: Any) -> Any:
    """Return a network as the kernels take it; each kind of network registers its own way.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.

    Returns
    -------
    LaidOut
        Its arrays.
    """
    raise TypeError(f"expected a network, got {type(network).__name__}")


def is_driven(network: object) -> bool:
    """Return whether a network takes inputs and a readout, as `lay_out` wants it.

    Parameters
    ----------
    network : object
        Any kind of network.

    Returns
    -------
    bool
        Whether it has registered its layout.
    """
    return lay_out.dispatch(type(network)) is not lay_out.dispatch(object)


@lay_out.register
def _lay_out_binary(network: BinaryNetwork) -> LaidOut:
    from binnet_kernels.structs import allocate_rows

    readout = allocate_rows(network.n_outputs, network.n_neurons, 1, network.dtype)
    readout[:, : network.n_neurons] = network.readout
    structure = lay_out_structure(network, 1, network.dtype)
    return LaidOut(
        lay_out_couplings(network.couplings, structure.windows),
        structure,
        1.0,
        lay_out_inputs(network.input_weights, 1),
        readout,
        network.feedback_fields,
        network.dtype,
        1.0,
        1.0,
    )


def lay_out_couplings(couplings: Any, windows: NDArray[np.int64]) -> Any:
    """Return couplings as the kernels take them, cut into as many banks as there are windows.

    Parameters
    ----------
    couplings : ndarray or csr_array, shape (H, H)
        The couplings.
    windows : ndarray of int64, shape (S, 2)
        Of the structure.

    Returns
    -------
    ndarray (S, K, W) or SparseWeights
        The banks.
    """
    from binnet_kernels.structs import to_windows

    if is_sparse(couplings):
        return lay_out_sparse(couplings, len(windows), with_targets=True)
    return to_windows(couplings.T, windows)


def lay_out_inputs(input_weights: Any, n_banks: int) -> Any:
    """Return input weights as the kernels take them.

    Parameters
    ----------
    input_weights : ndarray or csr_array, shape (H, N)
        The weights.
    n_banks : int
        Pieces that the neurons are cut into.

    Returns
    -------
    ndarray (S, N, W) or SparseWeights
        The banks.
    """
    from binnet_kernels.structs import to_banks

    if is_sparse(input_weights):
        return lay_out_sparse(input_weights, n_banks, with_targets=False)
    return to_banks(input_weights.T, n_banks)


def lay_out_structure(network: Structured, n_banks: int, dtype: np.dtype[Any]) -> Structure:
    """Return how the modules of a network hang together, as the kernels take it.

    Parameters
    ----------
    network : BinaryNetwork or QuantizedNetwork
        The network.
    n_banks : int
        Pieces that its neurons are cut into.
    dtype : dtype
        Of its fields.

    Returns
    -------
    Structure
        For the kernels.
    """
    from binnet_kernels.structs import find_windows, make_structure

    return make_structure(
        find_windows(network.connectivity, network.n_neurons, n_banks),
        network.self_couplings,
        n_banks,
        dtype,
        *(network.partners or ()),
    )
