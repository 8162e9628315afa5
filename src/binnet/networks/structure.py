"""How the modules of a network hang together: sizes, excitation, and which couplings there are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._validation import check_integer


def check_sizes(sizes: tuple[int, ...], n_neurons: int) -> tuple[int, ...]:
    """Return the sizes of the modules, checked; empty: one module of `n_neurons`.

    Parameters
    ----------
    sizes : tuple of int
        Neurons of each module.
    n_neurons : int
        Neurons of all.

    Returns
    -------
    tuple of int
        At least one size.
    """
    checked = tuple(check_integer("sizes", size, 1) for size in sizes or (n_neurons,))
    if sum(checked) != n_neurons:
        raise ValueError(
            f"sizes must add up to the {n_neurons} hidden neurons of couplings, got {checked}"
        )
    return checked


def check_connectivity(connectivity: NDArray[np.bool_] | None, couplings: NDArray[Any]) -> None:
    """Refuse a connectivity of another shape, or couplings where it says that there is none.

    Parameters
    ----------
    connectivity : ndarray of bool, shape (H, H), optional
        Which couplings there are.
    couplings : ndarray, shape (H, H)
        The couplings.
    """
    if connectivity is None:
        return
    if not isinstance(couplings, np.ndarray):
        raise TypeError(
            "connectivity must be None with sparse couplings, whose entries are those that there "
            f"are, got {type(connectivity).__name__}"
        )
    if connectivity.shape != couplings.shape or connectivity.dtype != bool:
        raise ValueError(
            f"connectivity must be a bool array of shape (H, H) = {couplings.shape}, "
            f"got {connectivity.dtype} {connectivity.shape}"
        )
    if couplings[~connectivity].any():
        raise ValueError("couplings must be 0 where connectivity is False")


def check_biases(has_biases: bool, input_weights: NDArray[Any]) -> None:
    """Refuse input weights that have no column but that of the biases.

    Parameters
    ----------
    has_biases : bool
        Whether the last column are biases.
    input_weights : ndarray, shape (H, N_in) or (H, N_in + 1)
        The input weights.
    """
    if has_biases and input_weights.shape[1] < 2:
        raise ValueError(
            "input_weights must have a column for each input and one for the biases, got shape "
            f"{input_weights.shape} with has_biases = True"
        )


def refuse_biases(purpose: str, has_biases: bool) -> None:
    """Raise an error if there are biases.

    Parameters
    ----------
    purpose : str
        What takes none, for the message.
    has_biases : bool
        Whether there are.

    Raises
    ------
    ValueError
        If there are.
    """
    if has_biases:
        raise ValueError(
            f"{purpose} takes a network without biases: it has no input that is always +1; train "
            "one with bias_strength = 0, and with such an input of your own where it is wanted"
        )


def refuse_modules(purpose: str, sizes: tuple[int, ...]) -> None:
    """Raise an error if there is more than one module.

    Parameters
    ----------
    purpose : str
        What takes one module only, for the message.
    sizes : tuple of int
        Neurons of each module.

    Raises
    ------
    ValueError
        If there is more than one module.
    """
    if len(sizes) > 1:
        raise ValueError(
            f"{purpose} takes a network of one module, got {len(sizes)} of sizes {sizes}; train "
            "one with n_modules=1"
        )


def find_modules(sizes: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the columns of a state that belong to each module.

    Parameters
    ----------
    sizes : tuple of int
        Neurons of each module.

    Returns
    -------
    tuple of slice
        One for each module.
    """
    edges = np.cumsum((0, *sizes))
    return tuple(slice(int(start), int(stop)) for start, stop in pairwise(edges))


def find_partners(
    sizes: tuple[int, ...], excitation: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]] | None:
    """Return the same-index neurons of the neighbouring modules and lambda, each (2, H).

    The first row is the module before, the second the one behind; where there is no such neuron,
    lambda is 0.

    Parameters
    ----------
    sizes : tuple of int
        Neurons of each module.
    excitation : ndarray, shape (H,)
        lambda of each neuron.

    Returns
    -------
    tuple of two ndarrays, or None
        None without excitation.
    """
    if len(sizes) == 1 or not excitation.any():
        return None
    modules = find_modules(sizes)
    partners = np.zeros((2, len(excitation)), np.int64)
    excitations = np.zeros((2, len(excitation)), excitation.dtype)
    for here, other, row in (
        *((b, a, 0) for a, b in pairwise(modules)),
        *((a, b, 1) for a, b in pairwise(modules)),
    ):
        n = min(here.stop - here.start, other.stop - other.start)
        excited = slice(here.start, here.start + n)
        partners[row, excited] = np.arange(other.start, other.start + n)
        excitations[row, excited] = excitation[excited]
    return partners, excitations


def find_help(
    sizes: tuple[int, ...], self_couplings: NDArray[Any], excitation: NDArray[Any]
) -> NDArray[Any]:
    """Return what fixed excitation adds to a neuron's stability: J_D, and lambda of the one before.

    Parameters
    ----------
    sizes : tuple of int
        Neurons of each module.
    self_couplings, excitation : ndarray, shape (H,)
        J_D and lambda of each neuron.

    Returns
    -------
    ndarray, shape (H,)
        The help (docs/model/network.md, section 5.1).
    """
    help_ = self_couplings.copy()
    for module, previous in zip(find_modules(sizes), (0, *sizes), strict=False):
        help_[module][:previous] += excitation[module][:previous]
    return help_
